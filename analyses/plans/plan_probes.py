"""Which part of its plan can be read from an organism, in which site and at which tick?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from analyses.recordings import concept_list, concept_name, labels_of, left_out, recorded
from analyses.verdict import add_verdict, best_cell
from interp.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.concepts import Concept
    from interp.contract import Tasks

PLAN_CONCEPTS = ("agent_approach_direction", "box_push_direction")
SCORES = ("accuracy", "macro_f1", "f1_far")


def plan_probes(
    source: Any,
    tasks: Tasks | None = None,
    concepts: str | Concept | Sequence[str | Concept] | None = None,
    *,
    sites: str | Iterable[str] | None = None,
    receptive_fields: int | Sequence[int] = (1, 3),
    untrained: Any = "auto",
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Probe every site and tick for the organism's own future, with all controls.

    Parameters
    ----------
    source
        An organism (recorded on `tasks` first), the path of a store, or a run in memory.
    tasks
        For an organism.
    concepts
        Names among ``organism.concepts``, or concepts of your own; default the plan concepts.
    sites
        Names or globs. Default: the organism's recurrent state, or all recorded sites that have
        squares.
    receptive_fields
        Of the spatial probes: 1 reads a square from itself, 3 from its 3 × 3 neighbourhood.
    untrained, folder
        See `analyses.recordings.recorded`.
    seed
        Of recording, split, sample, shuffling, bootstrap and the untrained weights.
    **options
        Passed to `interp.probes.fit_probes` (``kind``, ``test_fraction``, ``n_bootstrap``, …).

    Returns
    -------
    xarray.Dataset
        ==========================================  ==================================================
        variable                                    dims
        ==========================================  ==================================================
        accuracy, macro_f1, f1_far, _low, _high     concept, receptive_field, source, site, tick
        precision, recall, f1                       …, class
        margin, margin_low, margin_high             concept, receptive_field, metric, site, tick:
                                                    trained minus the best control, paired
        p_value, p_holm                             the same, for macro_f1 only (no metric dim)
        found                                       concept: margin > 0 somewhere, Holm-corrected
                                                    over receptive_field, site and tick
        direction, intercept                        concept, source, site, tick, class, channel:
                                                    the 1 × 1 probes' weights
        n_samples, n_episodes, n_groups             concept
        ==========================================  ==================================================

        The attribute ``classes_left_out`` names classes that hardly occur (see
        `analyses.recordings.labels_of`); scores are over the others.
        ``macro_f1`` is that of Bush et al., ``f1_far`` that of Taufeeque et al.; the attribute
        ``definition`` of each says how they differ.

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
    from interp.probes import fit_probes, one_hot_observation
    from interp.probes.fit import KNOWN_CONTROLS

    concepts = concept_list(PLAN_CONCEPTS if concepts is None else concepts)
    receptive_fields = (
        [receptive_fields] if isinstance(receptive_fields, int) else list(receptive_fields)
    )
    if not concepts or not receptive_fields:
        raise InputError("Name at least one concept and one receptive field.")
    if "observation_features" not in options:
        options["observation_features"] = one_hot_observation
    options.setdefault("controls", KNOWN_CONTROLS)
    names = [concept_name(concept) for concept in concepts]
    by_concept, directions, asked = [], [], []
    with recorded(
        source,
        tasks,
        sites,
        untrained=untrained,
        seed=seed,
        folder=folder,
        progress=progress,
    ) as recording:
        chosen = sites if sites is None or isinstance(sites, str) else list(sites)
        for given in concepts:
            whole = recording.concept(given)
            labels, concept = labels_of(whole, recording.run)
            asked.append((whole, concept))
            by_field = []
            for field in receptive_fields:
                result = fit_probes(
                    recording.run,
                    labels,
                    chosen,
                    classes=concept.classes,
                    negative=concept.negative,
                    receptive_field=field,
                    untrained=recording.untrained,
                    seed=seed,
                    progress=progress,
                    **options,
                )
                by_field.append(_scores(result))
                if field == 1 and "ky" in result.coef.dims:
                    directions.append(_weights(result).expand_dims(concept=[concept_name(given)]))
            fields = xr.DataArray(list(receptive_fields), dims="receptive_field")
            by_concept.append(
                xr.concat(by_field, fields, combine_attrs="drop_conflicts", join="outer")
            )
    dataset = xr.concat(
        by_concept,
        xr.DataArray(names, dims="concept"),
        combine_attrs="drop_conflicts",
        data_vars="all",
        coords="minimal",
        join="outer",  # concepts need not have the same classes
    )
    dataset = dataset.assign_coords(receptive_field=list(receptive_fields), concept=names)
    if directions:
        dataset = dataset.merge(
            xr.concat(directions, "concept", join="outer"), join="outer", combine_attrs="override"
        )
    dataset.attrs |= {
        "analysis": "plan_probes",
        "organism": recording.name,
        "classes_left_out": left_out(asked),
        "seed": seed,
    }
    margin = dataset[["margin", "margin_low", "margin_high"]].sel(metric="macro_f1", drop=True)
    margin.attrs = dataset.attrs
    over = ("receptive_field", "site", "tick")
    margin = add_verdict(margin, "margin", over, dataset.n_groups)
    for name in ("p_value", "p_holm", "found"):
        dataset[name] = margin[name]
    return dataset


def _scores(result: xr.Dataset) -> xr.Dataset:
    """Keep what does not depend on the receptive field's shape."""
    return result.drop_dims(
        ["ky", "kx", "train_groups", "test_groups", "channel"], errors="ignore"
    ).drop_vars(["intercept", "confusion"], errors="ignore")


