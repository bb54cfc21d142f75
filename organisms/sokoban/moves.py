"""The rule of the game, once, as small compiled functions on one board of tile codes."""

from __future__ import annotations

import numpy as np
from numba import njit

from organisms.sokoban.observations import Tile

ACTION_NAMES = ("up", "down", "left", "right")
"""The four moves, in the order of the released agents' actions."""

STEP_Y = np.array([-1, 1, 0, 0], np.int64)
STEP_X = np.array([0, 0, -1, 1], np.int64)
"""Rows and columns each move goes (y grows downwards)."""

OPPOSITE = (1, 0, 3, 2)
"""The move that goes the other way."""

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


@njit(cache=True)
def mix(value):  # pragma: no cover - compiled
    """Scramble a uint64 (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True)
def next_below(state, bound):  # pragma: no cover - compiled
    """Draw an int from 0 to `bound` - 1 and advance the generator (a uint64 array of one)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    # 32 random bits times the bound: the bias is below bound / 2**32.
    return np.int64(((mix(state[0]) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))
