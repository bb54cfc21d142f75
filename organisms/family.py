"""What a family of organisms is: one record of its parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from interp.contract import SOLVED, Deliberation, Outcome
from interp.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from interp.concepts import Concept
    from interp.contract import Tasks, World
    from organisms.organism import Organism
    from organisms.training.recipe import Recipe

ObservationDims: TypeAlias = "tuple[str, ...] | Mapping[str, tuple[str, ...]]"


def ticks_if_any(network: Any) -> Deliberation | None:
    """Return the deliberation of a network that ticks within a step; None of any other."""
    ticks = any("tick" in dims for dims in network.sites.values())
    return Deliberation() if ticks else None


def _read_weights(network: Any, path: Path) -> None:
    from organisms.networks.build import read_weights

    read_weights(network, path)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of organisms: what they act in, how they are built, and what they can do.

    `organisms.register` makes it known. Modules that take time to import are best imported inside the
    functions: a record is read whenever a name is looked up.

    Parameters
    ----------
    name
        What cards call it.
    summary
        One sentence.
    tasks
        ``(organism, split, n, seed, **options)`` → tasks; what ``organism.tasks`` is. ``split`` is a
        name (``"train"`` and ``"test"`` at least), or a file or text; ``n`` None means as many as there
        are, or a number of the family's own.
    world
        ``(organism, tasks, **options)`` → a world with one row per task.
    network
        ``(record, seed)`` → a network with fresh weights, from the card's ``network``.
    observation_dims
        Names of the dims of one observation (of several: name → names), or a function of the network
        that returns them.
    state_sites
        ``(organism)`` → the sites an analysis looks at by default: where the organism keeps its state.
    concepts
        Returns name → label that can be computed on a run.
    recipes
        Returns name → how the family's organisms are trained.
    options
        What a card's ``world`` may hold → what it is where the card is silent. A value is of the type of
        its default; a default of None takes anything.
    outcome
        What an episode comes to.
    place_dims
        Dims of an observation that say where something is.
    deliberation
        The axis along which organisms deliberate before they act, None, or a function of the network.
    capabilities
        Capability → function of an organism that returns the organism's instance, or None if this one
        lacks it. It gets None for the organism where a capability `of_family` is asked for without one.
    check
        ``(organism)`` raises if the card does not fit the network.
    read_weights
        ``(network, path)`` puts the weights of a file into the network; safetensors unless told.
    assets
        A folder of organisms that come with the family: ``NAME/card.json`` or ``POPULATION/AGENT/card.json``.

    Raises
    ------
    InputError
        If the name is no identifier, or a part is not of its kind.
    """

    name: str
    summary: str
    tasks: Callable[..., Tasks]
    world: Callable[..., World]
    network: Callable[[Mapping[str, Any], int], Any]
    observation_dims: ObservationDims | Callable[[Any], ObservationDims]
    state_sites: Callable[[Organism], list[str]]
    concepts: Callable[[], Mapping[str, Concept]] = dict
    recipes: Callable[[], Mapping[str, Recipe]] = dict
    options: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = SOLVED
    place_dims: tuple[str, ...] = ()
    deliberation: Deliberation | None | Callable[[Any], Deliberation | None] = ticks_if_any
    capabilities: Mapping[type, Callable[[Any], object]] = field(default_factory=dict)
    check: Callable[[Organism], None] = lambda organism: None
    read_weights: Callable[[Any, Path], None] = _read_weights
    assets: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.replace("-", "_").isidentifier():
            raise InputError(f"A family's name is a word, not {self.name!r:.80}.")
        parts = ("tasks", "world", "network", "state_sites", "concepts", "recipes", "check")
        for part in (*parts, "read_weights"):
            if not callable(getattr(self, part)):
                raise InputError(f"The family {self.name!r}: {part} is a function, not "
                                 f"{getattr(self, part)!r:.80}.")  # fmt: skip
        for part in ("options", "capabilities"):
            if not isinstance(getattr(self, part), Mapping):
                raise InputError(f"The family {self.name!r}: {part} is a mapping.")
            object.__setattr__(self, part, MappingProxyType(dict(getattr(self, part))))
        for capability, make in self.capabilities.items():
            if not isinstance(capability, type) or not callable(make):
                raise InputError(
                    f"The family {self.name!r}: capabilities map a class to a function of an organism, "
                    f"not {capability!r:.80} to {make!r:.80}."
                )

    def world_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a card's options of the world over the family's own.

        Raises
        ------
        UnknownNameError
            If there is no such option; names the nearest.
        InputError
            If a value is of another type than its default.
        """
        for name, value in given.items():
            if name not in self.options:
                raise UnknownNameError("world option", name, self.options)
            kind = type(self.options[name])
            fits = isinstance(value, (int, float) if kind is float else kind)
            if self.options[name] is not None and (
                not fits or (isinstance(value, bool) and kind is not bool)
            ):
                raise InputError(
                    f"The world option {name!r} is of {kind.__name__}, not {value!r:.80}."
                )
        return {**self.options, **given}

    def __getitem__(self, capability: type) -> Any:
        """Return a capability that is the same for all organisms of the family, without one.

        Raises
        ------
        CapabilityError
            If the family lacks it, or has it of single organisms alone; says who has it.
        """
        from organisms.capabilities.capability import missing

        if capability not in self or not getattr(capability, "of_family", False):
            raise missing(capability, None, self.name)
        return self.capabilities[capability](None)

    def __contains__(self, capability: object) -> bool:
        return capability in self.capabilities

    def __deepcopy__(self, memo: Any) -> Family:
        return self  # a record; copies of an organism are of the same family

    def __reduce__(self) -> tuple:
        from organisms.registry import find_family

        return find_family, (self.name,)

    def __repr__(self) -> str:
        able = ", ".join(capability.__name__ for capability in self.capabilities)
        return f"<Family {self.name!r}: {able or 'no capabilities'}>"
