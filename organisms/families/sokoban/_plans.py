"""The compiled part of `organisms.families.sokoban.plans`: follow direction maps, carry them out."""

from __future__ import annotations

import numpy as np
from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.random_rooms import mix
from organisms.families.sokoban.moves import STAYS, apply_move
from organisms.families.sokoban.observations import Tile

_WALL, _TARGET, _BOX, _BOX_ON = (
    int(tile) for tile in (Tile.WALL, Tile.TARGET, Tile.BOX, Tile.BOX_ON_TARGET)
)
_PLAYER, _PLAYER_ON = int(Tile.PLAYER), int(Tile.PLAYER_ON_TARGET)


@njit(cache=True)
def _find_player(tiles):  # pragma: no cover - compiled
    height, width = tiles.shape
    for y in range(height):
        for x in range(width):
            if tiles[y, x] >= _PLAYER:
                return y, x
    return -1, -1


@njit(cache=True)
def _all_on(tiles):  # pragma: no cover - compiled
    height, width = tiles.shape
    for y in range(height):
        for x in range(width):
            if tiles[y, x] == _BOX:
                return False
    return True


@njit(cache=True)
def _box_way(tiles, plan, y, x, way, seen, mark):  # pragma: no cover - compiled
    """Write the squares of a box's way to `way` (flat, the resting place last); return its pushes."""
    height, width = tiles.shape
    n = 0
    way[0] = y * width + x
    while plan[y, x] > 0 and seen[y * width + x] != mark:
        seen[y * width + x] = mark
        direction = plan[y, x] - 1
        ny, nx = y + STEP_Y[direction], x + STEP_X[direction]
        if ny < 0 or nx < 0 or ny >= height or nx >= width or tiles[ny, nx] == _WALL:
            break
        n += 1
        y, x = ny, nx
        way[n] = y * width + x
    return n


@njit(cache=True)
def _reach(free, start, width, reached, stack):  # pragma: no cover - compiled
    """Mark the squares that the player walks to (`free`: no wall, no box); return the least of them."""
    n_squares = len(free)
    reached[:] = False
    reached[start] = True
    stack[0] = start
    size, least = 1, start
    while size:
        size -= 1
        square = stack[size]
        least = min(least, square)
        y, x = square // width, square % width
        for direction in range(4):
            ny, nx = y + STEP_Y[direction], x + STEP_X[direction]
            if ny < 0 or nx < 0 or nx >= width or ny * width + nx >= n_squares:
                continue
            there = ny * width + nx
            if free[there] and not reached[there]:
                reached[there] = True
                stack[size] = there
                size += 1
    return least


