"""What the gymnasium faces of all families share: one task at a time, drawn by the seed or chosen."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium
import numpy as np

from interp.errors import InputError, UnknownNameError


class TaskEnv(gymnasium.Env):
    """One task of a family at a time, as a world of one row plays it.

    ``reset(seed=...)`` draws a task; ``reset(options={"level": i})`` takes the i-th. Without either the
    next draw of the environment's own generator decides.

    Parameters
    ----------
    tasks
        What tasks are drawn from.
    render_mode
        ``"rgb_array"`` (a picture), ``"ansi"`` (text) or None.
    highest
        The largest number that an observation may hold.
    world_options
        Of the world of one row.

    Raises
    ------
    UnknownNameError
        If there is no such render mode.
    """

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 8}

    World: type[Any]
    """The family's class of worlds, a `BoardWorld`."""

    def __init__(self, tasks: Any, render_mode: str | None, highest: int, **world_options: Any):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UnknownNameError("render mode", render_mode, modes)
        self._tasks, self.render_mode, self._options = tasks, render_mode, world_options
        self._start(0)
        self.observation_space = gymnasium.spaces.Box(
            low=0, high=highest, shape=self._world.observe().shape[1:], dtype=np.uint8
        )
        self.action_space = gymnasium.spaces.Discrete(self._world.n_actions)

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what ``info`` tells of the world as it stands, beside what all families tell."""

    @abstractmethod
    def text(self) -> str:
        """Write out the world as it stands."""

    @abstractmethod
    def picture(self) -> np.ndarray:
        """Draw the world as it stands, dims ``(y, x, colour)``, uint8."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see the class for how the task is chosen."""
        super().reset(seed=seed)
        n, noun, index = len(self._tasks), self.World.NOUN, (options or {}).get("level")
        if index is None:
            index = int(self.np_random.integers(n))
        if not 0 <= index < n:
            raise InputError(f"There are {n} {noun}s; {noun} {index} is none of them.")
        self._start(index)
        return self._world.observe()[0], self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        if not self.action_space.contains(action):
            raise InputError(f"{action!r} is not an action of {self.action_space}.")
        observation, reward, terminated, truncated = self._world.step(np.array([int(action)]))
        # float32 −0.1 as a float is −0.10000000149; show what was meant.
        paid = round(float(reward[0]), 6)
        return observation[0], paid, bool(terminated[0]), bool(truncated[0]), self._info()

    def render(self) -> Any:
        """Show the world as it stands, as `render_mode` says."""
        if self.render_mode is None:
            return None
        return self.text() if self.render_mode == "ansi" else self.picture()

    def _start(self, index: int) -> None:
        self._world: Any = self.World(self._tasks[index : index + 1], **self._options)
        self._level_id = self._tasks.ids[index]

    def _info(self) -> dict[str, Any]:
        return {
            "level_id": self._level_id,
            "solved": bool(self._world.solved[0]),
            "steps": int(self._world.elapsed[0]),
            **self.describe(),
        }


def register_environment(name: str, entry_point: str) -> str:
    """Make ``gymnasium.make(name, ...)`` work; returns the name. Calling it again does nothing."""
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point=entry_point)
    return name
