"""Exact, resampling and rank tests."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics import studentised
from interp.statistics.interval import check_bounds, finite_units
from interp.statistics.intervals import DIFFERENCE, Bounds, pseudo_values

Alternative = Literal["two-sided", "greater", "less"]

MEAN_TEST = (
    "largest of sign flips, studentised bootstrap and, where units lean up, Gaffke's test with one unseen "
    "unit; exact sign test where units are -1, 0 or 1"
)


class PermutationResult(NamedTuple):
    """A test's statistic and p-value."""

    statistic: float
    p_value: float


def mean_p_value(
    values: ArrayLike,
    alternative: Alternative = "greater",
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
) -> np.ndarray:
    """P-values of a mean of zero that keep their level on skewed and rare-event data.

    Units that are −1, 0 or 1 within bounds of (−1, 1) are counted (`sign_test`, McNemar's). All else takes
    the largest of three: sign flips, exact where the null is symmetric; the studentised bootstrap, for
    skewed ones; and, where most units lie above the mean as they do if a long tail below has hardly been
    seen, Gaffke's test with one more unit that speaks against the claim twice as strongly as any. Type I
    error and power: docs/calibration.md.

    Parameters
    ----------
    values
        (unit, ...) float, one row per independent unit.
    alternative
        What the mean is under the claim: above zero, below, or either.
    rng
        Generator or seed of the bootstrap.
    bounds
        Lowest and highest value that a unit can have, if any. Without, units that are all equal test
        nothing (p = 1).

    Returns
    -------
    ndarray
        (...) p-values; 1 for a single unit.

    Raises
    ------
    InputError
        For no units, NaNs, values outside the bounds, or an unknown alternative.

    References
    ----------
    Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable"; Efron & Tibshirani 1993, section 12.5.

    Examples
    --------
    >>> mean_p_value([1.0, 1.0, 1.0, 0.0], bounds=(-1, 1)).round(3).tolist()
    0.125
    >>> bool(mean_p_value([0.2, 0.4, 0.3, 0.1, 0.3, 0.2]) < mean_p_value([0.2, 0.4, 0.3, -0.1, 0.3, 0.2]))
    True
    """
    values = finite_units("values", values)
    bounds = check_bounds(values, bounds)
    if alternative == "less":
        turned = None if bounds is None else (-bounds[1], -bounds[0])
        return mean_p_value(-values, "greater", rng, bounds=turned)
    if alternative == "two-sided":
        seed = rng if isinstance(rng, int) else int(rng.integers(2**31))
        each = [mean_p_value(values, side, seed, bounds=bounds) for side in ("greater", "less")]
        return np.minimum(2 * np.minimum(*each), 1.0)
    if alternative != "greater":
        raise InputError(
            f"alternative must be 'two-sided', 'greater' or 'less', not {alternative!r}."
        )
    flat = values.reshape(len(values), -1)
    p = np.ones(flat.shape[1])
    signs = (flat == np.sign(flat)).all(axis=0) & (bounds == DIFFERENCE)
    if signs.any():
        p[signs] = sign_test(flat[:, signs])
    if not signs.all() and len(values) > 1:
        p[~signs] = studentised.p_greater(flat[:, ~signs], rng, bounds)
    return p.reshape(values.shape[1:])


def statistic_p_value(
    rows: np.ndarray,
    null: float = 0.0,
    alternative: Alternative = "greater",
    rng: np.random.Generator | int = 0,
    *,
    bounds: Bounds | None = None,
) -> np.ndarray:
    """P-values of a smooth statistic of units, from its `leave_one_out` rows (1 + unit, ...).

    Parameters
    ----------
    null
        What the statistic is without the effect.
    bounds
        Of the statistic. Where its pseudo-values are all equal, they say how far one more could lie.

    Returns
    -------
    ndarray
        (...); NaN where a row is.

    Examples
    --------
    >>> from interp.statistics import leave_one_out
    >>> x, weights = np.linspace(0.1, 0.6, 20), leave_one_out(20)
    >>> bool(statistic_p_value(weights @ x / weights.sum(axis=1)) < 0.001)
    True
    """
    rows = np.asarray(rows, dtype=np.float64)
    flat = rows.reshape(len(rows), -1)
    there = np.isfinite(flat).all(axis=0)
    p = np.full(flat.shape[1], np.nan)
    if there.any():
        values = pseudo_values(flat[:, there])
        values = values + flat[0, there] - values.mean(axis=0) - null
        found = np.ones(values.shape[1])
        if len(values) > 1:
            equal = ~studentised.moments(values).spread
            if (~equal).any():  # pseudo-values may leave the statistic's own bounds
                found[~equal] = mean_p_value(values[:, ~equal], alternative, rng)
            if equal.any() and bounds is not None:
                within = (bounds[0] - null, bounds[1] - null)
                found[equal] = mean_p_value(values[:, equal], alternative, rng, bounds=within)
        p[there] = found
    return p.reshape(rows.shape[1:])


