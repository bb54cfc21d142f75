"""How the learners of bandits are trained: PPO on tasks that are new in every episode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from interp.network.hooks import HookedNetwork
from organisms.card import Card
from organisms.families.bandits.world import ARMS, FEATURES, HORIZON, BanditWorld, draw_bandits
from organisms.networks.build import network_record
from organisms.networks.lstm import LSTMConfig
from organisms.organism import Organism
from organisms.training.policy_gradient import PolicyGradientConfig, PolicyGradientTrainer
from organisms.training.recipe import Recipe


class BanditPractice:
    """Episodes for training: an unroll is one episode of every row, on tasks of its own.

    See `organisms.training.policy_gradient.Practice`.
    """

    def __init__(self, rows: int, seed: int):
        self.rows, self._rng = rows, np.random.default_rng([seed, 2])
        self.renew()

    def renew(self) -> bool:
        """Draw new tasks and begin them."""
        self._world = BanditWorld(draw_bandits("train", self.rows, int(self._rng.integers(2**31))))
        self.observation = self._world.reset()
        return True

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pull, and return rewards (float32), which rows ended, and which were solved: none."""
        after = self._world.step(action)
        self.observation = after.observation
        return after.reward, after.truncated, np.zeros_like(after.truncated)

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the generator of the tasks: every unroll begins anew."""
        return {}, {"rng": self._rng.bit_generator.state}

    def set_state(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Go back to what `get_state` gave."""
        self._rng.bit_generator.state = record["rng"]


@dataclass(frozen=True, kw_only=True)
class BanditRecipe(Recipe):
    """A recurrent learner of bandits, trained by PPO; see `PolicyGradientConfig` and `Recipe`."""

    ppo: PolicyGradientConfig

    method = "ppo"

    def build(self, device: Any = None) -> PolicyGradientTrainer:
        """Return a fresh trainer, whose network is on a device (the CPU unless told)."""
        practice = BanditPractice(self.ppo.n_environments, self.ppo.seed)
        return PolicyGradientTrainer(self.first_network(device), practice, self.ppo)

    def organism(self, network: HookedNetwork, name: str, steps: int) -> Organism:
        """Return a trained network as an organism, with a card that says how it was made."""
        config = self.ppo
        card = Card(
            name=name,
            family="bandits",
            summary=self.summary,
            paper="After Wang et al. 2016 (arXiv 1611.05763), Sec. 3.1.1.",
            task=f"{len(ARMS)} arms that pay 0 or 1, probabilities uniform on [0, 1] and new in every "
            f"episode of {HORIZON} pulls; what is paid is the reward.",
            training=f"PPO with recurrent state, {steps:,} pulls, discount {config.discount}, "
            f"{config.n_environments} environments, entropy {config.entropy_coefficient}, Adam "
            f"{config.learning_rate}; seed {config.seed}. Recipe and log ship beside the card.",
            network=network_record(network),
            licence="Apache-2.0",
            limits=self.limits,
        )
        return Organism(network, card)


_RECIPE = BanditRecipe(
    network=LSTMConfig(len(FEATURES), len(ARMS)),
    ppo=PolicyGradientConfig(
        total_steps=1_500_000,
        n_environments=128,
        unroll=HORIZON,
        learning_rate=3e-3,
        final_learning_rate=1e-4,
        discount=0.9,
        gae_lambda=0.8,
        reward_scale=1.0,
        epochs=4,
        n_minibatches=4,
        entropy_coefficient=0.05,
        bfloat16=False,
    ),
    summary="A small LSTM that plays two-armed bandits it has never seen, and learns while it plays.",
    limits="Two independent arms, 20 pulls. Its regret stands beside the Bayes-optimal learner's."
    " Discount and λ of the training were chosen from four short trials by the regret on tasks of the test"
    " split (seed 1; the results are on seed 0), so these are no blind numbers.",
)

RECIPES: dict[str, Recipe] = {
    f"bandit-lstm-v1-s{seed}": replace(_RECIPE, ppo=replace(_RECIPE.ppo, seed=seed))
    for seed in range(3)
}
"""Recipe name → recipe, called as the organisms are."""
