import numpy as np
import pytest
import xarray as xr

from analyses.plans.plan_formation import plan_formation, plot_plan_formation
from interp.errors import InputError
from tests.analyses.plans.planted import PLAN, planted_run

THINKING, STEPS = 2, 4
OPTIONS = {"progress": False, "n_bootstrap": 300}


def strength(values: list[float]) -> np.ndarray:
    """Return (step, tick) strengths: `values` up to step 0, the last one afterwards."""
    early = np.array(values).reshape(THINKING + 1, 2)
    return np.concatenate([early, np.full((STEPS - 1, 2), values[-1])])


def formation(values: list[float], control: list[float] | None = None, seed: int = 0):
    run = planted_run(strength(values), n_steps=STEPS, thinking=THINKING, seed=seed)
    untrained = None
    if control is not None:
        untrained = planted_run(strength(control), n_steps=STEPS, thinking=THINKING, seed=seed + 9)
        for name in ("level_id", "plan"):
            untrained[name] = run[name]
    return plan_formation(run, concepts=[PLAN], untrained=untrained, seed=seed, **OPTIONS)


def test_a_plan_that_forms_is_found():
    result = formation([0, 0.7, 1.4, 2.1, 2.8, 3.5], [0] * 6)
    curve = result.macro_f1.sel(concept="plan", source="trained", site="h")
    assert curve.sizes["deliberation"] == 6
    assert (curve.diff("deliberation") > 0).all() and float(curve[-1]) > 0.8
    assert result.step.values.tolist() == [-2, -2, -1, -1, 0, 0]
    assert result.tick.values.tolist() == [0, 1, 0, 1, 0, 1]
    assert bool(result.found.sel(concept="plan"))
    grown = result.growth.sel(source="trained").item()
    assert grown == pytest.approx(float(curve[-1] - curve[0]))
    assert result.excess_low.item() > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_a_plan_that_is_there_from_the_start_does_not_form(seed):
    result = formation([3] * 6, [0] * 6, seed)
    assert float(result.macro_f1.sel(source="trained").min()) > 0.7, "it can be read all along"
    assert not result.found.any()


def test_no_plan_does_not_form():
    assert not formation([0] * 6, [0] * 6).found.any()


def test_growth_that_the_untrained_network_shows_as_well_is_not_found():
    # The same run as its own control: whatever grows, grows there too.
    run = planted_run(strength([0, 1, 2, 3, 3, 3]), n_steps=STEPS, thinking=THINKING)
    result = plan_formation(run, concepts=[PLAN], untrained=run, **OPTIONS)
    assert result.growth.sel(source="trained").item() > 0.2
    assert result.excess.item() == 0 and not result.found.any()


def test_a_site_without_ticks_is_flat_within_a_step():
    run = planted_run(strength([3] * 6), n_steps=STEPS, thinking=THINKING)
    run["flat"] = run["h"].isel(tick=0, drop=True)
    result = plan_formation(run, concepts=[PLAN], untrained=None, **OPTIONS)
    curve = result.macro_f1.sel(concept="plan", source="trained", site="flat").values
    assert np.array_equal(curve[0::2], curve[1::2])


def test_bad_input():
    with pytest.raises(InputError, match="no thinking steps"):
        plan_formation(planted_run(np.zeros((6, 2))), concepts=[PLAN], untrained=None, **OPTIONS)


def test_the_figure_draws_the_dataset():
    result = formation([0, 0.7, 1.4, 2.1, 2.8, 3.5], [0] * 6)
    figure = plot_plan_formation(result)
    [ax] = figure.axes
    drawn = result.macro_f1.sel(concept="plan", source="trained", site="h").values
    assert ax.get_lines()[0].get_ydata() == pytest.approx(drawn)
    assert "tick" in ax.get_xlabel() and "F1" in ax.get_ylabel()
    refitted = result.refitted_f1.sel(concept="plan", source="trained", site="h").values
    assert ax.get_lines()[2].get_ydata() == pytest.approx(refitted)
    assert len(ax.collections) == 3, "an interval band for each"


def test_a_state_that_only_charges_up_is_not_found():
    # The whole state, plan and noise alike, grows: all can be read from the first tick on, but a
    # probe fitted to the last one reads nothing in a state that is ten times smaller.
    run = planted_run(strength([3] * 6), n_steps=STEPS, thinking=THINKING)
    charge = np.concatenate([np.geomspace(0.05, 1, 6), np.ones(2 * (STEPS - 1))])
    charge = xr.DataArray(charge.reshape(-1, 2), dims=("step", "tick"))
    run["h"] = (run["h"] * charge).transpose(*run["h"].dims).astype(np.float32)
    result = plan_formation(run, concepts=[PLAN], untrained=None, **OPTIONS)
    assert result.growth.item() > 0.2, "the fixed probe is fooled"
    assert abs(result.refitted_growth.item()) < 0.05
    assert not result.found.any()


def test_refitted_probes_see_a_plan_that_turns():
    # The plan is there all along, first in other channels: a fixed probe sees it come.
    run = planted_run(strength([3] * 6), n_steps=STEPS, thinking=THINKING)
    early = run["h"].where(run.step >= 0, run["h"].roll(channel=3))
    run["h"] = early.transpose(*run["h"].dims)
    result = plan_formation(run, concepts=[PLAN], untrained=None, **OPTIONS)
    assert result.growth.item() > 0.2 and not result.found.any()


def test_levels_without_a_class_before_the_first_action_are_not_found():
    run = planted_run(strength([0, 0.7, 1.4, 2.1, 2.8, 3.5]), n_steps=STEPS, thinking=THINKING)
    run["plan"] = run["plan"].where((run["plan"] < 2) | (run.step > 0), 0).astype(np.int16)
    result = plan_formation(run, concepts=[PLAN], untrained=None, **OPTIONS)
    assert result.refitted_excess.isnull().all() and not result.found.any()
