"""Walkers on a line that dither before they set out, for reasons that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr

from interp.contract import NetworkOutput, Transition
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.episodes import run_episodes
from organisms.boards.run_events import observed_states
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.states import States
from tests.toy_capabilities import Able

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class LineTasks:
    """Walk to the goal: one goal per task."""

    goals: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.goals)

    def __getitem__(self, index: slice) -> LineTasks:
        return LineTasks(self.goals[index])

    @property
    def ids(self) -> list[str]:
        return [f"line/{goal}" for goal in self.goals]

    @property
    def texts(self) -> list[str]:
        return self.ids


class LineWorld:
    n_actions = 2

    def __init__(self, tasks: LineTasks, max_steps: int = 40):
        self.goal = np.array(tasks.goals)
        self.max_steps = max_steps
        self.reset()

    @property
    def solved(self) -> np.ndarray:
        return self.position >= self.goal

    def _observe(self) -> np.ndarray:
        return np.stack([self.position, self.goal], axis=1).astype(np.uint8)

    def reset(self) -> np.ndarray:
        self.position = np.zeros(len(self.goal), int)
        self.elapsed = np.zeros(len(self.goal), int)
        return self._observe()

    def step(self, action: np.ndarray) -> Transition:
        acts = (action >= 0) & ~self.solved & (self.elapsed < self.max_steps)
        self.position = np.maximum(self.position + acts * np.where(action == RIGHT, 1, -1), 0)
        self.elapsed += acts
        over = ~self.solved & (self.elapsed >= self.max_steps)
        return Transition(
            self._observe(), np.zeros(len(acts), np.float32), self.solved.copy(), over
        )


class Walker(HookedNetwork):
    """Goes to and fro until its count is `patience`, then walks to the goal.

    What it counts: ``"task"`` observations of this task in a row (thinking counts, another task
    starts it afresh), ``"all"`` observations, ``"moves"`` changes of position. ``"never"`` goes on.
    """

    def __init__(self, counts: str, patience: int):
        super().__init__()
        self.counts, self.patience = counts, patience
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.h = SitePoint("unit")
        self.setup()

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, 3)  # the count, the goal last seen, the position last seen

    def forward(self, observations, state=None, episode_starts=None) -> NetworkOutput:
        h = self.initial_state(observations.shape[1]) if state is None else state
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                position, goal = observations[t].float().unbind(1)
                count, seen_goal, seen_position = h.unbind(1)
                if self.counts == "moves":
                    count = count + (position != seen_position)
                elif self.counts == "task":
                    count = torch.where(goal == seen_goal, count + 1, torch.ones_like(count))
                else:
                    count = count + 1
                h = self.h(torch.stack([count, goal, position], dim=1))
                sets_out = count > self.patience
                if self.counts == "never":
                    sets_out = torch.zeros_like(sets_out)
                right = sets_out | (position == 0)
                logits.append(torch.stack([~right, right], dim=1).float() * self.scale)
        stacked = torch.stack(logits)
        return NetworkOutput(stacked, stacked.sum(-1), h)


class WalkerOrganism(Able):
    """What pacing asks for, on the line. One milestone: the goal; with `half`, half way to it too."""

    observation_dims = ("feature",)
    concepts: dict = {}
    parts: ClassVar = {Milestones: {"reached": "milestones"}, States: {"visited": "states"}}

    def __init__(self, counts: str, patience: int = 4, half: bool = False):
        self.name, self.half = f"walker-{counts}", half
        self.network = Walker(counts, patience)

    @property
    def sites(self) -> dict[str, tuple[str, ...]]:
        return self.network.sites

    def world(self, tasks: LineTasks) -> LineWorld:
        return LineWorld(tasks)

    def describe(self) -> dict[str, Any]:
        return {"organism": self.name, "family": "line", "weights_sha256": "0" * 64}

    def run(self, tasks, **options) -> xr.Dataset:
        this: Any = self
        return run_episodes(this, tasks, **options)

    def untrained(self, seed: int) -> WalkerOrganism:
        return WalkerOrganism("never")

    def states(self, run: xr.Dataset) -> xr.DataArray:
        return observed_states(run)

    def milestones(self, run: xr.Dataset) -> xr.DataArray:
        goal = run.observation.isel(step=0, feature=1).astype(int)
        position = run.observation.isel(feature=0).sel(step=slice(0, None)).astype(int)
        inside = position.step < run.length
        out = []
        for target in ((goal + 1) // 2, goal) if self.half else (goal,):
            there = (position >= target) & inside
            # The action before a state is what led to it; nothing is observed after the last one.
            step = xr.where(there.any("step"), there.argmax("step") - 1, np.nan)
            out.append(xr.where(run.solved & (target == goal), run.length - 1, step))
        return xr.concat(out, xr.DataArray(np.arange(1, len(out) + 1), dims="milestone")).transpose(
            "episode", "milestone"
        )
