"""In which order does the plan come to be readable: onward from where things are, or back from goals?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, PlaceDims
from analyses.plans.decoded_plans import DecodedPlans, each_plan
from analyses.plans.path_orders import ORDERS, held_out, orders, shares
from analyses.question import answer_plot, question
from analyses.verdict import INTERVALS, add_verdict
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks
    from organisms.capabilities.plans import Plans


@question(
    "In which order does the plan come to be readable?",
    needs=(PlaceDims(), Ability(Plans, unless="plans")),
)
def plan_growth(
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
    n_permutations: int = 500,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Relate when each square of the executed path is decoded to where on the path it lies.

    Probes are fitted and read as in `plan_validity`. A square of the path that the organism went on to
    take is *decoded* from the first tick on at which the probe reads the right class and keeps reading
    it up to the first action. Two squares of one path that are both decoded in the end are in order if
    the one nearer to the source (where the thing stands) is decoded first. The measure is the rank
    correlation of path position and time: pairs in order minus pairs in the opposite order, over all
    pairs (Kendall's tau-a, ties in time counting as neither). Squares that are never decoded have no
    time: that what is near can be read, and what is far cannot, is no growth.

    ``forward``: pairs in the half of the path nearer the source. ``backward``: pairs in the half nearer
    the goal, in the order from the goal, for paths that end on a goal. ``net``: all pairs of the path,
    forward. A plan that grows from both ends to the middle has the first two above zero and a net
    order of about 0.

    Parameters
    ----------
    source, tasks, concepts, plans, thinking_steps, sites, receptive_field, test_fraction
        As in `analyses.plans.plan_validity.plan_validity`.
    untrained, seed, folder, **options
        Likewise.
    n_permutations
        Of the times within a path, for the null.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        order, order_low, order_high         concept, source, site, direction; −1 … 1,
                                             NaN without two decoded squares on a path
        null_low, null_high                  the same: interval under permuted times
        excess, excess_low, excess_high      concept, site, direction: trained minus untrained,
                                             paired (the order itself, where there is none)
        p_value, p_holm                      concept, site, direction: the largest of three: of the
                                             permutations; of the sign of each level's order (exact
                                             or sampled sign flips: neighbouring squares are alike, so
                                             that permutations alone are too sure); of excess ≤ 0
        found                                concept, direction: order > 0 at some site
        share_decoded, _low, _high           concept, source, site, deliberation, place: share of the
                                             path's squares that are decoded by then
        n_levels                             concept
        n_pairs                              concept, source, site, direction: of decoded squares
        ===================================  ======================================================

        ``place`` is the part of the path, 0 at the source … 1 at the goal.

    Raises
    ------
    InputError
        If the run has no thinking steps, or its family says nothing of plans.

    Notes
    -----
    A square that an untrained network's probes read first near the source, too, says nothing of a
    plan: information spreads by convolution alone. Hence the excess. The probe is that of the
    last tick; a state that charges up delays all squares alike.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Figs. 5 to 7 and App. A.2 (forward, backward, in parallel),
    shown there on examples.
    """

    def measure(run: xr.Dataset, reader: Plans, decoded: DecodedPlans) -> xr.Dataset:
        paths = held_out(reader.paths(run, decoded.concept.name), decoded.episodes)
        result = orders(decoded, paths, n_permutations, n_bootstrap, confidence, seed)
        return result.merge(shares(decoded, paths, n_bootstrap, confidence, seed))

    dataset = each_plan(
        "plan_growth",
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
        shuffled=False,
        observation=False,
        receptive_field=receptive_field,
        test_fraction=test_fraction,
        **options,
    )
    dataset.attrs |= {
        "confidence": confidence,
        "intervals": INTERVALS.format("test levels", n_bootstrap),
        "n_permutations": n_permutations,
        "seed": seed,
    }
    p = dataset.p_value.assign_attrs(
        definition="largest of: permuted times, sign flips of levels, excess ≤ 0; one-sided"
    )
    return add_verdict(dataset.drop_vars("p_value"), "order", ("site",), p=p)


@answer_plot
def plot_plan_growth(dataset: xr.Dataset, site: str | None = None) -> Figure:
    """Draw how much of each part of the path is decoded at every tick, and the orders beside it."""
    from interp.style import bars_with_intervals, colours, figure_style, legend_outside, subplots

    if site is None:
        last = dataset.share_decoded.sel(source="trained").isel(deliberation=-1)
        site = str(dataset.site.values[int(last.mean(["concept", "place"]).argmax("site"))])
    concepts, sources = list(dataset.concept.values), [str(s) for s in dataset.source.values]
    with figure_style():
        figure, axes = subplots(
            len(concepts), 2, width="text", height=1.1 + 1.9 * len(concepts), squeeze=False
        )
        for row, concept in enumerate(concepts):
            cell = dataset.sel(concept=concept, site=site)
            words = str(concept).replace("_", " ")
            ax = axes[row, 0]
            at = np.unique(np.linspace(0, dataset.sizes["deliberation"] - 1, 5).astype(int))
            palette = colours(at.tolist(), "tick")
            for tick in at.tolist():
                line = 100 * cell.sel(source="trained").isel(deliberation=tick)
                label = f"step {int(cell.step[tick])}, tick {int(cell.tick[tick])}"
                ax.plot(cell.place, line.share_decoded, color=palette[tick], label=label)
                ax.fill_between(
                    cell.place,
                    line.share_decoded_low,
                    line.share_decoded_high,
                    color=palette[tick],
                    alpha=0.15,
                    linewidth=0,
                )
            ax.set_xticks([0, 0.5, 1], ["source", "middle", "goal"])
            ax.set_ylim(bottom=0)
            ax.set_ylabel("squares decoded (%)")
            ax.set_title(f"{'abcdefgh'[2 * row]}   {words}, trained", loc="left")
            ax = axes[row, 1]
            bars_with_intervals(
                ax,
                cell.order.transpose("source", "direction"),
                cell.order_low.transpose("source", "direction"),
                cell.order_high.transpose("source", "direction"),
                categories=list(ORDERS),
                series=sources,
            )
            width = 0.8 / len(sources)
            for i, source in enumerate(sources):
                null = cell.sel(source=source)
                x = np.arange(len(ORDERS)) + (i - (len(sources) - 1) / 2) * width
                ax.errorbar(
                    x + 0.3 * width,
                    (null.null_low + null.null_high) / 2,
                    (null.null_high - null.null_low) / 2,
                    fmt="none",
                    ecolor="0.55",
                    elinewidth=2.5,
                    label="permuted times" if not i else None,
                )
            ax.axhline(0, color="0.4", linewidth=0.8)
            ax.set_ylabel("order of decoding (tau)")
            ax.set_title(f"{'abcdefgh'[2 * row + 1]}   {words}", loc="left")
        legend_outside(figure, axes, loc="outside lower center", ncols=4)
        n, share = int(dataset.n_levels.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}, {site}: when the taken path is decoded\n"
            f"n = {n} held-out levels, bands {share:.0f} %"
        )
    return figure
