"""Tasks written out as decision problems."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    from interp.decisions.mdp import TabularMDP


class DecisionProblems(Capability, ABC):
    """Tabular decision problems of a family's tasks, for inverse reinforcement learning."""

    of_family = True

    @abstractmethod
    def mdp(self, text: str) -> TabularMDP:
        """Return the decision problem of one task, from its text.

        Raises
        ------
        LevelError
            If the text is malformed.
        """
