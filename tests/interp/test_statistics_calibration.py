"""The table of docs/calibration.md at small size: limits leave room for the luck of so few runs."""

import numpy as np
import pytest

from interp.statistics import bootstrap_weights, calibration, percentile_interval
from interp.statistics.calibration import Row
from interp.statistics.calibration_page import markdown

RUNS = 250


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("n", [5, 10, 40])
def test_rates_are_covered(n, p):
    row = calibration.mean_coverage(calibration.rate(p), n, RUNS)
    assert row.method == "Clopper-Pearson" and not row.broken(), row


@pytest.mark.parametrize(
    "data, n",
    [
        (calibration.NORMAL, 10),
        (calibration.UNIFORM, 10),
        (calibration.CEILING, 10),
        (calibration.paired(0.3, 0.05), 10),
        (calibration.paired(0.1, 0.1), 30),
        (calibration.EXPONENTIAL, 100),
        (calibration.LOGNORMAL, 100),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_means_are_covered(data, n):
    row = calibration.mean_coverage(data, n, RUNS)
    assert not row.broken(), row


@pytest.mark.parametrize(
    "row",
    [
        lambda: calibration.cluster_coverage(0.1, 20, RUNS),
        lambda: calibration.statistic_coverage(20, RUNS),
        lambda: calibration.two_way_coverage(10, 19, RUNS),
        lambda: calibration.together_coverage(15, 6, 200),
    ],
    ids=["clusters", "statistic", "two ways", "together"],
)
def test_other_intervals_cover(row):
    assert not row().broken(), row()


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize(
    "data, turned",
    [
        (calibration.NORMAL, False),
        (calibration.LAPLACE, False),
        (calibration.EXPONENTIAL, True),
        (calibration.LOGNORMAL, True),
        (calibration.RARE, True),
        (calibration.CEILING, False),
        (calibration.paired(0.15, 0.15), False),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_tests_keep_their_level(data, turned, n):
    row = calibration.mean_errors(data, n, RUNS, turned=turned)
    assert not row.broken(), row


@pytest.mark.parametrize(
    "data, turned",
    [(calibration.NORMAL, False), (calibration.LOGNORMAL, True)],
    ids=["normal", "lognormal"],
)
def test_tables_keep_their_level(data, turned):
    row = calibration.mean_errors(data, 25, 100, turned=turned, cells=10)
    assert row.kind == "family-wise" and not row.broken(), row
    assert turned is (row.before > 0.3)


def test_ranks_keep_their_level_exactly():
    row = calibration.rank_errors(19, 4000)
    assert abs(row.share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_what_was_used_before_is_called_broken():
    rng = np.random.default_rng(0)
    values = (rng.random((10, RUNS)) < 0.1).astype(float)
    low, high = percentile_interval(bootstrap_weights(10, 1000, rng) @ values / 10)
    hits = int(((low <= 0.1) & (high >= 0.1)).sum())
    assert Row("coverage", "rate .1", 10, "percentile bootstrap", hits, RUNS).broken()
    before = calibration.mean_errors(calibration.LOGNORMAL, 25, RUNS, turned=True).before
    assert Row("type I", "lognormal", 25, "width", int(before * RUNS), RUNS).broken()


def test_a_method_at_its_limit_is_hardly_ever_called_broken():
    rng = np.random.default_rng(0)
    at_limit = rng.binomial(RUNS, 0.93, 3000)
    broken = [Row("coverage", "", 1, "", int(hits), RUNS).broken() for hits in at_limit]
    assert np.mean(broken) < 0.004
    assert Row("coverage", "", 1, "", int(0.85 * RUNS), RUNS).broken()
    assert Row("type I", "", 1, "", int(0.13 * RUNS), RUNS).broken()


def test_the_page_says_what_is_kept_and_what_is_not():
    table = [
        Row("coverage", "rate 0.1", 10, "Clopper-Pearson", 950, 1000),
        Row("coverage", "rare", 10, "bootstrap", 700, 1000, held=False, before=0.6),
        Row("type I", "odd", 10, "mean_p_value", 200, 1000),
    ]
    page = markdown(table)
    assert "| rate 0.1 | 10 | Clopper-Pearson | .950 [.935, .963] |  | kept |" in page
    assert "| .600 | best to be had |" in page and "**missed**" in page
