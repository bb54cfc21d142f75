"""Mazes with a short and a slightly longer way to the goal, to be steered onto the longer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from interp.interventions.conditions import condition
from organisms.boards.directions import ACTION_NAMES
from organisms.boards.square_events import DIRECTIONS
from organisms.capabilities.capability import OfOrganism
from organisms.capabilities.steering import Steering
from organisms.capabilities.steering_tasks import SteeringTasks
from organisms.families.compiled.concepts import WANTED
from organisms.families.compiled.solver import descents, ways
from organisms.families.doors.generator import generate
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.paths import distances
from organisms.families.doors.trajectories import trajectories
from organisms.networks.abilities import board_of

if TYPE_CHECKING:
    import xarray as xr

AGENT_ENTERED = "compiled/agent-entered-square"
LONGER = (2, 4)
"""Moves by which the long way is longer: few enough that after three squares of it, it is the shorter one."""
MOST_BATCHES, BATCH = 200, 200


@condition(AGENT_ENTERED)
def agent_entered_square(world: Any, rows: np.ndarray, step: int, y: Any, x: Any) -> np.ndarray:
    """Return whether the agent is on the square ``(y, x)``."""
    at = world.position[rows]
    return (at[:, 0] == y) & (at[:, 1] == x)


@dataclass(frozen=True)
class _TwoWays:
    """The squares of both ways of each maze, (way, y, x) int8 as `ways` marks them."""

    mazes: Mazes
    short: np.ndarray
    long: np.ndarray


def _two_ways(mazes: Mazes, aim: str) -> _TwoWays:
    """Return those mazes whose short way, barred at its first square, leaves a slightly longer one."""
    passable, wanted = ~mazes.walls & (mazes.objects == 0), WANTED[aim][mazes.objects]
    rows, (y, x) = np.arange(len(mazes)), mazes.start.T
    length = distances(passable, wanted)[rows, y, x]
    short = ways(descents(passable, wanted), mazes.start)
    near = np.zeros(passable.shape, bool)
    for move in range(len(ACTION_NAMES)):
        to = _beside(mazes.start, move)
        near[rows, to[:, 0], to[:, 1]] |= short[rows, to[:, 0], to[:, 1]] == move + 1
    barred = passable & ~near
    longer = distances(barred, wanted)[rows, y, x] - length
    long = ways(descents(barred, wanted), mazes.start)
    good = np.flatnonzero(np.isin(longer, LONGER))
    return _TwoWays(mazes[good], short[good], long[good])


def _beside(squares: np.ndarray, move: int) -> np.ndarray:
    from organisms.boards.directions import STEP_X, STEP_Y

    return squares + np.array([STEP_Y[move], STEP_X[move]])


def _in_order(marks: np.ndarray, start: np.ndarray) -> list[tuple[tuple[int, int], str]]:
    """Return the squares of a marked way (y, x), each with the name of the move that enters it."""
    way, at = [], np.array(start)
    while len(way) < np.count_nonzero(marks):
        for move, name in enumerate(ACTION_NAMES):
            to = _beside(at, move)
            square = int(to[0]), int(to[1])
            if marks[square] == move + 1 and all(square != past for past, _ in way):
                way.append((square, name))
                at = to
                break
    return way


class MazeSteering(OfOrganism, Steering):
    """Two ways to what the organism is paid for; see `LONGER`."""

    kinds = ("two-ways",)

    @property
    def sites(self) -> list[str]:
        """The state, of layers the last one's."""
        return self.organism.state_sites[-1:]

    def tasks(self, kind: str, n: int = 25, seed: int = 0) -> SteeringTasks:
        """Return mazes with two ways; each is a unit of its own.

        Raises
        ------
        UnknownNameError
            If there is no such kind.
        InputError
            If there are not as many.
        """
        if kind not in self.kinds:
            raise UnknownNameError("kind of steering tasks", kind, self.kinds)
        check_integer("n", n, 1)
        check_integer("seed", seed, 0)
        found: list[_TwoWays] = []
        for batch in range(MOST_BATCHES):
            options = {"size": board_of(self.organism), "seed": seed, "split": "test"}
            mazes = generate(
                self.organism.options["distribution"], BATCH, start=batch * BATCH, **options
            )
            found.append(_two_ways(mazes, self.organism.options["objective"]))
            if sum(len(ways.mazes) for ways in found) >= n:
                return _as_tasks(kind, found, n)
        raise InputError(f"There are no {n} mazes with two ways among {MOST_BATCHES * BATCH}.")


def steering(organism: Any) -> MazeSteering | None:
    """Return an organism's steering; None if what it is after depends on what it sees."""
    return MazeSteering(organism) if organism.options["objective"] in WANTED else None


def _as_tasks(kind: str, found: list[_TwoWays], n: int) -> SteeringTasks:
    mazes = Mazes.of([maze for ways in found for maze in ways.mazes])[:n]
    short = np.concatenate([ways.short for ways in found])[:n]
    long = np.concatenate([ways.long for ways in found])[:n]
    only_short = (short > 0) & (long == 0)

    def judge(run: xr.Dataset, number: np.ndarray) -> np.ndarray:
        """Whether the agent entered an object, and never a square that is of the short way alone."""
        path = trajectories(run)
        y, x = np.maximum(path.player, 0).transpose(2, 0, 1)
        on_short = only_short[number[:, None], y, x] & (path.player[..., 0] >= 0)
        return path.entered.any(1) & ~on_short.any(1)

    in_order = [_in_order(marks, start) for marks, start in zip(long, mazes.start, strict=True)]
    return SteeringTasks(
        kind=kind,
        tasks=mazes,
        unit=np.arange(n),
        concept="agent_approach_direction",
        never=DIRECTIONS[0],
        place_dims=("y", "x"),
        short=tuple(tuple((int(y), int(x)) for y, x in np.argwhere(only)) for only in only_short),
        long=tuple(tuple(way) for way in in_order),
        until=AGENT_ENTERED,
        short_length=(short > 0).sum((1, 2)),
        long_length=(long > 0).sum((1, 2)),
        judge=judge,
        number=np.arange(n),
    )
