"""Boards of different sizes in one array: smaller ones in the top left corner, the rest filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

import numpy as np

from interp.errors import InputError

T = TypeVar("T")


class BoardSequence(Sequence[T]):
    """Boards of one kind, each under a unique name. Slices and index arrays give the same class.

    A family's class says what it holds. Its ``__init__`` takes all of it by name and calls `_name`.

    Attributes
    ----------
    NOUN : str
        What one is called in messages.
    ARRAYS : Mapping
        Names of the arrays with one entry a board, the board first → what they hold beyond the edges of
        a smaller board; None for those that are no boards.
    LISTS : tuple of str
        Names of the lists with one entry a board.
    SHARED : tuple of str
        Names of what all boards have in common.
    ids : list of str
        A unique name for each board.
    shapes : numpy.ndarray
        Rows and columns of each, dims ``(board, 2)``.
    """

    NOUN = "board"
    ARRAYS: Mapping[str, Any]
    LISTS: tuple[str, ...] = ("ids",)
    SHARED: tuple[str, ...] = ()
    ids: list[str]
    shapes: np.ndarray

    def _name(self, ids: Iterable[str], shapes: Any, boards: np.ndarray, dtype: type) -> None:
        """Set ``ids``, and ``shapes`` to those given or, if None, all of the array's size."""
        self.ids, n = list(ids), len(boards)
        shapes = np.tile(boards.shape[1:], n) if shapes is None else shapes
        self.shapes = np.array(shapes, dtype).reshape(n, 2)
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise InputError(
                f"{self.NOUN.capitalize()} ids must be unique; {twice!r} occurs more than once."
            )

    def _one(self, index: int, board: tuple[slice, slice]) -> T:
        """Return a single board, the part of its array that is `board`."""
        raise NotImplementedError

    @property
    def texts(self) -> list[str]:
        """Each of them written out."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Self: ...
    def __getitem__(self, index):
        if isinstance(index, int | np.integer):
            height, width = self.shapes[index]
            return self._one(int(index), (slice(0, height), slice(0, width)))
        if not isinstance(index, slice):
            index = np.arange(len(self))[np.asarray(index)]
        return type(self)(
            **{name: getattr(self, name)[index] for name in self.ARRAYS},
            **{name: _picked(getattr(self, name), index) for name in self.LISTS},
            **{name: getattr(self, name) for name in self.SHARED},
        )

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def join(cls, parts: Iterable[Self]) -> Self:
        """Put sequences one after the other.

        Raises
        ------
        InputError
            If there are none, or they have not in common what all their boards must.
        """
        parts = list(parts)
        cls._some(parts)
        shared = {name: sorted({getattr(part, name) for part in parts}) for name in cls.SHARED}
        for name, values in shared.items():
            if len(values) > 1:
                raise InputError(f"{cls.__name__} are of one {name}; got {', '.join(values)}.")
        board = next(iter(cls.ARRAYS))
        size = np.max([getattr(part, board).shape[1:] for part in parts], axis=0)
        arrays = {
            name: np.concatenate([grown(getattr(part, name), size, fill) for part in parts])
            for name, fill in cls.ARRAYS.items()
        }
        lists = {name: [v for part in parts for v in getattr(part, name)] for name in cls.LISTS}
        return cls(**arrays, **lists, **{name: values[0] for name, values in shared.items()})

    @classmethod
    def _some(cls, given: Sequence[Any]) -> None:
        if not given:
            raise InputError(f"{cls.__name__} need at least one {cls.NOUN}.")

    def __add__(self, other: Self) -> Self:
        return self.join([self, other])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self.ids, self.texts) == (other.ids, other.texts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = ", ".join(self.ids[:3]) + (", …" if len(self) > 3 else "")
        of = "".join(f" of {getattr(self, name)!r}," for name in self.SHARED) or " of"
        height, width = getattr(self, next(iter(self.ARRAYS))).shape[1:]
        return f"{type(self).__name__}({len(self)}{of} up to {height}x{width}: {names})"


def _picked(values: list[str], index: slice | np.ndarray) -> list[str]:
    return values[index] if isinstance(index, slice) else [values[place] for place in index]


def grown(boards: np.ndarray, size: Sequence[int] | np.ndarray, fill: Any) -> np.ndarray:
    """Return boards, dims ``(task, y, x)``, with rows below and columns at the right added.

    Parameters
    ----------
    size
        Rows and columns to have, no fewer than there are.
    fill
        What the new squares hold; None where the array is no board: it is returned as it is.
    """
    if fill is None:
        return boards
    more = [(0, wanted - there) for there, wanted in zip(boards.shape[1:], size, strict=True)]
    return np.pad(boards, [(0, 0), *more], constant_values=fill)


def gathered(boards: Sequence[np.ndarray], fill: Any) -> np.ndarray:
    """Return boards, dims ``(y, x)`` each and of one dtype, as one array ``(task, y, x)``."""
    size = np.max([board.shape for board in boards], axis=0)
    out = np.full((len(boards), *size), fill, boards[0].dtype)
    for index, board in enumerate(boards):
        out[index, : board.shape[0], : board.shape[1]] = board
    return out
