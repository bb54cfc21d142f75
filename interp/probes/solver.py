"""Multinomial logistic regression and ridge, many problems at once.

The multinomial fit minimises the objective of scikit-learn's `LogisticRegression` (L2 penalty),

    F(W, b) = sum_i w_i (log sum_k exp(z_ik) - z_i,y_i) + regularisation / 2 * ||W||^2 ,

so both have the same optimum; only the way there differs. A small class-balanced subsample is
solved first; the curvature at its solution (the diagonal blocks of the Hessian, one per class)
then preconditions an L-BFGS on all rows, which needs about five passes where an unpreconditioned
one needs a hundred. The passes are compiled (`interp.probes.kernel`), in float32 with float64
sums, and different problems run in different threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from interp.errors import InputError

_SUBSAMPLE = 4096
_RENEWED_UP_TO = 300  # features beyond which the curvature of the first weights serves to the end
_BLOCKS_UP_TO = 400  # n_classes * n_features beyond which one curvature block serves all classes


@dataclass(frozen=True)
class _Labels:
    """What depends on the labels alone, and so is shared by all (site, tick) problems."""

    y: np.ndarray  # (row,) int32
    weights: np.ndarray  # (row,) float32, or empty for weights of 1
    total: float
    counts: np.ndarray  # (class,) float64, weighted
    rows: np.ndarray  # (subsample row,) intp: as many of each class as there are, up to a share
    row_weights: np.ndarray  # (subsample row,) float32, summing to 1

    @classmethod
    def of(
        cls, y: np.ndarray, n_classes: int, weights: np.ndarray | None, n_features: int
    ) -> _Labels:
        y = np.ascontiguousarray(y, dtype=np.int32)
        if weights is not None:
            weights = np.ascontiguousarray(weights, dtype=np.float32)
        counts = np.bincount(y, weights=weights, minlength=n_classes).astype(np.float64)
        total = float(counts.sum())
        if not total > 0:
            raise InputError("There are no rows (of positive weight) to fit a probe on.")
        share = max(1, max(_SUBSAMPLE, min(4 * n_features, 4 * _SUBSAMPLE)) // n_classes)
        rows, row_weights = [], []
        for k in range(n_classes):
            members = np.flatnonzero((y == k) if weights is None else (y == k) & (weights > 0))
            if not len(members):
                continue
            taken = min(len(members), share)
            # Evenly spread: rows come ordered by episode, so every episode is represented.
            chosen = members[np.arange(taken) * len(members) // taken]
            share_of_row = np.ones(taken) if weights is None else weights[chosen].astype(float)
            rows.append(chosen)
            row_weights.append(share_of_row * (counts[k] / share_of_row.sum() / total))
        return cls(
            y,
            _NO_WEIGHTS if weights is None else weights,
            total,
            counts,
            np.concatenate(rows),
            np.concatenate(row_weights).astype(np.float32),
        )


def _probabilities(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Softmax of `weights` (class, feature) on `features` (feature, row), as (class, row)."""
    z = weights @ features
    z -= z.max(axis=0)
    np.exp(z, out=z)
    z /= z.sum(axis=0)
    return z


_NO_WEIGHTS = np.empty(0, dtype=np.float32)


