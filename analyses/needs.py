"""What a question may need of whom it is asked, each a small record that says in words when it is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import xarray as xr

from interp.contract import Discrete, Spaces, deliberation_of, outcome_of, place_dims_of
from interp.errors import MesascopeError


@dataclass(frozen=True)
class Asked:
    """Whom a question is asked of.

    Attributes
    ----------
    thing
        An organism, or a run (in memory or from a store).
    name
        Of the organism.
    arguments
        What else the question was asked with, by name.
    """

    thing: Any
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: Any, arguments: Mapping[str, Any] | None = None) -> Asked | None:
        """Return whom a question is asked of; None if it is nobody, which the analysis itself says."""
        if isinstance(thing, str | os.PathLike):
            thing = _opened(thing)
        if isinstance(thing, xr.Dataset):
            if "step" not in thing.dims:
                return None  # a result
            return cls(thing, str(thing.attrs.get("organism", "this run")), arguments or {})
        if not hasattr(thing, "network") and not hasattr(thing, "run"):
            return None
        return cls(thing, str(getattr(thing, "name", type(thing).__name__)), arguments or {})

    @property
    def is_run(self) -> bool:
        """Whether it is a run: its attributes speak for the organism."""
        return isinstance(self.thing, xr.Dataset)

    @property
    def family(self) -> str | None:
        """The name of its family, if it has one."""
        if self.is_run:
            return self.thing.attrs.get("family")
        said = getattr(self.thing, "family", None)
        return getattr(said, "name", None) or getattr(
            getattr(self.thing, "card", None), "family", None
        )

    def gives(self, argument: str) -> bool:
        """Whether an argument was given."""
        return self.arguments.get(argument) is not None

    def concepts(self) -> Mapping[str, Any]:
        """Return the concepts that can be named."""
        if not self.is_run:
            return getattr(self.thing, "concepts", None) or {}
        from analyses.recordings import concepts_of_family

        return concepts_of_family(self.family)


def _opened(path: Any) -> xr.Dataset | None:
    from interp.store.read import open_store

    try:
        return open_store(path)
    except (MesascopeError, OSError, ValueError, KeyError):
        return None  # the analysis opens it again, and says what is wrong with it


class Need(Protocol):
    """Something that a question needs."""

    def missing(self, asked: Asked) -> str | None:
        """Return what is missing, in words; None if nothing is."""
        ...


@dataclass(frozen=True)
class Success:
    """An outcome that an episode can succeed in."""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        outcome = outcome_of(asked.thing)
        if outcome.can_succeed:
            return None
        return f"its episodes come to a number ({outcome.name}), and none of them can succeed"


@dataclass(frozen=True)
class Deliberates:
    """An axis along which the organism deliberates before it acts."""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        if deliberation_of(asked.thing) is not None:
            return None
        return "it names no axis along which it deliberates (ticks, layers, gradient steps)"


@dataclass(frozen=True)
class PlaceDims:
    """Observations that have places along these dims."""

    dims: tuple[str, ...] = ("y", "x")

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        there = place_dims_of(asked.thing)
        if set(self.dims) <= set(there):
            return None
        if asked.is_run and set(self.dims) <= set(asked.thing.dims):
            return None  # its sites or labels have the places, where no observation was kept
        found = ", ".join(there) or "none"
        return (
            f"its observations have no places along {' and '.join(self.dims)} (place dims: {found})"
        )


@dataclass(frozen=True)
class PlanConcepts:
    """Concepts that are plans, unless concepts are given."""

    argument: str = "concepts"

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        if asked.gives(self.argument):
            return None
        known = asked.concepts()
        if plan_concepts_of(known):
            return None
        return no_plan_concepts(asked.name, known)


@dataclass(frozen=True)
class Chooses:
    """A head that chooses among actions: logits, one per action."""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        if asked.is_run:
            chooses = "logits" in asked.thing and asked.thing["action"].dtype.kind in "iu"
        else:
            said = getattr(asked.thing, "spaces", None)
            spaces = said() if callable(said) else said
            chooses = not isinstance(spaces, Spaces) or isinstance(spaces.action, Discrete)
        return None if chooses else "its network does not choose among actions (it has no logits)"


@dataclass(frozen=True)
class Checkpoints:
    """Weights that were kept along the training."""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        if not asked.is_run and not getattr(asked.thing, "checkpoints", ()):
            return "no weights along its training were kept (it has no checkpoints)"
        return None


@dataclass(frozen=True)
class Ability:
    """A capability of the organism, or of its family, by its class.

    Parameters
    ----------
    capability
        See `organisms.capabilities`.
    unless
        An argument that takes its place where it is given as a thing, not by a name.
    """

    capability: type
    unless: str = ""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        from organisms.capabilities.capability import has_capability, missing

        if asked.gives(self.unless) and not isinstance(asked.arguments[self.unless], str):
            return None
        if has_capability(_who(asked), self.capability):
            return None
        error = missing(self.capability, asked.name, asked.family)
        others = [family for family in error.families if family != asked.family]
        have = f"; organisms of {' and '.join(others)} have" if others else ""
        return f"it has no {error.capability}{have}"


@dataclass(frozen=True)
class Kind:
    """A capability that knows the kind of things that is asked for unless another is named."""

    capability: type
    argument: str
    default: str

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        from organisms.capabilities.capability import has_capability

        if asked.gives(self.argument) or not has_capability(asked.thing, self.capability):
            return None  # `Ability` says that there is none at all
        known = asked.thing[self.capability].kinds
        if self.default in known:
            return None
        return (
            f"it has no {self.default!r} among its {self.capability.__name__}: {', '.join(known)}"
        )


@dataclass(frozen=True)
class OnePair:
    """Tasks that tell apart objectives of one pair, base and proxy."""

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        from organisms.capabilities.capability import has_capability
        from organisms.capabilities.objectives import Objectives

        if asked.is_run or not has_capability(asked.thing, Objectives):
            return None  # `Ability` says that there are none at all
        pairs = list(dict.fromkeys(asked.thing[Objectives].diverging.values()))
        if len(pairs) == 1:
            return None
        found = ", ".join(f"{base} and {proxy}" for base, proxy in pairs) or "none"
        return f"it is asked about one pair of objectives that part, and its tasks have {found}"


@dataclass(frozen=True)
class Names:
    """Concepts of these names, unless others are given."""

    argument: str
    concepts: tuple[str, ...]

    def missing(self, asked: Asked) -> str | None:
        """See `Need`."""
        known = asked.concepts()
        if self.argument in asked.arguments or set(self.concepts) <= set(known):
            return None  # also where None is given: it does without
        absent = ", ".join(name for name in self.concepts if name not in known)
        return f"it has no concept {absent}, which {self.argument!r} names unless told otherwise"


def _who(asked: Asked) -> Any:
    """Return the organism, or the family of a run; None if nobody knows it."""
    if not asked.is_run:
        return asked.thing
    from organisms.registry import families

    return next((family for family in families() if family.name == asked.family), None)


def plan_concepts_of(concepts: Mapping[str, Any]) -> list[str]:
    """Return the names of those concepts that are plans: what a question about plans asks for."""
    return [name for name, concept in concepts.items() if getattr(concept, "about", "") == "plan"]


def no_plan_concepts(name: str, known: Mapping[str, Any]) -> str:
    """Say that an organism has no plan concepts, and which concepts could be given instead."""
    if not known:
        return f"{name} names no concepts; give `concepts` of your own (interp.Concept)"
    return (
        f"none of its concepts is said to be a plan; `concepts` could be any of {', '.join(known)}, "
        "or your own (interp.Concept)"
    )
