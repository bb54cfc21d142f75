"""Steering tasks of the family: shortcut levels with the plan to write, and who took which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks
from organisms.families.sokoban.concepts import DIRECTIONS
from organisms.families.sokoban.conditions import BOX_LEFT, PLAYER_ENTERED
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.observations import Tile, decode
from organisms.families.sokoban.shortcuts import Shortcut, find_shortcuts, mirrored
from organisms.families.sokoban.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr

_CONCEPT = {
    "agent-shortcut": "agent_approach_direction",
    "box-shortcut": "box_push_direction",
}
_UNTIL = {"agent-shortcut": PLAYER_ENTERED, "box-shortcut": BOX_LEFT}


def shortcut_tasks(
    kind: str, n: int = 25, seed: int = 0, *, size: tuple[int, int] = (10, 10), n_boxes: int = 2
) -> SteeringTasks:
    """Return `n` levels with a short and a long way, each in its eight symmetries.

    Parameters
    ----------
    kind
        ``"agent-shortcut"``: the agent has two ways to the first push; the plan is written as
        agent approach directions. ``"box-shortcut"``: a box has two ways to a target; box push
        directions.
    n
        Levels; there are 8 · `n` tasks, and `unit` says which are of one level.
    seed, size, n_boxes
        See `organisms.families.sokoban.shortcuts.find_shortcuts`.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 6 (theirs are hand-made and of 8 × 8 squares).

    Examples
    --------
    >>> tasks = shortcut_tasks("agent-shortcut", 2)
    >>> len(tasks), tasks.concept, tasks.never
    (16, 'agent_approach_direction', 'never')
    """
    found = find_shortcuts(kind, n, size=size, n_boxes=n_boxes, seed=seed)
    images = [image for shortcut in found for image in mirrored(shortcut)]
    door = np.array([image.door for image in images])
    push = np.array([(*image.push[0], image.push[1]) for image in images])

    def judge(run: xr.Dataset, number: np.ndarray) -> np.ndarray:
        if kind == "agent-shortcut":
            return _agent_took_long_way(run, door[number], push[number])
        return _box_took_long_way(run, door[number])

    return SteeringTasks(
        kind=kind,
        tasks=Levels.of(image.level for image in images),
        unit=np.repeat(np.arange(len(found)), 8),
        concept=_CONCEPT[kind],
        never=DIRECTIONS[0],
        place_dims=("y", "x"),
        short=tuple(image.short for image in images),
        long=tuple(_with_classes(image) for image in images),
        until=_UNTIL[kind],
        short_length=np.array([image.short_length for image in images]),
        long_length=np.array([image.long_length for image in images]),
        judge=judge,
        number=np.arange(len(images)),
    )


def _with_classes(image: Shortcut) -> tuple[tuple[tuple[int, int], str], ...]:
    return tuple((square, ACTION_NAMES[move]) for square, move in image.long)


def _agent_took_long_way(run: xr.Dataset, door: np.ndarray, push: np.ndarray) -> np.ndarray:
    """Whether the first push is the one both ways lead to, and the door was not entered before."""
    path = trajectories(run)
    pushes = path.pushed >= 0
    first = np.where(pushes.any(axis=1), pushes.argmax(axis=1), -1)
    rows = np.arange(len(first))
    to = path.player[rows, np.maximum(first, 0) + 1]  # the box stood where the player is now
    same = (to == push[:, :2]).all(axis=1)
    same &= path.direction[rows, np.maximum(first, 0)] == push[:, 2]
    before = np.arange(path.player.shape[1]) <= first[:, None]
    through_door = ((path.player == door[:, None]).all(axis=-1) & before).any(axis=1)
    return (first >= 0) & same & ~through_door


def _box_took_long_way(run: xr.Dataset, door: np.ndarray) -> np.ndarray:
    """Whether boxes were pushed, and none of them ever onto the door."""
    path = trajectories(run)
    on_door = (path.boxes == door[:, None, None]).all(axis=-1).any(axis=(1, 2))
    return (path.pushed >= 0).any(axis=1) & ~on_door


def action_rewrites(run: xr.Dataset, step: int, n_actions: int = 4) -> ActionRewrites:
    """Return where the plan says, at a step, which way the agent leaves its square.

    The concept is the direction in which the agent leaves a square when it next does
    (``agent_future_direction``), at the square it stands on. An action is possible if it would move
    the agent, walking or pushing.

    Parameters
    ----------
    run
        Recorded, beginning at step 0 or earlier.
    step
        Label of a step, 0 or later.
    n_actions
        Of the network; five include a no-op, the first.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421), causal intervention score.
    """
    encoding = "rgb" if "colour" in run.observation.dims else "planes"
    there = np.flatnonzero(run.length.values > step)
    n = run.sizes["episode"]
    place = np.zeros((n, 2), np.int64)
    possible = np.zeros((n, n_actions), bool)
    noop = n_actions - len(ACTION_NAMES)
    if len(there):
        boards = decode(run.observation.sel(step=step).isel(episode=there).values, encoding)
        _, y, x = np.nonzero(boards >= Tile.PLAYER)
        place[there] = np.stack([y, x], axis=1)
        for move in range(len(ACTION_NAMES)):
            ahead = _tiles_at(boards, y + STEP_Y[move], x + STEP_X[move])
            beyond = _tiles_at(boards, y + 2 * STEP_Y[move], x + 2 * STEP_X[move])
            free = (Tile.FLOOR, Tile.TARGET)
            walks = np.isin(ahead, free)
            pushes = np.isin(ahead, (Tile.BOX, Tile.BOX_ON_TARGET)) & np.isin(beyond, free)
            possible[there, move + noop] = walks | pushes
    taken = run.action.sel(step=step).values
    possible[there, np.maximum(taken[there], 0)] = False
    classes = ("",) * noop + ACTION_NAMES
    return ActionRewrites("agent_future_direction", ("y", "x"), place, classes, possible)


def _tiles_at(boards: np.ndarray, y: np.ndarray, x: np.ndarray) -> Any:
    """Return a tile of every board, walls beyond its edge."""
    padded = np.pad(boards, ((0, 0), (1, 1), (1, 1)))
    height, width = padded.shape[1:]
    at = np.clip(y + 1, 0, height - 1), np.clip(x + 1, 0, width - 1)
    return padded[np.arange(len(boards)), at[0], at[1]]