@njit(cache=True)
def _carry_out(tiles, player, ways, lengths, most):  # pragma: no cover - compiled
    """Try the orders of the pushes, depth first; return (all pushed to the end, solved on the way)."""
    n_boxes = len(lengths)
    height, width = tiles.shape
    n_squares = height * width
    is_target = np.zeros(n_squares, np.bool_)
    floor = np.zeros(n_squares, np.bool_)
    for square in range(n_squares):
        tile = tiles[square // width, square % width]
        is_target[square] = tile == _TARGET or tile == _BOX_ON or tile == _PLAYER_ON
        floor[square] = tile != _WALL
    free = np.empty(n_squares, np.bool_)
    reached = np.empty(n_squares, np.bool_)
    stack = np.empty(n_squares, np.int64)
    open_progress = np.zeros((most * max(n_boxes, 1) + 1, n_boxes), np.int64)
    open_player = np.zeros(len(open_progress), np.int64)
    open_player[0] = player
    table = np.zeros(4 * most, np.uint64)
    n_open, n_seen = 1, 0
    finished, solved = False, False
    progress = np.zeros(n_boxes, np.int64)
    while n_open and n_seen < most and not (finished and solved):
        n_open -= 1
        progress[:] = open_progress[n_open]
        free[:] = floor
        done, on = True, True
        for box in range(n_boxes):
            square = ways[box, progress[box]]
            free[square] = False
            done &= progress[box] == lengths[box]
            on &= is_target[square]
        least = _reach(free, open_player[n_open], width, reached, stack)
        key = mix(np.uint64(least + 1))
        for box in range(n_boxes):
            key = mix(key ^ np.uint64(progress[box])) + np.uint64(1)
        slot = np.int64(key % np.uint64(len(table)))
        while table[slot] != np.uint64(0) and table[slot] != key:
            slot = (slot + 1) % len(table)
        if table[slot] == key:
            continue
        table[slot] = key
        n_seen += 1
        finished |= done
        solved |= on
        for box in range(n_boxes):
            if progress[box] == lengths[box]:
                continue
            here, there = ways[box, progress[box]], ways[box, progress[box] + 1]
            behind = 2 * here - there
            if behind < 0 or behind >= n_squares or abs(behind % width - here % width) > 1:
                continue
            if free[there] and reached[behind]:
                open_progress[n_open] = progress
                open_progress[n_open, box] += 1
                open_player[n_open] = here
                n_open += 1
    return finished, solved


@njit(cache=True)
def assess_box_maps(tiles, maps, most, out):  # pragma: no cover - compiled
    """Fill `out` (episode, map, measure) for maps of where boxes are pushed."""
    n_episodes, height, width = tiles.shape
    n_squares = height * width
    seen = np.zeros(n_squares, np.int64)
    for episode in range(n_episodes):
        board = tiles[episode]
        n_boxes, n_on = 0, 0
        for square in range(n_squares):
            tile = board[square // width, square % width]
            n_boxes += tile == _BOX or tile == _BOX_ON
        py, px = _find_player(board)
        ways = np.zeros((n_boxes, n_squares + 1), np.int64)
        lengths = np.zeros(n_boxes, np.int64)
        for number in range(maps.shape[1]):
            plan = maps[episode, number]
            seen[:] = 0
            covered = np.zeros(n_squares, np.bool_)
            box, total, n_on = 0, 0, 0
            for square in range(n_squares):
                y, x = square // width, square % width
                if board[y, x] != _BOX and board[y, x] != _BOX_ON:
                    continue
                lengths[box] = _box_way(board, plan, y, x, ways[box], seen, box + 1)
                for i in range(lengths[box]):
                    covered[ways[box, i]] = True
                total += lengths[box]
                end = ways[box, lengths[box]]
                tile = board[end // width, end % width]
                n_on += tile == _TARGET or tile == _BOX_ON or tile == _PLAYER_ON
                box += 1
            marked, connected = 0, 0
            for square in range(n_squares):
                if plan[square // width, square % width] > 0:
                    marked += 1
                    connected += covered[square]
            finished, solved = False, False
            if total and py >= 0:
                finished, solved = _carry_out(board, py * width + px, ways, lengths, most)
            out[episode, number, 0] = total
            out[episode, number, 1] = connected / marked if marked else np.nan
            out[episode, number, 2] = finished
            out[episode, number, 3] = n_on / n_boxes if n_boxes else np.nan
            out[episode, number, 4] = solved


@njit(cache=True)
def assess_player_maps(tiles, maps, arrive, out):  # pragma: no cover - compiled
    """Fill `out` (episode, map, measure) for maps of how the player comes onto, or leaves, squares."""
    n_episodes, height, width = tiles.shape
    for episode in range(n_episodes):
        for number in range(maps.shape[1]):
            plan = maps[episode, number]
            board = tiles[episode].copy()
            y, x = _find_player(board)
            used = np.zeros((height, width), np.bool_)
            length, valid, solved = 0, True, False
            while y >= 0:
                direction = -1
                if arrive:
                    for d in range(4):
                        ny, nx = y + STEP_Y[d], x + STEP_X[d]
                        if ny < 0 or nx < 0 or ny >= height or nx >= width:
                            continue
                        if plan[ny, nx] == d + 1 and not used[ny, nx]:
                            direction = d
                            used[ny, nx] = True
                            break
                elif plan[y, x] > 0 and not used[y, x]:
                    direction = plan[y, x] - 1
                    used[y, x] = True
                if direction < 0:
                    break
                length += 1
                if valid:
                    kind, _ = apply_move(board, y, x, direction)
                    valid = kind != STAYS
                    solved |= valid and _all_on(board)
                ny, nx = y + STEP_Y[direction], x + STEP_X[direction]
                if ny < 0 or nx < 0 or ny >= height or nx >= width:
                    break
                y, x = ny, nx
            marked = 0
            for row in range(height):
                for column in range(width):
                    marked += plan[row, column] > 0
            out[episode, number, 0] = length
            out[episode, number, 1] = length / marked if marked else np.nan
            out[episode, number, 2] = valid and length > 0
            out[episode, number, 3] = np.nan
            out[episode, number, 4] = solved
