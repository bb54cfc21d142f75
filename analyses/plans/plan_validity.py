"""Is the plan that can be read one that could be carried out, and does it become one with thought?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, PlaceDims
from analyses.plans.decoded_plans import DecodedPlans, each_plan
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, INTERVALS, Resampling, add_verdict, statistic_variables
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks
    from organisms.capabilities.plans import Plans

QUALITIES = ("connected", "valid", "reaches", "solves")
"""The measures of which more is better."""


@question(
    "Is the plan that can be read one that could be carried out?",
    needs=(PlaceDims(), Ability(Plans, unless="plans")),
)
def plan_validity(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    plans: Plans | None = None,
    thinking_steps: int = 5,
    sites: str | Iterable[str] | None = None,
    receptive_field: int = 1,
    test_fraction: float = 0.5,
    untrained: Any = "auto",
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Follow the decoded plan at every tick before the first action, and carry it out in a simulator.

    Probes are fitted on training levels, at the last tick of the steps in which the organism acts, and
    read the held-out levels at every tick up to the first action. The family follows each decoded map
    from where things stand at the start: how long is the plan, does it hang together, could it be
    carried out, and would it solve the task? What the organism goes on to do is not asked.

    Parameters
    ----------
    source, tasks, thinking_steps, sites, receptive_field, test_fraction, untrained, folder
        As in `analyses.plans.plan_formation.plan_formation`.
    concepts
        Names among ``organism[Plans].concepts``, or concepts of your own that `plans` knows; default all
        the family has.
    plans
        How maps are followed; default the family's (``organism[Plans]``).
    seed
        Of recording, split, sample, shuffling, bootstrap and the untrained weights.
    **options
        Passed to `interp.probes.fit_probes`.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        quality, _low, _high                 concept, source, site, deliberation, measure: mean over
                                             levels of each of `organisms.capabilities.plans.MEASURES`
        ideal, _low, _high                   concept, measure: the same of the true labels at step 0,
                                             followed in the same way: what a perfect probe would get
        margin, margin_low, margin_high      concept, site, measure: trained minus the best control
                                             (chosen anew in each resample) at the last tick, paired
        growth, growth_low, growth_high      concept, source, site, measure: last tick minus first
        excess, excess_low, excess_high      concept, site, measure: trained network's growth minus
                                             the untrained one's (its own, where there is none)
        p_value, p_holm                      concept, site, measure: of margin ≤ 0
        found, found_measure                 concept; concept, measure: margin > 0 at some site,
                                             Holm-corrected over site and measure
        growth_p_value, growth_p_holm,       the same of margin ≤ 0 or growth ≤ 0 or excess ≤ 0: a
        growth_found                         valid plan that forms
        n_levels                             concept
        ===================================  ======================================================

        Sources: trained, untrained (probes of its own), shuffled (probes of the trained network
        fitted to other levels' labels), observation (one channel per colour). A plan that marks
        nothing has the quality 0. ``deliberation`` as in `plan_formation`.

    Raises
    ------
    InputError
        If the run has no thinking steps, or its family says nothing of plans.
    TooFewClassesError
        If fewer than two classes of a concept occur; see `analyses.recordings.labels_of`.

    Notes
    -----
    A short plan is easily valid: read ``valid`` beside ``length``, and which measures were found.
    Maps hold one direction per square, so that a plan that comes by twice cannot be written in them:
    compare with ``ideal``, not with 1. Intervals are over test levels for one set of probes.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421), plan quality by tick (chain length, chains that end on a
    target); Bush et al. 2025 (arXiv 2504.01871), Fig. 6.
    """

    def measure(run: xr.Dataset, reader: Plans, decoded: DecodedPlans) -> xr.Dataset:
        first = run.observation.sel(step=0, drop=True).isel(episode=decoded.episodes).load()
        name = decoded.concept.name
        maps = np.moveaxis(decoded.maps, 2, 0)  # (episode, source, site, deliberation, y, x)
        measured = _with_zeros(reader.assess(first, name, maps))
        ideal = _with_zeros(reader.assess(first, name, np.maximum(decoded.labels, 0)))
        return _score(decoded, measured, ideal, n_bootstrap, confidence, seed)

    dataset = each_plan(
        "plan_validity",
        measure,
        source,
        tasks,
        concepts,
        sites,
        plans,
        thinking_steps=thinking_steps,
        untrained=untrained,
        folder=folder,
        seed=seed,
        progress=progress,
        receptive_field=receptive_field,
        test_fraction=test_fraction,
        **options,
    )
    dataset.attrs |= {
        "receptive_field": receptive_field,
        "confidence": confidence,
        "intervals": INTERVALS.format("test levels", n_bootstrap),
        "probes": "fitted on training levels at the last tick of steps ≥ 0",
        "seed": seed,
    }
    over = ("site", "measure")
    good = dataset[[name for name in dataset if "measure" in dataset[name].dims]]
    good = good.sel(measure=list(QUALITIES)).assign_attrs(dataset.attrs)
    grown = good.assign(trained_growth=good.growth.sel(source="trained"))
    for end in ("_low", "_high", "_p"):
        grown["trained_growth" + end] = good["growth" + end].sel(source="trained")
    good = add_verdict(good, "margin", over)
    grown = add_verdict(grown, "margin", over, and_also=("trained_growth", "excess"))
    for name in ("p_value", "p_holm", "found"):
        dataset[name] = good[name]
        dataset["growth_" + name] = grown[name]
    dataset["found_measure"] = (dataset.p_holm < ALPHA).any("site")
    return dataset


