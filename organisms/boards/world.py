"""What vectorised worlds of squares share: options, actions, observations and states of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from interp.contract import Transition
from interp.errors import InputError, check_integer
from organisms.boards.sequence import grown


class BoardWorld:
    """A batch of boards, one row each.

    A row that has ended stays as it is with reward 0 and reports its end again. A family's world says
    what is shown, what an action does and what is listed under Attributes, and keeps in ``_view`` what
    the network is shown.

    Parameters
    ----------
    max_steps, min_steps
        The step limit; with `min_steps`, each episode's is drawn uniformly from
        ``min_steps..max_steps``.
    seed
        Of the drawn limits. Row ``i`` of a batch draws the same whatever the batch size.
    autoreset
        For training: a row that ends starts on the next task at once, and its observation is the new
        task's first. Tasks are dealt in order, and from the start again when they run out.
    n_envs
        With `autoreset`, how many rows there are; one a task if left out.
    source
        With `autoreset`, called for new tasks (on boards no larger than the first) when they run out.

    Attributes
    ----------
    STATE : tuple of str
        The attributes that change as the world is stepped, of the class.
    NOUN : str
        What a task is called in messages, of the class.
    OUTSIDE : tuple
        For each array that rows are dealt from (see `_gather`): what it holds beyond the edges of a board
        that is smaller than the others, or None if it is no board. Of the class.
    action_names : tuple of str
    n_actions : int
    level_index : numpy.ndarray
        Which task each row is on, dims ``(batch,)``.
    elapsed, limit : numpy.ndarray
        Steps taken and the step limit, dims ``(batch,)``.
    """

    STATE: tuple[str, ...] = ()
    NOUN = "task"
    OUTSIDE: tuple[Any, ...] = ()
    action_names: tuple[str, ...]
    n_actions: int
    level_index: np.ndarray
    elapsed: np.ndarray
    limit: np.ndarray
    _cursor: np.ndarray
    _pool: tuple[np.ndarray, ...]
    _view: np.ndarray

    def _set_rows(
        self,
        tasks: Any,
        max_steps: int,
        min_steps: int | None,
        autoreset: bool,
        n_envs: int | None,
        source: Callable[[], Any] | None,
    ) -> int:
        """Check what all worlds take, and return how many rows there are."""
        if len(tasks) == 0:
            raise InputError(f"A world needs at least one {self.NOUN}.")
        if not autoreset and (n_envs is not None or source is not None):
            raise InputError("n_envs and source are for autoreset=True only.")
        self.autoreset, self._source = autoreset, source
        if n_envs is not None:
            check_integer("n_envs", n_envs, 1)
        check_integer("max_steps", max_steps, 0)
        if not 1 <= (max_steps if min_steps is None else min_steps) <= max_steps:
            raise InputError(
                f"Step limits need 1 <= min_steps <= max_steps; got {min_steps} and {max_steps}."
            )
        self.max_steps = int(max_steps)
        self.min_steps = self.max_steps if min_steps is None else int(min_steps)
        return len(tasks) if n_envs is None else int(n_envs)

    def _gather(self, tasks: Any) -> tuple[np.ndarray, ...]:
        """Return the arrays that rows are dealt tasks from, dims ``(task, ...)``, a board first."""
        raise NotImplementedError

    def _begin(self, rows: np.ndarray) -> np.ndarray:
        """Start the episodes of some rows on their tasks; return these rows' observations."""
        raise NotImplementedError

    def _refill(self) -> None:
        """Ask the source for more tasks while a step could need more than are left."""
        while self._source is not None and self._cursor[0] + len(self) > len(self._pool[0]):
            fresh = self._gather(self._source())
            largest, given = self._pool[0].shape[1:], fresh[0].shape[1:]
            if len(fresh[0]) == 0:
                raise InputError(f"The source gave no {self.NOUN}s.")
            if given[0] > largest[0] or given[1] > largest[1]:
                raise InputError(
                    f"The source gave {self.NOUN}s of {given}, larger than the world's {largest}."
                )
            used, self._cursor[0] = int(self._cursor[0]), 0
            self._pool = tuple(
                np.concatenate([old[used:], grown(new, largest, fill)])
                for old, new, fill in zip(self._pool, fresh, self.OUTSIDE, strict=True)
            )

    def reset(self) -> np.ndarray:
        """Start every row on its first task.

        Returns
        -------
        numpy.ndarray
            The observations, dims ``(batch, *observation_dims)``, uint8: a copy.
        """
        n = len(self)
        self.level_index[:] = np.arange(n) % len(self._pool[0])
        self._cursor[0] = n
        self._view = self._begin(np.arange(n))
        return self._view.copy()

    def step(self, action: np.ndarray) -> Transition:
        """Take one action a row.

        Parameters
        ----------
        action
            dims ``(batch,)``, integers: an index into ``action_names``, or −1 to leave the row as
            it is (no step is counted).

        Returns
        -------
        Transition
            ``observation`` (a copy), ``reward`` float32, ``terminated`` and ``truncated`` bool.

        Raises
        ------
        InputError
            If an action does not exist. Nothing has moved then.
        """
        raise NotImplementedError

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
