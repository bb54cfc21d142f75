"""The maze family put together: networks, the mazes they walk, and what they pay for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.edits import Edits
from organisms.capabilities.kernels import Kernels
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.families.doors import abilities
from organisms.families.doors.abilities import game_of
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import GAMES, PLANES
from organisms.families.doors.task_sets import GENERATED, find_mazes
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


def tasks(
    organism: Organism,
    split: str | os.PathLike | Mazes | Iterable[str] = "test",
    n: int | None = None,
    seed: int = 0,
    *,
    correlation: float | None = None,
) -> Mazes:
    """Return mazes: ``"train"`` or ``"test"`` of the training distribution, or another one's name.

    Those of its training distribution hold something that it is paid for, as in training.

    Parameters
    ----------
    organism
        Whose board and training distribution they are of.
    split, n, seed
        As in `organisms.families.doors.task_sets.find_mazes`, with its errors.
    correlation
        Of a training distribution; the one the organism was trained with unless told.
    """
    own = organism.options
    options = {
        "training": own["distribution"],
        "size": board_of(organism),
        "correlation": float(own["correlation"]) if correlation is None else correlation,
    }
    mazes = find_mazes(split, n, seed, **options)
    drawn = len(mazes)
    # As in training: mazes of its own distribution hold something that it is paid for.
    while split in GENERATED and not mazes.solvable(own["objective"]).all():
        drawn *= 2
        mazes = find_mazes(split, drawn, seed, **options)
        mazes = mazes[np.flatnonzero(mazes.solvable(own["objective"]))]
        if len(mazes) >= (n or 0):
            return mazes[:n]
    return mazes


def world(organism: Organism, tasks: Mazes, **options: Any) -> MazeWorld:
    """Return a world with one row per maze; `options` override the organism's own.

    Raises
    ------
    InputError
        If the mazes are of another game, or the network cannot take boards of their size.
    """
    mazes = tasks if isinstance(tasks, Mazes) else find_mazes(tasks)
    game = game_of(organism)
    if mazes.game != game:
        raise InputError(
            f"The mazes are of the game {mazes.game!r}, and {organism.name} plays {game!r}."
        )
    check_board(organism, mazes.walls.shape[1:], mazes)
    own = {
        "objective": organism.options["objective"],
        "observation": organism.network.config.observation,
        "max_steps": organism.options["max_steps"],
    }
    return MazeWorld(mazes, **{**own, **options})


def concepts() -> Mapping[str, Concept]:
    """Return the labels that can be computed on a recorded run."""
    from organisms.families.doors.concepts import CONCEPTS

    return CONCEPTS


def recipes() -> Mapping[str, Recipe]:
    """Return the recipes that the family's organisms are trained by."""
    from organisms.families.doors.recipes import RECIPES

    return RECIPES


def check(organism: Organism) -> None:
    """Raise a MesascopeError unless distribution, objective and planes of the card are there."""
    if organism.options["distribution"] not in DISTRIBUTIONS:
        raise UnknownNameError(
            "distribution of mazes", organism.options["distribution"], DISTRIBUTIONS
        )
    game, objective = game_of(organism), organism.options["objective"]
    if objective not in GAMES[game].objectives:
        raise UnknownNameError(f"objective of {game!r}", objective, GAMES[game].objectives)
    config = organism.network.config
    if config.observation == "planes" and config.n_planes != len(PLANES):
        raise InputError(
            f"{organism.name}: the network takes {config.n_planes} planes; mazes have {len(PLANES)}."
        )


FAMILY = Family(
    name="doors",
    summary="Networks that walk mazes with doors, balls and gems, with cheese, or with keys and chests.",
    tasks=tasks,
    world=world,
    network=build_network,
    observation_dims=observation_dims,
    state_sites=state_sites,
    concepts=concepts,
    recipes=recipes,
    options={
        "distribution": "doors-training",
        "correlation": 1.0,
        "objective": "door",
        "max_steps": 40,
    },
    place_dims=("y", "x"),
    capabilities={
        Accommodation: abilities.MazeSizes,
        Counterfactuals: abilities.MazePairs,
        DecisionProblems: abilities.MazeProblems,
        Edits: abilities.goal_edits,
        Kernels: convolution_kernels,
        Milestones: abilities.chests_opened,
        Objectives: abilities.MazeObjectives,
        Pictures: abilities.MazePictures,
        Places: abilities.MazePlaces,
    },
    check=check,
)
