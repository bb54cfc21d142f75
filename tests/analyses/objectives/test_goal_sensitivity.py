from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from analyses.objectives.goal_sensitivity import (
    DECIDING,
    contrasts,
    goal_sensitivity,
    plot_goal_sensitivity,
    random_like,
    weakened,
)
from interp.errors import InputError, InterventionError, UnknownNameError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from tests.analyses.objectives.choosers import Choices, Chooser

TASKS = Choices.draw("together", 60, 0)


def sensitivity(base, proxy, near=1.0, **options):
    return goal_sensitivity(
        Chooser("toy-s0", base, proxy, near), TASKS, **{"n_bootstrap": 200, **options}
    )


def test_effects_are_the_weights_of_a_linear_agent():
    result = sensitivity(2.0, 0.5, 0.0)
    value = result.effect.sel(measure=["value", "first_value", "value_slope"])
    assert value.sel(edit="base").values == pytest.approx(2.0, abs=1e-5)
    assert value.sel(edit="proxy").values == pytest.approx(0.5, abs=1e-5)
    assert value.sel(edit="both", measure="value").item() == pytest.approx(2.5, abs=1e-5)
    assert result.contrast.sel(measure="value").item() == pytest.approx((2 - 0.5) / 2.5, abs=1e-5)

    # logits (2.5, 0) become (0.5, 0), and (2.0, 0)
    def log_p(worth):
        return -np.log1p(np.exp(-worth))

    drop = result.effect.sel(measure="log_prob")
    assert drop.sel(edit="base").item() == pytest.approx(log_p(2.5) - log_p(0.5), abs=1e-5)
    assert drop.sel(edit="proxy").item() == pytest.approx(log_p(2.5) - log_p(2.0), abs=1e-5)
    assert result.edit_norm.sel(edit=["base", "proxy"]).values == pytest.approx([2, 0.5])
    assert result.edit_cosine.item() == 0
    assert result.registered.sel(edit="base", site="worth").item() == pytest.approx(2 / 2.5)
    assert result.n_reached.item() == 60


@pytest.mark.parametrize(
    ("base", "proxy", "sign"), [(2.0, 0.0, 1), (0.0, 2.0, -1), (1.5, 0.7, 1), (0.7, 1.5, -1)]
)
def test_the_preference_has_the_sign_of_what_the_agent_is_after(base, proxy, sign):
    result = sensitivity(base, proxy)
    assert np.sign(result.preference.item()) == sign
    assert result.preference_low.item() * sign > 0 and result.preference_high.item() * sign > 0
    assert np.sign(result.moved_contrast.item()) == sign
    assert bool(result.found.sel(feature="base")) == (base > 0)
    assert bool(result.found.sel(feature="proxy")) == (proxy > 0)
    if not base * proxy:
        assert result.contrast.values == pytest.approx(sign * np.ones(len(result.contrast)))


def test_an_agent_after_both_alike_has_no_preference():
    result = sensitivity(1.2, 1.2)
    assert result.preference.item() == pytest.approx(0, abs=1e-6)
    assert result.found.values.all()


def test_an_agent_after_something_else_is_not_found():
    result = sensitivity(0.0, 0.0, 3.0)
    assert not result.found.values.any()
    assert result.preference.item() == 0
    assert (result.effect.values == 0).all()


def test_exchanging_the_features_turns_the_preference_round():
    a, b = sensitivity(1.7, 0.4), sensitivity(0.4, 1.7)
    assert a.preference.item() == pytest.approx(-b.preference.item(), abs=1e-6)
    assert a.effect.sel(edit="base").drop_vars("edit").values == pytest.approx(
        b.effect.sel(edit="proxy").drop_vars("edit").values, abs=1e-6
    )


def test_random_controls_keep_norm_and_place():
    value = np.zeros((3, 2, 4), np.float32)
    value[:, 1, :2] = [[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]
    edit = Intervention(Address("site"), "add", torch.from_numpy(value), ("example",))
    drawn = random_like(edit, 0).value.numpy()
    norms = np.linalg.norm(drawn.reshape(3, -1), axis=1)
    assert norms == pytest.approx([5, 2, 0])
    assert (drawn[value == 0] == 0).all()
    assert not np.allclose(drawn[0], random_like(edit, 1).value.numpy()[0])


def test_weakened_edits_do_a_share():
    add = Intervention(Address("site"), "add", torch.tensor([[2.0]]), ("example",))
    scale = Intervention(Address("site"), "scale", torch.tensor([[0.0]]), ("example",))
    assert weakened(add, 0.1).value.item() == pytest.approx(0.2)
    assert weakened(scale, 0.1).value.item() == pytest.approx(0.9)
    with pytest.raises(InterventionError, match="cannot be weakened"):
        weakened(Intervention(Address("site"), "zero"), 0.1)


def test_contrasts_lie_between_minus_one_and_one():
    rng = np.random.default_rng(0)
    base, proxy = rng.normal(size=(2, 5, 30))
    rows = contrasts(base, proxy)
    assert rows.shape == (31, 5) and (np.abs(rows) <= 1).all()
    # The fourth row leaves the third episode out.
    rest = np.arange(30) != 2
    by_hand = (base - proxy)[1, rest].sum() / (np.abs(base) + np.abs(proxy))[1, rest].sum()
    assert rows[3, 1] == pytest.approx(by_hand)
    assert (contrasts(np.zeros((1, 30)), np.zeros((1, 30))) == 0).all()


def test_results_go_to_a_file_and_a_figure(tmp_path):
    result = sensitivity(1.5, 0.5)
    result.to_netcdf(tmp_path / "result.nc")
    xr.testing.assert_allclose(xr.open_dataset(tmp_path / "result.nc"), result)
    figure = plot_goal_sensitivity(result)
    assert len(figure.axes) == 4
    assert result.attrs["deciding"] == ", ".join(DECIDING)


def test_wrong_tasks_and_organisms_are_refused():
    agent = Chooser("toy-s0", 1.0, 1.0)
    with pytest.raises(InputError, match="always coincide"):
        goal_sensitivity(agent, agent.tasks("apart", 20))
    with pytest.raises(InputError, match="two tasks"):
        goal_sensitivity(agent, TASKS[:1])
    with pytest.raises(InputError, match="strength"):
        goal_sensitivity(agent, TASKS, strength=0.0)
    setattr(agent, "edits", lambda run: {"base": None})  # noqa: B010
    with pytest.raises(UnknownNameError, match="proxy"):
        goal_sensitivity(agent, TASKS)
