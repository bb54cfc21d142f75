"""Forecasts of agents by models that never saw their group, and how well they rank the agents.

Every two agents are compared under one model that was fitted without the group of either (leave-pair-out
cross-validation, over groups). Scores that come from different folds are not comparable: leaving one
agent out shifts the others' mean against it, so that a model which knows nothing would seem worse than
chance (Airola et al. 2011, "An experimental comparison of cross-validation techniques for estimating
the area under the ROC curve").
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np

MIN_GROUPS = 3
"""Groups without which no pair of them can be left out."""


class HeldOut(NamedTuple):
    """Predictions of the agents of one or two groups as linear functions of the other agents' targets."""

    rows: np.ndarray
    """(held,) int: the agents held out."""
    train: np.ndarray
    """(train,) int: the others."""
    weights: np.ndarray
    """(held, train): what each target of the others counts for."""
    pairs: tuple[np.ndarray, np.ndarray]
    """Positions in `rows` of the two agents of each pair that this model compares."""


def held_out_models(traits: np.ndarray, group: np.ndarray, penalty: float) -> list[HeldOut]:
    """Fit ridge regressions without each pair of groups, and without each group.

    Traits are standardised by the agents of the fit, missing ones are their mean.

    Parameters
    ----------
    traits
        (agent, trait) float, NaN where missing.
    group
        (agent,) int.
    penalty
        Of the squared weights, per agent of the fit.

    Returns
    -------
    list of HeldOut
        Every pair of agents is compared by exactly one; empty for fewer than `MIN_GROUPS` groups.
    """
    groups = np.unique(group)
    if len(groups) < MIN_GROUPS:
        return []
    models = []
    for first, second in combinations_with_replacement(groups, 2):
        held = (group == first) | (group == second)
        rows, train = np.flatnonzero(held), np.flatnonzero(~held)
        a, b = np.triu_indices(len(rows), 1)
        if first != second:
            across = group[rows[a]] != group[rows[b]]
            a, b = a[across], b[across]
        weights = ridge_weights(traits[train], traits[rows], penalty)
        models.append(HeldOut(rows, train, weights, (a, b)))
    return models


def ridge_weights(train: np.ndarray, held: np.ndarray, penalty: float) -> np.ndarray:
    """Return (held, train): by which predictions of ridge regression follow from the fit's targets.

    Parameters
    ----------
    train, held
        (agent, trait) float, NaN where missing.
    """
    there = ~np.isnan(train)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, train, 0).sum(axis=0) / n
    spread = np.sqrt((np.where(there, train - mean, 0) ** 2).sum(axis=0) / n)
    # A trait that is the same in all agents of the fit says nothing, whatever the others have.
    spread = np.where(spread > 1e-9, spread, np.inf)
    z_train, z_held = (np.nan_to_num((x - mean) / spread) for x in (train, held))
    z_train = z_train - z_train.mean(axis=0)
    size = len(train)
    inner = z_train.T @ z_train + penalty * size * np.eye(train.shape[1])
    return 1 / size + z_held @ np.linalg.solve(inner, z_train.T)


class Comparison(NamedTuple):
    """How agents compare by forecasts made without them."""

    wins: np.ndarray
    """(agent, agent): 1 where the first's forecast is larger, ½ for equal ones; NaN on the diagonal."""
    score: np.ndarray
    """(agent,): mean forecast over the models that did not see its group."""


def compare(models: list[HeldOut], target: np.ndarray) -> Comparison:
    """Forecast all agents and compare every two; NaN throughout if there are no models."""
    n = len(target)
    wins, total, count = np.full((n, n), np.nan), np.zeros(n), np.zeros(n)
    for model in models:
        predicted = model.weights @ target[model.train]
        total[model.rows] += predicted
        count[model.rows] += 1
        a, b = model.pairs
        larger = _larger(predicted[a] - predicted[b])
        wins[model.rows[a], model.rows[b]] = larger
        wins[model.rows[b], model.rows[a]] = 1 - larger
    with np.errstate(invalid="ignore"):
        return Comparison(wins, total / count)


