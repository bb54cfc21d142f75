"""Conditions on a closed loop: when an intervention acts, by names that can be saved.

A condition is a predicate on the state of the world, registered by name, and what the intervention
makes of it: act while it holds, unless it holds, until it first held, or since it first held. This
package knows no world; a family of organisms registers the predicates that its world has.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from interp.errors import InputError, InterventionError, UnknownNameError

Mode = Literal["while", "unless", "until", "since"]
_Predicate = TypeVar("_Predicate", bound=Callable[..., Any])

_REGISTERED: dict[str, Callable[..., Any]] = {}


def condition(name: str) -> Callable[[_Predicate], _Predicate]:
    """Register a predicate on the state of a world under a name.

    Parameters
    ----------
    name
        What `Condition` calls it. Families put their own name in front if it is special to them.

    Returns
    -------
    callable
        A decorator. It takes a function ``(world, rows, step, **parameters) -> (rows,) bool``, or a
        class whose instances are called like that. Of a class, one instance is made for every run of
        the closed loop (no arguments), so that it can remember: ``self`` lives as long as the rows do.

        ``world`` is the world as the network sees it at this step, before it acts; ``rows`` (int64,
        ascending) are the rows of the world that are asked about; ``step`` is the step's label, negative
        while thinking. Parameters are JSON values, or arrays with one entry per row. It is called
        once a step, from the first one on.

    Raises
    ------
    InputError
        If another predicate has the name.

    Examples
    --------
    >>> @condition("example/late")
    ... def late(world, rows, step, after):
    ...     return np.full(len(rows), step > after)
    """
    if not isinstance(name, str) or not name:
        raise InputError(f"The name of a condition is a string, not {name!r}.")

    def register(predicate: _Predicate) -> _Predicate:
        before = _REGISTERED.get(name)
        # The same code again (a reloaded module, a notebook cell run twice) replaces itself.
        if before is not None and _origin(before) != _origin(predicate):
            raise InputError(f"There is a condition {name!r} already ({_origin(before)}).")
        _REGISTERED[name] = predicate
        return predicate

    return register


def condition_names() -> list[str]:
    """Return the names that are registered."""
    return sorted(_REGISTERED)


def _origin(predicate: Any) -> str:
    return f"{predicate.__module__}.{predicate.__qualname__}"


@dataclass(frozen=True)
class Condition:
    """When an intervention acts, row by row.

    Parameters
    ----------
    name
        A registered predicate; looked up when the intervention is applied.
    parameters
        Passed to the predicate by name: JSON values, the same for all examples.
    each
        More parameters, with one entry per example: entry i is that of the i-th of the
        intervention's ``examples``, or of example i if it has none. The predicate gets an array with
        one entry per row.
    mode
        ``"while"``: act at the steps at which the predicate holds. ``"unless"``: at which it does not.
        ``"until"``: before the first at which it holds. ``"since"``: from that one on. The last two
        remember, separately for every episode of every run.

    Raises
    ------
    InterventionError
        If the mode is another, or parameters are no JSON values or given twice.

    Examples
    --------
    Act until the agent of each level has been on a square of that level::

        Condition.until("agent_on", each={"y": [3, 1], "x": [4, 7]})
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    each: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    mode: Mode = "while"

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InterventionError(
                f"There is no mode {self.mode!r} of a condition; use one of {get_args(Mode)}."
            )
        object.__setattr__(self, "parameters", _jsonable(self.parameters, "parameters"))
        object.__setattr__(self, "each", _jsonable(self.each, "each"))
        bad = [k for k, v in self.each.items() if not isinstance(v, list)]
        twice = sorted(set(self.parameters) & set(self.each))
        if bad or twice:
            raise InterventionError(
                f"{self!r}: " + (f"{bad} need one entry per example" if bad else f"{twice} twice")
            )
        if len({len(entries) for entries in self.each.values()}) > 1:
            raise InterventionError(f"{self!r}: parameters in `each` are of different lengths.")

    @classmethod
    def during(cls, name: str, each: Mapping[str, Any] | None = None, **parameters: Any):
        """Act at the steps at which the predicate holds."""
        return cls(name, parameters, each or {}, "while")

    @classmethod
    def unless(cls, name: str, each: Mapping[str, Any] | None = None, **parameters: Any):
        """Act at the steps at which the predicate does not hold."""
        return cls(name, parameters, each or {}, "unless")

    @classmethod
    def until(cls, name: str, each: Mapping[str, Any] | None = None, **parameters: Any):
        """Act before the first step at which the predicate holds."""
        return cls(name, parameters, each or {}, "until")

    @classmethod
    def since(cls, name: str, each: Mapping[str, Any] | None = None, **parameters: Any):
        """Act from the first step on at which the predicate holds."""
        return cls(name, parameters, each or {}, "since")

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_record(), sort_keys=True))

    def __repr__(self) -> str:
        given = [f"{k}={v!r:.40}" for k, v in {**self.parameters, **self.each}.items()]
        return f"{self.mode} {self.name}({', '.join(given)})"

    def to_record(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "name": self.name,
            "mode": self.mode,
            "parameters": dict(self.parameters),
            "each": dict(self.each),
        }

    @property
    def n_each(self) -> int | None:
        """How many examples `each` has entries for; None without any."""
        return next((len(entries) for entries in self.each.values()), None)

    def start(self) -> RunningCondition:
        """Return what evaluates the condition along one run of the closed loop.

        Raises
        ------
        UnknownNameError
            If no predicate has the name.
        """
        if self.name not in _REGISTERED:
            raise UnknownNameError("condition", self.name, _REGISTERED)
        return RunningCondition(self, _REGISTERED[self.name])


