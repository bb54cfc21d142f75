"""The oracle against hand-worked levels, brute force, and play."""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from interp.errors import InputError
from organisms.families.sokoban.oracle import (
    Oracle,
    OracleMemoryError,
    OraclePool,
    memory_needed,
    solve,
)

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def read(text):
    """Return walls, targets, boxes, player of XSB text, by a reader of the tests' own."""
    rows = text.strip("\n").split("\n")
    width = max(map(len, rows))
    grid = np.array([list(row.ljust(width)) for row in rows])
    player = tuple(int(v) for v in np.argwhere(np.isin(grid, ["@", "+"]))[0])
    return (
        grid == "#",
        np.isin(grid, [".", "*", "+"]),
        np.isin(grid, ["$", "*"]),
        player,
    )


def play(walls, boxes, player, action):
    """Return the boxes (frozenset of pairs) and player after one action."""
    height, width = walls.shape
    dy, dx = STEPS[action]
    to = (player[0] + dy, player[1] + dx)
    beyond = (to[0] + dy, to[1] + dx)

    def wall(square):
        inside = 0 <= square[0] < height and 0 <= square[1] < width
        return not inside or walls[square]

    if wall(to):
        return boxes, player
    if to in boxes:
        if wall(beyond) or beyond in boxes:
            return boxes, player
        boxes = boxes - {to} | {beyond}
    return boxes, to


def brute_force(walls, targets, boxes, player):
    """Distances of all states by plain forward moves: every edge listed, then relaxed backwards."""
    reach, todo = {player}, [player]
    while todo:
        square = todo.pop()
        for action in range(4):
            _, to = play(walls, frozenset(), square, action)
            if to not in reach:
                reach.add(to)
                todo.append(to)
    squares = sorted(reach)
    outside = frozenset(map(tuple, np.argwhere(boxes).tolist())) - reach
    before, distance, queue = {}, {}, deque()
    for movable in itertools.combinations(squares, int(boxes.sum()) - len(outside)):
        state_boxes = frozenset(movable) | outside
        for square in squares:
            if square in state_boxes:
                continue
            state = (state_boxes, square)
            distance[state] = -1
            if all(targets[box] for box in state_boxes):
                distance[state] = 0
                queue.append(state)
            for action in range(4):
                before.setdefault(play(walls, *state, action), []).append(state)
    while queue:
        state = queue.popleft()
        for earlier in before.get(state, ()):
            if distance[earlier] < 0:
                distance[earlier] = distance[state] + 1
                queue.append(earlier)
    return distance


def random_room(rng, height, width, n_boxes, n_targets=None, density=0.25, border=True):
    while True:
        walls = rng.random((height, width)) < density
        if border:
            walls[[0, -1]] = True
            walls[:, [0, -1]] = True
        floor = np.argwhere(~walls)
        if len(floor) < 2 * n_boxes + 2:
            continue
        order = rng.permutation(len(floor))
        boxes, targets = np.zeros_like(walls), np.zeros_like(walls)
        boxes[tuple(floor[order[:n_boxes]].T)] = True
        chosen = rng.permutation(len(floor))[: n_targets or n_boxes]
        targets[tuple(floor[chosen].T)] = True
        player = tuple(int(v) for v in floor[order[n_boxes]])
        return walls, targets, boxes, player


def states_of(distance, width):
    states = list(distance)
    cells = np.array([sorted(y * width + x for y, x in boxes) for boxes, _ in states], np.int64)
    players = np.array([y * width + x for _, (y, x) in states])
    return states, cells, players, np.array([distance[state] for state in states])


def check_against_brute_force(room):
    distance = brute_force(*room)
    oracle = solve(*room)
    states, cells, players, expected = states_of(distance, room[0].shape[1])
    np.testing.assert_array_equal(oracle.distances(cells, players), expected)
    np.testing.assert_array_equal(oracle.is_dead(cells, players), expected < 0)
    assert oracle.n_states == (expected >= 0).sum()
    assert oracle.deepest == max(expected.max(), 0 if (expected >= 0).any() else expected.max())
    optimal = oracle.optimal_actions(cells, players)
    for state, here, chosen in zip(states, expected, optimal, strict=True):
        after = [distance[play(room[0], *state, action)] for action in range(4)]
        assert chosen.tolist() == [here > 0 and there == here - 1 for there in after]


