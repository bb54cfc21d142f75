"""Whether what is in a store is what the same call would record now, as far as one step tells."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np

from interp.contract import is_observation, outputs_of
from interp.errors import StoreMismatchError
from interp.runs.episodes import block_steps, stored
from interp.store.location import StorePath
from interp.store.read import open_store
from interp.store.write import StoreWriter

TOLERANCE = 0.01
"""By how much outputs may differ, relative to the largest: other devices and batches round otherwise."""


def check_same_start(
    writer: StoreWriter,
    path: StorePath,
    organism: Any,
    tasks: Any,
    *,
    outputs: bool,
    storage_options: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Take the first step of the first recorded episode again and compare it with the store.

    Weights are compared by their hash. This finds what no hash of weights does: a world with other
    settings, a network that computes something else with the same weights.

    Parameters
    ----------
    outputs
        Whether the network's outputs are compared too, and not only what it is shown.
    **options
        As `block_steps` takes them.

    Raises
    ------
    StoreMismatchError
        If the world shows something else, or the network says something else.
    """
    if not writer.done.any():
        return
    episode = writer.episodes(int(np.flatnonzero(writer.done)[0])).start
    one = tasks[episode : episode + 1]
    with closing(block_steps(organism, one, first_episode=episode, **options)) as steps:
        now = next(steps).values
    run = open_store(path, allow_incomplete=True, storage_options=storage_options)
    said = set(outputs_of(run)) if outputs else set()
    for name, value in now.items():
        if not is_observation(name) and name not in said:
            continue
        there = np.asarray(run[name].isel(episode=episode, step=0).values)
        is_padding = there.dtype.kind == "f" and np.isnan(there).all()  # a lost file: see `verify`
        if is_padding or _same(stored(value, writer.spec.variables, name)[0], there, name in said):
            continue
        who = "the network says" if name in said else "the world shows"
        raise StoreMismatchError(
            f"{writer.location.name} was made by another recording; nothing was changed. With the same "
            f"weights, {who} something else: {name} at the first step of {tasks.ids[episode]!r} is "
            f"{_short(there)} in the store, {_short(value[0])} now. Record to another path."
        )


def _same(now: np.ndarray, there: np.ndarray, roughly: bool) -> bool:
    if not roughly:
        return np.array_equal(now, there, equal_nan=there.dtype.kind == "f")
    largest = float(np.abs(there).max(initial=0.0))
    return np.allclose(now, there, rtol=0, atol=TOLERANCE * (largest + TOLERANCE))


def _short(values: Any) -> str:
    first = np.ravel(values)[:4].tolist()
    return f"{[round(v, 4) for v in first]}{' …' if np.size(values) > 4 else ''}"
