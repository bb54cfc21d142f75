"""Recorded runs with a plan planted in them, or none."""

import numpy as np
import xarray as xr

from interp.concepts import Concept

SIDE, CHANNELS, N_TICKS = 5, 6, 2
CLASSES = ("never", "up", "down")

PLAN = Concept("plan", lambda run: run["plan"], CLASSES)


def planted_run(
    strength: np.ndarray, n_episodes: int = 60, n_steps: int = 6, thinking: int = 0, seed: int = 0
) -> xr.Dataset:
    """Return a run whose site ``h`` holds a fixed map of labels, plus unit noise.

    Parameters
    ----------
    strength
        (step, tick): how strongly the label is written into channels 0 to 2.
    """
    rng = np.random.default_rng(seed)
    steps = thinking + n_steps
    one_map = rng.choice(3, p=[0.6, 0.2, 0.2], size=(n_episodes, 1, SIDE, SIDE))
    labels = np.broadcast_to(one_map, (n_episodes, steps, SIDE, SIDE)).astype(np.int16)
    h = rng.normal(size=(n_episodes, steps, N_TICKS, CHANNELS, SIDE, SIDE)).astype(np.float32)
    code = np.moveaxis(np.eye(3, CHANNELS)[labels], -1, 2)  # (episode, step, channel, y, x)
    h += strength[None, :, :, None, None, None] * code[:, :, None]
    observation = rng.integers(0, 2, size=(n_episodes, steps, SIDE, SIDE, 3)) * 255
    grid = ("episode", "step")
    return xr.Dataset(
        {
            "h": ((*grid, "tick", "channel", "y", "x"), h),
            "plan": ((*grid, "y", "x"), labels),
            "observation": ((*grid, "y", "x", "colour"), observation.astype(np.uint8)),
            "length": ("episode", np.full(n_episodes, n_steps, np.int32)),
            "level_id": ("episode", [f"level/{i}" for i in range(n_episodes)]),
        },
        coords={"step": np.arange(-thinking, n_steps), "tick": np.arange(N_TICKS)},
        attrs={"organism": "planted"},
    )
