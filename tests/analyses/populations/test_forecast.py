from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analyses.populations.forecast import FORECASTS, forecast, forecasts_of, plot_forecast
from analyses.populations.forecast_scores import (
    auroc,
    compare,
    compare_scores,
    held_out_models,
    rank_correlation,
    ridge_weights,
)
from analyses.populations.population import population_behaviour
from analyses.populations.population_traits import population_traits
from interp.errors import InputError, UnknownNameError
from tests.analyses.objectives.choosers import Chooser

OPTIONS = {"n_bootstrap": 300, "n_permutations": 499}


def population(n_seeds=10, link=1.0, seed=0):
    """Agents whose one internal trait is linked to what they pursue, or not."""
    rng = np.random.default_rng(seed)
    rows = [(c, s) for c in (1.0, 0.95, 0.9) for s in range(n_seeds)]
    n = len(rows)
    inner = rng.normal(size=n)
    mixed = link * inner + (1 - link) * rng.normal(size=n)
    pursued = 1 / (1 + np.exp(-4 * mixed))
    names = [f"pop/good-c{100 * c:.0f}-s{s}" for c, s in rows]
    coords = {
        "agent": names,
        "correlation": ("agent", [c for c, _ in rows]),
        "paid": ("agent", np.array(["good"] * n, dtype=object)),
        "network": ("agent", np.array(["chooser"] * n, dtype=object)),
        "training_seed": ("agent", [s for _, s in rows]),
        "trained": ("agent", np.ones(n, bool)),
    }
    kinds = ["slopes", "removals", "moves", "weights", "behaviour", "reward", "setup"]
    trait = np.column_stack([inner, *rng.normal(size=(5, n)), [c for c, _ in rows]])
    traits = xr.Dataset(
        {
            "trait": (("agent", "trait_name"), trait),
            "preference": ("agent", np.tanh(inner)),
        },
        {
            **coords,
            "trait_name": list("abcdefg"),
            "kind": ("trait_name", np.array(kinds, dtype=object)),
        },
    )
    behaviour = xr.Dataset(
        {
            "pursued": ("agent", pursued),
            "pursued_low": ("agent", pursued - 0.05),
            "pursued_high": ("agent", pursued + 0.05),
            "decided": ("agent", np.abs(pursued - 0.5) > 0.05),
        },
        {**coords, "objective": ["good", "shiny"]},
        {"base": "good", "proxy": "shiny"},
    )
    return traits, behaviour


def test_a_planted_link_is_found():
    result = forecast(*population(), **OPTIONS)
    good = result.sel(forecast=["internals", "preference"])
    assert (good.auroc > 0.95).all() and (good.rank_correlation > 0.9).all()
    assert (good.permutation_p.sel(scope="all") <= 0.02).all()
    assert result.found.sel(internal=["internals", "preference"], scope="all").all()
    assert not result.found.sel(internal="weights").any()
    assert (result.auroc.sel(forecast="chance") == 0.5).all()
    assert ((result.auroc_low <= result.auroc) & (result.auroc <= result.auroc_high)).all()


@pytest.mark.parametrize("seed", range(3))
def test_internals_without_a_link_are_not_found(seed):
    result = forecast(*population(link=0.0, seed=seed), **OPTIONS)
    assert not result.found.any()
    assert result.permutation_p.sel(forecast="preference", scope="all").min() > 0.01


def test_agents_known_by_construction_are_forecast_from_their_own_responses():
    rng = np.random.default_rng(0)
    # What one of two objects is worth to an agent; the other is worth the rest of 2.2.
    more = np.linspace(1.5, 2.0, 10)
    worths = [pair for w in more for pair in ((w, 2.2 - w), (2.2 - w, w))]
    agents = [
        Chooser(f"pop/good-c{c:.0f}-s{s}", *rng.normal(worth, 0.05), correlation=c / 100)
        for c in (100, 95, 90)
        for s, worth in enumerate(worths)
    ]
    behaviour = population_behaviour(agents, n=30, progress=False)
    traits = population_traits(agents, n=30, n_bootstrap=20, progress=False)
    result = forecast(traits, behaviour, **OPTIONS)
    assert result.n_agents.sel(scope="all") == 60 and result.n_base.sel(scope="all") == 30
    assert (result.auroc.sel(forecast=["internals", "preference"]) == 1).all()
    assert result.found.sel(internal="preference", scope="all").item()


@pytest.mark.parametrize("scheme", ["seeds", "training distributions"])
def test_labels_of_a_held_out_group_never_enter_its_forecast(scheme):
    traits, behaviour = population()
    before = forecast(traits, behaviour, **OPTIONS)
    group = behaviour.training_seed == 3 if scheme == "seeds" else behaviour.correlation == 0.95
    changed = behaviour.copy(deep=True)
    changed["pursued"] = xr.where(group, 1 - behaviour.pursued, behaviour.pursued)
    after = forecast(traits, changed, **OPTIONS)
    fitted = [name for name in FORECASTS if name not in ("chance", "preference")]
    scores = [r.score.sel(forecast=fitted, scheme=scheme).values for r in (before, after)]
    held = group.values
    assert (scores[0][:, held] == scores[1][:, held]).all()
    assert not np.allclose(scores[0][:, ~held], scores[1][:, ~held])


