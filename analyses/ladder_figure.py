"""A panel that draws the observation's probes, one below the other, beside the network's best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rungs_of(dataset: xr.Dataset) -> list[str]:
    """Return the sources of a Dataset that are probes of the observation, as they come."""
    from interp.probes import ObservationProbe

    return [str(s) for s in dataset.source.values if ObservationProbe.named(str(s)) is not None]


def strongest_rung(dataset: xr.Dataset, metric: str) -> xr.Dataset:
    """Return the scores of all sources but the weaker rungs: the strongest is called ``observation``.

    Parameters
    ----------
    dataset
        Of one concept and receptive field. Its rungs have the same score at every site.
    """
    rungs = rungs_of(dataset)
    if not rungs:
        return dataset
    scores = dataset[metric].sel(source=rungs)
    over = [dim for dim in scores.dims if dim != "source"]
    best = rungs[int(scores.fillna(-np.inf).max(over).argmax("source"))]
    every = [str(s) for s in dataset.source.values]
    kept = [best if name == rungs[0] else name for name in every if name not in rungs[1:]]
    names = ["observation" if name == best else name for name in kept]
    return dataset.sel(source=kept).assign_coords(source=names)


def draw_ladder(ax: Axes, dataset: xr.Dataset, metric: str) -> None:
    """Draw the rungs' scores, and as lines the best score of the network's probes of each field.

    Parameters
    ----------
    dataset
        Of one concept, at each site's last tick: from `analyses.plans.plan_probes.last_tick`.
    """
    from interp.style import GREEN, SOURCE_COLOURS

    rungs = rungs_of(dataset)
    at = dataset.isel(receptive_field=0).sel(source=rungs)
    ends = [at[f"{metric}{end}"].max("site").values for end in ("", "_low", "_high")]
    there = ~np.isnan(ends[0])
    places = np.arange(int(there.sum()))[::-1]
    value, low, high = (end[there] for end in ends)
    ax.errorbar(
        value,
        places,
        xerr=np.abs(np.stack([value - low, high - value])),
        fmt="o",
        color=GREEN,
        markersize=3,
    )
    fields = zip(dataset.receptive_field.values, ("-", "--", ":", "-."), strict=False)
    for number, (field, style) in enumerate(fields):
        best = float(dataset[metric].sel(source="trained", receptive_field=field).max())
        ax.axvline(best, color=SOURCE_COLOURS["trained"], linestyle=style, linewidth=1, marker="")
        ax.annotate(
            f"{field}×{field}",
            (best, 1),
            xycoords=("data", "axes fraction"),
            xytext=(1, -7 * (1 + number)),  # one below the other, where lines are close
            textcoords="offset points",
            fontsize="x-small",
            color=SOURCE_COLOURS["trained"],
        )
    ax.set_yticks(places, [rung for rung, shown in zip(rungs, there, strict=True) if shown])
    ax.tick_params(axis="y", labelsize="x-small")
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.6, len(places) - 0.4)
