"""Agents that others trained and released."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    from organisms.organism import Organism


class Released(Capability, ABC):
    """Agents of others that `organisms.load` fetches by name, or reads from a folder."""

    of_family = True

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The names of the agents."""

    @abstractmethod
    def fetch(self, name: str) -> Path:
        """Return the folder of an agent's files, fetching them if need be.

        Raises
        ------
        AssetError
            If they cannot be fetched: says what to fetch and where to put it.
        """

    @abstractmethod
    def recognises(self, folder: Path) -> bool:
        """Say whether a folder holds (part of) such an agent."""

    @abstractmethod
    def load(self, folder: Path, name: str) -> Organism:
        """Build an organism of an agent's folder.

        Raises
        ------
        CheckpointError
            If its files are truncated, of the wrong shape, or not finite.
        """