def test_corridor_by_hand():
    oracle = solve(*read("#######\n#@ $ .#\n#######"))
    assert oracle.optimal_length == 3
    assert oracle.solution() == [3, 3, 3]
    y = 1 * 7
    # Box at 3: from its left the player walks up and pushes twice; from its right it never can.
    assert [oracle.distance([y + 3], y + x) for x in (1, 2)] == [3, 2]
    assert [oracle.distance([y + 3], y + x) for x in (4, 5)] == [math.inf, math.inf]
    # A box at the near end has no square behind it to push from.
    assert oracle.is_dead(np.full((4, 1), y + 1), y + np.arange(2, 6)).all()
    # Solved wherever the player stands, and then nothing is optimal.
    assert oracle.distances(np.full((4, 1), y + 5), y + np.arange(1, 5)).tolist() == [0] * 4
    assert not oracle.optimal_actions([y + 5], (1, 1)).any()
    # Alive: box at 5 (4 players), at 4 (players 1..3), at 3 (1, 2), at 2 (1).
    assert oracle.n_states == 10
    assert oracle.deepest == 3


def test_two_ways_round_are_both_optimal():
    oracle = solve(*read("#####\n#   #\n# @ #\n# $ #\n# . #\n#   #\n#####"))
    assert oracle.optimal_actions([3 * 5 + 2], (2, 2)).tolist() == [False, True, False, False]
    # From below the box: four steps round it, on either side, and the push.
    assert oracle.distance([3 * 5 + 2], (4, 2)) == 4 + 1
    assert oracle.optimal_actions([3 * 5 + 2], (4, 2)).tolist() == [False, False, True, True]
    assert oracle.optimal_actions([3 * 5 + 2], (5, 2)).tolist() == [True, False, True, True]


@pytest.mark.parametrize("seed", range(12))
def test_all_states_of_random_rooms(seed):
    rng = np.random.default_rng(seed)
    n_boxes = int(rng.integers(1, 4))
    check_against_brute_force(random_room(rng, *rng.integers(5, 8 - (n_boxes > 2), 2), n_boxes))


@pytest.mark.parametrize("seed", range(4))
def test_boards_without_a_border_and_more_targets_than_boxes(seed):
    rng = np.random.default_rng([seed, 1])
    check_against_brute_force(random_room(rng, 4, 5, 2, n_targets=3, border=False))


@pytest.mark.parametrize("shape", [(3, 22), (2, 33), (17, 4)])
def test_boards_too_wide_for_a_machine_word(shape):
    rng = np.random.default_rng(shape)
    check_against_brute_force(
        random_room(rng, *shape, 1 + (max(shape) < 20), density=0.1, border=False)
    )


def test_one_level_solved_by_both_searches(monkeypatch):
    from organisms.families.sokoban import oracle as module

    rng = np.random.default_rng(5)
    for n_boxes in (1, 3, 4):
        room = random_room(rng, 8, 8, n_boxes, density=0.1)
        fast = solve(*room)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_fits_bitboard", lambda floor: False)
            slow = solve(*room)
        np.testing.assert_array_equal(fast._table, slow._table)
        assert (fast.n_states, fast.deepest) == (slow.n_states, slow.deepest)


@pytest.mark.parametrize("length", [100, 126, 127, 128, 129, 130, 200])
def test_long_levels_stay_exact_beyond_one_byte(length):
    # One box, one long corridor: one push per square, so the distances run past 254.
    walls = np.zeros((1, 2 * length), bool)
    targets, boxes = np.zeros_like(walls), np.zeros_like(walls)
    targets[0, -1] = True
    boxes[0, 1] = True
    oracle = solve(walls, targets, boxes, (0, 0))
    assert oracle.optimal_length == 2 * length - 2 == oracle.deepest
    assert oracle.solution() == [3] * (2 * length - 2)
    pool = OraclePool()
    pool.add(oracle)
    optimal, distance = pool.look_up([0], boxes[None], [0])
    assert distance[0] == 2 * length - 2 and optimal[0].tolist() == [False, False, False, True]


