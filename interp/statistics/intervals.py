"""Intervals of means, differences and ratios over units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics import studentised
from interp.statistics.interval import (
    FEW,
    Interval,
    check_bounds,
    check_options,
    few_units,
    finite_units,
    warnings_of,
)
from interp.statistics.rates import EXACT, PAIRED, paired_rate_ends, rate_interval

Bounds = tuple[float, float]
RATE: Bounds = (0.0, 1.0)
"""Bounds of rates and scores."""
DIFFERENCE: Bounds = (-1.0, 1.0)
"""Bounds of differences of rates and scores."""

STUDENTISED = "studentised bootstrap, no narrower than Student's t"
TOGETHER = "simultaneous over {} cells: largest |t| of the studentised bootstrap"


def mean_interval(
    values: ArrayLike,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
    together: bool = False,
) -> Interval:
    """Interval of the mean over units, by the method that keeps its level on such values.

    With bounds, units that are 0 or 1 make a rate (`rate_interval`), and units that are −1, 0 or 1 a
    difference of paired rates (Bonett & Price 2012). All else is the wider of the studentised bootstrap
    and Student's t, cut at the bounds; where all units are equal, what a mean of that many bounded units
    can be (Gaffke 2005; of rates it is Clopper & Pearson's).

    Parameters
    ----------
    values
        (unit, ...) float, one row per independent unit: a level, not an episode of one.
    n_resamples
        Number of resamples.
    confidence
        Coverage aimed at.
    rng
        Generator or seed.
    bounds
        Lowest and highest value that a unit can have (`RATE`, `DIFFERENCE`), if any. Without, equal units
        have an interval of no width, and a warning.
    together
        Whether all cells' intervals are to hold at once.

    Returns
    -------
    Interval
        ``(estimate, low, high)`` with the method, its warnings and n. With a single unit low and high are
        NaN, unless it is a rate: one unit says nothing about the spread between units.

    Raises
    ------
    InputError
        For no units, NaNs, values outside the bounds, or a confidence outside (0, 1).

    References
    ----------
    Efron & Tibshirani 1993, section 12.5 (the bootstrap-t). Coverage: docs/calibration.md.

    Examples
    --------
    >>> every = mean_interval([1.0] * 20, bounds=RATE)
    >>> [round(float(x), 3) for x in every], every.method
    ([1.0, 0.832, 1.0], 'Clopper-Pearson')
    >>> mean_interval([0.3, 0.2, 0.5]).warnings
    ('Only 3 units: the interval is a rough guide.',)
    """
    values = finite_units("values", values)
    check_options(confidence, n_resamples)
    bounds = check_bounds(values, bounds)
    flat = values.reshape(len(values), -1)
    if together:
        low, high, method = (
            *_general(flat, confidence, n_resamples, rng, bounds, together=True),
            TOGETHER.format(flat.shape[1]),
        )
    else:
        low, high, method = _by_kind(flat, confidence, n_resamples, rng, bounds)
    shape = values.shape[1:]
    said = warnings_of(flat, bounded=bounds is not None)
    return Interval(
        values.mean(axis=0), low.reshape(shape), high.reshape(shape), method, said, len(values)
    )


def _by_kind(
    values: np.ndarray,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator | int,
    bounds: Bounds | None,
) -> tuple[np.ndarray, np.ndarray, str]:
    n = len(values)
    if bounds in (RATE, DIFFERENCE):
        whole = (values == np.round(values)).all(axis=0)
    else:
        whole = np.zeros(values.shape[1], bool)
    low, high = np.full((2, values.shape[1]), np.nan)
    methods = []
    if whole.any():
        counted = values[:, whole]
        if bounds == RATE:
            _, low[whole], high[whole] = rate_interval(counted.sum(axis=0), n, confidence)
        else:
            up, down = (counted > 0).sum(axis=0), (counted < 0).sum(axis=0)
            low[whole], high[whole] = paired_rate_ends(up, down, n, confidence)
        methods.append(EXACT if bounds == RATE else PAIRED)
    if not whole.all():
        rest = values[:, ~whole]
        low[~whole], high[~whole] = _general(rest, confidence, n_resamples, rng, bounds)
        methods.append(STUDENTISED)
    return low, high, "; ".join(methods) or STUDENTISED


def _general(
    values: np.ndarray,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator | int,
    bounds: Bounds | None,
    *,
    together: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    if len(values) == 1:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    low, high = studentised.ends(values, confidence, n_resamples, rng, together=together)
    if bounds is None:
        return low, high
    found = studentised.moments(values)
    # Gaffke's bounds of equal units: Dirichlet weights leave one more unit at most this much.
    tail = (1 - confidence) / 2 / (values.shape[1] if together else 1)
    share = 1 - tail ** (1 / len(values))
    least, most = (found.mean + share * (bound - found.mean) for bound in bounds)
    low = np.where(found.spread, low, least)
    high = np.where(found.spread, high, most)
    return np.clip(low, *bounds), np.clip(high, *bounds)


def paired_difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
) -> Interval:
    """Interval of ``mean(a - b)`` where row i of both belongs to the same unit; see `mean_interval`.

    Parameters
    ----------
    bounds
        Of the *difference*.

    Examples
    --------
    >>> [round(float(x), 2) for x in paired_difference_interval([3, 4, 6], [1, 2, 3])]
    [2.33, 0.33, 3.77]
    """
    a, b = finite_units("a", a), finite_units("b", b)
    if a.shape != b.shape:
        raise InputError(f"Paired values must have one shape; a has {a.shape}, b {b.shape}.")
    return mean_interval(a - b, n_resamples, confidence, rng, bounds=bounds)


def difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    confidence: float = 0.95,
    *,
    bounds: Bounds | None = None,
) -> Interval:
    """Interval of ``mean(a) - mean(b)`` of independent units: Newcombe's for rates, or Welch's t.

    Parameters
    ----------
    a, b
        (unit,) float.
    bounds
        Of the *values*. `RATE` and values of 0 and 1 make it a difference of two rates.

    References
    ----------
    Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.

    Examples
    --------
    >>> [round(float(x), 2) for x in difference_interval([1, 1, 1, 1, 0], [0] * 5, bounds=RATE)]
    [0.8, 0.07, 0.99]
    """
    from scipy.stats import ttest_ind

    a, b = finite_units("a", a), finite_units("b", b)
    if a.ndim != 1 or b.ndim != 1:
        raise InputError("Both samples must be one number per unit.")
    check_options(confidence)
    bounds = check_bounds(np.concatenate([a, b]), bounds)
    estimate, n = a.mean() - b.mean(), min(len(a), len(b))
    said = (few_units(n),) if n < FEW else ()
    if bounds == RATE and set(np.unique([*a, *b])) <= {0.0, 1.0}:
        # The exact intervals in Wilson's place: at least as wide where events are rare.
        (p, p_low, p_high), (q, q_low, q_high) = (
            rate_interval(x.sum(), len(x), confidence) for x in (a, b)
        )
        low = estimate - np.hypot(p - p_low, q_high - q)
        high = estimate + np.hypot(p_high - p, q - q_low)
        return Interval(estimate, low, high, "Newcombe, of Clopper-Pearson", said, n)
    if n < 2:
        return Interval(estimate, np.nan, np.nan, "Welch's t", said, n)
    if not (a.std() or b.std()):
        said += (f"All units of either sample are equal (n = {n}): no width is no certainty.",)
        return Interval(estimate, estimate, estimate, "Welch's t", said, n)
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    if bounds is not None:
        width = bounds[1] - bounds[0]
        low, high = max(low, -width), min(high, width)
    return Interval(estimate, low, high, "Welch's t", said, n)


def leave_one_out(n_units: int) -> np.ndarray:
    """Weights (1 + unit, unit) of units: all of them once, then each left out in turn.

    A statistic of weighted sums, of all rows at once, is what `statistic_interval` and
    `statistic_p_value` take.

    Examples
    --------
    >>> leave_one_out(2).tolist()
    [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    """
    if n_units < 1:
        raise InputError(f"Leaving one out needs at least one unit, not {n_units}.")
    return np.vstack([np.ones(n_units), 1.0 - np.eye(n_units)])


def pseudo_values(rows: np.ndarray) -> np.ndarray:
    """Tukey's pseudo-values (unit, ...) of a statistic's `leave_one_out` rows (1 + unit, ...).

    Their mean is the statistic without its bias of order 1/n, their spread its error over units; of a
    mean they are the units' values. The statistic must be smooth: a largest of several is not (see
    `weakest`), nor is a median.
    """
    n = len(rows) - 1
    return n * rows[0] - (n - 1) * rows[1:]


def statistic_interval(
    rows: np.ndarray,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
) -> Interval:
    """Interval of any smooth statistic of units, from its `leave_one_out` rows.

    The pseudo-values' mean is treated as `mean_interval` treats a mean; the estimate is the statistic
    itself, and the interval lies about it.

    Parameters
    ----------
    rows
        (1 + unit, ...) float. A cell with a NaN has an interval of NaNs.
    bounds
        Of the statistic.

    Examples
    --------
    >>> right, squares = np.array([1.0, 3, 4, 4, 5]), np.array([2.0, 4, 4, 6, 6])
    >>> weights = leave_one_out(5)
    >>> result = statistic_interval((weights @ right) / (weights @ squares), bounds=RATE)
    >>> round(float(result.estimate), 3), bool(result.low < 17 / 22 < result.high)
    (0.773, True)
    """
    rows = np.asarray(rows, dtype=np.float64)
    if len(rows) < 2:
        raise InputError(
            "A statistic needs the rows of `leave_one_out`: all units, then each left out."
        )
    n, shape = len(rows) - 1, rows.shape[1:]
    flat = rows.reshape(len(rows), -1)
    there = np.isfinite(flat).all(axis=0)
    low, high = np.full((2, flat.shape[1]), np.nan)
    method, said = f"{STUDENTISED}, of jackknife pseudo-values", ()
    if there.any() and n > 1:
        values = pseudo_values(flat[:, there])
        shift = flat[0, there] - values.mean(axis=0)  # the jackknife's estimate of the bias
        values = values + shift
        ends = _general(values, confidence, n_resamples, rng, None)
        spread = studentised.moments(values).spread
        if bounds is not None:
            tail = 1 - ((1 - confidence) / 2) ** (1 / n)
            edges = [values.mean(axis=0) + tail * (b - values.mean(axis=0)) for b in bounds]
            ends = tuple(
                np.clip(np.where(spread, end, edge), *bounds)
                for end, edge in zip(ends, edges, strict=True)
            )
        low[there], high[there] = ends
        said = warnings_of(values, bounded=bounds is not None)
    return Interval(
        flat[0].reshape(shape), low.reshape(shape), high.reshape(shape), method, said, n
    )


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
) -> Interval:
    """Interval of a ratio of sums, such as correct squares over all squares, or a rate over clusters.

    Parameters
    ----------
    numerator, denominator
        Per-unit sums, (unit, ...); a 1-D denominator serves every column of the numerator.
    bounds
        Of the ratio.

    Examples
    --------
    >>> float(ratio_interval([1, 3], [2, 4]).estimate)
    0.6666666666666666
    """
    top, bottom = finite_units("numerator", numerator), finite_units("denominator", denominator)
    if len(top) != len(bottom):
        raise InputError(f"numerator has {len(top)} units, denominator {len(bottom)}.")
    check_options(confidence, n_resamples)
    bottom = bottom.reshape(bottom.shape + (1,) * (top.ndim - bottom.ndim))
    weights = leave_one_out(len(top))
    over = resampled_sums(weights, np.broadcast_to(bottom, top.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = np.where(over == 0, np.nan, resampled_sums(weights, top) / over)
    return statistic_interval(rows, n_resamples, confidence, rng, bounds=bounds)


def selectivity(
    scores: ArrayLike,
    control_scores: ArrayLike,
    n_resamples: int = 2000,
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


def weakest(interval: Interval, axis: int = 0) -> Interval:
    """Interval of the least of several effects along an axis: of a margin over every control.

    Its p-value is the largest of theirs (Berger 1982).

    Examples
    --------
    >>> [float(x) for x in weakest(Interval([0.3, 0.2], [0.1, 0.15], [0.5, 0.3]))]
    [0.2, 0.1, 0.3]
    """
    estimate, low, high = (np.min(end, axis=axis) for end in interval)
    return Interval(estimate, low, high, interval.method, interval.warnings, interval.n)


def bootstrap_weights(
    n_units: int, n_resamples: int = 1000, rng: np.random.Generator | int = 0
) -> np.ndarray:
    """How often each unit is drawn in each bootstrap resample, for what is refitted to every one.

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
    check_options(0.5, n_resamples)
    rng = np.random.default_rng(rng)
    drawn = rng.integers(n_units, size=(n_resamples, n_units))
    drawn += np.arange(n_resamples)[:, None] * n_units
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_units)
    return counts.reshape(n_resamples, n_units).astype(np.float64)


def percentile_interval(
    replicates: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high percentiles of `replicates` along their first axis: of what is drawn by lot.

    As an interval of an estimate it is too narrow below about 50 units, and much too narrow on rare events
    (docs/calibration.md): `mean_interval` and `statistic_interval` are for that. A replicate that is NaN is
    left out; where all are, the interval is NaN.
    """
    check_options(confidence)
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


def resampled_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums over units in every resample: weights (resample, unit), values (unit, ...)."""
    flat = weights @ values.reshape(len(values), -1)
    return flat.reshape(len(weights), *values.shape[1:])
