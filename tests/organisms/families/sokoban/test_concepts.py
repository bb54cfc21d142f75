from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError
from organisms.families.sokoban.concepts import CONCEPTS, DIRECTIONS, future_position, value
from organisms.families.sokoban.edits import SYMMETRIES, transform, transform_actions
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import parse_levels
from organisms.families.sokoban.observations import OBSERVATION_DIMS, decode, encode
from organisms.families.sokoban.trajectories import trajectories

NEVER, UP, DOWN, LEFT, RIGHT = range(5)
MOVES = {"u": 0, "d": 1, "l": 2, "r": 3}
MAPS = [name for name, concept in CONCEPTS.items() if concept.classes and name != "next_action"]
DIRECTION_MAPS = [name for name in MAPS if CONCEPTS[name].classes == DIRECTIONS]


def play(levels, plans, *, encoding="rgb", thinking=0, noop=False, padding=2) -> xr.Dataset:
    """Step a world along written-out moves ("urdl", "." for a no-op) and lay it out as a run."""
    world = SokobanWorld(levels, observation=encoding, max_steps=500, noop=noop)
    n, horizon = len(plans), max(len(plan) for plan in plans) + padding
    first = world.reset()
    shape = (n, thinking + horizon)
    run = {
        "observation": np.full((*shape, *first.shape[1:]), 255, np.uint8),
        "action": np.full(shape, -1, np.int16),
        "reward": np.full(shape, np.nan, np.float32),
        "done": np.zeros(shape, bool),
    }
    run["observation"][:, :thinking] = first[:, None]
    run["reward"][:, :thinking] = 0
    for t in range(horizon):
        action = np.full(n, -1)
        for row, plan in enumerate(plans):
            if t < len(plan):
                action[row] = 0 if plan[t] == "." else MOVES[plan[t]] + noop
        seen = world.observe()
        transition = world.step(action)
        on = action >= 0
        column = thinking + t
        run["observation"][on, column] = seen[on]
        run["action"][on, column] = action[on]
        run["reward"][on, column] = transition.reward[on]
        run["done"][on, column] = [t == len(plan) - 1 for plan in plans if t < len(plan)]
    dims = {"observation": ("episode", "step", *OBSERVATION_DIMS[encoding])}
    data = {name: (dims.get(name, ("episode", "step")), array) for name, array in run.items()}
    data["length"] = ("episode", np.array([len(plan) for plan in plans], np.int32))
    data["logits"] = (("episode", "step", "action_index"), np.zeros((*shape, 4 + noop), np.float32))
    return xr.Dataset(data, coords={"step": np.arange(-thinking, horizon)})


def random_run(seed=0, n=12, **options) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    levels = generate(n, size=(8, 7), n_boxes=3, seed=seed)
    plans = ["".join(rng.choice(list("udlr"), size=rng.integers(1, 60))) for _ in range(n)]
    # A random walk that solves a level stops there.
    world = SokobanWorld(levels, max_steps=500)
    for row, plan in enumerate(plans):
        world.reset()
        for t, move in enumerate(plan):
            action = np.full(n, -1)
            action[row] = MOVES[move]
            if world.step(action).terminated[row]:
                plans[row] = plan[: t + 1]
                break
    return play(levels, plans, **options)


def marked(labels: xr.DataArray, step: int, episode: int = 0) -> dict[tuple[int, int], int]:
    """Return square → label of the squares with a positive label."""
    board = labels.sel(step=step).isel(episode=episode).values
    return {(int(y), int(x)): int(board[y, x]) for y, x in np.argwhere(board > 0)}


# Hand-worked episodes --------------------------------------------------------------------------

# The player walks over to the far side, pushes the box left, steps back, comes again and pushes on.
CORRIDOR = """\
#######
#. $  #
# ##@ #
#######"""


