"""From a training run to an organism: weights, card, recipe, log, and the weights along the way."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from interp.errors import CheckpointError, InputError
from organisms.assets import file_sha256
from organisms.card import checkpoint_file
from organisms.training.checkpoints import find_weights, load_training_state, save_weights
from organisms.training.recipe import find_recipe

STATE = "state.safetensors"


def export_organism(
    recipe_name: str,
    run: str | os.PathLike,
    folder: str | os.PathLike,
    name: str,
    note: str = "",
    *,
    checkpoints: int = 10,
    weights: Mapping[int, str | os.PathLike] | None = None,
    started_from: str | os.PathLike | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write the organism that a run has trained so far: weights, card, recipe, log, checkpoints.

    Parameters
    ----------
    recipe_name
        The run's recipe.
    run
        Folder of `organisms.training.run.train_recipe`; the run may still be going on.
    folder
        Where the organism goes; an organism that is there is replaced.
    name
        The organism's name.
    note
        What the recipe does not say of this run; added to the card.
    checkpoints
        How many weights along the training go with it, about evenly spread on a logarithmic scale,
        in float16; 0 for none. If the run started from an organism, that organism's checkpoints and
        its own weights are among those to choose from, and steps count from the start of its
        training. The last checkpoint is the organism itself, whose file is not repeated.
    weights
        Step of this run → file of the weights; those that the run kept unless told.
    started_from
        Where the organism that the run started from is now; the recipe's `start_from` unless told.
    dtype
        Of the organism's weights on disk, as in `Organism.save`.

    Returns
    -------
    pathlib.Path
        `folder`, as `organisms.load` takes it.

    Raises
    ------
    CheckpointError
        If the run's state or weights are missing, damaged, of another network, or too large for
        float16.
    InputError
        If the run is of another recipe.
    """
    run, folder = Path(run), Path(folder)
    record = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    if record.get("name", recipe_name) != recipe_name:
        raise InputError(f"{run} is a run of {record['name']!r}, not of {recipe_name!r}.")
    chosen = find_recipe(recipe_name)
    chosen = chosen.seeded(record.get(chosen.method, {}).get("seed", chosen.seed))
    network = chosen.new_network()
    counters, _ = load_training_state(run / STATE, network)
    start = os.fspath(started_from or chosen.start_from or "")
    before, kept = _before(start) if start else (0, {})
    for steps, path in (find_weights(run) if weights is None else weights).items():
        kept[before + steps] = _read(path)
    total = before + counters["steps"]
    # The run's last weights were kept an update or two before its end: the organism itself again.
    earlier = [steps for steps in kept if steps < 0.99 * total]
    kept = {steps: kept[steps] for steps in _spread(earlier, checkpoints)}

    organism = chosen.organism(network, name, counters["steps"])
    training = f"{organism.card.training} {note}".strip()
    organism.card = dataclasses.replace(organism.card, training=training, training_steps=total)
    if (folder / "card.json").exists():
        shutil.rmtree(folder)
    organism.save(folder, dtype=dtype)
    for file in ("recipe.json", "log.jsonl"):
        shutil.copyfile(run / file, folder / file)
    hashes = {}
    for steps, tensors in sorted(kept.items()):
        path = folder / checkpoint_file(steps)
        _load_into(network, tensors, path)
        save_weights(network, path, torch.float16)
        hashes[str(steps)] = file_sha256(path)
    card = type(organism.card).read(folder / "card.json")
    if hashes:
        hashes[str(total)] = card.weights_sha256
    dataclasses.replace(card, checkpoints=hashes).write(folder / "card.json")
    return folder


def _before(start: str) -> tuple[int, dict[int, dict[str, Any]]]:
    """Return the steps that an organism was trained for, and its weights along them."""
    from organisms.registry import load, split_checkpoint

    organism = load(start)
    steps = organism.card.training_steps
    if not steps:  # its own training is not known: count from here
        return 0, {}
    base = split_checkpoint(start)[0]
    earlier = [s for s in organism.checkpoints if s < steps]
    kept = {s: load(base, checkpoint=s).network.state_dict() for s in earlier}
    return steps, {**kept, steps: organism.network.state_dict()}


def _spread(steps: list[int], n: int) -> list[int]:
    """Choose about `n` of these step counts, evenly on a logarithmic scale, both ends included."""
    if not steps or n < 1:
        return []
    steps = sorted(steps)
    logs = np.log([max(1, s) for s in steps])
    if len(steps) <= n:
        return steps
    targets = np.linspace(logs[0], logs[-1], n) if n > 1 else logs[-1:]
    return sorted({steps[int(np.abs(logs - target).argmin())] for target in targets})


def _read(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}).") from error


def _load_into(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another network ({error}).") from error
    if not all(t.to(torch.float16).isfinite().all() for t in tensors.values()):
        raise CheckpointError(f"{path}: weights that float16 cannot hold.")
