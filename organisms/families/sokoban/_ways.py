"""Solutions played out, and the shortest one in which boxes keep off a square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.sokoban.edits import Square
from organisms.families.sokoban.levels import Level


@dataclass(frozen=True)
class Played:
    """What happens when actions are played: agent's squares (one more than moves), and the pushes."""

    agent: list[Square]
    actions: list[int]
    pushes: list[tuple[int, Square, int]]  # (number of the move, box's square before, move)


def play(level: Level, actions: list[int] | None) -> Played:
    actions = actions or []
    boxes = {(int(y), int(x)) for y, x in np.argwhere(level.boxes)}
    agent, pushes = [level.player], []
    for number, move in enumerate(actions):
        to = beside(agent[-1], move)
        if to in boxes:
            boxes.remove(to)
            boxes.add(beside(to, move))
            pushes.append((number, to, move))
        agent.append(to)
    return Played(agent, actions, pushes)


def beside(square: Square, move: int) -> Square:
    return square[0] + int(STEP_Y[move]), square[1] + int(STEP_X[move])


def way_of_box(played: Played, at: Square) -> tuple[dict[Square, int], Square]:
    """Return the squares that the box on `at` is pushed off, with the moves, and where it ends.

    A square that it is pushed off twice is on no way that one direction a square could describe:
    then the way is empty.
    """
    way: dict[Square, int] = {}
    for _, square, move in played.pushes:
        if square == at:
            if square in way:
                return {}, at
            way[square] = move
            at = beside(square, move)
    return way, at


def solution_without(level: Level, door: Square) -> list[int] | None:
    """Return a shortest solution that keeps boxes off `door` (the player may go there).

    For levels of one or two boxes; None if there is no such solution.
    """
    floor = np.flatnonzero(~level.walls)
    square_of = np.full(level.walls.size, -1)
    square_of[floor] = np.arange(len(floor))
    boxes = square_of[np.flatnonzero(level.boxes)]
    # A second box that is not there stands beyond the floor.
    second = boxes[1] if len(boxes) > 1 else len(floor)
    width = level.shape[1]
    neighbours = square_of[floor[:, None] + np.array([-width, width, -1, 1])]
    targets = np.append(level.targets.ravel()[floor], len(boxes) == 1)
    player = square_of[level.player[0] * width + level.player[1]]
    barred = square_of[door[0] * width + door[1]]
    actions = _search(neighbours, targets, barred, player, boxes[0], second)
    return None if actions is None else actions.tolist()


@njit(cache=True)
def _search(neighbours, targets, barred, player, box, other):  # pragma: no cover - compiled
    """Search breadth first over (player, box, other box), squares numbered as in `neighbours`."""
    n = len(neighbours)
    m = n + 1
    came = np.full(n * m * m, -1, np.int64)  # the state before, times 4, plus the move
    queue = np.empty(n * m * m, np.int64)
    start = (player * m + box) * m + other
    came[start] = -2
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        state = queue[head]
        head += 1
        at, first, second = state // (m * m), state // m % m, state % m
        if targets[first] and targets[second]:
            length = 0
            back = state
            while came[back] >= 0:
                length += 1
                back = came[back] // 4
            actions = np.empty(length, np.int64)
            while came[state] >= 0:
                length -= 1
                actions[length] = came[state] % 4
                state = came[state] // 4
            return actions
        for move in range(4):
            to = neighbours[at, move]
            if to < 0:
                continue
            a, b = first, second
            if to == first or to == second:
                beyond = neighbours[to, move]
                if beyond < 0 or beyond == first or beyond == second or beyond == barred:
                    continue
                if to == first:
                    a = beyond
                else:
                    b = beyond
            after = (to * m + a) * m + b
            if came[after] == -1:
                came[after] = state * 4 + move
                queue[tail] = after
                tail += 1
    return None
