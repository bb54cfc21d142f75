"""Reinforcement learning by proximal policy optimisation, with recurrent state.

PPO (Schulman et al. 2017, arXiv 1707.06347): act for an unroll, estimate advantages (GAE, Schulman
et al. 2016, arXiv 1506.02438), and take a few steps on the clipped objective. Minibatches are whole
environments, run from the recurrent state that the unroll began with, so that gradients flow
through the unroll's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from interp.errors import InputError
from organisms.training.trainer import Episodes, Trainer, TrainingConfig


@dataclass(frozen=True)
class PolicyGradientConfig(TrainingConfig):
    """What a run of PPO does; everything that decides its result is here.

    Parameters
    ----------
    reward_scale
        Rewards are multiplied by it.
    gae_lambda
        λ of the advantage estimate; 1 is the Monte-Carlo return minus the value.
    epochs, n_minibatches
        Passes over each unroll, and the groups of environments that each pass is split into.
    clip
        ε: probability ratios beyond 1 ± ε have no gradient.
    entropy_coefficient
        Weight of the policy's entropy (nats), which is rewarded.

    The other parameters are those of every `TrainingConfig`.
    """

    n_environments: int = 128
    unroll: int = 20
    learning_rate: float = 4e-4
    final_learning_rate: float = 4e-6
    warmup_updates: int = 10
    reward_scale: float = 0.1
    gae_lambda: float = 0.95
    epochs: int = 2
    n_minibatches: int = 2
    clip: float = 0.2
    entropy_coefficient: float = 0.01

    def __post_init__(self) -> None:
        if self.n_environments % self.n_minibatches:
            raise InputError(
                f"n_minibatches={self.n_minibatches} does not divide "
                f"n_environments={self.n_environments}."
            )


class Practice(Episodes, Protocol):
    """Episodes that pay a reward.

    `step(action)` returns ``reward`` (float32), ``ended`` and ``solved``, each (batch,); after it,
    ended rows show the first observation of a new task.
    """

    def step(self, action: Any) -> tuple[Any, Any, Any]:
        """Act, and return rewards, which rows ended, and which of them solved their task."""
        ...


class Unroll(NamedTuple):
    """What one unroll saw; ``(step, batch)`` tensors but for the state."""

    state: Any
    """Recurrent state before the first step."""
    observation: Tensor
    start: Tensor
    """Whether the state is reset before the step."""
    action: Tensor
    log_probability: Tensor
    """Of the action, under the policy that drew it."""
    value: Tensor
    reward: Tensor
    """Scaled."""
    ended: Tensor
    """Whether the step was its episode's last."""
    last_value: Tensor
    """Of the observation after the last step, (batch,)."""


