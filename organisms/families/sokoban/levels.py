"""Levels: one board, a sequence of boards, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from interp.errors import InputError, LevelError
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


class Levels(Sequence[Level]):
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
        self.ids: list[str] = list(ids)
        n = len(tiles)
        self.titles: list[str] = [""] * n if titles is None else list(titles)
        self.shapes = (
            np.tile(np.array(tiles.shape[1:], np.int32), (n, 1))
            if shapes is None
            else np.asarray(shapes, np.int32).reshape(n, 2)
        )
        if not len(self.ids) == len(self.titles) == n:
            raise InputError(f"{n} boards, but {len(self.ids)} ids, {len(self.titles)} titles.")
        if len(set(self.ids)) != n:
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise InputError(f"Level ids must be unique; {twice!r} occurs more than once.")

    @classmethod
    def of(cls, levels: Iterable[Level]) -> Levels:
        """Gather single levels, of any sizes."""
        levels = list(levels)
        return cls._gather(
            [level.tiles for level in levels],
            [level.id for level in levels],
            [level.title for level in levels],
        )

    @classmethod
    def _gather(cls, boards: list[np.ndarray], ids: list[str], titles: list[str]) -> Levels:
        if not boards:
            raise InputError("Levels need at least one level.")
        shapes = np.array([board.shape for board in boards], np.int32)
        tiles = np.full((len(boards), *shapes.max(axis=0)), Tile.WALL, np.uint8)
        for index, board in enumerate(boards):
            tiles[index, : board.shape[0], : board.shape[1]] = board
        return cls(tiles, ids, shapes=shapes, titles=titles)

    def __len__(self) -> int:
        return len(self.tiles)

    @overload
    def __getitem__(self, index: int) -> Level: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Levels: ...
    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)):
            height, width = self.shapes[index]
            return Level(self.tiles[index, :height, :width], self.ids[index], self.titles[index])
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            return Levels(
                self.tiles[index],
                self.ids[index],
                shapes=self.shapes[index],
                titles=self.titles[index],
            )
        chosen = np.arange(len(self))[np.asarray(index)]
        return Levels(
            self.tiles[chosen],
            [self.ids[i] for i in chosen],
            shapes=self.shapes[chosen],
            titles=[self.titles[i] for i in chosen],
        )

    def __iter__(self) -> Iterator[Level]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def join(cls, parts: Iterable[Levels]) -> Levels:
        """Put sequences of levels one after the other."""
        parts = list(parts)
        if not parts:
            raise InputError("Levels need at least one level.")
        height, width = np.max([levels.tiles.shape[1:] for levels in parts], axis=0)
        padded = []
        for levels in parts:
            _, h, w = levels.tiles.shape
            padded.append(np.pad(levels.tiles, ((0, 0), (0, height - h), (0, width - w))))
        return cls(
            np.concatenate(padded),
            [name for levels in parts for name in levels.ids],
            shapes=np.concatenate([levels.shapes for levels in parts]),
            titles=[title for levels in parts for title in levels.titles],
        )

    def __add__(self, other: Levels) -> Levels:
        return self.join([self, other])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Levels):
            return NotImplemented
        return (
            self.ids == other.ids
            and np.array_equal(self.shapes, other.shapes)
            and np.array_equal(self.tiles, other.tiles)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = ", ".join(self.ids[:3]) + (", …" if len(self) > 3 else "")
        height, width = self.tiles.shape[1:]
        return f"Levels({len(self)} of up to {height}x{width}: {names})"

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
    return Levels._gather(
        boards, [f"{prefix}/{number}" for number in numbers], [block.title for block in found]
    )


def read_levels(path: str | Path, prefix: str | None = None) -> Levels:
    """Read the levels of a file (see `parse_levels`).

    Raises
    ------
    LevelError
        If there is no such file, it is not UTF-8 text, or a level in it is malformed.
    """
    return parse_levels(read_task_text(path), str(path), prefix)
