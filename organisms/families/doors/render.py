"""Mazes as pictures: what lies where, ways through it, and what a policy would do on every square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.pictures import (
    board_axes,
    check_maps,
    draw_directions,
    draw_overlay,
    draw_way,
    frame,
)
from organisms.families.doors.mazes import Maze, Mazes
from organisms.families.doors.objects import (
    AGENT_RGB,
    COLOUR_OF,
    COLOUR_RGB,
    FLOOR_RGB,
    KIND_OF,
    WALL_RGB,
    Kind,
    encode,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picture(maze: Maze, scale: int = 2) -> np.ndarray:
    """Return the maze as it starts, in pixels: ``"rgb"`` with each pixel `scale` times as large.

    Returns
    -------
    numpy.ndarray
        dims ``(y, x, colour)``, uint8, 8 × `scale` pixels a square.
    """
    start = np.array([maze.start])
    rgb = encode(maze.walls[None], maze.objects[None], start, np.zeros(1, int), "rgb")[0]
    return rgb.repeat(scale, axis=0).repeat(scale, axis=1)


def start_everywhere(maze: Maze) -> Mazes:
    """Return the same maze once for every free square, with the agent starting there.

    A network's first action probabilities on these are its policy as a map: see `policy_field`.
    """
    squares = np.argwhere(~maze.walls & (maze.objects == 0))
    n = len(squares)
    return Mazes(
        np.repeat(maze.walls[None], n, axis=0),
        np.repeat(maze.objects[None], n, axis=0),
        squares,
        maze.game,
        [f"{maze.id}@{y},{x}" for y, x in squares],
    )


def policy_field(mazes: Mazes, probabilities: np.ndarray) -> np.ndarray:
    r"""Return the mean direction a policy moves in, on every square.

    Parameters
    ----------
    mazes
        From `start_everywhere`.
    probabilities
        Of the four actions in each, dims ``(maze, action)``.

    Returns
    -------
    numpy.ndarray
        Rows and columns a move, each from −1 to 1, dims ``(y, x, 2)``; NaN where no maze starts.

    Examples
    --------
    >>> from organisms.families.doors.text import parse_mazes
    >>> starts = start_everywhere(parse_mazes("; doors\n##########\n##@@..Dr##\n##########")[0])
    >>> policy_field(starts, np.array([[0, 0, 0, 1], [0, 0, 0.5, 0.5]]))[1, 1:3].tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    probabilities = np.asarray(probabilities, float)
    if probabilities.shape != (len(mazes), len(STEP_Y)):
        raise InputError(
            f"{len(mazes)} mazes and {len(STEP_Y)} actions do not go with probabilities of shape "
            f"{probabilities.shape}."
        )
    field = np.full((*mazes.walls.shape[1:], 2), np.nan)
    y, x = mazes.start.T
    field[y, x, 0], field[y, x, 1] = probabilities @ STEP_Y, probabilities @ STEP_X
    return field


def draw_maze(
    maze: Maze,
    ax: Axes | None = None,
    *,
    trajectories: Mapping[str, Any] | None = None,
    field: np.ndarray | None = None,
    overlay: np.ndarray | None = None,
    cmap: str = "viridis",
    colour: str = "#3a6ea5",
    title: str | None = None,
) -> Axes:
    """Draw a maze.

    Parameters
    ----------
    ax
        Where to draw; a new figure if left out.
    trajectories
        Name → squares walked, in order: rows and columns, dims ``(time, 2)``; rows of −1 are left
        out. Each is a line of its own colour that ends in an arrow, with a legend if there are two.
    field
        A direction a square (`policy_field`), dims ``(y, x, 2)``; NaN for none.
    overlay
        A number a square, dims ``(y, x)``, drawn as a translucent heat map; NaN is left clear.
    cmap, colour
        Of the overlay; of the field.
    title
        Written above.

    Returns
    -------
    matplotlib.axes.Axes
        With row 0 at the top; square ``(y, x)`` is centred on the point ``(x, y)``.

    Raises
    ------
    InputError
        If a map is not of the maze's shape.
    """
    from matplotlib.patches import Circle, Rectangle

    from interp.style import colours

    height, width = maze.walls.shape
    check_maps("maze", maze.walls.shape, field=field, overlay=overlay)
    ax = board_axes(ax, maze.walls.shape)
    for y, x in np.ndindex(height, width):
        face = WALL_RGB if maze.walls[y, x] else FLOOR_RGB
        patch = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=_unit(face), edgecolor=_unit(face))
        ax.add_patch(patch)
    if overlay is not None:
        draw_overlay(ax, overlay, cmap)
    for y, x in np.argwhere(maze.objects > 0):
        _draw_object(ax, int(maze.objects[y, x]), int(y), int(x))
    ax.add_patch(
        Circle(
            (maze.start[1], maze.start[0]), 0.28, facecolor=_unit(AGENT_RGB), ec="white", zorder=4
        )
    )
    if field is not None:
        ys, xs = np.nonzero(np.isfinite(field).all(axis=-1) & (np.abs(field).sum(axis=-1) > 1e-3))
        dy, dx = field[ys, xs].T
        draw_directions(ax, (ys, xs), (dy, dx), colour, 1.3)
    named = dict(trajectories or {})
    palette = colours(list(named), "layer")
    for number, (name, squares) in enumerate(named.items()):
        shift = 0.16 * (number - (len(named) - 1) / 2)  # side by side where ways are shared
        line = {"lw": 1.8, "alpha": 0.85, "label": str(name)}
        draw_way(ax, squares, palette[name], dim="time", shift=shift, **line)
    if len(named) > 1:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), frameon=False)
    return frame(ax, height, width, title)


def _draw_object(ax: Axes, code: int, y: int, x: int) -> None:
    from matplotlib.patches import Circle, Polygon, Rectangle

    kind, face = Kind(int(KIND_OF[code])), _unit(COLOUR_RGB[COLOUR_OF[code]])
    look: dict[str, Any] = {"facecolor": face, "edgecolor": "0.15", "lw": 0.8, "zorder": 3}
    if kind == Kind.DOOR:
        ax.add_patch(Rectangle((x - 0.27, y - 0.42), 0.54, 0.84, **look))
        ax.add_patch(Circle((x + 0.14, y), 0.05, color="0.15", zorder=3.5))
    elif kind == Kind.BALL:
        ax.add_patch(Circle((x, y), 0.32, **look))
    elif kind == Kind.GEM:
        points = [(x, y - 0.38), (x + 0.3, y), (x, y + 0.38), (x - 0.3, y)]
        ax.add_patch(Polygon(points, **look))
    elif kind == Kind.KEY:
        ax.plot([x - 0.1, x + 0.36], [y, y], color=face, lw=3, zorder=3)
        ax.add_patch(Circle((x - 0.18, y), 0.18, **look))
    elif kind == Kind.CHEST:
        ax.add_patch(Rectangle((x - 0.38, y - 0.26), 0.76, 0.56, **look))
        ax.plot([x - 0.38, x + 0.38], [y - 0.04, y - 0.04], color="0.15", lw=0.8, zorder=3.5)
    else:
        points = [(x - 0.36, y + 0.28), (x + 0.36, y + 0.28), (x + 0.36, y - 0.28)]
        ax.add_patch(Polygon(points, **look))


def _unit(rgb: Any) -> tuple[float, ...]:
    return tuple(float(channel) / 255 for channel in rgb)
