"""A* in moves, for levels whose state space is too large for the oracle.

Nodes are states right after a push (box squares, player square); an edge is the shortest walk to
the next push, and the push. The heuristic is the cheapest assignment of boxes to targets, where a
pair costs the number of pushes a lone box needs: it never overestimates, and one push changes it by
at most one, so the first solution taken from the queue is a shortest one in moves.

Actions are 0 up, 1 down, 2 left, 3 right.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.errors import InputError
from organisms.families.sokoban._astar import push_distances, search
from organisms.families.sokoban._retrograde import survey
from organisms.families.sokoban.oracle import level_arrays


@dataclass(frozen=True)
class AStarResult:
    """What a search found.

    Attributes
    ----------
    status
        ``"solved"``; ``"dead"`` if there is no solution (proved); ``"limit"`` if the search stopped
        at `max_expanded` and nothing is known but `lower_bound`.
    actions
        A shortest solution, None unless solved.
    lower_bound
        Moves that any solution takes at least (the length, if solved); 0 if dead.
    expanded, generated
        States expanded, and distinct states stored.
    """

    status: Literal["solved", "dead", "limit"]
    actions: list[int] | None
    lower_bound: int
    expanded: int
    generated: int

    @property
    def length(self) -> int | None:
        """Moves of the solution, None unless solved."""
        return None if self.actions is None else len(self.actions)


def astar(
    level: Any,
    targets: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
    player: ArrayLike | None = None,
    *,
    max_expanded: int = 1_000_000,
) -> AStarResult:
    """Find a shortest solution, in moves, of one state.

    Parameters
    ----------
    level
        A `Level`, or its walls, (y, x) bool; then `targets`, `boxes` (both (y, x) bool) and
        `player` (y, x) must follow.
    max_expanded
        Stop after expanding so many states. Memory is about ``50 + 2 * n_boxes`` bytes for each
        distinct state that they lead to (a few per state expanded).

    Returns
    -------
    AStarResult

    Raises
    ------
    InputError
        If the arrays are not a level.

    Notes
    -----
    A push is pruned if the box can reach no target from where it lands (by pulls from the targets),
    if it closes a 2 x 2 block of walls and boxes with a box off its target, or if boxes and targets
    can no longer be matched. Larger deadlocks are found only by exhausting them.

    Examples
    --------
    >>> import numpy as np
    >>> row = lambda *cells: np.isin(np.arange(6), cells)[None]
    >>> result = astar(row(), row(4), row(2), (0, 0))
    >>> result.status, result.actions
    ('solved', [3, 3, 3])
    """
    walls, targets, boxes, (y, x) = level_arrays(level, targets, boxes, player)
    if max_expanded < 1:
        raise InputError(f"max_expanded is {max_expanded}; it must be at least 1.")
    square_of, _, _, _ = survey(walls, targets, y * walls.shape[1] + x)
    reach = (square_of >= 0).reshape(walls.shape)
    if (walls.shape[0] + 2) * (walls.shape[1] + 2) >= 2**15:
        raise InputError(f"A board of {walls.shape} is too large; 32,767 cells with a rim at most.")
    # A wall all round, so that no step needs a bounds check.
    floor, goal, box = (np.pad(a, 1).ravel() for a in (reach, targets & reach, boxes & reach))
    width = walls.shape[1] + 2
    if (boxes & ~reach & ~targets).any() or goal.sum() < box.sum():
        return AStarResult("dead", None, 0, 0, 0)
    pushes = push_distances(floor, np.flatnonzero(goal), width)
    start = (y + 1) * width + x + 1
    keys = np.random.default_rng(0).integers(0, 2**64, (len(floor), 2), dtype=np.uint64)
    status, bound, expanded, generated, path_boxes, path_players = search(
        floor, goal, pushes, width, keys, np.flatnonzero(box), start, max_expanded
    )
    if status != 1:
        name: Literal["dead", "limit"] = "dead" if status == 0 else "limit"
        return AStarResult(name, None, int(bound), int(expanded), int(generated))
    actions = _actions(floor, width, path_boxes, path_players)
    return AStarResult("solved", actions, len(actions), int(expanded), int(generated))


def _actions(
    floor: NDArray[np.bool_], width: int, boxes: NDArray[Any], players: NDArray[Any]
) -> list[int]:
    """Fill in the walks between the pushes of a path."""
    steps = (-width, width, -1, 1)
    actions: list[int] = []
    for before, after, player, pushed in zip(
        boxes[:-1], boxes[1:], players[:-1], players[1:], strict=True
    ):
        blocked = set(before.tolist())
        landed = (set(after.tolist()) - blocked).pop()
        step = landed - int(pushed)
        came_by: dict[int, int] = {int(player): -1}
        queue = deque(came_by)
        stand = int(pushed) - step
        while stand not in came_by:
            cell = queue.popleft()
            for action, by in enumerate(steps):
                to = cell + by
                if floor[to] and to not in blocked and to not in came_by:
                    came_by[to] = action
                    queue.append(to)
        walk = [steps.index(step)]
        while came_by[stand] >= 0:
            walk.append(came_by[stand])
            stand -= steps[came_by[stand]]
        actions += reversed(walk)
    return actions
