"""Tile codes, and the two ways a board is shown to a network.

A board is a ``(y, x)`` array of `Tile` codes. Networks see one of

* ``"rgb"``: the "tinyworld" picture, one pixel a square, dims ``(y, x, colour)``;
* ``"planes"``: seven binary planes, dims ``(plane, y, x)``.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from interp.errors import InputError, UnknownNameError


class Tile(IntEnum):
    """What is on a square. Boards are arrays of these codes, dtype uint8."""

    WALL = 0
    FLOOR = 1
    TARGET = 2
    BOX = 3
    BOX_ON_TARGET = 4
    PLAYER = 5
    PLAYER_ON_TARGET = 6


PALETTE = np.array(
    [
        (0, 0, 0),
        (243, 248, 238),
        (254, 126, 125),
        (142, 121, 56),
        (254, 95, 56),
        (160, 212, 56),
        (219, 212, 56),
    ],
    dtype=np.uint8,
)
"""RGB of each tile code, dims ``(tile, colour)``: the colours the released DRC agents see."""

PLANES = (
    Tile.WALL,
    Tile.FLOOR,
    Tile.BOX,
    Tile.BOX_ON_TARGET,
    Tile.PLAYER,
    Tile.PLAYER_ON_TARGET,
    Tile.TARGET,
)
"""The tile each plane marks, in the channel order of Bush et al. (2025)."""

OBSERVATION_DIMS = {"rgb": ("y", "x", "colour"), "planes": ("plane", "y", "x")}
"""Named dims of one observation of each encoding."""

PLANE_OF_TILE = np.empty(len(Tile), np.uint8)
PLANE_OF_TILE[list(PLANES)] = np.arange(len(PLANES))
_TILE_OF_PLANE = np.array(PLANES, np.uint8)

for _constant in (PALETTE, PLANE_OF_TILE, _TILE_OF_PLANE):
    _constant.setflags(write=False)


def _packed(rgb: np.ndarray) -> np.ndarray:
    rgb = rgb.astype(np.uint32)
    return (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]


_COLOURS = _packed(PALETTE)
_COLOUR_ORDER = np.argsort(_COLOURS).astype(np.uint8)


def check_tiles(tiles: np.ndarray) -> np.ndarray:
    """Return `tiles` as uint8, or raise `InputError` if one is no tile code."""
    tiles = np.asarray(tiles)
    if tiles.ndim < 2:
        raise InputError(f"A board has dims (..., y, x); got an array of shape {tiles.shape}.")
    if tiles.dtype.kind not in "iu" or (tiles.size and (tiles.min() < 0 or tiles.max() > 6)):
        raise InputError("Tile codes are integers from 0 (wall) to 6 (player on target).")
    return tiles.astype(np.uint8, copy=False)


def encode_rgb(tiles: np.ndarray) -> np.ndarray:
    """Colour a board, one pixel a square.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(..., y, x)``.

    Returns
    -------
    numpy.ndarray
        dims ``(..., y, x, colour)``, uint8, 0 to 255.

    Examples
    --------
    >>> encode_rgb(np.array([[Tile.WALL, Tile.FLOOR]])).tolist()
    [[[0, 0, 0], [243, 248, 238]]]
    """
    return PALETTE[check_tiles(tiles)]


def decode_rgb(rgb: np.ndarray) -> np.ndarray:
    """Read the tile codes back from a picture (the inverse of `encode_rgb`).

    Raises
    ------
    InputError
        If a pixel has a colour that no tile has.
    """
    rgb = np.asarray(rgb)
    if rgb.ndim < 3 or rgb.shape[-1] != 3:
        raise InputError(f"An RGB board has dims (..., y, x, colour=3); got shape {rgb.shape}.")
    if rgb.dtype != np.uint8:
        raise InputError(f"An RGB board is uint8 from 0 to 255; got dtype {rgb.dtype}.")
    packed = _packed(rgb)
    ordered = _COLOURS[_COLOUR_ORDER]
    nearest = np.minimum(np.searchsorted(ordered, packed), len(ordered) - 1)
    unknown = ordered[nearest] != packed
    if unknown.any():
        colour = tuple(int(value) for value in rgb[unknown][0])
        where = tuple(int(index) for index in np.argwhere(unknown)[0])
        raise InputError(f"No tile has the colour {colour} (at index {where}).")
    return _COLOUR_ORDER[nearest]


def encode_planes(tiles: np.ndarray) -> np.ndarray:
    """Encode a board as one binary plane a kind of square, in the order of `PLANES`.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(..., y, x)``.

    Returns
    -------
    numpy.ndarray
        dims ``(..., plane=7, y, x)``, uint8, exactly one plane is 1 on each square.
    """
    tiles = check_tiles(tiles)
    return (tiles[..., None, :, :] == _TILE_OF_PLANE[:, None, None]).astype(np.uint8)


def decode_planes(planes: np.ndarray) -> np.ndarray:
    """Read the tile codes back from planes (the inverse of `encode_planes`).

    Raises
    ------
    InputError
        If a square has no plane set, or more than one.
    """
    planes = np.asarray(planes)
    if planes.ndim < 3 or planes.shape[-3] != len(PLANES):
        raise InputError(f"Planes have dims (..., plane=7, y, x); got shape {planes.shape}.")
    marked = planes == 1
    if not (marked | (planes == 0)).all() or (marked.sum(axis=-3) != 1).any():
        raise InputError("Planes are 0 or 1, with exactly one plane set on each square.")
    return _TILE_OF_PLANE[marked.argmax(axis=-3)]


def encode(tiles: np.ndarray, encoding: str = "rgb") -> np.ndarray:
    """Encode a board as `encoding` (``"rgb"`` or ``"planes"``)."""
    check_encoding(encoding)
    return encode_rgb(tiles) if encoding == "rgb" else encode_planes(tiles)


def decode(observation: np.ndarray, encoding: str = "rgb") -> np.ndarray:
    """Read the tile codes back from an observation in `encoding`.

    Raises
    ------
    UnknownNameError
        If there is no such encoding.
    InputError
        If the observation is not one of a board.
    """
    check_encoding(encoding)
    return decode_rgb(observation) if encoding == "rgb" else decode_planes(observation)


def check_encoding(encoding: str) -> None:
    """Raise `UnknownNameError` unless `encoding` is the name of one."""
    if encoding not in OBSERVATION_DIMS:
        raise UnknownNameError("observation encoding", encoding, OBSERVATION_DIMS)
