"""Bush et al. 2025, "Interpreting emergent planning in model-free reinforcement learning"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.papers.comparison import Row
from analyses.papers.drawing import caption, published_line, published_marks, with_ends
from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure, Setting, TaskSet
from analyses.papers.published import Published, choose, published_in

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PAPER: dict[str, Any] = {"paper": "Bush et al. 2025", "reference": "arXiv 2504.01871"}
AGENT = (
    "a DRC(3,3) trained by IMPALA for 2.5·10⁸ steps on 8×8×7 symbolic boards (not released here)"
)
CONCEPTS = ("agent_approach_direction", "box_push_direction")
CELLS = ("layers.*.c",)
CONTROLS = (
    *("majority", "shuffled", "observation", "history"),
    *("observation 7x7", "last 4 5x5", "MLP 5x5"),
)
"""The paper's (the observation in the probe's own field) and the stronger rungs of the ladder."""
WORLD = Caution(
    "world",
    "Theirs is a symbolic 8×8×7 observation with five actions and −0.01 a step; ours differs.",
)
PROBES = Caution(
    "protocol",
    "Their probes are fitted by AdamW without intercept, five seeds; ours are logistic regressions with "
    "an L2 penalty and an intercept.",
    blocking=False,
)
F1 = Caution(
    "metric",
    "Both are macro-F1 over the classes that occur, NEVER included; the F1 of Taufeeque et al. (negatives "
    "left out, `f1_far` in the Dataset) is another number.",
    blocking=False,
)
LIMIT = "Their step limit is drawn uniformly from 115 to 120"
EXTRA = ("train", "test")


def joined(setting: Setting) -> tuple[Any, dict[str, Any]]:
    """Return all tasks, and how probes are split: between the sets named train and test, if any."""
    sets = setting.conditions.tasks
    parts = [setting.tasks(task_set) for task_set in sets]
    if tuple(task_set.label for task_set in sets) != EXTRA:
        return (parts[0] if len(parts) == 1 else type(parts[0]).join(parts)), {}
    return type(parts[0]).join(parts), {"split": tuple(list(part.ids) for part in parts)}


def probes(setting: Setting) -> xr.Dataset:
    """Return `plan_probes` of the cell state; ``macro_f1_by_seed`` where there are several seeds."""
    import xarray as xr

    from analyses.plans.plan_probes import plan_probes
    from analyses.recordings import recorded

    tasks, split = joined(setting)
    options = {**split, **setting.conditions.options}
    results = []
    with recorded(
        setting.organism,
        tasks,
        CELLS,
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
    ) as recording:
        for seed in setting.conditions.seeds:
            results.append(
                plan_probes(
                    recording.run,
                    concepts=CONCEPTS,
                    sites=CELLS,
                    untrained=recording.untrained,
                    seed=seed,
                    progress=setting.progress,
                    controls=CONTROLS,
                    **options,
                )
            )
    dataset = results[0]
    seeds = xr.DataArray(list(setting.conditions.seeds), dims="seed", name="seed")
    return dataset.assign(macro_f1_by_seed=xr.concat([r.macro_f1 for r in results], seeds))


def compare_probes(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put every layer's probe, and the observation's, beside the published one."""
    from analyses.plans.plan_probes import last_tick

    last = last_tick(dataset)
    sites = [str(site) for site in last.site.values]
    rows = []
    for row in theirs:
        concept, layer = row.where["concept"], row.where.get("layer", "1")
        if "receptive_field" not in row.where:  # a bound over both fields and all layers
            cells = last.sel(concept=concept, source="trained")
            at = cells.macro_f1.argmin(...)
            cell, words = cells.isel(at), f"{concept}, worst site and field"
        else:
            field = int(row.where["receptive_field"])
            control = row.where.get("control")
            site = sites[int(layer) - 1] if int(layer) <= len(sites) else None
            there = site is not None and field in last.receptive_field
            source = control or "trained"
            words = f"{concept}, {field}×{field}, {control or site or f'no layer {layer}'}"
            if not there or source not in last.source:
                rows.append(_missing(row, words))
                continue
            cell = last.sel(concept=concept, receptive_field=field, site=site, source=source)
        numbers = [float(cell[f"macro_f1{end}"]) for end in ("", "_low", "_high")]
        n = int(dataset.n_groups.sel(concept=concept).min())
        rows.append(Row(row, "macro-F1, last tick", words, *numbers, n=n, unit="macro-F1"))
    return rows


