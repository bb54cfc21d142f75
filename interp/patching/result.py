"""A table of effects per example as a Dataset, with intervals and corrected p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, check_integer
from interp.statistics import bootstrap_weights, holm, percentile_interval

if TYPE_CHECKING:
    import xarray as xr

    from interp.patching.grid import Grid
    from interp.patching.metrics import Metric, Pair

ALPHA = 0.05
_BLOCK = 4096  # cells whose bootstrap replicates are held at once


@dataclass(frozen=True)
class Statistics:
    """How effects are summarised over examples."""

    n_bootstrap: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("n_bootstrap", self.n_bootstrap, 1)
        check_integer("seed", self.seed, 0)
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence must lie between 0 and 1, not {self.confidence!r}.")

    @property
    def attrs(self) -> dict[str, Any]:
        """Return what a Dataset keeps of it."""
        return {
            "n_bootstrap": self.n_bootstrap,
            "confidence": self.confidence,
            "seed": self.seed,
            "interval": "percentile bootstrap over examples",
            "p_value": "two-sided, of a mean effect of zero; Student's t over examples, "
            "no less than 2^(1-n)",
            "p_holm": "Holm-corrected over all cells of the table",
        }


def mean_p_value(values: np.ndarray) -> np.ndarray:
    """Two-sided p of a zero mean along the first axis: Student's t, no less than ``2 ** (1 − n)``.

    Few examples that all agree are no certainty, however little they vary.
    """
    from scipy.stats import t

    n = len(values)
    if n == 1:
        return np.ones(values.shape[1:])
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * t.sf(np.abs(mean) / error, n - 1)
    p = np.where(error > 0, p, np.where(mean == 0, 1.0, 0.0))
    return np.clip(p, 0.5 ** (n - 1), 1.0)


def summarise(
    effect: np.ndarray, statistics: Statistics, gap: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Summarise effects (example, *cells) over examples.

    Parameters
    ----------
    gap
        (example,) what the effect would be if the whole donor run were patched in; with it, the
        ratio of means, effect over gap, is given too (NaN where the mean gap is zero).

    Returns
    -------
    dict
        ``mean_effect``, ``normalised`` (with `gap`), each with ``_low`` and ``_high``, ``p_value``,
        ``p_holm``, ``significant``: (*cells).
    """
    n, shape = len(effect), effect.shape[1:]
    weights = bootstrap_weights(n, statistics.n_bootstrap, statistics.seed)
    flat = effect.reshape(n, -1)
    parts: dict[str, list[np.ndarray]] = {}
    gaps = None if gap is None else weights @ np.asarray(gap, np.float64)

    def interval(name: str, estimate: np.ndarray, replicates: np.ndarray) -> None:
        low, high = percentile_interval(replicates, statistics.confidence)
        if n == 1:  # one example says nothing about the spread between examples
            low = high = np.full(estimate.shape, np.nan)
        for end, values in (("", estimate), ("_low", low), ("_high", high)):
            parts.setdefault(name + end, []).append(values)

    for start in range(0, flat.shape[1], _BLOCK):
        values = flat[:, start : start + _BLOCK].astype(np.float64)
        sums = weights @ values
        mean = values.mean(axis=0)
        interval("mean_effect", mean, sums / n)
        if gap is not None and gaps is not None:
            whole = float(np.mean(gap, dtype=np.float64))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(gaps[:, None] == 0, np.nan, sums / gaps[:, None])
                of_means = mean / whole if whole else np.full(mean.shape, np.nan)
            interval("normalised", of_means, ratio)
        parts.setdefault("p_value", []).append(mean_p_value(values))
    summary = {name: np.concatenate(values).reshape(shape) for name, values in parts.items()}
    summary["p_holm"] = holm(summary["p_value"])
    summary["significant"] = summary["p_holm"] < ALPHA
    return summary


