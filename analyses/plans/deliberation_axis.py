"""A run whose deliberation lies along layers, gradient steps or depth, laid out along ``tick``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from analyses.question import CannotAsk
from interp.contract import Deliberation
from interp.network.site_names import select_sites


def by_ticks(deliberation: Deliberation | None) -> bool:
    """Whether the organism deliberates along ticks, or along nothing but its steps."""
    return deliberation is None or deliberation.dim == "tick"


def axis_sites(deliberation: Deliberation | None, sites: str | Iterable[str] | None) -> Any:
    """Return the sites to record: those that the axis is made of, where it is made of sites."""
    if deliberation is None or deliberation.dim is not None:
        return sites
    return list(deliberation.sites) if sites is None else sites


def along_ticks(
    run: xr.Dataset, deliberation: Deliberation | None, sites: str | Iterable[str] | None = None
) -> xr.Dataset:
    """Return a run with the axis of deliberation as its dim ``tick``.

    Parameters
    ----------
    run
        With dims ``episode, step``.
    deliberation
        Of its organism. Where its positions are sites of their own (layers), these become one site
        that is called like the axis, in the order in which they fire.
    sites
        Those that take part, names or globs; default all that were recorded.

    Raises
    ------
    CannotAsk
        If fewer than two of the sites were recorded, or they do not have one shape.
    """
    if deliberation is None or deliberation.dim == "tick":
        return run
    if deliberation.dim is not None:
        return run.rename({deliberation.dim: "tick"}) if deliberation.dim in run.dims else run
    there = [site for site in deliberation.sites if site in run]
    chosen = (
        select_sites([sites] if isinstance(sites, str) else list(sites), there) if sites else there
    )
    chosen = [site for site in there if site in chosen]
    if len(chosen) < 2:
        raise CannotAsk(
            f"of its {deliberation.name}s, {chosen or 'none'} were recorded: along two or more "
            "something could form"
        )
    if len({(run[site].dims, run[site].shape) for site in chosen}) > 1:
        shapes = ", ".join(f"{site} {run[site].shape[2:]}" for site in chosen)
        raise CannotAsk(f"its {deliberation.name}s do not have one shape ({shapes})")
    axis = xr.concat([run[site] for site in chosen], "tick")
    axis = axis.transpose("episode", "step", "tick", ...).assign_coords(tick=np.arange(len(chosen)))
    return run.drop_vars(there).assign({deliberation.name: axis})
