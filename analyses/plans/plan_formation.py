"""Does the plan that can be read get better while the organism deliberates?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import PlanConcepts
from analyses.plans.concept_scores import SCORE_WORDS, main_scores, with_all_scores
from analyses.plans.decoded_plans import at_last_tick, check_thinking, deliberation
from analyses.plans.deliberation_axis import along_ticks, axis_sites, by_ticks
from analyses.question import answer_plot, question
from analyses.reading import reading_counts
from analyses.recordings import concept_name, concepts_asked, labels_of, left_out, recorded
from analyses.verdict import ENDS, INTERVALS, Resampling, add_verdict, statistic_variables
from interp.contract import deliberation_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks


THINKING_STEPS = 5

MOST_IN_MEMORY = 2**29
"""Bytes of sites that are kept in memory to be read again and again."""


@question("Does the plan form while it thinks?", needs=(PlanConcepts(),))
def plan_formation(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    thinking_steps: int | None = None,
    sites: str | Iterable[str] | None = None,
    receptive_field: int = 1,
    test_fraction: float = 0.5,
    untrained: Any = "auto",
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Score the decoded plan at every tick before the first action.

    Probes are fitted on training levels, at the last tick of the steps in which the organism acts.
    The same probes then read the held-out levels at every tick of the thinking steps and of step 0.
    The label is what the organism goes on to do from step 0, so the probe, the label and the
    observation stay the same along the curve: only the state changes.

    But a fixed probe also fails on a state that holds the plan in other units or directions than
    later (a state that is still charging up from zero). So the same is done with probes *refitted*
    at every step and tick, on the training levels: their growth is growth of what can be read at
    all. A plan forms where both grow.

    Parameters
    ----------
    source
        An organism (recorded on `tasks` first, with `thinking_steps`), or a store or run that was
        recorded with thinking steps.
    tasks
        For an organism.
    concepts
        Names among ``organism.concepts``, or concepts of your own, classes or numbers; default those
        that the family says are plans.
    thinking_steps
        For an organism; default 5, or 0 if its deliberation lies along layers or the like.
    sites
        Names or globs. Default: the organism's recurrent state, or all recorded sites that have
        the concept's places.
    receptive_field
        Of the probes.
    test_fraction
        Share of the levels that are held out.
    untrained, folder
        See `analyses.recordings.recorded`. The untrained network gets probes of its own.
    seed
        Of recording, split, sample, bootstrap and the untrained weights.
    **options
        Passed to `interp.probes.fit_probes`.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        macro_f1, f1_far, _low, _high        concept, source, site, deliberation
        r2, correlation, _low, _high         the same, of concepts that are numbers
        score_metric                         concept: macro_f1, or r2 of a number
        growth, growth_low, growth_high      concept, source, site: that score at the last tick of
                                             step 0 minus that at the very first tick, paired
        excess, excess_low, excess_high      concept, site: the trained network's growth minus the
                                             untrained one's (its own, where there is none)
        refitted_f1, refitted_growth,        as macro_f1, growth, excess: probes refitted at every
        refitted_excess, _low, _high         tick; NaN if the training levels lack a class
        refitted_r2, _low, _high             in place of refitted_f1, of numbers
        p_value, p_holm                      concept, site; one-sided, of excess ≤ 0 or
                                             refitted_excess ≤ 0
        found                                concept: both > 0 at some site, Holm-corrected
        ===================================  ======================================================

        The attribute ``classes_left_out`` is as in `plan_probes`.
        ``deliberation`` counts ticks (or layers, gradient steps: what the organism's `Deliberation`
        names) from the first one; coordinates ``step`` and ``tick`` along it.

    Raises
    ------
    InputError
        If the run has no thinking steps, and its organism deliberates along ticks.
    TooFewClassesError
        If fewer than two classes of a concept occur; see `analyses.recordings.labels_of`.

    Notes
    -----
    A feed-forward network is at its last value from the start: growth 0, "not found". The interval
    is over test levels for one set of probes.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 5 and Fig. 6.
    """
    concepts = concepts_asked(source, concepts)
    names = [concept_name(concept) for concept in concepts]
    axis = None if isinstance(source, str | os.PathLike) else deliberation_of(source)
    if thinking_steps is None:
        thinking_steps = THINKING_STEPS if by_ticks(axis) else 0
    with recorded(
        source,
        tasks,
        axis_sites(axis, sites) if tasks is not None else sites,
        thinking_steps=thinking_steps,
        untrained=untrained,
        seed=seed,
        folder=folder,
        progress=progress,
    ) as recording:
        run = recording.run
        axis = axis if tasks is not None else deliberation_of(run)
        if by_ticks(axis):
            check_thinking(run)
        run = along_ticks(run, axis, sites)
        players = {"trained": run}
        if recording.untrained is not None:
            players["untrained"] = along_ticks(recording.untrained, axis, sites)
        if axis is not None and axis.dim is None:
            sites = [axis.name]
        results, asked = [], []
        how = _How(receptive_field, test_fraction, seed, n_bootstrap, confidence, progress, options)
        for given in concepts:
            whole = recording.concept(given)
            labels, concept = labels_of(whole, run)
            asked.append((whole, concept))
            results.append(_formation_of(players, labels, concept, sites, how))
        step, tick = deliberation(run)
    dataset = xr.concat(
        with_all_scores(results),
        xr.DataArray(names, dims="concept"),
        combine_attrs="drop_conflicts",
        join="outer",
    )
    dataset["score_metric"] = main_scores(dataset)
    dataset = dataset.assign_coords(
        concept=names,
        deliberation=np.arange(len(step)),
        step=("deliberation", step),
        tick=("deliberation", tick),
    )
    dataset.attrs |= {
        "analysis": "plan_formation",
        "organism": recording.name,
        "classes_left_out": left_out(asked),
        "deliberation": "tick" if axis is None else axis.name,
        "thinking_steps": -int(run.step.values[0]),
        "receptive_field": receptive_field,
        "confidence": confidence,
        "intervals": INTERVALS.format("test levels", n_bootstrap),
        "probes": "fitted on training levels at the last tick of steps ≥ 0",
        "refitted_probes": "fitted on training levels at each tick of steps ≤ 0",
        "seed": seed,
    }
    both = ("refitted_excess",)
    return add_verdict(dataset, "excess", ("site",), and_also=both)


