"""Concepts of Sokoban: what squares, and the agent, have before them, computed from a recorded run.

Every concept is a pure function of a run (in memory or lazily opened) and gives one label per
square, dims ``(episode, step, y, x)``, or per step, dims ``(episode, step)``. All of them keep to
these rules:

* Labels at a step are about the agent's *own* future: what it went on to do from that step until
  the episode ended, the action taken at the step included. Episodes that failed or ran into the
  step limit count like solved ones (as in Bush et al.).
* Thinking steps have the label of step 0: nothing has happened yet.
* Steps outside an episode are left out (−1, or NaN for `value`). Within it every square is
  labelled, walls too: nothing ever happens on them, so they are ``never`` (Bush et al.).
* Directions are those of *movement*: a square that the agent enters by moving right is ``right``,
  although it comes from the left. A move that changes nothing is no event.
* The run may begin late, but not end before its episodes do; that raises `InputError`.

Papers: Bush et al. 2025 (arXiv 2504.01871), Taufeeque et al. 2024 (arXiv 2407.15421).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from interp.concepts import Concept
from interp.errors import InputError
from organisms.sokoban.moves import ACTION_NAMES
from organisms.sokoban.trajectories import Trajectories, check_run, trajectories

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


def _flat(positions: np.ndarray, happens: np.ndarray, path: Trajectories) -> np.ndarray:
    square = positions[..., 0].astype(np.int32) * path.board[1] + positions[..., 1]
    return np.where(happens, square, -1)


def _pushed_box(path: Trajectories, after: int) -> np.ndarray:
    """Where the pushed box was before (0) or after (1) the push, (episode, row, 2); any if none."""
    n_rows = path.pushed.shape[1]
    boxes = path.boxes[:, after : after + n_rows]
    which = np.maximum(path.pushed, 0)[:, :, None, None]
    return np.take_along_axis(boxes, which.astype(np.intp), axis=2)[:, :, 0]


def _agent_onto(path: Trajectories) -> Events:
    square = _flat(path.player[:, 1:], path.direction >= 0, path)
    return square[..., None], path.direction + 1


def _agent_off(path: Trajectories) -> Events:
    square = _flat(path.player[:, :-1], path.direction >= 0, path)
    return square[..., None], path.direction + 1


def _box_off(path: Trajectories) -> Events:
    square = _flat(_pushed_box(path, 0), path.pushed >= 0, path)
    return square[..., None], path.direction + 1


def _box_onto(path: Trajectories) -> Events:
    square = _flat(_pushed_box(path, 1), path.pushed >= 0, path)
    return square[..., None], path.direction + 1


def _box_placed(path: Trajectories) -> Events:
    square = _box_onto(path)[0][..., 0]
    on_target = np.take_along_axis(
        path.targets.reshape(len(square), -1), np.maximum(square, 0), axis=1
    )
    return np.where(on_target, square, -1)[..., None], path.direction + 1


def _agent_there(path: Trajectories) -> Events:
    square = _flat(path.player[:, 1:], path.valid, path)
    return square[..., None], np.ones_like(path.direction)


def _boxes_there(path: Trajectories) -> Events:
    positions = path.boxes[:, 1:]
    exists = (positions[..., 0] >= 0) & path.valid[..., None]
    return _flat(positions, exists, path), np.ones_like(path.direction)


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


def _map_of(
    events: Callable[[Trajectories], Events], names: tuple[str, ...], *, only_next: bool = False
) -> Callable[[xr.Dataset], xr.DataArray]:
    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        squares, classes = events(path)
        n, rows = classes.shape
        out = np.full((n, rows, path.board[0] * path.board[1]), -1, np.int8)
        _sweep(squares, classes.astype(np.int8), path.n_rows, only_next, out)
        return _as_labels(run, path.n_thinking, out.reshape(n, rows, *path.board), names)

    return labels


def _as_labels(
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


# Concepts with a parameter -------------------------------------------------------------------


def future_position(k: int) -> Concept:
    """Return the concept "where the agent is `k` steps from now", as a map that marks one square.

    Parameters
    ----------
    k
        Steps ahead, at least 1. Every step counts, also one in which the agent stayed in place.
        Steps from which the episode had fewer than `k` to go are left out. From a thinking step,
        the count begins at step 0.

    Examples
    --------
    >>> future_position(3).name
    'future_position_3'
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is an integer of at least 1; got {k!r}.")

    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        n, rows = path.direction.shape
        out = np.full((n, rows, *path.board), -1, np.int8)
        episode, row = np.nonzero(np.arange(rows) + k <= path.n_rows[:, None])
        out[episode, row] = 0
        y, x = path.player[episode, row + k].T
        out[episode, row, y, x] = 1
        return _as_labels(run, path.n_thinking, out, BINARY)

    return Concept(
        name=f"future_position_{k}",
        labels=labels,
        classes=BINARY,
        citation=f"{TAUFEEQUE} (agents_future_position_map, one step of it)",
        description=f"Whether the agent is on the square {k} step{'s' * (k > 1)} from now.",
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
        return _as_labels(run, n_thinking, rest, None)

    return Concept(
        name="value" if gamma == 0.97 else f"value_gamma{gamma:g}",
        labels=labels,
        citation=f"{BUSH}; {TAUFEEQUE}",
        description=f"Discounted return the agent got from here to the end (γ = {gamma:g}).",
    )


def _next_action(run: xr.Dataset) -> xr.DataArray:
    path = trajectories(run)
    return _as_labels(run, path.n_thinking, path.action, ACTION_NAMES)


_DIRECTION_MAPS = (
    (
        "agent_approach_direction",
        _agent_onto,
        f"{BUSH}, C_A (agent_onto_after)",
        "Direction in which the agent next steps onto the square; for the square it stands on, "
        "when it next comes back. Never if it does not.",
    ),
    (
        "box_push_direction",
        _box_off,
        f"{BUSH}, C_B (tracked_box_next_push_onto_with)",
        "Direction in which a box is next pushed off the square, whichever box that will be. Never "
        "if none is.",
    ),
    (
        "agent_future_direction",
        _agent_off,
        f"{TAUFEEQUE} (agents_future_direction_map, one direction per square); {BUSH}, "
        "AgentExitDirection",
        "Direction in which the agent leaves the square when it next does, the square it stands on "
        "included. Never if it does not.",
    ),
    (
        "box_future_direction",
        _box_off,
        f"{TAUFEEQUE} (boxes_future_direction_map, one direction per square)",
        "Direction in which a box is next pushed off the square: with one direction per square, "
        "the same labels as box_push_direction.",
    ),
    (
        "box_approach_direction",
        _box_onto,
        f"{BUSH}, App. D.4 (tracked_box_next_push_onto_after)",
        "Direction in which a box is next pushed onto the square. Never if none is.",
    ),
)

_BINARY_MAPS = (
    (
        "next_box",
        _box_off,
        True,
        TAUFEEQUE,
        "The square of the box that is pushed next. No square once no box is pushed any more; "
        "unlike the paper's, failed episodes have labels too.",
    ),
    (
        "next_target",
        _box_placed,
        True,
        TAUFEEQUE,
        "The target onto which a box is pushed next, also from another target. Unlike in the "
        "paper's code, taking a box off a target is no such event.",
    ),
    (
        "agent_future_position",
        _agent_there,
        False,
        f"{TAUFEEQUE} (agents_future_position_map)",
        "Whether the agent is on the square at any later step, or after the last one.",
    ),
    (
        "boxes_future_position",
        _boxes_there,
        False,
        f"{TAUFEEQUE} (boxes_future_position_map)",
        "Whether a box is on the square at any later step, or after the last one, moved or not.",
    ),
)

CONCEPTS: MappingProxyType[str, Concept] = MappingProxyType(
    {
        concept.name: concept
        for concept in (
            *(
                Concept(
                    name, _map_of(events, DIRECTIONS), DIRECTIONS, citation, description, "never"
                )
                for name, events, citation, description in _DIRECTION_MAPS
            ),
            *(
                Concept(
                    name,
                    _map_of(events, BINARY, only_next=only),
                    BINARY,
                    citation,
                    description,
                    "no",
                )
                for name, events, only, citation, description in _BINARY_MAPS
            ),
            *(future_position(k) for k in (1, 3, 5, 10)),
            Concept(
                "next_action",
                _next_action,
                ACTION_NAMES,
                f"{BUSH}, App. D.5; {TAUFEEQUE}",
                "The move the agent makes now, whether or not anything moves. A no-op is left out.",
            ),
            value(),
        )
    }
)
"""All concepts by name."""
