"""Effects over random draws of a control: an interval over units *and* draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics.interval import FEW, Interval, check_bounds, check_options, finite_units
from interp.statistics.intervals import Bounds, warnings_of

TWO_WAY = "two-way over units and draws, Student's t (Satterthwaite)"


def two_way_interval(
    values: ArrayLike,
    controls: ArrayLike,
    confidence: float = 0.95,
    *,
    bounds: Bounds | None = None,
) -> Interval:
    """Interval of an effect minus its mean over a control's draws, over both units and draws.

    Its variance is that over units (of the paired difference to the mean draw) plus that over draws (of
    their means). What units and draws do together counts in both, so that it errs to the wide side, as
    the bootstrap that resamples both does (Owen 2007); its degrees of freedom are Satterthwaite's.

    Parameters
    ----------
    values
        (unit, ...) float: outcome of every unit with what is claimed; or (draw, unit, ...), if that is
        drawn by lot too.
    controls
        (draw, unit, ...) float: with every draw of the control. A draw that is NaN was not made.
    bounds
        Of the *difference*.

    Returns
    -------
    Interval
        NaN ends for a single unit. A single draw counts as if there were no others, with a warning. How
        unusual the effect is among the draws, it does not say: that is `rank_p_value`.

    Raises
    ------
    InputError
        If the shapes do not agree, or a unit has no draw.

    References
    ----------
    Owen 2007, "The pigeonhole bootstrap"; Satterthwaite 1946.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = two_way_interval(rng.normal(1, 1, 30), rng.normal(0, 1, (19, 30)))
    >>> bool(result.low < 1 < result.high), result.n
    (True, 30)
    """
    from scipy.stats import t

    values, controls = np.asarray(values, np.float64), np.asarray(controls, np.float64)
    drawn_too = values.ndim == controls.ndim
    shape = values.shape[1:] if drawn_too else values.shape
    if controls.ndim < 2 or controls.shape[1:] != shape or not len(controls) or not len(values):
        raise InputError(f"Controls are (draw, …) of the values: {controls.shape}, {values.shape}.")
    check_options(confidence)
    ours, *of_ours = _mean_draw(values if drawn_too else values[None])
    theirs, *of_theirs = _mean_draw(controls)
    difference = finite_units("every unit's difference", ours - theirs)
    n = len(difference)
    parts = [of_theirs, of_ours] if drawn_too else [of_theirs]
    if n > 1:
        parts.append([difference.var(axis=0, ddof=1) / n, np.full(shape[1:], n)])
    variance = sum(part for part, _ in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / sum(part**2 / np.maximum(count - 1, 1) for part, count in parts)
        half = t.isf((1 - confidence) / 2, freedom) * np.sqrt(variance)
    half = np.where(variance > 0, half, 0.0) if n > 1 else np.full(shape[1:], np.nan)
    estimate = difference.mean(axis=0)
    low, high = estimate - half, estimate + half
    said = warnings_of(difference.reshape(n, -1), bounded=False)
    least = int(min(count.min() for _, count in parts[: 1 + drawn_too]))
    if least < FEW:
        said += (f"Only {least} draw{'s' if least != 1 else ''}: their spread is hardly known.",)
    if bounds is not None:
        check_bounds(difference, bounds)
        low, high = np.clip(low, *bounds), np.clip(high, *bounds)
    return Interval(estimate, low, high, TWO_WAY, said, n)


def _mean_draw(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over draws (unit, …), its variance over draws (…), and how many there are (…)."""
    made = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(made, values, 0).sum(axis=0) / made.sum(axis=0)
        of_draw = np.where(made, values, 0).sum(axis=1) / made.sum(axis=1)  # NaN: not made
    there = np.isfinite(of_draw)
    count = there.sum(axis=0)
    middle = np.where(there, of_draw, 0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(there, of_draw - middle, 0) ** 2).sum(axis=0)
    return mean, squares / np.maximum(count - 1, 1) / np.maximum(count, 1), count
