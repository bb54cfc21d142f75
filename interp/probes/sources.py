"""What probes are fitted to: the network's sites, those of other networks, and the observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import xarray as xr

from interp.errors import InputError
from interp.probes.controls import ObservationProbe
from interp.probes.features import (
    Features,
    ObservationFeatures,
    choose_sites,
    last_observations,
    observed,
)
from interp.probes.targets import Target
from interp.probes.training import Problem

WITHOUT_FEATURES = ("majority", "shuffled")


@dataclass(frozen=True)
class Source:
    """One variable to fit probes to.

    Attributes
    ----------
    name
        ``trained``, or a control's.
    site
        Empty for a control that knows no site.
    problem
        What to predict and how.
    features
        Function that reads it: what is made for a control alone is not kept for longer.
    """

    name: str
    site: str
    problem: Problem
    features: Callable[[], Features]


def observation_probe(control: str | ObservationProbe) -> ObservationProbe | None:
    """Return the probe of the observation that a control is; None for one that is something else."""
    return control if isinstance(control, ObservationProbe) else ObservationProbe.named(control)


def name_of(control: str | ObservationProbe) -> str:
    """Return what a control is called in results."""
    return control if isinstance(control, str) else control.name


def sources_of(
    data: xr.Dataset,
    networks: Mapping[str, xr.Dataset],
    sites: Sequence[str],
    target: Target,
    problem: Problem,
    controls: Sequence[str | ObservationProbe],
    coding: ObservationFeatures | None,
) -> list[Source]:
    """Return every source with features of its own, the trained network's sites first."""
    places = target.places
    own = {site: Features.of(data[site], site, places) for site in sites}
    found = [Source("trained", site, problem, partial(_same, own[site])) for site in sites]
    for name, run in networks.items():
        check_same_run(run, data, name)
        choose_sites(run, sites, tuple(places))
        for site in sites:
            features = Features.of(run[site], site, places)
            if (features.n_ticks, features.n_channels) != (
                own[site].n_ticks,
                own[site].n_channels,
            ):
                raise InputError(
                    f"Site {site!r} is {run[site].sizes} in the run of the {name} network, "
                    f"{data[site].sizes} in the data."
                )
            found.append(Source(name, site, problem, partial(_same, features)))

    @cache
    def shown() -> xr.DataArray:
        observation = observed(data, places, coding)
        assert observation is not None  # as `fit_probes` makes sure
        return observation

    def features_of(name: str, last: int) -> Features:
        array = shown() if last == 1 else last_observations(shown(), last)
        return Features.of(array, name, places)

    for control in controls:
        probe = observation_probe(control)
        if probe is None:
            continue
        how = replace(
            problem.how,
            receptive_field=probe.side(problem.how.receptive_field, places),
            hidden=probe.hidden or problem.how.hidden,
            estimator=None if probe.hidden else problem.how.estimator,
        )
        name = name_of(control)
        read = partial(features_of, name, probe.last)
        found.append(Source(name, "", replace(problem, how=how), read))
    return found


def _same(features: Features) -> Features:
    return features


def check_same_run(run: xr.Dataset, data: xr.Dataset, name: str) -> None:
    """Raise InputError unless another network's run has the episodes and steps of the data."""
    for variable in ("length", "level_id"):
        if variable in data and (
            variable not in run or not np.array_equal(run[variable], data[variable])
        ):
            raise InputError(
                f"The {name} network's run differs from the data in {variable!r}: replay the same "
                "observations through it."
            )
    if not np.array_equal(run["step"].values, data["step"].values):
        raise InputError(f"The {name} network's run has other steps than the data.")
