"""What an intervention is, spelt out: JSON data, tensors, and one sha256 over both."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from interp.interventions.record import Intervention


def record_of(item: Intervention) -> dict[str, Any]:
    """Return everything of an intervention but its tensors, as JSON data."""
    a = item.address
    return {
        "address": {
            "site": a.site,
            "step": _plain(a.step),
            "tick": _plain(a.tick),
            "index": {dim: _plain(index) for dim, index in a.index.items()},
        },
        "operation": item.operation,
        "value_dims": list(item.value_dims),
        "labels": {dim: list(labels) for dim, labels in item.labels.items()},
        "examples": None if item.examples is None else list(item.examples),
        "when": [condition.to_record() for condition in item.when],
        "subspace": None if item.subspace is None else item.subspace.dim,
        "missing": item.missing,
        # Not there without names: the fingerprints of before hold.
        **({} if item.feature_dims is None else {"feature_dims": list(item.feature_dims)}),
    }


def tensors_of(item: Intervention) -> dict[str, torch.Tensor]:
    """Return the tensors of an intervention: name → tensor, detached, on the CPU."""
    held = {"value": item.value, "present": item.present}
    if item.subspace is not None:
        held |= {f"subspace.{k}": v for k, v in item.subspace.tensors().items()}
    return {k: v.detach().cpu().contiguous() for k, v in held.items() if v is not None}


def fingerprint_of(item: Intervention) -> str:
    """Return the sha256, in hex, over record and tensors."""
    digest = hashlib.sha256(json.dumps(record_of(item), sort_keys=True).encode())
    for name, tensor in tensors_of(item).items():
        digest.update(f"\n{name} {tensor_key(tensor)}".encode())
    return digest.hexdigest()


def tensor_key(tensor: torch.Tensor) -> str:
    """Return the name of a tensor in a file: the sha256 over dtype, shape and bytes."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _plain(labels: Any) -> Any:
    if isinstance(labels, slice):
        return {"slice": [labels.start, labels.stop, labels.step]}
    return list(labels) if isinstance(labels, tuple) else labels
