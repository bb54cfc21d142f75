"""Imitation of an exact expert on the learner's own states (DAgger, Ross et al. 2011).

The expert labels every state the learner visits with all of its optimal actions, so labels are
look-ups and nothing has to be sampled from the expert. Part of the episodes mostly follow the
expert, so that states near the goal are seen before the learner can reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from interp.errors import InputError
from interp.hooks import device_of
from organisms.training.checkpoints import load_training_state, save_training_state


@dataclass(frozen=True)
class ImitationConfig:
    """What an imitation run does; everything that decides its result is here.

    Parameters
    ----------
    total_steps
        Environment steps of the whole run; the learning rate falls to `final_learning_rate` there.
    n_environments, n_groups
        Episodes running side by side, split into groups; each update takes one group's unroll.
    unroll
        Steps per update, and the length of backpropagation through time.
    learning_rate, final_learning_rate, warmup_updates
        Adam, linear decay after a linear warm-up.
    gradient_clip
        Largest global norm of the gradient.
    discount
        γ of the value target γ^distance (0 where the goal cannot be reached any more).
    value_coefficient
        Weight of the squared value error.
    follow_fraction, follow_probability
        Share of the episodes that follow the expert, and how often they do at each step.
    bfloat16
        Whether the network's convolutions run in bfloat16.
    seed
        Of the network's initial weights, the tasks and the actions.
    """

    total_steps: int
    n_environments: int = 256
    n_groups: int = 4
    unroll: int = 16
    learning_rate: float = 2e-3
    final_learning_rate: float = 2e-5
    warmup_updates: int = 50
    gradient_clip: float = 1.0
    discount: float = 0.97
    value_coefficient: float = 0.5
    follow_fraction: float = 0.5
    follow_probability: float = 0.9
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_environments % self.n_groups:
            raise InputError(
                f"n_groups={self.n_groups} does not divide n_environments={self.n_environments}."
            )


class Classroom(Protocol):
    """A batch of episodes that starts a new one in every row that ends, and an expert watching.

    `observation` is what the learner sees now, (batch, *observation dims); `labels()` gives the
    expert's view of the same states: ``optimal`` (batch, action) bool, all False where the goal is
    out of reach, and ``distance`` (batch,) int, −1 there. `step(action)` returns ``ended`` and
    ``solved``, each (batch,) bool; after it, ended rows show the first observation of a new task.
    `renew()` is called before each unroll and tells whether all episodes started anew.
    """

    observation: np.ndarray

    def renew(self) -> bool:
        """Tell whether all episodes were started anew."""
        ...

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the optimal actions and the distances."""
        ...

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act, and return which rows ended and which of them solved their task."""
        ...


class ImitationTrainer:
    """Trains a network by imitation; its whole state can be saved and resumed.

    Parameters
    ----------
    network
        See `interp.organism.Network`.
    classrooms
        One per group, each with ``n_environments / n_groups`` rows.
    config
        See `ImitationConfig`.

    Notes
    -----
    Resuming restores weights, optimiser, counters and random generators; the episodes that were
    under way start anew, so a resumed run is not bit for bit the uninterrupted one.
    """

    def __init__(self, network: Any, classrooms: Sequence[Classroom], config: ImitationConfig):
        self.network, self.classrooms, self.config = network, classrooms, config
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.rng = np.random.default_rng([config.seed, 1])
        self.steps = 0
        self.updates = 0
        rows = config.n_environments // config.n_groups
        self.states = [network.initial_state(rows) for _ in classrooms]
        self.starts = [np.ones(rows, bool) for _ in classrooms]
        self.follows = [self._draw_follows(rows) for _ in classrooms]

    def _draw_follows(self, rows: int) -> np.ndarray:
        # A fixed share, not a coin per episode: an expert's episodes end sooner than a learner's.
        follows = np.zeros(rows, bool)
        follows[: round(rows * self.config.follow_fraction)] = True
        return follows

    @property
    def finished(self) -> bool:
        """Whether the run has taken all its steps."""
        return self.steps >= self.config.total_steps

    def learning_rate(self) -> float:
        """Return the learning rate of the next update."""
        config = self.config
        progress = min(1.0, self.steps / config.total_steps)
        rate = config.learning_rate + progress * (config.final_learning_rate - config.learning_rate)
        return rate * min(1.0, (self.updates + 1) / max(1, config.warmup_updates))

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
        config = self.config
        group = self.updates % len(self.classrooms)
        classroom, follows = self.classrooms[group], self.follows[group]
        device = device_of(self.network)
        if classroom.renew():
            self.starts[group][:] = True
        # Gradients stop at the unroll's edge.
        state = tree_map(lambda leaf: leaf.detach(), self.states[group])
        losses = torch.zeros(2, device=device)
        seen = {"labelled": 0, "agree": 0, "dead": 0, "episodes": 0, "solved": 0}
        for _ in range(config.unroll):
            optimal, distance = classroom.labels()
            observation = torch.from_numpy(classroom.observation)[None].to(device)
            starts = torch.from_numpy(self.starts[group])[None].to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.bfloat16):
                output = self.network(observation, state, starts)
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
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        (losses[0] + config.value_coefficient * losses[1]).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_clip)
        self.optimizer.step()
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
            "gradient_norm": float(norm),
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
        sampled = (scores + self.rng.gumbel(size=scores.shape)).argmax(axis=1)
        expert = np.where(optimal, self.rng.random(optimal.shape), -1.0).argmax(axis=1)
        follow = may_follow & (self.rng.random(len(scores)) < self.config.follow_probability)
        return np.where(follow, expert, sampled), scores.argmax(axis=1)

    def save(self, path: str) -> None:
        """Write everything needed to go on to ``path`` (safetensors + JSON, atomically)."""
        counters = {"steps": self.steps, "updates": self.updates}
        counters["rng"] = self.rng.bit_generator.state
        save_training_state(path, self.network, self.optimizer, counters)

    def load(self, path: str) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        CheckpointError
            If the file is truncated or of another network.
        """
        counters = load_training_state(path, self.network, self.optimizer)
        self.steps, self.updates = counters["steps"], counters["updates"]
        self.rng.bit_generator.state = counters["rng"]


def train(
    trainer: ImitationTrainer,
    *,
    log: Callable[[dict[str, float]], None],
    every: int,
    checkpoint: Callable[[ImitationTrainer], None],
    progress: bool = True,
) -> None:
    """Run a trainer to its end.

    Parameters
    ----------
    trainer
        Fresh or resumed.
    log
        Called every `every` updates with the means (sums for counts) since the last call.
    checkpoint
        Called at the same times, after `log`.
    progress
        Whether to show a progress bar.
    """
    from tqdm import tqdm

    recent: list[dict[str, float]] = []
    total = trainer.config.total_steps
    with tqdm(total=total, initial=trainer.steps, unit="step", disable=not progress) as bar:
        while not trainer.finished:
            before = trainer.steps
            recent.append(trainer.update())
            bar.update(trainer.steps - before)
            if trainer.updates % every and not trainer.finished:
                continue
            row = {key: float(np.mean([r[key] for r in recent])) for key in recent[0]}
            episodes = sum(r["episodes"] for r in recent)
            solved = sum(r["solved"] for r in recent)
            row |= {"episodes": episodes, "solved": solved / max(1, episodes)}
            row |= {"steps": trainer.steps, "updates": trainer.updates}
            log(row)
            checkpoint(trainer)
            recent = []
