"""A* against the oracle, against hand-worked levels, and at its limits."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest

from interp.errors import InputError
from organisms.families.sokoban._astar import FAR, _assignment, push_distances
from organisms.families.sokoban.astar import astar
from organisms.families.sokoban.oracle import solve

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def read(text):
    grid = np.array([list(row) for row in text.strip("\n").split("\n")])
    player = tuple(int(v) for v in np.argwhere(np.isin(grid, ["@", "+"]))[0])
    masks = (np.isin(grid, list(characters)) for characters in ("#", ".*+", "$*"))
    return *masks, player


def random_room(rng, height, width, n_boxes, n_targets, density):
    while True:
        walls = rng.random((height, width)) < density
        floor = np.argwhere(~walls)
        if len(floor) < n_boxes + n_targets + 1:
            continue
        order = rng.permutation(len(floor))
        boxes, targets = np.zeros_like(walls), np.zeros_like(walls)
        boxes[tuple(floor[order[:n_boxes]].T)] = True
        targets[tuple(floor[rng.permutation(len(floor))[:n_targets]].T)] = True
        return walls, targets, boxes, tuple(int(v) for v in floor[order[n_boxes]])


def check_solution(walls, targets, boxes, player, actions):
    """Play `actions`: each must change the state, and only the last may solve the level."""
    walls = np.pad(walls, 1, constant_values=True)
    targets, boxes = np.pad(targets, 1), np.pad(boxes, 1)
    y, x = player[0] + 1, player[1] + 1
    for action in actions:
        assert (boxes & ~targets).any()
        dy, dx = STEPS[action]
        y, x = y + dy, x + dx
        assert not walls[y, x]
        if boxes[y, x]:
            assert not walls[y + dy, x + dx] and not boxes[y + dy, x + dx]
            boxes[y, x], boxes[y + dy, x + dx] = False, True
    assert not (boxes & ~targets).any()


def check_against_oracle(room):
    oracle = solve(*room)
    result = astar(*room)
    if oracle.optimal_length == math.inf:
        assert (result.status, result.actions, result.length) == ("dead", None, None)
    else:
        assert result.status == "solved"
        assert result.length == result.lower_bound == oracle.optimal_length
        check_solution(*room, result.actions)
    return result.status


def test_by_hand():
    result = astar(*read("#######\n#@ $ .#\n#######"))
    assert (result.status, result.actions) == ("solved", [3, 3, 3])
    # The box must go left, so the player goes round: no shorter way than 3 up-and-over, then push.
    room = read("######\n#    #\n#.$@ #\n######")
    assert astar(*room).actions == [2]
    room = read("######\n#    #\n#@$ .#\n######")
    assert astar(*room).actions == [3, 3]
    assert astar(*read("#####\n#*@ #\n#####")).actions == []
    assert astar(*read("#####\n#$@.#\n#####")).status == "dead"


@pytest.mark.parametrize("seed", range(40))
def test_lengths_equal_the_oracle_on_random_rooms(seed):
    rng = np.random.default_rng(seed)
    n_boxes = int(rng.integers(1, 5))
    n_targets = n_boxes + int(rng.integers(0, 2))
    check_against_oracle(random_room(rng, *rng.integers(5, 8, 2), n_boxes, n_targets, 0.12))


def test_random_rooms_are_of_both_kinds():
    rng = np.random.default_rng(0)
    found = {check_against_oracle(random_room(rng, 7, 7, 2, 2, 0.05)) for _ in range(40)}
    assert found == {"solved", "dead"}


def test_boxes_out_of_reach():
    assert check_against_oracle(read("########\n#@ $ .##\n######*#\n########")) == "solved"
    assert check_against_oracle(read("########\n#@ $ . #\n#######.\n######$#")) == "dead"


def test_more_targets_in_the_pocket_than_in_reach():
    assert check_against_oracle(read("#######\n#@ $$.#\n#######\n#.#####")) == "dead"


def test_frozen_blocks_are_no_deadlock_on_targets():
    # Solving it closes a 2 x 2 block of boxes, all on targets.
    room = read("########\n#      #\n# $..$ #\n# $..$ #\n#  @   #\n########")
    assert check_against_oracle(room) == "solved"


@pytest.mark.parametrize("seed", range(20))
def test_the_assignment_is_the_cheapest(seed):
    rng = np.random.default_rng(seed)
    n, m = sorted(rng.integers(1, 6, 2).tolist())
    costs = rng.integers(0, 20, (n, m)).astype(np.int32)
    costs[rng.random((n, m)) < 0.3] = FAR
    cheapest = min(
        sum(int(costs[i, j]) for i, j in enumerate(chosen))
        for chosen in itertools.permutations(range(m), n)
    )
    found = _assignment(costs, np.arange(n, dtype=np.int16))
    assert found == cheapest if cheapest < FAR else found >= FAR


def test_the_heuristic_never_overestimates():
    rng = np.random.default_rng(9)
    room = random_room(rng, 6, 6, 2, 2, 0.1)
    walls, targets, _, _ = room
    oracle = solve(*room)
    floor = np.pad(oracle._square_of.reshape(walls.shape) >= 0, 1)
    pushes = push_distances(floor.ravel(), np.flatnonzero(np.pad(targets, 1).ravel()), 8)
    padded = np.flatnonzero(floor)
    pairs = np.array(list(itertools.combinations(padded, 2)))
    for boxes in pairs:
        bound = _assignment(pushes, boxes.astype(np.int16))
        unpadded = (boxes // 8 - 1) * 6 + boxes % 8 - 1
        for cell in padded[~np.isin(padded, boxes)]:
            distance = oracle.distance(unpadded, (cell // 8 - 1) * 6 + cell % 8 - 1)
            assert bound <= distance or (bound >= FAR and distance == math.inf)


def test_stops_at_its_limit():
    room = read(
        "##########\n#        #\n# $ $ $  #\n#  @  .  #\n#  ...$  #\n#        #\n##########"
    )
    whole = astar(*room)
    assert whole.status == "solved" and whole.expanded > 10
    for limit in (1, 10):
        result = astar(*room, max_expanded=limit)
        assert (result.status, result.actions, result.expanded) == ("limit", None, limit)
        assert 0 < result.lower_bound <= whole.length
    assert astar(*room, max_expanded=whole.expanded) == whole
    with pytest.raises(InputError, match="max_expanded"):
        astar(*room, max_expanded=0)


def test_a_level_too_large_for_the_oracle():
    # Six boxes in a row, each one push below its target, on 13 x 15 squares of floor.
    rows = ["#" * 17, *["#" + " " * 15 + "#"] * 13, "#" * 17]
    rows[6], rows[7] = "#  . . . . . .  #", "#  $ $ $ $ $ $  #"
    rows[8] = "#@              #"
    room = read("\n".join(rows))
    with pytest.raises(InputError, match="max_memory"):
        solve(*room)
    result = astar(*room)
    # Right 2; then up, back down and right 2 for each of the next five; and the last push.
    assert (result.status, result.length) == ("solved", 2 + 5 * (1 + 1 + 2) + 1)
    check_solution(*room, result.actions)


def test_a_level_object_is_accepted():
    from organisms.families.sokoban.levels import parse_levels

    assert astar(parse_levels("#####\n#@$.#\n#####")[0]).actions == [3]


@pytest.mark.parametrize("name", ["unfiltered/test/000.txt", "medium/valid/000.txt"])
def test_lengths_equal_the_oracle_on_real_levels(name):
    folder = os.environ.get("MESASCOPE_BOXOBAN")
    if not folder:
        pytest.skip("MESASCOPE_BOXOBAN is not set")
    for block in (Path(folder) / name).read_text().split(";")[1:26]:
        assert check_against_oracle(read("\n".join(block.split("\n")[1:11]))) == "solved"
