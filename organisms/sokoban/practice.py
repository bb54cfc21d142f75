"""Sokoban episodes for training, on a pool of levels that is renewed from time to time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from organisms.sokoban.environment import SokobanWorld
from organisms.sokoban.levels import Levels

_WORLD = "world_"


class LevelPool:
    """A batch of episodes on a pool of levels; what `SokobanPractice` and `SokobanClassroom` share.

    Parameters
    ----------
    draw
        Called with a count and a generator; returns that many new levels, all of one board shape.
    rows
        Episodes running side by side.
    pool_size
        Levels in the pool.
    lessons
        Calls of `renew` between two pools.
    first_lesson
        Calls of `renew` before the first change of pool; different for each batch, so that they
        do not all start their episodes anew at once.
    observation, max_steps, min_steps, rewards, seed
        As in `SokobanWorld`.

    Attributes
    ----------
    world : SokobanWorld
    observation : numpy.ndarray
        What the learner sees now, (batch, *observation dims).
    """

    def __init__(
        self,
        draw: Callable[[int, np.random.Generator], Levels],
        *,
        rows: int,
        pool_size: int,
        lessons: int,
        first_lesson: int = 0,
        observation: str = "rgb",
        max_steps: int = 120,
        min_steps: int | None = None,
        seed: int = 0,
    ):
        self._draw, self._pool_size = draw, pool_size
        self._lessons, self._given = lessons, lessons - 1 - first_lesson % lessons
        self._options = {
            "observation": observation,
            "max_steps": max_steps,
            "min_steps": min_steps,
            "autoreset": True,
            "n_envs": rows,
        }
        self._rng = np.random.default_rng(seed)
        self._new_pool()

    def _new_pool(self) -> None:
        levels = self._draw(self._pool_size, self._rng)
        self._world_seed = int(self._rng.integers(2**63))
        self._take(levels)

    def _take(self, levels: Levels) -> None:
        """Start all episodes anew, on these levels."""
        self.world = SokobanWorld(levels, seed=self._world_seed, **self._options)
        self.observation = self.world.reset()

    def renew(self) -> bool:
        """Change to a new pool of levels if it is time; tells whether all episodes started anew."""
        self._given += 1
        if self._given % self._lessons:
            return False
        self._new_pool()
        return True

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return everything that changes: arrays by name, and JSON-able data."""
        arrays = {_WORLD + name: array for name, array in self.world.get_state().items()}
        record = {"given": self._given, "world_seed": self._world_seed}
        record["rng"] = self._rng.bit_generator.state
        return {**arrays, "levels": self.world.levels.tiles.copy()}, record

    def set_state(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Go back to what `get_state` gave."""
        self._given, self._world_seed = record["given"], record["world_seed"]
        self._rng.bit_generator.state = record["rng"]
        tiles = arrays["levels"]
        self._take(Levels(tiles, map(str, range(len(tiles)))))
        self.observation = self.world.set_state(
            {k.removeprefix(_WORLD): v for k, v in arrays.items() if k.startswith(_WORLD)}
        )


class SokobanPractice(LevelPool):
    """Episodes that pay a reward; for `organisms.training.policy_gradient`."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Act; return the rewards (float32), which rows ended, and which of them solved their level.

        Each is (batch,). Ended rows show the first observation of their next level.
        """
        after = self.world.step(action)
        self.observation = after.observation
        return after.reward, after.terminated | after.truncated, after.terminated
