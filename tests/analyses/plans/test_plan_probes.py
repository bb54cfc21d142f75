import numpy as np
import pytest
import xarray as xr

from analyses.plans.plan_probes import best_cells, last_tick, plan_probes, plot_plan_probes
from interp.errors import InputError, UnknownNameError, UnknownSiteError
from tests.analyses.plans.planted import CLASSES, PLAN, planted_run

OPTIONS = {"progress": False, "n_bootstrap": 300}


def strength(*ticks: float) -> np.ndarray:
    return np.tile(np.array(ticks), (6, 1))


@pytest.fixture(scope="module")
def found():
    """A plan at tick 1 only, and an untrained network that holds none."""
    run, untrained = planted_run(strength(0, 3)), planted_run(strength(0, 0), seed=1)
    untrained["level_id"] = run["level_id"]
    return plan_probes(run, concepts=[PLAN], untrained=untrained, **OPTIONS)


def test_a_planted_plan_is_found_at_its_tick(found):
    assert bool(found.found.sel(concept="plan"))
    significant = (found.p_holm < 0.05).sel(concept="plan", site="h")
    assert significant.sel(tick=1).all() and not significant.sel(tick=0).any()
    score = found.macro_f1.sel(concept="plan", site="h", tick=1, receptive_field=1)
    assert float(score.sel(source="trained")) > 0.8 > 0.5 > float(score.sel(source="untrained"))


def test_all_controls_are_there(found):
    assert set(found.source.values) == {
        "trained",
        "untrained",
        "observation",
        "history",
        "majority",
        "shuffled",
    }
    assert found.margin.dims == ("concept", "receptive_field", "metric", "site", "tick")


def test_directions_point_at_the_planted_code(found):
    weights = found.direction.sel(concept="plan", source="trained", site="h", tick=1)
    assert weights.dims == ("class", "channel") and weights["class"].values.tolist() == [*CLASSES]
    assert weights.argmax("channel").values.tolist() == [0, 1, 2]


def test_best_cells_name_where(found):
    rows = best_cells(found)
    assert [row["receptive field"] for row in rows] == ["1×1", "3×3"]
    assert all(row["site"] == "h" and row["tick"] == 1 for row in rows)
    assert all(row["low"] > 0 for row in rows)
    assert (last_tick(found).tick == 1).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_plan_is_not_found(seed):
    run, untrained = (planted_run(strength(0, 0), seed=s) for s in (seed, seed + 10))
    untrained["level_id"] = run["level_id"]
    result = plan_probes(run, concepts=[PLAN], untrained=untrained, seed=seed, **OPTIONS)
    assert not result.found.any()


def test_what_the_untrained_network_shows_as_well_is_not_found():
    run, untrained = planted_run(strength(0, 3)), planted_run(strength(0, 3), seed=1)
    untrained["plan"] = run["plan"]
    same = planted_run(strength(0, 3))  # the untrained network carries the same code
    result = plan_probes(run, concepts=[PLAN], untrained=same, **OPTIONS)
    assert not result.found.any()
    assert (result.best_control.sel(tick=1, metric="macro_f1") == "untrained").all()


def test_bad_input():
    run = planted_run(strength(0, 1), n_episodes=8)
    with pytest.raises(UnknownNameError, match="concept"):
        plan_probes(run, concepts=["plam"], untrained=None, **OPTIONS)
    with pytest.raises(UnknownSiteError):
        plan_probes(run, concepts=[PLAN], sites=["hh"], untrained=None, **OPTIONS)
    with pytest.raises(InputError):
        plan_probes(run, concepts=[], untrained=None, **OPTIONS)
    with pytest.raises(InputError, match="Concept"):
        plan_probes(run, concepts=[None], untrained=None, **OPTIONS)
    with pytest.raises(InputError, match="untrained"):
        plan_probes(run, concepts=[PLAN], untrained=3, **OPTIONS)
    with pytest.raises(InputError, match="no organism, store or run"):
        plan_probes(None, concepts=[PLAN], **OPTIONS)
    with pytest.raises(InputError, match="tasks"):
        plan_probes(run, tasks=["a"], concepts=[PLAN], **OPTIONS)


def test_one_thing_needs_no_list_and_sites_may_be_globs():
    run = planted_run(strength(0, 3))
    options = {**OPTIONS, "untrained": None}
    one = plan_probes(run, None, PLAN, sites="[h]", receptive_fields=1, **options)
    several = plan_probes(run, None, [PLAN], sites=["h"], receptive_fields=[1], **options)
    xr.testing.assert_identical(one, several)


def test_the_figure_has_a_bar_for_each_source(found):
    figure = plot_plan_probes(found)
    assert len(figure.axes) == 2
    for ax in figure.axes:
        assert len(ax.patches) == 6 and ax.get_ylim() == (0, 1)
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    drawn = last_tick(found).macro_f1.sel(concept="plan", receptive_field=1, site="h")
    assert heights == pytest.approx(drawn.values.tolist())
    assert "held-out levels" in figure.get_suptitle()


def test_a_run_that_notes_its_network_is_a_run():
    # xarray serves attrs as attributes: `run.network` is there, as in every store.
    run = planted_run(strength(0, 3)).assign_attrs(network={"kind": "drc"}, organism="elsewhere")
    result = plan_probes(run, concepts=[PLAN], untrained=None, receptive_fields=[1], **OPTIONS)
    assert bool(result.found.sel(concept="plan"))


def test_a_missing_untrained_control_is_said():
    run = planted_run(strength(0, 3), n_episodes=20)
    with pytest.warns(UserWarning, match="No untrained control"):
        result = plan_probes(run, concepts=[PLAN], receptive_fields=[1], **OPTIONS)
    assert "untrained" not in result.source.values


def test_classes_left_out_are_named():
    run = planted_run(strength(0, 3), n_episodes=40)
    assert plan_probes(run, concepts=[PLAN], untrained=None, **OPTIONS).classes_left_out == ""
    run["plan"] = run["plan"].where((run["plan"] != 2) | (run["plan"].episode < 1), 0)
    result = plan_probes(run, concepts=[PLAN], untrained=None, receptive_fields=[1], **OPTIONS)
    assert result.classes_left_out == "plan: down"
    assert "down" not in result["class"].values


def test_overlapping_names_mean_their_union():
    run = planted_run(strength(0, 3), n_episodes=20)
    result = plan_probes(
        run, concepts=[PLAN], sites=["h*", "h"], untrained=None, receptive_fields=[1], **OPTIONS
    )
    assert result.site.values.tolist() == ["h"]
