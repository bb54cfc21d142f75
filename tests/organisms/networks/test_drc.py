"""The DRC against arithmetic by hand, a plain NumPy version and the original JAX code's output."""

from __future__ import annotations

import copy
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.errors import InputError, UnknownNameError
from organisms.networks.drc import DRC, ConvConfig, DRCConfig
from organisms.networks.parts import (
    constant_conv2d,
    constant_conv2d_weight,
    conv2d_same,
    tanh,
)

REFERENCE = os.environ.get("MESASCOPE_REFERENCE")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**changes) -> DRCConfig:
    settings: dict = {
        "n_layers": 2,
        "n_ticks": 2,
        "channels": 3,
        "encoder": (ConvConfig(4, 3), ConvConfig(3, (2, 4))),
        "board": (4, 5),
        "mlp_hiddens": (6,),
    }
    return DRCConfig(**{**settings, **changes})


def observations(config: DRCConfig, steps: int, batch: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    shape = {"y": config.board[0], "x": config.board[1], "colour": 3, "plane": config.n_planes}
    high = 256 if config.observation == "rgb" else 2
    size = (steps, batch, *(shape[dim] for dim in config.observation_dims))
    return torch.from_numpy(rng.integers(0, high, size, dtype=np.uint8))


def randomised(config: DRCConfig, seed: int = 0, dtype=torch.float64) -> DRC:
    """A network none of whose parameters is at a special value such as zero."""
    network = DRC(config, seed=seed).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.3 * noise.to(dtype))
    return network


# ---- a plain NumPy DRC, channels last, one example, loops -------------------------------------


def plain_conv(x, kernel, bias=None, padded=None):
    """x (y, x, in), kernel (ky, kx, in, out)."""
    ky, kx = kernel.shape[:2]
    if padded is None:
        top, left = (ky - 1) // 2, (kx - 1) // 2
        padded = np.zeros((x.shape[0] + ky - 1, x.shape[1] + kx - 1, x.shape[2]))
        padded[top : top + x.shape[0], left : left + x.shape[1]] = x
    out = np.zeros((padded.shape[0] - ky + 1, padded.shape[1] - kx + 1, kernel.shape[3]))
    for y, x_ in itertools.product(range(out.shape[0]), range(out.shape[1])):
        window = padded[y : y + ky, x_ : x_ + kx]
        out[y, x_] = np.tensordot(window, kernel, axes=3)
    return out if bias is None else out + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_drc(network: DRC, obs: np.ndarray):
    """Logits, values and every (c, h) after every step for one example (step, ...)."""
    config = network.config
    w = {name: p.detach().numpy() for name, p in network.state_dict().items()}
    hwio = {name: p.transpose(2, 3, 1, 0) for name, p in w.items() if p.ndim == 4}
    height, width = config.board
    shape = (height, width, config.channels)
    c = [np.zeros(shape) for _ in range(config.n_layers)]
    h = [np.zeros(shape) for _ in range(config.n_layers)]
    logits, values, states = [], [], []
    for frame in obs:
        e = frame / 255 if config.observation == "rgb" else frame.transpose(1, 2, 0).astype(float)
        for k in range(len(config.encoder)):
            if k and config.encoder_relu:
                e = np.maximum(e, 0)
            e = plain_conv(e, hwio[f"embed.{k}.weight"], w.get(f"embed.{k}.bias"))
        for _ in range(config.n_ticks):
            below = h[-1]
            for d in range(config.n_layers):
                inputs = [e, below]
                if config.pool_and_inject != "no":
                    source = h[d] if config.pool_and_inject == "horizontal" else below
                    big, mean = source.max((0, 1)), source.mean((0, 1))
                    pooled = {
                        "max": lambda: big,  # noqa: B023
                        "mean": lambda: mean,  # noqa: B023
                        "per-channel": lambda: (
                            w[f"layers.{d}.project"][0] * big  # noqa: B023
                            + w[f"layers.{d}.project"][1] * mean  # noqa: B023
                        ),
                        "full": lambda: (
                            np.concatenate([big, mean]) @ w[f"layers.{d}.project"]  # noqa: B023
                        ),
                    }[config.pool_projection]()
                    inputs.append(np.broadcast_to(pooled, shape))
                gates = plain_conv(
                    np.concatenate(inputs, -1),
                    hwio[f"layers.{d}.ih.weight"],
                    w.get(f"layers.{d}.ih.bias"),
                ) + plain_conv(h[d], hwio[f"layers.{d}.hh.weight"])
                if config.fence_pad != "no":
                    ky, kx = config.kernel_size
                    grow = (ky - 1, kx - 1) if config.fence_pad == "valid" else (0, 0)
                    fence = np.ones((height + grow[0], width + grow[1], 1))
                    fence[1:-1, 1:-1] = 0
                    padded = fence if config.fence_pad == "valid" else None
                    gates += plain_conv(fence, hwio[f"layers.{d}.fence.weight"], padded=padded)
                i, j, f, o = np.split(gates, 4, axis=-1)
                squash = np.tanh if config.output_activation == "tanh" else sigmoid
                c[d] = sigmoid(f + config.forget_bias) * c[d] + np.tanh(i) * sigmoid(j)
                h[d] = squash(o) * np.tanh(c[d])
                below = below + h[d] if config.residual else h[d]
            if not config.skip_final:
                h[-1] = below
        head = {"sum": lambda: h[-1] + e, "h": lambda: h[-1]}.get(  # noqa: B023
            config.head,
            lambda: np.concatenate([h[-1], e], -1),  # noqa: B023
        )()
        if config.head_pool == "flatten":
            x = head.transpose(2, 0, 1).reshape(-1)
        else:
            x = head.mean((0, 1))
        for k in range(len(config.mlp_hiddens)):
            x = np.maximum(w[f"mlp.{k}.linear.weight"] @ x + w[f"mlp.{k}.linear.bias"], 0)
        logits.append(w["actor.weight"] @ x + w["actor.bias"])
        values.append((w["critic.weight"] @ x + w["critic.bias"])[0])
        states.append((np.stack(c), np.stack(h)))
    return np.stack(logits), np.stack(values), states


