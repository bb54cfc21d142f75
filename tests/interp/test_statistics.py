import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import statistics as s
from interp.errors import InputError


def test_bootstrap_weights_are_resamples():
    w = s.bootstrap_weights(7, 500, 3)
    assert w.shape == (500, 7) and (w.sum(axis=1) == 7).all() and (w == np.round(w)).all()
    # The mean of a binomial(7, 1/7), 500 draws: standard error 0.041.
    assert np.abs(w.mean(axis=0) - 1).max() < 0.2
    assert np.array_equal(w, s.bootstrap_weights(7, 500, np.random.default_rng(3)))


def test_two_units_by_hand():
    # Resamples of (0, 1) have means 0, 1/2, 1 with chances 1/4, 1/2, 1/4.
    low, high = s.bootstrap_interval([0, 1], n_resamples=4000, confidence=0.4)[1:]
    assert (low, high) == (0.5, 0.5)
    low, high = s.bootstrap_interval([0, 1], n_resamples=4000, confidence=0.6)[1:]
    assert (low, high) == (0.0, 1.0)


def test_fast_path_agrees_with_a_statistic_passed_in():
    values = np.random.default_rng(0).normal(size=(40, 3))
    fast = s.bootstrap_interval(values, n_resamples=4000, rng=1)
    slow = s.bootstrap_interval(values, lambda v: v.mean(axis=0), n_resamples=4000, rng=2)
    assert np.allclose(fast.estimate, slow.estimate) and fast.low.shape == (3,)
    width = fast.high - fast.low
    assert np.all(np.abs(fast.low - slow.low) < 0.1 * width)
    assert np.all(np.abs(fast.high - slow.high) < 0.1 * width)


@pytest.mark.parametrize("kind", ["mean", "ratio", "paired"])
def test_coverage_of_the_bootstrap(kind):
    rng = np.random.default_rng(0)
    hits, n = 0, 400
    for i in range(n):
        size = rng.integers(1, 30, size=60)
        right = rng.binomial(size, 0.7)
        if kind == "ratio":
            low, high = s.ratio_interval(right, size, 300, 0.9, i)[1:]
            truth = 0.7
        elif kind == "mean":
            low, high = s.bootstrap_interval(rng.exponential(size=60), None, 300, 0.9, i)[1:]
            truth = 1.0
        else:
            shared = rng.normal(scale=10, size=60)
            a, b = shared + rng.normal(1.0, 1, 60), shared + rng.normal(0.5, 1, 60)
            low, high = s.paired_difference_interval(a, b, 300, 0.9, i)[1:]
            truth = 0.5
            assert high - low < 2  # unpaired it would be about 6 wide
        hits += low <= truth <= high
    # 90 % aimed at; the binomial's standard error is 1.5 points, skew costs a few more.
    assert 0.84 <= hits / n <= 0.95


def test_one_unit_says_nothing_about_spread():
    result = s.ratio_interval([3], [4])
    assert result.estimate == 0.75 and np.isnan(result.low) and np.isnan(result.high)
    assert np.isnan(s.bootstrap_interval([3.0], np.median).low)


def test_ratio_of_sums_is_not_the_mean_of_ratios():
    result = s.ratio_interval([1, 90], [10, 100])
    assert result.estimate == pytest.approx(91 / 110)
    assert np.isnan(s.ratio_interval([0, 0], [0, 0]).estimate)


def test_percentiles_leave_out_undefined_replicates():
    replicates = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = s.percentile_interval(replicates, 0.5)
    assert (low[0], high[0]) == (1.5, 2.5) and np.isnan(low[1]) and np.isnan(high[1])


def test_sign_flip_by_hand():
    # Patterns of (±1 ±2 ±4)/3 at least 7/3 in size: two of eight; at least as large: one.
    assert s.sign_flip_test([1, 2, 4]).p_value == 2 / 8
    assert s.sign_flip_test([1, 2, 4], alternative="greater").p_value == 1 / 8
    assert s.sign_flip_test([1, 2, 4], alternative="less").p_value == 1
    # Sums of at least 5 in size of ±1 ±2 ±4, to see what (-1, 2, 4) gives: 7, 5, -5, -7.
    assert s.sign_flip_test([-1, 2, 4]).p_value == 4 / 8
    assert s.sign_flip_test([0, 0]).p_value == 1