@pytest.mark.parametrize("fast", [True, False])
def test_a_table_that_is_too_narrow_is_noticed(monkeypatch, fast):
    from organisms.families.sokoban import oracle as module

    room = random_room(np.random.default_rng(8), 7, 7, 2, density=0.1)
    if not fast:
        monkeypatch.setattr(module, "_fits_bitboard", lambda floor: False)
    narrow = solve(*room)
    assert narrow._table.dtype == np.uint8
    # Pretend that a byte holds just enough, and then one too few.
    for most, dtype in [(narrow.deepest + 1, np.uint8), (narrow.deepest, np.uint16)]:
        monkeypatch.setattr(module, "_WIDTHS", ((np.uint8, most), (np.uint16, 2**16 - 1)))
        oracle = solve(*room)
        assert oracle._table.dtype == dtype
        assert (oracle.deepest, oracle.n_states) == (narrow.deepest, narrow.n_states)
        np.testing.assert_array_equal(oracle._table, narrow._table)
        states = np.flatnonzero(room[2]), room[3]
        assert oracle.distance(*states) == narrow.distance(*states)
    monkeypatch.setattr(module, "_WIDTHS", ((np.uint8, narrow.deepest),))
    with pytest.raises(InputError, match="65,534"):
        solve(*room)


def test_boxes_out_of_reach():
    # The box in the closed pocket is on a target: it stays, and the rest is played as if alone.
    closed = read("########\n#@ $ .##\n######*#\n########")
    oracle = solve(*closed)
    assert oracle.optimal_length == 2 + 1
    check_against_brute_force(closed)
    # Off its target it can never be put right.
    hopeless = read("########\n#@ $ .##\n#######.\n######$#")
    oracle = solve(*hopeless)
    assert oracle.optimal_length == math.inf and oracle.solution() is None
    assert oracle.n_states == 0
    check_against_brute_force(hopeless)


def test_more_boxes_than_targets_in_reach_is_dead():
    room = read("#######\n#@ $$.#\n#######\n#.#####")
    oracle = solve(*room)
    assert oracle.optimal_length == math.inf
    check_against_brute_force(room)


@pytest.mark.parametrize("seed", range(5))
def test_optimal_play_takes_exactly_the_distance(seed):
    rng = np.random.default_rng([seed, 2])
    room = random_room(rng, 8, 8, 4, density=0.12)
    walls, targets = room[:2]
    oracle = solve(*room)
    floor = np.argwhere(~walls)
    played = 0
    for _ in range(300):
        order = rng.permutation(len(floor))
        boxes = frozenset(map(tuple, floor[order[:4]].tolist()))
        player = tuple(floor[order[4]].tolist())
        cells = [y * 8 + x for y, x in boxes]
        try:
            distance = oracle.distance(cells, player)
        except InputError:  # a room in two parts
            continue
        if distance == math.inf:
            continue
        played += 1
        for left in range(int(distance), 0, -1):
            cells = [y * 8 + x for y, x in boxes]
            assert oracle.distance(cells, player) == left
            assert not all(targets[box] for box in boxes)
            action = rng.choice(np.flatnonzero(oracle.optimal_actions(cells, player)))
            boxes, player = play(walls, boxes, player, action)
        assert all(targets[box] for box in boxes)
    assert played or oracle.n_states < 20_000


def test_the_order_of_boxes_does_not_matter():
    rng = np.random.default_rng(3)
    room = random_room(rng, 7, 7, 3, density=0.1)
    oracle = solve(*room)
    cells = np.flatnonzero(room[2])
    mask_answer = oracle.distances(room[2], room[3])
    for order in itertools.permutations(cells):
        assert oracle.distances(order, room[3]) == mask_answer
        np.testing.assert_array_equal(
            oracle.optimal_actions(order, room[3]), oracle.optimal_actions(room[2], room[3])
        )


