"""`Intervention`: the frozen record of what to change where, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch

from interp.errors import InputError, InterventionError, check_integer
from interp.interventions.address import Address
from interp.interventions.conditions import Condition
from interp.interventions.fingerprint import fingerprint_of
from interp.interventions.firings import change, labels_of
from interp.interventions.operations import NEEDS_SUBSPACE, NEEDS_VALUE, Operation, check_dim
from interp.interventions.subspaces import Subspace
from interp.interventions.values import (
    RUN_DIMS,
    Positions,
    as_tensor,
    checked_labels,
    run_dims_first,
)

Missing = Literal["raise", "skip"]


@dataclass(frozen=True, eq=False)
class Intervention:
    r"""One change to what flows through a site.

    A record: it can be listed, compared, saved (`save_interventions`) and applied again, teacher-forced
    or in closed loop, to any batch of episodes. Lists of them are applied in order.

    Parameters
    ----------
    address
        Where; every firing that the address covers is changed.
    operation
        ``"add"`` a value, ``"set"`` to a value, ``"scale"`` by a value, or ``"zero"``;
        ``"project"`` out a subspace, ``x - (x - mean) @ P``; or ``"rotate"``, which interchanges the
        component in a subspace with that of a value, ``x + (value - x) @ P``.
    value
        Number, array or tensor that, without its leading `value_dims`, broadcasts against the
        addressed part ``(batch, *dims of the site that the address does not index by an integer)``.
        None for ``"zero"`` and ``"project"``. Kept as float32. A tensor stays in its autograd graph.
    value_dims
        Names of the leading dims of `value` that are looked up at each firing, in the clock of the
        network, instead of broadcast: any of ``"example"`` (the episode's index within the run, or
        the row of the batch in a forward of one's own), ``"step"`` and ``"tick"``. A DataArray's dims of
        these names (and ``episode``, ``batch``) are found by themselves.
    feature_dims
        Names of the remaining dims of `value`, which are matched to the site's by name, in any order and
        without those it is to be broadcast along. A DataArray's are its own. None: they have no names
        and are aligned from the right.
    labels
        Dim of `value_dims` → the labels of its positions. Not given, they are those of a DataArray's
        coordinates, or of `examples` and the address, or count from 0.
    examples
        The episodes that are changed, by index; None for all.
    when
        One condition or several (all must act), see `interp.interventions.conditions.Condition`.
        Needs a closed loop.
    subspace
        Of ``"project"`` and ``"rotate"``, along one feature dim that the address does not index by an
        integer.
    missing
        What to do at a firing whose example, step or tick `value` has no label for, and for an example
        that the run never reached: ``"raise"``, or ``"skip"`` (leave unchanged).
    present
        Bool, of the sizes of `value_dims`: False where `value` holds nothing, as if the labels were
        missing there (an episode that was over by that step). None for everywhere.

    Raises
    ------
    InterventionError
        For an unknown operation, a missing or needless value or subspace, a value that is not real and
        finite, or labels, examples or conditions that are malformed.

    Notes
    -----
    In a network of fewer bits than float32 the arithmetic is done in float32 and rounded once. Values of
    a float64 network are rounded to float32.

    Examples
    --------
    Add a direction to one square of the top layer, at every step and tick::

        Intervention(Address("layers.2.c", index={"y": 3, "x": 4}), "add", direction)

    Another vector for each example, until a condition of its world holds::

        Intervention(
            Address("layers.2.c"), "add", vectors, ("example",),   # (example, channel, y, x)
            when=Condition.until("agent_on", each={"y": rows, "x": columns}),
        )
    """

    address: Address
    operation: Operation
    value: Any = None
    value_dims: tuple[str, ...] = ()
    _: KW_ONLY
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    examples: tuple[int, ...] | None = None
    when: tuple[Condition, ...] = ()
    subspace: Subspace | None = None
    missing: Missing = "raise"
    present: Any = None
    feature_dims: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.address, Address):
            raise InterventionError(f"An address is an Address(site, …), not {self.address!r}.")
        if self.operation not in get_args(Operation):
            raise InterventionError(
                f"There is no operation {self.operation!r}; use one of {get_args(Operation)}."
            )
        for name, given, needed in (
            ("value", self.value, self.operation in NEEDS_VALUE),
            ("subspace", self.subspace, self.operation in NEEDS_SUBSPACE),
        ):
            if (given is not None) != needed:
                raise InterventionError(
                    f"{self.operation!r} needs {'a' if needed else 'no'} {name}."
                )
        if self.missing not in get_args(Missing):
            raise InterventionError(f"missing={self.missing!r}: use one of {get_args(Missing)}.")
        self._set("examples", _examples(self.examples))
        self._set("when", _conditions(self.when))
        self._check_value()
        if self.subspace is not None:
            self._check_subspace(self.subspace)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_value(self) -> None:
        given, dims, names, labels = run_dims_first(self.value)
        if names is None:
            dims, names = tuple(self.value_dims), self.feature_dims
        elif self.value_dims and set(self.value_dims) != set(dims):
            raise InterventionError(
                f"value_dims {self.value_dims} are not the dims along the run that the value has: {dims}."
            )
        names = tuple(names or ()) or None
        self._set("feature_dims", names)
        labels = {**labels, **self.labels}
        if len(set(dims)) < len(dims) or set(dims) - set(RUN_DIMS):
            raise InterventionError(f"value_dims are some of {RUN_DIMS}, each once, not {dims}.")
        value = None if given is None else as_tensor(given)
        if value is not None and not value.isfinite().all():
            raise InterventionError(
                f"The value of {self.operation} at {self.address!r} is not finite."
            )
        if (0 if value is None else value.ndim) < len(dims):
            raise InterventionError(f"The value has fewer dims than value_dims {dims}.")
        if names is not None and (
            value is None
            or len(names) != value.ndim - len(dims)
            or len(set(names)) < len(names)
            or set(names) & set(RUN_DIMS)
        ):
            raise InterventionError(
                f"feature_dims {names} are distinct names of the value's dims after {dims}."
            )
        sizes = {} if value is None else dict(zip(dims, value.shape, strict=False))
        self._set("value", value)
        self._set("value_dims", dims)
        self._set("labels", checked_labels(sizes, labels, self.address, self.examples))
        if self.examples is not None and "example" in dims:
            without = sorted(set(self.examples) - set(self.labels["example"]))
            if without:
                raise InterventionError(f"The value has no label for the examples {without[:5]}.")
        if self.present is not None:
            present = torch.as_tensor(self.present).cpu().clone()
            if present.dtype != torch.bool or tuple(present.shape) != tuple(sizes.values()):
                raise InterventionError(
                    f"present must be bool {tuple(sizes.values())}, as value_dims {dims}, not "
                    f"{present.dtype} {tuple(present.shape)}."
                )
            self._set("present", None if present.all() else present)
        for condition in self.when:
            known = self.example_labels
            if known is not None and condition.n_each not in (None, len(known)):
                raise InterventionError(
                    f"{condition!r} has {condition.n_each} entries for {len(known)} examples."
                )

    def check_dims(self, dims: Sequence[str]) -> None:
        """Raise InterventionError unless the value's named dims are dims of the addressed part.

        Parameters
        ----------
        dims
            Feature dims of the site; empty if they have no names.
        """
        for dim in self.feature_dims or ():
            if dim not in dims:
                known = f"the site's are {tuple(dims)}" if dims else "the site's have no names"
                raise InterventionError(f"{self!r}: the value has a dim {dim!r}; {known}.")
            if isinstance(self.address.index.get(dim), int):
                raise InterventionError(
                    f"{self!r}: the value has a dim {dim!r}, of which the address picks one position."
                )

    def _check_subspace(self, subspace: Any) -> None:
        if not isinstance(subspace, Subspace):
            raise InterventionError(f"Not a Subspace: {subspace!r:.80}.")
        if self.operation == "rotate" and not subspace.is_projection:
            raise InterventionError(
                f"{subspace!r}: coordinates can be interchanged only if its matrix is a projection."
            )
        check_dim(self.address, subspace.dim, ())

    @cached_property
    def positions(self) -> dict[str, Positions]:
        """Dim of `value_dims` → where each of its labels is."""
        return {dim: Positions(self.labels[dim]) for dim in self.value_dims}

    @property
    def example_labels(self) -> tuple[int, ...] | None:
        """The examples that are named, by `examples` or by the labels of the value; None for any."""
        return self.examples if self.examples is not None else self.labels.get("example")

    def __repr__(self) -> str:
        parts = "" if self.value is None else f", {tuple(self.value.shape)}"
        if self.value_dims:
            parts += f" by {', '.join(self.value_dims)}"
        if self.subspace is not None:
            parts += f", {self.subspace!r}"
        if self.examples is not None:
            some = ", ".join(map(str, self.examples[:5]))
            parts += f", examples {some}{'…' if len(self.examples) > 5 else ''}"
        parts += "".join(f", {condition!r}" for condition in self.when)
        if self.missing != "raise":
            parts += f", missing={self.missing!r}"
        if any((self.value_dims, self.examples, self.when)):  # of which only a part is shown
            parts += f", #{self.fingerprint[:8]}"
        return f"Intervention({self.operation} at {self.address!r}{parts})"

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hex, over all that it is made of."""
        return fingerprint_of(self)

    @cached_property
    def largest(self) -> float:
        """The largest magnitude in the value."""
        return (
            0.0
            if self.value is None or not self.value.numel()
            else float(self.value.detach().abs().max())
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervention):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def rows(self, batch_size: int, examples: Any = None) -> np.ndarray:
        """Return (row,) int64: the rows of a batch whose examples are to be changed.

        Parameters
        ----------
        examples
            (batch,) int: the example of each row. None if they are 0, 1, ….
        """
        if self.examples is None:
            return np.arange(batch_size)
        return np.flatnonzero(np.isin(labels_of(batch_size, examples), self.examples))

    def apply(
        self,
        tensor: torch.Tensor,
        dims: Sequence[str],
        *,
        step: int | None = None,
        tick: int | None = None,
        examples: Any = None,
    ) -> torch.Tensor:
        """Return a changed copy of one firing, whatever `when` says. Gradients flow through it.

        Parameters
        ----------
        tensor
            ``(batch, *dims)``.
        dims
            Names of the feature dims of the firing (without ``tick``).
        step, tick
            Labels of the firing, for values that depend on them.
        examples
            (batch,) int: the example of each row. None if they are 0, 1, ….

        Raises
        ------
        AddressError
            If the address is out of range.
        InterventionError
            If the value does not broadcast, or has no label for the step, tick or an example.
        """
        rows = self.rows(tensor.shape[0], examples)
        return change(self, tensor, dims, step, tick, examples, rows)[0]


def _examples(given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    items = list(given) if isinstance(given, Iterable) else [given]
    try:
        for item in items:
            check_integer("examples", item, 0)
    except InputError as error:
        raise InterventionError(str(error)) from None
    if len(set(items)) < len(items) or not items:
        raise InterventionError(f"examples are distinct indices, at least one: {items!r:.80}.")
    return tuple(int(item) for item in items)


def _conditions(given: Any) -> tuple[Condition, ...]:
    items: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    items = [item for item in items if item is not None]
    for item in items:
        if not isinstance(item, Condition):
            raise InterventionError(f"when={item!r:.80}: give a Condition(name, …), or several.")
    return tuple(items)


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
