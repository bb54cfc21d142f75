"""Clean and corrupted observations: two teacher-forced runs that belong together, example by example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch

from interp.errors import InputError, UnknownNameError, check_integer

Direction = Literal["denoise", "noise"]
"""``"denoise"`` writes clean activations into the corrupted run, ``"noise"`` corrupted ones into the
clean run (Heimersheim & Nanda 2024, arXiv 2404.15255)."""

_EXAMPLE_DIMS = ("example", "episode", "batch")


@dataclass(frozen=True)
class Pairs:
    """Observations of both runs, (step, example, *observation dims), and the first step's label."""

    clean: torch.Tensor
    corrupted: torch.Tensor
    first_step: int

    @property
    def n_examples(self) -> int:
        """Return the number of pairs."""
        return self.clean.shape[1]

    @property
    def steps(self) -> tuple[int, ...]:
        """Return the labels of the steps."""
        return tuple(range(self.first_step, self.first_step + len(self.clean)))

    def base_and_donor(self, direction: Direction) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the observations of the run that is patched and of the run that gives."""
        if direction not in get_args(Direction):
            raise UnknownNameError("direction", direction, get_args(Direction))
        if direction == "denoise":
            return self.corrupted, self.clean
        return self.clean, self.corrupted


def as_pairs(clean: Any, corrupted: Any, first_step: int | None = None) -> Pairs:
    """Check the observations of both runs and return them as tensors.

    Parameters
    ----------
    clean, corrupted
        ``(step, example, *observation dims)``, arrays, tensors, or DataArrays with a dim ``step`` and
        one called example, episode or batch, in any order (a run's ``observation``, say).
    first_step
        Label of the first step; read off the DataArrays' ``step`` coordinate, else 0, unless given.

    Raises
    ------
    InputError
        If the two do not have one shape, are empty, not numbers, or not finite.
    """
    (clean, clean_first), (corrupted, corrupted_first) = (
        _observations(given, name) for given, name in ((clean, "clean"), (corrupted, "corrupted"))
    )
    if clean.shape != corrupted.shape:
        raise InputError(
            f"clean {tuple(clean.shape)} and corrupted {tuple(corrupted.shape)} observations must "
            "have one shape, (step, example, …): pairs are patched step by step."
        )
    if first_step is None:
        labels = {label for label in (clean_first, corrupted_first) if label is not None}
        if len(labels) > 1:
            raise InputError(f"The first steps of clean and corrupted differ: {sorted(labels)}.")
        first_step = labels.pop() if labels else 0
    check_integer("first_step", first_step)
    return Pairs(clean, corrupted, int(first_step))


def _observations(given: Any, name: str) -> tuple[torch.Tensor, int | None]:
    first = None
    if hasattr(given, "dims") and hasattr(given, "coords"):  # a DataArray
        example = [dim for dim in _EXAMPLE_DIMS if dim in given.dims]
        if "step" not in given.dims or len(example) != 1:
            raise InputError(
                f"{name} has the dims {given.dims}; it needs 'step' and one of {_EXAMPLE_DIMS}."
            )
        given = given.transpose("step", example[0], ...)
        if "step" in given.coords:
            labels = np.asarray(given.coords["step"])
            if (np.diff(labels) != 1).any():
                raise InputError(f"The steps of {name} are not consecutive: {labels.tolist()}.")
            first = int(labels[0]) if len(labels) else None
        given = given.values
    tensor = given if isinstance(given, torch.Tensor) else _tensor(given, name)
    if tensor.ndim < 3 or 0 in tensor.shape:
        raise InputError(
            f"{name} observations must be (step, example, …) and not empty, got "
            f"{tuple(tensor.shape)}."
        )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise InputError(f"{name} observations are not finite.")
    return tensor, first


def _tensor(given: Any, name: str) -> torch.Tensor:
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} observations are no array of numbers ({error}).") from None
    return torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def donor_examples(donors: Any, n_examples: int, seed: int) -> np.ndarray:
    """Return, for each example, the example whose donor run gives: (example,) int64.

    Parameters
    ----------
    donors
        ``"matched"``: the example's own pair. ``"random"``: an unrelated one, drawn as a random cyclic
        order so that none is its own. Or positions (example,).
    """
    if isinstance(donors, str):
        if donors == "matched":
            return np.arange(n_examples)
        if donors != "random":
            raise UnknownNameError("choice of donors", donors, ("matched", "random"))
        if n_examples < 2:
            raise InputError("A random donor is another example; there is only one.")
        order = np.random.default_rng(seed).permutation(n_examples)
        chosen = np.empty(n_examples, np.int64)
        chosen[order] = np.roll(order, -1)
        return chosen
    chosen = np.asarray(donors)
    if chosen.shape != (n_examples,) or chosen.dtype.kind not in "iu":
        raise InputError(
            f"donors must be 'matched', 'random' or {n_examples} positions; got {donors!r:.80}."
        )
    if (chosen < 0).any() or (chosen >= n_examples).any():
        raise InputError(f"donors must lie between 0 and {n_examples - 1}, got {chosen.tolist()}.")
    return chosen.astype(np.int64)
