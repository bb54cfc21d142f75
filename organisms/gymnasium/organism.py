"""An agent of one's own in a gymnasium world, as an organism."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from interp.concepts import Concept
from interp.errors import InputError
from interp.network.agent import AgentNetwork, agent
from interp.network.hooks import has_hook_points
from interp.network.wrapping import Site
from organisms.card import Card
from organisms.family import Family
from organisms.gymnasium.default_sites import activation_sites
from organisms.gymnasium.spaces import Dims
from organisms.gymnasium.tasks import SeededTasks, seeded_tasks
from organisms.gymnasium.world import GymnasiumWorld, WorldSettings, world_settings
from organisms.organism import Organism


class GymnasiumOrganism(Organism):
    """A network in a gymnasium world, made by `from_gymnasium`; its family is its own."""

    def save(self, folder: str | Path, **options: Any) -> Path:
        """Refuse: neither environments nor modules of somebody else's can be written to a card.

        Raises
        ------
        InputError
            Always; says what to keep instead.
        """
        raise InputError(
            f"{self.name} cannot be saved as an organism: its environment and its module are code. "
            "Save the module's weights, and make the organism again by the same call."
        )


def from_gymnasium(
    agent_network: Any,
    make_env: Any,
    *,
    name: str | None = None,
    max_steps: int | None = None,
    success: Callable[[Any, Mapping[str, Any]], Any] | str | None = None,
    record_info: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | Sequence[str] = (),
    observation_dims: Dims = None,
    concepts: Mapping[str, Concept] | Iterable[Concept] = (),
    untrained: Callable[[int], torch.nn.Module] | None = None,
) -> GymnasiumOrganism:
    """Put an agent of one's own in a gymnasium world: an organism that every instrument takes.

    Parameters
    ----------
    agent_network
        What `interp.agent` returned (or any `interp.contract.Network`); a module that needs no
        `step` may be given as it is, and then has no sites. It is put in evaluation mode.
    make_env
        The id of an environment, a function that makes one, or a function that makes a vector
        environment (of the number of tasks it is called with, if it takes an argument). A new one
        is made for every episode, reset with its seed, and closed at the end. Actions may be
        Discrete (from wherever it starts: 0 … n − 1 here), MultiDiscrete, MultiBinary or Box
        (beyond whose bounds the edge is taken); observations arrays or Dicts of arrays, kept in
        the dtype in which the environment shows them.
    name
        Of the organism; those of environment and module unless told.
    max_steps
        After which an episode is truncated; what the environment says unless told.
    success
        When an episode is a success: a key of its last info, or a function of (environment, info).
        None if that is not asked in this world; the outcome of an episode is its return then.
    record_info
        What to record beside what the network sees, at every step as the world is shown then:
        keys of info, or a function of (environment, info) that returns names and numbers or arrays
        of numbers, of a shape that stays. Info holds ``reward``, ``return``, ``terminated``,
        ``truncated`` and ``steps`` here, also where the environment does not say them. In a vector
        environment without environments of its own the first argument is None.
    observation_dims
        Names of the dims of one observation (by name for Dicts); by their number unless told:
        ``("feature",)``, ``("y", "x", "channel")``.
    concepts
        What can be looked for in a run, by name or as it is.
    untrained
        The module with the weights of before training, by a seed, for controls; unless told, the
        modules inside are asked to begin anew (``reset_parameters``).

    Returns
    -------
    GymnasiumOrganism
        Its `tasks` are seeds.

    Raises
    ------
    InputError
        If nobody says when an episode ends at the latest, a space cannot be used, dims do not fit,
        or `record_info` tells no numbers.
    UnknownNameError
        If info has no such key.

    Examples
    --------
    >>> import torch, interp
    >>> policy = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> network = interp.agent(policy, {"hidden": interp.Site("1", ("unit",))})
    >>> organism = from_gymnasium(network, "CartPole-v1", success="truncated")
    >>> run = organism.run(organism.tasks("test", 3), sites=["hidden"])
    >>> run.hidden.dims
    ('episode', 'step', 'unit')
    """
    network = agent_network
    if isinstance(network, torch.nn.Module) and not has_hook_points(network):
        network = agent(network) if not hasattr(network, "hook_dict") else network
    if not hasattr(network, "hook_dict") or not hasattr(network, "initial_state"):
        raise InputError(
            f"from_gymnasium takes what interp.agent returns, not a {type(agent_network).__name__}."
        )
    settings = world_settings(
        make_env,
        max_steps=max_steps,
        success=success,
        record_info=record_info,
        observation_dims=observation_dims,
    )
    return _organism(network, settings, name, concepts, untrained)


def organism_around(
    module: torch.nn.Module,
    make_env: Any,
    *,
    sites: Mapping[str, Site | str] | Iterable[str] | None,
    step: Any,
    initial_state: Any,
    roots: Mapping[str, str],
    memories: Mapping[str, str],
    name: str | None = None,
    concepts: Mapping[str, Concept] | Iterable[Concept] = (),
    untrained: Callable[[int], torch.nn.Module] | None = None,
    **world: Any,
) -> GymnasiumOrganism:
    """Make an organism of a module whose build is known: `from_gymnasium` with sites by default.

    Parameters
    ----------
    sites
        As `interp.wrap` takes them; None for the activations inside `roots` (name → submodule), and
        ``h`` and ``c`` of LSTMs that are called once a step, `memories` (prefix → submodule).
    **world
        As `from_gymnasium` takes them.
    """
    unknown = set(world) - {"max_steps", "success", "record_info", "observation_dims"}
    if unknown:
        raise TypeError(f"There is no option {sorted(unknown)[0]!r}.")
    settings = world_settings(make_env, **world)
    if sites is None:
        bare = agent(module, step=step, initial_state=initial_state)
        seen = GymnasiumWorld(settings, SeededTasks((0,))).reset()
        sites = dict(activation_sites(bare, seen, roots))
        for prefix, path in memories.items():
            for k, part in enumerate("hc"):
                dims = ("layer", "hidden")
                sites[f"{prefix}{part}"] = Site(path, dims, output=(1, k), batch=1)
    network = agent(module, sites, step=step, initial_state=initial_state)
    return _organism(network, settings, name, concepts, untrained)


def _organism(
    network: Any,
    settings: WorldSettings,
    name: str | None,
    concepts: Mapping[str, Concept] | Iterable[Concept],
    fresh: Callable[[int], torch.nn.Module] | None,
) -> GymnasiumOrganism:
    listed: Any = concepts
    named = dict(listed) if isinstance(listed, Mapping) else {c.name: c for c in listed}
    module = getattr(network, "module", network)
    kind = type(module)
    dims = tuple(dict.fromkeys(d for s in settings.observations.values() for d in s.dims))
    options = {"environment": settings.name, "max_steps": settings.max_steps}
    family = Family(
        name="gymnasium",
        summary="Agents of one's own in gymnasium worlds.",
        tasks=lambda organism, split, n, seed: seeded_tasks(settings.name, split, n, seed),
        world=lambda organism, tasks: _world(settings, tasks),
        network=lambda record, seed: _before_training(network, fresh, seed),
        observation_dims=dims,
        state_sites=lambda organism: list(organism.sites),
        concepts=lambda: named,
        options=options,
        outcome=settings.outcome,
        place_dims=("y", "x") if {"y", "x"} <= set(dims) else (),
    )
    card = Card(
        name or f"{settings.name}-{kind.__name__}",
        family.name,
        f"A {kind.__name__} in {settings.name}.",
        network={"class": f"{kind.__module__}.{kind.__qualname__}"},
        world=options,
    )
    trained = [p for p in network.parameters() if p.requires_grad]
    organism = GymnasiumOrganism(network, card, family)
    for parameter in trained:  # the module is the user's, who may go on training it
        parameter.requires_grad_(True)
    return organism


def _world(settings: WorldSettings, tasks: Any) -> GymnasiumWorld:
    if not isinstance(tasks, SeededTasks):
        raise InputError(
            f"Tasks of a gymnasium world are its seeds (organism.tasks, or SeededTasks), not a "
            f"{type(tasks).__name__}."
        )
    return GymnasiumWorld(settings, tasks)


def _before_training(
    network: Any, fresh: Callable[[int], torch.nn.Module] | None, seed: int
) -> AgentNetwork:
    if not isinstance(network, AgentNetwork):
        raise InputError(
            f"How a {type(network).__name__} begins is not known; only what interp.agent made."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network.around(fresh(seed) if fresh else begun_anew(network.module))


def begun_anew(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy whose modules have begun anew, from torch's random numbers as they stand.

    Raises
    ------
    InputError
        If a parameter belongs to a module that does not say how it begins.
    """
    fresh = copy.deepcopy(module)
    for path, part in fresh.named_modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()  # type: ignore[operator]
        elif any(True for _ in part.parameters(recurse=False)):
            raise InputError(
                f"{path or type(part).__name__} has parameters and no reset_parameters: say with "
                "untrained=… how a module of before training is made."
            )
    return fresh
