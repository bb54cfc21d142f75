"""Levels with a short and a long way, for the agent or for a box: where a plan can be changed.

A level is taken in which the agent (or a box) has a way to go, and one wall is opened so that there
is a shorter one. So the long way is the way of an ordinary level, and both ways solve it. What
makes such a level fit for the experiment of Bush et al. is checked with the exact oracle:

* the agent's ways begin with other moves (no best first move of the opened level is one of the
  closed level), the box's with other pushes;
* the short way shares no square with the rest of the long solution, and both lead to the same push
  (or, for a box, onto the same target);
* every solution that keeps off the opened square is longer: by two moves at least, or by four where
  boxes have to keep off it and the agent need not.

Rooms are of the generator's ``test`` split, so that no such level is ever trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.families.sokoban._ways import Played, beside, play, solution_without, way_of_box
from organisms.families.sokoban.edits import (
    SYMMETRIES,
    Square,
    remove_wall,
    transform,
    transform_actions,
)
from organisms.families.sokoban.generator import generate, room_split
from organisms.families.sokoban.levels import Level
from organisms.families.sokoban.oracle import Oracle, solve

Kind = Literal["agent-shortcut", "box-shortcut"]
KINDS: tuple[Kind, ...] = ("agent-shortcut", "box-shortcut")

LEAST_GAIN: dict[str, int] = {"agent-shortcut": 2, "box-shortcut": 4}
MOST_GAIN = 12
"""Moves that the short way saves."""

LONGEST = 40
"""Moves of the longest solution by the long way."""

SHORTEST = 8
"""Moves of the shortest solution by the short way."""

LEAST_WAY = {"agent-shortcut": 4, "box-shortcut": 3}
"""Moves of the agent, or pushes of the box, on the shortest long way."""

_ROOMS_AT_A_TIME = 256
_ROOMS_TRIED = 80 * _ROOMS_AT_A_TIME
_BOX_SETS = 32
_STARTS_TRIED = 8
_MOST_BOXES = 2  # of `solution_without`


@dataclass(frozen=True)
class Shortcut:
    """A level with a short and a long way.

    Attributes
    ----------
    level
        The level, its wall opened.
    kind
        Who has the two ways: ``"agent-shortcut"`` or ``"box-shortcut"``.
    door
        The opened square.
    short
        Squares of the short way that are not on the long one, in order: the agent steps on them, or
        the box is pushed from them.
    long
        Squares of the long way in order, each with a move: the agent steps onto the square by that
        move, or the box is pushed off it.
    push
        The push that the agent's two ways lead to, ``(box's square, move)``; for a box, the first
        push of the long way.
    short_length, long_length
        Moves of the shortest solution by each way.
    """

    level: Level
    kind: Kind
    door: Square
    short: tuple[Square, ...]
    long: tuple[tuple[Square, int], ...]
    push: tuple[Square, int]
    short_length: int
    long_length: int


def find_shortcuts(
    kind: str, n: int = 25, *, size: tuple[int, int] = (10, 10), n_boxes: int = 2, seed: int = 0
) -> tuple[Shortcut, ...]:
    """Search generated rooms for levels with a short and a long way, one level a room.

    Parameters
    ----------
    kind
        ``"agent-shortcut"`` or ``"box-shortcut"``.
    n
        How many levels. The first of a larger set are those of a smaller one.
    size
        Rows and columns, the outer wall included.
    n_boxes
        Boxes of a level, 1 or 2.
    seed
        Of the rooms.

    Raises
    ------
    UnknownNameError
        For another kind.
    InputError
        If an argument is out of range, or there are too few such levels of this size.

    Examples
    --------
    >>> [found] = find_shortcuts("agent-shortcut", 1)
    >>> found.long_length - found.short_length >= 2, found.door in found.short
    (True, True)
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of steering tasks", kind, KINDS)
    for name, value in (("n", n), ("n_boxes", n_boxes)):
        check_integer(name, value, 1)
    check_integer("seed", seed, 0)
    if n_boxes > _MOST_BOXES:
        raise InputError(f"Levels with a short way have 1 to {_MOST_BOXES} boxes, not {n_boxes}.")
    return _find(kind, n, (int(size[0]), int(size[1])), n_boxes, seed)


