"""Train many agents one after the other, in one command that can be stopped and started again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.errors import InputError, UnknownNameError
from organisms.training.recipe import Recipe, all_recipes


def population_recipes(population: str) -> dict[str, Recipe]:
    """Return the recipes of a population's agents, by their names ``POPULATION/AGENT``.

    Raises
    ------
    UnknownNameError
        If no recipes are of such a population; names the nearest.
    """
    recipes = all_recipes()
    members = {n: recipe for n, recipe in recipes.items() if n.startswith(f"{population}/")}
    if not members:
        known = {name.partition("/")[0] for name in recipes if "/" in name}
        raise UnknownNameError("population", population, known)
    return members


def train_population(
    population: str,
    out: str | os.PathLike,
    *,
    agents: list[str] | None = None,
    device: Any = None,
    progress: bool = True,
) -> Mapping[str, Path]:
    """Train the agents of a population by their recipes.

    Parameters
    ----------
    population
        A name before the ``/`` of recipes; see `population_recipes`.
    out
        Folder. Every agent gets ``runs/AGENT`` (as `train_recipe` leaves it) and, when it is done,
        ``organisms/AGENT``, which `organisms.load` takes: weights in float16, card, recipe and log.
        Agents that are there are left alone, and one that was stopped goes on where it was, so the
        same command again finishes the population; two processes may share a folder if they train
        different `agents`.
    agents
        Names without the population's; all of them unless told.
    device, progress
        As in `train_recipe`.

    Returns
    -------
    mapping
        Agent → the folder of its organism.

    Raises
    ------
    UnknownNameError
        If there is no such population or agent.
    InputError
        If no agents are named.
    """
    import torch

    from organisms.training.export import export_organism
    from organisms.training.run import train_recipe

    members = [name.partition("/")[2] for name in population_recipes(population)]
    chosen = members if agents is None else list(agents)
    if not chosen:
        raise InputError("Name at least one agent, or leave `agents` out for all.")
    for agent in chosen:
        if agent not in members:
            raise UnknownNameError(f"agent of {population!r}", agent, members)
    out, done = Path(out), {}
    for number, agent in enumerate(chosen):
        folder = out / "organisms" / agent
        if not (folder / "card.json").exists():
            if progress:
                print(f"{population}/{agent} ({number + 1} of {len(chosen)})")
            name, run = f"{population}/{agent}", out / "runs" / agent
            train_recipe(name, run, snapshots=0, device=device, progress=progress)
            export_organism(name, run, folder, name, checkpoints=0, dtype=torch.float16)
        done[agent] = folder
    return done
