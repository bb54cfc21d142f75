"""Labels on a device are those of the compiled oracle."""

import numpy as np
import pytest
import torch

from interp.errors import InputError
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Levels, parse_levels
from organisms.families.sokoban.on_device import search as search_module
from organisms.families.sokoban.on_device.oracle import TensorOracle
from organisms.families.sokoban.oracle import OraclePool

ODD = [
    "#######\n#@$ . #\n#######",  # a corridor
    "#######\n#@ $ $#\n# . . #\n#     #\n#######",  # a box against the right wall, in a dead column
    "#######\n#@$ .##\n##### #\n#*#   #\n#######",  # a box out of reach, on a target
    "#######\n#@$ .##\n#######\n#$ . ##\n#######",  # one out of reach, off target: hopeless
    "#######\n#@$. .#\n#   . #\n#     #\n#######",  # more targets than boxes
    "#######\n#@    #\n###*###\n#     #\n#######",  # solved, and it can be unsolved
]


def as_levels(texts):
    """Read boards that `parse_levels` would not take: with targets to spare, or solved."""
    boards = [np.array([["# .$*@+".index(c) for c in row] for row in t.split("\n")]) for t in texts]
    height = max(len(board) for board in boards)
    tiles = [np.pad(board, ((0, height - len(board)), (0, 0))) for board in boards]
    return Levels(np.array(tiles, np.uint8), [f"odd/{k}" for k in range(len(texts))])


MIXED = Levels.join(
    [
        generate(6, size=(7, 7), n_boxes=2, seed=3),
        generate(3, size=(7, 7), n_boxes=1, seed=3),
        as_levels(ODD),
    ]
)


def arrays(board):
    boxes, player = np.isin(board, (3, 4)), np.argwhere(board >= 5)[0]
    return board == 0, np.isin(board, (2, 4, 6)), boxes, tuple(player.tolist())


def pair(levels):
    compiled = OraclePool.build(arrays(board) for board in levels.tiles)
    return compiled, TensorOracle.build(levels, "cpu")


def same_labels(compiled, ours, which, tiles, player=None):
    wanted = compiled.look_up(which, tiles, player)
    player = None if player is None else torch.tensor(player)
    got = ours.look_up(torch.tensor(which), torch.tensor(tiles), player)
    return all(np.array_equal(a.numpy(), b) for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("at_once", [1 << 27, 1])
def test_every_entry_of_every_table_is_the_compiled_one(monkeypatch, at_once):
    monkeypatch.setattr(search_module, "ENTRIES_AT_ONCE", at_once)
    monkeypatch.setattr(search_module, "_STATES_AT_ONCE", 1000)
    compiled, ours = pair(MIXED)
    wanted = [oracle._table for oracle in compiled.oracles]
    assert np.array_equal(ours.tables.entries[:-1].numpy(), np.concatenate(wanted))
    assert ours.tables.offset.tolist() == [sum(map(len, wanted[:k])) for k in range(len(wanted))]


def test_labels_along_random_play_are_the_compiled_ones():
    compiled, ours = pair(MIXED)
    world = SokobanWorld(MIXED, autoreset=True, n_envs=40, max_steps=30)
    rng = np.random.default_rng(0)
    dead = 0
    for _ in range(60):
        assert same_labels(compiled, ours, world.level_index, world.tiles)
        assert same_labels(compiled, ours, world.level_index, world.tiles, world.player)
        dead += (compiled.look_up(world.level_index, world.tiles)[1] < 0).sum()
        world.step(rng.integers(0, 4, 40))
    assert dead > 0


def test_four_boxes_on_a_larger_board():
    levels = generate(1, size=(9, 9), n_boxes=4, seed=1)
    compiled, ours = pair(levels)
    assert np.array_equal(ours.tables.entries[:-1].numpy(), compiled.oracles[0]._table)


def test_distances_beyond_a_byte_are_kept():
    corridor = parse_levels("#" * 264 + "\n#@$" + " " * 259 + ".#\n" + "#" * 264)
    compiled, ours = pair(corridor)
    assert ours.tables.entries.dtype == torch.int16
    assert same_labels(compiled, ours, [0], corridor.tiles)
    assert ours.look_up(torch.tensor([0]), torch.tensor(corridor.tiles))[1].tolist() == [260]


def test_hopeless_levels_alone_are_dead():
    levels = as_levels(ODD[3:4])
    _, ours = pair(levels)
    optimal, distance = ours.look_up(torch.tensor([0]), torch.tensor(levels.tiles))
    assert distance.tolist() == [-1] and not optimal.any()


def test_states_of_other_levels_are_refused():
    _, ours = pair(MIXED)
    with pytest.raises(InputError, match="State 1 is not a state of its level"):
        ours.look_up(torch.tensor([0, 0]), torch.tensor(MIXED.tiles[[0, 7]]))