@lru_cache(maxsize=8)
def _find(
    kind: Kind, n: int, size: tuple[int, int], n_boxes: int, seed: int
) -> tuple[Shortcut, ...]:
    found: list[Shortcut] = []
    for start in range(0, _ROOMS_TRIED, _ROOMS_AT_A_TIME):
        rooms = generate(_ROOMS_AT_A_TIME, size=size, n_boxes=n_boxes, seed=seed, start=start)
        for i in range(len(rooms)):
            shortcut = _in_room(rooms[i], kind, np.random.default_rng([seed, start + i]))
            if shortcut is not None:
                found.append(shortcut)
            if len(found) == n:
                return tuple(found)
    raise InputError(
        f"Only {len(found)} of {n} levels with a short way were found in {_ROOMS_TRIED:,} rooms of "
        f"{size[0]}×{size[1]} with {n_boxes} boxes; use a larger board."
    )


def _in_room(closed: Level, kind: Kind, rng: np.random.Generator) -> Shortcut | None:
    """Return the first level with a short way that one opening of the room's walls gives."""
    doors = [door for door in _doors(closed.walls) if room_split(_without(closed, door)) == "test"]
    if not doors:
        return None
    before = solve(closed)
    for at in rng.permutation(len(doors)):
        after = solve(remove_wall(closed, doors[at]))
        for boxes, player in _starts(before, after, kind, rng):
            shortcut = _shortcut(closed, boxes, player, doors[at], kind)
            if shortcut is not None:
                return shortcut
    return None


def _doors(walls: np.ndarray) -> Iterator[Square]:
    """Give the inner walls with floor on two opposite sides."""
    inner = walls[1:-1, 1:-1]
    up, down, left, right = walls[:-2, 1:-1], walls[2:, 1:-1], walls[1:-1, :-2], walls[1:-1, 2:]
    for y, x in np.argwhere(inner & ((~up & ~down) | (~left & ~right))):
        yield int(y) + 1, int(x) + 1


def _without(level: Level, door: Square) -> np.ndarray:
    walls = level.walls
    walls[door] = False
    return walls


def _starts(
    before: Oracle, after: Oracle, kind: Kind, rng: np.random.Generator
) -> list[tuple[list[int], int]]:
    """Draw states (cells of the boxes, cell of the player) in which the opening may save moves."""
    floor = np.flatnonzero(~before.walls)  # all of it connected: the room is a generated one
    off_target = np.flatnonzero(~before.walls & ~before.targets)
    n_boxes = int(before.boxes.sum())
    sets = np.sort(
        [rng.choice(off_target, n_boxes, replace=False) for _ in range(_BOX_SETS)], axis=1
    )
    boxes = np.repeat(sets, len(floor), axis=0)
    players = np.tile(floor, len(sets))
    free = (boxes != players[:, None]).all(axis=1)
    boxes, players = boxes[free], players[free]
    long, short = before.distances(boxes, players), after.distances(boxes, players)
    fits = (short >= SHORTEST) & (long <= LONGEST)
    fits &= (long - short >= LEAST_GAIN[kind]) & (long - short <= MOST_GAIN)
    boxes, players = boxes[fits], players[fits]
    if kind == "agent-shortcut":
        best = before.optimal_actions(boxes, players) & after.optimal_actions(boxes, players)
        boxes, players = boxes[~best.any(axis=1)], players[~best.any(axis=1)]
    chosen = rng.permutation(len(players))[:_STARTS_TRIED]
    return [(boxes[i].tolist(), int(players[i])) for i in chosen]


