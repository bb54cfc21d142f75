"""Where is a goal represented, where base objective and proxy part, and does it lead behaviour?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.ladder_figure import rungs_of, strongest_rung
from analyses.needs import Names, PlaceDims
from analyses.probe_controls import ladder_for, what_sites_see
from analyses.question import answer_plot, question
from analyses.recordings import Recorded, concept_list, concept_name, recorded
from analyses.verdict import best_cell
from interp.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks


@question(
    "Where is a goal represented, and does it lead behaviour?",
    needs=(PlaceDims(), Names("candidates", ("object",)), Names("nearest", ("nearest_object",))),
)
def objective_probes(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    test: Any,
    candidates: str | Concept = "object",
    nearest: str | Concept | None = "nearest_object",
    sites: str | Iterable[str] | None = None,
    receptive_field: int = 1,
    untrained: Any = "auto",
    controls: Sequence[str] | None = None,
    fits: int = 8,
    regularisation: float = 1.0,
    horizon: int = 12,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Probe for goals on one set of tasks and test on others, in which objectives part.

    At every step several squares are candidates. A linear probe of each concept (the goal that the
    agent will go to, the nearest thing that the base objective wants, the nearest that its proxy
    wants) is fitted to tell the candidate that the concept marks from the others; on the test tasks it
    points at the candidate with the highest score. Where it points tells a site that holds the goal
    from one that holds what used to go with it. When it points right tells whether the representation
    leads the behaviour.

    Parameters
    ----------
    source
        An organism (recorded on `tasks` and on `test` first), the path of a store, or a run in memory.
    tasks
        For an organism: what the probes are fitted on.
    concepts
        Names among ``organism.concepts``, or concepts of your own, with two classes per square. The
        first is the goal, which may lead behaviour. Default: ``goal`` and all called ``nearest_…``.
    test
        What the probes are tested on: for an organism tasks, else a store or a run of the same
        organism. No level of it may be among those of the fit.
    candidates
        The concept that marks the squares to choose among. Steps with fewer than two are left out.
    nearest
        The concept that marks the candidate nearest to the agent, which is pointed at as a control;
        None to go without.
    sites
        Names or globs. Default: the organism's recurrent state, or all recorded sites with squares.
    receptive_field
        1 or 3: a square is read from itself or from its 3 × 3 neighbourhood.
    untrained
        The control: ``"auto"`` (see `analyses.recordings.recorded`), None, or a pair of stores or runs:
        the fit's and the test's episodes, replayed through the untrained network.
    controls
        Names of the observation's probes (`interp.probes.ObservationProbe`); None for the one that sees
        as much as the site's, the same with the step before (``history``), and the whole
        `interp.probes.ladder`. Those with a hidden layer are fitted once, to all levels.
    fits
        How many times each probe is fitted, each time to a resample of the fit's levels, ≥ 1. Where it
        points is averaged, and the intervals are over both levels and fits: what can be told in two
        ways from the fit (see Notes) is decided now one way and now the other.
    regularisation
        L2 penalty of the logistic probes, in units of the features' spread.
    horizon
        How many steps before the goal the time course reaches back to, ≥ 1.
    n_bootstrap, confidence
        Resamples of the test's levels, and coverage of the percentile intervals.
    seed
        Of recording, the lots that decide ties, shuffling, bootstrap and the untrained weights.
    folder
        Where stores are kept, in its folders ``fit`` and ``test``; default temporary ones.

    Returns
    -------
    xarray.Dataset
        ======================================  ======================================================
        variable                                dims
        ======================================  ======================================================
        points_at, _low, _high                  concept, location, source, site, tick: how often the
                                                probe of `concept` points at a square of `location`
        accuracy, _low, _high                   concept, source, site, tick: at its own concept's
        chance                                  concept: of pointing at random
        agree                                   set (fit, test), concept, location: share of a
                                                concept's steps at which both mark the same
        margin, margin_low, margin_high         concept, site, tick: trained − the best control, paired
        best_control                            concept, site, tick
        p_value, p_holm                         concept, site, tick
        found                                   concept: margin > 0 somewhere, Holm over site and tick
        reads                                   concept, site, tick: the locations it points at most,
                                                those that the intervals do not tell apart together
        goal_accuracy, _low, _high              source, site, tick, remaining: of the goal's probe,
                                                so many steps before the goal is reached
        goal_chance, n_remaining                remaining
        settled, _low, _high                    source, site, tick: step (since the first) from which
                                                on the goal is pointed at until it is reached
        lead, lead_low, lead_high               control, site, tick: settled of the trained network −
                                                settled of the control, paired; negative = leads
        lead_p_value, lead_p_holm               site, tick: lead < 0 over *every* control
        lead_found                              lead < 0 over every control somewhere, Holm
        n_episodes, n_groups                    concept: test episodes and levels with such moments
        n_fit_episodes                          concept
        n_approaches                            test episodes with a first goal
        ======================================  ======================================================

        Sources, all fitted, tested and pointing alike: ``trained``; ``untrained``, the same site of
        the untrained network; ``observation`` and ``history``, the observation's channels, and with
        those of the step before; the further rungs of `interp.probes.ladder`: wider fields, the last
        four observations, a hidden layer; ``position``, what lies on the candidate with where from there
        everything is that moves, now and a step before; ``nearest``; ``shuffled``, the site's probe
        fitted to candidates drawn by lot and scored on such. Those without a site repeat
        everywhere. `tick` is −1 for sites without ticks. NaN where a concept marks candidates in
        fewer than 10 episodes of the fit or of the test (attribute ``too_few``).

    Raises
    ------
    UnknownNameError, UnknownSiteError
        For a concept or site that does not exist.
    InputError
        If levels are in both sets, a concept has not two classes per square, or there are no steps with
        two candidates.

    Notes
    -----
    An episode's moments are averaged first, so that long episodes do not count more. The first goal of
    an episode is what `goal_accuracy`, `settled` and `lead` are about, until it is reached or changes.

    What `found` and `lead_found` rest on depends on the tasks of the fit. Where goal and proxy part there,
    the observation's probe knows whatever follows from what things look like, and a margin or lead means
    that the site knows more than that. Where they coincide (`agree`), the observation does not say which
    is meant, and every mixture of it generalises in some way of its own, an untrained network's too: a
    margin then means no more than that this site does so in the agent's way and the controls do not.
    A representation that leads behaviour may still not be used for it: see `objective_swap`.

    References
    ----------
    Hubinger et al. 2019 (arXiv 1906.01820); Mini et al. 2023 (arXiv 2310.08043); Hewitt & Liang 2019
    (arXiv 1909.03368).
    """
    from analyses.objectives.objective_pointers import decode
    from analyses.objectives.objective_tables import summary

    if min(horizon, n_bootstrap, fits, receptive_field) < 1 or receptive_field % 2 == 0:
        raise InputError(
            "horizon, n_bootstrap and fits are at least 1 and receptive_field is odd: "
            f"{horizon}, {n_bootstrap}, {fits}, {receptive_field}."
        )
    sites = sites if sites is None or isinstance(sites, str) else list(sites)
    options = {"untrained": untrained, "seed": seed, "folder": folder, "progress": progress}
    with _recordings(source, tasks, test, sites, **options) as (fit, tested):
        chosen = _concepts(fit, concepts)
        squares = {dim: fit.run.sizes.get(dim, 1) for dim in ("y", "x")}
        ladder = ["observation", "history", *ladder_for(squares, what_sites_see(fit, sites))]
        data = decode(
            fit,
            tested,
            chosen,
            fit.concept(candidates),
            None if nearest is None else fit.concept(nearest),
            sites,
            receptive_field,
            fits,
            regularisation,
            seed,
            ladder if controls is None else list(controls),
        )
    dataset = summary(data, horizon, n_bootstrap, confidence, seed)
    dataset.attrs |= {
        "organism": fit.name,
        "goal": data.names[0],
        "candidates": concept_name(candidates),
        "receptive_field": receptive_field,
        "fits": fits,
        "regularisation": float(regularisation),
        "seed": seed,
    }
    return dataset


