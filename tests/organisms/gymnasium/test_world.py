"""Gymnasium environments as a world of the contract."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

import interp
import organisms
from interp.contract import ArraySpace, Discrete, MultiDiscrete
from interp.errors import InputError, UnknownNameError
from tests.organisms.gymnasium.environments import Counting, Drawn

SEES_NOTHING = interp.agent(torch.nn.Identity())
BOX = spaces.Box(-1, 1, (3,), np.float32)
CHOICE = spaces.Discrete(2)


def organism(make_env, **options):
    return organisms.from_gymnasium(SEES_NOTHING, make_env, **options)


def world(make_env, n=3, **options):
    made = organism(make_env, **options)
    return made.world(made.tasks("test", n))


def test_rows_are_the_episodes_that_gymnasium_plays_and_stay_when_they_are_over():
    made = organism("CartPole-v1")
    tasks = made.tasks("test", 3)
    rows = made.world(tasks)
    shown = [rows.reset()]
    for t in range(60):
        shown.append(rows.step(np.full(3, t % 2)).observation)
    for i, seed in enumerate(tasks.seeds):
        env = gymnasium.make("CartPole-v1")
        seen, over, t = [env.reset(seed=seed)[0]], False, 0
        while not over:
            observation, _, terminated, truncated, _ = env.step(t % 2)
            seen.append(observation)
            over, t = terminated or truncated, t + 1
        assert t < 60
        for step in range(61):
            assert np.array_equal(shown[step][i], seen[min(step, t)])
        assert rows.outcome[i] == t


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("size", [1, 2, 5])
def test_vector_environments_play_the_same_episodes(mode, size):
    def vector():
        return gymnasium.make_vec(
            "CartPole-v1",
            num_envs=size,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": mode},
        )

    def tell(env, info):
        angle = {} if mode == AutoresetMode.SAME_STEP else {"angle": env.unwrapped.state[2]}
        return {"n": info["steps"], **angle}

    facts = {"record_info": tell}
    one, other = world("CartPole-v1", **facts), world(vector, **facts)
    assert np.array_equal(one.reset(), other.reset())
    for t in range(70):
        first, second = (w.step(np.full(3, t % 2)) for w in (one, other))
        for a, b in zip(first, second, strict=True):
            assert np.array_equal(a, b)
        for name, fact in one.facts.items():
            assert np.array_equal(fact, other.facts[name])
    assert np.array_equal(one.outcome, other.outcome)


def test_an_environment_that_is_ahead_of_its_episode_is_not_looked_into():
    def ahead():
        mode = {"autoreset_mode": AutoresetMode.SAME_STEP}
        return gymnasium.make_vec(
            "CartPole-v1", num_envs=2, vectorization_mode="sync", vector_kwargs=mode
        )

    with pytest.raises(InputError, match="plain environments"):
        world(ahead, record_info=lambda env, info: {"angle": env.unwrapped.state[2]})


def test_a_vector_environment_is_made_of_the_size_that_is_needed():
    sizes = []

    def vector(n):
        sizes.append(n)
        return gymnasium.make_vec("CartPole-v1", num_envs=n, vectorization_mode="sync")

    rows = world(vector, n=4)
    rows.reset()
    assert sizes[-1] == 4 and max(sizes) == 4


def test_spaces_are_said_in_the_words_of_the_contract():
    def spaces_of(observation, action=BOX):
        return organism(lambda: Drawn(observation, action), max_steps=5).spaces()

    shown = spaces_of(
        spaces.Box(np.float32([-1, -np.inf]), np.float32([1, np.inf]), dtype=np.float32)
    )
    assert shown.observation == ArraySpace(
        ("feature",), (2,), "float32", (-1, -np.inf), (1, np.inf)
    )
    assert shown.action == ArraySpace(("action_dim",), (3,), "float32", -1.0, 1.0)
    endless = spaces_of(spaces.Box(-np.inf, np.inf, (2,), np.float64)).observation
    assert (endless.dtype, endless.low, endless.high) == ("float64", None, None)
    picture = spaces.Box(0, 255, (8, 9, 3), np.uint8)
    assert spaces_of(picture).observation.dims == ("y", "x", "channel")
    stacked = spaces.Box(0, 255, (4, 8, 9), np.uint8)
    assert spaces_of(stacked).observation.dims == ("channel", "y", "x")
    frames = spaces.Box(0, 255, (4, 8, 9, 3), np.uint8)
    assert spaces_of(frames).observation.dims == ("frame", "y", "x", "channel")
    assert spaces_of(spaces.Discrete(5, start=2)).observation == ArraySpace((), (), "int64", 2, 6)
    nested = spaces.Dict(eyes=spaces.Dict(left=picture), speed=BOX, flags=spaces.MultiBinary(2))
    shown = spaces_of(nested).observation
    assert {name: space.dims for name, space in shown.items()} == {
        "eyes.left": ("y", "x", "channel"),
        "speed": ("speed.feature",),
        "flags": ("flags.feature",),
    }
    assert spaces_of(BOX, spaces.Discrete(3, start=4)).action == Discrete(3)
    assert spaces_of(BOX, spaces.MultiDiscrete([2, 4])).action == MultiDiscrete((2, 4))
    assert spaces_of(BOX, spaces.MultiBinary(2)).action == MultiDiscrete((2, 2))


def test_actions_arrive_as_the_environment_takes_them():
    made = []

    def taken(action_space, *actions):
        def make():
            made.append(Drawn(BOX, action_space))
            return made[-1]

        rows = world(make, n=1, max_steps=9)
        rows.reset()
        for action in actions:
            rows.step(np.array([action]))
        return made[-1].taken

    assert taken(spaces.Discrete(3, start=4), 0, 2, -1) == [4, 6]
    both = taken(spaces.MultiDiscrete([2, 3], start=[0, 5]), [1, 2], [-1, -1])
    assert [a.tolist() for a in both] == [[1, 7]]
    assert [a.tolist() for a in taken(spaces.MultiBinary(2), [1, 0])] == [[1, 0]]
    box = spaces.Box(-2, 5, (2,), np.float32)
    beyond = taken(box, [9.0, -9.0], [np.nan, np.nan], [0.25, 1.0])
    assert [a.tolist() for a in beyond] == [[5, -2], [0.25, 1.0]]
    assert beyond[0].dtype == np.float32


def test_what_is_no_action_is_refused():
    rows = world("CartPole-v1", n=1)
    rows.reset()
    with pytest.raises(InputError, match="no action"):
        rows.step(np.array([2]))


def test_dict_observations_keep_their_dtypes_and_hidden_facts_are_aligned_with_them():
    rows = world(Counting, n=5, max_steps=20, record_info=["left"], success="terminated")
    shown = rows.reset()
    assert shown["count"].dtype == np.float64 and shown["parity"].dtype == np.int64
    goal = rows.facts["left"].copy()
    assert rows.facts["left"].dtype.kind == "i" and len(set(goal)) > 1
    for t in range(1, 8):
        shown = rows.step(np.ones(5, int)).observation
        count = np.minimum(t, goal)
        assert np.array_equal(shown["count"][:, 0], count / 3)
        assert np.array_equal(rows.facts["left"], goal - count)
        assert np.array_equal(rows.solved, t >= goal)


def test_the_options_of_a_task_and_the_limit_of_steps():
    made = organism(Counting, max_steps=3, success="terminated")
    rows = made.world(organisms.SeededTasks((1, 2), options=({"goal": 2}, {"goal": 9})))
    rows.reset()
    ends = [rows.step(np.array([1, 1])) for _ in range(4)]
    assert [e.terminated.tolist() for e in ends[:3]] == [[False] * 2, [True, False], [False] * 2]
    assert [e.truncated.tolist() for e in ends] == [[False] * 2] * 2 + [[False, True], [False] * 2]
    assert rows.solved.tolist() == [True, False] and rows.outcome.tolist() == [1.0, 0.0]


def test_info_that_begins_with_the_first_action_is_nan_before_it():
    rows = world(lambda: Drawn(BOX, CHOICE), n=2, max_steps=9, record_info="time")
    rows.reset()
    assert np.isnan(rows.facts["time"]).all()
    rows.step(np.array([0, -1]))
    assert rows.facts["time"][0] == 1 and np.isnan(rows.facts["time"][1])


def test_success_may_be_computed_and_without_it_the_outcome_is_the_return():
    made = organism("CartPole-v1")
    assert made.outcome.name == "return" and not made.outcome.can_succeed
    long = world("CartPole-v1", success=lambda env, info: info["return"] > 30)
    long.reset()
    for t in range(60):
        long.step(np.full(3, t % 2))
    assert np.array_equal(long.solved, long.outcome > 30) and len(set(long.solved)) == 2


def test_tasks_are_seeds_and_splits_share_none():
    made = organism("CartPole-v1")
    splits = {name: made.tasks(name, 50).seeds for name in ("train", "validation", "test")}
    assert len(set().union(*splits.values())) == 150
    assert made.tasks("test", 7).seeds == splits["test"][:7]
    assert set(made.tasks("test", 50, seed=1).seeds).isdisjoint(splits["test"])
    tasks = made.tasks([3, 5])
    assert tasks.ids == ("CartPole-v1/seed-3", "CartPole-v1/seed-5")
    assert tasks[1:].texts == ("CartPole-v1, seed 5",) and len(tasks[1:]) == 1
    with pytest.raises(UnknownNameError, match="'test'"):
        made.tasks("tests")
    with pytest.raises(InputError, match="twice"):
        made.tasks([3, 3])
    with pytest.raises(InputError, match="≥ 0"):
        made.tasks([-1])


class Faulty(Drawn):
    """Shows something else from its second observation on."""

    def __init__(self, then):
        super().__init__(BOX, CHOICE, lasts=9)
        self.then = then

    def show(self):
        return super().show() if self.t == 0 else self.then


def test_what_an_environment_may_not_show_is_refused_with_its_task_and_step():
    for then, words in (
        (np.array([1, np.nan, 0], np.float32), "step 1.*not finite"),
        (np.array([1, np.inf, 0], np.float32), "step 1.*not finite"),
        (np.zeros(4, np.float32), r"\(4,\)"),
        (np.array([0.1, 0, 0]), "float64.*to the bit"),
    ):
        rows = world(lambda then=then: Faulty(then), n=1, max_steps=5)
        rows.reset()
        with pytest.raises(InputError, match=words):
            rows.step(np.array([0]))
    whole = world(lambda: Faulty(np.ones(3, np.float64)), n=1, max_steps=5)
    whole.reset()  # another dtype that loses nothing
    assert whole.step(np.array([0])).observation.dtype == np.float32


def test_an_environment_that_shows_another_dtype_than_it_declares_is_kept_as_it_shows():
    class Double(Drawn):
        def show(self):
            return super().show().astype(np.float64) / 3

    made = organism(lambda: Double(BOX, CHOICE), max_steps=5)
    assert made.spaces().observation.dtype == "float64"


def refused(words, make_env, error=InputError, **options):
    with pytest.raises(error, match=words):
        organism(make_env, **options)


def test_what_cannot_be_a_world_is_refused_in_words():
    drawn = lambda o=BOX, a=CHOICE: lambda: Drawn(o, a)  # noqa: E731
    refused("say max_steps", drawn())
    refused("TransformObservation", drawn(spaces.Text(4)), max_steps=3)
    refused("Discrete, MultiDiscrete", drawn(a=spaces.Dict(a=BOX)), max_steps=3)
    refused("cannot have the dims", drawn(), max_steps=3, observation_dims=("y", "x"))
    refused("make_env made a dict", lambda: {})
    refused("needs new ones", gymnasium.make_vec("CartPole-v1", num_envs=2))
    refused("does not say how it was made", Drawn(BOX, BOX), max_steps=3)
    refused("seed of its own", lambda: gymnasium.make_vec("CartPole-v1", num_envs=2))
    refused("key of info", drawn(), max_steps=3, record_info=["tim"], error=UnknownNameError)
    refused("no number", drawn(), max_steps=3, record_info=lambda env, info: {"a": "b"})
    refused("max_steps", drawn(), max_steps=0)
    refused("success", "CartPole-v1", success=True)


def test_a_key_of_success_that_is_missing_at_the_end_is_said():
    rows = world("CartPole-v1", success="won")
    rows.reset()
    with pytest.raises(UnknownNameError, match="won"):
        for t in range(60):
            rows.step(np.full(3, t % 2))


def test_an_environment_can_be_given_if_it_says_how_it_was_made():
    made = organism(gymnasium.make("CartPole-v1", max_episode_steps=7))
    assert made.name == "CartPole-v1-Identity"
    rows = made.world(made.tasks("test", 2))
    assert rows.max_steps == 7


class Paying(Drawn):
    """Pays what it is told to, which may be no number."""

    pays = None

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, self.pays, *rest


@pytest.mark.parametrize("pays", [None, "much", np.zeros(2)])
def test_what_an_environment_pays_is_a_number(pays):
    class Told(Paying):
        pass

    Told.pays = pays
    rows = world(lambda: Told(BOX, CHOICE), max_steps=4)
    rows.reset()
    with pytest.raises(InputError, match="reward"):
        rows.step(np.zeros(3, int))


def test_functions_on_an_environment_are_checked_when_they_are_given():
    with pytest.raises(InputError, match="success is called with"):
        organism(lambda: Drawn(BOX, CHOICE), max_steps=4, success=lambda env: True)
    with pytest.raises(InputError, match="no number"):
        ragged = {"record_info": lambda env, info: {"seen": [[1], [1, 2]]}}
        organism(lambda: Drawn(BOX, CHOICE), max_steps=4, **ragged)
