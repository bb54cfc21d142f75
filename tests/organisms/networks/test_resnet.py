"""The ResNet: its size, its sites, and that it has no memory at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from interp.errors import InputError, UnknownNameError
from organisms.networks.resnet import ResNet, ResNetConfig


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**changes) -> ResNetConfig:
    settings: dict = {"channels": (4, 6), "kernel_sizes": (4, 3), "board": (4, 5)}
    return ResNetConfig(**{**settings, "mlp_hiddens": (7,), **changes})


def observations(steps: int, batch: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (steps, batch, 4, 5, 3), dtype=np.uint8))


def test_the_released_size():
    network = ResNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_068_421


def test_one_square_by_hand():
    config = ResNetConfig(
        channels=(1,),
        kernel_sizes=(1,),
        n_blocks=2,
        board=(1, 1),
        observation="planes",
        n_planes=1,
        n_actions=1,
        mlp_hiddens=(),
    )
    network = ResNet(config)
    weights = {
        "sequences.0.conv.weight": [[[[3.0]]]],
        "sequences.0.conv.bias": [-1.0],
        "sequences.0.blocks.0.conv.weight": [[[[-2.0]]]],
        "sequences.0.blocks.0.conv.bias": [0.5],
        "sequences.0.blocks.1.conv.weight": [[[[10.0]]]],
        "sequences.0.blocks.1.conv.bias": [4.0],
        "actor.weight": [[2.0]],
        "actor.bias": [0.0],
        "critic.weight": [[1.0]],
        "critic.bias": [1.0],
    }
    network.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=True)
    output = network(torch.ones(1, 1, 1, 1, 1, dtype=torch.uint8))
    # 3·1 − 1 = 2; 2 + (−2·2 + 0.5) = −1.5; −1.5 + (10·relu(−1.5) + 4) = 2.5
    assert output.logits.item() == 5.0 and output.value.item() == 3.5


def test_thinking_is_exactly_flat():
    network = ResNet(small())
    output = network(observations(1, 3).expand(6, -1, -1, -1, -1))
    assert all(torch.equal(logits, output.logits[0]) for logits in output.logits)
    assert output.state == () and network.initial_state(3) == ()


def test_steps_and_rows_are_answered_one_by_one():
    network = ResNet(small())
    obs = observations(4, 3)
    whole = network(obs, (), torch.ones(4, 3, dtype=torch.bool))
    torch.testing.assert_close(network(obs.flip(0)).logits.flip(0), whole.logits, rtol=0, atol=0)
    alone = network(obs[:, 1:2])
    torch.testing.assert_close(alone.logits[:, 0], whole.logits[:, 1], rtol=1e-5, atol=1e-5)


def test_sites_fire_once_a_step_and_idle_hooks_change_nothing():
    network = ResNet(small())
    assert network.sites["sequences.0.entry"] == ("channel_4", "y", "x")
    assert network.sites["sequences.1.blocks.1.out"] == ("channel", "y", "x")
    assert network.state_sites == ["sequences.0.blocks.1.out", "sequences.1.blocks.1.out"]
    obs = observations(3, 2)
    plain = network(obs)
    seen = []

    def watch(tensor, hook):
        seen.append((hook.name, hook.clock.step, hook.clock.tick))

    with network.hooks(fwd_hooks=[(site, watch) for site in network.sites]):
        hooked = network(obs)
    assert torch.equal(plain.logits, hooked.logits) and torch.equal(plain.value, hooked.value)
    for site in network.sites:
        assert [s[1:] for s in seen if s[0] == site] == [(t, None) for t in range(3)]


@pytest.mark.parametrize("site", list(ResNet(small()).sites))
def test_every_site_can_be_changed(site):
    network = ResNet(small())
    obs = observations(3, 2)
    plain = network(obs)

    def change(tensor, hook):
        return tensor + 0.5 if hook.clock.step == 1 else tensor

    with network.hooks(fwd_hooks=[(site, change)]):
        changed = network(obs)
    difference = (plain.logits - changed.logits).abs().amax(-1) + (
        plain.value - changed.value
    ).abs()
    assert difference[[0, 2]].max() == 0 and difference[1].min() > 1e-5


def test_trains_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    network, same = ResNet(small(), seed=3), ResNet(small(), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in network.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    output = network(observations(2, 2))
    (output.logits.sum() + output.value.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_refusals():
    network = ResNet(small())
    with pytest.raises(InputError, match="4×5.*10×10"):
        network(torch.zeros(1, 1, 10, 10, 3, dtype=torch.uint8))
    with pytest.raises(InputError, match="no state"):
        network(observations(1, 1), (torch.zeros(1),))
    with pytest.raises(InputError, match="kernel size"):
        small(kernel_sizes=(3,))
    with pytest.raises(InputError):
        small(channels=())
    with pytest.raises(UnknownNameError, match="planes"):
        small(observation="plane")


def test_configuration_survives_json():
    for config in (ResNetConfig(), small(kernel_sizes=((2, 3), 3))):
        assert ResNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_safetensors_round_trip(tmp_path):
    from safetensors.torch import load_file, save_file

    network = ResNet(small())
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = ResNet(small(), seed=9)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    obs = observations(2, 2)
    assert torch.equal(network(obs).logits, again(obs).logits)
