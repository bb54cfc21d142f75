"""Attributes of runs and results: such as netCDF and zarr can keep, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as text, numbers and lists of either; all else becomes JSON text.

    netCDF has no booleans (they become 0 and 1), no nested attributes and no empty lists.

    Examples
    --------
    >>> plain_attributes({"complete": True, "world": {"noop": False}, "seed": 3, "sites": ["h"]})
    {'complete': 1, 'world': '{"noop": false}', 'seed': 3, 'sites': ['h']}
    """
    return {str(name): _plain(value) for name, value in attrs.items()}


def attribute(attrs: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Return an attribute, with what `plain_attributes` wrote as JSON text turned back.

    Examples
    --------
    >>> attribute({"world": '{"noop": false}'}, "world")
    {'noop': False}
    """
    value = attrs.get(name, default)
    if isinstance(value, str) and (value[:1] in ("{", "[") or value == "null"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, str | int | float | np.number) or (
        isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf"
    ):
        return value
    if isinstance(value, list | tuple) and value:
        kinds = {type(item) for item in value}
        if kinds <= {str} or kinds <= {int} or kinds <= {float, int}:
            return list(value)
    return json.dumps(value, default=_listed)


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