def test_directions_by_hand():
    run = play(parse_levels(CORRIDOR), ["ulrl" + "l"])
    # 0 u: (2,4)→(1,4). 1 l: (1,4)→(1,3), box (1,3)→(1,2). 2 r: back to (1,4). 3 l: (1,3).
    # 4 l: (1,2), box (1,2)→(1,1): solved.
    onto = CONCEPTS["agent_approach_direction"](run)
    assert marked(onto, 0) == {(1, 4): UP, (1, 3): LEFT, (1, 2): LEFT}
    # Where it stands counts when it next comes back: (1,4) from the left, by moving right.
    assert marked(onto, 1) == {(1, 4): RIGHT, (1, 3): LEFT, (1, 2): LEFT}
    assert marked(onto, 2) == {(1, 4): RIGHT, (1, 3): LEFT, (1, 2): LEFT}
    assert marked(onto, 3) == {(1, 3): LEFT, (1, 2): LEFT}
    assert marked(onto, 4) == {(1, 2): LEFT}

    off = CONCEPTS["agent_future_direction"](run)
    assert marked(off, 0) == {(2, 4): UP, (1, 4): LEFT, (1, 3): RIGHT}
    assert marked(off, 2) == {(1, 3): RIGHT, (1, 4): LEFT}
    assert marked(off, 3) == {(1, 4): LEFT, (1, 3): LEFT}
    assert marked(off, 4) == {(1, 3): LEFT}

    push = CONCEPTS["box_push_direction"](run)
    assert marked(push, 0) == marked(push, 1) == {(1, 3): LEFT, (1, 2): LEFT}
    assert marked(push, 2) == marked(push, 4) == {(1, 2): LEFT}
    xr.testing.assert_equal(push, CONCEPTS["box_future_direction"](run))
    pushed_onto = CONCEPTS["box_approach_direction"](run)
    assert marked(pushed_onto, 0) == {(1, 2): LEFT, (1, 1): LEFT}
    assert marked(pushed_onto, 3) == {(1, 1): LEFT}


def test_walls_and_padding():
    run = play(parse_levels(CORRIDOR), ["ulrll"])
    for name in MAPS:
        labels = CONCEPTS[name](run)
        assert labels.dims == ("episode", "step", "y", "x")
        assert labels.dtype == np.int8
        np.testing.assert_array_equal(labels.step, run.step)
        inside = labels.isel(step=slice(0, 5)).values
        if not name.startswith("future_position"):
            assert (inside >= 0).all()
        assert (inside[:, :, 0] <= 0).all(), "nothing happens on a wall"
        assert (labels.isel(step=slice(5, None)) == -1).all()
        assert labels.max() < len(CONCEPTS[name].classes)


def test_next_box_and_target_by_hand():
    two = "########\n#.$ @$.#\n########"
    run = play(parse_levels(two), ["r" + "l" + "l" + "l"])
    # 0 r pushes the right box home; 1 l walks, 2 l walks next to the left box; 3 l pushes it home.
    box, target = CONCEPTS["next_box"](run), CONCEPTS["next_target"](run)
    assert [marked(box, t) for t in range(4)] == [{(1, 5): 1}] + 3 * [{(1, 2): 1}]
    assert [marked(target, t) for t in range(4)] == [{(1, 6): 1}] + 3 * [{(1, 1): 1}]


def test_next_target_is_where_a_box_is_placed_not_taken_away():
    level = "########\n#@*.  $#\n########"
    # 0 r: the box goes from its target (1,2) onto the target (1,3). 1 r: off again, to (1,4).
    run = play(parse_levels(level), ["rr"])
    target = CONCEPTS["next_target"](run)
    assert marked(target, 0) == {(1, 3): 1}
    assert marked(target, 1) == {}
    box = CONCEPTS["next_box"](run)
    assert [marked(box, t) for t in range(2)] == [{(1, 2): 1}, {(1, 3): 1}]


def test_an_episode_that_fails_is_labelled_by_what_was_done():
    run = play(parse_levels("######\n#@ $.#\n#    #\n######"), ["dull" + "r"])
    # d to (2,1); u back; l and l hit the wall; r to (1,2), and time is up before the push.
    assert marked(CONCEPTS["next_box"](run), 0) == {}
    assert marked(CONCEPTS["next_target"](run), 0) == {}
    assert (CONCEPTS["box_push_direction"](run).isel(step=slice(0, 5)) == NEVER).all()
    onto = CONCEPTS["agent_approach_direction"](run)
    assert marked(onto, 0) == {(2, 1): DOWN, (1, 1): UP, (1, 2): RIGHT}
    # The two moves into the wall are no events.
    assert marked(onto, 2) == marked(onto, 3) == {(1, 2): RIGHT}
    assert marked(CONCEPTS["agent_future_direction"](run), 2) == {(1, 1): RIGHT}
    assert CONCEPTS["next_action"](run).values[0].tolist() == [1, 0, 2, 2, 3, -1, -1]