@dataclass(frozen=True)
class _How:
    """How the probes of every concept are fitted and scored."""

    receptive_field: int
    test_fraction: float
    seed: int
    n_bootstrap: int
    confidence: float
    progress: bool
    options: Mapping[str, Any]


def _formation_of(
    players: dict[str, xr.Dataset], labels: xr.DataArray, concept: Concept, sites: Any, how: _How
) -> xr.Dataset:
    """Return the curves of one concept at all sites, of probes fitted once and of refitted ones."""
    from interp.probes import fit_probes
    from interp.probes.features import choose_sites

    run, control = players["trained"], players.get("untrained")
    chosen = choose_sites(run, sites, [str(dim) for dim in labels.dims[2:]])
    shared: dict[str, Any] = {
        "classes": concept.classes,
        "negative": concept.negative,
        "receptive_field": how.receptive_field,
        "controls": (),
        "n_bootstrap": 0,
        "seed": how.seed,
        "progress": how.progress,
        **how.options,
    }
    probes = fit_probes(
        at_last_tick(run),
        labels,
        chosen,
        steps=slice(0, None),
        test_fraction=how.test_fraction,
        untrained=None if control is None else at_last_tick(control),
        **shared,
    )
    before = labels.sel(step=slice(None, 0))
    in_train = np.isin(run.level_id.values, probes.train_group.values)
    moments = _thinking(run)
    refits = all(_enough(before.sel(step=step).values[in_train], concept) for step in moments)
    test = np.flatnonzero(np.isin(run.level_id.values, probes.test_group.values))
    counts: tuple[dict, dict] = ({}, {})  # of the probes fitted once, of refitted ones
    for site in chosen:  # one at a time: what is read of it is held in memory
        early = {player: _before_acting(data, site) for player, data in players.items()}
        of_step = [dict.fromkeys(moments, probes)]
        if refits:
            of_step.append(
                {
                    step: fit_probes(
                        early["trained"],
                        before,
                        [site],
                        steps=[step],
                        split=_labelled_split(probes, run, before.sel(step=step)),
                        untrained=early.get("untrained"),
                        **shared,
                    )
                    for step in moments
                }
            )
        for of_all, fitted in zip(counts, of_step, strict=False):
            for player, data in early.items():
                of_all[player, site] = reading_counts(data, before, fitted, player, site, test)
    groups = run.level_id.values[test]
    return _with_refitted(
        *(_score(each, list(players), chosen, concept, groups, how) for each in counts if each)
    )


