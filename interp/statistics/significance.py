"""Exact and permutation tests of differences."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics.intervals import finite_units

Alternative = Literal["two-sided", "greater", "less"]


class PermutationResult(NamedTuple):
    """A test's statistic and p-value."""

    statistic: float
    p_value: float


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

    Examples
    --------
    >>> permutation_test([3.0, 4.0], [1.0, 2.0]).p_value
    0.3333333333333333
    """
    from itertools import combinations
    from math import comb

    a, b = finite_units("a", a), finite_units("b", b)
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