def test_future_positions_by_hand():
    run = play(parse_levels(CORRIDOR), ["ulrll"])
    # Positions before each action and at the end:
    path = [(2, 4), (1, 4), (1, 3), (1, 4), (1, 3), (1, 2)]
    for k in (1, 2, 5):
        labels = future_position(k)(run)
        for t in range(5):
            if t + k <= 5:
                assert marked(labels, t) == {path[t + k]: 1}
                assert (labels.sel(step=t) >= 0).all()
            else:
                assert (labels.sel(step=t) == -1).all()
    ever = CONCEPTS["agent_future_position"](run)
    for t in range(5):
        assert set(marked(ever, t)) == set(path[t + 1 :])
    boxes = CONCEPTS["boxes_future_position"](run)
    assert marked(boxes, 0) == {(1, 3): 1, (1, 2): 1, (1, 1): 1}
    assert marked(boxes, 1) == {(1, 2): 1, (1, 1): 1}
    assert marked(boxes, 4) == {(1, 1): 1}


def test_value_by_hand():
    run = play(parse_levels(CORRIDOR), ["ulrll"])
    got = value(0.5)(run)
    assert got.dims == ("episode", "step")
    assert got.dtype == np.float32
    last = -0.1 + 1 + 10
    expected = [last]
    for _ in range(4):
        expected.append(-0.1 + 0.5 * expected[-1])
    np.testing.assert_allclose(got.values[0, :5], expected[::-1], rtol=1e-6)
    assert np.isnan(got.values[0, 5:]).all()
    np.testing.assert_allclose(value(0.0)(run).values[0, :5], run.reward.values[0, :5])
    assert CONCEPTS["value"].classes is None
    discounts = 0.97 ** np.arange(5)
    whole = CONCEPTS["value"](run).values[0, 0]
    np.testing.assert_allclose(whole, (discounts * run.reward.values[0, :5]).sum(), rtol=1e-6)


def test_written_out_arrays():
    """No world involved: boards written out square by square."""
    wall, target, box, player = 0, 2, 3, 5
    row = [wall, player, box, target, wall]
    tiles = np.array([[5 * [wall], row, 5 * [wall]]], np.uint8)
    run = xr.Dataset(
        {
            "observation": (("episode", "step", "y", "x", "colour"), encode(tiles)[None]),
            "action": (("episode", "step"), np.array([[3]], np.int16)),
            "reward": (("episode", "step"), np.array([[10.9]], np.float32)),
            "length": ("episode", np.array([1], np.int32)),
        },
        coords={"step": [0]},
    )
    assert marked(CONCEPTS["agent_approach_direction"](run), 0) == {(1, 2): RIGHT}
    assert marked(CONCEPTS["agent_future_direction"](run), 0) == {(1, 1): RIGHT}
    assert marked(CONCEPTS["box_push_direction"](run), 0) == {(1, 2): RIGHT}
    assert marked(CONCEPTS["next_box"](run), 0) == {(1, 2): 1}
    assert marked(CONCEPTS["next_target"](run), 0) == {(1, 3): 1}
    assert marked(CONCEPTS["future_position_1"](run), 0) == {(1, 2): 1}
    assert CONCEPTS["value"](run).values.tolist() == [[pytest.approx(10.9)]]


