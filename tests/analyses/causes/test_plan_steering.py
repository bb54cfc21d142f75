"""A plan that is written is carried out by an organism that follows its plan, and by no other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from analyses.causes.causal_intervention import (
    causal_intervention_score,
    plot_causal_intervention_score,
)
from analyses.causes.plan_controls import with_other_plans
from analyses.causes.plan_steering import plan_steering, plot_plan_steering
from analyses.causes.plan_writing import (
    Directions,
    fitted_directions,
    given_directions,
    written_plan,
)
from analyses.causes.steered_episode import steered_episode
from analyses.causes.steering_table import steering_table
from interp.errors import InputError, UnknownSiteError
from interp.statistics import cross_fitted
from organisms.capabilities.steering import Steering
from tests.analyses.causes.steering_toy import RingOrganism

QUICK = {"n_bootstrap": 300, "progress": False}


@pytest.fixture(scope="module")
def follower() -> RingOrganism:
    return RingOrganism(obeys=True)


@pytest.fixture(scope="module")
def onto(follower) -> Directions:
    return fitted_directions(
        follower, "onto", follower.tasks(), ["state"], n_shuffled=19, progress=False
    )


@pytest.fixture(scope="module")
def steered(follower, onto) -> xr.Dataset:
    return plan_steering(
        follower, "ring", probes=onto, n_tasks=20, alphas=(0.0, 0.2), n_directional=(0, 1), **QUICK
    )


def test_a_follower_carries_out_the_written_plan(steered):
    assert float(steered.nothing) == 0
    assert bool(steered.found) and float(steered.p_value) == 1 / 20
    assert float(steered.written) == 1
    # Half of the levels choose the cell that the other half is scored in: here the same one.
    assert steered.chosen_alpha.values.tolist() == [0.2, 0.2]
    assert (steered.over_control > 0.3).all()
    # Every draw of every control is kept, and none does as well as the plan.
    assert steered.draw_control.to_series().value_counts().to_dict() == {
        "random": 19,
        "shuffled": 19,
        "other plan": 19,
    }
    assert float(steered.control_draw.max()) < 1
    draws = steered.success_draw.where(steered.draw_control == "random", drop=True)
    assert np.allclose(draws.mean("draw"), steered.success.sel(source="random"))


def test_at_alpha_zero_everything_equals_doing_nothing(follower, onto, steered):
    assert (steered.success.sel(alpha=0.0) == steered.nothing).all()
    nought = plan_steering(
        follower, "ring", probes=onto, alphas=(0.0,), n_shuffled=0, n_other_plans=0, **QUICK
    )
    assert float(nought.p_value) == 1 and not bool(nought.found)
    tasks = follower[Steering].tasks("ring", 10)
    alone = follower.run(tasks.tasks, sites=["state"])
    plan = written_plan(follower, tasks, onto.random(0, 1)[0], "state", 0.0, 2)
    changed = follower.run(tasks.tasks, sites=["state"], interventions=plan)
    for name in ("logits", "state", "action", "length"):
        np.testing.assert_array_equal(alone[name].values, changed[name].values)


def test_an_organism_that_ignores_its_state_is_not_steered():
    deaf = RingOrganism(obeys=False)
    result = plan_steering(
        deaf, "ring", train_tasks=deaf.tasks(), n_tasks=20, alphas=(1.0, 4.0), **QUICK
    )
    assert result.macro_f1.item() > 0.9  # the plan can be read there, and is not used
    assert not bool(result.found) and float(result.p_value) == 1
    assert (result.success == 0).all()


def _found(effect: np.ndarray, n_units: int, rng: np.random.Generator) -> bool:
    """Return the verdict on players whose success has the probabilities (player, site, alpha, places)."""
    success = (rng.random((*effect.shape, n_units)) < effect[..., None]).astype(float)
    table = steering_table(
        np.stack([success] * 3),
        np.zeros((3, n_units)),
        np.array(["trained"] + ["random"] * (len(effect) - 1)),
        {"site": ["a"], "alpha": [1.0, 2.0], "n_directional": [1, 2]},
        n_bootstrap=2,
        confidence=0.95,
        seed=int(rng.integers(2**31)),
    )
    return bool(table.found)


def test_a_random_direction_that_is_called_the_plan_is_found_no_oftener_than_it_may():
    """However many cells it may choose from: every control chooses among as many.

    Directions differ, each by the same amount on all levels, which is what a mean of a few draws with an
    interval over levels does not know.
    """
    rng = np.random.default_rng(0)
    found = [_found(rng.random((20, 1, 2, 2)), 12, rng) for _ in range(300)]
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_plan_beyond_all_random_directions_is_found():
    rng = np.random.default_rng(0)
    for _ in range(20):
        effect = 0.3 * rng.random((20, 1, 2, 2))
        effect[0] = 0.9
        assert _found(effect, 40, rng)


def test_a_cell_is_scored_on_levels_that_did_not_choose_it():
    """By luck alone the best of many cells looks good where it was chosen, and nowhere else."""
    outcome = (np.random.default_rng(1).random((1, 200, 40)) < 0.3).astype(float)
    chosen = outcome.mean(axis=-1).max()
    assert chosen > 0.45
    assert abs(cross_fitted(outcome, rng=0).score.mean() - 0.3) < 0.15
    one_cell = cross_fitted(outcome[:, :1])
    np.testing.assert_array_equal(one_cell.score, outcome[:, 0])
    with pytest.raises(InputError, match="200 cells and a single unit"):
        cross_fitted(outcome[..., :1])


def test_another_levels_plan_is_anothers_and_only_what_is_written_changes(follower):
    tasks = follower[Steering].tasks("ring", 10)
    tasks = dataclasses.replace(tasks, unit=np.arange(10) // 2)
    other = with_other_plans(tasks, np.random.default_rng(0))
    for i, way in enumerate(other.long):
        assert any(way == tasks.long[k] for k in range(10) if k // 2 != i // 2)
    assert other.tasks is tasks.tasks and (other.number == tasks.number).all()
    with pytest.raises(InputError, match="at least two units"):
        with_other_plans(dataclasses.replace(tasks, unit=np.zeros(10)), np.random.default_rng(0))


def test_shuffled_probes_know_nothing_of_the_plan_and_are_as_long(onto):
    scores = [own.macro_f1["state"] for own in onto.shuffled]
    assert len(onto.shuffled) == 19 and max(scores) < 0.6 < onto.macro_f1["state"]
    scaled = onto.shuffled[0].as_long_as(onto)
    for name in ("never", "left", "right"):
        assert np.linalg.norm(scaled.of("state", name)) == pytest.approx(
            np.linalg.norm(onto.of("state", name))
        )


def test_an_untrained_network_is_not_steered():
    from organisms.card import Card
    from organisms.networks.build import network_record
    from organisms.networks.drc import DRC, ConvConfig, DRCConfig
    from organisms.organism import Organism

    network = DRC(DRCConfig(n_layers=1, n_ticks=1, channels=4, encoder=(ConvConfig(4, 3),)))
    card = Card(
        "tiny",
        "sokoban",
        "a test",
        network=network_record(network),
        world={"max_steps": 16, "n_boxes": 2},
    )
    untrained = Organism(network, card).untrained(1)
    probes = _random_probes(untrained)
    result = plan_steering(
        untrained,
        untrained[Steering].tasks("agent-shortcut", 3)[::4],
        probes=probes,
        alphas=(8.0,),
        n_other_plans=0,
        **QUICK,
    )
    assert result.sizes["level"] == 3 and result.attrs["n_tasks"] == 6
    assert not bool(result.found)


def _random_probes(organism) -> xr.Dataset:
    """Probes of an agent that never moves can have no classes: these are drawn."""
    import json

    rng = np.random.default_rng(0)
    classes = organism.concepts["agent_approach_direction"].classes
    dims = ("source", "site", "tick", "class", "channel", "ky", "kx")
    note = {"site_features": json.dumps({"layers.0.c": {"dims": ["channel"], "shape": [4]}})}
    return xr.Dataset(
        {
            "coef": (dims, rng.normal(size=(1, 1, 1, len(classes), 4, 1, 1)), note),
            "intercept": (dims[:4], np.zeros((1, 1, 1, len(classes)))),
            "macro_f1": (dims[:3], np.zeros((1, 1, 1))),
        },
        coords={"source": ["trained"], "site": ["layers.0.c"], "tick": [0], "class": list(classes)},
        attrs={"receptive_field": 1, "target": "agent_approach_direction", "kind": "logistic"},
    )


def test_units_are_resampled_whole(follower, onto):
    """Ten variants of two tasks are two units: no verdict can rest on them."""
    tasks = dataclasses.replace(follower[Steering].tasks("ring", 20), unit=np.arange(20) % 2)
    result = plan_steering(follower, tasks, probes=onto, alphas=(0.2,), **QUICK)
    assert result.sizes["level"] == 2 and result.attrs["n_levels"] == 2
    assert float(result.written) == 1
    assert float(result.p_value) == 0.25  # two signs, however many draws it outranks
    assert not bool(result.found)


def test_one_intervention_per_role_serves_all_tasks(follower, onto):
    tasks = follower[Steering].tasks("ring", 20)
    plan = written_plan(follower, tasks, onto, "state", 1, 2)
    assert len(plan) == 3
    # A part of the tasks, run alone, goes as it does among the others.
    part = tasks[5:9]
    directions = onto
    whole = follower.run(tasks.tasks, interventions=plan, batch_size=7)
    alone = follower.run(
        part.tasks, interventions=written_plan(follower, part, directions, "state", 1, 2)
    )
    assert (whole.length.values[5:9] == alone.length.values).all()
    assert (tasks.succeeded(whole)[5:9] == part.succeeded(alone)).all()


def test_a_directional_square_is_written_until_it_has_been_entered(follower, onto):
    tasks = follower[Steering].tasks("ring", 1)
    directions = onto
    never, first = written_plan(follower, tasks, directions, "state", 4.0, 1)
    run = follower.run(tasks.tasks, sites=["state"], interventions=[never, first])
    bare = follower.run(tasks.tasks, sites=["state"], interventions=[never])
    (_, x), name = tasks.long[0][0]
    added = 4.0 * directions.of("state", name)
    at = run.state.sel(x=x) if "x" in run.state.coords else run.state.isel(x=x)
    without = bare.state.isel(x=x)
    difference = (at - without).isel(episode=0, y=0)
    np.testing.assert_allclose(difference.sel(step=0, tick=0), added, atol=1e-5)
    # At step 1 the agent stands on it: only what the state remembers (a quarter a tick) is left.
    remembered = float(np.linalg.norm(difference.sel(step=1, tick=0)))
    assert remembered < 0.5 * np.linalg.norm(added)


def test_the_causal_intervention_score_tells_followers_from_others(follower):
    shared = {"alphas": (0.15, 0.4), "steps": (0, 1), **QUICK}
    tasks = follower.tasks("test", 20)
    result = causal_intervention_score(follower, tasks, train_tasks=follower.tasks(), **shared)
    assert bool(result.found) and float(result.p_value) == 1 / 20
    assert float(result.score.sel(source="trained", alpha=0.4).max()) == 1
    deaf = RingOrganism(obeys=False)
    result = causal_intervention_score(deaf, tasks, train_tasks=deaf.tasks(), **shared)
    assert not bool(result.found) and (result.score == 0).all()
    assert plot_causal_intervention_score(result).axes


def test_the_dataset_survives_netcdf_and_plots(steered, tmp_path):
    steered.to_netcdf(tmp_path / "steering.nc")
    with xr.open_dataset(tmp_path / "steering.nc") as back:
        xr.testing.assert_allclose(back.load(), steered)
    figure = plot_plan_steering(steered)
    tested, _ = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in tested.lines}
    assert len(drawn["random directions"]) == 19
    [plan] = [bar for bar in tested.containers if bar.get_label() == "written plan"]
    assert plan.lines[0].get_ydata().tolist() == [100.0]


def test_a_steered_episode_shows_both_ways(follower, onto):
    tasks = follower[Steering].tasks("ring", 4)
    both = steered_episode(follower, tasks, onto.probes, "state")
    assert both.success.values.tolist() == [False, True]
    assert both.length.values.tolist() == [2, 3]
    first = tasks.long[0][0]
    wanted = both.classes.values.tolist().index(first[1])
    assert int(both.plan.sel(condition="plan written").values[first[0]]) == wanted


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"alphas": ()}, InputError),
        ({"alphas": (1.0, float("nan"))}, InputError),
        ({"n_directional": (-1,)}, InputError),
        ({"n_random": 5}, InputError),
        ({"n_random": 0, "n_shuffled": 0, "n_other_plans": 0}, InputError),
        ({"n_shuffled": 40}, InputError),
        ({"sites": ["stat"]}, UnknownSiteError),
    ],
)
def test_wrong_arguments_are_refused(follower, onto, options, error):
    with pytest.raises(error):
        plan_steering(follower, "ring", probes=onto, **{**QUICK, **options})


def test_a_missing_class_and_foreign_runs_are_refused(follower, onto):
    tasks = follower[Steering].tasks("ring", 4)
    fewer = onto.probes.isel({"class": [1, 2]})
    with pytest.raises(InputError, match="no class 'never'"):
        written_plan(follower, tasks, given_directions(fewer, "onto", ["state"]), "state")
    with pytest.raises(InputError, match="not of these tasks"):
        tasks[:2].succeeded(follower.run(tasks.tasks))
