"""Paths along rows of a small board, and runs in which they are written into the state in some order."""

from __future__ import annotations

import numpy as np
import xarray as xr

from interp.concepts import Concept
from organisms.capabilities.plans import MEASURES, ExecutedPath

HEIGHT, WIDTH, CHANNELS = 4, 8, 5
CLASSES = ("never", "left", "right")
THINKING, STEPS, TICKS = 2, 3, 2
N_POINTS = (THINKING + 1) * TICKS

WAY = Concept("way", lambda run: run["way"], CLASSES)


class RowPlans:
    """A plan is a row marked "right" from column 1 on; it is valid if unbroken, solves if complete."""

    concepts = ("way",)

    def assess(self, observation, concept, maps):
        right = maps[..., 1:] == 2
        run = np.logical_and.accumulate(right, axis=-1).sum(axis=-1)  # (…, y)
        length = run.max(axis=-1).astype(float)
        marked = (maps > 0).sum(axis=(-1, -2))
        with np.errstate(invalid="ignore"):
            connected = np.where(marked, length / np.maximum(marked, 1), np.nan)
        solves = length == WIDTH - 2
        found = [length, connected, (length > 0) & (connected == 1), solves, solves]
        return {name: np.asarray(v, float) for name, v in zip(MEASURES, found, strict=True)}

    def paths(self, run, concept, step=0):
        out = []
        for episode, labels in enumerate(run["way"].sel(step=step).values):
            [y] = np.unique(np.nonzero(labels)[0])
            x = np.flatnonzero(labels[y])
            out.append(ExecutedPath(episode, np.stack([np.full(len(x), y), x], 1), True))
        return out


def way_run(written, n_episodes: int = 60, noise: float = 0.3, seed: int = 0) -> xr.Dataset:
    """Return a run whose site ``h`` holds its path, square by square, from some point on.

    Parameters
    ----------
    written
        (position along the path, of `WIDTH` − 2) → tick, from 0, from which the square is in the
        state; None for never.
    """
    rng = np.random.default_rng(seed)
    steps = THINKING + STEPS
    way = np.zeros((n_episodes, 1, HEIGHT, WIDTH), np.int16)
    rows = rng.integers(HEIGHT, size=n_episodes)
    way[np.arange(n_episodes), 0, rows, 1:-1] = 2
    # The other class occurs as well: a square of another row.
    way[np.arange(n_episodes), 0, rows, 0] = 0
    labels = np.repeat(way, steps, axis=1)
    h = noise * rng.normal(size=(n_episodes, steps, TICKS, CHANNELS, HEIGHT, WIDTH))
    for position in range(WIDTH - 2):
        since = written(position)
        if since is None:
            continue
        for s in range(steps):
            for t in range(TICKS):
                if s * TICKS + t >= since:
                    h[np.arange(n_episodes), s, t, 2, rows, 1 + position] += 3
    observation = rng.integers(0, 2, size=(n_episodes, steps, HEIGHT, WIDTH, 3)) * 255
    grid = ("episode", "step")
    return xr.Dataset(
        {
            "h": ((*grid, "tick", "channel", "y", "x"), h.astype(np.float32)),
            "way": ((*grid, "y", "x"), labels),
            "observation": ((*grid, "y", "x", "colour"), observation.astype(np.uint8)),
            "length": ("episode", np.full(n_episodes, STEPS, np.int32)),
            "level_id": ("episode", [f"level/{i}" for i in range(n_episodes)]),
        },
        coords={"step": np.arange(-THINKING, STEPS), "tick": np.arange(TICKS)},
        attrs={"organism": "planted"},
    )


def replayed(run: xr.Dataset, written, seed: int = 9) -> xr.Dataset:
    """Return a control of the same episodes: another state, the same path."""
    other = way_run(written, run.sizes["episode"], seed=seed)
    n = run.sizes["episode"]
    rows = np.nonzero(run["way"].values[:, 0].any(axis=-1))[1]
    theirs = np.nonzero(other["way"].values[:, 0].any(axis=-1))[1]
    h = other["h"].values.copy()
    for i in range(n):  # move what is written to the row of the run's own path
        h[i] = np.roll(h[i], rows[i] - theirs[i], axis=-2)
    return run.assign(h=(run["h"].dims, h))
