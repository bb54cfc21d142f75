"""Agents on a ring that walk to a goal: one keeps it in a site, the other one's site is for show."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import xarray as xr

from interp.contract import NetworkOutput
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.goal_pairs import GoalPairs
from tests.analyses.causes.steering_toy import MOVE, N, RingOrganism, RingTasks

CHANNELS = 24


class GoalNetwork(HookedNetwork):
    """Writes where the goal is into `state`; `keeps`: once and for all, and walks to what it reads.

    Without `keeps` the state is as full of the goal, and what is acted on is the observation.
    """

    def __init__(self, keeps: bool, seed: int = 0):
        super().__init__()
        direction = np.random.default_rng(seed).normal(size=CHANNELS)
        direction = torch.tensor(direction / np.linalg.norm(direction), dtype=torch.float32)
        self.mixing = torch.nn.Parameter(direction)
        self.keeps = keeps
        self.state = SitePoint("channel", "y", "x", ticks=True)
        self.setup()

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.full((batch_size, CHANNELS, 1, N), torch.nan)

    def forward(self, observations, state=None, episode_starts=None) -> NetworkOutput:
        old = self.initial_state(observations.shape[1]) if state is None else state
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                at, goal = (observations[t, :, :, :, i].float() / 255 for i in (0, 1))
                fresh = torch.einsum("c,byx->bcyx", self.mixing, goal)
                for _ in self.clock.ticks(2):
                    old = self.state(torch.where(old.isnan(), fresh, old))
                read = torch.einsum("c,bcyx->byx", self.mixing, old) if self.keeps else goal
                logits.append(self._act(read[:, 0], at[:, 0].argmax(dim=1)))
        out = torch.stack(logits)
        return NetworkOutput(out, out.sum(-1), old)

    def _act(self, goal: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        row = torch.arange(len(at))
        sides = [sum(goal[row, (at + k * int(move)) % N] for k in (1, 2)) for move in MOVE]
        return 6 * torch.stack(sides, dim=1)


class GoalRing(RingOrganism):
    """A ring of five squares; the goal is two squares off on one side, or on the other."""

    parts: ClassVar = {Counterfactuals: {"pairs": "counterfactuals"}}

    def __init__(self, keeps: bool):
        super().__init__()
        self.name, self.network = "goal-ring", GoalNetwork(keeps)

    def counterfactuals(self, kind: str, n: int, seed: int = 0) -> GoalPairs:
        number = np.arange(n)
        start, side = number % N, number // N % 2
        clean, corrupted = (
            RingTasks(tuple(start.tolist()), tuple(each.tolist()), first)
            for each, first in ((side, 0), (1 - side, n))
        )
        places = [
            np.stack([0 * start, (start + 2 * MOVE[each]) % N], 1) for each in (side, 1 - side)
        ]
        return GoalPairs(
            kind=kind,
            clean=clean,
            corrupted=corrupted,
            clean_actions=np.eye(2, dtype=bool)[side],
            corrupted_actions=np.eye(2, dtype=bool)[1 - side],
            place_dims=("y", "x"),
            clean_goal=places[0],
            corrupted_goal=places[1],
            things=(("goal", ""),) * n,
            clean_way=tuple((int(each),) * 2 for each in side),
            corrupted_way=tuple((int(1 - each),) * 2 for each in side),
            visited=_visited,
        )


def _visited(run: xr.Dataset) -> np.ndarray:
    start = run.observation.values[:, 0, 0, :, 0].argmax(-1)
    running = np.arange(run.sizes["step"]) < run.length.values[:, None]
    moves = np.where(running, MOVE[np.maximum(run.action.values, 0)], 0).cumsum(axis=1)
    x = np.column_stack([start, (start[:, None] + moves) % N])
    x[:, 1:][~running] = -1
    return np.stack([np.where(x < 0, -1, 0), x], axis=-1)
