"""One variable of a run: its dims, its shape, its dtype and its padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


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
        NumPy dtype (no strings).
    fill
        The value of padding: NaN for floats, −1 for signed integers, the largest value for
        unsigned ones, False for booleans.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    fill: Any

    @classmethod
    def of(cls, dims: tuple[str, ...], shape: tuple[int, ...], dtype: Any) -> Variable:
        """Return a variable with the padding that its dtype implies."""
        return cls(("episode", "step", *dims), tuple(shape), np.dtype(dtype), padding(dtype))


def padding(dtype: Any) -> Any:
    """Return the value that padding of a dtype has: NaN, −1, 255 … or False."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return float("nan")
    if dtype.kind == "b":
        return False
    return -1 if dtype.kind == "i" else int(np.iinfo(dtype).max)
