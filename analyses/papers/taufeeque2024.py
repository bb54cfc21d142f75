"""Taufeeque et al. 2024, "Planning in a recurrent neural network that plays Sokoban"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.papers.comparison import Row
from analyses.papers.drawing import (
    beside,
    caption,
    over_training,
    published_line,
    steps_axis,
    with_ends,
)
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.guez2019 import nearest_step, row_in_training
from analyses.papers.history import training_history
from analyses.papers.published import Published, choose, published_in

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PAPER: dict[str, Any] = {"paper": "Taufeeque et al. 2024", "reference": "arXiv 2407.15421"}
AGENT = "DRC(3,3), DRC(1,1) and ResNet agents trained by IMPALA for 2.0·10⁹ steps (released)"
DRC33 = tuple(
    f"far-drc33-{run}" for run in ("bkynosqi", "gobfm3wm", "jl6bq8ih", "q4mjldyy", "qqp0kn15")
)
AGENTS = (*DRC33, "far-drc11-eue6pax7", "far-resnet-syb50iz7")
NETWORKS = {"drc33": "DRC(3,3)", "drc11": "DRC(1,1)", "resnet": "ResNet"}
UNFILTERED = TaskSet("boxoban-unfiltered-test", 1000, "unfiltered-test")
MEDIUM = TaskSet("boxoban-medium-valid", 50_000, "medium-valid")
HARD = TaskSet("boxoban-hard", 3332, "hard")
GENERATED = TaskSet("test", 200, "generated test")
CURVE = (0, 2, 4, 8, 12, 16)
TIMES = (0, 1, 2, 4, 6, 8, 10, 12, 16)
LIMIT = "Step limit 120, inferred from the returns in their files"


def their_network(name: str) -> str:
    """Return which of their three networks an organism is to be compared with."""
    return next((network for key, network in NETWORKS.items() if key in name), "DRC(3,3)")


def by_set(setting: Setting) -> xr.Dataset:
    """Return success against thinking steps on every set, with the untrained control."""
    import xarray as xr

    from analyses.thinking.thinking_time import thinking_time

    labels, results, n = [], [], []
    for task_set in setting.conditions.tasks:
        tasks = setting.tasks(task_set)
        result = thinking_time(
            setting.organism,
            tasks,
            setting.conditions.thinking_steps,
            seed=setting.seed,
            progress=setting.progress,
        )
        attrs = result.attrs
        results.append(result.drop_dims("episode"))
        labels.append(task_set.label or task_set.split)
        n.append(len(tasks))
    dataset: Any = xr.concat(results, xr.DataArray(labels, dims="set", name="set"))
    dataset.attrs = {key: value for key, value in attrs.items() if key != "n_episodes"}
    dataset.found.attrs = results[0].found.attrs
    return dataset.assign(n=("set", n))


def compare_sets(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the rate at every thinking time beside the published one of the same kind of network."""
    network = their_network(dataset.attrs["organism"])
    rows = []
    for label in dataset.set.values:
        # A set that they have no numbers for stands beside their easiest one, and says so.
        same = bool(choose(theirs, set=label))
        other = Caution("level set", f"Theirs is of unfiltered-test, ours of {label}.")
        for t in dataset.thinking.values:
            cell = dataset.sel(source="trained", set=label, thinking=t)
            numbers = [100 * float(cell[f"solve_rate{end}"]) for end in ("", "_low", "_high")]
            wanted = str(label) if same else "unfiltered-test"
            near = choose(theirs, network=network, set=wanted, thinking=t)
            row = near[0] if near else None
            if row is not None and row.unit == "fraction":
                row = row.scaled(100, "%")
            rows.append(
                Row(
                    row,
                    "solve rate",
                    f"{label}, {t} thinking steps",
                    *numbers,
                    n=int(cell.n),
                    unit="%",
                    cautions=() if same else (other,),
                )
            )
    return rows


FAR_BELOW = 30
"""Points below all else at which a control is written out: drawn, it would flatten the others."""


