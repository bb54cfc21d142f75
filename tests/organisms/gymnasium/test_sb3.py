"""Agents of stable-baselines3 and sb3-contrib: as organisms they act as `model.predict` does."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import organisms
from interp.errors import InputError
from interp.network.tensors import to_numpy
from tests.organisms.gymnasium.environments import Drawn

sb3 = pytest.importorskip("stable_baselines3", reason="needs the extra mesascope[agents]")
contrib = pytest.importorskip("sb3_contrib", reason="needs the extra mesascope[agents]")

BOX = spaces.Box(-1, 1, (3,), np.float32)
MOTORS = spaces.Box(np.float32([-2, 0]), np.float32([5, 0.5]))
IMAGE = spaces.Box(0, 255, (40, 48, 3), np.uint8)
SEVERAL = spaces.Dict(image=IMAGE, speed=BOX)
CHOICE = spaces.Discrete(4)
SMALL = {"DQN", "SAC", "TD3", "DDPG", "QRDQN", "TQC", "CrossQ"}


def model_of(name, policy, make, **options):
    kind = getattr(sb3, name, None) or getattr(contrib, name)
    buffer = {"buffer_size": 50} if name in SMALL else {}
    return kind(policy, make(), seed=1, device="cpu", **buffer, **options)


def actions_of(organism, output):
    named = {"logits": output.logits} if hasattr(output, "logits") else output.named
    if "mean" in named:
        space = organism.spaces().action
        return np.clip(to_numpy(named["mean"][0]), space.low, space.high)
    sizes = getattr(organism.spaces().action, "sizes", None)
    if sizes is None:
        return to_numpy(named["logits"][0].argmax(-1))
    return np.stack([to_numpy(part.argmax(-1)) for part in named["logits"][0].split(sizes, -1)], -1)


def check_acts_like(model, organism, n=3, steps=5):
    rows = organism.world(organism.tasks("test", n))
    shown, state, theirs = rows.reset(), organism.network.initial_state(n), None
    starts, several = np.ones(n, bool), set()
    for _ in range(steps):
        seen = {k: v[None] for k, v in shown.items()} if isinstance(shown, dict) else shown[None]
        with torch.no_grad():
            output = organism.network(seen, state)
        actions, state = actions_of(organism, output), output.state
        expected, theirs = model.predict(shown, theirs, starts, deterministic=True)
        np.testing.assert_allclose(actions, expected, rtol=1e-5, atol=1e-6)
        shown = rows.step(actions).observation
        starts[:] = False
        several.add(actions.tobytes())
    return several


@pytest.mark.parametrize(
    ("name", "policy", "observation", "action"),
    [
        ("DQN", "MlpPolicy", BOX, CHOICE),
        ("DQN", "CnnPolicy", IMAGE, CHOICE),
        ("PPO", "MlpPolicy", BOX, spaces.MultiDiscrete([2, 3])),
        ("PPO", "MlpPolicy", BOX, spaces.MultiBinary(3)),
        ("PPO", "MlpPolicy", BOX, MOTORS),
        ("PPO", "MultiInputPolicy", SEVERAL, CHOICE),
        ("A2C", "MlpPolicy", spaces.Discrete(5), CHOICE),
        ("A2C", "MlpPolicy", spaces.MultiDiscrete([2, 3]), CHOICE),
        ("SAC", "MlpPolicy", BOX, MOTORS),
        ("TD3", "MlpPolicy", BOX, MOTORS),
        ("TQC", "MlpPolicy", BOX, MOTORS),
        ("QRDQN", "MlpPolicy", BOX, CHOICE),
        ("TRPO", "MlpPolicy", BOX, CHOICE),
        ("RecurrentPPO", "MlpLstmPolicy", BOX, CHOICE),
        ("RecurrentPPO", "MlpLstmPolicy", BOX, MOTORS),
        ("RecurrentPPO", "MultiInputLstmPolicy", SEVERAL, CHOICE),
    ],
)
def test_every_kind_acts_as_it_predicts(name, policy, observation, action):
    def make():
        return Drawn(observation, action, lasts=9)

    model = model_of(name, policy, make)
    organism = organisms.from_sb3(model, make, max_steps=9)
    check_acts_like(model, organism)
    control = organism.untrained(seed=2)
    assert control.sites == organism.sites
    assert control.describe()["weights_sha256"] != organism.describe()["weights_sha256"]
    assert organism.describe()["weights_sha256"] == organism.describe()["weights_sha256"]


@pytest.mark.parametrize("shared", [{"enable_critic_lstm": False}, {"shared_lstm": True}])
def test_recurrent_agents_whose_critic_has_no_memory_of_its_own(shared):
    def make():
        return Drawn(BOX, CHOICE, lasts=9)

    options = {"enable_critic_lstm": False, "n_lstm_layers": 2, "lstm_hidden_size": 8, **shared}
    model = model_of("RecurrentPPO", "MlpLstmPolicy", make, policy_kwargs=options)
    organism = organisms.from_sb3(model, make, max_steps=9)
    check_acts_like(model, organism)
    assert "critic_h" not in organism.sites and organism.sites["h"] == ("layer", "hidden")


def test_a_memory_is_read_and_written_where_it_is_acted_on():
    def make():
        return Drawn(BOX, CHOICE, lasts=9)

    organism = organisms.from_sb3(
        model_of("RecurrentPPO", "MlpLstmPolicy", make), make, max_steps=9
    )
    seen = torch.randn(4, 2, 3)
    output, cache = organism.network.run_with_cache(seen, names_filter="h")
    assert cache["h"].shape == (4, 2, 1, 256)
    from interp import Address, Intervention, applying

    with applying(organism.network, [Intervention(Address("h", step=1), "zero")]):
        changed = organism.network(seen)
    differs = (changed.logits != output.logits).flatten(1).any(1)
    assert differs.tolist() == [False, True, True, True]


def test_observations_are_normalised_as_in_the_training():
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    def make():
        return gymnasium.make("Pendulum-v1")

    vector = VecNormalize(DummyVecEnv([make]), clip_obs=1.5)
    model = sb3.PPO("MlpPolicy", vector, n_steps=32, batch_size=32, seed=3, device="cpu")
    model.learn(64)
    organism = organisms.from_sb3(model, make)
    rows = organism.world(organism.tasks("test", 4))
    shown = rows.reset()
    for _ in range(5):
        expected, _ = model.predict(vector.normalize_obs(shown), deterministic=True)
        raw, _ = model.predict(shown, deterministic=True)
        with torch.no_grad():
            actions = actions_of(organism, organism.network(shown[None]))
        np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-5)
        assert not np.allclose(actions, raw, atol=1e-3)
        shown = rows.step(actions).observation


def test_what_cannot_be_loaded_is_refused_in_words():
    def make():
        return Drawn(BOX, CHOICE)

    model = model_of("DQN", "MlpPolicy", make)
    with pytest.raises(InputError, match=r"PPO.load"):
        organisms.from_sb3("agent.zip", make)
    with pytest.raises(InputError, match="no model"):
        organisms.from_sb3(torch.nn.Linear(2, 2), make)
    with pytest.raises(InputError, match="wrappers of the training"):
        organisms.from_sb3(model, lambda: Drawn(spaces.Box(-1, 1, (4,)), CHOICE), max_steps=3)
    with pytest.raises(InputError, match="trained on .*speed"):
        several = model_of("PPO", "MultiInputPolicy", lambda: Drawn(SEVERAL, CHOICE))
        other = spaces.Dict(image=IMAGE)
        organisms.from_sb3(several, lambda: Drawn(other, CHOICE), max_steps=3)
    with pytest.raises(TypeError, match="succes"):
        organisms.from_sb3(model, make, max_steps=3, succes="won")
