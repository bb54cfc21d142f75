"""Taufeeque et al. 2024 (arXiv 2407.15421): cycles, and the quality of the decoded plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.papers.comparison import Row
from analyses.papers.drawing import caption, published_line
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.published import Published, published_in
from analyses.papers.taufeeque2024 import AGENT, DRC33, LIMIT, MEDIUM, PAPER
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

OWN = TaskSet("test", 140, "generated test")


def cycles(setting: Setting) -> xr.Dataset:
    """Return `pacing`, with an interval around the share of early cycles that thinking removes."""
    import numpy as np
    import xarray as xr

    from analyses.thinking.pacing import pacing
    from interp.statistics import ratio_interval

    dataset = pacing(
        setting.organism,
        setting.tasks(),
        setting.conditions.thinking_steps,
        seed=setting.seed,
        progress=setting.progress,
        **setting.conditions.options,
    )
    mine = dataset.sel(source="trained")
    counts, used = mine.early_cycles.values, mine.used.values.astype(bool)
    ends = np.full((2, len(counts)), np.nan)
    for t in range(1, len(counts)):
        both = used[0] & used[t]
        before, now = counts[0, both], counts[t, both]
        if before.sum():
            share = ratio_interval(
                before - now, before, 2000, dataset.attrs["confidence"], setting.seed
            )
            ends[:, t] = share.low, share.high
    return dataset.assign(
        removed=("thinking", mine.reduction_share.values),
        removed_low=xr.DataArray(ends[0], dims="thinking"),
        removed_high=xr.DataArray(ends[1], dims="thinking"),
    )


def compare_cycles(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the share of early cycles that thinking removes beside theirs."""
    pairs = dataset.n_pairs.sel(source="trained")
    return [
        Row(
            theirs[0] if theirs else None,
            "early cycles that thinking before the first action removes",
            f"cycles before step {dataset.attrs['early']}, {t} thinking steps",
            *(
                100 * float(dataset[f"removed{end}"].sel(thinking=t))
                for end in ("", "_low", "_high")
            ),
            n=int(pairs.sel(thinking=t)),
            unit="%",
        )
        for t in dataset.thinking.values[dataset.thinking.values > 0]
    ]


def draw_cycles(dataset: xr.Dataset) -> Figure:
    """Draw where cycles begin, how many thinking leaves and removes, what follows a replaced one."""
    from analyses.thinking.pacing import plot_pacing
    from interp.style import figure_style, label_panel, legend_outside, line_with_interval

    figure = plot_pacing(dataset)
    with figure_style():
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, 1.75 * height)
        ax = _fourth_panel(figure)
        later = dataset.sel(thinking=dataset.thinking > 0)
        line_with_interval(
            ax,
            later.thinking,
            100 * later.removed,
            100 * later.removed_low,
            100 * later.removed_high,
            "trained",
            source="trained",
        )
        rows = published_in(dataset)
        for row in rows:
            words = f"published, {row.verification}; thinking steps not stated"
            ax.axhline(row.value, color="0.35", linestyle="--", linewidth=1, label=words)
        ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        ax.set(xlabel="thinking steps before the first move", ylabel="early cycles removed (%)")
        ax.set_xticks(dataset.thinking.values)
        ax.set_ylim(top=112)
        label_panel(ax, "d")
        ax.set_xlim(0, dataset.thinking.values[-1] + 0.5)
        for legend in figure.legends:
            legend.remove()
        legend_outside(figure, figure.axes[1:], loc="outside lower center", ncols=3)
        n = dataset.attrs["n_episodes"]
        caption(figure, dataset, f"cycles, n = {n} episodes")
    return figure


def _fourth_panel(figure: Figure):
    """Put three panels into the upper row of a grid and return a wide one below them."""
    grid = figure.add_gridspec(2, 3)
    for i, ax in enumerate(figure.axes[:3]):
        ax.set_subplotspec(grid[0, i])
    return figure.add_subplot(grid[1, :])


