"""How the shipped Sokoban organisms were trained: every number that decides the result."""

from __future__ import annotations

from organisms.families.sokoban.recipes.curriculum import Stage
from organisms.families.sokoban.recipes.imitation import ImitationRecipe
from organisms.families.sokoban.recipes.policy_gradient import PolicyGradientRecipe
from organisms.networks.config import ConvConfig, DRCConfig, ResNetConfig
from organisms.training.imitation import ImitationConfig
from organisms.training.policy_gradient import PolicyGradientConfig
from organisms.training.recipe import Recipe

_REAL = "boxoban-unfiltered-train"
_BY_IMITATION = (
    "Trained by imitation, not by reward: what it does on its own account may differ from "
    "what a model-free agent would have learned. Far fewer steps than the published agents. "
)

# 10×10 squares with the outer wall, as Boxoban's ---------------------------------------------

_SMALL_SUMMARY = (
    "A small DRC(3,3) that was trained by imitation of an exact solver: a first organism "
    "to look into, well short of the released agents."
)
_SMALL_LIMITS = _BY_IMITATION + "10×10 boards only."
_SMALL_IMITATION = ImitationConfig(total_steps=2_400_000)
_SMALL_CURRICULUM = (
    Stage(1_000_000, ((1, 0.2), (2, 0.5), (_REAL, 0.3))),
    Stage(2_400_000, ((2, 0.2), (_REAL, 0.8))),
)


# The controls of sokoban-drc-small-v2 see much the same mix of levels, in one run instead of three.
_CONTROL_MIX = ((2, 0.2), (_REAL, 0.8))
_SMALL_RESNET = ResNetConfig(channels=(32,) * 3, kernel_sizes=((3, 3),) * 3, mlp_hiddens=(128,))


def _small_control(
    network: DRCConfig | ResNetConfig, total_steps: int, summary: str
) -> ImitationRecipe:
    return ImitationRecipe(
        network=network,
        imitation=ImitationConfig(total_steps=total_steps, follow_fraction=0.25),
        curriculum=(_SMALL_CURRICULUM[0], Stage(total_steps, _CONTROL_MIX)),
        give_up=0.2,
        summary=summary,
        limits=_SMALL_LIMITS,
    )


def _small_drc(n_layers: int, n_ticks: int) -> DRCConfig:
    return DRCConfig.released(
        n_layers, n_ticks, channels=16, encoder=(ConvConfig(16, (3, 3)),), mlp_hiddens=(128,)
    )


# 7×7 squares with the outer wall, two boxes --------------------------------------------------

_TINY_LIMITS = _BY_IMITATION + "7×7 boards (5×5 squares inside the wall) with at most two boxes."
_TINY_IMITATION = ImitationConfig(total_steps=1_000_000, n_environments=128, follow_fraction=0.25)
_TINY_CURRICULUM = (
    Stage(200_000, ((1, 0.5), (2, 0.5))),
    Stage(1_000_000, ((1, 0.1), (2, 0.9))),
)


def _tiny_drc(n_layers: int, n_ticks: int) -> DRCConfig:
    return DRCConfig.released(
        n_layers,
        n_ticks,
        channels=12,
        encoder=(ConvConfig(12, (3, 3)),),
        board=(7, 7),
        mlp_hiddens=(64,),
    )


def _tiny(network: DRCConfig | ResNetConfig, summary: str) -> ImitationRecipe:
    return ImitationRecipe(
        network=network,
        imitation=_TINY_IMITATION,
        curriculum=_TINY_CURRICULUM,
        summary=summary,
        limits=_TINY_LIMITS,
        give_up=0.2,
        max_steps=60,
        min_steps=20,
    )


