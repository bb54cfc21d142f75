"""Soft values, inverse reinforcement learning and identifiability, on problems solved by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from interp.decisions.identifiability import identifiability
from interp.decisions.inverse_rl import (
    Demonstrations,
    bootstrap_fit,
    fit_from,
    fit_weights,
    held_out,
    reactive_held_out,
)
from interp.decisions.mdp import TabularMDP, join
from interp.decisions.soft_values import solve
from interp.errors import InputError
from interp.statistics import bootstrap_weights

LEFT, RIGHT = 0, 1


def chain(left: list[float], right: list[float], n: int = 5, start: int = 2) -> TabularMDP:
    """A corridor of `n` squares between two goals with the given features; states n, n + 1 are over."""
    following = np.array([[i - 1, i + 1] for i in range(n)] + [[n, n], [n + 1, n + 1]])
    following[0, LEFT], following[n - 1, RIGHT] = n, n + 1
    features = np.zeros((n + 2, 2, len(left)))
    features[0, LEFT], features[n - 1, RIGHT] = left, right
    terminal = np.arange(n + 2) >= n
    return TabularMDP(following, features, terminal, tuple("abcd"[: len(left)]), start)


def rollouts(mdp: TabularMDP, weights: list[float], n: int, seed: int = 0) -> list[np.ndarray]:
    """Let the soft-optimal agent act, for at most 60 steps."""
    policy, rng = solve(mdp, weights).policy, np.random.default_rng(seed)
    episodes = []
    for _ in range(n):
        state, actions = mdp.start, []
        while not mdp.terminal[state] and len(actions) < 60:
            actions.append(int(rng.random() < policy[state, RIGHT]))
            state = mdp.next_state[state, actions[-1]]
        episodes.append(np.array(actions, int))
    return episodes


def test_one_square_by_hand():
    # A corridor of one square: V = log((exp(w₁) + exp(w₂)) / 2), whatever the discount.
    solution = solve(chain([1, 0], [0, 1], n=1, start=0), [np.log(3), np.log(5)], 0.7)
    assert solution.value[0] == pytest.approx(np.log(4))
    assert solution.policy[0] == pytest.approx([3 / 8, 5 / 8])
    assert solution.counts[0] == pytest.approx([3 / 8, 5 / 8])


def test_two_squares_by_hand():
    # Only the right end pays w. With u = exp(γ V₁), v = exp(γ V₀):
    # exp V₀ = (1 + u) / 2 and exp V₁ = (v + exp w) / 2.
    w, discount = 2.0, 0.9
    value = solve(chain([0.0], [1.0], n=2, start=0), [w], discount).value
    assert np.exp(value[0]) == pytest.approx((1 + np.exp(discount * value[1])) / 2)
    assert np.exp(value[1]) == pytest.approx((np.exp(discount * value[0]) + np.exp(w)) / 2)


def test_no_reward_is_a_random_walk_worth_nothing():
    solution = solve(chain([1, 0], [0, 1]), [0, 0])
    assert np.abs(solution.value).max() < 1e-12 and np.allclose(solution.policy, 0.5)


def test_values_are_a_fixed_point_and_counts_their_derivative():
    mdp, weights, discount = chain([1, 0.5], [0, 1]), np.array([30.0, -4.0]), 0.95
    solution = solve(mdp, weights, discount)
    q = mdp.features @ weights + discount * solution.value[mdp.next_state]
    backed_up = np.log(np.exp(q - 50).mean(axis=1)) + 50
    assert solution.value[~mdp.terminal] == pytest.approx(backed_up[~mdp.terminal], abs=1e-8)
    for f in range(2):
        step = np.eye(2)[f] * 1e-4
        up, down = (solve(mdp, weights + s, discount).value for s in (step, -step))
        assert solution.counts[:, f] == pytest.approx((up - down) / 2e-4, abs=1e-6)


def test_a_potential_changes_no_policy():
    mdp, discount = chain([1], [0]), 0.9
    potential = np.random.default_rng(0).normal(size=mdp.n_states) * ~mdp.terminal
    shaping = discount * potential[mdp.next_state] - potential[:, None]
    both = TabularMDP(
        mdp.next_state,
        np.concatenate([mdp.features, shaping[..., None]], axis=-1),
        mdp.terminal,
        ("a", "shaping"),
        mdp.start,
    )
    plain, shaped = solve(both, [5, 0], discount).policy, solve(both, [5, 3], discount).policy
    assert plain == pytest.approx(shaped, abs=1e-9)
    report = identifiability(both, discount)
    assert report.groups == ((0,), (1,)) and report.identified.tolist() == [True, False]


def test_known_weights_are_recovered():
    mdp, weights = chain([1, 0], [0, 1]), np.array([19.0, 20.0])
    fit = fit_weights(Demonstrations([mdp] * 400, rollouts(mdp, list(weights), 400)), lapse=0)
    error = np.sqrt(np.diag(fit.covariance))
    assert fit.converged and (np.abs(fit.weights - weights) < 3 * error).all()
    assert (error < 3).all()


def test_the_fit_is_the_optimum():
    mdp = chain([1, 0], [0, 1])
    shown = Demonstrations([mdp] * 30, rollouts(mdp, [9.0, 10.0], 30))
    options = {"prior_std": 5.0, "discount": 0.95, "lapse": 0.1}

    def cost(w):
        policy = 0.9 * solve(mdp, w, 0.95).policy + 0.1 / 2
        return w @ w / 50 - np.log(policy[shown.state, shown.action]).sum()

    best = minimize(cost, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    fit = fit_weights(shown, **options, tolerance=1e-9)
    assert fit.weights == pytest.approx(best.x, abs=1e-3)
    twice = fit_weights(shown, **options, episode_weights=np.full(30, 2.0))
    assert not np.allclose(twice.weights, fit.weights, rtol=1e-3), "the prior counts half as much"
    without = fit_weights(shown, **options, dropped=[0])
    assert without.weights[0] == 0 and without.log_likelihood.sum() < fit.log_likelihood.sum()


def test_scores_are_derivatives_of_the_likelihood():
    mdp = chain([1, 0], [0, 1])
    shown = Demonstrations([mdp] * 5, rollouts(mdp, [3.0, 9.0], 5))
    fit = fit_weights(shown, prior_std=3.0, lapse=0.2)
    for f in range(2):
        step = np.eye(2)[f] * 1e-4
        up, down = (
            shown.per_episode(
                np.log(0.8 * solve(mdp, fit.weights + s).policy + 0.1)[shown.state, shown.action]
            )
            for s in (step, -step)
        )
        assert fit.score[:, f] == pytest.approx((up - down) / 2e-4, abs=1e-5)


def test_the_one_step_bootstrap_is_close_to_refitting():
    mdp = chain([1, 0], [0, 1])
    shown = Demonstrations([mdp] * 150, rollouts(mdp, [12.0, 13.0], 150))
    fit = fit_weights(shown)
    drawn = bootstrap_weights(150, 30, 0)
    quick = bootstrap_fit(fit, drawn)
    slow = np.array(
        [fit_weights(shown, episode_weights=w, initial=fit.weights).weights for w in drawn]
    )
    assert np.median(np.abs(quick - slow)) < 0.2 * slow.std(axis=0).min()
    assert quick.std(axis=0) == pytest.approx(slow.std(axis=0), rel=0.3)


def test_behaviour_without_an_objective_gives_no_weight():
    mdp = chain([1, 0], [0, 1])
    shown = Demonstrations([mdp] * 200, rollouts(mdp, [0.0, 0.0], 200))
    fit = fit_weights(shown)
    assert (np.abs(fit.weights) < 3 * np.sqrt(np.diag(fit.covariance))).all()
    fold = np.arange(200) % 4
    chance = -np.log(2) * shown.per_episode(shown.first)
    assert held_out(shown, fold).sum() < chance.sum() + 2
    assert abs((reactive_held_out(shown, fold) - chance).sum()) < 5


def test_the_best_start_wins_where_lapses_make_several_optima():
    mdp = chain([1, 0], [0, 1])
    shown = Demonstrations([mdp] * 40, rollouts(mdp, [9.0, 10.0], 40))
    starts = [None, np.array([150.0, -150.0]), np.array([-150.0, 150.0])]
    best = fit_from(shown, starts)
    assert best.log_posterior == max(fit_weights(shown, initial=s).log_posterior for s in starts)


def test_only_the_first_step_from_a_state_is_scored():
    mdp = chain([1, 0], [0, 1])  # starts in square 2
    shown = Demonstrations([mdp] * 8, [np.array([RIGHT, LEFT, RIGHT, RIGHT, RIGHT])] * 8)
    assert shown.first.reshape(8, 5)[0].tolist() == [True, True, False, False, True]
    chosen = shown.action[shown.first].reshape(8, 3)
    share = (chosen[2:] == RIGHT).sum() + 1, (chosen[2:] == LEFT).sum() + 1
    right, left = 0.95 * np.array(share) / sum(share) + 0.05 / 2
    found = reactive_held_out(shown, np.arange(8) // 2)
    assert found == pytest.approx([np.log(right * left * right)] * 8)


def test_held_out_behaviour_is_predicted_by_what_drives_it():
    mdp = chain([1, 0], [0, 1], n=7, start=3)
    shown = Demonstrations([mdp] * 40, rollouts(mdp, [0.0, 60.0], 40))
    fold = np.arange(40) % 4
    full, without = held_out(shown, fold), held_out(shown, fold, dropped=[1])
    assert full.sum() > without.sum() + 20
    assert full.sum() > held_out(shown, fold, dropped=[0]).sum() - 2, "it does not need the other"


def test_a_reactive_agent_is_explained_by_reflexes():
    # Always right: in corridors whose goals lie left as often as right this is no objective.
    mdps = [chain([1, 0], [0, 1]) if i % 2 else chain([0, 1], [1, 0]) for i in range(40)]
    shown = Demonstrations(mdps, [np.array([RIGHT] * 3)] * 40)
    fold = np.arange(40) // 10
    assert reactive_held_out(shown, fold).sum() > held_out(shown, fold).sum() + 10
    # Both goals are reached as often: what is found is haste, the same for both.
    weights = fit_weights(shown).weights
    assert weights[0] == pytest.approx(weights[1], abs=1e-3)


@pytest.mark.parametrize(
    ("left", "right", "groups", "identified", "a_from_b"),
    [
        ([1, 0], [0, 1], ["a", "b"], [True, True], True),
        ([1, 1], [0, 0], ["a = b"], [True], False),
        ([1, 0], [0, 0], ["a", "b"], [True, False], False),  # b never occurs
        ([1, 2], [0, 0], ["a = b"], [False], False),  # tied, but it is not their plain sum
        ([1, 0, 1], [0, 1, 1], ["a = b = c"], [False], True),  # c is a or b: their level is lost
    ],
)
def test_what_could_be_told_apart(left, right, groups, identified, a_from_b):
    report = identifiability(chain(left, right))
    assert report.group_names == groups and report.identified.tolist() == identified
    assert report.told_apart("a", "b") == a_from_b
    for direction in report.directions[report.null]:
        mdp = chain(left, right)
        weights = np.arange(1.0, len(left) + 1)
        moved = solve(mdp, weights + 5 * direction).policy
        assert solve(mdp, weights).policy == pytest.approx(moved, abs=1e-7)


def test_a_few_decorrelated_problems_tell_apart_what_the_others_cannot():
    tied, apart = chain([1, 1], [0, 0]), chain([1, 0], [0, 1])
    assert not identifiability([tied] * 3).told_apart("a", "b")
    assert identifiability([tied] * 30 + [apart]).told_apart("a", "b")


def test_joining_keeps_problems_apart():
    one, other = chain([1, 0], [0, 1]), chain([0, 0], [1, 0], n=3, start=1)
    both, offset = join([one, other])
    weights = [7.0, 3.0]
    values = np.concatenate([solve(one, weights).value, solve(other, weights).value])
    assert offset.tolist() == [0, 7] and solve(both, weights).value == pytest.approx(values)


def test_typed_errors():
    mdp = chain([1, 0], [0, 1])
    with pytest.raises(InputError, match="Episode 1: The task is over after 3 steps"):
        Demonstrations([mdp] * 2, [np.array([1, 1]), np.array([1, 1, 1, 1])])
    with pytest.raises(InputError, match="Actions are 0 to 1"):
        Demonstrations([mdp], [np.array([2])])
    with pytest.raises(InputError, match="cannot be joined"):
        join([mdp, chain([1], [0])])
    with pytest.raises(InputError, match="names another"):
        TabularMDP([[0, 9]], np.zeros((1, 2, 1)), [False], ("a",))
    with pytest.raises(InputError, match="do not go with"):
        TabularMDP([[0, 0]], np.zeros((1, 2, 1)), [False], ("a", "b"))
    with pytest.raises(InputError, match="not finite"):
        TabularMDP([[0, 0]], np.full((1, 2, 1), np.nan), [False], ("a",))
    with pytest.raises(InputError, match="discount"):
        solve(mdp, [0, 0], 1.0)
    with pytest.raises(InputError, match="weights"):
        solve(mdp, [0])
    with pytest.raises(InputError, match="no steps"):
        Demonstrations([mdp], [np.array([], int)])
    with pytest.raises(InputError, match="prior_std"):
        fit_weights(Demonstrations([mdp], [np.array([1])]), prior_std=0)
