"""A test of the tests: how often intervals cover, and tests err, on data whose truth is known.

`interp.statistics.calibration_page` writes the table at full size (``make calibration``); the tests run it
small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from interp.statistics import (
    DIFFERENCE,
    RATE,
    bootstrap_weights,
    holm,
    leave_one_out,
    mean_interval,
    mean_p_value,
    percentile_interval,
    rank_p_value,
    ratio_interval,
    statistic_interval,
    two_way_interval,
)
from interp.statistics.intervals import Bounds

LEAST_COVERAGE = 0.93
MOST_ERRORS = 0.06
BLOCK = 250  # runs that share their resamples

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Data:
    """A distribution of units, whose mean is known.

    Attributes
    ----------
    draw
        (generator, shape) → values.
    """

    name: str
    draw: Draw
    mean: float
    bounds: Bounds | None = None


def _rare(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.exponential(size=shape) * (generator.random(shape) < 0.2)


def _yes(rate: float, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (generator.random(shape) < rate).astype(float)


def _signs(
    up: float, down: float, generator: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
    lot = generator.random(shape)
    return np.where(lot < up, 1.0, np.where(lot < up + down, -1.0, 0.0))


def rate(p: float) -> Data:
    """Return units that succeed with a probability."""
    return Data(f"rate {p:g}", partial(_yes, p), p, RATE)


def paired(up: float, down: float) -> Data:
    """Return units that come to succeed, or cease to, each with a probability."""
    return Data(f"paired {up:g} / {down:g}", partial(_signs, up, down), up - down, DIFFERENCE)


NORMAL = Data("normal", lambda g, s: g.normal(size=s), 0.0)
UNIFORM = Data("uniform", lambda g, s: g.random(s), 0.5, RATE)
CEILING = Data("near the ceiling, Beta(9, ½)", lambda g, s: g.beta(9, 0.5, s), 9 / 9.5, RATE)
LAPLACE = Data("Laplace", lambda g, s: g.laplace(size=s), 0.0)
EXPONENTIAL = Data("exponential", lambda g, s: g.exponential(size=s), 1.0)
LOGNORMAL = Data("lognormal", lambda g, s: g.lognormal(size=s), float(np.exp(0.5)))
RARE = Data("80 % zeros", _rare, 0.2)


@dataclass(frozen=True)
class Row:
    """One line of the table: how often something happened in so many runs.

    Attributes
    ----------
    kind
        ``"coverage"``, or ``"type I"`` and ``"family-wise"``, where fewer is better.
    before
        Of the percentile bootstrap, and p-values from its width, which these methods replaced; NaN: not run.
    held
        Whether the limit holds here by promise; else the best that can be had, with a warning on results.
    """

    kind: Literal["coverage", "type I", "family-wise"]
    data: str
    n: int
    method: str
    hits: int
    runs: int
    held: bool = True
    before: float = float("nan")

    @property
    def share(self) -> float:
        """Return the share of runs."""
        return self.hits / self.runs

    def broken(self, doubt: float = 1e-3) -> bool:
        """Say whether the limit is missed by more than the luck of so many runs.

        Parameters
        ----------
        doubt
            How rarely a method just at its limit may be called broken.
        """
        from scipy.stats import binom

        if self.kind == "coverage":
            return bool(binom.cdf(self.hits, self.runs, LEAST_COVERAGE) < doubt)
        return bool(binom.sf(self.hits - 1, self.runs, MOST_ERRORS) < doubt)


def _blocks(runs: int) -> Iterable[tuple[int, int]]:
    return ((b, min(BLOCK, runs - start)) for b, start in enumerate(range(0, runs, BLOCK)))


def mean_coverage(data: Data, n: int, runs: int, seed: int = 0, held: bool = True) -> Row:
    """Count how often `mean_interval` of n units covers their mean."""
    hits = before = 0
    method = ""
    for block, count in _blocks(runs):
        values = data.draw(np.random.default_rng([seed, n, block]), (n, count))
        found = mean_interval(
            values, rng=np.random.default_rng([seed, 1, block]), bounds=data.bounds
        )
        method = found.method
        hits += int(((found.low <= data.mean) & (found.high >= data.mean)).sum())
        weights = bootstrap_weights(n, 1000, np.random.default_rng([seed, 2, block])) / n
        low, high = percentile_interval(weights @ values)
        before += int(((low <= data.mean) & (high >= data.mean)).sum())
    return Row("coverage", data.name, n, method, hits, runs, held, before / runs)


def cluster_coverage(p: float, n: int, runs: int, seed: int = 0) -> Row:
    """Count how often `ratio_interval` covers a rate of episodes that repeat n levels unevenly."""
    hits = 0
    for block, count in _blocks(runs):
        rng = np.random.default_rng([seed, n, block])
        episodes = rng.integers(1, 9, (n, count))
        won = rng.binomial(episodes, rng.beta(2 * p, 2 * (1 - p), (n, count)))
        low, high = ratio_interval(won, episodes, rng=rng, bounds=RATE)[1:]
        hits += int(((low <= p) & (high >= p)).sum())
    name = f"rate {p:g} of 1 to 8 episodes a level"
    return Row("coverage", name, n, "ratio_interval", hits, runs)


def statistic_coverage(n: int, runs: int, seed: int = 0) -> Row:
    """Count how often `statistic_interval` covers the F1 of levels of unequal size and difficulty."""
    truth_rng = np.random.default_rng([seed, 99])
    weights, hits = leave_one_out(n), 0
    truth = _f1(*_counts(truth_rng, (200_000, 1)).sum(axis=1))[0]
    for block, count in _blocks(runs):
        counted = _counts(np.random.default_rng([seed, n, block]), (n, count))
        rows = _f1(*(weights @ part for part in counted))
        low, high = statistic_interval(rows, rng=block, bounds=RATE)[1:]
        hits += int(((low <= truth) & (high >= truth)).sum())
    return Row("coverage", "F1 over levels of unequal size", n, "statistic_interval", hits, runs)


def _counts(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return (hit, present, predicted) × unit × run."""
    present = rng.integers(2, 20, shape)
    hit = rng.binomial(present, rng.beta(6, 2, shape))
    return np.stack([hit, present, hit + rng.binomial(present, 0.2)]).astype(float)


