"""Pairs of tasks that differ by one edit and ask for different actions: for any family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    from interp.contract import Tasks


@dataclass(frozen=True)
class CounterfactualPairs:
    """Clean and corrupted tasks, row by row the same but for one edit, with other right actions.

    Attributes
    ----------
    kind : str
        The edit.
    clean, corrupted : Tasks
    clean_actions, corrupted_actions : numpy.ndarray
        (pair, action) bool, in the numbering of the network's actions: those that begin a shortest
        solution. No action is right in both tasks of a pair, and each task has one.

    Raises
    ------
    InputError
        If the parts do not fit one another, a task has no right action, or a pair shares one.

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> pairs = organism[organisms.Counterfactuals].pairs("move-target", 4)
    >>> len(pairs), bool((pairs.clean_actions & pairs.corrupted_actions).any())
    (4, False)
    """

    kind: str
    clean: Tasks
    corrupted: Tasks
    clean_actions: np.ndarray
    corrupted_actions: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.clean)
        shapes = {self.clean_actions.shape, self.corrupted_actions.shape}
        if len(self.corrupted) != n or len(shapes) != 1 or len(self.clean_actions) != n:
            raise InputError(
                f"{n} clean and {len(self.corrupted)} corrupted tasks with actions of {shapes}."
            )
        if (self.clean_actions & self.corrupted_actions).any():
            raise InputError("The tasks of a pair share a right action.")
        if not (self.clean_actions.any(axis=1) & self.corrupted_actions.any(axis=1)).all():
            raise InputError("A task has no right action.")

    def __len__(self) -> int:
        return len(self.clean)

    def __repr__(self) -> str:
        return f"<CounterfactualPairs {self.kind!r}: {len(self)} pairs>"
