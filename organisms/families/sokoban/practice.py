"""Sokoban episodes for training, on a pool of levels that is renewed from time to time."""

from __future__ import annotations

from typing import Any

import numpy as np

from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.levels import Levels
from organisms.training.task_pool import Draw, TaskPool


class LevelPool(TaskPool):
    """A batch of episodes on a pool of levels; what `SokobanPractice` and `SokobanClassroom` share.

    Parameters
    ----------
    draw
        Where levels come from.
    observation, max_steps, min_steps
        As in `SokobanWorld`.
    options
        As in `TaskPool`.
    """

    world: SokobanWorld

    def __init__(
        self,
        draw: Draw,
        *,
        observation: str = "rgb",
        max_steps: int = 120,
        min_steps: int | None = None,
        **options: Any,
    ):
        self._limits = {"max_steps": max_steps, "min_steps": min_steps}
        self._observation = observation
        super().__init__(draw, **options)

    def make_world(self, tasks: Levels, seed: int) -> SokobanWorld:
        """Return a world that deals these levels to its rows."""
        return SokobanWorld(
            tasks,
            observation=self._observation,
            autoreset=True,
            n_envs=self.rows,
            seed=seed,
            **self._limits,
        )

    def pack(self, tasks: Levels) -> dict[str, np.ndarray]:
        """Return the levels' tiles."""
        return {"levels": tasks.tiles.copy()}

    def unpack(self, arrays: dict[str, np.ndarray]) -> Levels:
        """Return the levels again; their ids are their places in the pool."""
        tiles = arrays["levels"]
        return Levels(tiles, map(str, range(len(tiles))))


class SokobanPractice(LevelPool):
    """Episodes that pay a reward; for `organisms.training.policy_gradient`."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Act; return the rewards (float32), which rows ended, and which of them solved their level.

        Each is (batch,). Ended rows show the first observation of their next level.
        """
        after = self.world.step(action)
        self.observation = after.observation
        return after.reward, after.terminated | after.truncated, after.terminated
