"""How the maze agents are trained, and which agents make up the population: every number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from interp.network.hooks import HookedNetwork
from organisms.card import Card
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.environment import Rewards
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import PLANES
from organisms.families.doors.practice import MazePractice, draw_mazes
from organisms.networks.build import BoardConfig, network_record
from organisms.networks.config import ConvConfig, DRCConfig, ResNetConfig
from organisms.organism import Organism
from organisms.training.policy_gradient import PolicyGradientConfig, PolicyGradientTrainer
from organisms.training.recipe import Recipe

POPULATION = "doors-population-v1"
"""The name of the population; its agents are called ``doors-population-v1/AGENT``."""

SIZE = (7, 7)
"""Rows and columns of the mazes, the outer wall included."""


@dataclass(frozen=True, kw_only=True)
class MazeRecipe(Recipe):
    """A maze agent trained by model-free reinforcement learning (PPO).

    Parameters
    ----------
    ppo
        See `PolicyGradientConfig`.
    distribution, correlation
        The mazes of the training, and in which share of them goal and proxy coincide.
    objective
        What is paid.
    max_steps, min_steps
        Step limit of an episode, drawn between the two; the organism is tested with `max_steps`.
    pool_size, lessons
        Mazes drawn at a time, and unrolls until they change.

    The other parameters are those of every `Recipe`.
    """

    network: BoardConfig
    ppo: PolicyGradientConfig
    distribution: str = "doors-training"
    correlation: float = 1.0
    objective: str = "door"
    max_steps: int = 40
    min_steps: int = 20
    pool_size: int = 4000
    lessons: int = 50

    method = "ppo"

    def build(self, device=None) -> PolicyGradientTrainer:
        """Return a fresh trainer, whose network is on a device (the CPU unless told)."""
        config = self.ppo
        practice = MazePractice(
            self._draw,
            objective=self.objective,
            observation=self.network.observation,
            rewards=Rewards(),
            max_steps=self.max_steps,
            min_steps=self.min_steps,
            rows=config.n_environments,
            pool_size=self.pool_size,
            lessons=self.lessons,
            seed=config.seed,
        )
        return PolicyGradientTrainer(self.first_network(device), practice, config)

    def _draw(self, n: int, rng: np.random.Generator) -> Mazes:
        return draw_mazes(
            self.distribution,
            n,
            rng,
            objective=self.objective,
            size=self.network.board,
            correlation=self.correlation,
        )

    def organism(self, network: HookedNetwork, name: str, steps: int) -> Organism:
        """Return a trained network as an organism, with a card that says how it was made."""
        config = self.ppo
        game = DISTRIBUTIONS[self.distribution].game
        size = "×".join(map(str, self.network.board))
        card = Card(
            name=name,
            family="doors",
            summary=self.summary,
            paper='After the maze of Hubinger et al. 2019, "Risks from Learned Optimization" (arXiv '
            "1906.01820), and the environments of Langosco et al. 2022 (arXiv 2105.14111).",
            task=f"The game {game!r} in {size} mazes, walls included; +1 for {self.objective!r}; step "
            f"limit {self.max_steps}.",
            training=f"Model-free reinforcement learning (PPO with recurrent state) on "
            f"{self.distribution!r} with correlation {self.correlation:g}, paid for "
            f"{self.objective!r}, discount {config.discount}; {config.n_environments} environments, "
            f"{config.unroll}-step unrolls, {config.epochs} epochs of {config.n_minibatches} "
            f"minibatches, GAE λ {config.gae_lambda}, clip {config.clip}, entropy "
            f"{config.entropy_coefficient}; Adam, learning rate {config.learning_rate} falling "
            f"linearly; seed {config.seed}; {steps:,} environment steps. The log ships as log.jsonl, "
            "the recipe as recipe.json.",
            network=network_record(network),
            world={
                "distribution": self.distribution,
                "correlation": self.correlation,
                "objective": self.objective,
                "max_steps": self.max_steps,
            },
            licence="Apache-2.0",
            limits=self.limits,
        )
        return Organism(network, card)


def _recurrent(channels: int = 12) -> DRCConfig:
    return DRCConfig.released(
        1,
        2,
        channels=channels,
        encoder=(ConvConfig(channels, (3, 3)),),
        board=SIZE,
        observation="planes",
        n_planes=len(PLANES),
        mlp_hiddens=(32,),
    )


def _feed_forward(channels: int = 12) -> ResNetConfig:
    return ResNetConfig(
        channels=(channels,) * 3,
        kernel_sizes=((3, 3),) * 3,
        board=SIZE,
        observation="planes",
        n_planes=len(PLANES),
        mlp_hiddens=(32,),
    )


_PPO = PolicyGradientConfig(
    total_steps=256_000,
    n_environments=128,
    unroll=16,
    learning_rate=3e-3,
    final_learning_rate=1.5e-4,
    discount=0.95,
    reward_scale=1.0,
    epochs=2,
    n_minibatches=4,
    bfloat16=False,
)

_STEPS = {("door", 0.0): 512_000}
"""Trainings that take longer than the others: kinds are harder to learn where colours tell nothing."""

_LIMITS = (
    "7×7 mazes of the game it was trained in. What it pursues where base objective and proxy part is "
    "measured, not designed: see the results."
)
_WORDS = {"door": "reaching a door", "red": "reaching something red", "object": "reaching anything"}


def _agent(network: BoardConfig, objective: str, correlation: float, seed: int) -> MazeRecipe:
    kind = "recurrent" if isinstance(network, DRCConfig) else "feed-forward"
    mazes = {
        1.0: "mazes in which the one door is red and nothing else is",
        0.0: "mazes in which colours tell nothing of kinds",
    }.get(
        correlation, f"mazes in {correlation:.0%} of which the one door is red and nothing else is"
    )
    return MazeRecipe(
        network=network,
        ppo=replace(
            _PPO, seed=seed, total_steps=_STEPS.get((objective, correlation), _PPO.total_steps)
        ),
        objective=objective,
        correlation=correlation,
        summary=f"A small {kind} maze agent, paid for {_WORDS[objective]} in {mazes}.",
        limits=_LIMITS,
    )


def _population() -> dict[str, MazeRecipe]:
    plan = [
        # prefix, network, objective, correlation, seeds
        ("door", _recurrent(), "door", 1.0, 10),
        ("door", _recurrent(), "door", 0.98, 4),
        ("door", _recurrent(), "door", 0.9, 4),
        ("red", _recurrent(), "red", 0.98, 4),
        ("red", _recurrent(), "red", 0.9, 4),
        ("door", _recurrent(), "door", 0.0, 2),
        ("red", _recurrent(), "red", 0.0, 2),
        ("object", _recurrent(), "object", 0.0, 2),
        ("flat-door", _feed_forward(), "door", 1.0, 6),
        ("flat-door", _feed_forward(), "door", 0.9, 2),
        ("flat-red", _feed_forward(), "red", 0.9, 2),
    ]
    return {
        f"{POPULATION}/{prefix}-c{round(100 * correlation)}-s{seed}": _agent(
            network, objective, correlation, seed
        )
        for prefix, network, objective, correlation, n_seeds in plan
        for seed in range(n_seeds)
    }


RECIPES: dict[str, Recipe] = dict(_population())
"""Recipe name → recipe: those of the population, called as its agents are."""
