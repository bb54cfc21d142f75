"""Bush et al. 2025 (arXiv 2504.01871), Figure 9: plan probes and thinking time over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.papers.bush2025 import AGENT, CELLS, CONCEPTS, F1, LIMIT, PAPER, PROBES, WORLD
from analyses.papers.comparison import Row
from analyses.papers.drawing import caption
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.history import checkpoints
from analyses.papers.published import Published, published_in

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

RANGE = Caution("published", "Theirs is the range of an axis, not a result.")


def over_checkpoints(setting: Setting) -> xr.Dataset:
    """Return `emergence` over the checkpoints that ship and the organism itself.

    Thinking is measured on the first set of tasks, probes are fitted on the second, if there is one.
    """
    from analyses.training.emergence import emergence
    from interp.network.site_names import select_sites

    trained = {steps: one for steps, one in checkpoints(setting).items() if steps > 0}
    probe_sets = setting.conditions.tasks[1:]
    return emergence(
        trained,
        setting.tasks(),
        setting.tasks(probe_sets[0]) if probe_sets else None,
        CONCEPTS,
        thinking_steps=max(setting.conditions.thinking_steps),
        site=select_sites(CELLS, setting.organism.sites)[-1],
        seed=setting.seed,
        progress=setting.progress,
        **setting.conditions.options,
    )


def compare(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Return the gain at every checkpoint and the correlations; theirs is the range of an axis."""
    rows = []
    t, n = dataset.attrs["thinking_steps"], int(dataset.attrs["n_tasks"])
    best = int(dataset.gain.values.argmax())
    for i, step in enumerate(dataset.checkpoint.values):
        numbers = [100 * float(dataset[f"gain{end}"][i]) for end in ("", "_low", "_high")]
        top = next((r for r in theirs if r.where["bound"] == "high"), None) if i == best else None
        cell = f"{t} thinking steps, after {step:,} steps of training"
        cautions = (RANGE,) if top is not None else ()
        rows.append(
            Row(top, "gain of thinking", cell, *numbers, n=n, unit="points", cautions=cautions)
        )
    for concept in dataset.concept.values:
        cell = dataset.sel(concept=concept, measure="macro_f1", statistic="spearman")
        numbers = [float(cell[f"correlation{end}"]) for end in ("", "_low", "_high")]
        words = f"gain with macro-F1 of {concept}, over checkpoints"
        k = int(dataset.n_asked.sel(concept=concept))
        rows.append(Row(None, "Spearman's correlation", words, *numbers, n=k, unit="correlation"))
    return rows


def draw(dataset: xr.Dataset) -> Figure:
    """Draw gain against macro-F1, a dot per checkpoint, with the range of the published axis."""
    from analyses.training.emergence import not_asked_words, plot_emergence
    from interp.style import figure_style, legend_outside

    figure = plot_emergence(dataset)
    with figure_style():
        rows = published_in(dataset)
        for ax in figure.axes[1:]:
            for i, row in enumerate(rows):
                words = None if i else "published: range of the axis (their dots could not be read)"
                ax.axhline(row.value, color="0.35", linestyle=":", linewidth=1, label=words)
        for legend in figure.legends:
            legend.remove()
        legend_outside(figure, figure.axes, loc="outside lower center", ncols=2)
        n, k = dataset.attrs["n_tasks"], dataset.attrs["n_checkpoints"]
        about = f"{k} checkpoints, n = {n} levels, {dataset.attrs['site']}, ρ: Spearman's"
        caption(figure, dataset, about)
        if note := not_asked_words(dataset):
            figure.suptitle(f"{figure.get_suptitle()}\n{note}", fontsize=8)
    return figure


FIGURES = (
    PaperFigure(
        id="bush2025-fig9",
        **PAPER,
        figure="Figure 9",
        shows="levels gained by five thinking steps against macro-F1 of the final layer's 1×1 probe, one "
        "dot for each checkpoint of the training",
        claim="plans that can be read and a use for thinking time emerge together over training",
        agent=AGENT,
        needs=Needs(("episode", "step", "tick"), CELLS, CONCEPTS, checkpoints=3),
        theirs=Conditions(
            (
                TaskSet("boxoban-medium-valid", 1000, "medium"),
                TaskSet("boxoban-unfiltered-valid", 1000, "probes"),
            ),
            max_steps=120,
            thinking_steps=(0, 5),
            note=LIMIT + ". Theirs are checkpoints from 1 to 50 million steps",
        ),
        ours=Conditions(
            (TaskSet("test", 140, "generated test"),),
            thinking_steps=(0, 5),
            options={"max_train_samples": 30_000},
        ),
        compute=over_checkpoints,
        compare=compare,
        draw=draw,
        cautions=(WORLD, PROBES, F1),
    ),
)
