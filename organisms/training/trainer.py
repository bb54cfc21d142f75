"""What all training methods share: optimiser, schedule, random generator, and the state on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from interp.errors import CheckpointError
from interp.network.hooks import device_of
from organisms.training.checkpoints import load_training_state, save_training_state


@dataclass(frozen=True)
class TrainingConfig:
    """What every method has to decide.

    Parameters
    ----------
    total_steps
        Environment steps of the whole run; the learning rate falls to `final_learning_rate` there.
    n_environments
        Episodes running side by side.
    unroll
        Steps between updates, and the length of backpropagation through time.
    learning_rate, final_learning_rate, warmup_updates
        Adam, linear decay after a linear warm-up.
    gradient_clip
        Largest global norm of the gradient.
    discount
        γ.
    value_coefficient
        Weight of the squared value error.
    bfloat16
        Whether the network's convolutions run in bfloat16.
    seed
        Of the network's initial weights, the tasks and the actions.
    """

    total_steps: int
    n_environments: int = 256
    unroll: int = 16
    learning_rate: float = 2e-3
    final_learning_rate: float = 2e-5
    warmup_updates: int = 50
    gradient_clip: float = 1.0
    discount: float = 0.97
    value_coefficient: float = 0.5
    bfloat16: bool = True
    seed: int = 0


class Episodes(Protocol):
    """A batch of episodes that starts a new one in every row that ends.

    `observation` is what the learner sees now, (batch, *observation dims). Whatever the episodes
    give and take, actions too, are arrays. `renew()` is called before each unroll and tells whether
    all episodes started anew.
    `get_state()` gives everything that changes, as arrays and as JSON-able data, and `set_state`
    takes it back.
    """

    observation: np.ndarray

    def renew(self) -> bool:
        """Tell whether all episodes were started anew."""
        ...

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return everything that changes: arrays by name, and JSON-able data."""
        ...

    def set_state(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Go back to what `get_state` gave."""
        ...


class Trainer(ABC):
    """A network, its optimiser, and groups of episodes that it acts in.

    Parameters
    ----------
    network
        See `interp.contract.Network`. Trained where it is: its device is the training's.
    groups
        Episodes, one or more batches of `rows` rows each.
    rows
        Rows of a group.
    config
        See `TrainingConfig`.

    Attributes
    ----------
    steps, updates : int
        Environment steps and updates so far.
    states, starts : list
        Of each group, the recurrent state, and which rows begin an episode: a tensor on the device,
        (batch,) bool.

    Notes
    -----
    A resumed run goes on exactly as it would have: weights, optimiser, counters, random
    generators, recurrent states and the episodes under way are all in the saved state. (A state
    file without episodes, of an older version, begins them anew.)
    """

    config: TrainingConfig

    def __init__(self, network: Any, groups: Sequence[Any], rows: int, config: TrainingConfig):
        self.network, self.groups, self.config = network, groups, config
        self.device = device_of(network)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.rng = np.random.default_rng([config.seed, 1])
        self.steps = 0
        self.updates = 0
        self.states = [network.initial_state(rows) for _ in groups]
        self.starts = [self._all_start(rows) for _ in groups]

    @abstractmethod
    def update(self) -> dict[str, float]:
        """Act, learn, count, and return the update's statistics.

        ``episodes`` and ``solved`` are counts; the others are averaged by the log.
        """

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

    def begin_unroll(self, group: int) -> Any:
        """Return the group's recurrent state; gradients stop there."""
        if self.groups[group].renew():
            self.starts[group] = self._all_start(len(self.starts[group]))
        return tree_map(lambda leaf: leaf.detach(), self.states[group])

    def _all_start(self, rows: int) -> torch.Tensor:
        return torch.ones(rows, dtype=torch.bool, device=self.device)

    def seen(self, group: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a group sees and which of its rows begin an episode with it, on the device."""
        # A copy: the episodes may go on writing to their own.
        observation = torch.as_tensor(self.groups[group].observation)
        return observation.to(self.device, copy=True), self.starts[group]

    def take_step(self, group: int, action: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Act in a group of episodes, and return what its `step` gives as tensors on the device."""
        given = self.groups[group].step(action.cpu().numpy())
        return tuple(torch.as_tensor(each).to(self.device) for each in given)

    def forward(self, observations: torch.Tensor, state: Any, starts: torch.Tensor) -> Any:
        """Run the network over ``(step, batch, ...)`` tensors that are on its device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            return self.network(observations, state, starts)

    def noise(self, array: np.ndarray) -> torch.Tensor:
        """Put random numbers on the device; they are drawn on the host, the same for any device."""
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def sample(self, scores: torch.Tensor) -> torch.Tensor:
        """Draw actions from softmax(scores), (batch, action)."""
        return (scores + self.noise(self.rng.gumbel(size=tuple(scores.shape)))).argmax(dim=1)

    def descend(self, loss: torch.Tensor) -> float:
        """Take one step down the gradient and return the gradient's norm before clipping."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip = self.config.gradient_clip
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        self.optimizer.step()
        return float(norm)

    def save(self, path: str | Path) -> None:
        """Write everything needed to go on to ``path`` (safetensors + JSON, atomically)."""
        tensors: dict[str, torch.Tensor] = {}
        records = []
        for number, group in enumerate(self.groups):
            arrays, record = group.get_state()
            records.append(record)
            tensors |= {f"{number}/world/{k}": torch.from_numpy(v) for k, v in arrays.items()}
            tensors[f"{number}/starts"] = self.starts[number]
            leaves = tree_flatten(self.states[number])[0]
            tensors |= {f"{number}/state/{k}": leaf for k, leaf in enumerate(leaves)}
        counters = {"steps": self.steps, "updates": self.updates, "episodes": records}
        counters["rng"] = self.rng.bit_generator.state
        save_training_state(path, self.network, self.optimizer, counters, tensors)

    def load(self, path: str | Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        CheckpointError
            If the file is truncated or of another network.
        """
        counters, tensors = load_training_state(path, self.network, self.optimizer)
        self.steps, self.updates = counters["steps"], counters["updates"]
        self.rng.bit_generator.state = counters["rng"]
        if not tensors:
            return
        try:
            for number, (group, record) in enumerate(
                zip(self.groups, counters["episodes"], strict=True)
            ):
                world = f"{number}/world/"
                arrays = {
                    k.removeprefix(world): t.numpy()
                    for k, t in tensors.items()
                    if k.startswith(world)
                }
                group.set_state(arrays, record)
                self.starts[number] = tensors[f"{number}/starts"].to(self.device)
                leaves, shape = tree_flatten(self.states[number])
                saved = [tensors[f"{number}/state/{k}"] for k in range(len(leaves))]
                saved = [t.to(self.device) for t in saved]
                self.states[number] = tree_unflatten(saved, shape)
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{path}: episodes of another run ({error}).") from error
