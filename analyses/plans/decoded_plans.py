"""Label maps that probes read at every tick before the first action, beside those of the controls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.question import CannotAsk
from analyses.recordings import (
    Recorded,
    concept_list,
    concept_name,
    labels_of,
    left_out,
    recorded,
)
from interp.errors import InputError
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    from interp.concepts import Concept
    from interp.contract import Tasks

BLOCK = 64
"""Episodes read at a time."""

OBSERVED = "seen"
"""What the observation is called as a site: by its own name it is none."""


@dataclass(frozen=True)
class DecodedPlans:
    """What probes of one concept read on held-out levels, tick by tick.

    Attributes
    ----------
    concept
        All its classes, also those that no probe was fitted to.
    maps : numpy.ndarray
        (source, site, episode, deliberation, y, x) int8, classes of `concept`.
    labels : numpy.ndarray
        (episode, y, x) int8, at step 0; −1 where there is none.
    sources, sites
        Names. The observation is read once and repeated for all sites and ticks.
    episodes : numpy.ndarray
        Positions of the held-out episodes in the run.
    groups : numpy.ndarray
        (episode,) the level of each.
    step, tick : numpy.ndarray
        (deliberation,) labels.
    """

    concept: Concept
    asked: Concept
    maps: np.ndarray
    labels: np.ndarray
    sources: list[str]
    sites: list[str]
    episodes: np.ndarray
    groups: np.ndarray
    step: np.ndarray
    tick: np.ndarray


def plans_of(source: Any, given: Any = None) -> Plans:
    """Return how label maps are followed as plans: `given`, the organism's, or its family's.

    Parameters
    ----------
    source
        An organism, or a run that names its family.

    Raises
    ------
    InputError
        If neither knows.
    """
    if given is not None:
        return given
    if not isinstance(source, xr.Dataset):
        return source[Plans]
    from organisms.registry import families

    family = source.attrs.get("family")
    known = next((known for known in families() if known.name == family), None)
    if known is None or Plans not in known:
        raise InputError(
            f"The run is of the family {family!r}, which says nothing of plans; pass `plans`."
        )
    return known[Plans]


def check_thinking(run: xr.Dataset) -> None:
    """Raise InputError unless the run has thinking steps."""
    if int(run.step.values[0]) >= 0:
        raise InputError(
            "The run has no thinking steps (its first step is 0): record it with thinking_steps > 0."
        )


def each_plan(
    analysis: str,
    measure: Callable[[xr.Dataset, Plans, DecodedPlans], xr.Dataset],
    /,
    source: Any,
    tasks: Tasks | None,
    concepts: str | Concept | Sequence[str | Concept] | None,
    sites: str | Iterable[str] | None,
    plans: Plans | None,
    *,
    thinking_steps: int,
    untrained: Any,
    folder: str | os.PathLike | None,
    seed: int,
    progress: bool,
    **options: Any,
) -> xr.Dataset:
    """Record if need be, decode the plan of every concept, and put what `measure` makes of each together.

    Parameters
    ----------
    analysis
        Name that goes into the attributes.
    measure
        (run, how plans are followed, what was decoded) → a Dataset with the dim ``deliberation``.
    source, tasks, concepts, sites, plans, thinking_steps, untrained, folder, seed, progress
        As in `analyses.plans.plan_validity.plan_validity`.
    **options
        Passed to `decode_plans`.

    Returns
    -------
    xarray.Dataset
        Along ``concept``, with the coordinates ``step`` and ``tick`` of every deliberation tick.

    Raises
    ------
    InputError
        If the run has no thinking steps, or its family says nothing of plans.
    """
    with recorded(
        source,
        tasks,
        sites,
        thinking_steps=thinking_steps,
        untrained=untrained,
        seed=seed,
        folder=folder,
        progress=progress,
    ) as recording:
        run = recording.run
        check_thinking(run)
        reader = plans_of(source if hasattr(source, "plans") else run, plans)
        asked = plan_concepts(concepts, reader)
        names = [concept_name(concept) for concept in asked]
        results, both = [], []
        for given in asked:
            decoded = decode_plans(recording, given, sites, seed=seed, progress=progress, **options)
            both.append((decoded.concept, decoded.asked))
            results.append(
                measure(run, reader, decoded).assign_coords(
                    step=("deliberation", decoded.step), tick=("deliberation", decoded.tick)
                )
            )
    dataset = xr.concat(
        results, xr.DataArray(names, dims="concept"), combine_attrs="drop_conflicts"
    ).assign_coords(concept=names)
    dataset.attrs |= {
        "analysis": analysis,
        "organism": recording.name,
        "classes_left_out": left_out(both),
        "thinking_steps": -int(run.step.values[0]),
    }
    return dataset


def decode_plans(
    recording: Recorded,
    given: str | Concept,
    sites: str | Iterable[str] | None = None,
    *,
    shuffled: bool = True,
    observation: bool = True,
    receptive_field: int = 1,
    test_fraction: float = 0.5,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> DecodedPlans:
    """Fit probes on training levels at the last tick; read held-out levels at every tick up to step 0.

    Parameters
    ----------
    shuffled, observation
        Whether to read with probes fitted to other levels' labels, and from the observation (one
        channel per colour) as well.
    **options
        Passed to `interp.probes.fit_probes`.

    Raises
    ------
    CannotAsk
        If the concept does not label squares with classes.
    TooFewClassesError
        See `analyses.recordings.labels_of`.
    """
    from interp.probes import fit_probes, one_hot_observation
    from interp.probes.features import choose_sites

    run = recording.run
    chosen = choose_sites(run, sites, ("y", "x"))
    whole = recording.concept(given)
    labels, concept = labels_of(whole, run)
    if concept.classes is None or not {"y", "x"} <= set(labels.dims):
        found = "numbers" if concept.classes is None else f"the dims {labels.dims}"
        raise CannotAsk(
            f"its concept {concept.name!r} does not label squares (y, x) with classes, which a plan on a "
            f"board is decoded from; it has {found}"
        )
    assert whole.classes is not None
    shared: dict[str, Any] = {
        "classes": concept.classes,
        "negative": concept.negative,
        "receptive_field": receptive_field,
        "steps": slice(0, None),
        "n_bootstrap": 0,
        "seed": seed,
        "progress": progress,
        **options,
    }
    players = {"trained": run}
    if recording.untrained is not None:
        players["untrained"] = recording.untrained
    fitted = fit_probes(
        at_last_tick(run),
        labels,
        chosen,
        test_fraction=test_fraction,
        controls=("shuffled",) if shuffled else (),
        untrained=None if recording.untrained is None else at_last_tick(recording.untrained),
        **shared,
    )
    if shuffled:
        players["shuffled"] = run
    step, tick = deliberation(run)
    test = np.flatnonzero(np.isin(run.level_id.values, fitted.test_group.values))
    back = np.array([whole.classes.index(name) for name in concept.classes], np.int8)
    maps = {
        player: np.stack([_read(data, fitted, player, site, test, step, tick) for site in chosen])
        for player, data in players.items()
    }
    if observation and "observation" in run:
        keep = run[["length", "level_id"]]
        seen = {OBSERVED: _in_channels(one_hot_observation(run.observation)).astype(np.float32)}
        shown = keep.assign(seen)
        split = (fitted.train_group.values, fitted.test_group.values)
        watched = fit_probes(shown, labels, [OBSERVED], split=split, controls=(), **shared)
        once = _read(shown, watched, "trained", OBSERVED, test, np.array([0]), np.array([0]))
        maps["observation"] = np.broadcast_to(
            once, (len(chosen), *once.shape[:1], len(step), *once.shape[2:])
        )
    truth = whole(run) if whole is not concept else labels
    truth = truth.sel(step=0).isel(episode=test).transpose("episode", "y", "x").values
    return DecodedPlans(
        concept=whole,
        asked=concept,
        maps=back[np.stack(list(maps.values()))],
        labels=truth.astype(np.int8),
        sources=list(maps),
        sites=chosen,
        episodes=test,
        groups=run.level_id.values[test],
        step=step,
        tick=tick,
    )


def _in_channels(observation: xr.DataArray) -> xr.DataArray:
    """Return what is seen of each square along one dim: planes that are coded number by number have two."""
    own = [dim for dim in observation.dims if dim not in ("episode", "step", "y", "x")]
    if len(own) < 2:
        return observation
    return observation.stack(channel=own, create_index=False)


def at_last_tick(run: xr.Dataset) -> xr.Dataset:
    """Keep the last tick of the ticking sites (as a dim of length 1)."""
    return run.isel(tick=[-1]) if "tick" in run.dims else run


def deliberation(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return step and tick of every point up to the first action."""
    steps = [int(s) for s in run.step.values if s <= 0]
    ticks = [int(t) for t in run.tick.values] if "tick" in run.dims else [0]
    pairs = np.array([(s, t) for s in steps for t in ticks])
    return pairs[:, 0], pairs[:, 1]


