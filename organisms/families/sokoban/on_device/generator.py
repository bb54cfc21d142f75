"""The levels of `organisms.families.sokoban.generator`, made side by side as tensor operations.

The same options give the same levels, to the last square, on any torch device (tested on the CPU).
Every level has its own stream of random numbers. All rows do the same step at a time, and a row
that has no part in it draws nothing, so that it finds its stream where the compiled loops
(`organisms.families.sokoban._construction`, which says what is done and why) find theirs.

A single level takes as many operations as thousands do: this is for making thousands at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from organisms.boards.directions import STEP_X, STEP_Y
from organisms.boards.random_rooms import TEST_SHARE
from organisms.families.sokoban._construction import (
    _CHOOSY,
    _PATTERNS,
    _ROLLOUTS,
    ATTEMPTS,
    MAX_PULLS,
)
from organisms.families.sokoban.observations import Tile
from organisms.families.sokoban.on_device.randomness import (
    GOLDEN,
    mix,
    next_below,
    room_hash,
    scaled,
    signed,
    unsigned_remainder,
    word_after,
)

_LEVELS_AT_ONCE = 2**15
_SPREADS = 8  # steps of a flood between two looks at whether it has come to an end
_TRIES = 3  # how often a pull is drawn before the next one is taken as it comes


class _Board(NamedTuple):
    """What all rows share. Squares are numbered row by row, from 0."""

    height: int
    width: int
    steps: Tensor
    """How far the four moves go in the numbers of squares, dims ``(direction,)``, int64."""
    distance: Tensor
    """Steps between squares were there no walls, dims ``(square, square)``, int64."""
    near: Tensor
    """1 where `distance` is at most 1, 0 elsewhere, float32."""


class _Position(NamedTuple):
    """The farthest position that a room was played back to."""

    boxes: Tensor
    """Squares, dims ``(row, box)``, int64."""
    player: Tensor
    """Squares, dims ``(row,)``, int64."""
    score: Tensor
    """How far it is, dims ``(row,)``, int64."""
    length: Tensor
    """Pulls to it, 0 where none was found, dims ``(row,)``, int64."""


def fill_on_device(
    indices: Tensor | np.ndarray | Sequence[int],
    n_boxes: int,
    seed: int,
    split: int,
    size: tuple[int, int],
    device: torch.device | str = "cpu",
    at_once: int = _LEVELS_AT_ONCE,
) -> tuple[Tensor, int]:
    """Make levels that can be solved, the same as `organisms.families.sokoban.generator.generate` does.

    The options are not checked; `generate` says which ones are possible.

    Parameters
    ----------
    indices
        Which levels, int64 from 0, dims ``(level,)``.
    n_boxes
        Boxes and targets.
    seed
        An int from 0.
    split
        0 for training rooms, 1 for test rooms, -1 for both.
    size
        Rows and columns, the outer wall included. Memory and time grow with the square of their
        product.
    device
        Where to compute.
    at_once
        Levels that are made side by side; it bounds the memory and changes no level.

    Returns
    -------
    tiles : Tensor
        `Tile` codes on `device`, dims ``(level, y, x)``, uint8.
    missing : int
        The first row that no level was found for, or -1. From this row on, `tiles` is not to be
        used.

    Examples
    --------
    >>> tiles, missing = fill_on_device(range(2), n_boxes=1, seed=0, split=-1, size=(3, 9))
    >>> tiles.shape, missing
    (torch.Size([2, 3, 9]), -1)
    """
    indices = torch.as_tensor(indices, dtype=torch.int64, device=device)
    height, width = (int(side) for side in size)
    board = _board(height, width, indices.device)
    tiles = torch.zeros((len(indices), height * width), dtype=torch.uint8, device=indices.device)
    missing = -1
    for start in range(0, len(indices), at_once):
        part = slice(start, start + at_once)
        found = _fill(board, _streams(indices[part], seed, split), n_boxes, split, tiles[part])
        if not found.all():
            missing = start + int(found.logical_not().nonzero()[0])
            break
    return tiles.view(-1, height, width), missing


def _board(height: int, width: int, device: torch.device) -> _Board:
    squares = torch.arange(height * width, device=device)
    y, x = squares // width, squares % width
    distance = (y[:, None] - y).abs() + (x[:, None] - x).abs()
    steps = torch.tensor(STEP_Y * width + STEP_X, device=device)
    return _Board(height, width, steps, distance, (distance <= 1).float())


def _streams(indices: Tensor, seed: int, split: int) -> Tensor:
    start = torch.tensor(signed(seed), device=indices.device)
    return mix(mix(mix(start) + (split + 1)) + indices * GOLDEN)


def _fill(board: _Board, state: Tensor, n_boxes: int, split: int, tiles: Tensor) -> Tensor:
    """Fill `tiles`, dims ``(row, square)``, in place; return in which rows a level was found."""
    found = torch.zeros(len(state), dtype=torch.bool, device=state.device)
    rows = torch.arange(len(state), device=state.device)
    attempts, played = torch.zeros_like(rows), torch.zeros_like(rows)
    while len(rows):
        floor = _find_rooms(board, n_boxes, split, state, attempts)
        # Only the rows that go on are kept, so that a few slow ones do not hold up the others' work.
        rows, state, attempts, played, floor = _only(
            floor.any(1), rows, state, attempts, played, floor
        )
        squares, n_squares = _shuffled(floor, n_boxes, state)
        best = _play_backwards(board, floor, squares, n_squares, n_boxes, state)
        played += 1
        # Trivial ones are passed over, unless the board seems to allow no others.
        done = (best.length >= 3 * n_boxes) | ((best.length > 0) & (played > _CHOOSY))
        tiles[rows[done]] = _picture(
            floor[done], squares[done, :n_boxes], best.boxes[done], best.player[done]
        )
        found[rows[done]] = True
        rows, state, attempts, played = _only(~done, rows, state, attempts, played)
    return found


def _only(mask: Tensor, *tensors: Tensor) -> list[Tensor]:
    kept = mask.nonzero().squeeze(1)
    return [tensor.index_select(0, kept) for tensor in tensors]


def _find_rooms(board: _Board, n_boxes: int, split: int, state: Tensor, attempts: Tensor) -> Tensor:
    """Carve rooms until every row has one that will do, or has no attempts left.

    Parameters
    ----------
    state, attempts
        The rows' streams, and how many rooms were carved for them; both change in place.

    Returns
    -------
    Tensor
        Where the floor is, dims ``(row, square)``, bool; nowhere in a row without a room.
    """
    floor = state.new_zeros((len(state), board.height * board.width), dtype=torch.bool)
    rows = (attempts < ATTEMPTS).nonzero().squeeze(1)
    while len(rows):
        streams = state[rows]
        carved = _carve(board, streams)
        state[rows] = streams
        attempts[rows] += 1
        will_do = _will_do(board, carved, n_boxes, split)
        floor[rows[will_do]] = carved[will_do]
        (rows,) = _only(~will_do & (attempts[rows] < ATTEMPTS), rows)
    return floor


def _carve(board: _Board, state: Tensor) -> Tensor:
    """Return the floor of a random room a row, dims ``(row, square)``, bool."""
    height, width = board.height, board.width
    step_y, step_x = torch.tensor(STEP_Y).to(state), torch.tensor(STEP_X).to(state)
    patterns = torch.tensor(_PATTERNS).to(state)
    floor = state.new_zeros((len(state), height * width), dtype=torch.bool)

    def inside(y: Tensor, x: Tensor) -> Tensor:
        return (y >= 1) & (y < height - 1) & (x >= 1) & (x < width - 1)

    y, x = 1 + next_below(state, height - 2), 1 + next_below(state, width - 2)
    direction = next_below(state, 4)
    for _ in range(2 * (height + width)):
        turns = next_below(state, 100) < 35
        direction = torch.where(turns, next_below(state, 4, turns), direction)
        to_y, to_x = y + step_y[direction], x + step_x[direction]
        moves = inside(to_y, to_x)
        y, x = torch.where(moves, to_y, y), torch.where(moves, to_x, x)
        around = patterns[next_below(state, len(patterns))]
        near_y, near_x = y[:, None] + around[:, :, 0], x[:, None] + around[:, :, 1]
        here = (y * width + x)[:, None]
        # The walk's own square is carved in any case, and stands in for those in the outer wall.
        beside = torch.where(inside(near_y, near_x), near_y * width + near_x, here)
        floor.scatter_(1, torch.cat([here, beside], 1), True)
    return floor


def _will_do(board: _Board, floor: Tensor, n_boxes: int, split: int) -> Tensor:
    """Say which rooms are large enough, connected, and of the split: bool, dims ``(row,)``."""
    large = floor.sum(1) >= 2 * n_boxes + 1
    free = floor.float()
    reached = _flood(board, free, free.argmax(1))
    good = large & (reached == free).all(1)
    if split >= 0:
        hashes = room_hash(~floor.view(-1, board.height, board.width))
        good &= (unsigned_remainder(hashes, TEST_SHARE) == 0) == (split == 1)
    return good


def _flood(board: _Board, free: Tensor, start: Tensor) -> Tensor:
    """Mark the free squares joined to `start`.

    Parameters
    ----------
    free
        1 on free squares, 0 on others, dims ``(row, square)``, float32.
    start
        A free square a row, dims ``(row,)``, int64.

    Returns
    -------
    Tensor
        1 on the squares reached, 0 on others, dims ``(row, square)``, float32.
    """
    reached = torch.zeros_like(free).scatter_(1, start[:, None], 1.0)
    while True:
        for _ in range(_SPREADS):
            before = reached
            # The product counts the squares reached at or next to each one.
            reached = torch.minimum(before @ board.near, free)
        if torch.equal(reached, before):
            return reached


def _shuffled(floor: Tensor, n_boxes: int, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the floor's squares, `n_boxes` random ones first, and how many there are.

    Returns
    -------
    squares : Tensor
        Dims ``(row, place)``, int64; beyond the last, the number of squares of the board.
    n_squares : Tensor
        Dims ``(row,)``, int64.
    """
    n_squares = floor.sum(1)
    places = torch.arange(floor.shape[1], device=floor.device)
    squares = torch.where(floor, places, floor.shape[1]).sort(1).values
    for k in range(n_boxes):
        other = (k + next_below(state, n_squares - k))[:, None]
        here, there = squares[:, k].clone(), squares.gather(1, other)
        squares.scatter_(1, other, here[:, None])
        squares[:, k] = there[:, 0]
    return squares, n_squares


