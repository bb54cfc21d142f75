"""Is the plan that can be read better after a cycle than before it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.plans.concept_scores import check_classes_only
from analyses.reading import _counts
from analyses.thinking.cycles import Cycle, walk_of
from analyses.thinking.pacing_replaced import first_cycles
from interp.errors import InputError

if TYPE_CHECKING:
    from interp.contract import Tasks

STRETCHES = ("cycle", "no_cycle")
MOMENTS = ("before", "after")


def plan_around_cycles(
    organism: Any,
    tasks: Tasks,
    probes: xr.Dataset,
    *,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
) -> xr.Dataset:
    """Read the plan at both ends of first cycles, and of stretches without a cycle.

    Parameters
    ----------
    organism
        With ``run``, ``states`` and ``concepts``.
    probes
        What `analyses.plan_probes` returned, with 1 × 1 probes. Of each concept the site is read
        that scored best there at its last tick. Fit them on other tasks than these.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        plan_f1, _low, _high                 concept, stretch, moment: macro-F1 of what is read
                                             against what the organism goes on to do from the end of
                                             the stretch, the same label before and after
        plan_gain, _low, _high               concept, stretch: after minus before
        plan_excess, _low, _high             concept: gain over cycles minus gain without
        plan_site                            concept
        plan_n                               stretch: episodes
        ===================================  ======================================================

    Raises
    ------
    InputError
        If `probes` holds no 1 × 1 probes.
    """
    from interp.probes.metrics import classification_scores
    from interp.statistics import (
        RATE,
        difference_interval,
        leave_one_out,
        pseudo_values,
        resampled_sums,
        statistic_interval,
    )

    if "direction" not in probes or "intercept" not in probes:
        raise InputError(
            "probes need 'direction' and 'intercept': what plan_probes returns with 1 among its "
            "receptive_fields."
        )
    check_classes_only(probes, "Pacing")
    names = [str(name) for name in probes.concept.values]
    chosen = {name: _best(probes.sel(concept=name)) for name in names}
    sites = sorted({probe[0] for probe in chosen.values()})
    run = organism.run(tasks, seed=seed, sites=sites, batch_size=batch_size)
    walk = walk_of(organism, run)
    cycles = first_cycles(walk)
    without = _without(cycles, walk.end, walk.used, seed)
    stretches = {"cycle": list(cycles.values()), "no_cycle": without}

    scores = np.full((len(names), 2, 2, 3), np.nan)
    gains = np.full((len(names), 2, 3), np.nan)
    excess = np.full((len(names), 3), np.nan)
    for k, name in enumerate(names):
        site, direction, intercept, concept_classes = chosen[name]
        concept = organism.concepts[name]
        labels = _relabelled(concept, run, concept_classes)
        again = []
        negative = concept_classes.index(concept.negative) if concept.negative else 0
        for s, stretch in enumerate(STRETCHES):
            if len(stretches[stretch]) < 2:
                continue
            counts = np.stack(
                [
                    _both_ends(run[site], labels, direction, intercept, cycle)
                    for cycle in stretches[stretch]
                ]
            )
            sums = resampled_sums(leave_one_out(len(counts)), counts)
            rows = classification_scores(sums, negative)["macro_f1"]
            how = (n_bootstrap, confidence, seed)
            scores[k, s] = np.stack(statistic_interval(rows, *how, bounds=RATE), axis=-1)
            gained = rows[:, 1] - rows[:, 0]
            gains[k, s] = statistic_interval(gained, *how)
            again.append(pseudo_values(gained) - pseudo_values(gained).mean() + gained[0])
        if len(again) == 2:
            excess[k] = difference_interval(again[0], again[1], confidence)
    data: dict[str, Any] = {}
    for i, end in enumerate(("", "_low", "_high")):
        data[f"plan_f1{end}"] = (("concept", "stretch", "moment"), scores[..., i])
        data[f"plan_gain{end}"] = (("concept", "stretch"), gains[..., i])
        data[f"plan_excess{end}"] = ("concept", excess[..., i])
    data["plan_site"] = ("concept", np.array([chosen[name][0] for name in names], dtype=object))
    data["plan_n"] = ("stretch", [len(stretches[stretch]) for stretch in STRETCHES])
    return xr.Dataset(data, {"concept": names, "stretch": list(STRETCHES), "moment": list(MOMENTS)})


def _best(probes: xr.Dataset) -> tuple[str, xr.DataArray, xr.DataArray, list[str]]:
    """Return the best site's last probe: site, weights (class, channel), intercept, classes."""
    there = probes.direction.sel(source="trained").notnull()
    there = there.any(["class", "channel"])
    score = probes.macro_f1.sel(source="trained", receptive_field=1).where(there)
    at = score.where(score.tick == there.tick.where(there).max("tick")).max("tick")
    site = str(at.site.values[int(at.argmax("site"))])
    tick = int(there.tick.where(there.sel(site=site)).max())
    direction = probes.direction.sel(source="trained", site=site, tick=tick)
    direction = direction.dropna("class", how="all").dropna("channel", how="all")
    classes = [str(name) for name in direction["class"].values]
    intercept = probes.intercept.sel(source="trained", site=site, tick=tick)
    if "receptive_field" in intercept.dims:
        intercept = intercept.sel(receptive_field=1)
    return site, direction, intercept.sel({"class": direction["class"].values}), classes


def _relabelled(concept: Any, run: xr.Dataset, classes: list[str]) -> xr.DataArray:
    """Number a concept's labels as the probe's classes; −1 for those that it does not know."""
    labels = concept(run)
    number = np.full(len(concept.classes) + 1, -1, np.int64)
    for i, name in enumerate(concept.classes):
        number[i] = classes.index(name) if name in classes else -1
    return labels.copy(data=number[labels.values])


def _without(cycles: dict[int, Cycle], end: np.ndarray, used: np.ndarray, seed: int) -> list[Cycle]:
    """Choose for each cycle a stretch of the same steps in an episode that has no cycle."""
    rng = np.random.default_rng(seed)
    free = [e for e in np.flatnonzero(used) if e not in cycles]
    chosen = []
    for cycle in cycles.values():
        fits = [e for e in free if end[e] >= cycle.start + cycle.length]
        if fits:
            episode = fits[int(rng.integers(len(fits)))]
            free.remove(episode)
            chosen.append(Cycle(int(episode), cycle.start, cycle.length))
    return chosen


def _both_ends(
    site: xr.DataArray,
    labels: xr.DataArray,
    direction: xr.DataArray,
    intercept: xr.DataArray,
    cycle: Cycle,
) -> np.ndarray:
    """Count (moment, 3, class) what is read right before and after a stretch."""
    from interp.probes.decode import decode

    ends = [cycle.start, cycle.start + cycle.length]
    values = site.isel(episode=cycle.episode).sel(step=ends)
    if "tick" in values.dims:
        values = values.isel(tick=-1)
    [channel] = set(values.dims) - {"step", "y", "x"}
    read = decode(values.rename({channel: "channel"}), direction, intercept).values
    truth = labels.isel(episode=cycle.episode).sel(step=ends[1]).transpose("y", "x").values
    return _counts(read, np.stack([truth, truth]), direction.sizes["class"])
