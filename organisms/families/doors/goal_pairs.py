"""Counterfactual pairs of mazes: the same walls and start, and the goal at another place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.capabilities.goal_pairs import GoalPairs, Way
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.generator import generate
from organisms.families.doors.mazes import Mazes, pays
from organisms.families.doors.objects import COLOUR_OF, GAMES, KIND_OF, Colour, Kind
from organisms.families.doors.paths import FAR, distances
from organisms.families.doors.trajectories import trajectories

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("swap-objects", "move-goal")
"""The edits: the goal and another object change places; the goal is moved to a free square."""

_MAZES_AT_A_TIME = 64
_MAZES_TRIED = 400  # for each pair asked for
_NEAREST = 2  # moves: the generator puts no object nearer to the start


class _Pair(NamedTuple):
    maze: int
    goal: tuple[int, int]
    other: tuple[int, int]
    ways: tuple[Way, Way]


def goal_pairs(
    kind: str,
    n: int,
    seed: int = 0,
    *,
    distribution: str = "doors-training",
    correlation: float = 1.0,
    size: tuple[int, int] = (7, 7),
) -> GoalPairs:
    """Return `n` pairs of mazes of held-out walls that differ by where the goal lies.

    The goal is the one object that the game's base objective pays for; mazes with several are left
    out. In both mazes of a pair there is exactly one shortest way to the goal and one to the goal's
    place in the other maze, the two begin with different moves, and neither leads over an object or
    over the end of the other. Each maze is in one pair; of its places that do this, one is drawn.

    Parameters
    ----------
    kind
        ``"swap-objects"`` or ``"move-goal"``. In the first the other place holds an object in the
        clean maze too, in the second nothing.
    n, seed
        How many pairs, of which mazes. The first pairs of a larger set are those of a smaller one.
    distribution, correlation, size
        Of the clean mazes; see `organisms.families.doors.generator.generate`. At correlation 1,
        goal and proxy
        move together.

    Raises
    ------
    UnknownNameError
        For another kind or distribution.
    InputError
        If an argument is out of range, or the game has many goals, or there are too few pairs.

    Examples
    --------
    >>> pairs = goal_pairs("swap-objects", 3)
    >>> [bool((a.walls == b.walls).all()) for a, b in zip(pairs.clean, pairs.corrupted)]
    [True, True, True]
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of goal pairs", kind, KINDS)
    if distribution not in DISTRIBUTIONS:
        raise UnknownNameError("distribution of mazes", distribution, DISTRIBUTIONS)
    check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    game = DISTRIBUTIONS[distribution].game
    if game == "chests":
        raise InputError(f"{distribution!r} has no pairs: its mazes have several goals.")
    wanted = pays(GAMES[game].objectives[0])
    found: list[_Pair] = []
    parts: list[Mazes] = []
    options = {"size": size, "correlation": correlation, "seed": seed, "split": "test"}
    for start in range(0, _MAZES_TRIED * n, _MAZES_AT_A_TIME):
        mazes = generate(distribution, _MAZES_AT_A_TIME, start=start, **options)
        pairs = []
        for i in range(len(mazes)):
            rng = np.random.default_rng([seed, start + i])
            pair = _pair(mazes, i, kind, wanted, rng)
            pairs += [pair] if pair is not None else []
        parts.append(mazes[np.array([pair.maze for pair in pairs], np.int64)])
        found += pairs
        if len(found) >= n:
            clean = parts[0] if len(parts) == 1 else Mazes.join(parts)
            return _gather(kind, clean[:n], found[:n])
    raise InputError(
        f"Only {len(found)} of {n} pairs of the kind {kind!r} were found in {distribution!r}."
    )


