"""Gymnasium's spaces in the words of the contract; observations as arrays, and actions as taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from interp.contract import Action, ArraySpace, Discrete, MultiDiscrete
from interp.errors import InputError, UnknownNameError

Dims = tuple[str, ...] | Mapping[str, tuple[str, ...]] | None


def observation_arrays(observation: Any, space: gymnasium.Space) -> dict[str, np.ndarray]:
    """Return an observation as arrays by name, ``""`` for one alone; nested names have dots."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        found: dict[str, np.ndarray] = {}
        for key, inner in parts:
            for name, array in observation_arrays(observation[key], inner).items():
                found[f"{key}.{name}" if name else str(key)] = array
        return found
    if not isinstance(
        space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    ):
        raise InputError(
            f"Observations of {type(space).__name__} are no arrays of one shape; "
            "gymnasium.wrappers.FlattenObservation or TransformObservation makes them one."
        )
    array = np.asarray(observation)
    if array.dtype.kind not in "buif":
        raise InputError(f"An observation of {space} has the dtype {array.dtype}.")
    return {"": array}


def observation_space(
    space: gymnasium.Space, example: Mapping[str, np.ndarray], dims: Dims
) -> ArraySpace | dict[str, ArraySpace]:
    """Return what a world shows: shapes and dtypes of an example, bounds of the declared space."""
    declared = _leaves(space)
    if isinstance(dims, Mapping):
        for name in dims:
            if name not in example:
                raise UnknownNameError("observation", name, example)
    named = {
        name: array_dims(array.shape, array.dtype) if own is None else tuple(own)
        for name, array in example.items()
        for own in [dims.get(name) if isinstance(dims, Mapping) else dims]
    }
    sizes: dict[str, set[int]] = {}
    for name, array in example.items():
        if len(named[name]) != array.ndim:
            raise InputError(
                f"An observation{f' {name!r}' * bool(name)} has the shape {array.shape}; it cannot "
                f"have the dims {named[name]}."
            )
        for dim, size in zip(named[name], array.shape, strict=True):
            sizes.setdefault(dim, set()).add(size)
    found = {}
    for name, array in example.items():
        # Dims that would be of two sizes are named after what they are dims of.
        own = (dim if len(sizes[dim]) == 1 else f"{name}.{dim}" for dim in named[name])
        bounds = _bounds(declared[name])
        found[name] = ArraySpace(tuple(own), array.shape, array.dtype.name, *bounds)
    return found[""] if set(found) == {""} else found


def array_dims(shape: tuple[int, ...], dtype: np.dtype) -> tuple[str, ...]:
    """Return names for the dims of an array of which nobody told them: images by their shape."""
    if len(shape) < 2:
        return ("feature",)[: len(shape)]
    if len(shape) == 2:
        return ("y", "x") if dtype == np.uint8 else ("row", "column")
    if len(shape) == 3:
        first = shape[0] < min(shape[1:])
        return ("channel", "y", "x") if first else ("y", "x", "channel")
    if len(shape) == 4 and dtype == np.uint8:
        return ("frame", *array_dims(shape[1:], dtype))
    return tuple(f"axis_{i}" for i in range(len(shape)))


def action_space(space: gymnasium.Space) -> Action:
    """Return what a world takes.

    Raises
    ------
    InputError
        If it is no choice, no row of choices and no box.
    """
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return MultiDiscrete(tuple(int(n) for n in space.nvec.ravel()))
    if isinstance(space, spaces.MultiBinary):
        return MultiDiscrete((2,) * int(np.prod(space.shape)))
    if isinstance(space, spaces.Box):
        dims = ("action_dim",) if len(space.shape) == 1 else None
        named = dims or tuple(f"action_axis_{i}" for i in range(len(space.shape)))
        return ArraySpace(named, space.shape, space.dtype.name, *_bounds(space))  # type: ignore[union-attr]
    raise InputError(
        f"Actions of {type(space).__name__} are not supported: Discrete, MultiDiscrete, MultiBinary "
        "and Box are. Wrap the environment with one of these."
    )


def is_none(action: np.ndarray, space: gymnasium.Space) -> np.ndarray:
    """Return which rows of a batch of actions are none: −1 or NaN. (batch,) bool."""
    flat = np.asarray(action).reshape(len(action), -1)
    none = np.isnan(flat) if isinstance(space, spaces.Box) else flat == -1
    return np.asarray(none.any(axis=1))


def as_taken(action: np.ndarray, space: gymnasium.Space) -> Any:
    """Return one row's action as the environment takes it.

    Raises
    ------
    InputError
        If it is no action of the space.
    """
    if isinstance(space, spaces.Box):
        taken: Any = np.asarray(action, space.dtype).reshape(space.shape)
        # Means and draws of a normal distribution leave the box; what is meant is its edge.
        return np.clip(taken, space.low, space.high)
    if isinstance(space, spaces.Discrete):
        taken = space.dtype.type(int(action) + space.start)  # type: ignore[union-attr]
    elif isinstance(space, spaces.MultiDiscrete):
        taken = (np.asarray(action).reshape(space.shape) + space.start).astype(space.dtype)
    else:
        taken = np.asarray(action, space.dtype).reshape(space.shape)  # type: ignore[arg-type]
    if not space.contains(taken):
        raise InputError(f"{np.asarray(action).tolist()} is no action of {space}.")
    return taken


def _leaves(space: gymnasium.Space, name: str = "") -> dict[str, gymnasium.Space]:
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return {name: space}
    parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
    found: dict[str, gymnasium.Space] = {}
    for key, inner in parts:
        found |= _leaves(inner, f"{name}.{key}" if name else str(key))
    return found


def _bounds(space: gymnasium.Space) -> tuple[Any, Any]:
    if isinstance(space, spaces.Discrete):
        return int(space.start), int(space.start + space.n - 1)
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    if isinstance(space, spaces.MultiDiscrete):
        return _bound(space.start), _bound(space.start + space.nvec - 1)
    return _bound(space.low), _bound(space.high)  # type: ignore[attr-defined]


def _bound(values: np.ndarray) -> Any:
    """Return one bound for all entries, a nested tuple of them, or None where none is finite."""
    if not np.isfinite(values).any():
        return None
    first = values.flat[0]
    return first.item() if (values == first).all() else _nested(values.tolist())


def _nested(values: Any) -> Any:
    return tuple(_nested(v) for v in values) if isinstance(values, list) else values
