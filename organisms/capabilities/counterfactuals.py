"""Pairs of tasks that differ by one edit of the world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    from organisms.capabilities.counterfactual_pairs import CounterfactualPairs


class Counterfactuals(Capability, ABC):
    """Pairs of tasks that differ by one edit of the world and ask for other actions."""

    kinds: tuple[str, ...]
    """Which edits there are."""

    @abstractmethod
    def pairs(self, kind: str, n: int, seed: int = 0) -> CounterfactualPairs:
        """Return pairs of tasks.

        Parameters
        ----------
        kind
            Which edit: one of `kinds`.
        n, seed
            How many pairs, and which.

        Raises
        ------
        UnknownNameError
            If there is no such kind.
        """
