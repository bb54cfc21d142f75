import numpy as np
import xarray as xr

from organisms.boards.run_events import observed_states
from organisms.families.sokoban.cycles import boxes_placed, states_visited
from organisms.families.sokoban.environment import SokobanWorld
from organisms.families.sokoban.levels import parse_levels

UP, DOWN, LEFT, RIGHT = range(4)


def played(text: str, moves: list[int], observation: str = "rgb", thinking: int = 0) -> xr.Dataset:
    """Return the run of a level with given moves, which ends when they are over."""
    world = SokobanWorld(parse_levels(text), observation=observation, max_steps=len(moves))
    seen = [world.reset()[0]] * (thinking + 1)
    for move in moves:
        seen.append(world.step(np.array([move])).observation[0])
    rows = len(moves) + thinking
    dims = world.observation_dims
    done = np.zeros((1, rows), bool)
    done[0, -1] = True
    return xr.Dataset(
        {
            "observation": (("episode", "step", *dims), np.stack(seen[:-1])[None]),
            "action": (("episode", "step"), np.array([[-1] * thinking + moves])),
            "length": ("episode", np.array([len(moves)])),
            "done": (("episode", "step"), done),
        },
        {"step": np.arange(-thinking, len(moves))},
    )


TWO = "#######\n#@$.  #\n#  $. #\n#     #\n#######"


def test_boxes_are_placed_at_the_step_of_their_push():
    run = played(TWO, [RIGHT, LEFT, DOWN, RIGHT, RIGHT])
    assert boxes_placed(run).values.tolist() == [[0, 4]]
    assert boxes_placed(played(TWO, [RIGHT, LEFT, DOWN])).values[0, 0] == 0
    assert np.isnan(boxes_placed(played(TWO, [RIGHT, LEFT, DOWN])).values[0, 1])


def test_a_box_taken_off_and_put_back_counts_once():
    # On its target at step 0, off it at 1; the same box back on it later would be no second box.
    run = played(TWO, [RIGHT, RIGHT])
    assert boxes_placed(run).values[0, 0] == 0 and np.isnan(boxes_placed(run).values[0, 1])


def test_boxes_that_begin_on_targets():
    run = played("######\n#@* .#\n# $  #\n######", [LEFT, LEFT])
    assert boxes_placed(run).values[0, 0] == -1
    assert np.isnan(boxes_placed(run).values[0, 1])


def test_thinking_does_not_move_the_steps():
    moves = [RIGHT, LEFT, DOWN, RIGHT, RIGHT]
    plain, thought = played(TWO, moves), played(TWO, moves, thinking=3)
    np.testing.assert_array_equal(boxes_placed(plain), boxes_placed(thought))
    states = states_visited(thought)
    assert (states.sel(step=slice(-3, 0)) == states.sel(step=0)).all()
    np.testing.assert_array_equal(states.sel(step=slice(0, None)), states_visited(plain))


def test_states_come_back_when_the_board_does():
    run = played("######\n#@  .#\n# $  #\n#    #\n######", [RIGHT, LEFT, RIGHT, DOWN, UP, LEFT])
    states = states_visited(run).values[0]
    assert states[0] == states[2] and states[1] == states[3]
    # Down pushes the box: nothing is as it was from then on.
    assert states[4] not in states[:4] and states[5] not in states[:4]


def test_states_agree_with_observations_and_not_with_how_they_are_shown():
    moves = [RIGHT, LEFT, DOWN, LEFT, UP, DOWN, RIGHT]
    colours, planes = (played(TWO, moves, shown) for shown in ("rgb", "planes"))
    mine = states_visited(colours).values[0]
    np.testing.assert_array_equal(mine, states_visited(planes).values[0])
    seen = observed_states(colours).values[0]
    np.testing.assert_array_equal(mine[:, None] == mine, seen[:, None] == seen)


def test_boxes_are_not_told_apart():
    # The right box goes right, the left one follows: where they are is what counts.
    text = "########\n#@$$  .#\n#  .   #\n########"
    run = played(text, [DOWN, UP])
    assert states_visited(run).values[0, 0] != states_visited(run).values[0, 1]
    assert (states_visited(run) >= 0).all()


def test_steps_outside_an_episode_are_minus_one():
    long, short = played(TWO, [DOWN, UP, DOWN]), played(TWO, [DOWN])
    both = xr.concat([long, short.reindex(step=long.step, fill_value=0)], "episode", join="outer")
    for states in (states_visited(both), observed_states(both)):
        assert states.values[1].tolist()[1:] == [-1, -1]
        assert states.values[0, 0] == states.values[1, 0] == states.values[0, 2]
