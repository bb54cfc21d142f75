"""The target of a probe, checked and aligned with the run it is read from.

A target has one label per step, or one per step and *place*: a place is whatever the labels' other
dims say (a square ``("y", "x")``, a ``("token",)``, …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Target:
    """Labels as (episode, step, place): int with −1, or float with NaN, where left out."""

    name: str
    labels: np.ndarray
    classes: tuple[str, ...] | None
    negative: int | None
    places: Mapping[str, int]
    """Dim → size of the places, empty for one label per step."""
    citation: str = ""
    description: str = ""

    @property
    def grid(self) -> tuple[int, int] | None:
        """(y, x) sizes of a target on squares, None of any other."""
        squares = tuple(self.places) == ("y", "x")
        return (self.places["y"], self.places["x"]) if squares else None

    @property
    def present(self) -> np.ndarray:
        """(episode, step, place) bool: where there is a label."""
        return self.labels >= 0 if self.classes is not None else np.isfinite(self.labels)


def valid_rows(data: xr.Dataset, steps: slice | Iterable[int] | None) -> np.ndarray:
    """(episode, step) bool: rows within the episode's length, at the steps asked for."""
    if "length" not in data or "step" not in data.coords:
        raise InputError("A run needs the variable 'length' and the coordinate 'step'.")
    step = data["step"].values
    valid = step[None, :] < data["length"].values[:, None]
    valid &= data["length"].values[:, None] >= 0
    if steps is None:
        return valid
    if isinstance(steps, slice):
        if steps.step not in (None, 1):
            raise InputError(f"A slice of steps takes start and stop (labels) only: {steps!r}.")
        chosen = np.ones(len(step), dtype=bool)
        if steps.start is not None:
            chosen &= step >= steps.start
        if steps.stop is not None:
            chosen &= step < steps.stop
    else:
        wanted = np.atleast_1d(np.asarray(list(np.atleast_1d(steps))))
        absent = [int(s) for s in wanted if s not in step]
        if absent:
            raise InputError(f"Steps {absent[:5]} are not recorded ({step[0]} to {step[-1]} are).")
        chosen = np.isin(step, wanted)
    if not chosen.any():
        raise InputError(f"steps={steps!r} selects none of the steps {step[0]} to {step[-1]}.")
    return valid & chosen


def find_target(
    data: xr.Dataset,
    target: Concept | xr.DataArray | Callable[[xr.Dataset], xr.DataArray] | str,
    valid: np.ndarray,
    classes: Sequence[str] | None = None,
    negative: str | int | None = None,
) -> Target:
    """Compute, check and align a target; see `interp.probes.fit_probes`."""
    name, citation, description = "target", "", ""
    if isinstance(target, str):
        if target not in data:
            raise UnknownNameError("variable", target, [str(v) for v in data.data_vars])
        name, labels = target, data[target]
    elif isinstance(target, Concept):
        name, citation, description = target.name, target.citation, target.description
        labels = target.labels(data)
        classes = target.classes if classes is None else classes
        negative = target.negative if negative is None else negative
    elif isinstance(target, xr.DataArray):
        labels, name = target, str(target.name or "target")
    elif callable(target):
        labels, name = target(data), getattr(target, "__name__", "target")
    else:
        raise InputError(f"A target is a Concept, a DataArray, a function or a name: {target!r}.")
    if not isinstance(labels, xr.DataArray):
        raise InputError(f"The labels of {name!r} are no DataArray but {type(labels).__name__}.")

    labels = _aligned(labels, data, name)
    places = {str(dim): labels.sizes[dim] for dim in labels.dims[2:]}
    values = labels.values
    values = values.reshape(values.shape[0], values.shape[1], -1)
    if values.dtype.kind == "f" and classes is None:
        values = _numbers(np.where(valid[:, :, None], values, np.nan), name)
        return Target(name, values, None, None, places, citation, description)
    if negative is not None and classes is None and values.dtype.kind == "f":
        raise InputError(f"{name!r} is a number and has no class to leave out: {negative!r}.")

    if values.dtype.kind == "f":
        whole = np.where(np.isnan(values), -1, values)
        if (whole != np.round(whole)).any():
            raise InputError(f"The labels of {name!r} are fractions, but it has classes.")
        values = whole
    elif values.dtype.kind not in "iub":
        raise InputError(f"The labels of {name!r} are {values.dtype}, neither int nor float.")
    if values.dtype.kind != "i":
        values = values.astype(np.int32)
    values = np.where(valid[:, :, None], values, values.dtype.type(-1))
    if classes is None:
        found = labels.attrs.get("classes")
        n = int(values.max(initial=-1)) + 1
        classes = tuple(found) if found is not None else tuple(str(i) for i in range(n))
    classes = tuple(str(c) for c in classes)
    if len(classes) < 2:
        raise InputError(f"The labels of {name!r} have {len(classes)} class(es); a probe needs 2.")
    if values.max(initial=-1) >= len(classes) or values.min(initial=0) < -1:
        raise InputError(
            f"The labels of {name!r} run from {values.min()} to {values.max()}; with "
            f"{len(classes)} classes they must lie in −1 … {len(classes) - 1}."
        )
    dtype = np.int8 if len(classes) < 128 else np.int32
    return Target(
        name,
        values.astype(dtype),
        classes,
        _negative(classes, negative),
        places,
        citation,
        description,
    )


def _aligned(labels: xr.DataArray, data: xr.Dataset, name: str) -> xr.DataArray:
    """Return labels (episode, step, *places), checked to be those of the data's rows."""
    if not {"episode", "step"} <= set(labels.dims) or "tick" in labels.dims:
        raise InputError(
            f"The labels of {name!r} have dims {labels.dims}; they need (episode, step), and may have "
            "dims of places besides: (episode, step, y, x), say."
        )
    squares = {"y", "x"} & set(labels.dims)
    if len(squares) == 1:
        raise InputError(f"The labels of {name!r} have dims {labels.dims}: y and x go together.")
    labels = labels.transpose("episode", "step", ..., *(("y", "x") if squares else ()))
    for dim in ("episode", "step"):
        if labels.sizes[dim] != data.sizes[dim]:
            raise InputError(
                f"The labels of {name!r} have {labels.sizes[dim]} {dim}s, the data "
                f"{data.sizes[dim]}."
            )
        if dim in labels.coords and dim in data.coords:
            if not np.array_equal(labels[dim].values, data[dim].values):
                raise InputError(
                    f"The labels of {name!r} have other {dim} labels than the data: they are not "
                    "aligned."
                )
    return labels


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Return float labels in single precision, or in double where that would lose what they say."""
    if np.isinf(values).any():
        raise InputError(f"The labels of {name!r} hold infinities.")
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    there = np.isfinite(values)
    if values.dtype == np.float64 and there.any():
        lost = np.abs(values[there] - single[there]).max()
        if not lost <= 1e-4 * values[there].std():
            return values
    return single


def _negative(classes: tuple[str, ...], given: str | int | None) -> int:
    """The class that F1 (Taufeeque et al.) leaves out: the one named, or NEVER, or the smallest."""
    if isinstance(given, str):
        if given not in classes:
            raise UnknownNameError("class", given, classes)
        return classes.index(given)
    if given is not None:
        if not 0 <= given < len(classes):
            raise InputError(f"negative={given} is no class index below {len(classes)}.")
        return int(given)
    for i, c in enumerate(classes):
        if c.lower().replace("_", " ") in ("never", "none", "no", "no move", "nothing"):
            return i
    return 0