def _preconditioner(
    weights: np.ndarray,
    features: np.ndarray,
    row_weights: np.ndarray,
    penalty: np.ndarray,
    shared: bool,
) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse of the Hessian's class-diagonal blocks, estimated on a weighted subsample."""
    p = _probabilities(weights.astype(np.float32), features)
    curvature = p * (1 - p) * row_weights
    if shared:
        curvature = curvature.mean(axis=0, keepdims=True)
    factors = []
    n_features, n_rows = features.shape
    for c in curvature:
        scaled = features * np.sqrt(c)
        block = (scaled @ scaled.T).astype(np.float64)
        diagonal = np.diagonal(block)
        # Relative to each feature's own curvature, so that its unit does not matter. With few rows
        # the block is flat in directions that no row has looked along: shrink it further.
        jitter = 1e-7 if n_rows >= 4 * n_features else 0.1 * n_features / (4 * n_rows)
        jitter = jitter * diagonal + 1e-14 * diagonal.max() + 1e-30
        block[np.diag_indices(n_features)] += penalty
        factors.append(_factor(block, jitter))

    def apply(gradient: np.ndarray) -> np.ndarray:
        if shared:
            out = cho_solve(factors[0], gradient.T, check_finite=False).T
        else:
            out = np.stack(
                [
                    cho_solve(f, g, check_finite=False)
                    for f, g in zip(factors, gradient, strict=True)
                ]
            )
        # The objective is flat along "the same vector added to every class".
        return out - out.mean(axis=0)

    return apply


