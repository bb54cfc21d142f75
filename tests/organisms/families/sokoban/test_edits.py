"""Counterfactual edits and symmetries."""

import numpy as np
import pytest

from interp.errors import LevelError, UnknownNameError
from organisms.families.sokoban.edits import (
    SYMMETRIES,
    add_wall,
    move_box,
    move_player,
    move_target,
    remove_wall,
    symmetries,
    transform,
    transform_actions,
)
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import parse_levels

LEVEL = parse_levels("######\n#@$ .#\n#  # #\n######", prefix="edit")[0]


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda: move_box(LEVEL, (1, 2), (2, 1)), "######\n#@  .#\n#$ # #\n######"),
        (lambda: move_box(LEVEL, (1, 2), (1, 4)), "######\n#@  *#\n#  # #\n######"),
        (lambda: move_player(LEVEL, (1, 4)), "######\n# $ +#\n#  # #\n######"),
        (lambda: move_target(LEVEL, (1, 4), (1, 2)), "######\n#@*  #\n#  # #\n######"),
        (lambda: move_target(LEVEL, (1, 4), (1, 1)), "######\n#+$  #\n#  # #\n######"),
        (lambda: add_wall(LEVEL, (1, 3)), "######\n#@$#.#\n#  # #\n######"),
        (lambda: remove_wall(LEVEL, (2, 3)), "######\n#@$ .#\n#    #\n######"),
    ],
)
def test_edits_do_what_they_say(edit, text):
    before = LEVEL.text
    edited = edit()
    assert edited.text == text
    assert edited.id.startswith("edit/0+") and edited.id != LEVEL.id
    assert LEVEL.text == before


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: move_box(LEVEL, (1, 3), (1, 4)), "no box on"),
        (lambda: move_box(LEVEL, (1, 2), (0, 0)), "there is a wall"),
        (lambda: move_box(LEVEL, (1, 2), (1, 1)), "the player is there"),
        (lambda: move_box(LEVEL, (1, 2), (1, 2)), "there is a box"),
        (lambda: move_box(LEVEL, (1, 2), (1, 6)), "not on the board"),
        (lambda: move_box(LEVEL, (1, 2), (-3, 3)), "not on the board"),
        (lambda: move_player(LEVEL, (1, 2)), "there is a box"),
        (lambda: move_player(LEVEL, (2, 3)), "there is a wall"),
        (lambda: move_target(LEVEL, (1, 3), (1, 1)), "no target on"),
        (lambda: move_target(LEVEL, (1, 4), (2, 3)), "there is a wall"),
        (lambda: move_target(LEVEL, (1, 4), (1, 4)), "there is a target"),
        (lambda: add_wall(LEVEL, (1, 4)), "there is a target"),
        (lambda: add_wall(LEVEL, (1, 2)), "there is a box"),
        (lambda: add_wall(LEVEL, (1, 1)), "the player is there"),
        (lambda: add_wall(LEVEL, (2, 3)), "there is a wall"),
        (lambda: remove_wall(LEVEL, (1, 3)), "no wall on"),
        (lambda: remove_wall(LEVEL, (0, 1)), "boundary is open"),
    ],
)
def test_impossible_edits_are_refused(edit, message):
    with pytest.raises(LevelError, match=message):
        edit()


def test_edits_name_themselves_apart():
    one = move_box(LEVEL, (1, 2), (1, 3))
    assert one.id == "edit/0+box(1,2)to(1,3)"
    assert add_wall(one, (2, 4)).id == "edit/0+box(1,2)to(1,3)+wall(2,4)"
    assert move_box(one, (1, 3), (1, 2)) == LEVEL


def test_symmetries_of_a_board_without_any():
    level = parse_levels("######\n#@$ .#\n#  ###\n######", prefix="s")[0]
    images = symmetries(level)
    assert len(set(images)) == len(images) == 8
    assert images[0] == level and images.ids[0] == level.id
    assert images[SYMMETRIES.index("flip")].text == "######\n#. $@#\n###  #\n######"
    assert images[SYMMETRIES.index("rotate90")].shape == (6, 4)
    assert images[SYMMETRIES.index("rotate90")].text == "####\n#.##\n# ##\n#$ #\n#@ #\n####"
    # They are a group: images of an image are the same boards.
    assert set(symmetries(images[5])) == set(images)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_transformed_actions_play_the_transformed_level(symmetry):
    levels = generate(30, size=(8, 11), n_boxes=3)
    images = [transform(level.tiles, symmetry) for level in levels]
    mirrored = type(levels)(np.stack(images), levels.ids)
    world, mirror = SokobanWorld(levels), SokobanWorld(mirrored)
    permuted = transform_actions(symmetry)
    assert sorted(permuted) == [0, 1, 2, 3]
    random = np.random.default_rng(0)
    pushed = False
    for _ in range(80):
        actions = random.integers(0, 4, len(levels))
        one, other = world.step(actions), mirror.step(permuted[actions])
        assert np.array_equal(transform(world.tiles, symmetry), mirror.tiles)
        assert np.array_equal(one.reward, other.reward)
        assert np.array_equal(one.terminated, other.terminated)
        pushed |= bool((one.reward > 0).any())
    assert pushed


def test_unknown_symmetry():
    with pytest.raises(UnknownNameError, match="'rotate90'"):
        transform(LEVEL.tiles, "rotate-90")
