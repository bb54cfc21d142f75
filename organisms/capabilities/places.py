"""Places that an agent can be at, and ways between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from interp.errors import InputError
from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from interp.contract import Tasks


class Places(Capability, ABC):
    """Where the agent of a world is, and in which directions it moves."""

    @property
    @abstractmethod
    def directions(self) -> Mapping[str, tuple[int, ...]]:
        """Directions of movement: name → steps along the place dims (rows down, columns right)."""

    def everywhere(self, task: Tasks) -> tuple[Tasks, np.ndarray]:
        """Return the same task once for every place an episode of it could begin at.

        Parameters
        ----------
        task
            Tasks, of which there is one.

        Returns
        -------
        tuple
            The tasks; and (*place dims) int64, which of them begins at each place, −1 for none.

        Raises
        ------
        InputError
            If there is not one task, or the family's cannot begin elsewhere.
        """
        raise InputError("A task of this family begins where it does.")

    def ways(self, run: xr.Dataset) -> np.ndarray:
        """Return the places that the organism was at, (episode, time, axis) int64; −1 beyond the end.

        Raises
        ------
        InputError
            If the family does not tell them.
        """
        raise InputError("This family does not tell where its agents were.")
