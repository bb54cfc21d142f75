"""Bush et al. 2025 (arXiv 2504.01871), Table 1: plans written into the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.papers.bush2025 import AGENT, CELLS, CONCEPTS, LIMIT, PAPER, PROBES, WORLD
from analyses.papers.comparison import Row
from analyses.papers.drawing import caption, published_marks
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.published import Published, choose, published_in
from interp.statistics import FEWEST_CONTROLS
from organisms.capabilities.steering import Steering

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SOURCES = ("trained", "random")


def steering(setting: Setting) -> xr.Dataset:
    """Return `plan_steering` of both kinds of levels, probes fitted once for every seed.

    ``success_by_seed`` holds each seed's; everything else is of the first one.
    """
    import xarray as xr

    from analyses.causes.plan_steering import plan_steering
    from analyses.causes.plan_writing import fitted_directions
    from analyses.recordings import recorded
    from interp.network.site_names import select_sites

    options = dict(setting.conditions.options)
    kinds, n_tasks = list(options.pop("kinds")), options.pop("n_tasks")
    # Their five random directions are too few for a rank among them; other controls they have none.
    options["n_random"] = max(FEWEST_CONTROLS, options["n_random"])
    options |= {"n_shuffled": 0, "n_other_plans": 0}
    fit = {name: options.pop(name) for name in ("max_train_samples",) if name in options}
    sites = select_sites(CELLS, setting.organism.sites)
    by_kind = []
    with recorded(
        setting.organism,
        setting.tasks(),
        sites,
        untrained=None,
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
    ) as recording:
        for kind in kinds:
            tasks = setting.organism[Steering].tasks(kind, n_tasks, setting.seed)
            results = []
            for seed in setting.conditions.seeds:
                read = fitted_directions(
                    recording.run,
                    tasks.concept,
                    None,  # type: ignore[arg-type]  # a run brings its own
                    sites,
                    seed=seed,
                    progress=setting.progress,
                    **fit,
                )
                results.append(
                    plan_steering(
                        setting.organism,
                        tasks,
                        probes=read.probes,
                        sites=sites,
                        seed=seed,
                        progress=setting.progress,
                        **options,
                    ).drop_dims("level")
                )
            seeds = xr.DataArray(list(setting.conditions.seeds), dims="seed", name="seed")
            every = xr.concat([result.success for result in results], seeds)
            n = results[0].attrs["n_levels"]
            by_kind.append(results[0].assign(success_by_seed=every, n_levels=n))
    kind_dim = xr.DataArray(kinds, dims="kind", name="kind")
    dataset: Any = xr.concat(by_kind, kind_dim, combine_attrs="drop_conflicts")
    dataset.found.attrs = by_kind[0].found.attrs
    return dataset


def compare(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put every layer's success, of the written plan and of random directions, beside theirs."""
    rows = []
    sites = [str(site) for site in dataset.site.values]
    nan = float("nan")
    for row in theirs:
        kind, layer = row.where["levels"].lower(), int(row.where["layer"])
        source = row.where["direction"]
        if layer > len(sites):
            words = f"{kind}, no layer {layer}"
            rows.append(Row(row, "intervention success", words, nan, nan, nan, n=0, unit="%"))
            continue
        cell = dataset.sel(kind=kind, site=sites[layer - 1], source=source)
        cell = cell.sel(alpha=1, n_directional=1)
        numbers = [100 * float(cell[f"success{end}"]) for end in ("", "_low", "_high")]
        words = f"{kind}, {sites[layer - 1]}, {source} directions"
        n = int(cell.n_levels)
        rows.append(Row(row, "intervention success", words, *numbers, n=n, unit="%"))
    for kind in dataset.kind.values:
        cell = dataset.sel(kind=kind)
        numbers = [100 * float(cell[f"nothing{end}"]) for end in ("", "_low", "_high")]
        words, n = f"{kind}, nothing written", int(cell.n_levels)
        rows.append(Row(None, "solved by the long way", words, *numbers, n=n, unit="%"))
    return rows


def draw(dataset: xr.Dataset) -> Figure:
    """Draw success per layer beside random directions and doing nothing, with theirs."""
    from interp.style import bars_with_intervals, colours, figure_style, legend_outside, subplots

    theirs = published_in(dataset)
    sites = [str(site) for site in dataset.site.values]
    names = {"trained": "ours, written plan", "random": "ours, random directions"}
    width = 0.8 / len(SOURCES)
    with figure_style():
        kinds = [str(kind) for kind in dataset.kind.values]
        figure, axes = subplots(1, len(kinds), height=3.1, squeeze=False, sharey=True)
        for ax, kind in zip(axes[0], kinds, strict=True):
            cell = dataset.sel(kind=kind, alpha=1, n_directional=1)
            bars_with_intervals(
                ax,
                *(
                    100 * cell[f"success{end}"].sel(source=list(SOURCES))
                    for end in ("", "_low", "_high")
                ),
                categories=sites,
                series=list(names.values()),
                palette=colours(list(names.values())),
            )
            for i, source in enumerate(SOURCES):
                rows = [
                    row
                    for row in choose(theirs, direction=source)
                    if row.where["levels"].lower() == kind and int(row.where["layer"]) <= len(sites)
                ]
                at = [int(row.where["layer"]) - 1 + (i - 0.5) * width for row in rows]
                published_marks(ax, rows, at, "mean ± 1 s.d. over 5 probes", width)
            ax.axhline(
                100 * float(cell.nothing), color="0.3", linestyle=":", label="ours, nothing written"
            )
            ax.set_title(f"{kind}, n = {int(cell.n_levels)} levels", loc="left")
            ax.set_ylim(-3, 103)
        axes[0, 0].set_ylabel("solved by the long way (%)")
        caption(figure, dataset, "plans written with probe directions, α = 1")
        legend_outside(figure, list(axes[0]), loc="outside lower center", ncols=2)
    return figure


KINDS = ("agent-shortcut", "box-shortcut")

FIGURES = (
    PaperFigure(
        id="bush2025-table1",
        **PAPER,
        figure="Table 1",
        shows="share of levels that the agent solves by the long way when its plan is written into one "
        "layer's cell state, beside random directions of the same norms and beside doing nothing",
        claim="a plan written into the cell state is carried out, more than random directions bring about",
        agent=AGENT,
        needs=Needs(("episode", "step", "tick"), CELLS, CONCEPTS, capabilities=(Steering,)),
        theirs=Conditions(
            (TaskSet("boxoban-unfiltered-train", 3000, "probes"),),
            max_steps=120,
            seeds=(0, 1, 2, 3, 4),
            options={
                "kinds": KINDS,
                "n_tasks": 25,
                "alphas": (1.0,),
                "n_directional": (1,),
                "n_random": 5,
            },
            note=LIMIT + ". Every level in its eight symmetries; the sets are those of the probes",
        ),
        ours=Conditions(
            (TaskSet("train", 300, "probes"),),
            options={
                "kinds": KINDS,
                "n_tasks": 25,
                "alphas": (1.0,),
                "n_directional": (1,),
                "n_random": 19,
                "max_train_samples": 30_000,
            },
        ),
        compute=steering,
        compare=compare,
        draw=draw,
        cautions=(
            WORLD,
            PROBES,
            Caution(
                "level set",
                "Theirs are 25 levels of each kind made by hand, which are not shipped; ours are "
                "generated levels whose wall was opened.",
            ),
            Caution(
                "metric",
                "Their ± is a standard deviation over five probes, our interval a bootstrap over levels "
                "and random draws.",
                blocking=False,
            ),
        ),
    ),
)