def _factor(block: np.ndarray, jitter: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky factor of `block` with `jitter` on its diagonal, and more where that is too little.

    Collinear features under a weak penalty (one-hot planes, which sum to the intercept's ones) make
    the block singular to the last digits of float32. More jitter costs steps, not the optimum.
    """
    diagonal = np.diag_indices(len(block))
    while True:
        shrunk = block.copy()
        shrunk[diagonal] += jitter
        try:
            return cho_factor(shrunk, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            if not np.isfinite(shrunk).all():
                raise
            jitter = 100 * jitter


def _lbfgs(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
    max_iter: int,
    tol: float,
    memory: int = 10,
) -> tuple[np.ndarray, int, bool]:
    """Preconditioned L-BFGS; stops when the predicted decrease of the mean loss is below `tol`."""
    x = start
    f, g = function(x)
    pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
    for iteration in range(1, max_iter + 1):
        q = g.copy()
        shares = []
        for s, d, sd in reversed(pairs):
            share = float((s * q).sum()) / sd
            shares.append(share)
            q -= share * d
        direction = precondition(q)
        if pairs:
            s, d, sd = pairs[-1]
            direction *= sd / float((d * precondition(d)).sum())
        for (s, d, sd), share in zip(pairs, reversed(shares), strict=True):
            direction += s * (share - float((d * direction).sum()) / sd)
        slope = -float((direction * g).sum())
        if not slope < 0:
            return x, iteration - 1, True
        step = 1.0
        while True:
            new = x - step * direction
            f_new, g_new = function(new)
            if f_new <= f + 1e-4 * step * slope:
                break
            if step < 1e-6:  # float32 sees no decrease any more
                return x, iteration, -slope < max(tol, 1e-5)
            quadratic = -slope * step * step / (2 * (f_new - f - slope * step))
            step = max(0.1 * step, min(0.5 * step, quadratic))
        s, d = new - x, g_new - g
        sd = float((s * d).sum())
        if sd > 0:
            pairs = [*pairs[-(memory - 1) :], (s, d, sd)]
        x, f, g = new, f_new, g_new
        if -slope < tol:
            return x, iteration, True
    return x, max_iter, False


@dataclass(frozen=True)
class MultinomialFit:
    """`coef` (class, feature) and `intercept` (class,) float64, each summing to 0 over classes."""

    coef: np.ndarray
    intercept: np.ndarray
    n_iter: int
    converged: bool


def _fit_one(
    features: np.ndarray,
    labels: _Labels,
    n_classes: int,
    regularisation: float,
    tol: float,
    max_iter: int,
    fit_intercept: bool,
    multiplier: np.ndarray | None = None,
) -> MultinomialFit:
    """Fit on `features` (feature + 1, row) float32, the last of which is the intercept's ones."""
    from interp.probes.kernel import loss_and_gradient  # numba takes a while to import

    n_features = len(features)
    if n_classes == 2:
        # scikit-learn penalises the difference of the two classes' vectors: half the sum here.
        regularisation = 2 * regularisation
    features = np.ascontiguousarray(features)
    if not fit_intercept:
        features = features.copy()
        features[-1] = 0
    small = np.ascontiguousarray(features[:, labels.rows])
    conditioning = _conditioning(small, fit_intercept)
    penalty = np.full(n_features, regularisation / labels.total)
    if multiplier is not None:
        penalty[:-1] *= multiplier
    if conditioning is not None:
        shift, scale = conditioning
        features = (features - shift[:, None]) * scale[:, None]
        small = (small - shift[:, None]) * scale[:, None]
        penalty *= scale.astype(np.float64) ** 2
    penalty[-1] = 0.0

    def objective(x: np.ndarray, y: np.ndarray, row_weights: np.ndarray, total: float):
        def function(w: np.ndarray) -> tuple[float, np.ndarray]:
            gradient = np.zeros(w.shape)
            single = np.ascontiguousarray(w, dtype=np.float32)
            loss = loss_and_gradient(single, x, y, row_weights, gradient)
            penalised = penalty * w
            return loss / total + 0.5 * float((penalised * w).sum()), gradient / total + penalised

        return function

    weights = np.zeros((n_classes, n_features))
    if fit_intercept:
        prior = np.log(np.maximum(labels.counts, 0.5) / labels.total)
        weights[:, -1] = prior - prior.mean()
    shared = n_classes * n_features > _BLOCKS_UP_TO
    precondition = _preconditioner(weights, small, labels.row_weights, penalty, shared=True)
    on_subsample = objective(small, labels.y[labels.rows], labels.row_weights, 1.0)
    weights, _, _ = _lbfgs(on_subsample, weights, precondition, 50, max(tol, 1e-3))
    if n_features <= _RENEWED_UP_TO:  # of more, the block costs more than the steps that it saves
        precondition = _preconditioner(weights, small, labels.row_weights, penalty, shared)
    on_all = objective(features, labels.y, labels.weights, labels.total)
    weights, n_iter, converged = _lbfgs(on_all, weights, precondition, max_iter, tol)

    if conditioning is not None:
        weights = weights * scale
        weights[:, -1] -= weights[:, :-1] @ shift[:-1]
    return MultinomialFit(weights[:, :-1].copy(), weights[:, -1].copy(), n_iter, converged)


def _conditioning(small: np.ndarray, fit_intercept: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Shift and scale per feature where float32 would otherwise lose digits; else None."""
    mean = small[:-1].mean(axis=1, dtype=np.float64)
    spread = small[:-1].std(axis=1, dtype=np.float64)
    wide = spread > 1e-30
    ratio = spread[wide].max() / spread[wide].min() if wide.any() else 1.0
    if ratio < 1e4 and not (np.abs(mean) > 30 * spread).any():
        return None
    shift = mean if fit_intercept else np.zeros_like(mean)
    scale = np.where(wide, 1 / np.where(wide, spread, 1.0), 1.0)
    return np.append(shift, 0).astype(np.float32), np.append(scale, 1).astype(np.float32)


def with_ones(features: np.ndarray) -> np.ndarray:
    """Return (row, feature) as (feature + 1, row) float32, the last feature being ones."""
    out = np.ones((features.shape[1] + 1, len(features)), dtype=np.float32)
    out[:-1] = features.T
    return out


def fit_multinomial_many(
    features: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    n_classes: int,
    *,
    weights: Sequence[np.ndarray | None] | None = None,
    regularisation: float = 1.0,
    tol: float = 1e-4,
    max_iter: int = 100,
    fit_intercept: bool = True,
    multipliers: Sequence[np.ndarray] | None = None,
    n_jobs: int | None = None,
) -> list[list[MultinomialFit]]:
    """Fit every feature matrix to every target, all with the same rows.

    Parameters
    ----------
    features
        The problems' feature matrices, each (feature + 1, row) float32 and C-contiguous, the last
        feature being ones (`with_ones`).
    targets
        Label vectors, each (row,) int in ``0 … n_classes - 1``.
    n_classes
        Number of classes.
    weights
        For each target, None or non-negative weights (row,).
    regularisation
        scikit-learn's ``1 / C``; the intercept is not penalised.
    tol
        Stop when the predicted decrease of the mean loss (nats per row) is below this.
    max_iter
        Largest number of L-BFGS iterations on all rows.
    fit_intercept
        Whether to fit an intercept.
    multipliers
        For each feature matrix, factors (feature,) of the penalty. With the features' variances it
        is as if every feature had been divided by its standard deviation.
    n_jobs
        Threads; None for as many as the BLAS would use.

    Returns
    -------
    list of list of MultinomialFit
        ``result[i][j]`` is the fit of ``features[i]`` to ``targets[j]``.
    """
    weights = [None] * len(targets) if weights is None else weights
    n_features = len(features[0])
    labels = [
        _Labels.of(y, n_classes, w, n_features) for y, w in zip(targets, weights, strict=True)
    ]
    factors = [None] * len(features) if multipliers is None else multipliers
    jobs = [(x, y, m) for x, m in zip(features, factors, strict=True) for y in labels]

    def job(one: tuple[np.ndarray, _Labels, np.ndarray | None]) -> MultinomialFit:
        x, y, multiplier = one
        return _fit_one(x, y, n_classes, regularisation, tol, max_iter, fit_intercept, multiplier)

    flat = run_jobs(job, jobs, n_jobs)
    return [flat[i * len(labels) : (i + 1) * len(labels)] for i in range(len(features))]


def run_jobs(job: Callable, items: Sequence, n_jobs: int | None = None) -> list:
    """``[job(item) for item in items]`` in threads, the BLAS held to one thread meanwhile.

    Problems this small run faster side by side than one after the other with a threaded BLAS.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    if n_jobs is None:
        pools = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
        n_jobs = max(pools, default=1)
    n_jobs = min(n_jobs, len(items))
    if n_jobs <= 1:
        return [job(item) for item in items]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(job, items))


def scale_multiplier(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Factors of an L2 penalty that make it blind to the features' units; 1 for constant ones."""
    return np.where(variance > 1e-12 * (mean * mean + variance), variance, 1.0)


def solve_ridge(
    gram: np.ndarray, moments: np.ndarray, regularisation: float, standardise: bool = False
) -> np.ndarray:
    """Ridge weights from sufficient statistics.

    Parameters
    ----------
    gram
        X'X (feature + 1, feature + 1) float64, the last row and column belonging to the ones.
    moments
        X'Y (feature + 1, output) float64.
    regularisation
        The L2 penalty on the coefficients (scikit-learn's ``alpha``); the intercept is free.
    standardise
        Penalise as if every feature had been divided by its standard deviation.

    Returns
    -------
    ndarray
        Weights (output, feature + 1), the last column the intercept.
    """
    # Centring first keeps a large mean from costing digits, and frees the intercept exactly.
    n = gram[-1, -1]
    mean = gram[-1, :-1] / n
    covariance = gram[:-1, :-1] - n * np.outer(mean, mean)
    cross = moments[:-1] - np.outer(mean, moments[-1])
    diagonal = np.diag_indices(len(covariance))
    multiplier = scale_multiplier(mean, covariance[diagonal] / n) if standardise else 1.0
    covariance[diagonal] += regularisation * multiplier
    try:
        factor = cho_factor(covariance, lower=True, check_finite=False)
        coef = cho_solve(factor, cross, check_finite=False)
    except np.linalg.LinAlgError:  # regularisation 0 and collinear features: the smallest solution
        coef = np.linalg.lstsq(covariance, cross, rcond=1e-10)[0]
    intercept = moments[-1] / n - mean @ coef
    return np.concatenate([coef, intercept[None]]).T
