"""How likely a policy makes a given way: the geometric mean of its actions' probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from interp.contract import Tasks
    from interp.interventions.applied import Intervention


@dataclass(frozen=True)
class WalkedWays:
    """What is seen along one given way through each task.

    Attributes
    ----------
    observations : numpy.ndarray
        (step, task, *observation dims): before each action; after the end the last one again.
    actions : numpy.ndarray
        (step, task) int64; −1 after the end.
    length : numpy.ndarray
        (task,) int64: actions of the way.
    """

    observations: np.ndarray
    actions: np.ndarray
    length: np.ndarray

    def replay(
        self,
        organism: Any,
        sites: Iterable[str] = (),
        interventions: Sequence[Intervention] = (),
    ) -> xr.Dataset:
        """Run the network along the ways: ``logits`` (step, batch, action), the sites, ``length``."""
        run = organism.replay(self.observations, sites=sites, interventions=interventions)
        return run.assign(length=("batch", self.length))


def walk_ways(organism: Any, tasks: Tasks, ways: Sequence[Sequence[int]]) -> WalkedWays:
    """Walk a given way through each task, whatever the organism would do.

    Raises
    ------
    InputError
        If there is not one way per task, a way has no actions, or a task is over before the last
        action of its way.
    """
    if len(ways) != len(tasks) or not all(len(way) for way in ways):
        raise InputError(f"{len(tasks)} tasks need as many ways, each with an action.")
    length = np.array([len(way) for way in ways], np.int64)
    actions = np.full((int(length.max()), len(tasks)), -1, np.int64)
    for i, way in enumerate(ways):
        actions[: len(way), i] = way
    world = organism.world(tasks)
    seen = [world.reset()]
    over = np.zeros(len(tasks), bool)
    for step, action in enumerate(actions):
        if (over & (action >= 0)).any():
            at = int((over & (action >= 0)).argmax())
            raise InputError(f"{tasks.ids[at]!r} is over before action {step} of its way.")
        after = world.step(action)
        over |= after.terminated | after.truncated
        running = (step + 1 < length).reshape(-1, *[1] * (seen[-1].ndim - 1))
        seen.append(np.where(running, after.observation, seen[-1]))
    return WalkedWays(np.stack(seen[:-1]), actions, length)


def path_probability(run: xr.Dataset, ways: WalkedWays) -> np.ndarray:
    """Return how likely a policy makes each way, a step: the geometric mean along it.

    Parameters
    ----------
    run
        From `WalkedWays.replay`.

    Returns
    -------
    numpy.ndarray
        (task,) float64, from 0 to 1: ``exp(mean log p(action))``. A policy that draws its actions
        evenly gets 1 / (number of actions), for ways of any length.

    References
    ----------
    Turner, Mini et al. 2023 (arXiv 2310.08043), "Understanding and controlling a maze-solving policy
    network": their measure of how well the network is retargeted.
    """
    logits = np.asarray(run["logits"].transpose("step", "batch", ...).values, np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    taken = ways.actions >= 0
    chosen = np.take_along_axis(log_p, np.maximum(ways.actions, 0)[..., None], axis=-1)[..., 0]
    return np.exp(np.where(taken, chosen, 0.0).sum(axis=0) / ways.length)
