"""A ring to walk along, and organisms that follow the plan in their state, or do not.

From a start to a goal on a ring of five squares there is a short way (two moves) and a long one
(three, the other way round). The network writes its plan, a class for every square, into the
channels of a site, and acts on what it reads there: on the neighbours (onto which it plans to step)
and on its own square (how it plans to leave it).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr

from interp.concepts import Concept
from interp.contract import NetworkOutput, Transition
from interp.interventions.conditions import condition
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.episodes import run_episodes
from interp.runs.replay import replay
from organisms.capabilities.steering import Steering
from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks
from tests.toy_capabilities import Able

N, CHANNELS = 5, 48
LEFT, RIGHT = 0, 1
MOVE = np.array([-1, 1])
CLASSES = ("never", "left", "right")


@dataclass(frozen=True)
class RingTasks:
    """Start, and the direction of the short way, of each task."""

    start: tuple[int, ...]
    side: tuple[int, ...]
    first: int = 0

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: slice) -> RingTasks:
        at = index.indices(len(self))[0]
        return RingTasks(self.start[index], self.side[index], self.first + at)

    @property
    def ids(self) -> list[str]:
        return [f"ring/{self.first + i}" for i in range(len(self))]

    @property
    def texts(self) -> list[str]:
        return [f"{s}{'<>'[d]}" for s, d in zip(self.start, self.side, strict=True)]


class RingWorld:
    """Action 0 goes left, 1 right; solved at the goal."""

    n_actions = 2

    def __init__(self, tasks: RingTasks, max_steps: int = 6):
        self.start = np.array(tasks.start)
        self.goal = (self.start + 2 * MOVE[np.array(tasks.side)]) % N
        self.max_steps = max_steps
        self.reset()

    @property
    def solved(self) -> np.ndarray:
        return self.position == self.goal

    def reset(self) -> np.ndarray:
        self.position, self.elapsed = self.start.copy(), np.zeros(len(self.start), int)
        return self._observe()

    def _observe(self) -> np.ndarray:
        eye = np.eye(N, dtype=np.uint8) * 255
        return np.stack([eye[self.position], eye[self.goal]], axis=-1)[:, None]  # batch, y, x, 2

    def step(self, action: np.ndarray) -> Transition:
        acts = (action >= 0) & ~self.solved & (self.elapsed < self.max_steps)
        self.position = np.where(acts, (self.position + MOVE[action]) % N, self.position)
        self.elapsed += acts
        late = ~self.solved & (self.elapsed >= self.max_steps)
        return Transition(self._observe(), np.zeros(len(acts), np.float32), self.solved, late)


class RingNetwork(HookedNetwork):
    """Plans the short way at every tick. `obeys`: acts on its site; else on the observation alone."""

    n_ticks = 2

    def __init__(self, obeys: bool, seed: int = 0):
        super().__init__()
        mixing = np.linalg.qr(np.random.default_rng(seed).normal(size=(CHANNELS, 6)))[0]
        self.mixing = torch.nn.Parameter(torch.tensor(mixing, dtype=torch.float32))
        self.obeys = obeys
        self.state = SitePoint("channel", "y", "x", ticks=True)
        self.setup()

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, CHANNELS, 1, N)

    def forward(self, observations, state=None, episode_starts=None) -> NetworkOutput:
        old = self.initial_state(observations.shape[1]) if state is None else state
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                code, at = self._plan(observations[t])
                for _ in self.clock.ticks(self.n_ticks):
                    fresh = torch.einsum("ck,bkyx->bcyx", self.mixing, code)
                    old = self.state(0.25 * old + 0.75 * fresh)
                read = torch.einsum("ck,bcyx->bkyx", self.mixing, old) if self.obeys else code
                logits.append(self._act(read[:, :, 0], at))
        out = torch.stack(logits)
        return NetworkOutput(out, out.sum(-1), old)

    def _plan(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (batch, class of "onto" then of "off", 1, x) and the positions."""
        at, goal = (observation[:, 0, :, i].float().argmax(dim=1) for i in (0, 1))
        code = torch.zeros(len(at), 6, 1, N)
        code[:, [0, 3]] = 1.0
        for row in range(len(at)):
            to_right = int((goal[row] - at[row]) % N)
            side = RIGHT if to_right <= N // 2 else LEFT
            square = int(at[row])
            for _ in range(min(to_right, N - to_right)):
                code[row, 3:, 0, square] = torch.eye(3)[1 + side]
                square = (square + int(MOVE[side])) % N
                code[row, :3, 0, square] = torch.eye(3)[1 + side]
        return code, at

    def _act(self, read: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        row = torch.arange(len(at))
        scores = []
        for side in (LEFT, RIGHT):
            ahead = (at + int(MOVE[side])) % N
            onto = read[row, 1 + side, ahead] - read[row, 0, ahead]
            scores.append(onto + read[row, 4 + side, at])
        return torch.stack(scores, dim=1)


def _labels(onto: bool):
    def labels(run: xr.Dataset) -> xr.DataArray:
        at = run.observation.values[..., 0, :, 0].argmax(-1)
        action, length = run.action.values, run.length.values
        out = np.full((*action.shape, 1, N), -1, np.int8)
        for e in range(len(length)):
            now = np.zeros(N, np.int8)
            for s in range(length[e] - 1, -1, -1):
                square = (at[e, s] + MOVE[action[e, s]]) % N if onto else at[e, s]
                now[square] = 1 + action[e, s]
                out[e, s, 0] = now
        return xr.DataArray(out, dims=("episode", "step", "y", "x"))

    return labels


@condition("ring/entered")
def entered(world: Any, rows: np.ndarray, step: int, y: Any, x: Any) -> np.ndarray:
    return world.position[rows] == x


def _went_long(run: xr.Dataset, number: np.ndarray) -> np.ndarray:
    """The long way: never on the first square of the short one."""
    at = run.observation.values[..., 0, :, 0].argmax(-1)
    inside = np.arange(at.shape[1]) < run.length.values[:, None]
    start, side = number % N, number // N % 2
    return ~((at == ((start + MOVE[side]) % N)[:, None]) & inside).any(axis=1)


class RingOrganism(Able):
    """What the analyses ask of an organism."""

    observation_dims = ("y", "x", "feature")
    steering_sites = state_sites = ["state"]
    parts: ClassVar = {
        Steering: {
            "sites": "steering_sites",
            "tasks": "steering_tasks",
            "action_rewrites": "action_rewrites",
        }
    }

    def __init__(self, obeys: bool = True):
        self.name = "ring"
        self.network = RingNetwork(obeys)
        self.concepts = {
            name: Concept(name, _labels(onto), CLASSES, negative="never")
            for name, onto in (("onto", True), ("off", False))
        }

    @property
    def sites(self) -> Any:
        return self.network.sites

    def tasks(self, split: str = "train", n: int = 40, seed: int = 0) -> RingTasks:
        number = np.arange(n)
        return RingTasks(tuple(map(int, number % N)), tuple(map(int, number // N % 2)))

    def world(self, tasks: RingTasks) -> RingWorld:
        return RingWorld(tasks)

    def run(self, tasks: RingTasks, **options: Any) -> xr.Dataset:
        return run_episodes(self, tasks, **options)  # type: ignore[arg-type]

    def replay(self, observations: Any, **options: Any) -> xr.Dataset:
        return replay(self.network, observations, **options)

    def describe(self) -> dict:
        digest = hashlib.sha256(self.network.mixing.detach().numpy().tobytes()).hexdigest()
        return {"organism": self.name, "family": "ring", "weights_sha256": digest, "network": {}}

    def steering_tasks(self, kind: str, n: int = 20, seed: int = 0) -> SteeringTasks:
        tasks = self.tasks("test", n)
        short, long = [], []
        for start, side in zip(tasks.start, tasks.side, strict=True):
            short.append(((0, (start + int(MOVE[side])) % N),))
            back, name = int(MOVE[1 - side]), CLASSES[2 - side]
            long.append(tuple(((0, (start + k * back) % N), name) for k in (1, 2, 3)))
        return SteeringTasks(
            kind=kind,
            tasks=tasks,
            unit=np.arange(n),
            concept="onto",
            never="never",
            place_dims=("y", "x"),
            short=tuple(short),
            long=tuple(long),
            until="ring/entered",
            short_length=np.full(n, 2),
            long_length=np.full(n, 3),
            judge=_went_long,
            number=np.arange(n),
        )

    def action_rewrites(self, run: xr.Dataset, step: int) -> ActionRewrites:
        seen = run.observation.sel(step=step).values
        x = seen[:, 0, :, 0].argmax(-1)
        possible = np.ones((len(x), 2), bool)
        taken = run.action.sel(step=step).values
        possible[np.arange(len(x)), np.maximum(taken, 0)] = False
        possible[run.length.values <= step] = False
        place = np.stack([np.zeros_like(x), x], axis=1)
        return ActionRewrites("off", ("y", "x"), place, ("left", "right"), possible)
