import numpy as np
import pytest
import torch
from torch.nn import functional as F

from analyses.causes.kernels import combined_filters
from interp.errors import InputError
from interp.network.capture import Capture
from organisms.capabilities.kernels import Kernels
from organisms.networks.abilities import Convolutions
from organisms.networks.convolutions import convolutions
from organisms.networks.drc import DRC, ConvConfig, DRCConfig
from organisms.networks.resnet import ResNet, ResNetConfig

BOARD = (9, 9)


def network(**changes) -> DRC:
    settings = {
        "n_layers": 2,
        "n_ticks": 2,
        "channels": 4,
        "encoder": (ConvConfig(3, (4, 4)), ConvConfig(4, (3, 3))),
        "board": BOARD,
        "mlp_hiddens": (8,),
    }
    return DRC(DRCConfig(**{**settings, **changes}), seed=3)


def apply(kernel, x: np.ndarray) -> np.ndarray:
    """Sum over offsets: out[y, x] = kernel[ky, kx] · in[y + ky, x + kx], zeros outside."""
    reach = 8
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[1:]
    out = 0
    for ky in kernel.ky.values:
        for kx in kernel.kx.values:
            shifted = padded[:, reach + ky :, reach + kx :][:, :height, :width]
            out = out + np.einsum("ts,syx->tyx", kernel.sel(ky=ky, kx=kx).values, shifted)
    return out


def test_kernels_and_their_offsets_are_what_the_gates_compute():
    net = network()
    rng = np.random.default_rng(0)
    observation = rng.integers(0, 255, size=(1, 1, *BOARD, 3)).astype(np.uint8)
    state = tuple(
        tuple(torch.from_numpy(rng.normal(size=(1, 4, *BOARD)).astype(np.float32)) for _ in "ch")
        for _ in range(2)
    )
    sites = ["encoder", "layers.0.h", "layers.1.h", "layers.1.i"]
    zero = tuple(tuple(torch.zeros_like(x) for x in pair) for pair in state)
    kernels = convolutions(net)

    def gate_before_activation(state):
        with torch.no_grad(), Capture(net, sites) as capture:
            net(torch.from_numpy(observation), state)
        # Of the first tick, by shape (batch, tick, …); the candidate's activation is tanh.
        return {name: tensor.numpy() for name, tensor in capture.take().items()}

    fired, fired_zero = gate_before_activation(state), gate_before_activation(zero)
    first = {name: value[0, 0] if value.ndim == 5 else value[0] for name, value in fired.items()}
    none = {name: v[0, 0] if v.ndim == 5 else v[0] for name, v in fired_zero.items()}
    # Everything but the two recurrent kernels and the pool is the same with another state.
    pooled = net.layers[1]._pool
    weights = net.layers[1].prepare(*BOARD)

    def pool_share(h):
        from organisms.networks.parts import constant_conv2d

        with torch.no_grad():
            return constant_conv2d(pooled(h), *weights.pooled, BOARD)[0, :4].numpy()

    got = np.arctanh(first["layers.1.i"].astype(np.float64)) - np.arctanh(
        none["layers.1.i"].astype(np.float64)
    )
    want = (
        apply(kernels["layers.0.h", "layers.1.i"], first["layers.0.h"] - none["layers.0.h"])
        + apply(kernels["layers.1.h", "layers.1.i"], state[1][1][0].numpy())
        + pool_share(state[1][1])
        - pool_share(zero[1][1])
    )
    there = np.abs(first["layers.1.i"]) < 0.99  # elsewhere arctanh magnifies the rounding
    np.testing.assert_allclose(got[there], want[there], atol=2e-3)


def test_the_combined_filter_is_the_encoder_and_the_gate_in_one():
    net = network()
    x = torch.randn(1, 3, *BOARD, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        biases = [conv.bias.clone() for conv in net.embed]
        for conv in net.embed:
            conv.bias.zero_()
        encoded = net._encode(x)
        want = F.conv2d(encoded, net.layers[0].ih.weight[4:8, :4], padding=1)[0].numpy()
        for conv, bias in zip(net.embed, biases, strict=True):
            conv.bias.copy_(bias)
    organism = {Kernels: Convolutions(net)}
    combined = combined_filters(organism, targets=["layers.0.j"])["layers.0.j"]
    assert combined.ky.values.tolist() == list(range(-3, 5)), "4×4 kernels reach further down"
    got = apply(combined, x[0].numpy())
    # Near the border the convolutions in between see zeros where one convolution would not.
    np.testing.assert_allclose(got[:, 4:-4, 4:-4], want[:, 4:-4, 4:-4], atol=1e-4)


def test_a_relu_in_the_encoder_is_told():
    kernels = convolutions(network(encoder_relu=True))
    assert kernels["embed.0", "encoder"].attrs["linear"] == 0
    assert convolutions(network())["embed.0", "encoder"].attrs["linear"] == 1


def test_a_single_layer_reads_itself_once():
    net = network(n_layers=1)
    kernels = convolutions(net)
    assert [edge for edge in kernels if edge[0] == "layers.0.h"] == [
        ("layers.0.h", f"layers.0.{gate}") for gate in "ijfo"
    ]
    own = net.layers[0].ih.weight[:4, 4:8] + net.layers[0].hh.weight[:4]
    np.testing.assert_allclose(kernels["layers.0.h", "layers.0.i"], own.detach(), atol=1e-6)


def test_networks_without_such_kernels_are_refused():
    resnet = ResNet(ResNetConfig(channels=(4,), kernel_sizes=(3,), board=BOARD))
    with pytest.raises(InputError, match="ResNet"):
        convolutions(resnet)
    with pytest.raises(InputError, match="residual"):
        convolutions(network(residual=True))
