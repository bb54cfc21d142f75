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
        With `site`, dims ``episode, step[, tick]``, those of the labels' places, and others.
    labels
        ``(episode, step, *places)``: classes, −1 = leave out; or numbers, NaN = leave out.
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
        Of classes (episode, step × tick, 3, class): places read right, places of the class, places
        read as the class. Of numbers (episode, step × tick, 6): the sums that
        `interp.probes.metrics.regression_scores` takes.
    """
    from interp.probes.features import Features, apply_linear

    labels = labels.transpose("episode", "step", ...)
    places = {str(dim): labels.sizes[dim] for dim in labels.dims[2:]}
    features = Features.of(run[site], site, places)
    steps = [int(step) for step in run["step"].values]
    number = "r2" in next(iter(probes.values()))
    n_classes = 1 if number else next(iter(probes.values())).sizes["class"]
    tail = (6,) if number else (3, n_classes)
    # Sums of squares about a value near the mean keep their digits.
    shift = float(labels.mean()) if number else 0.0
    n_ticks = run.sizes.get("tick", 1)  # a site without ticks says the same at each
    out = np.zeros((len(episodes), len(probes), n_ticks, *tail))
    for i, (step, fitted) in enumerate(probes.items()):
        weights = _weights(fitted.sel(source=player, site=site), features.n_channels)
        truth = labels.sel(step=step).values.reshape(labels.sizes["episode"], -1)
        for start in range(0, len(episodes), BLOCK):
            block = slice(start, start + BLOCK)
            label = truth[episodes[block]] - shift if number else truth[episodes[block]]
            there = (np.isfinite(label) if number else label >= 0).any(axis=1)
            if not there.any():
                continue
            used = np.zeros((len(label), len(steps)), bool)
            used[there, steps.index(step)] = True
            rows = features.read(episodes[block], used)
            for tick in range(n_ticks):
                coef, intercept = weights[min(tick, len(weights) - 1)]
                now = rows[:, min(tick, features.n_ticks - 1)]
                outputs = apply_linear(now, coef, intercept - shift)
                if number:
                    found = _sums(outputs[:, 0], label[there])
                else:
                    found = _counts(outputs.argmax(axis=1), label[there], n_classes)
                out[np.flatnonzero(there) + start, i, tick] = found
    return out.reshape(len(episodes), -1, *tail)


def _weights(fitted: xr.Dataset, n_channels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (output, channel, ky, kx) and (output,) of the probes of every tick that has one."""
    coef, intercept = fitted["coef"], fitted["intercept"]
    if "class" not in coef.dims:
        coef, intercept = coef.expand_dims("class"), intercept.expand_dims("class")
    if "feature" in coef.dims:
        coef = coef.rename(feature="channel")
    if "ky" not in coef.dims:
        coef = coef.expand_dims(ky=1, kx=1)
    coef = coef.transpose("tick", "class", "channel", "ky", "kx").values[:, :, :n_channels]
    intercept = intercept.transpose("tick", "class").values
    return [(coef[t], intercept[t]) for t in np.flatnonzero(np.isfinite(intercept).all(axis=1))]


def _counts(read: np.ndarray, label: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (episode, 3, class) of classes read and of labels (episode, *places)."""
    out = np.empty((len(read), 3, n_classes))
    places = tuple(range(1, read.ndim))
    for c in range(n_classes):
        is_label, is_read = label == c, (read == c) & (label >= 0)
        for k, these in enumerate((is_label & is_read, is_label, is_read)):
            out[:, k, c] = these.sum(axis=places)
    return out


def _sums(read: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return (episode, 6) sums for `interp.probes.metrics.regression_scores`, of (episode, place)."""
    from interp.probes.metrics import regression_sums

    episode, place = np.nonzero(np.isfinite(label))
    return regression_sums(episode, label[episode, place], read[episode, place], len(label))
