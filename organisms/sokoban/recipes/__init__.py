"""How the Sokoban organisms were trained."""

from organisms.sokoban.recipes.base import SokobanRecipe
from organisms.sokoban.recipes.curriculum import (
    LevelStream,
    Stage,
    describe_curriculum,
    draw_levels,
    find_stage,
)
from organisms.sokoban.recipes.imitation import ImitationRecipe
from organisms.sokoban.recipes.policy_gradient import PolicyGradientRecipe
from organisms.sokoban.recipes.table import RECIPES

__all__ = [
    "RECIPES",
    "ImitationRecipe",
    "LevelStream",
    "PolicyGradientRecipe",
    "SokobanRecipe",
    "Stage",
    "describe_curriculum",
    "draw_levels",
    "find_stage",
]