def rank_p_value(observed: ArrayLike, controls: ArrayLike) -> np.ndarray:
    """P-value by rank among draws of a control: (1 + controls at least as large) / (1 + controls).

    Exact where the observed effect is one more such draw under the null. A mean of a few draws cannot
    say how unusual an effect is; nineteen draws are the fewest that can give .05.

    Parameters
    ----------
    observed
        (...) float.
    controls
        (draw, ...) float: of random directions, shuffled labels, channels drawn by lot. A draw that is NaN
        was not made, and is left out.

    Returns
    -------
    ndarray
        (...); NaN where the observed effect is NaN, 1 where there is no draw.

    Raises
    ------
    InputError
        If the shapes do not agree.

    References
    ----------
    Phipson & Smyth 2010, "Permutation p-values should never be zero".

    Examples
    --------
    >>> float(rank_p_value(0.6, [0.01, 0.05, 0.2, 0.48]))
    0.2
    """
    observed, controls = np.asarray(observed, np.float64), np.asarray(controls, np.float64)
    if controls.ndim != observed.ndim + 1 or controls.shape[1:] != observed.shape:
        raise InputError(
            f"Controls are (draw, …) of what was observed: {controls.shape} and {observed.shape}."
        )
    drawn = (~np.isnan(controls)).sum(axis=0)
    # Rounding must not make a draw that equals the effect count as smaller.
    slack = 1e-12 * np.maximum(1.0, np.abs(np.nan_to_num(observed)))
    beyond = (controls >= observed - slack).sum(axis=0)
    return np.where(np.isnan(observed), np.nan, (1 + beyond) / (1 + drawn))


def sign_flip_test(
    differences: ArrayLike,
    n_permutations: int = 10_000,
    alternative: Alternative = "two-sided",
    rng: np.random.Generator | int = 0,
) -> PermutationResult:
    """Paired permutation test that the mean difference is zero.

    Exact where each unit's difference is as likely to have the other sign under the null, as when two
    conditions are exchangeable; for any other null it is `mean_p_value` that keeps its level. All sign
    patterns are enumerated where there are at most `n_permutations` of them.

    Examples
    --------
    >>> sign_flip_test([1, 1, 1])
    PermutationResult(statistic=1.0, p_value=0.25)
    """
    d = finite_units("differences", differences)
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

    d = finite_units("differences", differences)
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

    `scipy.stats.permutation_test`: exact where there are at most `n_permutations` partitions; two-sided
    p-values are twice the smaller one-sided.

    Examples
    --------
    >>> round(permutation_test([3.0, 4.0], [1.0, 2.0]).p_value, 3)
    0.333
    """
    from scipy import stats

    a, b = finite_units("a", a), finite_units("b", b)
    if a.ndim != 1 or b.ndim != 1:
        raise InputError("Both samples must be one number per unit.")
    if alternative not in ("two-sided", "greater", "less"):
        raise InputError(
            f"alternative must be 'two-sided', 'greater' or 'less', not {alternative!r}."
        )

    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return x.mean(axis=axis) - y.mean(axis=axis)

    found = stats.permutation_test(
        (a, b),
        difference,
        n_resamples=n_permutations,
        vectorized=True,
        alternative=alternative,
        rng=np.random.default_rng(rng),
    )
    return PermutationResult(float(found.statistic), float(found.pvalue))
