"""The Dataset that `fit_probes` returns."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr

from interp import statistics
from interp.probes.evaluation import Scored
from interp.probes.features import Features
from interp.probes.metrics import CLASS_METRICS, DEFINITIONS, Margin, scores_with_intervals
from interp.probes.targets import Target
from interp.probes.training import Problem, sample_size

NO_TICK = -1


def assemble(
    target: Target,
    problem: Problem,
    features: dict[str, Features],
    scored: dict[tuple[str, str], Scored],
    sources: tuple[str, ...],
    train_groups: np.ndarray,
    test_groups: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    attributes: dict[str, Any],
) -> xr.Dataset:
    """Score every (source, site, tick), with intervals and margins; see `fit_probes`."""
    sites = list(features)
    ticks = _tick_labels(features)
    shape = (len(sources), len(sites), len(ticks))
    weights = None
    if n_bootstrap and len(test_groups) > 1:
        rng = np.random.default_rng([problem.how.seed, 4])
        weights = statistics.bootstrap_weights(len(test_groups), n_bootstrap, rng)

    values: dict[str, np.ndarray] = {}
    margins: dict[tuple[str, int, int], Margin] = {}
    for i, site in enumerate(sites):
        for j, tick in enumerate(ticks):
            if (at := _tick_index(features[site], tick)) is None:
                continue
            per_unit = np.stack(
                [_cell(scored, source, site, at).astype(np.float64) for source in sources], axis=1
            )
            negative = target.negative if target.classes is not None else None
            scores, margin = scores_with_intervals(per_unit, sources, negative, weights, confidence)
            for name, value in scores.items():
                if name not in values:
                    values[name] = np.full((*shape, *value.shape[1:]), np.nan)
                values[name][:, i, j] = value
            for name, found in margin.items():
                margins[name, i, j] = found

    dims = ("source", "site", "tick")
    result = xr.Dataset(
        {name: ((*dims, "class")[: v.ndim], v, _describe(name)) for name, v in values.items()},
        coords={
            "source": list(sources),
            "site": sites,
            "tick": ("tick", ticks, {"note": f"{NO_TICK}: a site without ticks"}),
        },
    )
    if target.classes is not None:
        result = result.assign_coords({"class": list(target.classes)})
    _add_margins(result, margins, (len(sites), len(ticks)))
    _add_confusion(result, target, features, scored, ticks)
    _add_coefficients(result, target, problem, features, scored, ticks)
    _add_counts(result, target, problem, features, train_groups, test_groups)
    result.attrs = {
        "target": target.name,
        "citation": target.citation,
        "description": target.description,
        "receptive_field": problem.how.receptive_field,
        **attributes,
        "n_bootstrap": n_bootstrap,
        "confidence": confidence,
        "intervals": "percentile bootstrap over test groups; one fitted probe per cell",
        "margin": "trained minus the best control, the best chosen anew in each resample",
        "mesascope_version": _version(),
    }
    if target.classes is not None:
        result.attrs["negative_class"] = target.classes[target.negative or 0]
    return result


def _version() -> str:
    try:
        return version("mesascope")
    except PackageNotFoundError:
        return "unknown"


def _tick_labels(features: dict[str, Features]) -> np.ndarray:
    labels: set[int] = set()
    for f in features.values():
        labels |= {NO_TICK} if f.ticks is None else {int(t) for t in f.ticks}
    return np.array(sorted(labels))


def _tick_index(features: Features, tick: int) -> int | None:
    """Position of a tick label along a site's ticks; None where it has no such tick."""
    if features.ticks is None:
        return 0 if tick == NO_TICK else None
    at = np.flatnonzero(features.ticks == tick)
    return int(at[0]) if len(at) else None


def _of(scored: dict[tuple[str, str], Scored], source: str, site: str) -> Scored:
    """A source's scores at a site; the observation and the majority know no site."""
    return scored[(source, site) if (source, site) in scored else (source, "")]


def _cell(scored: dict[tuple[str, str], Scored], source: str, site: str, tick: int) -> np.ndarray:
    per_unit = _of(scored, source, site).per_unit
    return per_unit[:, min(tick, per_unit.shape[1] - 1)]


def _describe(name: str) -> dict[str, str]:
    base = name.removesuffix("_low").removesuffix("_high")
    if base == name:
        return {"definition": DEFINITIONS[name]}
    return {"definition": f"{name[len(base) + 1 :]} end of the interval of {base}"}


def _add_margins(
    result: xr.Dataset, margins: dict[tuple[str, int, int], Margin], shape: tuple[int, int]
) -> None:
    metrics = [m for m in DEFINITIONS if m in result and m not in CLASS_METRICS and m != "mse"]
    controls = [str(name) for name in result.source.values[1:]]
    arrays = {
        f"margin{over}{end}": np.full(
            (*((len(controls),) if over else ()), len(metrics), *shape), np.nan
        )
        for over in ("", "_over")
        for end in ("", "_low", "_high")
    }
    best = np.full((len(metrics), *shape), "", dtype=object)
    for (name, i, j), found in margins.items():
        at = (..., metrics.index(name), i, j)
        for array, value in zip(arrays.values(), (*found.over_best, *found.over_each), strict=True):
            array[at] = value
        best[at] = found.best
    dims = ("metric", "site", "tick")
    result.coords["metric"] = metrics
    if controls:
        result.coords["control"] = controls
    for name, array in arrays.items():
        if array.ndim == len(dims):
            result[name] = (dims, array)
        elif controls:
            result[name] = (("control", *dims), array)
    result["best_control"] = (dims, best.astype(str))


