"""What one intervention does to one firing: which rows, which value, which part of the tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp.errors import InterventionError
from interp.interventions.operations import check_dim, operate, select
from interp.interventions.values import aligned

if TYPE_CHECKING:
    from interp.interventions.record import Intervention


def labels_of(batch_size: int, examples: Any) -> np.ndarray:
    """Return (row,) int64: the example of each row of a batch, itself if none are given."""
    if examples is None:
        return np.arange(batch_size)
    labels = np.asarray(examples)
    if labels.shape != (batch_size,):
        raise InterventionError(
            f"A firing of {batch_size} rows does not match the clock's {labels.shape} examples."
        )
    return labels


def change(
    item: Intervention,
    tensor: torch.Tensor,
    dims: Sequence[str],
    step: int | None,
    tick: int | None,
    examples: Any,
    rows: np.ndarray,
) -> tuple[torch.Tensor, np.ndarray]:
    """Return a changed copy of a firing, and the rows that were changed.

    Parameters
    ----------
    item
        What to do; its address covers the firing.
    tensor
        ``(batch, *dims)``.
    dims
        Names of the feature dims of the firing (without ``tick``).
    step, tick, examples
        Where in the run the firing is; see `interp.network.clock.Clock`.
    rows
        Ascending rows of the batch to change.

    Raises
    ------
    AddressError
        If the address is out of range.
    InterventionError
        If the value does not broadcast, or has no label for the step, tick or an example.
    """
    n = tensor.shape[0]
    value, rows = _look_up(item, rows, examples, n, step, tick)
    if not len(rows):
        return tensor.clone(), rows
    at = None if len(rows) == n else torch.from_numpy(rows).to(tensor.device)
    concerned = tensor if at is None else tensor[at]
    selection = select(item.address, concerned.shape, dims, tensor.device)
    part = concerned if selection.whole else concerned[selection.index]
    value = _broadcast(item, value, part, concerned, dims, selection.dims)
    axis = 0 if item.subspace is None else _axis(item, selection.dims, part)
    changed = operate(item.operation, part, value, item.subspace, axis)
    # Autograd and the network's own memory both ask for a copy, not a write in place.
    if not selection.whole:
        whole = concerned.clone()
        whole[selection.index] = changed
        changed = whole
    if at is None:
        # The same bytes in another layout take other paths through convolutions: other last bits.
        if changed.stride() != tensor.stride():
            changed = torch.empty_like(tensor).copy_(changed)
        return changed, rows
    out = tensor.clone()
    out[at] = changed
    return out, rows


def _look_up(
    item: Intervention,
    rows: np.ndarray,
    examples: Any,
    batch_size: int,
    step: int | None,
    tick: int | None,
) -> tuple[torch.Tensor | None, np.ndarray]:
    """Return the value at a firing and the rows it is for, without those it has no label for."""
    value: Any = item.value
    if value is None or not item.value_dims or not len(rows):
        return value, rows
    named = labels_of(batch_size, examples)[rows]
    at = {}
    for dim, wanted in (("example", named), ("step", step), ("tick", tick)):
        if dim in item.value_dims:
            if wanted is None:
                raise InterventionError(f"{item!r}: the firing has no {dim} to look up.")
            at[dim] = item.positions[dim].of(wanted)
    at = {dim: np.broadcast_to(at[dim], rows.shape) for dim in item.value_dims}
    there = np.logical_and.reduce([positions >= 0 for positions in at.values()])
    if item.present is not None:
        index = tuple(torch.from_numpy(positions[there]) for positions in at.values())
        there[there] = item.present[index].numpy()
    if not there.all() and item.missing == "raise":
        raise InterventionError(
            f"{item!r} has no value for step {step}, tick {tick}, examples "
            f"{named[~there][:5].tolist()}. Give it one, or leave such firings alone with "
            "missing='skip'."
        )
    if not there.any():
        return None, rows[:0]
    index = tuple(
        _rows_index(positions[there], value.device) if dim == "example" else int(positions[0])
        for dim, positions in at.items()
    )
    return value[index], rows[there]


def _rows_index(positions: np.ndarray, device: Any) -> Any:
    """Return what indexes positions: a slice, which copies nothing, if they are consecutive."""
    first, n = int(positions[0]), len(positions)
    if np.array_equal(positions, np.arange(first, first + n)):
        return slice(first, first + n)
    return torch.from_numpy(positions).to(device)


def _broadcast(
    item: Intervention,
    value: torch.Tensor | None,
    part: torch.Tensor,
    tensor: torch.Tensor,
    dims: Sequence[str],
    kept: Sequence[str],
) -> torch.Tensor | None:
    if value is None:
        return None
    if part.dtype == torch.float16 and item.largest > torch.finfo(torch.float16).max:
        raise InterventionError(f"{item!r}: a value of {item.largest:g} overflows float16.")
    if item.feature_dims is not None:
        value = _by_name(item, value, part, kept)
    elif "example" in item.value_dims:  # rows come first: only the rest is aligned from the right
        gap = [1] * (part.ndim - value.ndim)
        value = value.reshape([value.shape[0], *gap, *value.shape[1:]])
    try:
        return value.expand(part.shape)
    except RuntimeError:
        raise InterventionError(
            f"{item!r}: the value does not broadcast against the addressed part, "
            f"{tuple(part.shape)} of (batch, {', '.join(dims)}) {tuple(tensor.shape)}."
        ) from None


def _by_name(
    item: Intervention, value: torch.Tensor, part: torch.Tensor, kept: Sequence[str]
) -> torch.Tensor:
    """Return the value with its named dims where the addressed part has them."""
    names: Any = item.feature_dims
    item.check_dims(kept)
    sizes = dict(zip(kept, part.shape[1:], strict=True))
    n_leading = value.ndim - len(names)
    for dim, size in zip(names, value.shape[n_leading:], strict=True):
        if size != sizes[dim]:
            raise InterventionError(
                f"{item!r}: the value has {size} positions of {dim!r}, the addressed part "
                f"{sizes[dim]}."
            )
    return aligned(value, n_leading, names, kept)


def _axis(item: Intervention, dims: tuple[str, ...], part: torch.Tensor) -> int:
    """Return the axis of the addressed part along the subspace."""
    subspace: Any = item.subspace
    check_dim(item.address, subspace.dim, dims)
    axis = 1 + dims.index(subspace.dim)
    if part.shape[axis] != subspace.size:
        raise InterventionError(
            f"{item!r}: the subspace has {subspace.size} positions of {subspace.dim!r}, the "
            f"addressed part {part.shape[axis]}."
        )
    return axis