VARIANTS = {
    "released": {},
    "sigmoid": {"output_activation": "sigmoid", "forget_bias": 1.0, "encoder_relu": True},
    "vertical full": {"pool_and_inject": "vertical", "pool_projection": "full"},
    "max": {"pool_projection": "max", "fence_pad": "same"},
    "mean": {"pool_projection": "mean", "fence_pad": "no", "bias": False},
    "no pool": {"pool_and_inject": "no", "head": "h", "mlp_hiddens": ()},
    "residual": {"residual": True},
    "residual carried": {"residual": True, "skip_final": False, "head": "h"},
    "even kernel": {"kernel_size": (2, 4), "n_layers": 1},
    "wide kernel": {"kernel_size": (5, 7), "board": (3, 3)},
    "mean head": {"head_pool": "mean", "mlp_hiddens": (5, 4)},
    "planes": {
        "observation": "planes",
        "head": "concat",
        "encoder": (ConvConfig(5, 3, bias=False),),
        "n_actions": 5,
    },
    "one tick": {"n_layers": 3, "n_ticks": 1},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_equals_plain_numpy(variant):
    config = small(**VARIANTS[variant])
    network = randomised(config)
    obs = observations(config, steps=3, batch=2)
    with torch.no_grad():
        output = network(obs)
    for b in range(2):
        logits, values, states = plain_drc(network, obs[:, b].numpy())
        np.testing.assert_allclose(output.logits[:, b], logits, rtol=0, atol=1e-10)
        np.testing.assert_allclose(output.value[:, b], values, rtol=0, atol=1e-10)
        for d in range(config.n_layers):
            for got, expected in zip(output.state[d], states[-1], strict=True):
                got = got[b].permute(1, 2, 0)
                np.testing.assert_allclose(got, expected[d], rtol=0, atol=1e-10)


def test_one_square_by_hand():
    # One square, one channel, 1×1 kernels: everything is a scalar.
    config = DRCConfig(
        n_layers=1,
        n_ticks=2,
        channels=1,
        kernel_size=1,
        encoder=(ConvConfig(1, 1),),
        board=(1, 1),
        observation="planes",
        n_planes=1,
        n_actions=1,
        fence_pad="no",
        pool_and_inject="no",
        mlp_hiddens=(),
    )
    network = DRC(config)
    weights = {
        "embed.0.weight": [[[[2.0]]]],
        "embed.0.bias": [-0.5],
        # Rows i, j, f, o; columns encoding, below (the topmost h, that is h itself).
        "layers.0.ih.weight": [
            [[[1.0]], [[0.0]]],
            [[[0.0]], [[0.0]]],
            [[[0.0]], [[0.0]]],
            [[[0.0]], [[1.0]]],
        ],
        "layers.0.ih.bias": [0.0, 0.0, 0.0, 1.0],
        "layers.0.hh.weight": [[[[0.0]]], [[[0.0]]], [[[0.0]]], [[[1.0]]]],
        "actor.weight": [[3.0]],
        "actor.bias": [0.25],
        "critic.weight": [[-1.0]],
        "critic.bias": [0.0],
    }
    network.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=True)
    output = network(torch.ones(1, 1, 1, 1, 1, dtype=torch.uint8))
    e = 1.5
    c1 = np.tanh(e) / 2  # f·0 + i·j
    h1 = np.tanh(1.0) * np.tanh(c1)
    c2 = c1 / 2 + np.tanh(e) / 2
    h2 = np.tanh(1.0 + 2 * h1) * np.tanh(c2)  # below and itself both hold h1
    (c, h) = output.state[0]
    assert c.item() == pytest.approx(c2, abs=1e-6)
    assert h.item() == pytest.approx(h2, abs=1e-6)
    assert output.logits.item() == pytest.approx(3 * (h2 + e) + 0.25, abs=1e-6)
    assert output.value.item() == pytest.approx(-(h2 + e), abs=1e-6)


