"""Intervals of rates, and of differences of rates on the same units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics.interval import FEW, Interval, check_options, few_units

EXACT = "Clopper-Pearson"
PAIRED = "Bonett-Price, paired rates"


def _counted(successes: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if not ((n > 0) & (k >= 0) & (k <= n)).all():
        raise InputError("A proportion needs 0 <= successes <= n and n > 0.")
    return k, n


def _few(n: np.ndarray) -> tuple[str, ...]:
    least = int(n.min())
    return (few_units(least),) if least < FEW else ()


def rate_interval(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> Interval:
    """Clopper & Pearson's (1934) interval of a rate of independent trials, which never covers less.

    Wilson's is narrower and covers less where events are rare and units few: .83 for a rate of .04 in 5.

    Parameters
    ----------
    successes, n
        Whole numbers of successes and trials, broadcast.

    Raises
    ------
    InputError
        If there are no trials, or more successes than trials.

    Examples
    --------
    >>> [round(float(x), 3) for x in rate_interval(20, 20)]
    [1.0, 0.832, 1.0]
    """
    from scipy.special import betaincinv

    check_options(confidence)
    k, n = np.broadcast_arrays(*_counted(successes, n))
    tail = (1 - confidence) / 2
    low = np.where(k == 0, 0.0, betaincinv(np.maximum(k, 0.5), n - k + 1, tail))
    high = np.where(k == n, 1.0, betaincinv(k + 1, np.maximum(n - k, 0.5), 1 - tail))
    return Interval(k / n, low, high, EXACT, _few(n), int(n.min()))


def wilson_interval(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> Interval:
    """Wilson's (1927) score interval for a proportion of independent trials.

    For hundreds of trials. Below about 200 it covers less than .93 at some rates, and below 10 less than
    .85 (docs/calibration.md): `rate_interval` never does.

    Examples
    --------
    >>> [round(float(x), 3) for x in wilson_interval(8, 10)]
    [0.8, 0.49, 0.943]
    """
    from scipy.special import ndtri

    check_options(confidence)
    k, n = _counted(successes, n)
    z = ndtri(0.5 + confidence / 2)
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At the ends the bound is the end itself; rounding must not push it past.
    low = np.where(k == 0, 0.0, centre - half)
    high = np.where(k == n, 1.0, centre + half)
    return Interval(p, low, high, "Wilson", _few(n), int(n.min()))


def paired_rate_ends(
    up: np.ndarray, down: np.ndarray, n: int, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return low and high of ``(up − down) / n``: units that came to succeed, and that ceased to.

    References
    ----------
    Bonett & Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data".
    """
    from scipy.special import ndtri

    p, q = (up + 1) / (n + 2), (down + 1) / (n + 2)
    middle = p - q
    half = ndtri(0.5 + confidence / 2) * np.sqrt((p + q - middle**2) / (n + 2))
    # The middle is pulled to zero; the interval must not leave out the estimate itself.
    estimate = (up - down) / n
    return (
        np.minimum(np.maximum(middle - half, -1), estimate),
        np.maximum(np.minimum(middle + half, 1), estimate),
    )
