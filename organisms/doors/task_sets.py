"""Mazes by the name of their distribution, from a file, or written out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.doors.distributions import DISTRIBUTIONS
from organisms.doors.generator import generate
from organisms.doors.mazes import Mazes
from organisms.doors.text import parse_mazes, read_mazes

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
    if n is not None:
        check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    if isinstance(split, Mazes):
        return _first(split, n, "the mazes given")
    if isinstance(split, list | tuple) and all(isinstance(text, str) for text in split):
        return _first(parse_mazes("\n\n".join(split)), n, "the texts")
    if isinstance(split, bytes) or not isinstance(split, str | os.PathLike):
        raise InputError(
            f"Mazes are given by the name of a split, a file, texts or Mazes, not {split!r:.80}."
        )
    name = os.fspath(split)
    if name in split_names():
        if n is None:
            raise InputError(f"The generator has no end: say how many {name!r} mazes (n=…).")
        distribution, walls = (training, name) if name in GENERATED else (name, "test")
        return generate(distribution, n, size=size, correlation=correlation, seed=seed, split=walls)
    if "\n" not in name and Path(name).is_file():
        return _first(read_mazes(name), n, name)
    if isinstance(split, str) and "\n" in name:
        return _first(parse_mazes(name), n, "the text")
    raise UnknownNameError("split or maze file", name, split_names())


def _first(mazes: Mazes, n: int | None, where: str) -> Mazes:
    if n is not None and n > len(mazes):
        raise InputError(f"{n} mazes were asked for; {where} has {len(mazes)}.")
    return mazes[:n]
