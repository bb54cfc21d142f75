"""What `organisms.check` finds: one broken promise each, on an organism that keeps all others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import organisms
from interp.concepts import Concept
from interp.contract import NetworkOutput, Outcome, Transition
from interp.errors import CapabilityError, ContractError, InputError
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.capabilities.milestones import Milestones
from organisms.card import Card
from organisms.family import Family
from organisms.organism import Organism


class Counts:
    """Tasks: count up to a number."""

    def __init__(self, goals):
        self.goals = tuple(goals)

    def __len__(self):
        return len(self.goals)

    def __getitem__(self, index):
        return Counts(self.goals[index])

    ids = property(lambda self: [f"count-{goal}" for goal in self.goals])
    texts = property(lambda self: [str(goal) for goal in self.goals])


class CountWorld:
    max_steps, n_actions = 6, 2

    def __init__(self, tasks):
        self.goal = np.array(tasks.goals)
        self.reset()

    @property
    def solved(self):
        return self.at >= self.goal

    def reset(self):
        self.at, self.t, self.over = 0 * self.goal, 0, np.zeros(len(self.goal), bool)
        return self.observe()

    def observe(self):
        return np.stack([self.at, self.goal], axis=1).astype(np.uint8)

    def step(self, action):
        self.at, self.t = self.at + ((action == 1) & ~self.over), self.t + 1
        late = np.full(len(action), self.t >= self.max_steps) & ~self.solved
        self.over = self.solved | late
        return Transition(self.observe(), self.solved.astype(np.float32), self.solved, late)


class CountNetwork(HookedNetwork):
    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(2, 4, generator=generator))
        self.head = torch.nn.Parameter(torch.randn(4, 2, generator=generator))
        self.h = SitePoint("unit")
        self.setup()

    def initial_state(self, n):
        return torch.zeros(n, 4)

    def update(self, x, h):
        return torch.tanh(x.float() @ self.weight + h / 2)

    def forward(self, observations, state=None, episode_starts=None):
        h, logits = self.initial_state(observations.shape[1]) if state is None else state, []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                if episode_starts is not None:
                    h = h * ~episode_starts[t, :, None]
                h = self.h(self.update(observations[t], h))
                logits.append(h @ self.head)
        out = torch.stack(logits)
        return NetworkOutput(out, out.sum(-1), h)


def counter(brain=None, world=CountWorld, **parts):
    """Return a small organism of a family that nobody registered."""
    defaults = {
        "name": "counting",
        "summary": "Counts.",
        "tasks": lambda organism, split, n, seed: Counts(range(1, 1 + (n or 5))),
        "world": lambda organism, tasks: world(tasks),
        "network": lambda record, seed: CountNetwork(seed),
        "observation_dims": ("feature",),
        "state_sites": lambda organism: ["h"],
    }
    family = Family(**{**defaults, **parts})
    card = Card("counter", "counting", "Counts.")
    return Organism(brain or CountNetwork(5), card, family)


def promises(organism, **options) -> set[str]:
    found = organisms.check(organism, **options)
    assert all(str(violation) for violation in found)
    return {violation.promise for violation in found}


def test_a_sound_organism_breaks_no_promise():
    assert organisms.check(counter()) == []


def test_what_only_satisfies_the_protocol_is_tried_on_tasks_that_are_given():
    class Bare:
        name, observation_dims, concepts, network = "bare", ("feature",), {}, CountNetwork()
        sites = network.sites

        def world(self, tasks):
            return CountWorld(tasks)

        def describe(self):
            return {"organism": "bare", "family": "none", "weights_sha256": "0"}

    assert organisms.check(Bare(), Counts([1, 4, 9])) == []
    [violation] = organisms.check(Bare())
    assert "give some" in violation.words
    assert [str(v) for v in organisms.check(object())][0] == "members: it has no 'name'"


class Changed(CountNetwork):
    """A network with one thing wrong."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def update(self, x, h):
        h = super().update(x, h)
        if self.wrong == "batch":
            return h - h.mean(dim=0)
        if self.wrong == "drawn":
            return h + torch.rand(())
        if self.wrong == "nan":
            return h / 0 * 0
        return h

    def initial_state(self, n):
        return torch.zeros(1, n, 4)[0] if self.wrong != "state" else torch.zeros(2, n, 4)


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [("batch", "batch"), ("drawn", "seed"), ("nan", "sites"), ("state", "network")],
)
def test_networks_that_are_wrong(wrong, promise):
    assert promise in promises(counter(Changed(wrong)))


