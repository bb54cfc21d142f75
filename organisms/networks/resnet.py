"""The residual network that the DRC is compared with: no memory, no ticks (Guez et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from interp.contract import NetworkOutput
from interp.errors import InputError
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.networks.config import ResNetConfig
from organisms.networks.parts import (
    SameConv2d,
    as_generator,
    at_least_float32,
    check_episode_starts,
    make_mlp,
    make_readout,
    network_input,
    observation_space,
    size_dim,
)

__all__ = ["ConvSequence", "ResNet", "ResNetConfig", "ResidualBlock"]


class ResidualBlock(nn.Module):
    """``x + conv(relu(x))``, with sites on the convolution (`branch`) and on the sum (`out`)."""

    def __init__(
        self, channels: int, kernel_size: tuple[int, int], dim: str, generator: torch.Generator
    ):
        super().__init__()
        self.conv = SameConv2d(channels, channels, kernel_size, generator=generator)
        self.branch = SitePoint(dim, "y", "x")
        self.out = SitePoint(dim, "y", "x")

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for x (batch, channel, y, x)."""
        return self.out(x + self.branch(self.conv(torch.relu(x))))


class ConvSequence(nn.Module):
    """A convolution (site `entry`) followed by residual blocks."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: tuple[int, int],
        n_blocks: int,
        dim: str,
        generator: torch.Generator,
    ):
        super().__init__()
        self.conv = SameConv2d(in_channels, channels, kernel_size, generator=generator)
        self.entry = SitePoint(dim, "y", "x")
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, kernel_size, dim, generator) for _ in range(n_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sequence's output for x (batch, channel, y, x)."""
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return x

    def enter(self, x: Tensor) -> Tensor:
        """Return what the first convolution hands to the blocks."""
        return self.entry(self.conv(x))


class ResNetMoment(NamedTuple):
    """The network in the middle of a step, before a convolution, a block or the head."""

    stage: tuple[int]
    hidden: Tensor
    """(batch, channel, y, x)."""

    def take(self, rows: Tensor) -> ResNetMoment:
        """Return the moment of some rows."""
        return ResNetMoment(self.stage, self.hidden[rows])


