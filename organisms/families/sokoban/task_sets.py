"""Levels by the name of their set, from a file, or written out."""

from __future__ import annotations

import os
from collections.abc import Iterable

from organisms.boards.task_choice import TaskSource, choose_tasks, endless
from organisms.families.sokoban import boxoban
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Levels, parse_levels, read_levels

GENERATED = ("train", "test")


def split_names() -> list[str]:
    """Return the names that `find_levels` takes."""
    return [*GENERATED, *boxoban.names()]


def find_levels(
    split: str | os.PathLike | Levels | Iterable[str],
    n: int | None = None,
    seed: int = 0,
    *,
    size: tuple[int, int] = (10, 10),
    n_boxes: int = 2,
) -> Levels:
    r"""Return levels.

    Parameters
    ----------
    split
        ``"train"`` or ``"test"`` of our own generator (no room of one occurs in the other), the
        name of a Boxoban set (``"boxoban-medium-valid"``), the path of a level file, the text of
        levels or a list of such texts, or levels themselves.
    n
        How many; all of a file or a published set if left out, needed for generated levels.
    seed
        Of the generator; for published sets 0 keeps the published order, others draw at random.
    size, n_boxes
        Of generated levels: rows and columns with the outer wall, and boxes.

    Raises
    ------
    UnknownNameError
        If it is no name, no file and no level text.
    InputError
        If there are fewer levels than asked for, or an argument is of a wrong kind.
    LevelError
        If a level is malformed.

    Examples
    --------
    >>> find_levels("#####\n#@$.#\n#####").texts
    ['#####\n#@$.#\n#####']
    """

    def named(name: str) -> Levels:
        if name in GENERATED:
            count = endless(name, n, "level")
            return generate(count, size=size, n_boxes=n_boxes, seed=seed, split=name)
        return boxoban.load_boxoban(name, n, seed)

    source = TaskSource(
        Levels, "level", split_names(), named, parse_levels, read_levels, ("\n", "#")
    )
    return choose_tasks(split, n, seed, source)
