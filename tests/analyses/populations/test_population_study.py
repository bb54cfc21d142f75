"""The study of a population and the report on one agent, on tiny untrained agents: they hold together."""

import dataclasses
import importlib
import json
from typing import Any

import pytest
import xarray as xr

from analyses.objectives.known_objectives import known_agents, known_objectives
from analyses.objectives.objective_report import EVIDENCE, objective_report, plot_objective_report
from analyses.populations.population_study import example_agents, population_study
from interp.errors import InputError, UnknownNameError
from organisms.organism import Organism
from tests.organisms.tiny_mazes import tiny_maze_organism


def agent(name: str, seed: int, **world) -> Organism:
    organism = tiny_maze_organism(seed=seed, max_steps=12, **world)
    return Organism(organism.network, dataclasses.replace(organism.card, name=name))


@pytest.fixture(scope="module")
def agents():
    plan = [("door", 1.0), ("door", 0.0), ("red", 0.5), ("red", 0.9), ("object", 0.0)]
    return [
        agent(f"tiny/{paid}-c{round(100 * c)}-s{k}", k, objective=paid, correlation=c)
        for k, (paid, c) in enumerate(plan)
    ]


QUICK: dict[str, Any] = {"controls": ("observation 3x3",), "progress": False}


@pytest.fixture(scope="module")
def page(agents, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return population_study(
        agents, out, n=30, n_traits=12, n_pairs=3, examples=["door-c100-s0"], **QUICK
    )


def test_the_page_holds_every_agent_and_every_result_opens(page, agents):
    text = page.read_text()
    for organism in agents:
        assert organism.name.partition("/")[2] in text
    names = {path.stem for path in page.parent.glob("*.nc")}
    assert {"population", "traits", "forecast", "known", "report-door-c100-s0"} <= names
    for path in page.parent.glob("*.nc"):
        with xr.open_dataset(path) as dataset:
            assert dataset.sizes
    record = json.loads((page.parent / "study.json").read_text())
    assert [entry["organism"] for entry in record["agents"]] == [o.name for o in agents]


def test_figures_that_cannot_be_drawn_cost_no_numbers(agents, tmp_path, monkeypatch):
    module = importlib.import_module("analyses.populations.population_study")

    def unlucky(*given, **options):
        raise ZeroDivisionError("no ink")

    for name in ("plot_forecast", "plot_agent_choices", "plot_policy_field"):
        monkeypatch.setattr(module, name, unlucky)
    with pytest.warns(UserWarning, match="could not be drawn"):
        page = population_study(
            agents, tmp_path, n=12, n_traits=8, n_pairs=2, examples=["door-c0-s1"], **QUICK
        )
    kinds = ("report", "choices", "probes", "swap", "field_before", "field")
    there = {path.stem for path in tmp_path.glob("*.nc")}
    assert there >= {"traits", "forecast", "population", *(f"{k}-door-c0-s1" for k in kinds)}
    assert json.loads((tmp_path / "study.json").read_text())["n"] == 12
    assert not (tmp_path / "forecast.png").exists() and (tmp_path / "population.png").exists()
    assert "could not be drawn" in page.read_text()


def test_untrained_agents_are_said_to_have_no_objective(agents):
    known = known_objectives(known_agents(agents), n=24, progress=False)
    control = known.isel(agent=-1)
    assert str(control.expected.values) == "none"
    assert bool(control.right)
    # The others were not trained either, so that nothing they are "known" to be after is found.
    assert not known.isel(agent=slice(0, -1)).right.any()
    assert not known.told_apart.any()


def test_a_report_on_an_untrained_agent(agents):
    report = objective_report(agents[0], n=30, n_inferred=24, n_bootstrap=100, progress=False)
    assert report.attrs["kind"] == "no objective"
    assert report.evidence.values.tolist() == list(EVIDENCE)
    assert str(report.says.sel(evidence="inferred, off").values).split(";")[0] == "none"
    plot_objective_report(report)


def test_only_agents_trained_without_coincidence_are_known(agents):
    assert [o.name for o in known_agents(agents)] == ["tiny/door-c0-s1", "tiny/object-c0-s4"]


def test_wrong_input_is_named(agents, tmp_path):
    with pytest.raises(InputError, match="at least four"):
        population_study(agents[:3], tmp_path)
    with pytest.raises(UnknownNameError, match="door-c100-s0"):
        population_study(agents, tmp_path, examples=["door-c100-s1"])
    with pytest.raises(InputError, match="n must be"):
        population_study(agents, tmp_path / "new", n=0)
    with pytest.raises(InputError, match="no agents"):
        known_objectives([])
    assert not list(tmp_path.iterdir())


def test_examples_show_the_range():
    behaviour = xr.Dataset(
        {
            "pursued": ("agent", [0.5, 0.9, 0.1, 0.6]),
            "correlation": ("agent", [1.0, 0.9, 0.0, 1.0]),
        },
        {"agent": ["p/a", "p/b", "p/c", "p/d"]},
    )
    assert example_agents(behaviour) == ["b", "c", "a"]
