"""Correlations over a few points, each with noise: plain, ranked, partial; permutation tests."""

from __future__ import annotations

import numpy as np


def noise_error(low: np.ndarray, high: np.ndarray, confidence: float) -> np.ndarray:
    """Return the standard errors behind intervals of a normal quantity, 0 where there is none."""
    from scipy.stats import norm

    return np.nan_to_num((high - low) / (2 * norm.ppf((1 + confidence) / 2)))


def correlations(
    x: np.ndarray, y: np.ndarray, given: np.ndarray | None, ranked: bool
) -> np.ndarray:
    """Correlate rows (resample, checkpoint), partially if something is given; 0 for constants."""
    from scipy.stats import rankdata

    arrays = [x, y] if given is None else [x, y, given]
    if ranked:
        arrays = [rankdata(array, axis=1) for array in arrays]

    def r(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        # Rounding leaves a constant row a spread of its own.
        return np.where(scale > 1e-12, (a * b).sum(axis=1) / np.maximum(scale, 1e-12), 0.0)

    whole = r(arrays[0], arrays[1])
    if given is None:
        return whole
    a, b = r(arrays[0], arrays[2]), r(arrays[1], arrays[2])
    rest = np.sqrt(np.maximum((1 - a**2) * (1 - b**2), 0))
    return np.where(rest > 1e-6, (whole - a * b) / np.maximum(rest, 1e-6), 0.0)


def permutation_p(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, n: int = 5000) -> float:
    """Return the one-sided p-value of Spearman's correlation ≤ 0: exact for few checkpoints."""
    from itertools import permutations
    from math import factorial

    observed = correlations(x[None], y[None], None, True)[0]
    exact = factorial(len(y)) <= n
    if exact:
        orders = np.array(list(permutations(range(len(y)))))
    else:
        orders = rng.permuted(np.tile(np.arange(len(y)), (n, 1)), axis=1)
    null = correlations(np.broadcast_to(x, orders.shape), y[orders], None, True)
    extreme = int((null >= observed - 1e-12).sum())
    return float(extreme / len(null) if exact else (extreme + 1) / (len(null) + 1))
