"""The linear map that a fitted scikit-learn estimator is, whatever it is made of.

``coef_`` alone does not say: two classes have one row, a pipeline with a scaler has it in other units
than the features, a one-against-one machine has a row for each pair of classes. So every map is held
against what the estimator itself says of some rows, and is found out by asking where that fails.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_ROWS = 256
_TOLERANCE = 1e-3
"""Of the spread of the scores: what single precision in a pipeline may come to."""


def linear_map(
    estimator: Any, rows: np.ndarray, n_classes: int | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return weights (output, feature) and intercepts (output,) of a fitted estimator, float64.

    Parameters
    ----------
    estimator
        Fitted. A classifier is asked for its ``decision_function``, a regressor for ``predict``.
    rows
        (row, feature) that it was fitted to.
    n_classes
        Of the target; None for a regression, which has one output. Two classes have two outputs, one
        the other's negative.

    Returns
    -------
    tuple or None
        None for what is not linear in the features, or was not fitted to every class.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> weights, intercept = linear_map(LinearRegression().fit(x, [1.0, 3.0, 5.0]), x, None)
    >>> weights.round(6).tolist(), intercept.round(6).tolist()
    ([[2.0]], [1.0])
    """
    score = getattr(estimator, "predict" if n_classes is None else "decision_function", None)
    if score is None or len(getattr(estimator, "classes_", ())) != (n_classes or 0):
        return None
    some = np.asarray(rows[:: max(1, len(rows) // _ROWS)][:_ROWS], dtype=np.float64)
    outputs = _columns(score(some))
    for candidate in (_own, _asked):
        found = candidate(estimator, score, some)
        if found is not None and _agree(found, some, outputs):
            return _per_class(*found, n_classes)
    return None


def _columns(scores: Any) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    return scores.reshape(len(scores), -1)


def _own(estimator: Any, score: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the estimator's own coefficients."""
    weights = getattr(estimator, "coef_", None)
    if weights is None:
        return None
    weights = np.asarray(weights, dtype=np.float64)
    weights = weights.reshape(-1, weights.shape[-1])
    if weights.shape[1] != rows.shape[1]:
        return None
    intercept = np.asarray(getattr(estimator, "intercept_", 0.0), dtype=np.float64)
    return weights, np.broadcast_to(intercept, len(weights)).copy()


def _asked(estimator: Any, score: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what an affine map must be to say what this one says around the rows' mean."""
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1
    there = _columns(score(centre[None]))[0]
    weights = np.empty((len(there), len(centre)))
    for start in range(0, len(centre), _ROWS):
        at = np.arange(start, min(start + _ROWS, len(centre)))
        moved = np.repeat(centre[None], len(at), axis=0)
        moved[np.arange(len(at)), at] += spread[at]
        weights[:, at] = ((_columns(score(moved)) - there) / spread[at, None]).T
    return weights, there - weights @ centre


def _agree(found: tuple[np.ndarray, np.ndarray], rows: np.ndarray, outputs: np.ndarray) -> bool:
    weights, intercept = found
    said = rows @ weights.T + intercept
    if said.shape[1] == 2 and outputs.shape[1] == 1:  # two rows for two classes
        said = said[:, 1:] - said[:, :1]
    if said.shape != outputs.shape:
        return False
    return bool(np.abs(said - outputs).max() <= _TOLERANCE * max(float(outputs.std()), 1e-12))


def _per_class(
    weights: np.ndarray, intercept: np.ndarray, n_classes: int | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Give each class a row; None if there is another number of rows."""
    if n_classes == 2 and len(weights) == 1:
        sign = np.array([-0.5, 0.5])
        return sign[:, None] * weights, sign * intercept
    return (weights, intercept) if len(weights) == (n_classes or 1) else None