def test_two_boxes_through_the_same_square():
    """One box leaves a square and the other comes onto it: each keeps its index."""
    level = """\
########
#@$ $ .#
#     .#
########"""
    # The first push brings box 0 next to box 1; the second is blocked.
    blocked = trajectories(play(parse_levels(level), ["rr"]))
    assert blocked.boxes[0, 1].tolist() == blocked.boxes[0, 2].tolist() == [[1, 3], [1, 4]]
    assert blocked.pushed[0, :2].tolist() == [0, -1]
    assert blocked.direction[0, :2].tolist() == [3, -1]
    assert blocked.action[0, :2].tolist() == [3, 3]

    swap = """\
#######
#  .  #
# $$ .#
#  @  #
#     #
#######"""
    # Box 1 goes up from (2,3) to (1,3); the player walks around and pushes box 0 onto (2,3).
    plan = "u" + "d" + "llu" + "r"
    run = play(parse_levels(swap), [plan])
    path = trajectories(run)
    assert path.pushed[0, : len(plan)].tolist() == [1, -1, -1, -1, -1, 0]
    assert path.boxes[0, 0].tolist() == [[2, 2], [2, 3]]
    assert path.boxes[0, len(plan)].tolist() == [[2, 3], [1, 3]]
    assert (path.boxes[0, len(plan) + 1 :] == -1).all()
    box = CONCEPTS["next_box"](run)
    assert [marked(box, t) for t in range(6)] == [{(2, 3): 1}] + 5 * [{(2, 2): 1}]
    # Square (2,3): a box (the first one there) goes up; afterwards none leaves it again.
    push = CONCEPTS["box_push_direction"](run)
    assert marked(push, 0) == {(2, 3): UP, (2, 2): RIGHT}
    assert marked(push, 1) == {(2, 2): RIGHT}


def test_boxes_keep_their_identity_against_a_slow_tracker():
    run = random_run(3)
    path = trajectories(run)
    for episode in range(run.sizes["episode"]):
        for row in range(path.n_rows[episode]):
            before, after = path.boxes[episode, row], path.boxes[episode, row + 1]
            moved = np.abs(after - before).sum(axis=1)
            assert moved.sum() == (path.pushed[episode, row] >= 0)
            if moved.any():
                assert moved.argmax() == path.pushed[episode, row]
    assert (path.pushed >= 0).any()


# Properties ------------------------------------------------------------------------------------


def _reference(run: xr.Dataset, episode: int, kind: str, t: int) -> np.ndarray:
    """The definition of the direction concepts, looked up square by square in the future."""
    path = trajectories(run)
    board = np.zeros(path.board, int)
    for y, x in np.ndindex(*path.board):
        for s in range(t, path.n_rows[episode]):
            here, there = path.player[episode, s].tolist(), path.player[episode, s + 1].tolist()
            action = int(run.action.values[episode, s + path.n_thinking])
            boxes = {tuple(b) for b in path.boxes[episode, s].tolist()}
            later = {tuple(b) for b in path.boxes[episode, s + 1].tolist()}
            happens = {
                "agent_approach_direction": there == [y, x] and here != there,
                "agent_future_direction": here == [y, x] and here != there,
                "box_push_direction": (y, x) in boxes - later,
                "box_approach_direction": (y, x) in later - boxes,
            }[kind]
            if happens:
                board[y, x] = action + 1
                break
    return board


@pytest.mark.parametrize("kind", sorted(set(DIRECTION_MAPS) - {"box_future_direction"}))
def test_direction_maps_against_their_definition(kind):
    run = random_run(1, n=3)
    labels = CONCEPTS[kind](run).values
    assert (labels > 0).any()
    for episode in range(3):
        for t in range(0, int(run.length[episode]), 7):
            np.testing.assert_array_equal(labels[episode, t], _reference(run, episode, kind, t))


def test_more_events_only_from_earlier_on():
    """A square labelled now was labelled before, and forever-maps grow towards the start."""
    run = random_run(4)
    for name in (*DIRECTION_MAPS, "agent_future_position"):
        labels = CONCEPTS[name](run).values
        some, valid = labels > 0, labels >= 0
        assert (some[:, :-1] >= (some & valid)[:, 1:]).all(), name


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:])
def test_symmetries(symmetry):
    run = random_run(2)
    tiles = transform(parse_boards(run), symmetry)
    turned_actions = np.append(transform_actions(symmetry), -1)
    levels = parse_levels("\n\n".join(_text(board) for board in tiles))
    plans = [
        "".join("udlr"[a] for a in turned_actions[actions[: int(length)]])
        for actions, length in zip(run.action.values, run.length.values, strict=True)
    ]
    turned = play(levels, plans)
    turned_class = np.concatenate([[0], transform_actions(symmetry) + 1, [-1]])
    for name, concept in CONCEPTS.items():
        ours, theirs = concept(run).values, concept(turned).values
        if name in MAPS:
            ours = transform(ours, symmetry)
        if name in DIRECTION_MAPS:
            ours = turned_class[ours]
        elif name == "next_action":
            ours = turned_actions[ours]
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def parse_boards(run: xr.Dataset) -> np.ndarray:
    return decode(run.observation.sel(step=0).values)


