"""Concepts that are numbers, beside classes, where plans are probed."""

import numpy as np
import pytest
import xarray as xr

from analyses.plans.concept_scores import check_classes_only
from analyses.plans.plan_formation import plan_formation, plot_plan_formation
from analyses.plans.plan_probes import best_cells, last_tick, plan_probes, plot_plan_probes
from interp.concepts import Concept
from interp.errors import InputError, TooFewClassesError
from tests.analyses.plans.planted import PLAN, planted_run

# The labels themselves are floats on squares, as sites are.
OPTIONS = {"progress": False, "n_bootstrap": 300, "sites": "h"}
COST = Concept("cost", lambda run: run["cost"])
HEIGHT = Concept("height", lambda run: run["height"])


def run_of(strengths, seed: int = 0, **kwargs) -> xr.Dataset:
    """A planted plan, with a number per step and one per square, written at (step, tick) strengths."""
    run = planted_run(strengths, seed=seed, **kwargs)
    rng = np.random.default_rng(seed + 100)
    n, steps = run.sizes["episode"], run.sizes["step"]
    cost = np.repeat(20 + 3 * rng.normal(size=(n, 1)), steps, axis=1)
    height = np.repeat(rng.normal(size=(n, 1, 5, 5)), steps, axis=1)
    h = run["h"].values.copy()
    written = np.asarray(strengths)[None, :, :, None, None]
    h[:, :, :, 4] += written * (cost - 20)[:, :, None, None, None]
    h[:, :, :, 5] -= written * height[:, :, None]
    run["h"] = run["h"].copy(data=h)
    run["cost"] = ("episode", "step"), np.where(rng.random(cost.shape) < 0.1, np.nan, cost)
    run["height"] = ("episode", "step", "y", "x"), height
    return run.assign_attrs(family="somebody else's")


@pytest.fixture(scope="module")
def mixed():
    run = run_of(np.tile([0.0, 3.0], (6, 1)))
    return plan_probes(run, concepts=[PLAN, HEIGHT, COST], untrained=None, **OPTIONS)


def test_numbers_and_classes_are_asked_for_together(mixed):
    assert mixed.score_metric.values.tolist() == ["macro_f1", "r2", "r2"]
    assert mixed.found.values.tolist() == [True, True, True]
    r2 = mixed.r2.sel(source="trained", site="h", receptive_field=1)
    assert r2.sel(concept="plan").isnull().all()
    for concept in ("height", "cost"):
        assert (
            float(r2.sel(concept=concept, tick=1))
            > 0.7
            > 0.1
            > float(r2.sel(concept=concept, tick=0))
        )
    # Squares have neighbours, steps have none.
    there = mixed.margin.sel(metric="r2", site="h", tick=1).notnull()
    assert there.sel(concept="height").all()
    assert there.sel(concept="cost").values.tolist() == [True, False]
    majority = mixed.r2.sel(source="majority", concept="cost", receptive_field=1, site="h", tick=1)
    assert -0.5 < float(majority) <= 0


def test_the_rows_name_each_concepts_score(mixed):
    rows = best_cells(mixed)
    said = [(row["concept"], row["receptive field"], row["metric"]) for row in rows]
    assert said == [
        ("plan", "1×1", "macro-F1"),
        ("plan", "3×3", "macro-F1"),
        ("height", "1×1", "R²"),
        ("height", "3×3", "R²"),
        ("cost", "1×1", "R²"),
    ]
    assert all(row["tick"] == 1 and row["p (Holm)"] < 0.05 for row in rows)
    assert (last_tick(mixed).tick == 1).all()
    assert plot_plan_probes(mixed).axes
    with pytest.raises(InputError, match="'height', 'cost' are numbers"):
        check_classes_only(mixed, "This")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("concept", [COST, HEIGHT], ids=lambda c: c.name)
def test_a_number_in_noise_is_not_found(concept, seed):
    run = run_of(np.zeros((6, 2)), seed=seed)
    result = plan_probes(run, concepts=concept, untrained=None, seed=seed, **OPTIONS)
    assert not result.found.any() and "macro_f1" not in result
    assert float(result.margin.sel(metric="r2").max()) < 0.1


def test_a_number_of_the_observation_is_not_the_networks():
    run = run_of(np.tile([0.0, 3.0], (6, 1)))
    seen = np.nan_to_num(run["cost"].values, nan=20.0)
    run["observation"] = ("episode", "step", "feature"), np.stack([seen, seen**2], axis=-1)
    result = plan_probes(run, concepts=COST, untrained=None, **OPTIONS)
    assert not result.found.any()
    assert set(result.best_control.sel(metric="r2").values.ravel()) <= {
        *("observation", "last 2", "last 4", "MLP", "MLP last 4"),
        "",
    }


def test_numbers_that_do_not_differ_and_classifiers_are_refused():
    run = run_of(np.zeros((6, 2)))
    with pytest.raises(TooFewClassesError, match="always 4"):
        still = Concept("still", lambda run: xr.full_like(run["cost"], 4.0))
        plan_probes(run, concepts=still, untrained=None, **OPTIONS)
    with pytest.raises(InputError, match="no classifier"):
        plan_probes(run, concepts=COST, kind="logistic", untrained=None, **OPTIONS)


@pytest.mark.parametrize("concept", [COST, HEIGHT], ids=lambda c: c.name)
def test_a_number_that_forms_is_found_and_one_that_is_there_does_not_form(concept):
    forms = np.array([[0.0, 0.1], [0.2, 0.5], [1.0, 3.0], *[[3.0, 3.0]] * 3])
    for strengths, found in (
        (forms, True),
        (np.full((6, 2), 3.0), False),
        (np.zeros((6, 2)), False),
    ):
        run = run_of(strengths, n_steps=4, thinking=2)
        options = {**OPTIONS, "untrained": None}
        result = plan_formation(run, concepts=[concept, PLAN], **options)
        assert bool(result.found.sel(concept=concept.name)) is found
        assert result.score_metric.values.tolist() == ["r2", "macro_f1"]
        assert result.refitted_r2.sel(concept="plan").isnull().all()
        alone = plan_formation(run, concepts=PLAN, **options)
        beside = result.macro_f1.sel(concept="plan").values
        np.testing.assert_array_equal(alone.macro_f1.sel(concept="plan"), beside)
    assert plot_plan_formation(result).axes