# ---- the original code's output ---------------------------------------------------------------


@pytest.fixture(scope="module")
def released():
    if not REFERENCE:
        pytest.skip("MESASCOPE_REFERENCE is not set")
    from organisms.families.sokoban.released import load_released

    folder = Path(REFERENCE) / "released-drc33"
    network, _ = load_released(folder)
    with np.load(folder / "reference.npz") as arrays:
        return network, {name: arrays[name] for name in arrays.files}


def channels_last(tensor) -> np.ndarray:
    return tensor.permute(0, 2, 3, 1).numpy()


def states_over_a_run(network, obs, starts) -> dict[str, np.ndarray]:
    """c and h after every step, (step, layer, batch, y, x, channel)."""
    with torch.inference_mode():
        _, cache = network.run_with_cache(obs, None, starts, names_filter="layers.*.[ch]")
    return {
        name: np.stack(
            [
                cache[f"layers.{d}.{name}"][:, :, -1].permute(0, 1, 3, 4, 2).numpy()
                for d in range(network.n_layers)
            ],
            axis=1,
        )
        for name in "ch"
    }


def test_parity_with_the_original_over_a_run(released):
    network, reference = released
    obs = torch.from_numpy(reference["obs"]).permute(0, 1, 3, 4, 2)
    starts = torch.from_numpy(reference["episode_starts"])
    assert starts[1:].any()  # otherwise resets would go untested
    with torch.inference_mode():
        output = network(obs, None, starts)
    np.testing.assert_allclose(output.logits, reference["logits"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(output.value, reference["value"], rtol=0, atol=1e-5)
    for d, (_, h) in enumerate(output.state):
        np.testing.assert_allclose(channels_last(h), reference[f"final_h_{d}"], rtol=0, atol=1e-5)
    ours = states_over_a_run(network, obs, starts)
    np.testing.assert_allclose(ours["h"], reference["h"], rtol=0, atol=1e-5)
    # c grows to 18, where float32 is coarse, and drifts: the same arithmetic in float64 shows how
    # far each side is from exact. Ours must be no worse than the original.
    exact = states_over_a_run(copy.deepcopy(network).double(), obs, starts)
    original = np.abs(reference["c"] - exact["c"]).max()
    assert np.abs(ours["c"] - exact["c"]).max() <= original
    assert np.abs(ours["c"] - reference["c"]).max() <= 2 * original
    # Averaged over channels and squares nothing is left of it.
    assert np.abs(ours["c"] - reference["c"]).mean() < 1e-6


def test_parity_with_the_original_step_by_step(released):
    # From the original's own state before each step: no drift, so the absolute bound holds.
    network, reference = released
    obs = torch.from_numpy(reference["obs"]).permute(0, 1, 3, 4, 2)
    starts = torch.from_numpy(reference["episode_starts"])
    state = None
    for t in range(len(obs)):
        with torch.inference_mode():
            output = network(obs[t : t + 1], state, starts[t : t + 1])
        np.testing.assert_allclose(output.logits[0], reference["logits"][t], rtol=0, atol=1e-5)
        np.testing.assert_allclose(output.value[0], reference["value"][t], rtol=0, atol=1e-5)
        for d, (c, h) in enumerate(output.state):
            np.testing.assert_allclose(channels_last(c), reference["c"][t, d], rtol=0, atol=1e-5)
            np.testing.assert_allclose(channels_last(h), reference["h"][t, d], rtol=0, atol=1e-5)
        state = tuple(
            tuple(torch.from_numpy(reference[name][t, d]).permute(0, 3, 1, 2) for name in "ch")
            for d in range(network.n_layers)
        )


def test_parameter_counts():
    for config, expected in (
        (DRCConfig.released(3, 3), 1_285_125),
        (DRCConfig.released(1, 1), 987_525),
    ):
        assert sum(p.numel() for p in DRC(config).parameters()) == expected


# ---- recurrence -------------------------------------------------------------------------------


def assert_same_state(one, other, exactly=True):
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            if exactly:
                assert torch.equal(x, y)
            else:
                torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


def test_state_carried_over_calls_is_one_unroll():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 6, 3)
    whole = network(obs)
    first = network(obs[:2])
    second = network(obs[2:], first.state)
    assert torch.equal(torch.cat([first.logits, second.logits]), whole.logits)
    assert torch.equal(torch.cat([first.value, second.value]), whole.value)
    assert_same_state(second.state, whole.state)
    # The state that was passed in is still what it was.
    assert_same_state(first.state, network(obs[:2]).state)


def test_an_episode_start_is_a_fresh_state():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 5, 3)
    starts = torch.zeros(5, 3, dtype=torch.bool)
    starts[2, 1] = True
    output = network(obs, None, starts)
    plain, fresh = network(obs), network(obs[2:])
    torch.testing.assert_close(output.logits[2:, 1], fresh.logits[:, 1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(output.logits[:, [0, 2]], plain.logits[:, [0, 2]], rtol=0, atol=0)
    assert not torch.allclose(output.logits[2:, 1], plain.logits[2:, 1], atol=1e-4)


def test_an_episode_start_clears_even_nan():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 1, 2)
    state = tuple((c + torch.nan, h + torch.nan) for c, h in network.initial_state(2))
    output = network(obs, state, torch.ones(1, 2, dtype=torch.bool))
    assert torch.equal(output.logits, network(obs).logits)


def test_rows_do_not_depend_on_the_batch():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 4, 5)
    together = network(obs)
    for b in range(5):
        alone = network(obs[:, b : b + 1])
        torch.testing.assert_close(alone.logits[:, 0], together.logits[:, b], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alone.value[:, 0], together.value[:, b], rtol=1e-5, atol=1e-5)


