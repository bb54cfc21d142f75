"""The gymnasium face."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from interp.errors import InputError, UnknownNameError
from organisms.families.sokoban.environment import BUSH_REWARDS
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.gym import ENVIRONMENT_ID, SokobanEnv, register
from organisms.families.sokoban.levels import parse_levels

LEVEL = parse_levels("#####\n#@$.#\n#####")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("render_mode", ["rgb_array", "ansi"])
@pytest.mark.parametrize("options", [{}, {"observation": "planes", "noop": True}])
def test_gymnasiums_checker_passes(render_mode, options):
    register()
    env = gymnasium.make(ENVIRONMENT_ID, levels=generate(5), render_mode=render_mode, **options)
    check_env(env.unwrapped)


def test_registering_twice_is_harmless():
    assert register() == register() == ENVIRONMENT_ID
    env = gymnasium.make(ENVIRONMENT_ID, levels=LEVEL, max_steps=7)
    assert env.observation_space.shape == (3, 5, 3)


def test_an_episode():
    env = SokobanEnv(LEVEL, render_mode="ansi", rewards=BUSH_REWARDS)
    observation, info = env.reset(seed=0)
    assert observation.shape == (3, 5, 3) and observation.dtype == np.uint8
    assert info == {"level_id": "level/0", "solved": False, "steps": 0, "boxes_off_target": 1}
    assert env.render() == "#####\n#@$.#\n#####"
    observation, reward, terminated, truncated, info = env.step(3)
    assert (reward, terminated, truncated, info["solved"]) == (10.99, True, False, True)
    assert env.render() == "#####\n# @*#\n#####"


def test_levels_are_drawn_by_the_seed_or_chosen():
    levels = generate(50, n_boxes=1)
    env = SokobanEnv(levels)
    drawn = [env.reset(seed=4)[1]["level_id"]] + [env.reset()[1]["level_id"] for _ in range(20)]
    again = SokobanEnv(levels)
    repeated = [again.reset(seed=4)[1]["level_id"]]
    repeated += [again.reset()[1]["level_id"] for _ in range(20)]
    assert drawn == repeated and len(set(drawn)) > 5
    assert env.reset(options={"level": 7})[1]["level_id"] == levels.ids[7]
    with pytest.raises(InputError, match="50 levels"):
        env.reset(options={"level": 50})


def test_picture_and_mistakes():
    env = SokobanEnv(LEVEL, render_mode="rgb_array")
    env.reset()
    assert env.render().shape == (3 * 16, 5 * 16, 3)
    assert SokobanEnv(LEVEL).render() is None
    with pytest.raises(InputError, match="not an action"):
        env.step(4)
    with pytest.raises(UnknownNameError, match="'ansi'"):
        SokobanEnv(LEVEL, render_mode="asni")
