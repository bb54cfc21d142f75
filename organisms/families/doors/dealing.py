"""The mazes that the rows of a world are dealt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interp.errors import InputError
from organisms.families.doors.mazes import Mazes


class Pool(NamedTuple):
    """The mazes that rows are dealt."""

    walls: np.ndarray
    objects: np.ndarray
    start: np.ndarray
    corner: np.ndarray

    @classmethod
    def of(cls, mazes: Mazes, game: str, needed: str | None = None) -> Pool:
        """Gather the mazes of a game.

        Parameters
        ----------
        needed
            An objective that every maze must hold something for.

        Raises
        ------
        InputError
            If a maze is of another game, or holds nothing that is `needed`.
        """
        if mazes.game != game:
            raise InputError(f"Mazes of {mazes.game!r} in a world of {game!r}.")
        if needed is not None and not (fine := mazes.solvable(needed)).all():
            raise InputError(
                f"{mazes.ids[int((~fine).argmax())]}: the task is impossible, no {needed} can be "
                "reached. Such mazes are for tests, not for training."
            )
        return cls(mazes.walls, mazes.objects, mazes.start, mazes.corner)

    def after(self, used: int, fresh: Pool, missing: tuple[int, int]) -> Pool:
        """Drop the first `used` mazes and add fresh ones, `missing` rows and columns smaller."""
        pad = ((0, 0), (0, missing[0]), (0, missing[1]))
        walls = np.pad(fresh.walls, pad, constant_values=True)
        parts = (walls, np.pad(fresh.objects, pad), fresh.start, fresh.corner)
        return Pool(
            *(np.concatenate([old[used:], new]) for old, new in zip(self, parts, strict=True))
        )
