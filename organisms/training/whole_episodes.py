"""Practice in which an unroll is one whole episode of every row, on tasks drawn for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from interp.contract import World


class WholeEpisodes:
    """Episodes of a known length, begun anew at every unroll: for learners that learn while they act.

    See `organisms.training.policy_gradient.Practice`.

    Parameters
    ----------
    draw
        From a seed, a world of new tasks, a row an episode; every episode takes as many steps as an
        unroll has.
    seed
        Of the seeds.
    """

    def __init__(self, draw: Callable[[int], World], seed: int):
        self._draw, self._rng = draw, np.random.default_rng([seed, 2])
        self.renew()

    def renew(self) -> bool:
        """Draw new tasks and begin them."""
        self._world = self._draw(int(self._rng.integers(2**31)))
        self.observation = self._world.reset()
        return True

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Act, and return rewards (float32), which rows ended, and which were solved: none."""
        after = self._world.step(action)
        self.observation = after.observation
        return after.reward, after.truncated, np.zeros_like(after.truncated)

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the generator of the tasks: every unroll begins anew."""
        return {}, {"rng": self._rng.bit_generator.state}

    def set_state(self, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> None:
        """Go back to what `get_state` gave."""
        self._rng.bit_generator.state = record["rng"]