RECIPES: dict[str, Recipe] = {
    "sokoban-drc-small": ImitationRecipe(
        network=_small_drc(3, 3),
        imitation=_SMALL_IMITATION,
        curriculum=_SMALL_CURRICULUM,
        summary=_SMALL_SUMMARY,
        limits=_SMALL_LIMITS,
    ),
    "sokoban-drc-small-v1": ImitationRecipe(
        network=_small_drc(3, 3),
        imitation=ImitationConfig(
            total_steps=6_000_000, learning_rate=1.5e-3, follow_fraction=0.25, seed=1
        ),
        curriculum=(Stage(6_000_000, ((2, 0.1), (_REAL, 0.9))),),
        start_from="sokoban-drc-small-v0",
        give_up=0.2,
        summary=_SMALL_SUMMARY,
        limits=_SMALL_LIMITS,
    ),
    "sokoban-drc-small-v2": ImitationRecipe(
        network=_small_drc(3, 3),
        imitation=ImitationConfig(
            total_steps=6_000_000, learning_rate=1e-3, follow_fraction=0.125, seed=2
        ),
        curriculum=(Stage(6_000_000, ((2, 0.2), (_REAL, 0.8))),),
        start_from="sokoban-drc-small-v1",
        give_up=0.2,
        summary=_SMALL_SUMMARY,
        limits=_SMALL_LIMITS,
    ),
    "sokoban-drc11-small": _small_control(
        _small_drc(1, 1),
        6_000_000,
        "A control of the small DRC(3,3): DRC(1,1), one layer and one tick.",
    ),
    "sokoban-resnet-small": _small_control(
        _SMALL_RESNET,
        12_000_000,
        "A control of the small DRC(3,3): a feed-forward network without memory. Thinking steps "
        "change nothing in it.",
    ),
    "sokoban-drc-tiny": _tiny(
        _tiny_drc(3, 3),
        "A tiny DRC(3,3) for 7×7 boards with two boxes, trained by imitation of an exact solver in "
        "minutes.",
    ),
    "sokoban-drc11-tiny": _tiny(
        _tiny_drc(1, 1),
        "A control: DRC(1,1), one layer and one tick, trained like sokoban-drc-tiny.",
    ),
    "sokoban-resnet-tiny": _tiny(
        ResNetConfig(
            channels=(24,) * 3, kernel_sizes=((3, 3),) * 3, board=(7, 7), mlp_hiddens=(64,)
        ),
        "A control: a feed-forward network without memory, trained like sokoban-drc-tiny. "
        "Thinking steps change nothing in it.",
    ),
    "sokoban-drc-tiny-rl": PolicyGradientRecipe(
        network=_tiny_drc(3, 3),
        ppo=PolicyGradientConfig(total_steps=500_000, bfloat16=False),
        curriculum=(Stage(500_000, ((1, 0.1), (2, 0.9))),),
        start_from="sokoban-drc-tiny-v1",
        summary="The tiny DRC(3,3) of sokoban-drc-tiny, trained further by reward alone.",
        limits="It began as an imitator of an exact solver: what it does on its own account may "
        "still come from there. 7×7 boards (5×5 squares inside the wall) with at most two boxes.",
        max_steps=60,
        min_steps=20,
    ),
    "sokoban-drc-small-rl": PolicyGradientRecipe(
        network=_small_drc(3, 3),
        ppo=PolicyGradientConfig(total_steps=1_200_000, learning_rate=8e-4),
        curriculum=(Stage(1_200_000, _CONTROL_MIX),),
        start_from="sokoban-drc-small-v2",
        summary="The small DRC(3,3) of sokoban-drc-small-v2, trained further by reward alone.",
        limits="It began as an imitator of an exact solver: what it does on its own account may "
        "still come from there. Far fewer steps than the published agents. 10×10 boards only.",
        min_steps=60,
    ),
    "sokoban-drc-minute": ImitationRecipe(
        network=DRCConfig.released(
            2, 2, channels=8, encoder=(ConvConfig(8, (3, 3)),), board=(7, 7), mlp_hiddens=(32,)
        ),
        imitation=ImitationConfig(total_steps=60_000, n_environments=64, n_groups=2),
        curriculum=(Stage(60_000, ((1, 1.0),)),),
        summary="A few minutes of training, to show that it runs.",
        limits="Not meant to play well.",
        n_boxes=1,
        pool_size=100,
    ),
}
"""Recipe name → recipe. ``sokoban-drc-minute`` only shows that training runs."""