def _pair(
    mazes: Mazes, i: int, kind: str, wanted: np.ndarray, rng: np.random.Generator
) -> _Pair | None:
    """Return a pair made from one maze, None if it has none."""
    walls, objects = mazes.walls[i], mazes.objects[i]
    start = (int(mazes.start[i, 0]), int(mazes.start[i, 1]))
    goals = np.argwhere(wanted[objects])
    if len(goals) != 1:
        return None
    goal = (int(goals[0, 0]), int(goals[0, 1]))
    if kind == "swap-objects":
        others = np.argwhere((objects > 0) & (objects != objects[goal]))
    else:
        others = np.argwhere(~walls & (objects == 0))
    free = ~walls & (objects == 0)
    for other in others[rng.permutation(len(others))]:
        place = (int(other[0]), int(other[1]))
        if place == start:
            continue
        # Neither place may be walked over, since in one of the two mazes the goal is there.
        passable = free.copy()
        passable[place] = False
        ways = [_only_way(passable, start, end) for end in (goal, place)]
        if any(way is None or len(way) < _NEAREST for way in ways):
            continue
        one, two = (way for way in ways if way is not None)
        if kind == "move-goal":  # the place that is free in one maze must be no short cut there
            through = free.copy()
            after = free.copy()
            after[goal], after[place] = True, False
            if _only_way(through, start, goal) != one or _only_way(after, start, place) != two:
                continue
        if one[0] != two[0]:
            return _Pair(i, goal, place, (one, two))
    return None


def _only_way(passable: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> Way | None:
    """Return the shortest way as actions; None if there is none, or more than one."""
    target = np.zeros_like(passable)
    target[end] = True
    distance = distances(passable[None], target[None])[0]
    if distance[start] >= FAR:
        return None
    way, (y, x) = [], start
    while distance[y, x] > 0:
        nearer = [a for a in range(4) if distance[y + STEP_Y[a], x + STEP_X[a]] < distance[y, x]]
        if len(nearer) != 1:
            return None
        way.append(nearer[0])
        y, x = y + STEP_Y[nearer[0]], x + STEP_X[nearer[0]]
    return tuple(way)


def _gather(kind: str, clean: Mazes, pairs: list[_Pair]) -> GoalPairs:
    goals, others = (np.array([pair[k] for pair in pairs], np.int64) for k in (1, 2))
    rows, objects = np.arange(len(pairs)), clean.objects.copy()
    here, there = (rows, *goals.T), (rows, *others.T)
    things = tuple(zip(_words(objects[here]), _words(objects[there]), strict=True))
    objects[here], objects[there] = objects[there], objects[here]
    ids = [f"{name}-{kind}" for name in clean.ids]
    first = np.array([[way[0] for way in pair.ways] for pair in pairs])
    return GoalPairs(
        kind=kind,
        clean=clean,
        corrupted=Mazes(clean.walls, objects, clean.start, clean.game, ids, clean.shapes),
        clean_actions=np.eye(len(ACTION_NAMES), dtype=bool)[first[:, 0]],
        corrupted_actions=np.eye(len(ACTION_NAMES), dtype=bool)[first[:, 1]],
        place_dims=("y", "x"),
        clean_goal=goals,
        corrupted_goal=others,
        things=things,
        clean_way=tuple(pair.ways[0] for pair in pairs),
        corrupted_way=tuple(pair.ways[1] for pair in pairs),
        visited=visited,
    )


def _words(codes: np.ndarray) -> list[str]:
    return [
        f"{Colour(int(COLOUR_OF[code])).name} {Kind(int(KIND_OF[code])).name}".lower()
        if code
        else ""
        for code in codes
    ]


def visited(run: xr.Dataset) -> np.ndarray:
    """Return where the agent was in a recorded run.

    Returns
    -------
    numpy.ndarray
        Rows and columns, dims ``(episode, time, 2)``, int64: time ``t`` is before step ``t``; −1 beyond
        the end.

    Raises
    ------
    InputError
        If the run lacks what is needed, or its tasks are no mazes.
    """
    # What was seen says the same as the actions do, and takes longer to read.
    return trajectories(run.drop_vars("observation", errors="ignore")).player.astype(np.int64)
