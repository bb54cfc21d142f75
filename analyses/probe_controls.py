"""The controls that a claim about a site needs, by what of the observation the site sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from interp.errors import InputError

if TYPE_CHECKING:
    from analyses.recordings import Recorded


def what_sites_see(recording: Recorded, sites: str | Iterable[str] | None) -> xr.Dataset | None:
    """Return `interp.runs.receptive_fields` of the sites that are probed; None without a network."""
    from interp.probes.features import choose_sites
    from interp.runs.receptive_fields import receptive_fields

    organism, run = recording.organism, recording.run
    if organism is None or not any(str(name).startswith("observation") for name in run):
        return None
    try:
        names = choose_sites(run, sites if sites is None or isinstance(sites, str) else [*sites])
        return receptive_fields(organism.network, run, names)
    except (
        InputError
    ):  # sites that are no sites of the network, or a run too short to be shown again
        return None


def controls_of(run: xr.Dataset, labels: xr.DataArray, sees: xr.Dataset | None) -> tuple[str, ...]:
    """Return the names of all controls of a concept (`interp.probes.fit_probes`).

    Parameters
    ----------
    run
        Without an observation there is no ladder.
    labels
        The concept's: their dims beyond episode and step are its places.
    sees
        From `what_sites_see`; None stands for a state that may remember anything.
    """
    if not any(str(name).startswith("observation") for name in run):
        return ("majority", "shuffled")
    places = {str(d): labels.sizes[d] for d in labels.dims if d not in ("episode", "step")}
    if {"y", "x"} == set(places):
        places = {"y": places["y"], "x": places["x"]}
    return ("majority", "shuffled", *ladder_for(places, sees))


def ladder_for(places: dict[str, int], sees: xr.Dataset | None) -> tuple[str, ...]:
    """Return `interp.probes.ladder` for sites that see so much, which adds their own fields."""
    from interp.probes import ladder

    if sees is None:
        return ladder(places)
    fields = sees.field.values
    own = {int(field) for field in fields[np.isfinite(fields)] if field > 0}
    return ladder(places, bool((sees.memory > 1).any()), more_fields=own)


def add_what_sites_see(dataset: xr.Dataset, sees: xr.Dataset | None) -> xr.Dataset:
    """Add ``sees_field`` and ``sees_steps`` (site, tick), and in words what a margin shows."""
    if sees is None:
        nothing = xr.full_like(dataset.margin.isel(concept=0, receptive_field=0, metric=0), np.nan)
        field = steps = nothing.reset_coords(drop=True)
    else:
        cells = {"site": dataset.site.values, "tick": dataset.tick.values}
        field = sees.field.reindex(cells)
        steps = sees.memory.astype(float).reindex(cells)
    dataset["sees_field"] = field.assign_attrs(
        definition="side of the square of observation that the site sees; infinite: the whole board"
    )
    dataset["sees_steps"] = steps.assign_attrs(definition="observations that it sees, at most 4")
    dataset.attrs["probes_show"] = probes_show(field.values, sees is not None)
    return dataset


def probes_show(fields: np.ndarray, known: bool) -> str:
    """Return in words what a margin over the ladder shows of sites that see such fields."""
    if not known:
        return (
            "What the sites see of the observation is not known (the network is not at hand): a margin is "
            "over the controls named, and a site that sees more than they do may hold what they cannot."
        )
    if np.isinf(fields).any():
        return (
            "Some sites see the whole board, over several steps; no probe here can compute all that a "
            "network can compute of it. A margin shows that a site holds the answer in a form that is "
            "easier to read than from the observation. It does not show that the answer was found by "
            "planning, nor that it is used: for that there are interventions."
        )
    if not np.isfinite(fields).any():
        return (
            "The controls see the last observations, up to four: a state that remembers more may hold what "
            "they cannot. A margin shows that a site holds the answer in a form that is easier to read than "
            "from those; whether it is used, interventions show."
        )
    return (
        "All sites see a part of the board that some control sees as well. A margin shows that they hold "
        "the answer in a form that is easier to read than from the observation; whether it is used, "
        "interventions show."
    )
