"""A part of what a module returns, by its path: read, and replaced in a copy."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch

from interp.errors import InputError, nearest

Path: TypeAlias = tuple[int | str, ...]


def as_path(given: Any) -> Path:
    """Return a position, a key or a sequence of these as a path; () for None.

    Raises
    ------
    InputError
        If it is none of these.
    """
    parts = () if given is None else tuple(given) if isinstance(given, tuple | list) else (given,)
    if any(isinstance(part, bool) or not isinstance(part, int | str) for part in parts):
        raise InputError(
            f"output={given!r}: a position, a key, or several of these for a part of a part."
        )
    return parts


def part_of(output: Any, path: Path, module: str) -> torch.Tensor:
    """Return the tensor at `path` in what the submodule `module` returned.

    Raises
    ------
    InputError
        If there is no such part, or it is no tensor.
    """
    part = output
    for key in path:
        part = _child(part, key, module)
    if not isinstance(part, torch.Tensor):
        at = "".join(f"[{key!r}]" for key in path)
        raise InputError(
            f"The output{at} of {module!r} is a {type(part).__name__}, not a tensor; say with "
            f"Site(output=…) which part is the site. {_shown(part)}"
        )
    return part


def replaced(output: Any, path: Path, part: torch.Tensor) -> Any:
    """Return a copy of an output with another tensor at `path`; what is not on the path is shared."""
    if not path:
        return part
    key = path[0]
    child = replaced(_child(output, key, ""), path[1:], part)
    if isinstance(output, Mapping):
        changed = copy.copy(output)
        changed[_name(output, key)] = child  # type: ignore[index]
        return changed
    if isinstance(output, tuple | list):
        parts = list(output)
        parts[_position(output, key)] = child
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return dataclasses.replace(output, **{str(key): child})


def _name(output: Mapping[Any, Any], key: int | str) -> Any:
    # Hugging Face's ModelOutput is a mapping whose values also have positions.
    names = list(output)
    if key not in output and isinstance(key, int) and dataclasses.is_dataclass(output):
        return names[key] if -len(names) <= key < len(names) else None
    return key if key in output else None


def _position(output: Any, key: int | str) -> Any:
    if isinstance(key, str):
        fields = getattr(output, "_fields", ())
        return fields.index(key) if key in fields else None
    return key if -len(output) <= key < len(output) else None


def _child(output: Any, key: int | str, module: str) -> Any:
    if isinstance(output, torch.nn.utils.rnn.PackedSequence):
        raise InputError(
            f"The output of {module!r} is a PackedSequence, whose rows are steps and examples mixed. "
            "Give the module padded sequences."
        )
    if isinstance(output, Mapping):
        name = _name(output, key)
        if name is not None:
            return output[name]
    elif isinstance(output, tuple | list):
        position = _position(output, key)
        if position is not None:
            return output[position]
    elif dataclasses.is_dataclass(output) and isinstance(key, str):
        if key in (field.name for field in dataclasses.fields(output)):
            return getattr(output, key)
    raise InputError(
        f"The output of {module!r} has no part {key!r}: it is a {type(output).__name__}; parts are "
        f"those of a tuple or list, a mapping or a dataclass. {_shown(output, key)}"
    )


def _shown(output: Any, key: int | str = "") -> str:
    """Return the parts that there are, in words."""
    if isinstance(output, Mapping):
        names = [str(name) for name in output]
    elif isinstance(output, tuple | list):
        names = list(getattr(output, "_fields", ()))
        if not names:
            return f"It has {len(output)} parts."
    elif dataclasses.is_dataclass(output):
        names = [field.name for field in dataclasses.fields(output)]
    else:
        return ""
    close = nearest(str(key), names)
    hint = f" Nearest: {', '.join(close)}." if close else ""
    return f"It has the parts {', '.join(names)}.{hint}"
