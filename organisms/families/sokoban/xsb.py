"""Reads Sokoban text, Boxoban files and XSB of any size, into boards of tile codes.

Characters: ``#`` wall, ``@`` player, ``+`` player on a target, ``$`` box, ``*`` box on a target,
``.`` target; space, ``-`` and ``_`` floor. A number before a character repeats it and ``|`` ends a
row (run-length XSB). ``;`` starts a comment; other lines between boards are titles. A line that is a
rule (``---``, ``____``, ``====``) parts two boards, as an empty one does: a row has a wall.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from interp.errors import LevelError
from organisms.families.sokoban.observations import Tile

CHARACTERS = "# .$*@+"
"""The character of each tile code, in their order."""

MAX_SIDE = 1000
"""Boards longer than this on a side are refused."""

_UNKNOWN = 255
_TILE_OF = np.full(256, _UNKNOWN, np.uint8)
for _code, _character in enumerate(CHARACTERS):
    _TILE_OF[ord(_character)] = _code
for _character in "-_":
    _TILE_OF[ord(_character)] = Tile.FLOOR
_BOARD = frozenset(CHARACTERS + "-_")
_ROW = re.compile(r"[-_ ]*(?:\d+[-_ ])*(?:\d+)?#")
_RUN = re.compile(r"(\d+)(\D|$)")
_TITLE = re.compile(r"title\s*:\s*(.*)", re.IGNORECASE)
_NOTE = re.compile(r"\w[\w ]{,20}:.*")
_RULE = re.compile(r"\s*([-_=~─━—–]\s*)+")  # every row of a closed board has a wall
_LINE_END = re.compile(r"\r\n|\r|\n")
_NUMBER = re.compile(r"\s*(\d+)\s*")


class Block(NamedTuple):
    """One board of a text."""

    rows: list[str]
    line: int
    """Where the board starts, from 1."""
    title: str
    number: int | None
    """The number of a Boxoban header."""


def _is_row(line: str) -> bool:
    stripped = line.strip()
    if not stripped or stripped[0] == ";" or _RULE.fullmatch(stripped):
        return False
    if _ROW.match(line) or _BOARD.issuperset(stripped):
        return True
    # A row with a stray character in front is a broken row, not a title.
    known = sum(character in _BOARD for character in stripped)
    return "#" in stripped and 2 * known >= len(stripped)


def _runs(row: str, source: str | None, line: int) -> str:
    def expand(match: re.Match) -> str:
        count, character = match.groups()
        if not character or len(count) > 4 or int(count) > MAX_SIDE:
            raise LevelError(f"the run length {count[:8]} is not usable", source, line)
        return character * int(count)

    return _RUN.sub(expand, row)


def blocks(text: str, source: str | None = None) -> Iterator[Block]:
    """Yield the boards of a text, as rows of characters."""
    rows: list[str] = []
    title, number, start = "", None, 0
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    lines.append("")
    after: list[str] = []  # a title may also follow its board
    pending: Block | None = None
    for index, line in enumerate(lines, start=1):
        if _is_row(line):
            if not rows:
                if pending is not None:
                    yield pending._replace(title=after[0]) if after else pending
                    pending, after = None, []
                start = index
            for row in line.split("|"):
                row = _runs(row, source, index)
                if row.strip():
                    rows.append(row.rstrip())
            continue
        if rows:
            pending, rows = Block(rows, start, title, number), []
            title, number = "", None
        content = line.strip()
        if not content or _RULE.fullmatch(content.lstrip(";")):
            continue
        titled = _TITLE.fullmatch(content)
        if titled and pending is not None and not pending.title:
            after.append(titled.group(1))
            continue
        if _NOTE.fullmatch(content) and not titled:  # "Author: ..."
            continue
        content = content.removeprefix(";").strip() if content[0] == ";" else content
        header = _NUMBER.fullmatch(content) if line.lstrip()[0] == ";" else None
        if header and len(content) <= 12:
            number = int(header.group(1))
        else:
            title = titled.group(1) if titled else content
    if pending is not None:
        yield pending._replace(title=after[0]) if after else pending


def tiles_of(block: Block, source: str | None = None) -> np.ndarray:
    """Turn the rows of a block into tile codes, dims ``(y, x)``, ragged ends filled with wall.

    Raises
    ------
    LevelError
        If a character is unknown, or the board too large.
    """
    height, width = len(block.rows), max(map(len, block.rows), default=0)
    if max(height, width) > MAX_SIDE:
        raise LevelError(f"a side is longer than {MAX_SIDE} squares", source, block.line)
    joined = "".join(row.ljust(width) for row in block.rows)
    try:
        codes = np.frombuffer(joined.encode("latin-1"), np.uint8)
        tiles = _TILE_OF[codes].reshape(height, width)
        bad = np.flatnonzero(tiles == _UNKNOWN)
    except UnicodeEncodeError as error:
        bad = np.array([error.start])
    if bad.size:
        row, column = divmod(int(bad[0]), width)
        raise LevelError(
            f"unknown character {joined[bad[0]]!r} in column {column + 1} "
            f"(known: {' '.join(CHARACTERS.replace(' ', ''))}, and space, - or _ for floor)",
            source,
            block.line + row,
        )
    return tiles


def reachable(tiles: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mark the squares that walls do not cut off from `starts`; boxes count as free.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(y, x)``.
    starts
        bool, dims ``(y, x)``.

    Returns
    -------
    numpy.ndarray
        bool, dims ``(y, x)``.
    """
    free = tiles != Tile.WALL
    height, width = tiles.shape
    seen = starts & free
    stack = [tuple(start) for start in np.argwhere(seen).tolist()]
    while stack:
        y, x = stack.pop()
        for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= ny < height and 0 <= nx < width and free[ny, nx] and not seen[ny, nx]:
                seen[ny, nx] = True
                stack.append((ny, nx))
    return seen


