"""Probes with scikit-learn's estimator interface."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from interp.probes.solver import fit_multinomial_many, solve_ridge, with_ones


class MultinomialProbe(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression with an L2 penalty, fast on many rows.

    Same objective, and so the same optimum, as ``LogisticRegression(C=1 / regularisation)``;
    float32 arithmetic with float64 sums.

    Parameters
    ----------
    regularisation
        L2 penalty on the coefficients (scikit-learn's ``1 / C``), ≥ 0.
    tol
        Stop when the predicted decrease of the mean loss (nats per row) is below this.
    max_iter
        Largest number of iterations on all rows.
    fit_intercept
        Whether to fit an intercept, which is not penalised.

    Attributes
    ----------
    classes_
        (class,) the labels.
    coef_
        (class, feature) float64; each column sums to 0. Two classes have two rows, one the
        other's negative (scikit-learn keeps their difference).
    intercept_
        (class,) float64.
    n_iter_
        Iterations on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> MultinomialProbe().fit(x, ["a", "a", "b", "b"]).predict([[-3.0], [3.0]]).tolist()
    ['a', 'b']
    """

    def __init__(
        self,
        regularisation: float = 1.0,
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
    ):
        self.regularisation = regularisation
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, y: ArrayLike) -> MultinomialProbe:
        """Fit to `X` (row, feature) and labels `y` (row,)."""
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64])
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"A probe needs samples of at least 2 classes; the data hold only one class: "
                f"{self.classes_[0]!r}."
            )
        if not self.regularisation >= 0:
            raise ValueError(f"regularisation must not be negative: {self.regularisation!r}.")
        # Centred in the caller's precision: float32 would lose the digits of a large mean.
        mean = X.mean(axis=0, dtype=np.float64)
        far = self.fit_intercept and (np.abs(mean) > 30 * X.std(axis=0, dtype=np.float64)).any()
        shift = mean if far else np.zeros_like(mean)
        features = with_ones(X - shift if far else X)
        [[fit]] = fit_multinomial_many(
            [features],
            [index],
            len(self.classes_),
            regularisation=self.regularisation,
            tol=self.tol,
            max_iter=self.max_iter,
            fit_intercept=self.fit_intercept,
        )
        self.coef_ = fit.coef
        self.intercept_ = fit.intercept - fit.coef @ shift
        self.n_iter_ = max(1, fit.n_iter)
        return self

    def _scores(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return X @ self.coef_.T + self.intercept_

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Logits (row, class); for two classes their difference (row,), second minus first."""
        scores = self._scores(X)
        return scores if scores.shape[1] > 2 else scores[:, 1] - scores[:, 0]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities (row, class)."""
        scores = self._scores(X)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Log of the class probabilities (row, class)."""
        scores = self._scores(X)
        scores = scores - scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable label of each row."""
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]


class RidgeProbe(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Least squares with an L2 penalty: the solution of scikit-learn's ``Ridge(alpha)``.

    Parameters
    ----------
    regularisation
        L2 penalty on the coefficients (scikit-learn's ``alpha``), ≥ 0; the intercept is free.

    Attributes
    ----------
    coef_
        (feature,), or (output, feature) for several outputs; float64.
    intercept_
        float, or (output,).

    Examples
    --------
    >>> probe = RidgeProbe(regularisation=0.0).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> probe.predict([[3.0]]).round(6).tolist()
    [7.0]
    """

    def __init__(self, regularisation: float = 1.0):
        self.regularisation = regularisation

    def fit(self, X: ArrayLike, y: ArrayLike) -> RidgeProbe:
        """Fit to `X` (row, feature) and targets `y` (row,) or (row, output)."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        mean = X.mean(axis=0)
        rows = np.ones((len(X), X.shape[1] + 1))
        rows[:, :-1] = X - mean
        outputs = y if y.ndim == 2 else y[:, None]
        offset = outputs.mean(axis=0)
        weights = solve_ridge(rows.T @ rows, rows.T @ (outputs - offset), self.regularisation)
        coef, intercept = weights[:, :-1], weights[:, -1] + offset - weights[:, :-1] @ mean
        self.coef_ = coef if y.ndim == 2 else coef[0]
        self.intercept_ = intercept if y.ndim == 2 else float(intercept[0])
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predictions (row,) or (row, output)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X @ self.coef_.T + self.intercept_
