"""Recipes that imitate the exact solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from organisms.families.sokoban.classroom import SokobanClassroom
from organisms.families.sokoban.recipes.base import SokobanRecipe
from organisms.families.sokoban.recipes.curriculum import LevelStream
from organisms.training.imitation import ImitationConfig, ImitationTrainer


@dataclass(frozen=True, kw_only=True)
class ImitationRecipe(SokobanRecipe):
    """An organism trained by imitation of the exact solver on its own states.

    Parameters
    ----------
    imitation
        See `ImitationConfig`.
    give_up
        As in `SokobanClassroom`.
    pool_size, lessons
        Of each `SokobanClassroom`: levels solved at a time, and unrolls until they change.

    The other parameters are those of every `SokobanRecipe`.
    """

    imitation: ImitationConfig
    give_up: float = 0.0
    pool_size: int = 500
    lessons: int = 100

    method = "imitation"

    def build(self, device: Any = None) -> ImitationTrainer:
        """Return a fresh trainer on a device (the CPU unless told)."""
        config = self.imitation
        network = self.first_network(device)
        levels = LevelStream(self.curriculum, self.network.board)
        rooms = [
            SokobanClassroom(
                levels,
                rows=config.n_environments // config.n_groups,
                pool_size=self.pool_size,
                lessons=self.lessons,
                first_lesson=group * self.lessons // config.n_groups,
                give_up=self.give_up,
                observation=self.network.observation,
                max_steps=self.max_steps,
                min_steps=self.min_steps,
                seed=config.seed * config.n_groups + group,
            )
            for group in range(config.n_groups)
        ]
        trainer = ImitationTrainer(network, rooms, config)
        levels.steps = lambda: trainer.steps
        return trainer

    def _describe_method(self) -> str:
        config = self.imitation
        return (
            "Imitation of the exact solver on the learner's own states (DAgger): cross-entropy to the "
            f"uniform mix of optimal actions, value target {config.discount}^distance; "
            f"{config.n_environments} environments, {config.follow_fraction:.0%} of them following the "
            f"solver with probability {config.follow_probability}; Adam, learning rate "
            f"{config.learning_rate} falling linearly"
        )

    def _describe_more(self) -> str:
        if not self.give_up:
            return ""
        return f"Episodes out of reach of their goal ended with probability {self.give_up} a step. "
