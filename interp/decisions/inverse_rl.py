"""Maximum causal entropy inverse reinforcement learning on small deterministic problems.

Which weights on known features, if any, make recorded behaviour look like the pursuit of a reward?
The agent is taken to be soft-optimal (Ziebart, Bagnell & Dey 2010); see
`interp.decisions.soft_values` for what
that means here, and `interp.decisions.identifiability` for what no behaviour could ever tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from interp.decisions.mdp import TabularMDP, join
from interp.decisions.soft_values import DISCOUNT, Flow, Solution, solve
from interp.errors import InputError

SCORING_STEPS = 8
"""Steps with the expected curvature before it is only corrected."""

LAPSE = 0.05
"""Share of the steps in which an agent is taken to act at random, whatever it is after. Without it, one
slip next to something worthless would weigh more than a hundred steps towards what is wanted."""


class Demonstrations:
    """Recorded behaviour in known problems.

    Parameters
    ----------
    mdps
        The problem of each episode. Episodes of one and the same object share its states.
    actions
        The actions of each episode, from its start.

    Attributes
    ----------
    mdp : TabularMDP
        All problems, joined.
    state, action, episode : numpy.ndarray
        Of every step of all episodes, dims ``(sample,)``.
    first : numpy.ndarray
        Whether the episode was in that state for the first time, dims ``(sample,)``, bool.
    n_episodes : int

    Raises
    ------
    InputError
        If there are none, actions do not exist or go on after the end of an episode, or the problems
        differ in their features.
    """

    def __init__(self, mdps: Sequence[TabularMDP], actions: Sequence[np.ndarray]):
        if len(mdps) != len(actions) or not len(mdps):
            raise InputError(f"{len(mdps)} problems for {len(actions)} episodes.")
        which = {id(mdp): index for index, mdp in enumerate({id(m): m for m in mdps}.values())}
        unique = list({id(mdp): mdp for mdp in mdps}.values())
        self.mdp, offset = join(unique)
        self.flow = Flow(self.mdp)
        states, taken, episode = [], [], []
        for index, (mdp, given) in enumerate(zip(mdps, actions, strict=True)):
            try:
                way = mdp.states(given)
            except InputError as error:
                raise InputError(f"Episode {index}: {error}") from None
            states.append(way[:-1] + offset[which[id(mdp)]])
            taken.append(np.asarray(given, np.int64))
            episode.append(np.full(len(given), index))
        self.state, self.action = np.concatenate(states), np.concatenate(taken)
        self.episode, self.n_episodes = np.concatenate(episode), len(mdps)
        if not len(self.state):
            raise InputError("The episodes have no steps.")
        self.first = np.zeros(len(self.state), bool)
        visits = self.episode * self.mdp.n_states + self.state
        self.first[np.unique(visits, return_index=True)[1]] = True

    @property
    def length(self) -> np.ndarray:
        """Steps of each episode, dims ``(episode,)``."""
        return np.bincount(self.episode, minlength=self.n_episodes)

    def per_episode(self, values: np.ndarray) -> np.ndarray:
        """Add up values of the steps, dims ``(sample, …)`` to ``(episode, …)``."""
        total = np.zeros((self.n_episodes, *values.shape[1:]))
        np.add.at(total, self.episode, values)
        return total


class Fit(NamedTuple):
    """Weights fitted to behaviour."""

    weights: np.ndarray
    """(feature,) the most likely ones under the prior."""
    covariance: np.ndarray
    """(feature, feature) of the Gaussian around them (Laplace), from the expected information."""
    log_likelihood: np.ndarray
    """(episode,) of the actions, in nats."""
    score: np.ndarray
    """(episode, feature) derivative of ``log_likelihood``."""
    information: np.ndarray
    """(episode, feature, feature) Fisher information of the actions at the fitted weights."""
    policy: np.ndarray
    """(state, action) of the soft-optimal agent, in ``demonstrations.mdp``."""
    log_posterior: float
    """Of the weights, but for a constant: what the fit made as large as it could."""
    prior_std: float
    converged: bool


def fit_weights(
    demonstrations: Demonstrations,
    *,
    discount: float = DISCOUNT,
    prior_std: float | None = None,
    episode_weights: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    dropped: Sequence[int] = (),
    lapse: float = LAPSE,
    tolerance: float = 1e-5,
    max_iterations: int = 100,
) -> Fit:
    """Fit reward weights to behaviour: maximum a posteriori, by Fisher scoring and then BFGS.

    The likelihood is that of every recorded action given its state, ``(1 - lapse) π + lapse / A``.
    With no lapses, and for episodes that end in a terminal state, its logarithm is concave in the
    weights (it is Σ r − V(s₀) − (1 − γ) Σ V(sₜ), and V is convex), so there is one optimum.
    Lapses may make more of them: see `fit_from`.

    Parameters
    ----------
    demonstrations
        What was done.
    discount
        Above 0 and below 1.
    prior_std
        Of a Gaussian prior around 0 on every weight, which keeps the weights of faultless behaviour
        finite; default ``4 / (1 − discount)``.
    episode_weights
        How often each episode counts, dims ``(episode,)``; default once.
    initial
        Where to begin, dims ``(feature,)``; default 0.
    dropped
        Features whose weights stay 0.
    lapse
        Share of the steps that are random; 0 for the model of Ziebart et al.
    tolerance
        The fit has converged when a step would gain less than about half of this, in nats.

    Raises
    ------
    InputError
        If an option makes no sense.
    """
    n_features = len(demonstrations.mdp.feature_names)
    prior_std = 4 / (1 - discount) if prior_std is None else prior_std
    if not 0 < prior_std < np.inf:
        raise InputError(f"prior_std is above 0 and finite; got {prior_std!r}.")
    if not 0 <= lapse < 1:
        raise InputError(f"lapse is a share from 0 to below 1; got {lapse!r}.")
    counts = np.ones(demonstrations.n_episodes)
    if episode_weights is not None:
        counts = np.asarray(episode_weights, float)
        if counts.shape != (demonstrations.n_episodes,) or (counts < 0).any():
            raise InputError("episode_weights are one number ≥ 0 an episode.")
    precision = np.eye(n_features) / prior_std**2
    weights = np.zeros(n_features) if initial is None else np.array(initial, float)
    free = np.setdiff1d(np.arange(n_features), dropped)
    weights[list(dropped)] = 0

    def height(point: Solution, at: np.ndarray) -> tuple[float, np.ndarray]:
        log_likelihood = _log_likelihood(demonstrations, point.policy, lapse)
        return float(counts @ log_likelihood - at @ precision @ at / 2), log_likelihood

    mdp, flow = demonstrations.mdp, demonstrations.flow
    point = solve(mdp, weights, discount, flow=flow)
    now, log_likelihood = height(point, weights)
    converged = False
    curvature, last = precision, None
    for iteration in range(max_iterations):
        score, information = _derivatives(demonstrations, point, lapse)
        slope = counts @ score - precision @ weights
        if last is None or iteration < SCORING_STEPS:
            curvature = np.einsum("e,efg->fg", counts, information) + precision
        else:  # near the optimum of behaviour that is none of these agents' the two differ
            curvature = _updated(curvature, weights - last[0], last[1] - slope)
        step = np.zeros(n_features)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        if slope @ step < tolerance:
            converged = True
            break
        length = 1.0
        while length > 1e-8:
            there = weights + length * step
            guess = point.value + point.counts @ (there - weights)
            new = solve(mdp, there, discount, guess, flow)
            up, new_likelihood = height(new, there)
            if up >= now + 1e-4 * length * (slope @ step):
                break
            length /= 2
        else:
            break
        last = weights, slope
        weights, point, now, log_likelihood = there, new, up, new_likelihood
    score, information = _derivatives(demonstrations, point, lapse)
    curvature = np.einsum("e,efg->fg", counts, information) + precision
    return Fit(
        weights,
        np.linalg.inv(curvature),
        log_likelihood,
        score,
        information,
        point.policy,
        now,
        float(prior_std),
        converged,
    )


def fit_from(
    demonstrations: Demonstrations, starts: Sequence[np.ndarray | None], **options: Any
) -> Fit:
    """Return the best of the fits that begin with each of `starts` (None: with 0)."""
    fits = [fit_weights(demonstrations, initial=start, **options) for start in starts]
    return max(fits, key=lambda fit: fit.log_posterior)


def held_out(
    demonstrations: Demonstrations,
    fold: np.ndarray,
    *,
    dropped: Sequence[int] = (),
    initial: np.ndarray | None = None,
    **options: Any,
) -> np.ndarray:
    """Return the log-likelihood of every episode under weights fitted to the other folds.

    Only the first step from each state of an episode counts: an agent that has come to rest, or got
    stuck, says the same over and over.

    Parameters
    ----------
    fold
        Of each episode, dims ``(episode,)``; episodes of one level belong into one fold.
    dropped, initial, **options
        As in `fit_weights`.

    Returns
    -------
    numpy.ndarray
        In nats, dims ``(episode,)``.
    """
    result = np.empty(demonstrations.n_episodes)
    for one in np.unique(fold):
        out = fold == one
        fit = fit_weights(
            demonstrations,
            episode_weights=(~out).astype(float),
            initial=initial,
            dropped=dropped,
            **options,
        )
        lapse = options.get("lapse", LAPSE)
        result[out] = _log_likelihood(demonstrations, fit.policy, lapse, demonstrations.first)[out]
    return result


def reactive_held_out(demonstrations: Demonstrations, fold: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of every episode under how often each action was taken elsewhere.

    The baseline of an agent without any objective: action frequencies, apart for every pattern of
    actions that lead nowhere, counted in the other folds (and once more each, so that none is 0).
    As in `held_out`, only the first step from each state counts.

    Returns
    -------
    numpy.ndarray
        In nats, dims ``(episode,)``.
    """
    mdp = demonstrations.mdp
    stays = mdp.next_state == np.arange(mdp.n_states)[:, None]
    pattern_of_state = np.unique(stays, axis=0, return_inverse=True)[1].reshape(-1)
    pattern = pattern_of_state[demonstrations.state]
    result = np.empty(demonstrations.n_episodes)
    for one in np.unique(fold):
        out = (fold == one)[demonstrations.episode] | ~demonstrations.first
        counts = np.ones((pattern_of_state.max() + 1, mdp.n_actions))
        np.add.at(counts, (pattern[~out], demonstrations.action[~out]), 1)
        likely = counts / counts.sum(axis=1, keepdims=True)
        predicted = _log_likelihood(
            demonstrations, likely[pattern_of_state], LAPSE, demonstrations.first
        )
        result[fold == one] = predicted[fold == one]
    return result


