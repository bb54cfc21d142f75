"""The compiled loops of the generator: carve a maze, strew objects where they can be reached."""

from __future__ import annotations

import numpy as np
from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.random_rooms import TEST_SHARE, mix, next_below, room_hash

ATTEMPTS = 4000
"""Boards tried for one maze."""

UNIFORMS = 24
"""Random numbers handed on for every maze."""


@njit(cache=True)
def _carve(walls, random, stack, loops):  # pragma: no cover - compiled
    """Carve a maze by a depth-first walk over the squares at odd places, then open some walls."""
    height, width = walls.shape
    rows, columns = (height - 1) // 2, (width - 1) // 2
    walls[:] = True
    y, x = 1 + 2 * next_below(random, rows), 1 + 2 * next_below(random, columns)
    walls[y, x] = False
    stack[0] = y * width + x
    top = 1
    while top:
        y, x = stack[top - 1] // width, stack[top - 1] % width
        n_ways, way = 0, -1
        for k in range(4):
            ny, nx = y + 2 * STEP_Y[k], x + 2 * STEP_X[k]
            if 0 < ny < 2 * rows and 0 < nx < 2 * columns and walls[ny, nx]:
                n_ways += 1
                if next_below(random, n_ways) == 0:
                    way = k
        if way < 0:
            top -= 1
            continue
        walls[y + STEP_Y[way], x + STEP_X[way]] = False
        y, x = y + 2 * STEP_Y[way], x + 2 * STEP_X[way]
        walls[y, x] = False
        stack[top] = y * width + x
        top += 1
    for y in range(1, 2 * rows):
        for x in range(1, 2 * columns):
            if (y + x) % 2 and walls[y, x] and next_below(random, 1000) < loops:
                walls[y, x] = False


@njit(cache=True)
def _measure(walls, start, squares, blocking, distance, queue, far):  # pragma: no cover - compiled
    """Find how many moves each of `squares` is from `start`, not walking over another of them."""
    width = walls.shape[1]
    flat, dist = walls.ravel(), distance
    dist[:] = -1
    dist[start] = 0
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        at = queue[head]
        head += 1
        stop = False
        if blocking:
            for square in squares:
                stop = stop or square == at
        if stop:
            continue
        for k in range(4):
            to = at + STEP_Y[k] * width + STEP_X[k]
            if not flat[to] and dist[to] < 0:
                dist[to] = dist[at] + 1
                queue[tail] = to
                tail += 1
    for i in range(len(squares)):
        far[i] = dist[squares[i]]


@njit(cache=True)
def fill(
    indices, seed, split, loops, blocking, corner, ranked, gap, walls, start, squares, uniforms
):  # pragma: no cover - compiled
    """Make mazes in place; return the first index that none was found for, or -1.

    `corner` is the share (in thousandths) of mazes whose first object lies in the top right corner,
    or -1 if corners do not matter. With `ranked` the objects are sorted from near to far, the
    farthest at least `gap` moves farther than the nearest.
    """
    n, height, width = walls.shape
    n_objects = squares.shape[1]
    stack = np.empty(height * width, np.int64)
    free = np.empty(height * width, np.int64)
    distance = np.empty(height * width, np.int64)
    far = np.empty(n_objects, np.int64)
    random = np.empty(1, np.uint64)
    for i in range(n):
        random[0] = mix(mix(seed) + np.uint64(indices[i]))
        in_corner = corner >= 0 and next_below(random, 1000) < corner
        board, spots = walls[i], squares[i]
        found = False
        for _ in range(ATTEMPTS):
            _carve(board, random, stack, loops)
            is_test = room_hash(board) % np.uint64(TEST_SHARE) == 0
            if split >= 0 and is_test != (split == 1):
                continue
            n_free = 0
            for square in range(height * width):
                if not board[square // width, square % width]:
                    free[n_free] = square
                    n_free += 1
            if n_free <= n_objects:
                continue
            top_right = width + 2 * ((width - 1) // 2) - 1
            for k in range(n_objects + 1):
                pick = k + next_below(random, n_free - k)
                free[k], free[pick] = free[pick], free[k]
                if k:
                    spots[k - 1] = free[k]
            if corner >= 0:
                if in_corner:
                    spots[0] = top_right
                if free[0] == top_right or (spots[0] == top_right) != in_corner:
                    continue
            _measure(board, free[0], spots, blocking, distance, stack, far)
            fine = True
            for k in range(n_objects):
                fine = fine and far[k] >= 2
            if not fine:
                continue
            if ranked:
                for a in range(1, n_objects):  # insertion sort
                    b = a
                    while b and far[b] < far[b - 1]:
                        far[b], far[b - 1] = far[b - 1], far[b]
                        spots[b], spots[b - 1] = spots[b - 1], spots[b]
                        b -= 1
                if far[n_objects - 1] - far[0] < gap:
                    continue
            start[i, 0] = free[0] // width
            start[i, 1] = free[0] % width
            found = True
            break
        if not found:
            return i
        for k in range(UNIFORMS):
            uniforms[i, k] = next_below(random, 1 << 24) / (1 << 24)
    return -1
