"""The network: one convolution of its own state and of what it sees, again and again, at every tick.

Nothing in it knows of plans. Weights that plan are written by `organisms.families.compiled.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.contract import NetworkOutput
from interp.errors import CheckpointError, InputError, check_integer
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.families.compiled.features import AIMS, FEATURES, SEEN
from organisms.families.doors.objects import OBSERVATION_DIMS, PLANES
from organisms.networks.parts import (
    SameConv2d,
    as_generator,
    check_episode_starts,
    make_readout,
    observation_space,
    scale_observations,
)

ONE, THREE = (1, 1), (3, 3)


@dataclass(frozen=True, kw_only=True)
class CompiledConfig:
    """The sizes of a network.

    Parameters
    ----------
    board
        Rows and columns.
    n_ticks
        Ticks of a step; of an unrolled network, layers.
    updates
        How often the state is updated within a tick.
    unrolled
        Whether each tick is a layer with weights and a site of its own.
    remembers
        Whether anything of the state outlasts a step.
    channels
        Of the state, which are as many as its gates.
    reads
        What the head reads from the board.
    """

    board: tuple[int, int] = (7, 7)
    n_ticks: int = 16
    updates: int = 2
    unrolled: bool = False
    remembers: bool = False
    channels: int = 8
    reads: int = 4

    observation = "planes"
    n_planes = len(PLANES)
    observation_dims = OBSERVATION_DIMS["planes"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "board", tuple(self.board))
        for name in ("n_ticks", "updates", "channels", "reads"):
            check_integer(name, getattr(self, name), 1)
        if self.unrolled and self.remembers:
            raise InputError("An unrolled network has no state that could outlast a step.")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data, with its kind."""
        return {"kind": "compiled", **asdict(self), "board": list(self.board)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CompiledConfig:
        """Build it from what `to_dict` gave.

        Raises
        ------
        CheckpointError
            If it is of another kind, or malformed.
        """
        options = dict(record)
        if options.pop("kind", None) != "compiled":
            raise CheckpointError(f"The network kind is 'compiled', not {record.get('kind')!r}.")
        try:
            return cls(**options)
        except (InputError, TypeError) as error:
            raise CheckpointError(
                f"Malformed configuration of a compiled network: {error}"
            ) from None


class Cell(nn.Module):
    """One tick: gates between 0 and 1 of the state and the features around, mixed into a new state."""

    def __init__(self, config: CompiledConfig, ticks: bool, generator: torch.Generator):
        super().__init__()
        self.updates = config.updates
        inputs = config.channels + len(FEATURES)
        self.update = SameConv2d(inputs, config.channels, THREE, generator=generator)
        self.mix = SameConv2d(
            config.channels, config.channels, ONE, bias=False, generator=generator
        )
        assert self.update.bias is not None
        nn.init.constant_(self.update.bias, 0.5)  # in the middle of what the clamp lets through
        self.gates = SitePoint("gate", "y", "x", ticks=ticks)
        self.h = SitePoint("channel", "y", "x", ticks=ticks)

    def forward(self, h: Tensor, features: Tensor) -> Tensor:
        """Return the state (batch, channel, y, x) after the tick."""
        for n in range(self.updates):
            gates = self.update(torch.cat([h, features], 1)).clamp(0, 1)
            if n == self.updates - 1:
                gates = self.gates(gates)
            h = self.mix(gates)
        return self.h(h)


class CompiledNetwork(HookedNetwork):
    """A recurrent (or unrolled) convolutional network that walks mazes.

    Parameters
    ----------
    config
        Its sizes.
    seed
        Of its initial weights, which are drawn as those of a network that is to be trained.

    Notes
    -----
    Sites: ``features`` (feature, y, x) and ``aims`` (aim) once a step; ``cell.gates`` (gate, y, x) and
    ``cell.h`` (channel, y, x) at every tick, or ``layers.K.gates`` and ``layers.K.h``; ``reads``
    (read, y, x), ``logits`` (action_index), ``value``. What it is after is the product of ``aims``
    and of what it sees: an intervention on ``aims`` gives it another goal.
    """

    def __init__(self, config: CompiledConfig, seed: int | torch.Generator = 0):
        super().__init__()
        generator = as_generator(seed)
        self.config = config
        self.n_ticks, self.n_actions = config.n_ticks, 4
        self.observation_dims = config.observation_dims
        self.observation_space = observation_space(config.observation, config.observation_dims)
        self.see = SameConv2d(config.n_planes, len(SEEN), ONE, generator=generator)
        self.aim = make_readout(config.n_planes, len(AIMS), generator)
        self.aims = SitePoint("aim")
        self.features = SitePoint("feature", "y", "x")
        n_cells = config.n_ticks if config.unrolled else 1
        cells = [Cell(config, not config.unrolled, generator) for _ in range(n_cells)]
        if config.unrolled:
            self.layers = nn.ModuleList(cells)
        else:
            self.cell = cells[0]
        if config.remembers:
            self.carry = SameConv2d(
                config.channels, config.channels, ONE, bias=False, generator=generator
            )
        inputs = config.channels + len(FEATURES)
        self.read = SameConv2d(inputs, config.reads, THREE, generator=generator)
        self.reads = SitePoint("read", "y", "x")
        self.actor = make_readout(config.reads, self.n_actions, generator)
        self.critic = make_readout(config.reads, 1, generator)
        self.logits = SitePoint("action_index")
        self.value = SitePoint()
        self.setup()

    @property
    def cells(self) -> list[Cell]:
        """The cells in the order in which they fire: one, or one a layer."""
        return list(self.layers) if self.config.unrolled else [self.cell]  # type: ignore[arg-type]

    @property
    def state_sites(self) -> list[str]:
        """The state after every tick, or every layer's."""
        if self.config.unrolled:
            return [f"layers.{k}.h" for k in range(self.n_ticks)]
        return ["cell.h"]

    def initial_state(self, batch_size: int) -> Tensor | tuple[()]:
        """Return (batch, channel, y, x) of zeros; an empty tuple if nothing outlasts a step."""
        return self._zeros(batch_size) if self.config.remembers else ()

    def _zeros(self, batch_size: int) -> Tensor:
        return self.actor.weight.new_zeros(batch_size, self.config.channels, *self.config.board)

    def forward(
        self,
        observations: Tensor | np.ndarray,
        state: Tensor | tuple[()] | None = None,
        episode_starts: Tensor | np.ndarray | None = None,
    ) -> NetworkOutput:
        """Run over observations (step, batch, plane, y, x).

        Raises
        ------
        InputError
            If shapes do not fit the network, naming both.
        """
        config = self.config
        planes = scale_observations(
            observations, "planes", config.n_planes, config.board, like=self.actor.weight
        )
        n_steps, batch = planes.shape[:2]
        starts, any_starts = check_episode_starts(episode_starts, n_steps, batch, planes.device)
        h = state if isinstance(state, Tensor) else self._zeros(batch)
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(n_steps):
                if starts is not None and any_starts[t]:
                    h = h * ~starts[t].view(-1, 1, 1, 1)
                features = self._look(planes[t])
                h = self._deliberate(self._carried(h), features)
                answer = self._answer(h, features)
                logits.append(answer[0])
                values.append(answer[1])
        return NetworkOutput(
            torch.stack(logits), torch.stack(values), h if config.remembers else ()
        )

    def _look(self, planes: Tensor) -> Tensor:
        """Return the features (batch, feature, y, x) of planes (batch, plane, y, x)."""
        seen = self.see(planes).clamp(0, 1)
        aims = self.aims(self.aim(planes.sum((2, 3))).clamp(0, 1))
        targets = (seen[:, -len(AIMS) :] * aims[..., None, None]).sum(1, keepdim=True).clamp(0, 1)
        return self.features(torch.cat([seen[:, : -len(AIMS)], targets], 1))

    def _carried(self, h: Tensor) -> Tensor:
        return self.carry(h) if self.config.remembers else torch.zeros_like(h)

    def _deliberate(self, h: Tensor, features: Tensor) -> Tensor:
        if self.config.unrolled:
            for layer in self.layers:
                h = layer(h, features)
            return h
        for _ in self.clock.ticks(self.n_ticks):
            h = self.cell(h, features)
        return h

    def _answer(self, h: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (batch, action) and value (batch) of a step."""
        reads = self.reads(torch.relu(self.read(torch.cat([h, features], 1)))).sum((2, 3))
        return self.logits(self.actor(reads)), self.value(self.critic(reads).squeeze(-1))
