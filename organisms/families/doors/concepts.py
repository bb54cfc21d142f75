"""Concepts of the mazes: where the agent goes, what it is after, and what is nearest to it.

Every concept is a pure function of a recorded run (from its first step on) of any of the three games.
What the labels keep to is told in `organisms.boards.square_events`. The concepts of a goal are about the
agent's own future, too: a goal is what it went on to enter, whatever it had in mind. The nearest things
are facts of the world at each step, whatever the agent does.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from interp.concepts import Concept
from organisms.boards import square_events
from organisms.boards.square_events import (
    BINARY,
    BUSH,
    TAUFEEQUE,
    Events,
    approach_direction,
    as_labels,
    event_map,
    exit_direction,
    flat_squares,
    next_action,
    value,
    visited_squares,
)
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, Colour, Kind
from organisms.families.doors.paths import FAR, distances
from organisms.families.doors.trajectories import MazePath, trajectories

if TYPE_CHECKING:
    import xarray as xr

GOAL = "After the goals of Turner, Mini et al. 2023, arXiv 2310.08043, by what is entered"

KINDS = ("none", *(kind.name.lower() for kind in Kind))
COLOURS = ("none", *(colour.name.lower() for colour in Colour))
"""Classes of ``goal_kind`` and ``goal_colour``."""


def _object_entered(path: MazePath) -> Events:
    square = flat_squares(path.player[:, 1:], path.entered > 0, path)
    return square[..., None], np.ones_like(path.direction)


def _goal_label(name: str, of_code: np.ndarray, classes: tuple[str, ...], what: str) -> Concept:
    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        found = np.where(path.valid, of_code[path.next_entered] + 1, -1).astype(np.int8)
        return as_labels(run, path.n_thinking, found, classes)

    description = f"{what} of the object that the agent enters next in this episode, or none."
    return Concept(name, labels, classes, GOAL, description, "none", "goal")


def nearest_objects(path: MazePath, wanted: np.ndarray) -> np.ndarray:
    """Mark the objects at the shortest walking distance from where the agent is.

    Parameters
    ----------
    path
        Of a run.
    wanted
        Which codes count, bool, dims ``(code,)``.

    Returns
    -------
    numpy.ndarray
        (episode, row, y, x) int8: 1 for the nearest object, for each of several that are as near, 0
        elsewhere; −1 outside the episodes. Ways do not lead over other objects, but in ``chests``,
        where they can be walked over.
    """
    walls, there = path.mazes.walls, path.mazes.objects
    passable = ~walls & ((there == 0) | (path.mazes.game == "chests"))
    n, rows = path.action.shape
    out = np.where(path.valid[..., None, None], 0, -1).astype(np.int8)
    out = np.broadcast_to(out, (n, rows, *path.board)).copy()
    episode, y, x = np.nonzero(wanted[there])
    if not len(episode):
        return out
    target = np.zeros((len(episode), *path.board), bool)
    target[np.arange(len(episode)), y, x] = True
    # Things that are there do not move: one map of distances each does for the whole episode.
    distance = distances(passable[episode], target)
    which, row = np.nonzero(path.valid[episode])
    at = path.player[episode[which], row]
    far = np.full((len(episode), rows), FAR)
    far[which, row] = distance[which, at[:, 0], at[:, 1]]
    far[path.objects[episode, :rows, y, x] == 0] = FAR  # taken or opened by then
    shortest = np.full((n, rows), FAR)
    np.minimum.at(shortest, episode, far)
    thing, row = np.nonzero((far == shortest[episode]) & (far < FAR))
    out[episode[thing], row, y[thing], x[thing]] = 1
    return out


def _nearest(name: str, wanted: np.ndarray, what: str) -> Concept:
    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        return as_labels(run, path.n_thinking, nearest_objects(path, wanted), BINARY)

    description = (
        f"Whether the nearest {what} by walking, from where the agent is now, lies on the square; "
        "each of several that are as near."
    )
    return Concept(f"nearest_{name}", labels, BINARY, GOAL, description, "no")


def _objects() -> Concept:
    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        rows = path.action.shape[1]
        there = np.where(path.valid[..., None, None], path.objects[:, :rows] > 0, -1)
        return as_labels(run, path.n_thinking, there.astype(np.int8), BINARY)

    about = (
        "Whether an object lies on the square (a key or a chest: still); the candidates for a goal."
    )
    return Concept("object", labels, BINARY, GOAL, about, "no")


def future_position(k: int) -> Concept:
    """Return the concept "where the agent is `k` steps from now"; see `square_events.future_position`.

    Examples
    --------
    >>> future_position(3).name
    'future_position_3'
    """
    return square_events.future_position(k, trajectories)


_ALL = (
    approach_direction(trajectories),
    exit_direction(
        "agent_exit_direction",
        f"{BUSH}, AgentExitDirection; {TAUFEEQUE} (agents_future_direction_map)",
        trajectories,
    ),
    visited_squares(trajectories),
    event_map(
        "goal",
        trajectories,
        _object_entered,
        BINARY,
        GOAL,
        "The square of the object that the agent enters next in this episode (takes or opens, if it "
        "is a key or a chest). No square if it enters none any more.",
        only_next=True,
        about="goal",
    ),
    _objects(),
    _nearest("door", KIND_OF == Kind.DOOR, "door"),
    _nearest("red", COLOUR_OF == Colour.RED, "red object"),
    _nearest("object", KIND_OF >= 0, "object"),
    _goal_label("goal_kind", KIND_OF, KINDS, "Kind"),
    _goal_label("goal_colour", COLOUR_OF, COLOURS, "Colour"),
    *(future_position(k) for k in (1, 3, 5)),
    next_action(trajectories),
    value(),
)

CONCEPTS: MappingProxyType[str, Concept] = MappingProxyType({c.name: c for c in _ALL})
"""All concepts by name."""
