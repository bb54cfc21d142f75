"""What steered runs come to: the plan's score against its controls', and every cell by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analyses.against_controls import against_controls

CELL = ("site", "alpha", "n_directional")


def steering_table(
    outcome: np.ndarray,
    nothing: np.ndarray,
    source_of: np.ndarray,
    cells: Mapping[str, Sequence[Any]],
    *,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Turn outcomes into `analyses.causes.plan_steering.plan_steering`'s Dataset.

    Parameters
    ----------
    outcome
        (measure, player, site, alpha, n_directional, unit) float: success, solved, long way. Player 0
        is the plan, each other one draw of a control.
    nothing
        (measure, unit): with nothing written.
    source_of
        (player,) str: "trained", then the control of every draw.
    cells
        The coordinates of site, alpha and n_directional.
    """
    rng = np.random.default_rng([seed, 7])
    how: dict[str, Any] = {"n_bootstrap": n_bootstrap, "confidence": confidence, "rng": rng}
    table = xr.Dataset(
        _every_cell(outcome, nothing, source_of, **how),
        {"source": list(dict.fromkeys(source_of.tolist())), **cells},
        {"confidence": confidence},
    )
    tested = against_controls(outcome[0], source_of, cells, nothing[0], **how)
    return table.assign(tested.data_vars).assign_coords(tested.coords)


def _every_cell(
    outcome: np.ndarray,
    nothing: np.ndarray,
    source_of: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return what comes of every cell by itself, on all units."""
    from interp.statistics import bootstrap_weights, percentile_interval

    sources = list(dict.fromkeys(source_of.tolist()))
    by_unit = bootstrap_weights(outcome.shape[-1], n_bootstrap, rng) / outcome.shape[-1]
    means = np.stack([outcome[:, source_of == s].mean(axis=1) for s in sources], axis=1)
    again = []
    for source in sources:
        own = outcome[0, source_of == source]
        by_draw = bootstrap_weights(len(own), n_bootstrap, rng) / len(own)
        again.append(np.einsum("d...u,bd,bu->b...", own, by_draw, by_unit, optimize=True))
    low, high = percentile_interval(np.stack(again, axis=1), confidence)
    dims = ("source", *CELL)
    data: dict[str, Any] = {
        "success": (dims, means[0].mean(axis=-1)),
        "success_low": (dims, low),
        "success_high": (dims, high),
        "success_draw": (("draw", *CELL), outcome[0, 1:].mean(axis=-1)),
        "level_success": ((*dims, "level"), means[0]),
    }
    for number, name in ((1, "solved"), (2, "long_way")):
        data[name] = (dims, means[number].mean(axis=-1))
        data[f"{name}_nothing"] = ((), nothing[number].mean())
    return data
