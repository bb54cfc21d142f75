"""Sokoban episodes for training, on a pool of levels that is renewed from time to time."""

from __future__ import annotations

import numpy as np

from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.levels import Levels
from organisms.training.task_pool import TaskPool


class LevelPool(TaskPool):
    """A batch of episodes on a pool of levels; what `SokobanPractice` and `SokobanClassroom` share."""

    World = SokobanWorld

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
