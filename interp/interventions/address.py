"""Addresses: a site, and where along step, tick and the feature dims."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from interp.errors import AddressError, UnknownSiteError, nearest

Labels: TypeAlias = int | slice | tuple[int, ...] | None
Index: TypeAlias = int | slice | tuple[int, ...]


@dataclass(frozen=True)
class Address:
    """A place in a run.

    Parameters
    ----------
    site
        Name of a site (``"layers.2.h"``).
    step, tick
        Labels along the axis: None (everywhere), one label, a half-open slice of labels, or
        several labels. Step labels are negative while thinking, so ``step=-1`` is the last
        thinking step before the first action, never "the last step".
    index
        Feature dim → position, slice or positions along it, as in NumPy (negative from the end):
        ``{"y": 3, "x": 4}`` is one square of every channel.

    Raises
    ------
    AddressError
        For labels or positions that are neither of these, and for negative ticks: they count
        from 0, and there is no "last".

    Examples
    --------
    >>> Address("layers.2.h", step=3, tick=slice(1, None), index={"y": 3, "x": 4})
    Address('layers.2.h', step=3, tick=1:, y=3, x=4)
    """

    site: str
    step: Labels = None
    tick: Labels = None
    index: Mapping[str, Index] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, labels in (("step", self.step), ("tick", self.tick)):
            if labels is not None:
                object.__setattr__(self, name, _checked(labels, name))
        if any(label < 0 for label in _bounds(self.tick)):
            raise AddressError(f"tick={_shown(self.tick)}: ticks count from 0.")
        if not isinstance(self.index, Mapping):
            raise AddressError(f"index={self.index!r}: give dims and positions, {{'y': 3}}.")
        index = {dim: _checked(position, dim) for dim, position in self.index.items()}
        object.__setattr__(self, "index", index)

    def __repr__(self) -> str:
        parts = [repr(self.site)]
        parts += [
            f"{n}={_shown(v)}"
            for n, v in (("step", self.step), ("tick", self.tick))
            if v is not None
        ]
        parts += [f"{dim}={_shown(position)}" for dim, position in self.index.items()]
        return f"Address({', '.join(parts)})"

    def covers(self, step: int | None, tick: int | None) -> bool:
        """Whether a firing at this step and tick is at the address."""
        return _covers(self.step, step) and _covers(self.tick, tick)

    def check(self, sites: Mapping[str, tuple[str, ...]]) -> None:
        """Check the address against the sites of a network.

        Raises
        ------
        UnknownSiteError
            If the site does not exist.
        AddressError
            If the site has no ticks but a tick is given, or a dim of `index` is not one of its dims.
        """
        if self.site not in sites:
            raise UnknownSiteError(self.site, sites)
        dims = sites[self.site]
        if self.tick is not None and dims[:1] != ("tick",):
            raise AddressError(f"{self!r}: the site fires once a step and has no ticks ({dims}).")
        for dim in self.index:
            if dim == "tick":
                raise AddressError(f"{self!r}: ticks are addressed by tick=…, not by index.")
            if dim not in dims:
                hint = f" Nearest: {', '.join(nearest(dim, dims))}." if nearest(dim, dims) else ""
                raise AddressError(f"{self!r}: the site's dims are {dims}, without {dim!r}.{hint}")


def _checked(labels: Any, name: str) -> Index:
    try:
        if isinstance(labels, slice):
            parts = (labels.start, labels.stop, labels.step)
            start, stop, stride = (None if part is None else _integer(part) for part in parts)
            if stride is not None and stride < 1:
                raise AddressError(f"{name}={labels!r}: the stride of a slice is at least 1.")
            return slice(start, stop, stride)
        if not hasattr(labels, "__len__") or not getattr(labels, "shape", (1,)):
            return _integer(labels)
        if len(labels):
            return tuple(_integer(label) for label in labels)
    except TypeError:
        pass
    raise AddressError(
        f"{name}={labels!r}: give an integer, a slice of integers, or a sequence of integers."
    )


def _integer(label: Any) -> int:
    if isinstance(label, bool):  # True is an index to Python, and a mistake here
        raise TypeError
    return operator.index(label)


def _bounds(labels: Labels) -> tuple[int, ...]:
    """Return the labels that are written down, slices by their ends."""
    if isinstance(labels, slice):
        return tuple(bound for bound in (labels.start, labels.stop) if bound is not None)
    if labels is None:
        return ()
    return labels if isinstance(labels, tuple) else (labels,)


def _covers(labels: Labels, label: int | None) -> bool:
    if labels is None:
        return True
    if label is None:
        return False
    if isinstance(labels, int):
        return label == labels
    if isinstance(labels, tuple):
        return label in labels
    start, stop, stride = labels.start, labels.stop, labels.step or 1
    if start is not None and label < start or stop is not None and label >= stop:
        return False
    return (label - (start or 0)) % stride == 0


def _shown(labels: object) -> str:
    if isinstance(labels, slice):
        bounds = [labels.start, labels.stop] + ([labels.step] if labels.step else [])
        return ":".join("" if bound is None else str(bound) for bound in bounds)
    return repr(labels)
