"""What the analyses of plans find in organisms of which the truth is known because they were written."""

import warnings

import numpy as np
import pytest

import analyses
import organisms
from organisms.boards.directions import ACTION_NAMES
from organisms.families.compiled.concepts import WANTED
from organisms.families.doors.paths import distances
from organisms.truth import Truth

FEW = {"progress": False, "n_bootstrap": 200}
CONCEPT = "agent_approach_direction"


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load(name):
    return organisms.load(f"compiled/{name}")


def truth_of(organism) -> Truth:
    assert organism.card.truth is not None
    return organism.card.truth


def mazes_of_length(organism, moves, n):
    """Return mazes of the test split in which the shortest way has so many moves."""
    aim = organism[organisms.Objectives].paid
    mazes = organism.tasks("test", 900, seed=4)
    passable, wanted = ~mazes.walls & (mazes.objects == 0), WANTED[aim][mazes.objects]
    far = distances(passable, wanted)[np.arange(len(mazes)), *mazes.start.T]
    chosen = np.flatnonzero(far == moves)[:n]
    assert len(chosen) == n
    return mazes[chosen]


@pytest.mark.parametrize(("name", "found"), [("used-7x7-s1", True), ("reactive-7x7-s1", False)])
def test_probes_find_the_plan_of_a_planner_and_none_in_what_only_reacts(name, found):
    organism = load(name)
    result = analyses.plan_probes(
        organism,
        organism.tasks("test", 60),
        CONCEPT,
        receptive_fields=1,
        untrained=None,
        controls=(
            "majority",
            "observation",
            "history",
            "shuffled",
        ),  # the whole ladder takes minutes
        **FEW,
    )
    assert result.found.item() == found == truth_of(organism).plans
    score = result.macro_f1.sel(source="trained").isel(tick=-1)
    assert (float(score.max()) > 0.99) == found


def test_the_direction_that_a_probe_finds_tells_squares_apart_as_the_card_says():
    organism = load("rotated-7x7-s1")
    result = analyses.plan_probes(
        organism,
        organism.tasks("test", 80),
        CONCEPT,
        receptive_fields=1,
        untrained=None,
        controls=("majority",),
        **FEW,
    )
    probe = result.direction.sel(source="trained", site="cell.h").isel(concept=0, tick=-1)
    true = np.array([truth_of(organism).subspace[move] for move in ACTION_NAMES])
    for k, move in enumerate(ACTION_NAMES):
        read = true @ (probe.sel({"class": move}) - probe.sel({"class": "never"})).values
        assert read.argmax() == k


@pytest.mark.parametrize(
    ("name", "thinking", "moves"),
    [("used-7x7-s1", 1, 3), ("used-7x7-s1", 1, 5), ("layers-9x9-s0", 0, 6)],
)
def test_the_curve_of_formation_is_complete_at_the_position_of_the_card(name, thinking, moves):
    organism = load(name)
    curve = analyses.plan_formation(
        organism, mazes_of_length(organism, moves, 40), CONCEPT, thinking_steps=thinking, **FEW
    )
    own = curve.macro_f1.sel(source="trained").isel(concept=0, site=0).values
    n_ticks = organism.network.n_ticks
    complete = truth_of(organism).position(moves)
    assert 0 < complete < n_ticks - 1
    for step in range(thinking + 1):
        assert (own[step * n_ticks :][:n_ticks] > 0.999).tolist() == [
            tick >= complete for tick in range(n_ticks)
        ]
    assert bool(curve.found)
    assert curve.attrs["deliberation"] == truth_of(organism).along


def test_nothing_forms_in_what_only_reacts():
    organism = load("reactive-7x7-s1")
    curve = analyses.plan_formation(
        organism, organism.tasks("test", 60), CONCEPT, thinking_steps=1, **FEW
    )
    assert not bool(curve.found) and float(abs(curve.growth.sel(source="trained")).max()) < 0.05


def test_a_plan_that_is_written_in_is_carried_out_where_the_plan_is_used_and_only_there():
    few = {
        "n_tasks": 8,
        "alphas": (1.0,),
        "n_directional": (3,),
        "n_random": 19,
        "n_shuffled": 0,
        "n_other_plans": 0,
        **FEW,
    }
    for name in ("used-7x7-s1", "shown-7x7-s1"):
        organism = load(name)
        steered = analyses.plan_steering(
            organism, "two-ways", train_tasks=organism.tasks("train", 60), **few
        )
        written = float(steered.success.sel(source="trained").max())
        if truth_of(organism).uses_plan:
            assert bool(steered.found) and written > 0.8 and float(steered.nothing) == 0
        else:
            assert not bool(steered.found) and written < float(steered.nothing) + 0.1


def test_the_decoded_plan_can_be_carried_out_and_solves():
    organism = load("used-7x7-s1")
    result = analyses.plan_validity(
        organism, organism.tasks("test", 40), thinking_steps=1, untrained=None, **FEW
    )
    last = result.quality.sel(source="trained").isel(deliberation=-1, concept=0, site=0)
    for measure in ("connected", "valid", "solves"):
        assert float(last.sel(measure=measure)) == 1
    assert result.ideal.sel(measure="solves").item() == 1
