"""The world on a device does what the compiled one does, step by step."""

import numpy as np
import pytest
import torch

from interp.errors import InputError
from organisms.families.sokoban.environment import BUSH_REWARDS, RELEASED_REWARDS, SokobanWorld
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.on_device.world import TensorWorld

LEVELS = Levels.join([generate(6, size=(7, 7), n_boxes=1), generate(6, size=(7, 7), n_boxes=2)])
# No wall around it.
OPEN = Levels(np.array([[[5, 3, 2], [1, 3, 2], [1, 1, 1]]], np.uint8), ["open"])


def pair(levels=LEVELS, **options):
    options = {"autoreset": True, "n_envs": 9, "max_steps": 12, "min_steps": 4, **options}
    worlds = [SokobanWorld(levels, **options) for _ in range(2)]
    return worlds[0], TensorWorld(worlds[1], "cpu")


def same(state, other):
    return all(np.array_equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("observation", ["rgb", "planes"])
@pytest.mark.parametrize("noop", [False, True])
@pytest.mark.parametrize("levels", [LEVELS, OPEN], ids=["walled", "open"])
@pytest.mark.parametrize("rewards", [RELEASED_REWARDS, BUSH_REWARDS], ids=["released", "bush"])
def test_it_is_the_compiled_world_step_by_step(observation, noop, levels, rewards):
    ours, theirs = pair(
        levels, observation=observation, noop=noop, rewards=rewards, seed=2**63 + 5
    )[::-1]
    assert torch.equal(ours.reset(), torch.from_numpy(theirs.reset()))
    rng = np.random.default_rng(0)
    solved = 0
    for _ in range(150):
        action = rng.integers(-1, theirs.n_actions, 9)
        got, wanted = ours.step(torch.from_numpy(action)), theirs.step(action)
        for name in wanted._fields:
            assert torch.equal(getattr(got, name), torch.from_numpy(getattr(wanted, name))), name
        assert same(ours.get_state(), theirs.get_state())
        solved += int(wanted.terminated.sum())
    assert levels is LEVELS or solved, "the open board is easy enough for chance"


def test_without_autoreset_ended_rows_stay_and_report_their_end_again():
    theirs, ours = pair(autoreset=False, n_envs=None, min_steps=None, max_steps=3)
    for step in range(5):
        got = ours.step(torch.zeros(12, dtype=torch.int64))
        wanted = theirs.step(np.zeros(12, np.int64))
        assert torch.equal(got.truncated, torch.from_numpy(wanted.truncated))
        assert bool(got.truncated.any()) == (step >= 2)
        assert torch.equal(got.reward, torch.from_numpy(wanted.reward))


def test_a_state_goes_from_one_world_to_the_other_and_back():
    theirs, ours = pair()
    action = np.arange(9) % 4
    for _ in range(5):
        ours.step(torch.from_numpy(action))
    view = theirs.set_state(ours.get_state())
    assert np.array_equal(view, ours.observe().numpy())
    assert np.array_equal(
        theirs.step(action).observation, ours.step(torch.from_numpy(action)).observation
    )
    assert torch.equal(ours.set_state(theirs.get_state()), ours.observe())
    with pytest.raises(InputError, match="tiles"):
        ours.set_state({"tiles": theirs.tiles})


def test_episodes_can_be_told_to_end():
    for world, convert in zip(pair(min_steps=None), (np.asarray, torch.from_numpy), strict=True):
        rows = np.arange(9) < 3
        world.end_after_next(convert(rows))
        ended = world.step(convert(np.full(9, 0))).truncated
        assert np.asarray(ended).tolist() == rows.tolist()


def test_bad_actions_and_endless_levels_are_refused():
    _, ours = pair()
    before = ours.get_state()
    for action in (torch.full((9,), 4), torch.zeros(8, dtype=torch.int64), torch.zeros(9)):
        with pytest.raises(InputError, match="Actions are"):
            ours.step(action)
    assert same(before, ours.get_state())
    endless = SokobanWorld(LEVELS, autoreset=True, source=lambda: LEVELS)
    with pytest.raises(InputError, match="source"):
        TensorWorld(endless, "cpu")
