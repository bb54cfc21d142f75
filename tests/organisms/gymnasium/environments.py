"""Small environments of all kinds, with which the gymnasium world is tried."""

from __future__ import annotations

import copy

import gymnasium
import numpy as np
from gymnasium import spaces


class Drawn(gymnasium.Env):
    """Shows draws from its observation space, ends after `lasts` steps, refuses what is no action."""

    def __init__(self, observation, action, lasts=4):
        # Draws are from generators of its own.
        self.observation_space, self.action_space = copy.deepcopy((observation, action))
        self.lasts = lasts
        self.taken = []

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.t = 0
        return self.show(), {}

    def show(self):
        return self.observation_space.sample()

    def step(self, action):
        assert self.action_space.contains(action), action
        self.taken.append(action)
        self.t += 1
        return self.show(), 0.5, self.t >= self.lasts, False, {"time": self.t}


class Counting(gymnasium.Env):
    """Counts up to its goal, which the seed draws and the observation hides; action 7 counts, 6 waits."""

    metadata = {"render_modes": []}

    def __init__(self):
        self.observation_space = spaces.Dict(
            count=spaces.Box(-np.inf, np.inf, (1,), np.float64), parity=spaces.Discrete(2)
        )
        self.action_space = spaces.Discrete(2, start=6)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = int(self.np_random.integers(1, 6)) if options is None else options["goal"]
        self.count, self.closed = 0, False
        return self.show(), {"left": self.goal}

    def show(self):
        return {"count": np.array([self.count / 3]), "parity": self.count % 2}

    def step(self, action):
        assert action in (6, 7)
        self.count += action == 7
        done = self.count >= self.goal
        return self.show(), float(done), done, False, {"left": self.goal - self.count}
