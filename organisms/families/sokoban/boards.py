"""Boards of other sizes: levels padded onto a board, a network moved to one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.observations import Tile

if TYPE_CHECKING:
    from organisms.organism import Organism


def on_board(levels: Levels, board: tuple[int, int]) -> Levels:
    r"""Return the levels with walls around them, so that each fills a board of this size.

    The walls are shared evenly between the sides; the odd one goes to the bottom and the right.

    Raises
    ------
    InputError
        If a level is larger than the board.

    Examples
    --------
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> print(on_board(parse_levels("#####\n#@$.#\n#####"), (4, 6)).texts[0])
    ######
    #@$.##
    ######
    ######
    """
    height, width = board
    if (levels.shapes > np.array(board)).any():
        largest = "×".join(str(int(size)) for size in levels.shapes.max(axis=0))
        raise InputError(f"Levels of up to {largest} do not fit a board of {height}×{width}.")
    if levels.tiles.shape[1:] == board and (levels.shapes == board).all():
        return levels
    tiles = np.full((len(levels), height, width), Tile.WALL, np.uint8)
    for index, (h, w) in enumerate(levels.shapes):
        top, left = (height - h) // 2, (width - w) // 2
        tiles[index, top : top + h, left : left + w] = levels.tiles[index, :h, :w]
    return Levels(tiles, levels.ids, titles=levels.titles)


def resized(organism: Organism, board: tuple[int, int]) -> Organism:
    """Return the organism on another board: a copy of its network with the same weights.

    Raises
    ------
    InputError
        If its head is for one board size.
    """
    config: Any = organism.network.config
    if getattr(config, "head_pool", "flatten") == "flatten":
        raise InputError(f"{organism.name} has a head for boards of {config.board} alone.")
    network = type(organism.network)(dataclasses.replace(config, board=board), seed=0)
    network.load_state_dict(organism.network.state_dict())
    record = {**organism.card.network, "board": list(board)}
    card = dataclasses.replace(organism.card, network=record)
    return organism.replace(network=network.to(organism.device), card=card)
