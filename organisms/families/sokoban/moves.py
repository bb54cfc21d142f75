"""The rule of the game, once, as small compiled functions on one board of tile codes."""

from __future__ import annotations

from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.sokoban.observations import Tile

STAYS, WALKS, PUSHES = 0, 1, 2
"""What a move comes to."""

_WALL, _FLOOR, _TARGET, _BOX, _BOX_ON, _PLAYER, _PLAYER_ON = (int(tile) for tile in Tile)


@njit(cache=True)
def move_kind(tiles, y, x, direction):  # pragma: no cover - compiled
    """Say what a move comes to: `STAYS`, `WALKS` or `PUSHES`. Changes nothing."""
    height, width = tiles.shape
    dy, dx = STEP_Y[direction], STEP_X[direction]
    ny, nx = y + dy, x + dx
    if ny < 0 or nx < 0 or ny >= height or nx >= width:
        return STAYS
    there = tiles[ny, nx]
    if there == _FLOOR or there == _TARGET:
        return WALKS
    if there != _BOX and there != _BOX_ON:
        return STAYS
    by, bx = ny + dy, nx + dx
    if by < 0 or bx < 0 or by >= height or bx >= width:
        return STAYS
    beyond = tiles[by, bx]
    return PUSHES if beyond == _FLOOR or beyond == _TARGET else STAYS


@njit(cache=True)
def apply_move(tiles, y, x, direction):  # pragma: no cover - compiled
    """Move the player on `tiles` in place.

    Returns
    -------
    kind : int
        `STAYS`, `WALKS` or `PUSHES`.
    gained : int
        Boxes on a target after the move less those before it: -1, 0 or 1.
    """
    kind = move_kind(tiles, y, x, direction)
    gained = 0
    if kind != STAYS:
        ny, nx = y + STEP_Y[direction], x + STEP_X[direction]
        there = tiles[ny, nx]
        if kind == PUSHES:
            by, bx = ny + STEP_Y[direction], nx + STEP_X[direction]
            if tiles[by, bx] == _TARGET:
                tiles[by, bx] = _BOX_ON
                gained += 1
            else:
                tiles[by, bx] = _BOX
            if there == _BOX_ON:
                gained -= 1
        on_target = there == _TARGET or there == _BOX_ON
        tiles[ny, nx] = _PLAYER_ON if on_target else _PLAYER
        tiles[y, x] = _TARGET if tiles[y, x] == _PLAYER_ON else _FLOOR
    return kind, gained


@njit(cache=True, nogil=True)
def move_box(boxes, start, end, moved):  # pragma: no cover - compiled
    """Write to `moved` the sorted squares of `boxes` with the one at `start` moved to `end`."""
    i = 0
    placed = False
    for j in range(len(boxes)):
        if boxes[j] == start:
            continue
        if not placed and boxes[j] > end:
            moved[i] = end
            i += 1
            placed = True
        moved[i] = boxes[j]
        i += 1
    if not placed:
        moved[i] = end