def test_thinking_changes_the_answer_and_the_state_has_the_declared_shape():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 1, 2).expand(4, -1, -1, -1, -1)
    output = network(obs)
    assert not torch.allclose(output.logits[0], output.logits[3], atol=1e-3)
    state = network.initial_state(2)
    assert len(state) == 2 and all(t.shape == (2, 3, 4, 5) for pair in state for t in pair)
    assert all(not t.any() for pair in state for t in pair)


# ---- sites ------------------------------------------------------------------------------------


def test_idle_hooks_change_nothing_bit_for_bit():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 3, 2)
    plain = network(obs)
    seen = []

    def watch(tensor, hook):
        seen.append((hook.name, hook.clock.step, hook.clock.tick, tuple(tensor.shape)))

    with network.hooks(fwd_hooks=[(site, watch) for site in network.sites]):
        hooked = network(obs)
    assert torch.equal(plain.logits, hooked.logits) and torch.equal(plain.value, hooked.value)
    assert_same_state(plain.state, hooked.state)
    sizes = {"channel": 3, "y": 4, "x": 5, "hidden": 6, "action_index": 4}
    for site, dims in network.sites.items():
        firings = [(step, tick, shape) for name, step, tick, shape in seen if name == site]
        ticks = range(2) if dims[:1] == ("tick",) else (None,)
        assert [f[:2] for f in firings] == list(itertools.product(range(3), ticks))
        assert all(f[2] == (2, *(sizes[dim] for dim in dims if dim != "tick")) for f in firings)


