"""What is true of an organism, as data: whether it plans, where its plan stands, what it is after."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interp.errors import CheckpointError, UnknownNameError, nearest

KNOWN_BY = ("by construction", "by exact solution", "by training set-up")
"""How a truth can be known."""

_NUMBER = (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    "known_by": (str,),
    "plans": (bool, type(None)),
    "uses_plan": (bool, type(None)),
    "objective": (str,),
    "site": (str,),
    "subspace": (Mapping,),
    "concept": (str,),
    "along": (str,),
    "complete_at": (int, type(None)),
    "moves_per_position": (*_NUMBER, type(None)),
    "horizon": (int, type(None)),
    "longest_plan": (int, type(None)),
    "remark": (str,),
}


@dataclass(frozen=True)
class Truth:
    """What an analysis would have to find. None, or an empty text, where it is not known.

    Parameters
    ----------
    known_by
        One of `KNOWN_BY`.
    plans
        Whether it works out, before it acts, what would have to be done.
    uses_plan
        Whether what it does follows from that plan.
    objective
        What it goes for.
    site
        Where the plan stands.
    subspace
        Class of `concept` → its direction along the channels of `site`: what the site holds on a
        place, read along it, is 1 where the plan says so and 0 where not.
    concept
        The concept (a name among ``organism.concepts``) that the plan is read as.
    along
        The axis along which the plan forms: a name as `interp.contract.Deliberation` has it.
    complete_at
        The position (from 0) along that axis at which every plan of at most `longest_plan` moves is
        complete.
    moves_per_position
        By how many moves the plan grows per position: a plan of d moves is complete at position
        ``ceil(d / moves_per_position) − 1``.
    horizon
        The most moves from its goal at which what it does next follows from a plan.
    longest_plan
        The most moves of a plan that it works out to the end.
    remark
        What else is known, in words.

    Raises
    ------
    CheckpointError
        If a value is of the wrong kind, or what is said contradicts itself.

    Examples
    --------
    >>> Truth("by construction", plans=True, longest_plan=8, moves_per_position=0.5).position(3)
    5
    """

    known_by: str
    plans: bool | None = None
    uses_plan: bool | None = None
    objective: str = ""
    site: str = ""
    subspace: dict[str, list[float]] = field(default_factory=dict)
    concept: str = ""
    along: str = ""
    complete_at: int | None = None
    moves_per_position: float | None = None
    horizon: int | None = None
    longest_plan: int | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise CheckpointError(f"truth: {name} has a malformed value, {value!r:.80}.")
        if self.known_by not in KNOWN_BY:
            raise CheckpointError(
                f"truth: known_by is one of {', '.join(KNOWN_BY)}, not {self.known_by!r:.80}."
            )
        lengths = {_length(name, direction) for name, direction in self.subspace.items()}
        if len(lengths) > 1:
            raise CheckpointError("truth: the directions of a subspace have the same length.")
        for name in ("complete_at", "horizon", "longest_plan"):
            if (getattr(self, name) or 0) < 0:
                raise CheckpointError(f"truth: {name} is not negative.")
        if (1.0 if self.moves_per_position is None else self.moves_per_position) <= 0:
            raise CheckpointError("truth: moves_per_position is positive.")
        if self.subspace and not self.site:
            raise CheckpointError("truth: a subspace is one of a site's, which is not named.")
        if self.plans is False and (self.uses_plan or self.complete_at is not None):
            raise CheckpointError("truth: what does not plan has no plan to use or to complete.")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Truth:
        """Build it from JSON data.

        Raises
        ------
        CheckpointError
            If a field is unknown, `known_by` is missing, or a value is malformed.
        """
        if not isinstance(record, Mapping):
            raise CheckpointError(f"truth is a JSON object, not {record!r:.80}.")
        known = [part.name for part in dataclasses.fields(cls)]
        unknown = {name: nearest(name, known) for name in record if name not in known}
        if unknown or "known_by" not in record:
            missing = "" if "known_by" in record else " known_by is missing."
            raise CheckpointError(f"truth: unknown fields {unknown or 'none'}.{missing}")
        return cls(**record)

    def position(self, moves: int) -> int:
        """Return the position at which a plan of so many moves is complete.

        Raises
        ------
        UnknownNameError
            If it is not known by how many moves a plan grows.
        """
        if self.moves_per_position is None:
            raise UnknownNameError("truth", "moves_per_position", ())
        return max(math.ceil(moves / self.moves_per_position) - 1, 0)

    def __str__(self) -> str:
        said = {
            "plans": _yes(self.plans),
            "uses the plan": _yes(self.uses_plan),
            "is after": self.objective,
            "plan at": self.site + (f" ({len(self.subspace)} directions)" if self.subspace else ""),
            "read as": self.concept,
            "complete at": ""
            if self.complete_at is None
            else f"{self.along or 'position'} {self.complete_at}",
            "horizon": "" if self.horizon is None else f"{self.horizon} moves",
        }
        words = "; ".join(f"{name} {value}" for name, value in said.items() if value)
        return f"{self.known_by}: {words}" + (f". {self.remark}" if self.remark else "")


def _length(name: str, direction: Any) -> int:
    fits = isinstance(direction, list | tuple) and all(
        isinstance(x, _NUMBER) and not isinstance(x, bool) and math.isfinite(x) for x in direction
    )
    if not fits or not direction:
        raise CheckpointError(f"truth: the direction {name!r} is no list of finite numbers.")
    return len(direction)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"
