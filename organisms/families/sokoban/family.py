"""The Sokoban family put together: networks, the world they act in, levels and concepts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interp.errors import UnknownNameError
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.kernels import Kernels
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.capabilities.plans import Plans
from organisms.capabilities.released import Released
from organisms.capabilities.states import States
from organisms.capabilities.steering import Steering
from organisms.families.sokoban import abilities
from organisms.families.sokoban import conditions as conditions  # registers them
from organisms.families.sokoban.environment import BUSH_REWARDS, RELEASED_REWARDS, SokobanWorld
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.task_sets import find_levels
from organisms.family import Family
from organisms.networks.abilities import (
    board_of,
    check_board,
    convolution_kernels,
    observation_dims,
    state_sites,
)
from organisms.networks.build import build_network

if TYPE_CHECKING:
    from interp.concepts import Concept
    from organisms.organism import Organism
    from organisms.training.recipe import Recipe

REWARDS = {"released": RELEASED_REWARDS, "bush": BUSH_REWARDS}


def tasks(
    organism: Organism,
    split: str | os.PathLike | Levels | Iterable[str] = "test",
    n: int | None = None,
    seed: int = 0,
) -> Levels:
    """Return levels: ``"train"`` or ``"test"`` of our generator, a Boxoban set, a file, or text.

    Generated levels have the board of the network and the box count of the card. See
    `organisms.families.sokoban.task_sets.find_levels` for the parameters and errors.
    """
    n_boxes = organism.options["n_boxes"]
    return find_levels(split, n, seed, size=board_of(organism), n_boxes=n_boxes)


def world(organism: Organism, tasks: Levels, **options: Any) -> SokobanWorld:
    """Return a world with one row per level; `options` override the organism's own.

    Raises
    ------
    InputError
        If the network cannot take boards of this size.
    """
    levels = tasks if isinstance(tasks, Levels) else find_levels(tasks)
    check_board(organism, levels.tiles.shape[1:], levels)
    config, noop = organism.network.config, organism.options["noop"]
    own = {
        "observation": config.observation,
        "rewards": REWARDS[organism.options["rewards"]],
        "max_steps": organism.options["max_steps"],
        "noop": config.n_actions == 5 if noop is None else bool(noop),
    }
    return SokobanWorld(levels, **{**own, **options})


def concepts() -> Mapping[str, Concept]:
    """Return the labels that can be computed on a recorded run."""
    from organisms.families.sokoban.concepts import CONCEPTS

    return CONCEPTS


def recipes() -> Mapping[str, Recipe]:
    """Return the recipes that the family's organisms are trained by."""
    from organisms.families.sokoban.recipes import RECIPES

    return RECIPES


def check(organism: Organism) -> None:
    """Raise UnknownNameError unless the card's reward scheme is there."""
    if organism.options["rewards"] not in REWARDS:
        raise UnknownNameError("reward scheme", organism.options["rewards"], REWARDS)


FAMILY = Family(
    name="sokoban",
    summary="Networks that push boxes onto targets in Sokoban levels.",
    tasks=tasks,
    world=world,
    network=build_network,
    observation_dims=observation_dims,
    state_sites=state_sites,
    concepts=concepts,
    recipes=recipes,
    options={"rewards": "released", "max_steps": 120, "n_boxes": 4, "noop": None},
    place_dims=("y", "x"),
    capabilities={
        Accommodation: abilities.BoardSizes,
        Counterfactuals: abilities.LevelPairs,
        Kernels: convolution_kernels,
        Milestones: abilities.BoxesPlaced,
        Pictures: abilities.SokobanPictures,
        Places: abilities.SokobanPlaces,
        Plans: abilities.plans,
        Released: abilities.ReleasedAgents,
        States: abilities.BoardStates,
        Steering: abilities.Shortcuts,
    },
    check=check,
)
