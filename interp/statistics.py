"""How sure: bootstrap over episodes, permutation tests, multiple-testing corrections.

Everything resamples *units* along the first axis: whole episodes (or levels), never steps, since
the steps of an episode are not independent. The intervals are percentile intervals (Efron &
Tibshirani 1993, section 13.3); with fewer than about 20 units they are somewhat too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError

Alternative = Literal["two-sided", "greater", "less"]


class Interval(NamedTuple):
    """An estimate with its confidence interval; arrays where the estimate is one."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


class PermutationResult(NamedTuple):
    """A test's statistic and p-value."""

    statistic: float
    p_value: float


def _check(confidence: float, n_resamples: int) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence!r}.")
    if n_resamples < 1:
        raise InputError(f"The number of resamples must be at least 1, not {n_resamples!r}.")


def _finite(name: str, values: ArrayLike) -> np.ndarray:
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
    values = _finite("values", values)
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
    top, bottom = _finite("numerator", numerator), _finite("denominator", denominator)
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
    a, b = _finite("a", a), _finite("b", b)
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


def _p_value(observed: float, null: np.ndarray, alternative: Alternative, exact: bool) -> float:
    # Rounding must not make a relabelling that equals the data count as smaller.
    slack = 1e-12 * max(1.0, abs(observed))
    if alternative == "two-sided":
        extreme = np.count_nonzero(np.abs(null) >= abs(observed) - slack)
    elif alternative == "greater":
        extreme = np.count_nonzero(null >= observed - slack)
    elif alternative == "less":
        extreme = np.count_nonzero(null <= observed + slack)
    else:
        raise InputError(
            f"alternative must be 'two-sided', 'greater' or 'less', not {alternative!r}."
        )
    # Sampled relabellings: the data themselves count as one (Phipson & Smyth 2010).
    return float(extreme / len(null) if exact else (extreme + 1) / (len(null) + 1))


def sign_flip_test(
    differences: ArrayLike,
    n_permutations: int = 10_000,
    alternative: Alternative = "two-sided",
    rng: np.random.Generator | int = 0,
) -> PermutationResult:
    """Paired permutation test that the mean difference is zero.

    Under the null each unit's difference is as likely to have the other sign. All sign patterns
    are enumerated where there are at most `n_permutations` of them.

    Examples
    --------
    >>> sign_flip_test([1, 1, 1])
    PermutationResult(statistic=1.0, p_value=0.25)
    """
    d = _finite("differences", differences)
    if d.ndim != 1:
        raise InputError(f"differences must be one number per unit, not of shape {d.shape}.")
    n = len(d)
    exact = n < 31 and 2**n <= n_permutations
    if exact:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        rng = np.random.default_rng(rng)
        signs = 1.0 - 2.0 * rng.integers(2, size=(n_permutations, n), dtype=np.int8)
    observed = float(d.mean())
    return PermutationResult(observed, _p_value(observed, signs @ d / n, alternative, exact))


def sign_test(differences: ArrayLike) -> np.ndarray:
    """Exact one-sided sign test that positive differences are no likelier than negative ones.

    For outcomes that are yes or no it is McNemar's exact test.

    Parameters
    ----------
    differences
        (unit, ...) float; zeros say nothing and are left out.

    Returns
    -------
    ndarray
        p-values (...); 1 where all differences are zero.

    Examples
    --------
    >>> float(sign_test([1, 1, 1, 0, 0]))
    0.125
    """
    from scipy.stats import binom

    d = _finite("differences", differences)
    up, down = (d > 0).sum(axis=0), (d < 0).sum(axis=0)
    return np.asarray(binom.sf(up - 1, up + down, 0.5))


def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    n_permutations: int = 10_000,
    alternative: Alternative = "two-sided",
    rng: np.random.Generator | int = 0,
) -> PermutationResult:
    """Two-sample permutation test of ``mean(a) - mean(b)``, for units that are not paired.

    Examples
    --------
    >>> permutation_test([3.0, 4.0], [1.0, 2.0]).p_value
    0.3333333333333333
    """
    from itertools import combinations
    from math import comb

    a, b = _finite("a", a), _finite("b", b)
    if a.ndim != 1 or b.ndim != 1:
        raise InputError("Both samples must be one number per unit.")
    pooled, n = np.concatenate([a, b]), len(a)
    exact = comb(len(pooled), n) <= n_permutations
    if exact:
        sums = np.array(
            [pooled[list(chosen)].sum() for chosen in combinations(range(len(pooled)), n)]
        )
    else:
        rng = np.random.default_rng(rng)
        sums = np.array([rng.permutation(pooled)[:n].sum() for _ in range(n_permutations)])
    null = sums / n - (pooled.sum() - sums) / len(b)
    observed = float(a.mean() - b.mean())
    return PermutationResult(observed, _p_value(observed, null, alternative, exact))


def _p_values(p_values: ArrayLike) -> np.ndarray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("p-values must lie between 0 and 1, and there must be at least one.")
    return p


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's (1979) adjusted p-values: controls the chance of any false rejection.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _p_values(p_values)
    order = np.argsort(p, axis=None)
    steps = p.ravel()[order] * np.arange(p.size, 0, -1)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.reshape(p.shape)


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Benjamini & Hochberg's (1995) adjusted p-values: controls the false discovery rate.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = _p_values(p_values)
    order = np.argsort(p, axis=None)[::-1]
    steps = p.ravel()[order] * p.size / np.arange(p.size, 0, -1)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted.reshape(p.shape)


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
