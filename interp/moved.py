"""Modules by the names they had in version 0.1, for scripts written then."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "interp.addresses": "interp.interventions.address",
    "interp.capture": "interp.network.capture",
    "interp.clock": "interp.network.clock",
    "interp.conditions": "interp.interventions.conditions",
    "interp.episodes": "interp.runs.episodes",
    "interp.erasure": "interp.interventions.erasure",
    "interp.firings": "interp.interventions.firings",
    "interp.hooks": "interp.network.hooks",
    "interp.identifiability": "interp.decisions.identifiability",
    "interp.intervention_files": "interp.interventions.files",
    "interp.intervention_record": "interp.interventions.record",
    "interp.intervention_values": "interp.interventions.values",
    "interp.inverse_rl": "interp.decisions.inverse_rl",
    "interp.mdp": "interp.decisions.mdp",
    "interp.named_interventions": "interp.interventions.named",
    "interp.operations": "interp.interventions.operations",
    "interp.organism": "interp.contract",
    "interp.recorded_values": "interp.interventions.recorded_values",
    "interp.recording": "interp.runs.recording",
    "interp.replay": "interp.runs.replay",
    "interp.rollout": "interp.runs.rollout",
    "interp.rotation_search": "interp.interventions.rotation",
    "interp.site_names": "interp.network.site_names",
    "interp.soft_values": "interp.decisions.soft_values",
    "interp.store_create": "interp.store.create",
    "interp.store_encode": "interp.store.encode",
    "interp.store_layout": "interp.store.layout",
    "interp.store_location": "interp.store.location",
    "interp.store_lock": "interp.store.lock",
    "interp.store_verify": "interp.store.verify",
    "interp.store_write": "interp.store.write",
    "interp.subspaces": "interp.interventions.subspaces",
    "interp.tape": "interp.runs.tape",
    "interp.tensors": "interp.network.tensors",
    "interp.variables": "interp.runs.variables",
    "interp.wrapping": "interp.network.wrapping",
}
"""Old name → new name; whatever lay inside a package that moved lies there still."""

_moved: dict[str, str] = {}


def new_name(name: str) -> str | None:
    """Return what a module of version 0.1 is called now, None if it did not move."""
    head, tail = name, ""
    while head:
        if head in _moved:
            return _moved[head] + tail
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return None


class _Forward(MetaPathFinder, Loader):
    """Import the module of today under its old name: one module object, two names."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return None if new_name(fullname) is None else ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        name = new_name(spec.name)
        assert name is not None
        warnings.warn(f"{spec.name} is now {name}.", DeprecationWarning, stacklevel=2)
        module = import_module(name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__  # the import machinery has put the old name's there
        assert spec is not None
        module.__spec__ = spec.loader_state


def forward_old_names(moved: Mapping[str, str]) -> None:
    """Let modules be imported by their old names; old name → new name, as in `MOVED`."""
    _moved.update(moved)
    if not any(isinstance(finder, _Forward) for finder in sys.meta_path):
        # First: the old name of a file in a folder that moved would otherwise be found there, and run again.
        sys.meta_path.insert(0, _Forward())
