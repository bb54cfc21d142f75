"""Interventions as files: JSON for what they are, safetensors for their numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from interp.errors import AssetError, InterventionError, MesascopeError
from interp.files import write_atomically
from interp.interventions.address import Address
from interp.interventions.conditions import Condition
from interp.interventions.fingerprint import record_of, tensor_key, tensors_of
from interp.interventions.record import Intervention, as_interventions
from interp.interventions.subspaces import Subspace

FORMAT = "mesascope interventions"
VERSION = 1
_RECORDS = "interventions.json"


def save_interventions(path: str | Path, interventions: Intervention | Iterable[Intervention]):
    """Write interventions to a folder that `load_interventions` reads, atomically.

    The folder gets ``interventions.json`` and one safetensors file named after its sha256; tensors that
    several interventions share are written once. The JSON is written last, in one move, so a folder
    that is there already holds either the old list or the new one. The same list gives the same bytes.

    Parameters
    ----------
    path
        A folder; made if it is not there.
    interventions
        One or several, in the order in which they are applied.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InterventionError
        If something else is given, or `path` is a file.
    """
    from safetensors.torch import save as to_bytes

    folder = Path(path)
    items = as_interventions(interventions)
    if folder.exists() and not folder.is_dir():
        raise InterventionError(f"{folder} is a file; interventions are saved to a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    records = []
    for item in items:
        own = {name: (tensor_key(tensor), tensor) for name, tensor in tensors_of(item).items()}
        tensors |= dict(own.values())
        records.append(
            {**record_of(item), "tensors": {name: key for name, (key, _) in own.items()}}
        )
    data = to_bytes(tensors)
    name = f"tensors-{hashlib.sha256(data).hexdigest()}.safetensors"
    write_atomically(folder / name, data)
    content = {"format": FORMAT, "version": VERSION, "tensors": name, "interventions": records}
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(folder / _RECORDS, text.encode())
    for other in folder.glob("tensors-*.safetensors"):
        if other.name != name:
            other.unlink(missing_ok=True)
    return folder


def load_interventions(path: str | Path) -> list[Intervention]:
    """Read what `save_interventions` wrote.

    Conditions are looked up by name when an intervention is applied, so a file can be read without the
    family of organisms that registers them.

    Returns
    -------
    list of Intervention
        Equal to those that were saved.

    Raises
    ------
    AssetError
        If a file is missing.
    InterventionError
        If a file is damaged, of another version or format, or holds what no intervention may be
        (a NaN, an unknown operation). All errors name the file.
    """
    folder = Path(path)
    file = folder / _RECORDS
    content = _read_json(file)
    if content.get("format") != FORMAT:
        raise InterventionError(f"{file}: not a file of interventions ({content.get('format')!r}).")
    if content.get("version") != VERSION:
        raise InterventionError(
            f"{file}: version {content.get('version')!r}; this mesascope reads version {VERSION}."
        )
    name, records = content.get("tensors"), content.get("interventions")
    if not isinstance(name, str) or Path(name).name != name or not isinstance(records, list):
        raise InterventionError(f"{file}: 'tensors' or 'interventions' is missing or malformed.")
    tensors = _read_tensors(folder / name)
    items = []
    for number, record in enumerate(records):
        try:
            items.append(_item(record, tensors))
        except (MesascopeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InterventionError(
                f"{file}: intervention {number} (tensors in {name}): "
                f"{type(error).__name__}: {error}"
            ) from error
    return items


def _labels(plain: Any) -> Any:
    if isinstance(plain, dict):
        return slice(*plain["slice"])
    return tuple(plain) if isinstance(plain, list) else plain


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AssetError(f"There are no interventions at {file.parent}: no {file}.") from None
    except (OSError, ValueError) as error:
        raise InterventionError(f"{file}: damaged, or not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise InterventionError(f"{file}: not a JSON object.")
    return content


def _read_tensors(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise AssetError(f"{file} is missing; it holds the tensors of {file.parent}.") from None
    if file.name != f"tensors-{hashlib.sha256(data).hexdigest()}.safetensors":
        raise InterventionError(f"{file}: the bytes are not the ones that were written.")
    try:
        return from_bytes(data)
    except (SafetensorError, ValueError) as error:
        raise InterventionError(f"{file}: no safetensors file ({error}).") from error


def _item(record: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Intervention:
    held = {name: tensors[key] for name, key in record["tensors"].items()}
    prefix = "subspace."
    parts = {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}
    place, dim = record["address"], record["subspace"]
    index = {dim: _labels(index) for dim, index in place["index"].items()}
    examples, names = record["examples"], record.get("feature_dims")
    return Intervention(
        Address(place["site"], _labels(place["step"]), _labels(place["tick"]), index),
        record["operation"],
        held.get("value"),
        tuple(record["value_dims"]),
        labels={dim: tuple(labels) for dim, labels in record["labels"].items()},
        examples=None if examples is None else tuple(examples),
        when=tuple(Condition(**condition) for condition in record["when"]),
        subspace=None if dim is None else Subspace(dim=dim, **parts),
        missing=record["missing"],
        present=held.get("present"),
        feature_dims=None if names is None else tuple(names),
    )
