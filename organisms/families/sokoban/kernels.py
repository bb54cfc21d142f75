"""The compiled loops of the environment."""

from __future__ import annotations

import numpy as np
from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.random_rooms import mix
from organisms.families.sokoban.moves import PUSHES, STAYS, apply_move
from organisms.families.sokoban.observations import Tile

_BOX, _PLAYER = int(Tile.BOX), int(Tile.PLAYER)


@njit(cache=True)
def _begin(
    row, pool, level_index, tiles, player, off, elapsed, limit, finished, episodes, low, high, seed
):  # pragma: no cover - compiled
    board = pool[level_index[row]]
    height, width = board.shape
    off[row] = 0
    for y in range(height):
        for x in range(width):
            tile = board[y, x]
            tiles[row, y, x] = tile
            if tile == _BOX:
                off[row] += 1
            elif tile >= _PLAYER:
                player[row, 0] = y
                player[row, 1] = x
    elapsed[row] = 0
    finished[row] = off[row] == 0
    limit[row] = high
    if low < high:
        # A counter-based draw: it depends on the seed, the row and the episode alone.
        draw = mix(mix(mix(seed) + np.uint64(row)) + np.uint64(episodes[row]))
        limit[row] = low + np.int64(draw % np.uint64(high - low + 1))
    episodes[row] += 1


@njit(cache=True)
def begin_rows(rows, *begin):  # pragma: no cover - compiled
    """Start the episodes of some rows; `begin` is what `_begin` takes."""
    for row in rows:
        _begin(row, *begin)


@njit(cache=True)
def _paint(view, square, old, new, codes, planes, n_squares):  # pragma: no cover - compiled
    if planes:
        view[np.int64(codes[old, 0]) * n_squares + square] = 0
        view[np.int64(codes[new, 0]) * n_squares + square] = 1
    else:
        for colour in range(3):
            view[3 * square + colour] = codes[new, colour]


@njit(cache=True)
def step_rows(
    action,
    noop,
    tiles,
    player,
    off,
    elapsed,
    limit,
    finished,
    rewards,
    view,
    codes,
    planes,
    reward,
    terminated,
    truncated,
    autoreset,
    pool,
    level_index,
    cursor,
    episodes,
    low,
    high,
    seed,
):  # pragma: no cover - compiled
    """Step all rows in place; return the first row with an impossible action, or -1."""
    n, height, width = tiles.shape
    for row in range(n):
        if action[row] < -1 or action[row] >= 4 + noop:
            return row
    n_squares = height * width
    before = np.empty(3, np.uint8)
    for row in range(n):
        reward[row] = 0.0
        if action[row] >= 0 and not finished[row]:
            paid = rewards[0]
            elapsed[row] += 1
            direction = action[row] - noop
            if direction >= 0:
                board = tiles[row]
                y, x = np.int64(player[row, 0]), np.int64(player[row, 1])
                dy, dx = STEP_Y[direction], STEP_X[direction]
                # The three squares a move can change.
                for k in range(3):
                    sy, sx = y + k * dy, x + k * dx
                    if 0 <= sy < height and 0 <= sx < width:
                        before[k] = board[sy, sx]
                kind, gained = apply_move(board, y, x, direction)
                if kind != STAYS:
                    player[row, 0] = y + dy
                    player[row, 1] = x + dx
                    for k in range(3 if kind == PUSHES else 2):
                        sy, sx = y + k * dy, x + k * dx
                        square = sy * width + sx
                        _paint(
                            view[row], square, before[k], board[sy, sx], codes, planes, n_squares
                        )
                if gained != 0:
                    off[row] -= gained
                    paid += gained * rewards[1]
                    if off[row] == 0:
                        paid += rewards[2]
            reward[row] = paid
            finished[row] = off[row] == 0 or elapsed[row] >= limit[row]
        terminated[row] = finished[row] and off[row] == 0
        truncated[row] = finished[row] and off[row] > 0
        if autoreset and finished[row]:
            level_index[row] = cursor[0] % len(pool)
            cursor[0] += 1
            _begin(
                row, pool, level_index, tiles, player, off,
                elapsed, limit, finished, episodes, low, high, seed,
            )  # fmt: skip
            for square in range(n_squares):
                tile = tiles[row, square // width, square % width]
                if planes:
                    for plane in range(7):
                        view[row, plane * n_squares + square] = 0
                _paint(view[row], square, tile, tile, codes, planes, n_squares)
    return -1


@njit(cache=True)
def count_off_target(tiles):  # pragma: no cover - compiled
    """Count the boxes that are not on a target, dims ``(batch,)``."""
    counts = np.zeros(len(tiles), np.int32)
    for row in range(len(tiles)):
        for y in range(tiles.shape[1]):
            for x in range(tiles.shape[2]):
                if tiles[row, y, x] == _BOX:
                    counts[row] += 1
    return counts
