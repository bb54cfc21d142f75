"""What the organisms are asked for: the concepts of mazes, and the shortest ways to what they are after."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from interp.concepts import Concept
from organisms.boards.square_events import DIRECTIONS, as_labels
from organisms.families.compiled.solver import descents, ways
from organisms.families.doors.concepts import CONCEPTS as OF_MAZES
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, Colour, Kind
from organisms.families.doors.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr

WANTED = {"door": KIND_OF == Kind.DOOR, "red": COLOUR_OF == Colour.RED}
"""Which codes of objects each aim is about, bool (code,)."""


def _way_to(aim: str) -> Concept:
    def labels(run: xr.Dataset) -> xr.DataArray:
        path = trajectories(run)
        there = path.mazes.objects
        descent = descents(~path.mazes.walls & (there == 0), WANTED[aim][there])
        marks = np.full((*path.valid.shape, *path.board), -1, np.int8)
        episode, row = np.nonzero(path.valid)
        marks[episode, row] = ways(descent[episode], path.player[episode, row])
        return as_labels(run, path.n_thinking, marks, DIRECTIONS)

    about = (
        f"The move by which the shortest way from the agent to the nearest {aim} enters the square, "
        "whether or not the agent goes it; of ways as short, the one whose moves come first in the order "
        "up, down, left, right. Never off the way."
    )
    return Concept(
        f"way_to_{aim}", labels, DIRECTIONS, "The programs of this family", about, "never"
    )


CONCEPTS: MappingProxyType[str, Concept] = MappingProxyType(
    {**OF_MAZES, **{f"way_to_{aim}": _way_to(aim) for aim in WANTED}}
)
"""All concepts by name."""
