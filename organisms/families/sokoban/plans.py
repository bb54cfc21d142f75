"""What a decoded plan is in Sokoban: from direction maps to ways, pushes, and whether they solve.

A map with one direction per square is followed from where things stand:

* *box maps* (``box_push_direction``): from every box, each square says where the box on it is pushed;
  the way ends at a square without a direction, at a wall, or where it would close a loop. The plan is
  carried out if some order of the pushes, with the player walking in between, does it. The pushes of
  one box keep their order; pushes of different boxes may mix.
* *arrival maps* (``agent_approach_direction``): from the player, the next square is the neighbour that
  says it is entered by moving towards it; *departure maps* (``agent_future_direction``): each square
  says how the player leaves it. The moves are made as written; each square's direction is used once.

A map has one direction per square, the next one: a second visit is not in it. So even the map of what
an agent really did solves a level only in part of the cases; measure decoded maps against that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.capabilities.plans import MEASURES, ExecutedPath, Plans
from organisms.families.sokoban._plans import assess_box_maps, assess_player_maps
from organisms.families.sokoban.observations import OBSERVATION_DIMS, decode
from organisms.families.sokoban.trajectories import Trajectories, trajectories

if TYPE_CHECKING:
    import xarray as xr

KINDS = {
    "agent_approach_direction": "arrive",
    "box_push_direction": "box",
    "agent_future_direction": "depart",
    "box_future_direction": "box",
}
"""How each concept's map is followed."""

MOST_STATES = 4096
"""Orders of pushes that are tried for one plan, counted in states; beyond it the plan counts as one that
cannot be carried out. Two boxes never get there."""


class SokobanPlans(Plans):
    r"""See `organisms.capabilities.plans.Plans`.

    Examples
    --------
    >>> import xarray as xr
    >>> from organisms.families.sokoban.levels import parse_levels
    >>> from organisms.families.sokoban.observations import encode
    >>> board = parse_levels("######\n#@$ .#\n######")[0].tiles
    >>> seen = xr.DataArray(encode(board)[None], dims=("episode", "y", "x", "colour"))
    >>> plan = np.zeros((1, 3, 6), int)
    >>> plan[0, 1, 2:4] = 4  # push right, twice
    >>> measured = SokobanPlans().assess(seen, "box_push_direction", plan)
    >>> measured["length"], measured["solves"]
    (array([2.]), array([1.]))
    """

    @property
    def concepts(self) -> tuple[str, ...]:
        """The plan concepts of Bush et al.; `KINDS` has further ones that can be followed."""
        return ("agent_approach_direction", "box_push_direction")

    def assess(
        self, observation: xr.DataArray, concept: str, maps: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Follow one decoded map per observation, and carry it out; see `organisms.capabilities.plans.Plans`.

        Raises
        ------
        UnknownNameError
            If the concept's map is no plan.
        InputError
            If maps and observations do not match, or a map holds something else than directions.
        """
        kind = _kind(concept)
        tiles = _boards(observation)
        maps = np.asarray(maps)
        board = tiles.shape[1:]
        if maps.dtype.kind not in "iu" or maps.ndim < 3:
            raise InputError(
                f"Maps are integers (episode, …, y, x); got {maps.dtype} {maps.shape}."
            )
        if len(maps) != len(tiles) or maps.shape[-2:] != board:
            raise InputError(
                f"Maps {maps.shape} do not fit {len(tiles)} observations of {board} squares."
            )
        if maps.size and not (0 <= maps.min() and maps.max() <= 4):
            raise InputError("A map of directions holds 0 (never) to 4.")
        several = maps.shape[1:-2]
        flat = np.ascontiguousarray(maps.reshape(len(maps), -1, *board), np.int8)
        out = np.empty((*flat.shape[:2], len(MEASURES)))
        if kind == "box":
            assess_box_maps(tiles, flat, MOST_STATES, out)
        else:
            assess_player_maps(tiles, flat, kind == "arrive", out)
        return {name: out[..., i].reshape(len(maps), *several) for i, name in enumerate(MEASURES)}

    def paths(self, run: xr.Dataset, concept: str, step: int = 0) -> list[ExecutedPath]:
        """Return the ways that were gone from `step` on; see `organisms.capabilities.plans.Plans`.

        A square is on the way of the thing that is the first to come by, so the label of each square
        belongs to its way. For the player: on a goal where the level was solved.
        """
        kind = _kind(concept)
        track = trajectories(run)
        rows = np.flatnonzero(track.step >= step)
        if not len(rows):
            raise InputError(f"The run has no step {step}.")
        first = int(rows[0])
        out = []
        for episode, n_rows in enumerate(track.n_rows):
            taken: set[tuple[int, int]] = set()
            ways: dict[int, list[tuple[int, int]]] = {}
            for row in range(first, int(n_rows)):
                thing, square = _passes(track, episode, row, kind)
                if thing is not None and square not in taken:
                    taken.add(square)
                    ways.setdefault(thing, []).append(square)
            last = int(n_rows)
            boxes = track.boxes[episode, last]
            there = track.targets[episode][boxes[:, 0], boxes[:, 1]] & (boxes[:, 0] >= 0)
            for thing, squares in sorted(ways.items()):
                ends = there[thing] if kind == "box" else there[boxes[:, 0] >= 0].all()
                out.append(ExecutedPath(episode, np.array(squares), bool(ends)))
        return out

    def events(self, run: xr.Dataset, concept: str) -> xr.DataArray:
        """Return what happens with each step's own action; see `organisms.capabilities.plans.Plans`."""
        import xarray as xr

        kind = _kind(concept)
        track = trajectories(run)
        n, n_rows = track.direction.shape
        out = np.full((n, track.n_thinking + n_rows, *track.board), -1, np.int8)
        for episode in range(n):
            for row in range(int(track.n_rows[episode])):
                now = out[episode, track.n_thinking + row]
                now[:] = 0
                thing, square = _passes(track, episode, row, kind)
                if thing is not None:
                    now[square] = track.direction[episode, row] + 1
        dims = ("episode", "step", "y", "x")
        return xr.DataArray(out, dims=dims, coords={"step": run["step"].values})


def _passes(
    track: Trajectories, episode: int, row: int, kind: str
) -> tuple[int | None, tuple[int, int]]:
    """Return which thing comes by at a row (None if none does), and the square it marks."""
    if track.direction[episode, row] < 0:
        return None, (-1, -1)
    if kind == "box":
        box = int(track.pushed[episode, row])
        y, x = track.boxes[episode, row, box]
        return (box if box >= 0 else None), (int(y), int(x))
    y, x = track.player[episode, row + (kind == "arrive")]
    return 0, (int(y), int(x))


def _kind(concept: str) -> str:
    if concept not in KINDS:
        raise UnknownNameError("concept that can be followed as a plan", concept, KINDS)
    return KINDS[concept]


def _boards(observation: xr.DataArray) -> np.ndarray:
    """Return tiles (episode, y, x) of observations in either encoding, told by their dims."""
    for encoding, dims in OBSERVATION_DIMS.items():
        if set(observation.dims) == {"episode", *dims}:
            return decode(observation.transpose("episode", *dims).values, encoding)
    raise InputError(
        f"Observations have dims episode and those of {OBSERVATION_DIMS}; got {observation.dims}."
    )
