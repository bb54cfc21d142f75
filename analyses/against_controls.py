"""The verdict on what is compared with draws of controls: a rank, where no cell scores its own choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analyses.verdict import ALPHA, ENDS, interval_variables
from interp.statistics.significance import MEAN_TEST


def against_controls(
    success: np.ndarray,
    source_of: np.ndarray,
    cells: Mapping[str, Sequence[Any]],
    nothing: np.ndarray | None = None,
    *,
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Score every player where its cell was not chosen, and rank the claim among its controls.

    The claim and every draw of a control each choose their best cell on half of the units, and are
    scored on the other half, in turn (`interp.statistics.cross_fitted`): under the null hypothesis the
    claim is one more draw, and its rank is exact, however many cells there are.

    Parameters
    ----------
    success
        (player, *cell, unit) float. Player 0 is the claim, each other one draw of a control.
    source_of
        (player,) str: the claim's name, then the control of every draw.
    cells
        Dim → coordinate of the cells, in the order of `success`.
    nothing
        (unit,): with nothing done; None where that is no question (zero by construction).

    Returns
    -------
    xarray.Dataset
        As `analyses.causes.plan_steering.plan_steering` says of ``written``, ``control_mean``,
        ``control_sd``, ``control_draw``, ``over_control``, ``p_rank``, ``nothing``, ``over_nothing``,
        ``p_value``, ``found``, ``chosen_…``, ``level_written`` and ``level_nothing``.

    Raises
    ------
    InputError
        If there are several cells and a single unit.
    """
    from interp.statistics import (
        DIFFERENCE,
        RATE,
        cross_fitted,
        mean_interval,
        mean_p_value,
        rank_p_value,
        two_way_interval,
    )

    fitted = cross_fitted(success, rng=rng)
    score, per_draw = fitted.score, fitted.score.mean(axis=1)
    data: dict[str, Any] = {}

    def add(name: str, values: np.ndarray, bounds: tuple[float, float]) -> None:
        found = mean_interval(values, n_bootstrap, confidence, rng, bounds=bounds)
        data.update(interval_variables(name, (), found))

    controls = list(dict.fromkeys(source_of[1:].tolist()))
    of = {control: score[source_of == control] for control in controls}
    differences = [
        two_way_interval(score[0], own, confidence, bounds=DIFFERENCE) for own in of.values()
    ]
    for end, bound in zip(ENDS, zip(*differences, strict=True), strict=True):
        data["over_control" + end] = ("control", np.array(bound), differences[0].attrs)
    data["control_draw"] = ("draw", per_draw[1:])
    data["control_mean"] = ("control", [own.mean() for own in of.values()])
    data["control_sd"] = ("control", [own.mean(axis=1).std(ddof=1) for own in of.values()])
    rank = [float(rank_p_value(per_draw[0], own.mean(axis=1))) for own in of.values()]
    data["p_rank"] = ("control", rank)
    add("written", score[0], RATE)
    data["level_written"] = ("level", score[0])
    p, definition = max(rank), "one-sided: of its rank among the draws of each control"
    if nothing is not None:
        add("nothing", nothing, RATE)
        add("over_nothing", score[0] - nothing, DIFFERENCE)
        data["level_nothing"] = ("level", nothing)
        p = max(p, float(mean_p_value(score[0] - nothing, rng=rng, bounds=DIFFERENCE)))
        definition += f" and of over_nothing ≤ 0 over units ({MEAN_TEST})"
    data["p_value"] = ((), p, {"definition": definition + ", the largest (Berger 1982)"})
    data["found"] = ((), p <= ALPHA, {"definition": f"p_value ≤ {ALPHA}"})
    shape = tuple(len(values) for values in cells.values())
    for (name, values), index in zip(
        cells.items(), np.unravel_index(fitted.cell[0], shape), strict=True
    ):
        data[f"chosen_{name}"] = ("fold", np.array(list(values))[index])
    return xr.Dataset(data, {"control": controls, "draw_control": ("draw", source_of[1:])})
