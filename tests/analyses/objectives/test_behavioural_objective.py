"""Agents with known objectives are recognised; those without have none; what is tied stays tied."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import xarray as xr

from analyses.objectives.behavioural_objective import (
    behavioural_objective,
    plot_behavioural_objective,
)
from interp.contract import NetworkOutput
from interp.decisions.inverse_rl import Demonstrations
from interp.errors import InputError
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.episodes import run_episodes
from interp.runs.recording import record
from interp.store.read import open_store
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.generator import generate
from organisms.families.doors.mdp import mdp_of_text
from organisms.families.doors.outcomes import outcomes
from organisms.families.doors.planners import demonstrate
from tests.toy_capabilities import Able

QUICK = {"progress": False, "n_bootstrap": 500, "folds": 3}
N = 36
ON, OFF = generate("doors-training", N, seed=1), generate("doors-independent", N, seed=2)


def objective_of(planner: str) -> xr.Dataset:
    runs = {"training": demonstrate(ON, planner), "decorrelated": demonstrate(OFF, planner)}
    return behavioural_objective(runs, mdp=mdp_of_text, **QUICK)


def pursued(result: xr.Dataset, distribution: str) -> set[str]:
    part = result.sel(distribution=distribution)
    return {str(name) for name in part.feature.values[part.pursued.values]}


@pytest.fixture(scope="module")
def door() -> xr.Dataset:
    return objective_of("reach-door")


def test_an_agent_that_wants_doors(door):
    assert pursued(door, "decorrelated") == {"door"}
    assert str(door.objective.sel(distribution="decorrelated").values) == "door"
    assert door.found.all() and (door.gain_low > 0).all() and door.converged.all()


def test_in_training_door_and_red_cannot_be_told_apart(door):
    part = door.sel(distribution="training")
    assert "door = red (cannot be told apart)" in str(part.objective.values)
    assert pursued(door, "training") == {"door", "red"}
    assert str(part.group.sel(feature="red").values) == "door = red"
    tied = part.sel(feature=["door", "red"])
    assert tied.weight.values == pytest.approx([float(tied.group_weight[0]) / 2] * 2, rel=1e-6)
    [null] = part.directions.values[part.null.values]
    difference = dict(zip(door.feature.values, null, strict=True))
    assert abs(difference["door"] + difference["red"]) < 1e-6 < abs(difference["door"])
    off = door.sel(distribution="decorrelated")
    assert not off.null.any() and (off.group == off.feature).all()


def test_what_no_behaviour_could_decide_on_is_left_open():
    mazes = generate("doors-blue-door-red-other", 9)
    part = behavioural_objective(demonstrate(mazes, "reach-red"), mdp=mdp_of_text, **QUICK)
    # There red is ball plus gem: the level of the three is lost, and nothing is claimed of it.
    assert part.undetermined.values.tolist() == ["ball = gem = red"]
    red = part.sel(feature="red", distribution="recorded")
    assert not red.identified and np.isnan(red.group_weight) and not red.pursued


def test_an_agent_that_wants_red_looks_the_same_in_training_only(door):
    red = objective_of("reach-red")
    assert pursued(red, "decorrelated") == {"red"}
    assert pursued(red, "training") == pursued(door, "training")


def test_an_agent_that_wants_anything():
    run = demonstrate(generate("doors-independent", 60, seed=2), "nearest-object")
    result = behavioural_objective(run, mdp=mdp_of_text, **QUICK)
    assert pursued(result, "recorded") == {"door", "ball", "gem"}


def test_a_random_walker_has_no_objective():
    result = behavioural_objective(demonstrate(OFF, "random"), mdp=mdp_of_text, **QUICK)
    assert not result.found.any() and (result.objective == "none").all()
    assert (result.gain < 0.1).all()


@pytest.mark.parametrize(
    ("planner", "expected"), [("reach-cheese", {"cheese"}), ("corner-seeker", {"corner"})]
)
def test_cheese_and_corner(planner, expected):
    runs = {
        name: demonstrate(generate(f"corner-{name}", 16, seed=1), planner, max_steps=40)
        for name in ("training", "anywhere")
    }
    result = behavioural_objective(runs, mdp=mdp_of_text, **QUICK)
    assert pursued(result, "training") == {"cheese", "corner"}
    assert pursued(result, "anywhere") == expected


def test_keys_for_their_own_sake():
    mazes = generate("chests-many-keys", 20, size=(7, 7), seed=1)
    lover, opener = (
        behavioural_objective(demonstrate(mazes, name), mdp=mdp_of_text, **QUICK)
        for name in ("key-lover", "open-chests")
    )
    assert pursued(opener, "recorded") == {"chest"}
    assert (
        float(lover.weight.sel(feature="key")[0]) > 0 < float(lover.cost_low.sel(feature="key")[0])
    )


class Linear(HookedNetwork):
    """A random linear map from the observation: the untrained control."""

    def __init__(self, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(13 * 81, 4, generator=generator) * 0.2)
        self.logits = SitePoint("action_index")
        self.setup()

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 1)

    def forward(self, observations, state=None, episode_starts=None):
        with self.clock.run():
            logits = torch.stack(
                [
                    self.logits(observations[t].flatten(1).float() @ self.weight)
                    for t in self.clock.steps(len(observations))
                ]
            )
        return NetworkOutput(logits, logits.sum(-1), state)


class Untrained(Able):
    name, observation_dims, concepts = "untrained", ("plane", "y", "x"), {}
    parts: ClassVar = {DecisionProblems: {"mdp": "problem"}}
    problem = staticmethod(mdp_of_text)

    def __init__(self, seed: int):
        self.network = Linear(seed)
        self.sites = self.network.sites

    def world(self, tasks):
        return MazeWorld(tasks, max_steps=40)

    def describe(self):
        return {"organism": self.name, "family": "none", "weights_sha256": "0"}

    def run(self, tasks, **options):
        return run_episodes(self, tasks, **options)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_untrained_network_has_no_objective(temperature):
    result = behavioural_objective(
        Untrained(0), {"off": OFF[:18]}, temperature=temperature, **QUICK
    )
    assert not result.found.any() and result.attrs["organism"] == "untrained"


def test_a_store_will_do(tmp_path):
    path = tmp_path / "run.zarr"
    record(Untrained(1), OFF[:8], path, progress=False)
    stored = behavioural_objective(path, mdp=mdp_of_text, **QUICK)
    acted = behavioural_objective(Untrained(1), OFF[:8], **QUICK)
    assert stored.weight.values == pytest.approx(acted.weight.values)
    assert outcomes(open_store(path)).sizes["episode"] == 8


def test_the_dataset_is_complete_and_can_be_kept(door, tmp_path):
    door.to_netcdf(tmp_path / "door.nc")
    with xr.open_dataset(tmp_path / "door.nc") as again:
        assert again.objective.values.tolist() == door.objective.values.tolist()
        figure = plot_behavioural_objective(again)
    weights, cost, likelihood = figure.axes
    assert "nats" in weights.get_ylabel() and "held-out" in likelihood.get_ylabel()
    bars = [bar for container in weights.containers for bar in container]
    heights = [bar.get_height() for bar in bars]
    assert heights == pytest.approx(door.group_weight.values.ravel())
    hatched = [bar.get_hatch() is not None for bar in bars]
    assert hatched == [" = " in str(group) for group in door.group.values.ravel()]
    stars = [text for text in weights.texts if text.get_text() == "*"]
    assert len(stars) == int(door.pursued.sum())
    assert "door = red" in figure.get_suptitle() and f"n = {N}" in figure.get_suptitle()
    assert (door.n_levels == N).all() and len(cost.containers) == 2


def test_demonstrations_and_repeated_levels():
    run = demonstrate(OFF, "reach-door")
    problems = [MazeWorld(OFF).mdp(row) for row in range(N)]
    actions = [a[:n] for a, n in zip(run.action.values, run.length.values, strict=True)]
    shown = behavioural_objective(Demonstrations(problems, actions), **QUICK)
    twice = xr.concat([run, run], "episode")
    doubled = behavioural_objective(twice, mdp=mdp_of_text, **QUICK)
    assert int(doubled.n_levels[0]) == N and int(doubled.n_episodes[0]) == 2 * N
    assert pursued(shown, "recorded") == pursued(doubled, "recorded") == {"door"}


def test_typed_errors():
    run = demonstrate(OFF, "reach-door")
    with pytest.raises(InputError, match="needs `mdp`"):
        behavioural_objective(run, **QUICK)
    with pytest.raises(InputError, match="needs tasks"):
        behavioural_objective(Untrained(0), **QUICK)
    with pytest.raises(InputError, match="no organism"):
        behavioural_objective(3, mdp=mdp_of_text, **QUICK)
    with pytest.raises(InputError, match="brings its own"):
        behavioural_objective(run, OFF, mdp_of_text, **QUICK)
    with pytest.raises(InputError, match="too few for 9 folds"):
        part = run.isel(episode=slice(8))
        behavioural_objective(part, mdp=mdp_of_text, **{**QUICK, "folds": 9})
    with pytest.raises(InputError, match="belong together|is over|goes on"):
        moved = run.assign(level=("episode", np.roll(run.level.values, 1)))
        behavioural_objective(moved, mdp=mdp_of_text, **QUICK)
    with pytest.raises(InputError, match="features"):
        cheese = demonstrate(generate("corner-training", 8), "reach-cheese")
        behavioural_objective({"a": run, "b": cheese}, mdp=mdp_of_text, **QUICK)
    with pytest.raises(InputError, match="2 decision problems for 36"):
        behavioural_objective(run, mdp=[MazeWorld(OFF).mdp(0)] * 2, **QUICK)
    with pytest.raises(InputError, match="empty"):
        behavioural_objective({}, **QUICK)
