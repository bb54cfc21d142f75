"""Random mazes whose objects can be reached, by construction."""

from __future__ import annotations

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.families.doors._carving import ATTEMPTS, UNIFORMS, fill
from organisms.families.doors.distributions import DISTRIBUTIONS, GAP, Draw
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import code_of

SPLITS = ("train", "test")
"""Walls belong to exactly one, by a hash that rotations and mirror images share: one in ten is test."""


def generate(
    distribution: str,
    n: int,
    *,
    size: tuple[int, int] = (9, 9),
    correlation: float = 1.0,
    loops: float = 0.3,
    seed: int = 0,
    split: str | None = None,
    start: int = 0,
) -> Mazes:
    """Draw mazes of a named distribution.

    Maze ``i`` depends on the options and on ``i`` alone: any part of a set comes out the same. All
    free squares are connected, every object is at least two moves from the start, and where objects
    end the episode each can be reached without touching another.

    Parameters
    ----------
    distribution
        A name among `organisms.families.doors.distributions.DISTRIBUTIONS`.
    n
        How many mazes.
    size
        Rows and columns, the outer wall included. Corridors run along odd rows and columns, so an
        even side has a double wall.
    correlation
        From 0 to 1, for training distributions: the share of mazes in which goal and proxy coincide
        (the door is red and nothing else is; the cheese is in the corner; keys are scarce). In the
        others colours are independent, the cheese is elsewhere, keys are plenty.
    loops
        Share of the inner walls between two squares of corridor that are opened: 0 for a tree.
    seed
        An int from 0; other seeds give other mazes.
    split
        ``"train"`` or ``"test"``: the walls of one never occur in the other. Both if left out.
    start
        The index of the first maze.

    Returns
    -------
    Mazes
        With ids like ``doors-training-9x9-c0.98-s0-train/12``.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such distribution or split, a number is out of range, or the objects do not
        fit the board.

    Examples
    --------
    >>> generate("doors-two-doors", 2, size=(7, 7)).ids
    ['doors-two-doors-7x7-s0/0', 'doors-two-doors-7x7-s0/1']
    """
    if distribution not in DISTRIBUTIONS:
        raise UnknownNameError("distribution of mazes", distribution, DISTRIBUTIONS)
    if split is not None and split not in SPLITS:
        raise UnknownNameError("split of generated mazes", split, SPLITS)
    for name, value in (("n", n), ("seed", seed), ("start", start)):
        check_integer(name, value, 0)
    for name, value in (("correlation", correlation), ("loops", loops)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} lies between 0 and 1; got {value!r}.")
    height, width = size
    if min(size) < 5 or max(size) > 101:
        raise InputError(f"Mazes have 5 to 101 rows and columns; got {height} by {width}.")
    about = DISTRIBUTIONS[distribution]
    corner = about.corner
    if about.game == "corner" and corner is None:
        corner = correlation
    walls = np.empty((n, height, width), bool)
    starts = np.empty((n, 2), np.int64)
    squares = np.empty((n, about.n_objects), np.int64)
    uniforms = np.empty((n, UNIFORMS))
    missing = fill(
        np.arange(start, start + n),
        np.uint64(seed),
        -1 if split is None else SPLITS.index(split),
        round(1000 * loops),
        about.game != "chests",
        -1 if corner is None else round(1000 * corner),
        about.ranked,
        GAP,
        walls,
        starts,
        squares,
        uniforms,
    )
    if missing >= 0:
        raise InputError(
            f"No maze {start + missing} of {distribution!r} was found in {ATTEMPTS} boards of "
            f"{height} by {width}; use a larger board or more loops."
        )
    objects = np.zeros((n, height * width), np.uint8)
    for k, (kind, colour) in enumerate(about.things(Draw(uniforms, correlation))):
        objects[np.arange(n), squares[:, k]] = code_of(kind, colour)
    dial = f"-c{correlation:g}" if about.training else ""
    name = f"{distribution}-{height}x{width}{dial}-s{seed}" + (f"-{split}" if split else "")
    return Mazes(
        walls,
        objects.reshape(walls.shape),
        starts,
        about.game,
        [f"{name}/{index}" for index in range(start, start + n)],
    )
