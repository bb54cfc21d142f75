"""Fit the probes of one variable at all its ticks, streaming over episodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.errors import InputError
from interp.probes.features import Features, apply_linear, gather
from interp.probes.hidden_layer import fit_network, score_of
from interp.probes.linear_map import linear_map
from interp.probes.solver import (
    MultinomialFit,
    fit_multinomial_many,
    run_jobs,
    scale_multiplier,
    solve_ridge,
)

SAMPLE_BYTES = 512 << 20
SAMPLE_ROWS = 100_000
SELECTION_ROWS = 10_000
"""Squares that the probes between which a penalty is chosen are fitted on: fewer, to save time."""
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
    regularisation : float or sequence of float
        L2 penalty, ≥ 0, in units of the features' spread if `standardise`. Of several, each source
        gets the one that does best on levels held out of the training split.
    estimator : sklearn.base.BaseEstimator, optional
        Cloned instead of the solver.
    hidden : int
        Units of one hidden layer; 0 for a linear probe.
    tol : float
        Nats.
    max_iter : int
    n_jobs : int, optional
    """

    kind: str
    receptive_field: int
    seed: int
    max_train_samples: int | None = None
    regularisation: float | Sequence[float] = 1.0
    standardise: bool = True
    estimator: Any = None
    hidden: int = 0
    tol: float = 1e-4
    max_iter: int = 100
    n_jobs: int | None = None

    @property
    def penalties(self) -> tuple[float, ...]:
        """The L2 penalties to choose among."""
        given = self.regularisation
        return tuple(map(float, given)) if isinstance(given, Sequence) else (float(given),)


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
    validation
        (train episode,) bool: those of the groups by which a penalty or an epoch is chosen. None of them
        if there are too few groups.
    how
        How to fit.
    """

    labels: np.ndarray
    shuffled: np.ndarray | None
    n_classes: int | None
    train: np.ndarray
    test: np.ndarray
    unit: np.ndarray
    validation: np.ndarray
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
    penalty: float = np.nan
    validation: float = np.nan
    """Score (macro-F1, R²) on the training levels held out to choose by; NaN if nothing was chosen."""

    def predict(
        self, rows: np.ndarray, receptive_field: int, regression: bool, shift: float = 0.0
    ) -> np.ndarray:
        """Predictions (row, square) from rows (row, channel, y, x); of numbers, less `shift`."""
        if self.estimator is not None:
            said = self._of_estimator(rows, receptive_field)
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

    def _of_estimator(self, rows: np.ndarray, receptive_field: int) -> np.ndarray:
        """What the estimator says of every (row, square), some of them at a time."""
        n, n_channels, height, width = rows.shape
        n_features = n_channels * receptive_field**2
        row, square = np.divmod(np.arange(n * height * width), height * width)
        piece = max(1, _PIECE_BYTES // (4 * n_features))
        said = []
        for a in range(0, len(row), piece):
            at = slice(a, a + piece)
            out = np.empty((1, n_features, len(row[at])), dtype=np.float32)
            gather(rows[:, None], row[at], square[at], receptive_field, out)
            said.append(np.asarray(self.estimator.predict(out[0].T)))
        return np.concatenate(said).reshape(n, height * width)


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
    if problem.how.kind == "ridge" and problem.how.estimator is None and not problem.how.hidden:
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
    held = problem.validation[episode]
    if problem.how.hidden:
        return _fit_networks(problem, x, found, held)
    return _fit_logistic(problem, x, found, held, (features.n_channels, k, k))


def _fit_logistic(
    problem: Problem,
    x: np.ndarray,
    found: dict[str, np.ndarray],
    held: np.ndarray,
    shape: tuple[int, int, int],
) -> dict[str, list[Probe]]:
    """Fit every source's labels (sample,) at every tick of x (tick, feature + 1, sample)."""
    multipliers = _multipliers(x) if problem.how.standardise else None

    def fits(rows: list[np.ndarray], y: np.ndarray, penalty: float) -> list[MultinomialFit]:
        missing = y < 0
        weights = np.where(missing, 0, 1).astype(np.float32) if missing.any() else None
        every = fit_multinomial_many(
            rows,
            [np.where(missing, 0, y).astype(np.int32)],
            problem.n_classes or 0,
            weights=[weights],
            regularisation=penalty,
            tol=problem.how.tol,
            max_iter=problem.how.max_iter,
            multipliers=multipliers,
            n_jobs=problem.how.n_jobs,
        )
        return [fit for [fit] in every]

    penalties = {name: problem.how.penalties[0] for name in found}
    validated = {name: [np.nan] * len(x) for name in found}
    if len(problem.how.penalties) > 1 and held.any() and not held.all():
        learn = _some(~held, SELECTION_ROWS)
        learned = [np.ascontiguousarray(rows[:, learn]) for rows in x]
        for name, y in found.items():
            check = _some(held & (y >= 0), SELECTION_ROWS)
            if not len(check):
                continue
            unseen = [np.ascontiguousarray(rows[:-1, check]) for rows in x]
            # As much of a penalty for each row as in the fit to all of them.
            share = len(learn) / len(y)
            by_penalty = {
                penalty: [
                    score_of(
                        (fit.coef @ rows + fit.intercept[:, None]).argmax(axis=0),
                        y[check],
                        problem.n_classes,
                    )
                    for rows, fit in zip(
                        unseen, fits(learned, y[learn], penalty * share), strict=True
                    )
                ]
                for penalty in problem.how.penalties
            }
            penalties[name] = max(by_penalty, key=lambda p: float(np.mean(by_penalty[p])))
            validated[name] = by_penalty[penalties[name]]
        del learned
    probes: dict[str, list[Probe]] = {}
    for name, y in found.items():
        probes[name] = [
            Probe(
                f.coef.reshape(-1, *shape), f.intercept, None, f.converged, penalties[name], score
            )
            for f, score in zip(fits(list(x), y, penalties[name]), validated[name], strict=True)
        ]
    return probes


