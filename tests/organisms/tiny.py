"""An organism and a recipe so small that a test can save, train and load them."""

from __future__ import annotations

from pathlib import Path

from organisms.card import Card
from organisms.families.sokoban.recipes import ImitationRecipe, Stage
from organisms.networks.build import network_record
from organisms.networks.config import ConvConfig
from organisms.networks.drc import DRC, DRCConfig
from organisms.organism import Organism
from organisms.training.imitation import ImitationConfig


def save_tiny(folder: Path, **world) -> Path:
    """Save an organism with random weights, for boards of 5 × 8 and six moves; return its home."""
    config = DRCConfig(
        n_layers=1,
        n_ticks=2,
        channels=4,
        board=(5, 8),
        mlp_hiddens=(8,),
        encoder=(ConvConfig(features=4, kernel_size=(3, 3)),),
    )
    network = DRC(config, seed=0)
    card = Card(
        name="tiny",
        family="sokoban",
        summary="Random weights, for tests.",
        network=network_record(network),
        world={"max_steps": 6, **world},
    )
    return Organism(network, card).save(folder / "tiny")


def tiny_recipe(steps: int, summary: str, **options) -> ImitationRecipe:
    """Return a recipe of one stage, with one box on boards of 6 × 6."""
    return ImitationRecipe(
        network=DRCConfig.released(
            1, 1, channels=4, encoder=(ConvConfig(4, (3, 3)),), board=(6, 6), mlp_hiddens=(8,)
        ),
        imitation=ImitationConfig(
            total_steps=steps,
            n_environments=16,
            n_groups=2,
            unroll=4,
            bfloat16=False,
            warmup_updates=1,
        ),
        curriculum=(Stage(steps, ((1, 1.0),)),),
        summary=summary,
        limits="tiny",
        n_boxes=1,
        pool_size=20,
        **options,
    )
