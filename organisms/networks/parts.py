"""Layers that the Sokoban networks share: initialisation, convolutions, the head.

Nothing here knows a particular architecture. Initialisations are those of the released agents
(Taufeeque et al. 2024, arXiv 2407.15421; their names are Flax's) and always draw from a given
generator, so that building a network leaves PyTorch's global one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from interp.contract import ArraySpace
from interp.errors import InputError, UnknownNameError, check_integer
from interp.network.hooks import SitePoint
from organisms.networks.config import OBSERVATIONS, ForBoards

# Standard deviation of a unit normal cut off at ±2: dividing by it gives back unit variance.
_TRUNCATED_STD = 0.87962566103423978


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """Return `seed` itself if it is a generator, else a new CPU generator seeded with it."""
    if isinstance(seed, torch.Generator):
        return seed
    check_integer("seed", seed, 0)
    return torch.Generator().manual_seed(int(seed))


def lecun_normal_(weight: Tensor, fan_in: int, generator: torch.Generator) -> Tensor:
    """Fill `weight` with a truncated normal of variance ``1 / fan_in`` (LeCun et al. 1998)."""
    std = fan_in**-0.5 / _TRUNCATED_STD
    with torch.no_grad():
        return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator)


def same_padding(kernel_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Zeros to add (left, right, top, bottom) so that a convolution keeps the board's size.

    An even kernel gets the odd zero at the right and at the bottom, as in XLA.
    """
    height, width = kernel_size
    left, top = (width - 1) // 2, (height - 1) // 2
    return left, width - 1 - left, top, height - 1 - top


