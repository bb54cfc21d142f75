"""Taufeeque et al. 2025 (arXiv 2506.10138): how many steps ahead channels foretell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyses.papers.comparison import Row
from analyses.papers.drawing import DASHES, INK, caption
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.published import Published, published_in
from analyses.papers.taufeeque2024 import LIMIT
from analyses.papers.taufeeque2025 import AGENT, AGENTS, PAPER
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

HIDDEN = ("layers.*.h",)
AGENT_MOVES, BOX_MOVES = "agent_approach_direction", "box_push_direction"
GROUPS = {
    "short-term box channels": (BOX_MOVES, "short"),
    "long-term channels": (BOX_MOVES, "long"),
    "several short-term channels": (AGENT_MOVES, "short"),
}
"""Published group → concept and term of the channels of ours that stand beside it."""


def horizon(setting: Setting) -> xr.Dataset:
    """Return `plan_horizon` of the hidden state's channels."""
    from analyses.plans.plan_horizon import plan_horizon

    return plan_horizon(
        setting.organism,
        setting.tasks(),
        sites=HIDDEN,
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
        **setting.conditions.options,
    )


def compare(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the least AUC within their number of steps beside their bound.

    Ours is of the one channel of the group that is best on training levels, scored on held-out ones.
    """
    rows = []
    for row in theirs:
        concept, term = GROUPS[row.where["channels"]]
        steps = int(row.x or 1)
        words = f"best {term}-term channel of {concept}, least over 1 to {steps} steps ahead"
        cell = _best(dataset, concept, term)
        n = int(dataset.n_levels.sel(concept=concept).min())
        if cell is None or steps > int(dataset.k[-1]):
            numbers = [np.nan] * 3
            words += ": none" if cell is None else ": not scored so far ahead"
        else:
            near = cell.sel(k=slice(1, steps), source="trained")
            at = int(np.argmin(near.auc.fillna(np.inf).values))
            numbers = [100 * float(near[f"auc{end}"][at]) for end in ("", "_low", "_high")]
            words += f" ({cell.unit.item()}, at {int(near.k[at])})"
        rows.append(Row(row, "AUC", words, *numbers, n=n, unit="% AUC"))
    return rows


def _best(dataset: xr.Dataset, concept: str, term: str) -> xr.Dataset | None:
    cell = dataset.sel(concept=concept)
    chosen = ((cell.term == term) & (cell.kind == "channel")).values
    if not chosen.any():
        return None
    cell = cell.isel(unit=np.flatnonzero(chosen))
    return cell.isel(unit=int(np.argmax(cell.train_auc.mean("k").fillna(-1).values)))


def draw(dataset: xr.Dataset) -> Figure:
    """Draw AUC against steps ahead, with their bounds as strokes over the steps they hold for."""
    from analyses.plans.plan_horizon import legend_of_the_rest, plot_plan_horizon
    from interp.style import figure_style

    figure = plot_plan_horizon(dataset)
    with figure_style():
        concepts = [str(concept) for concept in dataset.concept.values]
        for order, row in enumerate(published_in(dataset)):
            concept, _ = GROUPS[row.where["channels"]]
            if concept not in concepts:
                continue
            ax = figure.axes[2 * concepts.index(concept)]
            reach = min(row.x or 1, float(dataset.k[-1]))
            words = f"published: {row.where['channels']} {row.relation} {row.value:g} %"
            ax.plot(
                [0.5, reach + 0.5],
                [row.value / 100] * 2,
                color=INK,
                linestyle=DASHES[order % len(DASHES)],
                marker="^",
                markersize=3,
                linewidth=1.2,
                label=words,
            )
        n = int(dataset.n_levels.min())
        legend_of_the_rest(figure)
        about = f"channels and probes, n = {n} held-out levels, * beats all controls"
        caption(figure, dataset, about)
    return figure


FIGURES = (
    PaperFigure(
        id="taufeeque2025-auc",
        **PAPER,
        figure="Figure 3, middle, and Section 4",
        shows="area under the ROC curve of single channels (and of linear probes) for moves so many steps "
        "ahead, beside the untrained network's best channel and another level's moves",
        claim="single channels foretell where moves will happen, better than both controls",
        agent=AGENT,
        agents=AGENTS,
        needs=Needs(("episode", "step", "tick"), HIDDEN, (AGENT_MOVES, BOX_MOVES), (Plans,)),
        theirs=Conditions(
            (TaskSet("boxoban-medium-valid", 1000, "medium-valid"),),
            max_steps=120,
            options={"horizon": 50, "short": 10},
            note=LIMIT + ". How many levels theirs are of is not stated where it was read",
        ),
        ours=Conditions(
            (TaskSet("test", 80, "generated test"),),
            options={"horizon": 50, "short": 10, "n_bootstrap": 200, "max_train_samples": 30_000},
        ),
        compute=horizon,
        compare=compare,
        draw=draw,
        cautions=(
            Caution(
                "metric",
                "Theirs are groups of channels labelled by hand, ours the one channel that is best on "
                "training levels; theirs are bounds read in the text, not the curve.",
            ),
        ),
    ),
)
