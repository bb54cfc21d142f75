"""Drawing on boards: numbers, ways and arrows on squares.

Square ``(y, x)`` is centred on the point ``(x, y)``, row 0 at the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def check_maps(noun: str, shape: tuple[int, ...], **maps: Any) -> None:
    """Raise `InputError` unless every map that is there has the board's shape (and dims of its own).

    Parameters
    ----------
    noun
        What the board is called in messages.
    shape
        Rows and columns of the board.
    maps
        Name → an array or None; a ``field`` has two numbers a square.
    """
    for name, values in maps.items():
        wanted = (*shape, 2) if name == "field" else tuple(shape)
        if values is not None and np.shape(values) != wanted:
            raise InputError(f"{name} has shape {np.shape(values)}; the {noun} needs {wanted}.")


def board_axes(ax: Axes | None, shape: tuple[int, ...]) -> Axes:
    """Return `ax`, or the axes of a new figure that fits a board of this many rows and columns."""
    from interp.style import subplots

    return subplots(width=0.4 * shape[1], height=0.4 * shape[0])[1] if ax is None else ax


def draw_overlay(ax: Axes, overlay: Any, cmap: str) -> None:
    """Draw a number a square, dims ``(y, x)``, as a translucent heat map; NaN is left clear."""
    values = np.ma.masked_invalid(np.asarray(overlay, float))
    ax.imshow(values, cmap=cmap, alpha=0.7, zorder=1.5)


def draw_directions(
    ax: Axes, squares: tuple[Any, Any], steps: tuple[Any, Any], colour: Any, scale: float
) -> None:
    """Draw an arrow on some squares.

    Parameters
    ----------
    squares
        Their rows and columns, ``(square,)`` each.
    steps
        Rows down and columns right that each arrow goes, ``(square,)`` each.
    colour, scale
        Of the arrows; they are drawn `scale` times shorter.
    """
    (y, x), (down, right) = squares, steps
    how: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": scale, "pivot": "mid"}
    ax.quiver(x, y, right, down, color=colour, width=0.012, zorder=5, **how)


def draw_way(
    ax: Axes, squares: Any, colour: Any, *, dim: str = "step", shift: float = 0.0, **line: Any
) -> None:
    """Draw squares walked, in order, as a line that ends in an arrow.

    Parameters
    ----------
    squares
        Rows and columns, dims ``(step, 2)``; rows of −1 are left out.
    colour
        Of line and arrow.
    dim
        What the first dim is called, in messages.
    shift
        Of the line, in squares down and right: ways that share squares lie side by side.
    line
        As in ``Axes.plot``: ``lw``, ``alpha``, ``label``.

    Raises
    ------
    InputError
        If `squares` has other dims.
    """
    squares = np.asarray(squares)
    if squares.ndim != 2 or squares.shape[1] != 2:
        raise InputError(f"A trajectory has dims ({dim}, 2); got shape {squares.shape}.")
    squares = squares[(squares >= 0).all(axis=1)] + shift
    if len(squares) == 0:
        return
    ax.plot(squares[:, 1], squares[:, 0], color=colour, zorder=6, **line)
    moved = np.flatnonzero(np.any(np.diff(squares, axis=0) != 0, axis=1))
    if moved.size:
        (y0, x0), (y1, x1) = squares[moved[-1]], squares[moved[-1] + 1]
        arrow = {"arrowstyle": "->", "color": colour, "lw": line["lw"]}
        ax.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=arrow, zorder=6)


def frame(ax: Axes, height: int, width: int, title: str | None) -> Axes:
    """Let the axes show the whole board, row 0 at the top, without ticks; return them."""
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)
    return ax
