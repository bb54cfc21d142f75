"""A recorded run played back as a world: teacher forcing as a closed loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.contract import Organism, Transition
from interp.errors import StoreError

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
        """Return the recorded actions, (episode, step) int16."""
        return self.dataset["action"].values


class TapeWorld:
    """A world that plays a tape: whatever the action, the recorded transition follows.

    See `interp.contract.World`. Memory: a window of about 16 MiB of observations.
    """

    def __init__(self, tape: Tape):
        self._run = tape.dataset
        small = self._run[["reward", "done", "length", "solved"]].load()
        self._reward, self._done = small["reward"].values, small["done"].values
        self._length, self._solved = small["length"].values, small["solved"].values
        self._first = int(self._run["step"].values[0])
        self.max_steps = self._run.sizes["step"] + self._first
        self.n_actions = self._run.sizes["action_index"]
        row = np.prod(self._run["observation"].shape[2:], dtype=int) * len(self._length)
        self._window = max(1, int(WINDOW_BYTES // max(1, row)))
        self._loaded, self._at = np.empty(0), -1
        self._step = 0

    @property
    def solved(self) -> np.ndarray:
        """(batch,) bool, as recorded."""
        return self._solved

    def reset(self) -> np.ndarray:
        """Rewind and return the first observations."""
        self._step = 0
        return self._observation(0)

    def step(self, action: np.ndarray) -> Transition:
        """Return the recorded transition; `action` is ignored."""
        position = self._step - self._first
        self._step += 1
        terminated = self._done[:, position]
        truncated = (self._length <= self._step) & ~terminated
        reward = np.nan_to_num(self._reward[:, position])
        following = min(self._step, self.max_steps - 1)  # nobody looks beyond the last
        return Transition(self._observation(following), reward, terminated, truncated)

    def _observation(self, step: int) -> np.ndarray:
        position = step - self._first
        start = position - position % self._window
        if start != self._at:
            window = self._run["observation"].isel(step=slice(start, start + self._window))
            self._loaded, self._at = window.values, start
        return self._loaded[:, position - start]


class TapeOrganism:
    """An organism's network in the world of a tape."""

    def __init__(self, organism: Organism, tape: Tape):
        self.network, self.name = organism.network, organism.name
        self.observation_dims = tuple(tape.run["observation"].dims[2:])
        self._organism = organism

    @property
    def sites(self) -> Mapping[str, tuple[str, ...]]:
        """Site → dims, of the network."""
        return self._organism.sites

    def world(self, tasks: Any) -> TapeWorld:
        """Return the world that plays some episodes of the tape."""
        return TapeWorld(tasks)