@contextmanager
def _recordings(
    source: Any, tasks: Any, test: Any, sites: Any, *, untrained: Any, folder: Any, **options: Any
) -> Iterator[tuple[Recorded, Recorded]]:
    """Give the run to fit on and the run to test on."""
    from analyses.objectives.objective_pointers import levels

    pair = list(untrained) if isinstance(untrained, tuple | list) else [untrained] * 2
    if len(pair) != 2 or (untrained is pair[0] and isinstance(untrained, xr.Dataset)):
        raise InputError("untrained is 'auto', None, or a pair: the fit's and the test's episodes.")
    where = [None if folder is None else Path(folder) / name for name in ("fit", "test")]
    an_organism = not isinstance(source, xr.Dataset) and hasattr(source, "network")
    other, its_tasks = (source, test) if an_organism else (test, None)
    with (
        recorded(source, tasks, sites, untrained=pair[0], folder=where[0], **options) as fit,
        recorded(other, its_tasks, sites, untrained=pair[1], folder=where[1], **options) as tested,
    ):
        both = np.intersect1d(levels(fit.run), levels(tested.run))
        if len(both):
            raise InputError(
                f"{len(both)} levels are in both the fit and the test, such as {str(both[0])!r}."
            )
        yield fit, tested


def _concepts(fit: Recorded, given: Any) -> list[Concept]:
    """Return the concepts, the goal first."""
    if given is None:
        given = ["goal", *(name for name in fit.concepts if name.startswith("nearest_"))]
    chosen = [fit.concept(concept) for concept in concept_list(given)]
    if not chosen or len({concept.name for concept in chosen}) < len(chosen):
        raise InputError("Name at least one concept, and each once.")
    return chosen