def compare_scores(score: np.ndarray) -> Comparison:
    """Compare agents by scores that need no fit."""
    wins = _larger(score[:, None] - score[None])
    np.fill_diagonal(wins, np.nan)
    return Comparison(wins, score)


def _larger(difference: np.ndarray) -> np.ndarray:
    return np.where(np.abs(difference) < 1e-9, 0.5, difference > 0)


def auroc(wins: np.ndarray, label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of pairs with different labels that are ranked rightly, for each weighting.

    Parameters
    ----------
    wins
        (agent, agent), see `Comparison`.
    label
        (agent,) bool.
    weights
        (resample, agent): how often each agent counts.

    Returns
    -------
    ndarray
        (resample,); NaN where one class is missing.
    """
    positive, negative = weights[:, label], weights[:, ~label]
    won = (positive @ wins[np.ix_(label, ~label)] * negative).sum(axis=1)
    total = positive.sum(axis=1) * negative.sum(axis=1)
    return np.divide(won, total, out=np.full(len(weights), np.nan), where=total > 0)


def rank_correlation(wins: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of target and forecast, for each weighting.

    An agent's rank by forecast is the number of agents it wins against. Ranks are those among the
    agents given, in every resample.

    Parameters
    ----------
    wins, weights
        As in `auroc`.
    target
        (agent,) float.
    """
    from scipy.stats import rankdata

    x, y = rankdata(np.nansum(wins, axis=1).round(9)), rankdata(target)
    total = weights.sum(axis=1, keepdims=True)
    share = weights / np.maximum(total, 1e-12)
    dx, dy = (v - (share @ v)[:, None] for v in (x, y))
    covariance, vx, vy = ((share * p).sum(axis=1) for p in (dx * dy, dx * dx, dy * dy))
    scale = np.sqrt(vx * vy)
    return np.divide(covariance, scale, out=np.full(len(scale), np.nan), where=scale > 1e-12)


def permuted_aurocs(
    models: list[HeldOut] | np.ndarray,
    target: np.ndarray,
    label: np.ndarray,
    scope: np.ndarray,
    n_permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return AUROCs, fits included, with the targets dealt out anew among the agents of a scope.

    Parameters
    ----------
    models
        From `held_out_models`, or scores that need no fit, (agent,).
    target, label
        (agent,) float and bool; they move together.
    scope
        (agent,) bool: the agents that are compared. The others keep their targets.

    Returns
    -------
    ndarray
        (permutation,).
    """
    order = np.tile(np.arange(len(target)), (n_permutations, 1))
    at = np.flatnonzero(scope)
    order[:, at] = rng.permuted(order[:, at], axis=1)
    targets, labels = target[order].T, label[order].T  # (agent, permutation)
    if isinstance(models, np.ndarray):
        wins = compare_scores(models).wins
        a, b = np.triu_indices(len(target), 1)
        keep = scope[a] & scope[b]
        return _pairwise([(a[keep], b[keep], wins[a[keep], b[keep]][:, None])], labels)
    compared = []
    for model in models:
        a, b = model.pairs
        keep = scope[model.rows[a]] & scope[model.rows[b]]
        if keep.any():
            a, b = a[keep], b[keep]
            predicted = model.weights @ targets[model.train]
            compared.append((model.rows[a], model.rows[b], _larger(predicted[a] - predicted[b])))
    return _pairwise(compared, labels)


def _pairwise(compared: list, labels: np.ndarray) -> np.ndarray:
    won, total = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
    for a, b, larger in compared:
        first, second = labels[a] & ~labels[b], labels[b] & ~labels[a]
        won += (larger * first + (1 - larger) * second).sum(axis=0)
        total += (first | second).sum(axis=0)
    return np.divide(won, total, out=np.full(len(won), np.nan), where=total > 0)
