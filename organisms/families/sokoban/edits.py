"""Counterfactual edits of a level, and its eight symmetries.

Every edit returns a new, checked `Level` whose id tells what was done
(``boxoban-hard/000/3+box(4,5)to(4,6)``). Squares are ``(y, x)`` pairs.
"""

from __future__ import annotations

import numpy as np

from interp.errors import LevelError, UnknownNameError
from organisms.families.sokoban.levels import Level, Levels

Square = tuple[int, int]

SYMMETRIES = (
    "identity",
    "rotate90",
    "rotate180",
    "rotate270",
    "flip",
    "flip-rotate90",
    "flip-rotate180",
    "flip-rotate270",
)
"""The symmetries of the square. ``flip`` swaps left and right; rotations are counterclockwise, and
come after the flip."""


def move_box(level: Level, square: Square, to: Square) -> Level:
    r"""Put the box on `square` onto `to`, a square free of walls, boxes and the player.

    Raises
    ------
    LevelError
        If there is no box on `square`, or `to` is not free.

    Examples
    --------
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> print(move_box(parse_levels("######\n#@$ .#\n######")[0], (1, 2), (1, 3)))
    Level('level/0+box(1,2)to(1,3)')
    ######
    #@ $.#
    ######
    """
    square, to = _on_board(level, square), _on_board(level, to)
    boxes = level.boxes
    if not boxes[square]:
        raise LevelError(f"there is no box on {square}", level.id)
    _must_be_free(level, to, "the box")
    boxes[square], boxes[to] = False, True
    return _changed(level, f"box{_name(square)}to{_name(to)}", boxes=boxes)


def move_player(level: Level, to: Square) -> Level:
    """Put the player onto `to`, a square free of walls and boxes.

    Raises
    ------
    LevelError
        If `to` is not free, or the player could walk off the board from there.
    """
    to = _on_board(level, to)
    _must_be_free(level, to, "the player")
    return _changed(level, f"player{_name(to)}", player=to)


def move_target(level: Level, square: Square, to: Square) -> Level:
    """Move the target on `square` to `to`, a square with no wall and no target.

    Raises
    ------
    LevelError
        If there is no target on `square`, or `to` is a wall or a target.
    """
    square, to = _on_board(level, square), _on_board(level, to)
    targets = level.targets
    if not targets[square]:
        raise LevelError(f"there is no target on {square}", level.id)
    if level.walls[to] or targets[to]:
        there = "a wall" if level.walls[to] else "a target"
        raise LevelError(f"the target cannot go to {to}: there is {there}", level.id)
    targets[square], targets[to] = False, True
    return _changed(level, f"target{_name(square)}to{_name(to)}", targets=targets)


def add_wall(level: Level, square: Square) -> Level:
    """Build a wall on `square`, an empty square that is no target.

    Raises
    ------
    LevelError
        If there is anything on `square`.
    """
    square = _on_board(level, square)
    _must_be_free(level, square, "a wall")
    if level.targets[square]:
        raise LevelError(f"a wall cannot go to {square}: there is a target", level.id)
    walls = level.walls
    walls[square] = True
    return _changed(level, f"wall{_name(square)}", walls=walls)


def remove_wall(level: Level, square: Square) -> Level:
    """Turn the wall on `square` into floor.

    Raises
    ------
    LevelError
        If there is no wall, or the player could then walk off the board.
    """
    square = _on_board(level, square)
    walls = level.walls
    if not walls[square]:
        raise LevelError(f"there is no wall on {square}", level.id)
    walls[square] = False
    return _changed(level, f"floor{_name(square)}", walls=walls)


def transform(boards: np.ndarray, symmetry: str) -> np.ndarray:
    """Apply a symmetry to arrays with dims ``(..., y, x)``.

    Parameters
    ----------
    boards
        Tile codes, masks, or any map of the board.
    symmetry
        One of `SYMMETRIES`.
    """
    index = _symmetry(symmetry)
    boards = np.asarray(boards)
    if index >= 4:
        boards = np.flip(boards, axis=-1)
    return np.rot90(boards, index % 4, axes=(-2, -1))


def transform_actions(symmetry: str) -> np.ndarray:
    """Give what each move becomes under a symmetry: dims ``(action,)``, int64.

    Playing ``transform_actions(s)[action]`` in the transformed level is playing ``action`` in the
    level itself.

    Examples
    --------
    >>> transform_actions("flip").tolist()  # up, down, left, right
    [0, 1, 3, 2]
    """
    index = _symmetry(symmetry)
    actions = np.array([0, 1, 3, 2] if index >= 4 else [0, 1, 2, 3])
    counterclockwise = np.array([2, 3, 1, 0])  # up turns to left, down to right, ...
    for _ in range(index % 4):
        actions = counterclockwise[actions]
    return actions


def symmetries(level: Level) -> Levels:
    """Give the eight mirror images and rotations of a level, the level itself first.

    Ids are those of the level with the name of the symmetry (``+flip``); boards that are
    symmetric themselves occur more than once.
    """
    return Levels.of(
        Level(transform(level.tiles, name), level.id + f"+{name}" * (index > 0), title=level.title)
        for index, name in enumerate(SYMMETRIES)
    )


def _symmetry(name: str) -> int:
    if name not in SYMMETRIES:
        raise UnknownNameError("symmetry", name, SYMMETRIES)
    return SYMMETRIES.index(name)


def _name(square: Square) -> str:
    return f"({square[0]},{square[1]})"


def _on_board(level: Level, square: Square) -> Square:
    y, x = (int(index) for index in square)
    if not (0 <= y < level.shape[0] and 0 <= x < level.shape[1]):
        raise LevelError(f"{(y, x)} is not on the board of {level.shape}", level.id)
    return y, x


def _must_be_free(level: Level, square: Square, what: str) -> None:
    for there, mask in (("a wall", level.walls), ("a box", level.boxes)):
        if mask[square]:
            raise LevelError(f"{what} cannot go to {square}: there is {there}", level.id)
    if level.player == square:
        raise LevelError(f"{what} cannot go to {square}: the player is there", level.id)


def _changed(level: Level, edit: str, **changes) -> Level:
    parts = {
        "walls": level.walls,
        "targets": level.targets,
        "boxes": level.boxes,
        "player": level.player,
    }
    return Level.from_arrays(**parts | changes, id=f"{level.id}+{edit}", title=level.title)
