"""Compiled kernels of the oracle: the survey of a level and the reverse search.

The state space of a level with `k` boxes is a table of one number per (box set, player square).
Box sets are ranked combinatorially: with the boxes' live indices sorted ``b_1 < ... < b_k``, the
rank is ``sum_i C(b_i, i)``. A *live* square is one from which a lone box can still be pushed to
some target; a box anywhere else is a dead state, so only live squares are ranked. The number stored
is distance + 1, and 0 for a state from which the level cannot be solved, so that a table that
starts as zeroed memory touches only the pages it needs.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from organisms.families.sokoban.moves import move_box

# Actions: 0 up, 1 down, 2 left, 3 right.
DY = (-1, 1, 0, 0)
DX = (0, 0, -1, 1)

NOT_LIVE = -1  # a box here can never reach a target
FIXED = -2  # a box here can never be touched, and is part of every state

ONE = np.uint64(1)
ZERO = np.uint64(0)


@intrinsic
def _trailing_zeros(typingctx, word):
    """Index of the lowest bit set in a uint64 that is not zero."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


_lowest_bit: Any = _trailing_zeros


@numba.njit(cache=True, nogil=True)
def survey(walls, targets, player):
    """Number the squares that matter.

    Parameters
    ----------
    walls, targets
        (y, x) bool.
    player
        Cell (y * width + x) from which the floor is filled, boxes ignored.

    Returns
    -------
    square_of, live_of
        (cells,) int16: the number of each reachable square and of each live square in row-major
        order, -1 elsewhere.
    n_squares, n_live
        How many there are.
    """
    height, width = walls.shape
    cells = height * width
    square_of = np.full(cells, -1, np.int16)
    live_of = np.full(cells, -1, np.int16)
    stack = np.empty(cells, np.int64)
    stack[0] = player
    square_of[player] = 0
    top = 1
    while top:
        top -= 1
        y, x = divmod(stack[top], width)
        for a in range(4):
            v, u = y + DY[a], x + DX[a]
            if 0 <= v < height and 0 <= u < width and not walls[v, u]:
                cell = v * width + u
                if square_of[cell] < 0:
                    square_of[cell] = 0
                    stack[top] = cell
                    top += 1
    top = 0
    for cell in range(cells):
        if square_of[cell] == 0 and targets[cell // width, cell % width]:
            live_of[cell] = 0
            stack[top] = cell
            top += 1
    while top:
        top -= 1
        y, x = divmod(stack[top], width)
        for a in range(4):
            # The player on the next square steps back to the one after and pulls the box along.
            v, u = y + 2 * DY[a], x + 2 * DX[a]
            if not (0 <= v < height and 0 <= u < width) or square_of[v * width + u] < 0:
                continue
            cell = (y + DY[a]) * width + x + DX[a]
            if square_of[cell] >= 0 and live_of[cell] < 0:
                live_of[cell] = 0
                stack[top] = cell
                top += 1
    n_squares = 0
    n_live = 0
    for cell in range(cells):
        if square_of[cell] == 0:
            square_of[cell] = n_squares
            n_squares += 1
        if live_of[cell] == 0:
            live_of[cell] = n_live
            n_live += 1
    return square_of, live_of, n_squares, n_live


@numba.njit(cache=True, nogil=True)
def search_bitboard(square_of, live_of, width, goals, binomial, work, queues, limit, table):
    """Fill `table` with distances for a level whose floor fits in a box of 64 squares.

    All players of one box set at one distance are one 64-bit word, so a step of the walk is a few
    shifts for all of them.

    Parameters
    ----------
    square_of, live_of, width
        From `survey`, and the width of the board.
    goals
        (goal, box) int64 cells of every solved box set.
    binomial
        (i, j) int64.
    work
        (set, 4) uint64 of zeros: visited, frontier, next frontier, boxes.
    queues
        (2, set) int32: the box sets that are in the frontier.
    limit
        Largest number the table can hold.
    table
        (set * square,) zeros.

    Returns
    -------
    n_states, deepest
        States that can be solved, and the largest distance: -1 if `limit` was too small for it.
    """
    cells = len(square_of)
    top, bottom, left, right = cells, -1, cells, -1
    n_squares = 0
    for cell in range(cells):
        if square_of[cell] >= 0:
            y, x = divmod(cell, width)
            top, bottom = min(top, y), max(bottom, y)
            left, right = min(left, x), max(right, x)
            n_squares += 1
    span = right - left + 1
    square_at = np.zeros(64, np.int64)
    live_at = np.zeros(64, np.int64)
    floor = ZERO
    first = ZERO
    last = ZERO
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            bit = (y - top) * span + x - left
            cell = y * width + x
            if square_of[cell] >= 0:
                floor |= ONE << np.uint64(bit)
            square_at[bit] = square_of[cell]
            live_at[bit] = max(live_of[cell], 0)
            if x == left:
                first |= ONE << np.uint64(bit)
            if x == right:
                last |= ONE << np.uint64(bit)
    inner_left = ~first
    inner_right = ~last
    row = np.uint64(span)

    count = 0
    now, later = 1, 2
    for g in range(goals.shape[0]):
        boxes = ZERO
        for j in range(goals.shape[1]):
            y, x = divmod(goals[g, j], width)
            boxes |= ONE << np.uint64((y - top) * span + x - left)
        rank = _rank_of_mask(boxes, live_at, binomial)
        work[rank, 3] = boxes
        work[rank, 0] = floor & ~boxes
        work[rank, now] = floor & ~boxes
        queues[0, count] = rank
        count += 1

    n_states = 0
    value = 0
    side = 0
    while count:
        value += 1
        if value > limit:
            return n_states, -1
        found = 0
        for i in range(count):
            rank = queues[side, i]
            players = work[rank, now]
            work[rank, now] = ZERO
            boxes = work[rank, 3]
            free = floor & ~boxes
            base = rank * n_squares
            rest = players
            while rest != ZERO:
                table[base + square_at[_lowest_bit(rest)]] = value
                rest &= rest - ONE
                n_states += 1
            walk = ((players & inner_right) << ONE) | ((players & inner_left) >> ONE)
            walk |= (players << row) | (players >> row)
            walk &= free & ~work[rank, 0]
            if walk != ZERO:
                work[rank, 0] |= walk
                if work[rank, later] == ZERO:
                    queues[1 - side, found] = rank
                    found += 1
                work[rank, later] |= walk
            for a in range(4):
                # The player steps in direction a and pulls the box that stands behind.
                if a == 0:
                    pull = (boxes >> row) & (free << row)
                elif a == 1:
                    pull = (boxes << row) & (free >> row)
                elif a == 2:
                    pull = ((boxes & inner_left) >> ONE) & ((free & inner_right) << ONE)
                else:
                    pull = ((boxes & inner_right) << ONE) & ((free & inner_left) >> ONE)
                pull &= players
                while pull != ZERO:
                    here = pull & (~pull + ONE)
                    pull ^= here
                    if a == 0:
                        player, behind = here >> row, here << row
                    elif a == 1:
                        player, behind = here << row, here >> row
                    elif a == 2:
                        player, behind = here >> ONE, here << ONE
                    else:
                        player, behind = here << ONE, here >> ONE
                    pulled = boxes ^ behind ^ here
                    other = _rank_of_mask(pulled, live_at, binomial)
                    if work[other, 0] & player == ZERO:
                        work[other, 0] |= player
                        work[other, 3] = pulled
                        if work[other, later] == ZERO:
                            queues[1 - side, found] = other
                            found += 1
                        work[other, later] |= player
        count = found
        side = 1 - side
        now, later = later, now
    return n_states, value - 1


@numba.njit(cache=True, nogil=True, inline="always")
def _rank_of_mask(boxes, live_at, binomial):
    rank = 0
    j = 1
    while boxes != ZERO:
        rank += binomial[live_at[_lowest_bit(boxes)], j]
        boxes &= boxes - ONE
        j += 1
    return rank


@numba.njit(cache=True, nogil=True)
def search_scan(square_of, live_of, width, goals, binomial, sets, stamps, queues, limit, table):
    """Fill `table` with distances for a level of any size; the slower sibling of `search_bitboard`.

    The frontier is found by scanning the table's rows of the box sets that have one, so memory
    stays bounded by the table.

    Parameters
    ----------
    square_of, live_of, width, goals, binomial, queues, limit, table
        As in `search_bitboard`.
    sets
        (set, box) int16: the boxes' squares, sorted, written when a set is first met.
    stamps
        (set,) int32 of zeros: the last layer a set was queued for.

    Returns
    -------
    n_states, deepest
        As in `search_bitboard`.
    """
    cells = len(square_of)
    height = cells // width
    n_squares = 0
    for cell in range(cells):
        if square_of[cell] >= 0:
            n_squares += 1
    neighbour = np.full((n_squares, 4), -1, np.int64)
    live_at = np.zeros(n_squares, np.int64)
    for cell in range(cells):
        square = square_of[cell]
        if square < 0:
            continue
        live_at[square] = max(live_of[cell], 0)
        y, x = divmod(cell, width)
        for a in range(4):
            v, u = y + DY[a], x + DX[a]
            if 0 <= v < height and 0 <= u < width:
                neighbour[square, a] = square_of[v * width + u]
    n_boxes = sets.shape[1]
    blocked = np.zeros(n_squares, np.bool_)
    moved = np.empty(n_boxes, np.int64)

    n_states = 0
    count = 0
    for g in range(goals.shape[0]):
        rank = 0
        for j in range(n_boxes):
            rank += binomial[live_of[goals[g, j]], j + 1]
        for square in range(n_squares):
            table[rank * n_squares + square] = 1
        for j in range(n_boxes):
            square = square_of[goals[g, j]]
            sets[rank, j] = square
            table[rank * n_squares + square] = 0
        n_states += n_squares - n_boxes
        queues[0, count] = rank
        count += 1

    value = 0
    side = 0
    while count:
        value += 1
        found = 0
        for i in range(count):
            rank = queues[side, i]
            base = np.int64(rank) * n_squares
            for j in range(n_boxes):
                blocked[sets[rank, j]] = True
            for player in range(n_squares):
                if table[base + player] != value:
                    continue
                for a in range(4):
                    to = neighbour[player, a]
                    if to < 0 or blocked[to]:
                        continue
                    if table[base + to] == 0:
                        if value == limit:
                            return n_states, -1
                        table[base + to] = value + 1
                        n_states += 1
                        if stamps[rank] != value:
                            stamps[rank] = value
                            queues[1 - side, found] = rank
                            found += 1
                    behind = neighbour[player, a ^ 1]
                    if behind < 0 or not blocked[behind]:
                        continue
                    other = _move_box(sets[rank], behind, player, moved, live_at, binomial)
                    if table[other * n_squares + to] == 0:
                        if value == limit:
                            return n_states, -1
                        table[other * n_squares + to] = value + 1
                        n_states += 1
                        if stamps[other] != value:
                            stamps[other] = value
                            sets[other] = moved
                            queues[1 - side, found] = other
                            found += 1
            for j in range(n_boxes):
                blocked[sets[rank, j]] = False
        count = found
        side = 1 - side
    return n_states, value - 1


@numba.njit(cache=True, nogil=True)
def _move_box(boxes, start, end, moved, live_at, binomial):
    """Write `boxes` with the one at `start` moved to `end` to `moved`, sorted; return its rank."""
    move_box(boxes, start, end, moved)
    rank = 0
    for j in range(len(boxes)):
        rank += binomial[live_at[moved[j]], j + 1]
    return rank