class RunningCondition:
    """A condition along one run of the closed loop, with what it remembers of each row."""

    def __init__(self, of: Condition, predicate: Callable[..., Any]):
        self.of = of
        self._predicate: Any = predicate() if inspect.isclass(predicate) else predicate
        self._held: dict[int, bool] = {}

    def acts(self, world: Any, rows: np.ndarray, step: int, positions: np.ndarray) -> np.ndarray:
        """Return (row,) bool: on which rows the intervention acts. Call once a step, in order.

        Parameters
        ----------
        world
            See `condition`.
        rows
            (row,) int64: rows of the world.
        step
            Label of the step.
        positions
            (row,) int64: positions of the rows' examples in `Condition.each`.
        """
        each = {k: np.asarray(v)[positions] for k, v in self.of.each.items()}
        try:
            answer = self._predicate(world, rows, step, **self.of.parameters, **each)
        except Exception as error:
            raise InterventionError(
                f"The condition {self.of!r} failed on a {type(world).__name__} at step {step}: "
                f"{type(error).__name__}: {error}"
            ) from error
        holds = np.asarray(answer)
        if holds.dtype != bool or holds.shape != rows.shape:
            raise InterventionError(
                f"The condition {self.of.name!r} must return bool of shape {rows.shape}, not "
                f"{holds.dtype} {holds.shape}."
            )
        if self.of.mode in ("while", "unless"):
            return holds if self.of.mode == "while" else ~holds
        held = np.array([self._held.get(int(row), False) for row in rows], bool) | holds
        self._held.update(zip(rows.tolist(), held.tolist(), strict=True))
        return held if self.of.mode == "since" else ~held


def _jsonable(given: Any, what: str) -> dict[str, Any]:
    """Return a mapping with JSON values only; arrays become lists."""

    def plain(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        if isinstance(value, Mapping):
            return {str(key): plain(entry) for key, entry in value.items()}
        return value

    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InterventionError(f"The {what} of a condition are names with values, not {given!r}.")
    values = {key: plain(value) for key, value in given.items()}
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InterventionError(
            f"The {what} of a condition must be JSON values ({error}): {given!r:.80}."
        ) from None
    return values