def draw_sets(dataset: xr.Dataset) -> Figure:
    """Draw success against thinking steps, a panel for each of our sets, theirs in grey."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    theirs = [r.scaled(100, "%") if r.unit == "fraction" else r for r in published_in(dataset)]
    labels = list(dataset.set.values)
    with figure_style():
        figure, axes = subplots(1, len(labels), height=3.3, squeeze=False)
        for ax, label in zip(axes[0], labels, strict=True):
            same = choose(theirs, set=label)
            shown = str(label) if same else "unfiltered-test"
            for order, network in enumerate(NETWORKS.values()):
                rows = choose(theirs, network=network, set=shown)
                published_line(ax, rows, network if same else f"{network}, {shown}", order)
            drawn = [row.value for row in choose(theirs, set=shown)]
            drawn += [row.low for row in choose(theirs, set=shown) if row.low is not None]
            below = ""
            for source in dataset.source.values:  # the trained one first
                cell = dataset.sel(set=label, source=source).dropna(
                    "thinking", subset=["solve_rate"]
                )
                rate, low, high = with_ends(cell, "solve_rate", 100)
                if source != "trained" and len(high) and high.max() < min(drawn) - FAR_BELOW:
                    below += f"\n{source} (not drawn): at most {rate.max():.0f} %"
                    continue
                drawn += [*low]
                line_with_interval(
                    ax, cell.thinking, rate, low, high, f"ours, {source}", source=str(source)
                )
            ax.set_title(f"{label}, n = {int(dataset.n.sel(set=label)):,}{below}", loc="left")
            ax.set_xlabel("thinking steps")
            ax.set_ylim(max(min(drawn, default=0) - 3, -2) if below else -2, 102)
        axes[0, 0].set_ylabel("levels solved (%)")
        caption(figure, dataset, "success against thinking steps")
        legend_outside(figure, list(axes[0]), loc="outside lower center", ncols=3)
    return figure


def compare_top(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put every checkpoint beside the published rate nearest in environment steps."""
    network = their_network(dataset.attrs["organism"])
    rows = []
    for label in dataset.set.values:
        for step in dataset.checkpoint.values:
            for t in dataset.thinking.values:
                cell = dataset.sel(set=label, checkpoint=step, thinking=t)
                near = nearest_step(choose(theirs, network=network, thinking=t), float(step))
                words = f"{label}, {step:,} environment steps, {t} thinking steps"
                rows.append(row_in_training(near, cell, "solve_rate", "solve rate", words, "%"))
    return rows


def draw_top(dataset: xr.Dataset) -> Figure:
    """Draw success over training, a line for each number of thinking steps."""
    from interp.style import colours, figure_style, legend_outside, subplots

    theirs = [row.scaled(100, "%") for row in published_in(dataset)]
    labels = list(dataset.set.values)
    palette = colours(list(dataset.thinking.values), "tick")
    with figure_style():
        figure, axes = subplots(1, len(labels), width="text", height=3.4, squeeze=False)
        for ax, label in zip(axes[0], labels, strict=True):
            for order, (network, t) in enumerate((("DRC(3,3)", 0), ("DRC(3,3)", 6), ("ResNet", 0))):
                rows = choose(theirs, network=network, thinking=t)
                published_line(ax, rows, f"{network}, medium-valid, thinking {t}", order)
            for i, (t, colour) in enumerate(palette.items()):
                cell = dataset.sel(set=label, thinking=t)
                over_training(
                    ax,
                    beside(cell.checkpoint, i),
                    *with_ends(cell, "solve_rate", 100),
                    f"ours, thinking {t}",
                    color=colour,
                )
            ax.set_title(f"{label}, n = {int(dataset.n.sel(set=label)):,}", loc="left")
            steps_axis(ax)
        axes[0, 0].set_ylabel("levels solved (%)")
        caption(figure, dataset, "success over training, thinking times side by side")
        legend_outside(figure, list(axes[0]), loc="outside lower center", ncols=3)
    return figure


