"""The organism over its training: its checkpoints, and its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analyses.papers.entry import Caution, Setting

if TYPE_CHECKING:
    import xarray as xr

NO_HISTORY = Caution("training", "They give no number near this many environment steps.")


def checkpoints(setting: Setting) -> dict[int, Any]:
    """Return environment steps → organism: untrained, the checkpoints that ship, the organism.

    The steps of the organism itself are those on its card, or the last of its log, or, for a
    released one, ``final_step`` of the conditions, or one more than the last checkpoint.
    """
    import organisms

    organism = setting.organism
    found: dict[int, Any] = {0: organism.untrained(setting.seed)}
    for step in organism.checkpoints if setting.home is not None else ():
        loaded = organisms.load(str(setting.home), checkpoint=step)
        found[int(step)] = like(loaded, organism)
    final = organism.card.training_steps
    if not final and (log := _log(setting)) is not None:
        final = int(log.log_step.values[-1])
    if not final and setting.released:
        final = setting.conditions.options.get("final_step")
    found[int(final or max(found) + 1)] = organism
    return found


def like(organism: Any, other: Any) -> Any:
    """Return an organism in the world (step limit) of another."""
    import dataclasses

    return organism.replace(card=dataclasses.replace(organism.card, world=other.card.world))


def training_history(setting: Setting, with_log: bool = False) -> xr.Dataset:
    """Return `training_curve` over the checkpoints there are, with the log if asked for."""
    from analyses.training.training_curve import training_curve

    sets = {task_set.label or task_set.split: task_set for task_set in setting.conditions.tasks}
    dataset = training_curve(
        checkpoints(setting),
        {label: setting.tasks(task_set) for label, task_set in sets.items()},
        setting.conditions.thinking_steps,
        seed=setting.seed,
        progress=setting.progress,
    )
    log = _log(setting) if with_log else None
    return dataset if log is None else dataset.merge(_since_the_start(setting, log), join="outer")


def _since_the_start(setting: Setting, log: xr.Dataset) -> xr.Dataset:
    """Let the log of a training that went on from another count from the start of the first.

    Its card counts all steps, its log those of the last training alone.
    """
    recipe = setting.home / "recipe.json" if setting.home is not None else None
    total = setting.organism.card.training_steps
    if not total or recipe is None or not recipe.is_file():
        return log
    if not json.loads(recipe.read_text(encoding="utf-8")).get("start_from"):
        return log
    before = max(int(total) - int(log.log_step.values[-1]), 0)
    return log.assign_coords(log_step=log.log_step + before)


def _log(setting: Setting) -> xr.Dataset | None:
    from analyses.training.training_curve import training_log

    path = None if setting.home is None else setting.home / "log.jsonl"
    return training_log(path) if path is not None and path.is_file() else None
