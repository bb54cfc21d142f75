"""How tasks of any family are chosen: by name, from a file, or written out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from interp.errors import EndlessError, InputError, UnknownNameError, check_integer

T = TypeVar("T")


class TaskSource(NamedTuple, Generic[T]):
    """Where a family's tasks come from."""

    kind: type[T]
    """The class of tasks; called by the same name in messages."""
    noun: str
    """What one task is called."""
    names: Sequence[str]
    """Of the sets."""
    named: Callable[[str], T]
    """From a name among `names` to tasks."""
    parse: Callable[[str], T]
    """From text to tasks."""
    read: Callable[[str], T]
    """From a file to tasks."""
    marks: Sequence[str] = ("\n",)
    """A string with one of these in it is text, and no misspelt name."""


def choose_tasks(split: Any, n: int | None, seed: int, source: TaskSource[T]) -> T:
    """Return the tasks that `split` means.

    Parameters
    ----------
    split
        A name, the path of a file, the text of tasks or a list of such texts, or tasks themselves. A
        name wins over a file that is called the same, a file over text.
    n
        How many; all there are if left out. Named sets get it through `source.named`.
    seed
        Checked; it is for named sets.
    source
        The family's.

    Raises
    ------
    UnknownNameError
        If it is no name, no file and no text of tasks.
    InputError
        If there are fewer tasks than asked for, or an argument is of a wrong kind.
    LevelError
        If a task is malformed.
    """
    if n is not None:
        check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    noun, kind = source.noun, source.kind
    if isinstance(split, kind):
        return _first(split, n, "what was given", noun)
    if isinstance(split, list | tuple) and all(isinstance(text, str) for text in split):
        return _first(source.parse("\n\n".join(split)), n, "the list", noun)
    if isinstance(split, bytes) or not isinstance(split, str | os.PathLike):
        raise InputError(
            f"{noun.capitalize()}s are given by the name of a split, a file, texts or {kind.__name__}, "
            f"not {split!r:.80}."
        )
    name = os.fspath(split)
    if name in source.names:
        return source.named(name)
    if "\n" not in name and Path(name).is_file():
        return _first(source.read(name), n, name, noun)
    if isinstance(split, str) and any(mark in name for mark in source.marks):
        return _first(source.parse(name), n, "the text", noun)
    raise UnknownNameError(f"split or {noun} file", name, source.names)


def endless(name: str, n: int | None, noun: str) -> int:
    """Return `n`, which a generator needs to be told.

    Raises
    ------
    EndlessError
        If it is None.
    """
    if n is None:
        raise EndlessError(f"The generator has no end: say how many {name!r} {noun}s (n=…).")
    return n


def _first(tasks: Any, n: int | None, where: str, noun: str) -> Any:
    if n is not None and n > len(tasks):
        raise InputError(f"{n} {noun}s were asked for; {where} has {len(tasks)}.")
    return tasks[:n]
