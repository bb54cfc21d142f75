"""A tiny organism for tests of the recording: a counter world and a recurrent network."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import numpy as np
import torch

from interp.contract import NetworkOutput, Transition
from interp.network.hooks import HookedNetwork, SitePoint


class ToyNetwork(HookedNetwork):
    """Two ticks a step; writes its state in place, the trap for captures that alias memory."""

    def __init__(self, seed: int = 0, channels: int = 5, n_ticks: int = 2, scale: float = 1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.n_ticks, self.channels, self.scale = n_ticks, channels, scale
        self.encode = torch.nn.Parameter(torch.randn(6, channels, generator=generator) * 0.3)
        self.act = torch.nn.Parameter(torch.randn(channels, 3, generator=generator))
        self.encoder = SitePoint("channel")
        self.h = SitePoint("channel", ticks=True)
        self.logits = SitePoint("action_index")
        self.setup()

    def initial_state(self, batch_size: int):
        return (torch.zeros(batch_size, self.channels),)

    def forward(self, observations, state=None, episode_starts=None):
        x = observations.flatten(2).float() / 255
        (h,) = self.initial_state(x.shape[1]) if state is None else state
        h = h.clone()
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(x)):
                e = self.encoder(x[t] @ self.encode * self.scale)
                for _ in self.clock.ticks(self.n_ticks):
                    h.mul_(0.5).add_(e).sin_()
                    h = self.h(h)
                logits.append(self.logits(h @ self.act))
        logits = torch.stack(logits)
        return NetworkOutput(logits, logits.sum(-1), (h,))


@dataclass(frozen=True)
class ToyTasks:
    """Tasks whose text is a number."""

    numbers: tuple[int, ...]

    @property
    def ids(self) -> list[str]:
        return [f"toy/{i}" for i in self.numbers]

    @property
    def texts(self) -> list[str]:
        return [f"number {i}\nof many" for i in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: slice) -> ToyTasks:
        return ToyTasks(self.numbers[index])


class ToyWorld:
    """A sum of actions that must pass a number; over after `max_steps`."""

    n_actions = 3

    def __init__(self, tasks: ToyTasks, max_steps: int, delay: float):
        self.numbers = np.array(tasks.numbers)
        self.max_steps, self.delay = max_steps, delay
        self.reset()

    @property
    def solved(self) -> np.ndarray:
        return self.total > self.numbers % 7 * 3

    def _observe(self) -> np.ndarray:
        base = self.numbers[:, None] * 37 + self.total[:, None] * 11 + np.arange(6) * self.t
        return (base % 256).astype(np.uint8).reshape(-1, 2, 3)

    def reset(self) -> np.ndarray:
        self.total = np.zeros(len(self.numbers), int)
        self.t = 0
        return self._observe()

    def step(self, action: np.ndarray) -> Transition:
        time.sleep(self.delay)
        before = self.solved
        self.total += action + 1  # −1 leaves a row as it is
        self.t += 1
        reward = np.where(self.solved & ~before, 10.0, -0.1).astype(np.float32)
        truncated = np.full(len(action), self.t >= self.max_steps)
        return Transition(self._observe(), reward, self.solved, truncated & ~self.solved)


class ToyOrganism:
    """See `interp.contract.Organism`."""

    observation_dims = ("y", "x")

    def __init__(self, seed: int = 0, max_steps: int = 12, delay: float = 0.0, **network):
        self.network = ToyNetwork(seed, **network)
        self.name, self.seed = f"toy-{seed}", seed
        self.max_steps, self.delay = max_steps, delay
        self.concepts = {}

    @property
    def sites(self):
        return self.network.sites

    def tasks(self, n: int) -> ToyTasks:
        return ToyTasks(tuple(range(n)))

    def world(self, tasks: ToyTasks) -> ToyWorld:
        return ToyWorld(tasks, self.max_steps, self.delay)

    def describe(self) -> dict:
        digest = hashlib.sha256(self.network.encode.detach().numpy().tobytes()).hexdigest()
        return {"organism": self.name, "weights_sha256": digest, "family": "toy", "network": {}}