def test_a_state_that_is_never_begun_anew():
    class Stubborn(CountNetwork):
        def forward(self, observations, state=None, episode_starts=None):
            return super().forward(observations, state, None)

    assert promises(counter(Stubborn(5))) == {"episode starts"}


class Floats(CountWorld):
    def step(self, action):
        answer = super().step(action)
        return answer._replace(observation=answer.observation.astype(np.float64))


class Restless(CountWorld):
    def step(self, action):
        self.at = self.at + (action == -1)
        return super().step(action)


class Endless(CountWorld):
    def step(self, action):
        answer = super().step(action)
        never = np.zeros(len(action), bool)
        return answer._replace(terminated=never, truncated=never)


class Luck(CountWorld):
    def reset(self):
        self.goal = self.goal * 0 + np.random.default_rng().integers(1, 200, len(self.goal))
        return super().reset()


class Crowd(CountWorld):
    def __init__(self, tasks):
        super().__init__(tasks)
        self.goal = self.goal + len(self.goal)


@pytest.mark.parametrize(
    ("world", "promise", "words"),
    [
        (Floats, "world", "float64"),
        (Restless, "rows that are over", "changed"),
        (Endless, "rows that are over", "not over at max_steps"),
        (Luck, "a world is determined by its tasks", "differently"),
        (Crowd, "rows of a world do not meet", "alone"),
    ],
)
def test_worlds_that_are_wrong(world, promise, words):
    found = organisms.check(counter(world=world))
    assert any(v.promise == promise and words in v.words for v in found), found


def test_families_that_are_wrong():
    assert "tasks" in promises(
        counter(tasks=lambda o, split, n, seed: Counts(np.random.default_rng().integers(1, 99, n)))
    )
    assert promises(counter(state_sites=lambda o: ["g"])) == {"declarations"}
    assert promises(counter(place_dims=("y",))) == {"declarations"}
    assert "declarations" in promises(counter(outcome="best"))
    assert "world" in promises(counter(outcome=Outcome("score", can_succeed=False)))
    late = Concept("late", lambda run: run.length * 0, ("no", "yes"))
    assert promises(counter(concepts=lambda: {"late": late})) == {"concepts"}

    def broken(organism):
        raise RuntimeError("no milestones today")

    assert promises(counter(capabilities={Milestones: broken})) == {"capabilities"}
    assert promises(counter(capabilities={Milestones: lambda o: 3})) == {"capabilities"}


def test_violations_are_raised_on_request():
    organism = counter(state_sites=lambda o: ["g"])
    with pytest.raises(ContractError, match=r"counter breaks the contract:\n- declarations: .*'g'"):
        organisms.check(organism, raise_on_violation=True)
    with pytest.raises(InputError, match="n must"):
        organisms.check(organism, n=1)


def test_a_capability_that_is_not_there_names_who_has_it():
    with pytest.raises(
        CapabilityError, match="'counter'.*'counting'.*'Milestones'.*'doors'"
    ) as got:
        counter()[Milestones]
    assert (got.value.capability, got.value.organism) == ("Milestones", "counter")
    assert got.value.families == ["doors", "sokoban"]
    assert Milestones not in counter() and counter().capabilities == []
    with pytest.raises(InputError, match="by its class"):
        counter()["Milestones"]
