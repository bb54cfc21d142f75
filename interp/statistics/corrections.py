"""Corrections for testing several hypotheses at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError


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
