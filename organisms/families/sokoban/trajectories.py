"""Where the player and every box were, read back from a recorded run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from interp.errors import InputError
from organisms.boards.agent_path import BLOCK, AgentPath, actions_of, check_run, encoding_of
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.families.sokoban.moves import PUSHES, STAYS, apply_move
from organisms.families.sokoban.observations import (
    OBSERVATION_DIMS,
    PALETTE,
    PLANE_OF_TILE,
    Tile,
    decode,
)

if TYPE_CHECKING:
    import xarray as xr

_BOX, _BOX_ON = int(Tile.BOX), int(Tile.BOX_ON_TARGET)
_FINE, _NO_ACTION, _OTHER_BOARD = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Trajectories(AgentPath):
    """Positions in a run.

    Attributes
    ----------
    n_thinking, n_rows, player, action, direction
        As in `organisms.boards.agent_path.AgentPath`.
    step : numpy.ndarray
        (row,) int64, the label of each row; consecutive, none negative.
    targets : numpy.ndarray
        (episode, y, x) bool.
    boxes : numpy.ndarray
        (episode, time, box, 2) int16. A box keeps its index throughout its episode (they are
        numbered in reading order at the first row); −1 where an episode has fewer boxes.
    pushed : numpy.ndarray
        (episode, row) int16: which box was pushed, or −1.
    """

    step: np.ndarray
    targets: np.ndarray
    boxes: np.ndarray
    pushed: np.ndarray

    @property
    def board(self) -> tuple[int, int]:
        """Rows and columns of the boards."""
        return self.targets.shape[1], self.targets.shape[2]


def trajectories(run: xr.Dataset) -> Trajectories:
    r"""Read back where the player and every box were.

    The first board is read from the observation, the game is played with the recorded actions, and
    every further observation is compared with what must have come out.

    Parameters
    ----------
    run
        A recorded run: ``observation`` (either encoding, told by its dims), ``action``,
        ``length`` and the coordinate ``step``. In memory or lazy: observations are read a block of
        episodes at a time. It may begin after step 0, but must go on to the end of every episode.

    Raises
    ------
    InputError
        If a variable is missing or malformed, the steps have gaps or end before the episodes do, or
        an observation is not what the actions before it lead to.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> from organisms.families.sokoban.observations import encode
    >>> board = parse_levels("#####\n#@$.#\n#####")[0].tiles
    >>> run = xr.Dataset(
    ...     {
    ...         "observation": (("episode", "step", "y", "x", "colour"), encode(board)[None, None]),
    ...         "action": (("episode", "step"), [[3]]),
    ...         "length": ("episode", [1]),
    ...     },
    ...     coords={"step": [0]},
    ... )
    >>> trajectories(run).boxes[0, :, 0].tolist()
    [[1, 2], [1, 3]]
    """
    step, length = check_run(run)
    n_thinking = int((step < 0).sum())
    encoding = encoding_of(run, OBSERVATION_DIMS)
    observation = run["observation"].transpose("episode", "step", *OBSERVATION_DIMS[encoding])
    if observation.dtype != np.uint8:
        raise InputError(f"observation is uint8; got {observation.dtype}.")
    action, n_actions = _actions(run)
    noop = n_actions == len(ACTION_NAMES) + 1
    step = step[n_thinking:]
    n_rows = np.clip(length - step[0], 0, len(step)).astype(np.int64)
    action = np.where(np.arange(len(step)) < n_rows[:, None], action[:, n_thinking:], -1)

    codes = PALETTE if encoding == "rgb" else PLANE_OF_TILE[:, None]
    parts = []
    for start in range(0, len(length), BLOCK):
        block = slice(start, start + BLOCK)
        seen = np.ascontiguousarray(observation[block].values)
        _check_thinking(seen, n_thinking, n_rows[block], start)
        rows = seen[:, n_thinking:], action[block], n_rows[block]
        parts.append(_replay(*rows, encoding, codes, noop, start, int(step[0])))
    n_boxes = max((part["boxes"].shape[2] for part in parts), default=0)
    for part in parts:
        missing = n_boxes - part["boxes"].shape[2]
        part["boxes"] = np.pad(
            part["boxes"], ((0, 0), (0, 0), (0, missing), (0, 0)), constant_values=-1
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Trajectories(
        step=step,
        n_thinking=n_thinking,
        n_rows=n_rows,
        action=np.where(action >= 0, action - noop, -1).astype(np.int8),
        **joined,
    )


def _actions(run: xr.Dataset) -> tuple[np.ndarray, int]:
    """Return actions (episode, step) int64 and how many there are to choose from."""
    action = actions_of(run)
    n_moves = len(ACTION_NAMES)
    if "logits" in run and "action_index" in run["logits"].dims:
        n_actions = run.sizes["action_index"]
    else:
        n_actions = max(n_moves, int(action.max()) + 1)
    if n_actions not in (n_moves, n_moves + 1) or action.max() >= n_actions or action.min() < -1:
        raise InputError(
            f"Actions are the {n_moves} moves, or those after a no-op, and −1; got {n_actions} "
            f"actions with numbers from {action.min()} to {action.max()}."
        )
    return action.astype(np.int64), n_actions


def _check_thinking(seen: np.ndarray, n_thinking: int, n_rows: np.ndarray, start: int) -> None:
    there = np.flatnonzero(n_rows > 0)
    if n_thinking and len(there):
        first = seen[there, n_thinking, ...][:, None]
        wrong = (seen[there, :n_thinking] != first).reshape(len(there), -1).any(axis=1)
        if wrong.any():
            raise InputError(
                f"Episode {start + int(there[wrong][0])}: the thinking steps do not show the board "
                "of step 0."
            )


def _replay(
    seen: np.ndarray,
    action: np.ndarray,
    n_rows: np.ndarray,
    encoding: str,
    codes: np.ndarray,
    noop: bool,
    start: int,
    first_step: int,
) -> dict[str, np.ndarray]:
    """Play a block of episodes and return its arrays as in `Trajectories`."""
    there = np.flatnonzero(n_rows > 0)
    y_axis = 2 if encoding == "rgb" else 3
    height, width = seen.shape[y_axis : y_axis + 2]
    tiles = np.zeros((len(seen), height, width), np.uint8)
    if len(there):
        tiles[there] = decode(seen[there, 0], encoding)
    players = (tiles >= Tile.PLAYER).sum(axis=(1, 2))
    if (players[there] != 1).any():
        episode = int(there[players[there] != 1][0])
        raise InputError(f"Episode {start + episode} has {players[episode]} players on its board.")
    is_box = (tiles == Tile.BOX) | (tiles == Tile.BOX_ON_TARGET)
    n_boxes = int(is_box.sum(axis=(1, 2)).max(initial=0))
    n, rows = action.shape
    targets = np.isin(tiles, [Tile.TARGET, Tile.BOX_ON_TARGET, Tile.PLAYER_ON_TARGET])
    player = np.full((n, rows + 1, 2), -1, np.int16)
    boxes = np.full((n, rows + 1, n_boxes, 2), -1, np.int16)
    direction = np.full((n, rows), -1, np.int8)
    pushed = np.full((n, rows), -1, np.int16)
    episode, row, what = _play(
        tiles,
        seen.reshape(n, rows, -1),
        action - noop,
        n_rows,
        codes,
        encoding == "planes",
        -1 if noop else 0,
        player,
        boxes,
        direction,
        pushed,
    )
    where = f"Episode {start + episode}, step {first_step + row}"
    if what == _NO_ACTION:
        raise InputError(f"{where}: no action is recorded within the episode's length.")
    if what == _OTHER_BOARD:
        raise InputError(
            f"{where}: the board is not the one that the actions lead to. Are observations and "
            "actions of the same run, and aligned?"
        )
    return {
        "targets": targets,
        "player": player,
        "boxes": boxes,
        "direction": direction,
        "pushed": pushed,
    }


@njit(cache=True)
def _play(
    tiles, seen, action, n_rows, codes, planes, lowest, player, boxes, direction, pushed
):  # pragma: no cover - compiled
    """Play all episodes; return the first (episode, row, what) that is wrong."""
    n, height, width = tiles.shape
    n_squares = height * width
    n_codes = 7 if planes else 3
    for episode in range(n):
        if n_rows[episode] == 0:
            continue
        board = tiles[episode]
        py, px, n_boxes = 0, 0, 0
        for y in range(height):
            for x in range(width):
                if board[y, x] > _BOX_ON:
                    py, px = y, x
                elif board[y, x] == _BOX or board[y, x] == _BOX_ON:
                    boxes[episode, 0, n_boxes, 0] = y
                    boxes[episode, 0, n_boxes, 1] = x
                    n_boxes += 1
        player[episode, 0, 0] = py
        player[episode, 0, 1] = px
        for row in range(n_rows[episode]):
            for square in range(n_squares):
                tile = board[square // width, square % width]
                for code in range(n_codes):
                    if planes:
                        same = seen[episode, row, code * n_squares + square] == (
                            code == codes[tile, 0]
                        )
                    else:
                        same = seen[episode, row, 3 * square + code] == codes[tile, code]
                    if not same:
                        return episode, row, _OTHER_BOARD
            move = action[episode, row]
            if move < lowest:
                return episode, row, _NO_ACTION
            for box in range(n_boxes):
                boxes[episode, row + 1, box, 0] = boxes[episode, row, box, 0]
                boxes[episode, row + 1, box, 1] = boxes[episode, row, box, 1]
            if move >= 0:
                kind, _ = apply_move(board, py, px, move)
                if kind != STAYS:
                    py += STEP_Y[move]
                    px += STEP_X[move]
                    direction[episode, row] = move
                if kind == PUSHES:
                    for box in range(n_boxes):
                        if boxes[episode, row, box, 0] == py and boxes[episode, row, box, 1] == px:
                            pushed[episode, row] = box
                            boxes[episode, row + 1, box, 0] = py + STEP_Y[move]
                            boxes[episode, row + 1, box, 1] = px + STEP_X[move]
            player[episode, row + 1, 0] = py
            player[episode, row + 1, 1] = px
    return -1, -1, _FINE
