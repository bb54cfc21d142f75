"""Boards of different sizes in one array: what levels, mazes and their worlds rest on."""

from __future__ import annotations

import numpy as np
import pytest

from interp.errors import InputError
from organisms.boards.sequence import gathered, grown
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.text import parse_mazes
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.levels import Level, Levels, parse_levels

SMALL_LEVEL = "#####\n#@$.#\n#####"
LARGE_LEVEL = "######\n#    #\n#@$ .#\n######"
SMALL_MAZE = "; doors\n########\n##@@Dr##\n########"
LARGE_MAZE = "; doors\n##########\n##@@..Dr##\n##......##\n##########"


def test_grown_boards_keep_their_corner_and_get_the_fill():
    boards = np.arange(6).reshape(1, 2, 3)
    bigger = grown(boards, (3, 5), -1)
    assert bigger[0].tolist() == [[0, 1, 2, -1, -1], [3, 4, 5, -1, -1], [-1] * 5]
    assert grown(boards, (9, 9), None) is boards, "what is no board has no edges"


def test_boards_of_other_sizes_are_gathered_into_one_array():
    out = gathered([np.zeros((1, 3), bool), np.zeros((2, 1), bool)], True)
    assert out.dtype == bool
    assert out.astype(int).tolist() == [[[0, 0, 0], [1, 1, 1]], [[0, 1, 1], [0, 1, 1]]]


@pytest.mark.parametrize(
    ("parse", "small", "large"),
    [(parse_levels, SMALL_LEVEL, LARGE_LEVEL), (parse_mazes, SMALL_MAZE, LARGE_MAZE)],
)
def test_joined_sequences_are_those_that_were_gathered(parse, small, large):
    first, second = parse(small, prefix="a"), parse(large, prefix="b")
    both = first + second
    assert type(both) is type(first)
    assert both.ids == ["a/0", "b/0"]
    assert both.texts == [*first.texts, *second.texts]
    assert both == type(first).of([first[0], second[0]])
    assert [board.text for board in both] == both.texts
    assert both.shapes.tolist() == [first.shapes[0].tolist(), second.shapes[0].tolist()]
    picked = both[np.array([False, True])]
    assert picked.ids == ["b/0"]
    assert picked.texts == second.texts
    assert both[::-1] == both[[1, 0]] != both
    with pytest.raises(InputError, match="unique"):
        first + first
    with pytest.raises(InputError, match="at least one"):
        type(first).join([])


def test_titles_travel_with_their_levels():
    titled = Levels.of(
        [
            Level(parse_levels(SMALL_LEVEL)[0].tiles, "a", "first"),
            Level(parse_levels(LARGE_LEVEL)[0].tiles, "b", "second"),
        ]
    )
    assert titled[[1, 0]].titles == ["second", "first"]
    assert (titled[:1] + titled[1:]).titles == titled.titles
    assert titled[1].title == "second"


def test_mazes_of_two_games_do_not_join():
    corner = parse_mazes("; corner\n########\n##@@Cy##\n########", prefix="b")
    with pytest.raises(InputError, match="of one game; got corner, doors"):
        Mazes.join([parse_mazes(SMALL_MAZE), corner])


@pytest.mark.parametrize(
    ("world_of", "parse", "small", "large", "noun"),
    [
        (SokobanWorld, parse_levels, SMALL_LEVEL, LARGE_LEVEL, "level"),
        (MazeWorld, parse_mazes, SMALL_MAZE, LARGE_MAZE, "maze"),
    ],
)
def test_worlds_are_dealt_new_tasks_padded_onto_their_board(world_of, parse, small, large, noun):
    """A world of the large board goes on with small ones, and refuses the reverse."""
    calls = []

    def source():
        calls.append(1)
        return parse(small, prefix=f"new{len(calls)}")

    world = world_of(parse(large), autoreset=True, n_envs=2, max_steps=1, source=source)
    world.reset()
    after = world.step(np.zeros(2, int))  # the limit: both rows go on to new tasks
    assert after.truncated.all()
    assert calls
    fresh = world_of(parse(small) + parse(large, prefix="wide"))  # the same on a board as large
    np.testing.assert_array_equal(after.observation, fresh.reset()[[0, 0]])

    refused = world_of(
        parse(small), autoreset=True, n_envs=1, max_steps=1, source=lambda: parse(large)
    )
    with pytest.raises(InputError, match=f"{noun}s of .* larger than the world's"):
        for _ in range(3):
            refused.step(np.zeros(1, int))
    empty = world_of(
        parse(small), autoreset=True, n_envs=1, max_steps=1, source=lambda: parse(small)[:0]
    )
    with pytest.raises(InputError, match=f"no {noun}s"):
        for _ in range(3):
            empty.step(np.zeros(1, int))
