"""Heads: from what a network puts out, and the world's action space, to the action that is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from interp.contract import Action, ArraySpace, Discrete, MultiDiscrete
from interp.errors import InputError, UnknownNameError

Head: TypeAlias = Callable[
    [Mapping[str, np.ndarray], float, Sequence[np.random.Generator]], np.ndarray
]
"""``head(outputs, temperature, rngs) -> (rows, *action shape)``.

`outputs` are (rows, …) by name. At temperature 0 the head takes what the network holds best, and `rngs` is
empty; else it draws, row i with ``rngs[i]`` alone, so that a draw does not depend on the batch.
"""


@dataclass(frozen=True)
class CategoricalHead:
    """One of n actions, from ``logits`` (rows, n): the largest, or a draw of their softmax."""

    n: int

    def __call__(
        self,
        outputs: Mapping[str, np.ndarray],
        temperature: float,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Return (rows,) int64."""
        logits = _output(outputs, "logits")
        if logits.shape[1:] != (self.n,):
            raise InputError(
                f"The network gives logits {logits.shape[1:]} and the world takes one of {self.n} "
                "actions; say with the organism's `head` how the one makes the other."
            )
        return choose(logits, temperature, rngs)


@dataclass(frozen=True)
class CategoricalsHead:
    """Several choices at once, from their ``logits`` one after the other (rows, sum of sizes)."""

    sizes: tuple[int, ...]

    def __call__(
        self,
        outputs: Mapping[str, np.ndarray],
        temperature: float,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Return (rows, component) int64."""
        logits = _output(outputs, "logits").reshape(len(_output(outputs, "logits")), -1)
        if logits.shape[1] != sum(self.sizes):
            raise InputError(
                f"The network gives {logits.shape[1]} logits and the world takes choices of "
                f"{' + '.join(map(str, self.sizes))}; say with the organism's `head` how they match."
            )
        parts = np.split(logits, np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([choose(part, temperature, rngs) for part in parts], axis=1)


@dataclass(frozen=True)
class BoxHead:
    """A point of a box: the ``mean``, or a draw around it with ``log_std``; clipped to the bounds.

    The standard deviation of a draw is ``temperature * exp(log_std)``. A network whose one output of the
    box's size has no name (its ``logits``) means that as the mean.
    """

    space: ArraySpace

    def __call__(
        self,
        outputs: Mapping[str, np.ndarray],
        temperature: float,
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Return (rows, *shape of the box) floats."""
        name = next((name for name in ("mean", "action", "logits") if name in outputs), "mean")
        action = self._shaped(_output(outputs, name), name)
        if temperature:
            if "log_std" not in outputs:
                raise InputError(
                    "temperature > 0 draws actions of a box around their mean, which takes an output "
                    f"'log_std'; the network gives {', '.join(outputs)}. Use temperature=0."
                )
            std = np.exp(self._shaped(outputs["log_std"], "log_std"))
            noise = np.stack([rng.standard_normal(self.space.shape) for rng in rngs])
            action = action + temperature * std * noise
        action = action.astype(action_dtype(self.space))
        low, high = self.space.low, self.space.high
        if low is not None or high is not None:
            low, high = (None if b is None else np.asarray(b, action.dtype) for b in (low, high))
            action = np.clip(action, low, high)
        return action.round() if np.dtype(self.space.dtype).kind in "iu" else action

    def _shaped(self, output: np.ndarray, name: str) -> np.ndarray:
        if math.prod(output.shape[1:]) != math.prod(self.space.shape):
            raise InputError(
                f"The network's {name!r} is {output.shape[1:]} and the world takes a box "
                f"{self.space.shape}; say with the organism's `head` how the one makes the other."
            )
        return output.reshape(len(output), *self.space.shape)


def head_of(organism: Any, action: Action) -> Head:
    """Return the organism's ``head``, or the one that an action space implies.

    Raises
    ------
    InputError
        If its head is no function, or the space is of no known kind.
    """
    head = getattr(organism, "head", None)
    if head is not None:
        if not callable(head):
            raise InputError(f"head is a function of (outputs, temperature, rngs), not {head!r}.")
        own: Any = head
        return own
    if isinstance(action, Discrete):
        return CategoricalHead(action.n)
    if isinstance(action, MultiDiscrete):
        return CategoricalsHead(tuple(action.sizes))
    if isinstance(action, ArraySpace):
        return BoxHead(action)
    raise InputError(f"{action!r} is no action space of interp.contract.")


def action_dtype(space: Action) -> np.dtype:
    """Return the dtype in which actions are stored; of integers one that has room for −1.

    A box of integers is stored as float64, so that NaN can stand for no action.
    """
    if isinstance(space, ArraySpace):
        dtype = np.dtype(space.dtype)
        return dtype if dtype.kind == "f" else np.dtype(np.float64)
    largest = space.n if isinstance(space, Discrete) else max(space.sizes, default=0)
    return np.dtype(np.int16 if largest <= 2**15 else np.int64)


def action_shape(space: Action) -> tuple[int, ...]:
    """Return the shape of one action."""
    if isinstance(space, ArraySpace):
        return tuple(space.shape)
    return () if isinstance(space, Discrete) else (len(space.sizes),)


def action_dims(space: Action) -> tuple[str, ...]:
    """Return the names of the dims of one action."""
    if isinstance(space, ArraySpace):
        return tuple(space.dims)
    return () if isinstance(space, Discrete) else (space.dim,)


def no_action(space: Action, n: int) -> np.ndarray:
    """Return `n` rows of no action: −1, NaN in a box."""
    if isinstance(space, ArraySpace):
        return np.full((n, *space.shape), np.nan, action_dtype(space))
    return np.full((n, *action_shape(space)), -1)


def check_action(space: Action, action: Any, n: int) -> np.ndarray:
    """Return what a head chose for `n` rows as an array.

    Raises
    ------
    InputError
        If these are no actions of the space.
    """
    action = np.asarray(action)
    expected = (n, *action_shape(space))
    if action.shape != expected:
        raise InputError(f"The head chose actions {action.shape}; the world takes {expected}.")
    if isinstance(space, ArraySpace):
        if not np.isfinite(action).all():
            raise InputError("The head chose actions that are not finite.")
        return action
    sizes = np.asarray(space.n if isinstance(space, Discrete) else space.sizes)
    if action.dtype.kind not in "iu" or (action < 0).any() or (action >= sizes).any():
        raise InputError(f"The head chose {action.tolist()[:5]} …; actions are {space}.")
    return action


def choose(
    logits: np.ndarray, temperature: float, rngs: Sequence[np.random.Generator]
) -> np.ndarray:
    """Return the index of the largest logit of each row, or a draw from ``softmax(logits / temperature)``."""
    if not temperature:
        return logits.argmax(axis=1)
    # The Gumbel trick: argmax of logits plus Gumbel noise is a draw from their softmax.
    noise = np.stack([rng.gumbel(size=logits.shape[1]) for rng in rngs])
    return (logits / temperature + noise).argmax(axis=1)


def _output(outputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in outputs:
        raise UnknownNameError("output of the network", name, outputs)
    return outputs[name]