@answer_plot
def plot_objective_probes(dataset: xr.Dataset) -> Figure:
    """Draw how often each concept's probe is right, where the goal's points, and when it is right.

    First row: accuracy at the last tick of every site beside its controls, a panel per concept; of the
    observation's probes the strongest.
    Second row: where the goal's probe points at the site and tick of its largest margin; and how often it
    points at the goal, so many steps before that is reached, at the site and tick that lead most.
    """
    from interp.style import figure_style, legend_outside, subplots

    concepts = [str(name) for name in dataset.concept.values]
    rungs = rungs_of(dataset)
    sources = [str(name) for name in dataset.source.values if str(name) not in rungs[1:]]
    letters = iter("abcdefghijklmnop")
    with figure_style():
        n = max(2, len(concepts))
        figure, grid = subplots(2, n, width="text", height=5.0, squeeze=False, sharey=True)
        below = grid[1, 0].get_gridspec()
        for ax in [*grid[1], *grid[0, len(concepts) :]]:
            ax.remove()
        top = [*grid[0, : len(concepts)]]
        left = figure.add_subplot(below[1, : n // 2])
        right = figure.add_subplot(below[1, n // 2 :], sharey=left)
        last = dataset.isel(tick=_last_ticks(dataset))
        for ax, concept in zip(top, concepts, strict=True):
            cell = strongest_rung(last.sel(concept=concept), "accuracy")
            _bars(ax, cell, "accuracy", "site")
            ax.axhline(float(cell.chance), color="0.15", linestyle=":", marker="")
            words = concept.replace("_", " ")
            ax.set_title(f"{next(letters)}   {words}\nn = {int(cell.n_groups)}", loc="left")
            ax.tick_params(axis="x", rotation=30)
        top[0].set_ylabel("probe's accuracy among\nthe candidates")
        goal = dataset.sel(concept=dataset.attrs["goal"])
        at = best_cell(goal.margin, goal.p_holm)
        if at is not None:
            _bars(left, strongest_rung(goal.isel(at), "accuracy"), "points_at", "location")
            left.tick_params(axis="x", rotation=30)
        words = "" if at is None else f"\n{_cell_words(goal.isel(at))}"
        left.set_title(f"{next(letters)}   {dataset.attrs['goal']} probe{words}", loc="left")
        left.set_ylabel("points at")
        right.set_title(f"{next(letters)}   {_lead_words(dataset)}", loc="left")
        _time_course(right, dataset)
        share = 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: tested where objectives part, {share:.0f} % intervals"
        )
        legend_outside(
            figure, [*top, right], loc="outside lower center", ncols=len(sources) // 2 + 1
        )
    return figure


def _bars(ax: Any, cell: xr.Dataset, name: str, along: str) -> None:
    from interp.style import bars_with_intervals

    sources = [str(source) for source in cell.source.values]
    bars_with_intervals(
        ax,
        *(cell[name + end].transpose("source", along) for end in ("", "_low", "_high")),
        categories=[str(label).replace("_", " ") for label in cell[along].values],
        series=sources,
        palette=_palette(),
    )
    ax.set_ylim(0, 1.02)


def _time_course(ax: Any, dataset: xr.Dataset) -> None:
    from interp.style import SOURCE_MARKERS, line_with_interval

    cell = _leading(dataset)
    cell = None if cell is None else strongest_rung(cell, "goal_accuracy")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("steps until the goal is reached")
    if cell is None:
        return
    enough = (dataset.n_remaining >= 10).values
    steps = dataset.remaining.values[enough]
    for source in [str(name) for name in cell.source.values]:
        line = cell.sel(source=source).isel(remaining=enough)
        if line.goal_accuracy.notnull().any():
            line_with_interval(
                ax,
                steps,
                line.goal_accuracy,
                line.goal_accuracy_low,
                line.goal_accuracy_high,
                color=_palette()[source],
                marker=SOURCE_MARKERS.get(source, "P"),
                linestyle="-" if source == "trained" else "--",
                label=source,
            )
    chance = dataset.goal_chance[enough]
    ax.plot(steps, chance, linestyle=":", color="0.15", marker="", label="chance")
    ax.invert_xaxis()
    ax.xaxis.get_major_locator().set_params(integer=True)


def _palette() -> dict[str, str]:
    from interp.style import GREY, SOURCE_COLOURS, VERMILION

    return {**SOURCE_COLOURS, "position": VERMILION, "nearest": GREY}


def _last_ticks(dataset: xr.Dataset) -> xr.DataArray:
    """Return the position of the last tick that each site has."""
    there = dataset.accuracy.sel(source="trained", drop=True).notnull().any("concept")
    return there.cumsum("tick").argmax("tick")


def _leading(dataset: xr.Dataset) -> xr.Dataset | None:
    """Return the cell of the site and tick with the largest lead over its nearest control."""
    if "lead_p_holm" not in dataset:
        return None
    at = best_cell(-dataset.lead.max("control"), dataset.lead_p_holm)
    return None if at is None else dataset.isel(at)


def _cell_words(cell: xr.Dataset) -> str:
    return str(cell.site.values) + ("" if cell.tick < 0 else f", tick {int(cell.tick)}")


def _lead_words(dataset: xr.Dataset) -> str:
    cell = _leading(dataset)
    if cell is None:
        return "no goals to be led to"
    closest = cell.isel(control=int(cell.lead.fillna(-np.inf).argmax("control")))
    found = "found" if bool(dataset.lead_found) else "not found"
    lead, n = float(closest.lead), int(dataset.n_approaches)
    words = f"{lead:+.1f} steps on {closest.control.item()}, n = {n}".replace("-", "−")
    return f"{_cell_words(cell)}: lead {found},\n{words}"
