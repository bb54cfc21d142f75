"""The vectorised environment: many mazes side by side, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from interp.contract import Transition
from interp.errors import InputError, UnknownNameError, check_integer
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.boards.world import BoardWorld
from organisms.families.doors.mazes import Maze, Mazes, pays
from organisms.families.doors.objects import (
    COLOUR_OF,
    GAMES,
    KIND_OF,
    OBSERVATION_DIMS,
    Kind,
    check_encoding,
    encode,
)

if TYPE_CHECKING:
    from interp.decisions.mdp import TabularMDP

_KEY, _CHEST = int(Kind.KEY), int(Kind.CHEST)


class Rewards(NamedTuple):
    """What a step pays. The rewards of one step add up."""

    goal: float = 1.0
    """Reaching what the objective is about: for every chest or key, if it is about those."""
    step: float = 0.0
    """Every step."""


class MazeWorld(BoardWorld):
    r"""A batch of mazes of one game, walked side by side.

    ============ ===================================================================================
    observation  ``"planes"`` (``plane, y, x``; the default) or ``"rgb"`` (``y, x, colour``), uint8;
                 see `organisms.families.doors.objects.encode`
    action       0 up, 1 down, 2 left, 3 right; a step into a wall goes nowhere and counts.
                 −1 leaves the row as it is
    reward       ``rewards.goal`` for what the objective is about, ``rewards.step`` every step
    ============ ===================================================================================

    =======  =================================  ===================================================
    game     what happens                       base objective (others, for agents that are trained
                                                outright for a proxy)
    =======  =================================  ===================================================
    doors    the first object entered, of       ``door``: it is a door (``red``: it is red;
             whatever kind, ends the episode    ``object``: it is anything)
    corner   entering the cheese ends the       ``cheese`` (``corner``: the free square nearest to
             episode; the corner does not       the top right is entered, which ends it, too)
    chests   a key entered is taken; a chest    ``chest``: for every chest opened (``key``: for every
             entered with a key in hand is      key taken; the episode ends with the last one)
             opened, and the key is used up;
             the episode ends when no chest
             can be opened any more
    =======  =================================  ===================================================

    A row ends *terminated* as the table says, and *truncated* at its step limit.
    ``solved``: something was paid in ``doors`` and ``corner``, nothing is left to be paid in ``chests``.

    Parameters
    ----------
    mazes
        One row a maze.
    objective
        What is paid; the game's base objective if left out. What *ends* an episode hardly depends on
        it (see the table), so the same maze is the same for agents of all objectives.
    observation
        ``"planes"`` or ``"rgb"``.
    rewards
        `Rewards`.
    max_steps, min_steps, seed, autoreset, n_envs, source
        As in `organisms.boards.world.BoardWorld`.

    Attributes
    ----------
    objects : numpy.ndarray
        Codes, dims ``(batch, y, x)``, uint8. This and all below is live: it changes with every step.
    position : numpy.ndarray
        Row and column of the agent, dims ``(batch, 2)``, int64.
    held, taken, opened : numpy.ndarray
        Keys in hand, keys taken, chests opened, dims ``(batch,)``, int64.
    first_kind, first_colour : numpy.ndarray
        Of the first object reached (a key: taken, a chest: opened), −1 before, dims ``(batch,)``, int8.
    object_step, corner_step : numpy.ndarray
        The step (from 0) that first reached an object, and that first entered the corner; −1 before.
        Dims ``(batch,)``, int64.
    elapsed, limit, finished, level_index : numpy.ndarray
        Steps taken, the step limit, whether the row has ended, which maze it is on; dims ``(batch,)``.

    Raises
    ------
    InputError
        If there are no mazes, a limit is out of range, or training mazes hold nothing that pays.
    UnknownNameError
        If the game has no such objective, or there is no such encoding.

    Examples
    --------
    >>> from organisms.families.doors.text import parse_mazes
    >>> world = MazeWorld(parse_mazes("; doors\n########\n##@@Dr##\n########"))
    >>> world.reset().shape
    (1, 13, 3, 4)
    >>> after = world.step(np.array([3]))
    >>> float(after.reward[0]), bool(after.terminated[0]), int(world.first_kind[0])
    (1.0, True, 0)
    """

    NOUN = "maze"
    OUTSIDE = (True, 0, None, None)  # walls, objects, starts, corners
    STATE = (
        "objects",
        "position",
        "held",
        "taken",
        "opened",
        "first_kind",
        "first_colour",
        "object_step",
        "corner_step",
        "won",
        "elapsed",
        "limit",
        "finished",
        "_terminated",
        "level_index",
        "_episodes",
        "_cursor",
    )

    def __init__(
        self,
        mazes: Mazes | Maze,
        *,
        objective: str | None = None,
        observation: str = "planes",
        rewards: Rewards = Rewards(),  # noqa: B008 - a tuple cannot be changed
        max_steps: int = 100,
        min_steps: int | None = None,
        seed: int = 0,
        autoreset: bool = False,
        n_envs: int | None = None,
        source: Callable[[], Mazes] | None = None,
    ):
        mazes = Mazes.of([mazes]) if isinstance(mazes, Maze) else mazes
        check_encoding(observation)
        if not isinstance(mazes, Mazes):
            raise InputError(f"A maze world is made of Mazes, not of a {type(mazes).__name__}.")
        n = self._set_rows(mazes, max_steps, min_steps, autoreset, n_envs, source)
        check_integer("seed", seed, 0)
        known = GAMES[mazes.game].objectives
        objective = known[0] if objective is None else objective
        if objective not in known:
            raise UnknownNameError(f"objective of {mazes.game!r}", objective, known)
        self.mazes, self.game, self.objective = mazes, mazes.game, objective
        self.observation, self.observation_dims = observation, OBSERVATION_DIMS[observation]
        self.rewards = Rewards(*rewards)
        self.action_names, self.n_actions = ACTION_NAMES, len(ACTION_NAMES)
        self._seed = int(seed)
        self._pays = pays(objective)
        self._pool = self._gather(mazes)

        self.walls: np.ndarray = np.ones((n, *mazes.walls.shape[1:]), bool)
        self.objects = np.zeros(self.walls.shape, np.uint8)
        self.position, self._corner = np.zeros((2, n, 2), np.int64)
        self._dealt = self.walls, self.objects, self.position, self._corner
        counts = np.zeros((8, n), np.int64)
        self.held, self.taken, self.opened, self.object_step, self.corner_step = counts[:5]
        self.elapsed, self.limit, self.level_index = counts[5:]
        self.first_kind, self.first_colour = np.full((2, n), -1, np.int8)
        self.won, self.finished, self._terminated = np.zeros((3, n), bool)
        self._episodes, self._cursor = np.zeros(n, np.int64), np.zeros(1, np.int64)
        self.reset()

    @property
    def solved(self) -> np.ndarray:
        """Whether the objective was reached, dims ``(batch,)``, bool."""
        return self.won.copy()

    @property
    def corner(self) -> np.ndarray:
        """Row and column of each maze's corner, dims ``(batch, 2)``."""
        return self._corner.copy()

    def _gather(self, tasks: Mazes) -> tuple[np.ndarray, ...]:
        if tasks.game != self.game:
            raise InputError(f"Mazes of {tasks.game!r} in a world of {self.game!r}.")
        if self.autoreset and not (fine := tasks.solvable(self.objective)).all():
            raise InputError(
                f"{tasks.ids[int((~fine).argmax())]}: the task is impossible, no {self.objective} can "
                "be reached. Such mazes are for tests, not for training."
            )
        return tasks.walls, tasks.objects, tasks.start, tasks.corner

    def step(self, action: np.ndarray) -> Transition:
        """Take one action a row; see `organisms.boards.world.BoardWorld.step`."""
        action = self._checked_action(action)
        bad = np.flatnonzero((action < -1) | (action >= self.n_actions))
        if len(bad):
            raise self._no_such_action(bad[0], action[bad[0]])
        if self._source is not None:
            self._refill()
        acting = (action >= 0) & ~self.finished
        going = np.flatnonzero(acting)
        y = self.position[going, 0] + STEP_Y[action[going]]
        x = self.position[going, 1] + STEP_X[action[going]]
        free = ~self.walls[going, y, x]
        rows, y, x = going[free], y[free], x[free]  # those that get somewhere
        reward = np.where(acting, np.float32(self.rewards.step), np.float32(0))
        self._move(rows, y, x)
        code = self.objects[rows, y, x]
        at_corner = (self._corner[rows, 0] == y) & (self._corner[rows, 1] == x)
        first = rows[at_corner & (self.corner_step[rows] < 0)]
        self.corner_step[first] = self.elapsed[first]
        self.elapsed[going] += 1
        paid, over = self._enter(rows, y, x, code, at_corner)
        reward[rows] += np.float32(self.rewards.goal) * paid
        ended = rows[over]
        self.won[ended], self._terminated[ended] = paid[over], True
        self.finished |= self._terminated | (self.elapsed >= self.limit)
        terminated = self._terminated.copy()
        truncated = self.finished & ~terminated
        if self.autoreset and self.finished.any():
            again = np.flatnonzero(self.finished)
            dealt = self._cursor[0] + np.arange(len(again))
            self.level_index[again] = dealt % len(self._pool[0])
            self._cursor[0] += len(again)
            self._view[again] = self._begin(again)
        return Transition(self._view.copy(), reward, terminated, truncated)

    def _move(self, rows: np.ndarray, y: np.ndarray, x: np.ndarray) -> None:
        if self.observation == "planes":
            self._view[rows, 1, self.position[rows, 0], self.position[rows, 1]] = 0
            self._view[rows, 1, y, x] = 1
        self.position[rows, 0], self.position[rows, 1] = y, x

    def _enter(
        self,
        rows: np.ndarray,
        y: np.ndarray,
        x: np.ndarray,
        code: np.ndarray,
        at_corner: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let rows enter squares; return what that pays and whether it ends the episode."""
        kind = KIND_OF[code]
        used = code > 0
        if self.game == "chests":
            used &= (kind == _KEY) | (self.held[rows] > 0)
            keys, chests = rows[kind == _KEY], rows[used & (kind == _CHEST)]
            self.held[keys] += 1
            self.taken[keys] += 1
            self.held[chests] -= 1
            self.opened[chests] += 1
            self.objects[rows[used], y[used], x[used]] = 0
        changed = rows if self.observation == "rgb" else rows[used & (self.game == "chests")]
        self._view[changed] = self._encode(changed)
        first = used & (self.first_kind[rows] < 0)
        which = rows[first]
        self.first_kind[which], self.first_colour[which] = kind[first], COLOUR_OF[code[first]]
        self.object_step[which] = self.elapsed[which] - 1
        paid = used & self._pays[code]
        if self.game != "chests":
            paid = at_corner if self.objective == "corner" else paid
            return paid, used | paid
        return paid, self._nothing_left(rows)

    def _nothing_left(self, rows: np.ndarray) -> np.ndarray:
        kinds = KIND_OF[self.objects[rows]]
        keys, chests = ((kinds == kind).sum(axis=(1, 2)) for kind in (_KEY, _CHEST))
        if self.objective == "key":
            return keys == 0
        return np.minimum(keys + self.held[rows], chests) == 0

    def _begin(self, rows: np.ndarray) -> np.ndarray:
        which = self.level_index[rows]
        for mine, dealt in zip(self._dealt, self._pool, strict=True):
            mine[rows] = dealt[which]
        for counter in (self.held, self.taken, self.opened, self.elapsed):
            counter[rows] = 0
        for unset in (self.object_step, self.corner_step, self.first_kind, self.first_colour):
            unset[rows] = -1
        for ending in (self.won, self.finished, self._terminated):
            ending[rows] = False
        self.limit[rows] = self.max_steps
        if self.min_steps < self.max_steps:
            seeds = ([self._seed, row, self._episodes[row]] for row in rows)
            self.limit[rows] = [
                np.random.default_rng(seed).integers(self.min_steps, self.max_steps + 1)
                for seed in seeds
            ]
        self._episodes[rows] += 1
        return self._encode(rows)

    def _encode(self, rows: np.ndarray | slice) -> np.ndarray:
        return encode(
            self.walls[rows],
            self.objects[rows],
            self.position[rows],
            self.held[rows],
            self.observation,
        )

    def mdp(self, row: int) -> TabularMDP:
        """Return the task of a row (its first maze), as states, actions and features.

        See `organisms.families.doors.mdp.maze_mdp`.
        """
        from organisms.families.doors.mdp import maze_mdp

        return maze_mdp(self.mazes[row], objective=self.objective, horizon=self.max_steps)

    def _check_consistent(self, state: dict[str, np.ndarray]) -> None:
        index, place = state["level_index"], state["position"]
        y, x = place[:, 0], place[:, 1]
        if index.min() < 0 or index.max() >= len(self._pool[0]):
            raise InputError("level_index of the state names mazes that this world does not have.")
        height, width = self.walls.shape[1:]
        inside = (y > 0) & (y < height - 1) & (x > 0) & (x < width - 1)
        if not inside.all() or self._pool[0][index, y, x].any():
            raise InputError("The position of the state is in a wall.")

    def _show(self) -> np.ndarray:
        walls, _, _, corner = self._pool
        self.walls[...], self._corner[...] = walls[self.level_index], corner[self.level_index]
        return self._encode(slice(None))
