"""Plans as maps that are followed, and mazes with two ways, by hand."""

import numpy as np
import pytest
import xarray as xr

import organisms
from interp.errors import CapabilityError, InputError, UnknownNameError
from organisms import Plans, Steering
from organisms.families.compiled.plans import MazePlans
from organisms.families.doors.text import parse_mazes
from organisms.families.doors.trajectories import trajectories
from tests.organisms.tiny_mazes import walked

MAZE = """; doors
############
##@@......##
##..##Br..##
##......Dy##
############"""
UP, DOWN, LEFT, RIGHT = 1, 2, 3, 4
PLANS = MazePlans()


def seen_of(text: str) -> xr.DataArray:
    run = walked(parse_mazes(text), ["r"])
    return run.observation.isel(step=0, drop=True)


def plan_of(*marks: tuple[int, int, int]) -> np.ndarray:
    plan = np.zeros((1, 5, 6), np.int64)
    for y, x, move in marks:
        plan[0, y, x] = move
    return plan


@pytest.mark.parametrize(
    ("marks", "length", "connected", "valid", "to_any", "to_door"),
    [
        ([], 0, np.nan, False, False, False),
        ([(2, 1, DOWN), (3, 1, DOWN)], 2, 1, True, False, False),
        ([(2, 1, DOWN), (3, 1, DOWN), (3, 2, RIGHT), (3, 3, RIGHT), (3, 4, RIGHT)], 5, 1, True, True, True),
        ([(1, 2, RIGHT), (1, 3, RIGHT), (2, 3, DOWN), (3, 3, DOWN)], 3, 0.75, True, True, False),
        ([(1, 2, RIGHT), (2, 2, DOWN)], 2, 1, False, False, False),
        ([(3, 4, RIGHT)], 0, 0, False, False, False),
    ],
)  # fmt: skip
def test_a_map_is_followed_from_the_agent(marks, length, connected, valid, to_any, to_door):
    plan = plan_of(*marks)
    measured = PLANS.assess(seen_of(MAZE), "agent_approach_direction", plan)
    np.testing.assert_equal(
        [measured[name].item() for name in ("length", "connected", "valid", "solves")],
        [length, connected, float(valid), float(to_any)],
    )
    assert PLANS.assess(seen_of(MAZE), "way_to_door", plan)["solves"].item() == to_door


def test_what_is_no_map_is_refused():
    for plan in (np.full((1, 5, 6), 5), np.zeros((2, 5, 6), int), np.zeros((1, 5, 6))):
        with pytest.raises(InputError):
            PLANS.assess(seen_of(MAZE), "way_to_red", plan)
    with pytest.raises(UnknownNameError, match="way_to_red"):
        PLANS.assess(seen_of(MAZE), "way_to_rad", plan_of())


def test_paths_and_events_are_those_of_the_run():
    run = walked(parse_mazes(MAZE), ["lrlddrrr"], thinking=1)  # left: into the wall
    [way] = PLANS.paths(run, "agent_approach_direction")
    assert way.squares.tolist() == [[1, 2], [1, 1], [2, 1], [3, 1], [3, 2], [3, 3], [3, 4]]
    assert way.ends_on_goal
    later = PLANS.paths(run, "agent_approach_direction", 6)[0]
    assert later.squares.tolist() == [[3, 3], [3, 4]]
    events = PLANS.events(run, "agent_approach_direction")
    assert (events.sel(step=-1) == -1).all() and (events.sel(step=0) == 0).all()
    assert events.sel(step=1)[0, 1, 2] == RIGHT and (events.sel(step=1) > 0).sum() == 1
    assert events.sel(step=3)[0, 2, 1] == DOWN


def test_two_ways_lead_to_the_goal_and_the_agent_takes_the_short_one():
    organism = organisms.load("compiled/used-7x7-s1")
    tasks = organism[Steering].tasks("two-ways", 15, seed=2)
    assert set(tasks.long_length - tasks.short_length) <= {2, 4}
    run = organism.run(tasks.tasks)
    assert run.solved.all() and not tasks.took_long_way(run).any()
    np.testing.assert_array_equal(run.length, tasks.short_length)
    letters = {"up": "u", "down": "d", "left": "l", "right": "r"}
    by_hand = walked(tasks.tasks, ["".join(letters[move] for _, move in way) for way in tasks.long])
    assert tasks.succeeded(by_hand.assign(solved=("episode", np.ones(15, bool)))).all()
    path = trajectories(by_hand)
    for k, way in enumerate(tasks.long):
        assert [tuple(square) for square in path.player[k, 1 : len(way) + 1]] == [s for s, _ in way]
        assert not set(tasks.short[k]) & {square for square, _ in way}
    with pytest.raises(UnknownNameError, match="two-ways"):
        organism[Steering].tasks("two-way")


def test_abilities_are_those_of_the_organism():
    assert isinstance(organisms.load("compiled/past-7x7-s0")[Plans], Plans)
    with pytest.raises(CapabilityError):
        organisms.load("compiled/switch-7x7-s0")[Steering]
    assert organisms.load("compiled/layers-7x7-s0")[Steering].sites == ["layers.7.h"]
