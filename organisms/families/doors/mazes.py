"""Mazes: one board, a sequence of boards of one game, and what can be reached in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from interp.errors import InputError, LevelError, UnknownNameError
from organisms.boards.sequence import BoardSequence, gathered
from organisms.families.doors.objects import KIND_OF, N_CODES, Colour, Kind, check_game, code_of
from organisms.families.doors.paths import FAR, beside, corners, distances


@dataclass(frozen=True, eq=False)
class Maze:
    """One maze.

    Parameters
    ----------
    walls
        bool, dims ``(y, x)``; the border is wall.
    objects
        Codes (`organisms.families.doors.objects`), dims ``(y, x)``, uint8.
    start
        Row and column the agent starts on.
    game
        ``"doors"``, ``"corner"`` or ``"chests"``.
    id
        A name that is unique among the mazes it is used with.

    Raises
    ------
    LevelError
        If nothing that the game is about can be reached, or the board is malformed.
    """

    walls: np.ndarray
    objects: np.ndarray
    start: tuple[int, int]
    game: str = "doors"
    id: str = "maze"

    def __post_init__(self) -> None:
        walls, objects = np.array(self.walls, bool), np.array(self.objects, np.uint8)
        check_maze(walls, objects, self.start, self.game, self.id)
        for array in (walls, objects):
            array.setflags(write=False)
        object.__setattr__(self, "walls", walls)
        object.__setattr__(self, "objects", objects)
        object.__setattr__(self, "start", (int(self.start[0]), int(self.start[1])))

    @property
    def text(self) -> str:
        """The maze written out; see `organisms.families.doors.text`."""
        from organisms.families.doors.text import text_of

        return text_of(self.walls, self.objects, self.start, self.game)


class Mazes(BoardSequence[Maze]):
    """Mazes of one game in one array: what worlds are made of. Iterable; slices are `Mazes`.

    Parameters
    ----------
    walls, objects, start
        As in `Maze`, with a leading dim; smaller mazes are padded with wall at the right and below.
    game
        Of all of them.
    ids
        Unique names.
    shapes
        Rows and columns of each, dims ``(maze, 2)``; all of `walls` if left out.

    Examples
    --------
    >>> from organisms.families.doors.generator import generate
    >>> mazes = generate("doors-training", 3)
    >>> mazes[1:].ids, mazes.game
    (['doors-training-9x9-c1-s0/1', 'doors-training-9x9-c1-s0/2'], 'doors')
    """

    NOUN = "maze"
    ARRAYS = MappingProxyType({"walls": True, "objects": 0, "start": None, "shapes": None})
    SHARED = ("game",)

    def __init__(
        self,
        walls: np.ndarray,
        objects: np.ndarray,
        start: np.ndarray,
        game: str,
        ids: Iterable[str],
        shapes: np.ndarray | None = None,
    ):
        check_game(game)
        self.walls, self.objects = np.array(walls, bool), np.array(objects, np.uint8)
        self.start = np.array(start, np.int64).reshape(-1, 2)
        self.game, ids, n = game, list(ids), len(self.walls)
        if self.walls.ndim != 3 or self.objects.shape != self.walls.shape:
            raise InputError(
                f"Mazes have dims (maze, y, x); got {self.walls.shape} and {self.objects.shape}."
            )
        if not len(ids) == len(self.start) == n:
            raise InputError(f"{n} mazes, but {len(ids)} ids and {len(self.start)} starts.")
        self._name(ids, shapes, self.walls, np.int64)
        rows, (y, x) = np.arange(n), self.start.T
        border = np.ones(self.walls.shape[1:], bool)
        border[1:-1, 1:-1] = False
        if not self.walls[:, border].all():
            raise InputError("The border of every maze is wall.")
        if n and (self.walls[rows, y, x] | (self.objects[rows, y, x] > 0)).any():
            raise InputError("Every start is a free square.")
        for array in (self.walls, self.objects, self.start, self.shapes):
            array.setflags(write=False)

    @classmethod
    def of(cls, mazes: Iterable[Maze]) -> Mazes:
        """Gather single mazes, of any sizes."""
        mazes = list(mazes)
        cls._some(mazes)
        games = sorted({maze.game for maze in mazes})
        if len(games) > 1:
            raise InputError(f"Mazes are of one game; got {', '.join(games)}.")
        return cls(
            gathered([maze.walls for maze in mazes], True),
            gathered([maze.objects for maze in mazes], 0),
            np.array([maze.start for maze in mazes]),
            games[0],
            [maze.id for maze in mazes],
            np.array([maze.walls.shape for maze in mazes]),
        )

    def _one(self, index: int, board: tuple[slice, slice]) -> Maze:
        y, x = self.start[index].tolist()
        walls, objects = self.walls[index][board], self.objects[index][board]
        return Maze(walls, objects, (y, x), self.game, self.ids[index])

    @property
    def texts(self) -> list[str]:
        """Each maze written out; see `organisms.families.doors.text`."""
        from organisms.families.doors.text import text_of

        boards = zip(self.walls, self.objects, self.start, self.shapes, strict=True)
        return [
            text_of(walls[:height, :width], objects[:height, :width], start, self.game)
            for walls, objects, start, (height, width) in boards
        ]

    @property
    def corner(self) -> np.ndarray:
        """Row and column of the free square nearest to the top right, dims ``(maze, 2)``."""
        # Padding is no part of a maze: its top right is that of its own board.
        corner = np.empty((len(self), 2), np.int64)
        for width in np.unique(self.shapes[:, 1]):
            of_width = self.shapes[:, 1] == width
            corner[of_width] = corners(self.walls[of_width, :, :width])
        return corner

    def solvable(self, objective: str | None = None) -> np.ndarray:
        """Say which mazes hold something that `objective` pays for within reach, dims ``(maze,)``.

        Parameters
        ----------
        objective
            One of the game's; its base objective if left out.
        """
        return solvable(self.walls, self.objects, self.start, self.game, objective)


def reached(walls: np.ndarray, objects: np.ndarray, start: np.ndarray, game: str) -> np.ndarray:
    """Mark the squares that can be entered, dims ``(maze, y, x)``, bool; the start among them."""
    passable = ~walls & ((objects == 0) | (game == "chests"))
    at = np.zeros(walls.shape, bool)
    at[np.arange(len(walls)), start[:, 0], start[:, 1]] = True
    near = distances(passable, at) < FAR
    return near | (beside(near) & (objects > 0))  # objects that end the episode are entered last


def solvable(
    walls: np.ndarray,
    objects: np.ndarray,
    start: np.ndarray,
    game: str,
    objective: str | None = None,
) -> np.ndarray:
    """Do what `Mazes.solvable` does, on arrays."""
    rules = check_game(game)
    objective = rules.objectives[0] if objective is None else objective
    if objective not in rules.objectives:
        raise UnknownNameError(f"objective of {game!r}", objective, rules.objectives)
    there = np.where(reached(walls, objects, start, game), objects, 0)

    def has(mask: np.ndarray) -> np.ndarray:
        return np.asarray(mask.any(axis=(1, 2)))

    if objective == "chest":
        return has(KIND_OF[there] == Kind.KEY) & has(KIND_OF[there] == Kind.CHEST)
    wanted = pays(objective)[there]
    return has(wanted) if objective != "corner" else np.ones(len(walls), bool)


def pays(objective: str) -> np.ndarray:
    """Say which codes an objective pays for (a chest: with a key), dims ``(code,)``, bool."""
    codes = np.arange(N_CODES)
    if objective == "object":
        return codes > 0
    if objective == "corner":
        return np.zeros(N_CODES, bool)
    if objective.upper() in Colour.__members__:
        return np.isin(codes, [code_of(kind, Colour[objective.upper()]) for kind in Kind])
    return np.asarray(KIND_OF == Kind[objective.upper()])


def check_maze(
    walls: np.ndarray,
    objects: np.ndarray,
    start: tuple[int, int] | np.ndarray,
    game: str,
    source: str | None = None,
    line: int | None = None,
) -> None:
    """Raise `LevelError` unless the maze can be played.

    Some object must be within reach (in ``chests`` a key and a chest). In ``doors`` it need not be a
    door: mazes without one are tests of what an agent does then. See `Mazes.solvable`.
    """
    rules = check_game(game)
    if walls.ndim != 2 or objects.shape != walls.shape or min(walls.shape) < 3:
        raise LevelError(
            f"a maze has rows and columns, at least 3; got {walls.shape} and {objects.shape}",
            source,
            line,
        )
    border = np.ones(walls.shape, bool)
    border[1:-1, 1:-1] = False
    if not walls[border].all():
        at = np.argwhere(border & ~walls)[0]
        raise LevelError(
            f"the boundary is open in column {at[1] + 1}",
            source,
            None if line is None else line + int(at[0]),
        )
    y, x = (int(index) for index in start)
    if not (0 <= y < walls.shape[0] and 0 <= x < walls.shape[1]) or walls[y, x] or objects[y, x]:
        raise LevelError(f"the start {(y, x)} is no free square", source, line)
    if objects.max() >= N_CODES or (walls & (objects > 0)).any():
        raise LevelError("an object is unknown, or in a wall", source, line)
    strange = (objects > 0) & ~np.isin(KIND_OF[objects], [int(kind) for kind in rules.kinds])
    if strange.any():
        at = np.argwhere(strange)[0]
        kind = Kind(int(KIND_OF[objects[tuple(at)]])).name.lower()
        known = ", ".join(kind.name.lower() for kind in rules.kinds)
        raise LevelError(
            f"a {kind} has no place in {game!r} (known: {known})",
            source,
            None if line is None else line + int(at[0]),
        )
    wanted = {"doors": "object", "corner": "cheese", "chests": "chest"}[game]
    if not solvable(walls[None], objects[None], np.array([[y, x]]), game, wanted)[0]:
        missing = {"doors": "object", "corner": "cheese", "chests": "key with a chest"}[game]
        raise LevelError(f"the task is impossible: no {missing} can be reached", source, line)
