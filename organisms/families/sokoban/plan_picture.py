"""A board with the plan that was read from an agent, or with the way it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from organisms.boards import plan_picture
from organisms.families.sokoban.observations import Tile, decode
from organisms.families.sokoban.render import draw_board

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def draw_plan(episode: xr.Dataset, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw the board of an episode's first step.

    Parameters
    ----------
    episode
        One episode of a run (no ``episode`` dim): ``observation``, ``length`` and ``step``.
    ax, options
        As in `organisms.boards.plan_picture.draw_plan`.
    """
    encoding = "rgb" if "colour" in episode.observation.dims else "planes"
    length = int(episode.length)
    boards = decode(episode.observation.sel(step=slice(0, max(length - 1, 0))).values, encoding)
    _, y, x = np.nonzero(boards >= Tile.PLAYER)

    def draw(ax: Axes | None, *, way: np.ndarray | None = None, **options: Any) -> Axes:
        return draw_board(boards[0], ax, trajectory=way, **options)

    board = plan_picture.Board(boards[0] == Tile.WALL, np.stack([y, x], axis=1), draw)
    return plan_picture.draw_plan(board, ax, **options)