def _missing(row: Published, words: str) -> Row:
    nan = float("nan")
    return Row(row, "macro-F1", words, nan, nan, nan, n=0, unit="macro-F1")


def draw_probes(dataset: xr.Dataset) -> Figure:
    """Draw macro-F1 per layer at the last tick beside its controls, with the published scores."""
    from analyses.plans.plan_probes import last_tick
    from interp.style import bars_with_intervals, figure_style, legend_outside, subplots

    last, theirs = last_tick(dataset), published_in(dataset)
    sources = [str(source) for source in dataset.source.values]
    sites = [str(site) for site in dataset.site.values]
    fields = list(dataset.receptive_field.values)
    width = 0.8 / len(sources)
    with figure_style():
        figure, axes = subplots(
            dataset.sizes["concept"], len(fields), height=4.4, squeeze=False, sharey=True
        )
        for row, concept in enumerate(dataset.concept.values):
            for column, field in enumerate(fields):
                ax, cell = axes[row, column], last.sel(concept=concept, receptive_field=field)
                bars_with_intervals(
                    ax,
                    *(
                        cell[f"macro_f1{end}"].transpose("source", "site")
                        for end in ("", "_low", "_high")
                    ),
                    categories=sites,
                    series=sources,
                )
                same = choose(theirs, concept=concept, receptive_field=field)
                for source in ("trained", "observation"):
                    if source not in sources:
                        continue
                    shift = (sources.index(source) - (len(sources) - 1) / 2) * width
                    if source == "trained":
                        marks = [r for r in same if 0 < int(r.where.get("layer", 0)) <= len(sites)]
                        at = [int(r.where["layer"]) - 1 + shift for r in marks]
                    else:
                        marks = [
                            r for r in same if "control" in r.where and "quoted" not in r.where
                        ]
                        marks, at = marks * len(sites), [i + shift for i in range(len(sites))]
                        at = at if marks else []
                    published_marks(ax, marks, at, "read off the figure, ± 0.05", width)
                words = str(concept).replace("_", " ")
                ax.set_title(
                    f"{'abcd'[row * len(fields) + column]}   {words}, {field}×{field}", loc="left"
                )
                ax.set_ylim(0, 1)
                if not column:
                    ax.set_ylabel("macro-F1, all classes")
        n = int(dataset.n_groups.min())
        caption(figure, dataset, f"probes of the cell state, last tick, n = {n} held-out levels")
        legend_outside(figure, axes, loc="outside lower center", ncols=4)
    return figure


def formation(setting: Setting) -> xr.Dataset:
    """Return `plan_formation` of the cell state."""
    from analyses.plans.plan_formation import plan_formation

    tasks, _ = joined(setting)
    return plan_formation(
        setting.organism,
        tasks,
        CONCEPTS,
        sites=CELLS,
        thinking_steps=max(setting.conditions.thinking_steps),
        seed=setting.seed,
        folder=setting.folder,
        progress=setting.progress,
        **setting.conditions.options,
    )


def compare_formation(dataset: xr.Dataset, theirs: list[Published]) -> list[Row]:
    """Put the final layer's score at every published tick beside ours."""
    final = dataset.isel(site=-1)
    rows = []
    for row in theirs:
        concept, tick = row.where["concept"], int(row.x or 0)
        words = f"{concept}, {final.site.item()}, tick {tick} of deliberation"
        if tick >= dataset.sizes["deliberation"]:
            rows.append(_missing(row, words))
            continue
        cell = final.sel(concept=concept, source="trained").isel(deliberation=tick)
        numbers = [float(cell[f"macro_f1{end}"]) for end in ("", "_low", "_high")]
        n = int(dataset.n_levels.sel(concept=concept)) if dataset.n_levels.ndim else 0
        rows.append(Row(row, "macro-F1", words, *numbers, n=n or _levels(dataset), unit="macro-F1"))
    return rows


def _levels(dataset: xr.Dataset) -> int:
    return int(dataset.n_levels.min())


