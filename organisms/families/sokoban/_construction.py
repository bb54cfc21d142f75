"""The compiled loops of the generator: carve a room, play it backwards."""

from __future__ import annotations

import numpy as np
from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.random_rooms import TEST_SHARE, mix, next_below, room_hash
from organisms.families.sokoban.observations import Tile

MAX_PULLS = 400
"""The longest way, in pulls, that the game is played backwards."""

ATTEMPTS = 4000
"""Rooms tried for one level."""

_ROLLOUTS = 20
_CHOOSY = 20  # rooms played before a trivial level is accepted
_WALL, _FLOOR, _TARGET, _BOX, _BOX_ON, _PLAYER, _PLAYER_ON = (int(tile) for tile in Tile)

# What the walk carves around itself: offsets of up to three squares beside its own.
_PATTERNS = np.array(
    [
        [(0, 0), (0, 0), (0, 0)],
        [(0, 1), (0, -1), (0, 0)],
        [(1, 0), (-1, 0), (0, 0)],
        [(1, 0), (0, 1), (0, 0)],
        [(1, 0), (0, 1), (1, 1)],
    ],
    np.int64,
)


@njit(cache=True)
def _carve(tiles, random):  # pragma: no cover - compiled
    height, width = tiles.shape
    tiles[:] = _WALL
    y, x = 1 + next_below(random, height - 2), 1 + next_below(random, width - 2)
    direction = next_below(random, 4)
    for _ in range(2 * (height + width)):
        if next_below(random, 100) < 35:
            direction = next_below(random, 4)
        ny, nx = y + STEP_Y[direction], x + STEP_X[direction]
        if 1 <= ny < height - 1 and 1 <= nx < width - 1:
            y, x = ny, nx
        tiles[y, x] = _FLOOR
        pattern = next_below(random, len(_PATTERNS))
        for k in range(3):
            cy, cx = y + _PATTERNS[pattern, k, 0], x + _PATTERNS[pattern, k, 1]
            if 1 <= cy < height - 1 and 1 <= cx < width - 1:
                tiles[cy, cx] = _FLOOR


@njit(cache=True)
def _flood(free, start, seen, mark, stack):  # pragma: no cover - compiled
    """Mark in `seen` the free squares (flat, with width) joined to `start`."""
    width = free.shape[1]
    stack[0] = start
    top = 1
    seen[start] = mark
    while top:
        top -= 1
        square = stack[top]
        y, x = square // width, square % width
        for k in range(4):
            ny, nx = y + STEP_Y[k], x + STEP_X[k]
            to = ny * width + nx
            if free[ny, nx] and seen[to] != mark:
                seen[to] = mark
                stack[top] = to
                top += 1


