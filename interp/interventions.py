"""Interventions: frozen records of what to change where, applied as hooks while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch

from interp.addresses import Address
from interp.errors import AddressError, InterventionError, UnfiredInterventionError
from interp.hooks import check_rank, clock_of, sites_of

Operation = Literal["add", "set", "scale", "zero"]


@dataclass(frozen=True, eq=False)
class Intervention:
    """One change to what flows through a site.

    Parameters
    ----------
    address
        Where; every firing that the address covers is changed.
    operation
        ``"add"`` a value, ``"set"`` to a value, ``"scale"`` by a value, or ``"zero"``.
    value
        Number, array or tensor that broadcasts against the addressed part
        ``(batch, *dims of the site that the address does not index by an integer)``.
        None for ``"zero"``.

    Raises
    ------
    InterventionError
        For an unknown operation, a missing or needless value, or one that is not real and finite.

    Examples
    --------
    Add a direction to one square of the top layer, at every step and tick::

        Intervention(Address("layers.2.c", index={"y": 3, "x": 4}), "add", direction)
    """

    address: Address
    operation: Operation
    value: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.address, Address):
            raise InterventionError(f"An address is an Address(site, …), not {self.address!r}.")
        if self.operation not in get_args(Operation):
            raise InterventionError(
                f"There is no operation {self.operation!r}; use one of {get_args(Operation)}."
            )
        if (self.value is None) != (self.operation == "zero"):
            raise InterventionError(
                f"{self.operation!r} needs {'no' if self.value is not None else 'a'} value."
            )
        if self.value is not None:
            value = _value(self.value)
            object.__setattr__(self, "value", value)
            if not value.isfinite().all():
                raise InterventionError(f"The value of {self!r} is not finite.")

    def __repr__(self) -> str:
        shape = "" if self.value is None else f", {tuple(self.value.shape)}"
        return f"Intervention({self.operation} at {self.address!r}{shape})"

    def apply(self, tensor: torch.Tensor, dims: Sequence[str]) -> torch.Tensor:
        """Return a changed copy of one firing.

        Parameters
        ----------
        tensor
            ``(batch, *dims)``.
        dims
            Names of the feature dims of the firing (without ``tick``).
        """
        where = _mesh(self.address, tensor, dims)
        selected = tensor[where]
        if self.operation == "zero":
            changed = torch.zeros_like(selected)
        else:
            value = self.value.to(tensor.device, tensor.dtype)
            try:
                value = value.expand(selected.shape)
            except RuntimeError:
                raise InterventionError(
                    f"{self!r}: the value does not broadcast against the addressed part, "
                    f"{tuple(selected.shape)} of (batch, {', '.join(dims)}) {tuple(tensor.shape)}."
                ) from None
            if self.operation == "set":
                changed = value
            else:
                changed = selected + value if self.operation == "add" else selected * value
        # Autograd and the network's own memory both ask for a copy, not a write in place.
        out = tensor.clone()
        out[where] = changed
        return out


def _value(given: Any) -> torch.Tensor:
    """Return a float32 copy of a number, array, DataArray or tensor."""
    if isinstance(given, torch.Tensor):
        if given.is_complex():
            raise InterventionError("The value of an intervention is real, not complex.")
        return given.detach().to(torch.float32, copy=True)
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


def as_interventions(given: Intervention | Iterable[Intervention]) -> list[Intervention]:
    """Return one or several interventions as a list.

    Raises
    ------
    InterventionError
        If something else is given.
    """
    if isinstance(given, Intervention):
        return [given]
    items: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    for item in items:
        if not isinstance(item, Intervention):
            raise InterventionError(f"Not an Intervention: {item!r}.")
    return items


def _mesh(address: Address, tensor: torch.Tensor, dims: Sequence[str]) -> tuple[torch.Tensor, ...]:
    """Return index tensors that pick the addressed part; integers drop their dim, the rest keep it."""
    positions: list[torch.Tensor] = [torch.arange(tensor.shape[0], device=tensor.device)]
    kept = [True]
    for dim, size in zip(dims, tensor.shape[1:], strict=True):
        index = address.index.get(dim, slice(None))
        try:
            picked = torch.arange(size, device=tensor.device)[
                list(index) if isinstance(index, tuple) else index
            ]
        except IndexError:
            raise AddressError(f"{address!r}: {dim!r} has only {size} positions.") from None
        if picked.numel() == 0:
            raise AddressError(f"{address!r} picks no position of {dim!r} (size {size}).")
        positions.append(picked)
        kept.append(picked.ndim == 1)
    n_kept = sum(kept)
    axis, shaped = 0, []
    for picked, keep in zip(positions, kept, strict=True):
        shape = [1] * n_kept
        if keep:
            shape[axis] = -1
            axis += 1
        shaped.append(picked.reshape(shape))
    return tuple(shaped)


@contextmanager
def applying(network: Any, interventions: Intervention | Iterable[Intervention]) -> Iterator[Any]:
    """Apply interventions, in order, to everything the network does inside the ``with`` block.

    Parameters
    ----------
    network
        Anything with ``hook_dict`` and ``hooks()``. A network without a clock takes addresses
        without step and tick only.
    interventions
        Applied in the order given; a later one sees what an earlier one left.

    Raises
    ------
    UnknownSiteError, AddressError
        On entry, for an address that the network does not have.
    UnfiredInterventionError
        On leaving without an exception, if an intervention never fired.
    """
    interventions = as_interventions(interventions)
    sites = sites_of(network)
    clock = clock_of(network)
    fired = [0] * len(interventions)
    for intervention in interventions:
        intervention.address.check(sites)

    def hook_of(number: int, intervention: Intervention):
        dims = tuple(dim for dim in sites[intervention.address.site] if dim != "tick")

        def hook(tensor: torch.Tensor, hook: Any) -> torch.Tensor | None:
            if not intervention.address.covers(clock.step, clock.tick):
                return None
            fired[number] += 1
            check_rank(intervention.address.site, tensor, dims)
            return intervention.apply(
                tensor, dims or tuple(f"dim{i}" for i in range(tensor.ndim - 1))
            )

        return hook

    hooks = [(item.address.site, hook_of(i, item)) for i, item in enumerate(interventions)]
    if not hooks:
        yield network
        return
    with network.hooks(fwd_hooks=hooks):
        yield network
    unfired = [repr(item) for item, count in zip(interventions, fired, strict=True) if not count]
    if unfired:
        raise UnfiredInterventionError(
            "Never fired during the run: " + "; ".join(unfired) + ". Steps are labelled from "
            "-thinking_steps, ticks from 0; was the run shorter than the address?"
        )
