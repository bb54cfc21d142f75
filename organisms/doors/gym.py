"""The gymnasium face of the mazes."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.doors.environment import MazeWorld, Rewards
from organisms.doors.mazes import Maze, Mazes
from organisms.doors.objects import GLYPH, PLANES, Colour, Kind, encode
from organisms.doors.text import text_of

ENVIRONMENT_ID = "mesascope/Doors-v0"
"""The id that `register` gives to gymnasium."""


class MazeEnv(gymnasium.Env):
    """One maze at a time: reach a door, find the cheese, or open chests.

    ============ ===================================================================================
    observation  ``Box(0, 255, (13, y, x), uint8)``: planes of `organisms.doors.objects.PLANES`, 0 or 1
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

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 8}

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
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UnknownNameError("render mode", render_mode, modes)
        if mazes is None:
            from organisms.doors.generator import generate

            mazes = generate("doors-training", 100)
        self.mazes = Mazes.of([mazes]) if isinstance(mazes, Maze) else mazes
        self.render_mode = render_mode
        self._options: dict[str, Any] = {
            "objective": objective,
            "observation": observation,
            "rewards": rewards,
            "max_steps": max_steps,
        }
        self._start(0)
        height, width = self.mazes.walls.shape[1:]
        planes = observation == "planes"
        self.observation_space = gymnasium.spaces.Box(
            low=0,
            high=255,
            shape=(len(PLANES), height, width) if planes else (height * GLYPH, width * GLYPH, 3),
            dtype=np.uint8,
        )
        self.action_space = gymnasium.spaces.Discrete(self._world.n_actions)

    def _start(self, index: int) -> None:
        self._world = MazeWorld(self.mazes[index : index + 1], **self._options)
        self._level_id = self.mazes.ids[index]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see the class for how the maze is chosen."""
        super().reset(seed=seed)
        index = (options or {}).get("level")
        if index is None:
            index = int(self.np_random.integers(len(self.mazes)))
        if not 0 <= index < len(self.mazes):
            raise InputError(f"There are {len(self.mazes)} mazes; maze {index} is none of them.")
        self._start(index)
        return self._world.observe()[0], self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        if not self.action_space.contains(action):
            raise InputError(f"{action!r} is not an action of {self.action_space}.")
        observation, reward, terminated, truncated = self._world.step(np.array([int(action)]))
        paid = round(float(reward[0]), 6)  # float32 0.1 as a float is 0.10000000149
        return observation[0], paid, bool(terminated[0]), bool(truncated[0]), self._info()

    def render(self) -> np.ndarray | str | None:
        """Show the maze as it stands, as `render_mode` says."""
        world = self._world
        if self.render_mode == "ansi":
            return text_of(world.walls[0], world.objects[0], world.position[0], world.game)
        if self.render_mode == "rgb_array":
            return encode(world.walls, world.objects, world.position, world.held, "rgb")[0]
        return None

    def _info(self) -> dict[str, Any]:
        world = self._world
        kind, colour = int(world.first_kind[0]), int(world.first_colour[0])
        return {
            "level_id": self._level_id,
            "solved": bool(world.solved[0]),
            "steps": int(world.elapsed[0]),
            "first_kind": Kind(kind).name.lower() if kind >= 0 else "none",
            "first_colour": Colour(colour).name.lower() if colour >= 0 else "none",
            "keys": int(world.taken[0]),
            "chests": int(world.opened[0]),
        }


def register() -> str:
    """Make ``gymnasium.make("mesascope/Doors-v0", mazes=..., ...)`` work; returns the id.

    Calling it again does nothing.
    """
    if ENVIRONMENT_ID not in gymnasium.registry:
        gymnasium.register(ENVIRONMENT_ID, entry_point=f"{__name__}:MazeEnv")
    return ENVIRONMENT_ID
