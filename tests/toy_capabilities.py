"""Toy organisms whose own methods are the parts of their capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

from interp.errors import CapabilityError


class Able:
    """Indexed by capabilities as `organisms.Organism` is."""

    parts: ClassVar[Mapping[type, Mapping[str, str]]] = {}
    """Capability → its members, each with the name of the toy's own attribute."""

    def __contains__(self, capability: type) -> bool:
        return capability in self.parts

    def __getitem__(self, capability: type) -> Any:
        if capability not in self:
            raise CapabilityError(capability.__name__, getattr(self, "name", "toy"), None, [])
        members = self.parts[capability]
        return SimpleNamespace(**{name: getattr(self, own) for name, own in members.items()})
