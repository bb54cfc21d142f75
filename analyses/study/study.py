"""The main job: does this organism hold a plan, and in which site and at which tick can it be read?"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.drawing import draw_and_save
from analyses.plans.plan_formation import plan_formation, plot_plan_formation
from analyses.plans.plan_probes import plan_probes, plot_plan_probes
from analyses.question import is_unasked
from analyses.recordings import concept_list, concept_name
from analyses.study.study_page import study_page, verdicts
from analyses.study.study_steering import study_steering
from analyses.thinking.thinking_time import plot_thinking_time, thinking_time
from interp.errors import InputError, TooFewClassesError, UnknownNameError, check_integer
from interp.files import write_atomically, write_netcdf
from interp.network.weights import weights_sha256
from organisms.capabilities.capability import has_capability
from organisms.capabilities.pictures import Pictures

if TYPE_CHECKING:
    from interp.concepts import Concept

PACKAGES = ("mesascope", "torch", "transformer-lens", "numpy", "scikit-learn", "xarray", "zarr")

STAGES = {
    "thinking_time": "Thinking: does time before the first action help?",
    "plan_probes": "Plans: which sites hold what the agent will do, beyond every control?",
    "plan_formation": "Formation: do decoded plans get better with deliberation?",
    "plan_steering": "Steering: does the agent follow a plan that is written into it?",
    "figures": "Figures and report",
}
"""What a study says it is doing, once a stage."""

TRAIN_SAMPLES = 30_000
"""Squares that a probe is fitted on: fewer than `fit_probes` takes by itself, to save time."""


def study(
    organism: Any,
    out: str | os.PathLike,
    *,
    tasks: Any = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    controls: Sequence[str] | None = None,
    split: str = "test",
    n_levels: int = 140,
    thinking_steps: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Run the planning analyses on one organism and write a report.

    Every question is answered, or cannot be asked of this organism, or could not be answered for
    this data (too few classes occur); page, ``study.json`` and the verdicts say which.

    Parameters
    ----------
    organism
        An organism, its name, or the folder of one; also an agent of your own that is one by its members
        alone (`interp.contract.Organism`), on `tasks`.
    out
        Folder for the report; made if it is not there. Stores that a study with the same
        arguments left in it are taken up again.
    concepts
        What is looked for: names among ``organism.concepts``, or concepts of your own; default those
        that the family says are plans.
    controls
        What the probes stand beside, as in `interp.probes.fit_probes`; by default all that
        `analyses.plans.plan_probes.plan_probes` asks for, which take the largest part of the time.
    tasks
        The levels: recorded, probed, and thought about; ``organism.tasks(split, n_levels, seed)`` unless
        given.
    split, n_levels
        Which these are. Of tasks that are given the first `n_levels`.
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
    UnknownNameError
        For a concept that does not exist.
    InputError
        If there are too few levels to split, or the organism has no tasks of its own and none are given.
    """
    started = time.monotonic()
    say = partial(print, file=sys.stderr, flush=True) if progress else lambda *_: None
    if isinstance(organism, str | os.PathLike):
        from organisms.registry import load

        organism = load(organism)
    check_enough(n_levels)
    if tasks is None and not hasattr(organism, "tasks"):
        raise InputError(
            f"{getattr(organism, 'name', type(organism).__name__)} has no tasks of its own: give some, "
            "study(organism, out, tasks=…)."
        )
    given = tasks is not None
    tasks = tasks[:n_levels] if given else organism.tasks(split, n_levels, seed=seed)
    if given:
        split, n_levels = "tasks that were given", len(tasks)
        check_enough(n_levels)
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; a study needs a folder of its own.")
    asked = None if concepts is None else concept_list(concepts)
    for concept in asked or ():
        if isinstance(concept, str) and concept not in organism.concepts:
            raise UnknownNameError("concept", concept, organism.concepts)
    out.mkdir(parents=True, exist_ok=True)
    options = {"seed": seed, "progress": progress}

    fit = {**options, "max_train_samples": TRAIN_SAMPLES, "concepts": asked}
    beside = {} if controls is None else {"controls": tuple(controls)}
    forming = {**fit, "thinking_steps": thinking_steps, "folder": out / "thinking"}
    analyses: dict[str, tuple[Callable, Callable, dict[str, Any]]] = {
        "thinking_time": (thinking_time, plot_thinking_time, options),
        "plan_probes": (plan_probes, plot_plan_probes, {**fit, **beside, "folder": out / "acting"}),
        "plan_formation": (plan_formation, plot_plan_formation, forming),
    }
    results: dict[str, xr.Dataset] = {}
    unanswered: dict[str, str] = {}
    for stage, (name, (compute, _, arguments)) in enumerate(analyses.items(), start=1):
        say(f"[{stage}/{len(analyses) + 2}] {STAGES[name]}")
        try:
            results[name] = compute(organism, tasks, **arguments)
        except TooFewClassesError as error:
            unanswered[name] = str(error)
            continue
        write_netcdf(results[name], out / f"{name}.nc")
    say(f"[{len(analyses) + 1}/{len(analyses) + 2}] {STAGES['plan_steering']}")
    steering, drawing, reasons = study_steering(organism, out, **options)
    answered = [name for name in results if not is_unasked(results[name])]
    drawing = {name: partial(analyses[name][1], results[name]) for name in answered} | drawing
    results, unanswered = results | steering, unanswered | reasons
    said = verdicts(results, unanswered)
    about = {"split": split, "n_levels": n_levels, "seed": seed}
    record = {**organism.describe(), **about, "verdicts": said, "versions": _versions()}
    write_atomically(out / "study.json", json.dumps(record, indent=2) + "\n")
    say(f"[{len(analyses) + 2}/{len(analyses) + 2}] {STAGES['figures']}")
    drawing["example"] = partial(_example_episode, organism, out / "acting" / "run.zarr")
    figures = draw_and_save(drawing, out)
    page = study_page(
        f"Does {organism.name} plan?",
        f"{n_levels} levels ({split}); every number with its control, its interval and its n.",
        getattr(organism, "card", None),
        results,
        figures,
        said,
        _how(organism, None if given else split, n_levels, seed, asked),
    )
    page.text(f"Made in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores.")
    return page.write(out / "report.html")


