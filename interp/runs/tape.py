"""A recorded run played back as a world: teacher forcing as a closed loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.contract import (
    ArraySpace,
    Organism,
    Outcome,
    Spaces,
    Transition,
    action_space_of,
    deliberation_of,
    facts_of,
    is_observation,
    outcome_of,
    place_dims_of,
)
from interp.errors import StoreError
from interp.runs.heads import no_action
from interp.runs.observations import from_variables

if TYPE_CHECKING:
    import xarray as xr

WINDOW_BYTES = 16 * 2**20


class Tape:
    """Consecutive episodes of a recorded run, as tasks.

    Observations stay on disk until they are played.

    Attributes
    ----------
    run : xarray.Dataset
    ids, texts : list of str
    """

    def __init__(self, run: xr.Dataset, episodes: slice):
        self.run, self._episodes = run, episodes
        part = run.isel(episode=episodes)
        self.ids = [str(name) for name in part["level_id"].values]
        self.texts = [str(text) for text in part["level"].values]

    @classmethod
    def of(cls, run: xr.Dataset) -> Tape:
        """Return all episodes of a run that has been recorded to the end."""
        if (run["length"] < 0).any():
            raise StoreError("The run has episodes that were not recorded; it cannot be replayed.")
        return cls(run, slice(0, run.sizes["episode"]))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: slice) -> Tape:
        start, stop, _ = index.indices(len(self))
        return Tape(self.run, slice(self._episodes.start + start, self._episodes.start + stop))

    @property
    def dataset(self) -> xr.Dataset:
        """The episodes' part of the run, lazy."""
        return self.run.isel(episode=self._episodes)

    def actions(self) -> np.ndarray:
        """Return the recorded actions, (episode, step, *action dims)."""
        return self.dataset["action"].values


class TapeWorld:
    """A world that plays a tape: whatever the action, the recorded transition follows.

    See `interp.contract.World`. Memory: a window of about 16 MiB of each observation.
    """

    def __init__(self, tape: Tape):
        self._run = tape.dataset
        results = [name for name in ("solved", "outcome") if name in self._run]
        small = self._run[["reward", "done", "length", *results]].load()
        self._reward, self._done = small["reward"].values, small["done"].values
        self._length = small["length"].values
        for name in results:
            setattr(self, name, small[name].values)
        self._first = int(self._run["step"].values[0])
        self.max_steps = self._run.sizes["step"] + self._first
        self.spaces = Spaces(
            from_variables({name: _space(self._run[name]) for name in _observations(self._run)}),
            action_space_of(self._run),
        )
        self._facts = facts_of(self._run)
        self.fact_dims = {name: tuple(self._run[name].dims[2:]) for name in self._facts}
        self._windows = {
            name: _Window(self._run[name]) for name in (*_observations(self._run), *self._facts)
        }
        self._step = 0

    @property
    def facts(self) -> dict[str, np.ndarray]:
        """Name → (batch, …), as recorded."""
        position = self._position()
        return {name: self._windows[name].at(position) for name in self._facts}

    def reset(self) -> Any:
        """Rewind and return the first observations."""
        self._step = 0
        return self._observation()

    def step(self, action: np.ndarray) -> Transition:
        """Return the recorded transition; `action` is ignored."""
        position = self._step - self._first
        self._step += 1
        terminated = self._done[:, position]
        truncated = (self._length <= self._step) & ~terminated
        reward = np.nan_to_num(self._reward[:, position])
        return Transition(self._observation(), reward, terminated, truncated)

    def _position(self) -> int:
        return min(self._step, self.max_steps - 1) - self._first  # nobody looks beyond the last

    def _observation(self) -> Any:
        position = self._position()
        return from_variables(
            {name: self._windows[name].at(position) for name in _observations(self._run)}
        )


class _Window:
    """Some steps of a variable at a time, about 16 MiB."""

    def __init__(self, variable: xr.DataArray):
        self._variable = variable
        row = np.prod(variable.shape[2:], dtype=int) * len(variable) * variable.dtype.itemsize
        self._size = max(1, int(WINDOW_BYTES // max(1, row)))
        self._loaded, self._start = np.empty(0), -1

    def at(self, position: int) -> np.ndarray:
        start = position - position % self._size
        if start != self._start:
            self._loaded = self._variable.isel(step=slice(start, start + self._size)).values
            self._start = start
        return self._loaded[:, position - start]


def _observations(run: xr.Dataset) -> list[str]:
    return [str(name) for name in run.data_vars if is_observation(str(name))]


def _space(variable: xr.DataArray) -> ArraySpace:
    dims = tuple(str(dim) for dim in variable.dims[2:])
    return ArraySpace(dims, variable.shape[2:], variable.dtype.name)


class TapeOrganism:
    """An organism's network in the world of a tape."""

    def __init__(self, organism: Organism, tape: Tape):
        self.network, self.name = organism.network, organism.name
        self.observation_dims = {
            name.removeprefix("observation."): tuple(tape.run[name].dims[2:])
            for name in _observations(tape.run)
        }
        self.outcome: Outcome = outcome_of(tape.run)
        self.deliberation = deliberation_of(organism)
        self.place_dims = place_dims_of(tape.run)
        self._organism, self._action = organism, action_space_of(tape.run)

    @property
    def sites(self) -> Mapping[str, tuple[str, ...]]:
        """Site → dims, of the network."""
        return self._organism.sites

    def head(self, outputs: Mapping[str, np.ndarray], *_: Any) -> np.ndarray:
        """Return some action: the tape goes on whatever it is."""
        n = len(next(iter(outputs.values())))
        space = self._action
        return np.zeros_like(no_action(space, n))

    def world(self, tasks: Any) -> TapeWorld:
        """Return the world that plays some episodes of the tape."""
        return TapeWorld(tasks)
