"""Labels of recorded runs, worked out by hand, and what may not change them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError
from organisms.families.doors.concepts import COLOURS, CONCEPTS, KINDS, future_position
from organisms.families.doors.generator import generate
from organisms.families.doors.planners import demonstrate
from organisms.families.doors.text import parse_mazes
from organisms.families.doors.trajectories import trajectories
from tests.organisms.tiny_mazes import walked

NEVER, UP, DOWN, LEFT, RIGHT = range(5)

# A red ball two squares to the left, a blue door three squares to the right and one down.
HALL = parse_mazes("""; doors
################
##Br..@@......##
##########Db####
################""")
CHESTS = parse_mazes("; chests\n##################\n##Tg..@@KyTgKy..##\n##################")
MAPS = [name for name, c in CONCEPTS.items() if c.classes and name not in ("next_action",)]


def marked(labels: xr.DataArray, step: int, episode: int = 0) -> dict[tuple[int, int], int]:
    board = labels.sel(step=step).isel(episode=episode).values
    return {(int(y), int(x)): int(board[y, x]) for y, x in np.argwhere(board > 0)}


def label(name: str, run: xr.Dataset) -> list[int]:
    return CONCEPTS[name](run).values[0].tolist()


def test_directions_by_hand():
    run = walked(HALL, ["rulrrd"])
    # 0 r: to (1,4). 1 u: stays. 2 l: back to (1,3). 3 r, 4 r: to (1,5). 5 d: through the door at (2,5).
    onto, off = CONCEPTS["agent_approach_direction"](run), CONCEPTS["agent_exit_direction"](run)
    assert marked(onto, 0) == {(1, 4): RIGHT, (1, 3): LEFT, (1, 5): RIGHT, (2, 5): DOWN}
    assert marked(onto, 1) == marked(onto, 0)
    assert marked(onto, 3) == {(1, 4): RIGHT, (1, 5): RIGHT, (2, 5): DOWN}
    assert marked(onto, 5) == {(2, 5): DOWN}
    assert marked(off, 0) == {(1, 3): RIGHT, (1, 4): LEFT, (1, 5): DOWN}
    assert marked(off, 3) == {(1, 3): RIGHT, (1, 4): RIGHT, (1, 5): DOWN}
    assert label("next_action", run) == [3, 0, 2, 3, 3, 1, -1]


def test_goal_is_what_is_entered_in_the_end():
    run = walked(HALL, ["rrd"])
    goal = CONCEPTS["goal"](run)
    assert [marked(goal, step) for step in range(3)] == 3 * [{(2, 5): 1}]
    assert label("goal_kind", run) == 3 * [KINDS.index("door")] + [-1]
    assert label("goal_colour", run) == 3 * [COLOURS.index("blue")] + [-1]
    other = walked(HALL, ["ll"])
    assert marked(CONCEPTS["goal"](other), 0) == {(1, 1): 1}
    assert label("goal_kind", other)[0] == KINDS.index("ball")
    wanders = walked(HALL, ["rlrl"])
    assert marked(CONCEPTS["goal"](wanders), 0) == {}
    assert label("goal_colour", wanders) == [0, 0, 0, 0, -1]


def test_nearest_things_by_hand():
    run = walked(HALL, ["rrd"])
    door, red, thing = (CONCEPTS[f"nearest_{what}"](run) for what in ("door", "red", "object"))
    for step in range(3):
        assert marked(door, step) == {(2, 5): 1} and marked(red, step) == {(1, 1): 1}
    # From (1,3) the ball is 2 away and the door 3; from (1,4) 3 and 2.
    assert [marked(thing, step) for step in range(3)] == [{(1, 1): 1}, {(2, 5): 1}, {(2, 5): 1}]


def test_of_several_as_near_each_is_marked():
    hall = parse_mazes("; doors\n##############\n##Dr..@@..Dr##\n##############")
    run = walked(hall, ["rr"])
    nearest = CONCEPTS["nearest_door"](run)
    assert marked(nearest, 0) == {(1, 1): 1, (1, 5): 1} and marked(nearest, 1) == {(1, 5): 1}


