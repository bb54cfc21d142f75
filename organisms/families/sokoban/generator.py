"""Random levels that can be solved by construction.

A room is carved by a random walk inside an outer wall, targets are strewn in it with a box on
each, and the game is played backwards: boxes are *pulled* off their targets, far away and in
turns. Pushing them back along the same way solves the level. (The recipe of Racanière et al.
2017, *Imagination-Augmented Agents*; the details are our own.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.boards.random_rooms import TEST_SHARE, room_hash
from organisms.families.sokoban._construction import ATTEMPTS, MAX_PULLS, fill
from organisms.families.sokoban.levels import Levels

SPLITS = ("train", "test")
"""A room belongs to exactly one: see `room_split`."""


class Construction(NamedTuple):
    """How the levels were made: pulls from the solved state, in the order they were made."""

    box: np.ndarray
    """Row and column of the pulled box before the pull, dims ``(level, pull, 2)``, int16."""
    direction: np.ndarray
    """The move of the pull, dims ``(level, pull)``, int8; −1 beyond the last."""


def room_split(walls: np.ndarray) -> str:
    """Say which split a room is of: ``"test"`` for one room in ten, by a hash of its walls.

    Rotating or mirroring a room does not change its split, so that no test level, nor a mirror
    image of one, is ever a training level.

    Parameters
    ----------
    walls
        bool, dims ``(y, x)``.

    Examples
    --------
    >>> walls = np.pad(np.eye(4, dtype=bool), 1, constant_values=True)
    >>> room_split(walls) == room_split(np.rot90(walls)) == room_split(walls.T)
    True
    """
    walls = np.ascontiguousarray(np.asarray(walls, bool))
    return "test" if int(room_hash(walls)) % TEST_SHARE == 0 else "train"


def generate(
    n: int,
    *,
    size: tuple[int, int] = (10, 10),
    n_boxes: int = 4,
    seed: int = 0,
    split: str | None = None,
    start: int = 0,
) -> Levels:
    """Generate levels that can be solved.

    Level ``i`` depends on the options and on ``i`` alone: any part of a set comes out the same. No
    box starts on a target, and all floor is connected.

    Parameters
    ----------
    n
        How many levels.
    size
        Rows and columns, the outer wall included.
    n_boxes
        Boxes and targets.
    seed
        An int from 0; other seeds give other levels.
    split
        ``"train"`` or ``"test"``: the walls of the rooms of one never occur in the other, not
        even mirrored or rotated (`room_split`). Rooms of both if left out.
    start
        The index of the first level.

    Returns
    -------
    Levels
        With ids like ``generated-10x10-b4-s0/12`` (``generated-10x10-b4-s0-test/12`` of a split).

    Raises
    ------
    InputError
        If the boxes do not fit, or no level could be found in many attempts.

    Examples
    --------
    >>> generate(2, size=(7, 8), n_boxes=1).ids
    ['generated-7x8-b1-s0/0', 'generated-7x8-b1-s0/1']
    """
    tiles, ids = _make(n, size, n_boxes, seed, split, start, *_no_pulls(1))
    return Levels(tiles, ids)


def construct(
    n: int,
    *,
    size: tuple[int, int] = (10, 10),
    n_boxes: int = 4,
    seed: int = 0,
    split: str | None = None,
    start: int = 0,
) -> tuple[Levels, Construction]:
    """Do what `generate` does, and say how each level was made (which is a way to solve it)."""
    pull_from, pull_direction = _no_pulls(max(int(n), 1))
    tiles, ids = _make(n, size, n_boxes, seed, split, start, pull_from, pull_direction)
    box = np.stack(np.divmod(pull_from, size[1]), axis=-1).astype(np.int16)
    return Levels(tiles, ids), Construction(box[: len(ids)], pull_direction[: len(ids)])


def _no_pulls(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((n, MAX_PULLS), np.int64), np.full((n, MAX_PULLS), -1, np.int8)


def _make(
    n: int,
    size: tuple[int, int],
    n_boxes: int,
    seed: int,
    split: str | None,
    start: int,
    pull_from: np.ndarray,
    pull_direction: np.ndarray,
) -> tuple[np.ndarray, list[str]]:
    height, width = (int(side) for side in size)
    n, n_boxes, start, seed = int(n), int(n_boxes), int(start), int(seed)
    if n < 0 or start < 0 or seed < 0:
        raise InputError(f"n, start and seed are at least 0; got {n}, {start} and {seed}.")
    if split is not None and split not in SPLITS:
        raise UnknownNameError("split of generated levels", split, SPLITS)
    inside = (height - 2) * (width - 2)
    if min(height, width) < 3 or max(height, width) > 1000 or n_boxes < 1:
        raise InputError(
            f"Levels need 3 to 1000 rows and columns, and a box; got size {size}, {n_boxes} boxes."
        )
    if 2 * n_boxes + 1 > inside:
        raise InputError(
            f"{n_boxes} boxes do not fit {height}x{width}: boxes, targets and the player need "
            f"{2 * n_boxes + 1} squares, and there are {inside} inside the outer wall."
        )
    indices = np.arange(start, start + n, dtype=np.int64)
    part = -1 if split is None else SPLITS.index(split)
    tiles = np.empty((n, height, width), np.uint8)
    missing = fill(
        indices, n_boxes, np.uint64(seed % 2**64), part, tiles, pull_from, pull_direction
    )
    if missing >= 0:
        raise InputError(
            f"No {split + ' ' if split else ''}level {start + missing} of {height}x{width} with "
            f"{n_boxes} boxes was found in {ATTEMPTS} attempts; use a larger board or fewer boxes."
        )
    name = f"generated-{height}x{width}-b{n_boxes}-s{seed}" + (f"-{split}" if split else "")
    return tiles, [f"{name}/{index}" for index in range(start, start + n)]
