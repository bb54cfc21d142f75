"""A recorded episode as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from organisms.families.sokoban.observations import decode

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


def draw_episode(episode: xr.Dataset) -> Figure:
    """Draw one episode of a run: the first board with the player's path, and the last board seen.

    Parameters
    ----------
    episode
        One episode of a run (no ``episode`` dim): ``observation``, ``length`` and ``step``.
    """
    from interp.style import figure_style, subplots
    from organisms.families.sokoban.render import draw_board

    length = int(episode.length)
    encoding = "rgb" if "colour" in episode.observation.dims else "planes"
    boards = decode(episode.observation.sel(step=slice(0, length - 1)).values, encoding)
    _, y, x = np.nonzero(boards >= 5)
    with figure_style():
        figure, axes = subplots(1, 2, width="column", height=1.9)
        draw_board(boards[0], axes[0], trajectory=np.stack([y, x], axis=1))
        draw_board(boards[-1], axes[1])
        axes[0].set_title("path of the player")
        axes[1].set_title(f"before move {length}")
    return figure
