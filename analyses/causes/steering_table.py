"""What steered runs come to: the plan's score against its controls', and every cell by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analyses.verdict import ALPHA

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
    controls = list(dict.fromkeys(source_of[1:].tolist()))
    coords = {"source": ["trained", *controls], "control": controls, **cells}
    table = xr.Dataset(coords=coords, attrs={"confidence": confidence})
    table = table.assign_coords(draw_control=("draw", source_of[1:]))
    rng = np.random.default_rng([seed, 7])
    table = table.assign(_every_cell(outcome, nothing, source_of, n_bootstrap, confidence, rng))
    return table.assign(
        _tested(outcome[0], nothing[0], source_of, cells, n_bootstrap, confidence, rng)
    )


def _tested(
    success: np.ndarray,
    nothing: np.ndarray,
    source_of: np.ndarray,
    cells: Mapping[str, Sequence[Any]],
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Score every player where its cell was not chosen, and rank the plan among the controls."""
    from interp.statistics import (
        bootstrap_interval,
        cross_fitted,
        difference_from_draws,
        rank_p_value,
        sign_flip_test,
    )

    fitted = cross_fitted(success, rng=rng)
    score = fitted.score
    how = {"n_resamples": n_bootstrap, "confidence": confidence}
    data: dict[str, Any] = {}
    for name, values in (
        ("written", score[0]),
        ("nothing", nothing),
        ("over_nothing", score[0] - nothing),
    ):
        interval = bootstrap_interval(values, **how, rng=rng)
        for end, bound in zip(("", "_low", "_high"), interval, strict=True):
            data[name + end] = ((), bound)
    controls = list(dict.fromkeys(source_of[1:].tolist()))
    per_draw = score.mean(axis=1)
    of = {control: score[source_of == control] for control in controls}
    differences = [difference_from_draws(score[0], own, **how, rng=rng) for own in of.values()]
    for end, bound in zip(("", "_low", "_high"), zip(*differences, strict=True), strict=True):
        data["over_control" + end] = ("control", np.array(bound))
    data["control_draw"] = ("draw", per_draw[1:])
    data["control_mean"] = ("control", [own.mean() for own in of.values()])
    data["control_sd"] = ("control", [own.mean(axis=1).std(ddof=1) for own in of.values()])
    rank = [rank_p_value(per_draw[0], own.mean(axis=1)) for own in of.values()]
    data["p_rank"] = ("control", rank)
    above = sign_flip_test(score[0] - nothing, alternative="greater", rng=rng).p_value
    p = max(*rank, above)
    definition = (
        "one-sided: the largest of the plan's rank among the draws of each control and of the sign-flip "
        "test of over_nothing ≤ 0, over units (Berger 1982)"
    )
    data["p_value"] = ((), p, {"definition": definition})
    data["found"] = ((), p <= ALPHA, {"definition": f"p_value ≤ {ALPHA}"})
    data["level_written"], data["level_nothing"] = ("level", score[0]), ("level", nothing)
    shape = tuple(len(values) for values in cells.values())
    at = np.unravel_index(fitted.cell[0], shape)
    for name, index in zip(CELL, at, strict=True):
        data[f"chosen_{name}"] = ("fold", np.array(list(cells[name]))[index])
    return data


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
