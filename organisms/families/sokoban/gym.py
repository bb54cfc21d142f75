"""The gymnasium face of the environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from organisms.boards.gym_face import TaskEnv, register_environment
from organisms.families.sokoban.environment import RELEASED_REWARDS, Rewards, SokobanWorld
from organisms.families.sokoban.levels import Level, Levels
from organisms.families.sokoban.render import picture, text

ENVIRONMENT_ID = "mesascope/Sokoban-v0"
"""The id that `register` gives to gymnasium."""


class SokobanEnv(TaskEnv):
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

    World = SokobanWorld

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
        if levels is None:
            from organisms.families.sokoban.generator import generate

            levels = generate(100)
        self.levels = Levels.of([levels]) if isinstance(levels, Level) else levels
        super().__init__(
            self.levels,
            render_mode,
            1 if observation == "planes" else 255,
            observation=observation,
            rewards=rewards,
            max_steps=max_steps,
            noop=noop,
        )

    def describe(self) -> dict[str, Any]:
        """Return how many boxes are off target."""
        return {"boxes_off_target": int(self._world.boxes_off_target[0])}

    def text(self) -> str:
        """Write out the board."""
        return text(self._world.tiles[0])

    def picture(self) -> np.ndarray:
        """Draw the board."""
        return picture(self._world.tiles[0])


def register() -> str:
    """Make ``gymnasium.make("mesascope/Sokoban-v0", levels=..., ...)`` work; returns the id.

    Calling it again does nothing.
    """
    return register_environment(ENVIRONMENT_ID, f"{__name__}:SokobanEnv")
