"""Cycles of an episode: stretches after which the world is as it was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from organisms.capabilities.capability import has_capability
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.states import States

SHORTEST = 2
"""Steps of the shortest cycle: one step that changes nothing is none (Taufeeque et al.)."""


@dataclass(frozen=True)
class Cycle:
    """From step `start` on, the world is after `length` steps what it was."""

    episode: int
    start: int
    length: int


def cycles_of(states: np.ndarray, end: int) -> list[tuple[int, int]]:
    """Return the cycles of one episode, as (start, length).

    From the first state on that comes back, the cycle goes to its *last* return, and the search
    continues after that. A figure of eight counts as one or two, by where it is entered.

    Parameters
    ----------
    states
        (step,): which state each step found, from step 0 on.
    end
        Steps from here on are left out.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421): the same rule, with ends at the last box placed.

    Examples
    --------
    >>> cycles_of(np.array([7, 8, 7, 8, 7, 5, 5, 4]), 8)
    [(0, 4)]
    """
    seen = states[:end]
    last = {int(state): at for at, state in enumerate(seen)}
    found, at = [], 0
    while at < len(seen):
        length = last[int(seen[at])] - at
        if length >= SHORTEST:
            found.append((at, length))
            at += length
        at += 1
    return found


@dataclass(frozen=True)
class Walk:
    """A run as states.

    Attributes
    ----------
    states
        (episode, step) int64 from step 0 on, −1 outside the episodes.
    end
        (episode,): steps until the last milestone, of the whole episode in a family without any.
    used
        (episode,) bool: there are such steps (a milestone was reached).
    length, solved
        (episode,).
    """

    states: np.ndarray
    end: np.ndarray
    used: np.ndarray
    length: np.ndarray
    solved: np.ndarray

    def cycles(self) -> list[Cycle]:
        """Return the cycles before the last milestone, by episode and start."""
        return self._between(np.zeros(len(self.end), int), self.end)

    def idle_cycles(self) -> list[Cycle]:
        """Return the cycles after the last milestone: they lead to nothing."""
        return self._between(self.end, self.length)

    def _between(self, first: np.ndarray, end: np.ndarray) -> list[Cycle]:
        return [
            Cycle(episode, int(first[episode]) + start, length)
            for episode in range(len(self.states))
            for start, length in cycles_of(
                self.states[episode, first[episode] :], int(end[episode] - first[episode])
            )
        ]


def walk_of(organism: Any, run: xr.Dataset) -> Walk:
    """Return a run as states, with what the organism's family tells of its milestones."""
    acting = run.step.values >= 0
    states = States.of(organism).visited(run).transpose("episode", "step").values[:, acting]
    length = run.length.values.astype(int)
    reached = milestones_of(organism, run)
    if reached is None:
        end, used = length.copy(), length > 0
    else:
        # The states of a cycle come before the action that reaches the milestone (as in the paper).
        last = np.where(reached >= 0, reached, -1).max(axis=1, initial=-1)
        used = last >= 0
        end = np.where(used, last, 0).astype(int)
    return Walk(states, end, used, length, run.solved.values.astype(bool))


def milestones_of(organism: Any, run: xr.Dataset) -> np.ndarray | None:
    """Return the steps (episode, milestone) of the milestones, None in a family without any."""
    reached = organism[Milestones].reached(run) if has_capability(organism, Milestones) else None
    return None if reached is None else reached.transpose("episode", "milestone").values


def common_path(a: np.ndarray, b: np.ndarray, most: int) -> float:
    """Return the share of the next `most` states that two walks have in common from their start.

    Up to where they first differ, and out of as many as the shorter one has, at least one. Two
    walks of which one is over agree if they do up to there.
    """
    n = min(len(a), len(b), most)
    if n == 0:
        return float("nan")
    differ = np.flatnonzero(a[:n] != b[:n])
    return float(differ[0] if len(differ) else n) / n
