import numpy as np
import pytest
import xarray as xr

from analyses.plans.plan_probes import best_cells, last_tick, plan_probes, plot_plan_probes
from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError, UnknownSiteError
from tests.analyses.plans.planted import CLASSES, PLAN, planted_run

QUIET = {"progress": False, "n_bootstrap": 300}
OPTIONS = {**QUIET, "controls": ("majority", "shuffled", "observation 3x3", "last 2 1x1")}
"""Fewer rungs than the whole ladder, where it is not the ladder that is tested."""


def strength(*ticks: float) -> np.ndarray:
    return np.tile(np.array(ticks), (6, 1))


@pytest.fixture(scope="module")
def found():
    """A plan at tick 1 only, and an untrained network that holds none."""
    run, untrained = planted_run(strength(0, 3)), planted_run(strength(0, 0), seed=1)
    untrained["level_id"] = run["level_id"]
    return plan_probes(run, concepts=[PLAN], untrained=untrained, **QUIET)


def test_a_planted_plan_is_found_at_its_tick(found):
    assert bool(found.found.sel(concept="plan"))
    significant = (found.p_holm < 0.05).sel(concept="plan", site="h")
    assert significant.sel(tick=1).all() and not significant.sel(tick=0).any()
    score = found.macro_f1.sel(concept="plan", site="h", tick=1, receptive_field=1)
    assert float(score.sel(source="trained")) > 0.8 > 0.5 > float(score.sel(source="untrained"))


def test_all_controls_are_there(found):
    assert [*found.source.values] == [
        *("trained", "untrained", "observation 1x1", "observation 3x3", "observation 5x5"),
        *("observation 7x7", "observation board", "last 2 1x1", "last 4 5x5", "MLP 5x5"),
        *("MLP last 4 3x3", "majority", "shuffled"),
    ]
    assert [*found.control.values] == [*found.source.values[1:]]
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
    *bars, ladder = figure.axes
    assert len(bars) == 2
    drawn = last_tick(found).macro_f1.sel(concept="plan", receptive_field=1, site="h")
    rungs = drawn.sel(source=[s for s in drawn.source.values if s[:3] in ("obs", "las", "MLP")])
    for ax in bars:
        assert len(ax.patches) == 5 and ax.get_ylim() == (0, 1)
    heights = [patch.get_height() for patch in bars[0].patches]
    shown = drawn.sel(source=["trained", "untrained"]).values.tolist()
    assert heights[:3] == pytest.approx([*shown, float(rungs.max())])
    assert "held-out levels" in figure.get_suptitle()
    assert [label.get_text() for label in ladder.get_yticklabels()] == [*rungs.source.values]


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


def test_the_margin_is_over_the_strongest_of_all_controls(found):
    cell = found.sel(concept="plan", metric="macro_f1", site="h", tick=1, receptive_field=1)
    assert float(cell.margin) == pytest.approx(float(cell.margin_over.min()))
    assert str(cell.best_control.item()) == str(cell.margin_over.idxmin("control").item())
    scores = found.macro_f1.sel(concept="plan", site="h", tick=1, receptive_field=1)
    over = scores.sel(source="trained", drop=True) - scores.sel(source="observation 5x5", drop=True)
    assert float(cell.margin_over.sel(control="observation 5x5")) == pytest.approx(float(over))
    assert float(cell.margin_low) <= float(cell.margin_over_low.min()) + 1e-9


def copied_neighbourhood(seed: int) -> xr.Dataset:
    """Return a run whose state is a linear mix of the 3 × 3 squares shown, and a concept of those.

    The concept is which way a square's only marked neighbour lies, if it has exactly one above or below.
    """
    run = planted_run(strength(0, 0), n_episodes=50, seed=seed)
    rng = np.random.default_rng(seed)
    marked = rng.random((50, 6, 5, 5)) < 0.3
    edged = np.pad(marked, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(edged, (3, 3), axis=(2, 3))
    windows = windows.reshape(50, 6, 5, 5, 9)
    above, below = windows[..., 1], windows[..., 7]
    plan = np.where(above & ~below, 1, np.where(below & ~above, 2, 0)).astype(np.int16)
    mix = rng.normal(size=(9, 12))
    state = np.moveaxis(windows @ mix, -1, 2)[:, :, None].astype(np.float32)
    shown = np.repeat(255 * marked[..., None].astype(np.uint8), 3, axis=-1)
    grid = ("episode", "step")
    return run.drop_vars("h").assign(
        h=((*grid, "tick", "channel", "y", "x"), np.repeat(state, 2, axis=2)),
        plan=((*grid, "y", "x"), plan),
        observation=((*grid, "y", "x", "colour"), shown),
    )


def test_a_state_that_copies_what_is_around_holds_no_plan():
    run = copied_neighbourhood(0)
    weak = plan_probes(
        run,
        concepts=[PLAN],
        untrained=None,
        receptive_fields=1,
        **{**OPTIONS, "controls": ("majority", "shuffled", "observation 1x1")},
    )
    assert bool(weak.found.item())  # what a control of one square does not see looks like a plan
    for seed in range(2):
        whole = plan_probes(
            copied_neighbourhood(seed), concepts=[PLAN], untrained=None, receptive_fields=1, **QUIET
        )
        assert not whole.found.any()
        assert float(whole.margin.sel(metric="macro_f1").max()) < 0.01


def test_a_state_that_remembers_what_was_shown_holds_no_plan():
    run = planted_run(strength(0, 0), n_episodes=50, seed=4)
    before = np.maximum(np.arange(6) - 3, 0)
    shown = run["observation"].values[..., 0] > 0
    run = run.assign(plan=(run["plan"].dims, shown[:, before].astype(np.int16)))
    state = np.moveaxis(np.eye(2, 6)[run["plan"].values], -1, 2)[:, :, None]
    run["h"] = run["h"].copy(data=np.repeat(state, 2, axis=2).astype(np.float32))
    concept = Concept("plan", lambda run: run["plan"], ("no", "yes"))
    result = plan_probes(run, concepts=[concept], untrained=None, receptive_fields=1, **QUIET)
    assert not result.found.any()
    assert float(result.macro_f1.sel(source="trained").max()) > 0.99
    now = result.macro_f1.sel(source="observation board").max()
    assert float(now) < 0.75 < 0.99 < float(result.macro_f1.sel(source="last 4 5x5").max())