def check_enough(n_levels: int) -> None:
    """Raise InputError unless there are enough levels for a study."""
    check_integer("n_levels", n_levels, 1)
    if n_levels < 40:
        raise InputError(
            f"A study needs at least 40 levels, got {n_levels}: with fewer, nothing can be found "
            "after correction for the number of cells."
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _example_episode(organism: Any, store: Path) -> Any:
    """Draw the longest solved episode; None if the family draws none, or none was solved."""
    from interp.store.read import open_store

    if not has_capability(organism, Pictures) or not organism[Pictures].draws("episode"):
        return None
    if not store.exists():
        return None
    run = open_store(store)
    if "solved" not in run:
        return None
    length = np.where(run.solved.values, run.length.values, -1)
    if not (length > 0).any():
        return None
    return organism[Pictures].draw_episode(run.isel(episode=int(length.argmax())))


def _how(
    organism: Any, split: str | None, n_levels: int, seed: int, concepts: Sequence[Any] | None
) -> str:
    """Return the command that makes the study again, and what it was made with; `split` None: tasks."""
    names = [concept_name(concept) for concept in concepts or ()]
    if split is None:
        again = f"study(organism, DIR, tasks=…, concepts={names or None}, seed={seed})"
    else:
        command = ["mesascope", "study", organism.name, "--split", split, "--n", str(n_levels)]
        command += ["--concepts", *names] if names else []
        again = shlex.join([*command, "--seed", str(seed), "--out", "DIR"])
    called = [Path(sys.argv[0]).name, *sys.argv[1:]]
    lines = [
        again,
        "",
        f"called as: {shlex.join(called)}",
        f"sha256 of the weights as they were run: {weights_sha256(organism.network)}",
        *(f"{name} {version}" for name, version in _versions().items()),
    ]
    return "\n".join(lines)
