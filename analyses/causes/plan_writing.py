"""A plan, written with a probe's class directions, as interventions of a closed loop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.recordings import labels_of, recorded
from interp.errors import InputError, UnknownNameError, UnknownSiteError, check_integer

if TYPE_CHECKING:
    from interp.contract import Tasks
    from interp.interventions.applied import Intervention
    from organisms.capabilities.steering_tasks import SteeringTasks


@dataclass(frozen=True)
class Directions:
    """What to add to a site so that a probe of a concept reads a class there.

    Attributes
    ----------
    concept : str
    by_site : mapping
        Site → (class, *dims of the site that are no dims of a place), float64.
    macro_f1 : mapping
        Site → the probe's macro-F1 on held-out levels; NaN where it is not known.
    probes : xarray.Dataset
        What `interp.probes.fit_probes` returned.
    shuffled : tuple of Directions
        The same of probes of shuffled labels, if they were fitted too: controls that know the
        activations, and not the concept.
    """

    concept: str
    by_site: Mapping[str, xr.DataArray]
    macro_f1: Mapping[str, float]
    probes: xr.Dataset
    shuffled: tuple[Directions, ...] = ()

    def of(self, site: str, name: str) -> np.ndarray:
        """Return the direction of one class.

        Raises
        ------
        InputError
            If the probe has no such class: it was too rare in the episodes it was fitted on.
        """
        vectors = self.by_site[site]
        if name not in vectors["class"].values:
            raise InputError(
                f"The probe of {self.concept!r} at {site!r} has no class {name!r} "
                f"({', '.join(map(str, vectors['class'].values))}): fit it on more tasks."
            )
        return vectors.sel({"class": name}).values

    def as_long_as(self, other: Directions) -> Directions:
        """Return the same directions at the norms of others, class by class of theirs.

        Raises
        ------
        InputError
            If a class of theirs is missing here.
        """

        def scaled(site: str) -> xr.DataArray:
            wanted = other.by_site[site]
            own = np.stack([self.of(site, str(name)) for name in wanted["class"].values])
            axes = tuple(range(1, own.ndim))
            norm = np.sqrt((own**2).sum(axes, keepdims=True))
            target = np.sqrt((wanted.values**2).sum(axes, keepdims=True))
            return wanted.copy(data=own * target / np.where(norm > 0, norm, 1))

        return replace(self, by_site={site: scaled(site) for site in other.by_site})

    def random(self, seed: int, n: int) -> list[Directions]:
        """Return `n` sets of random directions of the same norms."""
        from interp.probes import random_directions

        if not n:
            return []

        drawn = {
            site: random_directions(vectors, seed=seed + number, n=n)
            for number, (site, vectors) in enumerate(self.by_site.items())
        }
        return [
            Directions(
                self.concept,
                {site: vectors.isel(draw=draw) for site, vectors in drawn.items()},
                {site: np.nan for site in drawn},
                self.probes,
            )
            for draw in range(n)
        ]


def fitted_directions(
    organism: Any,
    concept: str,
    tasks: Tasks,
    sites: Iterable[str],
    *,
    seed: int = 0,
    n_shuffled: int = 0,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
    **options: Any,
) -> Directions:
    """Fit 1 × 1 probes of a concept on the organism's own runs, at the last tick of every step.

    Parameters
    ----------
    tasks
        What the organism is recorded on.
    n_shuffled
        How many times the same is done with the labels of other levels: `Directions.shuffled`.
    **options
        Passed to `interp.probes.fit_probes`.
    """
    from interp.probes import fit_probes

    sites = list(sites)
    check_integer("n_shuffled", n_shuffled, 0)
    shared: dict[str, Any] = {"controls": ("majority",), "n_bootstrap": 0, **options}
    with recorded(
        organism, tasks, sites, untrained=None, seed=seed, folder=folder, progress=progress
    ) as recording:
        labels, kept = labels_of(recording.concept(concept), recording.run)
        run = recording.run
        last = run.isel(tick=[-1]) if "tick" in run.dims else run

        def fitted(labels: xr.DataArray, progress: bool) -> Directions:
            probes = fit_probes(
                last,
                labels,
                sites,
                classes=kept.classes,
                negative=kept.negative,
                receptive_field=1,
                steps=slice(0, None),
                seed=seed,
                progress=progress,
                **shared,
            )
            return given_directions(probes, concept, sites)

        others = tuple(
            fitted(_of_other_levels(labels, run, np.random.default_rng([seed, 23, draw])), False)
            for draw in range(n_shuffled)
        )
        return replace(fitted(labels, progress), shuffled=others)


def _of_other_levels(
    labels: xr.DataArray, run: xr.Dataset, rng: np.random.Generator
) -> xr.DataArray:
    """Give every step the whole label map of another level's."""
    from interp.probes.splits import shuffle_label_maps

    values = labels.values.reshape(*labels.shape[:2], -1)
    groups = run.level_id.values if "level_id" in run else np.arange(len(values))
    there = np.asarray((values >= 0).any(axis=2))
    moved = shuffle_label_maps(values, there, groups, rng)
    return labels.copy(data=moved.reshape(labels.shape))


