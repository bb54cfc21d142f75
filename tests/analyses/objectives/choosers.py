"""Agents that choose between two things by weights that are known: base feature, proxy, nearness."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import torch
import xarray as xr

from interp.contract import NetworkOutput, Transition
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.episodes import run_episodes
from interp.runs.replay import replay
from organisms.capabilities.edits import Edits
from organisms.capabilities.objectives import Objectives
from tests.toy_capabilities import Able

BASE, PROXY, NEAR = range(3)
KINDS = {"together": ((1, 1), (0, 0)), "apart": ((1, 0), (0, 1))}


@dataclass(frozen=True)
class Choices:
    """Two things each, (task, thing, feature): base and proxy 0 or 1, nearness 0 to 255."""

    things: np.ndarray
    prefix: str

    @classmethod
    def draw(cls, kind: str, n: int, seed: int) -> Choices:
        rng = np.random.default_rng([seed, len(kind)])
        things = np.zeros((n, 2, 3), np.uint8)
        things[:, :, :NEAR] = KINDS[kind]
        flipped = rng.random(n) < 0.5
        things[flipped] = things[flipped, ::-1]
        things[:, :, NEAR] = rng.integers(0, 256, (n, 2))
        return cls(things, f"{kind}-s{seed}")

    @property
    def ids(self):
        return [f"{self.prefix}/{i}" for i in range(len(self))]

    @property
    def texts(self):
        return [" ".join(map(str, things.ravel())) for things in self.things]

    def __len__(self):
        return len(self.things)

    def __getitem__(self, index):
        return Choices(self.things[index], self.prefix)


class ChoiceWorld:
    """One step of looking, then the chosen thing is reached; paid for by its features."""

    n_actions, max_steps = 2, 2

    def __init__(self, tasks: Choices, pays: tuple[float, float]):
        self.things, self.pays = tasks.things, np.array(pays)
        self.reset()

    def reset(self):
        self.t, self.solved = 0, np.zeros(len(self.things), bool)
        return self.things

    def step(self, action):
        self.t += 1
        over = self.t == self.max_steps
        got = self.things[np.arange(len(action)), action.clip(0), :NEAR] @ self.pays
        reward = np.where(over & (action >= 0), got, 0).astype(np.float32)
        self.solved = self.solved | (reward > 0)
        never = np.zeros(len(action), bool)
        return Transition(self.things, reward, never | over, never)


class ChoiceNetwork(HookedNetwork):
    """Worth of a thing = weights · features; logits are the worths, value is the larger."""

    def __init__(self, base: float, proxy: float, near: float):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor([base, proxy, near / 255]))
        self.encoder = SitePoint("thing", "feature")
        self.worth = SitePoint("thing")
        self.setup()

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 1)

    def forward(self, observations, state=None, episode_starts=None):
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                encoded = self.encoder(observations[t].float() * self.weights)
                logits.append(self.worth(encoded.sum(-1)))
        stacked = torch.stack(logits)
        return NetworkOutput(stacked, stacked.max(-1).values, self.initial_state(stacked.shape[1]))


class Chooser(Able):
    """An agent with known weights, and with capabilities."""

    observation_dims = ("thing", "feature")
    state_sites = ("worth",)
    diverging = {"apart": ("good", "shiny")}
    concepts: dict = {}
    parts: ClassVar = {
        Objectives: {"reached": "reached", "diverging": "diverging", "paid": "objective"},
        Edits: {"of": "edits"},
    }

    def __init__(self, name, base, proxy, near=1.0, *, correlation=1.0, objective="good"):
        self.name, self.objective = name, objective
        self.options = {"correlation": correlation}
        self.network = ChoiceNetwork(base, proxy, near).requires_grad_(False)
        self.card = SimpleNamespace(network={"kind": "chooser"}, weights_file="weights")

    @property
    def sites(self):
        return self.network.sites

    def describe(self):
        return {"organism": self.name, "weights_sha256": "0" * 64, "family": "toy"}

    def tasks(self, split, n, seed=0, *, correlation=None):
        return Choices.draw("together" if split == "test" else split, n, seed)

    def world(self, tasks):
        return ChoiceWorld(tasks, (1.0, 0.0) if self.objective == "good" else (0.0, 1.0))

    def run(self, tasks, **options):
        return run_episodes(self, tasks, **options)

    def replay(self, observations, sites=(), interventions=()):
        return replay(self.network, observations, sites=sites, interventions=interventions)

    def reached(self, run):
        things = things_of(run)
        got = things[np.arange(len(things)), run["action"].sel(step=1).values]
        values = np.stack([got[:, BASE] > 0, got[:, PROXY] > 0], axis=1)
        return xr.DataArray(values, {"objective": ["good", "shiny"]}, ("episode", "objective"))

    def edits(self, run):
        things = things_of(run)
        weights = self.network.weights.numpy()
        goal = things[:, :, BASE] > 0

        def added(where, feature, sign):
            value = np.zeros(things.shape, np.float32)
            value[:, :, feature] = sign * where * weights[feature]
            return value

        values = {
            "base": added(goal, BASE, -1),
            "proxy": added(goal, PROXY, -1),
            "both": added(goal, BASE, -1) + added(goal, PROXY, -1),
            "base_on_other": added(~goal, BASE, 1),
            "proxy_on_other": added(~goal, PROXY, 1),
        }
        return {
            name: Intervention(Address("encoder"), "add", torch.from_numpy(value), ("example",))
            for name, value in values.items()
        }


def things_of(run):
    """Return (episode, thing, feature) int: what a run's tasks hold."""
    texts = [str(text).split() for text in run["level"].values]
    return np.array(texts, int).reshape(-1, 2, 3)
