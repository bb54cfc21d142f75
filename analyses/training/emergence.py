"""Do a readable plan and a use for thinking time emerge together over training?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.correlation import correlations, noise_error, permutation_p
from analyses.needs import Checkpoints, PlanConcepts, Success
from analyses.plans.concept_scores import check_classes_only
from analyses.question import answer_plot, question
from analyses.recordings import left_out_by_concept
from analyses.verdict import add_verdict, one_sided_p
from interp.errors import InputError, TooFewClassesError, check_integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks

FEWEST = 4
"""Checkpoints that a correlation needs."""


@question(
    "Do a readable plan and a use for thinking time emerge together?",
    needs=(Checkpoints(), PlanConcepts(), Success()),
)
def emergence(
    source: Any,
    tasks: Tasks,
    probe_tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    thinking_steps: int = 5,
    site: str | None = None,
    checkpoints: Sequence[int] | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Probe every training checkpoint, measure what thinking is worth to it, and correlate.

    Parameters
    ----------
    source
        An organism with ``checkpoints`` (training steps) that can be loaded by its name, or a
        mapping of training steps to organisms.
    tasks
        On which success is measured, with and without thinking.
    probe_tasks
        On which the organism is recorded for the probes; default `tasks`.
    concepts
        As in `analyses.plan_probes`.
    thinking_steps
        What is compared with acting at once.
    site
        Which is probed, with 1 × 1 probes at its last tick; default the last of the organism's
        state sites (of a recurrent network: its topmost layer). One site fixed beforehand: the best
        of many, chosen anew at each checkpoint, would rise with the noise.
    checkpoints
        Which of the organism's checkpoints; default all.
    **options
        Passed to `analyses.plans.plan_probes.plan_probes` (``max_train_samples``, …).

    Returns
    -------
    xarray.Dataset
        See `correlate`. Checkpoints at which the organism does too little for a concept to have two
        classes are not in it; the attribute ``checkpoints_left_out`` names them.

    Raises
    ------
    InputError
        If there are fewer than 4 checkpoints with scores, or `source` has none.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), App. C and Fig. 9: checkpoints from 1 to 50 million steps,
    macro-F1 of the final layer's 1 × 1 probes against extra medium levels solved with 5 thinking
    steps.
    """
    from tqdm import tqdm

    from analyses.plans.plan_probes import plan_probes
    from analyses.thinking.thinking_time import thinking_time

    check_integer("thinking_steps", thinking_steps, 1)
    organisms, name = _checkpoints(source, checkpoints)
    probes, thinking = {}, {}
    left_out: list[int] = []
    for steps in tqdm(sorted(organisms), unit="checkpoint", disable=not progress):
        organism = organisms[steps]() if callable(organisms[steps]) else organisms[steps]
        shared: dict[str, Any] = {"seed": seed, "n_bootstrap": n_bootstrap, "progress": False}
        try:
            probes[steps] = plan_probes(
                organism,
                tasks if probe_tasks is None else probe_tasks,
                concepts,
                sites=[organism.state_sites[-1] if site is None else site],
                receptive_fields=1,
                **{**shared, **options},
            )
        except TooFewClassesError:  # an organism that does next to nothing has no plan to label
            left_out.append(steps)
            continue
        thinking[steps] = thinking_time(
            organism, tasks, (0, thinking_steps), controls=(), confidence=confidence, **shared
        )
    if len(probes) < FEWEST:
        raise InputError(
            f"A correlation needs at least {FEWEST} checkpoints. At {left_out} the organism does too "
            f"little for its concepts to have two classes; {sorted(probes)} are left."
        )
    dataset = correlate(
        probes, thinking, name=name, seed=seed, n_bootstrap=n_bootstrap, confidence=confidence
    )
    dataset.attrs["checkpoints_left_out"] = ", ".join(map(str, left_out))
    return dataset


