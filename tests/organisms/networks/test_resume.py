"""Networks taken up in the middle of a step: patching through it equals patching from the start."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from interp.contract import ResumableNetwork
from interp.network.hooks import HookedNetwork
from interp.patching import attribution_patch, patch_sweep
from organisms.networks.drc import DRC, ConvConfig, DRCConfig
from organisms.networks.resnet import ResNet, ResNetConfig
from tests.interp.patching.patching_network import naive_effect

VARIANTS = {
    "plain": {},
    "residual": {"residual": True, "skip_final": False},
    "vertical": {"pool_and_inject": "vertical", "head": "concat"},
    "no pool": {"pool_and_inject": "no"},
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_drc(**options) -> DRC:
    config = DRCConfig(
        n_layers=2,
        n_ticks=2,
        channels=4,
        encoder=(ConvConfig(4, 3),),
        board=(5, 6),
        mlp_hiddens=(8,),
        **options,
    )
    return DRC(config, seed=1).requires_grad_(False)


def small_resnet() -> ResNet:
    config = ResNetConfig(
        channels=(4, 6), kernel_sizes=(3, 3), n_blocks=2, board=(5, 6), mlp_hiddens=(8,)
    )
    return ResNet(config, seed=1).requires_grad_(False)


def pairs(examples=3, steps=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (2, steps, examples, 5, 6, 3)).astype(np.uint8)


NETWORKS = {name: lambda o=options: small_drc(**o) for name, options in VARIANTS.items()}
NETWORKS["resnet"] = small_resnet


@pytest.mark.parametrize("name", NETWORKS)
def test_resuming_at_every_stage_is_the_whole_step_bit_for_bit(name):
    network = NETWORKS[name]()
    assert isinstance(network, ResumableNetwork)
    obs = torch.as_tensor(pairs(examples=8)[0])
    with torch.inference_mode():
        state = network(obs[:1]).state
        whole = network(obs[1:], state)
        ticks = range(getattr(network, "n_ticks", 1))
        stages = {
            network.stage_of(site, tick if "tick" in dims else None)
            for (site, dims), tick in itertools.product(network.sites.items(), ticks)
        } - {None}
        moments = network.moments(obs[1:], state, stages)
        assert set(moments) == stages
        rows = torch.arange(8).flip(0)
        for moment in moments.values():
            part = network.resume(moment.take(rows))
            assert torch.equal(part.logits[:, rows], whole.logits)
            assert torch.equal(part.value[:, rows], whole.value)
            for ours, theirs in zip(part.state, whole.state, strict=True):
                assert all(torch.equal(a[rows], b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_resumed_step_still_fires_the_site_it_was_resumed_for(name):
    network = NETWORKS[name]()
    obs = torch.as_tensor(pairs()[0][:1])
    fired = []
    for site, dims in network.sites.items():
        tick = network.n_ticks - 1 if "tick" in dims else None
        stage = network.stage_of(site, tick)
        if stage is None:
            continue
        fired.clear()
        with torch.inference_mode():
            moment = network.moments(obs, None, [stage])[stage]
            with network.hooks(fwd_hooks=[(site, lambda t, hook: fired.append(hook.clock.tick))]):
                network.resume(moment)
        assert fired == [tick], site


@pytest.mark.parametrize("name", ["plain", "residual", "resnet"])
def test_the_fast_path_equals_the_naive_one_at_every_site(name):
    network = NETWORKS[name]()
    clean, corrupted = pairs()
    with torch.inference_mode():
        before = network(torch.as_tensor(corrupted)).value[1]
    for number, (site, dims) in enumerate(network.sites.items()):
        step, tick = number % 2, 1 if "tick" in dims else None
        row = {"y": [1]} if "y" in dims else {}
        table = patch_sweep(
            network, clean, corrupted, [site], step, tick, tuple(row), "value", index=row,
            n_bootstrap=1,
        )  # fmt: skip
        position = {[d for d in dims if d != "tick"].index("y") + 1: 1} if row else {}
        after = naive_effect(
            network, corrupted, clean, (site, step, tick), position, lambda _, value: value, 1
        )
        np.testing.assert_allclose(
            table.effect.values.ravel(), after - before, atol=1e-6, err_msg=site
        )


class NotResumable(HookedNetwork):
    """The same network without its middle."""

    def __init__(self, network):
        super().__init__()
        self.inner = network
        self.setup()
        self.clock = network.clock
        for point in self.hook_dict.values():
            point.clock = network.clock

    def forward(self, *args):
        return self.inner(*args)


def test_resuming_in_the_middle_changes_no_bit():
    network = small_drc()
    clean, corrupted = pairs(examples=9)
    kwargs = {"over": ("step", "tick", "y", "x"), "metric": "log_odds"}
    fast = patch_sweep(network, clean, corrupted, "layers.*.h", **kwargs)
    slow = patch_sweep(NotResumable(network), clean, corrupted, "inner.layers.*.h", **kwargs)
    np.testing.assert_array_equal(fast.effect, slow.effect)
    assert fast.effect.values.any()


def test_batch_size_changes_no_bit():
    network = small_drc()
    clean, corrupted = pairs(examples=9)
    kwargs = {
        "sites": "layers.*.[ch]",
        "over": ("tick", "y", "x"),
        "steps": 1,
        "metric": "log_odds",
    }
    one = patch_sweep(network, clean, corrupted, batch_size=100, **kwargs)
    other = patch_sweep(network, clean, corrupted, batch_size=13, **kwargs)
    assert one.identical(other)


def test_a_run_patched_with_its_own_activations_does_not_move_by_a_bit(monkeypatch):
    from interp.patching.grid import Grid

    always = Grid.per_cell

    def changed_everywhere(self, values, site, reduce):
        found = always(self, values, site, reduce)
        return torch.ones_like(found) if reduce == "any" else found

    monkeypatch.setattr(Grid, "per_cell", changed_everywhere)
    network = small_drc()
    clean, _ = pairs(examples=3)
    table = patch_sweep(
        network, clean, clean, "layers.*.*", over=("step", "tick"), metric="log_odds"
    )
    assert table.attrs["n_runs"] == table.effect.size and not table.effect.values.any()


def test_all_state_patched_at_a_step_is_the_clean_run_from_there():
    network = small_drc()
    clean, corrupted = pairs(steps=3)
    corrupted[2:] = clean[2:]
    table = patch_sweep(
        network, clean, corrupted, {"state": "layers.*.[ch]"}, steps=1, ticks=1, over=(),
        metric="log_odds",
    )  # fmt: skip
    gap = table.clean_metric - table.corrupted_metric
    np.testing.assert_array_equal(table.effect.sel(site="state"), gap)
    assert (gap != 0).all()


def test_attribution_on_the_network_follows_small_patches():
    network = small_drc()
    clean, corrupted = pairs()
    kwargs = {"sites": "layers.*.[ch]", "over": ("step", "tick", "y"), "metric": "log_odds"}
    estimate = attribution_patch(network, clean, corrupted, **kwargs)
    tiny = patch_sweep(
        network, clean, corrupted, setter=lambda b, d, at: b + 0.05 * (d - b), **kwargs
    )
    assert np.corrcoef(estimate.effect.values.ravel(), tiny.effect.values.ravel())[0, 1] > 0.999
