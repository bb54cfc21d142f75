"""Which state of the world each step of a run found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from organisms.capabilities.capability import Capability, has_capability

if TYPE_CHECKING:
    import xarray as xr


class States(Capability):
    """How states of the world are told apart: here by the observation.

    A family whose observation is not its whole state, or more than that, has its own.
    """

    of_family = True

    @classmethod
    def of(cls, organism: Any) -> States:
        """Return the organism's own, or what observations tell apart."""
        return organism[cls] if has_capability(organism, cls) else cls()

    def visited(self, run: xr.Dataset) -> xr.DataArray:
        """Return which state of the world every step of a run found.

        Parameters
        ----------
        run
            With ``observation`` and ``length``.

        Returns
        -------
        xarray.DataArray
            (episode, step) int64: equal where the states are, also between runs of one organism;
            −1 outside the episodes.
        """
        from organisms.boards.run_events import observed_states

        return observed_states(run)