@pytest.mark.parametrize("site", list(DRC(small()).sites))
def test_every_site_can_be_changed_and_matters_from_then_on(site):
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 3, 2)
    plain = network(obs)

    def change(tensor, hook):
        if hook.clock.step == 1 and hook.clock.tick in (None, 1):
            tensor = tensor.clone()
            tensor[1] += 0.7
        return tensor

    with network.hooks(fwd_hooks=[(site, change)]):
        changed = network(obs)
    both = [torch.cat([o.logits, o.value[..., None]], -1) for o in (plain, changed)]
    difference = (both[0] - both[1]).abs().amax(-1)
    assert difference[0].max() == 0 and difference[:, 0].max() == 0  # not earlier, not elsewhere
    assert difference[1, 1] > 1e-5
    # Only what is remembered lasts: encoder and layers do, the head does not.
    lasting = site.startswith(("encoder", "layers"))
    assert (difference[2, 1] > 1e-6) == lasting


def test_a_changed_encoding_is_what_the_layers_and_the_head_see():
    config = small()
    network = randomised(config, dtype=torch.float32)
    first, second = observations(config, 3, 1, seed=1), observations(config, 3, 1, seed=2)
    _, cache = network.run_with_cache(first, names_filter="encoder")

    def swap(tensor, hook):
        return cache["encoder"][hook.clock.step]

    with network.hooks(fwd_hooks=[("encoder", swap)]):
        swapped = network(second)
    assert torch.equal(swapped.logits, network(first).logits)


def test_sites_and_their_dims():
    sites = DRC(small(n_layers=1)).sites
    assert sites["encoder"] == ("channel", "y", "x")
    assert sites["layers.0.h"] == sites["layers.0.o"] == ("tick", "channel", "y", "x")
    assert sites["layers.0.pooled"] == ("tick", "channel")
    assert sites["logits"] == ("action_index",) and sites["value"] == ()
    assert DRC(small()).state_sites == ["layers.0.c", "layers.0.h", "layers.1.c", "layers.1.h"]
    assert "layers.0.pooled" not in DRC(small(pool_and_inject="no")).sites
    other = DRC(small(head="concat", encoder=(ConvConfig(5, 3),))).sites
    assert other["encoder"] == ("encoder_channel", "y", "x")


# ---- training ---------------------------------------------------------------------------------


def test_gradients_are_right():
    config = small(board=(2, 2), channels=2, encoder=(ConvConfig(2, 3),), mlp_hiddens=(3,))
    network = randomised(config)
    obs = observations(config, 2, 2)
    starts = torch.tensor([[True, True], [False, True]])
    names = [name for name, _ in network.named_parameters()]
    values = [p.detach().clone().requires_grad_() for _, p in network.named_parameters()]

    def run(*parameters):
        output = torch.func.functional_call(
            network, dict(zip(names, parameters, strict=True)), (obs, None, starts)
        )
        return output.logits, output.value

    assert torch.autograd.gradcheck(run, values, fast_mode=True)


def test_training_after_inference_and_same_values_in_both():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 2, 2)
    with torch.inference_mode():
        inference = network(obs)
    training = network(obs)
    torch.testing.assert_close(inference.logits, training.logits, rtol=0, atol=1e-6)
    training.logits.sum().backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None]
    assert missing == ["critic.weight", "critic.bias"]


def test_bfloat16_autocast_stays_close_and_returns_float32():
    config = small()
    network = randomised(config, dtype=torch.float32)
    obs = observations(config, 3, 2)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(obs)
    plain = network(obs)
    assert output.logits.dtype == output.value.dtype == torch.float32
    assert output.state[0][0].dtype == torch.float32
    scale = plain.logits.abs().max()
    assert (output.logits - plain.logits).abs().max() < 0.1 * scale
    output.logits.sum().backward()


# ---- building and refusing --------------------------------------------------------------------


