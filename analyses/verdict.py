"""From effects and their intervals to whether a table of many cells shows any: Holm-corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import xarray as xr

from interp.statistics import (
    Interval,
    mean_interval,
    mean_p_value,
    statistic_interval,
    statistic_p_value,
    weakest,
)
from interp.statistics.intervals import Bounds
from interp.statistics.significance import MEAN_TEST

ALPHA = 0.05
ENDS = ("", "_low", "_high")
INTERVALS = (
    "over {}: rates Clopper-Pearson, their paired differences Bonett-Price, else studentised "
    "bootstrap, {} resamples"
)
"""What a Dataset says of its intervals: over which units, and the number of resamples."""

Variables = dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]


@dataclass(frozen=True)
class Resampling:
    """How intervals are had: resamples, confidence and seed."""

    n: int = 2000
    confidence: float = 0.95
    seed: Any = 0


def interval_variables(
    name: str, dims: Sequence[str], interval: Interval, p: np.ndarray | None = None
) -> Variables:
    """Return ``name``, ``name_low``, ``name_high`` and, with p-values, ``name_p`` for a Dataset.

    How the interval was had, and what it warns of, are attributes of ``name``.

    Parameters
    ----------
    interval
        Arrays of the shape of `dims`.
    p
        One-sided p-values of "not above zero", for `add_verdict`.
    """
    at = tuple(dims)
    found: Variables = {
        f"{name}{end}": (at, value, {}) for end, value in zip(ENDS, interval, strict=True)
    }
    found[name] = (at, found[name][1], interval.attrs)
    if p is not None:
        found[f"{name}_p"] = (
            at,
            np.asarray(p),
            {"definition": f"one-sided, of {name} ≤ 0; {MEAN_TEST}"},
        )
    return found


def mean_variables(
    name: str,
    dims: Sequence[str],
    values: np.ndarray,
    how: Resampling,
    *,
    bounds: Bounds | None = None,
    tested: bool = False,
) -> Variables:
    """Return the variables of a mean over the last axis, the units; a cell with a NaN is NaN.

    Parameters
    ----------
    values
        (..., unit) float.
    bounds
        Lowest and highest value that a unit can have, if any.
    tested
        Whether ``name_p`` is wanted.
    """
    values = np.moveaxis(np.asarray(values, float), -1, 0)
    shape = values.shape[1:]
    flat = values.reshape(len(values), -1)
    there = np.isfinite(flat).all(axis=0)
    ends, p = np.full((3, flat.shape[1]), np.nan), np.full(flat.shape[1], np.nan)
    interval = Interval(ends[0], ends[1], ends[2])
    if there.any():
        known = flat[:, there]
        interval = mean_interval(known, how.n, how.confidence, how.seed, bounds=bounds)
        ends[:, there] = interval
        if tested:
            p[there] = mean_p_value(known, rng=how.seed, bounds=bounds)
    estimate, low, high = ends.reshape(3, *shape)
    laid_out = Interval(estimate, low, high, interval.method, interval.warnings, len(values))
    return interval_variables(name, dims, laid_out, p.reshape(shape) if tested else None)


def statistic_variables(
    name: str,
    dims: Sequence[str],
    rows: np.ndarray,
    how: Resampling,
    *,
    bounds: Bounds | None = None,
    tested: bool = False,
    least_over: int | None = None,
) -> Variables:
    """Return the variables of any smooth statistic, from its rows of `interp.statistics.leave_one_out`.

    Parameters
    ----------
    rows
        (1 + unit, ...) float.
    least_over
        An axis of the statistic (counted without the rows): the effect is the least along it, as of a
        margin over every control. A NaN along it (a control that cannot be had) is left out.
    """
    interval = statistic_interval(rows, how.n, how.confidence, how.seed, bounds=bounds)
    p = statistic_p_value(rows, rng=how.seed, bounds=bounds) if tested else None
    if least_over is not None:
        none = np.isnan(interval.estimate)
        estimate, low, high = (
            np.where(none, np.inf, np.where(np.isnan(end), -np.inf, end)) for end in interval
        )
        least = weakest(Interval(estimate, low, high), least_over)
        estimate, low, high = (np.where(np.isfinite(end), end, np.nan) for end in least)
        interval = Interval(estimate, low, high, interval.method, interval.warnings, interval.n)
        if p is not None:
            largest = np.where(none, -1.0, np.where(np.isnan(p), 1.0, p)).max(axis=least_over)
            p = np.where(largest < 0, np.nan, largest)
    return interval_variables(name, dims, interval, p)


def add_verdict(
    dataset: xr.Dataset,
    effect: str,
    over: tuple[str, ...],
    n_units: int | xr.DataArray | None = None,
    *,
    and_also: tuple[str, ...] = (),
    p: xr.DataArray | None = None,
) -> xr.Dataset:
    """Add ``p_value``, ``p_holm`` and ``found`` for an effect with its p-values, ``effect_p``.

    Parameters
    ----------
    effect
        Variable; the claim is that it is above zero.
    over
        The dims whose cells are one family of tests: p-values are corrected over them, and
        ``found`` keeps the other dims: whether any cell of the family is significant at 0.05.
    n_units
        Units behind the intervals, for effects that have an interval and no p-values: see `one_sided_p`.
    and_also
        Further such variables that must be above zero too, in the same cell: the p-value of the
        conjunction is the largest (Berger 1982).
    p
        p-values to use instead of ``effect_p``; its attribute ``definition`` is kept.
    """
    from interp.statistics import holm

    claim = " and ".join((effect, *and_also))
    if p is None:
        tested = f"{effect}_p" in dataset
        each = [
            dataset[f"{name}_p"] if tested else _p_of_width(dataset, name, n_units)
            for name in (effect, *and_also)
        ]
        largest: Any = reduce(np.maximum, each)  # NaN where one is; an xarray.DataArray
        how = MEAN_TEST if tested else "Student's t, bootstrap error"
        p = (
            xr.DataArray(largest)
            .transpose(*dataset[effect].dims)
            .assign_attrs(definition=f"one-sided, of {claim} ≤ 0; {how}")
        )

    def correct(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(*values.shape[: values.ndim - len(over)], -1)
        out = np.full(flat.shape, np.nan)
        for index in np.ndindex(flat.shape[:-1]):
            there = ~np.isnan(flat[index])
            if there.any():
                out[index][there] = holm(flat[index][there])
        return out.reshape(values.shape)

    corrected = xr.apply_ufunc(
        correct, p, input_core_dims=[list(over)], output_core_dims=[list(over)]
    ).transpose(*p.dims)
    dataset["p_value"] = p
    dataset["p_holm"] = corrected.assign_attrs(definition=f"Holm-corrected over {', '.join(over)}")
    dataset["found"] = (
        (corrected < ALPHA)
        .any(over)
        .assign_attrs(
            definition=f"{claim} > 0 somewhere over {', '.join(over)}: Holm-corrected p < {ALPHA}"
        )
    )
    return dataset


def _p_of_width(dataset: xr.Dataset, name: str, n_units: int | xr.DataArray | None) -> xr.DataArray:
    assert n_units is not None
    ends = (dataset[name + end] for end in ENDS)
    return xr.apply_ufunc(
        one_sided_p, *ends, n_units, kwargs={"confidence": dataset.attrs["confidence"]}
    )


def one_sided_p(
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    n_units: np.ndarray | int,
    confidence: float,
) -> np.ndarray:
    """Return p-values of "no effect above zero" from intervals alone, by Student's t.

    It errs on skewed data (type I .2 to .35 where n = 10, .12 where n = 100): where the units are at hand,
    `mean_variables` and `statistic_variables` test them. No p is below ``2 ** -n_units``.

    Parameters
    ----------
    estimate, low, high
        Same shape. Without an interval (NaN) there is no p-value (NaN).
    n_units
        Units (levels) that were resampled; broadcasts.
    confidence
        Coverage of the intervals.
    """
    from scipy.stats import norm, t

    n = np.maximum(np.asarray(n_units, dtype=float), 2)
    width = (high - low) / (2 * norm.ppf((1 + confidence) / 2))
    error = width * np.sqrt(n / (n - 1))  # the bootstrap divides by n where n − 1 is unbiased
    with np.errstate(divide="ignore", invalid="ignore"):
        p = t.sf(estimate / error, n - 1)
    p = np.where(error > 0, p, np.where(estimate > 0, 0.0, 1.0))
    return np.where(np.isnan(estimate + error), np.nan, np.maximum(p, 0.5**n))


def best_cell(effect: xr.DataArray, p_holm: xr.DataArray) -> dict[str, int] | None:
    """Return where an effect is largest, among its significant cells if there are any.

    So that the cell a verdict is illustrated by is one that the verdict rests on.

    Returns
    -------
    dict or None
        Position along every dim; None if there is no value.
    """
    for cells in (effect.where(p_holm < ALPHA), effect):
        if bool(cells.notnull().any()):
            return {str(dim): int(at) for dim, at in cells.argmax([*cells.dims]).items()}
    return None
