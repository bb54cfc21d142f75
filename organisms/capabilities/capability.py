"""What an organism may be able to do beside acting: got by ``organism[Capability]``."""

from __future__ import annotations

from typing import Any, ClassVar

from interp.errors import CapabilityError, InputError


class Capability:
    """Base of the capabilities of this package; those of other packages may be any class.

    A family's record maps capabilities to functions of an organism that return an instance (see
    `organisms.family.Family.capabilities`). ``organism[Plans]`` is the organism's instance,
    ``Plans in organism`` says whether it has one.
    """

    of_family: ClassVar[bool] = False
    """Whether it says the same of all organisms of a family, and can be asked without one."""


class OfOrganism:
    """Mixed into a capability that speaks of one organism, kept as `organism`."""

    def __init__(self, organism: Any):
        self.organism = organism


class OfFamily:
    """Mixed into a capability that needs no organism."""

    def __init__(self, organism: Any = None):
        pass


class LikeOrganism:
    """Wrapped around an organism: all that a subclass does not say is the organism's own."""

    def __init__(self, organism: Any):
        self._organism = organism

    def __getattr__(self, name: str) -> Any:
        if name == "_organism":  # not there yet: a copy in the making
            raise AttributeError(name)
        return getattr(self._organism, name)

    def __getitem__(self, capability: Any) -> Any:
        return self._organism[capability]

    def __contains__(self, capability: object) -> bool:
        return isinstance(capability, type) and has_capability(self._organism, capability)


def capability_name(capability: object) -> str:
    """Return what a capability is called in messages."""
    return capability.__name__ if isinstance(capability, type) else repr(capability)


def has_capability(organism: Any, capability: type) -> bool:
    """Say whether an organism has a capability: any object, also one that knows of none."""
    try:
        return capability in organism
    except TypeError:
        return False


def missing(capability: object, organism: str | None, family: str | None) -> CapabilityError:
    """Return the error that names a capability, who lacks it, and who has it."""
    from organisms.registry import families

    if not isinstance(capability, type):
        raise InputError(
            f"A capability is asked for by its class (organism[Steering]), not {capability!r:.80}."
        )
    have = sorted(known.name for known in families() if capability in known.capabilities)
    return CapabilityError(capability_name(capability), organism, family, have)
