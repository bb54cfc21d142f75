"""Intervals: bootstrap over units, and of proportions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError


class Interval(NamedTuple):
    """An estimate with its confidence interval; arrays where the estimate is one."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _check(confidence: float, n_resamples: int) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence!r}.")
    if n_resamples < 1:
        raise InputError(f"The number of resamples must be at least 1, not {n_resamples!r}.")


def finite_units(name: str, values: ArrayLike) -> np.ndarray:
    """Return values as float64, or raise `InputError` where there are none, or one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise InputError(f"{name} needs at least one unit along its first axis.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} has NaN or infinite values; leave those units out first.")
    return array


def bootstrap_weights(
    n_units: int, n_resamples: int = 1000, rng: np.random.Generator | int = 0
) -> np.ndarray:
    """How often each unit is drawn in each bootstrap resample.

    Resampled sums of per-unit counts are then one matrix product, ``weights @ counts``, and the
    same weights on two quantities make their comparison a paired one.

    Returns
    -------
    ndarray
        (resample, unit) float64; every row sums to `n_units`.

    Examples
    --------
    >>> bootstrap_weights(4, 2, rng=0).sum(axis=1).tolist()
    [4.0, 4.0]
    """
    if n_units < 1:
        raise InputError(f"A bootstrap needs at least one unit, not {n_units}.")
    _check(0.5, n_resamples)
    rng = np.random.default_rng(rng)
    drawn = rng.integers(n_units, size=(n_resamples, n_units))
    drawn += np.arange(n_resamples)[:, None] * n_units
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_units)
    return counts.reshape(n_resamples, n_units).astype(np.float64)


def percentile_interval(
    replicates: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high percentiles of bootstrap `replicates` along their first axis.

    A replicate that is NaN (a ratio whose denominator was not drawn) is left out; where all are,
    the interval is NaN.
    """
    _check(confidence, 1)
    tail = (1 - confidence) / 2
    replicates = np.asarray(replicates, dtype=np.float64)
    missing = np.isnan(replicates)
    if not missing.any():
        low, high = np.quantile(replicates, [tail, 1 - tail], axis=0)
        return low, high
    # A cell without any value would make nanquantile warn: give it one and take it back.
    empty = missing.all(axis=0)
    filled = np.where(empty, 0.0, replicates)
    low, high = np.nanquantile(filled, [tail, 1 - tail], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], ArrayLike] | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Percentile bootstrap interval, resampling the units on the first axis.

    Parameters
    ----------
    values
        (unit, ...) float, one row per episode.
    statistic
        Function of resampled values (unit, ...), whose result drops the first axis; None for the
        mean, which takes a fast path.
    n_resamples
        Number of resamples.
    confidence
        Coverage aimed at.
    rng
        Generator or seed.

    Returns
    -------
    Interval
        ``(estimate, low, high)``. With a single unit low and high are NaN: one unit says nothing
        about the spread between units.

    Raises
    ------
    InputError
        For no units, NaNs, or a confidence outside (0, 1).

    Examples
    --------
    >>> result = bootstrap_interval([0, 1, 1, 1], rng=0)
    >>> float(result.estimate), bool(result.low < 0.75 <= result.high)
    (0.75, True)
    """
    values = finite_units("values", values)
    _check(confidence, n_resamples)
    if statistic is None:
        ones = np.ones(values.shape[:1])
        return ratio_interval(values, ones, n_resamples, confidence, rng)
    rng = np.random.default_rng(rng)
    estimate = np.asarray(statistic(values), dtype=np.float64)
    if len(values) == 1:
        nothing = np.full(estimate.shape, np.nan)
        return Interval(estimate, nothing, nothing)
    draws = rng.integers(len(values), size=(n_resamples, len(values)))
    replicates = np.stack([np.asarray(statistic(values[draw]), float) for draw in draws])
    return Interval(estimate, *percentile_interval(replicates, confidence))


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Interval of a ratio of sums, such as correct squares over all squares.

    Parameters
    ----------
    numerator, denominator
        Per-unit sums, (unit, ...); a 1-D denominator serves every column of the numerator.

    Examples
    --------
    >>> float(ratio_interval([1, 3], [2, 4]).estimate)
    0.6666666666666666
    """
    top, bottom = finite_units("numerator", numerator), finite_units("denominator", denominator)
    if len(top) != len(bottom):
        raise InputError(f"numerator has {len(top)} units, denominator {len(bottom)}.")
    bottom = bottom.reshape(bottom.shape + (1,) * (top.ndim - bottom.ndim))
    weights = bootstrap_weights(len(top), n_resamples, rng)

    def ratio(sums_top: np.ndarray, sums_bottom: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sums_bottom == 0, np.nan, sums_top / sums_bottom)

    estimate = ratio(top.sum(axis=0), bottom.sum(axis=0))
    if len(top) == 1:
        nothing = np.full(estimate.shape, np.nan)
        return Interval(estimate, nothing, nothing)
    replicates = ratio(resampled_sums(weights, top), resampled_sums(weights, bottom))
    return Interval(estimate, *percentile_interval(replicates, confidence))


def resampled_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums over units in every resample: weights (resample, unit), values (unit, ...)."""
    flat = weights @ values.reshape(len(values), -1)
    return flat.reshape(len(weights), *values.shape[1:])


def paired_difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Interval of ``mean(a - b)`` where row i of both belongs to the same unit.

    Examples
    --------
    >>> tuple(map(float, paired_difference_interval([3, 4, 5], [1, 2, 3])))
    (2.0, 2.0, 2.0)
    """
    a, b = finite_units("a", a), finite_units("b", b)
    if a.shape != b.shape:
        raise InputError(f"Paired values must have one shape; a has {a.shape}, b {b.shape}.")
    return bootstrap_interval(a - b, None, n_resamples, confidence, rng)


def selectivity(
    scores: ArrayLike,
    control_scores: ArrayLike,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
) -> Interval:
    """Probe score minus its score on a control task, per unit and paired.

    Hewitt & Liang (2019), "Designing and Interpreting Probes with Control Tasks", section 2: a
    probe that also fits labels which the representation cannot know says little.

    Parameters
    ----------
    scores, control_scores
        (unit, ...) float: the score of each episode under the concept's labels and under the
        control's.
    """
    return paired_difference_interval(scores, control_scores, n_resamples, confidence, rng)


def wilson_interval(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> Interval:
    """Wilson's (1927) score interval for a proportion of independent trials.

    Examples
    --------
    >>> [round(float(x), 3) for x in wilson_interval(8, 10)]
    [0.8, 0.49, 0.943]
    """
    from scipy.special import ndtri

    _check(confidence, 1)
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if not ((n > 0) & (k >= 0) & (k <= n)).all():
        raise InputError("A proportion needs 0 <= successes <= n and n > 0.")
    z = ndtri(0.5 + confidence / 2)
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At the ends the bound is the end itself; rounding must not push it past.
    low = np.where(k == 0, 0.0, centre - half)
    high = np.where(k == n, 1.0, centre + half)
    return Interval(p, low, high)
