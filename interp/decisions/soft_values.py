"""Soft-optimal agents in small deterministic problems.

With reward ``r = weights · features`` and discount γ, a soft-optimal agent (Ziebart, Bagnell & Dey 2010,
*Modeling interaction via the principle of maximum causal entropy*) has

    Q(s, a) = r(s, a) + γ V(s'),    V(s) = log meanₐ exp Q(s, a),    π(a|s) = exp(Q(s, a) − V(s)) / A

for A actions; V is 0 in terminal states. This is their soft value iteration with the mean instead of the
sum over actions, i.e. entropy counted relative to acting at random (as in Todorov 2007): with all weights
0 the agent acts at random and every state is worth 0, whether or not episodes end early. With the sum,
merely being alive would be worth log A a step, and a random walk would need a reward for ending an
episode. Step limits are not modelled: an agent acts as if it had no deadline.

Rewards are in nats. One of w at the end of a way makes a step towards it better than one away from it by
about 2 (1 − γ) w, so ``(1 − γ) w`` well above 1 is near certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from interp.decisions.mdp import TabularMDP
from interp.errors import InputError

DISCOUNT = 0.98
"""Of one step, unless told otherwise."""


class Solution(NamedTuple):
    """The soft-optimal agent for some weights."""

    value: np.ndarray
    """(state,) V."""
    policy: np.ndarray
    """(state, action) π; uniform in terminal states."""
    counts: np.ndarray
    """(state, feature): discounted features that the agent expects to meet from here, dV/dweights."""
    action_counts: np.ndarray
    """(state, action, feature): the same after an action, dQ/dweights."""


def solve(
    mdp: TabularMDP,
    weights: Sequence[float] | np.ndarray,
    discount: float = DISCOUNT,
    initial: np.ndarray | None = None,
    flow: Flow | None = None,
) -> Solution:
    """Find the soft-optimal agent for a reward: soft policy iteration, exact at each step.

    Parameters
    ----------
    mdp
        A problem, or several joined (`interp.decisions.mdp.join`).
    weights
        Dims ``(feature,)``.
    discount
        Above 0 and below 1.
    initial
        A guess of the values, dims ``(state,)``; it changes the speed, not the result.
    flow
        ``Flow(mdp)``, for those who solve the same problem again and again.

    Raises
    ------
    InputError
        If the weights or the discount make no sense.

    Examples
    --------
    One state; action 1 ends the episode with reward log 3. From V = log((exp(γV) + 3) / 2) follows,
    with γ = 0.5, exp(V/2) = 1.5 and so π(end) = 3 / (1.5 + 3).

    >>> mdp = TabularMDP([[0, 1], [1, 1]], [[[0], [1]], [[0], [0]]], [False, True], ("end",))
    >>> solve(mdp, [np.log(3)], discount=0.5).policy[0].round(6).tolist()
    [0.333333, 0.666667]
    """
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(mdp.feature_names),) or not np.isfinite(weights).all():
        raise InputError(f"There are weights for {mdp.feature_names}; got {weights}.")
    if not 0 < discount < 1:
        raise InputError(f"A discount lies above 0 and below 1; got {discount!r}.")
    flow = Flow(mdp) if flow is None else flow
    live, following, n_actions = flow.live, flow.following, mdp.n_actions
    reward = mdp.features[live] @ weights
    value = np.zeros(mdp.n_states)
    if initial is not None:
        value[live] = initial[live]
    policy = _policy(reward + discount * value[following])
    for _ in range(200):
        # The value of acting so for ever; its soft-greedy improvement is the next policy.
        backwards = flow.factorised(discount * policy)
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = np.where(policy > 0, policy * np.log(policy * n_actions), 0.0)
        value[live] = backwards.solve((policy * reward - kept).sum(axis=1))
        old, policy = policy, _policy(reward + discount * value[following])
        # It is Newton's method: the next change would be of the order of this one squared.
        if np.abs(policy - old).max(initial=0) < 1e-7:
            break
    counts = np.zeros((mdp.n_states, len(weights)))
    counts[live] = backwards.solve(np.einsum("sa,saf->sf", policy, mdp.features[live]))
    action_counts = np.zeros((mdp.n_states, n_actions, len(weights)))
    action_counts[live] = mdp.features[live] + discount * counts[following]
    whole = np.full((mdp.n_states, n_actions), 1 / n_actions)
    whole[live] = policy
    return Solution(value, whole, counts, action_counts)


def _policy(q: np.ndarray) -> np.ndarray:
    likely = np.exp(q - q.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


class Flow:
    """Where the states of a problem lead, ready to solve linear systems in their values."""

    def __init__(self, mdp: TabularMDP):
        self.live = np.flatnonzero(~mdp.terminal)
        self.following = mdp.next_state[self.live]
        n = len(self.live)
        number = np.full(mdp.n_states, -1)
        number[self.live] = np.arange(n)
        to = number[self.following]
        self._inside = to >= 0
        rows = np.broadcast_to(np.arange(n)[:, None], to.shape)[self._inside]
        place = np.concatenate([np.arange(n) * (n + 1), to[self._inside] * n + rows])
        where, self._slot = np.unique(place, return_inverse=True)  # by column, then row
        self._rows = (where % n).astype(np.int32)
        self._columns = np.searchsorted(where // n, np.arange(n + 1)).astype(np.int32)

    def factorised(self, flow: np.ndarray) -> Any:
        """Return the LU factors of 1 − flow, given how much of each state follows each action."""
        from scipy.sparse import csc_matrix
        from scipy.sparse.linalg import splu

        n = len(self.live)
        entries = np.concatenate([np.ones(n), -flow[self._inside]])
        values = np.bincount(self._slot, entries, len(self._rows))
        matrix = csc_matrix((values, self._rows, self._columns), shape=(n, n))
        # Rows sum to less than one beside the diagonal: no pivoting is needed.
        return splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
