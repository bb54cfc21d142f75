"""Mazes by the name of their distribution, from a file, or written out."""

from __future__ import annotations

import os
from collections.abc import Iterable

from organisms.boards.task_choice import TaskSource, choose_tasks, endless
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.generator import generate
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.text import parse_mazes, read_mazes

GENERATED = ("train", "test")


def split_names() -> list[str]:
    """Return the names that `find_mazes` takes."""
    return [*GENERATED, *DISTRIBUTIONS]


def find_mazes(
    split: str | os.PathLike | Mazes | Iterable[str],
    n: int | None = None,
    seed: int = 0,
    *,
    training: str = "doors-training",
    size: tuple[int, int] = (9, 9),
    correlation: float = 1.0,
) -> Mazes:
    r"""Return mazes.

    Parameters
    ----------
    split
        ``"train"`` or ``"test"`` of the training distribution (no walls of one occur in the other),
        the name of a distribution (with the walls of ``"test"``), the path of a maze file, the text
        of mazes or a list of such texts, or mazes themselves.
    n
        How many; all of a file if left out, needed for generated mazes.
    seed
        Of the generator.
    training, size, correlation
        The training distribution, and of generated mazes: rows and columns, and the dial.

    Raises
    ------
    UnknownNameError
        If it is no name, no file and no text of mazes.
    InputError
        If there are fewer mazes than asked for, or an argument is of a wrong kind.
    LevelError
        If a maze is malformed.

    Examples
    --------
    >>> find_mazes("doors-two-doors", 1).ids
    ['doors-two-doors-9x9-s0-test/0']
    """

    def named(name: str) -> Mazes:
        count = endless(name, n, "maze")
        distribution, walls = (training, name) if name in GENERATED else (name, "test")
        return generate(
            distribution, count, size=size, correlation=correlation, seed=seed, split=walls
        )

    source = TaskSource(Mazes, "maze", split_names(), named, parse_mazes, read_mazes)
    return choose_tasks(split, n, seed, source)