@pytest.mark.parametrize("seed", range(4))
def test_symmetries_of_the_board(seed):
    rng = np.random.default_rng([seed, 4])
    walls, targets, boxes, player = random_room(rng, 8, 7, 3, density=0.1)
    oracle = solve(walls, targets, boxes, player)
    mirrored = solve(walls[:, ::-1], targets[:, ::-1], boxes[:, ::-1], (player[0], 6 - player[1]))
    turned = solve(walls.T, targets.T, boxes.T, player[::-1])
    assert oracle.optimal_length == mirrored.optimal_length == turned.optimal_length
    assert oracle.n_states == mirrored.n_states == turned.n_states
    assert oracle.deepest == mirrored.deepest == turned.deepest


def tiles_of(walls, targets, boxes, player):
    tiles = np.where(walls, 0, 1).astype(np.uint8)
    tiles[targets] = 2
    tiles[boxes] = 3
    tiles[boxes & targets] = 4
    tiles[player] = 6 if targets[player] else 5
    return tiles


def test_pool_agrees_with_its_oracles():
    rng = np.random.default_rng(6)
    rooms = [random_room(rng, 7, 7, int(rng.integers(1, 4)), density=0.1) for _ in range(20)]
    pool = OraclePool.build(rooms[:-1], workers=2)
    assert pool.add(rooms[-1]) == 19 and len(pool) == 20
    which, boards = [], []
    for i, (walls, targets, boxes, _) in enumerate(rooms):
        reach = np.flatnonzero(pool.oracles[i]._square_of >= 0)
        inside = int((boxes.ravel()[reach]).sum())
        for _ in range(50):
            order = rng.permutation(reach)
            new = boxes.ravel().copy()
            new[reach] = False
            new[order[:inside]] = True
            which.append(i)
            player = divmod(int(order[inside]), 7)
            boards.append((walls, targets, new.reshape(7, 7), player))
    tiles = np.stack([tiles_of(*board) for board in boards])
    masks = np.stack([board[2] for board in boards])
    players = np.array([board[3] for board in boards])
    optimal, distance = pool.look_up(which, tiles)
    for answer in (pool.look_up(which, masks, players), pool.look_up(which, tiles, players)):
        np.testing.assert_array_equal(answer[0], optimal)
        np.testing.assert_array_equal(answer[1], distance)
    for i, j in enumerate(which):
        assert distance[i] == pool.oracles[j].distances(masks[i], players[i])
        assert (optimal[i] == pool.oracles[j].optimal_actions(masks[i], players[i])).all()
    assert (distance > 0).any() and (distance < 0).any()


def test_copies_read_their_own_tables():
    room = read("#######\n#@ $ .#\n#######")
    pool = OraclePool.build([room, room])
    copied = copy.deepcopy(pool)
    assert (copied._meta[:2, 0] != pool._meta[:2, 0]).all()
    for table in (oracle._table for oracle in pool.oracles):
        table[:] = 0
    assert copied.look_up([0, 1], np.stack([room[2]] * 2), [8, 8])[1].tolist() == [3, 3]
    assert copied.oracles[0].optimal_length == 3


