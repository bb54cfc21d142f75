"""Recipes that learn from reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from organisms.families.sokoban.practice import SokobanPractice
from organisms.families.sokoban.recipes.base import SokobanRecipe
from organisms.families.sokoban.recipes.curriculum import LevelStream
from organisms.training.policy_gradient import PolicyGradientConfig, PolicyGradientTrainer


@dataclass(frozen=True, kw_only=True)
class PolicyGradientRecipe(SokobanRecipe):
    """An organism trained by model-free reinforcement learning (PPO), with the released rewards.

    Parameters
    ----------
    ppo
        See `PolicyGradientConfig`.
    pool_size, lessons
        Levels drawn at a time, and unrolls until they change.

    The other parameters are those of every `SokobanRecipe`.
    """

    ppo: PolicyGradientConfig
    pool_size: int = 2000
    lessons: int = 50

    method = "ppo"

    def build(self, device: Any = None) -> PolicyGradientTrainer:
        """Return a fresh trainer on a device (the CPU unless told)."""
        config = self.ppo
        network = self.first_network(device)
        levels = LevelStream(self.curriculum, self.network.board)
        practice = SokobanPractice(
            levels,
            rows=config.n_environments,
            pool_size=self.pool_size,
            lessons=self.lessons,
            observation=self.network.observation,
            max_steps=self.max_steps,
            min_steps=self.min_steps,
            seed=config.seed,
        )
        trainer = PolicyGradientTrainer(network, practice, config)
        levels.steps = lambda: trainer.steps
        return trainer

    def _describe_method(self) -> str:
        config = self.ppo
        return (
            "Model-free reinforcement learning (PPO with recurrent state) on the rewards of the "
            f"released agents times {config.reward_scale}, discount {config.discount}; "
            f"{config.n_environments} environments, {config.unroll}-step unrolls, {config.epochs} "
            f"epochs of {config.n_minibatches} minibatches, GAE λ {config.gae_lambda}, clip "
            f"{config.clip}, entropy {config.entropy_coefficient}; Adam, learning rate "
            f"{config.learning_rate} falling linearly"
        )
