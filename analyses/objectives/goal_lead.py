"""Does what is decoded lead behaviour? The approach to the first goal, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyses.objectives.candidate_decoding import Moments, unit_means


@dataclass(frozen=True)
class Approach:
    """The moments of each episode from its first goal's until that goal is reached or changes.

    Attributes
    ----------
    members
        For each such episode, the positions of its moments, in order.
    episodes
        (approach,) which episodes these are.
    remaining
        (moment,) int: steps until the goal is reached, 1 for the step whose action reaches it; 0
        for moments outside.
    """

    members: list[np.ndarray]
    episodes: np.ndarray
    remaining: np.ndarray


def approaches(moments: Moments, goal: np.ndarray) -> Approach:
    """Find the approaches to first goals.

    Parameters
    ----------
    goal
        (moment, square) bool: the candidate that is the goal, of which an episode may have none.
    """
    square = np.where(goal.any(axis=1), goal.argmax(axis=1), -1)
    members, episodes = [], []
    remaining = np.zeros(len(moments), dtype=np.int64)
    for episode in np.unique(moments.episode[square >= 0]):
        mine = np.flatnonzero(moments.episode == episode)
        mine = mine[np.argmax(square[mine] >= 0) :]
        mine = mine[np.logical_and.accumulate(square[mine] == square[mine[0]])]
        members.append(mine)
        episodes.append(episode)
        remaining[mine] = moments.row[mine[-1]] - moments.row[mine] + 1
    return Approach(members, np.array(episodes, dtype=np.int64), remaining)


def settled_steps(right: np.ndarray, moments: Moments, approach: Approach) -> np.ndarray:
    """Return from which step on decoding is right until the goal is reached.

    Parameters
    ----------
    right
        (…, moment) bool.

    Returns
    -------
    numpy.ndarray
        (…, approach) float64: steps since the approach began; its length if decoding is wrong at
        the last moment.

    Examples
    --------
    >>> lot = np.zeros((1, 2))
    >>> moments = Moments(np.ones((1, 3, 2), bool), np.zeros(3, int), np.arange(3), lot)
    >>> approach = approaches(moments, np.array([[True, False]] * 3))
    >>> settled_steps(np.array([[True, False, True], [True, True, False]]), moments, approach)
    array([[2.],
           [3.]])
    """
    out = np.empty((*right.shape[:-1], len(approach.members)))
    for i, mine in enumerate(approach.members):
        since = moments.row[mine] - moments.row[mine[0]]
        since = np.append(since, approach.remaining[mine[0]])
        wrong = ~right[..., mine]
        last = len(mine) - 1 - wrong[..., ::-1].argmax(axis=-1)
        out[..., i] = since[np.where(wrong.any(axis=-1), last + 1, 0)]
    return out


def by_remaining(
    values: np.ndarray, moments: Moments, approach: Approach, unit: np.ndarray, horizon: int
) -> np.ndarray:
    """Return (…, remaining, unit) means of (…, moment) values, 1 to `horizon` steps before the goal."""
    parts = [
        unit_means(values, moments, unit, approach.remaining == steps)
        for steps in range(1, horizon + 1)
    ]
    return np.stack(parts, axis=-2)
