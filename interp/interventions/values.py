"""Values of interventions: numbers whose leading dims are labels along a run, and their look-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from interp.errors import InputError, InterventionError, check_integer
from interp.interventions.address import Address

RUN_DIMS = ("example", "step", "tick")
"""The dims of a value that are looked up in the run, not broadcast against the firing."""

_SAME = {"episode": "example", "batch": "example"}


def as_tensor(given: Any) -> torch.Tensor:
    """Return a float32 copy of a number, array, DataArray or tensor.

    A tensor stays where it is in the autograd graph, so that gradients reach what was given.
    """
    if isinstance(given, torch.Tensor):
        if given.is_complex():
            raise InterventionError("The value of an intervention is real, not complex.")
        return given.to(torch.float32, copy=True)
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InterventionError(
            f"The value {given!r:.80} is no array of numbers ({error})."
        ) from None
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
        return torch.from_numpy(np.array(array, np.float32, order="C"))


def run_dims_first(
    given: Any,
) -> tuple[Any, tuple[str, ...], tuple[str, ...] | None, dict[str, tuple[int, ...]]]:
    """Return a DataArray with its dims along the run first, their names, the other dims and its labels.

    ``episode`` and ``batch`` count as ``example``. Anything but a DataArray is returned as it is, without
    names (None).

    Raises
    ------
    InterventionError
        If two dims have the same meaning, or the labels of another dim say that it was shuffled.
    """
    if not (hasattr(given, "dims") and hasattr(given, "transpose") and hasattr(given, "coords")):
        return given, (), None, {}
    own = {_SAME.get(str(dim), str(dim)): dim for dim in given.dims}
    if len(own) < len(given.dims):
        raise InterventionError(f"The value's dims {given.dims} name the examples twice.")
    along = tuple(name for name in RUN_DIMS if name in own)
    others = tuple(name for name in own if name not in along)
    for name in others:
        _check_in_order(name, given)
    labels = {
        name: tuple(given[own[name]].values.tolist()) for name in along if own[name] in given.coords
    }
    return given.transpose(*(own[name] for name in along + others)), along, others, labels


def _check_in_order(dim: str, given: Any) -> None:
    """Raise InterventionError if the labels of a feature dim say that its positions were shuffled."""
    if dim not in given.coords:
        return
    labels = np.asarray(given[dim].values)
    ordered = np.arange(len(labels))
    if np.array_equal(labels, ordered) or labels.dtype.kind not in "iu":
        return
    if np.array_equal(np.sort(labels), ordered):
        raise InterventionError(
            f"The value's positions along {dim!r} are labelled {labels[:5].tolist()}, out of order, and "
            f"would be put in that order: use .sortby({dim!r}), or .drop_vars({dim!r}) if it is meant."
        )


def aligned(
    value: torch.Tensor, n_leading: int, own: Sequence[str], dims: Sequence[str]
) -> torch.Tensor:
    """Return a value whose feature dims `own` are put in the order of `dims`, of size 1 where it has none.

    Parameters
    ----------
    value
        ``(*leading dims, *own)``.
    dims
        The dims of the addressed part, among which are all of `own`.
    """
    order = [n_leading + own.index(dim) for dim in dims if dim in own]
    value = value.permute(*range(n_leading), *order)
    sizes = iter(value.shape[n_leading:])
    return value.reshape(
        *value.shape[:n_leading], *(next(sizes) if dim in own else 1 for dim in dims)
    )


def checked_labels(
    sizes: Mapping[str, int],
    given: Mapping[str, Sequence[int]],
    address: Address,
    examples: tuple[int, ...] | None,
) -> dict[str, tuple[int, ...]]:
    """Return the labels of each dim along the run, checked, with the ones that go without saying.

    Labels that are not given are those the address or `examples` lists, or count from where the
    address begins, or from 0.

    Raises
    ------
    InterventionError
        If labels are not distinct integers, as many as the dim has positions, or of another dim.
    """
    if not isinstance(given, Mapping) or set(given) - set(sizes):
        raise InterventionError(
            f"labels are of the value's dims {tuple(sizes)}, not {given!r:.80}."
        )
    labels = {}
    for dim, size in sizes.items():
        listed = given[dim] if dim in given else _implied(dim, size, address, examples)
        try:
            labels[dim] = tuple(int(label) for label in listed if not check_integer(dim, label))
        except (TypeError, InputError):
            raise InterventionError(f"labels along {dim!r} are integers: {listed!r:.80}.") from None
        if len(labels[dim]) != size or len(set(labels[dim])) != size:
            raise InterventionError(
                f"The value has {size} positions along {dim!r}, which need as many distinct labels, "
                f"not the {len(labels[dim])} of {labels[dim]!r:.80}."
            )
    return labels


def _implied(
    dim: str, size: int, address: Address, examples: tuple[int, ...] | None
) -> Sequence[int]:
    if dim == "example":
        return examples if examples is not None else range(size)
    along = getattr(address, dim)
    if isinstance(along, slice):
        start, stride = along.start or 0, along.step or 1
        stop = start + size * stride if along.stop is None else along.stop
        return range(start, stop, stride)
    return range(size) if along is None else along if isinstance(along, tuple) else (along,)


class Positions:
    """Where each label is along one dim of a value."""

    def __init__(self, labels: Sequence[int]):
        self.labels = np.asarray(labels, np.int64)
        first = int(self.labels[0]) if len(self.labels) else 0
        consecutive = np.array_equal(self.labels, np.arange(first, first + len(self.labels)))
        self._first = first if consecutive else None
        self._order = np.argsort(self.labels)
        self._sorted = self.labels[self._order]

    def of(self, labels: Any) -> np.ndarray:
        """Return the position of every label, −1 for one that is not there."""
        wanted = np.asarray(labels, np.int64)
        if self._first is not None:
            at = wanted - self._first
            return np.where((at >= 0) & (at < len(self.labels)), at, -1)
        at = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)
