"""What all Sokoban recipes share: levels, step limits, and the card."""

from __future__ import annotations

from dataclasses import dataclass

from interp.network.hooks import HookedNetwork
from organisms.card import Card
from organisms.families.sokoban.recipes.curriculum import Curriculum, describe_curriculum
from organisms.networks.build import BoardConfig, network_record
from organisms.organism import Organism
from organisms.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class SokobanRecipe(Recipe):
    """What every Sokoban recipe says, whatever the method.

    Parameters
    ----------
    curriculum
        Stages in order; the last one ends with the run.
    n_boxes
        Of the generated levels the organism is tested on by default.
    max_steps, min_steps
        Step limit of an episode, drawn between the two; the organism is tested with `max_steps`.

    The other parameters are those of every `Recipe`.
    """

    network: BoardConfig
    curriculum: Curriculum
    n_boxes: int = 2
    max_steps: int = 120
    min_steps: int = 30

    def organism(self, network: HookedNetwork, name: str, steps: int) -> Organism:
        """Return a trained network as an organism, with a card that says how it was made."""
        start = f"Started from the weights of {self.start_from}. " if self.start_from else ""
        training = (
            f"{self._describe_method()}; seed {self.seed}; {steps:,} environment steps. "
            f"Levels: {describe_curriculum(self.curriculum)}. {start}{self._describe_more()}"
            "The log ships as log.jsonl, the recipe as recipe.json."
        )
        card = Card(
            name=name,
            family="sokoban",
            summary=self.summary,
            paper="Architecture: Guez et al. 2019 (arXiv 1901.03559), as released by Taufeeque et al. "
            "2024 (arXiv 2407.15421); smaller.",
            task="Sokoban, tinyworld RGB observations, moves up, down, left, right; step limit "
            f"{self.max_steps}.",
            training=training,
            network=network_record(network),
            world={"rewards": "released", "max_steps": self.max_steps, "n_boxes": self.n_boxes},
            licence="Apache-2.0",
            limits=self.limits,
        )
        return Organism(network, card)

    def _describe_method(self) -> str:
        raise NotImplementedError

    def _describe_more(self) -> str:
        return ""
