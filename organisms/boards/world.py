"""What vectorised worlds of squares share: options, actions, observations and states of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.errors import InputError, check_integer


class BoardWorld:
    """A batch of boards, one row each.

    A family's world sets what is listed here, and keeps in ``_view`` what the network is shown.

    Attributes
    ----------
    STATE : tuple of str
        The attributes that change as the world is stepped, of the class.
    action_names : tuple of str
    n_actions : int
    max_steps, min_steps : int
        Each episode's step limit is drawn from ``min_steps..max_steps``.
    autoreset : bool
        Whether a row that ends starts on the next task at once.
    elapsed, limit : numpy.ndarray
        Steps taken and the step limit, dims ``(batch,)``.
    """

    STATE: tuple[str, ...] = ()
    action_names: tuple[str, ...]
    n_actions: int
    elapsed: np.ndarray
    limit: np.ndarray
    _view: np.ndarray

    def _set_limits(self, max_steps: int, min_steps: int | None) -> None:
        check_integer("max_steps", max_steps, 0)
        if not 1 <= (max_steps if min_steps is None else min_steps) <= max_steps:
            raise InputError(
                f"Step limits need 1 <= min_steps <= max_steps; got {min_steps} and {max_steps}."
            )
        self.max_steps = int(max_steps)
        self.min_steps = self.max_steps if min_steps is None else int(min_steps)

    def _set_rows(
        self, tasks: Any, noun: str, autoreset: bool, n_envs: int | None, source: Any
    ) -> int:
        """Return how many rows there are, one a task unless `n_envs` says how many."""
        if len(tasks) == 0:
            raise InputError(f"A world needs at least one {noun}.")
        if not autoreset and (n_envs is not None or source is not None):
            raise InputError("n_envs and source are for autoreset=True only.")
        self.autoreset, self._source = autoreset, source
        if n_envs is None:
            return len(tasks)
        check_integer("n_envs", n_envs, 1)
        return int(n_envs)

    def __len__(self) -> int:
        return len(self.elapsed)

    def _checked_action(self, action: Any) -> np.ndarray:
        action = np.asarray(action)
        n = len(self.elapsed)
        if action.shape != (n,) or action.dtype.kind not in "iu":
            raise InputError(
                f"Actions are integers of shape ({n},); got {action.dtype} of {action.shape}."
            )
        return action

    def _no_such_action(self, row: int, action: Any) -> InputError:
        return InputError(
            f"Row {row} was given action {int(action)}; actions are "
            f"{dict(enumerate(self.action_names))}, or -1 to leave a row as it is."
        )

    def end_after_next(self, rows: np.ndarray) -> None:
        """Make the next step of some rows, dims ``(batch,)``, bool, the last of their episodes."""
        self.limit[rows] = self.elapsed[rows] + 1

    def observe(self) -> np.ndarray:
        """Copy the observations as they stand, dims ``(batch, *observation_dims)``, uint8."""
        return self._view.copy()

    def get_state(self) -> dict[str, np.ndarray]:
        """Copy everything that changes, to be given back to `set_state`.

        With a `source` of tasks, the tasks still to come are not part of it.
        """
        return copied_state(self, self.STATE)

    def set_state(self, state: Mapping[str, Any]) -> np.ndarray:
        """Go back to a state that `get_state` gave, and return its observations.

        The world must be as it was made: the same tasks, limits and number of rows.

        Raises
        ------
        InputError
            If the state does not fit this world.
        """
        arrays = checked_state(self, self.STATE, state)
        self._check_consistent(arrays)
        for name, array in arrays.items():
            getattr(self, name)[...] = array
        self._view = self._show()
        return self._view.copy()

    def _check_consistent(self, state: dict[str, np.ndarray]) -> None:
        """Raise `InputError` if the arrays of a state, by attribute, contradict each other."""
        raise NotImplementedError

    def _show(self) -> np.ndarray:
        """Return the observations of the state that was just put in."""
        raise NotImplementedError


def copied_state(world: Any, attributes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return copies of a world's arrays, by the names of the attributes without leading ``_``."""
    return {name.lstrip("_"): getattr(world, name).copy() for name in attributes}


def checked_state(
    world: Any, attributes: Sequence[str], state: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the arrays of a state by the attributes they belong to.

    Raises
    ------
    InputError
        If `state` has other names than `copied_state` gives, or an array of another shape or dtype than
        the world's.
    """
    names = {name.lstrip("_"): name for name in attributes}
    if set(state) != set(names):
        raise InputError(f"A state has {sorted(names)}; got {sorted(state)}.")
    arrays = {name: np.asarray(state[key]) for key, name in names.items()}
    for key, name in names.items():
        given, mine = arrays[name], getattr(world, name)
        if given.shape != mine.shape or given.dtype != mine.dtype:
            raise InputError(
                f"{key} is {mine.dtype} of shape {mine.shape} in this world; got "
                f"{given.dtype} of shape {given.shape}."
            )
    return arrays
