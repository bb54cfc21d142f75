"""What a store holds and how it is cut into chunks and shards. Pure arithmetic: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.runs.variables import Variable

SCHEMA = 1
CHUNK_BYTES = 2**20
"""Size an inner chunk aims at: what a reader must fetch to see one value."""
BUFFER_BYTES = 64 * 2**20
"""Size the writer's buffers of one block aim at, all variables together."""
WHOLE_RUN_BYTES = 2**20
"""A variable that is this small in a block is kept in one piece along ``step``."""

COMPRESS_BELOW = 4096
"""Float variables with more bytes per step are not compressed: activations do not shrink."""


def step_bytes(variable: Variable) -> int:
    """Return the bytes that one (episode, step) of a variable takes."""
    return math.prod(variable.shape) * np.dtype(variable.dtype).itemsize


def is_compressed(variable: Variable) -> bool:
    """Return whether a variable is compressed (zstd)."""
    return np.dtype(variable.dtype).kind != "f" or step_bytes(variable) < COMPRESS_BELOW


@dataclass(frozen=True)
class StoreSpec:
    """Everything that decides what the bytes of a store will be.

    Parameters
    ----------
    level_ids, levels
        Name and written-out text of every task, in the order of ``episode``.
    first_step
        Label of the first step (``-thinking_steps``).
    n_steps
        Length of the ``step`` axis.
    block
        How many consecutive episodes are recorded side by side. Part of the recording's identity:
        floating-point results may depend on it in the last bits.
    variables
        Name → `Variable` (anything with ``dims, shape, dtype, fill``): what every step adds.
    episode_variables
        Name → dtype of what is known of an episode when it is over, beside its length.
    attrs_of
        Name → attributes of that variable (JSON-able).
    identity
        JSON-able attributes that a recording must share with the store that it resumes.
    about
        JSON-able attributes that it need not share (versions, the call).
    """

    level_ids: tuple[str, ...]
    levels: tuple[str, ...]
    first_step: int
    n_steps: int
    block: int
    variables: Mapping[str, Variable]
    episode_variables: Mapping[str, Any] = field(default_factory=lambda: {"solved": "bool"})
    attrs_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_episodes(self) -> int:
        """Length of the ``episode`` axis."""
        return len(self.level_ids)

    @property
    def n_blocks(self) -> int:
        """How many blocks of episodes there are; the last may be short."""
        return -(-self.n_episodes // self.block)

    @property
    def buffer_steps(self) -> int:
        """How many steps the writer holds before it writes: a power of two."""
        per_step = self.block * sum(step_bytes(v) for v in self.variables.values())
        return _power_of_two_below(max(1, BUFFER_BYTES // max(1, per_step)), self.n_steps)


@dataclass(frozen=True)
class Layout:
    """Sizes along ``(episode, step)`` of the files and of the checksummed chunks inside them."""

    shard: tuple[int, int]
    chunk: tuple[int, int]

    @property
    def sharded(self) -> bool:
        """Whether a file holds more than one chunk."""
        return self.shard != self.chunk


def layout_of(variable: Variable, spec: StoreSpec) -> Layout:
    """Decide how a variable is cut: a file per block and `buffer_steps`, chunks of about 1 MiB.

    Chunks take as many steps as they can and few episodes, since episodes end at different
    times and a chunk that is padding throughout is not written.

    Examples
    --------
    >>> h = Variable.of(("tick", "channel", "y", "x"), (3, 32, 10, 10), "float16")
    >>> spec = StoreSpec(("a",) * 256, ("",) * 256, 0, 120, 64, {"a": h, "b": h})
    >>> layout_of(h, spec)
    Layout(shard=(64, 16), chunk=(4, 16))
    """
    per_step = step_bytes(variable)
    steps = spec.buffer_steps
    if spec.block * spec.n_steps * per_step <= WHOLE_RUN_BYTES:
        steps = spec.n_steps
    fit = max(1, CHUNK_BYTES // max(1, per_step))
    chunk_steps = steps
    while chunk_steps > fit and chunk_steps % 2 == 0:
        chunk_steps //= 2
    chunk_episodes = _largest_divisor(spec.block, max(1, 4 * fit // (3 * chunk_steps)))
    return Layout((spec.block, steps), (chunk_episodes, chunk_steps))


def default_block(bytes_per_step: int, n_episodes: int, largest: int) -> int:
    """Return a block size, from the bytes of one episode's step alone: a power of two ≤ `largest`.

    The buffers of 8 steps are to fit `BUFFER_BYTES`; never more than there are episodes.
    """
    fit = max(1, BUFFER_BYTES // max(1, 8 * bytes_per_step))
    return min(_power_of_two_below(fit, largest), n_episodes)


def _power_of_two_below(n: int, limit: int) -> int:
    power = 1
    while power * 2 <= n and power < limit:
        power *= 2
    return power


def _largest_divisor(n: int, limit: int) -> int:
    return max(d for d in range(1, min(n, limit) + 1) if n % d == 0)
