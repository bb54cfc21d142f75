"""Guez et al. 2019, "An investigation of model-free planning" (arXiv 1901.03559)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.papers.comparison import Row
from analyses.papers.drawing import (
    caption,
    over_training,
    percent,
    published_line,
    steps_axis,
    with_ends,
)
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.history import NO_HISTORY, training_history
from analyses.papers.published import Published, choose, published_in

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PAPER: dict[str, Any] = {"paper": "Guez et al. 2019", "reference": "arXiv 1901.03559"}
AGENT = "a DRC(3,3) trained by IMPALA with no-op as a fifth action, not released"
ACTIONS = Caution("protocol", "Their world has a fifth action (no-op) that ours has not.")


def learning_curve(setting: Setting) -> xr.Dataset:
    """Return the solve rate over training, with the log of training where there is one."""
    return training_history(setting, with_log=True)


def compare_learning(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put every checkpoint beside the published rates nearest in environment steps."""
    rows = []
    label = str(dataset.set.values[0])
    cell = dataset.isel(set=0).sel(thinking=0)
    for step in dataset.checkpoint.values:
        ours = cell.sel(checkpoint=step)
        for paper in ("Guez 2019", "Taufeeque 2024"):
            near = nearest_step(choose(theirs, network="DRC(3,3)", paper=paper), float(step))
            words = f"{label}, after {step:,} environment steps"
            rows.append(row_in_training(near, ours, "solve_rate", "solve rate", words, "%"))
    return rows


def nearest_step(rows: list[Published], step: float) -> Published | None:
    """Return the row at most a fifth away in environment steps, the nearest; None if none is."""
    near = [row for row in rows if row.x is not None and abs(row.x - step) <= 0.2 * step]
    return min(near, key=lambda row: abs((row.x or 0.0) - step), default=None)


def row_in_training(
    near: Published | None, cell: xr.Dataset, name: str, quantity: str, words: str, unit: str
) -> Row:
    """Put a share of ours at one checkpoint, in hundredths, beside the published one, if any is near."""
    return Row(
        None if near is None else near.scaled(100, unit),
        quantity,
        words,
        *(100 * float(cell[name + end]) for end in ("", "_low", "_high")),
        n=int(cell.n),
        unit=unit,
        cautions=() if near is not None else (NO_HISTORY,),
    )


def draw_learning(dataset: xr.Dataset) -> Figure:
    """Draw the published curves and ours against environment steps."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    theirs = [row.scaled(100, "%") for row in published_in(dataset)]
    with figure_style():
        figure, ax = subplots(width="text", height=3.4)
        for order, network in enumerate(("DRC(3,3)", "DRC(1,1)", "ResNet")):
            for paper, ink in (("Guez 2019", "0.2"), ("Taufeeque 2024", "0.6")):
                # The digitised curve of DRC(3,3) starts at 10 % at 0 frames: an error of reading.
                rows = [r for r in choose(theirs, network=network, paper=paper) if r.x]
                published_line(ax, rows, f"{network}, {paper}", order, color=ink, marker="")
        if "log_step" in dataset.dims:
            line_with_interval(
                ax,
                dataset.log_step,
                percent(dataset.log_rate),
                percent(dataset.log_low),
                percent(dataset.log_high),
                "ours, training episodes, on their own levels (log)",
                marker="",
                linewidth=0.8,
                color="#56B4E9",
            )
        for name in dataset.set.values:
            cell = dataset.sel(set=name, thinking=0)
            over_training(
                ax,
                cell.checkpoint,
                *with_ends(cell, "solve_rate", 100),
                f"ours, {name}, n = {int(cell.n)}",
            )
        ax.set(ylabel="levels solved (%)", ylim=(-2, 102))
        steps_axis(ax)
        caption(figure, dataset, "levels solved over training")
        legend_outside(figure, [ax], loc="outside lower center", ncols=2)
    return figure


def thinking(setting: Setting) -> xr.Dataset:
    """Return success against thinking steps, with the untrained control."""
    from analyses.thinking.thinking_time import thinking_time

    return thinking_time(
        setting.organism,
        setting.tasks(),
        setting.conditions.thinking_steps,
        seed=setting.seed,
        progress=setting.progress,
    )


def compare_thinking(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the gain at their number of thinking steps beside the one they report."""
    rows = []
    for t in dataset.thinking.values[dataset.thinking.values > 0]:
        cell = dataset.sel(source="trained", thinking=t)
        numbers = [100 * float(cell[f"gain{end}"]) for end in ("", "_low", "_high")]
        row = next((r for r in theirs if r.x == t), None)
        words = f"{t} thinking steps over none"
        n = dataset.sizes["episode"]
        rows.append(Row(row, "gain in solve rate", words, *numbers, n=n, unit="percentage points"))
    return rows


def draw_thinking(dataset: xr.Dataset) -> Figure:
    """Draw rate and gain against thinking steps, with the published gain."""
    from analyses.thinking.thinking_time import plot_thinking_time
    from interp.style import figure_style, legend_outside

    figure = plot_thinking_time(dataset)
    with figure_style():
        published_line(figure.axes[1], published_in(dataset), "DRC(3,3), set not stated", order=0)
        for legend in figure.legends:
            legend.remove()
        legend_outside(figure, figure.axes, loc="outside lower center", ncols=3)
        caption(figure, dataset, f"n = {dataset.sizes['episode']} levels")
    return figure


FIGURES = (
    PaperFigure(
        id="guez2019-learning-curve",
        **PAPER,
        figure="learning curves on unfiltered levels",
        shows="levels solved against environment steps: the published curves of three networks (Guez "
        "et al., and the replication by Taufeeque et al.) beside the organism's log and checkpoints",
        agent=AGENT,
        needs=Needs(history=True),
        theirs=Conditions(
            (TaskSet("boxoban-unfiltered-test", None, "unfiltered test"),),
            max_steps=120,
            options={"final_step": 2_002_944_000},
            note="A released checkpoint has no log: it is one point, at the end of its training",
        ),
        ours=Conditions((TaskSet("test", 200, "generated test"),)),
        compute=learning_curve,
        compare=compare_learning,
        draw=draw_learning,
        cautions=(
            ACTIONS,
            Caution(
                "training",
                "An environment step is one move in all of them, but the curves are of agents trained "
                "by reward; the card says how ours was trained.",
                blocking=False,
            ),
        ),
    ),
    PaperFigure(
        id="guez2019-thinking-time",
        **PAPER,
        figure="thinking time",
        shows="levels solved, and the paired gain over acting at once, against thinking steps; the "
        "published gain at ten",
        claim="thinking before the first move raises the share of levels solved",
        agent=AGENT,
        needs=Needs(),
        theirs=Conditions(
            (TaskSet("boxoban-medium-valid", 1000, "medium valid"),),
            max_steps=120,
            thinking_steps=(0, 1, 2, 4, 6, 8, 10),
            note="Which set theirs was measured on is not stated where it was read",
        ),
        ours=Conditions(
            (TaskSet("test", 200, "generated test"),), thinking_steps=(0, 1, 2, 4, 6, 8, 10)
        ),
        compute=thinking,
        compare=compare_thinking,
        draw=draw_thinking,
        cautions=(
            ACTIONS,
            Caution("level set", "The level set of their number is not stated where it was read."),
        ),
    ),
)