def _text(board: np.ndarray) -> str:
    return "\n".join("".join("# .$*@+"[tile] for tile in row) for row in board)


@pytest.mark.parametrize("first", [1, 5, 30])
def test_dropping_the_first_steps_changes_nothing_for_the_rest(first):
    run = random_run(5)
    rest = run.sel(step=slice(first, None))
    for name, concept in CONCEPTS.items():
        xr.testing.assert_equal(concept(run).sel(step=slice(first, None)), concept(rest))
        assert concept(rest).dtype == concept(run).dtype, name


def test_episodes_are_independent():
    run = random_run(6)
    for concept in CONCEPTS.values():
        alone = concept(run.isel(episode=slice(4, 6)))
        xr.testing.assert_equal(concept(run).isel(episode=slice(4, 6)), alone)
        backwards = concept(run.isel(episode=slice(None, None, -1)))
        xr.testing.assert_equal(concept(run).isel(episode=slice(None, None, -1)), backwards)


def test_more_episodes_than_a_block(monkeypatch):
    run = random_run(7)
    whole = {name: concept(run) for name, concept in CONCEPTS.items()}
    monkeypatch.setattr("organisms.families.sokoban.trajectories.BLOCK", 5)
    for name, concept in CONCEPTS.items():
        xr.testing.assert_equal(concept(run), whole[name])


def test_levels_with_different_numbers_of_boxes(monkeypatch):
    levels = parse_levels("######\n#@$ .#\n######\n\n######\n#@$..#\n#  $ #\n#    #\n######")
    monkeypatch.setattr("organisms.families.sokoban.trajectories.BLOCK", 1)
    path = trajectories(play(levels, ["rr", "r"]))
    assert path.boxes.shape[2] == 2
    assert (path.boxes[0, :, 1] == -1).all()
    assert path.pushed.tolist()[0][:2] == [0, 0]


def test_thinking_steps_have_the_label_of_step_0():
    plain, thought = random_run(8), random_run(8, thinking=3)
    for name, concept in CONCEPTS.items():
        labels = concept(thought)
        np.testing.assert_array_equal(labels.step, thought.step)
        for step in (-3, -2, -1):
            xr.testing.assert_equal(labels.sel(step=step, drop=True), labels.sel(step=0, drop=True))
        xr.testing.assert_equal(labels.sel(step=slice(0, None)), concept(plain))
        assert labels.name is None or isinstance(name, str)


def test_encodings_agree():
    rgb, planes = random_run(9), random_run(9, encoding="planes")
    for concept in CONCEPTS.values():
        xr.testing.assert_equal(concept(rgb), concept(planes))


def test_actions_with_a_noop():
    level = parse_levels(CORRIDOR)
    run = play(level, ["ul.rll"], noop=True)
    plain = play(level, ["ulrll"])
    for name in DIRECTION_MAPS:
        ours, theirs = CONCEPTS[name](run), CONCEPTS[name](plain)
        keep = [0, 1, 3, 4, 5]  # rows 2 and 3 are the same moment but for the no-op
        np.testing.assert_array_equal(ours.values[:, keep], theirs.values[:, :5])
        np.testing.assert_array_equal(ours.values[:, 2], ours.values[:, 3])
    assert CONCEPTS["next_action"](run).values[0, :6].tolist() == [0, 2, -1, 3, 2, 2]
    # It counts as a step of the future position.
    assert marked(CONCEPTS["future_position_1"](run), 2) == {(1, 3): 1}


def test_lazily_loaded_is_the_same(tmp_path):
    run = random_run(10)
    run.to_zarr(tmp_path / "run.zarr", zarr_format=3, consolidated=False)
    # Without dask, xarray reads only what is indexed; nothing is loaded by opening.
    lazy = xr.open_zarr(tmp_path / "run.zarr", chunks=None, consolidated=False)
    assert not lazy.observation.variable._in_memory
    for concept in CONCEPTS.values():
        xr.testing.assert_equal(concept(lazy), concept(run))
    assert not lazy.observation.variable._in_memory