def _read(
    run: xr.Dataset,
    fitted: xr.Dataset,
    player: str,
    site: str,
    episodes: np.ndarray,
    steps: np.ndarray,
    ticks: np.ndarray,
) -> np.ndarray:
    """Return the classes (episode, deliberation, y, x) that one site's probe reads."""
    from interp.probes.decode import decode

    mine = fitted.sel(source=player, site=site)
    there = np.flatnonzero(mine.intercept.notnull().all("class"))
    probe = mine.isel(tick=there[0])
    sizes = run[site].sizes
    out = np.empty((len(episodes), len(steps), sizes["y"], sizes["x"]), np.int8)
    for start in range(0, len(episodes), BLOCK):
        block = slice(start, start + BLOCK)
        values = run[site].sel(step=slice(steps[0], steps[-1])).isel(episode=episodes[block]).load()
        [channel] = set(values.dims) - {"episode", "step", "tick", "y", "x"}
        weights = probe.coef.isel(channel=slice(values.sizes[channel]))
        for at, (step, tick) in enumerate(zip(steps, ticks, strict=True)):
            now = values.sel(step=step)
            if "tick" in now.dims:
                now = now.sel(tick=tick) if "tick" in now.coords else now.isel(tick=tick)
            read = decode(now.rename({channel: "channel"}), weights, probe.intercept)
            out[block, at] = read.transpose("episode", "y", "x").values
    return out


def plan_concepts(
    concepts: str | Concept | Sequence[str | Concept] | None, plans: Plans
) -> list[str | Concept]:
    """Return the concepts asked for, by default all that the family's plans are written in."""
    return concept_list(list(plans.concepts) if concepts is None else concepts)
