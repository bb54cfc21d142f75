"""Training state and weights on disk: safetensors and JSON, written atomically. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from interp.errors import CheckpointError
from interp.files import replacing

EPISODES = "episodes/"


class TrainingState(NamedTuple):
    """What was in a state file beside weights and optimiser."""

    counters: dict[str, Any]
    """What was given as counters, JSON-able."""
    episodes: dict[str, torch.Tensor]
    """The tensors of the episodes under way; empty if none were saved."""


def save_training_state(
    path: str | Path,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    counters: dict,
    episodes: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write weights, optimiser moments, counters and episodes to one safetensors file.

    Parameters
    ----------
    path
        Ends in ``.safetensors``; replaced in one move, so a crash leaves the old file whole.
    counters
        JSON-able; integers of any size are kept.
    episodes
        Tensors of the episodes under way, by name.
    """
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(tensor)
    tensors |= {EPISODES + name: tensor for name, tensor in (episodes or {}).items()}
    _write(tensors, Path(path), {"counters": json.dumps(counters)})


def load_training_state(
    path: str | Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> TrainingState:
    """Restore what `save_training_state` wrote and return the rest of it.

    Parameters
    ----------
    optimizer
        Left out, only the network's weights are restored.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, or of another network.
    """
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            counters = json.loads(file.metadata()["counters"])
    except Exception as error:
        raise CheckpointError(f"{path}: not a readable training state ({error}).") from error
    weights = {name[8:]: t for name, t in tensors.items() if name.startswith("network/")}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another network ({error}).") from error
    episodes = {
        name.removeprefix(EPISODES): t for name, t in tensors.items() if name.startswith(EPISODES)
    }
    if optimizer is not None:
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, number, moment = name.split("/")
                moments.setdefault(int(number), {})[moment] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return TrainingState(counters, episodes)


def save_weights(
    network: torch.nn.Module,
    path: str | Path,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a network's weights as safetensors, in one move; `dtype` None keeps theirs."""
    path = Path(path)
    _write({name: t.to(dtype or t.dtype) for name, t in network.state_dict().items()}, path)
    return path


def weights_name(steps: int) -> str:
    """Return the file name of the weights after so many steps."""
    return f"weights-{steps}.safetensors"


def find_weights(folder: str | Path) -> dict[int, Path]:
    """Return training step → file of the weights that a run kept, in ascending order."""
    found = {}
    for path in Path(folder).glob(weights_name("*")):  # type: ignore[arg-type]
        steps = path.name.removeprefix("weights-").removesuffix(".safetensors")
        if steps.isdecimal():
            found[int(steps)] = path
    return dict(sorted(found.items()))


def _write(tensors: dict[str, torch.Tensor], path: Path, metadata: Any = None) -> None:
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as partial:
        save_file(whole, partial, metadata=metadata)
