import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from interp.probes import MultinomialProbe, RidgeProbe
from interp.probes.solver import fit_multinomial_many, solve_ridge, with_ones


def problem(n=3000, d=12, k=4, seed=0, skew=3.0):
    rng = np.random.default_rng(seed)
    y = rng.choice(k, size=n, p=np.r_[skew, np.ones(k - 1)] / (skew + k - 1))
    mixing = rng.normal(size=(d, d)) * np.logspace(0, -1.5, d)
    x = rng.normal(size=(n, d)) @ mixing.T + rng.normal(size=(k, d))[y] * 0.6 + rng.normal(size=d)
    return x.astype(np.float32), y


def objective(coef, intercept, x, y, penalty, weights=None):
    z = x.astype(np.float64) @ coef.T + intercept
    top = z.max(axis=1)
    loss = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[np.arange(len(y)), y]
    loss = loss if weights is None else loss * weights
    return loss.sum() + 0.5 * penalty * (coef**2).sum()


@pytest.mark.parametrize("n, d, k", [(300, 3, 3), (3000, 12, 4), (12_000, 40, 5), (900, 200, 3)])
@pytest.mark.parametrize("penalty", [0.1, 30.0])
def test_optimum_is_that_of_scikit_learn(n, d, k, penalty):
    x, y = problem(n, d, k)
    peer = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit(x.astype(np.float64), y)
    mine = MultinomialProbe(penalty, tol=1e-10).fit(x, y)
    best = objective(peer.coef_, peer.intercept_, x, y, penalty)
    assert objective(mine.coef_, mine.intercept_, x, y, penalty) <= best * (1 + 1e-5) + 1e-3
    probabilities = np.abs(mine.predict_proba(x) - peer.predict_proba(x.astype(np.float64)))
    assert probabilities.max() < 5e-3
    # At the default tolerance the labels are the same but for ties.
    default = MultinomialProbe(penalty).fit(x, y)
    assert np.mean(default.predict(x) == peer.predict(x)) > 0.997


def test_two_classes_have_scikit_learns_penalty():
    x, y = problem(400, 5, 2)
    peer = LogisticRegression(C=0.02, tol=1e-10).fit(x.astype(np.float64), y)
    mine = MultinomialProbe(50.0, tol=1e-12).fit(x, y)
    assert np.allclose(mine.coef_[1] - mine.coef_[0], peer.coef_[0], atol=1e-3)
    assert np.allclose(mine.decision_function(x), peer.decision_function(x), atol=5e-3)


def test_without_intercept():
    x, y = problem(1500, 6, 3)
    peer = LogisticRegression(fit_intercept=False, tol=1e-9).fit(x.astype(np.float64), y)
    mine = MultinomialProbe(fit_intercept=False, tol=1e-10).fit(x, y)
    assert not mine.intercept_.any()
    assert np.abs(mine.coef_ - peer.coef_).max() < 5e-3


def test_gradient_is_that_of_the_loss():
    from interp.probes.kernel import loss_and_gradient

    rng = np.random.default_rng(0)
    for k, d, n in ((2, 1, 1), (3, 2, 700), (5, 33, 1025), (9, 7, 40)):
        x = rng.normal(size=(n, d)).astype(np.float32)
        y = rng.integers(k, size=n).astype(np.int32)
        w = rng.normal(size=(k, d)) * 3
        for weights in (None, rng.random(n).astype(np.float32)):
            gradient = np.zeros((k, d))
            given = np.empty(0, np.float32) if weights is None else weights
            features = np.ascontiguousarray(x.T)
            loss = loss_and_gradient(w.astype(np.float32), features, y, given, gradient)
            assert loss == pytest.approx(objective(w, 0, x, y, 0, weights), rel=1e-5, abs=1e-5)
            step = rng.normal(size=w.shape) * 1e-5
            change = objective(w + step, 0, x, y, 0, weights) - objective(w, 0, x, y, 0, weights)
            scale = np.abs(gradient * step).sum()
            assert change == pytest.approx((gradient * step).sum(), abs=1e-3 * scale + 1e-9)


def test_logits_of_any_size_stay_finite():
    from interp.probes.kernel import loss_and_gradient

    gradient = np.zeros((2, 1))
    x, y = np.array([[1.0, 1.0]], np.float32), np.array([0, 1], np.int32)
    w = np.array([[500.0], [-500.0]], np.float32)
    loss = loss_and_gradient(w, x, y, np.empty(0, np.float32), gradient)
    assert loss == pytest.approx(1000) and np.allclose(gradient, [[1], [-1]])