def _play_backwards(
    board: _Board, floor: Tensor, squares: Tensor, n_squares: Tensor, n_boxes: int, state: Tensor
) -> _Position:
    """Pull boxes off their targets; return the farthest position of some rollouts.

    Parameters
    ----------
    floor
        Dims ``(row, square)``, bool.
    squares, n_squares
        As `_shuffled` returns them; the first `n_boxes` are the targets.
    state
        The rows' streams, advanced in place.
    """
    targets = squares[:, :n_boxes]
    nearest = board.distance[targets[:, 0]]
    for t in range(1, n_boxes):
        nearest = torch.minimum(nearest, board.distance[targets[:, t]])
    nothing = torch.zeros_like(state)
    best = _Position(targets.clone(), nothing, nothing.clone(), nothing.clone())
    for _ in range(_ROLLOUTS):
        start = n_boxes + next_below(state, n_squares - n_boxes)
        player = squares.gather(1, start[:, None]).squeeze(1)
        _roll_out(board, floor, targets, nearest, player, state, best)
    return best


def _roll_out(
    board: _Board,
    floor: Tensor,
    targets: Tensor,
    nearest: Tensor,
    player: Tensor,
    state: Tensor,
    best: _Position,
) -> None:
    """Pull boxes off their targets at random, as long as one can be pulled.

    Parameters
    ----------
    nearest
        How far it is to the nearest target, dims ``(row, square)``, int64.
    player
        Where the player starts, dims ``(row,)``, int64.
    state
        The rows' streams, advanced in place.
    best
        The farthest position so far; replaced in place, row by row, by what is farther.
    """
    n_boxes = targets.shape[1]
    boxes = targets.clone()
    free = floor.float().scatter_(1, boxes, 0.0)
    reached = _flood(board, free, player)
    last, direction = torch.full_like(player, -1), torch.zeros_like(player)
    turns, length = torch.zeros_like(player), torch.zeros_like(player)
    for pull in range(min(MAX_PULLS, 15 * n_boxes + 5 * (board.height + board.width) // 2)):
        beside, behind, can = _options(board, boxes, free, reached)
        rank = can.cumsum(1, dtype=torch.int64)
        # A row without options stays as it is, and has none until the rollout's end.
        able = rank[:, -1] > 0
        if pull % _SPREADS == 0 and not able.any():
            break
        option = _choose(rank, last, direction, state)[:, None]
        box, direction = option // 4, option.squeeze(1) % 4
        origin = boxes.gather(1, box)
        to = torch.where(able[:, None], beside.gather(1, option), origin)
        player = torch.where(able, behind.gather(1, option).squeeze(1), player)
        free.scatter_(1, origin, 1.0).scatter_(1, to, 0.0)
        boxes.scatter_(1, box, to)
        box = box.squeeze(1)
        turns, last, length = turns + (box != last), box, length + 1

        distances = nearest.gather(1, boxes)
        score = distances.sum(1)
        # Where it is solved again, the way so far was for nothing.
        moved = score > 0
        last = torch.where(moved, last, -1)
        turns, length = turns * moved, length * moved
        score = score * turns.clamp(max=3 * n_boxes)
        off = distances.amin(1) > 0
        reached = _flood(board, free, player)
        better = (able & off & (score > best.score)).nonzero().squeeze(1)
        if len(better):
            streams = state[better]
            best.player[better] = _draw_start(reached[better], streams)
            state[better] = streams
            best.boxes[better], best.score[better] = boxes[better], score[better]
            best.length[better] = length[better]


def _options(
    board: _Board, boxes: Tensor, free: Tensor, reached: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """List the pulls, by box and then by direction, dims ``(row, option)``.

    Returns
    -------
    beside : Tensor
        Where the box goes, int64.
    behind : Tensor
        Where the player goes, int64.
    can : Tensor
        1 where the pull can be made, 0 elsewhere, float32.
    """
    beside = boxes[:, :, None] + board.steps
    # Beyond the outer wall there is no square; the wall itself is never reached, so any will do.
    behind = (beside + board.steps).clamp(0, free.shape[1] - 1)
    beside, behind = beside.flatten(1), behind.flatten(1)
    return beside, behind, reached.gather(1, beside) * free.gather(1, behind)


def _choose(rank: Tensor, last: Tensor, direction: Tensor, state: Tensor) -> Tensor:
    """Draw a pull: mostly of the same box as the last, and not straight back.

    A try draws an option and, if it is of another box, a number from 0 to 3, which has to be 0.
    What each draw would mean is worked out for all of them at once; then the tries are followed.

    Parameters
    ----------
    rank
        How many options there are up to each, itself included, dims ``(row, option)``, int64.
    last, direction
        The last pull's box, -1 if there was none, and its direction, dims ``(row,)``, int64.
    state
        The rows' streams, advanced in place where there are options.

    Returns
    -------
    Tensor
        The option, dims ``(row,)``, int64; a row without options has one that means nothing.
    """
    draws = torch.arange(1, 2 * _TRIES + 2, device=state.device)
    words = word_after(state[:, None], draws)
    choice = scaled(words, rank[:, -1:])
    option = torch.searchsorted(rank, choice, right=True).clamp_(max=rank.shape[1] - 1)
    # A try begins with one of the first draws: each before it took two at most.
    begun = slice(0, 2 * _TRIES - 1)
    same = option[:, begun] // 4 == last[:, None]
    straight_back = (option[:, begun] % 4) ^ 1 == direction[:, None]
    agreed = scaled(words[:, 1 : 2 * _TRIES], 4) == 0
    accepted = (same & ~straight_back) | (~same & agreed)
    used = 2 - same.long()
    following = draws[begun] - 1 + used * ~accepted  # the draw that the next try begins with
    at = torch.zeros_like(last)[:, None]
    for _ in range(_TRIES - 1):
        at = following.gather(1, at)
    n_used = at + used.gather(1, at) + ~accepted.gather(1, at)
    at = following.gather(1, at)
    state += n_used.squeeze(1) * (rank[:, -1] > 0) * GOLDEN
    return option.gather(1, at).squeeze(1)


def _draw_start(reached: Tensor, state: Tensor) -> Tensor:
    """Draw where the player starts, of the squares it could have walked from.

    The squares are passed in order; the ``n``-th replaces the one kept so far if a draw below ``n``
    is 0. The last that did so is the one.
    """
    count = reached.cumsum(1, dtype=torch.int64)
    kept = (scaled(word_after(state[:, None], count), count) == 0) & (reached > 0)
    state += count[:, -1] * GOLDEN
    squares = torch.arange(reached.shape[1], device=reached.device)
    return torch.where(kept, squares, -1).amax(1)


def _picture(floor: Tensor, targets: Tensor, boxes: Tensor, player: Tensor) -> Tensor:
    """Return tiles, dims ``(row, square)``, uint8; no box is on a target."""
    tiles = torch.where(floor, int(Tile.FLOOR), int(Tile.WALL)).to(torch.uint8)
    tiles.scatter_(1, targets, int(Tile.TARGET)).scatter_(1, boxes, int(Tile.BOX))
    at = player[:, None]
    on_target = tiles.gather(1, at) == Tile.TARGET
    there = torch.where(on_target, int(Tile.PLAYER_ON_TARGET), int(Tile.PLAYER))
    return tiles.scatter_(1, at, there.to(torch.uint8))