def estimate_advantages(
    reward: Tensor,
    value: Tensor,
    ended: Tensor,
    last_value: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Return the generalised advantage estimate (Schulman et al. 2016, eq. 16).

    Parameters
    ----------
    reward, value
        Of each step, dims ``(step, batch)``.
    ended
        Whether the step was its episode's last: nothing after it counts.
    last_value
        Of the state after the last step, dims ``(batch,)``.
    discount, gae_lambda
        γ and λ, between 0 and 1.

    Returns
    -------
    torch.Tensor
        dims ``(step, batch)``; added to `value`, the value's target.

    Examples
    --------
    One step to the end, and one before it:

    >>> reward, value = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [0.5]])
    >>> ended = torch.tensor([[False], [True]])
    >>> estimate_advantages(reward, value, ended, torch.tensor([9.0]), 0.5, 1.0).flatten().tolist()
    [0.0, 0.5]
    """
    advantages = torch.empty_like(value)
    following, next_value = torch.zeros_like(last_value), last_value
    for t in reversed(range(len(reward))):
        goes_on = (~ended[t]).to(value.dtype)
        surprise = reward[t] + discount * goes_on * next_value - value[t]
        following = surprise + discount * gae_lambda * goes_on * following
        advantages[t], next_value = following, value[t]
    return advantages


class PolicyGradientTrainer(Trainer):
    """Trains a network by PPO; its whole state can be saved and resumed.

    Parameters
    ----------
    network
        See `interp.contract.Network`.
    practice
        `config.n_environments` rows of episodes.
    config
        See `PolicyGradientConfig`.

    Notes
    -----
    An episode that its step limit ends is treated like one that ends by itself: nothing is
    bootstrapped beyond it.
    """

    config: PolicyGradientConfig

    def __init__(self, network: Any, practice: Practice, config: PolicyGradientConfig):
        super().__init__(network, [practice], config.n_environments, config)

    def update(self) -> dict[str, float]:
        """Act for one unroll, learn from it, and return the update's statistics.

        Returns
        -------
        dict
            ``reward`` (mean per step, not scaled), ``value_error`` (mean square, of the value
            before the update), ``policy_loss``, ``value_loss``, ``entropy`` (nats), ``moved``
            (mean of ratio − 1 − log ratio, which estimates the KL divergence from the policy that
            acted), ``clipped`` (share of clipped ratios), ``gradient_norm``, ``episodes``,
            ``solved``, ``learning_rate``.
        """
        config, rate = self.config, self.learning_rate()
        unroll, counts = self.act()
        advantages = estimate_advantages(
            unroll.reward,
            unroll.value,
            unroll.ended,
            unroll.last_value,
            config.discount,
            config.gae_lambda,
        )
        rows = [
            self.learn(unroll, advantages, torch.from_numpy(batch).to(self.device))
            for _ in range(config.epochs)
            for batch in np.split(self.rng.permutation(config.n_environments), config.n_minibatches)
        ]
        self.steps += config.unroll * config.n_environments
        self.updates += 1
        return {
            "reward": float(unroll.reward.mean()) / config.reward_scale,
            "value_error": float(advantages.square().mean()),
            **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
            **counts,
            "learning_rate": rate,
        }

    @torch.no_grad()
    def act(self) -> tuple[Unroll, dict[str, int]]:
        """Act for one unroll; return it with the counts of ended and solved episodes."""
        first_state = state = self.begin_unroll(0)
        counts = torch.zeros(2, dtype=torch.int64, device=self.device)
        steps: list[tuple[Tensor, ...]] = []
        for _ in range(self.config.unroll):
            observation, start = self.seen(0)
            output = self.forward(observation[None], state, start[None])
            state, logits = output.state, output.logits[0].float()
            action = self.sample(logits)
            reward, ended, solved = self.take_step(0, action)
            self.starts[0] = ended
            counts = counts + torch.stack([ended.sum(), (ended & solved).sum()])
            log_probability = logits.log_softmax(1).gather(1, action[:, None])[:, 0]
            paid = reward * self.config.reward_scale
            value = output.value[0].float()
            steps.append((observation, start, action, log_probability, value, paid, ended))
        observation, start = self.seen(0)
        last_value = self.forward(observation[None], state, start[None]).value[0].float()
        self.states[0] = state
        columns = (torch.stack(column) for column in zip(*steps, strict=True))
        seen = dict(zip(Unroll._fields[1:-1], columns, strict=True))
        episodes, solved = counts.tolist()
        unroll = Unroll(state=first_state, last_value=last_value, **seen)
        return unroll, {"episodes": episodes, "solved": solved}

    def learn(self, unroll: Unroll, advantages: Tensor, batch: Tensor) -> dict[str, float]:
        """Take one step on the clipped objective, on these environments of the unroll.

        Parameters
        ----------
        unroll, advantages
            From `act` and `estimate_advantages`.
        batch
            Indices of environments.
        """
        config = self.config
        state = tree_map(lambda leaf: leaf[batch], unroll.state)
        output = self.forward(unroll.observation[:, batch], state, unroll.start[:, batch])
        log_policy = output.logits.float().log_softmax(-1)
        log_probability = log_policy.gather(-1, unroll.action[:, batch, None])[..., 0]
        log_ratio = log_probability - unroll.log_probability[:, batch]
        ratio = log_ratio.exp()
        advantage = advantages[:, batch]
        target = advantage + unroll.value[:, batch]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        bounded = ratio.clamp(1 - config.clip, 1 + config.clip)
        policy_loss = -torch.minimum(ratio * advantage, bounded * advantage).mean()
        value_loss = (output.value.float() - target).square().mean()
        entropy = -(log_policy.exp() * log_policy).sum(-1).mean()
        norm = self.descend(
            policy_loss
            + config.value_coefficient * value_loss
            - config.entropy_coefficient * entropy
        )
        with torch.no_grad():
            return {
                "policy_loss": float(policy_loss),
                "value_loss": float(value_loss),
                "entropy": float(entropy),
                "moved": float((ratio - 1 - log_ratio).mean()),
                "clipped": float(((ratio - 1).abs() > config.clip).float().mean()),
                "gradient_norm": norm,
            }
