"""Sokoban episodes with the exact oracle watching, for imitation (`organisms.training.imitation`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from organisms.sokoban.environment import SokobanWorld
from organisms.sokoban.levels import Levels
from organisms.sokoban.oracle import OraclePool


class SokobanClassroom:
    """A batch of episodes on a pool of solved levels, renewed from time to time.

    Parameters
    ----------
    draw
        Called with a count; returns that many new levels, all of one board shape.
    rows
        Episodes running side by side.
    pool_size
        Levels solved at a time. A four-box Boxoban level takes about 0.3 MB and 2 ms.
    lessons
        Calls of `renew` between two pools.
    first_lesson
        Calls of `renew` before the first change of pool; different for each classroom, so that they
        do not all start their episodes anew at once.
    give_up
        Probability, at every step, that an episode out of reach of its goal ends there: such
        states carry no label for the policy.
    observation, max_steps, min_steps, seed
        As in `SokobanWorld`.
    """

    def __init__(
        self,
        draw: Callable[[int], Levels],
        *,
        rows: int,
        pool_size: int,
        lessons: int,
        first_lesson: int = 0,
        give_up: float = 0.0,
        observation: str = "rgb",
        max_steps: int = 120,
        min_steps: int | None = None,
        seed: int = 0,
    ):
        self._draw = draw
        self._rows, self._pool_size, self._give_up = rows, pool_size, give_up
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
        levels = self._draw(self._pool_size)
        self.pool = OraclePool.build(levels)
        self.world = SokobanWorld(levels, seed=int(self._rng.integers(2**63)), **self._options)
        self.observation = self.world.reset()
        self._dead = np.zeros(self._rows, bool)

    def renew(self) -> bool:
        """Change to a new pool of levels if it is time; tells whether all episodes started anew."""
        self._given += 1
        if self._given % self._lessons:
            return False
        self._new_pool()
        return True

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the optimal actions (batch, 4) bool and distances (batch,) int32, −1 if dead."""
        world = self.world
        optimal, distance = self.pool.look_up(world.level_index, world.tiles, world.player)
        self._dead = distance < 0
        return optimal, distance

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act; return which rows ended and which of them solved their level, (batch,) bool each."""
        ends = self._dead & (self._rng.random(self._rows) < self._give_up)
        # The step about to be taken is the last that these episodes may take.
        self.world.limit[ends] = self.world.elapsed[ends] + 1
        after = self.world.step(action)
        self.observation = after.observation
        return after.terminated | after.truncated, after.terminated