def check_board(
    tiles: np.ndarray, source: str | None = None, line: int | None = None
) -> np.ndarray:
    """Return the board if it can be played, its outside filled with wall.

    Raises
    ------
    LevelError
        If there is not exactly one player, no box, not one target a box, or no closed boundary.
    """
    counts = np.bincount(tiles.ravel(), minlength=len(Tile)).tolist()
    players = counts[Tile.PLAYER] + counts[Tile.PLAYER_ON_TARGET]
    boxes = counts[Tile.BOX] + counts[Tile.BOX_ON_TARGET]
    targets = counts[Tile.TARGET] + counts[Tile.BOX_ON_TARGET] + counts[Tile.PLAYER_ON_TARGET]
    if players != 1:
        if line is not None and players > 1:
            where = np.argwhere((tiles == Tile.PLAYER) | (tiles == Tile.PLAYER_ON_TARGET))
            line += int(where[1][0])
        found = "no player" if players == 0 else f"{players} players"
        raise LevelError(f"the level has {found}; it needs one (@ or +)", source, line)
    if boxes == 0:
        raise LevelError("the level has no box ($ or *)", source, line)
    if boxes != targets:
        raise LevelError(f"the level has {boxes} boxes and {targets} targets", source, line)
    border = np.ones(tiles.shape, bool)
    border[1:-1, 1:-1] = False
    if not tiles[border].any():
        return tiles
    inside = reachable(tiles, (tiles == Tile.PLAYER) | (tiles == Tile.PLAYER_ON_TARGET))
    if (inside & border).any():
        raise LevelError("the boundary is open: the player can walk out", source, line)
    outside = reachable(tiles, border)
    if (outside & (tiles > Tile.FLOOR)).any():
        raise LevelError("a box or a target lies outside the walls", source, line)
    return np.where(outside, np.uint8(Tile.WALL), tiles)