def compare_bottom(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the planning effect of every checkpoint beside the published one nearest in steps."""
    network = their_network(dataset.attrs["organism"])
    rows = []
    for label in dataset.set.values:
        for step in dataset.checkpoint.values:
            cell = dataset.sel(set=label, checkpoint=step)
            same = choose(theirs, network=network, set=label)
            near = nearest_step(same or choose(theirs, network=network), float(step))
            quantity = "planning effect (largest minus smallest solve rate)"
            words = f"{label}, {step:,} environment steps"
            rows.append(row_in_training(near, cell, "effect", quantity, words, "percentage points"))
    return rows


def draw_bottom(dataset: xr.Dataset) -> Figure:
    """Draw the planning effect over training, and the paired gain beside it."""
    from interp.style import figure_style, legend_outside, subplots

    theirs = [row.scaled(100, "percentage points") for row in published_in(dataset)]
    longest = dataset.thinking.values[-1]
    with figure_style():
        figure, axes = subplots(1, 2, width="text", height=3.3, sharey=True)
        for order, (network, label) in enumerate(
            (n, s) for n in ("DRC(3,3)", "DRC(1,1)") for s in ("medium-valid", "hard")
        ):
            rows = choose(theirs, network=network, set=label)
            published_line(axes[0], rows, f"{network}, {label}", order)
        flat = choose(theirs, network="ResNet", set="hard")
        published_line(axes[0], flat, "ResNet, both sets (0 throughout)", 3, marker="x")
        for ax, name, at in ((axes[0], "effect", {}), (axes[1], "gain", {"thinking": longest})):
            for label in dataset.set.values:
                cell = dataset.sel(set=label, **at)
                over_training(
                    ax,
                    cell.checkpoint,
                    *with_ends(cell, name, 100),
                    f"ours, {label}, n = {int(cell.n):,}",
                )
            steps_axis(ax)
            ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes[0].set_ylabel("percentage points")
        axes[0].set_title("a   largest − smallest over thinking", loc="left")
        axes[1].set_title(f"b   gain of {longest} thinking steps", loc="left")
        caption(figure, dataset, "what thinking buys over training")
        legend_outside(figure, list(axes), loc="outside lower center", ncols=2)
    return figure


NOISE = Caution(
    "metric",
    "Largest minus smallest over thinking times is never negative and above zero by chance alone, the "
    "more so the fewer levels: read panel b, the paired gain, where levels are few.",
    blocking=False,
)
CLAIM = "thinking before the first move raises the share of levels solved"

FIGURES = (
    PaperFigure(
        id="taufeeque2024-fig1-top",
        **PAPER,
        figure="Figure 1, top",
        shows="levels solved against environment steps, a line for each number of thinking steps; "
        "published DRC(3,3) at 0 and 6 thinking steps and ResNet",
        claim=CLAIM,
        agent=AGENT,
        agents=AGENTS,
        training_seeds=5,
        needs=Needs(history=True),
        theirs=Conditions(
            (MEDIUM,),
            max_steps=120,
            thinking_steps=(0, 2, 4, 6, 8, 12, 16),
            options={"final_step": 2_002_944_000},
            note=LIMIT,
        ),
        ours=Conditions((GENERATED,), thinking_steps=(0, 2, 4, 6, 8, 12, 16)),
        compute=training_history,
        compare=compare_top,
        draw=draw_top,
    ),
    PaperFigure(
        id="taufeeque2024-fig1-bottom",
        **PAPER,
        figure="Figure 1, bottom",
        shows="planning effect (largest minus smallest solve rate over 0 to 16 thinking steps) against "
        "environment steps, and the paired gain, which can be negative",
        claim=CLAIM,
        agent=AGENT,
        agents=AGENTS,
        training_seeds=5,
        needs=Needs(history=True),
        theirs=Conditions(
            (MEDIUM, HARD),
            max_steps=120,
            thinking_steps=CURVE,
            options={"final_step": 2_002_944_000},
            note=LIMIT,
        ),
        ours=Conditions((GENERATED,), thinking_steps=CURVE),
        compute=training_history,
        compare=compare_bottom,
        draw=draw_bottom,
        cautions=(NOISE,),
    ),
    PaperFigure(
        id="taufeeque2024-thinking-steps",
        **PAPER,
        figure="success against thinking steps",
        shows="levels solved against thinking steps: DRC(3,3), DRC(1,1) and ResNet as published (mean, "
        "smallest and largest of their seeds) beside the organism and its untrained network",
        claim=CLAIM,
        agent=AGENT,
        agents=AGENTS,
        training_seeds=5,
        needs=Needs(),
        theirs=Conditions(
            (UNFILTERED, MEDIUM, HARD), max_steps=120, thinking_steps=TIMES, note=LIMIT
        ),
        ours=Conditions((GENERATED,), thinking_steps=TIMES),
        compute=by_set,
        compare=compare_sets,
        draw=draw_sets,
    ),
)
