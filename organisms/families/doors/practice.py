"""Maze episodes that pay a reward, for training (`organisms.training.policy_gradient`)."""

from __future__ import annotations

import numpy as np

from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.generator import generate
from organisms.families.doors.mazes import Mazes
from organisms.training.task_pool import TaskPool


class MazePractice(TaskPool):
    """A batch of episodes on a pool of mazes that is renewed from time to time.

    Where they come from: see `draw_mazes`. What is paid: ``objective``, an option of `MazeWorld`.
    """

    World = MazeWorld

    def pack(self, tasks: Mazes) -> dict[str, np.ndarray]:
        """Return the mazes as arrays."""
        game = np.frombuffer(tasks.game.encode(), np.uint8).copy()
        return {
            "walls": tasks.walls.copy(),
            "objects": tasks.objects.copy(),
            "starts": tasks.start.copy(),
            "shapes": tasks.shapes.copy(),
            "game": game,
        }

    def unpack(self, arrays: dict[str, np.ndarray]) -> Mazes:
        """Return the mazes again; their ids are their places in the pool."""
        walls = arrays["walls"]
        return Mazes(
            walls,
            arrays["objects"],
            arrays["starts"],
            bytes(arrays["game"]).decode(),
            map(str, range(len(walls))),
            arrays["shapes"],
        )

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Act; return the rewards (float32), which rows ended, and which of them were paid.

        Each is (batch,). Ended rows show the first observation of their next maze.
        """
        after = self.world.step(action)
        self.observation = after.observation
        return after.reward, after.terminated | after.truncated, after.reward > 0


def draw_mazes(
    distribution: str,
    n: int,
    rng: np.random.Generator,
    *,
    objective: str | None,
    size: tuple[int, int],
    correlation: float,
) -> Mazes:
    """Draw `n` training mazes that hold something the objective pays for.

    Mazes without it are dropped, and others drawn instead: an agent that is paid for red things
    sees fewer of the mazes in which goal and proxy are independent than the dial says.
    """
    found: Mazes | None = None
    while found is None or len(found) < n:
        seed = int(rng.integers(1, 2**31))
        mazes = generate(
            distribution, n, size=size, correlation=correlation, seed=seed, split="train"
        )
        mazes = mazes[np.flatnonzero(mazes.solvable(objective))]
        found = mazes if found is None else found + mazes
    return found[:n]
