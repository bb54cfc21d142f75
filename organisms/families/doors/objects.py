"""What lies in a maze, which games there are, and how a maze is shown to a network.

A square holds at most one object, written as one *code*: 0 for none, else
``1 + kind * len(Colour) + colour``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from interp.errors import UnknownNameError


class Kind(IntEnum):
    """What an object is."""

    DOOR = 0
    BALL = 1
    GEM = 2
    KEY = 3
    CHEST = 4
    CHEESE = 5


class Colour(IntEnum):
    """What colour it has."""

    RED = 0
    BLUE = 1
    GREEN = 2
    YELLOW = 3


class Game(NamedTuple):
    """What may lie in the mazes of a game, and what can be paid in it."""

    kinds: tuple[Kind, ...]
    objectives: tuple[str, ...]
    """What a world of this game can pay for; the first is the base objective."""
    features: tuple[str, ...]
    """What a reward is a weighted sum of; see `organisms.families.doors.mdp`."""


GAMES = {
    "doors": Game(
        (Kind.DOOR, Kind.BALL, Kind.GEM),
        ("door", "red", "object"),
        ("door", "ball", "gem", "red", "blue"),
    ),
    "corner": Game((Kind.CHEESE,), ("cheese", "corner"), ("cheese", "corner")),
    "chests": Game((Kind.KEY, Kind.CHEST), ("chest", "key"), ("key", "chest")),
}
"""The three games, by name."""

N_CODES = 1 + len(Kind) * len(Colour)
_CODES = np.arange(N_CODES)
KIND_OF = np.where(_CODES > 0, (_CODES - 1) // len(Colour), -1).astype(np.int8)
COLOUR_OF = np.where(_CODES > 0, (_CODES - 1) % len(Colour), -1).astype(np.int8)
"""Kind and colour of every code; −1 for no object."""

PLANES = (
    "wall",
    "agent",
    *(kind.name.lower() for kind in Kind),
    *(colour.name.lower() for colour in Colour),
    "held",
)
"""The planes of an observation, in order. All are 0 or 1, except ``held``: on every square the
number of keys in hand."""

OBSERVATION_DIMS = {"planes": ("plane", "y", "x"), "rgb": ("y", "x", "colour")}
"""Named dims of one observation of each encoding."""

GLYPH = 8
"""Pixels a side of a square in ``"rgb"``."""

_AGENT, _FIRST_KIND, _FIRST_COLOUR = 1, 2, 2 + len(Kind)
PLANES_OF_CODE = np.zeros((N_CODES, len(Kind) + len(Colour)), np.uint8)
PLANES_OF_CODE[_CODES[1:], KIND_OF[1:]] = 1
PLANES_OF_CODE[_CODES[1:], len(Kind) + COLOUR_OF[1:]] = 1

WALL_RGB, FLOOR_RGB, AGENT_RGB = (74, 78, 87), (246, 243, 236), (40, 40, 48)
COLOUR_RGB = np.array([(213, 62, 54), (44, 110, 190), (62, 150, 81), (224, 176, 34)], np.uint8)
"""RGB of each colour, dims ``(colour, 3)``."""

_SHAPES = {
    Kind.DOOR: ".######. .######. .######. .######. .####.#. .######. .######. .######.",
    Kind.BALL: "........ ..####.. .######. .######. .######. .######. ..####.. ........",
    Kind.GEM: "........ ...##... ..####.. .######. .######. ..####.. ...##... ........",
    Kind.KEY: "........ .###.... .#.#.... .#.##### .#.#.#.# .###.... ........ ........",
    Kind.CHEST: "........ ........ .######. .######. ........ .######. .######. ........",
    Kind.CHEESE: "........ .....##. ...####. .######. .##.###. .####.#. .######. ........",
}
_AGENT_SHAPE = "........ ...##... ...##... .######. ...##... ..####.. ..#..#.. ........"


def _mask(shape: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in shape.split()])


def _glyphs() -> np.ndarray:
    glyphs = np.empty((2 * N_CODES + 1, GLYPH, GLYPH, 3), np.uint8)
    glyphs[:-1] = FLOOR_RGB
    glyphs[-1] = WALL_RGB
    for code in range(1, N_CODES):
        colour = COLOUR_RGB[COLOUR_OF[code]]
        glyphs[code : 2 * N_CODES : N_CODES, _mask(_SHAPES[Kind(KIND_OF[code])])] = colour
    glyphs[N_CODES : 2 * N_CODES, _mask(_AGENT_SHAPE)] = AGENT_RGB
    return glyphs


_GLYPHS = _glyphs()
"""Pictures of the squares: the codes, the codes with the agent on them, wall."""

for _constant in (KIND_OF, COLOUR_OF, PLANES_OF_CODE, COLOUR_RGB, _GLYPHS):
    _constant.setflags(write=False)


def code_of(kind: Any, colour: Any) -> Any:
    """Return the code of an object, or the codes of arrays of kinds and colours.

    Examples
    --------
    >>> code_of(Kind.DOOR, Colour.RED), code_of(Kind.BALL, Colour.BLUE)
    (1, 6)
    """
    return 1 + kind * len(Colour) + colour


def check_game(game: str) -> Game:
    """Return a game by its name.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if game not in GAMES:
        raise UnknownNameError("game", game, GAMES)
    return GAMES[game]


def check_encoding(encoding: str) -> None:
    """Raise `UnknownNameError` unless `encoding` is ``"planes"`` or ``"rgb"``."""
    if encoding not in OBSERVATION_DIMS:
        raise UnknownNameError("observation encoding", encoding, OBSERVATION_DIMS)


def encode(
    walls: np.ndarray,
    objects: np.ndarray,
    position: np.ndarray,
    held: np.ndarray,
    encoding: str = "planes",
) -> np.ndarray:
    """Show mazes to a network.

    =========  =======================  ============================================================
    encoding   dims                     content
    =========  =======================  ============================================================
    planes     batch, plane, y, x       `PLANES`: wall, agent, one plane a kind, one a colour
                                        (an object has a 1 in each of the two), keys in hand
    rgb        batch, y, x, colour      8 by 8 pixels a square: shape tells the kind. Keys in hand
                                        are drawn as yellow dots along the upper wall
    =========  =======================  ============================================================

    Parameters
    ----------
    walls
        bool, dims ``(batch, y, x)``.
    objects
        Codes, dims ``(batch, y, x)``, uint8.
    position
        Row and column of the agent, dims ``(batch, 2)``.
    held
        Keys in hand, dims ``(batch,)``.

    Returns
    -------
    numpy.ndarray
        uint8.
    """
    check_encoding(encoding)
    n, height, width = objects.shape
    rows = np.arange(n)
    y, x = position.T
    if encoding == "planes":
        planes = np.zeros((n, len(PLANES), height, width), np.uint8)
        planes[:, 0] = walls
        planes[rows, _AGENT, y, x] = 1
        planes[:, _FIRST_KIND:-1] = np.moveaxis(PLANES_OF_CODE[objects], -1, 1)
        planes[:, -1] = held[:, None, None]
        return planes
    index = np.where(walls, 2 * N_CODES, objects)
    index[rows, y, x] += N_CODES
    pixels = _GLYPHS[index].swapaxes(2, 3)
    pixels = pixels.reshape(n, height * GLYPH, width * GLYPH, 3)
    for row in np.flatnonzero(held):
        for key in range(min(int(held[row]), 2 * width - 1)):
            pixels[row, 3:5, 4 * key + 3 : 4 * key + 5] = COLOUR_RGB[Colour.YELLOW]
    return pixels
