"""Exact distances of all states of a Sokoban level, by retrograde search from the solved states.

A state is a set of box squares and the player's square; every move or push costs 1. The search
runs backwards (the player walks back, or pulls a box) from all solved states at once, over the
squares the player could reach if there were no boxes. So it finds the distance of *every* state of
the level: with it, every optimal action, and every dead state (no play solves the level from it).

Actions are 0 up, 1 down, 2 left, 3 right.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.errors import InputError
from organisms.families.sokoban import _retrograde as kernels
from organisms.families.sokoban._lookup import binomials, encode, read
from organisms.families.sokoban.level_survey import survey_level
from organisms.families.sokoban.oracle_pool import OraclePool

__all__ = ["Oracle", "OracleMemoryError", "OraclePool", "level_arrays", "memory_needed", "solve"]

DEFAULT_MEMORY = 2 << 30

# Tried in turn: most levels have no state more than 254 moves from its solution.
_WIDTHS = ((np.uint8, 2**8 - 1), (np.uint16, 2**16 - 1))


class OracleMemoryError(InputError):
    """A level whose table of distances would not fit.

    Parameters
    ----------
    needed, allowed
        Bytes.
    n_boxes, n_squares
        The boxes that can move and the squares the player can reach.
    """

    def __init__(self, needed: int, allowed: int, n_boxes: int, n_squares: int):
        self.needed = needed
        self.allowed = allowed
        super().__init__(
            f"The oracle of a level with {n_boxes} movable boxes and {n_squares} reachable squares "
            f"needs {needed:,} bytes ({needed / 2**30:.2f} GiB); max_memory is {allowed:,}. "
            "Raise it, or use organisms.families.sokoban.astar for one state at a time."
        )


class Oracle:
    """The distances of all states of one level; made by `solve`.

    Boxes are given as masks (``(..., y, x)`` bool) or as cells (``(..., box)`` integers,
    ``y * width + x``, in any order); players as ``(y, x)`` pairs or as cells.

    Attributes
    ----------
    walls, targets, boxes
        (y, x) bool: the level it was made from.
    player
        (y, x) of the player in that level.
    n_states
        Number of states (box set, player square) from which the level can be solved.
    deepest
        The largest distance of any of them, in moves.

    Raises
    ------
    InputError
        By every look-up, for a state that is not of this level: another number of boxes, or a
        player on a wall, on a box, or outside the squares that the level's player can reach.
    """

    def __init__(
        self,
        walls: NDArray[np.bool_],
        targets: NDArray[np.bool_],
        boxes: NDArray[np.bool_],
        player: tuple[int, int],
        max_memory: int = DEFAULT_MEMORY,
    ):
        self.walls, self.targets, self.boxes, self.player = walls, targets, boxes, player
        found = survey_level(walls, targets, boxes, player)
        self._square_of, self._live_of = found.square_of, found.live_of
        self._n_squares, self._n_live = found.n_squares, found.n_live
        self._n_boxes = found.n_boxes
        self._check_memory(max_memory)  # the solved box sets alone could be too many to list
        self._search(found.goals(), max_memory)

    def _search(self, goals: NDArray[np.int64], max_memory: int) -> None:
        n_sets = math.comb(self._n_live, self._n_boxes)
        width = self.walls.shape[1]
        binomial = binomials(self.walls.size, self._n_boxes)
        for dtype, limit in _WIDTHS:
            fast = self._check_memory(max_memory, np.dtype(dtype).itemsize)
            self._table = np.zeros(n_sets * self._n_squares, dtype)
            queues = np.empty((2, n_sets), np.int32)
            common = (self._square_of, self._live_of, width, goals, binomial)
            if fast:
                work = np.zeros((n_sets, 4), np.uint64)
                found = kernels.search_bitboard(*common, work, queues, limit, self._table)
            else:
                sets = np.empty((n_sets, self._n_boxes), np.int16)
                stamps = np.zeros(n_sets, np.int32)
                found = kernels.search_scan(*common, sets, stamps, queues, limit, self._table)
            self.n_states, self.deepest = int(found[0]), int(found[1])
            if self.deepest >= 0 or not len(goals):
                break
        else:
            raise InputError("The level has a state more than 65,534 moves from its solution.")

    def _check_memory(self, max_memory: int, itemsize: int = 1) -> bool:
        """Raise if the search would not fit; return whether the faster one is possible."""
        fast = _fits_bitboard(self._square_of.reshape(self.walls.shape) >= 0)
        n_sets = math.comb(self._n_live, self._n_boxes)
        needed = _bytes(n_sets, self._n_squares, self._n_boxes, fast, itemsize)
        if needed > max_memory:
            raise OracleMemoryError(needed, max_memory, self._n_boxes, self._n_squares)
        return fast

    @property
    def _meta(self) -> NDArray[np.int64]:
        # Not kept: a copy of the oracle has its table elsewhere.
        table = self._table
        meta = (table.ctypes.data, self._n_squares, self._n_boxes, table.itemsize)
        return np.array([meta], np.int64)

    @property
    def nbytes(self) -> int:
        """Memory that the oracle holds, in bytes."""
        return self._table.nbytes + self._square_of.nbytes + self._live_of.nbytes

    @property
    def optimal_length(self) -> float:
        """Moves of the shortest solution of the level (a whole number), or infinity."""
        return self.distance(self.boxes, self.player)

    def distance(self, boxes: ArrayLike, player: ArrayLike) -> float:
        """Moves to the solution from one state (a whole number); infinity if it is dead."""
        found = int(self.distances(boxes, player))
        return found if found >= 0 else math.inf

    def distances(self, boxes: ArrayLike, players: ArrayLike) -> NDArray[np.int32]:
        """Moves to the solution from many states.

        Parameters
        ----------
        boxes
            (..., y, x) bool, or (..., box) integer cells.
        players
            (...) integer cells, or (..., 2) pairs (y, x).

        Returns
        -------
        numpy.ndarray
            (...) int32, in moves; -1 for a dead state.
        """
        return self._look_up(boxes, players, want_actions=False)[0]

    def is_dead(self, boxes: ArrayLike, players: ArrayLike) -> NDArray[np.bool_]:
        """Whether no play solves the level from these states; (...) bool."""
        return self.distances(boxes, players) < 0

    def optimal_actions(self, boxes: ArrayLike, players: ArrayLike) -> NDArray[np.bool_]:
        """Which actions begin a shortest solution.

        Returns
        -------
        numpy.ndarray
            (..., 4) bool over up, down, left, right; all False in solved and in dead states.
        """
        return self._look_up(boxes, players, want_actions=True)[1]

    def solution(self) -> list[int] | None:
        """Return a shortest solution (of equal actions the lowest), or None if there is none."""
        width = self.walls.shape[1]
        boxes = set(np.flatnonzero(self.boxes).tolist())
        player = self.player[0] * width + self.player[1]
        if self.distance(sorted(boxes), player) == math.inf:
            return None
        steps = (-width, width, -1, 1)
        actions: list[int] = []
        while True:
            optimal = self.optimal_actions(sorted(boxes), player)
            if not optimal.any():
                return actions
            action = int(optimal.argmax())
            player += steps[action]
            if player in boxes:
                boxes.remove(player)
                boxes.add(player + steps[action])
            actions.append(action)

    def _look_up(self, boxes: ArrayLike, players: ArrayLike, want_actions: bool):
        codes, cells, lead = encode(boxes, players, self.walls.shape)
        which = np.zeros(len(codes), np.int64)
        distances, optimal = read(
            codes, cells, which, self._meta, self._square_of[None], self._live_of[None],
            self.walls.shape[1], self._n_boxes, want_actions,
        )  # fmt: skip
        return distances.reshape(lead), optimal.reshape(*lead, 4) if want_actions else optimal


def solve(
    level: Any,
    targets: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
    player: ArrayLike | None = None,
    *,
    max_memory: int = DEFAULT_MEMORY,
) -> Oracle:
    """Find the distance of every state of a level.

    Parameters
    ----------
    level
        A `Level`, or its walls, (y, x) bool; then `targets`, `boxes` (both (y, x) bool) and
        `player` (y, x) must follow. Whatever lies beyond the board counts as wall.
    max_memory
        Bytes the search may take; see `memory_needed`.

    Returns
    -------
    Oracle

    Raises
    ------
    OracleMemoryError
        If the level needs more.
    InputError
        If the arrays are not a level (shapes, boxes or player on walls, fewer targets than boxes).

    Notes
    -----
    The level is solved when every box is on a target; there may be more targets than boxes. Only
    box sets on squares from which a lone box can reach a target are tabulated: all others are dead.

    Examples
    --------
    A corridor: player, box, empty square, target.

    >>> import numpy as np
    >>> row = lambda *cells: np.isin(np.arange(5), cells)[None]
    >>> oracle = solve(row(), row(3), row(1), (0, 0))
    >>> oracle.optimal_length, oracle.solution()
    (2, [3, 3])
    >>> oracle.distance(boxes=[4], player=(0, 0))
    inf
    """
    arrays = level_arrays(level, targets, boxes, player)
    return Oracle(*arrays, max_memory=max_memory)


def memory_needed(
    walls: ArrayLike,
    n_boxes: int,
    targets: ArrayLike | None = None,
    player: ArrayLike | None = None,
    bytes_per_distance: int = 1,
) -> int:
    """Bytes that `solve` needs at its peak for a level.

    Parameters
    ----------
    walls
        (y, x) bool.
    n_boxes
        Boxes that the player can reach.
    targets, player
        If given, the exact need; if not, that of the worst targets and of all floor.
    bytes_per_distance
        1, or 2 for a level with a state more than 254 moves from its solution (found on the way).
    """
    walls = np.ascontiguousarray(walls, bool)
    if player is None:
        floor = ~walls
        n_squares = n_live = int(floor.sum())
    else:
        y, x = (int(v) for v in np.asarray(player))
        goals = ~walls if targets is None else np.ascontiguousarray(targets, bool)
        square_of, _, n_squares, n_live = kernels.survey(walls, goals, y * walls.shape[1] + x)
        floor = square_of.reshape(walls.shape) >= 0
    n_sets = math.comb(n_live, n_boxes)
    return _bytes(n_sets, n_squares, n_boxes, _fits_bitboard(floor), bytes_per_distance)


def level_arrays(
    level: Any, targets: Any, boxes: Any, player: Any
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], tuple[int, int]]:
    """Return walls, targets, boxes and player of a `Level` or of arrays, checked."""
    if hasattr(level, "walls"):
        level, targets, boxes, player = level.walls, level.targets, level.boxes, level.player
    if targets is None or boxes is None or player is None:
        raise InputError("Give a Level, or walls, targets, boxes and player.")
    walls, targets, boxes = (np.ascontiguousarray(a, bool) for a in (level, targets, boxes))
    if walls.ndim != 2 or not 0 < walls.size < 2**15:
        raise InputError(f"Walls of {walls.shape}: (y, x) with 1 to 32,767 cells are needed.")
    if targets.shape != walls.shape or boxes.shape != walls.shape:
        raise InputError(
            f"Walls of {walls.shape}, targets of {targets.shape} and boxes of {boxes.shape} differ."
        )
    y, x = (int(v) for v in np.asarray(player).reshape(-1))
    if not (0 <= y < walls.shape[0] and 0 <= x < walls.shape[1]):
        raise InputError(f"The player at {(y, x)} is off a board of {walls.shape}.")
    if walls[y, x] or boxes[y, x] or (boxes & walls).any():
        raise InputError("The player or a box is on a wall, or the player is on a box.")
    if targets.sum() < boxes.sum():
        raise InputError(
            f"{int(boxes.sum())} boxes cannot all stand on {int(targets.sum())} targets."
        )
    return walls, targets, boxes, (y, x)


def _bytes(n_sets: int, n_squares: int, n_boxes: int, fast: bool, itemsize: int) -> int:
    working = 32 if fast else 2 * n_boxes + 4
    return n_sets * (n_squares * itemsize + working + 8)


def _fits_bitboard(floor: NDArray[np.bool_]) -> bool:
    rows, columns = np.flatnonzero(floor.any(1)), np.flatnonzero(floor.any(0))
    if not len(rows):
        return False
    span = int(columns[-1] - columns[0]) + 1
    return span < 64 and (int(rows[-1] - rows[0]) + 1) * span <= 64
