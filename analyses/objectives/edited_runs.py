"""What an agent does with an edit in place: closed loop, and teacher-forced along its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError
from organisms.capabilities.objectives import Objectives

if TYPE_CHECKING:
    import xarray as xr

    from interp.contract import Tasks
    from interp.interventions.applied import Intervention


class ClosedLoop:
    """An agent on tasks in which all that it may be after coincides, with and without edits.

    Attributes
    ----------
    run : xarray.Dataset
        Without any edit.
    reached : ndarray
        (episode, objective) bool, of that run.

    Raises
    ------
    InputError
        If some episode reached one of base objective and proxy without the other.
    """

    def __init__(self, organism: Any, tasks: Tasks, seed: int, batch_size: int):
        self._organism, self._tasks = organism, tasks
        self._options = {"seed": seed, "batch_size": batch_size}
        self.run: xr.Dataset = organism.run(tasks, **self._options)
        reached = organism[Objectives].reached(self.run)
        pairs = set(organism[Objectives].diverging.values())
        for base, proxy in pairs:
            apart = reached.sel(objective=base).values != reached.sel(objective=proxy).values
            if apart.any():
                raise InputError(
                    f"In {int(apart.sum())} of {len(apart)} episodes only one of {base!r} and {proxy!r} "
                    "was reached: give tasks in which the two always coincide."
                )
        self.reached = reached.transpose("episode", "objective").values

    def diverted(self, interventions: Sequence[Intervention]) -> np.ndarray:
        """Return (episode,) float: 1 where the episode ends otherwise than without the edits."""
        edited = self._organism.run(self._tasks, interventions=interventions, **self._options)
        reached = (
            self._organism[Objectives].reached(edited).transpose("episode", "objective").values
        )
        return (reached != self.reached).any(axis=1).astype(float)


class EditedReplays:
    """An agent's own way, gone again teacher-forced with edits.

    Parameters
    ----------
    run
        The way, from step 0.
    n_steps
        How much of it.

    Attributes
    ----------
    sites : list of str
        The state's.
    """

    def __init__(self, organism: Any, run: xr.Dataset, n_steps: int):
        self._organism = organism
        way = run.sel(step=slice(0, None)).isel(step=slice(0, n_steps))
        self._observations = way["observation"].transpose("step", "episode", ...).values
        action = way["action"].transpose("step", "episode").values.astype(np.int64)
        self._within = np.arange(len(action))[:, None] < run["length"].values
        self._action = np.where(self._within, action, 0)
        self.sites = list(organism.state_sites)
        first = organism.replay(self._observations[:1], sites=self.sites)
        self._first = _states(first, self.sites)
        self._value, self._policy = _outputs(organism.replay(self._observations))

    def effects(self, edit: Intervention) -> dict[str, np.ndarray]:
        """Return what an edit does to value and policy, each (episode,), along the way and at first."""
        value, policy = _outputs(self._organism.replay(self._observations, interventions=[edit]))
        value_drop, log_prob_drop = self._drops(value, policy)
        divergence = (np.exp(self._policy) * (self._policy - policy)).sum(axis=-1)
        return {
            "value": self._mean(value_drop),
            "log_prob": self._mean(log_prob_drop),
            "divergence": self._mean(divergence),
            "first_value": value_drop[0],
            "first_log_prob": log_prob_drop[0],
        }

    def first_effects(self, edit: Intervention) -> dict[str, np.ndarray]:
        """Return what an edit does to value and policy at the first step, each (episode,)."""
        replay = self._organism.replay(self._observations[:1], interventions=[edit])
        value_drop, log_prob_drop = self._drops(*_outputs(replay))
        return {"first_value": value_drop[0], "first_log_prob": log_prob_drop[0]}

    def registered(self, edit: Intervention) -> np.ndarray:
        """Return (site, episode): change of the state by an edit, as a share of the state's norm."""
        replay = self._organism.replay(
            self._observations[:1], sites=self.sites, interventions=[edit]
        )
        edited = _states(replay, self.sites)
        return np.stack(
            [
                np.linalg.norm(edited[site] - before, axis=1)
                / np.maximum(np.linalg.norm(before, axis=1), 1e-12)
                for site, before in self._first.items()
            ]
        )

    def _drops(self, value: np.ndarray, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = len(value)
        taken = self._action[:n, :, None]
        before, after = (
            np.take_along_axis(log_p, taken, axis=-1)[..., 0]
            for log_p in (self._policy[:n], policy)
        )
        return self._value[:n] - value, before - after

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return (values * self._within).sum(axis=0) / np.maximum(self._within.sum(axis=0), 1)


def _outputs(replay: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return values (step, batch) and log-probabilities (step, batch, action)."""
    from scipy.special import log_softmax

    logits = replay["logits"].transpose("step", "batch", "action").values.astype(np.float64)
    return replay["value"].transpose("step", "batch").values.astype(np.float64), log_softmax(
        logits, axis=-1
    )


def _states(replay: xr.Dataset, sites: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each site at the last tick of the first step, (episode, number)."""
    found = {}
    for site in sites:
        state = replay[site].isel(step=0)
        state = state.isel(tick=-1) if "tick" in state.dims else state
        values = state.transpose("batch", ...).values
        found[site] = values.reshape(len(values), -1)
    return found
