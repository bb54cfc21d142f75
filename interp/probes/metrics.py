"""Scores of probes from per-unit counts, so that every bootstrap interval is a matrix product.

Two papers' "F1" are not the same number; both are computed and each is named:

``macro_f1``
    Bush et al. (2025): the mean over *all* classes, NEVER included, of the class's F1.
``f1_far``
    Taufeeque et al. (2024): the negative class (no move) is left out and the others are pooled:
    precision = P(pred = label | pred != negative), recall = P(pred = label | label != negative),
    F1 their harmonic mean. True negatives never count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from interp import statistics

CLASS_METRICS = ("precision", "recall", "f1")
DEFINITIONS = {
    "accuracy": "fraction of labelled test samples whose label is predicted",
    "macro_f1": (
        "mean of per-class F1 over all classes, the negative class included (Bush et al. 2025); "
        "a class neither present nor predicted is left out of the mean"
    ),
    "f1_far": (
        "negative class left out, other classes pooled: harmonic mean of "
        "P(pred = label | pred != negative) and P(pred = label | label != negative) "
        "(Taufeeque et al. 2024)"
    ),
    "precision": "TP / predicted, per class; NaN where the class is never predicted",
    "recall": "TP / present, per class; NaN where the class is absent from the test set",
    "f1": "2 TP / (present + predicted), per class; NaN where both are 0",
    "r2": "1 - residual sum of squares / total sum of squares about the test mean",
    "correlation": "Pearson correlation of prediction and label; 0 for a constant prediction",
    "mse": "mean squared error, in squared units of the label",
}


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def classification_scores(counts: np.ndarray, negative: int) -> dict[str, np.ndarray]:
    """Scores from counts.

    Parameters
    ----------
    counts
        (..., 3, class): true positives, samples of the class, predictions of the class.
    negative
        Index of the class that `f1_far` leaves out.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1``, ``f1_far`` (...) and ``precision``, ``recall``, ``f1``
        (..., class).
    """
    hit, present, predicted = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    f1 = _ratio(2 * hit, present + predicted)
    defined = ~np.isnan(f1)
    positive = np.arange(counts.shape[-1]) != negative
    return {
        "accuracy": _ratio(hit.sum(-1), present.sum(-1)),
        "macro_f1": _ratio(np.where(defined, f1, 0).sum(-1), defined.sum(-1)),
        "f1_far": _ratio(
            2 * hit[..., positive].sum(-1), (present + predicted)[..., positive].sum(-1)
        ),
        "precision": _ratio(hit, predicted),
        "recall": _ratio(hit, present),
        "f1": f1,
    }


def regression_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from (..., 6) sums of 1, y, y², p, p², y·p (label y, prediction p).

    Returns
    -------
    dict
        ``r2``, ``correlation``, ``mse`` (...).
    """
    n, y, yy, p, pp, yp = np.moveaxis(sums, -1, 0)
    residual = np.maximum(yy - 2 * yp + pp, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = yy - y * y / n
        spread = pp - p * p / n
        covariance = yp - y * p / n
    # Rounding leaves a constant prediction a spread of about 1e-16 of its square.
    constant = spread <= 1e-9 * np.abs(pp)
    correlation = _ratio(covariance, np.sqrt(np.maximum(total * spread, 0)))
    return {
        "r2": 1 - _ratio(residual, total),
        "correlation": np.where(constant & ~np.isnan(total), 0.0, correlation),
        "mse": _ratio(residual, n),
    }


def confusion_counts(confusion: np.ndarray) -> np.ndarray:
    """Counts (..., 3, class) of confusion matrices (..., label, prediction)."""
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([hit, confusion.sum(-1), confusion.sum(-2)], axis=-2)


def regression_sums(
    unit: np.ndarray, label: np.ndarray, prediction: np.ndarray, n_units: int
) -> np.ndarray:
    """Per-unit sums (unit, 6) for `regression_scores`."""
    y, p = label.astype(np.float64), prediction.astype(np.float64)
    columns = (np.ones_like(y), y, y * y, p, p * p, y * p)
    return np.stack([np.bincount(unit, weights=c, minlength=n_units) for c in columns], axis=-1)


class Margin(NamedTuple):
    """By how much the trained network's score is above its controls', each as value, low and high.

    `over_best` are numbers, over the control called `best`; `over_each` are (control,).
    """

    over_best: tuple[float, ...]
    over_each: tuple[np.ndarray, ...]
    best: str


def scores_with_intervals(
    per_unit: np.ndarray,
    sources: tuple[str, ...],
    negative: int | None,
    weights: np.ndarray | None,
    confidence: float,
) -> tuple[dict[str, np.ndarray], dict[str, Margin]]:
    """Scores, intervals and margins of one (site, tick).

    Parameters
    ----------
    per_unit
        (unit, source, 3, class) counts, or (unit, source, 6) sums if `negative` is None.
    sources
        Names of the sources; ``trained`` first.
    weights
        Bootstrap weights (resample, unit); None for no intervals.

    Returns
    -------
    scores
        name, name_low, name_high → (source[, class]).
    margins
        name → its margin, for the scores where more is better.
    """

    def score(totals: np.ndarray) -> dict[str, np.ndarray]:
        if negative is None:
            return regression_scores(totals)
        return classification_scores(totals, negative)

    point = score(per_unit.sum(axis=0))
    replicates = None if weights is None else score(statistics.resampled_sums(weights, per_unit))
    scores: dict[str, np.ndarray] = {}
    margins: dict[str, Margin] = {}
    for name, value in point.items():
        scores[name] = value
        if replicates is None:
            low = high = np.full(value.shape, np.nan)
        else:
            low, high = statistics.percentile_interval(replicates[name], confidence)
        scores[f"{name}_low"], scores[f"{name}_high"] = low, high
        if name in (*CLASS_METRICS, "mse") or len(sources) == 1:
            continue
        known = np.where(np.isnan(value[1:]), -np.inf, value[1:])
        best = int(np.argmax(known))
        if not np.isfinite(known[best]):
            continue
        over_best, over_each = [np.nan, np.nan], np.full((2, len(sources) - 1), np.nan)
        if replicates is not None:
            each = replicates[name][:, :1] - replicates[name][:, 1:]
            over_each = np.stack(statistics.percentile_interval(each, confidence))
            # The best control is chosen anew in each resample: its choice is uncertain too.
            least = np.where(np.isnan(each), np.inf, each).min(axis=1)
            least = np.where(np.isfinite(least), least, np.nan)
            over_best = [
                float(end[0]) for end in statistics.percentile_interval(least[:, None], confidence)
            ]
        margins[name] = Margin(
            (float(value[0] - known[best]), *over_best),
            (value[0] - value[1:], *over_each),
            sources[1 + best],
        )
    return scores, margins