class ResNet(HookedNetwork):
    """A residual network with a policy and a value head; the reactive control of the DRC.

    It answers each observation by itself: the state is an empty tuple, and thinking steps change
    nothing at all.

    Parameters
    ----------
    config
        The architecture; the released ResNet of 3,068,421 parameters unless told.
    seed
        Seed (or CPU generator) of the initial weights. PyTorch's global generator is not touched.

    Notes
    -----
    Sites, all once a step: for sequence K and block B, ``sequences.K.entry`` (the sequence's first
    convolution), ``sequences.K.blocks.B.branch`` (what the block adds) and
    ``sequences.K.blocks.B.out`` (the residual stream after it), all (channel, y, x);
    ``mlp.K.pre``, ``mlp.K.post`` (hidden); ``logits`` (action_index); ``value`` (no dims). The
    channel dim of sequences that are not as wide as the last one carries its size (``channel_32``).

    References
    ----------
    Guez et al. 2019, "An investigation of model-free planning" (arXiv 1901.03559); Taufeeque et al.
    2024 (arXiv 2407.15421).

    Examples
    --------
    >>> network = ResNet(ResNetConfig(channels=(4, 8), kernel_sizes=(3, 3), board=(5, 5)))
    >>> network(torch.zeros(7, 2, 5, 5, 3, dtype=torch.uint8)).logits.shape
    torch.Size([7, 2, 4])
    """

    def __init__(self, config: ResNetConfig | None = None, seed: int | torch.Generator = 0):
        super().__init__()
        config = ResNetConfig() if config is None else config
        generator = as_generator(seed)
        self.config = config
        self.n_actions = config.n_actions
        self.observation_dims = config.observation_dims
        self.observation_space = observation_space(config.observation, config.observation_dims)
        self.sequences = nn.ModuleList()
        n_inputs = config.observation_channels
        for channels, kernel_size in zip(config.channels, config.kernel_sizes, strict=True):
            dim = size_dim("channel", channels, config.channels)
            self.sequences.append(
                ConvSequence(n_inputs, channels, kernel_size, config.n_blocks, dim, generator)
            )
            n_inputs = channels
        n_head = n_inputs * config.board[0] * config.board[1]
        self.mlp, n_head = make_mlp(n_head, config.mlp_hiddens, generator)
        self.actor = make_readout(n_head, config.n_actions, generator)
        self.critic = make_readout(n_head, 1, generator)
        self.logits = SitePoint("action_index")
        self.value = SitePoint()
        self.setup()

    @property
    def state_sites(self) -> list[str]:
        """The residual stream after every sequence; there is no recurrent state."""
        last = self.config.n_blocks - 1
        return [
            f"sequences.{k}.blocks.{last}.out" if last >= 0 else f"sequences.{k}.entry"
            for k in range(len(self.sequences))
        ]

    def initial_state(self, batch_size: int) -> tuple[()]:
        """Return the state at the start of an episode: an empty tuple."""
        return ()

    def forward(
        self,
        observations: Tensor,
        state: tuple[()] | None = None,
        episode_starts: Tensor | None = None,
    ) -> NetworkOutput:
        """Run the network over an unroll.

        Parameters
        ----------
        observations
            (step, batch, y, x, colour) or (step, batch, plane, y, x), as the world gives them.
        state
            An empty tuple, or None.
        episode_starts
            (step, batch) bool; makes no difference.

        Returns
        -------
        NetworkOutput
            logits (step, batch, action), value (step, batch), an empty tuple.

        Raises
        ------
        InputError
            If shapes do not fit the network, naming both.
        """
        x = network_input(self.config, observations, self.actor.weight)
        check_episode_starts(episode_starts, x.shape[0], x.shape[1], x.device)
        if state is not None and len(state):
            raise InputError(f"A ResNet has no state; got {len(state)} tensors.")
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(len(x)):
                hidden = x[t]
                for sequence in self.sequences:
                    hidden = sequence(hidden)
                step_logits, step_value = self._answer(hidden)
                logits.append(step_logits)
                values.append(step_value)
        return NetworkOutput(torch.stack(logits), torch.stack(values), ())

    def stage_of(self, site: str, tick: int | None) -> tuple[int]:
        """Return the last stage (convolution or block) from which a firing still happens.

        See `interp.contract.ResumableNetwork`.
        """
        parts = site.split(".")
        per_sequence = 1 + self.config.n_blocks
        if parts[0] != "sequences":
            return (per_sequence * len(self.sequences),)
        block = 1 + int(parts[3]) if parts[2] == "blocks" else 0
        return (per_sequence * int(parts[1]) + block,)

    def moments(
        self, observations: Tensor, state: tuple[()] | None, stages: Collection[tuple[int, ...]]
    ) -> dict[tuple[int, ...], ResNetMoment]:
        """Run one step, observations (1, batch, …), and return the moments at some stages."""
        [hidden] = network_input(self.config, observations, self.actor.weight)
        kept = {}
        with self.clock.run():
            for _ in self.clock.steps(1):
                for number, part in enumerate([*self._parts(), None]):
                    if (number,) in stages:
                        kept[(number,)] = ResNetMoment((number,), hidden)
                    if part is not None:
                        hidden = part(hidden)
        return kept

    def resume(self, moment: ResNetMoment) -> NetworkOutput:
        """Run the rest of a step from a moment in it; the sites before it do not fire."""
        hidden = moment.hidden
        with self.clock.run():
            for _ in self.clock.steps(1):
                for part in self._parts()[moment.stage[0] :]:
                    hidden = part(hidden)
                logits, value = self._answer(hidden)
        return NetworkOutput(logits[None], value[None], ())

    def _parts(self) -> list[Callable[[Tensor], Tensor]]:
        """Return the network below the head, convolution by convolution and block by block."""
        sequences = cast("list[ConvSequence]", list(self.sequences))
        return [
            part
            for sequence in sequences
            for part in (sequence.enter, *cast("list[ResidualBlock]", list(sequence.blocks)))
        ]

    def _answer(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, action) and value (batch) of one step; fires the head's sites."""
        hidden = torch.relu(hidden).flatten(1)
        for layer in self.mlp:
            hidden = layer(hidden)
        logits = self.logits(at_least_float32(self.actor(hidden)))
        return logits, self.value(at_least_float32(self.critic(hidden)).squeeze(-1))
