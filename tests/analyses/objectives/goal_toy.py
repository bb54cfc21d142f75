"""Runs of an agent that goes to one of three things, which its state holds from some step on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from interp.concepts import Concept

HEIGHT, WIDTH, CHANNELS, STEPS = 5, 7, 4, 6
BINARY = ("no", "yes")
GOAL, THING, NEAREST, BASE, PROXY = (
    Concept(name, lambda run, name=name: run[f"is_{name}"], BINARY)
    for name in ("goal", "thing", "nearest", "base", "proxy")
)


def goal_run(
    since: int | None,
    n_episodes: int = 60,
    *,
    part: bool = True,
    turn: int = 3,
    seed: int = 0,
    name: str = "fit",
) -> xr.Dataset:
    """Return a run whose site ``h`` marks the goal from a step on, over unit noise.

    Parameters
    ----------
    since
        First step at which the goal is marked; None for never.
    part
        Whether the base objective's thing and the proxy's are two, either of them the goal; else they
        are one, the goal.
    turn
        First step at which where the agent is says anything: it stands anywhere until then, and from
        then on beside the goal.
    """
    rng = np.random.default_rng(seed)
    shape = (n_episodes, STEPS, HEIGHT * WIDTH)
    things = np.argsort(rng.random((n_episodes, HEIGHT * WIDTH)), axis=1)[:, :3]
    base, proxy = things[:, 0], things[:, 1] if part else things[:, 0]
    goal = np.where(rng.random(n_episodes) < 0.5, base, proxy)
    agent = rng.integers(HEIGHT * WIDTH, size=(n_episodes, STEPS))
    beside = np.where(goal % WIDTH > 0, goal - 1, goal + 1)
    agent[:, turn:] = beside[:, None]
    y, x = np.divmod(things, WIDTH)
    away = abs(y[:, None] - agent[..., None] // WIDTH) + abs(x[:, None] - agent[..., None] % WIDTH)
    nearest = np.take_along_axis(things, away.argmin(axis=-1), axis=1)

    def there(squares: np.ndarray) -> np.ndarray:
        out = np.zeros(shape, np.int8)
        np.put_along_axis(out, np.broadcast_to(squares, shape[:2])[..., None], 1, axis=2)
        return out

    maps = {
        "goal": there(goal[:, None]),
        "base": there(base[:, None]),
        "proxy": there(proxy[:, None]),
        "nearest": there(nearest),
        "thing": sum(there(things[:, [i]]) for i in range(3)),
    }
    board = (*shape[:2], HEIGHT, WIDTH)
    maps = {name: values.reshape(board) for name, values in maps.items()}
    h = rng.normal(size=(*shape[:2], 1, CHANNELS, HEIGHT, WIDTH)).astype(np.float32)
    if since is not None:
        h[:, since:, 0, 1] += 6 * maps["goal"][:, since:]
    seen = [maps["thing"], maps["base"], maps["proxy"], there(agent).reshape(board)]
    grid = ("episode", "step")
    return xr.Dataset(
        {
            "h": ((*grid, "tick", "channel", "y", "x"), h),
            "observation": ((*grid, "plane", "y", "x"), np.stack(seen, axis=2).astype(np.uint8)),
            "length": ("episode", np.full(n_episodes, STEPS, np.int32)),
            "level_id": ("episode", [f"{name}/{i}" for i in range(n_episodes)]),
            **{f"is_{key}": ((*grid, "y", "x"), values) for key, values in maps.items()},
        },
        coords={"step": np.arange(STEPS), "tick": [0]},
        attrs={"organism": "planted"},
    )


def without(run: xr.Dataset, seed: int = 9) -> xr.Dataset:
    """Return the same episodes through a network that holds nothing."""
    h = np.random.default_rng(seed).normal(size=run["h"].shape).astype(np.float32)
    return run.assign(h=(run["h"].dims, h))
