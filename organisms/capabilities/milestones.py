"""When the sub-goals of a task were reached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr


class Milestones(Capability, ABC):
    """Sub-goals that the world counts."""

    @abstractmethod
    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return when the sub-goals of each episode were reached.

        Returns
        -------
        xarray.DataArray
            (episode, milestone) float64: the step whose action first had 1, 2, … sub-goals reached
            at once; −1 if they were from the start, NaN if they never were.
        """
