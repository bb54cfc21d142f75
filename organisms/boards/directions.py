"""The four moves of every world of squares, in the order of the agents' actions."""

from __future__ import annotations

import numpy as np

ACTION_NAMES = ("up", "down", "left", "right")
"""The moves by name: the order of the released Sokoban agents' actions."""

STEP_Y = np.array([-1, 1, 0, 0], np.int64)
STEP_X = np.array([0, 0, -1, 1], np.int64)
"""Rows and columns each move goes (y grows downwards)."""

for _constant in (STEP_Y, STEP_X):
    _constant.setflags(write=False)


def moves() -> dict[str, tuple[int, int]]:
    """Return the four moves: name → (rows down, columns right)."""
    steps = zip(ACTION_NAMES, STEP_Y, STEP_X, strict=True)
    return {name: (int(y), int(x)) for name, y, x in steps}
