r"""Mazes as text: two characters a square.

::

    ; doors
    ##########
    ##@@..Dr##
    ##..####Bb
    ##########

``##`` is wall, ``..`` floor and ``@@`` the start. An object is a capital for its kind (Door, Ball, Gem,
Key, T for chest, Cheese) and a small letter for its colour (red, blue, green, yellow). ``; doors``,
``; corner`` or ``; chests`` before a maze says which game it is of and goes on to hold for the next;
other lines that start with ``;`` are comments. Mazes stand apart by an empty line or a comment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from interp.errors import LevelError
from organisms.boards.task_files import read_task_text
from organisms.families.doors.mazes import Maze, Mazes, check_maze
from organisms.families.doors.objects import COLOUR_OF, GAMES, KIND_OF, N_CODES

KIND_LETTERS = "DBGKTC"
COLOUR_LETTERS = "rbgy"
_SQUARES = {
    "..": 0,
    **{
        KIND_LETTERS[KIND_OF[code]] + COLOUR_LETTERS[COLOUR_OF[code]]: code
        for code in range(1, N_CODES)
    },
}
_NAMES = {code: name for name, code in _SQUARES.items()}


def text_of(walls: np.ndarray, objects: np.ndarray, agent: np.ndarray | tuple, game: str) -> str:
    """Write a maze out. An agent that stands on an object is ``@`` with the object's capital."""
    lines = []
    for y in range(len(walls)):
        row = [
            "##" if wall else _NAMES[int(c)] for wall, c in zip(walls[y], objects[y], strict=True)
        ]
        if y == agent[0]:
            under = row[agent[1]]
            row[agent[1]] = "@@" if under == ".." else "@" + under[0]
        lines.append("".join(row))
    return "\n".join([f"; {game}", *lines])


def parse_mazes(text: str, source: str | None = None, prefix: str | None = None) -> Mazes:
    r"""Read mazes from text.

    Parameters
    ----------
    text
        One or more mazes of one game.
    source
        Where the text is from; errors name it.
    prefix
        What the ids start with (``<prefix>/<n>``, counted from 0). The stem of `source` if left out,
        or ``maze``.

    Raises
    ------
    LevelError
        With the source and the line, if there is no maze, or a maze in it is malformed or impossible.

    Examples
    --------
    >>> parse_mazes("; doors\n########\n##@@Dr##\n########")[0].start
    (1, 1)
    """
    if prefix is None:
        prefix = Path(source).stem if source else "maze"
    mazes: list[Maze] = []
    for game, rows, line in _blocks(text, source):
        if mazes and mazes[0].game != game:
            raise LevelError(
                f"a maze of {game!r} among those of {mazes[0].game!r}: one game a file",
                source,
                line,
            )
        mazes.append(_maze(game, rows, source, line, f"{prefix}/{len(mazes)}"))
    if not mazes:
        raise LevelError("there is no maze in it", source)
    return Mazes.of(mazes)


def read_mazes(path: str | os.PathLike, prefix: str | None = None) -> Mazes:
    """Read the mazes of a file (see `parse_mazes`).

    Raises
    ------
    LevelError
        If there is no such file, it is not UTF-8 text, or a maze in it is malformed.
    """
    return parse_mazes(read_task_text(path), str(path), prefix)


def _blocks(text: str, source: str | None) -> Iterator[tuple[str, list[str], int]]:
    """Yield (game, rows, line of the first row)."""
    game, rows, first = None, [], 0
    for number, raw in enumerate([*text.removeprefix("\ufeff").splitlines(), ""], start=1):
        line = raw.strip()
        if line and line[0] != ";":
            first = first if rows else number
            rows.append(line)
            continue
        if rows:
            if game is None:
                raise LevelError(
                    f"no line before the maze says its game (; {', ; '.join(GAMES)})", source, first
                )
            yield game, rows, first
            rows = []
        if line.removeprefix(";").strip() in GAMES:
            game = line.removeprefix(";").strip()


def _maze(game: str, rows: list[str], source: str | None, line: int, name: str) -> Maze:
    width = len(rows[0]) // 2
    walls = np.zeros((len(rows), width), bool)
    objects = np.zeros(walls.shape, np.uint8)
    starts = []
    for y, row in enumerate(rows):
        if len(row) != 2 * width:
            raise LevelError(
                f"{len(row)} characters where the first row has {len(rows[0])} "
                "(two a square, all rows alike)",
                source,
                line + y,
            )
        for x in range(width):
            square = row[2 * x : 2 * x + 2]
            if square == "##":
                walls[y, x] = True
            elif square == "@@":
                starts.append((y, x))
            elif square in _SQUARES:
                objects[y, x] = _SQUARES[square]
            else:
                raise LevelError(
                    f"unknown square {square!r} in column {2 * x + 1} (known: ## .. @@ and one of "
                    f"{KIND_LETTERS} followed by one of {COLOUR_LETTERS})",
                    source,
                    line + y,
                )
    if len(starts) != 1:
        at = line if not starts else line + starts[1][0]
        raise LevelError(f"the maze has {len(starts)} starts (@@); it needs one", source, at)
    check_maze(walls, objects, starts[0], game, source, line)
    return Maze(walls, objects, starts[0], game, name)