def _f1(hit: np.ndarray, present: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return 2 * hit / (present + predicted)


def two_way_coverage(n: int, draws: int, runs: int, seed: int = 0) -> Row:
    """Count how often `two_way_interval` covers an effect over control draws that differ among themselves."""
    rng = np.random.default_rng([seed, n, draws])
    shared = rng.normal(size=(n, runs))
    values = shared + 0.3 + rng.normal(size=(n, runs))
    controls = shared + 0.3 * rng.normal(size=(draws, 1, runs)) + rng.normal(size=(draws, n, runs))
    low, high = two_way_interval(values, controls)[1:]
    hits = int(((low <= 0.3) & (high >= 0.3)).sum())
    return Row("coverage", f"effect over {draws} random draws", n, "two_way_interval", hits, runs)


def together_coverage(n: int, cells: int, runs: int, seed: int = 0) -> Row:
    """Count how often all of a table's simultaneous intervals cover."""
    hits = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, n, run])
        values = rng.normal(size=(n, cells)) + rng.normal(size=(n, 1))
        low, high = mean_interval(values, 1000, rng=rng, together=True)[1:]
        hits += bool(((low <= 0) & (high >= 0)).all())
    name = f"normal, all of {cells} cells that share a part"
    return Row("coverage", name, n, "mean_interval(together=True)", hits, runs)


