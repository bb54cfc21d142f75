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


def test_twenty_of_twenty_is_no_certainty():
    # Clopper and Pearson: none of n failed, so p is at least (α/2)^(1/n).
    every = s.mean_interval(np.ones(20), bounds=s.RATE)
    assert every.low == pytest.approx(0.025 ** (1 / 20)) and every.high == 1
    assert every.method == "Clopper-Pearson" and every.warnings == ()
    # Equal scores that are no rate: Gaffke's bound of one more unit at 0, the same formula.
    scores = s.mean_interval(np.full(20, 0.5), bounds=s.RATE)
    assert scores.low == pytest.approx(0.5 * 0.025 ** (1 / 20))
    assert scores.high == pytest.approx(1 - scores.low)


def test_a_rate_by_hand():
    # 1 of 3: P(at least 1 | low) = 1 − (1 − low)³ = .025; P(at most 1 | high) = .025.
    estimate, low, high = s.rate_interval(1, 3)
    assert low == pytest.approx(1 - 0.975 ** (1 / 3)) and estimate == pytest.approx(1 / 3)
    assert (1 - high) ** 3 + 3 * high * (1 - high) ** 2 == pytest.approx(0.025)
    assert s.rate_interval([0, 3], 3).low.tolist()[0] == 0
    assert s.rate_interval(1, 3).warnings == ("Only 3 units: the interval is a rough guide.",)


def test_each_cell_by_what_it_holds():
    values = np.array(
        [[1, 1, 0.5], [0, 1, 0.2], [1, 1, 0.9], [1, 1, 0.4], [0, 1, 0.6], [1, 1, 0.1]]
    )
    found = s.mean_interval(values, bounds=s.RATE)
    assert [found.low[0], found.high[0]] == pytest.approx(
        [float(end) for end in s.rate_interval(4, 6)[1:]]
    )
    assert found.low[2] < values[:, 2].mean() - values[:, 2].std(ddof=1)  # Student's t: 2.57 errors
    assert "Clopper-Pearson; studentised" in found.method


def test_paired_rates_by_hand():
    # 3 came, 1 went, of 10: p = 4/12, q = 2/12; 1/6 ± 1.96 √((1/2 − 1/36) / 12).
    low, high = s.mean_interval([1] * 3 + [-1] + [0] * 6, bounds=s.DIFFERENCE)[1:]
    half = 1.959964 * np.sqrt((1 / 2 - 1 / 36) / 12)
    assert [low, high] == pytest.approx([1 / 6 - half, 1 / 6 + half], abs=1e-6)


def test_no_narrower_than_students_t_and_wider_where_skewed():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=30), rng.lognormal(size=30)], axis=1)
    found, t = s.mean_interval(values), ttest_1samp(values, 0).confidence_interval()
    assert (found.low <= t.low + 1e-12).all() and (found.high >= t.high - 1e-12).all()
    assert found.high[1] - t.high[1] > 0.1 * (t.high[1] - t.low[1]), "a long tail above"
    assert len(found.warnings) == 1 and "in 1 of 2 cells" in found.warnings[0]


def test_intervals_that_hold_together_are_wider():
    values = np.random.default_rng(0).normal(size=(30, 8))
    alone, together = s.mean_interval(values), s.mean_interval(values, together=True)
    assert (together.low < alone.low).all() and (together.high > alone.high).all()
    # Bonferroni's t of 8 cells is the widest that the largest |t| of independent ones can ask for.
    from scipy.stats import t

    widest = t.isf(0.025 / 8, 29) * values.std(axis=0, ddof=1) / np.sqrt(30)
    assert (together.high - values.mean(axis=0) < 1.1 * widest).all()


def test_one_unit_says_nothing_about_spread():
    result = s.ratio_interval([3], [4])
    assert result.estimate == 0.75 and np.isnan(result.low) and np.isnan(result.high)
    assert np.isnan(s.mean_interval([3.0]).low)


def test_ratio_of_sums_is_not_the_mean_of_ratios():
    result = s.ratio_interval([1, 90], [10, 100])
    assert result.estimate == pytest.approx(91 / 110)
    assert np.isnan(s.ratio_interval([0, 0], [0, 0]).estimate)


def test_pseudo_values_of_a_mean_are_the_units():
    values = np.random.default_rng(0).normal(size=(7, 2))
    weights = s.leave_one_out(7)
    rows = s.resampled_sums(weights, values) / weights.sum(axis=1)[:, None]
    assert s.pseudo_values(rows) == pytest.approx(values)
    assert np.allclose(s.statistic_interval(rows, rng=3), s.mean_interval(values, rng=3))
    assert s.statistic_p_value(rows, rng=3) == pytest.approx(s.mean_p_value(values, rng=3))


def test_the_weakest_of_several_margins():
    low = s.weakest(
        s.Interval([[0.5, 0.1], [0.2, 0.4]], [[0.4, 0], [0, 0.3]], [[0.6, 0.2], [0.4, 0.5]])
    )
    assert low.estimate.tolist() == [0.2, 0.1] and low.low.tolist() == [0, 0]
    assert low.high.tolist() == [0.4, 0.2]


