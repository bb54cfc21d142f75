"""Training state on disk: safetensors and JSON, written atomically. No pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from interp.errors import CheckpointError


def save_training_state(
    path: str | Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, counters: dict
) -> None:
    """Write weights, optimiser moments and counters to one safetensors file.

    Parameters
    ----------
    path
        Ends in ``.safetensors``; replaced in one move, so a crash leaves the old file whole.
    counters
        JSON-able; integers of any size are kept.
    """
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(tensor)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"counters": json.dumps(counters)})
    os.replace(partial, path)


def load_training_state(
    path: str | Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> dict[str, Any]:
    """Restore what `save_training_state` wrote and return its counters.

    Parameters
    ----------
    optimizer
        Left out, only the network's weights are restored.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, or of another network.
    """
    from safetensors import safe_open

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
    if optimizer is None:
        return counters
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, number, moment = name.split("/")
            moments.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return counters
