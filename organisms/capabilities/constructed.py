"""Organisms that were written, not trained: their weights are constructed when they are loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    from organisms.card import Card
    from organisms.organism import Organism


class Constructed(Capability, ABC):
    """Organisms that `organisms.load` makes by name, without files."""

    of_family = True

    @property
    @abstractmethod
    def cards(self) -> Mapping[str, Card]:
        """Return the name of each organism → its card; made without loading torch."""

    @abstractmethod
    def load(self, name: str) -> Organism:
        """Construct an organism, the same each time."""
