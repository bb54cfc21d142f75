"""What happens where a cycle was, if the organism is made to think instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.thinking.cycles import Cycle, Walk, common_path, cycles_of, walk_of
from analyses.thinking.pausing import NONE, Pause, run_with_pauses

if TYPE_CHECKING:
    from interp.contract import Tasks

CONDITIONS = ("cycle", "thinking", "distraction")
"""In place of the cycle: nothing else, thinking steps, steps of looking at another task."""

AFTER = 10
"""States that are compared after a cycle."""


def first_cycles(walk: Walk) -> dict[int, Cycle]:
    """Return the first cycle of each episode that has one, by episode."""
    first: dict[int, Cycle] = {}
    for cycle in walk.cycles():
        first.setdefault(cycle.episode, cycle)
    return first


def replace_first_cycles(
    organism: Any,
    tasks: Tasks,
    walk: Walk,
    *,
    after: int = AFTER,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
) -> xr.Dataset:
    """Put thinking steps in the place of every episode's first cycle and run it again.

    Parameters
    ----------
    walk
        The organism's episodes on `tasks`, without thinking.

    Returns
    -------
    xarray.Dataset
        See `analyses.thinking.pacing.pacing`: from ``first_start`` to ``base_recurrence``, and
        ``replaces_p`` (control).
    """
    first = first_cycles(walk)
    n = len(walk.length)
    start, length = np.full(n, np.nan), np.full(n, np.nan)
    for episode, cycle in first.items():
        start[episode], length[episode] = cycle.start, cycle.length
    shape = (len(CONDITIONS), n)
    recurs, solved, same = (np.full(shape, np.nan) for _ in range(3))
    base = np.full(n, np.nan)
    for i, condition in enumerate(CONDITIONS):
        if not first:
            break
        if condition == "distraction" and n < 2:
            continue  # there is no other task to look at
        again = walk
        if condition != "cycle":
            again = _again(organism, tasks, first, condition, seed, batch_size)
        for episode, cycle in first.items():
            at, back = cycle.start, cycle.start + cycle.length
            now = again.states[episode, at : again.length[episode]]
            then = walk.states[episode, back : walk.length[episode]]
            begun = _begins(now, cycle.length)
            recurs[i, episode], solved[i, episode] = begun, again.solved[episode]
            same[i, episode] = common_path(now[1:], then[1:], after)  # the first ones are the same
            if condition == "cycle":
                base[episode] = _begins(then, cycle.length)
    data: dict[str, Any] = {
        "first_start": ("episode", start),
        "first_length": ("episode", length),
    }
    summary = _summaries(recurs, solved, same, base, n_bootstrap, confidence, seed)
    return xr.Dataset(
        {**data, **summary}, {"condition": list(CONDITIONS), "control": ["cycle", "distraction"]}
    )


def _again(
    organism: Any,
    tasks: Tasks,
    first: dict[int, Cycle],
    condition: str,
    seed: int,
    batch_size: int,
) -> Walk:
    pauses = [NONE] * len(tasks)
    for episode, cycle in first.items():
        pauses[episode] = Pause(cycle.start, cycle.length)
    run = run_with_pauses(
        organism,
        tasks,
        pauses,
        distracting=condition == "distraction",
        seed=seed,
        batch_size=batch_size,
    )
    return walk_of(organism, run)


def _begins(states: np.ndarray, within: int) -> bool:
    """Say whether a cycle begins within so many steps from the first of these states."""
    return any(start < within for start, _ in cycles_of(states, len(states)))


def _summaries(
    recurs: np.ndarray,
    solved: np.ndarray,
    same: np.ndarray,
    base: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    from interp.statistics import DIFFERENCE, RATE, mean_interval, mean_p_value

    data: dict[str, Any] = {}
    values = {"recurs": recurs, "replaced_solved": solved, "same_path": same}
    for name, array in values.items():
        data[name] = (("condition", "episode"), array)
        rates = np.full((3, len(CONDITIONS)), np.nan)
        for i, row in enumerate(array):
            if np.isfinite(row).any():
                rates[:, i] = mean_interval(
                    row[np.isfinite(row)], n_bootstrap, confidence, seed, bounds=RATE
                )
        for rate, end in zip(rates, ("", "_low", "_high"), strict=True):
            data[f"{name}_rate{end}"] = ("condition", rate)
    cells = np.full((4, 2), np.nan)
    thinking = same[CONDITIONS.index("thinking")]
    for i, control in enumerate(("cycle", "distraction")):
        difference = thinking - same[CONDITIONS.index(control)]
        difference = difference[np.isfinite(difference)]
        if len(difference):
            cells[:3, i] = mean_interval(
                difference, n_bootstrap, confidence, seed, bounds=DIFFERENCE
            )
            cells[3, i] = mean_p_value(difference, rng=seed, bounds=DIFFERENCE)
    for i, name in enumerate(("replaces", "replaces_low", "replaces_high", "replaces_p")):
        data[name] = ("control", cells[i])
    there = base[np.isfinite(base)]
    low_high = np.full(3, np.nan)
    if len(there):
        low_high[:] = mean_interval(there, n_bootstrap, confidence, seed, bounds=RATE)
    for value, end in zip(low_high, ("", "_low", "_high"), strict=True):
        data[f"base_recurrence{end}"] = value
    return data
