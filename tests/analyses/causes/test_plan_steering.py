"""A plan that is written is carried out by an organism that follows its plan, and by no other."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analyses.causes.causal_intervention import (
    causal_intervention_score,
    plot_causal_intervention_score,
)
from analyses.causes.plan_steering import plan_steering, plot_plan_steering
from analyses.causes.plan_writing import fitted_directions, given_directions, written_plan
from analyses.causes.steered_episode import steered_episode
from interp.errors import InputError, UnknownSiteError
from organisms.capabilities.steering import Steering
from tests.analyses.causes.steering_toy import RingOrganism

QUICK = {"n_bootstrap": 300, "progress": False}


@pytest.fixture(scope="module")
def follower() -> RingOrganism:
    return RingOrganism(obeys=True)


@pytest.fixture(scope="module")
def onto(follower) -> xr.Dataset:
    return fitted_directions(follower, "onto", follower.tasks(), ["state"], progress=False).probes


@pytest.fixture(scope="module")
def steered(follower, onto) -> xr.Dataset:
    return plan_steering(
        follower,
        "ring",
        probes=onto,
        n_tasks=20,
        alphas=(0.0, 1.0),
        n_directional=(0, 1),
        n_random=2,
        **QUICK,
    )


def test_a_follower_carries_out_the_written_plan(steered):
    assert float(steered.nothing) == 0
    assert bool(steered.found)
    cell = steered.sel(source="trained", site="state", alpha=1.0, n_directional=1)
    assert float(cell.success) == 1
    assert float(cell.over_random) > 0.5
    # Random draws are kept one by one, and their mean is the control's success.
    assert np.allclose(steered.success_draw.mean("draw"), steered.success.sel(source="random"))
    assert np.allclose(
        steered.over_nothing, steered.success.sel(source="trained") - steered.nothing
    )


def test_at_alpha_zero_everything_equals_doing_nothing(follower, onto, steered):
    nought = steered.sel(alpha=0.0)
    assert (nought.success == steered.nothing).all()
    assert (nought.p_value == 1).all()
    tasks = follower[Steering].tasks("ring", 10)
    random = given_directions(onto, "onto", ["state"]).random(0, 1)[0]
    alone = follower.run(tasks.tasks, sites=["state"])
    plan = written_plan(follower, tasks, random, "state", 0.0, 2)
    changed = follower.run(tasks.tasks, sites=["state"], interventions=plan)
    for name in ("logits", "state", "action", "length"):
        np.testing.assert_array_equal(alone[name].values, changed[name].values)


def test_an_organism_that_ignores_its_state_is_not_steered(onto):
    deaf = RingOrganism(obeys=False)
    result = plan_steering(
        deaf,
        "ring",
        train_tasks=deaf.tasks(),
        n_tasks=20,
        alphas=(1.0, 4.0),
        n_directional=(1,),
        n_random=2,
        **QUICK,
    )
    assert result.macro_f1.item() > 0.9  # the plan can be read there, and is not used
    assert not bool(result.found)
    assert (result.success == 0).all()


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
        alphas=(1.0, 8.0),
        n_directional=(1,),
        n_random=1,
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
    import dataclasses

    tasks = dataclasses.replace(follower[Steering].tasks("ring", 20), unit=np.arange(20) % 2)
    result = plan_steering(
        follower, tasks, probes=onto, alphas=(1.0,), n_directional=(1,), n_random=1, **QUICK
    )
    assert result.sizes["level"] == 2 and result.attrs["n_levels"] == 2
    assert result.success.sel(source="trained").item() == 1
    assert not bool(result.found)


def test_one_intervention_per_role_serves_all_tasks(follower, onto):
    tasks = follower[Steering].tasks("ring", 20)
    plan = written_plan(follower, tasks, given_directions(onto, "onto", ["state"]), "state", 1, 2)
    assert len(plan) == 3
    # A part of the tasks, run alone, goes as it does among the others.
    part = tasks[5:9]
    directions = given_directions(onto, "onto", ["state"])
    whole = follower.run(tasks.tasks, interventions=plan, batch_size=7)
    alone = follower.run(
        part.tasks, interventions=written_plan(follower, part, directions, "state", 1, 2)
    )
    assert (whole.length.values[5:9] == alone.length.values).all()
    assert (tasks.succeeded(whole)[5:9] == part.succeeded(alone)).all()


def test_a_directional_square_is_written_until_it_has_been_entered(follower, onto):
    tasks = follower[Steering].tasks("ring", 1)
    directions = given_directions(onto, "onto", ["state"])
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
    shared = {"alphas": (1.0, 4.0), "steps": (0, 1), "n_random": 2, **QUICK}
    tasks = follower.tasks("test", 20)
    result = causal_intervention_score(follower, tasks, train_tasks=follower.tasks(), **shared)
    assert bool(result.found)
    assert float(result.score.sel(source="trained", alpha=4.0).max()) == 1
    deaf = RingOrganism(obeys=False)
    result = causal_intervention_score(deaf, tasks, train_tasks=deaf.tasks(), **shared)
    assert not bool(result.found) and (result.score == 0).all()
    assert plot_causal_intervention_score(result).axes


def test_the_dataset_survives_netcdf_and_plots(steered, tmp_path):
    steered.to_netcdf(tmp_path / "steering.nc")
    with xr.open_dataset(tmp_path / "steering.nc") as back:
        xr.testing.assert_allclose(back.load(), steered)
    figure = plot_plan_steering(steered)
    assert len(figure.axes) == 2
    bars = [p.get_height() for p in figure.axes[0].patches if hasattr(p, "get_height")]
    assert 100.0 in [round(float(h), 6) for h in bars]


def test_a_steered_episode_shows_both_ways(follower, onto):
    tasks = follower[Steering].tasks("ring", 4)
    both = steered_episode(follower, tasks, onto, "state")
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
        ({"n_random": 0}, InputError),
        ({"sites": ["stat"]}, UnknownSiteError),
    ],
)
def test_wrong_arguments_are_refused(follower, onto, options, error):
    with pytest.raises(error):
        plan_steering(follower, "ring", probes=onto, **{**QUICK, **options})


def test_a_missing_class_and_foreign_runs_are_refused(follower, onto):
    tasks = follower[Steering].tasks("ring", 4)
    fewer = onto.isel({"class": [1, 2]})
    with pytest.raises(InputError, match="no class 'never'"):
        written_plan(follower, tasks, given_directions(fewer, "onto", ["state"]), "state")
    with pytest.raises(InputError, match="not of these tasks"):
        tasks[:2].succeeded(follower.run(tasks.tasks))