def _with_zeros(measured: dict[str, np.ndarray]) -> xr.DataArray:
    """Return (episode, …, measure); what marks nothing has the quality 0, unless none could have any."""
    arrays = []
    for values in measured.values():
        none = np.isnan(values).all()
        arrays.append(values if none else np.nan_to_num(values))
    stacked = np.stack(arrays, axis=-1)
    dims = ("episode", "source", "site", "deliberation")[: stacked.ndim - 1]
    return xr.DataArray(stacked, dims=(*dims, "measure"), coords={"measure": list(measured)})


def _score(
    decoded: Any,
    measured: xr.DataArray,
    ideal: xr.DataArray,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    from interp.statistics import DIFFERENCE, RATE, leave_one_out, resampled_sums

    levels, unit = np.unique(decoded.groups, return_inverse=True)
    counts = np.bincount(unit).astype(float)
    weights = leave_one_out(len(levels))
    total = weights @ counts
    how = Resampling(n_bootstrap, confidence, seed)
    data: dict[str, Any] = {"n_levels": len(levels)}

    def means(values: np.ndarray) -> np.ndarray:
        """Return the mean over episodes, and with every level left out."""
        sums = np.zeros((len(levels), *values.shape[1:]))
        np.add.at(sums, unit, values)
        with np.errstate(divide="ignore", invalid="ignore"):
            return resampled_sums(weights, sums) / total.reshape(-1, *[1] * (values.ndim - 1))

    def add(
        name: str, dims: tuple[str, ...], rows: np.ndarray, bounds: Any, **options: Any
    ) -> None:
        """Add a statistic, measure by measure: all but the length are shares, which have bounds."""
        parts = [
            statistic_variables(
                name,
                dims,
                rows[..., m],
                how,
                bounds=bounds if each in QUALITIES else None,
                **options,
            )
            for m, each in enumerate(measured.measure.values)
        ]
        for key, (_, _, *attrs) in parts[0].items():
            whole = np.stack([part[key][1] for part in parts], axis=-1)
            data[key] = ((*dims, "measure"), whole, *attrs)

    mean = means(measured.values)
    add("quality", ("source", "site", "deliberation"), mean, RATE)
    add("ideal", (), means(ideal.values), RATE)
    final = mean[:, :, :, -1]  # (row, source, site, measure)
    over_each = final[:, :1] - final[:, 1:]
    add("margin", ("site",), over_each, DIFFERENCE, tested=True, least_over=0)
    grown = final - mean[:, :, :, 0]
    add("growth", ("source", "site"), grown, DIFFERENCE, tested=True)
    other = decoded.sources.index("untrained") if "untrained" in decoded.sources else None
    excess = grown[:, 0] - (0.0 if other is None else grown[:, other])
    add("excess", ("site",), excess, DIFFERENCE, tested=True)
    coords = {
        "source": decoded.sources,
        "site": decoded.sites,
        "deliberation": np.arange(len(decoded.step)),
        "measure": measured.measure.values,
    }
    return xr.Dataset(data, coords, {"confidence": confidence})


LABELS = {
    "length": "plan length (squares)",
    "connected": "squares connected (%)",
    "valid": "valid plans (%)",
    "reaches": "goals reached (%)",
    "solves": "plans that solve (%)",
}


@answer_plot
def plot_plan_validity(
    dataset: xr.Dataset,
    site: str | None = None,
    measures: Sequence[str] = ("length", "valid", "solves"),
) -> Figure:
    """Draw measures of the decoded plan against deliberation, at one site (default: the best)."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    if site is None:
        site = best_site(dataset)
    concepts = list(dataset.concept.values)
    n_ticks = int(dataset.tick.max()) + 1
    with figure_style():
        figure, axes = subplots(
            len(concepts),
            len(measures),
            width="text",
            height=0.9 + 2.0 * len(concepts),
            squeeze=False,
            sharex=True,
        )
        for row, concept in enumerate(concepts):
            for column, measure in enumerate(measures):
                ax = axes[row, column]
                factor = 1.0 if measure == "length" else 100.0
                cell = dataset.sel(concept=concept, measure=measure)
                for source in dataset.source.values:
                    line = factor * cell.sel(site=site, source=source)
                    line_with_interval(
                        ax,
                        dataset.deliberation,
                        line.quality,
                        line.quality_low,
                        line.quality_high,
                        str(source),
                        source=str(source),
                        markersize=2.5,
                    )
                ax.axhline(
                    factor * float(cell.ideal),
                    color="0.4",
                    linewidth=0.9,
                    linestyle=(0, (5, 2)),
                    label="true labels",
                )
                for first in range(n_ticks, dataset.sizes["deliberation"], n_ticks):
                    ax.axvline(first - 0.5, color="0.88", linewidth=0.7, zorder=0)
                ax.set_ylim(bottom=0)
                letter = "abcdefghijkl"[row * len(measures) + column]
                ax.set_title(f"{letter}   {str(concept).replace('_', ' ')}", loc="left")
                ax.set_ylabel(LABELS.get(measure, measure))
                if row == len(concepts) - 1:
                    ax.set_xlabel("internal tick before the first move")
        n, share = int(dataset.n_levels.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}, {site}: decoded plans, n = {n} held-out levels, "
            f"bands {share:.0f} %"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=5)
    return figure


def best_site(dataset: xr.Dataset, measure: str = "solves") -> str:
    """Return the site whose final plans are best, averaged over concepts."""
    final = dataset.quality.sel(source="trained", measure=measure).isel(deliberation=-1)
    return str(dataset.site.values[int(final.mean("concept").argmax("site"))])
