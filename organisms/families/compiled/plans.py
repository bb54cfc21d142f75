"""What a decoded plan is in a maze: a way that is followed from the agent, square by square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.square_events import DIRECTIONS, agent_onto, as_labels
from organisms.capabilities.capability import OfFamily
from organisms.capabilities.plans import MEASURES, ExecutedPath, Plans
from organisms.families.compiled.concepts import WANTED
from organisms.families.doors.objects import OBSERVATION_DIMS, PLANES, Kind
from organisms.families.doors.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr

KNOWN = ("agent_approach_direction", *(f"way_to_{aim}" for aim in WANTED))
"""Concepts whose maps say by which move a square is entered."""


class MazePlans(OfFamily, Plans):
    """See `organisms.capabilities.plans.Plans`.

    The next square of a way is the neighbour that says it is entered by the move that leads there; each
    square is used once, and the way ends with the first object. A plan solves if it ends on an object: on
    a door or something red, of a concept ``way_to_…``.
    """

    @property
    def concepts(self) -> tuple[str, ...]:
        """What the agent is going to do; the concepts ``way_to_…`` can be followed, too."""
        return KNOWN[:1]

    def assess(
        self, observation: xr.DataArray, concept: str, maps: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Follow one decoded map per observation; see `organisms.capabilities.plans.Plans`.

        Raises
        ------
        UnknownNameError
            If the concept's map is no plan.
        InputError
            If maps and observations do not match, or a map holds something else than directions.
        """
        _check(concept)
        seen = _planes(observation)
        maps, board = np.asarray(maps), seen.shape[2:]
        fits = maps.ndim >= 3 and len(maps) == len(seen) and maps.shape[-2:] == board
        if not fits or maps.dtype.kind not in "iu" or (maps.size and not 0 <= maps.min() <= 4):
            raise InputError(
                f"Maps of directions are integers from 0 (never) to 4, (episode, …, y, x) like the "
                f"{len(seen)} observations of {board} squares; got {maps.dtype} {maps.shape}."
            )
        if maps.size and maps.max() >= len(DIRECTIONS):
            raise InputError(f"A map of directions holds 0 (never) to 4, not {maps.max()}.")
        flat = maps.reshape(len(maps), -1, *board)
        out = [
            [_followed(plan, planes, concept) for plan in of_episode]
            for of_episode, planes in zip(flat, seen, strict=True)
        ]
        table = np.array(out, float).reshape(*maps.shape[:-2], len(MEASURES))
        return {name: table[..., k] for k, name in enumerate(MEASURES)}

    def paths(self, run: xr.Dataset, concept: str, step: int = 0) -> list[ExecutedPath]:
        """Return the agent's way from `step` on; see `organisms.capabilities.plans.Plans`."""
        _check(concept)
        path = trajectories(run)
        out = []
        for episode, n_rows in enumerate(path.n_rows):
            rows = np.arange(max(step, 0), n_rows)
            moved = rows[path.direction[episode, rows] >= 0]
            squares = list(dict.fromkeys(map(tuple, path.player[episode, moved + 1].tolist())))
            if squares:
                solved = bool(run["solved"].values[episode])
                out.append(ExecutedPath(episode, np.array(squares), solved))
        return out

    def events(self, run: xr.Dataset, concept: str) -> xr.DataArray:
        """Return where the agent steps; see `organisms.capabilities.plans.Plans`."""
        _check(concept)
        path = trajectories(run)
        squares, classes = agent_onto(path)
        n, rows = classes.shape
        out = np.where(path.valid[..., None], 0, -1).astype(np.int8)
        out = np.repeat(out, path.board[0] * path.board[1], axis=-1)
        episode, row = np.nonzero(squares[..., 0] >= 0)
        out[episode, row, squares[episode, row, 0]] = classes[episode, row]
        labels = as_labels(run, path.n_thinking, out.reshape(n, rows, *path.board), DIRECTIONS)
        return labels.where(labels.step >= 0, -1).astype(np.int8)


def _check(concept: str) -> None:
    if concept not in KNOWN:
        raise UnknownNameError("concept that can be followed as a plan", concept, KNOWN)


def _planes(observation: xr.DataArray) -> np.ndarray:
    dims = OBSERVATION_DIMS["planes"]
    if set(observation.dims) != {"episode", *dims}:
        raise InputError(f"Observations have dims episode and {dims}; got {observation.dims}.")
    return observation.transpose("episode", *dims).values


def _followed(plan: np.ndarray, planes: np.ndarray, concept: str) -> tuple[float, ...]:
    """Return the `MEASURES` of one map (y, x), from where the agent is in planes (plane, y, x)."""
    kinds = [PLANES.index(kind.name.lower()) for kind in Kind]
    walls, objects = planes[PLANES.index("wall")], planes[kinds].max(0)
    aim = concept.removeprefix("way_to_")
    goal = planes[PLANES.index(aim)] if aim in WANTED else objects
    used, length, valid, solves = np.zeros(plan.shape, bool), 0, True, False
    at = tuple(np.argwhere(planes[PLANES.index("agent")])[0])
    while True:
        around = [(int(at[0] + STEP_Y[m]), int(at[1] + STEP_X[m])) for m in range(len(STEP_Y))]
        after = (
            (y, x)
            for move, (y, x) in enumerate(around)
            if 0 <= y < plan.shape[0]
            and 0 <= x < plan.shape[1]
            and plan[y, x] == move + 1
            and not used[y, x]
        )
        at = next(after, None)
        if at is None:
            break
        used[at], length = True, length + 1
        if walls[at] or objects[at]:
            valid, solves = not walls[at], bool(goal[at])
            break
    marked = np.count_nonzero(plan)
    connected = length / marked if marked else np.nan
    return length, connected, valid and length > 0, np.nan, solves