@njit(cache=True)
def _play_backwards(
    tiles, squares, n_boxes, random, best, pull_from, pull_direction
):  # pragma: no cover - compiled
    """Pull boxes off their targets; keep the farthest position of some rollouts in `best`.

    Returns
    -------
    n_pulls : int
        Pulls to the kept position, 0 if none was found.
    """
    height, width = tiles.shape
    free = np.empty((height, width), np.bool_)
    seen = np.zeros(height * width, np.int64)
    stack = np.empty(height * width, np.int64)
    boxes = np.empty(n_boxes, np.int64)
    options = np.empty((4 * n_boxes, 2), np.int64)
    trail_from = np.empty(MAX_PULLS, np.int64)
    trail_direction = np.empty(MAX_PULLS, np.int64)
    mark, best_score, best_length = 0, 0, 0
    length_limit = min(MAX_PULLS, 15 * n_boxes + 5 * (height + width) // 2)
    for _ in range(_ROLLOUTS):
        for y in range(height):
            for x in range(width):
                free[y, x] = tiles[y, x] != _WALL
        for b in range(n_boxes):
            boxes[b] = squares[b]
            free[squares[b] // width, squares[b] % width] = False
        # Any free square will do: the player may end anywhere.
        player = squares[n_boxes + next_below(random, len(squares) - n_boxes)]
        last, turns, length = -1, 0, 0
        for _pull in range(length_limit):
            mark += 1
            _flood(free, player, seen, mark, stack)
            n_options = 0
            for b in range(n_boxes):
                y, x = boxes[b] // width, boxes[b] % width
                for k in range(4):
                    py, px = y + STEP_Y[k], x + STEP_X[k]
                    if not free[py, px] or seen[py * width + px] != mark:
                        continue
                    if free[py + STEP_Y[k], px + STEP_X[k]]:
                        options[n_options, 0], options[n_options, 1] = b, k
                        n_options += 1
            if n_options == 0:
                break
            # Mostly go on with the same box, and not straight back, so that boxes get far.
            choice = next_below(random, n_options)
            for _again in range(3):
                b, k = options[choice]
                straight_back = length > 0 and b == last and (trail_direction[length - 1] ^ 1) == k
                if (b == last or next_below(random, 4) == 0) and not straight_back:
                    break
                choice = next_below(random, n_options)
            b, k = options[choice]
            y, x = boxes[b] // width, boxes[b] % width
            py, px = y + STEP_Y[k], x + STEP_X[k]
            trail_from[length], trail_direction[length] = boxes[b], k
            length += 1
            free[y, x] = True
            free[py, px] = False
            boxes[b] = py * width + px
            player = (py + STEP_Y[k]) * width + px + STEP_X[k]
            if b != last:
                turns += 1
                last = b
            score, off = 0, True
            for c in range(n_boxes):
                off = off and tiles[boxes[c] // width, boxes[c] % width] != _TARGET
                # How far it is to the nearest target, not to the box's own: any will do.
                nearest = height + width
                for t in range(n_boxes):
                    distance = abs(boxes[c] // width - squares[t] // width)
                    distance += abs(boxes[c] % width - squares[t] % width)
                    nearest = min(nearest, distance)
                score += nearest
            if score == 0:  # solved again: the way so far was for nothing
                last, turns, length = -1, 0, 0
                continue
            score *= min(turns, 3 * n_boxes)
            if off and score > best_score:
                best_score, best_length = score, length
                best[:] = tiles
                for c in range(n_boxes):
                    best[boxes[c] // width, boxes[c] % width] = _BOX
                mark += 1
                _flood(free, player, seen, mark, stack)
                # The player starts anywhere it could have walked from.
                count, chosen = 0, player
                for square in range(height * width):
                    if seen[square] == mark:
                        count += 1
                        if next_below(random, count) == 0:
                            chosen = square
                y, x = chosen // width, chosen % width
                best[y, x] = _PLAYER_ON if tiles[y, x] == _TARGET else _PLAYER
                pull_from[:length] = trail_from[:length]
                pull_direction[:length] = trail_direction[:length]
    return best_length


@njit(cache=True)
def fill(
    indices, n_boxes, seed, split, out, pull_from, pull_direction
):  # pragma: no cover - compiled
    """Fill `out` with levels; return the first row that no level was found for, or -1.

    The pulls of row ``i`` go to row ``i % len(pull_from)``, so that one row will do where they are
    not wanted.
    """
    n, height, width = out.shape
    random = np.empty(1, np.uint64)
    tiles = np.empty((height, width), np.uint8)
    seen = np.empty(height * width, np.int64)
    stack = np.empty(height * width, np.int64)
    for i in range(n):
        # The stream of a level depends on the seed, the split and its index alone.
        stream = mix(mix(seed) + np.uint64(split + 1))
        random[0] = mix(stream + np.uint64(indices[i]) * np.uint64(0x9E3779B97F4A7C15))
        found, played = False, 0
        for _ in range(ATTEMPTS):
            _carve(tiles, random)
            free = tiles != _WALL
            squares = np.flatnonzero(free)
            if len(squares) < 2 * n_boxes + 1:
                continue
            seen[:] = 0
            _flood(free, squares[0], seen, 1, stack)
            if np.sum(seen) < len(squares):
                continue
            if split >= 0:
                is_test = room_hash(tiles == _WALL) % np.uint64(TEST_SHARE) == 0
                if is_test != (split == 1):
                    continue
            for k in range(n_boxes):  # the first `n_boxes` of a shuffle are the targets
                other = k + next_below(random, len(squares) - k)
                squares[k], squares[other] = squares[other], squares[k]
                tiles[squares[k] // width, squares[k] % width] = _TARGET
            row = i % len(pull_from)
            length = _play_backwards(
                tiles, squares, n_boxes, random, out[i], pull_from[row], pull_direction[row]
            )
            played += 1
            # Trivial ones are passed over, unless the board seems to allow no others.
            if length >= 3 * n_boxes or (length > 0 and played > _CHOOSY):
                pull_direction[row, length:] = -1
                found = True
                break
        if not found:
            return i
    return -1