def test_difference_of_independent_rates_by_hand():
    # Newcombe: 5 of 5 against 0 of 5; each exact interval reaches 1 − .025^(1/5) = .5218 inwards.
    far = 1 - 0.025 ** (1 / 5)
    estimate, low, high = s.difference_interval(np.ones(5), np.zeros(5), bounds=s.RATE)
    assert estimate == 1 and high == 1 and low == pytest.approx(1 - np.hypot(far, far))


def test_two_way_interval_counts_the_draws():
    # Units agree, draws of the control do not: their spread alone makes the width.
    controls = np.array([0.0, 0.2, 0.4])[:, None] * np.ones((3, 50))
    found = s.two_way_interval(np.full(50, 0.6), controls)
    half = 4.302653 * 0.2 / np.sqrt(3)
    assert [float(end) for end in found] == pytest.approx([0.4, 0.4 - half, 0.4 + half], abs=1e-6)
    assert "3 draws" in " ".join(found.warnings)
    missing = np.vstack([controls, np.full((1, 50), np.nan)])
    assert np.allclose(s.two_way_interval(np.full(50, 0.6), missing), found)
    # Both sides drawn: their variances add.
    both = s.two_way_interval(0.6 + controls, controls)
    assert both.estimate == pytest.approx(0.6)
    assert both.high - 0.6 == pytest.approx(2.776445 * 0.2 * np.sqrt(2 / 3), abs=1e-6)
    one = s.two_way_interval([0.1, 0.2, 0.4, 0.2, 0.3], np.zeros((1, 5)))
    assert "1 draw:" in " ".join(one.warnings) and one.low > 0
    assert np.isnan(s.two_way_interval([0.6], controls[:, :1]).low)


def test_rank_p_values_by_hand():
    draws = np.array([[0.1, 0.5], [0.3, 0.5], [0.2, np.nan]])
    assert s.rank_p_value([0.4, 0.5], draws).tolist() == [1 / 4, 3 / 3]
    assert np.isnan(s.rank_p_value(np.nan, [0.1]))


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
    assert "equal" in " ".join(result.warnings)


def test_a_mean_of_signs_is_counted():
    values = np.array([1, 1, 1, 0, 1, -1.0])
    # At least 4 of the 5 that differ: (5 + 1) / 32.
    assert s.mean_p_value(values, bounds=s.DIFFERENCE) == 6 / 32
    assert s.mean_p_value(values, "less", bounds=s.DIFFERENCE) == 31 / 32
    assert s.mean_p_value(values, "two-sided", bounds=s.DIFFERENCE) == 12 / 32


def test_equal_units_test_nothing_unless_bounds_are_known():
    same = np.full(12, 0.3)
    assert s.mean_p_value(same) == 1
    # Dirichlet: the thirteenth unit, at −0.6, has a weight above 1/3 with chance (2/3)^12.
    assert s.mean_p_value(same, bounds=s.DIFFERENCE) == pytest.approx((2 / 3) ** 12, rel=0.05)
    assert s.mean_p_value(-same, bounds=s.DIFFERENCE) == s.mean_p_value([0.3]) == 1


def test_p_values_near_students_where_nothing_is_odd():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(1)
    values = rng.normal(size=(80, 200)) + 0.3
    ours, t = s.mean_p_value(values), ttest_1samp(values, 0, alternative="greater").pvalue
    assert (np.median(ours / t) > 0.8) and (np.median(ours / t) < 1.6)
    assert (ours > 0).all() and ours.min() < 1e-4, "tails go on beyond the resamples"


def test_an_unseen_unit_by_hand():
    from interp.statistics.studentised import unseen

    # Units all 1 and one unseen at −2: its Dirichlet weight must exceed 1/3.
    for n in (3, 10, 60):
        p = unseen(np.ones((n, 1)), 2.0)
        assert p[0] == pytest.approx((2 / 3) ** n, rel=0.06)
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, (8, 3))
    weights = rng.exponential(size=(200_000, 9))
    worst = -np.abs(values).max(axis=0)
    drawn = (weights @ np.vstack([values, worst]) <= 0).mean(axis=0)
    assert unseen(values, 1.0) == pytest.approx(drawn, abs=0.01)
    assert unseen(values, 9.0, (-0.01, 9)) == pytest.approx(
        (weights @ np.vstack([values, np.full(3, -0.01)]) <= 0).mean(axis=0), abs=0.01
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: s.mean_interval([]),
        lambda: s.mean_interval([1.0, np.nan]),
        lambda: s.mean_interval([1.0, 2.0], confidence=1.0),
        lambda: s.ratio_interval([1, 2], [1, 2, 3]),
        lambda: s.paired_difference_interval([1, 2], [1]),
        lambda: s.sign_flip_test([[1.0]]),
        lambda: s.sign_flip_test([1.0], alternative="bigger"),
        lambda: s.holm([1.2]),
        lambda: s.wilson_interval(3, 2),
        lambda: s.bootstrap_weights(0),
        lambda: s.mean_interval([0.5, 2.0], bounds=s.RATE),
        lambda: s.mean_interval([0.5, 2.0], bounds=(1, 0)),
        lambda: s.mean_p_value([1.0], "bigger"),
        lambda: s.permutation_test([1.0], [2.0], alternative="bigger"),
        lambda: s.rank_p_value([1.0, 2.0], [1.0]),
        lambda: s.two_way_interval([1.0, 2.0], [[1.0]]),
        lambda: s.statistic_interval(np.ones(1)),
        lambda: s.leave_one_out(0),
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