def _add_confusion(
    result: xr.Dataset,
    target: Target,
    features: dict[str, Features],
    scored: dict[tuple[str, str], Scored],
    ticks: np.ndarray,
) -> None:
    if target.classes is None:
        return
    k = len(target.classes)
    confusion = np.zeros((*result.accuracy.shape, k, k), dtype=np.int64)
    for s, source in enumerate(result.source.values):
        for i, (site, f) in enumerate(features.items()):
            for j, tick in enumerate(ticks):
                if (at := _tick_index(f, tick)) is not None:
                    matrices = _of(scored, str(source), site).confusion
                    assert matrices is not None
                    confusion[s, i, j] = matrices[min(at, len(matrices) - 1)]
    result.coords["predicted_class"] = list(target.classes)
    dims = ("source", "site", "tick", "class", "predicted_class")
    result["confusion"] = (dims, confusion, {"definition": "test samples, label by prediction"})


def _add_coefficients(
    result: xr.Dataset,
    target: Target,
    problem: Problem,
    features: dict[str, Features],
    scored: dict[tuple[str, str], Scored],
    ticks: np.ndarray,
) -> None:
    """Weights of the probes on sites, padded with NaN to the widest site."""
    k = problem.how.receptive_field
    outputs = problem.n_classes or 1
    widest = max(f.n_channels for f in features.values())
    shape = result[next(iter(result.data_vars))].shape[:3]
    coef = np.full((*shape, outputs, widest, k, k), np.nan)
    intercept = np.full((*shape, outputs), np.nan)
    penalty, validation = np.full(shape, np.nan), np.full(shape, np.nan)
    converged = np.ones(shape, dtype=bool)
    for s, source in enumerate(result.source.values):
        of_all = scored.get((str(source), ""))
        if of_all is not None:
            if of_all.probes:
                penalty[s], validation[s] = of_all.probes[0].penalty, of_all.probes[0].validation
            continue
        for i, (site, f) in enumerate(features.items()):
            for j, tick in enumerate(ticks):
                if (at := _tick_index(f, tick)) is None:
                    continue
                probe = _of(scored, str(source), site).probes[at]
                converged[s, i, j] = probe.converged
                penalty[s, i, j], validation[s, i, j] = probe.penalty, probe.validation
                if probe.coef is not None and probe.intercept is not None:
                    coef[s, i, j, :, : f.n_channels] = probe.coef
                    intercept[s, i, j] = probe.intercept
    per_square = target.grid is not None
    dims = [
        "source",
        "site",
        "tick",
        "class",
        "channel" if target.places else "feature",
        "ky",
        "kx",
    ]
    if not per_square:
        coef, dims = coef[..., 0, 0], dims[:5]
    if problem.n_classes is None:
        coef, intercept = coef[:, :, :, 0], intercept[:, :, :, 0]
        dims.remove("class")
    if per_square:
        offsets = np.arange(k) - k // 2
        result.coords["ky"], result.coords["kx"] = ("ky", offsets), ("kx", offsets)
    shapes = {s: {"dims": f.channel_dims, "shape": f.channel_shape} for s, f in features.items()}
    note = {
        "definition": "score = sum(coef * features) + intercept; NaN beyond a site's own width",
        "site_features": json.dumps(shapes),
    }
    result["coef"] = (dims, coef, note)
    result["intercept"] = (dims[: intercept.ndim], intercept)
    result["converged"] = (("source", "site", "tick"), converged)
    words = "the L2 penalty chosen on held-out training levels, in units of the features' spread"
    result["penalty"] = (("source", "site", "tick"), penalty, {"definition": words})
    words = "macro-F1, or R², on held-out training levels: what a cell may be chosen by"
    result["validation"] = (("source", "site", "tick"), validation, {"definition": words})


def _add_counts(
    result: xr.Dataset,
    target: Target,
    problem: Problem,
    features: dict[str, Features],
    train_groups: np.ndarray,
    test_groups: np.ndarray,
) -> None:
    present = problem.present(problem.test)
    n_train = int(problem.present(problem.train).sum())
    if problem.how.kind == "logistic" or problem.how.estimator is not None:
        per_site = [min(n_train, sample_size(problem, f)) for f in features.values()]
    else:
        per_site = [n_train] * len(features)
    result["n_episodes"] = len(problem.test)
    result["n_groups"] = len(test_groups)
    result["n_samples"] = int(present.sum())
    result["n_train_episodes"] = len(problem.train)
    result["n_train_samples"] = ("site", per_site)
    if target.classes is not None:
        labels = problem.labels[problem.test][present]
        result["support"] = ("class", np.bincount(labels, minlength=len(target.classes)))
    result["train_group"] = ("train_groups", train_groups)
    result["test_group"] = ("test_groups", test_groups)
