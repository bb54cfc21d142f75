"""The gymnasium face of the mazes."""

from __future__ import annotations

from typing import Any

import numpy as np

from organisms.boards.gym_face import TaskEnv, register_environment
from organisms.families.doors.environment import MazeWorld, Rewards
from organisms.families.doors.mazes import Maze, Mazes
from organisms.families.doors.objects import Colour, Kind, encode
from organisms.families.doors.text import text_of

ENVIRONMENT_ID = "mesascope/Doors-v0"
"""The id that `register` gives to gymnasium."""


class MazeEnv(TaskEnv):
    """One maze at a time: reach a door, find the cheese, or open chests.

    ============ ===================================================================================
    observation  ``Box(0, 255, (13, y, x), uint8)``: planes of
    `organisms.families.doors.objects.PLANES`, 0 or 1
                 but for the last, which counts keys in hand (``observation="planes"``), or
                 ``Box(0, 255, (8 y, 8 x, 3), uint8)``: 8 by 8 pixels a square (``"rgb"``)
    action       ``Discrete(4)``: 0 up, 1 down, 2 left, 3 right
    reward       1 for what the objective is about (a door, the cheese, each chest opened; see
                 `MazeWorld`), else 0; change both with ``rewards=Rewards(goal=…, step=…)``
    terminated   an object was entered (doors, corner), no chest can be opened any more (chests)
    truncated    ``max_steps`` (100) steps were taken
    info         ``level_id``, ``solved``, ``steps``, ``first_kind``, ``first_colour`` (of the first
                 object reached, or ``none``), ``keys``, ``chests``
    ============ ===================================================================================

    ``reset(seed=...)`` draws a maze; ``reset(options={"level": i})`` takes the i-th. Without either
    the next draw of the environment's own generator decides.

    Parameters
    ----------
    mazes
        What mazes are drawn from; 100 of ``doors-training`` if left out.
    render_mode
        ``"rgb_array"`` (a picture), ``"ansi"`` (text) or None.
    objective, observation, rewards, max_steps
        As in `MazeWorld`.

    Examples
    --------
    >>> env = MazeEnv(render_mode="ansi")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, env.step(0)[1] >= 0
    ((13, 9, 9), True)
    """

    World = MazeWorld

    def __init__(
        self,
        mazes: Mazes | Maze | None = None,
        *,
        render_mode: str | None = None,
        objective: str | None = None,
        observation: str = "planes",
        rewards: Rewards = Rewards(),  # noqa: B008 - a tuple cannot be changed
        max_steps: int = 100,
    ):
        if mazes is None:
            from organisms.families.doors.generator import generate

            mazes = generate("doors-training", 100)
        self.mazes = Mazes.of([mazes]) if isinstance(mazes, Maze) else mazes
        super().__init__(
            self.mazes,
            render_mode,
            255,
            objective=objective,
            observation=observation,
            rewards=rewards,
            max_steps=max_steps,
        )

    def describe(self) -> dict[str, Any]:
        """Return what was reached first, keys taken and chests opened."""
        world = self._world
        kind, colour = int(world.first_kind[0]), int(world.first_colour[0])
        return {
            "first_kind": Kind(kind).name.lower() if kind >= 0 else "none",
            "first_colour": Colour(colour).name.lower() if colour >= 0 else "none",
            "keys": int(world.taken[0]),
            "chests": int(world.opened[0]),
        }

    def text(self) -> str:
        """Write out the maze."""
        world = self._world
        return text_of(world.walls[0], world.objects[0], world.position[0], world.game)

    def picture(self) -> np.ndarray:
        """Draw the maze."""
        world = self._world
        return encode(world.walls, world.objects, world.position, world.held, "rgb")[0]


def register() -> str:
    """Make ``gymnasium.make("mesascope/Doors-v0", mazes=..., ...)`` work; returns the id.

    Calling it again does nothing.
    """
    return register_environment(ENVIRONMENT_ID, f"{__name__}:MazeEnv")
