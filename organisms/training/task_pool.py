"""Episodes for training, on a pool of tasks that is renewed from time to time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

_WORLD = "world_"

Draw = Callable[[int, np.random.Generator], Any]
"""Called with a count and a generator; returns that many new tasks, all of one board shape."""


class TaskPool(ABC):
    """A batch of episodes on a pool of tasks, started anew in every row that ends.

    A family's class says of which ``World``, and how its tasks are kept as arrays.

    Parameters
    ----------
    draw
        Where tasks come from.
    rows
        Episodes running side by side.
    pool_size
        Tasks in the pool.
    lessons
        Calls of `renew` between two pools.
    first_lesson
        Calls of `renew` before the first change of pool; different for each batch, so that they
        do not all start their episodes anew at once.
    seed
        Of the tasks and of the world.
    world_options
        Of every world.

    Attributes
    ----------
    World
        The class of worlds. It takes tasks, ``autoreset``, ``n_envs``, ``seed`` and the options.
    world
        The family's world, which begins a new episode in every row that ends.
    observation : numpy.ndarray
        What the learner sees now, (batch, *observation dims).
    """

    World: Callable[..., Any]

    def __init__(
        self,
        draw: Draw,
        *,
        rows: int,
        pool_size: int,
        lessons: int,
        first_lesson: int = 0,
        seed: int = 0,
        **world_options: Any,
    ):
        self.rows, self._options = rows, world_options
        self._draw, self._pool_size = draw, pool_size
        self._lessons, self._given = lessons, lessons - 1 - first_lesson % lessons
        self._rng = np.random.default_rng(seed)
        self._new_pool()

    @abstractmethod
    def pack(self, tasks: Any) -> dict[str, np.ndarray]:
        """Return tasks as arrays by name."""

    @abstractmethod
    def unpack(self, arrays: dict[str, np.ndarray]) -> Any:
        """Return the tasks that `pack` was given."""

    def take(self, tasks: Any) -> None:
        """Start all episodes anew, on these tasks."""
        self._tasks = tasks
        self.world = self.World(
            tasks, autoreset=True, n_envs=self.rows, seed=self._world_seed, **self._options
        )
        self.observation = self.world.reset()

    def _new_pool(self) -> None:
        tasks = self._draw(self._pool_size, self._rng)
        self._world_seed = int(self._rng.integers(2**63))
        self.take(tasks)

    def renew(self) -> bool:
        """Change to a new pool of tasks if it is time; tells whether all episodes started anew."""
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
        return {**arrays, **self.pack(self._tasks)}, record

    def set_state(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Go back to what `get_state` gave."""
        self._given, self._world_seed = record["given"], record["world_seed"]
        self._rng.bit_generator.state = record["rng"]
        self.take(self.unpack(arrays))
        self.observation = self.world.set_state(
            {k.removeprefix(_WORLD): v for k, v in arrays.items() if k.startswith(_WORLD)}
        )
