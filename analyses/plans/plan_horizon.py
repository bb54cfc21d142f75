"""How far ahead does each channel, or probe, foretell what happens on a square?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from analyses.needs import Ability, PlaceDims
from analyses.plans.decoded_plans import plan_concepts, plans_of
from analyses.plans.horizon_labels import (
    N_BINS,
    Label,
    control_curves,
    curves_of,
    history_curves,
    labels_of,
    mean_of,
    strongest,
    term_of,
)
from analyses.plans.horizon_problem import Problem, Scores, problem_of
from analyses.plans.horizon_scores import bin_edges
from analyses.question import answer_plot, question
from analyses.recordings import concept_name, recorded
from analyses.verdict import ALPHA, add_verdict
from interp.errors import InputError, UnknownNameError, check_integer
from organisms.capabilities.plans import Plans

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from interp.concepts import Concept
    from interp.contract import Tasks
    from organisms.capabilities.plans import Plans

SOURCES = ("trained", "untrained", "history", "shuffled")


@question(
    "How far ahead does each channel foretell what happens on a square?",
    needs=(PlaceDims(), Ability(Plans, unless="plans")),
)
def plan_horizon(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    plans: Plans | None = None,
    sites: str | Iterable[str] | None = None,
    horizon: int = 30,
    short: int = 10,
    ahead: Literal["steps", "events"] = "steps",
    against: Literal["all", "path"] = "all",
    reach: int = 1,
    probes: bool = True,
    test_fraction: float = 0.5,
    untrained: Any = "auto",
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    n_bootstrap: int = 300,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Measure how well each channel at a square tells that an event happens there k steps ahead.

    The score of a (step, square) is a channel's activation at the last tick of the step. Its area
    under the ROC curve (AUC) for an event, ``k`` steps ahead, is the chance that a square at which the
    event does happen with the k-th action from now (k = 1: the one about to be taken) scores higher
    than one at which it does not. Each channel is *labelled* on training levels: the class of event
    (a direction), the sign, the spatial shift (the square beside it that it speaks of), and whether it
    is short- or long-term. The label is then scored on held-out levels, beside three controls: the
    untrained network's channel that is best for this class and term (on training levels); how recently
    the square had such an event (an agent that goes to and fro has its future written in its past);
    and the events of another held-out level (what is due to where on the board things happen at all).
    A *path channel* is one that beats all three.

    Parameters
    ----------
    source, tasks, untrained, folder, seed
        As in `analyses.plans.plan_probes.plan_probes`.
    concepts
        As in `analyses.plans.plan_validity.plan_validity`.
    plans
        Where the events come from; default the family's (``organism[Plans]``).
    sites
        Names or globs. Default: the organism's recurrent state.
    horizon
        Largest k.
    short
        Up to where is near: see `analyses.plans.horizon_labels.LASTING`.
    ahead
        Whether k counts steps, or (``"events"``) only the steps at which an event of the concept
        happens: "the next ten pushes".
    against
        What the event's square is compared with: ``"all"`` other squares (as in the paper, walls
        included), or those of the ``"path"``: on which an event of the concept does happen later in
        the episode. The second asks when and in which direction, given that.
    reach
        Shifts of up to so many squares in y and x are tried.
    probes
        Whether to score linear probes of each site (1 × 1, last tick, fitted on training levels) too:
        the logit of each class, less that of all others together.
    **options
        Passed to `interp.probes.fit_probes`.

    Returns
    -------
    xarray.Dataset
        ``unit`` runs over channels and probes, with coordinates ``site``, ``channel`` (−1: a probe)
        and ``kind`` (``"channel"``, ``"probe"``).

        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        auc, auc_low, auc_high               concept, source, unit, k: on held-out levels, of the
                                             unit's class, sign and shift. Sources: trained,
                                             untrained (the best channel or probe for the class),
                                             history (the last such event's recency), shuffled
                                             (another level's events)
        label, sign, shift_y, shift_x, term  concept, unit: from training levels. term is
                                             ``"short"`` or ``"long"``
        train_auc                            concept, unit, k: on training levels
        margin, margin_low, margin_high      concept, unit: mean AUC over the near steps (long-term
                                             units: the far ones), trained minus the best control
                                             (chosen anew in each resample)
        p_value, p_holm                      concept, unit
        is_path                              concept, unit: a channel with p_holm < 0.05
        found                                concept: whether any channel or probe is
        n_events                             concept, k: on held-out levels
        n_levels                             concept
        ===================================  ======================================================

    Raises
    ------
    InputError
        For numbers out of range, and if the family says nothing of plans.
    UnknownNameError
        For an unknown `ahead` or `against`.

    Notes
    -----
    Scores are put into 64 bins of about equally many squares. Labels are chosen with the squares as
    they lie as the others; held-out areas are of the shifted map. AUC does not say that a channel is
    used; see `analyses.channel_ablation`.

    References
    ----------
    Taufeeque et al. 2025 (arXiv 2506.10138), Fig. 3 middle and Figs. 14 to 16 (short-term channels
    above 95 % for the next 10 box moves, long-term ones for about 50), Tables 4 and 7 (shifts, signs).
    """
    for name, value, least in (("horizon", horizon, 1), ("short", short, 1), ("reach", reach, 0)):
        check_integer(name, value, least)
    for name, value, known in (
        ("ahead", ahead, ("steps", "events")),
        ("against", against, ("all", "path")),
    ):
        if value not in known:
            raise UnknownNameError(f"choice for {name}", value, known)
    with recorded(
        source, tasks, sites, untrained=untrained, seed=seed, folder=folder, progress=progress
    ) as recording:
        run = recording.run
        reader = plans_of(source if hasattr(source, "plans") else run, plans)
        asked = plan_concepts(concepts, reader)
        names = [concept_name(concept) for concept in asked]
        results = []
        for given in asked:
            concept = recording.concept(given)
            if concept.classes is None:
                raise InputError(f"{concept.name!r} has no classes of events.")
            problem = problem_of(
                run, reader, concept, horizon, short, ahead, against, reach, test_fraction, seed
            )
            players = {"trained": run}
            if recording.untrained is not None:
                players["untrained"] = recording.untrained
            scores = Scores(problem, players, sites)
            if probes:
                scores.fit_probes(concept(run), {"seed": seed, "progress": progress, **options})
            results.append(_evaluate(problem, scores, n_bootstrap, confidence, seed, progress))
    dataset = xr.concat(
        results, xr.DataArray(names, dims="concept"), combine_attrs="drop_conflicts"
    ).assign_coords(concept=names)
    dataset.attrs |= {
        "analysis": "plan_horizon",
        "organism": recording.name,
        "ahead": ahead,
        "against": against,
        "short": short,
        "reach": reach,
        "confidence": confidence,
        "intervals": f"percentile bootstrap over test levels, {n_bootstrap} resamples",
        "seed": seed,
    }
    dataset = add_verdict(dataset, "margin", ("unit",), dataset.n_levels)
    channel = dataset.kind == "channel"
    dataset["is_path"] = ((dataset.p_holm < ALPHA) & channel).transpose("concept", "unit")
    return dataset


