"""Whether many cells of a table, each with an interval, show an effect: Holm-corrected."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr


def one_sided_p(
    estimate: np.ndarray, low: np.ndarray, high: np.ndarray, confidence: float
) -> np.ndarray:
    """Return p-values of "no effect above zero" from bootstrap intervals, by the normal approximation.

    Parameters
    ----------
    estimate, low, high
        Same shape; the interval's width gives the standard error. A zero-width interval gives
        p = 0 if the estimate is above zero and 1 otherwise; NaN stays NaN.
    confidence
        Coverage of the intervals.
    """
    from scipy.stats import norm

    error = (high - low) / (2 * norm.ppf((1 + confidence) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = norm.sf(estimate / error)
    exact = np.where(estimate > 0, 0.0, 1.0)
    return np.where(np.isnan(estimate), np.nan, np.where(error > 0, p, exact))


def add_verdict(
    dataset: xr.Dataset, effect: str, over: tuple[str, ...], alpha: float = 0.05
) -> xr.Dataset:
    """Add ``p_value``, ``p_holm`` and ``found`` for an effect with ``_low`` and ``_high``.

    Parameters
    ----------
    effect
        Variable; the claim is that it is above zero.
    over
        The dims whose cells are one family of tests: p-values are corrected over them, and
        ``found`` keeps the other dims: whether any cell of the family is significant at `alpha`.
    """
    from interp.statistics import holm

    confidence = dataset.attrs["confidence"]
    value, low, high = (dataset[effect + end] for end in ("", "_low", "_high"))
    p = xr.apply_ufunc(partial(one_sided_p, confidence=confidence), value, low, high)

    def correct(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(*values.shape[: values.ndim - len(over)], -1)
        out = np.full(flat.shape, np.nan)
        for index in np.ndindex(flat.shape[:-1]):
            there = ~np.isnan(flat[index])
            if there.any():
                out[index][there] = holm(flat[index][there])
        return out.reshape(values.shape)

    corrected = xr.apply_ufunc(
        correct, p, input_core_dims=[list(over)], output_core_dims=[list(over)]
    ).transpose(*p.dims)
    dataset["p_value"] = p.assign_attrs(
        definition=f"one-sided, of {effect} ≤ 0; normal approximation"
    )
    dataset["p_holm"] = corrected.assign_attrs(definition=f"Holm-corrected over {', '.join(over)}")
    dataset["found"] = (
        (corrected < alpha)
        .any(over)
        .assign_attrs(
            definition=f"{effect} > 0 somewhere over {', '.join(over)}: Holm-corrected p < {alpha}"
        )
    )
    return dataset
