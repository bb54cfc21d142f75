"""Imitation of an exact expert on the learner's own states (DAgger, Ross et al. 2011).

The expert labels every state the learner visits with all of its optimal actions, so labels are
look-ups and nothing has to be sampled from the expert. Part of the episodes mostly follow the
expert, so that states near the goal are seen before the learner can reach them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from interp.errors import InputError
from organisms.training.trainer import Episodes, Trainer, TrainingConfig


@dataclass(frozen=True)
class ImitationConfig(TrainingConfig):
    """What an imitation run does; everything that decides its result is here.

    Parameters
    ----------
    n_groups
        The environments are split into so many groups; each update takes one group's unroll.
    follow_fraction, follow_probability
        Share of the episodes that follow the expert, and how often they do at each step.

    The other parameters are those of every `TrainingConfig`; `discount` is the γ of the value
    target γ^distance (0 where the goal cannot be reached any more).
    """

    n_groups: int = 4
    follow_fraction: float = 0.5
    follow_probability: float = 0.9

    def __post_init__(self) -> None:
        if self.n_environments % self.n_groups:
            raise InputError(
                f"n_groups={self.n_groups} does not divide n_environments={self.n_environments}."
            )


class Classroom(Episodes, Protocol):
    """Episodes with an expert watching.

    `labels()` gives the expert's view of the states that `observation` shows: ``optimal`` (batch,
    action) bool, all False where the goal is out of reach, and ``distance`` (batch,) int, −1
    there. `step(action)` returns ``ended`` and ``solved``, each (batch,) bool; after it, ended
    rows show the first observation of a new task.
    """

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the optimal actions and the distances."""
        ...

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act, and return which rows ended and which of them solved their task."""
        ...


class ImitationTrainer(Trainer):
    """Trains a network by imitation; its whole state can be saved and resumed.

    Parameters
    ----------
    network
        See `interp.organism.Network`.
    classrooms
        One per group, each with ``n_environments / n_groups`` rows.
    config
        See `ImitationConfig`.
    """

    config: ImitationConfig

    def __init__(self, network: Any, classrooms: Sequence[Classroom], config: ImitationConfig):
        rows = config.n_environments // config.n_groups
        super().__init__(network, classrooms, rows, config)
        # A fixed share, not a coin per episode: an expert's episodes end sooner than a learner's.
        self.follows = np.arange(rows) < round(rows * config.follow_fraction)

    def update(self) -> dict[str, float]:
        """Act for one unroll with one group, learn from it, and return the update's statistics.

        Returns
        -------
        dict
            ``policy_loss`` (nats), ``value_loss``, ``agreement`` (share of labelled states where
            the learner's best action is optimal), ``dead`` (share of states without a way to the
            goal), ``gradient_norm``, ``episodes`` and ``solved`` of the rows that do not follow
            the expert, ``learning_rate``.
        """
        config, follows = self.config, self.follows
        group = self.updates % len(self.groups)
        classroom = self.groups[group]
        state = self.begin_unroll(group)
        losses = torch.zeros(2, device=self.device)
        seen = {"labelled": 0, "agree": 0, "dead": 0, "episodes": 0, "solved": 0}
        for _ in range(config.unroll):
            optimal, distance = classroom.labels()
            observation = torch.from_numpy(classroom.observation)[None].to(self.device)
            starts = torch.from_numpy(self.starts[group])[None].to(self.device)
            output = self.forward(observation, state, starts)
            state = output.state
            logits, value = output.logits[0].float(), output.value[0].float()
            labelled = np.asarray(optimal.any(axis=1))
            losses = losses + self._loss(logits, value, optimal, labelled, distance)
            action, best = self._act(logits, optimal, labelled & follows)
            ended, solved = classroom.step(action)
            self.starts[group] = ended
            seen["labelled"] += int(labelled.sum())
            seen["agree"] += int(optimal[np.arange(len(best)), best].sum())
            seen["dead"] += int((distance < 0).sum())
            seen["episodes"] += int((ended & ~follows).sum())
            seen["solved"] += int((ended & solved & ~follows).sum())
        losses = losses / config.unroll
        rate = self.learning_rate()
        norm = self.descend(losses[0] + config.value_coefficient * losses[1])
        self.states[group] = tree_map(lambda leaf: leaf.detach(), state)
        n_states = config.unroll * len(follows)
        self.steps += n_states
        self.updates += 1
        policy_loss, value_loss = losses.tolist()
        return {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "agreement": seen["agree"] / max(1, seen["labelled"]),
            "dead": seen["dead"] / n_states,
            "gradient_norm": norm,
            "episodes": seen["episodes"],
            "solved": seen["solved"],
            "learning_rate": rate,
        }

    def _loss(
        self,
        logits: torch.Tensor,
        value: torch.Tensor,
        optimal: np.ndarray,
        labelled: np.ndarray,
        distance: np.ndarray,
    ) -> torch.Tensor:
        """Return (cross-entropy to the uniform mix of optimal actions, squared value error)."""
        device = logits.device
        target = torch.from_numpy(optimal).to(device, torch.float32)
        target = target / target.sum(dim=1, keepdim=True).clamp(min=1)
        cross_entropy = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
        policy = cross_entropy.sum() / max(1, int(labelled.sum()))
        goal = np.where(distance < 0, 0.0, self.config.discount ** np.maximum(distance, 0))
        error = value - torch.from_numpy(goal).to(device, torch.float32)
        return torch.stack([policy, error.square().mean()])

    def _act(
        self, logits: torch.Tensor, optimal: np.ndarray, may_follow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the actions taken and the learner's best ones, each (batch,) int64."""
        scores = logits.detach().cpu().numpy()
        sampled = self.sample(scores)
        expert = np.where(optimal, self.rng.random(optimal.shape), -1.0).argmax(axis=1)
        follow = may_follow & (self.rng.random(len(scores)) < self.config.follow_probability)
        return np.where(follow, expert, sampled), scores.argmax(axis=1)
