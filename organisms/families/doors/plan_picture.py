"""A maze with the plan that was read from an agent, or with the way it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.families.doors.render import draw_maze
from organisms.families.doors.trajectories import trajectories

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
    """Draw the maze of an episode as it begins.

    Parameters
    ----------
    episode
        One episode of a run (no ``episode`` dim): ``level``, ``level_id``, ``action``, ``length`` and
        ``step``.
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
        Of the arrows.
    title
        Written above.
    """
    path = trajectories(episode.drop_vars("observation", errors="ignore").expand_dims("episode"))
    maze = path.mazes[0]
    options: dict[str, Any] = {}
    if labels is not None:
        steps = np.append(np.stack([STEP_Y, STEP_X], axis=1), [[np.nan, np.nan]], axis=0)
        move_of = [ACTION_NAMES.index(c) if c in ACTION_NAMES else -1 for c in classes]
        field = steps[np.array(move_of)[np.asarray(labels)]]
        field[maze.walls] = np.nan
        options["field"] = field
    if marked is not None:
        options |= {"overlay": np.where(np.asarray(marked) > 0, marked, np.nan), "cmap": "Pastel2"}
    if way:
        options["trajectories"] = {"way": path.player[0]}
    return draw_maze(maze, ax, colour=colour, title=title, **options)
