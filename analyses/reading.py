"""How much of the labels on held-out episodes fitted probes read, at every step and tick."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

BLOCK = 64
"""Episodes read at a time."""


def reading_counts(
    run: xr.Dataset,
    labels: xr.DataArray,
    probes: Mapping[int, xr.Dataset],
    player: str,
    site: str,
    episodes: np.ndarray,
) -> np.ndarray:
    """Count what probes of one site get right at every tick of some steps.

    Parameters
    ----------
    run
        With `site`, dims ``episode, step[, tick]``, one of channels, ``y, x``.
    labels
        ``(episode, step, y, x)``, −1 = leave out.
    probes
        For each step the result of `interp.probes.fit_probes` to read it with: the probes of its
        ticks, or of a single tick, which then reads all of them.
    player
        Source of the probes.
    episodes
        Positions.

    Returns
    -------
    ndarray
        (episode, step × tick, 3, class): squares read right, squares of the class, squares read as
        the class.
    """
    from interp.probes.decode import decode

    n_ticks = run.sizes.get("tick", 1)
    n_classes = next(iter(probes.values())).sizes["class"]
    out = np.zeros((len(episodes), len(probes), n_ticks, 3, n_classes))
    for i, (step, fitted) in enumerate(probes.items()):
        mine = fitted.sel(source=player, site=site)
        there = np.flatnonzero(mine.intercept.notnull().all("class"))
        truth = labels.sel(step=step).transpose("episode", "y", "x")
        for start in range(0, len(episodes), BLOCK):
            block = slice(start, start + BLOCK)
            values = run[site].sel(step=step).isel(episode=episodes[block]).load()
            label = truth.isel(episode=episodes[block]).values
            for tick in range(n_ticks):
                probe = mine.isel(tick=there[min(tick, len(there) - 1)])
                now = values.isel(tick=tick) if "tick" in values.dims else values
                [channel] = set(now.dims) - {"episode", "y", "x"}
                weights = probe.coef.isel(channel=slice(now.sizes[channel]))
                read = decode(now.rename({channel: "channel"}), weights, probe.intercept)
                out[block, i, tick] = _counts(read.values, label, n_classes)
    return out.reshape(len(episodes), -1, 3, n_classes)


def _counts(read: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (episode, 3, class) of maps (episode, y, x)."""
    out = np.empty((len(read), 3, n_classes))
    for c in range(n_classes):
        is_label, is_read = label == c, (read == c) & (label >= 0)
        for k, squares in enumerate((is_label & is_read, is_label, is_read)):
            out[:, k, c] = squares.sum(axis=(1, 2))
    return out
