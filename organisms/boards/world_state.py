"""Taking a vectorised world's state out of it, and back in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import InputError


def copied_state(world: Any, attributes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return copies of a world's arrays, by the names of the attributes without leading ``_``."""
    return {name.lstrip("_"): getattr(world, name).copy() for name in attributes}


def checked_state(
    world: Any, attributes: Sequence[str], state: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the arrays of a state by the attributes they belong to.

    Raises
    ------
    InputError
        If `state` has other names than `copied_state` gives, or an array of another shape or dtype than
        the world's.
    """
    names = {name.lstrip("_"): name for name in attributes}
    if set(state) != set(names):
        raise InputError(f"A state has {sorted(names)}; got {sorted(state)}.")
    arrays = {name: np.asarray(state[key]) for key, name in names.items()}
    for key, name in names.items():
        given, mine = arrays[name], getattr(world, name)
        if given.shape != mine.shape or given.dtype != mine.dtype:
            raise InputError(
                f"{key} is {mine.dtype} of shape {mine.shape} in this world; got "
                f"{given.dtype} of shape {given.shape}."
            )
    return arrays