def draw_formation(dataset: xr.Dataset) -> Figure:
    """Draw macro-F1 of the final layer's probes against internal ticks of deliberation."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    theirs, final = published_in(dataset), dataset.isel(site=-1)
    n_ticks = int(dataset.tick.max()) + 1
    with figure_style():
        figure, axes = subplots(1, dataset.sizes["concept"], height=3.0, squeeze=False, sharey=True)
        for ax, concept in zip(axes[0], dataset.concept.values, strict=True):
            for source in dataset.source.values:
                cell = final.sel(concept=concept, source=source)
                line_with_interval(
                    ax,
                    cell.deliberation,
                    *with_ends(cell, "macro_f1"),
                    f"ours, {source}",
                    source=str(source),
                    markersize=2.5,
                )
            cell = final.sel(concept=concept, source="trained")
            line_with_interval(
                ax,
                cell.deliberation,
                *with_ends(cell, "refitted_f1"),
                "ours, trained, probes refitted at every tick",
                color="#56B4E9",
                marker="^",
                markersize=2.5,
            )
            rows = choose(theirs, concept=concept)
            published_line(ax, rows, "final layer, read off the figure, ± 0.05")
            for first in range(n_ticks, dataset.sizes["deliberation"], n_ticks):
                ax.axvline(first - 0.5, color="0.88", linewidth=0.7, zorder=0)
            ax.set_title(f"{str(concept).replace('_', ' ')}, {final.site.item()}", loc="left")
            ax.set(xlabel="internal tick of deliberation", ylim=(0, 1))
            ax.set_xticks(range(0, dataset.sizes["deliberation"], n_ticks))
        axes[0, 0].set_ylabel("macro-F1, all classes")
        caption(figure, dataset, f"decoded plan, n = {_levels(dataset)} held-out levels")
        legend_outside(figure, list(axes[0]), loc="outside lower center", ncols=2)
    return figure


TRAIN = TaskSet("boxoban-unfiltered-train", 3000, "train")
TEST = TaskSet("boxoban-unfiltered-valid", 1000, "test")
OWN = TaskSet("test", 140, "generated test")
QUICK = {"max_train_samples": 30_000}

FIGURES = (
    PaperFigure(
        id="bush2025-fig4",
        **PAPER,
        figure="Figure 4",
        shows="macro-F1 of 1×1 and 3×3 probes of the cell state for both plan concepts, per layer, "
        "beside all controls; the published bars",
        claim="the plan can be read from the cell state better than from any control",
        agent=AGENT,
        needs=Needs(("episode", "step", "tick"), CELLS, CONCEPTS),
        theirs=Conditions(
            (TRAIN, TEST),
            max_steps=120,
            seeds=(0, 1, 2, 3, 4),
            options={"receptive_fields": (1, 3)},
            note=LIMIT,
        ),
        ours=Conditions((OWN,), options={"receptive_fields": (1, 3), **QUICK}),
        compute=probes,
        compare=compare_probes,
        draw=draw_probes,
        cautions=(WORLD, PROBES, F1),
    ),
    PaperFigure(
        id="bush2025-fig6",
        **PAPER,
        figure="Figure 6",
        shows="macro-F1 of the final layer's 1×1 probes against internal ticks of five thinking steps, "
        "with the untrained network and with probes refitted at every tick; the published curve",
        claim="the decoded plan improves with internal ticks before the first move",
        agent=AGENT,
        needs=Needs(("episode", "step", "tick"), CELLS, CONCEPTS),
        theirs=Conditions(
            (TRAIN, TEST),
            max_steps=120,
            thinking_steps=(5,),
            options={"test_fraction": 0.25},
            note=LIMIT + ". Levels of both their sets are split at random, 3 to 1",
        ),
        ours=Conditions((OWN,), thinking_steps=(5,), options={"test_fraction": 0.5, **QUICK}),
        compute=formation,
        compare=compare_formation,
        draw=draw_formation,
        cautions=(
            WORLD,
            PROBES,
            F1,
            Caution(
                "axis",
                "Ours counts the first internal tick as 0, and the ticks of step 0 at the end; whether "
                "their 0 is before or after the first tick could not be read.",
                blocking=False,
            ),
        ),
    ),
)
