"""Conditions on the world that interventions can wait for; importing this registers them."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.interventions.conditions import condition
from organisms.families.sokoban.observations import Tile

PLAYER_ENTERED = "sokoban/player-entered-square"
PLAYER_LEFT = "sokoban/player-left-square"
BOX_LEFT = "sokoban/box-left-square"


def _player_on(world: Any, rows: np.ndarray, y: Any, x: Any) -> np.ndarray:
    player = world.player[rows]
    return (player[:, 0] == y) & (player[:, 1] == x)


def _box_on(world: Any, rows: np.ndarray, y: Any, x: Any) -> np.ndarray:
    y, x = np.broadcast_to(y, rows.shape), np.broadcast_to(x, rows.shape)
    tile = world.tiles[rows, y, x]
    return (tile == Tile.BOX) | (tile == Tile.BOX_ON_TARGET)


@condition(PLAYER_ENTERED)
def player_entered_square(world: Any, rows: np.ndarray, step: int, y: Any, x: Any) -> np.ndarray:
    """Return whether the player is on the square ``(y, x)``."""
    return _player_on(world, rows, y, x)


class _Left:
    """Something was on the square at an earlier step, and is there no more."""

    on: Any

    def __init__(self) -> None:
        self._was: set[int] = set()

    def __call__(self, world: Any, rows: np.ndarray, step: int, y: Any, x: Any) -> np.ndarray:
        now = type(self).on(world, rows, y, x)
        self._was.update(rows[now].tolist())
        return ~now & np.array([int(row) in self._was for row in rows], bool)


@condition(PLAYER_LEFT)
class PlayerLeftSquare(_Left):
    """Whether the player has been on the square ``(y, x)`` and is elsewhere now."""

    on = staticmethod(_player_on)


@condition(BOX_LEFT)
class BoxLeftSquare(_Left):
    """Whether a box has been on the square ``(y, x)`` and none is there now."""

    on = staticmethod(_box_on)