def table(
    effect: np.ndarray,
    grid: Grid,
    pair: Pair,
    metric: Metric,
    direction: str,
    donors: np.ndarray,
    statistics: Statistics,
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Return the Dataset of a table of effects, (example, *grid.shape)."""
    import xarray as xr

    from interp.patching.grid import layer_of

    axes = grid.axes
    coords: dict[str, Any] = {name: np.asarray(labels) for name, labels in axes.items()}
    if grid.column_dim == "layer":
        coords["layer"] = np.array([int(name) for name in grid.columns])
    coords["example"] = np.arange(len(effect))
    dataset = xr.Dataset({"effect": (("example", *axes), effect)}, coords, attrs)
    gap = add_pair(dataset, pair, metric, direction, donors, statistics)
    for name, values in summarise(effect, statistics, gap).items():
        dataset[name] = (tuple(axes), values)
    if grid.column_dim == "site":
        layers = [layer_of(sites[0]) for sites in grid.columns.values()]
        if all(layer is not None for layer in layers):
            dataset = dataset.assign_coords(site_layer=("site", np.array(layers)))
    return dataset


def add_pair(
    dataset: xr.Dataset,
    pair: Pair,
    metric: Metric,
    direction: str,
    donors: np.ndarray,
    statistics: Statistics,
) -> np.ndarray:
    """Add what the unpatched runs answer, and the definitions, to a table with an ``effect``.

    Returns
    -------
    ndarray
        (example,) the gap: metric of the donor run minus that of the base run of the same pair.
    """
    clean = metric(pair.clean, pair).cpu().numpy()
    corrupted = metric(pair.corrupted, pair).cpu().numpy()
    for name, values in (
        ("clean_metric", clean),
        ("corrupted_metric", corrupted),
        ("clean_answer", pair.clean_answer.cpu().numpy()),
        ("corrupted_answer", pair.corrupted_answer.cpu().numpy()),
        ("donor", donors),
    ):
        dataset[name] = ("example", values)
    base, donor = ("corrupted", "clean") if direction == "denoise" else ("clean", "corrupted")
    shape = dataset["effect"].shape
    dataset.attrs |= statistics.attrs | {
        "direction": direction,
        "metric": metric.name,
        "metric_definition": metric.definition,
        "effect": f"metric of the patched {base} run − metric of the {base} run",
        "normalisation": f"mean effect / mean of (metric of the {donor} − of the {base} run): "
        f"0 as the {base} run, 1 as the {donor} run",
        "n_examples": shape[0],
        "n_cells": int(np.prod(shape[1:])),
    }
    return clean - corrupted if direction == "denoise" else corrupted - clean


def against_control(sweep: xr.Dataset, control: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """Compare a sweep with its control, the same sweep with ``donors="random"`` say, example by example.

    Parameters
    ----------
    sweep, control
        Tables with the same examples and cells.
    seed
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ``mean_effect`` and its interval, ``p_value``, ``p_holm``, ``significant``: of the difference
        sweep − control, paired by example; and ``effect`` (example, …), the differences.

    Raises
    ------
    InputError
        If the tables do not have the same cells and examples.
    """
    import xarray as xr

    ours, theirs = sweep["effect"], control["effect"]
    same = ours.dims == theirs.dims and ours.shape == theirs.shape
    if not same or any(not np.array_equal(ours[d].values, theirs[d].values) for d in ours.dims):
        raise InputError(
            f"The tables have other cells: {dict(ours.sizes)} and {dict(theirs.sizes)}; sweep the "
            "same sites, steps and axes twice."
        )
    n_bootstrap = int(sweep.attrs.get("n_bootstrap", 1000))
    statistics = Statistics(n_bootstrap, float(sweep.attrs.get("confidence", 0.95)), seed)
    difference = (ours - theirs).astype(np.float64)
    found = summarise(difference.values, statistics)
    data = {name: (ours.dims[1:], values) for name, values in found.items()}
    attrs = statistics.attrs | {
        "effect": "effect of the sweep − effect of its control, the same example",
        "metric": sweep.attrs["metric"],
        "metric_definition": sweep.attrs["metric_definition"],
        "n_examples": ours.sizes["example"],
        "n_cells": int(np.prod(ours.shape[1:])),
    }
    return xr.Dataset({"effect": difference, **data}, attrs=attrs)
