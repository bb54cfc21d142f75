"""Counterfactual pairs of tasks that differ by where the goal is: for any family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError
from organisms.capabilities.counterfactual_pairs import CounterfactualPairs

if TYPE_CHECKING:
    import xarray as xr

Way = tuple[int, ...]
"""Actions, in order."""


@dataclass(frozen=True, repr=False)
class GoalPairs(CounterfactualPairs):
    """Pairs of tasks between which the goal moves from one place to another.

    Every task of a pair has exactly one shortest way to each of the two places, and it is the same
    way in both. So what is in a network may be compared between the two all along either way.

    Attributes
    ----------
    place_dims : tuple of str
        The dims that a place is a position along.
    clean_goal, corrupted_goal : numpy.ndarray
        (pair, dim) int64: where the goal is in the clean and in the corrupted task.
    things : tuple
        For each pair what lies, in the clean task, at the one place and at the other, in words;
        ``""`` for nothing.
    clean_way, corrupted_way : tuple
        For each pair the actions of the shortest way from the start to the one place and to the other.
    visited : callable
        From a recorded run of such tasks, (episode, time, dim) int64: the places the agent was at, in
        order, the first before any action; −1 beyond the end.

    The other attributes are those of `CounterfactualPairs`.

    Raises
    ------
    InputError
        As `CounterfactualPairs`; or if the parts are not of one length, or a pair's places are one.

    Examples
    --------
    >>> from organisms.families.doors.goal_pairs import goal_pairs
    >>> pairs = goal_pairs("swap-objects", 2)
    >>> len(pairs), len(pairs.corrupted_way[0]) > 1
    (2, True)
    """

    place_dims: tuple[str, ...]
    clean_goal: np.ndarray
    corrupted_goal: np.ndarray
    things: tuple[tuple[str, str], ...]
    clean_way: tuple[Way, ...]
    corrupted_way: tuple[Way, ...]
    visited: Callable[[xr.Dataset], np.ndarray]

    def __post_init__(self) -> None:
        super().__post_init__()
        n, shape = len(self.clean), (len(self.clean), len(self.place_dims))
        for name in ("clean_goal", "corrupted_goal"):
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has the shape {getattr(self, name).shape}, not {shape}.")
        for name in ("things", "clean_way", "corrupted_way"):
            if len(getattr(self, name)) != n:
                raise InputError(f"{n} pairs, but {len(getattr(self, name))} entries of {name!r}.")
        if not all(self.clean_way) or not all(self.corrupted_way):
            raise InputError("A way has no actions.")
        if (self.clean_goal == self.corrupted_goal).all(axis=1).any():
            raise InputError("The goal of a pair is at one place in both tasks.")

    def __repr__(self) -> str:
        return f"<GoalPairs {self.kind!r}: {len(self)} pairs>"

    def went_to(self, run: xr.Dataset) -> np.ndarray:
        """Say which of a pair's two places the agent came to first, in a run of either task.

        Returns
        -------
        numpy.ndarray
            (episode,) int64: 0 the clean goal's place, 1 the corrupted goal's, −1 neither.

        Raises
        ------
        InputError
            If the run is not of the clean or the corrupted tasks, in their order.
        """
        ids = [str(name) for name in run["level_id"].values]
        if ids not in (list(self.clean.ids), list(self.corrupted.ids)):
            raise InputError("The run is not of these tasks, in their order.")
        visited = np.asarray(self.visited(run))
        never = visited.shape[1]
        first = np.full((2, len(self)), never)
        for number, place in enumerate((self.clean_goal, self.corrupted_goal)):
            there = (visited == place[:, None]).all(axis=2)
            first[number] = np.where(there.any(axis=1), there.argmax(axis=1), never)
        return np.where((first == never).all(axis=0), -1, first.argmin(axis=0))
