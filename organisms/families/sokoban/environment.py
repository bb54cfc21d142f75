"""The vectorised environment: many levels side by side, stepped by one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from interp.contract import Transition
from interp.errors import InputError
from organisms.boards.directions import ACTION_NAMES
from organisms.boards.world import BoardWorld
from organisms.families.sokoban.kernels import begin_rows, count_off_target, step_rows
from organisms.families.sokoban.levels import Level, Levels
from organisms.families.sokoban.observations import (
    OBSERVATION_DIMS,
    PALETTE,
    PLANE_OF_TILE,
    Tile,
    check_encoding,
    encode,
)


class Rewards(NamedTuple):
    """What a step pays. The rewards of one step add up."""

    step: float
    """Every step."""
    box: float = 1.0
    """A box pushed onto a target; its negative for one pushed off."""
    solved: float = 10.0
    """The step that puts the last box on a target."""


RELEASED_REWARDS = Rewards(step=-0.1)
"""Of Guez et al. (2019) and the released DRC agents (Taufeeque et al.)."""

BUSH_REWARDS = Rewards(step=-0.01)
"""Of Bush et al. (2025)."""


class SokobanWorld(BoardWorld):
    r"""A batch of Sokoban levels, played side by side.

    The player moves up, down, left or right and pushes a box in its way if the square behind is
    free; otherwise nothing moves. A row ends *terminated* when every box is on a target, and
    *truncated* at its step limit.

    Parameters
    ----------
    levels
        One row a level. Smaller boards are padded with wall.
    observation
        ``"rgb"`` (``y, x, colour``) or ``"planes"`` (``plane, y, x``); both uint8.
    rewards
        `RELEASED_REWARDS` (−0.1 a step) or `BUSH_REWARDS` (−0.01), or your own.
    noop
        Whether action 0 stays put, before the four moves (Bush et al.); it takes a step.
    max_steps, min_steps, seed, autoreset, n_envs, source
        As in `organisms.boards.world.BoardWorld`.

    Attributes
    ----------
    tiles : numpy.ndarray
        The boards as `Tile` codes, dims ``(batch, y, x)``, uint8. Live: changes with every step.
    player : numpy.ndarray
        Row and column, dims ``(batch, 2)``, int32. Live.
    level_index : numpy.ndarray
        Which level of `levels` each row plays, dims ``(batch,)``, int64.
    boxes_off_target, elapsed, limit : numpy.ndarray
        Boxes to go, steps taken and the step limit, dims ``(batch,)``, int32. Live.
    finished : numpy.ndarray
        Whether the row has ended, dims ``(batch,)``, bool. Live.

    Examples
    --------
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> world = SokobanWorld(parse_levels("#####\n#@$.#\n#####"))
    >>> world.reset().shape
    (1, 3, 5, 3)
    >>> after = world.step(np.array([3]))
    >>> round(float(after.reward[0]), 3), bool(after.terminated[0])
    (10.9, True)
    """

    NOUN = "level"
    OUTSIDE = (Tile.WALL,)
    STATE = (
        "tiles",
        "player",
        "level_index",
        "boxes_off_target",
        "elapsed",
        "limit",
        "finished",
        "_episodes",
        "_cursor",
    )

    def __init__(
        self,
        levels: Levels | Level,
        *,
        observation: str = "rgb",
        rewards: Rewards = RELEASED_REWARDS,
        max_steps: int = 120,
        min_steps: int | None = None,
        noop: bool = False,
        seed: int = 0,
        autoreset: bool = False,
        n_envs: int | None = None,
        source: Callable[[], Levels] | None = None,
    ):
        levels = Levels.of([levels]) if isinstance(levels, Level) else levels
        check_encoding(observation)
        n = self._set_rows(levels, max_steps, min_steps, autoreset, n_envs, source)
        self.levels = levels
        self.observation = observation
        self.rewards = Rewards(*rewards)
        self.action_names = ("noop", *ACTION_NAMES) if noop else ACTION_NAMES
        self.n_actions = len(self.action_names)
        self.observation_dims = OBSERVATION_DIMS[observation]
        self.seed = np.uint64(seed % 2**64)
        self._noop = int(noop)
        self._planes = observation == "planes"
        self._reward_values = np.array(self.rewards, np.float64)

        height, width = levels.tiles.shape[1:]
        self._pool = self._gather(levels)
        self.tiles = np.empty((n, height, width), np.uint8)
        self.player = np.empty((n, 2), np.int32)
        self.level_index = np.empty(n, np.int64)
        self.boxes_off_target = np.empty(n, np.int32)
        self.elapsed = np.empty(n, np.int32)
        self.limit = np.empty(n, np.int32)
        self.finished = np.empty(n, bool)
        self._episodes = np.zeros(n, np.int64)
        self._cursor = np.zeros(1, np.int64)
        self._codes = PLANE_OF_TILE[:, None] if self._planes else PALETTE
        self.reset()

    @property
    def solved(self) -> np.ndarray:
        """Whether every box is on a target, dims ``(batch,)``, bool."""
        return self.boxes_off_target == 0

    @property
    def boxes(self) -> np.ndarray:
        """Where boxes are, dims ``(batch, y, x)``, bool."""
        return (self.tiles == Tile.BOX) | (self.tiles == Tile.BOX_ON_TARGET)

    def _gather(self, tasks: Levels) -> tuple[np.ndarray, ...]:
        return (tasks.tiles,)

    def _begin(self, rows: np.ndarray) -> np.ndarray:
        begin_rows(
            rows,
            self._pool[0],
            self.level_index,
            self.tiles,
            self.player,
            self.boxes_off_target,
            self.elapsed,
            self.limit,
            self.finished,
            self._episodes,
            self.min_steps,
            self.max_steps,
            self.seed,
        )
        return np.ascontiguousarray(encode(self.tiles[rows], self.observation))

    def step(self, action: np.ndarray) -> Transition:
        """Take one action a row; see `organisms.boards.world.BoardWorld.step`."""
        action = self._checked_action(action)
        n = len(action)
        reward = np.empty(n, np.float32)
        terminated = np.empty(n, np.bool_)
        truncated = np.empty(n, np.bool_)
        if self._source is not None:
            self._refill()
        bad = step_rows(
            action.astype(np.int64, copy=False),
            self._noop,
            self.tiles,
            self.player,
            self.boxes_off_target,
            self.elapsed,
            self.limit,
            self.finished,
            self._reward_values,
            self._view.reshape(n, -1),
            self._codes,
            self._planes,
            reward,
            terminated,
            truncated,
            self.autoreset,
            self._pool[0],
            self.level_index,
            self._cursor,
            self._episodes,
            self.min_steps,
            self.max_steps,
            self.seed,
        )
        if bad >= 0:
            raise self._no_such_action(bad, action[bad])
        return Transition(self._view.copy(), reward, terminated, truncated)

    def _show(self) -> np.ndarray:
        return np.ascontiguousarray(encode(self.tiles, self.observation))

    def _check_consistent(self, state: dict[str, np.ndarray]) -> None:
        tiles = state["tiles"]
        if tiles.max() > max(Tile):
            raise InputError("tiles of the state holds codes that are no tile.")
        rows, y, x = np.nonzero(tiles >= Tile.PLAYER)
        if not np.array_equal(rows, np.arange(len(tiles))) or not np.array_equal(
            np.stack([y, x], axis=1), state["player"]
        ):
            raise InputError("Each row of a state has one player, where `player` says it is.")
        if (count_off_target(tiles) != state["boxes_off_target"]).any():
            raise InputError("boxes_off_target of the state does not agree with its tiles.")