def conv2d_same(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Cross-correlate `x` (batch, channel, y, x) with `weight`, stride 1, zeros outside."""
    kernel = (weight.shape[2], weight.shape[3])
    if kernel[0] % 2 and kernel[1] % 2:
        return F.conv2d(x, weight, bias, padding=(kernel[0] // 2, kernel[1] // 2))
    return F.conv2d(F.pad(x, same_padding(kernel)), weight, bias)


class SameConv2d(nn.Module):
    """A stride-1 convolution that keeps the board's size.

    Parameters
    ----------
    in_channels, out_channels
        Number of channels.
    kernel_size
        (height, width).
    bias
        Whether a bias is added; it starts at zero.
    generator
        Source of the initial weights (LeCun normal).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        bias: bool = True,
        generator: torch.Generator,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        lecun_normal_(self.weight, in_channels * kernel_size[0] * kernel_size[1], generator)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (batch, channel, y, x)."""
        return conv2d_same(x, self.weight, self.bias)


def _empty_linear(in_features: int, out_features: int) -> nn.Linear:
    """Return a linear layer without PyTorch's initialisation, which draws from its generator."""
    return cast(nn.Linear, skip_init(nn.Linear, in_features, out_features))


class HiddenLayer(nn.Module):
    """A linear layer and a ReLU, with sites before (`pre`) and after (`post`) the ReLU."""

    def __init__(self, in_features: int, out_features: int, dim: str, generator: torch.Generator):
        super().__init__()
        self.linear = _empty_linear(in_features, out_features)
        lecun_normal_(self.linear.weight, in_features, generator)
        nn.init.zeros_(self.linear.bias)
        self.pre = SitePoint(dim)
        self.post = SitePoint(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's activations for x (batch, features)."""
        return self.post(torch.relu(self.pre(self.linear(x))))


def make_mlp(
    in_features: int, hiddens: Sequence[int], generator: torch.Generator
) -> tuple[nn.ModuleList, int]:
    """Return the hidden layers of a head and the number of features they end in."""
    layers = nn.ModuleList()
    for size in hiddens:
        layers.append(HiddenLayer(in_features, size, size_dim("hidden", size, hiddens), generator))
        in_features = size
    return layers, in_features


def make_readout(in_features: int, out_features: int, generator: torch.Generator) -> nn.Linear:
    """Return the last linear layer of an actor or critic: orthogonal weights, zero bias."""
    readout = _empty_linear(in_features, out_features)
    nn.init.orthogonal_(readout.weight, generator=generator)
    nn.init.zeros_(readout.bias)
    return readout


def size_dim(name: str, size: int, sizes: Sequence[int]) -> str:
    """Name the dim of a layer that is `size` wide in a network whose layers are `sizes` wide.

    The last width has the plain name; others carry their size, since in one Dataset a dim has
    one length.
    """
    return name if size == sizes[-1] else f"{name}_{size}"


def observation_space(encoding: str, dims: tuple[str, ...]) -> ArraySpace:
    """Return what a network takes: whole numbers, colours 0 to 255 or planes of 0 and 1, of any board."""
    return ArraySpace(tuple(dims), (), "uint8", 0, 255 if encoding == "rgb" else 1)


def network_input(config: ForBoards, observations: Tensor | np.ndarray, like: Tensor) -> Tensor:
    """Turn observations into the input of a network of this configuration; see `scale_observations`."""
    return scale_observations(
        observations, config.observation, config.observation_channels, config.only_board, like
    )


def scale_observations(
    observations: Tensor | np.ndarray,
    encoding: str,
    channels: int,
    board: tuple[int, int] | None,
    like: Tensor,
) -> Tensor:
    """Turn observations as the world gives them into network input.

    Parameters
    ----------
    observations
        (step, batch, y, x, colour) for ``"rgb"``, colours 0 to 255, or with the colour first as
        the released agents' own environment gives it; (step, batch, plane, y, x) for
        ``"planes"``, 0 or 1.
    encoding
        ``"rgb"`` or ``"planes"``.
    channels
        The number of colours or planes expected.
    board
        The (height, width) that the network takes, or None if it takes any.
    like
        A tensor whose device and floating dtype the result gets.

    Returns
    -------
    Tensor
        (step, batch, channel, y, x); each step has channels-last memory.

    Raises
    ------
    InputError
        For any other shape, naming both.
    """
    if encoding not in OBSERVATIONS:
        raise UnknownNameError("observation encoding", encoding, OBSERVATIONS)
    observations = torch.as_tensor(observations, device=like.device)
    dims = "(step, batch, y, x, colour)" if encoding == "rgb" else "(step, batch, plane, y, x)"
    if observations.ndim != 5:
        raise InputError(
            f"Observations must have dims {dims}; got shape {tuple(observations.shape)}."
        )
    colour_last = encoding == "rgb" and (
        observations.shape[-1] == channels or observations.shape[2] != channels
    )
    if observations.shape[0] == 0:
        raise InputError("An unroll needs at least one step; the observations have none.")
    x = observations.permute(0, 1, 4, 2, 3) if colour_last else observations
    if x.shape[2] != channels:
        raise InputError(
            f"The network takes {encoding!r} observations {dims} with {channels} channels; got "
            f"shape {tuple(observations.shape)}, which has {x.shape[2]}."
        )
    if board is not None and tuple(x.shape[3:]) != board:
        raise InputError(
            f"The network's head takes boards of {board[0]}×{board[1]} squares (height × width) "
            f"alone; the observations have {x.shape[3]}×{x.shape[4]}."
        )
    # Under autocast the dtype is the parameters'; the convolutions cast for themselves.
    x = x.to(like.dtype)
    if encoding == "rgb":
        x = x / 255.0
    steps, batch = x.shape[:2]
    x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return x.unflatten(0, (steps, batch))


@lru_cache(maxsize=64)
def border_regions(size: int, kernel_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Group the positions of a line by which taps of a "same" convolution fall inside it.

    Returns
    -------
    taps
        (region, tap) float32: 1 where the tap is inside.
    region
        (position,) int64: the region of every position.
    """
    # NumPy, since a tensor cached under inference mode could not be used in training.
    before = (kernel_size - 1) // 2
    padded = np.pad(np.ones(size, np.float32), (before, kernel_size - 1 - before))
    inside = np.lib.stride_tricks.sliding_window_view(padded, kernel_size)
    taps, region = np.unique(inside, axis=0, return_inverse=True)
    return taps, region.reshape(-1).astype(np.int64)


def constant_conv2d_weight(weight: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Prepare `constant_conv2d`: what a "same" convolution answers to planes of ones.

    A plane that is constant over the board gets the same answer everywhere but near the border,
    where some taps of the kernel fall outside: nine different answers with a 3×3 kernel.

    Parameters
    ----------
    weight
        (out, channel, ky, kx).
    height, width
        The board's.

    Returns
    -------
    response
        (channel, region, out).
    region
        (y · x,) int64: the region of every square.
    """
    rows, region_y = border_regions(height, weight.shape[2])
    columns, region_x = border_regions(width, weight.shape[3])
    by_row = torch.einsum("ocab,ra->cbro", weight, weight.new_tensor(rows))
    response = torch.einsum("cbro,sb->crso", by_row, weight.new_tensor(columns)).flatten(1, 2)
    region = (region_y[:, None] * len(columns) + region_x).flatten()
    return response, torch.as_tensor(region, device=weight.device)


def constant_conv2d(x: Tensor, response: Tensor, region: Tensor, board: Sequence[int]) -> Tensor:
    """Convolve planes that are constant over the board, at the cost of a small matrix product.

    Parameters
    ----------
    x
        (batch, channel), the planes' values.
    response, region
        What `constant_conv2d_weight` gave for this board.
    board
        (height, width).

    Returns
    -------
    Tensor
        (batch, out, y, x).
    """
    answers = (x @ response.flatten(1)).unflatten(1, response.shape[1:])
    if answers.requires_grad:
        # The same numbers; the gradient is a product, and not a scatter, which is slow on a CPU.
        chosen = F.one_hot(region, response.shape[1]).to(answers.dtype) @ answers
    else:
        chosen = answers.index_select(1, region)
    return chosen.unflatten(1, board).permute(0, 3, 1, 2)


def check_episode_starts(
    episode_starts: Tensor | np.ndarray | None,
    steps: int,
    batch: int,
    device: torch.device,
) -> tuple[Tensor | None, list[bool]]:
    """Return `episode_starts` as a bool tensor and, for each step, whether any row may start there."""
    if episode_starts is None:
        return None, [False] * steps
    episode_starts = torch.as_tensor(episode_starts, device=device).bool()
    if tuple(episode_starts.shape) != (steps, batch):
        raise InputError(
            f"episode_starts must have dims (step, batch) = {(steps, batch)}; got shape "
            f"{tuple(episode_starts.shape)}."
        )
    if device.type != "cpu":  # to look would wait for the device; a needless reset changes nothing
        return episode_starts, [True] * steps
    return episode_starts, episode_starts.any(dim=1).tolist()


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` in float32 if it is narrower (the output of an autocast layer)."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent.

    In float32 on a CPU it is computed as 2 σ(2x) − 1, since PyTorch's σ is several times faster
    there than its tanh; the two differ by less than 2e-7.
    """
    if x.dtype == torch.float32 and x.device.type == "cpu":
        return torch.sigmoid(x * 2).mul(2).sub_(1)
    return torch.tanh(x)
