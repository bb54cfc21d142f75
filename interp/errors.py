"""Every error the library raises on purpose, and the nearest-name suggestions they carry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


def nearest(given: str, options: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of `options` that look most like `given`, best first."""
    options = list(options)
    by_folded = {option.lower(): option for option in options}
    close = difflib.get_close_matches(str(given).lower(), list(by_folded), n=n, cutoff=0.5)
    return [by_folded[name] for name in close]


class MesascopeError(Exception):
    """Base of every error raised on purpose by mesascope."""

    def __str__(self) -> str:
        # KeyError would show the repr of its argument: newlines and quotes escaped.
        return str(self.args[0]) if self.args else ""


class UnknownNameError(MesascopeError, KeyError):
    """A name that is not among the ones that exist.

    Parameters
    ----------
    kind
        What was looked up, in words (``"site"``, ``"organism"``).
    given
        The name that was given.
    options
        The names that exist.
    """

    def __init__(self, kind: str, given: object, options: Iterable[str]):
        self.kind = kind
        self.given = given
        self.options = sorted(options)
        close = nearest(str(given), self.options)
        message = f"There is no {kind} named {given!r}."
        if close:
            message += " Nearest: " + ", ".join(repr(name) for name in close) + "."
        shown = self.options if len(self.options) <= 30 else [*self.options[:30], "…"]
        message += f" Known ({len(self.options)}): " + (", ".join(shown) or "none") + "."
        super().__init__(message)


class UnknownSiteError(UnknownNameError):
    """A site that the network does not have, or that a run of it did not keep.

    Parameters
    ----------
    given, options
        As in `UnknownNameError`.
    unrecorded
        Whether the network has the site, and the run, whose sites the options are, did not keep it.
    """

    def __init__(self, given: object, options: Iterable[str], unrecorded: bool = False):
        super().__init__("site", given, options)
        if unrecorded:
            kept = ", ".join(self.options) or "none"
            self.args = (
                f"The network has the site {given!r}, but this run did not keep it: record it with "
                f"sites=[{given!r}, …]. Kept ({len(self.options)}): {kept}.",
            )


class InputError(MesascopeError, ValueError):
    """An argument with a wrong value, shape or dtype, or with NaNs."""


class EndlessError(InputError):
    """How many tasks is not said, and there is no end of them."""


def check_integer(name: str, value: object, least: int | None = None) -> None:
    """Raise InputError unless `value` is an integer (True is none), and at least `least`."""
    integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not integer or (least is not None and value < least):  # type: ignore[operator]
        bound = "" if least is None else f" ≥ {least}"
        raise InputError(f"{name} must be an integer{bound}, got {value!r}.")


class CapabilityError(InputError):
    """What is asked of an organism is something that it cannot do.

    Parameters
    ----------
    capability
        What is missing, by name.
    organism
        The organism that lacks it; None if a family was asked.
    family
        Its family, if it has one.
    families
        The families whose organisms have it.
    """

    def __init__(
        self, capability: str, organism: str | None, family: str | None, families: Iterable[str]
    ):
        self.capability, self.organism, self.family = capability, organism, family
        self.families = sorted(families)
        who = f"The family {family!r}" if organism is None else f"{organism!r}"
        of = "" if organism is None or family is None else f" (of the family {family!r})"
        others = ", ".join(map(repr, self.families))
        have = f"Families that have it: {others}." if others else "No family here has it."
        if family in self.families:
            have = f"Organisms of these families can have it: {others}; this one does not."
            if organism is None:
                have = "It is each organism's own: ask one of them (organism[…])."
        super().__init__(f"{who}{of} has no capability {capability!r}. {have}")

    def __reduce__(self) -> tuple:
        return type(self), (self.capability, self.organism, self.family, self.families)


class ContractError(MesascopeError):
    """An organism does not keep the promises of the contract; `violations` are in words."""

    def __init__(self, organism: str, violations: Iterable[str]):
        self.organism, self.violations = organism, list(violations)
        super().__init__("\n- ".join([f"{organism} breaks the contract:", *self.violations]))

    def __reduce__(self) -> tuple:
        return type(self), (self.organism, self.violations)


class OldSpellingError(MesascopeError, AttributeError):
    """An attribute that organisms had in version 0.1, and have by another name now."""

    def __init__(self, name: str, now: str):
        super().__init__(f"organism.{name} is now {now}.")
        self.name, self.now = name, now


class TooFewClassesError(InputError):
    """Labels of which too few classes occur for anything to be told apart."""


class AddressError(MesascopeError, ValueError):
    """An address that can match nothing: a tick, step, dim or index out of range."""


class InterventionError(MesascopeError, ValueError):
    """An intervention that cannot be applied as it is written."""


class UnfiredInterventionError(InterventionError):
    """An intervention whose address was never reached during the run."""


class TrainingModeWarning(UserWarning):
    """A network is examined in training mode, in which dropout or batch norm change what it does."""


class LevelError(MesascopeError, ValueError):
    """A malformed task text.

    Parameters
    ----------
    message
        What is wrong.
    source
        The file (or other origin) of the text.
    line
        The line in it, from 1.
    """

    def __init__(self, message: str, source: str | None = None, line: int | None = None):
        self.source = source
        self.line = line
        where = source if line is None else f"{source}:{line}" if source else f"line {line}"
        super().__init__(f"{where}: {message}" if where else message)


class CheckpointError(MesascopeError, ValueError):
    """A checkpoint that is truncated, of the wrong shape, or not finite."""


class AssetError(MesascopeError, FileNotFoundError):
    """A file that is needed and not there; the message says what to fetch and where to put it."""


class StoreError(MesascopeError, OSError):
    """A store that cannot be written or read."""


class StoreLockedError(StoreError):
    """Another process is writing to the store."""


class StoreIncompleteError(StoreError):
    """The recording of the store was not finished."""


class StoreMismatchError(StoreError):
    """The store on disk was made by another recording than the one asked for."""


class StoreCorruptError(StoreError):
    """Bytes of the store are not the ones that were written.

    Parameters
    ----------
    message
        What is wrong.
    chunks
        The names of the chunks concerned (path of the chunk file relative to the store).
    """

    def __init__(self, message: str, chunks: Iterable[str] = ()):
        self.chunks = list(chunks)
        super().__init__(message)
