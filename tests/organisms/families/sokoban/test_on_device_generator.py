"""Levels made as tensor operations: the ones the compiled loops make, to the last square."""

import numpy as np
import pytest
import torch

from organisms.boards import random_rooms
from organisms.families.sokoban import _construction
from organisms.families.sokoban.generator import SPLITS, generate
from organisms.families.sokoban.on_device import generator, randomness
from organisms.families.sokoban.on_device.generator import fill_on_device

EDGES = [0, 1, 2, 9, 10, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**63 + 9, 2**64 - 1]


def as_int64(values):
    return torch.from_numpy(np.array(values, np.uint64).view(np.int64))


def as_uint64(tensor):
    return tensor.numpy().view(np.uint64).tolist()


@pytest.fixture
def hasty(monkeypatch):
    """Few and short trials in both generators, the loops of the compiled one as plain Python."""
    for module in (_construction, generator):
        monkeypatch.setattr(module, "_ROLLOUTS", 2)
        monkeypatch.setattr(module, "_CHOOSY", 2)
        monkeypatch.setattr(module, "ATTEMPTS", 60)
    play = _construction._play_backwards.py_func
    monkeypatch.setattr(_construction, "_play_backwards", play)

    def fill(indices, n_boxes, seed, split, size):
        tiles = np.zeros((len(indices), *size), np.uint8)
        pull_from, pull_direction = np.zeros((1, 400), np.int64), np.zeros((1, 400), np.int8)
        with np.errstate(over="ignore"):  # uint64 sums wrap
            missing = _construction.fill.py_func(
                np.array(indices, np.int64),
                n_boxes,
                np.uint64(seed),
                split,
                tiles,
                pull_from,
                pull_direction,
            )
        return tiles, missing

    return fill


# The time grows with the attempts of the slowest level: most of these parts of the sets need few.
@pytest.mark.parametrize(
    ("n", "size", "n_boxes", "seed", "split", "start"),
    [
        (20, (7, 7), 1, 0, None, 174),
        (20, (7, 7), 2, 1, "train", 2**40 + 91),
        (20, (7, 7), 1, 2, "test", 228),
        (20, (10, 10), 2, 3, "train", 151),
        (12, (10, 10), 4, 2**64 - 1, None, 2**40 + 2719),
    ],
)
def test_the_levels_are_those_of_the_compiled_loops(n, size, n_boxes, seed, split, start):
    levels = generate(n, size=size, n_boxes=n_boxes, seed=seed, split=split, start=start)
    of_split = -1 if split is None else SPLITS.index(split)
    tiles, missing = fill_on_device(range(start, start + n), n_boxes, seed, of_split, size)
    assert missing == -1
    assert tiles.dtype == torch.uint8
    np.testing.assert_array_equal(tiles.numpy(), levels.tiles)


@pytest.mark.parametrize(
    ("size", "n_boxes", "split"),
    [((5, 6), 1, 0), ((9, 6), 3, -1), ((8, 8), 2, 1), ((3, 9), 1, -1)],
)
def test_boards_of_any_shape_agree_where_trials_are_few(hasty, size, n_boxes, split):
    expected, missing = hasty(range(20), n_boxes, 7, split, size)
    tiles, missing_on_device = fill_on_device(range(20), n_boxes, 7, split, size)
    assert missing == missing_on_device == -1
    np.testing.assert_array_equal(tiles.numpy(), expected)


def test_a_level_does_not_depend_on_those_made_beside_it(hasty):
    options = dict(n_boxes=1, seed=0, split=-1, size=(6, 7))
    whole, missing = fill_on_device(range(12), **options)
    assert missing == -1
    assert len(np.unique(whole.numpy(), axis=0)) == 12
    assert torch.equal(fill_on_device(range(12), **options, at_once=5)[0], whole)
    assert torch.equal(fill_on_device(torch.tensor([7, 2]), **options)[0], whole[[7, 2]])
    none, missing = fill_on_device([], **options)
    assert (none.shape, missing) == ((0, 6, 7), -1)


@pytest.mark.parametrize("at_once", [5, 100])
def test_the_first_row_without_a_level_is_named(hasty, monkeypatch, at_once):
    for module in (_construction, generator):
        monkeypatch.setattr(module, "ATTEMPTS", 6)
    options = dict(n_boxes=2, seed=7, split=0, size=(7, 7))
    expected, missing = hasty(range(20), **options)
    assert missing == 12
    tiles, missing_on_device = fill_on_device(range(20), **options, at_once=at_once)
    assert missing_on_device == missing
    np.testing.assert_array_equal(tiles[:missing].numpy(), expected[:missing])


def test_a_board_where_no_box_can_be_pulled_has_no_level(hasty):
    assert fill_on_device(range(3), n_boxes=1, seed=0, split=-1, size=(4, 4))[1] == 0


def test_values_are_mixed_as_by_the_compiled_function():
    values = as_uint64(randomness.mix(as_int64(EDGES)))
    assert values == [int(random_rooms.mix(np.uint64(value))) for value in EDGES]


@pytest.mark.parametrize("divisor", [1, 2, 3, 10, 2**32 + 1, 2**62 + 1, 2**63 - 1])
def test_remainders_are_those_of_unsigned_numbers(divisor):
    expected = [value % divisor for value in EDGES]
    assert randomness.unsigned_remainder(as_int64(EDGES), divisor).tolist() == expected
    each = torch.full((len(EDGES),), divisor)
    assert randomness.unsigned_remainder(as_int64(EDGES), each).tolist() == expected


@pytest.mark.parametrize("bound", [1, 2, 100, 2**31, 2**32 - 1])
def test_draws_are_those_of_the_compiled_function(bound):
    streams = as_int64(EDGES)
    active = torch.arange(len(EDGES)) % 2 == 0
    draws = [
        randomness.next_below(streams, bound),
        randomness.next_below(streams, torch.full_like(streams, bound), active),
        randomness.next_below(streams, bound, None),
    ]
    for row, value in enumerate(EDGES):
        stream = np.array([value], np.uint64)
        for turn, drawn in enumerate(draws):
            if turn != 1 or active[row]:
                assert drawn[row] == random_rooms.next_below(stream, bound)
        assert as_uint64(streams)[row] == stream[0]


def test_a_later_draw_can_be_looked_up():
    streams = as_int64(EDGES)
    ahead = randomness.scaled(randomness.word_after(streams[:, None], torch.arange(1, 4)), 1000)
    drawn = [randomness.next_below(streams, 1000) for _ in range(3)]
    assert torch.equal(ahead, torch.stack(drawn, 1))


@pytest.mark.parametrize("size", [(3, 5), (7, 7), (8, 8), (10, 10), (16, 8), (9, 15)])
def test_rooms_have_the_hash_of_the_compiled_function(size):
    walls = np.random.default_rng(0).random((20, *size)) < 0.4
    walls[0], walls[1] = True, False
    hashes = as_uint64(randomness.room_hash(torch.from_numpy(walls)))
    assert hashes == [int(random_rooms.room_hash(room)) for room in walls]
