"""Observations, one array or several by name: rows of them, tensors of them, in the right units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from interp.contract import ArraySpace, Spaces, check_is_array, observation_spaces
from interp.errors import InputError
from interp.runs.variables import padding


def by_variable(observation: Any) -> dict[str, Any]:
    """Return the arrays of an observation by the names of their variables in a run."""
    if isinstance(observation, Mapping):
        return {f"observation.{name}": array for name, array in observation.items()}
    return {"observation": observation}


def from_variables(variables: Mapping[str, Any]) -> Any:
    """Return what `by_variable` was given."""
    if set(variables) == {"observation"}:
        return variables["observation"]
    return {name.removeprefix("observation."): array for name, array in variables.items()}


def rows_of(observation: Any, rows: np.ndarray) -> Any:
    """Return some rows of a batch of observations."""
    if isinstance(observation, Mapping):
        return {name: np.asarray(array)[rows] for name, array in observation.items()}
    return np.asarray(observation)[rows]


def batch_size_of(observation: Any) -> int:
    """Return how many rows a batch of observations has."""
    return len(next(iter(by_variable(observation).values())))


def as_tensors(observation: Any, device: torch.device) -> Any:
    """Return observations (batch, …) as tensors (1, batch, …) of the same dtype."""
    if isinstance(observation, Mapping):
        return {name: as_tensors(array, device) for name, array in observation.items()}
    return tensor_of(observation)[None].to(device)


def tensor_of(array: np.ndarray) -> torch.Tensor:
    """Return an array as a tensor, whatever its byte order."""
    return torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def check_observation(spaces: Spaces, observation: Any) -> None:
    """Raise InputError unless a batch of observations is what the spaces say."""
    parts = observation if isinstance(observation, Mapping) else {"observation": observation}
    for name, array in parts.items():
        check_is_array(name, array)
    shown, declared = by_variable(observation), observation_spaces(spaces)
    if set(shown) != set(declared):
        raise InputError(
            f"The world shows {', '.join(shown)}, and says that it shows {', '.join(declared)}."
        )
    for name, array in shown.items():
        array = np.asarray(array)
        padding(array.dtype)  # refuses text
        if array.shape[1:] != tuple(declared[name].shape):
            raise InputError(
                f"The world shows {name!r} of the shape {array.shape[1:]}, and says that it has "
                f"{tuple(declared[name].shape)}."
            )


def check_units(observation: Any, space: Any) -> None:
    """Raise InputError if floats are given where the network takes whole numbers, and are none.

    Parameters
    ----------
    observation
        One array or tensor, or several by name.
    space
        What the network takes: an `ArraySpace`, several by name, or None if nobody knows.
    """
    if isinstance(observation, Mapping) and isinstance(space, Mapping):
        for name, array in observation.items():
            check_units(array, space.get(name))
    if not isinstance(space, ArraySpace) or isinstance(observation, Mapping):
        return
    dtype = np.dtype(space.dtype)
    if dtype.kind not in "iu":
        return
    values = torch.as_tensor(observation)
    values = values[values != padding(dtype)]  # steps after an episode's end, in its run
    if not values.numel():
        return
    info = np.iinfo(dtype)
    low = info.min if space.low is None else float(np.min(space.low))
    high = info.max if space.high is None else float(np.max(space.high))
    least, largest = values.min().item(), values.max().item()
    whole = not values.is_floating_point() or bool((values == values.round()).all())
    if whole and low <= least and largest <= high:
        return
    what = f"between {least:g} and {largest:g}" + ("" if whole else ", and no whole numbers")
    hint = f" Multiply them by {high:g}." if not whole and 0 <= least and largest <= 1 else ""
    raise InputError(
        f"The network takes observations in the units of its world, whole numbers from {low:g} to "
        f"{high:g}; these are {what}.{hint}"
    )
