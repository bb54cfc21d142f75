"""What an intervention does to a tensor: which part an address picks, and the arithmetic on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from interp.errors import AddressError, InterventionError
from interp.interventions.address import Address

if TYPE_CHECKING:
    from interp.interventions.subspaces import Subspace

Operation = Literal["add", "set", "scale", "zero", "project", "rotate"]

NEEDS_VALUE = ("add", "set", "scale", "rotate")
NEEDS_SUBSPACE = ("project", "rotate")


@dataclass(frozen=True)
class Selection:
    """The part of a firing that an address picks.

    Attributes
    ----------
    index
        What indexes the firing, ``(batch, *dims)``, to give the part.
    dims
        Names of the part's dims after the batch: those not indexed by an integer.
    whole
        Whether the part is the whole firing.
    """

    index: tuple[Any, ...]
    dims: tuple[str, ...]
    whole: bool


def select(
    address: Address, shape: Sequence[int], dims: Sequence[str], device: Any = None
) -> Selection:
    """Return the part of a firing of `shape` ``(batch, *dims)`` that an address picks.

    Integers drop their dim; positions of several dims cross, as in ``numpy.ix_``.

    Raises
    ------
    AddressError
        If a position is out of range, or none is picked.
    """
    kept = []
    for dim, size in zip(dims, shape[1:], strict=True):
        index = address.index.get(dim, slice(None))
        listed = index if isinstance(index, tuple) else () if isinstance(index, slice) else (index,)
        if any(not -size <= position < size for position in listed):
            raise AddressError(f"{address!r}: {dim!r} has only {size} positions.")
        if isinstance(index, slice) and not range(size)[index]:
            raise AddressError(f"{address!r} picks no position of {dim!r} (size {size}).")
        if not isinstance(index, int):
            kept.append(dim)
    indices = [slice(None), *(address.index.get(dim, slice(None)) for dim in dims)]
    if any(isinstance(index, tuple) for index in indices):
        indices = _mesh(indices, shape, device)
    return Selection(tuple(indices), tuple(kept), not address.index)


def _mesh(indices: list[Any], shape: Sequence[int], device: Any) -> list[torch.Tensor]:
    """Return index tensors that cross; one for an integer has no axis of its own."""
    picked = [
        torch.arange(size, device=device)[list(index) if isinstance(index, tuple) else index]
        for index, size in zip(indices, shape, strict=True)
    ]
    n_axes = sum(positions.ndim for positions in picked)
    axis, mesh = 0, []
    for positions in picked:
        sizes = [1] * n_axes
        if positions.ndim:
            sizes[axis] = -1
            axis += 1
        mesh.append(positions.reshape(sizes))
    return mesh


def operate(
    operation: Operation, part: torch.Tensor, value: torch.Tensor | None, subspace: Any, axis: int
) -> torch.Tensor:
    """Return a new tensor: `part` after the operation, in the dtype of `part`.

    The arithmetic is done in float32 if `part` has fewer bits, and in float64 for an oblique
    projection, whose matrices amplify rounding.

    Parameters
    ----------
    operation
        See `interp.interventions.applied.Intervention`.
    part
        ``(batch, *kept dims)``.
    value
        Broadcasts against `part`; None if the operation takes none.
    subspace
        Of ``"project"`` and ``"rotate"``.
    axis
        The axis of `part` along the subspace's dim.
    """
    if operation == "zero":
        return torch.zeros_like(part)
    dtype = torch.promote_types(part.dtype, torch.float32)
    if operation in NEEDS_SUBSPACE and subspace.is_oblique and part.device.type != "mps":
        dtype = torch.float64
    x = part.to(dtype)
    if value is not None:
        value = value.to(part.device, dtype)
    changed = _OPERATIONS[operation](x, value, subspace, axis)
    # `clone`: a value that was already of this dtype and shape must not become the network's memory.
    return changed.to(part.dtype) if operation != "set" else changed.to(part.dtype).clone()


def _set(x: torch.Tensor, value: Any, subspace: Any, axis: int) -> torch.Tensor:
    return value.expand(x.shape)


def _add(x: torch.Tensor, value: Any, subspace: Any, axis: int) -> torch.Tensor:
    return x + value


def _scale(x: torch.Tensor, value: Any, subspace: Any, axis: int) -> torch.Tensor:
    return x * value


def _project(x: torch.Tensor, value: Any, subspace: Subspace, axis: int) -> torch.Tensor:
    return x - subspace.component(x - subspace.mean_along(axis, x), axis)


def _rotate(x: torch.Tensor, value: Any, subspace: Subspace, axis: int) -> torch.Tensor:
    return x + subspace.component(value.expand(x.shape) - x, axis)


_OPERATIONS: dict[str, Callable[[torch.Tensor, Any, Any, int], torch.Tensor]] = {
    "set": _set,
    "add": _add,
    "scale": _scale,
    "project": _project,
    "rotate": _rotate,
}


def check_dim(address: Address, dim: str, dims: Sequence[str]) -> None:
    """Raise InterventionError unless a subspace along `dim` can act where the address points.

    Parameters
    ----------
    dims
        Feature dims of the site (without ``tick``); empty if they have no names.
    """
    if dims and dim not in dims:
        raise InterventionError(
            f"{address!r}: a subspace along {dim!r} cannot act on the dims {tuple(dims)}."
        )
    if isinstance(address.index.get(dim), int):
        raise InterventionError(
            f"{address!r} picks one position of {dim!r}; a subspace along it needs them all."
        )
