"""Levels: one board, a sequence of boards, and their text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from interp.errors import InputError, LevelError
from organisms.boards.sequence import BoardSequence, gathered
from organisms.boards.task_files import read_task_text
from organisms.families.sokoban.observations import Tile, check_tiles
from organisms.families.sokoban.xsb import CHARACTERS, blocks, check_board, tiles_of

_CHARACTER_OF = np.frombuffer(CHARACTERS.encode(), np.uint8)


@dataclass(frozen=True, eq=False)
class Level:
    r"""One Sokoban level. Two levels are equal when their boards are, whatever they are called.

    Parameters
    ----------
    tiles
        `organisms.families.sokoban.observations.Tile` codes, dims ``(y, x)``, uint8. Made read-only.
    id
        A name that is unique among the levels it is used with.
    title
        What the file calls it, if anything.

    Raises
    ------
    LevelError
        If the board cannot be played: not one player, no box, boxes and targets that do not
        match, or a boundary the player can walk out of.

    Examples
    --------
    >>> level = parse_levels("#####\n#@$.#\n#####")[0]
    >>> level.player, level.boxes.nonzero()[1].tolist(), level.n_boxes
    ((1, 1), [2], 1)
    """

    tiles: np.ndarray
    id: str = "level"
    title: str = ""

    def __post_init__(self) -> None:
        tiles = check_board(check_tiles(self.tiles), self.id).copy()
        tiles.setflags(write=False)
        object.__setattr__(self, "tiles", tiles)

    @classmethod
    def from_arrays(
        cls,
        walls: np.ndarray,
        targets: np.ndarray,
        boxes: np.ndarray,
        player: tuple[int, int],
        id: str = "level",
        title: str = "",
    ) -> Level:
        """Put a level together from masks (bool, dims ``(y, x)``) and the player's square.

        Raises
        ------
        LevelError
            If things overlap, or the board cannot be played.
        """
        walls, targets, boxes = (np.asarray(mask, bool) for mask in (walls, targets, boxes))
        if walls.ndim != 2 or not walls.shape == targets.shape == boxes.shape:
            raise InputError(
                f"walls, targets and boxes share one shape (y, x); got {walls.shape}, "
                f"{targets.shape} and {boxes.shape}."
            )
        y, x = (int(index) for index in player)
        if not (0 <= y < walls.shape[0] and 0 <= x < walls.shape[1]):
            raise LevelError(f"the player's square {(y, x)} is not on the board", id)
        if (walls & (targets | boxes)).any() or walls[y, x]:
            raise LevelError("a wall shares its square with something", id)
        if boxes[y, x]:
            raise LevelError(f"the player and a box share the square {(y, x)}", id)
        tiles = np.where(walls, np.uint8(Tile.WALL), np.uint8(Tile.FLOOR))
        tiles[targets] = Tile.TARGET
        tiles[boxes] = Tile.BOX
        tiles[boxes & targets] = Tile.BOX_ON_TARGET
        tiles[y, x] = Tile.PLAYER_ON_TARGET if targets[y, x] else Tile.PLAYER
        return cls(tiles, id, title)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the board."""
        return self.tiles.shape

    @property
    def walls(self) -> np.ndarray:
        """Where walls are: bool, dims ``(y, x)``."""
        return self.tiles == Tile.WALL

    @property
    def targets(self) -> np.ndarray:
        """Where targets are, covered or not: bool, dims ``(y, x)``."""
        return np.isin(self.tiles, (Tile.TARGET, Tile.BOX_ON_TARGET, Tile.PLAYER_ON_TARGET))

    @property
    def boxes(self) -> np.ndarray:
        """Where boxes are: bool, dims ``(y, x)``."""
        return (self.tiles == Tile.BOX) | (self.tiles == Tile.BOX_ON_TARGET)

    @property
    def player(self) -> tuple[int, int]:
        """The player's row and column."""
        y, x = np.argwhere(self.tiles >= Tile.PLAYER)[0]
        return int(y), int(x)

    @property
    def n_boxes(self) -> int:
        """How many boxes there are."""
        return int(self.boxes.sum())

    @property
    def solved(self) -> bool:
        """Whether every box is on a target already."""
        return not (self.tiles == Tile.BOX).any()

    @property
    def text(self) -> str:
        """The level as XSB text, which parses back to the same level."""
        return _text(self.tiles)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        return np.array_equal(self.tiles, other.tiles)

    def __hash__(self) -> int:
        return hash((self.shape, self.tiles.tobytes()))

    def __repr__(self) -> str:
        return f"Level({self.id!r})\n{self.text}"


