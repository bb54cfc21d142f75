"""Is a plan found in each of several organisms, or in one of them by chance?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import PlanConcepts
from analyses.plans.concept_scores import SCORE_WORDS, main_scores, words_of
from analyses.plans.plan_probes import best_cells, plan_probes
from analyses.question import answer_plot, question
from analyses.thinking.thinking_comparison import different_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks

_NUMBERS = {"score": "score", "margin": "margin", "margin_low": "low", "margin_high": "high"}
_WORDS = {"site": "site", "tick": "tick", "best_control": "best control"}


@question("Is a plan found in each of several organisms?", needs=(PlanConcepts(),), several=True)
def compare_plans(
    organisms: Sequence[Any],
    tasks: Tasks,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    receptive_field: int = 1,
    sites: str | Iterable[str] | None = None,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Probe several organisms for their plans on the same tasks, each beside all its controls.

    Every organism is labelled by its own future, so the labels differ; the tasks do not. A claim
    about more than one network needs this for other seeds of a training; a claim about recurrence
    needs it for a feed-forward control, in which a plan may be found too.

    Parameters
    ----------
    organisms
        At least two.
    tasks
        One episode each.
    concepts
        As in `analyses.plans.plan_probes.plan_probes`.
    receptive_field
        1 reads a square from itself alone, 3 from its 3 × 3 neighbourhood.
    sites
        Names or globs; each organism's own recurrent state, or blocks, unless told.
    seed
        Of recording, split, sample, shuffling and bootstrap.
    **options
        Passed to `plan_probes`.

    Returns
    -------
    xarray.Dataset
        ==========================================  ==================================================
        variable                                    dims
        ==========================================  ==================================================
        score                                       organism, concept: macro-F1 (R² of a number) of
                                                    the best cell
        score_metric                                concept
        margin, margin_low, margin_high             organism, concept: over the best control, paired
        p_holm                                      organism, concept: of that cell, corrected over
                                                    the organism's sites and ticks
        found                                       organism, concept
        site, tick, best_control                    organism, concept: which cell it is (tick −1: the
                                                    site fires once a step)
        n_episodes                                  organism, concept
        ==========================================  ==================================================

        The best cell is the one with the largest margin, among significant ones if there are any; it
        is chosen by the levels that score it, for which p_holm corrects and the interval does not.

    Raises
    ------
    InputError
        For fewer than two organisms, or two of one name.
    UnknownNameError, UnknownSiteError, TooFewClassesError
        As `plan_probes`.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 4 and Fig. 4.

    Examples
    --------
    >>> import organisms
    >>> several = [organisms.load(f"sokoban-drc-tiny-v1{seed}") for seed in ("", "-s1")]
    >>> result = compare_plans(
    ...     several, several[0].tasks("test", 24), "box_push_direction", progress=False
    ... )
    >>> result.found.dims
    ('organism', 'concept')
    """
    names = different_names(organisms)
    results = [
        plan_probes(
            organism,
            tasks,
            concepts,
            sites=sites,
            receptive_fields=(receptive_field,),
            seed=seed,
            progress=progress,
            **options,
        )
        for organism in organisms
    ]
    shown = [str(concept) for concept in results[0].concept.values]
    shape = (len(names), len(shown))
    data: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in (*_NUMBERS, "p_holm")}
    data |= {name: np.full(shape, "", dtype=object) for name in ("site", "best_control")}
    data |= {"tick": np.full(shape, -1), "n_episodes": np.zeros(shape, int)}
    data["found"] = np.zeros(shape, bool)
    for k, result in enumerate(results):
        for row in best_cells(result):
            at = (k, shown.index(row["concept"]))
            for name, key in {**_NUMBERS, **_WORDS, "p_holm": "p (Holm)"}.items():
                data[name][at] = row[key]
            data["n_episodes"][at] = row["n"]
            data["found"][at] = bool(result.found.sel(concept=row["concept"]))
    dims = ("organism", "concept")
    dataset = xr.Dataset(
        {name: (dims, values) for name, values in data.items()},
        {"organism": names, "concept": shown},
        {
            "analysis": "compare_plans",
            "receptive_field": receptive_field,
            "confidence": results[0].attrs["confidence"],
            "n_tasks": len(tasks),
            "seed": seed,
        },
    )
    dataset.found.attrs = dict(results[0].found.attrs)
    metrics = main_scores(results[0])
    dataset["score_metric"] = ("concept", metrics.values)
    words = dict.fromkeys(SCORE_WORDS[str(metric)] for metric in metrics.values)
    dataset.score.attrs["definition"] = f"{' or '.join(words)}, held-out levels"
    return dataset


@answer_plot
def plot_compare_plans(dataset: xr.Dataset) -> Figure:
    """Draw the margin over the best control of each organism's best cell, a panel per concept."""
    from interp.style import figure_style, legend_outside, subplots

    concepts = [str(concept) for concept in dataset.concept.values]
    names = [str(name) for name in dataset.organism.values]
    places = np.arange(len(names))[::-1]
    with figure_style():
        figure, axes = subplots(
            1,
            len(concepts),
            width="text",
            height=1.3 + 0.25 * len(names),
            squeeze=False,
            sharex=True,
            sharey=True,
        )
        for letter, ax, concept in zip("abcdefgh", axes[0], concepts, strict=False):
            cell = dataset.sel(concept=concept)
            low, high = cell.margin - cell.margin_low, cell.margin_high - cell.margin
            for filled in (True, False):
                rows = cell.found.values == filled
                if not rows.any():
                    continue
                ax.errorbar(
                    cell.margin.values[rows],
                    places[rows],
                    xerr=np.stack([low.values, high.values])[:, rows],
                    fmt="o",
                    color="C0",
                    markerfacecolor="C0" if filled else "white",
                    label="found" if filled else "not found",
                )
            ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
            ax.set_title(f"{letter}   {concept.replace('_', ' ')}", loc="left")
            score = words_of(str(main_scores(dataset).sel(concept=concept).item()))
            ax.set_xlabel(f"{score} above the best control")
            ax.set_yticks(places, names)
            ax.set_ylim(-0.5, len(names) - 0.5)
        legend_outside(figure, axes, loc="outside lower center", ncols=2)
        share, n = 100 * dataset.attrs["confidence"], dataset.attrs["n_tasks"]
        field = dataset.attrs["receptive_field"]
        figure.suptitle(
            f"{field}×{field} probes, each organism's best site and tick; {n} levels, {share:.0f} %"
        )
    return figure
