"""Shortest ways through mazes, many mazes at once."""

from __future__ import annotations

import numpy as np

from organisms.boards.directions import STEP_X, STEP_Y

FAR = np.int32(2**20)
"""The distance of what cannot be reached."""


def distances(passable: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return how many moves each square is from the nearest target.

    Parameters
    ----------
    passable
        Squares that may be walked through, bool, dims ``(batch, y, x)``; none on the border.
    targets
        Where the ways end, bool, dims ``(batch, y, x)``; a target need not be passable.

    Returns
    -------
    numpy.ndarray
        int32, dims ``(batch, y, x)``; `FAR` where there is no way, and on squares that are neither
        passable nor targets.

    Examples
    --------
    >>> passable = np.zeros((1, 3, 5), bool)
    >>> passable[0, 1, 1:4] = True
    >>> target = np.zeros_like(passable)
    >>> target[0, 1, 3] = True
    >>> distances(passable, target)[0, 1, 1:4].tolist()
    [2, 1, 0]
    """
    padded = np.full(np.add(passable.shape, (0, 2, 2)), FAR, np.int32)
    found, around = padded[:, 1:-1, 1:-1], _around(padded)
    found[targets] = 0
    for distance in range(1, passable[0].size + 1 if len(passable) else 0):
        near = np.logical_or.reduce([values == distance - 1 for values in around])
        near &= passable & (found == FAR)
        if not near.any():
            break
        found[near] = distance
    return found.copy()


def beside(squares: np.ndarray) -> np.ndarray:
    """Mark the squares with a neighbour among `squares`, bool, dims ``(batch, y, x)``."""
    return np.logical_or.reduce(_around(np.pad(squares, ((0, 0), (1, 1), (1, 1)))))


def _around(padded: np.ndarray) -> list[np.ndarray]:
    """Return views of what lies above, below, left and right of every square."""
    return [padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]]


def neighbour_values(values: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the values of the four squares around `position`, dims ``(batch, action)``."""
    rows = np.arange(len(values))[:, None]
    return values[rows, position[:, :1] + STEP_Y, position[:, 1:] + STEP_X]


def corners(walls: np.ndarray) -> np.ndarray:
    """Return the free square nearest to the top right of each maze, dims ``(batch, 2)``.

    Of several as near (in rows plus columns) the topmost.
    """
    n, height, width = walls.shape
    y, x = np.mgrid[:height, :width]
    cost = (y + (width - 1 - x)) * height + y
    at = np.where(walls, height * (height + width) * 2, cost).reshape(n, -1).argmin(axis=1)
    return np.stack(np.divmod(at, width), axis=1).astype(np.int64)