def test_ways_to_the_nearest_do_not_lead_over_objects():
    # The red door, behind the ball, is 2 moves off as the crow flies and 8 on foot; the green one 7.
    ring = parse_mazes("""; doors
################
##@@BbDr......##
##..####..######
##..........Dg##
################""")
    nearest = CONCEPTS["nearest_door"](walked(ring, ["d"]))
    assert marked(nearest, 0) == {(3, 6): 1}
    shut = parse_mazes("; doors\n##############\n##@@BbDr....##\n##############")
    assert marked(CONCEPTS["nearest_door"](walked(shut, ["r"])), 0) == {}


def test_keys_and_chests_come_one_after_the_other():
    # The chest at (1,1) cannot be opened without a key: walking onto it is no event.
    run = walked(CHESTS, ["llrrrrr"])
    # 0, 1 l: onto the chest. 2, 3 r: back. 4 r: the key at (1,4). 5 r: the chest at (1,5). 6 r: a key.
    goal = CONCEPTS["goal"](run)
    assert [marked(goal, step) for step in range(7)] == 5 * [{(1, 4): 1}] + [
        {(1, 5): 1},
        {(1, 6): 1},
    ]
    kinds = [KINDS[k] for k in label("goal_kind", run)[:7]]
    assert kinds == 5 * ["key"] + ["chest", "key"]
    nearest = CONCEPTS["nearest_object"](run)
    assert marked(nearest, 0) == {(1, 4): 1}
    assert marked(nearest, 5) == {(1, 5): 1}, "what is taken is there no more"
    assert marked(nearest, 6) == {(1, 6): 1}
    path = trajectories(run)
    assert path.held[0].tolist()[:8] == [0, 0, 0, 0, 0, 1, 0, 1]


def test_agents_of_all_objectives_are_followed():
    """What ends an episode of keys and chests depends on what is paid; where the agent is does not."""
    run = walked(CHESTS, ["rrr"], objective="key")
    assert run.done.values[0].tolist() == [False, False, True, False]
    assert trajectories(run).player[0, :4].tolist() == [[1, 3], [1, 4], [1, 5], [1, 6]]


@pytest.mark.parametrize("name", MAPS)
def test_thinking_steps_and_padding(name):
    plain, thought = (walked(HALL, ["rlrrd"], thinking=k, padding=2) for k in (0, 3))
    labels, later = CONCEPTS[name](plain), CONCEPTS[name](thought)
    np.testing.assert_array_equal(later.step, thought.step)
    np.testing.assert_array_equal(later.sel(step=plain.step).values, labels.values)
    for step in (-3, -2, -1):
        np.testing.assert_array_equal(later.sel(step=step).values, labels.sel(step=0).values)
    assert (labels.isel(step=slice(5, None)) == -1).all()
    if not name.startswith("future_position"):
        assert (labels.isel(step=slice(0, 5)) >= 0).all()
    assert labels.max() < len(CONCEPTS[name].classes)


@pytest.mark.parametrize("distribution", ["doors-training", "chests-many-keys", "corner-anywhere"])
def test_goal_is_where_it_ends_and_does_not_change(distribution):
    planner = {"do": "reach-red", "ch": "key-lover", "co": "corner-seeker"}[distribution[:2]]
    run = demonstrate(generate(distribution, 25, size=(7, 7)), planner, max_steps=30)
    path, goal = trajectories(run), CONCEPTS["goal"](run).values
    assert ((goal == 1).sum(axis=(2, 3)) <= 1).all()
    for episode, rows in enumerate(path.n_rows):
        for row in range(rows):
            later = np.flatnonzero(path.entered[episode, row:rows])
            where = [] if not len(later) else [path.player[episode, row + later[0] + 1].tolist()]
            assert np.argwhere(goal[episode, row] == 1).tolist() == where