def _some(chosen: np.ndarray, most: int) -> np.ndarray:
    """Return positions of what is chosen, evenly spread where there are more than `most`."""
    at = np.flatnonzero(chosen)
    return at[:: max(1, -(-len(at) // most))]


def _fit_networks(
    problem: Problem, x: np.ndarray, found: dict[str, np.ndarray], held: np.ndarray
) -> dict[str, list[Probe]]:
    """Fit networks with a hidden layer to every source's labels (sample,) at every tick."""
    probes: dict[str, list[Probe]] = {}
    for name, y in found.items():
        there = y >= 0 if problem.n_classes is not None else np.isfinite(y)
        probes[name] = []
        for rows in x:
            network = fit_network(
                np.ascontiguousarray(rows[:-1, there].T),
                y[there],
                held[there],
                problem.how.hidden,
                problem.n_classes,
                problem.how.seed,
            )
            probes[name].append(Probe(estimator=network, validation=network.validation))
    return probes


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
    # Apart for what is learned from and for what a penalty is chosen by: sums are all that is needed.
    sides = 2 if len(problem.how.penalties) > 1 and problem.validation.any() else 1
    gram = np.zeros((sides, features.n_ticks, n_features + 1, n_features + 1))
    moments = np.zeros((sides, features.n_ticks, n_features + 1, n_outputs))
    squares = np.zeros((sides, n_outputs))
    piece = max(1, _PIECE_BYTES // (8 * features.n_ticks * (n_features + 1)))
    for at, rows in features.blocks(problem.train, used):
        e, s, square = np.nonzero(present[at])
        row = _row_index(used[at])[e, s]
        for side, part in _pieces(
            problem.validation[at][e] if sides > 1 else None, len(row), piece
        ):
            x = np.ones((features.n_ticks, n_features + 1, len(row[part])), dtype=np.float32)
            gather(rows, row[part], square[part], k, x)
            y = [
                _ridge_outputs(problem, t[at][e[part], s[part], square[part]], centre)
                for t in targets.values()
            ]
            x, y = x.astype(np.float64), np.concatenate(y, axis=1)
            gram[side] += x @ x.transpose(0, 2, 1)
            moments[side] += x @ y
            squares[side] += (y * y).sum(axis=0)
    shape = (columns, features.n_channels, k, k)
    probes: dict[str, list[Probe]] = {}
    for i, name in enumerate(targets):
        own = moments[..., i * columns : (i + 1) * columns]
        penalty, validated = _ridge_penalty(
            problem, gram, own, squares[:, i * columns : (i + 1) * columns]
        )
        solved = _solve_ridges(problem, gram.sum(axis=0), own.sum(axis=0), penalty)
        offset = centre if problem.n_classes is None else 0.0
        probes[name] = [
            Probe(
                w[:, :-1].reshape(shape),
                w[:, -1] + offset,
                penalty=penalty,
                validation=validated[t],
            )
            for t, w in enumerate(solved)
        ]
    return probes


def _pieces(held: np.ndarray | None, n: int, size: int) -> Iterator[tuple[int, np.ndarray | slice]]:
    """Yield (side, rows), at most `size` rows at a time: side 1 are those that are held out."""
    if held is None:
        yield from ((0, slice(a, a + size)) for a in range(0, n, size))
        return
    for side in (0, 1):
        rows = np.flatnonzero(held == side)
        yield from ((side, rows[a : a + size]) for a in range(0, len(rows), size))


def _solve_ridges(
    problem: Problem, gram: np.ndarray, moments: np.ndarray, penalty: float
) -> list[np.ndarray]:
    return run_jobs(
        lambda t: solve_ridge(gram[t], moments[t], penalty, problem.how.standardise),
        range(len(gram)),
        problem.how.n_jobs,
    )


def _ridge_penalty(
    problem: Problem, gram: np.ndarray, moments: np.ndarray, squares: np.ndarray
) -> tuple[float, list[float]]:
    """Return the penalty with the least squared error on the rows held out, over all ticks.

    And the R² there at every tick: of numbers, since classes are not scored by it.
    """
    unknown = [np.nan] * gram.shape[1]
    if len(gram) < 2 or not gram[0, 0, -1, -1]:
        return problem.how.penalties[0], unknown
    share = gram[0, 0, -1, -1] / gram[:, 0, -1, -1].sum()
    held, total = gram[1], float(squares[1].sum())

    def errors(penalty: float) -> list[float]:
        return [
            total + float(np.einsum("oi,ij,oj->", w, held[t], w) - 2 * (w.T * moments[1, t]).sum())
            for t, w in enumerate(_solve_ridges(problem, gram[0], moments[0], penalty * share))
        ]

    by_penalty = {penalty: errors(penalty) for penalty in problem.how.penalties}
    best = min(by_penalty, key=lambda penalty: sum(by_penalty[penalty]))
    if problem.n_classes is not None:
        return best, unknown
    spread = total - float(moments[1, 0, -1, 0]) ** 2 / float(held[0, -1, -1])
    return best, [1 - error / spread if spread > 0 else np.nan for error in by_penalty[best]]


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
