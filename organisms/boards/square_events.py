"""Labels made of what a run went on to do, square by square: what all worlds of squares share.

A family reads its runs back as an `AgentPath`; a concept then says which squares something happens on
at every step (its *events*), and gives one label per square, dims ``(episode, step, y, x)``, or per
step, dims ``(episode, step)``. All of them keep to these rules:

* Labels at a step are about the agent's *own* future: what it went on to do from that step until
  the episode ended, the action taken at the step included. Episodes that failed or ran into the
  step limit count like solved ones (as in Bush et al.).
* Thinking steps have the label of step 0: nothing has happened yet.
* Steps outside an episode are left out (−1, or NaN for `value`). Within it every square is
  labelled, walls too: nothing ever happens on them, so they are ``never`` (Bush et al.).
* Directions are those of *movement*: a square that the agent enters by moving right is ``right``,
  although it comes from the left. A move that changes nothing is no event.
* The run may not end before its episodes do; that raises `InputError`.

Papers: Bush et al. 2025 (arXiv 2504.01871), Taufeeque et al. 2024 (arXiv 2407.15421).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numba import njit

from interp.concepts import Concept
from interp.errors import InputError
from organisms.boards.agent_path import AgentPath, check_run
from organisms.boards.directions import ACTION_NAMES

if TYPE_CHECKING:
    import xarray as xr

DIRECTIONS = ("never", *ACTION_NAMES)
"""Classes of the direction concepts."""

BINARY = ("no", "yes")
"""Classes of the maps that mark squares."""

BUSH = "Bush et al. 2025, arXiv 2504.01871"
TAUFEEQUE = "Taufeeque et al. 2024, arXiv 2407.15421"

Events = tuple[np.ndarray, np.ndarray]
"""Squares (episode, row, slot), flat indices or −1, and their class (episode, row)."""


# What happens at a row -----------------------------------------------------------------------


def flat_squares(positions: np.ndarray, happens: np.ndarray, path: AgentPath) -> np.ndarray:
    """Return positions (…, 2) as flat indices, −1 where nothing `happens` (…)."""
    square = positions[..., 0].astype(np.int32) * path.board[1] + positions[..., 1]
    return np.where(happens, square, -1)


def agent_onto(path: AgentPath) -> Events:
    """Say where the agent steps to, and in which direction."""
    square = flat_squares(path.player[:, 1:], path.direction >= 0, path)
    return square[..., None], path.direction + 1


def agent_off(path: AgentPath) -> Events:
    """Say where the agent steps away from, and in which direction."""
    square = flat_squares(path.player[:, :-1], path.direction >= 0, path)
    return square[..., None], path.direction + 1


def agent_there(path: AgentPath) -> Events:
    """Say where the agent is after each action."""
    square = flat_squares(path.player[:, 1:], path.valid, path)
    return square[..., None], np.ones_like(path.direction)


# From events to labels -----------------------------------------------------------------------


@njit(cache=True)
def _sweep(squares, classes, n_rows, only_next, labels):  # pragma: no cover - compiled
    """Label every row with the next event on each square (or with the next event alone)."""
    n_slots, n_squares = squares.shape[2], labels.shape[2]
    current = np.zeros(n_squares, np.int8)
    for episode in range(len(n_rows)):
        current[:] = 0
        for row in range(n_rows[episode] - 1, -1, -1):
            for slot in range(n_slots):
                square = squares[episode, row, slot]
                if square >= 0:
                    if only_next:
                        current[:] = 0
                    current[square] = 1 if only_next else classes[episode, row]
            labels[episode, row] = current


def next_events(path: AgentPath, events: Events, *, only_next: bool = False) -> np.ndarray:
    """Label every square with the class of the next event on it, 0 if there is none.

    Parameters
    ----------
    path
        The run that the events are of.
    events
        What happens at each row.
    only_next
        Mark (1) the squares of the very next event alone.

    Returns
    -------
    numpy.ndarray
        (episode, row, y, x) int8; −1 outside the episodes.
    """
    squares, classes = events
    n, rows = classes.shape
    out = np.full((n, rows, path.board[0] * path.board[1]), -1, np.int8)
    _sweep(squares, classes.astype(np.int8), path.n_rows, only_next, out)
    return out.reshape(n, rows, *path.board)


def as_labels(
    run: xr.Dataset, n_thinking: int, labels: np.ndarray, classes: tuple[str, ...] | None
) -> xr.DataArray:
    """Name the dims of labels per row and give thinking steps the label of step 0."""
    import xarray as xr

    if n_thinking:
        first = labels[:, :1]
        labels = np.concatenate([np.repeat(first, n_thinking, axis=1), labels], axis=1)
    dims = ("episode", "step", "y", "x")[: labels.ndim]
    coords = {dim: run[dim].values for dim in dims if dim in run.coords and run[dim].dims == (dim,)}
    attrs = {} if classes is None else {"classes": list(classes)}
    return xr.DataArray(labels, dims=dims, coords=coords, attrs=attrs)


# Concepts ------------------------------------------------------------------------------------

P = TypeVar("P", bound=AgentPath)


def event_map(
    name: str,
    track: Callable[[xr.Dataset], P],
    events: Callable[[P], Events],
    classes: tuple[str, ...],
    citation: str,
    description: str,
    *,
    only_next: bool = False,
    about: str = "",
) -> Concept:
    """Return the concept "what happens next on this square".

    Parameters
    ----------
    name, citation, description
        Of the concept.
    track
        Reads a run back.
    events
        What happens at each row.
    classes
        The first is the one of squares on which nothing happens.
    only_next
        Mark the squares of the very next event alone.
    about
        See `interp.concepts.Concept`.
    """

    def labels(run: xr.Dataset) -> xr.DataArray:
        path = track(run)
        found = next_events(path, events(path), only_next=only_next)
        return as_labels(run, path.n_thinking, found, classes)

    return Concept(name, labels, classes, citation, description, classes[0], about)


def approach_direction(track: Callable[[xr.Dataset], AgentPath]) -> Concept:
    """Return the concept "from where the agent next steps onto this square": a plan of its own way."""
    return event_map(
        "agent_approach_direction",
        track,
        agent_onto,
        DIRECTIONS,
        f"{BUSH}, C_A (agent_onto_after)",
        "Direction in which the agent next steps onto the square; for the square it stands on, "
        "when it next comes back. Never if it does not.",
        about="plan",
    )


def exit_direction(name: str, citation: str, track: Callable[[xr.Dataset], AgentPath]) -> Concept:
    """Return the concept "where the agent goes when it next leaves this square"."""
    return event_map(
        name,
        track,
        agent_off,
        DIRECTIONS,
        citation,
        "Direction in which the agent leaves the square when it next does, the square it stands on "
        "included. Never if it does not.",
    )


def visited_squares(track: Callable[[xr.Dataset], AgentPath]) -> Concept:
    """Return the concept "whether the agent comes to this square"."""
    return event_map(
        "agent_future_position",
        track,
        agent_there,
        BINARY,
        f"{TAUFEEQUE} (agents_future_position_map)",
        "Whether the agent is on the square at any later step, or after the last one.",
    )


def future_position(k: int, track: Callable[[xr.Dataset], AgentPath]) -> Concept:
    """Return the concept "where the agent is `k` steps from now", as a map that marks one square.

    Parameters
    ----------
    k
        Steps ahead, at least 1. Every step counts, also one in which the agent stayed in place.
        Steps from which the episode had fewer than `k` to go are left out. From a thinking step,
        the count begins at step 0.
    track
        Reads a run back.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is an integer of at least 1; got {k!r}.")

    def labels(run: xr.Dataset) -> xr.DataArray:
        path = track(run)
        n, rows = path.direction.shape
        out = np.full((n, rows, *path.board), -1, np.int8)
        episode, row = np.nonzero(np.arange(rows) + k <= path.n_rows[:, None])
        out[episode, row] = 0
        y, x = path.player[episode, row + k].T
        out[episode, row, y, x] = 1
        return as_labels(run, path.n_thinking, out, BINARY)

    return Concept(
        name=f"future_position_{k}",
        labels=labels,
        classes=BINARY,
        citation=f"{TAUFEEQUE} (agents_future_position_map, one step of it)",
        description=f"Whether the agent is on the square {k} step{'s' * (k > 1)} from now.",
    )


