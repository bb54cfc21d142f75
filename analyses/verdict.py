"""Whether many cells of a table, each with an interval, show an effect: Holm-corrected."""

from __future__ import annotations

from functools import partial, reduce

import numpy as np
import xarray as xr

ALPHA = 0.05


def one_sided_p(
    estimate: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    n_units: np.ndarray | int,
    confidence: float,
) -> np.ndarray:
    """Return p-values of "no effect above zero" from bootstrap intervals, by Student's t.

    The interval's width gives the standard error, with ``n_units - 1`` degrees of freedom. No p is
    below ``2 ** -n_units``, the least that a sign-flip test of as many units can give: few levels
    that all agree are no certainty, however narrow their interval.

    Parameters
    ----------
    estimate, low, high
        Same shape. Without an interval (NaN) there is no p-value (NaN).
    n_units
        Units (levels) that were resampled; broadcasts.
    confidence
        Coverage of the intervals.
    """
    from scipy.stats import norm, t

    n = np.maximum(np.asarray(n_units, dtype=float), 2)
    width = (high - low) / (2 * norm.ppf((1 + confidence) / 2))
    error = width * np.sqrt(n / (n - 1))  # the bootstrap divides by n where n − 1 is unbiased
    with np.errstate(divide="ignore", invalid="ignore"):
        p = t.sf(estimate / error, n - 1)
    p = np.where(error > 0, p, np.where(estimate > 0, 0.0, 1.0))
    return np.where(np.isnan(estimate + error), np.nan, np.maximum(p, 0.5**n))


def add_verdict(
    dataset: xr.Dataset,
    effect: str,
    over: tuple[str, ...],
    n_units: int | xr.DataArray | None = None,
    *,
    and_also: tuple[str, ...] = (),
    p: xr.DataArray | None = None,
) -> xr.Dataset:
    """Add ``p_value``, ``p_holm`` and ``found`` for an effect with ``_low`` and ``_high``.

    Parameters
    ----------
    effect
        Variable; the claim is that it is above zero.
    over
        The dims whose cells are one family of tests: p-values are corrected over them, and
        ``found`` keeps the other dims: whether any cell of the family is significant at 0.05.
    n_units
        Units behind the intervals; needed without `p`.
    and_also
        Further such variables that must be above zero too, in the same cell: the p-value of the
        conjunction is the largest (Berger 1982).
    p
        p-values to use instead of those from the intervals; its attribute ``definition`` is kept.
    """
    from interp.statistics import holm

    claim = " and ".join((effect, *and_also))
    if p is None:
        assert n_units is not None
        confidence = dataset.attrs["confidence"]
        each = [
            xr.apply_ufunc(
                partial(one_sided_p, confidence=confidence),
                *(dataset[name + end] for end in ("", "_low", "_high")),
                n_units,
            )
            for name in (effect, *and_also)
        ]
        largest: xr.DataArray = reduce(np.maximum, each)  # NaN where one is
        p = largest.transpose(*dataset[effect].dims).assign_attrs(
            definition=f"one-sided, of {claim} ≤ 0; Student's t, bootstrap error"
        )

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
    dataset["p_value"] = p
    dataset["p_holm"] = corrected.assign_attrs(definition=f"Holm-corrected over {', '.join(over)}")
    dataset["found"] = (
        (corrected < ALPHA)
        .any(over)
        .assign_attrs(
            definition=f"{claim} > 0 somewhere over {', '.join(over)}: Holm-corrected p < {ALPHA}"
        )
    )
    return dataset


def best_cell(effect: xr.DataArray, p_holm: xr.DataArray) -> dict[str, int] | None:
    """Return where an effect is largest, among its significant cells if there are any.

    So that the cell a verdict is illustrated by is one that the verdict rests on.

    Returns
    -------
    dict or None
        Position along every dim; None if there is no value.
    """
    for cells in (effect.where(p_holm < ALPHA), effect):
        if bool(cells.notnull().any()):
            return {str(dim): int(at) for dim, at in cells.argmax([*cells.dims]).items()}
    return None
