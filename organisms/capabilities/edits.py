"""Edits of what an organism makes of the goals that it sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr

    from interp.interventions.applied import Intervention


class Edits(Capability, ABC):
    """Counterfactual edits of the organism's own representation of what it sees."""

    @abstractmethod
    def of(self, run: xr.Dataset) -> Mapping[str, Intervention]:
        """Return the edits for the examples of a run.

        Parameters
        ----------
        run
            In which base objective and proxy coincide: what is edited is what the agent is after.

        Returns
        -------
        mapping
            Name → an intervention with one value per example, on what the network makes of its
            observation before anything else. ``"base"`` takes away what makes the goal the base
            objective's, ``"proxy"`` what makes it the proxy's, ``"both"`` both; ``"base_on_other"``
            and ``"proxy_on_other"``, where a family has them, give it to another thing. Edits of
            different places add up: one with the other moves a feature.

        Raises
        ------
        InputError
            If base objective and proxy do not coincide in the run, or the network cannot be edited so.
        """
