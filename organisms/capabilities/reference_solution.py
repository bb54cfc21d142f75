"""What an exact learner or planner does in an organism's place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr

    from interp.contract import Organism, Tasks


class ReferenceSolution(Capability, ABC):
    """An optimal, or otherwise exact, solution of a family's tasks, to compare organisms with."""

    summary: str
    """What it is, and in which sense it is optimal: one sentence."""

    @property
    @abstractmethod
    def policy(self) -> Organism:
        """The solution on the contract of an organism: it acts in the same worlds, and has sites.

        So it is run, recorded, probed and compared as any organism is; what it keeps to itself (a
        posterior, a value) are its sites.
        """

    def run(self, tasks: Tasks, seed: int = 0, **options: Any) -> xr.Dataset:
        """Let the solution act on tasks; see `interp.runs.episodes.run_episodes`, greedily."""
        from interp.runs.episodes import run_episodes

        return run_episodes(self.policy, tasks, seed=seed, **options)
