"""`SokobanWorld` on a device: many levels side by side, stepped by tensor operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.contract import Transition
from interp.errors import InputError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.sokoban.environment import WORLD_STATE, SokobanWorld
from organisms.families.sokoban.observations import PALETTE, PLANES, Tile
from organisms.families.sokoban.on_device.randomness import mix, signed, unsigned_remainder


class TensorWorld:
    r"""A world whose state lives on a device, and never leaves it to be stepped.

    It does what the `SokobanWorld` that it is made from does: the same observations, rewards, ends,
    next levels and drawn limits, for the same actions.

    Parameters
    ----------
    world
        Gives the levels, options and state; it is not stepped any more. Without a ``source``.
    device
        As in torch.

    Attributes
    ----------
    tiles, player, level_index, boxes_off_target, elapsed, limit, finished : torch.Tensor
        As in `SokobanWorld`. A step replaces them.

    Notes
    -----
    That actions exist is checked on the CPU only: elsewhere the check would wait for the device at
    every step.

    Examples
    --------
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> world = TensorWorld(SokobanWorld(parse_levels("#####\n#@$.#\n#####")), "cpu")
    >>> after = world.step(torch.tensor([3]))
    >>> round(float(after.reward[0]), 3), bool(after.terminated[0])
    (10.9, True)
    """

    tiles: Tensor
    player: Tensor
    level_index: Tensor
    boxes_off_target: Tensor
    elapsed: Tensor
    limit: Tensor
    finished: Tensor

    def __init__(self, world: SokobanWorld, device: Any):
        if world.has_source:
            raise InputError("A world that asks a source for levels cannot move to a device.")
        self._host = world
        self.device = torch.device(device)
        self.autoreset = world.autoreset
        self._noop = world.n_actions - 4
        pool = torch.tensor(world.levels.tiles, device=self.device)
        self._pool = pool
        self._pool_off = (pool == Tile.BOX).sum((1, 2), dtype=torch.int32)
        cell = (pool >= Tile.PLAYER).flatten(1).to(torch.uint8).argmax(1)
        self._pool_player = torch.stack([cell // pool.shape[2], cell % pool.shape[2]], 1).int()
        self._step_y, self._step_x = (torch.tensor(s, device=self.device) for s in (STEP_Y, STEP_X))
        self._rewards = torch.tensor(world.rewards, dtype=torch.float64, device=self.device)
        self._rows = torch.arange(len(world), device=self.device)
        seed = torch.tensor(signed(int(world.seed)), device=self.device)
        self._stream = mix(mix(seed) + self._rows)
        if world.observation == "rgb":
            self._colours = torch.tensor(PALETTE, device=self.device)
        else:
            self._colours = torch.tensor(PLANES, device=self.device)[:, None, None]
        self._upload()

    def __len__(self) -> int:
        return len(self.tiles)

    def reset(self) -> Tensor:
        """Start every row on its first level; return the observations, as `observe`."""
        self._host.reset()
        self._upload()
        return self.observe()

    def observe(self) -> Tensor:
        """Return the observations as they stand, dims ``(batch, *observation_dims)``, uint8."""
        if self._host.observation == "rgb":
            return self._colours[self.tiles.int()]
        return (self.tiles[:, None] == self._colours).to(torch.uint8)

    def step(self, action: Tensor) -> Transition:
        """Take one action a row; see `SokobanWorld.step`.

        Parameters
        ----------
        action
            dims ``(batch,)``, integers: an index into the actions, or −1 to leave the row as it is.

        Returns
        -------
        Transition
            Tensors on the device.

        Raises
        ------
        InputError
            If the shape or the dtype is wrong, or, on the CPU, an action does not exist.
        """
        self._check_actions(action)
        acts = (action >= 0) & ~self.finished
        gained = self._move(action - self._noop, acts & (action >= self._noop))
        self.boxes_off_target = self.boxes_off_target - gained
        self.elapsed = self.elapsed + acts.int()
        solved = self.boxes_off_target == 0
        step, box, all_boxes = self._rewards
        paid = step + gained * box + all_boxes * (solved & (gained != 0))
        reward = torch.where(acts, paid, 0.0).float()
        self.finished = torch.where(acts, solved | (self.elapsed >= self.limit), self.finished)
        terminated, truncated = self.finished & solved, self.finished & ~solved
        if self.autoreset:
            self._begin(self.finished)
        # As from the compiled world; `Transition` is written for arrays.
        after: Any = (self.observe(), reward, terminated, truncated)
        return Transition(*after)

    def end_after_next(self, rows: Tensor) -> None:
        """Make the next step of some rows, (batch,) bool, the last of their episodes."""
        self.limit = torch.where(rows, self.elapsed + 1, self.limit)

    def get_state(self) -> dict[str, np.ndarray]:
        """Copy everything that changes to the host; a `SokobanWorld` can take it too."""
        return {name.lstrip("_"): getattr(self, name).cpu().numpy().copy() for name in WORLD_STATE}

    def set_state(self, state: Mapping[str, np.ndarray]) -> Tensor:
        """Go back to a state that `get_state` gave, and return its observations.

        Raises
        ------
        InputError
            If the state does not fit this world.
        """
        self._host.set_state(dict(state))
        self._upload()
        return self.observe()

    def _upload(self) -> None:
        for name in WORLD_STATE:
            setattr(self, name, torch.tensor(getattr(self._host, name), device=self.device))

    def _check_actions(self, action: Tensor) -> None:
        if action.shape != (len(self),) or action.dtype not in (torch.int32, torch.int64):
            raise InputError(
                f"Actions are integers of shape ({len(self)},); got {action.dtype} of "
                f"{tuple(action.shape)}."
            )
        if self.device.type == "cpu" and ((action < -1) | (action >= 4 + self._noop)).any():
            raise InputError(
                f"Actions are {dict(enumerate(self._host.action_names))}, or -1 to leave a row as "
                f"it is; got {action.tolist()}."
            )

    def _move(self, direction: Tensor, moves: Tensor) -> Tensor:
        """Move the players of some rows; return how many more boxes are on targets, int32."""
        direction = direction.clamp(min=0)
        step = torch.stack([self._step_y[direction], self._step_x[direction]], 1)
        (here_at, here), (ahead_at, ahead), (beyond_at, beyond) = (
            self._look(self.player + k * step) for k in range(3)
        )
        walks = moves & _free(ahead)
        boxes = (ahead == Tile.BOX) | (ahead == Tile.BOX_ON_TARGET)
        pushes = moves & boxes & _free(beyond)
        goes = walks | pushes
        to_target = beyond == Tile.TARGET
        # Squares that stay as they are may lie off the board; the player's own is written instead,
        # and written last.
        flat = self.tiles.flatten(1).clone()
        for at, rows, is_on, on, off in (
            (beyond_at, pushes, to_target, Tile.BOX_ON_TARGET, Tile.BOX),
            (ahead_at, goes, _on_target(ahead), Tile.PLAYER_ON_TARGET, Tile.PLAYER),
            (here_at, goes, here == Tile.PLAYER_ON_TARGET, Tile.TARGET, Tile.FLOOR),
        ):
            new = torch.where(is_on, int(on), int(off)).to(torch.uint8)
            value = torch.where(rows, new, here)
            flat.scatter_(1, torch.where(rows, at, here_at)[:, None], value[:, None])
        self.tiles = flat.view_as(self.tiles)
        self.player = torch.where(goes[:, None], self.player + step.int(), self.player)
        return (pushes & to_target).int() - (pushes & (ahead == Tile.BOX_ON_TARGET)).int()

    def _look(self, square: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cell of squares (batch, 2) and the tile there; wall off the board."""
        height, width = self.tiles.shape[1:]
        y, x = square.long().unbind(1)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        cell = torch.where(inside, y * width + x, 0)
        tile = self.tiles.flatten(1).gather(1, cell[:, None])[:, 0]
        return cell, torch.where(inside, tile, int(Tile.WALL))

    def _begin(self, rows: Tensor) -> None:
        """Start the next levels in some rows, (batch,) bool."""
        order = rows.long().cumsum(0)
        dealt = (self._cursor + order - 1) % len(self._pool)
        self.level_index = torch.where(rows, dealt, self.level_index)
        self._cursor = self._cursor + order[-1:]
        which = self.level_index
        self.tiles = torch.where(rows[:, None, None], self._pool[which], self.tiles)
        self.player = torch.where(rows[:, None], self._pool_player[which], self.player)
        off = torch.where(rows, self._pool_off[which], self.boxes_off_target)
        self.boxes_off_target = off
        self.elapsed = torch.where(rows, 0, self.elapsed)
        self.finished = torch.where(rows, off == 0, self.finished)
        low, high = self._host.min_steps, self._host.max_steps
        drawn = low + unsigned_remainder(mix(self._stream + self._episodes), high - low + 1)
        self.limit = torch.where(rows, drawn.int(), self.limit)
        self._episodes = self._episodes + rows.long()


def _free(tile: Tensor) -> Tensor:
    return (tile == Tile.FLOOR) | (tile == Tile.TARGET)


def _on_target(tile: Tensor) -> Tensor:
    return (tile == Tile.TARGET) | (tile == Tile.BOX_ON_TARGET)
