"""The gymnasium face of the environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.sokoban.environment import RELEASED_REWARDS, Rewards, SokobanWorld
from organisms.sokoban.levels import Level, Levels
from organisms.sokoban.observations import PLANES
from organisms.sokoban.render import picture, text

ENVIRONMENT_ID = "mesascope/Sokoban-v0"
"""The id that `register` gives to gymnasium."""


class SokobanEnv(gymnasium.Env):
    """One Sokoban level at a time: push every box onto a target.

    ============ ===================================================================================
    observation  ``Box(0, 255, (y, x, 3), uint8)``: one pixel a square (``observation="rgb"``), or
                 ``Box(0, 1, (7, y, x), uint8)``: one plane a kind of square (``"planes"``)
    action       ``Discrete(4)``: 0 up, 1 down, 2 left, 3 right (with ``noop=True`` ``Discrete(5)``:
                 0 stays put and the moves are 1 to 4)
    reward       −0.1 a step; +1 for a box pushed onto a target, −1 for one pushed off; +10 for the
                 last one (``RELEASED_REWARDS``; ``BUSH_REWARDS`` takes −0.01 a step)
    terminated   every box is on a target
    truncated    ``max_steps`` (120) steps were taken
    info         ``level_id``, ``solved``, ``steps``, ``boxes_off_target``
    ============ ===================================================================================

    ``reset(seed=...)`` draws a level; ``reset(options={"level": i})`` takes the i-th. Without
    either the next draw of the environment's own generator decides.

    Parameters
    ----------
    levels
        What levels are drawn from; 100 four-box levels of our generator if left out.
    render_mode
        ``"rgb_array"`` (a picture), ``"ansi"`` (XSB text) or None.
    observation, rewards, max_steps, noop
        As in `SokobanWorld`.

    Examples
    --------
    >>> env = SokobanEnv(render_mode="ansi")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, env.step(0)[1] <= 0
    ((10, 10, 3), True)
    """

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 8}

    def __init__(
        self,
        levels: Levels | Level | None = None,
        *,
        render_mode: str | None = None,
        observation: str = "rgb",
        rewards: Rewards = RELEASED_REWARDS,
        max_steps: int = 120,
        noop: bool = False,
    ):
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UnknownNameError("render mode", render_mode, modes)
        if levels is None:
            from organisms.sokoban.generator import generate

            levels = generate(100)
        self.levels = Levels.of([levels]) if isinstance(levels, Level) else levels
        self.render_mode = render_mode
        self._options: dict[str, Any] = {
            "observation": observation,
            "rewards": rewards,
            "max_steps": max_steps,
            "noop": noop,
        }
        self._world = SokobanWorld(self.levels[:1], **self._options)
        self._level_id = self.levels.ids[0]
        height, width = self.levels.tiles.shape[1:]
        planes = observation == "planes"
        self.observation_space = gymnasium.spaces.Box(
            low=0,
            high=1 if planes else 255,
            shape=(len(PLANES), height, width) if planes else (height, width, 3),
            dtype=np.uint8,
        )
        self.action_space = gymnasium.spaces.Discrete(self._world.n_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see the class for how the level is chosen."""
        super().reset(seed=seed)
        index = (options or {}).get("level")
        if index is None:
            index = int(self.np_random.integers(len(self.levels)))
        if not 0 <= index < len(self.levels):
            raise InputError(f"There are {len(self.levels)} levels; level {index} is none of them.")
        self._world = SokobanWorld(self.levels[index : index + 1], **self._options)
        self._level_id = self.levels.ids[index]
        return self._world.observe()[0], self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        if not self.action_space.contains(action):
            raise InputError(f"{action!r} is not an action of {self.action_space}.")
        observation, reward, terminated, truncated = self._world.step(np.array([int(action)]))
        # float32 −0.1 as a float is −0.10000000149; show what was meant.
        paid = round(float(reward[0]), 6)
        return observation[0], paid, bool(terminated[0]), bool(truncated[0]), self._info()

    def render(self) -> np.ndarray | str | None:
        """Show the board as `render_mode` says."""
        if self.render_mode == "ansi":
            return text(self._world.tiles[0])
        if self.render_mode == "rgb_array":
            return picture(self._world.tiles[0])
        return None

    def _info(self) -> dict[str, Any]:
        return {
            "level_id": self._level_id,
            "solved": bool(self._world.solved[0]),
            "steps": int(self._world.elapsed[0]),
            "boxes_off_target": int(self._world.boxes_off_target[0]),
        }


def register() -> str:
    """Make ``gymnasium.make("mesascope/Sokoban-v0", levels=..., ...)`` work; returns the id.

    Calling it again does nothing.
    """
    if ENVIRONMENT_ID not in gymnasium.registry:
        gymnasium.register(ENVIRONMENT_ID, entry_point=f"{__name__}:SokobanEnv")
    return ENVIRONMENT_ID
