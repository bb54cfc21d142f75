"""Taufeeque et al. 2025 (arXiv 2506.10138), Tables 2 and 3: what is written, and what is ablated."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.papers.comparison import Row
from analyses.papers.drawing import caption, published_marks
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.published import Published, published_in
from analyses.papers.taufeeque2024 import HARD, LIMIT
from analyses.papers.taufeeque2025 import AGENT, AGENTS, PAPER
from analyses.papers.taufeeque2025_horizon import AGENT_MOVES, BOX_MOVES, HIDDEN
from organisms.capabilities.plans import Plans
from organisms.capabilities.steering import Steering

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SETS = {
    "Path channels (n=59)": "path",
    "Non-path channels (n=37)": "non_path",
    "Random path subset (n=37)": "path_matched",
}
"""Their sets of channels → ours."""
ABLATION = "single_step"


def ablation(setting: Setting) -> xr.Dataset:
    """Return `channel_ablation` of the path channels, labelled on other levels.

    For the paper's own agent they are those of its Table 7; otherwise those that `plan_horizon` finds
    on the second set of tasks. If it finds none (or nothing else), the half of the channels that
    foretell most takes their place, and the attribute ``chosen`` says so.
    """
    from analyses.causes.channel_ablation import channel_ablation

    options = dict(setting.conditions.options)
    finding = {"horizon": options.pop("horizon")} if "horizon" in options else {}
    if setting.organism.name in AGENTS:
        channels, chosen = _table_7(), "the paper's Table 7"
    else:
        channels, chosen = _labelled(setting, finding)
    dataset = channel_ablation(
        setting.organism,
        setting.tasks(),
        channels,
        seed=setting.seed,
        progress=setting.progress,
        **options,
    )
    return dataset.assign_attrs(chosen=chosen, verdict_note=f"Path channels: {chosen}")


def _table_7() -> dict[str, list[int]]:
    from organisms.assets import data_file

    path = data_file("papers/taufeeque2025-path-channels.json")
    return json.loads(path.read_text(encoding="utf-8"))["channels"]


def _labelled(setting: Setting, options: dict[str, Any]) -> tuple[dict[str, list[int]], str]:
    from analyses.plans.plan_horizon import path_channels, plan_horizon

    labels = plan_horizon(
        setting.organism,
        setting.tasks(setting.conditions.tasks[-1]),
        sites=HIDDEN,
        probes=False,
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
        **options,
    )
    found = path_channels(labels)
    n = sum(map(len, found.values()))
    total = len(np.unique(labels.unit.values))
    if 0 < n < total:
        return found, f"{n} of {total} that beat all controls in plan_horizon"
    margin = labels.margin.max("concept").fillna(-np.inf)
    best: dict[str, list[int]] = {}
    for at in np.argsort(-margin.values)[: total // 2]:
        best.setdefault(str(labels.site.values[at]), []).append(int(labels.channel.values[at]))
    return best, f"{n} of {total} channels beat all controls: the half with the largest margin"


def compare_ablation(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the drops of the three sets under the single-step cache beside theirs."""
    rows = []
    chosen = dataset.attrs["chosen"]
    other = Caution(
        "protocol", f"Which channels are path channels was decided otherwise: {chosen}."
    )
    cautions = () if "Table 7" in chosen else (other,)
    for row in theirs:
        name = SETS[row.where["channels"]]
        cell = dataset.sel(operation=ABLATION, set=name)
        numbers = [100 * float(cell[f"solve_drop{end}"]) for end in ("", "_low", "_high")]
        words = f"{name}, {int(cell.n_channels)} channels, single-step cache"
        n = int(dataset.attrs["n_episodes"])
        rows.append(
            Row(row, "drop in solve rate", words, *numbers, n=n, unit="%", cautions=cautions)
        )
    return rows


def draw_ablation(dataset: xr.Dataset) -> Figure:
    """Draw the drop for every set and ablation, with theirs over the single-step cache."""
    from analyses.causes.channel_ablation import plot_channel_ablation
    from interp.style import figure_style, legend_outside

    figure = plot_channel_ablation(dataset)
    with figure_style():
        names = [str(name) for name in dataset.set.values]
        width = 0.8 / len(names)
        first = list(dataset.operation.values).index(ABLATION)
        rows = published_in(dataset)
        at = [
            first + (names.index(SETS[r.where["channels"]]) - (len(names) - 1) / 2) * width
            for r in rows
        ]
        published_marks(figure.axes[0], rows, at, "path 59, non-path 37, 37 of path", width)
        for legend in figure.legends:
            legend.remove()
        legend_outside(figure, figure.axes, loc="outside lower center", ncols=3)
        about = (
            f"path channels: {dataset.attrs['chosen']}; n = {dataset.attrs['n_episodes']} levels"
        )
        caption(figure, dataset, about)
    return figure


def rewriting(setting: Setting) -> xr.Dataset:
    """Return `causal_intervention_score`, probes fitted on the second set of tasks."""
    from analyses.causes.causal_intervention import causal_intervention_score
    from interp.statistics import FEWEST_CONTROLS

    options = dict(setting.conditions.options)
    options["n_random"] = max(FEWEST_CONTROLS, options["n_random"])  # theirs are too few for a rank
    return causal_intervention_score(
        setting.organism,
        setting.tasks(),
        train_tasks=setting.tasks(setting.conditions.tasks[-1]),
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
        **options,
    )


SHORT = {
    "Pooled Next Action (PNA)": "PNA",
    "Grid Next Action (GNA)": "GNA",
    "Box- and agent-movement": "box + agent",
    "Box-movement": "box",
    "Agent-movement": "agent",
    "Probe: box movement": "box probe",
    "Probe: agent movement": "agent probe",
}
"""What they write to → its name in the figure: groups of channels, and probes."""

