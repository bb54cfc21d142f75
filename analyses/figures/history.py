"""The organism over its training: its checkpoints, and its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.figures.entry import Caution, Setting

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

    return type(organism)(
        organism.network, dataclasses.replace(organism.card, world=other.card.world)
    )


def training_history(setting: Setting, with_log: bool = False) -> xr.Dataset:
    """Return `training_curve` over the checkpoints there are, with the log if asked for."""
    from analyses.training_curve import training_curve

    sets = {task_set.label or task_set.split: task_set for task_set in setting.conditions.tasks}
    dataset = training_curve(
        checkpoints(setting),
        {label: setting.tasks(task_set) for label, task_set in sets.items()},
        setting.conditions.thinking_steps,
        seed=setting.seed,
        progress=setting.progress,
    )
    log = _log(setting) if with_log else None
    return dataset if log is None else dataset.merge(log)


def _log(setting: Setting) -> xr.Dataset | None:
    from analyses.training_curve import training_log

    path = None if setting.home is None else setting.home / "log.jsonl"
    if path is None or not path.is_file():
        return None
    log = training_log(path)
    # A log counts from the start of its own run, which may have begun from another organism.
    before = setting.organism.card.training_steps - int(log.log_step.values[-1])
    return log.assign_coords(log_step=log.log_step + max(before, 0))
