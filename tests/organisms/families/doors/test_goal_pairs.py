"""Pairs of mazes that differ by where the goal lies, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analyses.objectives.path_probability import walk_ways
from interp.errors import InputError, UnknownNameError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.places import Places
from organisms.families.doors.generator import generate
from organisms.families.doors.goal_pairs import KINDS, goal_pairs, visited
from organisms.families.doors.objects import KIND_OF, Kind
from organisms.families.doors.outcomes import outcomes
from organisms.families.doors.planners import demonstrate
from organisms.organism import Organism
from tests.organisms.tiny_mazes import tiny_maze_organism


@pytest.fixture(scope="module", params=KINDS)
def pairs(request):
    return goal_pairs(request.param, 12, seed=3)


@pytest.fixture(scope="module")
def organism() -> Organism:
    return tiny_maze_organism(seed=0)


def test_the_goal_moves_and_nothing_else(pairs):
    clean, corrupted = pairs.clean, pairs.corrupted
    rows = np.arange(len(pairs))
    assert (clean.walls == corrupted.walls).all() and (clean.start == corrupted.start).all()
    door = KIND_OF == Kind.DOOR
    assert door[clean.objects[(rows, *pairs.clean_goal.T)]].all()
    assert door[corrupted.objects[(rows, *pairs.corrupted_goal.T)]].all()
    changed = np.argwhere(clean.objects != corrupted.objects)
    places = np.concatenate([pairs.clean_goal, pairs.corrupted_goal])
    wanted = np.column_stack([np.tile(rows, 2), places])
    assert set(map(tuple, changed)) == set(map(tuple, wanted))
    there = clean.objects[(rows, *pairs.corrupted_goal.T)]
    assert ((there > 0) == (pairs.kind == "swap-objects")).all()
    assert [bool(words[1]) for words in pairs.things] == list(there > 0)
    assert not set(clean.ids) & set(corrupted.ids)


def test_mazes_are_those_of_held_out_walls(pairs):
    number = [int(name.split("/")[1]) for name in pairs.clean.ids]
    test = generate("doors-training", max(number) + 1, size=(7, 7), seed=3, split="test")
    assert pairs.clean == test[np.array(number)]


@pytest.mark.parametrize("which", ["clean", "corrupted"])
def test_each_way_is_the_only_shortest_one_in_both_mazes(pairs, which):
    ways, goals = getattr(pairs, f"{which}_way"), getattr(pairs, f"{which}_goal")
    for mazes in (pairs.clean, pairs.corrupted):
        for i, maze in enumerate(mazes):
            assert _shortest(maze, tuple(goals[i])) == [ways[i]]


def _shortest(maze, end) -> list[tuple[int, ...]]:
    """Return all shortest ways over free squares, by trying every one."""
    ways = [((), maze.start)]
    for _ in range(40):
        ended = [way for way, at in ways if at == end]
        if ended:
            return ended
        further = []
        for way, (y, x) in ways:
            for action in range(4):
                at = (int(y + STEP_Y[action]), int(x + STEP_X[action]))
                free = not maze.walls[at] and (maze.objects[at] == 0 or at == end)
                if free:
                    further.append(((*way, action), at))
        # Of ways that came back none is a shortest one; without them there are few.
        ways = [(way, at) for way, at in further if len(way) == _least(further, at)]
        ways = [(way, at) for way, at in ways if not _seen_before(maze, way)]
    return []


def _least(ways, at) -> int:
    return min(len(way) for way, end in ways if end == at)


def _seen_before(maze, way) -> bool:
    squares = [maze.start]
    for action in way:
        y, x = squares[-1]
        squares.append((int(y + STEP_Y[action]), int(x + STEP_X[action])))
    return len(set(squares)) < len(squares)


def test_right_actions_begin_the_ways(pairs):
    for actions, ways in (
        (pairs.clean_actions, pairs.clean_way),
        (pairs.corrupted_actions, pairs.corrupted_way),
    ):
        assert actions.sum(axis=1).tolist() == [1] * len(pairs)
        assert actions.argmax(axis=1).tolist() == [way[0] for way in ways]


def test_agents_with_a_known_goal_come_to_its_place(pairs):
    clean, corrupted = (
        demonstrate(mazes, "reach-door", seed=1) for mazes in (pairs.clean, pairs.corrupted)
    )
    assert (pairs.went_to(clean) == 0).all()
    assert (pairs.went_to(corrupted) == 1).all()
    lost = demonstrate(pairs.clean, "random", max_steps=1)
    assert (pairs.went_to(lost) == -1).all()  # no goal is one move off
    with pytest.raises(InputError, match="not of these tasks"):
        pairs.went_to(clean.isel(episode=slice(0, 3)))


def test_places_are_those_that_the_world_says(pairs):
    run = demonstrate(pairs.clean, "random", max_steps=15, seed=2)
    np.testing.assert_array_equal(visited(run), outcomes(run).position.values)
    with pytest.raises(InputError, match="action"):
        visited(run.drop_vars("action"))


def test_a_place_that_is_passed_counts_from_the_first_time():
    pairs = goal_pairs("move-goal", 4)
    run = demonstrate(pairs.clean, "random", max_steps=20, seed=5)
    places = np.full((4, 3, 2), -1)
    places[:, 0] = pairs.clean.start
    places[:2, 1], places[:2, 2] = pairs.corrupted_goal[:2], pairs.clean_goal[:2]
    places[2, 1] = pairs.clean_goal[2]
    told = dataclasses.replace(pairs, visited=lambda run: places)
    assert told.went_to(run).tolist() == [1, 1, 0, -1]


def test_a_larger_set_begins_with_the_smaller(pairs):
    more = goal_pairs(pairs.kind, 20, seed=3)
    assert more.clean[:12] == pairs.clean and more.corrupted[:12] == pairs.corrupted
    assert more.corrupted_way[:12] == pairs.corrupted_way


def test_cheese_can_be_moved_and_chests_cannot():
    pairs = goal_pairs("move-goal", 3, distribution="corner-training")
    assert pairs.clean.game == "corner" and len(pairs) == 3
    with pytest.raises(InputError, match="several goals"):
        goal_pairs("move-goal", 3, distribution="chests-training")


def test_what_cannot_be_asked_for():
    with pytest.raises(UnknownNameError, match="swap-objects"):
        goal_pairs("swap-object", 3)
    with pytest.raises(UnknownNameError, match="doors-training"):
        goal_pairs("move-goal", 3, distribution="doors-trainin")
    with pytest.raises(InputError, match="n"):
        goal_pairs("move-goal", 0)


def test_pairs_that_do_not_fit_are_refused(pairs):
    with pytest.raises(InputError, match="at one place"):
        dataclasses.replace(pairs, corrupted_goal=pairs.clean_goal)
    with pytest.raises(InputError, match="corrupted_way"):
        dataclasses.replace(pairs, corrupted_way=pairs.corrupted_way[1:])
    with pytest.raises(InputError, match="no actions"):
        dataclasses.replace(pairs, clean_way=((), *pairs.clean_way[1:]))
    with pytest.raises(InputError, match="clean_goal"):
        dataclasses.replace(pairs, clean_goal=pairs.clean_goal[1:])
    assert repr(pairs) == f"<GoalPairs {pairs.kind!r}: 12 pairs>"


def test_the_organism_offers_pairs_and_starts_everywhere(organism):
    assert (
        organism[Counterfactuals].pairs("swap-objects", 2).clean.ids
        == goal_pairs("swap-objects", 2).clean.ids
    )
    task = organism.tasks("test", 1)
    tasks, begun = organism[Places].everywhere(task)
    assert sorted(begun[begun >= 0]) == list(range(len(tasks)))
    free = ~task.walls[0] & (task.objects[0] == 0)
    np.testing.assert_array_equal(begun >= 0, free)
    assert all((begun[y, x] == i) for i, (y, x) in enumerate(tasks.start))
    with pytest.raises(InputError, match="not 2"):
        organism[Places].everywhere(organism.tasks("test", 2))


def test_ways_are_walked_and_those_too_long_refused(organism, pairs):
    ways = walk_ways(organism, pairs.clean, pairs.corrupted_way)
    assert ways.length.tolist() == [len(way) for way in pairs.corrupted_way]
    agent = np.argwhere(ways.observations[:, 0, 1])  # the plane of the agent, first pair
    n = int(ways.length[0])
    assert tuple(agent[0, 1:]) == pairs.clean[0].start
    last = agent[n - 1, 1:] + [STEP_Y[ways.actions[n - 1, 0]], STEP_X[ways.actions[n - 1, 0]]]
    assert tuple(last) == tuple(pairs.corrupted_goal[0])
    with pytest.raises(InputError, match="is over before"):
        walk_ways(organism, pairs.clean, [(*way, 0) for way in pairs.clean_way])
    with pytest.raises(InputError, match="as many ways"):
        walk_ways(organism, pairs.clean, pairs.clean_way[1:])
