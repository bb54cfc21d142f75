"""Where the agent was, what it entered and what was left lying, read back from a recorded run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError
from organisms.boards.agent_path import BLOCK, AgentPath, actions_of, check_run, encoding_of
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import KIND_OF, OBSERVATION_DIMS, Kind, encode
from organisms.families.doors.outcomes import mazes_of

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class MazePath(AgentPath):
    """What happened in a run.

    Attributes
    ----------
    n_thinking, n_rows, player, action, direction
        As in `organisms.boards.agent_path.AgentPath`; row 0 is step 0.
    mazes : Mazes
        As they were at the start.
    objects : numpy.ndarray
        (episode, time, y, x) uint8: the codes of what lies there; as it was in the end after it.
    held : numpy.ndarray
        (episode, time) int64: keys in hand; as in the end after it.
    entered : numpy.ndarray
        (episode, row) uint8: the code of the object that the action reached (a key: took, a chest:
        opened), on the square where the agent is then; 0 for none.
    """

    mazes: Mazes
    objects: np.ndarray
    held: np.ndarray
    entered: np.ndarray

    @property
    def board(self) -> tuple[int, int]:
        """Rows and columns of the boards."""
        return self.mazes.walls.shape[1], self.mazes.walls.shape[2]

    @property
    def next_entered(self) -> np.ndarray:
        """(episode, row) int16: the code of what is reached next, 0 for nothing, −1 outside."""
        out = self.entered.astype(np.int16)
        for row in range(out.shape[1] - 2, -1, -1):
            out[:, row] = np.where(out[:, row] > 0, out[:, row], out[:, row + 1])
        return np.where(self.valid, out, -1)


def trajectories(run: xr.Dataset) -> MazePath:
    r"""Read back where the agent was.

    The mazes are walked with the recorded actions. What training paid for does not matter: walls and
    objects are the same for agents of all objectives.

    Parameters
    ----------
    run
        A recorded run from step 0 (or the first thinking step) on: ``action``, ``length``, ``level``,
        ``level_id`` and the coordinate ``step``. ``observation``, if there is one, is compared with
        what must have been seen.

    Raises
    ------
    InputError
        If a variable is missing or malformed, the run begins late, an episode goes on after its end
        or the steps end before it does, or an observation is not what the actions before it lead to.

    Examples
    --------
    >>> from organisms.families.doors.planners import demonstrate
    >>> from organisms.families.doors.text import parse_mazes
    >>> run = demonstrate(parse_mazes("; doors\n########\n##@@Dr##\n########"), "reach-door")
    >>> trajectories(run).player[0].tolist()
    [[1, 1], [1, 2]]
    """
    step, length = check_run(run, ("action",))
    n_thinking = int((step < 0).sum())
    if step[n_thinking] != 0:
        raise InputError(
            f"The run begins at step {step[n_thinking]}; where the agent is then follows from the "
            "steps before. Compute labels on the whole run, then select steps."
        )
    mazes = mazes_of(run)
    action = actions_of(run)[:, n_thinking:]
    valid = np.arange(action.shape[1]) < length[:, None]
    strange = valid & ((action < 0) | (action >= len(ACTION_NAMES)))
    if strange.any():
        episode, row = np.argwhere(strange)[0]
        raise InputError(
            f"Episode {episode}, step {row}: action {action[episode, row]} is none of "
            f"{dict(enumerate(ACTION_NAMES))}."
        )
    action = np.where(valid, action, -1).astype(np.int8)
    path = MazePath(
        n_thinking=n_thinking,
        n_rows=length,
        mazes=mazes,
        action=action,
        **_walk(mazes, action, length),
    )
    if "observation" in run:
        _check_observations(run, path)
    return path


def _walk(mazes: Mazes, action: np.ndarray, length: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of a `MazePath` that follow from its actions."""
    n, rows = action.shape
    everyone = np.arange(n)
    player = np.full((n, rows + 1, 2), -1, np.int16)
    objects = np.empty((n, rows + 1, *mazes.walls.shape[1:]), np.uint8)
    held = np.zeros((n, rows + 1), np.int64)
    direction = np.full((n, rows), -1, np.int8)
    entered = np.zeros((n, rows), np.uint8)
    at = mazes.start.copy()
    player[:, 0], objects[:, 0] = at, mazes.objects
    for row in range(rows):
        running = row < length
        to = at + np.stack([STEP_Y[action[:, row]], STEP_X[action[:, row]]], axis=1)
        moves = running & ~mazes.walls[everyone, to[:, 0], to[:, 1]]
        at = np.where(moves[:, None], to, at)
        direction[moves, row] = action[moves, row]
        code = np.where(moves, objects[everyone, row, at[:, 0], at[:, 1]], 0)
        objects[:, row + 1], held[:, row + 1] = objects[:, row], held[:, row]
        if mazes.game == "chests":
            is_key = KIND_OF[code] == Kind.KEY
            code = np.where(is_key | (held[:, row] > 0), code, 0)
            used = code > 0
            held[:, row + 1] += np.where(is_key, 1, -1) * used
            objects[everyone[used], row + 1, at[used, 0], at[used, 1]] = 0
        elif ((code > 0) & (length > row + 1)).any():
            episode = int(((code > 0) & (length > row + 1)).argmax())
            raise InputError(
                f"Episode {episode} goes on after step {row}, at which it reached an object: its "
                "actions are not of this maze."
            )
        entered[:, row] = code
        player[running, row + 1] = at[running]
    return {
        "player": player,
        "objects": objects,
        "held": held,
        "direction": direction,
        "entered": entered,
    }


def _check_observations(run: xr.Dataset, path: MazePath) -> None:
    encoding = encoding_of(run, OBSERVATION_DIMS)
    observation = run["observation"].transpose("episode", "step", *OBSERVATION_DIMS[encoding])
    for start in range(0, len(path.n_rows), BLOCK):
        block = slice(start, start + BLOCK)
        seen = observation[block].values
        episode, row = np.nonzero(path.valid[block])
        at = start + episode, row
        right = encode(
            path.mazes.walls[at[0]], path.objects[at], path.player[at], path.held[at], encoding
        )
        if right.shape[1:] != seen.shape[2:]:
            raise InputError(
                f"The mazes look like {right.shape[1:]}, observations {seen.shape[2:]}."
            )
        wrong = (seen[episode, row + path.n_thinking] != right).reshape(len(right), -1).any(axis=1)
        if wrong.any():
            which = int(wrong.argmax())
            raise InputError(
                f"Episode {at[0][which]}, step {row[which]}: the observation is not what the actions "
                "before it lead to in this maze."
            )
