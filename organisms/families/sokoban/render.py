"""Boards as pictures and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.boards.pictures import (
    board_axes,
    check_maps,
    draw_directions,
    draw_overlay,
    draw_way,
    frame,
)
from organisms.families.sokoban.observations import PALETTE, Tile, check_tiles
from organisms.families.sokoban.xsb import CHARACTERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TARGET_COLOUR = "#e4575a"
_BOX_COLOUR = "#a8833d"
_BOX_EDGE = "#5f4a1f"
_DONE_COLOUR = "#4f9d69"
_PLAYER_COLOUR = "#3a6ea5"
_FLOOR_COLOUR = "#f6f3ec"
_WALL_COLOUR = "#4a4e57"


def text(tiles: np.ndarray) -> str:
    """Write a board as XSB text.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(y, x)``.

    Examples
    --------
    >>> print(text(np.array([[0, 0, 0, 0, 0], [0, 5, 3, 2, 0], [0, 0, 0, 0, 0]])))
    #####
    #@$.#
    #####
    """
    return "\n".join("".join(CHARACTERS[tile] for tile in row) for row in _board(tiles))


def picture(tiles: np.ndarray, scale: int = 16) -> np.ndarray:
    """Colour a board with the networks' palette, `scale` pixels a square.

    Returns
    -------
    numpy.ndarray
        dims ``(y * scale, x * scale, colour)``, uint8.
    """
    return PALETTE[_board(tiles)].repeat(scale, axis=0).repeat(scale, axis=1)


def draw_board(
    tiles: np.ndarray,
    ax: Axes | None = None,
    *,
    trajectory: np.ndarray | None = None,
    arrows: np.ndarray | None = None,
    overlay: np.ndarray | None = None,
    cmap: str = "viridis",
    colour: str = "#3a6ea5",
    title: str | None = None,
) -> Axes:
    """Draw a board.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(y, x)``.
    ax
        Where to draw; a new figure if left out.
    trajectory
        Squares walked, in order: rows and columns, dims ``(step, 2)``. Drawn as a line that ends in
        an arrow.
    arrows
        A direction a square, dims ``(y, x)``, integers: 0 up, 1 down, 2 left, 3 right, anything
        else none. For maps of approach or push directions.
    overlay
        A number a square, dims ``(y, x)``, drawn as a translucent heat map; NaN is left clear.
    cmap, colour
        Of the overlay; of the trajectory and the arrows.
    title
        Written above.

    Returns
    -------
    matplotlib.axes.Axes
        With row 0 at the top; square ``(y, x)`` is centred on the point ``(x, y)``.

    Raises
    ------
    InputError
        If a map is not of the board's shape.
    """
    from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

    board = _board(tiles)
    height, width = board.shape
    check_maps("board", board.shape, arrows=arrows, overlay=overlay)
    ax = board_axes(ax, board.shape)
    for y, x in np.ndindex(height, width):
        tile = board[y, x]
        face = _WALL_COLOUR if tile == Tile.WALL else _FLOOR_COLOUR
        edge = face if tile == Tile.WALL else "#dedacf"
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor=edge, lw=0.5))
    if overlay is not None:
        draw_overlay(ax, overlay, cmap)
    for y, x in np.ndindex(height, width):
        tile = board[y, x]
        if tile in (Tile.TARGET, Tile.PLAYER_ON_TARGET, Tile.BOX_ON_TARGET):
            ax.add_patch(Circle((x, y), 0.16, color=_TARGET_COLOUR, zorder=2))
        if tile in (Tile.BOX, Tile.BOX_ON_TARGET):
            face = _DONE_COLOUR if tile == Tile.BOX_ON_TARGET else _BOX_COLOUR
            ax.add_patch(
                FancyBboxPatch(
                    (x - 0.32, y - 0.32),
                    0.64,
                    0.64,
                    boxstyle="round,pad=0.02",
                    facecolor=face,
                    edgecolor=_BOX_EDGE,
                    zorder=3,
                )
            )
        if tile >= Tile.PLAYER:
            ax.add_patch(Circle((x, y), 0.3, facecolor=_PLAYER_COLOUR, edgecolor="white", zorder=4))
    if arrows is not None:
        directions = np.asarray(arrows)
        ys, xs = np.nonzero((directions >= 0) & (directions < len(ACTION_NAMES)))
        which = directions[ys, xs].astype(int)
        draw_directions(ax, (ys, xs), (STEP_Y[which], STEP_X[which]), colour, 1.6)
    if trajectory is not None:
        draw_way(ax, trajectory, colour, lw=1.5, alpha=0.8)
    return frame(ax, height, width, title)


def _board(tiles: np.ndarray) -> np.ndarray:
    board = check_tiles(tiles)
    if board.ndim != 2:
        raise InputError(f"One board has dims (y, x); got shape {board.shape}.")
    return board