def _evaluate(
    problem: Problem,
    scores: Scores,
    n_bootstrap: int,
    confidence: float,
    seed: int,
    progress: bool,
) -> xr.Dataset:
    from tqdm import tqdm

    from interp.statistics import bootstrap_weights, percentile_interval

    weights = bootstrap_weights(problem.n_levels, n_bootstrap, seed)
    width = len(problem.classes) - 1 if scores.probes is not None else 0
    best_untrained: dict[tuple[int, str, str | None], tuple[float, str, int, Label]] = {}
    units: list[tuple[str, int, Label]] = []
    curves: list[tuple[np.ndarray, np.ndarray]] = []  # of the trained units: (source, k), resamples
    work = [(player, site) for player in reversed(scores.players) for site in scores.sites]
    for player, site in tqdm(work, unit="site", desc="plan horizon", disable=not progress):
        values = scores.of(player, site)
        n_channels = len(values) - width
        for number, value in enumerate(values):
            fixed = None if number < n_channels else number - n_channels + 1
            flat = value.reshape(len(value), -1)
            edges = bin_edges(flat[problem.train_rows], N_BINS)
            codes = np.searchsorted(edges, flat).astype(np.int64)
            labels = labels_of(problem, codes, len(edges) + 1, fixed)
            if player == "untrained":
                for (kind, band), label in labels.items():
                    key = (kind, band, None if fixed is None else site)
                    if label.strength > best_untrained.get(key, (0.0,))[0]:
                        best_untrained[key] = (label.strength, site, number, label)
                continue
            if not labels:
                continue
            label = strongest(labels)
            units.append((site, number if fixed is None else -1, label))
            curves.append(curves_of(problem, codes, len(edges) + 1, label, weights, True))
    if not units:
        raise InputError("No event happens often enough on training levels for a score to tell.")
    controls = {
        key: control_curves(problem, scores, site, number, label, weights)
        for key, (_, site, number, label) in sorted(best_untrained.items(), key=lambda i: i[1][1])
    }
    past = {label.kind: history_curves(problem, label.kind, weights) for _, _, label in units}
    horizon, n = problem.ahead.horizon, len(units)
    names = [name for name in SOURCES if name != "untrained" or controls]
    auc = np.full((len(names), n, horizon), np.nan)
    low, high = auc.copy(), auc.copy()
    margin = np.full((3, n), np.nan)
    terms = []
    for u, (site, channel, label) in enumerate(units):
        own, again = curves[u]
        parts = {"trained": (own[0], again[0]), "shuffled": (own[1], again[1])}
        parts["history"] = past[label.kind]
        if controls:
            key = (label.kind, term_of(problem, label), None if channel >= 0 else site)
            blank = (np.full((1, horizon), 0.5), np.full((1, len(weights), horizon), 0.5))
            control, control_again = controls.get(key, blank)
            parts["untrained"] = (control[0], control_again[0])
        terms.append(term_of(problem, label))
        band = problem.bands[terms[-1]] & np.isfinite(own[0])
        for s, name in enumerate(names):
            auc[s, u], replicates = parts[name]
            low[s, u], high[s, u] = percentile_interval(replicates, confidence)
        if band.any():
            point = {name: np.nanmean(parts[name][0][band]) for name in names}
            resampled = {name: mean_of(parts[name][1][:, band]) for name in names}
            rest = [name for name in names if name != "trained"]
            margin[0, u] = point["trained"] - max(point[name] for name in rest)
            best = np.max([resampled[name] for name in rest], axis=0)
            margin[1:, u] = percentile_interval(resampled["trained"] - best, confidence)
    held_out = np.isin(problem.ahead.row, problem.test_rows)
    n_events = np.bincount(problem.ahead.k[held_out], minlength=horizon + 1)[1:]
    dims = ("source", "unit", "k")
    data: dict[str, Any] = {
        "auc": (dims, auc),
        "auc_low": (dims, low),
        "auc_high": (dims, high),
        "label": ("unit", [problem.classes[label.kind] for _, _, label in units]),
        "sign": ("unit", [label.sign for _, _, label in units]),
        "shift_y": ("unit", [label.shift[0] for _, _, label in units]),
        "shift_x": ("unit", [label.shift[1] for _, _, label in units]),
        "term": ("unit", terms),
        "train_auc": (("unit", "k"), np.stack([label.curve for _, _, label in units])),
        "margin": ("unit", margin[0]),
        "margin_low": ("unit", margin[1]),
        "margin_high": ("unit", margin[2]),
        "n_events": ("k", n_events),
        "n_levels": problem.n_levels,
    }
    coords = {
        "source": names,
        "k": np.arange(1, horizon + 1),
        "site": ("unit", [site for site, _, _ in units]),
        "channel": ("unit", [channel for _, channel, _ in units]),
        "kind": ("unit", ["probe" if channel < 0 else "channel" for _, channel, _ in units]),
    }
    names_of = [
        f"{site}/{'probe ' + problem.classes[label.kind] if channel < 0 else channel}"
        for site, channel, label in units
    ]
    return xr.Dataset(data, {"unit": names_of, **coords}, {"confidence": confidence})


