"""The DRC: a Deep Repeated ConvLSTM (Guez et al. 2019), with every option of the released agents.

D convolutional LSTM layers are run N ticks at every step. Each sees the encoded observation, the
layer below (the lowest one: the topmost layer of the tick before) and itself; a pooled summary of
the board gives every square the same global information.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from interp.contract import NetworkOutput
from interp.errors import InputError
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.networks.config import ConvConfig, DRCConfig
from organisms.networks.parts import (
    SameConv2d,
    as_generator,
    at_least_float32,
    check_episode_starts,
    constant_conv2d,
    constant_conv2d_weight,
    conv2d_same,
    lecun_normal_,
    make_mlp,
    make_readout,
    network_input,
    observation_space,
    tanh,
)

__all__ = ["DRC", "ConvConfig", "DRCConfig", "DRCLayer", "DRCState"]

DRCState = tuple[tuple[Tensor, Tensor], ...]
"""For each layer ``(c, h)``, each (batch, channel, y, x)."""


class PreparedWeights(NamedTuple):
    """A layer's weights in the form that its ticks use."""

    encoded: Tensor
    """(4·channel, encoder, ky, kx), of the encoding."""
    constant: Tensor | None
    """Bias and fence, (4·channel, y, x) or (4·channel, 1, 1)."""
    recurrent: Tensor
    """(4·channel, 2·channel, ky, kx), of the layer below and the layer itself."""
    pooled: tuple[Tensor, Tensor] | None
    """Of the pooled summary: what `constant_conv2d_weight` gives."""


Gates = tuple[Tensor, Tensor, Tensor, Tensor]
"""A layer's i, j, f, o after their activation, each (batch, channel, y, x)."""


class DRCMoment(NamedTuple):
    """The network in the middle of a step: before, or within, a layer's tick."""

    stage: tuple[int, int, int]
    """Tick, layer, and 1 if its gates are known, 2 if its h is. Tick N is the head."""
    encoding: Tensor
    shares: tuple[Tensor | None, ...]
    """Of each layer (batch, 4·channel, y, x); None where the rest of the step does not read it."""
    below: Tensor
    """(batch, channel, y, x), what the layer sees of the one below."""
    state: DRCState
    gates: Gates | None
    hidden: Tensor | None
    """(batch, channel, y, x), the layer's h before its site; its c is in `state`."""
    weights: list[PreparedWeights]

    def take(self, rows: Tensor) -> DRCMoment:
        """Return the moment of some rows."""
        return DRCMoment(
            self.stage,
            _rows(self.encoding, rows),
            tuple(None if share is None else _rows(share, rows) for share in self.shares),
            _rows(self.below, rows),
            tuple((_rows(c, rows), _rows(h, rows)) for c, h in self.state),
            None
            if self.gates is None
            else cast("Gates", tuple(_rows(g, rows) for g in self.gates)),
            None if self.hidden is None else _rows(self.hidden, rows),
            self.weights,
        )


