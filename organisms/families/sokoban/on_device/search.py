"""Distances of all states of many levels at once, by tensor operations.

The tables are those of `organisms.families.sokoban.oracle`, number for number: box sets are ranked
combinatorially, and the number stored is distance + 1, or 0 for a dead state. Here all states at one
distance, of all levels, are one tensor, and a step of the search finds every state from which one
move leads to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from interp.errors import InputError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.sokoban._lookup import binomials
from organisms.families.sokoban.level_survey import LevelSurvey, survey_level
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.observations import Tile

ENTRIES_AT_ONCE = 1 << 27
"""Table entries of the levels that are searched together; two bytes each, and as much again."""

_STATES_AT_ONCE = 1 << 21


class Tables(NamedTuple):
    """The tables of many levels, on one device."""

    entries: Tensor
    """(entry,) uint8, or int16 where a distance needs it: distance + 1, 0 where dead. The last entry
    is of no state."""
    offset: Tensor
    """(level,) int64: where a level's table begins. Its entry for a box set and a player's square is
    ``rank · n_squares + square``."""
    n_squares: Tensor
    """(level,) int64."""
    n_boxes: Tensor
    """(level,) int64: boxes in reach."""
    square_of: Tensor
    """(level, cell) int64; −1 where the player cannot come."""
    live_of: Tensor
    """(level, cell) int64; negative where no box may stand."""
    binomial: Tensor
    """(n, k) int64."""


def search(levels: Levels, device: Any) -> Tables:
    """Find the distance of every state of some levels.

    Parameters
    ----------
    levels
        All of one board; smaller ones have wall around them.
    device
        As in torch; the tables stay there.

    Raises
    ------
    InputError
        If a level has a state more than 32,766 moves from its solution.
    """
    tiles = levels.tiles
    cells, width = tiles.shape[1] * tiles.shape[2], tiles.shape[2]
    surveys = [_survey(board) for board in tiles]
    sizes = np.array([found.n_sets * found.n_squares for found in surveys], np.int64)
    most = max((found.n_boxes for found in surveys), default=0)
    # One entry more than there are states, so that no look-up finds an empty table.
    parts = [torch.zeros(1, dtype=torch.uint8, device=device)]
    for part in _parts(sizes):
        chosen = surveys[part]
        board = _Board(chosen, sizes[part], binomials(cells, most), width, device)
        parts.insert(-1, board.fill())
    wide = any(entries.dtype != torch.uint8 for entries in parts)
    entries = torch.cat([p.to(torch.int16) for p in parts] if wide else parts)
    whole = _Board(surveys, sizes, binomials(cells, most), width, device)
    return Tables(
        entries,
        whole.offset,
        whole.n_squares,
        whole.n_boxes,
        whole.square_of,
        whole.live_of,
        whole.binomial,
    )


def rank(live: Tensor, there: Tensor, binomial: Tensor) -> Tensor:
    """Return the rank of box sets.

    Parameters
    ----------
    live
        (..., box) int64: live squares in ascending order.
    there
        (..., box) bool: which of them count; those that do not are last.
    binomial
        (n, k) int64.
    """
    number = torch.arange(1, live.shape[-1] + 1, device=live.device)
    return torch.where(there, binomial[torch.where(there, live, 0), number], 0).sum(-1)


def _survey(board: np.ndarray) -> LevelSurvey:
    player = np.argwhere(board >= Tile.PLAYER)[0]
    targets = (
        (board == Tile.TARGET) | (board == Tile.BOX_ON_TARGET) | (board == Tile.PLAYER_ON_TARGET)
    )
    boxes = (board == Tile.BOX) | (board == Tile.BOX_ON_TARGET)
    return survey_level(board == Tile.WALL, targets, boxes, (int(player[0]), int(player[1])))


def _parts(sizes: np.ndarray) -> Iterator[slice]:
    """Split levels into runs whose tables fit in `ENTRIES_AT_ONCE`, or of one level."""
    start, total = 0, 0
    for number, size in enumerate(sizes):
        if number > start and total + size > ENTRIES_AT_ONCE:
            yield slice(start, number)
            start, total = number, 0
        total += size
    yield slice(start, len(sizes))


class _Board:
    """Some surveyed levels on a device, and the search over them."""

    def __init__(
        self,
        surveys: Sequence[LevelSurvey],
        sizes: np.ndarray,
        binomial: np.ndarray,
        width: int,
        device: Any,
    ):
        def put(array: Any) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(device)

        self.surveys, self.width, self.device = surveys, width, device
        self.total = int(sizes.sum())
        self.offset = put(np.cumsum(sizes) - sizes)
        self.n_squares = put([found.n_squares for found in surveys])
        self.n_boxes = put([found.n_boxes for found in surveys])
        self.square_of = put(np.stack([found.square_of for found in surveys]))
        self.live_of = put(np.stack([found.live_of for found in surveys]))
        self.cell_of_square = _inverted(self.square_of)
        self.cell_of_live = _inverted(self.live_of)
        self.binomial = put(binomial)
        self.most = binomial.shape[1] - 1

    def fill(self) -> Tensor:
        """Return the entries of the levels' tables, (entry,) uint8 or int16."""
        entries = torch.zeros(self.total, dtype=torch.int16, device=self.device)
        self._mark_solved(entries)
        value = 1
        while True:
            states = (entries == value).nonzero()[:, 0]
            if not len(states):
                break
            if value == torch.iinfo(torch.int16).max:
                raise InputError("The level has a state more than 32,766 moves from its solution.")
            for some in states.split(_STATES_AT_ONCE):
                self._step_back(entries, some, value + 1)
            value += 1
        return entries.to(torch.uint8) if value <= 256 else entries

    def _mark_solved(self, entries: Tensor) -> None:
        for level, found in enumerate(self.surveys):
            goals = found.goals()
            if not len(goals):
                continue
            cells = torch.from_numpy(goals).to(self.device)
            live = self.live_of[level][cells]
            first = self.offset[level] + found.n_squares * rank(live, live >= 0, self.binomial)
            squares = torch.arange(found.n_squares, device=self.device)
            entries[(first[:, None] + squares).flatten()] = 1
            entries[(first[:, None] + self.square_of[level][cells]).flatten()] = 0

    def _step_back(self, entries: Tensor, states: Tensor, value: int) -> None:
        """Write `value` to every state without a number from which one move leads to `states`."""
        level = torch.searchsorted(self.offset, states, right=True) - 1
        set_rank = (states - self.offset[level]) // self.n_squares[level]
        square = (states - self.offset[level]) % self.n_squares[level]
        first = self.offset[level]
        player = self.cell_of_square[level, square]
        boxes, there = self._boxes_of(level, set_rank)
        y, x = player // self.width, player % self.width
        height = self.square_of.shape[1] // self.width
        for step_y, step_x in zip(STEP_Y.tolist(), STEP_X.tolist(), strict=True):
            before_y, before_x = y - step_y, x - step_x
            inside = (before_y >= 0) & (before_y < height)
            inside &= (before_x >= 0) & (before_x < self.width)
            before = torch.where(inside, before_y * self.width + before_x, 0)
            came_from = self.square_of[level, before]
            free = inside & (came_from >= 0) & ~(boxes == before[:, None]).any(1)
            self._write(entries, first + set_rank * self.n_squares[level] + came_from, free, value)
            # Or the move was a push: the box ahead of the player stood where the player is now.
            ahead_y, ahead_x = y + step_y, x + step_x
            inside = (ahead_y >= 0) & (ahead_y < height) & (ahead_x >= 0) & (ahead_x < self.width)
            ahead = torch.where(inside, ahead_y * self.width + ahead_x, -2)
            pushed = boxes == ahead[:, None]
            stood = torch.where(pushed, player[:, None], boxes)
            live = self.live_of[level[:, None], stood.clamp(min=0)]
            live = torch.where(there, live, self.square_of.shape[1]).sort(1).values
            other = rank(live, there, self.binomial)
            pulled = free & pushed.any(1)
            self._write(entries, first + other * self.n_squares[level] + came_from, pulled, value)

    def _boxes_of(self, level: Tensor, set_rank: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cells of the boxes of ranked sets, (state, box), −1 beyond the level's number
        of boxes, and which there are.
        """
        left, found = set_rank, []
        for j in range(self.most, 0, -1):
            counts = j <= self.n_boxes[level]
            column = self.binomial[:, j].contiguous()
            live = torch.searchsorted(column, left, right=True) - 1
            left = torch.where(counts, left - column[live], left)
            cell = self.cell_of_live[level, torch.where(counts, live, 0)]
            found.append(torch.where(counts, cell, -1))
        boxes = torch.stack(found[::-1], 1) if found else set_rank[:, None][:, :0]
        return boxes, boxes >= 0

    def _write(self, entries: Tensor, at: Tensor, where: Tensor, value: int) -> None:
        at = at[where]
        entries[at[entries[at] == 0]] = value


def _inverted(number_of: Tensor) -> Tensor:
    """Return the cell of each number, (level, number); 0 for numbers that no cell has."""
    n_levels, n_cells = number_of.shape
    cells = torch.arange(n_cells, device=number_of.device).expand(n_levels, -1)
    # One column more, for the cells without a number.
    column = torch.where(number_of >= 0, number_of, n_cells)
    whole = torch.zeros(n_levels, n_cells + 1, dtype=torch.int64, device=number_of.device)
    return whole.scatter(1, column, cells)[:, :n_cells]