def _shortcut(
    room: Level, boxes: list[int], player: int, door: Square, kind: Kind
) -> Shortcut | None:
    placed = np.zeros(room.walls.size, bool)
    placed[boxes] = True
    placed = placed.reshape(room.shape)
    at = (player // room.shape[1], player % room.shape[1])
    name = f"{room.id}+{kind}({door[0]},{door[1]})"
    closed = Level.from_arrays(room.walls, room.targets, placed, at, name)
    opened = Level.from_arrays(_without(room, door), room.targets, placed, at, name)
    short = play(opened, solve(opened).solution())
    if kind == "agent-shortcut":
        long = play(closed, solve(closed).solution())
        ways = _agent_ways(long, short)
    else:
        if door not in {beside(square, move) for _, square, move in short.pushes}:
            return None
        long = play(opened, solution_without(opened, door))
        ways = _box_ways(long, short, door)
    if ways is None:
        return None
    on_long, on_short, push = ways
    n_short, n_long = len(short.actions), len(long.actions)
    if (
        len(on_long) < LEAST_WAY[kind]
        or door not in on_short
        or not LEAST_GAIN[kind] <= n_long - n_short <= MOST_GAIN
    ):
        return None
    return Shortcut(opened, kind, door, on_short, on_long, push, n_short, n_long)


def _agent_ways(long: Played, short: Played):
    """Return the agent's two ways to the first push, if they are two ways to one push."""
    if not long.pushes or not short.pushes or long.pushes[0][1:] != short.pushes[0][1:]:
        return None
    n_long, n_short = long.pushes[0][0], short.pushes[0][0]
    if len(long.actions) - n_long != len(short.actions) - n_short:
        return None
    on_long = tuple(zip(long.agent[1 : n_long + 1], long.actions[:n_long], strict=True))
    on_short = tuple(short.agent[1:n_short])
    # The rest of the solution keeps off the short way, where "never" will be written all along.
    if set(on_short) & set(long.agent):
        return None
    return on_long, on_short, long.pushes[0][1:]


def _box_ways(long: Played, short: Played, door: Square):
    """Return the two ways of the box that the short solution pushes through the door."""
    for at in sorted({square for _, square, _ in short.pushes}):
        on_short, end_short = way_of_box(short, at)
        if door in on_short:
            break
    else:
        return None
    on_long, end_long = way_of_box(long, at)
    if (
        not on_long
        or end_long != end_short
        or next(iter(on_long.items())) == next(iter(on_short.items()))
    ):
        return None
    squares = tuple(square for square in on_short if square not in on_long)
    rest = {square for _, square, _ in long.pushes} | {
        beside(square, move) for _, square, move in long.pushes
    }
    if set(squares) & rest:
        return None
    way = tuple(on_long.items())
    return way, squares, way[0]


def mirrored(shortcut: Shortcut) -> list[Shortcut]:
    """Return the eight mirror images and rotations of a level with its ways, itself first."""
    shape = shortcut.level.shape
    cells = np.arange(shape[0] * shape[1]).reshape(shape)
    images = []
    for index, name in enumerate(SYMMETRIES):
        where = {int(cell): at for at, cell in np.ndenumerate(transform(cells, name))}
        moves = transform_actions(name)

        def image(square: Square, where: dict = where) -> Square:
            y, x = where[square[0] * shape[1] + square[1]]
            return int(y), int(x)

        source = shortcut.level
        level = Level(
            transform(source.tiles, name), source.id + f"+{name}" * (index > 0), source.title
        )
        images.append(
            Shortcut(
                level,
                shortcut.kind,
                image(shortcut.door),
                tuple(image(square) for square in shortcut.short),
                tuple((image(square), int(moves[move])) for square, move in shortcut.long),
                (image(shortcut.push[0]), int(moves[shortcut.push[1]])),
                shortcut.short_length,
                shortcut.long_length,
            )
        )
    return images
