"""How well estimated effects agree with exact ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def agreement(exact: xr.Dataset, estimate: xr.Dataset, confidence: float = 0.95) -> xr.Dataset:
    """Compare a table of effects with an estimate of it: attribution with activation patching, say.

    Parameters
    ----------
    exact, estimate
        Tables of the same cells and examples, as `patch_sweep` and `attribution_patch` give.
    confidence
        Of the interval: a jackknife over examples, on Fisher's z, with Student's t. (A bootstrap
        would be biased: examples drawn twice bring the noise that both tables share.)

    Returns
    -------
    xarray.Dataset
        ``spearman`` with ``_low`` and ``_high``: rank correlation, over cells, of the mean effects
        (NaN if a table is constant; no interval with fewer than three examples);
        ``example_spearman`` (example): the same within each
        example; ``sign_agreement``: share of the exact table's significant cells whose estimated
        mean effect has the same sign (NaN without any), and ``n_significant``.

    Raises
    ------
    InputError
        If the tables do not have the same cells and examples, or fewer than two cells.
    """
    import xarray as xr

    ours, theirs = exact["effect"], estimate["effect"]
    same = ours.dims == theirs.dims and ours.shape == theirs.shape
    if not same or any(not np.array_equal(ours[d].values, theirs[d].values) for d in ours.dims):
        raise InputError(
            f"The tables have other cells: {dict(ours.sizes)} and {dict(theirs.sizes)}."
        )
    n = len(ours)
    flat = [np.asarray(e.values, np.float64).reshape(n, -1) for e in (ours, theirs)]
    if flat[0].shape[1] < 2:
        raise InputError("A rank correlation over cells needs at least two of them.")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence!r}.")
    spearman = _spearman(*(values.mean(axis=0) for values in flat))
    left_out = [
        _spearman(*((values.sum(axis=0) - values[i]) / max(n - 1, 1) for values in flat))
        for i in range(n)
    ]
    low, high = _jackknife_interval(spearman, np.array(left_out), confidence)
    significant = exact["significant"].values.reshape(-1)
    signs = [np.sign(values.mean(axis=0))[significant] for values in flat]
    data = {
        "spearman": spearman,
        "spearman_low": low,
        "spearman_high": high,
        "example_spearman": (
            "example",
            np.array([_spearman(a, b) for a, b in zip(*flat, strict=True)]),
        ),
        "sign_agreement": float(np.mean(signs[0] == signs[1])) if significant.any() else np.nan,
        "n_significant": int(significant.sum()),
    }
    attrs = {
        "confidence": confidence,
        "interval": "jackknife over examples, Fisher's z, Student's t",
        "spearman": "Spearman's rank correlation over cells of the mean effects",
        "n_examples": n,
        "n_cells": flat[0].shape[1],
        "exact": exact.attrs.get("method", ""),
        "estimate": estimate.attrs.get("method", ""),
        "metric": exact.attrs.get("metric", ""),
    }
    return xr.Dataset(data, {"example": ours["example"].values}, attrs)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (a, b)]
    ranks = [r - r.mean() for r in ranks]
    norm = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float(ranks[0] @ ranks[1] / norm) if norm else np.nan


def _jackknife_interval(
    estimate: float, left_out: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return the interval of a correlation from the correlations with one example left out."""
    from scipy.stats import t

    n = len(left_out)
    if n < 3 or not np.isfinite([estimate, *left_out]).all():
        return np.nan, np.nan
    edge = 1 - 1e-12  # a perfect correlation is infinitely far out on Fisher's scale
    z, every = (np.arctanh(np.clip(r, -edge, edge)) for r in (estimate, left_out))
    error = np.sqrt((n - 1) / n * ((every - every.mean()) ** 2).sum())
    reach = float(t.ppf((1 + confidence) / 2, n - 1) * error)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))
