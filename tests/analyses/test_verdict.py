import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm, ttest_1samp

from analyses.verdict import add_verdict, best_cell, one_sided_p

HALF = norm.ppf(0.975)


def p_of(estimate: float, error: float, n: int) -> float:
    low, high = estimate - HALF * error, estimate + HALF * error
    arrays = (np.array(value) for value in (estimate, low, high))
    return float(one_sided_p(*arrays, n, 0.95))


def test_it_is_students_t():
    values = np.array([0.3, -0.1, 0.5, 0.2, 0.4, 0.1])
    error = values.std() / np.sqrt(len(values))  # what a bootstrap of the mean converges to
    expected = ttest_1samp(values, 0, alternative="greater").pvalue
    assert expected > 0.5**6, "not at the floor"
    assert p_of(values.mean(), error, len(values)) == pytest.approx(expected)


def test_few_levels_that_agree_are_no_certainty():
    assert p_of(0.5, 0.0, 3) == 0.125
    assert p_of(0.5, 1e-9, 3) == 0.125
    assert p_of(0.0, 0.0, 3) == p_of(-0.5, 0.0, 3) == 1


def test_without_an_interval_nothing_is_found():
    # One level has no spread between levels, whatever the estimate.
    assert np.isnan(p_of(0.5, np.nan, 1))
    ends = {name: ("site", [value]) for name, value in (("e", 0.5), ("e_low", np.nan))}
    data = xr.Dataset(ends | {"e_high": ("site", [np.nan])}, attrs={"confidence": 0.95})
    assert not bool(add_verdict(data, "e", ("site",), 1).found)


def table(**effects: list[float]) -> xr.Dataset:
    data = {}
    for name, values in effects.items():
        for end, shift in (("", 0.0), ("_low", -0.1), ("_high", 0.1)):
            data[name + end] = ("site", np.array(values) + shift)
    return xr.Dataset(data, attrs={"confidence": 0.95})


def test_a_conjunction_needs_both_in_the_same_cell():
    apart = add_verdict(table(a=[0.5, 0], b=[0, 0.5]), "a", ("site",), 50, and_also=("b",))
    assert not bool(apart.found) and (apart.p_value > 0.4).all()
    same = add_verdict(table(a=[0.5, 0], b=[0.5, 0]), "a", ("site",), 50, and_also=("b",))
    assert bool(same.found)


def test_the_best_cell_is_one_the_verdict_rests_on():
    effect = xr.DataArray([0.9, 0.3, 0.4], dims="site")
    assert best_cell(effect, xr.DataArray([0.2, 0.01, 0.01], dims="site")) == {"site": 2}
    assert best_cell(effect, xr.ones_like(effect)) == {"site": 0}
    assert best_cell(effect * np.nan, effect) is None
