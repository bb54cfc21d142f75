"""A small probe that is not linear: one hidden layer, stopped where held-out levels say so."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.probes.metrics import (
    classification_scores,
    confusion_counts,
    regression_scores,
    regression_sums,
)

ROUNDS = 60
PATIENCE = 5
"""Rounds without a better score after which the best network so far is taken."""
_STEPS = 50
"""Updates in a round, at least (at most one epoch of many rows): few rows make few batches."""
_LEAST_SPREAD = 0.1
"""Of the widest feature: a rare plane of ones is not blown up to the size of a common one."""


@dataclass
class SmallNetwork:
    """A fitted network and the units of its features; predicts like a scikit-learn estimator."""

    network: Any
    mean: np.ndarray
    spread: np.ndarray
    validation: float = np.nan
    """Score (macro-F1, or R²) on the rows it was stopped by; NaN without any."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predictions (row,) from raw features (row, feature)."""
        return self.network.predict((rows - self.mean) / self.spread)

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """Log-odds (row,) of the second of two classes."""
        log_p = self.network.predict_log_proba((rows - self.mean) / self.spread)
        return log_p[:, 1] - log_p[:, 0]


def fit_network(
    rows: np.ndarray,
    labels: np.ndarray,
    validation: np.ndarray,
    hidden: int,
    n_classes: int | None,
    seed: int,
) -> SmallNetwork:
    """Fit a network with one hidden layer (rectified) by Adam.

    Parameters
    ----------
    rows
        (row, feature) float32.
    labels
        (row,) int, or float where `n_classes` is None.
    validation
        (row,) bool: rows that are not learned from. When their score (macro-F1, or R²) has not
        become better for a while, the best network is taken. Without any, half of `ROUNDS` are run.
    hidden
        Units.
    seed
        Of the weights and of the batches.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    learn, held = np.flatnonzero(~validation), np.flatnonzero(validation)
    mean = rows[learn].mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = rows[learn].std(axis=0, dtype=np.float64).astype(np.float32)
    spread = np.maximum(spread, _LEAST_SPREAD * max(float(spread.max(initial=0)), 1e-12))
    rows = (rows - mean) / spread
    options: dict[str, Any] = {
        "hidden_layer_sizes": (hidden,),
        "batch_size": min(256, len(learn)),
        "random_state": seed,
        "alpha": 1e-3,
        "learning_rate_init": 2e-3,
    }
    classes = {} if n_classes is None else {"classes": np.arange(n_classes)}
    network = MLPRegressor(**options) if n_classes is None else MLPClassifier(**options)
    offset = 0.0 if n_classes is not None else float(labels[learn].mean(dtype=np.float64))
    width = 1.0 if n_classes is not None else float(labels[learn].std(dtype=np.float64)) or 1.0
    targets = labels if n_classes is not None else (labels - offset) / width
    best, kept, since = -np.inf, network, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        epochs = max(1, _STEPS * options["batch_size"] // len(learn))
        for _ in range(ROUNDS if len(held) else ROUNDS // 2):
            for _ in range(epochs):
                network.partial_fit(rows[learn], targets[learn], **classes)
            if not len(held):
                kept = network
                continue
            score = score_of(network.predict(rows[held]), targets[held], n_classes)
            if score > best + 1e-4:
                best, kept, since = score, copy.deepcopy(network), 0
            else:
                since += 1
                if since >= PATIENCE:
                    break
    if n_classes is None:
        kept = _InUnits(kept, offset, width)
    return SmallNetwork(kept, mean, spread, best if len(held) else np.nan)


@dataclass
class _InUnits:
    """A network of standardised numbers that answers in the numbers' own units."""

    network: Any
    offset: float
    width: float

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.network.predict(rows) * self.width + self.offset


def score_of(predictions: np.ndarray, labels: np.ndarray, n_classes: int | None) -> float:
    """Return what a probe is chosen by: macro-F1 over all classes, or R² of a number."""
    if n_classes is None:
        sums = regression_sums(np.zeros(len(labels), int), labels, predictions, 1)
        return float(np.nan_to_num(regression_scores(sums)["r2"][0], nan=-np.inf))
    code = labels.astype(np.intp) * n_classes + predictions.astype(np.intp)
    confusion = np.bincount(code, minlength=n_classes**2).reshape(n_classes, n_classes)
    return float(classification_scores(confusion_counts(confusion), 0)["macro_f1"])
