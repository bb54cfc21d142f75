"""The closed loop: a network acts in a world, step by step, on the episodes that still run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from interp.contract import World
from interp.errors import InputError, check_integer
from interp.network.clock import ClosedLoop
from interp.network.hooks import clock_of, device_of


@dataclass(frozen=True)
class StepRecord:
    """One exchange of the running episodes with their world. Row i belongs to episode `rows[i]`."""

    step: int
    """Step label; negative while thinking."""
    rows: np.ndarray
    """(running,) int64: which rows of the batch were still running, ascending."""
    observation: np.ndarray
    """(running, *observation dims): what the network saw."""
    logits: np.ndarray
    """(running, action) float32."""
    value: np.ndarray
    """(running,) float32."""
    action: np.ndarray
    """(running,) int64; −1 while thinking."""
    reward: np.ndarray
    """(running,) float32."""
    done: np.ndarray
    """(running,) bool: the episode ended with this step."""


def rollout(
    network: Any,
    world: World,
    *,
    thinking_steps: int = 0,
    seed: int = 0,
    first_episode: int = 0,
    temperature: float = 0.0,
) -> Iterator[StepRecord]:
    """Let `network` act in `world` until every episode is over, one record per step.

    Finished episodes leave the network's batch, so that the cost is that of the running ones.

    Parameters
    ----------
    network
        See `interp.contract.Network`. Gradients are off.
    world
        A batch of tasks, see `interp.contract.World`.
    thinking_steps
        How often the first observation is fed before the first action, with the recurrent state
        carried on and nothing done. These steps have the labels ``-thinking_steps … -1``.
    seed, first_episode
        Actions of episode ``first_episode + row`` are drawn from a generator of its own, seeded
        with both, so a sample does not depend on how episodes are batched. Hooks read these indices
        from ``clock.examples``, and the world from ``clock.loop``.
    temperature
        0 takes the action with the largest logit; otherwise actions are drawn from
        ``softmax(logits / temperature)``.

    Yields
    ------
    StepRecord

    Raises
    ------
    InputError
        As `check_options`, or when the network's output is not finite.
    """
    check_options(thinking_steps, seed, temperature)
    observation = world.reset()
    rows = np.arange(len(observation))
    rngs = (
        [np.random.default_rng([seed, first_episode + int(row)]) for row in rows]
        if temperature
        else []
    )
    state = network.initial_state(len(rows))
    step, memory = -thinking_steps, {}
    while len(rows):
        seen = observation[rows]
        loop = ClosedLoop(world, rows, memory)
        logits, value, state = _forward(network, seen, state, step, first_episode + rows, loop)
        if not (np.isfinite(logits).all() and np.isfinite(value).all()):
            bad = rows[~(np.isfinite(logits).all(axis=1) & np.isfinite(value))]
            raise InputError(
                f"The network's logits or value are not finite at step {step}, "
                f"episodes {[int(first_episode + row) for row in bad[:5]]}."
            )
        if step < 0:
            action = np.full(len(rows), -1)
            reward, done = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
        else:
            action = _choose(logits, temperature, [rngs[row] for row in rows] if rngs else [])
            all_actions = np.full(len(observation), -1)
            all_actions[rows] = action
            observation, all_rewards, terminated, truncated = world.step(all_actions)
            reward, done = all_rewards[rows], (terminated | truncated)[rows]
        yield StepRecord(step, rows, seen, logits, value, action, reward, done)
        if done.any():
            going = np.flatnonzero(~done)
            rows = rows[going]
            keep = torch.as_tensor(going, device=device_of(network))
            state = tree_map(partial(torch.index_select, dim=0, index=keep), state)
        step += 1


def check_options(thinking_steps: int, seed: int, temperature: float) -> None:
    """Raise InputError unless the first two are integers, the last finite, and none negative."""
    for name, value in (("thinking_steps", thinking_steps), ("seed", seed)):
        check_integer(name, value, 0)
    if not isinstance(temperature, Real) or not 0 <= temperature < float("inf"):
        raise InputError(f"temperature must be finite and ≥ 0, got {temperature!r}.")


def check_batch_size(batch_size: int) -> None:
    """Raise InputError unless it is an integer of at least 1."""
    check_integer("batch_size", batch_size, 1)


def _forward(
    network: Any,
    observation: np.ndarray,
    state: Any,
    step: int,
    examples: np.ndarray,
    loop: ClosedLoop,
) -> tuple[np.ndarray, np.ndarray, Any]:
    # Grad mode is set around the call alone: held across a yield it would leak to the consumer.
    with torch.inference_mode(), clock_of(network).run(step, examples, loop):
        batch = torch.from_numpy(np.ascontiguousarray(observation))[None].to(device_of(network))
        output = network(batch, state)
    return (
        output.logits[0].float().cpu().numpy(),
        output.value[0].float().cpu().numpy(),
        output.state,
    )


def _choose(logits: np.ndarray, temperature: float, rngs: list[np.random.Generator]) -> np.ndarray:
    if not temperature:
        return logits.argmax(axis=1)
    # The Gumbel trick: argmax of logits plus Gumbel noise is a draw from their softmax.
    noise = np.stack([rng.gumbel(size=logits.shape[1]) for rng in rngs])
    return (logits / temperature + noise).argmax(axis=1)