class Levels(BoardSequence[Level]):
    """A sequence of levels, held as one array of boards.

    Levels of different sizes may share it: smaller boards sit in the top left corner and the rest
    is wall. Slices and index arrays give `Levels`, an integer gives a `Level`.

    Parameters
    ----------
    tiles
        Tile codes, dims ``(level, y, x)``, uint8; each board is taken to be valid.
    ids
        A unique name for each level.
    shapes
        Rows and columns of each board, dims ``(level, 2)``; all of ``tiles`` if left out.
    titles
        What the file calls each, if anything.
    """

    NOUN = "level"
    ARRAYS = MappingProxyType({"tiles": Tile.WALL, "shapes": None})
    LISTS = ("ids", "titles")

    def __init__(
        self,
        tiles: np.ndarray,
        ids: Iterable[str],
        *,
        shapes: np.ndarray | None = None,
        titles: Iterable[str] | None = None,
    ):
        tiles = check_tiles(tiles)
        if tiles.ndim != 3:
            raise InputError(f"Boards have dims (level, y, x); got shape {tiles.shape}.")
        self.tiles = np.ascontiguousarray(tiles).view()
        self.tiles.setflags(write=False)
        ids = list(ids)
        self.titles: list[str] = [""] * len(tiles) if titles is None else list(titles)
        if not len(ids) == len(self.titles) == len(tiles):
            raise InputError(f"{len(tiles)} boards, but {len(ids)} ids, {len(self.titles)} titles.")
        self._name(ids, shapes, tiles, np.int32)

    @classmethod
    def of(cls, levels: Iterable[Level]) -> Levels:
        """Gather single levels, of any sizes."""
        levels = list(levels)
        cls._some(levels)
        return cls(
            gathered([level.tiles for level in levels], Tile.WALL),
            [level.id for level in levels],
            shapes=np.array([level.shape for level in levels]),
            titles=[level.title for level in levels],
        )

    def _one(self, index: int, board: tuple[slice, slice]) -> Level:
        return Level(self.tiles[index][board], self.ids[index], self.titles[index])

    @property
    def texts(self) -> list[str]:
        """Each level as XSB text."""
        return [
            _text(tiles[:height, :width])
            for tiles, (height, width) in zip(self.tiles, self.shapes, strict=True)
        ]

    @property
    def n_boxes(self) -> np.ndarray:
        """How many boxes each level has, dims ``(level,)``."""
        boxes = (self.tiles == Tile.BOX) | (self.tiles == Tile.BOX_ON_TARGET)
        return boxes.sum(axis=(1, 2))


def _text(tiles: np.ndarray) -> str:
    newline = np.full((len(tiles), 1), ord("\n"), np.uint8)
    return np.hstack([_CHARACTER_OF[tiles], newline]).tobytes().decode()[:-1]


def parse_levels(text: str, source: str | None = None, prefix: str | None = None) -> Levels:
    r"""Read levels of any size from Boxoban or XSB text.

    Parameters
    ----------
    text
        One or more boards. See `organisms.families.sokoban.xsb` for the characters.
    source
        Where the text is from; errors name it.
    prefix
        What the ids start with: ``<prefix>/<n>``, with the number of a Boxoban header (``; 12``)
        where every board has one of its own, else the place in the text from 0. The stem of
        `source` if left out, or ``level``.

    Raises
    ------
    LevelError
        With the source and the line, if there is no board or a board cannot be played.

    Examples
    --------
    >>> parse_levels("; 7\n#####\n#@$.#\n#####").ids
    ['level/7']
    """
    found = list(blocks(text, source))
    if not found:
        raise LevelError("there is no level in it", source)
    boards = [check_board(tiles_of(block, source), source, block.line) for block in found]
    numbers = [block.number for block in found]
    if None in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(len(found)))
    if prefix is None:
        prefix = Path(source).stem if source else "level"
    return Levels(
        gathered(boards, Tile.WALL),
        [f"{prefix}/{number}" for number in numbers],
        shapes=np.array([board.shape for board in boards]),
        titles=[block.title for block in found],
    )


def read_levels(path: str | Path, prefix: str | None = None) -> Levels:
    """Read the levels of a file (see `parse_levels`).

    Raises
    ------
    LevelError
        If there is no such file, it is not UTF-8 text, or a level in it is malformed.
    """
    return parse_levels(read_task_text(path), str(path), prefix)