NO_GROUPS = Caution(
    "protocol", "Theirs is written to groups of channels labelled by hand; ours writes with probes."
)
OTHER_PROBE = Caution("metric", "Ours is of the agent's own moves, written with that probe.")


def compare_rewriting(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put our score beside the probe of the same concept; channel groups have no counterpart."""
    sites = " or ".join(dict.fromkeys(map(str, dataset.chosen_site.values)))
    n = int(dataset.n_rewrites)
    nan = float("nan")
    mine = {AGENT_MOVES: "Probe: agent movement", BOX_MOVES: "Probe: box movement"}
    rows = []
    for row in theirs:
        what = row.where["what"]
        if what == mine.get(dataset.attrs["concept"]):
            numbers = [100 * float(dataset[f"written{end}"]) for end in ("", "_low", "_high")]
            words = f"{dataset.attrs['concept']} rewritten at {sites}, chosen on other episodes"
            rows.append(Row(row, "causal-intervention score", words, *numbers, n=n, unit="%"))
            continue
        why = OTHER_PROBE if what.startswith("Probe") else NO_GROUPS
        given = Row(
            row, "causal-intervention score", f"{what}: not made here", nan, nan, nan, 0, "%"
        )
        rows.append(dataclasses.replace(given, cautions=(why,)))
    draws = 100 * dataset.control_draw.values
    numbers = [float(draws.mean()), float(draws.min()), float(draws.max())]
    words = f"random directions of the same norms, mean and range of {len(draws)} draws"
    rows.append(Row(None, "causal-intervention score", words, *numbers, n=n, unit="%"))
    return rows


def draw_rewriting(dataset: xr.Dataset) -> Figure:
    """Draw the score against α, a panel a site, with their scores in a panel of their own."""
    from analyses.causes.causal_intervention import draw_scores
    from interp.style import figure_style, legend_outside, subplots

    theirs = published_in(dataset)
    names = {"trained": "ours, plan rewritten", "random": "ours, random directions"}
    n_sites = dataset.sizes["site"]
    with figure_style():
        figure, axes = subplots(
            1, n_sites + 1, height=3.1, sharey=True, width_ratios=[1] * n_sites + [1.5]
        )
        for ax, site in zip(axes, dataset.site.values, strict=False):
            draw_scores(ax, dataset, site, names)
        at = range(len(theirs))
        published_marks(axes[-1], theirs, list(at), "Table 2")
        axes[-1].set_xticks(list(at), [SHORT[r.where["what"]] for r in theirs], rotation=90)
        axes[-1].set_title("theirs", loc="left")
        axes[0].set_ylabel("next action as written (%)")
        n, m = int(dataset.n_rewrites), int(dataset.n_episodes)
        caption(figure, dataset, f"n = {n} rewrites in {m} episodes")
        legend_outside(figure, axes, loc="outside lower center", ncols=3)
    return figure


FIGURES = (
    PaperFigure(
        id="taufeeque2025-table2",
        **PAPER,
        figure="Table 2",
        shows="how often the agent takes another action that is written into its plan at one square, "
        "against the size of the writing, beside random directions; published probes and channel groups",
        claim="the next action follows what is written into the plan, more than random directions bring "
        "about",
        agent=AGENT,
        agents=AGENTS,
        needs=Needs(capabilities=(Steering,)),
        theirs=Conditions(
            (TaskSet("boxoban-medium-valid", 3400, "rewritten"), HARD),
            max_steps=120,
            options={"alphas": (1.0, 4.0, 16.0), "steps": (5,), "n_random": 5},
            note=LIMIT + ". Theirs are 10,000 transitions; probes were fitted on hard levels",
        ),
        ours=Conditions(
            (TaskSet("test", 100, "rewritten"), TaskSet("train", 300, "probes")),
            options={
                "alphas": (1.0, 4.0, 16.0),
                "steps": (5,),
                "n_random": 19,
                "max_train_samples": 30_000,
            },
        ),
        compute=rewriting,
        compare=compare_rewriting,
        draw=draw_rewriting,
        cautions=(
            Caution(
                "metric",
                "Theirs is written into h and c of all layers until the probe's logit is reached, and "
                "counts what the agent does over the next steps; ours is written to one site at a fixed "
                "size, and counts the next action. Our best cell is chosen on the levels that score it.",
            ),
        ),
    ),
    PaperFigure(
        id="taufeeque2025-table3",
        **PAPER,
        figure="Table 3",
        shows="drop in levels solved when the memory of path channels, of all others, and of as many "
        "random ones is replaced by a single step's, by zero, the mean, or another episode's",
        claim="what path channels remember is needed more than what other channels do",
        agent=AGENT,
        agents=AGENTS,
        needs=Needs(("episode", "step", "tick"), HIDDEN, capabilities=(Plans,)),
        theirs=Conditions(
            (TaskSet("boxoban-medium-valid", 1024, "medium-valid"),),
            max_steps=120,
            seeds=(42,),
            options={"operations": (ABLATION, "zero", "mean", "resample"), "n_random": 4},
            note="For another agent path channels are labelled on the same levels. Which levels their "
            "seed draws cannot be told from here",
        ),
        ours=Conditions(
            (TaskSet("test", 100, "generated test"), TaskSet("train", 120, "labels")),
            options={
                "operations": (ABLATION, "zero", "mean", "resample"),
                "n_random": 4,
                "horizon": 20,
            },
        ),
        compute=ablation,
        compare=compare_ablation,
        draw=draw_ablation,
    ),
)
