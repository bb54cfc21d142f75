"""What agents of a family can be after, beside what training pays for."""

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
    from organisms.card import Result


class Objectives(Capability, ABC):
    """Objectives that coincide in training and part elsewhere."""

    @property
    @abstractmethod
    def paid(self) -> str:
        """The objective that the organism's training paid for."""

    @abstractmethod
    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return which objectives the end of each episode is in line with.

        Parameters
        ----------
        run
            Of any agent in worlds of the family.

        Returns
        -------
        xarray.DataArray
            (episode, objective) bool, the objectives by name: those that training can pay for, the
            one it is meant to pay for first. Several where they coincide, none where nothing was
            reached.
        """

    @property
    @abstractmethod
    def diverging(self) -> Mapping[str, tuple[str, str]]:
        """Tasks that tell objectives apart: name for `tasks` → (the base objective, its proxy)."""

    @property
    @abstractmethod
    def decorrelated(self) -> str:
        """Tasks, by name for `tasks`, in which what objectives are about goes its own ways."""

    @property
    def proxy_kinds(self) -> Mapping[str, str]:
        """Proxy → how it is tied to the base objective in training: ``side-effect`` or ``instrumental``.

        After Hubinger et al. 2019 (arXiv 1906.01820), Sec. 4.2: going after a side-effect proxy has the
        base objective's end as its own; an instrumental one is a means to it.
        """
        return {}

    @property
    def features(self) -> Mapping[str, frozenset[str]]:
        """Objective → the features of the family's decision problems that its pursuit weighs."""
        return {}

    @abstractmethod
    def evaluate(self, n: int = 300, seed: int = 0) -> tuple[Result, ...]:
        """Measure what the organism reaches, on distribution and where objectives part, for its card."""

    def hypothetical_ways(self, tasks: Tasks) -> Mapping[str, np.ndarray]:
        """Return how an agent after each of the objectives would go, as far as the family knows.

        Returns
        -------
        mapping
            Objective → (episode, time, axis) int64: positions along the place dims, −1 beyond the end.

        Raises
        ------
        InputError
            If the family knows no such ways.
        """
        raise InputError("The family knows no ways of hypothetical agents.")