def test_seeds():
    before = torch.get_rng_state()
    one, same, other = DRC(small(), seed=1), DRC(small(), seed=1), DRC(small(), seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
        if not name.endswith("bias"):
            assert not torch.equal(value, other.state_dict()[name])


def test_initial_weights_have_the_variance_of_lecun():
    network = DRC(DRCConfig.released())
    weight = network.layers[0].ih.weight
    assert weight.std().item() * (96 * 9) ** 0.5 == pytest.approx(1, rel=0.02)
    assert weight.abs().max() * (96 * 9) ** 0.5 <= 2 / 0.8796 + 1e-3
    actor = network.actor.weight
    torch.testing.assert_close(actor @ actor.T, torch.eye(4), rtol=0, atol=1e-5)


def test_configuration_survives_json():
    for config in (DRCConfig.released(1, 1), DRCConfig.bush(), small(kernel_size=(2, 4))):
        assert DRCConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "name",
    ["observation", "output_activation", "fence_pad", "pool_and_inject", "pool_projection", "head"],
)
def test_unknown_options_are_refused_with_the_known_ones(name):
    with pytest.raises(UnknownNameError, match=name) as caught:
        small(**{name: "valdi"})
    assert len(caught.value.options) >= 2 and caught.value.options[0] in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layers": 0},
        {"n_ticks": 1.5},
        {"kernel_size": (3, 3, 3)},
        {"encoder": ()},
        {"encoder": (ConvConfig(7, 3),)},  # head="sum" needs as many channels as the layers have
        {"mlp_hiddens": (0,)},
        {"board": "10x10"},
    ],
)
def test_impossible_configurations_are_refused(changes):
    with pytest.raises(InputError):
        small(**changes)
    with pytest.raises(UnknownNameError, match="n_ticks"):
        DRCConfig.from_dict({"n_tick": 3})


def test_another_board_is_refused_by_name_unless_the_head_pools():
    network = DRC(small())
    with pytest.raises(InputError, match="4×5.*8×8"):
        network(torch.zeros(1, 1, 8, 8, 3, dtype=torch.uint8))
    anywhere = DRC(small(head_pool="mean"))
    output = anywhere(torch.zeros(1, 1, 8, 8, 3, dtype=torch.uint8))
    assert output.logits.shape == (1, 1, 4) and output.state[0][0].shape == (1, 3, 8, 8)


def test_wrong_inputs_are_refused():
    config = small()
    network, obs = DRC(config), observations(config, 2, 3)
    with pytest.raises(InputError, match="step, batch, y, x, colour"):
        network(obs[0])
    with pytest.raises(InputError, match="3 channels"):
        network(obs[..., :2])
    with pytest.raises(InputError, match="episode_starts"):
        network(obs, None, torch.zeros(3, 2, dtype=torch.bool))
    with pytest.raises(InputError, match="state"):
        network(obs, network.initial_state(2))
    with pytest.raises(InputError, match="at least one step"):
        network(obs[:0])
    assert network.clock.step is None


def test_safetensors_round_trip(tmp_path):
    from safetensors.torch import load_file, save_file

    config = small()
    network = randomised(config, dtype=torch.float32)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = DRC(config, seed=9)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    obs = observations(config, 2, 2)
    assert torch.equal(network(obs).logits, again(obs).logits)


# ---- the shared arithmetic --------------------------------------------------------------------


@settings(max_examples=40)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    ky=st.integers(1, 5),
    kx=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_constant_planes_convolved_by_matrix_product(height, width, ky, kx, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 3, ky, kx, generator=generator, dtype=torch.float64)
    x = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    planes = x[:, :, None, None].expand(2, 3, height, width)
    got = constant_conv2d(x, *constant_conv2d_weight(weight, height, width), (height, width))
    torch.testing.assert_close(got, conv2d_same(planes, weight), rtol=0, atol=1e-12)


def test_tanh_is_tanh():
    x = torch.linspace(-20, 20, 200_001)
    exact = torch.tanh(x.double())
    assert (tanh(x).double() - exact).abs().max() < 2e-7
    assert torch.equal(tanh(x.double()), exact)
    assert torch.equal(tanh(torch.tensor([-torch.inf, 0.0, torch.inf])), torch.tensor([-1.0, 0, 1]))
