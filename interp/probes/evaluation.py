"""Score fitted probes on the test episodes, streaming over them, as sums for every resampling unit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from interp.probes.features import BLOCK_BYTES, Features
from interp.probes.metrics import confusion_counts, regression_sums
from interp.probes.solver import run_jobs
from interp.probes.training import Probe, Problem


@dataclass
class Scored:
    """Per-unit sums of one source at all ticks, and the pooled confusion matrices."""

    per_unit: np.ndarray  # (unit, tick, 3, class) or (unit, tick, 6)
    confusion: np.ndarray | None  # (tick, label, prediction)
    probes: list[Probe] = field(default_factory=list)


def evaluate(
    problem: Problem, features: Features, probes: dict[str, list[Probe]]
) -> dict[str, Scored]:
    """Score probes on the true labels of all test squares, in one pass."""
    present = problem.present(problem.test)
    used = present.any(axis=2)
    labels = problem.labels[problem.test]
    regression = problem.n_classes is None
    n_classes = problem.n_classes or 0
    n_ticks, n_units = features.n_ticks, problem.n_units
    tail = (6,) if regression else (3, n_classes)
    out = {
        name: Scored(
            np.zeros((n_units, n_ticks, *tail)),
            None if regression else np.zeros((n_ticks, n_classes, n_classes), dtype=np.int64),
            mine,
        )
        for name, mine in probes.items()
    }
    shift = 0.0
    if regression:  # sums of squares about a value near the mean keep their digits
        seen = problem.labels[problem.train][problem.present(problem.train)]
        shift = float(seen.mean(dtype=np.float64))
    # A wide field's outputs take more room than the features that they are made of.
    k = problem.how.receptive_field
    room = max(1, k * k * max(1, n_classes) // (features.n_channels * features.n_ticks))
    for at, rows in features.blocks(problem.test, used, BLOCK_BYTES // room):
        there = present[at][used[at]]  # (row, square)
        truth = labels[at][used[at]][there]
        row_unit = np.repeat(problem.unit[at], used[at].sum(axis=1))
        units, local = np.unique(row_unit, return_inverse=True)
        unit = np.repeat(local, there.sum(axis=1))

        def score(
            job: tuple[str, int],
            rows: np.ndarray = rows,
            there: np.ndarray = there,
            truth: np.ndarray = truth,
            units: np.ndarray = units,
            unit: np.ndarray = unit,
        ) -> None:
            name, t = job
            prediction = probes[name][t].predict(
                rows[:, t], problem.how.receptive_field, regression, shift
            )[there]
            add_scores(out[name], t, truth, prediction, units, unit, shift)

        run_jobs(score, [(name, t) for name in probes for t in range(n_ticks)], problem.how.n_jobs)
    return out


def add_scores(
    scored: Scored,
    tick: int,
    truth: np.ndarray,
    prediction: np.ndarray,
    units: np.ndarray,
    unit: np.ndarray,
    shift: float,
) -> None:
    """Add a block's samples: `unit` (sample,) indexes `units`, the block's resampling units.

    Of numbers, the prediction is less `shift` already.
    """
    if scored.confusion is None:
        sums = regression_sums(unit, truth - shift, prediction, len(units))
        scored.per_unit[units, tick] += sums
        return
    k = scored.confusion.shape[-1]
    code = (unit * k + truth) * k + prediction.astype(np.intp)
    matrices = np.bincount(code, minlength=len(units) * k * k).reshape(len(units), k, k)
    scored.per_unit[units, tick] += confusion_counts(matrices)
    scored.confusion[tick] += matrices.sum(axis=0)


def majority(problem: Problem) -> Scored:
    """The control that always predicts the training set's commonest class (or its mean)."""
    present = problem.present(problem.test)
    truth = problem.labels[problem.test][present]
    unit = np.repeat(problem.unit, present.sum(axis=(1, 2)))
    seen = problem.labels[problem.train][problem.present(problem.train)]
    units = np.arange(problem.n_units)
    if problem.n_classes is None:
        mean = float(seen.mean(dtype=np.float64))
        scored = Scored(np.zeros((problem.n_units, 1, 6)), None)
        add_scores(scored, 0, truth, np.zeros(len(truth)), units, unit, mean)
        return scored
    k = problem.n_classes
    commonest = int(np.bincount(seen, minlength=k).argmax())
    scored = Scored(np.zeros((problem.n_units, 1, 3, k)), np.zeros((1, k, k), dtype=np.int64))
    add_scores(scored, 0, truth, np.full(len(truth), commonest), units, unit, 0.0)
    return scored
