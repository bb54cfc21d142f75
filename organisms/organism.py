"""An organism: a network, the world it acts in, and a card."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from interp.errors import OldSpellingError
from interp.network.hooks import HookedNetwork, refuse_compiled
from organisms.capabilities.capability import missing
from organisms.card import Card

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp.concepts import Concept
    from interp.contract import Deliberation, Outcome, Spaces, Tasks, World
    from interp.interventions.applied import Intervention
    from organisms.family import Family

C = TypeVar("C")

OLD_SPELLINGS = {
    "accommodate": "organism[Accommodation].accommodate(tasks)",
    "action_rewrites": "organism[Steering].action_rewrites(run, step)",
    "board": "organism.network.config.board",
    "correlation": "organism.options['correlation']",
    "counterfactuals": "organism[Counterfactuals].pairs(kind, n, seed)",
    "decorrelated": "organism[Objectives].decorrelated",
    "directions": "organism[Places].directions",
    "distribution": "organism.options['distribution']",
    "diverging": "organism[Objectives].diverging",
    "draw_episode": "organism[Pictures].draw_episode(episode)",
    "draw_plan": "organism[Pictures].draw_plan(episode, ax)",
    "draw_task": "organism[Pictures].draw_task(task, ax)",
    "edits": "organism[Edits].of(run)",
    "evaluate_objectives": "organism[Objectives].evaluate(n, seed)",
    "everywhere": "organism[Places].everywhere(task)",
    "game": "organisms.families.doors.abilities.game_of(organism)",
    "hypothetical_ways": "organism[Objectives].hypothetical_ways(tasks)",
    "kernels": "organism[Kernels].all()",
    "max_steps": "organism.options['max_steps']",
    "milestones": "organism[Milestones].reached(run)",
    "n_boxes": "organism.options['n_boxes']",
    "objective": "organism[Objectives].paid",
    "objective_features": "organism[Objectives].features",
    "outcomes": "organisms.families.doors.outcomes.outcomes(run)",
    "plans": "organism[Plans]",
    "proxy_kinds": "organism[Objectives].proxy_kinds",
    "reached": "organism[Objectives].reached(run)",
    "render": "organism[Pictures].render(state)",
    "states": "organism[States].visited(run)",
    "steering_kinds": "organism[Steering].kinds",
    "steering_sites": "organism[Steering].sites",
    "steering_tasks": "organism[Steering].tasks(kind, n, seed)",
    "task_features": "organism[Accommodation].task_features(tasks)",
    "ways": "organism[Places].ways(run)",
}
"""Attribute of version 0.1 → how it is spelled now."""


class Organism:
    """A network in its world, with a card; users get one from `organisms.load`.

    What an organism can do beside acting is a capability, got by its class: ``organism[Steering]`` is
    an instance, ``Steering in organism`` says whether there is one, `capabilities` lists them.

    Parameters
    ----------
    network
        A hooked network; see `interp.contract.Network`.
    card
        What it is.
    family
        Whose tasks and worlds it has; the card's family unless told.

    Attributes
    ----------
    name : str
    network : HookedNetwork
    card : Card
    family : Family
    options : dict
        Of its worlds: the card's over the family's.
    observation_dims : tuple of str, or mapping
        Names of the dims of one observation; of several, by name.
    deliberation : Deliberation or None
        The axis along which it deliberates before it acts.

    Raises
    ------
    UnknownNameError
        If there is no such family, or the card's ``world`` has an option that the family has not.
    InputError
        If the card does not fit the network, or the network is compiled.

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> organism[organisms.Steering].kinds
    ('agent-shortcut', 'box-shortcut')
    """

    network: Any  # a HookedNetwork that is an `interp.contract.Network` too

    def __init__(self, network: HookedNetwork | Any, card: Card, family: Family | None = None):
        if family is None:
            from organisms.registry import find_family

            family = find_family(card.family)
        refuse_compiled(network)
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.name = card.name
        self.family = family
        self.options = family.world_options(card.world)
        self.observation_dims = _of(family.observation_dims, self.network)
        self.deliberation: Deliberation | None = _of(family.deliberation, self.network)
        self._capabilities: dict[type, Any] = {}
        family.check(self)

    @property
    def sites(self) -> dict[str, tuple[str, ...]]:
        """Every site and the names of its dims within a step (``tick`` first if it ticks)."""
        return self.network.sites

    def tasks(
        self, split: Any = "test", n: int | None = None, seed: int = 0, **options: Any
    ) -> Any:
        """Return tasks.

        Parameters
        ----------
        split
            ``"train"``, ``"test"``, or what else the family knows: names, files, text.
        n
            How many.
        seed
            Which.
        **options
            Of the family.

        Raises
        ------
        UnknownNameError, InputError, AssetError
            If there are no such tasks; see the family's `tasks`.

        Examples
        --------
        >>> import organisms
        >>> organisms.load("sokoban-drc-small-v2").tasks("test", 3).ids[0]
        'generated-10x10-b2-s0-test/0'
        """
        return self.family.tasks(self, split, n, seed, **options)

    def world(self, tasks: Any, **options: Any) -> World | Any:
        """Return a world with one row per task; `options` override the organism's own.

        Raises
        ------
        InputError
            If the organism cannot take these tasks.
        """
        return self.family.world(self, tasks, **options)

    @property
    def concepts(self) -> Mapping[str, Concept]:
        """Labels that can be computed on a recorded run, by name."""
        from interp.concepts import Concepts

        return Concepts(self.family.concepts())

    @property
    def state_sites(self) -> list[str]:
        """The sites an analysis looks at by default: where the organism keeps its state."""
        return list(self.family.state_sites(self))

    @property
    def outcome(self) -> Outcome:
        """What an episode comes to."""
        return self.family.outcome

    @property
    def place_dims(self) -> tuple[str, ...]:
        """Dims of an observation that say where something is."""
        return self.family.place_dims

    def spaces(self) -> Spaces:
        """Return what its worlds show and what they take, as a world of one task says it."""
        from interp.contract import spaces_of

        world = self.world(self.tasks("test", 1))
        named = SimpleNamespace(
            observation_dims=self.observation_dims
        )  # or it would ask here again
        return spaces_of(named, world, world.reset())

    @property
    def capabilities(self) -> list[type]:
        """What the organism can do beside acting: the classes to index it by."""
        return [capability for capability in self.family.capabilities if capability in self]

    def __getitem__(self, capability: type[C]) -> C:
        """Return the organism's instance of a capability.

        Raises
        ------
        CapabilityError
            If it lacks it; says which families have it.
        """
        if capability not in self:
            raise missing(capability, self.name, self.family.name)
        return self._capabilities[capability]

    def __contains__(self, capability: object) -> bool:
        if not isinstance(capability, type):
            return False
        if capability not in self._capabilities:
            make = self.family.capabilities.get(capability)
            self._capabilities[capability] = None if make is None else make(self)
        return self._capabilities[capability] is not None

    __iter__ = None  # indexed by capabilities, not a sequence

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_capabilities": {},
        }  # instances speak of the organism, not its copy

    def __getattr__(self, name: str) -> Any:
        if name in OLD_SPELLINGS:
            raise OldSpellingError(name, OLD_SPELLINGS[name])
        raise AttributeError(f"An organism has no attribute {name!r}.", name=name, obj=self)

    def replace(self, *, network: Any = None, card: Card | None = None) -> Organism:
        """Return an organism of the same family with another network or another card.

        Raises
        ------
        UnknownNameError, InputError
            If the card does not fit.
        """
        return type(self)(network or self.network, card or self.card, self.family)

    @property
    def checkpoints(self) -> list[int]:
        """Training steps at which the organism's weights were kept, ascending; see `organisms.load`.

        Of the whole training, with that of the organism it started from; the last are the weights
        that the organism has. Empty if none ship.
        """
        return sorted(int(steps) for steps in self.card.checkpoints)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.network.device

    def to(self, device: Any) -> Organism:
        """Move the network to a device, in place, and return the organism."""
        self.network.to(device)
        return self

    def run(
        self,
        tasks: Tasks,
        seed: int = 0,
        thinking_steps: int = 0,
        interventions: Sequence[Intervention] = (),
        *,
        sites: Iterable[str] = (),
        temperature: float = 0.0,
        batch_size: int = 128,
        progress: bool = False,
    ) -> xr.Dataset:
        """Act on `tasks` in closed loop and return the run, in memory.

        Parameters
        ----------
        tasks
            From `tasks`.
        seed
            Of the actions drawn at ``temperature > 0``.
        thinking_steps
            How often the first observation is fed before the first action.
        interventions
            Applied at every step their addresses cover.
        sites
            Sites to keep, names or globs, in float32.
        temperature
            0 acts greedily.
        batch_size
            Episodes side by side; decides the speed, not the result (but for the last bits of floats).

        Returns
        -------
        xarray.Dataset
            ``observation``, ``action``, ``reward``, ``logits``, ``value``, ``done`` (episode, step, …),
            ``solved``, ``length``, ``level_id``, ``level`` (episode), and the sites
            (episode, step, *their dims).

        Raises
        ------
        UnknownSiteError, AddressError, UnfiredInterventionError, InputError
            See `interp.runs.episodes.run_episodes`.

        Examples
        --------
        >>> import organisms
        >>> organism = organisms.load("sokoban-drc-small-v2")
        >>> run = organism.run(organism.tasks("test", 4))
        >>> run.sizes["episode"]
        4
        """
        from interp.runs.episodes import run_episodes

        return run_episodes(
            self,
            tasks,
            sites=sites,
            seed=seed,
            thinking_steps=thinking_steps,
            temperature=temperature,
            interventions=interventions,
            batch_size=batch_size,
            progress=progress,
        )

    def replay(
        self,
        observations: Any,
        episode_starts: Any = None,
        sites: Iterable[str] = (),
        interventions: Sequence[Intervention] = (),
        *,
        first_step: int = 0,
        examples: Sequence[int] | None = None,
    ) -> xr.Dataset:
        """Run the network over given observations (teacher-forced); see `interp.runs.replay.replay`.

        Parameters
        ----------
        observations
            ``(step, batch, *observation dims)``.
        episode_starts
            ``(step, batch)`` bool: the state of these rows is reset before the step.
        sites, interventions
            As in `run`.
        first_step
            Label of the first step, which addresses count from (−thinking_steps for a run that
            thought first).
        examples
            For every row of the batch, the example that interventions know it by; None: 0, 1, ….

        Returns
        -------
        xarray.Dataset
            ``logits`` (step, batch, action), ``value`` (step, batch), and each site
            (step, batch, *its dims).
        """
        from interp.runs.replay import replay

        return replay(
            self.network, observations, episode_starts, sites, interventions, first_step, examples
        )

    def untrained(self, seed: int = 0) -> Organism:
        """Return the same organism with the weights it might have begun with: the control."""
        card = dataclasses.replace(
            self.card,
            name=f"{self.name}-untrained-s{seed}",
            summary=f"The network of {self.name} before any training (seed {seed}): a control.",
            training="none",
            weights_file="",
            weights_sha256="",
            training_steps=0,
            checkpoints={},
            results=(),
        )
        network = self.family.network(self.card.network, seed).to(self.device)
        return self.replace(network=network, card=card)

    def weights_sha256(self) -> str:
        """Return the sha256 over names, shapes, dtypes and bytes of all weights, in hex.

        Of the tensors as they are now, so it tells an edited network from the one that was loaded; what
        stores and studies say. The card's ``weights_sha256`` is another: of the bytes of its file.
        """
        from interp.network.weights import weights_sha256

        return weights_sha256(self.network)

    def describe(self) -> dict[str, Any]:
        """Return what stores keep of the organism: JSON-able."""
        return {
            "organism": self.name,
            "family": self.family.name,
            "weights_sha256": self.weights_sha256(),
            "network": self.card.network,
            "world": self.card.world,
        }

    def save(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> Path:
        """Write weights (safetensors) and card to a folder that `organisms.load` takes.

        Checkpoints along the training are not written.

        Parameters
        ----------
        folder
            Made if need be.
        dtype
            Of the weights on disk (``torch.float16`` halves them, and rounds); theirs unless told.
            They are computed with in float32 whatever the file has.

        Raises
        ------
        FileExistsError
            If the folder holds an organism already.
        """
        from safetensors.torch import save_file

        from organisms.assets import file_sha256

        folder = Path(folder)
        if (folder / "card.json").exists():
            raise FileExistsError(f"{folder} holds an organism already.")
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / "weights.safetensors"
        state = self.network.state_dict()
        tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
        save_file({k: v if dtype is None else v.to(dtype) for k, v in tensors.items()}, weights)
        card = dataclasses.replace(
            self.card,
            weights_file=weights.name,
            weights_sha256=file_sha256(weights),
            checkpoints={},
        )
        card.write(folder / "card.json")
        return folder

    def __repr__(self) -> str:
        n = sum(parameter.numel() for parameter in self.network.parameters())
        return f"<{type(self).__name__} {self.name!r}: {n:,} parameters, {len(self.sites)} sites>"


def _of(part: Any, network: Any) -> Any:
    """Return a part of a family's record that may be a function of the network."""
    return part(network) if callable(part) else part