def correlate(
    probes: Mapping[int, xr.Dataset],
    thinking: Mapping[int, xr.Dataset],
    *,
    name: str = "",
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Put the probes and the thinking times of checkpoints side by side and correlate them.

    Parameters
    ----------
    probes
        Training steps → what `analyses.plan_probes` returned: of one site, with 1 × 1 probes.
    thinking
        Training steps → what `analyses.thinking_time` returned, on the same tasks each time; the
        longest thinking time counts.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        macro_f1, margin, _low, _high        concept, checkpoint; margin: over the best control
        solve_rate, gain, _low, _high        checkpoint; gain: with thinking minus without, paired
        n_asked                              concept: checkpoints whose scores compare
        correlation, _low, _high             concept, measure, statistic (``pearson``,
                                             ``spearman``): of gain with ``macro_f1``, ``margin``
        partial, _low, _high                 the same, with the solve rate held fixed
        p_value, p_holm                      concept, measure; one-sided permutation test over
                                             checkpoints, of Spearman's correlation ≤ 0
        gain_p_value, gain_p_holm            checkpoint; sign-flip over tasks, of gain ≤ 0
        found                                concept: correlation with the margin > 0, some gain > 0
                                             and some margin > 0
        ===================================  ======================================================

        ``checkpoint`` is in training steps; ``classes_left_out`` (checkpoint) names the classes that
        hardly occur there. Scores over other classes than the last checkpoint's do not compare (of
        fewer classes, chance alone is higher): they are NaN, take no part in correlations and
        verdict, and the attribute ``not_asked`` names them. A concept with fewer than 4 comparable
        checkpoints has no correlation (NaN) and is not found.

    Raises
    ------
    InputError
        If there are fewer than 4 checkpoints, they differ between the two, or a measurement has
        more than one site.

    Notes
    -----
    Intervals are for these checkpoints: they say how far the noise of tasks and probes carries
    (tasks resampled alike at all checkpoints; probes' scores drawn with the error of their own
    intervals). Checkpoints of one training are no independent sample: everything that grows with
    training correlates with everything else. The permutation test asks only for more than chance
    order; ``partial`` asks for more than better play.
    """
    steps = sorted(probes)
    if steps != sorted(thinking):
        raise InputError(
            f"Probes are of checkpoints {steps}, thinking times of {sorted(thinking)}."
        )
    if len(steps) < FEWEST:
        raise InputError(f"A correlation needs at least {FEWEST} checkpoints, got {len(steps)}.")
    concepts = [str(concept) for concept in probes[steps[0]].concept.values]
    missing = [str(probes[s].attrs.get("classes_left_out", "")) for s in steps]
    check_classes_only(probes[steps[0]], "The emergence of a plan")
    asked = _comparable(missing, concepts)
    data: dict[str, Any] = {
        "classes_left_out": ("checkpoint", np.array(missing, dtype=object)),
        "n_asked": ("concept", asked.sum(axis=1)),
    }
    measures: dict[str, np.ndarray] = {}
    for measure in ("macro_f1", "margin"):
        values = np.stack([_reading(probes[s], measure) for s in steps], axis=-1)
        values = np.where(asked, values, np.nan)
        measures[measure] = values  # (3, concept, checkpoint)
        for i, end in enumerate(("", "_low", "_high")):
            data[measure + end] = (("concept", "checkpoint"), values[i])
    effects = [_effect(thinking[s]) for s in steps]
    n_tasks = len(effects[0][0])
    if any(len(effect[0]) != n_tasks for effect in effects):
        raise InputError("Thinking times are of different numbers of tasks.")
    difference = np.stack([now - before for before, now in effects])  # (checkpoint, task)
    before = np.stack([before for before, _ in effects])
    rng = np.random.default_rng(seed)
    gains, rates = _resampled(difference, before, n_bootstrap, confidence, seed)
    for quantity, (values, _) in (("gain", gains), ("solve_rate", rates)):
        for i, end in enumerate(("", "_low", "_high")):
            data[quantity + end] = ("checkpoint", values[i])

    shape = (len(concepts), len(measures), 2)
    whole, partial = np.full((3, *shape), np.nan), np.full((3, *shape), np.nan)
    p = np.full(shape[:2], np.nan)
    for k, m in np.ndindex(shape[:2]):
        if (there := asked[k]).sum() < FEWEST:
            continue
        value, low, high = list(measures.values())[m][:, k, there]
        noisy = value + noise_error(low, high, confidence) * rng.normal(
            size=(n_bootstrap, len(value))
        )
        gain, rate = ((point[0, there], again[:, there]) for point, again in (gains, rates))
        for ranked in (0, 1):
            for out, given in ((whole, None), (partial, rate)):
                point = correlations(
                    value[None],
                    gain[0][None],
                    None if given is None else given[0][None],
                    bool(ranked),
                )
                again = correlations(
                    noisy, gain[1], None if given is None else given[1], bool(ranked)
                )
                out[:, k, m, ranked] = point[0], *_interval(again, confidence)
        p[k, m] = permutation_p(value, gain[0], rng)
    dims = ("concept", "measure", "statistic")
    for i, end in enumerate(("", "_low", "_high")):
        data[f"correlation{end}"] = (dims, whole[i])
        data[f"partial{end}"] = (dims, partial[i])
    coords = {
        "checkpoint": steps,
        "concept": concepts,
        "measure": list(measures),
        "statistic": ["pearson", "spearman"],
    }
    first = probes[steps[0]]
    attrs = {
        "analysis": "emergence",
        "organism": name or str(thinking[steps[-1]].attrs.get("organism", "unknown")),
        "site": str(first.site.values[0]),
        "thinking_steps": int(thinking[steps[0]].thinking.values[-1]),
        "n_tasks": n_tasks,
        "n_checkpoints": len(steps),
        "not_asked": _in_words(concepts, steps, ~asked),
        "confidence": confidence,
        "seed": seed,
        "intervals": "noise of tasks and probes, for these checkpoints",
    }
    return _verdict(xr.Dataset(data, coords, attrs), p, difference, probes, steps, seed)


def _verdict(
    dataset: xr.Dataset,
    p: np.ndarray,
    difference: np.ndarray,
    probes: Mapping[int, xr.Dataset],
    steps: list[int],
    seed: int,
) -> xr.Dataset:
    """Add p-values, and found: a correlation, with something on both sides to correlate."""
    from interp.statistics import holm, sign_flip_test

    gain_p = np.array([sign_flip_test(d, 4000, "greater", seed).p_value for d in difference])
    gain_holm = holm(gain_p)
    groups = np.stack([_groups(probes[s]) for s in steps], axis=-1)
    margin, low, high = (dataset[f"margin{end}"].values for end in ("", "_low", "_high"))
    margin_p = one_sided_p(margin, low, high, groups, dataset.attrs["confidence"])
    there = np.array([holm(row).min() for row in np.where(np.isnan(margin_p), 1, margin_p)])
    definition = "one-sided, of Spearman's correlation ≤ 0; permutation of checkpoints"
    coords = {name: dataset[name] for name in ("concept", "measure")}
    p_value = xr.DataArray(p, coords, ("concept", "measure"), attrs={"definition": definition})
    spearman = dataset[["correlation"]].sel(statistic="spearman")
    spearman = add_verdict(spearman, "correlation", ("concept", "measure"), p=p_value)
    dataset["p_value"], dataset["p_holm"] = p_value, spearman.p_holm
    dataset["gain_p_value"] = ("checkpoint", gain_p)
    dataset["gain_p_holm"] = ("checkpoint", gain_holm)
    asked = ~np.isnan(margin)  # (concept, checkpoint): a gain elsewhere has no plan beside it
    gained = (asked & (gain_holm < 0.05)).any(axis=1)
    found = (spearman.p_holm.sel(measure="margin", drop=True) < 0.05) & (there < 0.05) & gained
    dataset["found"] = found.assign_attrs(
        definition="Spearman's correlation of gain and margin > 0, some gain > 0 and some margin > 0;"
        " each Holm-corrected p < 0.05"
    )
    return dataset


def _checkpoints(source: Any, chosen: Sequence[int] | None) -> tuple[dict[int, Any], str]:
    """Return training steps → organism, or a function that loads it, and a name for them all."""
    if isinstance(source, Mapping):
        if not source:
            raise InputError("There are no checkpoints.")
        found: dict[int, Any] = {int(steps): organism for steps, organism in source.items()}
        name = str(found[max(found)].name)
    else:
        available = getattr(source, "checkpoints", None)
        if not available:
            raise InputError(
                f"{getattr(source, 'name', type(source).__name__)} has no checkpoints: give an "
                "organism that ships some, or a mapping of training steps to organisms."
            )
        from organisms.registry import load

        name = source.name

        def loader(steps: int) -> Any:
            load_checkpoint: Any = load
            return lambda: load_checkpoint(name, checkpoint=steps)

        found = {int(steps): loader(int(steps)) for steps in available}
    if chosen is not None:
        missing = sorted(set(map(int, chosen)) - set(found))
        if missing:
            raise InputError(
                f"There are no checkpoints at steps {missing}; there are {sorted(found)}."
            )
        found = {int(steps): found[int(steps)] for steps in chosen}
    if len(found) < FEWEST:
        raise InputError(f"A correlation needs at least {FEWEST} checkpoints, got {len(found)}.")
    return found, name


def _comparable(left_out: list[str], concepts: list[str]) -> np.ndarray:
    """Return whether a concept has the last checkpoint's classes: bool (concept, checkpoint)."""
    each = [left_out_by_concept(words) for words in left_out]
    return np.array([[one.get(c, ()) == each[-1].get(c, ()) for one in each] for c in concepts])