def given_directions(probes: xr.Dataset, concept: str, sites: Iterable[str]) -> Directions:
    """Take the directions of probes that were fitted before, at the last tick they have.

    Raises
    ------
    InputError, UnknownSiteError
        If they are no 1 × 1 probes of classes, or lack a site.
    """
    from interp.probes import directions

    if not isinstance(probes, xr.Dataset) or "coef" not in probes:
        raise InputError("probes are what interp.probes.fit_probes returned.")
    if probes.attrs.get("receptive_field") != 1 or "class" not in probes.coef.dims:
        raise InputError("A plan is written with 1 × 1 probes of a concept that has classes.")
    by_site, scores = {}, {}
    for site in sites:
        if site not in probes.site.values:
            raise UnknownSiteError(site, [str(name) for name in probes.site.values])
        own = probes.coef.sel(source="trained", site=site)
        there = own.notnull().any([dim for dim in own.dims if dim != "tick"])
        tick = int(probes.tick.values[np.flatnonzero(there.values)[-1]])
        by_site[site] = directions(probes, site, tick)
        scores[site] = float(probes.macro_f1.sel(source="trained", site=site, tick=tick))
    return Directions(concept, by_site, scores, probes)


def written_plan(
    organism: Any,
    tasks: SteeringTasks,
    directions: Directions,
    site: str,
    alpha: float = 1.0,
    n_directional: int = 1,
    ticks: Any = None,
) -> list[Intervention]:
    """Return what writes the plan of the long way into a site, for all tasks at once.

    ``alpha`` times the direction of ``tasks.never`` is added at the places of the short way at every
    step, and at each of the first `n_directional` places of the long way the direction of its class,
    until ``tasks.until`` holds there (see `organisms.capabilities.steering_tasks.SteeringTasks`).

    Parameters
    ----------
    alpha
        1 adds the probe's weights themselves (Bush et al.'s Table 1).
    n_directional
        0 writes only "never".
    ticks
        Ticks at which it is added, as in `interp.Address`; None for all.

    Returns
    -------
    list of Intervention
        One for the short way and one for each place, each with a value for every example: no
        matter how many tasks, a tick has ``1 + n_directional`` additions.

    Raises
    ------
    UnknownSiteError, UnknownNameError, InputError
        If the site does not exist, has not the dims of a place, or a class has no direction.
    """
    from interp.interventions.address import Address
    from interp.interventions.applied import Intervention
    from interp.interventions.conditions import Condition

    dims, sizes = site_shape(organism, tasks.tasks, site, tasks.place_dims)
    address = Address(site, tick=ticks)
    vectors: dict[str, np.ndarray] = {}

    def value(n: int, entries: Iterable[tuple[int, Any, str]]) -> np.ndarray:
        """Return (example, *dims) with the direction of a class at (example, place, class)."""
        written = []
        for example, place, name in entries:
            if name not in vectors:
                vectors[name] = alpha * directions.of(site, name)
            written.append((example, place, vectors[name]))
        return over_places(n, dims, sizes, tasks.place_dims, written)

    plan = []
    barred = [(i, place, tasks.never) for i, way in enumerate(tasks.short) for place in way]
    if barred:
        plan.append(Intervention(address, "add", value(len(tasks), barred), ("example",)))
    for number in range(n_directional):
        has, places, classes = tasks.step_places(number)
        if not len(has):
            break
        until = Condition.until(
            tasks.until, each=dict(zip(tasks.place_dims, places.T, strict=True))
        )
        entries = zip(range(len(has)), places, classes, strict=True)
        examples = tuple(map(int, has))
        plan.append(
            Intervention(
                address,
                "add",
                value(len(has), entries),
                ("example",),
                examples=examples,
                when=(until,),
            )
        )
    return plan


def site_shape(
    organism: Any, tasks: Tasks, site: str, place_dims: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the dims of a site (without tick) and their sizes, on the first of some tasks.

    Raises
    ------
    UnknownNameError
        If the site has not the dims of a place.
    """
    from interp.runs.episodes import run_variables

    variable = run_variables(organism, tasks[0:1], [site])[site]
    sizes = {
        dim: size
        for dim, size in zip(variable.dims[2:], variable.shape, strict=True)
        if dim != "tick"
    }
    missing = [dim for dim in place_dims if dim not in sizes]
    if missing:
        raise UnknownNameError(f"dim of {site!r}", missing[0], sizes)
    return tuple(sizes), sizes


def over_places(
    n: int,
    dims: tuple[str, ...],
    sizes: Mapping[str, int],
    place_dims: Sequence[str],
    entries: Iterable[tuple[int, Any, np.ndarray]],
) -> np.ndarray:
    """Return (example, *dims) float32 zeros, with vectors at (example, place)."""
    rest = [dim for dim in dims if dim not in place_dims]
    order = [*place_dims, *rest]
    out = np.zeros((n, *(sizes[dim] for dim in order)), np.float32)
    for example, place, vector in entries:
        out[(example, *map(int, place))] = np.reshape(vector, [sizes[dim] for dim in rest])
    return np.transpose(out, [0, *(1 + order.index(dim) for dim in dims)])
