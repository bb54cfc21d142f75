"""What a score speaks of, found on training levels; and how well it does so on held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyses.plans.horizon_problem import Problem, Scores
from analyses.plans.horizon_scores import (
    area,
    beyond,
    bin_edges,
    counts_by_level,
    scan,
    shift_map,
    since_last,
)

N_BINS = 64
LASTING = 0.75
"""A score is long-term if its area's excess over one half, beyond the near steps, is at least this
share of that within them."""

LEAST_EVENTS = 5
"""Events of a class on training levels, below which no score is labelled with it."""


@dataclass
class Label:
    """What a unit speaks of, found on training levels."""

    kind: int
    sign: int
    shift: tuple[int, int]
    curve: np.ndarray  # (k,) AUC, sign included
    strength: float  # mean excess over one half in the band that it was chosen by


def labels_of(
    problem: Problem,
    codes: np.ndarray,
    n_bins: int,
    fixed_class: int | None,
    shifts: list[tuple[int, int]] | None = None,
) -> dict[tuple[int, str], Label]:
    """Return, for each class and band, the sign and shift that tell it best; a probe's own class as is."""
    here = np.zeros(len(problem.ahead.level), bool)
    here[problem.train_rows] = True
    pairs = np.flatnonzero(here[problem.ahead.row])
    if shifts is None:
        shifts = problem.shifts if fixed_class is None else [(0, 0)]
    table = scan(
        codes,
        problem.ahead,
        pairs,
        problem.train_rows,
        len(problem.classes),
        shifts,
        n_bins,
        problem.weight,
    )
    nearest = pairs[problem.ahead.k[pairs] == 1]
    often = np.bincount(problem.ahead.kind[nearest], minlength=len(problem.classes))
    found = {}
    for kind in range(1, len(problem.classes)):
        if often[kind] < LEAST_EVENTS or (fixed_class is not None and kind != fixed_class):
            continue
        for name, band in problem.bands.items():
            excess = np.nan_to_num(mean_of(table[:, kind][:, band] - 0.5))
            best = int(np.abs(excess).argmax()) if fixed_class is None else 0
            sign = -1 if excess[best] < 0 and fixed_class is None else 1
            curve = table[best, kind] if sign > 0 else 1 - table[best, kind]
            found[kind, name] = Label(kind, sign, shifts[best], curve, sign * excess[best])
    return found


def strongest(labels: dict[tuple[int, str], Label]) -> Label:
    """Return the label that tells most."""
    return max(labels.values(), key=lambda label: label.strength)


def mean_of(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is there."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, values, 0).sum(axis=-1) / there.sum(axis=-1)


def term_of(problem: Problem, label: Label) -> str:
    """Return "long" if the label lasts beyond the near steps (see `LASTING`), else "short"."""
    if "long" not in problem.bands:
        return "short"
    early, late = (mean_of(label.curve[band]) - 0.5 for band in problem.bands.values())
    return "long" if early > 0 and late >= LASTING * early else "short"


def curves_of(
    problem: Problem,
    codes: np.ndarray,
    n_bins: int,
    label: Label,
    weights: np.ndarray,
    with_shuffled: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return held-out AUC (own, shuffled; k), and on every resample (own, shuffled; resample, k)."""
    boards = codes.reshape(len(codes), *problem.ahead.board)
    if label.shift != (0, 0):
        boards = shift_map(boards, label.shift, beyond(codes))
    codes = boards.reshape(codes.shape)
    tested = np.zeros(len(codes), bool)
    tested[problem.test_rows] = True
    pairs = np.flatnonzero(tested[problem.ahead.row])
    points, resamples = [], []
    for shown_to in (None, problem.shown_to)[: 1 + with_shuffled]:
        positive, negative = counts_by_level(
            codes,
            problem.ahead,
            pairs,
            problem.test_rows,
            label.kind,
            problem.unit,
            problem.n_levels,
            n_bins,
            problem.weight,
            shown_to,
        )
        again = [np.tensordot(weights, c.astype(float), 1) for c in (positive, negative)]
        point = area(positive.sum(axis=0), negative.sum(axis=0))
        resampled = area(*again)
        points.append(point if label.sign > 0 else 1 - point)
        resamples.append(resampled if label.sign > 0 else 1 - resampled)
    return np.stack(points), np.stack(resamples)


def history_curves(
    problem: Problem, kind: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return held-out AUC of the last event's recency, its sign from training levels."""
    codes = since_last(problem.events, problem.ahead.rows, kind, N_BINS)
    labels = labels_of(problem, codes, N_BINS, None, [(0, 0)])
    label = strongest({key: label for key, label in labels.items() if key[0] == kind})
    point, again = curves_of(problem, codes, N_BINS, label, weights, False)
    return point[0], again[0]


def control_curves(
    problem: Problem,
    scores: Scores,
    site: str,
    number: int,
    label: Label,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return held-out AUC (1, k) of an untrained unit, and on every resample (1, resample, k)."""
    value = scores.of("untrained", site)[number]
    flat = value.reshape(len(value), -1)
    edges = bin_edges(flat[problem.train_rows], N_BINS)
    codes = np.searchsorted(edges, flat).astype(np.int64)
    return curves_of(problem, codes, len(edges) + 1, label, weights, False)