def test_every_pair_is_compared_once_by_a_model_without_either_group():
    group = np.array([0, 0, 1, 1, 2, 3, 3])
    traits = np.random.default_rng(0).normal(size=(7, 2))
    seen = np.zeros((7, 7), int)
    for model in held_out_models(traits, group, 0.1):
        a, b = (model.rows[position] for position in model.pairs)
        seen[a, b] += 1
        assert not set(group[model.rows]) & set(group[model.train])
    assert (seen + seen.T == 1 - np.eye(7, dtype=int)).all()
    assert held_out_models(traits, np.array([0, 0, 0, 1, 1, 1, 1]), 0.1) == []


def test_traits_that_say_nothing_rank_at_chance_not_below():
    rng = np.random.default_rng(1)
    areas = []
    for _ in range(40):
        target = rng.normal(size=16)
        wins = compare(held_out_models(rng.normal(size=(16, 1)), np.arange(16), 0.1), target).wins
        areas.append(auroc(wins, np.asarray(target > 0), np.ones((1, 16)))[0])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.12)
    constant = compare(held_out_models(np.ones((16, 1)), np.arange(16), 0.1), target).wins
    assert auroc(constant, np.arange(16) > 7, np.ones((1, 16)))[0] == 0.5


def test_ridge_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    train, held, target = rng.normal(size=(12, 3)), rng.normal(size=(4, 3)), rng.normal(size=12)
    scaler = StandardScaler().fit(train)
    model = Ridge(alpha=0.1 * 12).fit(scaler.transform(train), target)
    assert ridge_weights(train, held, 0.1) @ target == pytest.approx(
        model.predict(scaler.transform(held))
    )
    # A missing trait counts as the mean of the fit's agents.
    gap, filled = held.copy(), held.copy()
    gap[0, 1], filled[0, 1] = np.nan, train[:, 1].mean()
    assert ridge_weights(train, gap, 0.1) == pytest.approx(ridge_weights(train, filled, 0.1))


def test_scores_by_hand():
    wins = compare_scores(np.array([3.0, 2.0, 2.0, 1.0])).wins
    label = np.array([True, False, True, False])
    # pairs: 3>2, 3>1, 2=2, 2>1
    assert auroc(wins, label, np.ones((1, 4)))[0] == pytest.approx(3.5 / 4)
    assert np.isnan(auroc(wins, np.ones(4, bool), np.ones((1, 4)))[0])
    doubled = np.array([[2.0, 1, 1, 1]])
    assert auroc(wins, label, doubled)[0] == pytest.approx((2 + 2 + 0.5 + 1) / 6)
    assert rank_correlation(wins, np.array([4.0, 2.0, 2.0, 1.0]), np.ones((1, 4)))[0] == 1
    assert np.isnan(rank_correlation(wins, np.ones(4), np.ones((1, 4)))[0])


def test_agents_of_one_mind_have_no_auroc():
    traits, behaviour = population()
    one = behaviour.copy(deep=True)
    one["pursued"] = 0.6 + 0.4 * behaviour.pursued
    result = forecast(traits, one, **OPTIONS)
    assert result.auroc.isnull().all() and not result.found.any()
    assert (result.rank_correlation.sel(forecast="internals", scope="all") > 0.8).all()


def test_a_scheme_with_too_few_groups_finds_nothing():
    traits, behaviour = population(2)
    result = forecast(traits, behaviour, **OPTIONS)
    assert result.auroc.sel(forecast="internals", scheme="seeds").isnull().all()
    assert result.gain.sel(scheme="seeds").isnull().all()
    assert result.gain.sel(scheme="training distributions", scope="all").notnull().all()


def test_files_figures_and_what_is_forecast(tmp_path):
    traits, behaviour = population(6)
    behaviour.pursued[0] = np.nan
    result = forecast(traits, behaviour, **OPTIONS)
    assert result.n_agents.sel(scope="all") == 17 and "pop/good-c100-s0" not in result.agent
    result.to_netcdf(tmp_path / "forecast.nc")
    figure = plot_forecast(xr.open_dataset(tmp_path / "forecast.nc"))
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(FORECASTS)
    shares = forecasts_of(result)
    assert set(shares) == set(map(str, result.agent.values))
    assert all(0 <= share <= 1 for share in shares.values())
    with pytest.raises(UnknownNameError, match="internals"):
        forecasts_of(result, "internal")
    with pytest.raises(InputError, match="other agents"):
        forecast(traits.isel(agent=slice(5)), behaviour)
    with pytest.raises(InputError, match="too few"):
        forecast(traits.isel(agent=slice(3)), behaviour.isel(agent=slice(3)))
