"""Recorded behaviour with the decision problems it took place in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from interp.decisions.inverse_rl import Demonstrations
from interp.errors import InputError


def demonstrations_of(
    source: Any, tasks: Any, mdp: Any, seed: int, temperature: float
) -> dict[str, tuple[Demonstrations, np.ndarray, str]]:
    """Return demonstrations, the level of each episode, and who acted, by distribution.

    The parameters are those of `analyses.behavioural_objective`; without names the one distribution is
    called ``recorded``.

    Raises
    ------
    InputError
        If `source` is nothing that can be analysed, or the problems do not fit the recorded actions.
    """
    if _is_mapping(source) and _is_mapping(tasks):
        raise InputError("Name the distributions in one mapping: of sources, or of tasks.")
    if _is_mapping(tasks):
        pairs = {str(name): (source, part) for name, part in tasks.items()}
    elif _is_mapping(source):
        pairs = {str(name): (part, tasks) for name, part in source.items()}
    else:
        pairs = {"recorded": (source, tasks)}
    if not pairs:
        raise InputError("There is nothing to analyse: the mapping is empty.")
    return {
        name: _one(part, of, mdp, seed, temperature, name) for name, (part, of) in pairs.items()
    }


def _is_mapping(source: Any) -> bool:
    return isinstance(source, Mapping) and not isinstance(source, xr.Dataset)


def _one(
    source: Any, tasks: Any, mdp: Any, seed: int, temperature: float, name: str
) -> tuple[Demonstrations, np.ndarray, str]:
    from interp.store.read import open_store

    if isinstance(source, Demonstrations):
        return source, np.arange(source.n_episodes), "demonstrations"
    problems: Any = mdp
    if not isinstance(source, xr.Dataset) and hasattr(source, "network"):
        if tasks is None:
            raise InputError("An organism needs tasks to act on; a run has its own.")
        run = source.run(tasks, seed=seed, temperature=temperature)
        if mdp is None:
            world = source.world(tasks)
            if not hasattr(world, "mdp"):
                raise InputError(
                    f"The world of {source.name} does not write its tasks out as decision problems "
                    "(world.mdp): pass `mdp`."
                )
            problems = [world.mdp(row) for row in range(len(tasks))]
    elif isinstance(source, xr.Dataset | str | os.PathLike):
        if tasks is not None:
            raise InputError("tasks are for an organism; a store or run brings its own.")
        run = source if isinstance(source, xr.Dataset) else open_store(source)
        if mdp is None:
            raise InputError(
                "A run or store needs `mdp`: from a task's text to a decision problem."
            )
    else:
        raise InputError(f"A {type(source).__name__} is no organism, store, run or Demonstrations.")
    for needed in ("action", "length", "level_id", "solved"):
        if needed not in run:
            raise InputError(f"{name}: the run has no variable {needed!r}.")
    length = run["length"].values
    if (length < 0).any():
        raise InputError(f"{name}: the run has episodes that were not recorded.")
    if callable(problems):
        texts = [str(text) for text in run["level"].values]
        written = {text: problems(text) for text in dict.fromkeys(texts)}
        problems = [written[text] for text in texts]
    if len(problems) != len(length):
        raise InputError(f"{name}: {len(problems)} decision problems for {len(length)} episodes.")
    action = run["action"].sel(step=slice(0, None)).transpose("episode", "step").values
    actions = [row[:steps] for row, steps in zip(action, length, strict=True)]
    demonstrations = Demonstrations(problems, actions)
    for episode in np.flatnonzero(run["solved"].values):
        if not problems[episode].terminal[problems[episode].states(actions[episode])[-1]]:
            raise InputError(
                f"{name}: episode {episode} was solved, but its actions do not end the decision "
                "problem given for it: they do not belong together."
            )
    levels = np.array([str(level) for level in run["level_id"].values])
    return demonstrations, levels, str(run.attrs.get("organism", "?"))
