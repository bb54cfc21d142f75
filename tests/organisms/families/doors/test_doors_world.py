"""The environment: rules, rewards, ends, autoreset; and its gymnasium face."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from interp.contract import Tasks, World
from interp.errors import InputError, UnknownNameError
from organisms.families.doors.environment import MazeWorld, Rewards
from organisms.families.doors.generator import generate
from organisms.families.doors.gym import ENVIRONMENT_ID, MazeEnv, register
from organisms.families.doors.objects import GLYPH, PLANES, Colour, Kind, encode
from organisms.families.doors.text import parse_mazes

UP, DOWN, LEFT, RIGHT = range(4)
HALL = "; doors\n##############\n##Bb..@@..Dr##\n##############"
CORNER = "; corner\n############\n##......####\n##@@####..##\n##....Cy..##\n############"
CHESTS = "; chests\n##############\n##@@KyTgKyTg##\n##############"


def play(world: MazeWorld, actions: list[int]) -> list[tuple[float, bool, bool]]:
    steps = [world.step(np.array([action])) for action in actions]
    return [(float(s.reward[0]), bool(s.terminated[0]), bool(s.truncated[0])) for s in steps]


def test_the_first_object_ends_the_episode_and_only_a_door_pays():
    world = MazeWorld(parse_mazes(HALL))
    assert isinstance(world, World) and isinstance(world.mazes, Tasks)
    assert play(world, [RIGHT, RIGHT]) == [(0, False, False), (1, True, False)]
    assert (world.first_kind[0], world.first_colour[0]) == (Kind.DOOR, Colour.RED)
    assert world.solved[0] and world.object_step[0] == 1
    world.reset()
    assert play(world, [LEFT, LEFT, RIGHT]) == [
        (0, False, False),
        (0, True, False),
        (0, True, False),
    ]
    assert world.first_kind[0] == Kind.BALL and not world.solved[0] and world.elapsed[0] == 2


@pytest.mark.parametrize(
    ("objective", "left", "right"), [("door", 0, 1), ("red", 0, 1), ("object", 1, 1)]
)
def test_other_objectives_pay_for_other_things(objective, left, right):
    world = MazeWorld(parse_mazes(HALL), objective=objective, rewards=Rewards(step=-0.25))
    assert play(world, [LEFT, LEFT])[-1] == (left - 0.25, True, False)
    assert bool(world.solved[0]) == bool(left)
    world.reset()
    assert play(world, [RIGHT, RIGHT])[-1] == (right - 0.25, True, False)


def test_walls_stop_and_the_limit_truncates():
    world = MazeWorld(parse_mazes(HALL), max_steps=3)
    seen = world.reset()
    after = world.step(np.array([UP]))
    assert (after.observation == seen).all() and world.elapsed[0] == 1
    assert play(world, [-1, UP, UP, UP]) == [
        (0, False, False),
        (0, False, False),
        (0, False, True),
        (0, False, True),
    ]
    assert world.elapsed[0] == 3


def test_reaching_the_door_at_the_limit_counts():
    assert play(MazeWorld(parse_mazes(HALL), max_steps=2), [RIGHT, RIGHT])[-1] == (1, True, False)


def test_the_corner_is_noticed_and_ends_nothing():
    world = MazeWorld(parse_mazes(CORNER))
    assert world.corner.tolist() == [[1, 3]]
    assert play(world, [UP, RIGHT, RIGHT])[-1] == (0, False, False) and world.corner_step[0] == 2
    assert play(world, [LEFT, LEFT, DOWN, DOWN, RIGHT, RIGHT])[-1] == (1, True, False)
    assert world.object_step[0] == 8 and world.first_kind[0] == Kind.CHEESE
    seeker = MazeWorld(parse_mazes(CORNER), objective="corner")
    assert play(seeker, [UP, RIGHT, RIGHT])[-1] == (1, True, False) and seeker.solved[0]
    seeker.reset()
    assert play(seeker, [DOWN, RIGHT, RIGHT])[-1] == (0, True, False) and not seeker.solved[0]


def test_chests_need_keys():
    world = MazeWorld(parse_mazes(CHESTS))
    assert play(world, [RIGHT]) == [(0, False, False)]
    assert world.held[0] == world.taken[0] == 1 and world.first_kind[0] == Kind.KEY
    assert world.observe()[0, PLANES.index("held")].min() == 1
    assert play(world, [RIGHT, RIGHT, RIGHT]) == [
        (1, False, False),
        (0, False, False),
        (1, True, False),
    ]
    assert world.opened[0] == 2 and world.held[0] == 0 and world.solved[0]
    assert not world.observe()[0, PLANES.index("key")].any()


def test_a_chest_without_a_key_is_walked_over():
    world = MazeWorld(parse_mazes("; chests\n############\n##@@TgKy..##\n############"))
    assert play(world, [RIGHT, RIGHT, LEFT]) == [
        (0, False, False),
        (0, False, False),
        (1, True, False),
    ]
    assert world.first_kind[0] == Kind.KEY, "passing a chest is not opening it"


def test_the_key_objective_pays_for_keys_and_ends_with_the_last():
    world = MazeWorld(parse_mazes(CHESTS), objective="key")
    assert [p for p, _, _ in play(world, [RIGHT, RIGHT, RIGHT])] == [1, 0, 1]
    assert world.finished[0] and world.solved[0] and world.opened[0] == 1


@pytest.mark.parametrize("name", ["doors-training", "corner-anywhere", "chests-training"])
@pytest.mark.parametrize("observation", ["planes", "rgb"])
def test_observations_are_kept_up_to_date(name, observation):
    world = MazeWorld(generate(name, 16), observation=observation, autoreset=True, max_steps=20)
    rng = np.random.default_rng(0)
    for _ in range(60):
        seen = world.step(rng.integers(-1, 4, size=16)).observation
        fresh = encode(world.walls, world.objects, world.position, world.held, observation)
        assert (seen == fresh).all()
    assert seen.shape[1:] == ((len(PLANES), 9, 9) if observation == "planes" else (72, 72, 3))


def test_planes_say_kind_and_colour():
    planes = MazeWorld(parse_mazes(HALL)).reset()[0]
    at = {name: np.argwhere(planes[i]).tolist() for i, name in enumerate(PLANES)}
    assert at["agent"] == [[1, 3]] and at["door"] == at["red"] == [[1, 5]]
    assert at["ball"] == at["blue"] == [[1, 1]] and at["held"] == at["gem"] == []
    assert len(at["wall"]) == 16


def test_rows_do_not_depend_on_their_neighbours():
    mazes = generate("chests-many-keys", 8)
    rng = np.random.default_rng(1)
    actions = rng.integers(0, 4, size=(60, 8))
    together = MazeWorld(mazes, max_steps=50, min_steps=10, seed=3)
    steps = [together.step(a) for a in actions]
    alone = MazeWorld(mazes[0:1], max_steps=50, min_steps=10, seed=3)
    for action, step in zip(actions, steps, strict=True):
        one = alone.step(action[:1])
        for whole, part in zip(step, one, strict=True):
            assert (whole[:1] == part).all()
    assert len(set(together.limit.tolist())) > 3 and together.limit.max() <= 50


def test_autoreset_deals_the_next_maze_and_asks_for_more():
    asked = []

    def source():
        asked.append(len(asked))
        return generate("doors-training", 4, seed=1, start=4 * len(asked))

    first = generate("doors-training", 4, seed=1)
    world = MazeWorld(first, autoreset=True, n_envs=2, source=source, max_steps=3)
    for _ in range(3):
        seen = world.step(np.array([-1, UP])).observation
    assert world.elapsed.tolist() == [0, 0] and len(asked) == 0
    expected = MazeWorld(first[2:3]).reset()
    assert (seen[1:] == expected).all() and (seen[:1] == MazeWorld(first[0:1]).reset()).all()
    for _ in range(9):
        world.step(np.array([UP, UP]))
    assert asked


def test_states_can_be_kept():
    world = MazeWorld(generate("chests-training", 6))
    rng = np.random.default_rng(2)
    actions = rng.integers(0, 4, size=(30, 6))
    for action in actions[:10]:
        world.step(action)
    state, seen = world.get_state(), world.observe()
    one = [world.step(action) for action in actions[10:]]
    assert (world.set_state(state) == seen).all()
    for step, action in zip(one, actions[10:], strict=True):
        for before, after in zip(step, world.step(action), strict=True):
            assert (before == after).all()
    with pytest.raises(InputError, match="in a wall"):
        world.set_state({**state, "position": np.zeros_like(state["position"])})
    with pytest.raises(InputError, match="A state has"):
        world.set_state({})


def test_typed_errors():
    mazes = parse_mazes(HALL)
    with pytest.raises(InputError, match="given action 4"):
        MazeWorld(mazes).step(np.array([4]))
    with pytest.raises(InputError, match="shape"):
        MazeWorld(mazes).step(np.array([0, 0]))
    with pytest.raises(UnknownNameError, match="door"):
        MazeWorld(mazes, objective="dor")
    with pytest.raises(UnknownNameError, match="planes"):
        MazeWorld(mazes, observation="plane")
    with pytest.raises(InputError, match="made of Mazes"):
        MazeWorld(["##"])
    with pytest.raises(InputError, match="impossible, no door"):
        MazeWorld(generate("doors-no-door", 3), autoreset=True)
    with pytest.raises(InputError, match="Mazes of 'corner' in a world of 'doors'"):
        MazeWorld(mazes, autoreset=True, source=lambda: generate("corner-training", 2)).step(
            np.array([UP])
        )
    with pytest.raises(InputError, match="min_steps"):
        MazeWorld(mazes, min_steps=5, max_steps=3)
    with pytest.raises(InputError, match="autoreset"):
        MazeWorld(mazes, n_envs=3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["doors-training", "corner-anywhere", "chests-training"])
@pytest.mark.parametrize(("observation", "mode"), [("planes", "ansi"), ("rgb", "rgb_array")])
def test_gymnasiums_checker_passes(name, observation, mode):
    register()
    mazes = generate(name, 5)
    env = gymnasium.make(ENVIRONMENT_ID, mazes=mazes, render_mode=mode, observation=observation)
    check_env(env.unwrapped)


def test_an_episode_in_gymnasium():
    assert register() == register()
    env = MazeEnv(parse_mazes(HALL), render_mode="ansi")
    _, info = env.reset(seed=0)
    assert info["first_kind"] == "none" and env.render() == HALL
    env.step(RIGHT)
    _, reward, terminated, truncated, info = env.step(RIGHT)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["solved"], info["first_kind"], info["first_colour"]) == (True, "door", "red")
    assert "@D" in env.render()
    picture = MazeEnv(parse_mazes(HALL), render_mode="rgb_array")
    assert picture.render().shape == (3 * GLYPH, 7 * GLYPH, 3)
    with pytest.raises(InputError, match="1 mazes"):
        env.reset(options={"level": 3})
    with pytest.raises(InputError, match="not an action"):
        env.step(7)