def _in_words(concepts: list[str], steps: list[int], which: np.ndarray) -> str:
    """Return "concept: steps, steps; concept: …" of the cells (concept, checkpoint) that hold."""
    named = (
        (c, [s for s, on in zip(steps, row, strict=True) if on])
        for c, row in zip(concepts, which, strict=True)
    )
    return "; ".join(f"{c}: {', '.join(map(str, those))}" for c, those in named if those)


def not_asked_words(dataset: xr.Dataset) -> str:
    """Return a figure's note on the checkpoints without a comparable score; "" if there are none."""
    words = str(dataset.attrs.get("not_asked", "")).replace("_", " ")
    return f"not asked, for want of classes, after steps: {words}" if words else ""


def _reading(probes: xr.Dataset, measure: str) -> np.ndarray:
    """Return a score of the one site's last 1 × 1 probes: (3, concept)."""
    if probes.sizes.get("site", 1) != 1:
        raise InputError(
            f"Probes of one site are needed; these are of {[str(s) for s in probes.site.values]}."
        )
    cell = probes.isel(site=0, tick=-1).sel(receptive_field=1)
    if measure == "margin":
        cell = cell.sel(metric="macro_f1")
    else:
        cell = cell.sel(source="trained")
    return np.stack([cell[measure + end].values for end in ("", "_low", "_high")])


