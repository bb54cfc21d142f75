"""Cells of a table of probes that are chosen by other levels than those that score them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.verdict import ALPHA
from interp.statistics import holm

OVER = ("site", "tick")


def add_chosen_cells(dataset: xr.Dataset) -> xr.Dataset:
    """Add the cells with the largest margin on held-out training levels, and rest ``found`` on them.

    Parameters
    ----------
    dataset
        With ``validation`` (concept, receptive_field, source, site, tick), ``p_value`` and ``found``.

    Returns
    -------
    xarray.Dataset
        With ``validation_margin``, ``chosen`` and ``chosen_p_holm``; see `analyses.plan_probes`. ``found``
        is as it was for concepts without a score on training levels.
    """
    controls = [name for name in dataset.source.values if name not in ("trained", "shuffled")]
    scores = dataset.validation
    margin = scores.sel(source="trained", drop=True) - scores.sel(source=controls).max("source")
    dataset["validation_margin"] = margin.assign_attrs(
        definition="trained minus the best control, on held-out training levels"
    )
    best = margin.max(OVER)
    chosen = (margin == best) & margin.notnull()
    # Of several that tie, the first.
    order = chosen.stack(cell=OVER).cumsum("cell").unstack("cell").reindex_like(margin)
    dataset["chosen"] = chosen & (order.transpose(*margin.dims) == 1)
    p = dataset.p_value.where(dataset.chosen).max(OVER)
    corrected = xr.full_like(p, np.nan, dtype=float)
    for concept in range(p.sizes["concept"]):
        values = p[concept].values
        there = np.isfinite(values)
        if there.any():
            corrected[concept, there] = holm(values[there])
    dataset["chosen_p_holm"] = corrected.assign_attrs(
        definition="of the chosen cell's margin ≤ 0, Holm-corrected over receptive_field"
    )
    known = corrected.notnull().any("receptive_field")
    before = dict(dataset.found.attrs)
    dataset["found"] = xr.where(known, (corrected < ALPHA).any("receptive_field"), dataset.found)
    dataset["found"].attrs = (
        {
            "definition": "margin > 0 on the test levels at the cell that held-out training levels chose: "
            f"Holm-corrected over receptive_field, p < {ALPHA}"
        }
        if bool(known.all())
        else before
    )
    return dataset


def chosen_cell(dataset: xr.Dataset) -> dict[str, int] | None:
    """Return the position of the chosen cell along site and tick, of one concept and receptive field."""
    if not bool(dataset.chosen.any()):
        return None
    at = dataset.chosen.argmax([*OVER])
    return {str(dim): int(index) for dim, index in at.items()}
