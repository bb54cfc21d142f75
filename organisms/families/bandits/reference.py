"""The exact solution: the Bayes-optimal learner, by dynamic programming over what can have been seen."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from interp.contract import NetworkOutput
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.families.bandits.world import HORIZON


@cache
def action_values() -> np.ndarray:
    """Return the expected pay of the remaining pulls if an arm is pulled and all later pulls are best.

    The prior is uniform, so an arm that paid s times and did not f times pays next with probability
    (s + 1) / (s + f + 2) (Gittins, Glazebrook & Weber 2011, Ch. 1).

    Returns
    -------
    numpy.ndarray
        (s left, f left, s right, f right, arm) float64, 0 where all pulls are over.
    """
    n = HORIZON + 1
    seen = np.indices((n,) * 4)
    pulls = seen.sum(0)
    values, best = np.zeros((n, n, n, n, 2)), np.zeros((n,) * 4)
    for time in range(HORIZON - 1, -1, -1):
        at = seen[:, pulls == time]
        for arm in (0, 1):
            paid, not_paid = at.copy(), at.copy()
            paid[2 * arm] += 1
            not_paid[2 * arm + 1] += 1
            p = (at[2 * arm] + 1) / (at[2 * arm] + at[2 * arm + 1] + 2)
            gain = p * (1 + best[tuple(paid)]) + (1 - p) * best[tuple(not_paid)]
            values[(*at, arm)] = gain
        best[tuple(at)] = values[tuple(at)].max(-1)
    return values


class BayesLearner(HookedNetwork):
    """The Bayes-optimal learner on the contract of a network: no weights, and nothing to learn.

    Its logits are the two action values, so the greedy action is optimal; its state is what it has
    counted. Site ``posterior`` (arm): the expected probability of pay.
    """

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.posterior = SitePoint("arm")
        self.register_buffer("table", torch.from_numpy(action_values()), persistent=False)
        self.setup()

    @property
    def state_sites(self) -> list[str]:
        """What it has learned so far."""
        return ["posterior"]

    def initial_state(self, batch_size: int) -> Tensor:
        """Return counts of nothing, (batch, arm, 2) int64: paid, not paid."""
        return torch.zeros(batch_size, 2, 2, dtype=torch.int64, device=self.table.device)

    def forward(
        self,
        observations: Tensor,
        state: Tensor | None = None,
        episode_starts: Tensor | None = None,
    ) -> NetworkOutput:
        """Count what (step, batch, feature) observations say, and value both arms."""
        seen = self.initial_state(observations.shape[1]) if state is None else state
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                if episode_starts is not None:
                    seen = seen * ~episode_starts[t, :, None, None]
                pulled, paid = observations[t, :, :2, None], observations[t, :, 2, None, None]
                seen = seen + (pulled * torch.cat([paid, 1 - paid], -1)).round().long()
                self.posterior((seen[..., 0] + 1.0) / (seen.sum(-1) + 2.0))
                logits.append(self.table[tuple(seen.flatten(1).T)].float())
        values = torch.stack(logits)
        return NetworkOutput(values, values.amax(-1), seen)
