"""An agent of one's own in a gymnasium world, as an organism."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from interp.concepts import Concept
from interp.contract import Outcome, Spaces
from interp.errors import InputError
from interp.network.agent import AgentNetwork, agent
from interp.network.hooks import has_hook_points, refuse_compiled
from interp.network.weights import weights_sha256
from interp.network.wrapping import Site
from organisms.gymnasium.default_sites import activation_sites
from organisms.gymnasium.spaces import Dims
from organisms.gymnasium.tasks import SeededTasks, seeded_tasks
from organisms.gymnasium.world import GymnasiumWorld, WorldSettings, world_settings

if TYPE_CHECKING:
    import xarray as xr


class GymnasiumOrganism:
    """A network in a gymnasium world; made by `from_gymnasium`. See `interp.contract.Organism`.

    Attributes
    ----------
    name : str
    network : interp.contract.Network
    concepts : dict of str to Concept
    spaces : Spaces
    outcome : Outcome
    observation_dims : tuple of str
        Of the observation; of all of them, if there are several.
    """

    def __init__(
        self,
        network: Any,
        settings: WorldSettings,
        *,
        name: str,
        concepts: Mapping[str, Concept],
        fresh: Callable[[int], Any] | None,
    ):
        refuse_compiled(network)
        self.network = network.eval()
        self.name, self.concepts = name, dict(concepts)
        self._settings, self._fresh = settings, fresh
        self.spaces: Spaces = settings.spaces
        self.outcome: Outcome = settings.outcome
        dims = (dim for space in settings.observations.values() for dim in space.dims)
        self.observation_dims = tuple(dict.fromkeys(dims))

    @property
    def sites(self) -> Mapping[str, tuple[str, ...]]:
        """Every site and the names of its dims within a step."""
        return self.network.sites

    @property
    def state_sites(self) -> list[str]:
        """The sites an analysis looks at by default: all."""
        return list(self.sites)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.network.device

    def to(self, device: Any) -> GymnasiumOrganism:
        """Move the network to a device, in place, and return the organism."""
        self.network.to(device)
        return self

    def tasks(
        self, split: str | Iterable[int] = "test", n: int | None = None, seed: int = 0
    ) -> SeededTasks:
        """Return episodes by the seeds they begin from.

        Parameters
        ----------
        split
            ``"train"``, ``"validation"`` or ``"test"``, which have no seed in common; or seeds.
        n
            How many; of a split 100 unless told, and fewer of them are the first of more.
        seed
            Which of a split.

        Raises
        ------
        UnknownNameError
            If there is no such split.
        InputError
            If `n`, `seed` or a seed is no whole number.
        """
        return seeded_tasks(self._settings.name, split, n, seed)

    def world(self, tasks: SeededTasks) -> GymnasiumWorld:
        """Return a world with one row per task."""
        if not isinstance(tasks, SeededTasks):
            raise InputError(
                f"Tasks of a gymnasium world are its seeds (organism.tasks, or SeededTasks), not a "
                f"{type(tasks).__name__}."
            )
        return GymnasiumWorld(self._settings, tasks)

    def run(self, tasks: SeededTasks, seed: int = 0, **options: Any) -> xr.Dataset:
        """Act on `tasks` in closed loop and return the run, in memory; see `interp.run_episodes`."""
        from interp.runs.episodes import run_episodes

        return run_episodes(self, tasks, seed=seed, **options)

    def replay(self, observations: Any, episode_starts: Any = None, **options: Any) -> xr.Dataset:
        """Run the network over given observations (teacher-forced); see `interp.replay`."""
        from interp.runs.replay import replay

        return replay(self.network, observations, episode_starts, **options)

    def untrained(self, seed: int = 0) -> GymnasiumOrganism:
        """Return the same organism with the weights it might have begun with: the control.

        Raises
        ------
        InputError
            If a parameter of the network belongs to a module that does not say how it begins.
        """
        if not isinstance(self.network, AgentNetwork):
            raise InputError(
                f"{self.name} has no agent that interp.agent made; no control is known."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self._fresh(seed) if self._fresh else begun_anew(self.network.module)
        other = copy.copy(self)
        other.network = self.network.around(module).to(self.device).eval()
        other.name = f"{self.name}-untrained-s{seed}"
        return other

    def describe(self) -> dict[str, Any]:
        """Return what stores keep of the organism: JSON-able."""
        module = getattr(self.network, "module", self.network)
        return {
            "organism": self.name,
            "family": "gymnasium",
            "weights_sha256": weights_sha256(module),
            "network": {"class": f"{type(module).__module__}.{type(module).__qualname__}"},
            "world": {"environment": self._settings.name, "max_steps": self._settings.max_steps},
        }

    def __repr__(self) -> str:
        n = sum(parameter.numel() for parameter in self.network.parameters())
        return f"<{type(self).__name__} {self.name!r}: {n:,} parameters, {len(self.sites)} sites>"


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
        Of the organism; that of the environment unless told.
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
    named = concepts if isinstance(concepts, Mapping) else {c.name: c for c in concepts}
    return GymnasiumOrganism(
        network, settings, name=name or settings.name, concepts=named, fresh=fresh
    )


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
