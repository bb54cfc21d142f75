"""The causal part of a study: is a plan that is written into the organism carried out?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analyses.causes.plan_controls import LABELS
from analyses.causes.plan_steering import plan_steering, plot_plan_steering
from analyses.causes.plan_writing import fitted_directions
from analyses.causes.steered_episode import plot_steered_episode, steered_episode
from analyses.study.report import Report
from interp.errors import InputError
from interp.files import write_netcdf
from organisms.capabilities.capability import has_capability
from organisms.capabilities.steering import Steering

N_TRAIN = 200
"""Tasks that the probes whose directions are written are fitted on; those of the split ``train``."""

SWEEP: Mapping[str, Any] = {"n_tasks": 10, "alphas": (0.5,), "n_random": 19, "n_other_plans": 19}
"""One strength, at one site: the one whose probe reads best, on levels that are not steered."""

NAME = "plan_steering"


def study_steering(
    organism: Any, out: Path, *, seed: int, progress: bool
) -> tuple[dict[str, xr.Dataset], dict[str, Callable[[], Any]], dict[str, str]]:
    """Steer an organism with plans of every kind that its family has tasks for.

    Parameters
    ----------
    organism
        See `analyses.study.study`.
    out
        Folder; the recording that probes are fitted on is kept in ``steering``, and the result of
        every kind is written (netCDF) as soon as it is there.
    seed, progress
        As in `analyses.study.study`.

    Returns
    -------
    results
        ``"plan_steering-KIND"`` → Dataset; ``"plan_steering"`` alone of an organism that cannot be
        steered.
    figures
        The same, and ``"steered-KIND"``: one episode, left alone and steered; each a function that
        draws it, so that results are written first.
    unanswered
        Kinds of which the question could not be answered, with the reason.
    """
    results: dict[str, xr.Dataset] = {}
    figures: dict[str, Callable[[], Any]] = {}
    unanswered: dict[str, str] = {}
    if not has_capability(organism, Steering):
        unasked = plan_steering(organism, "")  # says why
        write_netcdf(unasked, out / f"{NAME}.nc")
        return {NAME: unasked}, {}, {}
    for kind in organism[Steering].kinds:
        name = f"{NAME}-{kind}"
        try:
            tasks = organism[Steering].tasks(kind, SWEEP["n_tasks"], seed)
            directions = fitted_directions(
                organism,
                tasks.concept,
                organism.tasks("train", N_TRAIN, seed=seed),
                organism[Steering].sites,
                seed=seed,
                folder=out / "steering",
                progress=progress,
            )
            site = max(directions.macro_f1, key=lambda name: directions.macro_f1[name])
            options = {**SWEEP, "probes": directions, "seed": seed, "progress": progress}
            result = plan_steering(organism, tasks, sites=site, **options)
        except InputError as error:
            unanswered[name] = str(error)
            continue
        write_netcdf(result, out / f"{name}.nc")
        results[name], figures[name] = result, partial(plot_plan_steering, result)
        episode = steered_episode(
            organism,
            tasks,
            directions.probes,
            site,
            alpha=float(result.alpha[0]),
            n_directional=int(result.n_directional[0]),
            seed=seed,
        )
        figures[f"steered-{kind}"] = partial(plot_steered_episode, episode, organism)
    return results, figures, unanswered


def steering_verdict(steering: xr.Dataset) -> dict[str, Any]:
    """Return ``found`` and a sentence."""
    found, attrs = bool(steering.found), steering.attrs
    sites = " or ".join(dict.fromkeys(map(str, steering.chosen_site.values)))
    beside = "; ".join(
        f"{LABELS[str(control)]} {100 * float(own.control_mean):.1f} % on average, at most "
        f"{100 * float(own.control_draw.max()):.1f} %"
        for control in steering.control.values
        for own in [_of_control(steering, str(control))]
    )
    text = (
        f"A plan of the long way that is written into the organism ({attrs['kind']}) is "
        f"{'carried out' if found else 'not shown to be carried out'}: {_rate(steering, 'written')} of "
        f"the tasks are solved by the long way (at {sites}), {_rate(steering, 'nothing')} with nothing "
        f"written; {beside} (n = {attrs['n_levels']} levels, {attrs['n_tasks']} tasks, "
        f"p = {float(steering.p_value):.2g}, by rank among the draws)."
    )
    return {"found": found, "text": text}


def _of_control(steering: xr.Dataset, control: str) -> xr.Dataset:
    return steering.sel(control=control).isel(
        draw=np.flatnonzero(steering.draw_control.values == control)
    )


def steering_section(
    page: Report, name: str, steering: xr.Dataset, figures: dict[str, Any]
) -> None:
    """Add the figures and the table of one kind of tasks."""
    attrs = steering.attrs
    page.figure(
        figures[f"steered-{attrs['kind']}"],
        "One task, left alone (a, b) and with the plan written (c, d): the plan that a probe reads "
        "before the first move, and the way that was gone. Chosen among the tasks for its outcome, as an "
        "illustration; the rates are below. At the places that were written the probe reads what was "
        "written.",
    )
    page.figure(
        figures[name],
        "Tasks solved by the long way: the written plan beside every draw of its controls (crosses; "
        f"line: their mean), at α = {float(steering.alpha[0]):g}; dotted: nothing written. "
        f"{100 * attrs['confidence']:.0f} % bootstrap over levels (a level and its mirror images are one "
        "unit) and draws.",
    )
    page.table(
        [_row(_of_control(steering, str(control))) for control in steering.control.values],
        f"Nothing written: {_rate(steering, 'nothing')} by the long way, "
        f"{float(steering.solved_nothing):.0%} solved either way. Written plan: "
        f"{_rate(steering, 'written')}.",
    )


def _row(of: xr.Dataset) -> dict[str, Any]:
    """Return one control's row, of a Dataset that holds its draws alone."""
    return {
        "control": LABELS[str(of.control.values)],
        "draws": of.sizes["draw"],
        "by the long way": float(of.control_mean),
        "largest draw": float(of.control_draw.max()),
        "plan minus control": float(of.over_control),
        "low": float(of.over_control_low),
        "high": float(of.over_control_high),
        "p (rank)": float(of.p_rank),
    }


def _rate(cell: xr.Dataset, name: str) -> str:
    low, high = (100 * float(cell[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{100 * float(cell[name]):.1f} % [{low:.1f}, {high:.1f}]"
