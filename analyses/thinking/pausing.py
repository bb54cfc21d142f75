"""Runs that pause: at a given step of each episode the organism is made to think, and then goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from interp.contract import Tasks, Transition, World
from organisms.capabilities.capability import LikeOrganism


@dataclass(frozen=True)
class Pause:
    """At step `start` of the episode, `steps` observations are answered without being acted on."""

    start: int
    steps: int


NONE = Pause(0, 0)


def run_with_pauses(
    organism: Any,
    tasks: Tasks,
    pauses: Sequence[Pause],
    *,
    distracting: bool = False,
    sites: Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 128,
) -> xr.Dataset:
    """Run tasks in closed loop, each with one pause, and return the run without the paused steps.

    The world stands still during a pause: the network is fed what it sees, and what it answers is
    not carried out. Then it goes on from the recurrent state it has come to.

    Parameters
    ----------
    pauses
        One per task; of no steps for an episode that is run as it is.
    distracting
        During a pause, show the network the first observation of another task instead: as many
        steps, as much to remember, and nothing about the task in hand. The control.
    sites
        To keep.

    Returns
    -------
    xarray.Dataset
        As `organism.run` gives it. The step limit counts steps outside the pauses.
    """
    from interp.runs.episodes import run_episodes

    this = _Pausing(organism, tasks, pauses, distracting)
    paused: Any = _PausedTasks(tasks, np.arange(len(tasks)))
    host: Any = this
    run = run_episodes(host, paused, sites=sites, seed=seed, batch_size=batch_size)
    return _without_pauses(run, pauses)


@dataclass(frozen=True)
class _PausedTasks:
    """Tasks that know their places in the whole set."""

    tasks: Tasks
    places: np.ndarray

    @property
    def ids(self) -> Sequence[str]:
        return self.tasks.ids

    @property
    def texts(self) -> Sequence[str]:
        return self.tasks.texts

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: slice) -> _PausedTasks:
        return _PausedTasks(self.tasks[index], self.places[index])


class _Pausing(LikeOrganism):
    """An organism whose worlds pause; everything else is its own."""

    def __init__(self, organism: Any, tasks: Tasks, pauses: Sequence[Pause], distracting: bool):
        super().__init__(organism)
        self._pauses = list(pauses)
        self._others = None
        if distracting:
            first = np.asarray(organism.world(tasks).reset())
            self._others = np.roll(first, 1, axis=0)

    def world(self, tasks: _PausedTasks) -> _PausingWorld:
        others = None if self._others is None else self._others[tasks.places]
        pauses = [self._pauses[place] for place in tasks.places]
        longest = max(pause.steps for pause in self._pauses)
        return _PausingWorld(self._organism.world(tasks.tasks), pauses, longest, others)


class _PausingWorld:
    """A world in which each row stands still for a while when it comes to its step."""

    def __init__(
        self, world: World, pauses: Sequence[Pause], longest: int, others: np.ndarray | None
    ):
        self._world = world
        self._start = np.array([pause.start for pause in pauses])
        self._left = np.array([pause.steps for pause in pauses])
        self._elapsed = np.zeros(len(pauses), int)
        self._others = others
        self.n_actions: int = getattr(world, "n_actions", 0)
        self.max_steps = world.max_steps + longest

    @property
    def solved(self) -> np.ndarray:
        world: Any = self._world
        return world.solved

    def reset(self) -> np.ndarray:
        return self._shown(self._world.reset())

    def step(self, action: np.ndarray) -> Transition:
        pausing = self._pausing & (action >= 0)
        self._left[pausing] -= 1
        carried_out = np.where(pausing, -1, action)
        self._elapsed += carried_out >= 0
        after = self._world.step(carried_out)
        return after._replace(observation=self._shown(after.observation))

    @property
    def _pausing(self) -> np.ndarray:
        return (self._elapsed == self._start) & (self._left > 0)

    def _shown(self, observation: np.ndarray) -> np.ndarray:
        if self._others is None:
            return observation
        where = self._pausing.reshape(-1, *[1] * (observation.ndim - 1))
        return np.where(where, self._others, observation)


def _without_pauses(run: xr.Dataset, pauses: Sequence[Pause]) -> xr.Dataset:
    """Take the paused steps out of every episode, and what follows them forward."""
    length = run.length.values.astype(np.int64)
    step = np.arange(run.sizes["step"])
    index = np.repeat(step[None], len(length), axis=0)
    for row, pause in enumerate(pauses):
        # An episode that ended before its pause has none.
        if pause.steps and length[row] > pause.start:
            length[row] -= pause.steps
            index[row, pause.start :] += pause.steps
    outside = step >= length[:, None]
    gather = xr.DataArray(np.minimum(index, len(step) - 1), dims=("episode", "step"))
    blank = xr.DataArray(outside, dims=("episode", "step"))
    episode = xr.DataArray(np.arange(len(length)), dims="episode")
    data = {}
    for name, variable in run.data_vars.items():
        if "step" in variable.dims:
            moved = variable.drop_vars("step").isel(episode=episode, step=gather)
            fill = {"action": -1, "observation": 255, "done": False}.get(str(name), np.nan)
            dtype = variable.dtype
            variable = moved.where(~blank, fill).astype(dtype).transpose(*variable.dims)
        data[name] = variable
    out = xr.Dataset(data, attrs=run.attrs)
    out["length"] = ("episode", length.astype(np.int32))
    out = out.isel(step=slice(0, max(int(length.max()), 1)))
    return out.assign_coords(step=np.arange(out.sizes["step"]))