def test_pool_replace_changes_that_level_only():
    rng = np.random.default_rng(7)
    rooms = [random_room(rng, 7, 7, 2, density=0.1) for _ in range(3)]
    pool = OraclePool.build(rooms)
    other = random_room(rng, 7, 7, 3, density=0.1)
    pool.replace(1, other)
    expected = [solve(*room).distances(room[2], room[3]) for room in (rooms[0], other, rooms[2])]
    tiles = np.stack([tiles_of(*room) for room in (rooms[0], other, rooms[2])])
    assert pool.look_up([0, 1, 2], tiles)[1].tolist() == expected
    assert pool.nbytes == sum(oracle.nbytes for oracle in pool.oracles)
    with pytest.raises(InputError, match="no level 3"):
        pool.replace(3, other)
    with pytest.raises(InputError, match="cannot join"):
        pool.add(random_room(rng, 8, 7, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_pool_of_levels_of_several_sizes(workers):
    from organisms.families.sokoban.levels import parse_levels

    levels = parse_levels("#####\n#@$.#\n#####\n\n########\n#.  $@ #\n#      #\n########")
    pool = OraclePool.build(levels, workers=workers)
    optimal, distance = pool.look_up([0, 1], levels.tiles)
    assert distance.tolist() == [1, 3]
    assert optimal.argmax(1).tolist() == [3, 2]
    pool.replace(1, levels[0])
    assert pool.look_up([1, 0], levels.tiles[[0, 0]])[1].tolist() == [1, 1]


def test_refuses_a_level_that_would_not_fit():
    walls = np.zeros((14, 14), bool)
    boxes, targets = np.zeros_like(walls), np.zeros_like(walls)
    boxes[5, 2:8] = True
    targets[8, 2:8] = True
    needed = memory_needed(walls, 6, targets, (0, 0))
    assert needed > 2 << 30
    with pytest.raises(OracleMemoryError, match=f"{needed:,} bytes") as caught:
        solve(walls, targets, boxes, (0, 0))
    assert caught.value.needed == needed
    assert needed <= memory_needed(walls, 6)
    # Refused at once, although all of 7 x 10^10 box sets are solved.
    with pytest.raises(OracleMemoryError):
        solve(walls, ~walls, boxes, (0, 0))


def test_stated_memory_is_the_boundary():
    room = read("########\n#@     #\n# $ $  #\n#  . . #\n########")
    needed = memory_needed(room[0], 2, room[1], room[3])
    assert solve(*room, max_memory=needed).optimal_length < math.inf
    with pytest.raises(OracleMemoryError):
        solve(*room, max_memory=needed - 1)
    assert solve(*room).nbytes < needed + 4 * room[0].size


def test_states_that_are_not_of_the_level_are_refused():
    room = read("#######\n#@ $ .#\n#######")
    oracle = solve(*room)
    for boxes, player, why in [
        ([10, 11], (1, 1), "2 boxes"),
        ([10], (0, 0), "player"),
        ([10], (1, 3), "player"),
        ([10], (9, 9), "off the board"),
        ([21], (1, 1), "cells run"),
    ]:
        with pytest.raises(InputError, match=why):
            oracle.distance(boxes, player)
    pool = OraclePool.build([room])
    with pytest.raises(InputError, match="players"):
        pool.look_up([0], room[2][None])
    with pytest.raises(InputError, match="level_index"):
        pool.look_up([1], room[2][None], [8])
    with pytest.raises(InputError, match="Boards"):
        pool.look_up([0, 0], room[2][None], [8])


@pytest.mark.parametrize(
    "change",
    [
        lambda w, t, b, p: (w, t, b[:, :-1], p),
        lambda w, t, b, p: (w, t & False, b, p),
        lambda w, t, b, p: (w, t, b, (0, 0)),
        lambda w, t, b, p: (w, t, b, (-1, 3)),
        lambda w, t, b, p: (w | b, t, b, p),
        lambda w, t, b, p: (w, t, None, p),
    ],
)
def test_arrays_that_are_no_level(change):
    with pytest.raises(InputError):
        solve(*change(*read("#######\n#@ $ .#\n#######")))


def test_a_level_object_is_accepted():
    from organisms.families.sokoban.levels import parse_levels

    level = parse_levels("#####\n#@$.#\n#####")[0]
    oracle = solve(level)
    assert isinstance(oracle, Oracle) and oracle.solution() == [3]
    assert OraclePool.build([level]).look_up([0], level.tiles[None])[1].tolist() == [1]


def boxoban(name, n):
    folder = os.environ.get("MESASCOPE_BOXOBAN")
    if not folder:
        pytest.skip("MESASCOPE_BOXOBAN is not set")
    blocks = (Path(folder) / name).read_text().split(";")[1 : n + 1]
    return [read("\n".join(block.split("\n")[1:11])) for block in blocks]


@pytest.mark.parametrize("name", ["unfiltered/test/000.txt", "medium/valid/000.txt"])
def test_real_levels_are_solved_by_their_solutions(name):
    for walls, targets, boxes, player in boxoban(name, 60):
        oracle = solve(walls, targets, boxes, player)
        actions = oracle.solution()
        assert len(actions) == oracle.optimal_length
        state = frozenset(map(tuple, np.argwhere(boxes).tolist())), player
        for action in actions:
            assert not all(targets[box] for box in state[0])
            state = play(walls, *state, action)
        assert all(targets[box] for box in state[0])