def quality(setting: Setting) -> xr.Dataset:
    """Return `plan_validity` of the recurrent state."""
    from analyses.plans.plan_validity import plan_validity

    return plan_validity(
        setting.organism,
        setting.tasks(),
        thinking_steps=max(setting.conditions.thinking_steps),
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
        **setting.conditions.options,
    )


def compare_quality(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Return our qualities at the first and the last tick: no number of theirs could be read."""
    from analyses.plans.plan_validity import best_site

    site = best_site(dataset)
    rows = []
    for concept in dataset.concept.values:
        for measure in dataset.measure.values:
            for at, words in ((0, "first"), (-1, "last")):
                cell = dataset.sel(concept=concept, site=site, source="trained", measure=measure)
                cell = cell.isel(deliberation=at)
                factor, unit = (1, "squares") if measure == "length" else (100, "%")
                numbers = [factor * float(cell[f"quality{end}"]) for end in ("", "_low", "_high")]
                n = int(dataset.n_levels.sel(concept=concept))
                name = f"{concept}, {site}, {words} tick"
                rows.append(Row(None, f"plan quality: {measure}", name, *numbers, n=n, unit=unit))
    return rows


def draw_quality(dataset: xr.Dataset) -> Figure:
    """Draw the decoded plan's length, validity and what it solves against internal ticks."""
    from analyses.plans.plan_validity import best_site, plot_plan_validity

    figure = plot_plan_validity(dataset)
    figure.set_size_inches(6.8, 2 + 2 * dataset.sizes["concept"])
    for row in published_in(dataset):
        published_line(figure.axes[0], [row], row.cell)
    n = int(dataset.n_levels.min())
    caption(figure, dataset, f"decoded plans, {best_site(dataset)}, n = {n} held-out levels")
    return figure


FIGURES = (
    PaperFigure(
        id="taufeeque2024-cycles",
        **PAPER,
        figure="cycles at the start of an episode",
        shows="where cycles begin, how many are left after thinking steps and which share that removes, "
        "and whether thinking in place of a cycle leads on as the cycle did",
        claim="early cycles win time to think: thinking removes them, and thinking replaces them",
        agent=AGENT,
        agents=DRC33,
        needs=Needs(capabilities=(Milestones,)),
        theirs=Conditions(
            (MEDIUM,), max_steps=120, thinking_steps=(0, 2, 4, 6, 8, 12, 16), note=LIMIT
        ),
        ours=Conditions((OWN,), thinking_steps=(0, 2, 4, 8)),
        compute=cycles,
        compare=compare_cycles,
        draw=draw_cycles,
        cautions=(
            Caution(
                "protocol",
                "How many thinking steps their number belongs to, and on which levels, is not stated "
                "where it was read.",
            ),
        ),
    ),
    PaperFigure(
        id="taufeeque2024-plan-quality",
        **PAPER,
        figure="plan quality against ticks of thinking",
        shows="length of the decoded plan, share that could be carried out and share that solves the "
        "level, against internal ticks, with all controls and with the true labels",
        claim="the decoded plan is a valid one, more than a control's",
        agent=AGENT,
        agents=DRC33,
        needs=Needs(("episode", "step", "tick"), capabilities=(Plans,)),
        theirs=Conditions(
            (TaskSet("boxoban-medium-valid", 1000, "medium-valid"),),
            max_steps=120,
            thinking_steps=(6,),
            note=LIMIT,
        ),
        ours=Conditions((OWN,), thinking_steps=(6,), options={"max_train_samples": 30_000}),
        compute=quality,
        compare=compare_quality,
        draw=draw_quality,
        cautions=(
            Caution("published", "None of their numbers could be read: ours stand alone."),
            Caution(
                "metric",
                "Theirs are the length of chains of decoded directions and the share that end on a "
                "target; ours are carried out in a simulator.",
            ),
        ),
    ),
)
