"""How the learners of bandits are trained: PPO on tasks that are new in every episode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from interp.network.hooks import HookedNetwork
from organisms.card import Card
from organisms.families.bandits.world import ARMS, FEATURES, HORIZON, BanditWorld, draw_bandits
from organisms.networks.build import network_record
from organisms.networks.lstm import LSTMConfig
from organisms.organism import Organism
from organisms.training.policy_gradient import PolicyGradientConfig, PolicyGradientTrainer
from organisms.training.recipe import Recipe
from organisms.training.whole_episodes import WholeEpisodes


@dataclass(frozen=True, kw_only=True)
class BanditRecipe(Recipe):
    """A recurrent learner of bandits, trained by PPO; see `PolicyGradientConfig` and `Recipe`."""

    ppo: PolicyGradientConfig

    method = "ppo"

    def build(self, device: Any = None) -> PolicyGradientTrainer:
        """Return a fresh trainer, whose network is on a device (the CPU unless told)."""
        rows = self.ppo.n_environments
        practice = WholeEpisodes(
            lambda seed: BanditWorld(draw_bandits("train", rows, seed)), self.ppo.seed
        )
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
        discount=0.8,
        gae_lambda=0.3,
        reward_scale=1.0,
        epochs=4,
        n_minibatches=4,
        entropy_coefficient=0.05,
        bfloat16=False,
    ),
    summary="A small LSTM that plays two-armed bandits it has never seen, and learns while it plays.",
    limits="Two independent arms, 20 pulls. Its regret stands beside the Bayes-optimal learner's."
    " Discount and λ of the training were chosen on tasks of the training split, for a seed that does not"
    " ship (`python benchmarks/bandit_settings.py`).",
)

RECIPES: dict[str, Recipe] = {
    f"bandit-lstm-v1-s{seed}": replace(_RECIPE, ppo=replace(_RECIPE.ppo, seed=seed))
    for seed in range(3)
}
"""Recipe name → recipe, called as the organisms are."""
