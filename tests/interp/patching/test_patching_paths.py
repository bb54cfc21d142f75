"""Path patching and attribution patching."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.errors import AddressError, InputError, UnknownSiteError
from interp.interventions.address import Address
from interp.patching import agreement, attribution_patch, patch_sweep, path_patch
from tests.interp.patching.patching_network import LineNetwork, line_pairs
from tests.interp.patching.test_patching import Noisy, noisy_pairs, toy_pairs
from tests.interp.toy_organism import ToyNetwork


@pytest.fixture
def line():
    return LineNetwork()


# Paths --------------------------------------------------------------------------------------------


def test_paths_by_hand(line):
    # One step, x = (1, 0, 0) and (1, 2, 0): the encoder moves a by 2 at tick 0 and by 4 at tick 1.
    corrupted, clean = np.zeros((2, 1, 1, 3))
    corrupted[..., 0] = clean[..., 0] = 1
    clean[..., 1] = 2
    table = path_patch(
        line,
        clean,
        corrupted,
        senders={"encoder": Address("encoder"), "a0": Address("layers.0.a", tick=0)},
        receivers={
            "a0": Address("layers.0.a", tick=0),
            "a1": Address("layers.0.a", tick=1),
            "b0": Address("layers.1.b", tick=0),
            "b1": Address("layers.1.b", tick=1),
            "output": "output",
        },
        nodes=["layers.*"],
        metric="value",
    )
    # encoder → a0 (+2) goes on into a1 and b0: b + 2 + 2. encoder → a1 with a0 frozen (+2): b + 2.
    # The encoder reaches b through a alone. a0 → b0: + 2; a0 → a1: + 2; nothing goes past the nodes.
    assert table.effect.sel(example=0, sender="encoder").values.tolist() == [4, 2, 0, 0, 0]
    assert table.effect.sel(example=0, sender="a0").values.tolist() == [0, 2, 2, 0, 0]


def test_without_nodes_between_the_direct_effect_is_the_whole_effect():
    network = ToyNetwork()
    clean, corrupted = toy_pairs()
    whole = patch_sweep(network, clean, corrupted, "encoder", steps=2, metric="log_odds")
    path = path_patch(
        network, clean, corrupted, Address("encoder", step=2), "output", [], "log_odds"
    )
    np.testing.assert_allclose(path.effect[:, 0, 0], whole.effect[:, 0, 0], atol=1e-6)
    # The last tick is all that the output sees: the paths through it are the whole effect again.
    last = Address("h", step=2, tick=1)
    through = path_patch(
        network, clean, corrupted, Address("encoder", step=2), [last, "output"], [], "log_odds"
    )
    assert not through.effect[..., 1].values.any()  # nothing goes past the last tick
    np.testing.assert_allclose(through.effect[..., 0], whole.effect[:, 0], atol=1e-6)
    # With the tick between frozen, what arrives at the last tick is another.
    frozen = path_patch(
        network, clean, corrupted, Address("encoder", step=2), last, ["h"], "log_odds"
    )
    assert (frozen.effect.values != through.effect[..., :1].values).all()


def test_an_index_sends_and_receives_a_part(line):
    clean, corrupted = line_pairs()
    table = path_patch(
        line,
        clean,
        corrupted,
        [Address("encoder", step=1, index={"x": x}) for x in range(3)],
        [Address("layers.0.a", step=1, index={"x": x}) for x in range(3)],
        [],
        "value",
    )
    off = table.effect.values[:, ~np.eye(3, dtype=bool)]
    assert not off.any() and table.effect.values.any()


def test_path_mistakes(line):
    clean, corrupted = line_pairs()
    sender = Address("encoder", step=1)
    with pytest.raises(UnknownSiteError, match="layers.0.a"):
        path_patch(line, clean, corrupted, sender, Address("layer.0.a"), [])
    with pytest.raises(AddressError, match="covers no firing"):
        path_patch(line, clean, corrupted, Address("encoder", step=5), "output", [])
    with pytest.raises(AddressError, match="only 3"):
        path_patch(line, clean, corrupted, Address("encoder", index={"x": 3}), "output", [])
    with pytest.raises(InputError, match="not a sender|is a receiver"):
        path_patch(line, clean, corrupted, {"a": "output"}, "output", [])  # type: ignore[dict-item]
    with pytest.raises(InputError, match="Addresses"):
        path_patch(line, clean, corrupted, sender, "outputs", [])  # type: ignore[arg-type]


# Attribution --------------------------------------------------------------------------------------


def test_attribution_is_exact_where_the_network_is_linear(line):
    clean, corrupted = line_pairs(examples=5, steps=3)
    for over in (("step", "tick", "channel", "x"), ("layer", "step", "tick")):
        kwargs = {"sites": "layers.0.*", "over": over, "metric": "value"}
        exact = patch_sweep(line, clean, corrupted, **kwargs)
        estimate = attribution_patch(line, clean, corrupted, batch_size=2, **kwargs)
        np.testing.assert_array_equal(estimate.effect, exact.effect)
        np.testing.assert_array_equal(estimate.p_value, exact.p_value)
        found = agreement(exact, estimate)
        assert found.spearman == pytest.approx(1) and found.spearman_low == pytest.approx(1)


@pytest.mark.parametrize("donors", ["matched", "random"])
def test_attribution_is_the_limit_of_small_patches(donors):
    network = LineNetwork()
    clean, corrupted = np.random.default_rng(0).normal(0, 0.1, (2, 3, 5, 3)).astype(np.float32)
    kwargs = {
        "sites": "layers.0.a",
        "ticks": 1,
        "over": ("step", "x"),
        "metric": "log_odds",
        "answers": (np.arange(5) % 3, np.zeros(5, int)),
        "donors": donors,
    }
    estimate = attribution_patch(network, clean, corrupted, **kwargs)

    def small(base, donor, firing):
        return base + 1e-2 * (donor - base)

    exact = patch_sweep(network, clean, corrupted, setter=small, **kwargs)
    np.testing.assert_allclose(100 * exact.effect, estimate.effect, rtol=0.02, atol=1e-3)
    assert np.abs(estimate.effect).max() > 0.1


def test_a_network_without_a_gradient_is_refused():
    with pytest.raises(InputError, match="gradient"):
        attribution_patch(ToyNetwork(), *toy_pairs(), "h", metric="log_odds")


def test_attribution_finds_the_planted_cause_and_leaves_no_gradients_behind():
    network = Noisy()
    table = attribution_patch(network, *noisy_pairs(), over="channel")
    assert table.significant.sel(site="h").values.tolist() == [True] + 5 * [False]
    assert not network.h.fwd_hooks and torch.is_grad_enabled()
    clean, corrupted = noisy_pairs()
    with pytest.raises(InputError, match="the same for 40"):
        attribution_patch(network, clean, clean, over="channel")


def test_disagreement_is_seen():
    exact = patch_sweep(Noisy(), *noisy_pairs(), over="channel")
    other = exact.assign(effect=-exact.effect)
    found = agreement(exact, other)
    assert found.spearman == pytest.approx(-1) and found.sign_agreement == 0
    rng = np.random.default_rng(0)
    noise = exact.assign(effect=exact.effect.copy(data=rng.normal(size=exact.effect.shape)))
    found = agreement(noise, exact)
    assert found.spearman_low < found.spearman < found.spearman_high and found.spearman_low < 0.5
    with pytest.raises(InputError, match="other cells"):
        agreement(exact, exact.isel(channel=slice(3)))
