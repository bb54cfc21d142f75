"""Run a recipe from the command line: resumable, logged, with weights kept along the way."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from interp.errors import InputError
from organisms.training.checkpoints import load_training_state
from organisms.training.imitation import ImitationTrainer, train

STATE = "state.safetensors"


def train_recipe(
    name: str,
    out: str | os.PathLike,
    *,
    resume: bool = True,
    every: int = 20,
    snapshots: int = 10,
    progress: bool = True,
) -> Path:
    """Train an organism by its recipe.

    Parameters
    ----------
    name
        See `organisms.sokoban.recipes.RECIPES`.
    out
        Folder for ``state.safetensors`` (to resume from), ``log.jsonl`` (one row per `every`
        updates), ``recipe.json``, ``weights-STEPS.safetensors``, and at the end ``organism/``.
    resume
        Go on from ``state.safetensors`` if it is there. If False, a folder with one is refused.
    every
        Updates between log rows and checkpoints.
    snapshots
        How many weights to keep, at steps that double up to the end.
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
    from organisms.sokoban.recipes import recipe

    chosen = recipe(name)
    out = Path(out)
    state = out / STATE
    if state.exists() and not resume:
        raise InputError(f"{out} holds a run already; resume it, or choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    _note_recipe(out / "recipe.json", {"name": name, **chosen.to_dict()})
    trainer = chosen.build()
    if state.exists():
        trainer.load(str(state))
    total = trainer.config.total_steps
    marks = [total >> k for k in range(snapshots - 1, -1, -1)]
    pending = [mark for mark in marks if mark > trainer.steps]
    started, first = time.monotonic(), trainer.steps

    def log(row: dict[str, Any]) -> None:
        seconds = time.monotonic() - started
        row |= {"seconds": round(seconds, 1), "rate": (trainer.steps - first) / seconds}
        with open(out / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def checkpoint(trainer: ImitationTrainer) -> None:
        trainer.save(str(state))
        while pending and trainer.steps >= pending[0]:
            save_weights(trainer.network, out / f"weights-{pending.pop(0)}.safetensors")

    train(trainer, log=log, every=every, checkpoint=checkpoint, progress=progress)
    return export_organism(name, out, out / "organism", f"{name}-local")


def export_organism(
    recipe_name: str,
    run: str | os.PathLike,
    folder: str | os.PathLike,
    name: str,
    note: str = "",
) -> Path:
    """Write the organism that a run has trained so far: weights, card, recipe and log.

    Parameters
    ----------
    recipe_name
        The run's recipe.
    run
        Folder of `train_recipe`; the run may still be going on.
    folder
        Where the organism goes; an organism that is there is replaced.
    name
        The organism's name.
    note
        What the recipe does not say of this run; added to the card.

    Returns
    -------
    pathlib.Path
        `folder`, as `organisms.load` takes it.

    Raises
    ------
    CheckpointError
        If the run's state is missing or damaged.
    """
    from organisms.sokoban.drc import DRC
    from organisms.sokoban.recipes import recipe

    chosen, run, folder = recipe(recipe_name), Path(run), Path(folder)
    network = DRC(chosen.network)
    counters = load_training_state(run / STATE, network)
    if (folder / "card.json").exists():
        shutil.rmtree(folder)
    organism = chosen.organism(network, name, counters["steps"])
    training = f"{organism.card.training} {note}".strip()
    organism.card = dataclasses.replace(organism.card, training=training)
    organism.save(folder)
    for file in ("recipe.json", "log.jsonl"):
        shutil.copy(run / file, folder / file)
    return folder


def save_weights(network: Any, path: Path) -> Path:
    """Write a network's weights as safetensors, in one move."""
    partial = path.with_name(path.name + ".partial")
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    save_file(tensors, partial)
    os.replace(partial, path)
    return path


def _note_recipe(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=2) + "\n"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
        raise InputError(f"{path} is of another recipe, or of another version of it.")
    path.write_text(text, encoding="utf-8")
