"""What questions need, and that each of them says so where it is missing."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import analyses
from analyses.needs import Ability, Asked, PlanConcepts, Success
from analyses.question import (
    CannotAsk,
    CannotBeAsked,
    answer_plot,
    ask,
    is_unasked,
    plot_of,
    question,
    questions,
    sentence,
)
from interp.concepts import Concept
from interp.contract import ArraySpace, Discrete, Outcome, Spaces
from interp.errors import MesascopeError
from organisms.capabilities.capability import LikeOrganism
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.steering import Steering
from tests.organisms.tiny_mazes import tiny_maze_organism


class Drifter:
    """An organism that lacks everything: no success, no places, no concepts, no capabilities."""

    name = "drifter"
    network = object()
    observation_dims = ("feature",)
    sites: dict = {}
    concepts: dict = {}
    outcome = Outcome("drift", "m", "lower", can_succeed=False)
    spaces = Spaces(ArraySpace(("feature",), (2,)), ArraySpace(("force",), (1,)))


DRIFTER = Drifter()
NEED_NOTHING = {
    "thinking_time",  # measures whatever outcome there is
}


@question("Is it steered?", needs=(Ability(Steering, unless="kind"), Success()))
def steered(organism, kind="any", *, fail=None):
    if fail is not None:
        raise fail
    return xr.Dataset({"found": True})


@answer_plot
def plot_steered(dataset):
    from interp.style import subplots

    figure, _ = subplots(1, 1, width="text", height=1)
    return figure


class Sure(Drifter):
    """One that succeeds, and can be steered."""

    name, outcome = "sure", Outcome()

    def __contains__(self, capability):
        return capability is Steering


def test_what_has_all_that_is_needed_is_answered():
    assert bool(steered(Sure()).found)
    assert steered.__doc__ is None and steered.__name__ == "steered"


def test_everything_that_is_missing_is_said():
    answer = steered(DRIFTER)
    assert isinstance(answer, CannotBeAsked) and dict(answer.sizes) == {} and not answer
    assert answer.organism == "drifter" and answer.question == "Is it steered?"
    assert "Steering" in answer.reason and "sokoban" in answer.reason
    assert "drift" in answer.reason and "cannot be asked" in repr(answer)


def test_a_thing_that_is_given_takes_the_place_of_a_capability():
    assert "Steering" not in steered(DRIFTER, object()).reason
    assert "Steering" in steered(DRIFTER, kind="by name").reason


@pytest.mark.parametrize(
    "reach",
    [
        lambda answer: answer.found,
        lambda answer: answer["found"],
        lambda answer: answer.sel(site=1),
    ],
)
def test_reaching_into_it_repeats_the_reason(reach):
    answer = steered(DRIFTER)
    with pytest.raises(CannotAsk) as caught:
        reach(answer)
    assert caught.value.reason == answer.reason
    assert not hasattr(answer, "found") and "found" not in answer


def test_a_reason_found_inside_becomes_the_answer():
    answer = steered(Sure(), fail=CannotAsk("it has no left side"))
    assert answer.reason == "it has no left side" and answer.organism == "sure"


def test_wrong_usage_stays_an_error():
    with pytest.raises(ZeroDivisionError):
        steered(Sure(), fail=ZeroDivisionError())
    with pytest.raises(TypeError):
        steered(Sure(), unknown=1)


def test_it_can_be_written_and_read(tmp_path):
    answer = steered(DRIFTER)
    answer.to_netcdf(tmp_path / "answer.nc")
    again = xr.load_dataset(tmp_path / "answer.nc")
    assert is_unasked(again) and sentence(again) == sentence(answer)
    assert not is_unasked(xr.Dataset({"a": 1}))


def test_its_plot_is_the_sentence(tmp_path):
    answer = steered(DRIFTER)
    for given in (answer, xr.Dataset(attrs=answer.attrs)):
        figure = plot_steered(given)
        [axes] = figure.axes
        assert axes.texts[0].get_text().replace("\n", " ") == sentence(answer)
        figure.savefig(tmp_path / "figure.png")
    assert not plot_steered(xr.Dataset()).axes[0].texts


def test_several_are_asked_one_by_one():
    @question("All of them?", needs=(Success(),), several=True)
    def all_of(organisms):
        return xr.Dataset({"n": len(organisms)})

    assert int(all_of([Sure(), Sure()]).n) == 2
    assert all_of([Sure(), DRIFTER]).organism == "drifter"
    assert all_of({1: DRIFTER}).organism == "drifter"


def run_of(**attrs):
    return xr.Dataset({"reward": (("episode", "step"), np.zeros((2, 3)))}, attrs=attrs)


def test_a_run_speaks_for_its_organism():
    outcome = json.dumps({"name": "loss", "unit": "", "better": "lower", "can_succeed": False})
    answer = steered(run_of(organism="o", family="sokoban", outcome=outcome))
    assert "loss" in answer.reason and "Steering" not in answer.reason
    assert "Steering" in steered(run_of(organism="o", family="nobody's")).reason


def test_concepts_that_are_plans_are_the_default():
    plan = Concept("way", lambda run: run.reward, ("no", "yes"), about="plan")
    other = Concept("wind", lambda run: run.reward, ("no", "yes"))
    need = PlanConcepts()

    class Windy(Drifter):
        concepts = {"wind": other}

    class Going(Drifter):
        concepts = {"wind": other, "way": plan}

    assert need.missing(Asked.of(Going())) is None
    assert "wind" in need.missing(Asked.of(Windy()))
    assert need.missing(Asked.of(Windy(), {"concepts": ["wind"]})) is None
    assert "interp.Concept" in need.missing(Asked.of(DRIFTER))


@pytest.mark.parametrize(
    ("diverging", "found"),
    [
        ({}, "have none"),
        (
            {"a": ("door", "red"), "b": ("door", "red"), "c": ("key", "red")},
            "door and red, key and",
        ),
    ],
)
def test_a_report_is_about_one_pair_of_objectives(diverging, found):
    class Apart(LikeOrganism):
        def __getitem__(self, capability):
            if capability is Objectives:
                return SimpleNamespace(diverging=diverging)
            return super().__getitem__(capability)

    several = Apart(tiny_maze_organism())
    assert not {row.name: row.applies for row in ask(several)}["objective_report"]
    for answer in (analyses.objective_report(several), analyses.known_objectives([several])):
        assert isinstance(answer, CannotBeAsked) and found in answer.reason, answer
    assert {row.name: row.applies for row in ask(tiny_maze_organism())}["objective_report"]
    if not diverging:
        answer = analyses.population_behaviour([several], n=1, progress=False)
        assert isinstance(answer, CannotBeAsked) and "no tasks that tell" in answer.reason


def test_every_analysis_is_a_question():
    known = questions()
    assert set(known) <= set(analyses.__all__)
    assert {"plan_probes", "thinking_time", "kernels", "forecast", "objective_swap"} <= set(known)
    for name, declared in known.items():
        assert declared.words.endswith("?"), name
        assert declared.needs or name in NEED_NOTHING, name
        assert hasattr(analyses, f"plot_{name}") <= (plot_of(name) is not None)


@pytest.mark.parametrize("name", sorted(set(questions()) - NEED_NOTHING))
def test_each_question_cannot_be_asked_of_what_lacks_its_need(name, tmp_path):
    if name == "forecast":  # asked of tables of agents
        table = analyses.population_traits([DRIFTER])
        answer = analyses.forecast(table, analyses.population_behaviour([DRIFTER]))
    else:
        several = questions()[name].several
        given = {1: DRIFTER} if name == "training_curve" else [DRIFTER] if several else DRIFTER
        answer = getattr(analyses, name)(given)
    assert isinstance(answer, CannotBeAsked) and answer.analysis == name
    assert len(answer.reason) > 10 and "object at 0x" not in answer.reason
    if plot_of(name) is not None:
        assert plot_of(name)(answer).axes[0].texts


def test_asking_names_every_question_once():
    rows = ask(DRIFTER)
    assert sorted(row.name for row in rows) == sorted(questions())
    assert [row.name for row in rows if row.applies] == ["thinking_time"]
    assert all(row.reason for row in rows if not row.applies)
    with pytest.raises(MesascopeError):
        ask("no such organism")
    with pytest.raises(MesascopeError):
        ask(3)


def test_the_command_prints_both_tables(capsys):
    from analyses.cli import main

    assert main(["ask", "doors-population-v1/door-c100-s0"]) == 0
    out = capsys.readouterr().out
    assert "goal_sensitivity" in out.split("cannot be asked")[0]
    assert "plan_steering" in out.split("cannot be asked")[1]
    assert main(["ask", "doors-population-v1/door-c100-s0", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["applies"] for row in rows}["plan_probes"]
    assert "box" not in json.dumps([row["reason"] for row in rows])


def test_what_chooses_nothing_is_told_from_what_chooses():
    from analyses.needs import Chooses

    class Choosing(Drifter):
        spaces = Spaces(ArraySpace(("feature",), (2,)), Discrete(2))

    assert Chooses().missing(Asked.of(Choosing())) is None
    assert "logits" in Chooses().missing(Asked.of(DRIFTER))
