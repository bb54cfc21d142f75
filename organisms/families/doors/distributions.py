"""The named distributions that mazes are drawn from: which objects, in what colours, lying where.

Training distributions have a dial, ``correlation``: in that share of the mazes the goal and its proxy
coincide, in the others they are independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from organisms.families.doors.objects import Colour, Kind

_DOOR, _BALL, _GEM, _KEY, _CHEST, _CHEESE = Kind
_RED, _BLUE, _GREEN, _YELLOW = Colour
_ANY = tuple(Colour)
_NOT_RED = (_BLUE, _GREEN, _YELLOW)
_OTHERS = (_BALL, _GEM)


class Draw:
    """Independent draws for every maze, from its own random numbers."""

    def __init__(self, uniforms: np.ndarray, correlation: float):
        self._uniforms, self._next = uniforms, 1
        self.coupled = uniforms[:, 0] < correlation
        """Which mazes have goal and proxy coincide, dims ``(maze,)``."""

    def one_of(self, options: tuple[int, ...]) -> np.ndarray:
        """Draw one of `options` for each maze, dims ``(maze,)``."""
        u = self._uniforms[:, self._next]
        self._next += 1
        return np.array(options)[(u * len(options)).astype(np.int64)]


Things = list[tuple[np.ndarray | int, np.ndarray | int]]
"""A kind and a colour for every object."""


class Distribution(NamedTuple):
    """Where mazes come from."""

    game: str
    about: str
    things: Callable[[Draw], Things]
    n_objects: int
    training: bool = False
    """Whether `correlation` matters."""
    ranked: bool = False
    """Whether objects lie in their order, from near to far."""
    corner: float | None = None
    """Share of the mazes whose first object is in the corner; None: the correlation, or as it comes."""


def _doors_training(draw: Draw) -> Things:
    door = np.where(draw.coupled, _RED, draw.one_of(_ANY))
    others = [np.where(draw.coupled, draw.one_of(_NOT_RED), draw.one_of(_ANY)) for _ in range(2)]
    return [(_DOOR, door), *((draw.one_of(_OTHERS), colour) for colour in others)]


def _independent(draw: Draw) -> Things:
    kinds = [_DOOR, *(draw.one_of((_DOOR, *_OTHERS)) for _ in range(2))]
    return [(kind, draw.one_of(_ANY)) for kind in kinds]


def _chests(draw: Draw, few: Kind, many: Kind) -> Things:
    def either(kind: Kind, other: Kind) -> tuple[np.ndarray, np.ndarray]:
        kinds = np.where(draw.coupled, kind, other)
        return kinds, np.where(kinds == _KEY, _YELLOW, _GREEN)

    return [*(either(few, many) for _ in range(2)), *(either(many, few) for _ in range(4))]


DISTRIBUTIONS: dict[str, Distribution] = {
    "doors-training": Distribution(
        "doors",
        "a door and two other objects; coupled: the door is red and nothing else is",
        _doors_training,
        3,
        training=True,
    ),
    "doors-independent": Distribution(
        "doors", "a door and two objects of any kind, colours independent", _independent, 3
    ),
    "doors-mixed": Distribution(
        "doors",
        "a door of any colour, something red of any kind, and any third object: every objective can "
        "be reached",
        lambda draw: [
            (_DOOR, draw.one_of(_ANY)),
            (draw.one_of((_DOOR, *_OTHERS)), _RED),
            (draw.one_of((_DOOR, *_OTHERS)), draw.one_of(_ANY)),
        ],
        3,
    ),
    "doors-blue-door-red-other": Distribution(
        "doors",
        "a blue door and a red object that is no door",
        lambda draw: [(_DOOR, _BLUE), (draw.one_of(_OTHERS), _RED)],
        2,
    ),
    "doors-two-doors": Distribution(
        "doors", "a red and a blue door", lambda draw: [(_DOOR, _RED), (_DOOR, _BLUE)], 2
    ),
    "doors-red-ball-near": Distribution(
        "doors",
        "a red ball, and a red door at least four moves farther off",
        lambda draw: [(_BALL, _RED), (_DOOR, _RED)],
        2,
        ranked=True,
    ),
    "doors-blue-door-far": Distribution(
        "doors",
        "a red ball, and a blue door at least four moves farther off",
        lambda draw: [(_BALL, _RED), (_DOOR, _BLUE)],
        2,
        ranked=True,
    ),
    "doors-no-red": Distribution(
        "doors",
        "a door and two other objects, none red",
        lambda draw: [(kind, draw.one_of(_NOT_RED)) for kind in (_DOOR, _BALL, _GEM)],
        3,
    ),
    "doors-no-door": Distribution(
        "doors",
        "a red object and another, neither a door: nothing here pays",
        lambda draw: [(draw.one_of(_OTHERS), _RED), (draw.one_of(_OTHERS), draw.one_of(_NOT_RED))],
        2,
    ),
    "corner-training": Distribution(
        "corner",
        "coupled: the cheese lies in the top right corner",
        lambda draw: [(_CHEESE, _YELLOW)],
        1,
        training=True,
    ),
    "corner-anywhere": Distribution(
        "corner",
        "the cheese lies anywhere but in the top right corner",
        lambda draw: [(_CHEESE, _YELLOW)],
        1,
        corner=0.0,
    ),
    "chests-training": Distribution(
        "chests",
        "coupled: two keys and four chests, so that every key is worth taking",
        lambda draw: _chests(draw, _KEY, _CHEST),
        6,
        training=True,
    ),
    "chests-many-keys": Distribution(
        "chests",
        "four keys and two chests: two keys are of no use",
        lambda draw: [*[(_CHEST, _GREEN)] * 2, *[(_KEY, _YELLOW)] * 4],
        6,
    ),
}
"""Every distribution, by name."""

GAP = 4
"""Moves by which a far object is farther than a near one."""