def _updated(curvature: np.ndarray, moved: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Correct a curvature by what the last move did to the slope (the BFGS formula)."""
    along = curvature @ moved
    if moved @ change <= 1e-12 * np.linalg.norm(moved) * np.linalg.norm(change):
        return curvature
    return (
        curvature
        + np.outer(change, change) / (change @ moved)
        - np.outer(along, along) / (moved @ along)
    )


def _log_likelihood(
    demonstrations: Demonstrations, policy: np.ndarray, lapse: float, counts: Any = 1
) -> np.ndarray:
    chosen = policy[demonstrations.state, demonstrations.action]
    chosen = (1 - lapse) * chosen + lapse / policy.shape[1]
    return demonstrations.per_episode(counts * np.log(np.maximum(chosen, 1e-300)))


def _derivatives(
    demonstrations: Demonstrations, point: Solution, lapse: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the score (episode, feature) and the Fisher information (episode, feature, feature)."""
    after, policy = point.action_counts[demonstrations.state], point.policy[demonstrations.state]
    advantage = after - point.counts[demonstrations.state][:, None]
    likely = (1 - lapse) * policy + lapse / policy.shape[1]
    # How likely it is that a step is no lapse.
    meant = (1 - lapse) * policy / likely if lapse else np.ones_like(policy)
    score = (meant[..., None] * advantage)[np.arange(len(after)), demonstrations.action]
    information = np.einsum("ia,iaf,iag->ifg", likely * meant**2, advantage, advantage)
    return demonstrations.per_episode(score), demonstrations.per_episode(information)


def bootstrap_fit(fit: Fit, resamples: np.ndarray) -> np.ndarray:
    """Return the weights that resampled episodes would have given, dims ``(resample, feature)``.

    One Fisher-scoring step from the fit for each resample (the one-step bootstrap) instead of a fit.

    Parameters
    ----------
    resamples
        How often each episode is drawn, dims ``(resample, episode)``; see
        `interp.statistics.bootstrap_weights`.
    """
    precision = np.eye(len(fit.weights)) / fit.prior_std**2
    slope = resamples @ fit.score - fit.weights @ precision
    curvature = np.einsum("be,efg->bfg", resamples, fit.information) + precision
    return fit.weights + np.linalg.solve(curvature, slope[..., None])[..., 0]
