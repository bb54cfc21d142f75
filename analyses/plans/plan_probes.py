"""Which part of its plan can be read from an organism, in which site and at which tick?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.control_networks import CONTROL_NETWORKS
from analyses.ladder_figure import draw_ladder, rungs_of, strongest_rung
from analyses.needs import PlanConcepts
from analyses.plans.chosen_cells import add_chosen_cells, chosen_cell
from analyses.plans.concept_scores import SCORE_WORDS, main_scores, with_all_scores, words_of
from analyses.probe_controls import add_what_sites_see, controls_of, what_sites_see
from analyses.question import answer_plot, question
from analyses.recordings import concept_name, concepts_asked, labels_of, left_out, recorded
from analyses.verdict import add_verdict, best_cell
from interp.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analyses.recordings import Recorded
    from interp.concepts import Concept
    from interp.contract import Tasks

SCORES = ("accuracy", "macro_f1", "f1_far")
PENALTIES = (1.0, 30.0, 1000.0)
"""L2 penalties among which every source's probe chooses, on held-out training levels."""


@question("Where can the plan be read?", needs=(PlanConcepts(),))
def plan_probes(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    sites: str | Iterable[str] | None = None,
    receptive_fields: int | Sequence[int] | None = None,
    untrained: Any = "auto",
    control_networks: Sequence[str] = CONTROL_NETWORKS,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Probe every site and tick for the organism's own future, with controls as strong as the claim.

    A state at one square has been through many convolutions and steps. So the observation stands beside
    it as a ladder of probes (`interp.probes.ladder`): of 1 × 1 to 7 × 7 squares and of the whole board, of
    the squares that the sites themselves see (found out from the network), of the last observations
    where the state has a memory, and with a hidden layer. What counts is the margin over the
    strongest control of each cell.

    Parameters
    ----------
    source
        An organism (recorded on `tasks` first), the path of a store, or a run in memory.
    tasks
        For an organism.
    concepts
        Names among ``organism.concepts``, or concepts of your own; default those that the
        family says are plans.
        Concepts that are classes and concepts that are numbers may be asked for together.
    sites
        Names or globs. Default: the organism's recurrent state, or all recorded sites that have
        the concept's places (squares, where it labels squares).
    receptive_fields
        Of the spatial probes: 1 reads a square from itself, 3 from its 3 × 3 neighbourhood. Default:
        both for concepts of squares, 1 for all others, which have no neighbours.
    untrained, folder
        See `analyses.recordings.recorded`.
    control_networks
        With ``untrained="auto"``: which networks that learned nothing see the same observations. By default
        two seeds of untrained weights, scaled so that activations have the trained network's spread, and
        the trained weights shuffled; see `analyses.control_networks.control_network`.
    seed
        Of recording, split, sample, shuffling, bootstrap and the untrained weights.
    **options
        Passed to `interp.probes.fit_probes` (``kind``, ``test_fraction``, ``n_bootstrap``, …). A
        concept that is a number is read by ridge regression. ``controls`` names other ones than the
        whole ladder, ``regularisation`` other penalties than 1, 30 and 1000, of which each source's
        probe chooses on held-out training levels.

    Returns
    -------
    xarray.Dataset
        ==========================================  ==================================================
        variable                                    dims
        ==========================================  ==================================================
        accuracy, macro_f1, f1_far, _low, _high     concept, receptive_field, source, site, tick
        r2, correlation, mse, _low, _high           the same, of concepts that are numbers
        precision, recall, f1                       …, class
        margin, margin_low, margin_high             concept, receptive_field, metric, site, tick:
                                                    trained minus the best control, paired
        margin_over, _low, _high                    …, control: over that control
        best_control                                as margin: which it is
        sees_field                                  site, tick: side of the square of the observation
                                                    that the site sees, infinite for the whole board;
                                                    NaN if that is not known
        sees_steps                                  site, tick: how many observations, at most 4
        score_metric                                concept: macro_f1, or r2 of a number
        p_value, p_holm                             as margin, for that metric only (no metric dim);
                                                    Holm over receptive_field, site and tick
        validation_margin                           concept, receptive_field, site, tick: margin on
                                                    held-out training levels
        chosen                                      the same: the cell where that is largest
        chosen_p_holm                               concept, receptive_field: of the chosen cell's
                                                    margin, Holm over receptive_field
        found                                       concept: margin > 0 at a chosen cell; somewhere at
                                                    all (p_holm) if no training levels were held out
        direction, intercept                        concept, source, site, tick, class, channel:
                                                    the 1 × 1 probes' weights, of concepts with
                                                    places
        n_samples, n_episodes, n_groups             concept
        ==========================================  ==================================================

        The attribute ``classes_left_out`` names classes that hardly occur (see
        `analyses.recordings.labels_of`); scores are over the others. ``probes_show`` says what a
        margin means, given what the sites see.
        ``macro_f1`` is that of Bush et al., ``f1_far`` that of Taufeeque et al.; the attribute
        ``definition`` of each says how they differ. ``r2`` is over the mean of the test's labels;
        its "majority" control always says the mean of the training labels. Where classes and numbers
        are asked for together, the scores of the one are NaN for the other.

    Raises
    ------
    UnknownNameError, UnknownSiteError, InputError
        For a concept or site that does not exist, and as `interp.probes.fit_probes`.
    TooFewClassesError
        If fewer than two classes of a concept occur; see `analyses.recordings.labels_of`.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 4 and Fig. 4; Taufeeque et al. 2024
    (arXiv 2407.15421).
    """
    from interp.probes.features import tiles_or_numbers

    concepts = concepts_asked(source, concepts)
    if isinstance(receptive_fields, int):
        receptive_fields = [receptive_fields]
    elif receptive_fields is not None:
        receptive_fields = list(receptive_fields)
    if not concepts or receptive_fields == []:
        raise InputError("Name at least one concept and one receptive field.")
    if "observation_features" not in options:
        options["observation_features"] = tiles_or_numbers
    options = {"regularisation": PENALTIES, **options, "seed": seed, "progress": progress}
    names = [concept_name(concept) for concept in concepts]
    by_concept, directions, asked = [], [], []
    with recorded(
        source,
        tasks,
        sites,
        untrained=untrained,
        control_networks=tuple(control_networks),
        seed=seed,
        folder=folder,
        progress=progress,
    ) as recording:
        sees = what_sites_see(recording, sites)
        chosen = sites if sites is None or isinstance(sites, str) else list(sites)
        for given in concepts:
            whole = recording.concept(given)
            labels, concept = labels_of(whole, recording.run)
            asked.append((whole, concept))
            controls = options.get("controls") or controls_of(recording.run, labels, sees)
            scores, weights = _probes_of(
                recording,
                labels,
                concept,
                chosen,
                receptive_fields,
                {**options, "controls": controls},
            )
            by_concept.append(scores)
            if weights is not None:
                directions.append(weights.expand_dims(concept=[concept_name(given)]))
    dataset = _side_by_side(by_concept, names)
    if directions:
        dataset = dataset.merge(
            xr.concat(directions, "concept", join="outer").reindex(concept=names),
            join="outer",
            combine_attrs="override",
        )
    dataset.attrs |= {
        "analysis": "plan_probes",
        "organism": recording.name,
        "classes_left_out": left_out(asked),
        "control_networks": "; ".join(
            f"{name}: activations' spread {ratio:.2f} of the trained network's"
            for name, ratio in recording.spreads.items()
        ),
        "seed": seed,
    }
    dataset = add_what_sites_see(dataset, sees)
    dataset["score_metric"] = main_scores(dataset)
    margin = dataset[["margin", "margin_low", "margin_high"]]
    margin = margin.sel(metric=dataset.score_metric).drop_vars(
        ["metric", "score_metric"], errors="ignore"
    )
    margin.attrs = dataset.attrs
    over = ("receptive_field", "site", "tick")
    margin = add_verdict(margin, "margin", over, dataset.n_groups)
    for name in ("p_value", "p_holm", "found"):
        dataset[name] = margin[name]
    return add_chosen_cells(dataset)


def _probes_of(
    recording: Recorded,
    labels: xr.DataArray,
    concept: Concept,
    sites: Any,
    receptive_fields: Sequence[int] | None,
    options: dict[str, Any],
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Return a concept's scores by receptive field, and the 1 × 1 probes' weights if it has places."""
    from interp.probes import fit_probes

    fields = receptive_fields or ((1, 3) if {"y", "x"} <= set(labels.dims) else (1,))
    by_field, weights = [], None
    shared: dict[
        tuple[str, int], Any
    ] = {}  # the observation's probes are the same beside all fields
    for field in fields:
        result = fit_probes(
            recording.run,
            labels,
            sites,
            classes=concept.classes,
            negative=concept.negative,
            receptive_field=field,
            untrained=recording.networks,
            shared=shared,
            **options,
        )
        by_field.append(_scores(result))
        if field == 1 and "channel" in result.coef.dims:
            weights = _weights(result)
    along = xr.DataArray(list(fields), dims="receptive_field")
    scores = xr.concat(by_field, along, combine_attrs="drop_conflicts", join="outer")
    return scores.assign_coords(receptive_field=list(fields)), weights


def _side_by_side(by_concept: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """Join concepts, which need not have the same classes, scores or receptive fields."""
    metrics = [*dict.fromkeys(str(m) for d in by_concept for m in d.metric.values)]
    fields = sorted({int(field) for d in by_concept for field in d.receptive_field.values})
    indexes: dict[str, list] = {"metric": metrics, "receptive_field": fields}
    for dim in ("source", "control"):
        every = [
            *dict.fromkeys(str(name) for d in by_concept if dim in d for name in d[dim].values)
        ]
        indexes |= {dim: every} if every else {}
    filled = {"best_control": "", "converged": False}
    alike = with_all_scores(
        [
            d.reindex({k: v for k, v in indexes.items() if k in d.dims}, fill_value={**filled})
            for d in by_concept
        ]
    )
    dataset = xr.concat(
        alike,
        xr.DataArray(names, dims="concept"),
        combine_attrs="drop_conflicts",
        data_vars="all",
        coords="minimal",
        join="outer",
    )
    return dataset.assign_coords(concept=names)


def _scores(result: xr.Dataset) -> xr.Dataset:
    """Keep what does not depend on the receptive field's shape."""
    return result.drop_dims(
        ["ky", "kx", "train_groups", "test_groups", "channel", "feature"], errors="ignore"
    ).drop_vars(["intercept", "confusion"], errors="ignore")


def _weights(result: xr.Dataset) -> xr.Dataset:
    coef = result.coef.isel(ky=0, kx=0, drop=True) if "ky" in result.dims else result.coef
    return xr.Dataset({"direction": coef, "intercept": result.intercept})


@answer_plot
def plot_plan_probes(dataset: xr.Dataset, metric: str | None = None) -> Figure:
    """Draw a score per site at the last tick beside its controls, one panel per concept and field.

    Of the observation's probes the bars show the strongest; the last panel of each row shows them all,
    beside the best of the network's probes of each field (lines).

    `metric` is the score; each concept's own (macro-F1, R² of a number) unless told.
    """
    from interp.style import (
        bars_with_intervals,
        figure_style,
        legend_outside,
        subplots,
    )

    concepts, fields = list(dataset.concept.values), list(dataset.receptive_field.values)
    last, n_rungs = last_tick(dataset), len(rungs_of(dataset))
    columns = len(fields) + bool(n_rungs)
    height = 0.9 + max(1.5, 0.15 * n_rungs) * len(concepts)
    sources: list[str] = []
    with figure_style():
        figure, axes = subplots(len(concepts), columns, width="text", height=height, squeeze=False)
        letters = iter("abcdefghijklmnopqrstuvwxyz" * len(concepts))
        for row, concept in enumerate(concepts):
            shown = metric or str(main_scores(dataset).sel(concept=concept).item())
            words = str(concept).replace("_", " ")
            for column, field in enumerate(fields):
                ax = axes[row, column]
                cell = last.sel(concept=concept, receptive_field=field)
                cell = strongest_rung(cell, shown)
                sources = [str(source) for source in cell.source.values]
                bars_with_intervals(
                    ax,
                    cell[shown].transpose("source", "site"),
                    cell[f"{shown}_low"].transpose("source", "site"),
                    cell[f"{shown}_high"].transpose("source", "site"),
                    categories=[str(site) for site in dataset.site.values],
                    series=sources,
                )
                ax.set_title(f"{next(letters)}   {words}, {field}×{field}", loc="left", fontsize=7)
                ax.set_ylim(0, 1)
                ax.tick_params(axis="x", rotation=30)
                if not column:
                    ax.set_ylabel(SCORE_WORDS.get(shown, shown))
            if n_rungs:
                ax = axes[row, -1]
                draw_ladder(ax, last.sel(concept=concept), shown)
                ax.set_title(f"{next(letters)}   from the observation", loc="left", fontsize=7)
                ax.set_xlabel(SCORE_WORDS.get(shown, shown))
        n, share = int(dataset.n_groups.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: probes at the last tick, n = {n} held-out levels, "
            f"whiskers {share:.0f} %"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=len(sources))
    return figure


def last_tick(dataset: xr.Dataset) -> xr.Dataset:
    """Keep, for every site, the values at the last tick it has."""
    ticks = dataset.tick.values
    known = [name for name in ("macro_f1", "r2") if name in dataset]
    there = dataset[known].sel(source="trained").notnull().to_array("score")
    there = there.any([dim for dim in there.dims if dim not in ("site", "tick")])
    last = there.cumsum("tick").argmax("tick")
    return dataset.isel(tick=xr.DataArray(last.values, dims="site", attrs={"ticks": str(ticks)}))


def best_cells(dataset: xr.Dataset, metric: str | None = None) -> list[dict[str, Any]]:
    """Return, for every concept and receptive field, one cell, as rows.

    The cell that held-out *training* levels choose (`analyses.plans.chosen_cells`), so that its score, margin
    and interval on the test levels are those of a cell that they did not choose; ``p (Holm)`` is
    corrected over the receptive fields alone. Where nothing was held out (a single penalty), the
    cell with the largest margin on the test levels, corrected over all cells: if there are
    significant ones, it is one of them.

    `metric` is the score; each concept's own (macro-F1, R² of a number) unless told.
    """
    rows = []
    for concept in dataset.concept.values:
        name = metric or str(main_scores(dataset).sel(concept=concept).item())
        for field in dataset.receptive_field.values:
            of = dataset.sel(concept=concept, receptive_field=field)
            cells = of.margin.sel(metric=name)
            at, p = chosen_cell(of), of.chosen_p_holm
            if at is None:
                at, p = best_cell(cells, of.p_holm), None
            if at is None:
                continue
            where = {dim: cells[dim].values[index] for dim, index in at.items()}
            point = of.sel(metric=name, **where)
            if not np.isfinite(point.margin):
                continue
            rows.append(
                {
                    "concept": str(concept),
                    "receptive field": f"{field}×{field}",
                    "site": str(where["site"]),
                    "tick": int(where["tick"]),
                    "metric": words_of(name),
                    "score": float(point[name].sel(source="trained")),
                    "best control": str(point.best_control.item()),
                    "margin": float(point.margin),
                    "low": float(point.margin_low),
                    "high": float(point.margin_high),
                    "p (Holm)": float(point.p_holm if p is None else p),
                    "n": int(point.n_episodes),
                }
            )
    return rows