def next_action(track: Callable[[xr.Dataset], AgentPath]) -> Concept:
    """Return the concept "the move the agent makes now"."""

    def labels(run: xr.Dataset) -> xr.DataArray:
        path = track(run)
        return as_labels(run, path.n_thinking, path.action, ACTION_NAMES)

    return Concept(
        "next_action",
        labels,
        ACTION_NAMES,
        f"{BUSH}, App. D.5; {TAUFEEQUE}",
        "The move the agent makes now, whether or not anything moves. A no-op is left out.",
    )


def value(gamma: float = 0.97) -> Concept:
    r"""Return the concept "discounted return from here", a regression target.

    :math:`\sum_{i \ge 0} \gamma^i r_{t+i}` over the rewards actually got until the episode ended.
    Nothing is added for what might have come after a step limit. Needs ``reward``; float32.

    Parameters
    ----------
    gamma
        Discount per step, 0 to 1. 0.97 is that of the agents' training (and of Bush et al.);
        Taufeeque et al. probe for 0.99 and 1.
    """
    if not 0 <= gamma <= 1:
        raise InputError(f"gamma is from 0 to 1; got {gamma!r}.")

    def labels(run: xr.Dataset) -> xr.DataArray:
        step, length = check_run(run, ("reward",))
        n_thinking = int((step < 0).sum())
        reward = run["reward"].transpose("episode", "step").values[:, n_thinking:]
        valid = step[n_thinking:] < length[:, None]
        if not np.isfinite(reward[valid]).all():
            raise InputError("reward is not finite within the episodes' lengths.")
        rest = np.where(valid, reward, 0).astype(np.float64)
        for row in range(rest.shape[1] - 2, -1, -1):
            rest[:, row] += gamma * rest[:, row + 1]
        rest = np.where(valid, rest, np.nan).astype(np.float32)
        return as_labels(run, n_thinking, rest, None)

    return Concept(
        name="value" if gamma == 0.97 else f"value_gamma{gamma:g}",
        labels=labels,
        citation=f"{BUSH}; {TAUFEEQUE}",
        description=f"Discounted return the agent got from here to the end (γ = {gamma:g}).",
    )
