"""Counterfactual pairs differ by one edit and ask for other first moves."""

from __future__ import annotations

import numpy as np
import pytest

from interp.errors import InputError, UnknownNameError
from organisms.boards.directions import ACTION_NAMES
from organisms.capabilities.counterfactual_pairs import CounterfactualPairs
from organisms.families.sokoban.counterfactuals import KINDS, level_pairs
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import room_split
from organisms.families.sokoban.oracle import solve

N = 4


@pytest.fixture(scope="module", params=KINDS)
def pairs(request):
    return level_pairs(request.param, N, seed=3)


def test_right_actions_are_the_oracles_and_disjoint(pairs):
    for levels, right in (
        (pairs.clean, pairs.clean_actions),
        (pairs.corrupted, pairs.corrupted_actions),
    ):
        assert right.shape == (N, len(ACTION_NAMES)) and right.any(axis=1).all()
        for level, actions in zip(levels, right, strict=True):
            before = solve(level).optimal_length
            world = SokobanWorld(level)
            for action in np.flatnonzero(actions):
                world.reset()
                world.step(np.array([action]))
                after = world.tiles[0]
                boxes = np.isin(after, (3, 4))
                left = solve(level).distance(boxes, tuple(np.argwhere(after >= 5)[0]))
                assert left == before - 1
    assert not (pairs.clean_actions & pairs.corrupted_actions).any()


def test_one_edit_apart_and_never_a_training_room(pairs):
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        changed = {
            name: int((getattr(clean, name) ^ getattr(corrupted, name)).sum())
            for name in ("walls", "boxes", "targets")
        }
        expected = {"add-wall": (1, 0, 0), "move-box": (0, 2, 0), "move-target": (0, 0, 2)}
        assert tuple(changed.values()) == expected[pairs.kind]
        assert clean.player == corrupted.player
        assert room_split(corrupted.walls) == "test"


def test_the_same_seed_gives_the_same_pairs_and_more_of_them(pairs):
    fewer = level_pairs(pairs.kind, N - 1, seed=3)
    assert fewer.corrupted == pairs.corrupted[: N - 1]
    other = level_pairs(pairs.kind, 1, seed=4)
    assert other.clean[0] != pairs.clean[0]


def test_actions_are_numbered_as_the_networks():
    four, five = (level_pairs("move-box", 2, n_actions=n) for n in (4, 5))
    assert not five.clean_actions[:, 0].any()
    assert np.array_equal(five.clean_actions[:, 1:], four.clean_actions)


def test_wrong_arguments_are_refused():
    with pytest.raises(UnknownNameError, match="move-box"):
        level_pairs("move-boxes", 1)
    with pytest.raises(InputError):
        level_pairs("move-box", 0)
    with pytest.raises(InputError):
        level_pairs("move-box", 1, n_actions=6)


def test_a_container_refuses_pairs_that_share_a_right_action():
    levels = level_pairs("move-box", 1)
    same = np.array([[True, False, False, False]])
    with pytest.raises(InputError, match="share"):
        CounterfactualPairs("move-box", levels.clean, levels.corrupted, same, same)
    with pytest.raises(InputError, match="no right action"):
        CounterfactualPairs("move-box", levels.clean, levels.corrupted, same, ~same & False)
