"""Fit the probes of one variable at all its ticks, and score them, streaming over episodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.errors import InputError
from interp.probes.features import Features, apply_linear, gather
from interp.probes.linear_map import linear_map
from interp.probes.metrics import confusion_counts, regression_sums
from interp.probes.solver import fit_multinomial_many, run_jobs, scale_multiplier, solve_ridge

SAMPLE_BYTES = 512 << 20
SAMPLE_ROWS = 100_000
_PIECE_BYTES = 32 << 20
_SPREAD_ROWS = 16_384


@dataclass(frozen=True)
class Fitting:
    """How every probe is fitted; see `interp.probes.fit_probes`, which takes these as keywords.

    Attributes
    ----------
    kind : {"logistic", "ridge"}
    receptive_field : int
        Odd.
    seed : int
        Of the sample.
    max_train_samples : int, optional
        None for as many as fit; see `sample_size`.
    regularisation : float
        L2 penalty, ≥ 0, in units of the features' spread if `standardise`.
    estimator : sklearn.base.BaseEstimator, optional
        Cloned instead of the solver.
    tol : float
        Nats.
    max_iter : int
    n_jobs : int, optional
    """

    kind: str
    receptive_field: int
    seed: int
    max_train_samples: int | None = None
    regularisation: float = 1.0
    standardise: bool = True
    estimator: Any = None
    tol: float = 1e-4
    max_iter: int = 100
    n_jobs: int | None = None


@dataclass(frozen=True)
class Problem:
    """What to predict, on which episodes, and how; the same for every site and source.

    Attributes
    ----------
    labels
        (episode, step, place): the target's labels, all episodes.
    shuffled
        The same with whole label maps moved to other episodes (training episodes only); None
        without that control.
    n_classes
        None for a regression.
    train, test
        (episode,) positions.
    unit
        (test episode,) the resampling unit of each test episode, 0 … n_units − 1.
    how
        How to fit.
    """

    labels: np.ndarray
    shuffled: np.ndarray | None
    n_classes: int | None
    train: np.ndarray
    test: np.ndarray
    unit: np.ndarray
    how: Fitting

    @property
    def n_units(self) -> int:
        """Number of resampling units in the test set."""
        return int(self.unit.max()) + 1

    def present(self, episodes: np.ndarray) -> np.ndarray:
        """(episode, step, square) bool: where some episodes have labels."""
        labels = self.labels[episodes]
        return labels >= 0 if self.n_classes is not None else np.isfinite(labels)


@dataclass
class Probe:
    """One fitted probe: a linear map of a square's features, or a scikit-learn estimator."""

    coef: np.ndarray | None = None  # (output, channel, ky, kx)
    intercept: np.ndarray | None = None  # (output,)
    estimator: Any = None
    converged: bool = True

    def predict(
        self, rows: np.ndarray, receptive_field: int, regression: bool, shift: float = 0.0
    ) -> np.ndarray:
        """Predictions (row, square) from rows (row, channel, y, x); of numbers, less `shift`."""
        if self.estimator is not None:
            n, n_channels, height, width = rows.shape
            row, square = np.divmod(np.arange(n * height * width), height * width)
            out = np.empty((1, n_channels * receptive_field**2, len(row)), dtype=np.float32)
            gather(rows[:, None], row, square, receptive_field, out)
            said = np.asarray(self.estimator.predict(out[0].T)).reshape(n, height * width)
            return said - shift if regression else said
        assert self.coef is not None and self.intercept is not None
        if regression:  # single precision is enough for what is left near zero
            outputs = apply_linear(rows, self.coef, self.intercept - shift)
            return outputs[:, 0]
        outputs = apply_linear(rows, self.coef, self.intercept)
        best, label = outputs[:, 0].copy(), np.zeros(outputs[:, 0].shape, dtype=np.int32)
        for k in range(1, outputs.shape[1]):  # argmax over a short middle axis is slow in NumPy
            np.copyto(label, k, where=outputs[:, k] > best)
            np.maximum(best, outputs[:, k], out=best)
        return label


@dataclass
class Scored:
    """Per-unit sums of one source at all ticks, and the pooled confusion matrices."""

    per_unit: np.ndarray  # (unit, tick, 3, class) or (unit, tick, 6)
    confusion: np.ndarray | None  # (tick, label, prediction)
    probes: list[Probe] = field(default_factory=list)


