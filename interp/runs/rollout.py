"""The closed loop: a network acts in a world, step by step, on the episodes that still run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from interp.contract import Spaces, World, named_outputs, output_dims, spaces_of
from interp.errors import InputError, check_integer
from interp.network.clock import ClosedLoop
from interp.network.tensors import output_array
from interp.network.view import clock_of, device_of
from interp.runs.heads import Head, check_action, head_of, no_action
from interp.runs.observations import (
    as_tensors,
    batch_size_of,
    by_variable,
    check_observation,
    rows_of,
)


@dataclass(frozen=True)
class StepRecord:
    """One exchange of the running episodes with their world. Row i belongs to episode `rows[i]`."""

    step: int
    """Step label; negative while thinking."""
    rows: np.ndarray
    """(running,) int64: which rows of the batch were still running, ascending."""
    observation: Any
    """(running, *observation dims): what the network saw; a dict of several."""
    outputs: Mapping[str, np.ndarray]
    """Name → (running, …): what the network put out, half precision as float32."""
    output_dims: Mapping[str, tuple[str, ...]]
    """Name → the dims after the rows."""
    action: np.ndarray
    """(running, *action dims); −1, NaN in a box, while thinking."""
    reward: np.ndarray
    """(running,), in the world's dtype; 0 while thinking."""
    done: np.ndarray
    """(running,) bool: the episode ended with this step."""
    facts: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name → (running, …): what the world tells beside the observation (`World.facts`)."""


def rollout(
    network: Any,
    world: World,
    *,
    thinking_steps: int = 0,
    seed: int = 0,
    first_episode: int = 0,
    temperature: float = 0.0,
    spaces: Spaces | None = None,
    head: Head | None = None,
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
        0 takes the action with the largest logit (the mean, in a box); otherwise actions are drawn from
        ``softmax(logits / temperature)``.
    spaces
        What the world shows and takes; by default as `interp.contract.spaces_of`.
    head
        Makes actions of the network's outputs; by default what the action space implies, see
        `interp.runs.heads`.

    Yields
    ------
    StepRecord

    Raises
    ------
    InputError
        As `check_options`, or when an observation is not what the world says it shows, or when it, an
        output of the network or an action is not finite.
    """
    check_options(thinking_steps, seed, temperature)
    observation = world.reset()
    spaces = spaces_of(None, world, observation) if spaces is None else spaces
    head = head_of(None, spaces.action) if head is None else head
    n = batch_size_of(observation)
    rows = np.arange(n)
    rngs = (
        [np.random.default_rng([seed, first_episode + int(row)]) for row in rows]
        if temperature
        else []
    )
    state = network.initial_state(len(rows))
    clock, device = clock_of(network), device_of(network)
    step, memory = -thinking_steps, {}
    while len(rows):
        check_observation(spaces, observation)
        seen, facts = rows_of(observation, rows), _facts(world, rows, n)
        for name, array in by_variable(seen).items():
            _check_finite(name, array, step, first_episode + rows)
        shown, loop = as_tensors(seen, device), ClosedLoop(world, rows, memory)
        # Grad mode is set around the call alone: held across a yield it would leak to the consumer.
        with torch.inference_mode(), clock.run(step, first_episode + rows, loop):
            output = network(shown, state)
        state, dims = output.state, output_dims(output, spaces.action)
        outputs = {name: output_array(tensor[0]) for name, tensor in named_outputs(output).items()}
        for name, array in outputs.items():
            _check_finite(f"The network's {name}", array, step, first_episode + rows)
        if step < 0:
            action = no_action(spaces.action, len(rows))
            reward, done = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
        else:
            chosen = head(outputs, temperature, [rngs[row] for row in rows] if rngs else [])
            action = check_action(spaces.action, chosen, len(rows))
            all_actions = no_action(spaces.action, n)
            all_actions[rows] = action
            observation, all_rewards, terminated, truncated = world.step(all_actions)
            reward = np.asarray(all_rewards)[rows]
            done = (np.asarray(terminated) | np.asarray(truncated))[rows]
        yield StepRecord(step, rows, seen, outputs, dims, action, reward, done, facts)
        if done.any():
            going = np.flatnonzero(~done)
            rows = rows[going]
            keep = torch.as_tensor(going, device=device)
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


def _facts(world: Any, rows: np.ndarray, n: int) -> dict[str, np.ndarray]:
    facts = {k: np.asarray(v) for k, v in (getattr(world, "facts", None) or {}).items()}
    for name, array in facts.items():
        if array.shape[:1] != (n,):
            raise InputError(
                f"The world's fact {name!r} has the shape {array.shape}; a fact is an array (batch, …), "
                f"here of {n} rows, those that are over too."
            )
    return {name: array[rows] for name, array in facts.items()}


def _check_finite(name: str, array: np.ndarray, step: int, episodes: np.ndarray) -> None:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    bad = episodes[~np.isfinite(array).reshape(len(array), -1).all(axis=1)]
    verb = "are" if name.endswith("s") else "is"
    raise InputError(
        f"{name} {verb} not finite at step {step}, episodes {[int(e) for e in bad[:5]]}."
    )
