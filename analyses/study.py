"""The main job: does this organism hold a plan, and in which site and at which tick can it be read?"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analyses.plan_formation import plan_formation, plot_plan_formation
from analyses.plan_probes import best_cells, last_tick, plan_probes, plot_plan_probes
from analyses.report import Report, number
from analyses.thinking_time import plot_thinking_time, thinking_time
from analyses.verdict import ALPHA, best_cell
from interp.errors import InputError

PACKAGES = ("mesascope", "torch", "transformer-lens", "numpy", "scikit-learn", "xarray", "zarr")

TRAIN_SAMPLES = 30_000
"""Squares that a probe is fitted on: fewer than `fit_probes` takes by itself, to save time."""


def study(
    organism: Any,
    out: str | os.PathLike,
    *,
    split: str = "test",
    n_levels: int = 140,
    thinking_steps: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Run the planning analyses on one organism and write a report.

    Parameters
    ----------
    organism
        An organism, its name, or the folder of one.
    out
        Folder for the report; made if it is not there. Stores that a study with the same
        arguments left in it are taken up again.
    split, n_levels
        The levels: recorded, probed, and thought about.
    thinking_steps
        Of the recording in which plans form; success is measured at 0 to 8.
    seed
        Of everything random.
    progress
        Whether to show progress bars.

    Returns
    -------
    pathlib.Path
        ``report.html``, self-contained. Beside it: every Dataset as netCDF, every figure as PNG and
        PDF, the recordings as stores, and ``study.json`` with the verdicts.

    Raises
    ------
    InputError
        If there are too few levels to split.
    """
    from interp.style import save

    started = time.monotonic()
    if isinstance(organism, str | os.PathLike):
        from organisms.registry import load

        organism = load(organism)
    if n_levels < 40:
        raise InputError(
            f"A study needs at least 40 levels, got {n_levels}: with fewer, nothing can be found "
            "after correction for the number of cells."
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    tasks = organism.tasks(split, n_levels, seed=seed)
    options = {"seed": seed, "progress": progress}

    thinking = thinking_time(organism, tasks, (0, 1, 2, 4, 8), **options)
    fit = {**options, "max_train_samples": TRAIN_SAMPLES}
    probes = plan_probes(organism, tasks, folder=out / "acting", **fit)
    formation = plan_formation(
        organism,
        tasks,
        thinking_steps=thinking_steps,
        folder=out / "thinking",
        **fit,
    )
    results = {"thinking_time": thinking, "plan_probes": probes, "plan_formation": formation}
    plots = {
        "thinking_time": plot_thinking_time(thinking),
        "plan_probes": plot_plan_probes(probes),
        "plan_formation": plot_plan_formation(formation),
    }
    for name, dataset in results.items():
        write_netcdf(dataset, out / f"{name}.nc")
        save(plots[name], out / name)
    board = _example_episode(organism, out / "acting" / "run.zarr")
    if board is not None:
        save(board, out / "example")
    verdicts = _verdicts(results)
    (out / "study.json").write_text(
        json.dumps(_record(organism, verdicts, options, split, n_levels), indent=2) + "\n"
    )
    page = _report(organism, results, plots, board, verdicts, split, n_levels, started)
    return page.write(out / "report.html")


def write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a result so that ``xarray.load_dataset`` gives it back.

    netCDF has no booleans and no nested attributes: booleans are stored as bytes that xarray turns
    back, attributes that are neither text nor numbers as JSON.
    """
    tidy = dataset.copy()
    for item in [tidy, *tidy.variables.values()]:
        for key, value in item.attrs.items():
            if not isinstance(value, str | int | float | np.number | np.ndarray) or isinstance(
                value, bool
            ):
                item.attrs[key] = json.dumps(value)
    partial = path.with_name(path.name + ".partial")
    tidy.to_netcdf(partial, engine="netcdf4")
    os.replace(partial, path)


def _verdicts(results: dict[str, xr.Dataset]) -> dict[str, dict[str, Any]]:
    thinking, probes, formation = results.values()
    trained = thinking.sel(source="trained")
    later = trained.isel(thinking=slice(1, None))
    n = thinking.attrs["n_episodes"]
    gain = later.isel(best_cell(later.gain, later.p_holm))
    verdicts = {
        "thinking_time": {
            "found": bool(trained.found),
            "text": f"Thinking before acting {'helps' if trained.found else 'is not shown to help'}: at "
            f"best {_points(gain, 'gain')} points after {int(gain.thinking)} steps "
            f"({100 * float(trained.solve_rate[0]):.1f} % solved at 0; n = {n} levels, paired).",
        }
    }
    cells = best_cells(probes)
    for concept in probes.concept.values:
        words = str(concept).replace("_", " ")
        cell = max(
            (c for c in cells if c["concept"] == concept),
            key=lambda c: (c["p (Holm)"] < ALPHA, c["margin"]),
        )
        found = bool(probes.found.sel(concept=concept))
        verdicts[f"plan_probes: {words}"] = {
            "found": found,
            "text": f"The {words} {'can be read' if found else 'is not shown to be readable'} beyond every "
            f"control: best margin {cell['margin']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}] macro-F1 "
            f"over the {cell['best control']} control, at {cell['site']} tick {cell['tick']}, "
            f"{cell['receptive field']} probe (score {cell['score']:.3f}, n = {cell['n']} episodes, "
            f"Holm p = {cell['p (Holm)']:.1g}).",
        }
    for concept in formation.concept.values:
        words = str(concept).replace("_", " ")
        at = formation.sel(concept=concept)
        top = at.isel(best_cell(at.excess, at.p_holm))
        found = bool(at.found)
        verdicts[f"plan_formation: {words}"] = {
            "found": found,
            "text": f"The decoded {words} {'gets better' if found else 'is not shown to get better'} with "
            f"deliberation: macro-F1 grows by {float(top.growth.sel(source='trained')):.3f} from the first "
            f"tick to the last at {str(top.site.values)}, {float(top.excess):.3f} "
            f"[{float(top.excess_low):.3f}, {float(top.excess_high):.3f}] more than in the untrained "
            f"network, and {float(top.refitted_excess):.3f} [{float(top.refitted_excess_low):.3f}, "
            f"{float(top.refitted_excess_high):.3f}] more with probes refitted at every tick "
            f"(n = {int(at.n_levels)} levels, Holm p = {float(top.p_holm):.1g}).",
        }
    return verdicts


def _points(cell: xr.Dataset, name: str) -> str:
    low, high = 100 * float(cell[f"{name}_low"]), 100 * float(cell[f"{name}_high"])
    return f"{100 * float(cell[name]):+.1f} [{low:+.1f}, {high:+.1f}]"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _record(
    organism: Any, verdicts: dict, options: dict[str, Any], split: str, n_levels: int
) -> dict[str, Any]:
    return {
        **organism.describe(),
        "split": split,
        "n_levels": n_levels,
        "seed": options["seed"],
        "verdicts": verdicts,
        "versions": _versions(),
    }


def _example_episode(organism: Any, store: Path) -> Any:
    """Draw the longest solved episode's first board with the path that was taken."""
    from interp.store import open_store

    draw = getattr(organism, "draw_episode", None)
    if draw is None:
        return None
    run = open_store(store)
    length = np.where(run.solved.values, run.length.values, -1)
    return draw(run.isel(episode=int(length.argmax()))) if (length > 0).any() else None


def _report(
    organism: Any,
    results: dict[str, xr.Dataset],
    plots: dict[str, Any],
    board: Any,
    verdicts: dict[str, dict[str, Any]],
    split: str,
    n_levels: int,
    started: float,
) -> Report:
    thinking, probes, formation = results.values()
    page = Report(
        f"Does {organism.name} plan?",
        f"{n_levels} levels of {split!r}; every number with its control, its interval and its n.",
    )
    page.section("In short")
    for verdict in verdicts.values():
        page.verdict(verdict["text"], verdict["found"])
    page.section("The organism").text(organism.card.summary)
    card = organism.card
    page.table(
        [
            {"": title, "what the card says": getattr(card, title)}
            for title in ("paper", "task", "training", "licence", "limits")
            if getattr(card, title)
        ]
    )
    if board is not None:
        page.figure(board, "The longest episode it solved here: first board, path, and end.")
    page.section("Does thinking time help?").figure(
        plots["thinking_time"],
        "Left: levels solved against thinking steps before the first move, for the trained network and "
        "the same network untrained. Right: the difference to acting at once, paired over levels. "
        f"Bands: {100 * thinking.attrs['confidence']:.0f} % bootstrap over levels.",
    )
    page.table(_thinking_rows(thinking))
    page.section("Where can the plan be read?").figure(
        plots["plan_probes"],
        "Macro-F1 (all classes, as in Bush et al.) of linear probes at the last tick of each site, "
        "beside the same probe on the untrained network, on the raw observation (one-hot tiles, same "
        "receptive field), on that and the observation one step before (history), on shuffled labels, and "
        "the majority class. Whiskers: 95 % bootstrap over held-out levels.",
    )
    page.text(_failed_share(thinking))
    page.table(
        best_cells(probes),
        "Largest margin over the best control, per concept and receptive field. p is Holm-corrected "
        "over all sites, ticks and receptive fields of the concept.",
    )
    page.table(
        _both_f1(probes), "Two papers' F1 are not the same number: both, 1×1 probes, last tick."
    )
    page.section("Does the plan form while it thinks?").figure(
        plots["plan_formation"],
        "Macro-F1 of the decoded plan at every internal tick, before the first move. The probe was fitted "
        "on other levels at the last tick; observation and label stay the same along the curve. Since "
        "a fixed probe may fail on an early state for its scale alone, a plan is said to form only if "
        "probes refitted at every tick (last columns of the table) grow too.",
    )
    page.table(_growth_rows(formation))
    page.section("Methods").items(
        [
            "Levels are split by level: no level is on both sides. Intervals are percentile bootstraps over "
            "levels or episodes, never over steps.",
            "Labels are the organism's own later actions in the same episode, whether it succeeds or not; "
            "thinking steps carry the label of step 0.",
            f"Probes: {probes.attrs.get('kind', '')} regression with L2 penalty "
            f"{probes.attrs.get('regularisation', '')}, one per site, tick and receptive field, weights "
            "shared over squares.",
            "The margin is the trained network's score minus the best control's, the best control chosen "
            "anew in each resample.",
            "The untrained control replays the trained network's own observations.",
            f"Step limit {thinking.attrs['max_steps']}; actions are greedy.",
            "A probe shows what can be read, not what is used: that takes interventions.",
        ]
    )
    page.section("How to make this again").code(
        f"mesascope study {shlex.quote(organism.name)} --split {shlex.quote(split)} --n {n_levels} "
        f"--seed {thinking.attrs['seed']} --out DIR\n\ncalled as: {shlex.join(_called_as())}\n"
        f"weights sha256: {organism.weights_sha256()}\n"
        + "\n".join(f"{name} {version}" for name, version in _versions().items())
    )
    page.text(f"Made in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores.")
    return page


def _failed_share(thinking: xr.Dataset) -> str:
    """Say how many of the steps are those of an agent that is not getting anywhere."""
    at_once = thinking.sel(source="trained", thinking=0)
    steps = float(at_once.length.sum())
    share = float(at_once.length.where(at_once.solved == 0, 0).sum()) / steps if steps else 0.0
    return (
        f"{share:.0%} of the steps that are probed are from episodes that were not solved, where an "
        "agent may go to and fro: what it will do is then what it has just done. The history control "
        "answers for one step of that; the scores before the first move, below, know no past at all."
    )


def _called_as() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _thinking_rows(thinking: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    for source in thinking.source.values:
        for t in thinking.thinking.values:
            cell = thinking.sel(source=source, thinking=t)
            if bool(cell.solve_rate.isnull()):
                continue  # the control is run at the ends only
            rows.append(
                {
                    "network": str(source),
                    "thinking steps": int(t),
                    "solved": float(cell.solve_rate),
                    "low": float(cell.solve_rate_low),
                    "high": float(cell.solve_rate_high),
                    "gain (points)": _points(cell, "gain"),
                    "p (Holm)": float(cell.p_holm),
                    "mean return": float(cell.episode_return.mean()),
                    "n": int(thinking.attrs["n_episodes"]),
                }
            )
    return rows


def _both_f1(probes: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    at = last_tick(probes).sel(receptive_field=probes.receptive_field.values[0])
    for concept in probes.concept.values:
        for site in probes.site.values:
            cell = at.sel(concept=concept, site=site, source="trained")
            row: dict[str, Any] = {"concept": str(concept), "site": str(site)}
            for metric in ("macro_f1", "f1_far", "accuracy"):
                low, high = float(cell[f"{metric}_low"]), float(cell[f"{metric}_high"])
                row[metric] = f"{number(float(cell[metric]))} [{number(low)}, {number(high)}]"
            rows.append(row)
    return rows


def _growth_rows(formation: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    for concept in formation.concept.values:
        for site in formation.site.values:
            cell = formation.sel(concept=concept, site=site)
            trained = cell.sel(source="trained")
            rows.append(
                {
                    "concept": str(concept),
                    "site": str(site),
                    "first tick": float(trained.macro_f1[0]),
                    "last tick": float(trained.macro_f1[-1]),
                    "growth": float(trained.growth),
                    "over untrained": float(cell.excess),
                    "low": float(cell.excess_low),
                    "high": float(cell.excess_high),
                    "refitted, over untrained": float(cell.refitted_excess),
                    "low, refitted": float(cell.refitted_excess_low),
                    "high, refitted": float(cell.refitted_excess_high),
                    "p (Holm)": float(cell.p_holm),
                    "n levels": int(cell.n_levels),
                }
            )
    return rows
