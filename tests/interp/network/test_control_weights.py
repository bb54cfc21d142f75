import numpy as np
import pytest
import torch
from torch import nn

from interp.network.control_weights import match_spread, permute_weights


def network(seed: int, gain: float = 1.0) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(gain)
    return net


def spreads(net: nn.Sequential) -> dict[str, float]:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        return {"hidden": float(net[:2](x).std()), "out": float(net(x).std())}


def test_permuted_weights_keep_each_tensors_entries_and_nothing_else():
    trained, control = network(0), network(1)
    before = [p.clone() for p in trained.parameters()]
    permute_weights(control, trained, seed=3)
    for own, other, kept in zip(control.parameters(), trained.parameters(), before, strict=True):
        assert torch.equal(other, kept)
        assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
        assert not torch.equal(own, other)
    again = network(2)
    permute_weights(again, trained, seed=3)
    assert all(map(torch.equal, again.parameters(), control.parameters()))
    permute_weights(again, trained, seed=4)
    assert not all(map(torch.equal, again.parameters(), control.parameters()))


@pytest.mark.parametrize("gain", [0.05, 20.0])
def test_untrained_activations_get_the_trained_spread(gain):
    trained, control = network(0, 2.0), network(1, gain)
    far = abs(np.log(spreads(control)["out"] / spreads(trained)["out"]))
    ratio = match_spread(control, trained, spreads)
    assert far > 1.5 and 0.7 < ratio < 1.4
    left = [spreads(control)[s] / spreads(trained)[s] for s in ("hidden", "out")]
    assert ratio == pytest.approx(float(np.exp(np.mean(np.log(left)))))


def test_a_tensor_without_any_spread_is_left_alone():
    trained, control = network(0), network(1)
    nn.init.zeros_(control[0].bias)
    match_spread(control, trained, spreads)
    assert (control[0].bias == 0).all()
