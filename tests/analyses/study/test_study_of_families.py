"""A study of an agent of every family, and of one that another package would bring."""

import importlib
import json

import pytest
import xarray as xr

from analyses.question import is_unasked
from analyses.study.study import study
from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError
from organisms.card import Card
from organisms.families.bandits.world import ARMS, FEATURES, REGRET, BanditWorld, draw_bandits
from organisms.family import Family
from organisms.networks.build import build_network, network_record
from organisms.networks.lstm import LSTM, LSTMConfig
from organisms.organism import Organism
from organisms.registry import find_family
from tests.organisms.tiny_mazes import tiny_maze_organism
from tests.toys import ToyOrganism, ToyTasks

SMALL = {"n_levels": 40, "thinking_steps": 1, "progress": False}
BESIDE = ("majority", "observation 3x3")
ANSWERS = {"found", "not found", "cannot be asked", "could not be answered"}

FOREIGN = Family(
    name="slot_machines",
    summary="Bandits, as somebody else's package would bring them.",
    tasks=lambda organism, split="test", n=None, seed=0: draw_bandits(split, n, seed),
    world=lambda organism, tasks: BanditWorld(tasks),
    network=build_network,
    observation_dims=("feature",),
    state_sites=lambda organism: list(organism.network.state_sites),
    concepts=lambda: {
        "paid_next": Concept(
            "paid_next", lambda run: (run.reward > 0).astype(int), ("no", "yes"), about="plan"
        )
    },
    outcome=REGRET,
    deliberation=None,
)


def bandit(family):
    network = LSTM(LSTMConfig(n_features=len(FEATURES), n_actions=len(ARMS), hidden=8), 0)
    card = Card("learner", family.name, "Never trained.", network=network_record(network))
    return Organism(network, card, family)


def told(path):
    record = json.loads((path.parent / "study.json").read_text())["verdicts"]
    assert all(verdict["answer"] in ANSWERS for verdict in record.values())
    assert all((v["found"] is None) == (v["answer"][:3] in ("can", "cou")) for v in record.values())
    for name in ("thinking_time", "plan_probes", "plan_formation", "plan_steering"):
        assert any(key.startswith(name) for key in record), (name, list(record))
    assert "box" not in json.dumps(record).lower()
    return record


def test_a_bandit_has_no_plans_and_is_told_so(tmp_path):
    path = study(bandit(find_family("bandits")), tmp_path, **SMALL)
    record = told(path)
    assert record["plan_probes"]["answer"] == "cannot be asked"
    assert "better_arm" in record["plan_probes"]["text"]
    assert "regret" in record["thinking_time"]["text"]
    assert "verdict unanswered" in path.read_text()
    assert is_unasked(xr.load_dataset(tmp_path / "plan_probes.nc"))


def test_a_figure_that_cannot_be_drawn_costs_no_numbers(tmp_path, monkeypatch):
    def unlucky(dataset):
        raise ZeroDivisionError("no ink")

    module = importlib.import_module("analyses.study.study")
    monkeypatch.setattr(module, "plot_thinking_time", unlucky)
    with pytest.warns(UserWarning, match="'thinking_time' could not be drawn .*no ink"):
        path = study(bandit(FOREIGN), tmp_path, concepts=["paid_next"], **SMALL)
    for name in ("thinking_time", "plan_probes", "plan_formation", "plan_steering"):
        assert xr.load_dataset(tmp_path / f"{name}.nc").attrs["analysis"] == name
    assert "thinking_time" in told(path) and not (tmp_path / "thinking_time.png").exists()
    assert (tmp_path / "plan_probes.png").exists()
    assert "could not be drawn" in path.read_text()


def test_concepts_that_are_given_are_looked_for(tmp_path):
    path = study(bandit(find_family("bandits")), tmp_path, concepts=["better_arm"], **SMALL)
    record = told(path)
    assert "plan_probes: better arm" in record and "plan_formation: better arm" in record
    assert "--concepts better_arm" in path.read_text()
    with pytest.raises(UnknownNameError, match="better_arm"):
        study(bandit(find_family("bandits")), tmp_path, concepts="better_arms", **SMALL)


def test_a_family_of_another_package_is_studied(tmp_path):
    record = told(study(bandit(FOREIGN), tmp_path, **SMALL))
    assert any(name.startswith("plan_probes: paid next") for name in record)
    assert record["plan_steering"]["answer"] == "cannot be asked"


def far_to_go(run):
    here, goal = (run.observation.isel(feature=k).astype(int) for k in (0, 1))
    return (goal - here > 3).astype(int)


def test_an_agent_that_is_no_organism_of_ours_is_studied_on_tasks_that_are_given(tmp_path):
    walker = ToyOrganism()
    ahead = Concept("ahead", far_to_go, ("no", "yes"), about="plan")
    tasks = ToyTasks(tuple(1 + k % 7 for k in range(60)))
    with pytest.warns(UserWarning, match="No untrained control"):
        path = study(walker, tmp_path, tasks=tasks, concepts=[ahead], **SMALL)
    record = json.loads((tmp_path / "study.json").read_text())
    assert record["n_levels"] == 40 and record["split"] == "tasks that were given"
    assert record["verdicts"]["plan_steering"]["answer"] == "cannot be asked"
    assert record["verdicts"]["thinking_time"]["answer"] in ANSWERS
    assert "tasks=…" in path.read_text()
    with pytest.raises(InputError, match="toy has no tasks of its own: give some"):
        study(walker, tmp_path / "none", **SMALL)
    with pytest.raises(InputError, match="at least 40 levels, got 12"):
        study(walker, tmp_path / "none", tasks=tasks[:12], **SMALL)
    assert not (tmp_path / "none").exists()


def test_a_maze_agent_is_studied_without_a_word_of_boxes(tmp_path):
    record = told(study(tiny_maze_organism(), tmp_path, controls=BESIDE, **SMALL))
    assert any(name.startswith("plan_probes") for name in record)
    assert record["plan_steering"]["answer"] == "cannot be asked"