class DRCLayer(nn.Module):
    """One ConvLSTM layer: its weights, its gates' sites and its two states' sites.

    Weights (gates in the order i, j, f, o): ``ih`` (4·channel, encoder + channel + channel,
    ky, kx) reads the encoding, the layer below and the pooled summary, in that order; ``hh`` the
    layer itself; ``fence`` the border; ``project`` is the pool's projection.
    """

    def __init__(self, config: DRCConfig, generator: torch.Generator):
        super().__init__()
        channels, kernel = config.channels, config.kernel_size
        self.config = config
        self.n_encoded = config.encoder[-1].features
        pools = config.pool_and_inject != "no"
        n_inputs = self.n_encoded + channels * (2 if pools else 1)
        gates = 4 * channels
        self.ih = SameConv2d(n_inputs, gates, kernel, bias=config.bias, generator=generator)
        self.hh = SameConv2d(channels, gates, kernel, bias=False, generator=generator)
        self.fence = self.project = None
        if config.fence_pad != "no":
            self.fence = SameConv2d(1, gates, kernel, bias=False, generator=generator)
        if pools and config.pool_projection in ("per-channel", "full"):
            per_channel = config.pool_projection == "per-channel"
            shape = (2, channels) if per_channel else (2 * channels, channels)
            self.project = nn.Parameter(torch.empty(shape))
            lecun_normal_(self.project, shape[0], generator)
        board_dims = ("channel", "y", "x")
        if pools:
            self.pooled = SitePoint("channel", ticks=True)
        self.i = SitePoint(*board_dims, ticks=True)
        self.j = SitePoint(*board_dims, ticks=True)
        self.f = SitePoint(*board_dims, ticks=True)
        self.o = SitePoint(*board_dims, ticks=True)
        self.c = SitePoint(*board_dims, ticks=True)
        self.h = SitePoint(*board_dims, ticks=True)

    def prepare(self, height: int, width: int) -> PreparedWeights:
        """Compute what depends on the weights alone, once for a whole unroll."""
        n_encoded, channels = self.n_encoded, self.config.channels
        weight = self.ih.weight
        below = weight[:, n_encoded : n_encoded + channels]
        constant = None if self.ih.bias is None else self.ih.bias[:, None, None]
        if self.fence is not None:
            fence = self._fence(self.fence.weight, height, width)
            constant = fence if constant is None else fence + constant
        pooled = None
        if self.config.pool_and_inject != "no":
            pooled = constant_conv2d_weight(weight[:, n_encoded + channels :], height, width)
        recurrent = torch.cat([below, self.hh.weight], dim=1)
        recurrent = recurrent.contiguous(memory_format=torch.channels_last)
        return PreparedWeights(weight[:, :n_encoded], constant, recurrent, pooled)

    def encode(self, encoding: Tensor, weights: PreparedWeights) -> Tensor:
        """Return the gates' share (batch, 4·channel, y, x) that is the same at all ticks."""
        share = conv2d_same(encoding, weights.encoded)
        if weights.constant is not None:
            share += weights.constant
        return share

    def forward(
        self, share: Tensor, below: Tensor, c: Tensor, h: Tensor, weights: PreparedWeights
    ) -> tuple[Tensor, Tensor]:
        """Run one tick; return the new c and h."""
        c, h = self.update(*self.gates(share, below, h, weights), c)
        return c, self.h(h)

    def gates(
        self, share: Tensor, below: Tensor, h: Tensor, weights: PreparedWeights
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return i, j, f, o after their activation, before their sites."""
        # In place where possible: memory for a large new tensor costs as much as the arithmetic.
        gates = conv2d_same(torch.cat([below, h], dim=1), weights.recurrent)
        gates += share
        if weights.pooled is not None:
            pool_from = h if self.config.pool_and_inject == "horizontal" else below
            pooled = self.pooled(self._pool(pool_from))
            gates += constant_conv2d(pooled, *weights.pooled, gates.shape[2:])
        i, j, f, o = gates.chunk(4, dim=1)
        squash = tanh if self.config.output_activation == "tanh" else torch.sigmoid
        f = torch.sigmoid(f + self.config.forget_bias if self.config.forget_bias else f)
        return tanh(i), torch.sigmoid(j), f, squash(o)

    def update(
        self, i: Tensor, j: Tensor, f: Tensor, o: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new c, and h before its site, for gates and the old c; fires the other sites."""
        i, j, f, o = self.i(i), self.j(j), self.f(f), self.o(o)
        c = self.c(f * c + i * j)
        return c, o * tanh(c)

    def _pool(self, h: Tensor) -> Tensor:
        """Summarise h (batch, channel, y, x) over the board: (batch, channel)."""
        if self.config.pool_projection == "mean":
            return h.mean(dim=(2, 3))
        largest = h.amax(dim=(2, 3))
        if self.project is None:
            return largest
        mean = h.mean(dim=(2, 3))
        if self.config.pool_projection == "per-channel":
            return self.project[0] * largest + self.project[1] * mean
        return torch.cat([largest, mean], dim=1) @ self.project

    def _fence(self, weight: Tensor, height: int, width: int) -> Tensor:
        """Return the fence's share (4·channel, y, x) of the gates."""
        if self.config.fence_pad == "same":
            fence = weight.new_ones(1, 1, height, width)
            fence[..., 1:-1, 1:-1] = 0
            return conv2d_same(fence, weight)[0]
        ky, kx = self.config.kernel_size
        fence = weight.new_ones(1, 1, height + ky - 1, width + kx - 1)
        fence[..., 1:-1, 1:-1] = 0
        return F.conv2d(fence, weight)[0]


def _rows(x: Tensor, rows: Tensor) -> Tensor:
    """Return rows of x (batch, channel, y, x) in channels-last memory, copied row by row."""
    return x.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)


