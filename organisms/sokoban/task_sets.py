"""Levels by the name of their set, from a file, or written out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.sokoban import boxoban
from organisms.sokoban.generator import generate
from organisms.sokoban.levels import Levels, parse_levels, read_levels

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
    if n is not None:
        check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    if isinstance(split, Levels):
        return _first(split, n, "the levels given")
    if isinstance(split, list | tuple) and all(isinstance(text, str) for text in split):
        return _first(parse_levels("\n\n".join(split)), n, "the texts")
    if isinstance(split, bytes) or not isinstance(split, str | os.PathLike):
        raise InputError(
            f"Levels are given by the name of a split, a file, texts or Levels, not {split!r:.80}."
        )
    name = os.fspath(split)
    if name in GENERATED:
        if n is None:
            raise InputError(f"The generator has no end: say how many {name!r} levels (n=…).")
        return generate(n, size=size, n_boxes=n_boxes, seed=seed, split=name)
    if name in boxoban.names():
        return boxoban.load_boxoban(name, n, seed)
    if "\n" not in name and Path(name).is_file():
        return _first(read_levels(name), n, name)
    if isinstance(split, str) and ("\n" in name or "#" in name):
        return _first(parse_levels(name), n, "the text")
    raise UnknownNameError("split or level file", name, split_names())


def _first(levels: Levels, n: int | None, where: str) -> Levels:
    if n is not None and n > len(levels):
        raise InputError(f"{n} levels were asked for; {where} has {len(levels)}.")
    return levels[:n]
