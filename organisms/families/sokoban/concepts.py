"""Concepts of Sokoban: what squares, and the agent, have before them, computed from a recorded run.

Every concept is a pure function of a run (in memory or lazily opened). What the labels keep to is told
in `organisms.boards.square_events`; a run may begin late here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from interp.concepts import Concept
from organisms.boards import square_events
from organisms.boards.square_events import (
    BINARY,
    BUSH,
    DIRECTIONS,
    TAUFEEQUE,
    Events,
    approach_direction,
    event_map,
    exit_direction,
    flat_squares,
    next_action,
    value,
    visited_squares,
)
from organisms.families.sokoban.trajectories import Trajectories, trajectories

__all__ = ["BINARY", "CONCEPTS", "DIRECTIONS", "future_position", "value"]


# What happens at a row -----------------------------------------------------------------------


def _pushed_box(path: Trajectories, after: int) -> np.ndarray:
    """Where the pushed box was before (0) or after (1) the push, (episode, row, 2); any if none."""
    n_rows = path.pushed.shape[1]
    boxes = path.boxes[:, after : after + n_rows]
    which = np.maximum(path.pushed, 0)[:, :, None, None]
    return np.take_along_axis(boxes, which.astype(np.intp), axis=2)[:, :, 0]


def _box_off(path: Trajectories) -> Events:
    square = flat_squares(_pushed_box(path, 0), path.pushed >= 0, path)
    return square[..., None], path.direction + 1


def _box_onto(path: Trajectories) -> Events:
    square = flat_squares(_pushed_box(path, 1), path.pushed >= 0, path)
    return square[..., None], path.direction + 1


def _box_placed(path: Trajectories) -> Events:
    square = _box_onto(path)[0][..., 0]
    on_target = np.take_along_axis(
        path.targets.reshape(len(square), -1), np.maximum(square, 0), axis=1
    )
    return np.where(on_target, square, -1)[..., None], path.direction + 1


def _boxes_there(path: Trajectories) -> Events:
    positions = path.boxes[:, 1:]
    exists = (positions[..., 0] >= 0) & path.valid[..., None]
    return flat_squares(positions, exists, path), np.ones_like(path.direction)


# The concepts --------------------------------------------------------------------------------


def future_position(k: int) -> Concept:
    """Return the concept "where the agent is `k` steps from now"; see `square_events.future_position`.

    Examples
    --------
    >>> future_position(3).name
    'future_position_3'
    """
    return square_events.future_position(k, trajectories)


def _direction(
    name: str, events: Callable[[Trajectories], Events], citation: str, description: str, about=""
) -> Concept:
    return event_map(name, trajectories, events, DIRECTIONS, citation, description, about=about)


def _squares(
    name: str,
    events: Callable[[Trajectories], Events],
    description: str,
    citation: str = TAUFEEQUE,
    only_next: bool = False,
) -> Concept:
    return event_map(name, trajectories, events, BINARY, citation, description, only_next=only_next)


_ALL = (
    approach_direction(trajectories),
    _direction(
        "box_push_direction",
        _box_off,
        f"{BUSH}, C_B (tracked_box_next_push_onto_with)",
        "Direction in which a box is next pushed off the square, whichever box that will be. Never "
        "if none is.",
        about="plan",
    ),
    exit_direction(
        "agent_future_direction",
        f"{TAUFEEQUE} (agents_future_direction_map, one direction per square); {BUSH}, "
        "AgentExitDirection",
        trajectories,
    ),
    _direction(
        "box_future_direction",
        _box_off,
        f"{TAUFEEQUE} (boxes_future_direction_map, one direction per square)",
        "Direction in which a box is next pushed off the square: with one direction per square, "
        "the same labels as box_push_direction.",
    ),
    _direction(
        "box_approach_direction",
        _box_onto,
        f"{BUSH}, App. D.4 (tracked_box_next_push_onto_after)",
        "Direction in which a box is next pushed onto the square. Never if none is.",
    ),
    _squares(
        "next_box",
        _box_off,
        "The square of the box that is pushed next. No square once no box is pushed any more; "
        "unlike the paper's, failed episodes have labels too.",
        only_next=True,
    ),
    _squares(
        "next_target",
        _box_placed,
        "The target onto which a box is pushed next, also from another target. Unlike in the "
        "paper's code, taking a box off a target is no such event.",
        only_next=True,
    ),
    visited_squares(trajectories),
    _squares(
        "boxes_future_position",
        _boxes_there,
        "Whether a box is on the square at any later step, or after the last one, moved or not.",
        f"{TAUFEEQUE} (boxes_future_position_map)",
    ),
    *(future_position(k) for k in (1, 3, 5, 10)),
    next_action(trajectories),
    value(),
)

CONCEPTS: MappingProxyType[str, Concept] = MappingProxyType({c.name: c for c in _ALL})
"""All concepts by name."""
