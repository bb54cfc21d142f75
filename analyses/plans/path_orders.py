"""In which order the squares of a path are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.verdict import Resampling, statistic_variables

if TYPE_CHECKING:
    from analyses.plans.decoded_plans import DecodedPlans
    from organisms.capabilities.plans import ExecutedPath

ORDERS = ("forward", "backward", "net")
PLACES = 5
"""Parts of a path, from its source to its goal, that the share of decoded squares is given for."""


def held_out(paths: list[ExecutedPath], episodes: np.ndarray) -> list[ExecutedPath]:
    """Keep the held-out episodes' paths, numbered as they are among the held-out ones."""
    at = {int(episode): i for i, episode in enumerate(episodes)}
    return [path._replace(episode=at[path.episode]) for path in paths if path.episode in at]


def decoded_since(decoded: DecodedPlans) -> np.ndarray:
    """Return (source, site, episode, y, x) int: from which tick on each square is read right.

    Counted in ticks from the first; the number of ticks where the last reading is wrong.
    """
    right = decoded.maps == decoded.labels[:, None]
    wrong_later = np.logical_or.accumulate(~right[:, :, :, ::-1], axis=3)[:, :, :, ::-1]
    return wrong_later.sum(axis=3)


def pairs_in_order(times: np.ndarray, direction: str, never: int) -> tuple[np.ndarray, np.ndarray]:
    """Count pairs of squares along (…, square) in order minus those in the opposite order; and all.

    Pairs of which one is `never` decoded do not count: it has no time.
    """
    times = _half(times, direction)
    if direction == "backward":
        times = times[..., ::-1]
    first, second = np.triu_indices(times.shape[-1], 1)
    both = np.maximum(times[..., first], times[..., second]) < never
    order = np.sign(times[..., second] - times[..., first]) * both
    return order.sum(axis=-1), both.sum(axis=-1)


def orders(
    decoded: DecodedPlans,
    paths: list[ExecutedPath],
    n_permutations: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Return the orders in which paths are decoded; see `analyses.plans.plan_growth.plan_growth`."""
    from interp.statistics import leave_one_out, percentile_interval, sign_flip_test

    rng = np.random.default_rng([seed, 7])
    since = decoded_since(decoded)
    levels, unit = np.unique(decoded.groups, return_inverse=True)
    never = decoded.maps.shape[3]
    shape = (len(levels), len(ORDERS), *since.shape[:2])  # (level, direction, source, site)
    score, count = np.zeros(shape), np.zeros(shape)
    null = np.zeros((n_permutations, *shape[1:]))
    for path in paths:
        times = since[:, :, path.episode, path.squares[:, 0], path.squares[:, 1]]
        level = unit[path.episode]
        for d, direction in enumerate(ORDERS):
            if direction == "backward" and not path.ends_on_goal:
                continue
            ordered, n_pairs = pairs_in_order(times, direction, never)
            score[level, d] += ordered
            count[level, d] += n_pairs
            if n_pairs.any():
                half = _half(times, direction)
                many = np.broadcast_to(half, (n_permutations, *half.shape))
                null[:, d] += pairs_in_order(rng.permuted(many, axis=-1), "net", never)[0]
    weights = leave_one_out(len(levels))
    total, again_total = count.sum(axis=0), np.tensordot(weights, count, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        order = score.sum(axis=0) / total
        again = np.tensordot(weights, score, 1) / again_total
        null /= total
    excess_again = again[:, :, 0]
    if "untrained" in decoded.sources:
        other = decoded.sources.index("untrained")
        # A control that decodes no two squares has no order.
        excess_again = excess_again - np.nan_to_num(again[:, :, other])
    how = Resampling(n_bootstrap, confidence, seed)
    data: dict[str, Any] = statistic_variables(
        "order", ("source", "site", "direction"), np.moveaxis(again, 1, -1), how, bounds=(-1, 1)
    )
    data |= statistic_variables(
        "excess",
        ("site", "direction"),
        np.moveaxis(excess_again, 1, -1),
        how,
        bounds=(-2, 2),
        tested=True,
    )
    of_excess = data.pop("excess_p")[1].T
    p = np.full(order[:, 0].shape, np.nan)
    for d, s in np.ndindex(p.shape):
        if not total[d, 0, s]:
            continue
        permuted = (1 + (null[:, d, 0, s] >= order[d, 0, s] - 1e-12).sum()) / (1 + n_permutations)
        there = count[:, d, 0, s] > 0
        flipped = sign_flip_test(score[there, d, 0, s], alternative="greater", rng=seed).p_value
        p[d, s] = max(permuted, flipped, np.nan_to_num(of_excess[d, s], nan=1.0))
    null_low, null_high = percentile_interval(null, confidence)

    def laid_out(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return ("source", "site", "direction"), np.moveaxis(values, 0, -1)

    def of_site(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return ("site", "direction"), values.T

    data |= {
        "null_low": laid_out(null_low),
        "null_high": laid_out(null_high),
        "p_value": of_site(p),
        "n_levels": len(levels),
        "n_pairs": laid_out(total.astype(int)),
    }
    coords = {"source": decoded.sources, "site": decoded.sites, "direction": list(ORDERS)}
    return xr.Dataset(data, coords, {"confidence": confidence})


def _half(times: np.ndarray, direction: str) -> np.ndarray:
    """Return the times of the part of the path that a direction is about."""
    n = times.shape[-1]
    if direction == "forward":
        return times[..., : (n + 1) // 2]
    return times[..., n // 2 :] if direction == "backward" else times


def shares(
    decoded: DecodedPlans,
    paths: list[ExecutedPath],
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Return which share of the squares in each part of the paths is decoded at every tick."""
    from interp.statistics import RATE, ratio_interval

    since = decoded_since(decoded)
    n_ticks = decoded.maps.shape[3]
    levels, unit = np.unique(decoded.groups, return_inverse=True)
    hits = np.zeros((len(levels), *since.shape[:2], n_ticks, PLACES))
    squares = np.zeros((len(levels), PLACES))
    for path in paths:
        n = len(path.squares)
        place = np.zeros(n, int) if n == 1 else np.arange(n) * (PLACES - 1) // (n - 1)
        times = since[:, :, path.episode, path.squares[:, 0], path.squares[:, 1]]
        there = times[..., None, :] <= np.arange(n_ticks)[:, None]  # (source, site, tick, square)
        level = unit[path.episode]
        for i in range(PLACES):
            hits[level, ..., i] += there[..., place == i].sum(axis=-1)
            squares[level, i] += (place == i).sum()
    below = np.broadcast_to(squares[:, None, None, None], hits.shape)
    interval = ratio_interval(hits, below, n_bootstrap, confidence, seed, bounds=RATE)
    dims = ("source", "site", "deliberation", "place")
    names = ("share_decoded", "share_decoded_low", "share_decoded_high")
    coords = {
        "source": decoded.sources,
        "site": decoded.sites,
        "deliberation": np.arange(n_ticks),
        "place": np.linspace(0, 1, PLACES),
    }
    data = {name: (dims, value) for name, value in zip(names, interval, strict=True)}
    return xr.Dataset(data, coords)
