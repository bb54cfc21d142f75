"""A maze with the plan that was read from an agent, or with the way it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from organisms.boards import plan_picture
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.doors.render import draw_maze
from organisms.families.doors.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def draw_plan(episode: xr.Dataset, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw the maze of an episode as it begins.

    Parameters
    ----------
    episode
        One episode of a run (no ``episode`` dim): ``level``, ``level_id``, ``action``, ``length`` and
        ``step``.
    ax, options
        As in `organisms.boards.plan_picture.draw_plan`.
    """
    path = trajectories(episode.drop_vars("observation", errors="ignore").expand_dims("episode"))
    maze = path.mazes[0]

    def draw(
        ax: Axes | None,
        *,
        arrows: np.ndarray | None = None,
        way: np.ndarray | None = None,
        **options: Any,
    ) -> Axes:
        if arrows is not None:
            steps = np.append(np.stack([STEP_Y, STEP_X], axis=1), [[np.nan, np.nan]], axis=0)
            options["field"] = steps[arrows]
        if way is not None:
            options["trajectories"] = {"way": way}
        return draw_maze(maze, ax, **options)

    board = plan_picture.Board(maze.walls, path.player[0], draw)
    return plan_picture.draw_plan(board, ax, **options)