def _weights(result: xr.Dataset) -> xr.Dataset:
    coef = result.coef.isel(ky=0, kx=0, drop=True)
    return xr.Dataset({"direction": coef, "intercept": result.intercept})


def plot_plan_probes(dataset: xr.Dataset, metric: str = "macro_f1") -> Figure:
    """Draw a score per site at the last tick beside its controls, one panel per concept and field."""
    from interp.style import (
        bars_with_intervals,
        figure_style,
        legend_outside,
        subplots,
    )

    concepts, fields = list(dataset.concept.values), list(dataset.receptive_field.values)
    last = last_tick(dataset)
    sources = [str(source) for source in dataset.source.values]
    height = 0.9 + 1.5 * len(concepts)
    with figure_style():
        figure, axes = subplots(
            len(concepts), len(fields), width="text", height=height, squeeze=False, sharey=True
        )
        for row, concept in enumerate(concepts):
            for column, field in enumerate(fields):
                ax = axes[row, column]
                cell = last.sel(concept=concept, receptive_field=field)
                bars_with_intervals(
                    ax,
                    cell[metric].transpose("source", "site"),
                    cell[f"{metric}_low"].transpose("source", "site"),
                    cell[f"{metric}_high"].transpose("source", "site"),
                    categories=[str(site) for site in dataset.site.values],
                    series=sources,
                )
                letter = "abcdefghijkl"[row * len(fields) + column]
                words = str(concept).replace("_", " ")
                ax.set_title(f"{letter}   {words}, {field}×{field}", loc="left")
                ax.set_ylim(0, 1)
                ax.tick_params(axis="x", rotation=30)
                if not column:
                    ax.set_ylabel(METRIC_LABELS.get(metric, metric))
        n, share = int(dataset.n_groups.min()), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: probes at the last tick, n = {n} held-out levels, "
            f"whiskers {share:.0f} %"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=len(sources))
    return figure


METRIC_LABELS = {
    "macro_f1": "macro-F1 over all classes",
    "f1_far": "F1, negatives left out",
    "accuracy": "accuracy",
}


def last_tick(dataset: xr.Dataset) -> xr.Dataset:
    """Keep, for every site, the values at the last tick it has."""
    ticks = dataset.tick.values
    there = dataset.macro_f1.sel(source="trained").notnull()
    there = there.any([dim for dim in there.dims if dim not in ("site", "tick")])
    last = there.cumsum("tick").argmax("tick")
    return dataset.isel(tick=xr.DataArray(last.values, dims="site", attrs={"ticks": str(ticks)}))


def best_cells(dataset: xr.Dataset, metric: str = "macro_f1") -> list[dict[str, Any]]:
    """Return, for every concept and receptive field, the cell with the largest margin, as rows.

    If there are significant cells, it is one of them. The cell is chosen by the same test levels
    that score it: quote it with its corrected p-value.
    """
    rows = []
    margin = dataset.margin.sel(metric=metric)
    for concept in dataset.concept.values:
        for field in dataset.receptive_field.values:
            cells = margin.sel(concept=concept, receptive_field=field)
            at = best_cell(cells, dataset.p_holm.sel(concept=concept, receptive_field=field))
            if at is None:
                continue
            where = {dim: cells[dim].values[index] for dim, index in at.items()}
            point = dataset.sel(concept=concept, receptive_field=field, metric=metric, **where)
            rows.append(
                {
                    "concept": str(concept),
                    "receptive field": f"{field}×{field}",
                    "site": str(where["site"]),
                    "tick": int(where["tick"]),
                    "score": float(point[metric].sel(source="trained")),
                    "best control": str(point.best_control.item()),
                    "margin": float(point.margin),
                    "low": float(point.margin_low),
                    "high": float(point.margin_high),
                    "p (Holm)": float(point.p_holm),
                    "n": int(point.n_episodes),
                }
            )
    return rows