def mean_errors(
    data: Data,
    n: int,
    runs: int,
    seed: int = 0,
    *,
    turned: bool = False,
    cells: int = 1,
    held: bool = True,
) -> Row:
    """Count how often `mean_p_value` finds an effect where the mean is zero.

    Parameters
    ----------
    turned
        Whether the tail that is long points down: what speaks against an effect is rare.
    cells
        More than one: how often any is found after Holm's correction.
    """
    sign = -1.0 if turned else 1.0
    hits = before = 0
    for block, count in _blocks(runs):
        rng = np.random.default_rng([seed, n, cells, block])
        values = sign * (data.draw(rng, (n, count * cells)) - data.mean)
        bounds = data.bounds
        if bounds is not None and data.mean:
            low, high = sorted(sign * (b - data.mean) for b in bounds)
            bounds = (low, high)
        p = mean_p_value(values, "greater", rng, bounds=bounds).reshape(count, cells)
        hits += sum(bool((holm(row) < 0.05).any()) for row in p)
        old = _width_p(values, rng).reshape(count, cells)
        before += sum(bool((holm(row) < 0.05).any()) for row in old)
    name = data.name + (", long tail down" if turned else "")
    kind: Literal["type I", "family-wise"] = "type I" if cells == 1 else "family-wise"
    label = name if cells == 1 else f"{name}, {cells} cells"
    return Row(kind, label, n, "mean_p_value", hits, runs, held, before / runs)


def _width_p(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return Student's t from the width of a percentile interval: what was used before."""
    from scipy.stats import norm, t

    n = len(values)
    low, high = percentile_interval(bootstrap_weights(n, 500, rng) @ values / n)
    error = (high - low) / (2 * norm.ppf(0.975)) * np.sqrt(n / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = t.sf(values.mean(axis=0) / error, n - 1)
    mean = values.mean(axis=0)
    return np.maximum(np.where(error > 0, p, np.where(mean > 0, 0.0, 1.0)), 0.5**n)


def rank_errors(draws: int, runs: int, seed: int = 0) -> Row:
    """Count how often `rank_p_value` finds a direction that is one more random draw, with skewed effects."""
    rng = np.random.default_rng([seed, draws])
    effects = rng.beta(0.4, 2, (1 + draws, runs))  # most directions do little, some much
    p = rank_p_value(effects[0], effects[1:])
    hits = int((p <= 0.05).sum())
    return Row(
        "type I", f"a random direction among {draws} others", draws, "rank_p_value", hits, runs
    )


def rows(runs: int = 10_000, seed: int = 0) -> list[Row]:
    """Return the whole table.

    Parameters
    ----------
    runs
        Simulated samples a row.
    """
    found = [
        mean_coverage(rate(p), n, runs, seed)
        for n in (5, 10, 20, 100)
        for p in (0.02, 0.05, 0.1, 0.3, 0.5)
    ]
    found += [
        mean_coverage(paired(*chances), n, runs, seed)
        for n in (10, 30, 100)
        for chances in ((0.1, 0.1), (0.3, 0.05), (0.5, 0.0))
    ]
    found += [
        mean_coverage(d, n, runs, seed) for n in (10, 25, 100) for d in (NORMAL, UNIFORM, CEILING)
    ]
    found += [
        mean_coverage(d, n, runs, seed, held=n >= 100)
        for n in (10, 25, 100)
        for d in (EXPONENTIAL, LOGNORMAL, RARE)
    ]
    found += [cluster_coverage(p, n, runs, seed) for n in (20, 50) for p in (0.1, 0.5)]
    found += [statistic_coverage(n, runs, seed) for n in (20, 50)]
    found += [two_way_coverage(n, 19, runs, seed) for n in (10, 40)]
    found += [together_coverage(20, 12, max(200, runs // 10), seed)]
    found += errors(runs, seed)
    return found


def errors(runs: int, seed: int = 0) -> list[Row]:
    """Return the lines of the tests."""
    symmetric = (NORMAL, LAPLACE, UNIFORM)
    skewed = (CEILING, EXPONENTIAL, LOGNORMAL, RARE)
    sizes = (10, 25, 50, 100)
    found = [mean_errors(d, n, runs, seed) for n in sizes for d in symmetric]
    found += [mean_errors(paired(0.15, 0.15), n, runs, seed) for n in sizes]
    found += [mean_errors(d, n, runs, seed, turned=d is not CEILING) for n in sizes for d in skewed]
    found += [
        mean_errors(d, n, max(200, runs // 10), seed, turned=turned, cells=20)
        for n in (10, 25, 100)
        for d, turned in ((NORMAL, False), (EXPONENTIAL, True), (LOGNORMAL, True), (CEILING, False))
    ]
    found += [rank_errors(draws, runs, seed) for draws in (19, 99)]
    return found