def choose_samples(
    present: np.ndarray, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw about `n` labelled squares, each episode with its own generator.

    Parameters
    ----------
    present
        (episode, step, square) bool.

    Returns
    -------
    tuple of ndarray
        Episode, step and square of each sample, in that order of sorting.
    """
    counts = present.sum(axis=(1, 2))
    take = counts
    if counts.sum() > n:
        rng = np.random.default_rng([seed, 1])
        take = rng.multivariate_hypergeometric(counts, n, method="marginals")
    parts = []
    for e, k in enumerate(take):
        at = np.flatnonzero(present[e])
        if k < len(at):
            at = np.sort(np.random.default_rng([seed, 2, e]).choice(at, k, replace=False))
        step, square = np.divmod(at, present.shape[2])
        parts.append((np.full(len(at), e), step, square))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore


def sample_size(problem: Problem, features: Features) -> int:
    """How many training samples the logistic fit holds in memory at once."""
    if problem.how.max_train_samples is not None:
        return problem.how.max_train_samples
    n_features = features.n_channels * problem.how.receptive_field**2 + 1
    return int(min(SAMPLE_ROWS, max(1, SAMPLE_BYTES // (4 * features.n_ticks * n_features))))


def fit(problem: Problem, features: Features, shuffled: bool) -> dict[str, list[Probe]]:
    """Fit the probes of one variable: source → one probe per tick.

    `shuffled` says whether to fit the shuffled labels as well; both read the same pass.
    """
    if problem.how.kind == "ridge" and problem.how.estimator is None:
        return _fit_ridge(problem, features, shuffled)
    return _fit_sample(problem, features, shuffled)


def _row_index(used: np.ndarray) -> np.ndarray:
    """(episode, step) → index of the row among the used ones."""
    index = np.full(used.shape, -1)
    index[used] = np.arange(used.sum())
    return index


def _targets(problem: Problem, shuffled: bool) -> dict[str, np.ndarray]:
    targets = {"trained": problem.labels[problem.train]}
    if shuffled and problem.shuffled is not None:
        targets["shuffled"] = problem.shuffled[problem.train]
    return targets


def _fit_sample(problem: Problem, features: Features, shuffled: bool) -> dict[str, list[Probe]]:
    """Fit on a seeded sample of squares held in memory."""
    k = problem.how.receptive_field
    present = problem.present(problem.train)
    n = sample_size(problem, features)
    episode, step, square = choose_samples(present, n, problem.how.seed)
    chosen = np.zeros(present.shape[:2], dtype=bool)
    chosen[episode, step] = True
    n_features = features.n_channels * k * k
    x = np.ones((features.n_ticks, n_features + 1, len(episode)), dtype=np.float32)
    for at, rows in features.blocks(problem.train, chosen, single=False):
        if not len(rows):
            continue
        a, b = np.searchsorted(episode, [at[0], at[-1] + 1])
        row = _row_index(chosen[at])[episode[a:b] - at[0], step[a:b]]
        gather(rows, row, square[a:b], k, x[:, :, a:b])

    found = {name: y[episode, step, square] for name, y in _targets(problem, shuffled).items()}
    if problem.how.estimator is not None:
        return _fit_estimators(problem, x, found, features)
    targets, weights = [], []
    for y in found.values():
        missing = y < 0
        targets.append(np.where(missing, 0, y).astype(np.int32))
        weights.append(np.where(missing, 0, 1).astype(np.float32) if missing.any() else None)
    fits = fit_multinomial_many(
        list(x),
        targets,
        problem.n_classes or 0,
        weights=weights,
        regularisation=problem.how.regularisation,
        tol=problem.how.tol,
        max_iter=problem.how.max_iter,
        multipliers=_multipliers(x) if problem.how.standardise else None,
        n_jobs=problem.how.n_jobs,
    )
    shape = (problem.n_classes, features.n_channels, k, k)
    return {
        name: [Probe(f[i].coef.reshape(shape), f[i].intercept, None, f[i].converged) for f in fits]
        for i, name in enumerate(found)
    }


def _multipliers(x: np.ndarray) -> list[np.ndarray]:
    """Factors of the penalty for every tick of x (tick, feature + 1, sample), from some rows."""
    stride = max(1, x.shape[2] // _SPREAD_ROWS)
    some = (rows[:-1, ::stride] for rows in x)
    return [
        scale_multiplier(rows.mean(axis=1, dtype=np.float64), rows.var(axis=1, dtype=np.float64))
        for rows in some
    ]


def _fit_estimators(
    problem: Problem, x: np.ndarray, found: dict[str, np.ndarray], features: Features
) -> dict[str, list[Probe]]:
    """Clone the caller's scikit-learn estimator for every (source, tick)."""
    from sklearn.base import clone

    k = problem.how.receptive_field
    probes: dict[str, list[Probe]] = {}
    for name, y in found.items():
        there = y >= 0 if problem.n_classes is not None else np.isfinite(y)
        probes[name] = []
        for rows in x:
            estimator = clone(problem.how.estimator).fit(rows[:-1, there].T, y[there])
            probe = Probe(estimator=estimator)
            found_map = linear_map(estimator, rows[:-1, there].T, problem.n_classes)
            if found_map is not None:
                weights, probe.intercept = found_map
                probe.coef = weights.reshape(-1, features.n_channels, k, k)
            probes[name].append(probe)
    return probes


def _fit_ridge(problem: Problem, features: Features, shuffled: bool) -> dict[str, list[Probe]]:
    """Fit on every training square, from X'X and X'Y in float64 gathered in one pass."""
    k = problem.how.receptive_field
    present = problem.present(problem.train)
    used = present.any(axis=2)
    n_features = features.n_channels * k * k
    targets = _targets(problem, shuffled)
    columns, centre = _ridge_columns(problem, targets, present)
    n_outputs = columns * len(targets)
    gram = np.zeros((features.n_ticks, n_features + 1, n_features + 1))
    moments = np.zeros((features.n_ticks, n_features + 1, n_outputs))
    piece = max(1, _PIECE_BYTES // (8 * features.n_ticks * (n_features + 1)))
    for at, rows in features.blocks(problem.train, used):
        e, s, square = np.nonzero(present[at])
        row = _row_index(used[at])[e, s]
        for a in range(0, len(row), piece):
            part = slice(a, a + piece)
            x = np.ones((features.n_ticks, n_features + 1, len(row[part])), dtype=np.float32)
            gather(rows, row[part], square[part], k, x)
            y = [
                _ridge_outputs(problem, t[at][e[part], s[part], square[part]], centre)
                for t in targets.values()
            ]
            x, y = x.astype(np.float64), np.concatenate(y, axis=1)
            gram += x @ x.transpose(0, 2, 1)
            moments += x @ y
    solved = run_jobs(
        lambda t: solve_ridge(
            gram[t], moments[t], problem.how.regularisation, problem.how.standardise
        ),
        range(features.n_ticks),
        problem.how.n_jobs,
    )
    shape = (columns, features.n_channels, k, k)
    probes: dict[str, list[Probe]] = {}
    for i, name in enumerate(targets):
        mine = [w[i * columns : (i + 1) * columns] for w in solved]
        offset = centre if problem.n_classes is None else 0.0
        probes[name] = [Probe(w[:, :-1].reshape(shape), w[:, -1] + offset) for w in mine]
    return probes


def _ridge_columns(
    problem: Problem, targets: dict[str, np.ndarray], present: np.ndarray
) -> tuple[int, np.ndarray]:
    """Number of output columns, and the training mean of the outputs."""
    values = targets["trained"][present]
    if problem.n_classes is None:
        return 1, np.array([values.mean(dtype=np.float64)])
    counts = np.bincount(values, minlength=problem.n_classes)
    return problem.n_classes, counts / counts.sum()


def _ridge_outputs(problem: Problem, labels: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """One-hot classes, or values less their mean; a label left out counts as the mean.

    Only shuffled maps leave out squares here; the mean adds nothing to the centred X'Y.
    """
    if problem.n_classes is None:
        return np.where(np.isfinite(labels), labels - centre[0], 0.0)[:, None].astype(np.float64)
    out = (labels[:, None] == np.arange(problem.n_classes)).astype(np.float64)
    out[labels < 0] = centre
    return out


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
    for at, rows in features.blocks(problem.test, used):
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


def check_classes(problem: Problem, classes: tuple[str, ...]) -> None:
    """Raise if a class that the target names never occurs in the training episodes."""
    seen = np.bincount(
        problem.labels[problem.train][problem.present(problem.train)], minlength=len(classes)
    )
    absent = [c for c, n in zip(classes, seen, strict=True) if n == 0]
    if absent:
        raise InputError(
            f"Class {', '.join(map(repr, absent))} has no sample in the {len(problem.train)} "
            "training episodes: record more episodes, or leave the class out of the target."
        )