def path_channels(
    dataset: xr.Dataset, concept: str | None = None, term: str | None = None
) -> dict[str, list[int]]:
    """Return the path channels that `plan_horizon` found: site → channels.

    Parameters
    ----------
    concept
        Of this concept; default of any.
    term
        ``"short"`` or ``"long"``; default both.
    """
    chosen = dataset.is_path
    if term is not None:
        chosen = chosen & (dataset.term == term)
    chosen = chosen.any("concept") if concept is None else chosen.sel(concept=concept)
    out: dict[str, list[int]] = {}
    for site, channel in zip(
        dataset.site.values[chosen.values], dataset.channel.values[chosen.values], strict=True
    ):
        out.setdefault(str(site), []).append(int(channel))
    return out


CONTROLS = ("untrained", "history", "shuffled")


@answer_plot
def plot_plan_horizon(dataset: xr.Dataset, most: int = 3) -> Figure:
    """Draw AUC against steps ahead: the best short- and long-term channels, probes, and controls."""
    from interp.style import SOURCE_DASHES, colours, figure_style, line_with_interval, subplots

    concepts = list(dataset.concept.values)
    unit = "steps ahead" if dataset.attrs["ahead"] == "steps" else "events ahead"
    with figure_style():
        figure, axes = subplots(
            len(concepts),
            2,
            width="text",
            height=1.0 + 2.2 * len(concepts),
            squeeze=False,
            sharex=True,
            sharey=True,
        )
        for row, concept in enumerate(concepts):
            cell = dataset.sel(concept=concept)
            panels = (
                ("channels", (cell.kind == "channel").values),
                ("probes", (cell.kind == "probe").values),
            )
            for column, (what, chosen) in enumerate(panels):
                ax = axes[row, column]
                shown = cell.isel(unit=np.flatnonzero(chosen))
                best = np.argsort(-np.nan_to_num(shown.margin.values, nan=-1))[:most]
                palette = colours(list(range(len(best))))
                for i, at in enumerate(best):
                    line = shown.isel(unit=at)
                    star = "*" if float(line.p_holm) < ALPHA else ""
                    sign = "" if what == "probes" else "+" if int(line.sign) > 0 else "−"
                    label = f"{line.unit.item()}{star}"
                    if what == "channels":
                        label += f": {sign}{line.label.item()}, {line.term.item()}"
                    own = line.sel(source="trained")
                    line_with_interval(
                        ax,
                        dataset.k,
                        own.auc,
                        own.auc_low,
                        own.auc_high,
                        label,
                        color=palette[i],
                        markersize=2,
                    )
                    if not i:  # the controls of the first: those of all would hide the lines
                        for name in CONTROLS:
                            if name in dataset.source.values:
                                ax.plot(
                                    dataset.k,
                                    line.sel(source=name).auc,
                                    color="0.35",
                                    linestyle=SOURCE_DASHES[name],
                                    linewidth=0.9,
                                    marker="",
                                    label=f"{name}, for the first line",
                                )
                ax.axhline(0.5, color="0.6", linewidth=0.8, zorder=0)
                words = str(concept).replace("_", " ")
                ax.set_title(f"{'abcdefgh'[2 * row + column]}   {words}: {what}", loc="left")
                if row == len(concepts) - 1:
                    ax.set_xlabel(unit)
                if not column:
                    ax.set_ylabel("AUC on held-out levels")
                _legend_below_zero(ax, len(best))
        n, share = int(dataset.n_levels.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: AUC against {dataset.attrs['against']} squares, n = {n} "
            f"held-out levels, bands {share:.0f} %;\n* beats all controls"
        )
        legend_of_the_rest(figure)
    return figure


def _legend_below_zero(ax: Axes, n: int) -> None:
    """Put the legend of a panel's coloured lines where no AUC can be."""
    ax.set_ylim(-0.06 - 0.09 * max(n, 1), 1.05)
    ax.set_yticks(np.linspace(0, 1, 6))
    lines = [line for line in ax.get_lines() if not _is_control(line)]
    if lines:
        ax.legend(handles=lines, loc="lower left", fontsize=5.5, labelspacing=0.3)


def _is_control(line: Line2D) -> bool:
    """Whether a line is in the figure's legend: drawn in grey; or in none (its label hidden)."""
    return str(line.get_label()).startswith("_") or line.get_marker() in ("", "^")


def legend_of_the_rest(figure: Figure) -> None:
    """Put one legend of what all panels share, controls and published numbers, below a figure."""
    from interp.style import figure_style

    shared = {
        str(line.get_label()): line
        for ax in figure.axes
        for line in ax.get_lines()
        if _is_control(line) and not str(line.get_label()).startswith("_")
    }
    for legend in figure.legends:
        legend.remove()
    if shared:
        with figure_style():
            figure.legend(list(shared.values()), list(shared), loc="outside lower center", ncols=2)
