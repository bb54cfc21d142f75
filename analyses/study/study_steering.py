"""The causal part of a study: is a plan that is written into the organism carried out?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from analyses.causes.plan_steering import CELL, plan_steering, plot_plan_steering
from analyses.causes.plan_writing import fitted_directions
from analyses.causes.steered_episode import plot_steered_episode, steered_episode
from analyses.study.report import Report
from analyses.verdict import best_cell
from interp.errors import InputError
from interp.files import write_netcdf
from organisms.capabilities.capability import has_capability
from organisms.capabilities.steering import Steering

N_TRAIN = 200
"""Tasks that the probes whose directions are written are fitted on; those of the split ``train``."""

SWEEP: Mapping[str, Any] = {
    "n_tasks": 10,
    "alphas": (0.25, 0.5),
    "n_directional": (1,),
    "n_random": 2,
}
"""Smaller than `plan_steering` takes by itself, to save time."""

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
            probes = fitted_directions(
                organism,
                tasks.concept,
                organism.tasks("train", N_TRAIN, seed=seed),
                organism[Steering].sites,
                seed=seed,
                folder=out / "steering",
                progress=progress,
            ).probes
            options = {**SWEEP, "probes": probes, "seed": seed, "progress": progress}
            result = plan_steering(organism, tasks, **options)
        except InputError as error:
            unanswered[name] = str(error)
            continue
        write_netcdf(result, out / f"{name}.nc")
        results[name], figures[name] = result, partial(plot_plan_steering, result)
        at = best(result)
        episode = steered_episode(
            organism,
            tasks,
            probes,
            str(at.site.values),
            alpha=float(at.alpha),
            n_directional=int(at.n_directional),
            seed=seed,
        )
        figures[f"steered-{kind}"] = partial(plot_steered_episode, episode, organism)
    return results, figures, unanswered


def best(steering: xr.Dataset) -> xr.Dataset:
    """Return the cell of a sweep that a verdict is illustrated by."""
    chosen = best_cell(steering.over_random, steering.p_holm)
    return steering.isel(chosen or dict.fromkeys(CELL, 0))


def steering_verdict(steering: xr.Dataset) -> dict[str, Any]:
    """Return ``found`` and a sentence."""
    at, found = best(steering), bool(steering.found)
    text = (
        f"A plan of the long way that is written into the organism ({steering.attrs['kind']}) is "
        f"{'carried out' if found else 'not shown to be carried out'}: at best "
        f"{_rate(at.sel(source='trained'), 'success')} of the tasks are solved by the long way (at "
        f"{str(at.site.values)}, α = {float(at.alpha):g}), {_rate(at.sel(source='random'), 'success')} "
        f"with random directions of the same norm and {_rate(steering, 'nothing')} with nothing "
        f"written (n = {steering.attrs['n_levels']} levels, {steering.attrs['n_tasks']} tasks, "
        f"Holm p = {float(at.p_holm):.1g})."
    )
    return {"found": found, "text": text}


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
        "Tasks solved by the long way, with the written plan and with random directions of the same "
        "norms (crosses: each draw); dotted: nothing written. a: each site, at the α and number of "
        f"written places p that did best. b: all α. {100 * attrs['confidence']:.0f} % bootstrap over "
        "levels (a level and its mirror images are one unit) and random draws.",
    )
    page.table(
        [_row(steering.sel(site=site, alpha=alpha, n_directional=p))
         for site in steering.site.values
         for alpha in steering.alpha.values
         for p in steering.n_directional.values],
        f"Nothing written: {_rate(steering, 'nothing')} by the long way, "
        f"{float(steering.solved_nothing):.0%} solved either way.",
    )  # fmt: skip


def _row(cell: xr.Dataset) -> dict[str, Any]:
    return {
        "site": str(cell.site.values),
        "α": float(cell.alpha),
        "places written": int(cell.n_directional),
        "by the long way": float(cell.success.sel(source="trained")),
        "random directions": float(cell.success.sel(source="random")),
        "difference": float(cell.over_random),
        "low": float(cell.over_random_low),
        "high": float(cell.over_random_high),
        "over nothing": float(cell.over_nothing),
        "solved either way": float(cell.solved.sel(source="trained")),
        "p (Holm)": float(cell.p_holm),
    }


def _rate(cell: xr.Dataset, name: str) -> str:
    low, high = (100 * float(cell[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{100 * float(cell[name]):.1f} % [{low:.1f}, {high:.1f}]"