def test_weights_of_zero_leave_rows_out():
    x, y = problem(2000, 6, 3)
    weights = (np.arange(2000) % 3 > 0).astype(np.float32)
    keep = weights > 0
    spoiled = np.where(keep, y, (y + 1) % 3)
    [[a]] = fit_multinomial_many([with_ones(x)], [spoiled], 3, weights=[weights], tol=1e-10)
    [[b]] = fit_multinomial_many([with_ones(x[keep])], [y[keep]], 3, tol=1e-10)
    assert np.abs(a.coef - b.coef).max() < 2e-3 and a.converged


def test_many_problems_are_the_single_ones_whatever_the_threads():
    x, y = problem(1500, 6, 3)
    other = np.roll(y, 7)
    features = [with_ones(x), with_ones(x[:, ::-1])]
    one = fit_multinomial_many(features, [y, other], 3, n_jobs=1)
    two = fit_multinomial_many(features, [y, other], 3, n_jobs=3)
    for i in range(2):
        for j in range(2):
            assert np.array_equal(one[i][j].coef, two[i][j].coef)
            [[alone]] = fit_multinomial_many([features[i]], [[y, other][j]], 3)
            assert np.array_equal(alone.coef, one[i][j].coef)


@pytest.mark.parametrize("scale, offset", [(1e-4, 0), (1e4, 0), (1, 3000), (1, 0)])
def test_units_of_the_features_do_not_matter(scale, offset):
    x, y = problem(2000, 5, 3)
    x = x.astype(np.float64)
    plain = MultinomialProbe(1e-6, tol=1e-9).fit(x, y)
    other = MultinomialProbe(1e-6 * scale**2, tol=1e-9).fit(x * scale + offset, y)
    gap = np.abs(plain.predict_proba(x) - other.predict_proba(x * scale + offset))
    assert gap.max() < 5e-3


def test_columns_that_say_nothing():
    x, y = problem(800, 4, 3)
    padded = np.concatenate([x, np.zeros((800, 2)), np.full((800, 1), 7.0), x[:, :1]], axis=1)
    probe = MultinomialProbe().fit(padded, y)
    assert np.isfinite(probe.coef_).all() and np.abs(probe.coef_[:, 4:6]).max() == 0
    assert probe.score(padded, y) == pytest.approx(
        MultinomialProbe().fit(x, y).score(x, y), abs=0.01
    )


def test_separable_data_stay_finite():
    x = np.repeat([[-1.0], [1.0]], 50, axis=0)
    probe = MultinomialProbe(1e-3).fit(x, np.repeat([0, 1], 50))
    assert np.isfinite(probe.coef_).all() and probe.score(x, np.repeat([0, 1], 50)) == 1


def test_ridge_is_scikit_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 7)) + 100
    y = x @ rng.normal(size=(7, 2)) + rng.normal(size=(300, 2))
    for alpha in (0.0, 1.0, 1e4):
        peer = Ridge(alpha).fit(x, y)
        mine = RidgeProbe(alpha).fit(x, y)
        assert np.allclose(mine.coef_, peer.coef_, atol=1e-7)
        assert np.allclose(mine.predict(x), peer.predict(x), atol=1e-6)
        assert np.allclose(RidgeProbe(alpha).fit(x, y[:, 0]).coef_, peer.coef_[0], atol=1e-7)


def test_ridge_by_hand():
    # x = (0, 2), y = (1, 5): centred x'x = 2, x'y = 4; penalty 2 halves the slope to 1.
    x, y = np.array([[0.0, 1], [2.0, 1]]), np.array([[1.0], [5.0]])
    assert np.allclose(solve_ridge(x.T @ x, x.T @ y, 2.0), [[1.0, 2.0]])
    assert np.allclose(solve_ridge(x.T @ x, x.T @ y, 0.0), [[2.0, 1.0]])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="2 classes"):
        MultinomialProbe().fit([[1.0], [2.0]], [1, 1])


@parametrize_with_checks([MultinomialProbe(), RidgeProbe()])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("penalty", [0.0, 1e-4])
def test_one_hot_features_with_a_weak_penalty(penalty):
    # They sum to the intercept's ones in every square: singular to the last digits of float32.
    rng = np.random.default_rng(0)
    tiles = rng.integers(7, size=(3000, 9))
    x = np.eye(7, dtype=np.float32)[tiles].reshape(3000, -1)
    y = (tiles[:, 4] == 3).astype(int) + (rng.random(3000) < 0.2)
    probe = MultinomialProbe(regularisation=penalty).fit(x, y)
    assert np.isfinite(probe.coef_).all()
    assert probe.score(x, y) > 0.75