def _groups(probes: xr.Dataset) -> np.ndarray:
    """Return the held-out levels of each concept's probes."""
    levels = probes.n_groups
    return levels.min([dim for dim in levels.dims if dim != "concept"]).values


def _effect(thinking: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return solved (task,) without and with the longest thinking."""
    solved = thinking.solved.sel(source="trained").transpose("thinking", "episode").values
    return solved[0].astype(float), solved[-1].astype(float)


def _resampled(
    difference: np.ndarray, before: np.ndarray, n: int, confidence: float, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return of gain and solve rate: (3, checkpoint), and replicates (resample, checkpoint)."""
    from interp.statistics import bootstrap_weights

    weights = bootstrap_weights(difference.shape[1], n, seed) / difference.shape[1]
    out = []
    for values in (difference, before):
        again = weights @ values.T
        out.append((np.stack([values.mean(axis=1), *_interval(again, confidence)]), again))
    return tuple(out)


def _interval(replicates: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    from interp.statistics import percentile_interval

    return percentile_interval(replicates, confidence)


@answer_plot
def plot_emergence(dataset: xr.Dataset) -> Figure:
    """Draw gain from thinking against macro-F1, a dot per checkpoint, and both over training."""
    from interp.style import (
        colours,
        figure_style,
        label_panel,
        legend_outside,
        line_with_interval,
        subplots,
    )

    concepts = [str(concept) for concept in dataset.concept.values]
    steps = dataset.checkpoint.values
    palette = colours(list(steps), "tick")
    percent = 100
    with figure_style():
        figure, axes = subplots(1, 1 + len(concepts), width="text", height=2.7, squeeze=False)
        course, *scatters = axes[0]
        lines = [("solve_rate", None), ("macro_f1", concepts[0]), ("gain", None)]
        words = {
            "solve_rate": "solved at once",
            "macro_f1": f"macro-F1 ×100, {concepts[0].replace('_', ' ')}",
            "gain": "gain, points",
        }
        for name, concept in lines:
            cell = dataset if concept is None else dataset.sel(concept=concept)
            low, high = percent * cell[f"{name}_low"], percent * cell[f"{name}_high"]
            line_with_interval(course, steps / 1e6, percent * cell[name], low, high, words[name])
        course.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        course.set(xlabel="training steps (millions)", ylabel="%")
        for ax, concept in zip(scatters, concepts, strict=True):
            cell = dataset.sel(concept=concept)
            for i, step in enumerate(steps):
                point = cell.isel(checkpoint=i)
                f1, gain = float(point.macro_f1), percent * float(point.gain)
                if np.isnan(f1):  # not asked
                    continue
                ax.plot(
                    [float(point.macro_f1_low), float(point.macro_f1_high)],
                    [gain, gain],
                    color="0.75",
                    linewidth=0.8,
                )
                ax.plot(
                    [f1, f1],
                    [percent * float(point.gain_low), percent * float(point.gain_high)],
                    color="0.75",
                    linewidth=0.8,
                )
                ax.plot([f1], [gain], "o", color=palette[step], zorder=3)
            ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
            r = cell.sel(measure="macro_f1", statistic="spearman")
            n_asked = int(np.isfinite(cell.macro_f1).sum())
            correlated = (
                "too few checkpoints"
                if np.isnan(float(r.correlation))
                else f"ρ = {float(r.correlation):.2f} [{float(r.correlation_low):.2f}, "
                f"{float(r.correlation_high):.2f}]"
            )
            ax.set_title(
                f"{concept.replace('_', ' ')}\n{correlated}, k = {n_asked}",
                loc="left",
                fontsize=7,
            )
            ax.set_xlabel("macro-F1 of the probe")
            _fit(ax, cell)
        if scatters:
            scatters[0].set_ylabel("gain from thinking\n(percentage points)")
        for ax, letter in zip(axes[0], "abcdefgh", strict=False):
            label_panel(ax, letter)
        n, think = dataset.attrs["n_tasks"], dataset.attrs["thinking_steps"]
        note = not_asked_words(dataset)
        figure.suptitle(
            f"{dataset.attrs['organism']}, {dataset.attrs['site']}: {len(steps)} checkpoints (dark to "
            f"light), n = {n} tasks, {think} thinking steps, ρ: Spearman's"
            + (f"\n{note}" if note else ""),
            fontsize=8,
        )
        legend_outside(figure, course, loc="outside lower center", ncols=3)
    return figure


def _fit(ax: Axes, cell: xr.Dataset) -> None:
    """Let the axis of macro-F1 span the dots and their whiskers, and nothing else."""
    low, high = cell.macro_f1_low.values, cell.macro_f1_high.values
    dots = cell.macro_f1.values[np.isfinite(cell.macro_f1.values)]
    if not len(dots):
        return
    ends = np.concatenate([dots, low[np.isfinite(low)], high[np.isfinite(high)]])
    room = 0.06 * max(ends.max() - ends.min(), 0.02)
    ax.set_xlim(ends.min() - room, ends.max() + room)
