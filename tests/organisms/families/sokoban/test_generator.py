"""Generated levels: solvable, reproducible, and split without a leak."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.errors import InputError, UnknownNameError
from organisms.families.sokoban.edits import symmetries
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import MAX_PULLS, construct, generate, room_split
from organisms.families.sokoban.levels import Level
from organisms.families.sokoban.observations import Tile

STEPS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
OPPOSITE = [1, 0, 3, 2]


def walk(free, start, goal):
    """Moves of a shortest walk over free squares, by breadth-first search."""
    before = {tuple(start): None}
    queue = deque([tuple(start)])
    while queue and tuple(goal) not in before:
        square = queue.popleft()
        for action, step in enumerate(STEPS):
            to = (square[0] + step[0], square[1] + step[1])
            if free[to] and to not in before:
                before[to] = (square, action)
                queue.append(to)
    moves, square = [], tuple(goal)
    while before[square] is not None:
        square, action = before[square]
        moves.append(action)
    return moves[::-1]


def solution(level, box, direction):
    """Moves that undo the pulls of a construction, the last first."""
    boxes, player, moves = level.boxes, np.array(level.player), []
    for square, pull in zip(box[::-1], direction[::-1], strict=True):
        pulled_to = square + STEPS[pull]
        assert boxes[tuple(pulled_to)]
        behind = pulled_to + STEPS[pull]
        moves += walk(~level.walls & ~boxes, player, behind)
        moves.append(OPPOSITE[pull])
        boxes[tuple(pulled_to)], boxes[tuple(square)] = False, True
        player = pulled_to
    assert (boxes == level.targets).all()
    return moves


@pytest.mark.parametrize(
    ("size", "n_boxes", "split"),
    [((10, 10), 4, None), ((10, 10), 2, "test"), ((6, 9), 1, "train"), ((13, 12), 7, None)],
)
def test_the_way_they_were_made_solves_them(size, n_boxes, split):
    levels, made = construct(40, size=size, n_boxes=n_boxes, split=split, seed=5)
    for index, level in enumerate(levels):
        n_pulls = int((made.direction[index] >= 0).sum())
        moves = solution(level, made.box[index, :n_pulls], made.direction[index, :n_pulls])
        world = SokobanWorld(level, max_steps=len(moves))
        rewards = [world.step(np.array([move])) for move in moves]
        assert world.solved.all()
        assert rewards[-1].terminated.all() and not rewards[-2].terminated.any()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(6, 14),
    width=st.integers(6, 14),
    n_boxes=st.integers(1, 4),
    seed=st.integers(0, 2**40),
)
def test_levels_of_any_size_are_valid_and_not_trivial(height, width, n_boxes, seed):
    for level in generate(3, size=(height, width), n_boxes=n_boxes, seed=seed):
        assert level.shape == (height, width)
        assert level.n_boxes == level.targets.sum() == n_boxes
        assert not (level.tiles == Tile.BOX_ON_TARGET).any()
        assert level == Level(level.tiles)  # checked: closed, one player, as many targets as boxes


def test_a_level_depends_on_its_index_and_the_seed_alone():
    whole = generate(50, n_boxes=2, seed=1)
    assert generate(10, n_boxes=2, seed=1, start=30) == whole[30:40]
    assert generate(50, n_boxes=2, seed=1) == whole
    assert len(set(whole.texts)) == 50
    others = [
        generate(50, n_boxes=2, seed=2),
        generate(50, n_boxes=2, seed=1, split="train"),
        generate(50, n_boxes=2, seed=1, split="test"),
    ]
    for other in others:
        assert not set(other.texts) & set(whole.texts)
        assert not set(other.ids) & set(whole.ids)


def test_ids_say_how_to_make_the_level_again():
    assert generate(1, size=(7, 9), n_boxes=2, seed=3, start=12).ids == ["generated-7x9-b2-s3/12"]
    assert generate(1, split="test").ids == ["generated-10x10-b4-s0-test/0"]


@pytest.mark.parametrize("size", [(10, 10), (7, 9)])
def test_no_mirror_image_of_a_test_room_is_a_training_room(size):
    rooms = {}
    for split in ("train", "test"):
        levels = generate(150, size=size, n_boxes=1, split=split)
        rooms[split] = {
            image.walls.tobytes() + bytes(image.shape)
            for level in levels
            for image in symmetries(level)
        }
        images = [image.walls for level in levels[:20] for image in symmetries(level)]
        assert {room_split(walls) for walls in images} == {split}
    assert not rooms["train"] & rooms["test"]


def test_a_tenth_of_the_rooms_is_for_testing():
    levels = generate(2000, n_boxes=1, seed=11)
    share = np.mean([room_split(walls) == "test" for walls in levels.tiles == Tile.WALL])
    assert 0.07 < share < 0.13  # 4.5 standard errors of a share of 0.1


def test_construction_says_nothing_after_the_last_pull():
    _, made = construct(20, n_boxes=2)
    assert made.direction.shape == (20, MAX_PULLS) and made.box.shape == (20, MAX_PULLS, 2)
    for row in made.direction:
        last = int((row >= 0).sum())
        assert (row[:last] < 4).all() and (row[last:] == -1).all()


def test_boards_that_cannot_be_made_are_refused():
    with pytest.raises(InputError, match="boxes, targets and the player"):
        generate(1, size=(5, 5), n_boxes=5)
    with pytest.raises(InputError, match="was found"):
        generate(1, size=(4, 4), n_boxes=1)
    with pytest.raises(InputError, match="need"):
        generate(1, n_boxes=0)
    with pytest.raises(InputError, match="need"):
        generate(1, size=(2, 10), n_boxes=1)
    with pytest.raises(InputError, match="at least 0"):
        generate(1, seed=-1)
    with pytest.raises(InputError, match="at least 0"):
        generate(-1)
    with pytest.raises(UnknownNameError, match="'test'"):
        generate(1, split="tset")
    assert len(generate(0)) == 0


def test_narrow_boards_work_where_they_can():
    (level,) = generate(1, size=(3, 9), n_boxes=1)
    assert level.shape == (3, 9)
