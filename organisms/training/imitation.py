"""Imitation of an exact expert on the learner's own states (DAgger, Ross et al. 2011).

The expert labels every state the learner visits with all of its optimal actions, so labels are
look-ups and nothing has to be sampled from the expert. Part of the episodes mostly follow the
expert, so that states near the goal are seen before the learner can reach them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from interp.errors import InputError
from organisms.training.trainer import Episodes, Trainer, TrainingConfig

_COUNTED = ("labelled", "agree", "dead", "episodes", "solved")


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

    def labels(self) -> tuple[Any, Any]:
        """Return the optimal actions and the distances."""
        ...

    def step(self, action: Any) -> tuple[Any, Any]:
        """Act, and return which rows ended and which of them solved their task."""
        ...


class ImitationTrainer(Trainer):
    """Trains a network by imitation; its whole state can be saved and resumed.

    Parameters
    ----------
    network
        See `interp.contract.Network`.
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
        follows = torch.arange(rows, device=self.device) < round(rows * config.follow_fraction)
        self.follows = follows

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
        state = self.begin_unroll(group)
        losses = torch.zeros(2, device=self.device)
        seen = torch.zeros(len(_COUNTED), dtype=torch.int64, device=self.device)
        for _ in range(config.unroll):
            optimal, distance = (
                torch.as_tensor(label).to(self.device) for label in self.groups[group].labels()
            )
            observation, starts = self.seen(group)
            output = self.forward(observation[None], state, starts[None])
            state = output.state
            logits, value = output.logits[0].float(), output.value[0].float()
            labelled = optimal.any(dim=1)
            losses = losses + self._loss(logits, value, optimal, labelled, distance)
            action, best = self._act(logits.detach(), optimal, labelled & follows)
            ended, solved = self.take_step(group, action)
            self.starts[group] = ended
            agrees = optimal.gather(1, best[:, None])
            counted = (labelled, agrees, distance < 0, ended & ~follows, ended & solved & ~follows)
            seen = seen + torch.stack([rows.sum() for rows in counted])
        losses = losses / config.unroll
        rate = self.learning_rate()
        norm = self.descend(losses[0] + config.value_coefficient * losses[1])
        self.states[group] = tree_map(lambda leaf: leaf.detach(), state)
        n_states = config.unroll * len(follows)
        self.steps += n_states
        self.updates += 1
        policy_loss, value_loss = losses.tolist()
        counts = dict(zip(_COUNTED, seen.tolist(), strict=True))
        return {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "agreement": counts["agree"] / max(1, counts["labelled"]),
            "dead": counts["dead"] / n_states,
            "gradient_norm": norm,
            "episodes": counts["episodes"],
            "solved": counts["solved"],
            "learning_rate": rate,
        }

    def _loss(
        self,
        logits: torch.Tensor,
        value: torch.Tensor,
        optimal: torch.Tensor,
        labelled: torch.Tensor,
        distance: torch.Tensor,
    ) -> torch.Tensor:
        """Return (cross-entropy to the uniform mix of optimal actions, squared value error)."""
        target = optimal.float()
        target = target / target.sum(dim=1, keepdim=True).clamp(min=1)
        cross_entropy = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
        policy = cross_entropy.sum() / labelled.sum().clamp(min=1)
        goal = self.config.discount ** distance.clamp(min=0).double()
        error = value - torch.where(distance < 0, 0.0, goal).float()
        return torch.stack([policy, error.square().mean()])

    def _act(
        self, logits: torch.Tensor, optimal: torch.Tensor, may_follow: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the actions taken and the learner's best ones, each (batch,) int64."""
        sampled = self.sample(logits)
        liking = self.noise(self.rng.random(tuple(optimal.shape)))
        expert = torch.where(optimal, liking, -1.0).argmax(dim=1)
        coins = self.noise(self.rng.random(len(logits)))
        follow = may_follow & (coins < self.config.follow_probability)
        return torch.where(follow, expert, sampled), logits.argmax(dim=1)
