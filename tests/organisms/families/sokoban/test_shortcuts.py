"""Shortcut levels are what they say: two ways, one shorter, and who took which is told apart."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError, UnknownNameError
from interp.interventions.conditions import Condition
from organisms.boards.directions import ACTION_NAMES
from organisms.families.sokoban._ways import beside, solution_without
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import room_split
from organisms.families.sokoban.levels import Level, Levels, parse_levels
from organisms.families.sokoban.oracle import solve
from organisms.families.sokoban.shortcuts import KINDS, LEAST_GAIN, find_shortcuts, mirrored
from organisms.families.sokoban.steering import action_rewrites, shortcut_tasks

N = 3


def played(levels: Levels, actions: list[list[int]]) -> xr.Dataset:
    """Return the run in which each level is played with the actions given; the rest are wasted."""
    world = SokobanWorld(levels, max_steps=max(map(len, actions)) + 1)
    seen, taken, done = world.reset(), [], np.zeros(len(levels), bool)
    observations, length = [], np.zeros(len(levels), np.int32)
    while not done.all():
        step = len(taken)
        action = np.array([a[step] if step < len(a) else 0 for a in actions])
        action = np.where(done, -1, action)
        observations.append(seen)
        taken.append(action)
        length += ~done
        seen, _, terminated, truncated = world.step(action)
        done = done | terminated | truncated
    return xr.Dataset(
        {
            "observation": (
                ("episode", "step", "y", "x", "colour"),
                np.stack(observations, axis=1),
            ),
            "action": (("episode", "step"), np.stack(taken, axis=1).astype(np.int16)),
            "length": ("episode", length),
            "solved": ("episode", world.solved.copy()),
            "level_id": ("episode", levels.ids),
        },
        coords={"step": np.arange(len(taken))},
    )


def closed(level: Level, door: tuple[int, int]) -> Level:
    walls = level.walls
    walls[door] = True
    return Level.from_arrays(walls, level.targets, level.boxes, level.player)


def by_long_way(shortcut) -> list[int]:
    if shortcut.kind == "agent-shortcut":
        return solve(closed(shortcut.level, shortcut.door)).solution() or []
    return solution_without(shortcut.level, shortcut.door) or []


@pytest.fixture(scope="module", params=KINDS)
def shortcuts(request):
    return find_shortcuts(request.param, N)


def test_both_ways_solve_and_the_short_one_is_shorter(shortcuts):
    for shortcut in shortcuts:
        short, long = solve(shortcut.level).solution(), by_long_way(shortcut)
        assert short is not None
        assert (len(short), len(long)) == (shortcut.short_length, shortcut.long_length)
        assert len(long) - len(short) >= LEAST_GAIN[shortcut.kind]
        one = Levels.of([shortcut.level])
        assert played(one, [short]).solved.all() and played(one, [long]).solved.all()
        assert room_split(shortcut.level.walls) == "test"
        assert not (shortcut.level.boxes & shortcut.level.targets).any()


def test_the_ways_are_disjoint_paths_of_whoever_goes_them(shortcuts):
    for shortcut in shortcuts:
        assert shortcut.door in shortcut.short
        long = [square for square, _ in shortcut.long]
        assert not set(shortcut.short) & set(long)
        for (square, move), (after, next_move) in zip(
            shortcut.long, shortcut.long[1:], strict=False
        ):
            # The agent comes onto the next square by its move; a box goes off this one by its own.
            by = next_move if shortcut.kind == "agent-shortcut" else move
            assert beside(square, by) == after
        first, move = shortcut.long[0]
        if shortcut.kind == "agent-shortcut":
            assert beside(shortcut.level.player, move) == first
        else:
            assert shortcut.level.boxes[first]


def test_the_larger_set_begins_with_the_smaller_one(shortcuts):
    assert find_shortcuts(shortcuts[0].kind, N - 1) == shortcuts[: N - 1]


def test_mirror_images_have_mirrored_ways(shortcuts):
    for image in mirrored(shortcuts[0]):
        assert solve(image.level).optimal_length == image.short_length
        assert solve(closed(image.level, image.door)).optimal_length >= image.long_length
        assert not image.level.walls[image.door]
        first, move = image.long[0]
        if image.kind == "agent-shortcut":
            assert beside(image.level.player, move) == first
            # The mirrored first move is a best one of the closed level, and none of the opened.
            best = solve(closed(image.level, image.door)).optimal_actions(
                image.level.boxes, image.level.player
            )
            assert best[move]
        else:
            assert image.level.boxes[first]


@pytest.mark.parametrize("kind", KINDS)
def test_who_took_the_long_way_is_told_from_the_run(kind):
    tasks = shortcut_tasks(kind, 2)
    assert len(tasks) == 16 and tasks.unit.tolist() == [0] * 8 + [1] * 8
    images = [image for shortcut in find_shortcuts(kind, 2) for image in mirrored(shortcut)]
    assert tasks.tasks.ids == [image.level.id for image in images]
    short = played(tasks.tasks, [solve(image.level).solution() or [] for image in images])
    long = played(tasks.tasks, [by_long_way(image) for image in images])
    assert not tasks.took_long_way(short).any() and short.solved.all()
    assert tasks.succeeded(long).all()
    # Parts of the tasks know their own levels; an episode that does nothing goes no way.
    assert tasks[3:9:2].succeeded(long.isel(episode=slice(3, 9, 2))).all()
    idle = played(tasks.tasks, [[]] * len(tasks))
    assert not tasks.took_long_way(idle).any()


def test_the_plan_of_the_long_way_is_the_concept_of_who_takes_it():
    """Labels of a run by the long way are, at step 0, what steering writes on its squares."""
    from organisms.families.sokoban.concepts import CONCEPTS, DIRECTIONS

    for kind in KINDS:
        tasks = shortcut_tasks(kind, 2)[::4]
        images = [image for shortcut in find_shortcuts(kind, 2) for image in mirrored(shortcut)]
        run = played(tasks.tasks, [by_long_way(image) for image in images[::4]])
        labels = CONCEPTS[tasks.concept](run).sel(step=0).values
        for episode in range(len(tasks)):
            square, name = tasks.long[episode][0]
            assert DIRECTIONS[labels[(episode, *square)]] == name
            for square in tasks.short[episode]:
                assert DIRECTIONS[labels[(episode, *square)]] == tasks.never


def test_conditions_follow_the_world():
    levels = parse_levels("#######\n#@$  .#\n#     #\n#######")
    world = SokobanWorld(levels)
    rows = np.array([0])
    entered = Condition.until("sokoban/player-entered-square", each={"y": [1], "x": [2]}).start()
    left = Condition.until("sokoban/box-left-square", each={"y": [1], "x": [3]}).start()
    away = Condition.until("sokoban/player-left-square", each={"y": [1], "x": [1]}).start()
    world.reset()
    acts = []
    for step in range(4):
        acts.append([bool(c.acts(world, rows, step, rows)[0]) for c in (entered, left, away)])
        world.step(np.array([3]))
    # The player enters (1, 2) with the first push, which puts the box on (1, 3); the second takes
    # it off again. Left for good: the conditions do not come back.
    assert acts == [
        [True, True, True],
        [False, True, False],
        [False, False, False],
        [False, False, False],
    ]


def test_action_rewrites_name_the_moves_that_would_do_something():
    levels = parse_levels("#######\n#@$  .#\n#     #\n#######")
    run = played(levels, [[3, 3, 3]])
    rewrites = action_rewrites(run, 0)
    assert rewrites.place.tolist() == [[1, 1]]
    # Up and left are walls, right is what was done: only down is left.
    assert [ACTION_NAMES[a] for a in np.flatnonzero(rewrites.possible[0])] == ["down"]
    with_noop = action_rewrites(run.assign(action=run.action + 1), 0, n_actions=5)
    assert with_noop.classes[0] == "" and not with_noop.possible[0, 0]
    assert np.array_equal(with_noop.possible[0, 1:], rewrites.possible[0])


def test_wrong_arguments_are_refused():
    with pytest.raises(UnknownNameError, match="agent-shortcut"):
        find_shortcuts("agent-shortcuts")
    with pytest.raises(InputError, match="1 to 2 boxes"):
        find_shortcuts("agent-shortcut", n_boxes=3)
    with pytest.raises(InputError):
        find_shortcuts("agent-shortcut", 0)
