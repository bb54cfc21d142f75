"""A board with the plan that was read from an agent, or with the way it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from organisms.boards.directions import ACTION_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Drawing(Protocol):
    """How a family draws a board, with what is given of the options."""

    def __call__(
        self,
        ax: Axes | None,
        *,
        arrows: np.ndarray | None = None,
        way: np.ndarray | None = None,
        **options: Any,
    ) -> Axes:
        """Draw the board; `arrows` (y, x) index the moves, −1 for none, `way` is (step, 2)."""
        ...


class Board(NamedTuple):
    """The board that an episode begins on."""

    walls: np.ndarray
    """bool, dims ``(y, x)``."""
    way: np.ndarray
    """Rows and columns of the agent's way to the end of the episode, dims ``(step, 2)``."""
    draw: Drawing


def draw_plan(
    board: Board,
    ax: Axes | None = None,
    *,
    labels: Any = None,
    classes: tuple[str, ...] = (),
    way: bool = False,
    marked: Any = None,
    colour: str = "#3a6ea5",
    title: str | None = None,
) -> Axes:
    """Draw the board of an episode as it begins.

    Parameters
    ----------
    board
        The episode's.
    ax
        Where to draw; a new figure if left out.
    labels, classes
        A map of class indices, dims ``(y, x)``, and the classes' names. Those that are moves are
        drawn as arrows, on squares that are no walls; others are left clear.
    way
        Whether to draw the agent's way to the end of the episode.
    marked
        A map of integers, dims ``(y, x)``: squares above 0 are shaded, by their number (1 or 2).
    colour
        Of the arrows, and of the way where the family gives it no colour of its own.
    title
        Written above.
    """
    options: dict[str, Any] = {}
    if labels is not None:
        move_of = [ACTION_NAMES.index(c) if c in ACTION_NAMES else -1 for c in classes] + [-1]
        arrows = np.array(move_of)[np.asarray(labels)]
        options["arrows"] = np.where(board.walls, -1, arrows)
    if marked is not None:
        options |= {"overlay": np.where(np.asarray(marked) > 0, marked, np.nan), "cmap": "Pastel2"}
    if way:
        options["way"] = board.way
    return board.draw(ax, colour=colour, title=title, **options)
