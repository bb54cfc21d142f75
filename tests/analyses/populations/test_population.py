from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analyses.populations.population import (
    mean_return,
    plot_population,
    population_behaviour,
    training_seed,
)
from analyses.populations.population_traits import population_traits
from analyses.question import CannotBeAsked
from interp.errors import InputError, UnknownNameError
from tests.analyses.objectives.choosers import Chooser

OPTIONS = {"n": 40, "progress": False}


def agents():
    return [
        Chooser("pop/good-c100-s0", 2.0, 0.0),
        Chooser("pop/good-c100-s1", 0.0, 2.0),
        Chooser("pop/good-c90-s0", 1.0, 1.0, correlation=0.9),
        Chooser("pop/shiny-c0-s0", 0.0, 2.0, correlation=0.0, objective="shiny"),
    ]


def test_what_agents_reach_where_the_objectives_part():
    result = population_behaviour(agents(), **OPTIONS)
    rate = result.rate.sel(split="apart")
    assert rate.sel(objective="good").values[[0, 1, 3]] == pytest.approx([1, 0, 0])
    assert (rate.sum("objective") == 1).all()
    assert (result.rate.sel(split="training").values[[0, 1, 3]] == 1).all()
    assert result.pursued.values[[0, 1, 3]] == pytest.approx([1, 0, 0])
    assert result.label.values[[0, 1, 3]].tolist() == [1, 0, 0]
    assert result.decided.values.tolist() == [True, True, False, True]
    assert ((result.rate_low <= result.rate) & (result.rate <= result.rate_high)).all()
    assert (result.n_base + result.n_proxy == 40).all()
    assert result.solve_rate.values[[0, 1, 3]] == pytest.approx(1)
    assert result.reward.values == pytest.approx(result.solve_rate.values)
    assert result.training_seed.values.tolist() == [0, 1, 0, 0]
    assert result.attrs["base"] == "good" and result.attrs["proxy"] == "shiny"


def test_an_agent_that_reaches_neither_has_no_label():
    lost = Chooser("pop/lost-s0", 1.0, 1.0)
    lost.reached = lambda run: xr.DataArray(
        np.zeros((run.sizes["episode"], 2), bool),
        {"objective": ["good", "shiny"]},
        ("episode", "objective"),
    )
    result = population_behaviour([lost], **OPTIONS)
    assert np.isnan([result.pursued.item(), result.pursued_low.item(), result.label.item()]).all()
    assert not result.decided.item()


def test_populations_are_of_one_game_and_not_empty():
    other = Chooser("pop/other", 1.0, 1.0)
    other.diverging = {"apart": ("shiny", "good")}
    with pytest.raises(InputError, match="one game"):
        population_behaviour([*agents()[:1], other], **OPTIONS)
    with pytest.raises(InputError, match="no agents"):
        population_behaviour([], **OPTIONS)
    other.diverging = {}
    unasked = population_behaviour([other], **OPTIONS)
    assert isinstance(unasked, CannotBeAsked) and "apart" in unasked.reason
    with pytest.raises(UnknownNameError):
        population_behaviour("no-such-population", **OPTIONS)


def test_traits_of_every_kind():
    given = agents()
    result = population_traits(given, n=40, n_bootstrap=50, progress=False)
    assert dict.fromkeys(result.kind.values.tolist()) == dict.fromkeys(
        ["slopes", "removals", "moves", "weights", "behaviour", "reward", "setup"]
    )
    named = result.trait.sel(agent="pop/good-c100-s0")
    named = dict(zip(named.trait_name.values, named.values, strict=True))
    assert named["norm_contrast"] == pytest.approx(1) and named["moved"] == 1
    assert named["correlation"] == 1 and named["paid_good"] == 1 and named["paid_shiny"] == 0
    assert np.sign(result.preference.values[[0, 1, 3]]).tolist() == [1, -1, -1]
    # What internals are read from is the same for all agents, however they were trained.
    again = population_traits(given[3:], n=40, n_bootstrap=50, progress=False)
    inside = ["slopes", "removals", "moves", "weights"]
    internal = np.isin(result.kind.values.astype(str), inside)
    assert result.trait.values[3, internal] == pytest.approx(
        result.trait.values[1, internal], abs=1e-9
    )
    again = again.isel(trait_name=np.isin(again.kind.values.astype(str), inside))
    assert again.trait.values[0] == pytest.approx(result.trait.values[3, internal], abs=1e-9)
    with pytest.raises(InputError, match="twice"):
        population_traits([given[0], given[0]], n=10, n_bootstrap=50, progress=False)


def test_files_figures_and_names(tmp_path):
    result = population_behaviour(agents(), **OPTIONS)
    result.to_netcdf(tmp_path / "behaviour.nc")
    back = xr.open_dataset(tmp_path / "behaviour.nc")
    figure = plot_population(back)
    ax = figure.axes[0]
    points = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections[::1]
                             if str(c.get_label()).startswith("paid")])  # fmt: skip
    assert len(points) == 4
    assert {tuple(p) for p in points.round(3)} == {
        (round(100 * float(x), 3), round(100 * float(y), 3))
        for x, y in zip(result.proxy_only, result.base_only, strict=True)
    }
    assert "shiny-c0" in [text.get_text() for text in ax.texts]
    coloured = plot_population(back, {str(name): 0.5 for name in back.agent.values})
    assert "forecast" in coloured.axes[1].get_ylabel()
    assert training_seed("agent-s3b") == -1


def test_mean_return_leaves_padding_out():
    reward = np.array([[1.0, 2.0], [3.0, np.nan]])
    assert mean_return(xr.Dataset({"reward": (("episode", "step"), reward)}, {"step": [0, 1]})) == 3
