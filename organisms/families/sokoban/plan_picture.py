"""A board with the plan that was read from an agent, or with the way it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from organisms.boards.directions import ACTION_NAMES
from organisms.families.sokoban.observations import Tile, decode
from organisms.families.sokoban.render import draw_board

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def draw_plan(
    episode: xr.Dataset,
    ax: Axes | None = None,
    *,
    labels: Any = None,
    classes: tuple[str, ...] = (),
    way: bool = False,
    marked: Any = None,
    colour: str = "#3a6ea5",
    title: str | None = None,
) -> Axes:
    """Draw the board of an episode's first step.

    Parameters
    ----------
    episode
        One episode of a run (no ``episode`` dim): ``observation``, ``length`` and ``step``.
    ax
        Where to draw; a new figure if left out.
    labels, classes
        A map of class indices, dims ``(y, x)``, and the classes' names. Those that are moves are
        drawn as arrows, on squares that are no walls; others are left clear.
    way
        Whether to draw the player's way to the end of the episode.
    marked
        A map of integers, dims ``(y, x)``: squares above 0 are shaded, by their number (1 or 2).
    colour
        Of the way and the arrows.
    title
        Written above.
    """
    encoding = "rgb" if "colour" in episode.observation.dims else "planes"
    length = int(episode.length)
    boards = decode(episode.observation.sel(step=slice(0, max(length - 1, 0))).values, encoding)
    options: dict[str, Any] = {}
    if labels is not None:
        move_of = [ACTION_NAMES.index(c) if c in ACTION_NAMES else -1 for c in classes] + [-1]
        arrows = np.array(move_of)[np.asarray(labels)]
        options["arrows"] = np.where(boards[0] == Tile.WALL, -1, arrows)
    if marked is not None:
        options |= {"overlay": np.where(np.asarray(marked) > 0, marked, np.nan), "cmap": "Pastel2"}
    if way:
        _, y, x = np.nonzero(boards >= Tile.PLAYER)
        options["trajectory"] = np.stack([y, x], axis=1)
    return draw_board(boards[0], ax, colour=colour, title=title, **options)
