"""Which squares of a level matter to a reverse search: reachable ones, live ones, solved box sets."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from organisms.families.sokoban._retrograde import FIXED, NOT_LIVE, survey


class LevelSurvey(NamedTuple):
    """What the states of a level are made of.

    A state is a set of boxes on live squares and the player's square; a lone box can be pushed to
    some target from a *live* square, and from no other.
    """

    square_of: NDArray[np.int16]
    """(cell,): the number of each square that the player could reach without boxes, −1 elsewhere."""
    live_of: NDArray[np.int16]
    """(cell,): the number of each live square; `NOT_LIVE`, or `FIXED` for a box out of reach."""
    n_squares: int
    n_live: int
    n_boxes: int
    """Boxes that the player can reach."""
    goal_cells: NDArray[np.int64] | None
    """(target,): the targets in reach, every choice of `n_boxes` of which is solved; None if no state
    is."""

    @property
    def n_sets(self) -> int:
        """Box sets that are tabulated."""
        return math.comb(self.n_live, self.n_boxes)

    def goals(self) -> NDArray[np.int64]:
        """Return the cells of every solved box set, (goal, box); may be many."""
        if self.goal_cells is None:
            return np.zeros((0, self.n_boxes), np.int64)
        goals = list(itertools.combinations(self.goal_cells.tolist(), self.n_boxes))
        return np.array(goals, np.int64).reshape(len(goals), self.n_boxes)


def survey_level(
    walls: NDArray[np.bool_],
    targets: NDArray[np.bool_],
    boxes: NDArray[np.bool_],
    player: tuple[int, int],
) -> LevelSurvey:
    """Survey a level.

    Parameters
    ----------
    walls, targets, boxes
        (y, x) bool, as `organisms.families.sokoban.oracle.level_arrays` checks them.
    player
        Row and column of the player.
    """
    cell = player[0] * walls.shape[1] + player[1]
    square_of, live_of, n_squares, n_live = survey(walls, targets, cell)
    reach = square_of >= 0
    # A box out of the player's reach stays where it is: part of every state if it is on a
    # target, and the end of every hope if it is not.
    outside = boxes.ravel() & ~reach
    live_of[outside] = FIXED
    n_boxes = int(boxes.sum() - outside.sum())
    goal_cells = np.flatnonzero(targets.ravel() & reach)
    if (outside & ~targets.ravel()).any() or len(goal_cells) < n_boxes:
        # No solved state at all: no square is live, and there is nothing to tabulate.
        live_of[live_of >= 0] = NOT_LIVE
        n_live, goal_cells = 0, None
    return LevelSurvey(square_of, live_of, int(n_squares), int(n_live), n_boxes, goal_cells)
