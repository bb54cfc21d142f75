"""Tasks with a short and a long way, and the plan to write for the long one: for any family."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from interp.contract import Tasks

Place = tuple[int, ...]
"""Positions along the `place_dims` of a site."""


@dataclass(frozen=True)
class SteeringTasks:
    """Tasks that can be solved by a short and by a long way, and how a plan for the long one reads.

    An organism left alone is expected to take the short way. A plan is written by adding class
    directions of a probe for `concept` to a site: the class `never` at the places of the short way,
    and at the first places of the long way the classes that lead along it.

    Attributes
    ----------
    kind : str
    tasks : Tasks
    unit : numpy.ndarray
        (task,) int64: tasks with one number are variants (mirror images, rotations) of one task,
        and one unit of every bootstrap.
    concept : str
        Name among ``organism.concepts``; labels places with classes.
    never : str
        Its class "nothing happens here".
    place_dims : tuple of str
        The dims that a place is a position along.
    short : tuple
        For each task the places of the short way that are not on the long one, in order.
    long : tuple
        For each task the places of the long way in order, each with its class.
    until : str
        Name of the condition (`interp.interventions.conditions`) under which a place of the long
        way is no longer
        written: what was planned there has happened.
    short_length, long_length : numpy.ndarray
        (task,) int64: steps of the shortest solution by each way.
    judge : callable
        From a recorded run and the `number` of each of its tasks, (episode,) bool: whether the long
        way was taken to its end, whatever came of the episode.
    number : numpy.ndarray
        (task,) int64: what `judge` knows each task by.

    Raises
    ------
    InputError
        If the parts are not of one length.
    """

    kind: str
    tasks: Tasks
    unit: np.ndarray
    concept: str
    never: str
    place_dims: tuple[str, ...]
    short: tuple[tuple[Place, ...], ...]
    long: tuple[tuple[tuple[Place, str], ...], ...]
    until: str
    short_length: np.ndarray
    long_length: np.ndarray
    judge: Callable[[xr.Dataset, np.ndarray], np.ndarray]
    number: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.tasks)
        for name in ("unit", "short", "long", "short_length", "long_length", "number"):
            if len(getattr(self, name)) != n:
                raise InputError(f"{n} tasks, but {len(getattr(self, name))} entries of {name!r}.")

    def __len__(self) -> int:
        return len(self.tasks)

    def __repr__(self) -> str:
        n = len(np.unique(self.unit))
        return f"<SteeringTasks {self.kind!r}: {len(self)} tasks of {n}, plan in {self.concept!r}>"

    def __getitem__(self, index: slice) -> SteeringTasks:
        if not isinstance(index, slice):
            raise InputError(f"Steering tasks are taken by a slice, not {index!r:.80}.")
        cut = {
            name: getattr(self, name)[index]
            for name in ("tasks", "unit", "short", "long", "short_length", "long_length", "number")
        }
        return dataclasses.replace(self, **cut)

    def took_long_way(self, run: xr.Dataset) -> np.ndarray:
        """Return (episode,) bool: whether the long way was taken, in a run of these tasks.

        Raises
        ------
        InputError
            If the run is not of these tasks.
        """
        if list(run.level_id.values) != list(self.tasks.ids):
            raise InputError("The run is not of these tasks, in their order.")
        return self.judge(run, self.number)

    def succeeded(self, run: xr.Dataset) -> np.ndarray:
        """Return (episode,) bool: solved, and by the long way."""
        return np.asarray(run.solved.values, bool) & self.took_long_way(run)

    def step_places(self, number: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return the `number`-th place of every long way that has one.

        Returns
        -------
        tuple
            Which tasks have one, (some,) int64; the places, (some, dim) int64; their classes.
        """
        has = np.array([i for i, way in enumerate(self.long) if len(way) > number], np.int64)
        places = np.array([self.long[i][number][0] for i in has], np.int64)
        return (
            has,
            places.reshape(len(has), len(self.place_dims)),
            [self.long[i][number][1] for i in has],
        )


@dataclass(frozen=True)
class ActionRewrites:
    """Where, at one step of a run, a plan says what the next action is.

    Attributes
    ----------
    concept : str
        The concept that is written.
    place_dims : tuple of str
    place : numpy.ndarray
        (episode, dim) int64.
    classes : tuple of str
        For each action the class that means it; ``""`` for an action that no class means.
    possible : numpy.ndarray
        (episode, action) bool: the action would do something, and is not the one that was taken;
        False throughout where the episode was over.
    """

    concept: str
    place_dims: tuple[str, ...]
    place: np.ndarray
    classes: tuple[str, ...]
    possible: np.ndarray
