"""What became of recorded episodes: where the agent went, and what it reached first."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, LevelError
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import Colour, Kind
from organisms.families.doors.text import parse_mazes

if TYPE_CHECKING:
    import xarray as xr

_NEEDED = ("action", "level", "level_id", "length", "reward")


def mazes_of(run: xr.Dataset) -> Mazes:
    """Return the mazes of a recorded run, with their ids.

    Raises
    ------
    InputError
        If the run has no task texts, or they are no mazes.
    """
    for name in ("level", "level_id"):
        if name not in run:
            raise InputError(f"The run has no variable {name!r}; it is needed to know its mazes.")
    try:
        mazes = _parsed(tuple(str(text) for text in run["level"].values))
    except LevelError as error:
        raise InputError(f"The tasks of the run are no mazes: {error}") from None
    ids = [str(name) for name in run["level_id"].values]
    return Mazes(mazes.walls, mazes.objects, mazes.start, mazes.game, ids, mazes.shapes)


@lru_cache(maxsize=8)
def _parsed(texts: tuple[str, ...]) -> Mazes:
    """Read texts, remembering the last ones: every concept of a run asks for its mazes."""
    return parse_mazes("\n\n".join(texts), "the run")


def outcomes(run: xr.Dataset, objective: str | None = None) -> xr.Dataset:
    """Play a recorded run again and say what happened in it.

    Parameters
    ----------
    run
        ``action``, ``reward``, ``length``, ``level``, ``level_id`` and the coordinate ``step``.
    objective
        Of the world it was recorded in; the game's base objective if left out.

    Returns
    -------
    xarray.Dataset
        ================  =============  ===========================================================
        variable          dims
        ================  =============  ===========================================================
        position          episode, time, where the agent was: time ``t`` is before step ``t``, the last
                          axis        valid one after the last step; −1 beyond
        first_kind        episode        kind of the first object reached (``door`` …), or ``none``
        first_colour      episode        its colour, or ``none``
        first             episode        ``corner`` where the corner was entered before any object, in
                                         ``corner``; else as ``first_kind``
        object_step,      episode        the steps at which an object and the corner were first
        corner_step                      reached; −1 for never
        keys, chests      episode        how many were taken and opened
        ================  =============  ===========================================================

    Raises
    ------
    InputError
        If variables are missing, an episode was not recorded to its end, or the mazes do not give the
        recorded rewards for the recorded actions: run and world do not match.
    """
    import xarray as xr

    for name in _NEEDED:
        if name not in run:
            raise InputError(f"The run has no variable {name!r}.")
    if "step" not in run.coords:
        raise InputError("The run has no coordinate 'step'.")
    mazes = mazes_of(run)
    acting = run.sel(step=slice(0, None))
    action = acting["action"].transpose("episode", "step").values.astype(np.int64)
    reward = acting["reward"].transpose("episode", "step").values
    length = run["length"].values
    if (length < 0).any() or length.max(initial=0) > action.shape[1]:
        raise InputError("The run holds episodes that were not recorded to their end.")
    world = MazeWorld(mazes, objective=objective, max_steps=max(1, int(length.max(initial=1))))
    if action.min(initial=0) < -1 or action.max(initial=0) >= world.n_actions:
        raise InputError(
            f"Actions of a maze are 0 to {world.n_actions - 1}; the run has {action.min()} to "
            f"{action.max()}."
        )
    positions = np.full((len(mazes), int(length.max()) + 1, 2), -1, np.int64)
    positions[:, 0] = world.position
    paid = np.nan_to_num(reward)
    bonus = paid - np.where(np.arange(paid.shape[1]) < length[:, None], _step_reward(paid), 0)
    for step in range(positions.shape[1] - 1):
        within = step < length
        after = world.step(np.where(within, action[:, step], -1))
        positions[within, step + 1] = world.position[within]
        wrong = within & ((after.reward > 0) != (bonus[:, step] > 1e-6))
        wrong |= (after.terminated & (length > step + 1)) | (within & (action[:, step] < 0))
        if wrong.any():
            episode = int(wrong.argmax())
            raise InputError(
                f"Episode {episode}, step {step}: the recorded actions do not lead to the recorded "
                f"rewards in a {mazes.game!r} world that pays for {world.objective!r}."
            )
    kinds = np.array([*(kind.name.lower() for kind in Kind), "none"])
    colours = np.array([*(colour.name.lower() for colour in Colour), "none"])
    cornered = (world.corner_step >= 0) & (
        (world.object_step < 0) | (world.corner_step < world.object_step)
    )
    first_kind = kinds[world.first_kind]
    first = np.where(cornered & (mazes.game == "corner"), "corner", first_kind)
    return xr.Dataset(
        {
            "position": (("episode", "time", "axis"), positions),
            "first_kind": ("episode", first_kind.astype(object)),
            "first_colour": ("episode", colours[world.first_colour].astype(object)),
            "first": ("episode", first.astype(object)),
            "object_step": ("episode", world.object_step),
            "corner_step": ("episode", world.corner_step),
            "keys": ("episode", world.taken),
            "chests": ("episode", world.opened),
            "level_id": ("episode", np.array(mazes.ids, dtype=object)),
        },
        {"axis": ["y", "x"]},
        {"game": mazes.game, "objective": world.objective},
    )


def _step_reward(reward: np.ndarray) -> float:
    """Guess what a step costs: the least that any step was paid, if that is negative."""
    return float(min(reward.min(initial=0.0), 0.0))


def outcome_rates(result: xr.Dataset, confidence: float = 0.95) -> xr.Dataset:
    """Return how often each thing was reached first, with Clopper & Pearson's intervals.

    Parameters
    ----------
    result
        From `outcomes`.

    Returns
    -------
    xarray.Dataset
        ``rate``, ``rate_low``, ``rate_high`` along ``outcome``: ``door``, ``red`` (a red object of any
        kind), ``object``, ``corner``, ``none`` … (not exclusive), and ``n_episodes``.
    """
    import xarray as xr

    from interp.statistics import rate_interval

    kind, colour = result["first_kind"].values, result["first_colour"].values
    first = result["first"].values
    reached = {
        "object": kind != "none",
        **{k.name.lower(): kind == k.name.lower() for k in Kind},
        **{c.name.lower(): colour == c.name.lower() for c in Colour},
        "corner": first == "corner",
        "none": first == "none",
    }
    n = len(kind)
    counts = [int(np.asarray(mask).sum()) for mask in reached.values()]
    interval = rate_interval(counts, n, confidence)
    return xr.Dataset(
        {
            name: ("outcome", values)
            for name, values in zip(("rate", "rate_low", "rate_high"), interval, strict=True)
        }
        | {"n_episodes": n},
        {"outcome": list(reached)},
        {**result.attrs, "confidence": confidence, "intervals": "Clopper-Pearson, over episodes"},
    )
