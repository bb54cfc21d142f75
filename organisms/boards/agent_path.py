"""Where an agent was in a recorded run, whatever the world of squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, nearest

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256
"""Episodes whose observations are held at once; decides the memory, not the result."""


@dataclass(frozen=True, kw_only=True)
class AgentPath:
    """Where the agent was. ``row`` counts the steps from the first that is not a thinking step.

    Attributes
    ----------
    n_thinking : int
        Thinking steps before the first row.
    n_rows : numpy.ndarray
        (episode,) int64: rows ``0 … n_rows − 1`` of an episode are valid, the others hold −1.
    player : numpy.ndarray
        (episode, time, 2) int16, row and column. Time ``r`` is before the action of row ``r``, and
        ``n_rows`` is after the last one, so there is one more than there are rows; −1 after it.
    action : numpy.ndarray
        (episode, row) int8: the move tried, an index into `organisms.boards.directions.ACTION_NAMES`,
        whatever the numbering of the run's actions; −1 for one that does nothing by design.
    direction : numpy.ndarray
        (episode, row) int8: the move made; −1 where the agent stayed in place.
    """

    n_thinking: int
    n_rows: np.ndarray
    player: np.ndarray
    action: np.ndarray
    direction: np.ndarray

    @property
    def board(self) -> tuple[int, int]:
        """Rows and columns of the boards."""
        raise NotImplementedError

    @property
    def valid(self) -> np.ndarray:
        """(episode, row) bool: rows within the episodes."""
        return np.arange(self.action.shape[1]) < self.n_rows[:, None]


def check_run(
    run: xr.Dataset, variables: tuple[str, ...] = ("observation", "action")
) -> tuple[np.ndarray, np.ndarray]:
    """Return the step labels (step,) and the lengths (episode,) of a run, int64.

    Raises
    ------
    InputError
        If `variables` or ``length`` are missing, have other dims than they should, or the steps
        have gaps or end before the episodes do.
    """
    for name in (*variables, "length"):
        if name not in run:
            there = [str(variable) for variable in run.data_vars]
            close = nearest(name, there)
            hint = f" Nearest: {', '.join(close)}." if close else f" It has {', '.join(there)}."
            raise InputError(f"The run has no variable {name!r}.{hint}")
        wanted = {"episode"} if name == "length" else {"episode", "step"}
        dims = set(run[name].dims)
        if not (wanted <= dims if name == "observation" else wanted == dims):
            raise InputError(f"{name} needs dims {sorted(wanted)}; it has {run[name].dims}.")
    if "step" not in run.coords:
        raise InputError("The run has no coordinate 'step' to tell thinking steps by.")
    step, length = run["step"].values, run["length"].values
    if not run.sizes["episode"] or not len(step):
        raise InputError(f"The run is empty: {dict(run.sizes)}.")
    if step.dtype.kind not in "iu" or (np.diff(step) != 1).any():
        raise InputError(f"The steps of a run are consecutive integers; got {step[:12]} ….")
    if length.dtype.kind not in "iu":
        raise InputError(f"length is an integer; got {length.dtype}.")
    step, length = step.astype(np.int64), length.astype(np.int64)
    if (step >= 0).sum() == 0 or length.max() > step[-1] + 1:
        episode = int(length.argmax())
        raise InputError(
            f"The run ends at step {step[-1]}, episode {episode} at step {length[episode] - 1}; "
            "labels are made of the future. Compute them on the whole run, then select steps."
        )
    if "done" in run and set(run["done"].dims) == {"episode", "step"}:
        last = (length - 1 - step[0]).clip(0)
        done = run["done"].transpose("episode", "step").values[np.arange(len(length)), last]
        wrong = np.flatnonzero(~done & (length > max(step[0], 0)))
        if len(wrong):
            raise InputError(
                f"Episode {wrong[0]} is not done at step {length[wrong[0]] - 1}, its last."
            )
    return step, length


def encoding_of(run: xr.Dataset, known: Mapping[str, tuple[str, ...]]) -> str:
    """Return how a run's observations are encoded, told by their dims: one of `known`, name → dims.

    Raises
    ------
    InputError
        If they have other dims.
    """
    dims = set(run["observation"].dims) - {"episode", "step"}
    for encoding, wanted in known.items():
        if dims == set(wanted):
            return encoding
    raise InputError(f"observation has dims {run['observation'].dims}; known: {dict(known)}.")


def actions_of(run: xr.Dataset) -> np.ndarray:
    """Return a run's actions, (episode, step).

    Raises
    ------
    InputError
        If they are no integers.
    """
    action = run["action"].transpose("episode", "step").values
    if action.dtype.kind not in "iu":
        raise InputError(f"action is an integer; got {action.dtype}.")
    return action