def _labelled_split(
    probes: xr.Dataset, run: xr.Dataset, labels: xr.DataArray
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides of the probes' split, without levels that have no label at a step."""
    values = labels.values.reshape(labels.sizes["episode"], -1)
    there = np.isfinite(values) if values.dtype.kind == "f" else values >= 0
    labelled = run.level_id.values[there.any(axis=1)]
    train, test = probes.train_group.values, probes.test_group.values
    return train[np.isin(train, labelled)], test[np.isin(test, labelled)]


def _enough(labels: np.ndarray, concept: Concept) -> bool:
    """Whether probes can be fitted to these labels: every class is there, or numbers differ."""
    if concept.classes is not None:
        return set(range(len(concept.classes))) <= set(np.unique(labels).tolist())
    there = labels[np.isfinite(labels)]
    return len(there) > 0 and there.min() < there.max()


def _before_acting(run: xr.Dataset, site: str) -> xr.Dataset:
    """Keep the steps up to the first action's, in memory if they are few: they are read often."""
    early = run.sel(step=slice(None, 0))
    if early[site].nbytes > MOST_IN_MEMORY:
        return early
    return early.assign({site: early[site].load()})


def _thinking(run: xr.Dataset) -> list[int]:
    """Return the steps up to the first action's."""
    return [int(s) for s in run.step.values if s <= 0]


def _with_refitted(fixed: xr.Dataset, refitted: xr.Dataset | None = None) -> xr.Dataset:
    """Put the refitted probes' scores beside the fixed ones': NaN where none could be fitted."""
    names = {
        "macro_f1": "refitted_f1",
        "r2": "refitted_r2",
        "growth": "refitted_growth",
        "excess": "refitted_excess",
    }
    for name, other in names.items():
        if name not in fixed:
            continue
        for end in (*ENDS, "_p"):
            if name + end in fixed:
                source = fixed[name + end] * np.nan if refitted is None else refitted[name + end]
                fixed[other + end] = source
    return fixed


def _score(
    counts: dict[tuple[str, str], np.ndarray],
    players: list[str],
    sites: list[str],
    concept: Any,
    groups: np.ndarray,
    how: _How,
) -> xr.Dataset:
    from interp.probes.metrics import classification_scores, regression_scores
    from interp.statistics import DIFFERENCE, RATE, leave_one_out, resampled_sums

    unit = np.unique(groups, return_inverse=True)[1]
    per_episode = np.stack([[counts[p, s] for s in sites] for p in players])
    per_level = np.zeros((unit.max() + 1, *per_episode.shape[:2], *per_episode.shape[3:]))
    np.add.at(per_level, unit, np.moveaxis(per_episode, 2, 0))
    if concept.classes is None:
        metrics, score = ("r2", "correlation"), regression_scores
        within = between = None
    else:
        metrics, score = (
            ("macro_f1", "f1_far"),
            partial(classification_scores, negative=_negative(concept)),
        )
        within, between = RATE, DIFFERENCE
    rows = score(resampled_sums(leave_one_out(len(per_level)), per_level))
    how_sure = Resampling(how.n_bootstrap, how.confidence, how.seed)
    data: dict[str, Any] = {}
    dims = ("source", "site", "deliberation")
    for metric in metrics:
        data |= statistic_variables(metric, dims, rows[metric], how_sure, bounds=within)
    grown = rows[metrics[0]][..., -1] - rows[metrics[0]][..., 0]  # (row, source, site)
    data |= statistic_variables("growth", dims[:2], grown, how_sure, bounds=between)
    excess = grown[:, 0] - (grown[:, 1] if len(players) > 1 else 0.0)
    twice = between and (2 * between[0], 2 * between[1])
    data |= statistic_variables("excess", ("site",), excess, how_sure, bounds=twice, tested=True)
    data["n_levels"] = len(per_level)
    return xr.Dataset(data, {"source": players, "site": sites}, {"confidence": how.confidence})


def _negative(concept: Any) -> int:
    if concept.negative is not None:
        return concept.classes.index(concept.negative)
    lowered = [name.lower() for name in concept.classes]
    return lowered.index("never") if "never" in lowered else 0


@answer_plot
def plot_plan_formation(dataset: xr.Dataset, sites: Sequence[str] | None = None) -> Figure:
    """Draw how well the plan is decoded against deliberation, one panel per concept and site."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    shown = list(sites) if sites is not None else _representative(dataset)
    concepts = list(dataset.concept.values)
    n_ticks = int(dataset.tick.max()) + 1
    with figure_style():
        figure, axes = subplots(
            len(concepts),
            len(shown),
            width="text",
            height=0.9 + 1.5 * len(concepts),
            squeeze=False,
            sharex=True,
            sharey="row",
        )
        for row, concept in enumerate(concepts):
            score = str(main_scores(dataset).sel(concept=concept).item())
            again = {"macro_f1": "refitted_f1"}.get(score, f"refitted_{score}")
            for column, site in enumerate(shown):
                ax = axes[row, column]
                for source in dataset.source.values:
                    cell = dataset.sel(concept=concept, site=site, source=source)
                    line_with_interval(
                        ax,
                        cell.deliberation,
                        cell[score],
                        cell[f"{score}_low"],
                        cell[f"{score}_high"],
                        str(source),
                        source=str(source),
                        markersize=2.5,
                    )
                refitted = dataset.sel(concept=concept, site=site, source="trained")
                if bool(refitted[again].notnull().any()):
                    line_with_interval(
                        ax,
                        refitted.deliberation,
                        refitted[again],
                        refitted[f"{again}_low"],
                        refitted[f"{again}_high"],
                        "trained, probes refitted at every tick",
                        color="#56B4E9",
                        marker="^",
                        markersize=2.5,
                    )
                for first in range(n_ticks, dataset.sizes["deliberation"], n_ticks):
                    ax.axvline(first - 0.5, color="0.88", linewidth=0.7, zorder=0)
                letter = "abcdefghijkl"[row * len(shown) + column]
                ax.set_title(f"{letter}   {str(concept).replace('_', ' ')}\n{site}", loc="left")
                if row == len(concepts) - 1:
                    ax.set_xlabel(
                        f"{dataset.attrs.get('deliberation', 'tick')} before the first move"
                    )
                if not column:
                    ax.set_ylabel(SCORE_WORDS[score])
        n, share = int(dataset.n_levels.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: decoded plan, n = {n} held-out levels, bands {share:.0f} %; "
            "grey lines: a new step"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=3)
    return figure


def _representative(dataset: xr.Dataset, most: int = 3) -> list[str]:
    """Return at most `most` sites: the ones whose final score, averaged over concepts, is best."""
    known = [name for name in ("macro_f1", "r2") if name in dataset]
    final = dataset[known].sel(source="trained").isel(deliberation=-1).to_array("score")
    final = final.mean(["score", "concept"])
    best = final.argsort().values[::-1][:most]
    return [str(dataset.site.values[i]) for i in sorted(best)]
