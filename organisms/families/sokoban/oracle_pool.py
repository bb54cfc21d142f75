"""Many levels' oracles behind one look-up, for batches of environments."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.errors import InputError
from organisms.families.sokoban._lookup import encode, player_cells, read

if TYPE_CHECKING:
    from organisms.families.sokoban.oracle import Oracle


class OraclePool:
    """Many levels' oracles behind one look-up, for batches of environments.

    Parameters
    ----------
    max_memory
        Bytes that any one level may need while it is solved.
    shape
        Board shape (y, x); that of the first level if left out. Smaller boards sit in the top left
        corner and the rest is wall.

    Notes
    -----
    A four-box Boxoban level holds about 0.3 MB on average (a row of one byte per reachable square
    for each set of live box squares); `nbytes` says what the pool holds.

    Examples
    --------
    >>> import numpy as np
    >>> row = lambda *cells: np.isin(np.arange(5), cells)[None]
    >>> pool = OraclePool()
    >>> pool.add((row(), row(3), row(1), (0, 0)))
    0
    >>> optimal, distance = pool.look_up([0, 0], np.array([[[5, 3, 1, 2, 1]], [[1, 5, 3, 2, 1]]]))
    >>> distance.tolist(), optimal[0].tolist()
    ([2, 1], [False, False, False, True])
    """

    def __init__(self, max_memory: int = 2 << 30, shape: tuple[int, int] | None = None):
        self.max_memory = max_memory
        self.oracles: list[Oracle] = []
        self._shape = shape
        size = 0 if shape is None else shape[0] * shape[1]
        self._meta = np.zeros((0, 4), np.int64)
        self._squares = np.zeros((0, size), np.int16)
        self._lives = np.zeros((0, size), np.int16)

    @classmethod
    def build(
        cls, levels: Iterable[Any], workers: int = 1, max_memory: int = 2 << 30
    ) -> OraclePool:
        """Solve `levels` on `workers` threads; the pool keeps their order.

        Of a `Levels` the pool takes the shape of all its boards, as an environment does.
        """
        tiles = getattr(levels, "tiles", None)
        pool = cls(max_memory, None if tiles is None else tiles.shape[1:])
        if workers == 1:
            for level in levels:
                pool.add(level)
            return pool
        with ThreadPoolExecutor(workers) as threads:
            for oracle in threads.map(pool._solve, levels):
                pool.add(oracle)
        return pool

    def _solve(self, level: Any) -> Oracle:
        from organisms.families.sokoban.oracle import (
            Oracle,
            level_arrays,
            solve,
        )  # which shows the pool as its own

        if isinstance(level, Oracle):
            return level
        arrays = level if isinstance(level, tuple) else (level, None, None, None)
        walls, targets, boxes, player = level_arrays(*arrays)
        if self._shape is not None:
            missing = [(0, max(0, n - m)) for n, m in zip(self._shape, walls.shape, strict=True)]
            walls = np.pad(walls, missing, constant_values=True)
            targets, boxes = np.pad(targets, missing), np.pad(boxes, missing)
        return solve(walls, targets, boxes, player, max_memory=self.max_memory)

    def __len__(self) -> int:
        return len(self.oracles)

    @property
    def nbytes(self) -> int:
        """Memory that the pool holds, in bytes."""
        return sum(oracle.nbytes for oracle in self.oracles)

    def add(self, level: Any) -> int:
        """Append a level (a `Level`, a tuple of arrays as in `solve`, an `Oracle`); its index."""
        oracle = self._solve(level)
        if self._shape is None:
            self._shape = oracle.walls.shape
            self._squares = np.zeros((0, oracle.walls.size), np.int16)
            self._lives = np.zeros((0, oracle.walls.size), np.int16)
        self._check_shape(oracle)
        index = len(self.oracles)
        if index == len(self._meta):
            room = max(16, index)
            self._meta, self._squares, self._lives = (
                np.concatenate([old, np.zeros((room, old.shape[1]), old.dtype)])
                for old in (self._meta, self._squares, self._lives)
            )
        self.oracles.append(oracle)
        self._place(index, oracle)
        return index

    def replace(self, index: int, level: Any) -> None:
        """Put another level in the place of level `index`; the old one's memory is freed."""
        if not 0 <= index < len(self):
            raise InputError(f"There is no level {index} in a pool of {len(self)}.")
        oracle = self._solve(level)
        self._check_shape(oracle)
        self._place(index, oracle)
        self.oracles[index] = oracle

    def _check_shape(self, oracle: Oracle) -> None:
        if oracle.walls.shape != self._shape:
            raise InputError(
                f"A level of {oracle.walls.shape} (y, x) cannot join a pool of {self._shape}."
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy's tables are not where the original's are.
        self.__dict__.update(state)
        self._meta = self._meta.copy()
        for index, oracle in enumerate(self.oracles):
            self._place(index, oracle)

    def _place(self, index: int, oracle: Oracle) -> None:
        self._meta[index] = oracle._meta[0]
        self._squares[index] = oracle._square_of
        self._lives[index] = oracle._live_of

    def look_up(
        self, level_index: ArrayLike, boards: ArrayLike, players: ArrayLike | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Distances and optimal actions of many states, in one compiled loop.

        Parameters
        ----------
        level_index
            (state,) integers: which level of the pool each state is of.
        boards
            (state, y, x): uint8 tile codes (wall 0, floor 1, target 2, box 3, box on target 4,
            player 5, player on target 6), or bool box masks.
        players
            (state,) cells or (state, 2) pairs (y, x); needed with box masks, optional with tiles.

        Returns
        -------
        optimal
            (state, 4) bool: the actions that begin a shortest solution (none if solved or dead).
        distance
            (state,) int32, in moves; -1 for a dead state.

        Raises
        ------
        InputError
            If a state is not one of its level's.
        """
        boards = np.asarray(boards)
        which = np.ascontiguousarray(level_index, np.int64)
        shape = self._shape
        if shape is None or boards.shape != (len(which), *shape):
            raise InputError(
                f"Boards of {boards.shape} for {len(which)} states of a pool of {len(self)} levels "
                f"of {self._shape} (y, x)."
            )
        if len(which) and not (0 <= which.min() and which.max() < len(self)):
            raise InputError(
                f"level_index runs from {which.min()} to {which.max()} in a pool of {len(self)}."
            )
        if boards.dtype == bool:
            if players is None:
                raise InputError("Box masks do not say where the player is: give players too.")
            codes, cells, _ = encode(boards, players, shape)
        else:
            codes = np.ascontiguousarray(boards, np.uint8).reshape(len(which), -1)
            cells = np.full(len(which), -1, np.int64)
            if players is not None:
                cells = player_cells(players, (len(which),), shape)
        n_boxes = int(self._meta[: len(self), 2].max())
        distances, optimal = read(
            codes, cells, which, self._meta, self._squares, self._lives, shape[1], n_boxes,
            True,
        )  # fmt: skip
        return optimal, distances
