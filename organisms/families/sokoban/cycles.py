"""When things happened in an episode: the boxes placed, the states that came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from organisms.families.sokoban.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr


def boxes_placed(run: xr.Dataset) -> xr.DataArray:
    r"""Return the steps at which 1, 2, … boxes were on targets at once for the first time.

    Parameters
    ----------
    run
        A recorded run; see `organisms.families.sokoban.trajectories.trajectories`, also for the errors.

    Returns
    -------
    xarray.DataArray
        (episode, milestone) float64, ``milestone`` counting boxes from 1: the label of the step
        whose action did it (a reward of that step pays for it); −1 if so many were on targets from
        the start, NaN if they never were.

    Notes
    -----
    Taufeeque et al. (arXiv 2407.15421) take the steps whose *reward* pays for a box, the first,
    second, … of them; the two differ where a box is pushed off a target again.
    """
    import xarray as xr

    path = trajectories(run)
    boxes = path.boxes.astype(np.int64)
    there = boxes[..., 0] >= 0
    episode = np.arange(len(boxes))[:, None, None]
    on_target = path.targets[episode, boxes[..., 0], boxes[..., 1]] & there
    count = on_target.sum(axis=2)  # (episode, time): time r is before the action of row r
    n_boxes = boxes.shape[2]
    out = np.full((len(boxes), n_boxes), np.nan)
    for k in range(1, n_boxes + 1):
        enough = count >= k
        first = enough.argmax(axis=1)
        step = np.where(first > 0, path.step[0] + first - 1, -1)
        out[:, k - 1] = np.where(enough.any(axis=1), step, np.nan)
    coords = {"milestone": np.arange(1, n_boxes + 1)}
    return xr.DataArray(out, coords, ("episode", "milestone"), "milestone_step")


def states_visited(run: xr.Dataset) -> xr.DataArray:
    """Return one number per position of player and boxes, told from the moves.

    Unlike `organisms.boards.run_events.observed_states` it does not depend on how the board is shown, so
    that runs of networks with other observations compare; boxes are not told apart.

    Returns
    -------
    xarray.DataArray
        (episode, step) int64; −1 outside the episodes. Thinking steps have the number of step 0.
        Comparable between runs on the same level.
    """
    import xarray as xr

    path = trajectories(run)
    squares = path.board[0] * path.board[1]
    coefficients = np.random.default_rng(20240715).integers(1, 2**62, size=(2, squares + 1))
    rows = len(path.step)
    player = path.player[:, :rows].astype(np.int64)
    boxes = path.boxes[:, :rows].astype(np.int64)
    # Whatever is not there (−1, −1) reads the last coefficient, the same for all states.
    where = np.where(boxes[..., 0] >= 0, boxes[..., 0] * path.board[1] + boxes[..., 1], squares)
    number = (
        coefficients[1][where].sum(axis=2)
        + coefficients[0][
            np.where(player[..., 0] >= 0, player[..., 0] * path.board[1] + player[..., 1], squares)
        ]
    )
    number = np.where(path.valid, number & (2**63 - 1), -1)
    first = np.repeat(number[:, :1], path.n_thinking, axis=1)
    out = np.concatenate([first, number], axis=1)
    coords = {"step": run["step"].values}
    return xr.DataArray(out, coords, ("episode", "step"), "state")
