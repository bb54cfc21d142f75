"""What the generators of all families draw with: random numbers in compiled loops, and which rooms
are for tests.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TEST_SHARE = 10
"""One room in this many is a test room, by its `room_hash`."""


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


@njit(cache=True)
def room_hash(walls):  # pragma: no cover - compiled
    """Hash a wall mask so that its eight mirror images and rotations have the same hash."""
    height, width = walls.shape
    smallest = ~np.uint64(0)
    for symmetry in range(8):
        transpose = symmetry >= 4
        rows, columns = (width, height) if transpose else (height, width)
        value = mix(np.uint64(rows * 65536 + columns))
        word, bits = np.uint64(0), 0
        for i in range(rows):
            for j in range(columns):
                y, x = (j, i) if transpose else (i, j)
                if symmetry & 1:
                    y = height - 1 - y
                if symmetry & 2:
                    x = width - 1 - x
                word = (word << np.uint64(1)) | np.uint64(walls[y, x])
                bits += 1
                if bits == 64:
                    value = mix(value ^ word) + np.uint64(1)
                    word, bits = np.uint64(0), 0
        value = mix(value ^ word)
        smallest = min(smallest, value)
    return smallest
