"""`OraclePool` on a device: many levels' tables behind one look-up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.errors import InputError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.sokoban._retrograde import FIXED
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.observations import Tile
from organisms.families.sokoban.on_device.search import Tables, rank, search


class TensorOracle:
    r"""Distances and optimal actions of the states of some levels, looked up on a device.

    Parameters
    ----------
    tables
        See `organisms.families.sokoban.on_device.search.search`.

    Examples
    --------
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> levels = parse_levels("#####\n#@$.#\n#####")
    >>> oracle = TensorOracle.build(levels, "cpu")
    >>> optimal, distance = oracle.look_up(torch.tensor([0]), torch.tensor(levels.tiles))
    >>> distance.tolist(), optimal.tolist()
    ([1], [[False, False, False, True]])
    """

    def __init__(self, tables: Tables):
        self.tables = tables
        self._steps = tuple(zip(STEP_Y.tolist(), STEP_X.tolist(), strict=True))

    @classmethod
    def build(cls, levels: Levels, device: Any) -> TensorOracle:
        """Solve levels on a device."""
        return cls(search(levels, device))

    @property
    def nbytes(self) -> int:
        """Memory that the tables take, in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tables)

    def look_up(
        self, level_index: Tensor, tiles: Tensor, player: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the optimal actions and distances of states.

        Parameters
        ----------
        level_index
            (state,) int64.
        tiles
            (state, y, x) uint8 tile codes, with the player.
        player
            (state, 2) row and column of the player; read from the tiles unless given.

        Returns
        -------
        optimal
            (state, 4) bool: the actions that begin a shortest solution (none if solved or dead).
        distance
            (state,) int32, in moves; −1 for a dead state.

        Raises
        ------
        InputError
            On the CPU, if a state is not one of its level's; elsewhere that is not checked, since
            the check would wait for the device.
        """
        tables, (height, width) = self.tables, tiles.shape[1:]
        flat = tiles.flatten(1)
        if player is None:
            cell = (flat >= Tile.PLAYER).to(torch.uint8).argmax(1)
            y, x = cell // width, cell % width
        else:
            y, x = player.long().unbind(1)
        live_of, square_of = tables.live_of[level_index], tables.square_of[level_index]
        boxes = (flat == Tile.BOX) | (flat == Tile.BOX_ON_TARGET)
        boxes = boxes & (live_of != FIXED)
        if flat.device.type == "cpu":
            self._check(level_index, boxes, square_of.gather(1, (y * width + x)[:, None])[:, 0])
        dead = (boxes & (live_of < 0)).any(1)

        def entry(boxes: Tensor, y: Tensor, x: Tensor, valid: Tensor) -> Tensor:
            square = square_of.gather(1, torch.where(valid, y * width + x, 0)[:, None])[:, 0]
            valid = valid & (square >= 0)
            which = self._rank(boxes & (live_of >= 0), live_of)
            at = tables.offset[level_index] + which * tables.n_squares[level_index] + square
            return torch.where(valid, tables.entries[torch.where(valid, at, 0)].int(), 0)

        here = entry(boxes, y, x, ~dead)
        optimal = []
        for step_y, step_x in self._steps:
            v, u = y + step_y, x + step_x
            inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
            ahead = torch.where(inside, v * width + u, 0)[:, None]
            pushes = boxes.gather(1, ahead)[:, 0] & inside
            w, r = v + step_y, u + step_x
            roomy = (w >= 0) & (w < height) & (r >= 0) & (r < width)
            beyond = torch.where(roomy, w * width + r, 0)[:, None]
            lands = roomy & (live_of.gather(1, beyond)[:, 0] >= 0) & ~boxes.gather(1, beyond)[:, 0]
            moved = boxes.scatter(1, ahead, False).scatter(1, beyond, True)
            after = torch.where(pushes[:, None], moved, boxes)
            allowed = inside & ~dead & (~pushes | lands)
            optimal.append((entry(after, v, u, allowed) == here - 1) & (here > 1))
        return torch.stack(optimal, 1), here - 1

    def _rank(self, boxes: Tensor, live_of: Tensor) -> Tensor:
        """Return the rank of box sets (state, cell); live squares are numbered in their order."""
        most = self.tables.binomial.shape[1] - 1
        cells = boxes.shape[1]
        number = torch.arange(cells, device=boxes.device)
        where = torch.where(boxes, number, cells).sort(1).values[:, :most]
        there = where < cells
        return rank(live_of.gather(1, torch.where(there, where, 0)), there, self.tables.binomial)

    def _check(self, level_index: Tensor, boxes: Tensor, square: Tensor) -> None:
        wrong = (boxes.sum(1) != self.tables.n_boxes[level_index]) | (square < 0)
        if wrong.any():
            raise InputError(
                f"State {int(wrong.nonzero()[0, 0])} is not a state of its level: it has another "
                "number of boxes, or its player is on a square that cannot be reached."
            )
