"""Modules as CleanRL's single files have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn
from torch.distributions import Categorical, Normal

import organisms
from interp.errors import InputError
from tests.organisms.gymnasium.environments import Drawn

BOX = spaces.Box(-1, 1, (3,), np.float64)
IMAGE = spaces.Box(0, 255, (6, 6), np.uint8)
MOTORS = spaces.Box(-2, 2, (2,), np.float32)


class Chooser(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.actor = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4))

    def get_action_and_value(self, x, action=None):
        probs = Categorical(logits=self.actor(x))
        action = probs.sample() if action is None else action
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


class Mover(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.actor_mean = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        self.actor_logstd = nn.Parameter(torch.full((1, 2), -0.7))

    def get_action_and_value(self, x, action=None):
        mean = self.actor_mean(x)
        probs = Normal(mean, self.actor_logstd.expand_as(mean).exp())
        action = probs.sample() if action is None else action
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)


class Rememberer(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU())
        self.lstm = nn.LSTM(8, 5)
        self.actor, self.critic = nn.Linear(5, 4), nn.Linear(5, 1)

    def get_states(self, x, lstm_state, done):
        hidden = self.network(x / 255.0).reshape(-1, lstm_state[0].shape[1], 8)
        kept, new = (1.0 - done).view(1, -1, 1), []
        for h in hidden:
            h, lstm_state = self.lstm(h[None], (kept * lstm_state[0], kept * lstm_state[1]))
            new.append(h)
        return torch.cat(new).flatten(0, 1), lstm_state

    def get_action_and_value(self, x, lstm_state, done, action=None):
        hidden, lstm_state = self.get_states(x, lstm_state, done)
        probs = Categorical(logits=self.actor(hidden))
        action = probs.sample() if action is None else action
        value = self.critic(hidden)
        return action, probs.log_prob(action), probs.entropy(), value, lstm_state


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x):
        return self.network(x)


class Squashed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc_mean, self.fc_logstd = nn.Linear(3, 8), nn.Linear(8, 2), nn.Linear(8, 2)
        self.register_buffer("action_scale", torch.tensor([2.0, 3.0]))
        self.register_buffer("action_bias", torch.tensor([0.5, 0.0]))

    def forward(self, x):
        x = self.fc1(x).relu()
        return self.fc_mean(x), self.fc_logstd(x)


def organism_of(module, observation, action):
    return organisms.from_cleanrl(module, lambda: Drawn(observation, action), max_steps=6)


def test_a_discrete_agent_gives_its_logits_and_value_and_draws_nothing():
    agent = Chooser()
    organism = organism_of(agent, BOX, spaces.Discrete(4))
    seen = torch.randn(3, 2, 3, dtype=torch.float64)
    before = torch.random.get_rng_state()
    output = organism.network(seen)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.testing.assert_close(output.logits, agent.actor(seen.float()))
    torch.testing.assert_close(output.value, agent.critic(seen.float())[..., 0])
    assert set(organism.sites) == {"actor.0", "critic.0"}
    assert organism.untrained(1).sites == organism.sites


def test_what_is_written_into_its_actor_is_what_is_read():
    from interp import Address, Intervention, Site, applying

    organism = organisms.from_cleanrl(
        Chooser(),
        lambda: Drawn(BOX, spaces.Discrete(4)),
        max_steps=6,
        sites={"logits": Site("actor", ("action_index",))},
    )
    with applying(organism.network, [Intervention(Address("logits"), "zero")]):
        assert not organism.network(torch.randn(2, 2, 3)).logits.any()


def test_a_continuous_agent_gives_mean_and_spread():
    agent = Mover()
    organism = organism_of(agent, BOX, MOTORS)
    seen = torch.randn(3, 2, 3)
    named = organism.network(seen).named
    assert torch.equal(named["mean"], agent.actor_mean(seen)) and named["value"].shape == (3, 2)
    assert torch.equal(named["log_std"], torch.full((3, 2, 2), -0.7))
    with pytest.raises(InputError, match="untrained="):
        organism.untrained()


def test_a_recurrent_agent_carries_its_memory():
    agent = Rememberer()
    organism = organism_of(agent, IMAGE, spaces.Discrete(4))
    seen = torch.randint(0, 256, (5, 2, 6, 6), dtype=torch.uint8)
    output, cache = organism.network.run_with_cache(seen)
    state = torch.zeros(1, 2, 5), torch.zeros(1, 2, 5)
    for t in range(5):
        hidden, state = agent.get_states(seen[t].float(), state, torch.zeros(2))
        torch.testing.assert_close(output.logits[t], agent.actor(hidden))
        torch.testing.assert_close(cache["h"][t, :, 0], state[0][0])
        torch.testing.assert_close(cache["c"][t, :, 0], state[1][0])


def test_networks_of_values_and_actors_alone():
    values = QNetwork()
    seen = torch.randn(2, 3, 3)
    output = organism_of(values, BOX, spaces.Discrete(4)).network(seen)
    assert torch.equal(output.logits, values(seen)) and torch.equal(
        output.value, values(seen).amax(-1)
    )
    squashed = Squashed()
    mean = organism_of(squashed, BOX, MOTORS).network(seen).named["mean"]
    expected = squashed(seen)[0].tanh() * torch.tensor([2.0, 3.0]) + torch.tensor([0.5, 0.0])
    torch.testing.assert_close(mean, expected)


def test_another_build_is_refused():
    class Other(nn.Module):
        def get_action_and_value(self, x):
            return None

    with pytest.raises(InputError, match="interp.agent"):
        organism_of(Other(), BOX, MOTORS)
