"""The main job: does this organism hold a plan, and in which site and at which tick can it be read?"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analyses.plans.plan_formation import plan_formation, plot_plan_formation
from analyses.plans.plan_probes import plan_probes, plot_plan_probes
from analyses.study.study_page import study_page, verdicts
from analyses.study.study_steering import study_steering
from analyses.thinking.thinking_time import plot_thinking_time, thinking_time
from interp.errors import InputError, TooFewClassesError
from interp.files import write_atomically, write_netcdf
from organisms.capabilities.capability import has_capability
from organisms.capabilities.pictures import Pictures

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
    tasks = organism.tasks(split, n_levels, seed=seed)
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; a study needs a folder of its own.")
    out.mkdir(parents=True, exist_ok=True)
    options = {"seed": seed, "progress": progress}

    fit = {**options, "max_train_samples": TRAIN_SAMPLES}
    forming = {**fit, "thinking_steps": thinking_steps, "folder": out / "thinking"}
    analyses: dict[str, tuple[Callable, Callable, dict[str, Any]]] = {
        "thinking_time": (thinking_time, plot_thinking_time, options),
        "plan_probes": (plan_probes, plot_plan_probes, {**fit, "folder": out / "acting"}),
        "plan_formation": (plan_formation, plot_plan_formation, forming),
    }
    results: dict[str, xr.Dataset] = {}
    figures: dict[str, Any] = {}
    not_asked: dict[str, str] = {}
    for name, (compute, plot, arguments) in analyses.items():
        try:
            results[name] = compute(organism, tasks, **arguments)
        except TooFewClassesError as error:
            not_asked[name] = str(error)
            continue
        figures[name] = plot(results[name])
        write_netcdf(results[name], out / f"{name}.nc")
    steering, drawn, reasons = study_steering(organism, out, **options)
    for name, result in steering.items():
        write_netcdf(result, out / f"{name}.nc")
    results, figures, not_asked = results | steering, figures | drawn, not_asked | reasons
    figures |= _example_episode(organism, out / "acting" / "run.zarr")
    for name, figure in figures.items():
        save(figure, out / name)
    said = verdicts(results, not_asked)
    about = {"split": split, "n_levels": n_levels, "seed": seed}
    record = {**organism.describe(), **about, "verdicts": said, "versions": _versions()}
    write_atomically(out / "study.json", json.dumps(record, indent=2) + "\n")
    page = study_page(
        f"Does {organism.name} plan?",
        f"{n_levels} levels of {split!r}; every number with its control, its interval and its n.",
        organism.card,
        results,
        figures,
        said,
        _how(organism, split, n_levels, seed),
    )
    page.text(f"Made in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores.")
    return page.write(out / "report.html")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _example_episode(organism: Any, store: Path) -> dict[str, Any]:
    """Draw the longest solved episode, if the family can draw one and one was solved."""
    from interp.store.read import open_store

    if not has_capability(organism, Pictures) or not organism[Pictures].draws("episode"):
        return {}
    if not store.exists():
        return {}
    run = open_store(store)
    length = np.where(run.solved.values, run.length.values, -1)
    if not (length > 0).any():
        return {}
    return {"example": organism[Pictures].draw_episode(run.isel(episode=int(length.argmax())))}


def _how(organism: Any, split: str, n_levels: int, seed: int) -> str:
    """Return the command that makes the study again, and what it was made with."""
    command = ["mesascope", "study", organism.name, "--split", split, "--n", str(n_levels)]
    called = [Path(sys.argv[0]).name, *sys.argv[1:]]
    lines = [
        shlex.join([*command, "--seed", str(seed), "--out", "DIR"]),
        "",
        f"called as: {shlex.join(called)}",
        f"weights sha256: {organism.weights_sha256()}",
        *(f"{name} {version}" for name, version in _versions().items()),
    ]
    return "\n".join(lines)
