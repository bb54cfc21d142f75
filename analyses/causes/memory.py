"""A network whose carried state is changed between steps: some channels of its memory, ablated.

What a channel does within a step, from the observation, is left as it is; what it brings along from
earlier steps is replaced.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from interp.contract import NetworkOutput
from interp.errors import InputError, UnknownNameError
from interp.network.hooks import clock_of, device_of
from interp.runs.rollout import rollout

Operation = Literal["single_step", "zero", "mean", "resample"]
OPERATIONS: tuple[str, ...] = get_args(Operation)

POOL = 256
"""Carried states that are kept of the clean run, to be resampled from."""

MemoryChannel = tuple[str, int]
"""A layer (what its sites' names share before the last dot) and one of its channels."""


@dataclass(frozen=True)
class Memory:
    """Which part of the carried state is which site.

    Attributes
    ----------
    leaves
        For every tensor of the state, in order, its layer and its site.
    n_channels
        Layer → channels.
    """

    leaves: tuple[tuple[str, str], ...]
    n_channels: Mapping[str, int]

    @classmethod
    def of(cls, organism: Any, tasks: Any) -> Memory:
        """Find the sites whose last firing in a step is what the state keeps of it.

        Raises
        ------
        InputError
            If the network keeps no state between steps, or keeps something that no site shows.
        """
        network = organism.network
        seen = torch.from_numpy(np.ascontiguousarray(organism.world(tasks[0:2]).reset()))
        names = list(organism.state_sites)
        with torch.inference_mode():
            output, cache = network.run_with_cache(
                seen[None].to(device_of(network)), names_filter=names
            )
        state, _ = tree_flatten(output.state)
        if not state:
            raise InputError(f"{organism.name} keeps no state between steps: no memory to ablate.")
        last = {
            name: cache[name][0, :, -1] if "tick" in organism.sites[name] else cache[name][0]
            for name in names
        }
        leaves, n_channels = [], {}
        for number, leaf in enumerate(state):
            same = [n for n, v in last.items() if v.shape == leaf.shape and torch.equal(v, leaf)]
            if not same:
                raise InputError(
                    f"Tensor {number} of the state {tuple(leaf.shape)} is none of the state's sites "
                    f"{names}."
                )
            site = same[0]
            del last[site]
            dims = [dim for dim in organism.sites[site] if dim != "tick"]
            if dims[:1] != ["channel"]:
                raise InputError(f"The site {site!r} has no channels: {dims}.")
            layer = site.rpartition(".")[0]
            leaves.append((layer, site))
            if n_channels.setdefault(layer, leaf.shape[1]) != leaf.shape[1]:
                raise InputError(f"The state's tensors of layer {layer!r} differ in channels.")
        return cls(tuple(leaves), n_channels)

    def all(self) -> list[MemoryChannel]:
        """Return all channels."""
        return [(layer, c) for layer, n in self.n_channels.items() for c in range(n)]

    def named(self, channels: Mapping[str, Sequence[int]]) -> list[MemoryChannel]:
        """Return channels that are given by site: those of its layer.

        Raises
        ------
        UnknownNameError
            For a site that is no part of the state.
        InputError
            For a channel that does not exist.
        """
        layer_of = {site: layer for layer, site in self.leaves}
        found = set()
        for site, numbers in channels.items():
            if site not in layer_of:
                raise UnknownNameError("site of the state", site, layer_of)
            layer = layer_of[site]
            for number in numbers:
                if not 0 <= int(number) < self.n_channels[layer]:
                    raise InputError(
                        f"{site!r} has channels 0 to {self.n_channels[layer] - 1}, not {number}."
                    )
                found.add((layer, int(number)))
        return sorted(found)


@dataclass
class Reference:
    """What the carried state is like in clean runs: its mean, and a sample."""

    mean: list[torch.Tensor]
    pool: list[torch.Tensor]
    pool_episode: np.ndarray


class _Between:
    """A network that acts like another one, with its state changed after every step.

    `change` gets the state's tensors, the observation (1, batch, …), the rows' episodes and the number
    of steps taken, and returns the tensors to carry on with.
    """

    def __init__(self, network: Any, change: Callable[..., Sequence[torch.Tensor]], first: int):
        self.network, self.change, self.first = network, change, first
        self.clock = clock_of(network)

    def parameters(self) -> Any:
        return self.network.parameters()

    def initial_state(self, batch_size: int) -> Any:
        device = device_of(self.network)
        episodes = self.first + torch.arange(batch_size, device=device)
        taken = torch.zeros(batch_size, dtype=torch.long, device=device)
        return self.network.initial_state(batch_size), episodes, taken

    def __call__(self, observations: torch.Tensor, state: Any) -> NetworkOutput:
        inner, episodes, taken = state
        output = self.network(observations, inner)
        leaves, shape = tree_flatten(output.state)
        changed = self.change(leaves, observations, episodes.cpu().numpy(), int(taken[0]))
        after = tree_unflatten(list(changed), shape)
        return NetworkOutput(output.logits, output.value, (after, episodes, taken + 1))


def clean_run(
    organism: Any, tasks: Any, thinking_steps: int = 0, batch_size: int = 128, seed: int = 0
) -> tuple[np.ndarray, Reference]:
    """Run without any ablation; return what was solved (episode,), and the states that were carried."""
    rng = np.random.default_rng([seed, 5])
    sums: list[torch.Tensor] = []
    kept: list[tuple[int, list[torch.Tensor]]] = []
    n_states = 0
    share = min(1.0, 16 * POOL / (len(tasks) * max(1, organism.world(tasks[0:1]).max_steps)))

    def watch(leaves: list[torch.Tensor], _: Any, episodes: np.ndarray, taken: int) -> Any:
        nonlocal n_states
        if not sums:
            sums.extend(torch.zeros_like(leaf[0], dtype=torch.float64) for leaf in leaves)
        for total, leaf in zip(sums, leaves, strict=True):
            total += leaf.sum(dim=0, dtype=torch.float64)
        n_states += len(episodes)
        for row in np.flatnonzero(rng.random(len(episodes)) < share):
            kept.append((int(episodes[row]), [leaf[row].clone() for leaf in leaves]))
        return leaves

    solved = _solved(organism, tasks, watch, thinking_steps, batch_size)
    chosen = rng.permutation(len(kept))[:POOL]
    return solved, Reference(
        mean=[(total / n_states).float() for total in sums],
        pool=[torch.stack([kept[i][1][leaf] for i in chosen]) for leaf in range(len(sums))],
        pool_episode=np.array([kept[i][0] for i in chosen]),
    )


def ablated_run(
    organism: Any,
    tasks: Any,
    memory: Memory,
    channels: Sequence[MemoryChannel],
    operation: str,
    reference: Reference,
    thinking_steps: int = 0,
    batch_size: int = 128,
    seed: int = 0,
) -> np.ndarray:
    """Run with some channels of the carried state ablated after every step; return what was solved.

    Parameters
    ----------
    operation
        ``"single_step"``: what the network would have carried on, had it seen only the observation of
        this step, from its initial state. ``"zero"``; ``"mean"``: of the clean runs, square by square;
        ``"resample"``: that of another episode of the clean runs, drawn anew at every step, the same
        for all channels.

    Raises
    ------
    UnknownNameError
        For an unknown operation.
    """
    if operation not in OPERATIONS:
        raise UnknownNameError("ablation", operation, OPERATIONS)
    picked = [sorted(c for at, c in channels if at == layer) for layer, _ in memory.leaves]
    # A network of its own, so that no hook sees the run on a single observation.
    alone = copy.deepcopy(organism.network) if operation == "single_step" else None

    def ablate(
        leaves: list[torch.Tensor], seen: torch.Tensor, episodes: np.ndarray, taken: int
    ) -> list[torch.Tensor]:
        if alone is not None:
            instead, _ = tree_flatten(alone(seen, None).state)
        elif operation == "resample":
            donors = _donors(reference.pool_episode, episodes, len(tasks), taken, seed)
            at = torch.as_tensor(donors, device=leaves[0].device)
            instead = [pool[at] for pool in reference.pool]
        elif operation == "mean":
            instead = [mean.expand(len(episodes), *mean.shape) for mean in reference.mean]
        else:
            instead = [torch.zeros_like(leaf) for leaf in leaves]
        out = []
        for leaf, other, numbers in zip(leaves, instead, picked, strict=True):
            if numbers:
                leaf = leaf.clone()
                leaf[:, numbers] = other[:, numbers]
            out.append(leaf)
        return out

    return _solved(organism, tasks, ablate, thinking_steps, batch_size)


def _donors(
    pool_episode: np.ndarray, episodes: np.ndarray, n_tasks: int, taken: int, seed: int
) -> np.ndarray:
    """Draw for every row a state of another episode, the same however episodes are batched."""
    rng = np.random.default_rng([seed, 13, taken])
    drawn = rng.integers(len(pool_episode), size=n_tasks)[episodes]
    for _ in range(len(pool_episode)):
        own = pool_episode[drawn] == episodes
        if not own.any():
            break
        drawn = np.where(own, (drawn + 1) % len(pool_episode), drawn)
    return drawn


def _solved(
    organism: Any, tasks: Any, change: Callable[..., Any], thinking_steps: int, batch_size: int
) -> np.ndarray:
    solved = np.zeros(len(tasks))
    for start in range(0, len(tasks), batch_size):
        block = tasks[start : start + batch_size]
        world = organism.world(block)
        network = _Between(organism.network, change, start)
        for _ in rollout(network, world, thinking_steps=thinking_steps):
            pass
        solved[start : start + len(block)] = world.solved
    return solved
