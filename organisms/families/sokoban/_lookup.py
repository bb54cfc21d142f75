"""Reading the oracle's tables: states as arrays in, distances and optimal actions out."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import ArrayLike, NDArray

from interp.errors import InputError
from organisms.families.sokoban._retrograde import DX, DY, FIXED

WRONG_BOXES = -2  # statuses of a look-up, next to -1 for dead
WRONG_PLAYER = -3


def _loader(width: int) -> Any:
    @intrinsic
    def load(typingctx, address, index):
        def codegen(context, builder, signature, args):
            pointer = builder.inttoptr(args[0], ir.IntType(width).as_pointer())
            loaded = builder.load(builder.gep(pointer, [args[1]]))
            return builder.zext(loaded, ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    return load


# Tables are reached by address because a pool holds tables of two widths and many sizes, which one
# compiled loop over environments must be able to mix.
_load8 = _loader(8)
_load16 = _loader(16)


@numba.njit(cache=True, nogil=True, inline="always")
def _stored(address, itemsize, index):
    if itemsize == 1:
        return _load8(address, index)
    return _load16(address, index)


@numba.njit(cache=True, nogil=True)
def look_up(codes, players, which, meta, squares, lives, width, binomial, distances, optimal):
    """Read the distance and the optimal actions of many states of many levels.

    Parameters
    ----------
    codes
        (state, cell) uint8 tile codes: 3 and 4 are boxes, 5 and 6 the player.
    players
        (state,) int64 cells; -1 to find the player in `codes`.
    which
        (state,) int64 level of each state.
    meta
        (level, 4) int64: address of the table, squares, boxes, bytes per entry.
    squares, lives
        (level, cell) int16.
    width, binomial
        As in `search_bitboard`.
    distances
        (state,) int32, written: distance, -1 dead, or `WRONG_BOXES` / `WRONG_PLAYER`.
    optimal
        (state, 4) bool, written; no rows to skip it.

    Returns
    -------
    int
        The first state that is not one of its level's, or -1.
    """
    n_states, cells = codes.shape
    height = cells // width
    boxes = np.empty(cells, np.int64)
    wrong = -1
    for i in range(n_states):
        address, n_squares, n_boxes, itemsize = meta[which[i]]
        square_of = squares[which[i]]
        live_of = lives[which[i]]
        code = codes[i]
        player = players[i]
        count = 0
        rank = 0
        dead = False
        for cell in range(cells):
            if code[cell] < 3:
                continue
            if code[cell] >= 5:
                if player < 0:
                    player = cell
                continue
            if live_of[cell] == FIXED:
                continue
            if live_of[cell] < 0:
                dead = True
            elif count < n_boxes:
                rank += binomial[live_of[cell], count + 1]
            if count < n_boxes:
                boxes[count] = cell
            count += 1
        if len(optimal):
            optimal[i] = False
        distances[i] = -1
        if count != n_boxes:
            distances[i] = WRONG_BOXES
        elif player < 0 or square_of[player] < 0 or code[player] == 3 or code[player] == 4:
            distances[i] = WRONG_PLAYER
        if distances[i] < -1:
            if wrong < 0:
                wrong = i
            continue
        if dead:
            continue
        value = _stored(address, itemsize, rank * n_squares + square_of[player])
        distances[i] = value - 1
        if value <= 1 or len(optimal) == 0:
            continue
        y, x = divmod(player, width)
        for a in range(4):
            v, u = y + DY[a], x + DX[a]
            if not (0 <= v < height and 0 <= u < width):
                continue
            to = v * width + u
            if square_of[to] < 0:
                continue
            other = rank
            if code[to] == 3 or code[to] == 4:
                v, u = v + DY[a], u + DX[a]
                if not (0 <= v < height and 0 <= u < width):
                    continue
                end = v * width + u
                if live_of[end] < 0 or code[end] == 3 or code[end] == 4:
                    continue
                other = _rank_after_push(boxes, n_boxes, to, end, live_of, binomial)
            after = _stored(address, itemsize, other * n_squares + square_of[to])
            optimal[i, a] = after == value - 1
    return wrong


@numba.njit(cache=True, nogil=True)
def _rank_after_push(boxes, n_boxes, start, end, live_of, binomial):
    rank = 0
    i = 1
    placed = False
    for j in range(n_boxes):
        if boxes[j] == start:
            continue
        if not placed and boxes[j] > end:
            rank += binomial[live_of[end], i]
            i += 1
            placed = True
        rank += binomial[live_of[boxes[j]], i]
        i += 1
    if not placed:
        rank += binomial[live_of[end], i]
    return rank


def read(codes, cells, which, meta, squares, lives, width, n_boxes, want_actions):
    distances = np.empty(len(codes), np.int32)
    optimal = np.empty((len(codes) if want_actions else 0, 4), bool)
    binomial = binomials(codes.shape[1], n_boxes)
    wrong = look_up(codes, cells, which, meta, squares, lives, width, binomial, distances, optimal)
    if wrong >= 0:
        if distances[wrong] == WRONG_BOXES:
            given = int(np.isin(codes[wrong], (3, 4)).sum())
            reason = f"it has {given} boxes, not those of the level"
        else:
            reason = "its player is missing, on a box, or not on a square that can be reached"
        raise InputError(f"State {wrong} is not a state of its level: {reason}.")
    return distances, optimal


def encode(boxes: ArrayLike, players: ArrayLike, shape: tuple[int, int]):
    """Return (state, cell) codes, (state,) player cells, and the leading shape."""
    boxes = np.asarray(boxes)
    size = shape[0] * shape[1]
    if boxes.dtype == bool:
        if boxes.shape[-2:] != tuple(shape):
            raise InputError(f"Box masks of {boxes.shape} for a board of {shape} (y, x).")
        lead = boxes.shape[:-2]
        codes = boxes.reshape(-1, size).astype(np.uint8) * np.uint8(3)
    else:
        lead = boxes.shape[:-1]
        flat = boxes.reshape(math.prod(lead), boxes.shape[-1]).astype(np.int64)
        if flat.size and not (0 <= flat.min() and flat.max() < size):
            raise InputError(
                f"Box cells run from {flat.min()} to {flat.max()}, not 0 to {size - 1}."
            )
        codes = np.zeros((len(flat), size), np.uint8)
        np.put_along_axis(codes, flat, 3, axis=1)
    return codes, player_cells(players, lead, shape), lead


def player_cells(
    players: ArrayLike, lead: tuple[int, ...], shape: tuple[int, int]
) -> NDArray[np.int64]:
    players = np.asarray(players)
    if players.shape == (*lead, 2):
        inside = (players >= 0) & (players < np.array(shape))
        players = players[..., 0] * shape[1] + players[..., 1]
        players = np.where(inside.all(-1), players, -1)
    elif players.shape != lead:
        raise InputError(f"Players of {players.shape} for states of {lead}.")
    cells = np.ascontiguousarray(players, np.int64).reshape(-1)
    if cells.size and not (0 <= cells.min() and cells.max() < shape[0] * shape[1]):
        raise InputError("A player is off the board.")
    return cells


@lru_cache(maxsize=64)
def binomials(n: int, k: int) -> NDArray[np.int64]:
    """Pascal's triangle, (n + 1, k + 1); entries too large for int64 wrap and are never used."""
    table = np.zeros((n + 1, k + 1), np.int64)
    table[:, 0] = 1
    with np.errstate(over="ignore"):
        for i in range(1, n + 1):
            table[i, 1:] = table[i - 1, 1:] + table[i - 1, :-1]
    return table
