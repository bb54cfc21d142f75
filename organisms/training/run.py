"""Run a recipe from the command line: resumable, logged, with weights kept along the way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from interp.errors import InputError
from organisms.training.checkpoints import save_weights, weights_name
from organisms.training.export import STATE, export_organism
from organisms.training.loop import train
from organisms.training.recipe import find_recipe
from organisms.training.trainer import Trainer

LOG_EVERY = 20
"""Updates between two rows of the log, and two states to resume from."""


def train_recipe(
    name: str,
    out: str | os.PathLike,
    *,
    seed: int | None = None,
    resume: bool = True,
    every: int | None = None,
    snapshots: int = 10,
    device: Any = None,
    progress: bool = True,
) -> Path:
    """Train an organism by its recipe.

    Parameters
    ----------
    name
        See `organisms.training.recipe.all_recipes`.
    out
        Folder for ``state.safetensors`` (to resume from), ``log.jsonl`` (one row per `every`
        updates; seconds count from the start or the last resumption), ``recipe.json``,
        ``weights-STEPS.safetensors``, and at the end ``organism/``.
    seed
        Instead of the recipe's own.
    resume
        Go on from ``state.safetensors`` if it is there. If False, a folder with one is refused.
    every
        Updates between log rows and checkpoints; `LOG_EVERY` unless told.
    snapshots
        How many weights to keep, at the first updates past steps that double up to the end.
    device
        Where it is trained, as in torch (``"cuda"``); the CPU unless told. Whether the world is there
        too depends on the family: see the recipe's `build`.
    progress
        Whether to show a progress bar.

    Returns
    -------
    pathlib.Path
        The folder ``organism/``: weights, card, recipe and log, as `organisms.load` takes it.

    Raises
    ------
    UnknownNameError
        If there is no such recipe.
    InputError
        If `out` holds a run and `resume` is False, or a run of another recipe.
    """
    chosen = find_recipe(name) if seed is None else find_recipe(name).seeded(seed)
    out = Path(out)
    state = out / STATE
    if state.exists() and not resume:
        raise InputError(f"{out} holds a run already; resume it, or choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    _note_recipe(out / "recipe.json", {"name": name, **chosen.to_dict()})
    trainer = chosen.build(device)
    if state.exists():
        trainer.load(state)
        _forget_rows(out / "log.jsonl", trainer.steps)
    pending = [
        mark for mark in snapshot_marks(chosen.total_steps, snapshots) if mark > trainer.steps
    ]
    started, cpu_started, first = time.monotonic(), time.process_time(), trainer.steps

    def log(row: dict[str, Any]) -> None:
        seconds = time.monotonic() - started
        row |= {"seconds": seconds, "cpu_seconds": time.process_time() - cpu_started}
        row |= {"rate": (trainer.steps - first) / seconds}
        # Six digits: the log ships with the weights.
        row = {k: v if isinstance(v, int) else float(f"{v:.6g}") for k, v in row.items()}
        with open(out / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def snapshot(trainer: Trainer) -> None:
        reached = [mark for mark in pending if mark <= trainer.steps]
        if reached:
            del pending[: len(reached)]
            save_weights(trainer.network, out / weights_name(trainer.steps))

    train(
        trainer,
        log=log,
        every=LOG_EVERY if every is None else every,
        checkpoint=lambda trainer: trainer.save(state),
        snapshot=snapshot,
        progress=progress,
    )
    return export_organism(name, out, out / "organism", f"{name}-local")


def snapshot_marks(total_steps: int, n: int) -> list[int]:
    """Return `n` step counts that double up to the last one, `total_steps`.

    Examples
    --------
    >>> snapshot_marks(1000, 4)
    [125, 250, 500, 1000]
    """
    return [total_steps >> k for k in range(n - 1, -1, -1)]


def _forget_rows(log: Path, steps: int) -> None:
    """Drop rows that were logged after the state was saved; those updates will be done again."""
    if log.exists():
        rows = log.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if json.loads(row)["steps"] <= steps]
        log.write_text("".join(kept), encoding="utf-8")


def _note_recipe(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=2) + "\n"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
        raise InputError(f"{path} is of another recipe, or of another version of it.")
    path.write_text(text, encoding="utf-8")
