"""One variable of a run: its dims, its shape, its dtype and its padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from interp.errors import InputError

Role: TypeAlias = Literal["observation", "action", "reward", "output", "done", "fact", "site"]


@dataclass(frozen=True)
class Variable:
    """One variable with the dims ``(episode, step, *feature dims)``.

    Parameters
    ----------
    dims
        All dims, ``("episode", "step")`` first.
    shape
        Sizes of the dims after these two.
    dtype
        NumPy dtype of numbers (no strings).
    fill
        The value of padding: NaN for floats, −1 for signed integers, the largest value for
        unsigned ones, False for booleans.
    role
        What it is in a run.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    fill: Any
    role: Role = "site"

    @classmethod
    def of(
        cls, dims: tuple[str, ...], shape: tuple[int, ...], dtype: Any, role: Role = "site"
    ) -> Variable:
        """Return a variable with the padding that its dtype implies."""
        dims, dtype = ("episode", "step", *dims), np.dtype(dtype).newbyteorder("=")
        return cls(dims, tuple(shape), dtype, padding(dtype), role)

    @property
    def may_be_nan(self) -> bool:
        """Whether NaN and infinity may stand where something was recorded: facts that a world lacks."""
        return self.role in ("fact", "action")


def padding(dtype: Any) -> Any:
    """Return the value that padding of a dtype has: NaN, −1, 255 … or False.

    Raises
    ------
    InputError
        If it is no dtype of numbers.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return float("nan")
    if dtype.kind == "b":
        return False
    if dtype.kind not in "iu":
        raise InputError(
            f"The variables of a run are numbers; there is no room for {dtype} (text belongs into the "
            "tasks' `texts`, categories into integers)."
        )
    return -1 if dtype.kind == "i" else int(np.iinfo(dtype).max)


def exactly(values: Any, dtype: Any, name: str) -> np.ndarray:
    """Return values in another dtype, to the bit.

    Raises
    ------
    InputError
        If a value would change.

    Examples
    --------
    >>> exactly(np.array([3.0, 255.0]), "uint8", "observation")
    array([  3, 255], dtype=uint8)
    """
    values, dtype = np.asarray(values), np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.dtype.kind not in "buif":
        padding(values.dtype)  # refuses
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
        # Both ways: −1 as uint64 comes back as −1, and 2⁵³ + 1 compares equal to its float64.
        same = (cast == values) & (cast.astype(values.dtype) == values)
    same |= (cast != cast) & (values != values)
    if not same.all():
        bad = values[~same].ravel()[0]
        raise InputError(
            f"{name} holds {bad} ({values.dtype}), which {dtype} cannot hold to the bit; store it as "
            f"it is (its dtype is {values.dtype})."
        )
    return cast