def test_permutation_by_hand_and_sampled():
    # Of the 6 ways to pick 2 of (1, 2, 3, 4), {3, 4} and {1, 2} are the most extreme.
    assert s.permutation_test([3, 4], [1, 2]).p_value == pytest.approx(2 / 6)
    assert s.permutation_test([3, 4], [1, 2], alternative="greater").p_value == pytest.approx(1 / 6)
    a, b = np.arange(6.0), np.arange(6.0) + 1.5
    exact = s.permutation_test(a, b).p_value
    sampled = s.permutation_test(a, b, n_permutations=900, rng=1).p_value
    assert abs(exact - sampled) < 0.06
    differences = np.arange(13.0) - 4
    assert (
        abs(
            s.sign_flip_test(differences, 10_000).p_value
            - s.sign_flip_test(differences, 5000).p_value
        )
        < 0.03
    )


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(5)
    p = [s.sign_flip_test(rng.normal(size=10), 500, rng=i).p_value for i in range(400)]
    q = [
        s.permutation_test(rng.normal(size=8), rng.normal(size=9), 200, rng=i).p_value
        for i in range(400)
    ]
    for values in (p, q):
        assert abs(np.mean(np.array(values) <= 0.2) - 0.2) < 0.06
        assert min(values) > 0


def test_corrections_by_hand():
    p = [0.005, 0.04, 0.011, 0.5]
    # Holm: 4 × .005, 3 × .011, 2 × .04, 1 × .5
    assert np.allclose(s.holm(p), [0.02, 0.08, 0.033, 0.5])
    # BH: .005 × 4, .011 × 2, .04 × 4/3, .5, made monotone from the largest down
    assert np.allclose(s.benjamini_hochberg(p), [0.02, 0.04 * 4 / 3, 0.022, 0.5])
    assert s.holm([[0.5, 0.9]]).shape == (1, 2) and s.holm([0.5, 0.9]).max() == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(deadline=None)
def test_corrections_keep_the_order_and_only_grow(p):
    p = np.array(p)
    for adjusted in (s.holm(p), s.benjamini_hochberg(p)):
        assert (adjusted >= p - 1e-15).all() and (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (s.holm(p) >= s.benjamini_hochberg(p) - 1e-12).all()


def test_wilson_by_hand_and_at_the_ends():
    # 8 of 10 at z = 1.96: centre (.8 + .19207)/(1.38415), half-width by the formula.
    estimate, low, high = s.wilson_interval(8, 10)
    assert (estimate, round(float(low), 4), round(float(high), 4)) == (0.8, 0.4902, 0.9433)
    _, low, high = s.wilson_interval([0, 5], [5, 5])
    assert low[0] == 0 and high[1] == 1 and 0 < high[0] < 1 and low[1] == pytest.approx(1 - high[0])


def test_selectivity_is_paired():
    result = s.selectivity([0.9, 0.8, 0.7], [0.4, 0.3, 0.2])
    assert result.estimate == pytest.approx(0.5) and result.low == pytest.approx(0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: s.bootstrap_interval([]),
        lambda: s.bootstrap_interval([1.0, np.nan]),
        lambda: s.bootstrap_interval([1.0, 2.0], confidence=1.0),
        lambda: s.ratio_interval([1, 2], [1, 2, 3]),
        lambda: s.paired_difference_interval([1, 2], [1]),
        lambda: s.sign_flip_test([[1.0]]),
        lambda: s.sign_flip_test([1.0], alternative="bigger"),
        lambda: s.holm([1.2]),
        lambda: s.wilson_interval(3, 2),
        lambda: s.bootstrap_weights(0),
    ],
)
def test_bad_arguments_are_named(call):
    with pytest.raises(InputError):
        call()


def test_sign_test_is_mcnemars_exact_test():
    from scipy.stats import binomtest

    rng = np.random.default_rng(0)
    d = rng.choice([-1, 0, 1], p=[0.1, 0.6, 0.3], size=(40, 3))
    expected = [
        binomtest(int((c > 0).sum()), int((c != 0).sum()), alternative="greater").pvalue
        for c in d.T
    ]
    assert s.sign_test(d) == pytest.approx(expected)
    assert s.sign_test(np.zeros((5, 2))).tolist() == [1, 1]