@pytest.mark.parametrize(
    ("planner", "concept"),
    [
        ("reach-door", "nearest_door"),
        ("reach-red", "nearest_red"),
        ("nearest-object", "nearest_object"),
    ],
)
def test_planners_walk_to_what_is_nearest(planner, concept):
    mazes = generate("doors-independent", 30, size=(9, 9), seed=5)
    run = demonstrate(mazes, planner)
    goal, nearest = CONCEPTS["goal"](run).values == 1, CONCEPTS[concept](run).values == 1
    went = goal.any(axis=(1, 2, 3)) & nearest.any(axis=(1, 2, 3))
    assert went.sum() > 5
    meant = (nearest & goal)[went].any(axis=(2, 3))
    assert meant[run.action.values[went] >= 0].all()


def test_the_symmetric_world_has_symmetric_labels():
    """Mirror images of mazes and ways have mirrored maps."""
    text = "; doors\n############\n##..@@..Dr##\n##Bb......##\n############"
    mirrored = "; doors\n############\n##Dr..@@..##\n##......Bb##\n############"
    run, image = walked(parse_mazes(text), ["drur"]), walked(parse_mazes(mirrored), ["dlul"])
    for name in ("goal", "nearest_object", "nearest_door", "agent_future_position"):
        ours, theirs = CONCEPTS[name](run).values, CONCEPTS[name](image).values
        np.testing.assert_array_equal(ours[..., ::-1], theirs)
    swap = np.array([NEVER, UP, DOWN, RIGHT, LEFT, -1])
    for name in ("agent_approach_direction", "agent_exit_direction"):
        ours, theirs = CONCEPTS[name](run).values, CONCEPTS[name](image).values
        np.testing.assert_array_equal(swap[ours[..., ::-1]], theirs)


def test_future_position():
    run = walked(HALL, ["rrd"])
    ahead = CONCEPTS["future_position_3"](run)
    assert marked(ahead, 0) == {(2, 5): 1}
    assert (ahead.sel(step=1) == -1).all(), "fewer than three to go"
    with pytest.raises(InputError, match="at least 1"):
        future_position(0)


def test_value_is_the_discounted_reward():
    run = walked(HALL, ["rrd"])
    assert CONCEPTS["value"](run).values[0, :3] == pytest.approx([0.97**2, 0.97, 1])


def test_pictures_and_planes_have_the_same_labels():
    runs = [walked(HALL, ["rrd"], observation=encoding) for encoding in ("planes", "rgb")]
    for concept in CONCEPTS.values():
        np.testing.assert_array_equal(*(concept(run).values for run in runs))


def test_runs_that_are_not_what_they_say_are_refused():
    run = walked(HALL, ["rrd"])
    with pytest.raises(InputError, match="begins at step 1"):
        trajectories(run.sel(step=slice(1, None)))
    with pytest.raises(InputError, match="ends at step"):
        trajectories(run.sel(step=slice(0, 1)))
    changed = run.copy(deep=True)
    changed["action"][0, 0] = 0
    with pytest.raises(InputError, match="step 1: the observation is not"):
        trajectories(changed)
    changed["action"][0, 0] = 7
    with pytest.raises(InputError, match="action 7 is none of"):
        trajectories(changed)
    blind = walked(HALL, ["rrd"]).drop_vars("observation")
    blind["action"][0] = [2, 2, 2, -1]
    with pytest.raises(InputError, match="goes on after step 1"):
        trajectories(blind)
    with pytest.raises(InputError, match="'level'"):
        trajectories(run.drop_vars("level"))
    with pytest.raises(InputError, match="observation has dims"):
        trajectories(run.rename(plane="sheet"))
    other = parse_mazes("; doors\n############\n##@@....Dr##\n############").texts
    with pytest.raises(InputError, match="The mazes look like"):
        trajectories(run.assign(level=("episode", other)))


def test_objects_are_marked_until_they_are_entered():
    run = demonstrate(generate("chests-training", 12, size=(9, 9), correlation=0.5), "open-chests")
    there = CONCEPTS["object"](run)
    nearest = CONCEPTS["nearest_object"](run)
    assert ((nearest == 1) <= (there == 1)).all()  # what is nearest is there
    assert ((there < 0) == (nearest < 0)).all()
    counts = (there == 1).sum(("y", "x")).values
    for episode, length in enumerate(run.length.values):
        assert counts[episode, 0] == 6
        taken = -np.diff(counts[episode, : int(length)])
        assert set(taken.tolist()) <= {0, 1}
