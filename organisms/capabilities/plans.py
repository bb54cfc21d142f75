"""What a family says of plans, under names that every analysis knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr

MEASURES = ("length", "connected", "valid", "reaches", "solves")
"""What `Plans.assess` says of a plan.

``length``: squares that the plan, followed from where it begins, runs through. ``connected``: share
of the marked squares that it runs through (NaN if none is marked). ``valid``: whether there is a plan
and the world allows it to be carried out to its end. ``reaches``: share of the movable things that the
plan leaves on a goal (NaN if the concept is not about things that have goals). ``solves``: whether
carrying it out solves the task.
"""


class ExecutedPath(NamedTuple):
    """The way that one thing went, from a step of an episode on."""

    episode: int
    """Position of the episode in the run."""
    squares: np.ndarray
    """(square, 2) row and column, in the order in which the thing came by; each square once."""
    ends_on_goal: bool
    """Whether it ended where it should."""


class Plans(Capability, ABC):
    """How the label maps of some concepts are plans, and what became of them."""

    of_family = True

    @property
    @abstractmethod
    def concepts(self) -> tuple[str, ...]:
        """Return the names of the concepts whose label maps can be followed as plans."""

    @abstractmethod
    def assess(
        self, observation: xr.DataArray, concept: str, maps: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Follow one decoded map per observation, and carry it out in a simulator.

        Parameters
        ----------
        observation
            ``(episode, *observation dims)``, with these dims: the state in which the plan begins.
        concept
            One of `concepts`.
        maps
            (episode, …, y, x) int: indices of the concept's classes.

        Returns
        -------
        dict
            Each of `MEASURES` → (episode, …) float.
        """

    @abstractmethod
    def paths(self, run: xr.Dataset, concept: str, step: int = 0) -> list[ExecutedPath]:
        """Return the ways that were gone from `step` on, as the concept's labels show them."""

    @abstractmethod
    def events(self, run: xr.Dataset, concept: str) -> xr.DataArray:
        """Return what happens at each step itself: the concept's event, not its next one.

        Returns
        -------
        xarray.DataArray
            ``(episode, step, y, x)`` int8: index of the class of the event on the square with the
            step's own action, the negative class (0) where nothing happens, −1 outside the episode
            and at thinking steps.
        """
