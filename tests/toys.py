"""A world, a network and an organism small enough to work out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from interp.contract import NetworkOutput, Transition
from interp.network.hooks import HookedNetwork, SitePoint

RIGHT = 1


@dataclass(frozen=True)
class ToyTasks:
    """Walk right along a line until the goal: one goal distance per task."""

    distances: tuple[int, ...]
    first: int = 0

    def __len__(self) -> int:
        return len(self.distances)

    def __getitem__(self, index: slice) -> ToyTasks:
        start = index.indices(len(self))[0]
        return ToyTasks(self.distances[index], self.first + start)

    @property
    def ids(self) -> list[str]:
        return [f"line/{self.first + i}" for i in range(len(self))]

    @property
    def texts(self) -> list[str]:
        return ["@" + " " * (d - 1) + "." for d in self.distances]


class ToyWorld:
    """Action 1 moves right and pays 1, action 0 stays; solved at the goal."""

    n_actions = 2

    def __init__(self, tasks: ToyTasks, max_steps: int = 8):
        self.goal = np.array(tasks.distances)
        self.max_steps = max_steps
        self.position = np.zeros(len(tasks), int)
        self.elapsed = np.zeros(len(tasks), int)

    @property
    def solved(self) -> np.ndarray:
        return self.position >= self.goal

    def _observe(self) -> np.ndarray:
        return np.stack([self.position, self.goal], axis=1).astype(np.uint8)

    def reset(self) -> np.ndarray:
        self.position[:] = self.elapsed[:] = 0
        return self._observe()

    def step(self, action: np.ndarray) -> Transition:
        acts = (action >= 0) & ~self.solved & (self.elapsed < self.max_steps)
        moved = acts & (action == RIGHT)
        self.position += moved
        self.elapsed += acts
        return Transition(
            self._observe(),
            moved.astype(np.float32),
            self.solved.copy(),
            ~self.solved & (self.elapsed >= self.max_steps),
        )


class ToyNetwork(HookedNetwork):
    """h ← h / 2 + x / 4 at each of `n_ticks` ticks, x = (goal − position, 1); logits (0, h₀ + bias).

    `channel` 0 of h follows the distance to go, channel 1 a constant: every value is a hand sum.
    """

    def __init__(self, n_ticks: int = 2, bias: float = 0.1):
        super().__init__()
        self.n_ticks = n_ticks
        self.bias = torch.nn.Parameter(torch.tensor(bias))
        self.encoder = SitePoint("channel")
        self.h = SitePoint("channel", ticks=True)
        self.setup()

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, 2)

    def forward(self, observations, state=None, episode_starts=None) -> NetworkOutput:
        h = self.initial_state(observations.shape[1]) if state is None else state
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                if episode_starts is not None:
                    h = h.masked_fill(episode_starts[t][:, None], 0.0)
                seen = observations[t].float()
                x = self.encoder(torch.stack([seen[:, 1] - seen[:, 0], torch.ones(len(h))], dim=1))
                for _ in self.clock.ticks(self.n_ticks):
                    h = self.h(h / 2 + x / 4)
                logits.append(torch.stack([torch.zeros(len(h)), h[:, 0] + self.bias], dim=1))
                values.append(h[:, 1])
        return NetworkOutput(torch.stack(logits), torch.stack(values), h)


class ToyOrganism:
    """The least an instrument may ask of an organism."""

    observation_dims = ("feature",)
    concepts: dict = {}

    def __init__(self, n_ticks: int = 2, bias: float = 0.1, max_steps: int = 8):
        self.name = "toy"
        self.network = ToyNetwork(n_ticks, bias)
        self.max_steps = max_steps

    @property
    def sites(self) -> dict[str, tuple[str, ...]]:
        return self.network.sites

    def world(self, tasks: ToyTasks) -> ToyWorld:
        return ToyWorld(tasks, self.max_steps)

    def describe(self) -> dict:
        return {"organism": self.name, "family": "toy", "weights_sha256": "0" * 64}
