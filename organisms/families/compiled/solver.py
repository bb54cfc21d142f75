"""The shortest ways, solved: what the organisms compute, by a program that shares nothing with them."""

from __future__ import annotations

import numpy as np

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.doors.paths import FAR, distances


def descents(passable: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the move that the shortest way from each square begins with.

    Parameters
    ----------
    passable, targets
        As in `organisms.families.doors.paths.distances`.

    Returns
    -------
    numpy.ndarray
        (batch, y, x) int8; of several moves the first; −1 on targets and where there is no way.
    """
    distance = distances(passable, targets)
    around = np.pad(distance, ((0, 0), (1, 1), (1, 1)), constant_values=FAR)
    height, width = distance.shape[1:]
    found = np.full(distance.shape, -1, np.int8)
    for move in range(len(STEP_Y))[::-1]:
        y, x = 1 + STEP_Y[move], 1 + STEP_X[move]
        next_to = around[:, y : y + height, x : x + width]
        found[(distance > 0) & (distance < FAR) & (next_to == distance - 1)] = move
    return found


def ways(descent: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Mark the way from where the agent is.

    Parameters
    ----------
    descent
        Of `descents`.
    start
        (batch, 2) row and column.

    Returns
    -------
    numpy.ndarray
        (batch, y, x) int8: 1 + the move that enters the square, 0 off the way.
    """
    marks = np.zeros(descent.shape, np.int8)
    rows, at = np.arange(len(descent)), np.array(start, np.int64)
    while len(rows):
        move = descent[rows, at[:, 0], at[:, 1]]
        rows, at, move = rows[move >= 0], at[move >= 0], move[move >= 0]
        at = at + np.stack([STEP_Y[move], STEP_X[move]], axis=1)
        marks[rows, at[:, 0], at[:, 1]] = move + 1
    return marks