def _zip(c: list[Tensor], h: list[Tensor]) -> DRCState:
    return tuple(zip(c, h, strict=True))


class DRC(HookedNetwork):
    """Deep Repeated ConvLSTM, DRC(D,N), with a policy and a value head.

    At every step the observation is encoded once; then, at each of N ticks and for each layer
    d = 1…D from the lowest to the topmost, with e the encoding, b the layer below (for d = 1 the
    topmost layer at the tick before) and p the pooled summary of h::

        i, j, f, o = tanh, σ, σ, tanh of W_ih ∗ [e, b, p] + W_hh ∗ h + W_fence ∗ fence + bias
        c ← f ⊙ c + i ⊙ j
        h ← o ⊙ tanh(c)

    Note the names of the released code: i is the candidate, j the input gate.

    Parameters
    ----------
    config
        The architecture; the released DRC(3,3) unless told.
    seed
        Seed (or CPU generator) of the initial weights. PyTorch's global generator is not touched.

    Notes
    -----
    Sites, once a step: ``encoder`` (channel, y, x), ``mlp.K.pre`` and ``mlp.K.post`` (hidden),
    ``logits`` (action_index), ``value`` (no dims). At every tick, for layer D counted from 0:
    ``layers.D.pooled`` (channel: the same for all squares), ``layers.D.i``, ``.j``, ``.f``, ``.o``
    (after their activation), ``layers.D.c`` and ``layers.D.h`` (channel, y, x). Whatever a hook
    writes is what the rest of the network sees.

    The observation's share of the gates is the same at all ticks of a step and is computed once a
    step; the fence's once per call.

    References
    ----------
    Guez et al. 2019, "An investigation of model-free planning" (arXiv 1901.03559), Sec. 2;
    Taufeeque et al. 2024, "Planning in a recurrent neural network that plays Sokoban" (arXiv
    2407.15421); Shi et al. 2015 for the ConvLSTM.

    Examples
    --------
    >>> network = DRC(DRCConfig(n_layers=1, n_ticks=2, channels=4,
    ...                         encoder=(ConvConfig(4, 3),), board=(5, 5)))
    >>> output = network(torch.zeros(7, 2, 5, 5, 3, dtype=torch.uint8))
    >>> tuple(output.logits.shape), tuple(output.value.shape)
    ((7, 2, 4), (7, 2))
    """

    def __init__(self, config: DRCConfig | None = None, seed: int | torch.Generator = 0):
        super().__init__()
        config = DRCConfig() if config is None else config
        generator = as_generator(seed)
        self.config = config
        self.n_layers, self.n_ticks = config.n_layers, config.n_ticks
        self.n_actions = config.n_actions
        self.observation_dims = config.observation_dims
        self.observation_space = observation_space(config.observation, config.observation_dims)

        self.embed = nn.ModuleList()
        n_inputs = config.observation_channels
        for conv in config.encoder:
            self.embed.append(
                SameConv2d(
                    n_inputs,
                    conv.features,
                    conv.kernel_size,
                    bias=conv.bias,
                    generator=generator,
                )
            )
            n_inputs = conv.features
        encoded_dim = "channel" if n_inputs == config.channels else "encoder_channel"
        self.encoder = SitePoint(encoded_dim, "y", "x")
        self.layers = nn.ModuleList(DRCLayer(config, generator) for _ in range(config.n_layers))
        n_head = config.channels + (n_inputs if config.head == "concat" else 0)
        if config.head_pool == "flatten":
            n_head *= config.board[0] * config.board[1]
        self.mlp, n_head = make_mlp(n_head, config.mlp_hiddens, generator)
        self.actor = make_readout(n_head, config.n_actions, generator)
        self.critic = make_readout(n_head, 1, generator)
        self.logits = SitePoint("action_index")
        self.value = SitePoint()
        self.setup()

    @property
    def state_sites(self) -> list[str]:
        """Where the network keeps its recurrent state: every layer's c and h."""
        return [f"layers.{d}.{name}" for d in range(self.n_layers) for name in "ch"]

    def initial_state(self, batch_size: int, board: tuple[int, int] | None = None) -> DRCState:
        """Return the state at the start of an episode: zeros.

        Parameters
        ----------
        batch_size
            Number of rows.
        board
            (height, width); the configuration's unless told.
        """
        height, width = self.config.board if board is None else board
        like = self.actor.weight

        def zeros() -> Tensor:
            shape = (batch_size, self.config.channels, height, width)
            return like.new_zeros(shape).contiguous(memory_format=torch.channels_last)

        return tuple((zeros(), zeros()) for _ in range(self.n_layers))

    def forward(
        self,
        observations: Tensor,
        state: DRCState | None = None,
        episode_starts: Tensor | None = None,
    ) -> NetworkOutput:
        """Run the network over an unroll.

        Parameters
        ----------
        observations
            (step, batch, y, x, colour) or (step, batch, plane, y, x), as the world gives them.
        state
            The state before the first step; that of a new episode unless given.
        episode_starts
            (step, batch) bool: rows whose state is reset before the step.

        Returns
        -------
        NetworkOutput
            logits (step, batch, action), value (step, batch), the state after the last step.

        Raises
        ------
        InputError
            If shapes do not fit the network, naming both.
        """
        config = self.config
        x = network_input(config, observations, self.actor.weight)
        steps, batch, _, height, width = x.shape
        starts, any_start = check_episode_starts(episode_starts, steps, batch, x.device)
        if state is None:
            state = self.initial_state(batch, (height, width))
        c, h = self._unpack(state, batch, height, width)
        layers = cast("list[DRCLayer]", list(self.layers))
        weights = [layer.prepare(height, width) for layer in layers]
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(steps):
                if starts is not None and any_start[t]:
                    fresh = starts[t][:, None, None, None]
                    # Not `masked_fill`: it would lose the channels-last memory format.
                    c = [torch.where(fresh, 0.0, old) for old in c]
                    h = [torch.where(fresh, 0.0, old) for old in h]
                encoding = self.encoder(self._encode(x[t]))
                shares = [
                    layer.encode(encoding, w) for layer, w in zip(layers, weights, strict=True)
                ]
                for _ in self.clock.ticks(self.n_ticks):
                    below = h[-1]
                    for d, layer in enumerate(layers):
                        c[d], h[d] = layer(shares[d], below, c[d], h[d], weights[d])
                        below = below + h[d] if config.residual else h[d]
                    if not config.skip_final:
                        h[-1] = below
                step_logits, step_value = self._answer(h[-1], encoding)
                logits.append(step_logits)
                values.append(step_value)
        return NetworkOutput(torch.stack(logits), torch.stack(values), _zip(c, h))

    def stage_of(self, site: str, tick: int | None) -> tuple[int, int, int] | None:
        """Return the last stage from which a firing still happens, None for the step's beginning.

        See `interp.contract.ResumableNetwork`.
        """
        parts = site.split(".")
        if parts[0] == "layers" and tick is not None:
            return tick, int(parts[1]), {"pooled": 0, "h": 2}.get(parts[2], 1)
        return None if site == "encoder" else (self.n_ticks, 0, 0)

    def moments(
        self,
        observations: Tensor,
        state: DRCState | None,
        stages: Collection[tuple[int, ...]],
    ) -> dict[tuple[int, ...], DRCMoment]:
        """Run one step and return the moments at some stages.

        Parameters
        ----------
        observations
            (1, batch, …), as in `forward`.
        state
            Before the step; that of a new episode if None.
        stages
            As `stage_of` gives.
        """
        kept: dict[tuple[int, ...], DRCMoment] = {}
        [x] = network_input(self.config, observations, self.actor.weight)
        batch, _, height, width = x.shape
        if state is None:
            state = self.initial_state(batch, (height, width))
        c, h = self._unpack(state, batch, height, width)
        layers = cast("list[DRCLayer]", list(self.layers))
        weights = [layer.prepare(height, width) for layer in layers]
        with self.clock.run():
            for _ in self.clock.steps(1):
                encoding = self.encoder(self._encode(x))
                shares = [
                    layer.encode(encoding, w) for layer, w in zip(layers, weights, strict=True)
                ]
                whole = DRCMoment(
                    (0, 0, 0), encoding, tuple(shares), h[-1], _zip(c, h), None, None, weights
                )
                self._rest_of_step(whole, set(stages), kept)
        return kept

    def resume(self, moment: DRCMoment) -> NetworkOutput:
        """Run the rest of a step from a moment in it; the sites before it do not fire.

        Returns
        -------
        NetworkOutput
            logits (1, batch, action), value (1, batch), the state after the step.
        """
        with self.clock.run():
            for _ in self.clock.steps(1):
                c, h = self._rest_of_step(moment, set(), {})
                logits, value = self._answer(h[-1], moment.encoding)
        return NetworkOutput(logits[None], value[None], _zip(c, h))

    def _rest_of_step(
        self,
        moment: DRCMoment,
        wanted: Collection[tuple[int, ...]],
        kept: dict[tuple[int, ...], DRCMoment],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run the ticks from a moment on, filling `kept`; return the c and h after the last."""
        layers = cast("list[DRCLayer]", list(self.layers))
        first_tick, first_layer, _ = moment.stage
        below, gates, hidden = moment.below, moment.gates, moment.hidden
        c, h = (list(tensors) for tensors in zip(*moment.state, strict=True))

        def keep(stage: tuple[int, int, int]) -> None:
            if stage not in wanted:
                return
            tick, first = stage[0], stage[1] + (stage[2] > 0)
            read = range(first if tick == self.n_ticks - 1 else 0, self.n_layers)
            shares = tuple(
                share if d in read and tick < self.n_ticks else None
                for d, share in enumerate(moment.shares)
            )
            kept[stage] = moment._replace(
                stage=stage,
                shares=shares,
                below=below,
                state=_zip(c, h),
                gates=gates if stage[2] == 1 else None,
                hidden=hidden if stage[2] == 2 else None,
            )

        for tick in self.clock.ticks(self.n_ticks, first_tick):
            resuming = tick == first_tick
            if not resuming:
                below = h[-1]
            for d in range(first_layer if resuming else 0, self.n_layers):
                if hidden is None:
                    if gates is None:
                        keep((tick, d, 0))
                        share = cast("Tensor", moment.shares[d])
                        gates = layers[d].gates(share, below, h[d], moment.weights[d])
                        keep((tick, d, 1))
                    c[d], hidden = layers[d].update(*gates, c[d])
                    keep((tick, d, 2))
                h[d] = layers[d].h(hidden)
                gates = hidden = None
                below = below + h[d] if self.config.residual else h[d]
            if not self.config.skip_final:
                h[-1] = below
        below = h[-1]
        keep((self.n_ticks, 0, 0))
        return c, h

    def _answer(self, h: Tensor, encoding: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, action) and value (batch) of one step; fires the head's sites."""
        hidden = self._head_input(h, encoding)
        for layer in self.mlp:
            hidden = layer(hidden)
        logits = self.logits(at_least_float32(self.actor(hidden)))
        return logits, self.value(at_least_float32(self.critic(hidden)).squeeze(-1))

    def _encode(self, x: Tensor) -> Tensor:
        for n, conv in enumerate(self.embed):
            if n and self.config.encoder_relu:
                x = torch.relu(x)
            x = conv(x)
        return x

    def _head_input(self, h: Tensor, encoding: Tensor) -> Tensor:
        if self.config.head == "sum":
            h = h + encoding
        elif self.config.head == "concat":
            h = torch.cat([h, encoding], dim=1)
        return h.flatten(1) if self.config.head_pool == "flatten" else h.mean(dim=(2, 3))

    def _unpack(
        self, state: DRCState, batch: int, height: int, width: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        expected = (batch, self.config.channels, height, width)
        shapes = [tuple(tensor.shape) for pair in state for tensor in pair]
        if len(state) != self.n_layers or any(shape != expected for shape in shapes):
            raise InputError(
                f"The state must be {self.n_layers} pairs (c, h) of shape {expected}; got shapes "
                f"{shapes}."
            )
        c, h = (
            [pair[k].contiguous(memory_format=torch.channels_last) for pair in state]
            for k in range(2)
        )
        return c, h