def test_pure():
    run = random_run(11)
    before = run.copy(deep=True)
    for concept in CONCEPTS.values():
        xr.testing.assert_identical(concept(run), concept(run))
    xr.testing.assert_identical(run, before)


def test_every_concept_describes_itself():
    for name, concept in CONCEPTS.items():
        assert concept.name == name
        assert concept.description and concept.citation
    assert {future_position(k).name for k in (1, 3, 5, 10)} <= set(CONCEPTS)


def test_episodes_not_recorded_yet_are_left_out():
    run = random_run(12)
    whole = {name: concept(run) for name, concept in CONCEPTS.items()}
    run = run.copy(deep=True)
    run.length[3] = -1
    run.observation[3] = 255
    run.action[3] = -1
    run.reward[3] = np.nan
    run.done[3] = False
    for name, concept in CONCEPTS.items():
        labels = concept(run)
        left_out = np.isnan(labels[3]) if labels.dtype.kind == "f" else labels[3] == -1
        assert left_out.all()
        xr.testing.assert_equal(labels.drop_isel(episode=3), whole[name].drop_isel(episode=3))


# What is refused -------------------------------------------------------------------------------


def _refused(run: xr.Dataset, match: str, concept: str = "box_push_direction") -> None:
    with pytest.raises(InputError, match=match):
        CONCEPTS[concept](run)


def test_malformed_runs_are_refused():
    run = random_run(13)
    _refused(run.drop_vars("action"), "no variable 'action'")
    _refused(run.rename(observation="observations"), "Nearest: observations")
    _refused(run.drop_vars("length"), "length")
    _refused(run.drop_vars("step"), "coordinate 'step'")
    _refused(run.assign(action=run.action.astype(float)), "action is an integer")
    _refused(run.assign(length=run.length.astype(float)), "length is an integer")
    _refused(run.assign(observation=run.observation.astype(np.int16)), "uint8")
    _refused(run.rename(colour="shade"), "observation has dims")
    _refused(run.assign(action=run.action.isel(step=0, drop=True)), "action needs dims")
    _refused(run.isel(step=slice(None, None, 2)), "consecutive")
    _refused(run.isel(step=slice(0, 5)), "made of the future")
    _refused(run.isel(episode=slice(0, 0)), "empty")
    _refused(run.drop_vars("reward"), "no variable 'reward'", "value")
    _refused(run.assign(reward=run.reward * np.nan), "not finite", "value")


def test_misaligned_runs_are_refused():
    run = random_run(14)
    shifted = run.assign(action=run.action.roll(episode=1))
    _refused(shifted, "(no action is recorded|not the one that the actions lead to|not done)")
    late = run.assign(action=run.action.shift(step=1, fill_value=0))
    _refused(late, "Episode .*, step .*: the board is not the one")
    short = run.assign(length=run.length - 1).isel(episode=run.length.values > 1)
    _refused(short, "not done")
    moved = run.copy(deep=True)
    moved.observation[5, 0] = moved.observation[4, 0].values
    _refused(moved, "Episode 5, step (0|1): the board")
    thought = random_run(14, thinking=2)
    thought.observation[2, 0] = thought.observation[3, 0].values
    _refused(thought, "Episode 2: the thinking steps")


def test_boards_that_are_none_are_refused():
    run = random_run(15).copy(deep=True)
    run.observation[1, 0, 2, 2] = 77
    _refused(run, "colour")
    run = random_run(15).copy(deep=True)
    run.observation[1, 0] = 0
    _refused(run, "Episode 1 has 0 players")


def test_actions_out_of_range_are_refused():
    run = random_run(16).copy(deep=True)
    run.action[0, 0] = 7
    _refused(run, "Actions are the 4 moves")
    run = random_run(16).copy(deep=True)
    run.action[2, 0] = -1
    _refused(run, "no action is recorded")


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_bad_steps_ahead(k):
    with pytest.raises(InputError, match="at least 1"):
        future_position(k)


@pytest.mark.parametrize("gamma", [-0.1, 1.1])
def test_bad_discounts(gamma):
    with pytest.raises(InputError, match="from 0 to 1"):
        value(gamma)
