"""How the Sokoban organisms were trained."""

from organisms.families.sokoban.recipes.base import SokobanRecipe
from organisms.families.sokoban.recipes.curriculum import (
    LevelStream,
    Stage,
    describe_curriculum,
    draw_levels,
    find_stage,
)
from organisms.families.sokoban.recipes.imitation import ImitationRecipe
from organisms.families.sokoban.recipes.policy_gradient import PolicyGradientRecipe
from organisms.families.sokoban.recipes.table import RECIPES

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
