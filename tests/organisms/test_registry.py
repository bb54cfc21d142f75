"""Names, folders and devices that `organisms.load` takes, and those it refuses."""

import os
import shutil
from pathlib import Path

import pytest

import organisms
from interp.errors import AssetError, InputError, UnknownNameError
from organisms.capabilities.objectives import Objectives

NAME = "sokoban-drc-small-v0"


@pytest.mark.parametrize("name", [None, 3, "", b"x", ["x"]])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InputError, match="name or folder"):
        organisms.load(name)


def test_a_typo_names_the_nearest():
    with pytest.raises(UnknownNameError, match=NAME):
        organisms.load("sokoban-drc-smal-v0")


@pytest.mark.parametrize("device", ["gpu", "cuda:999", object()])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(InputError, match="device"):
        organisms.load(NAME, device)


def test_a_name_wins_over_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(NAME).mkdir()
    assert organisms.load(NAME).name == NAME
    with pytest.raises(AssetError, match="holds no organism"):
        organisms.load(os.path.join(".", NAME))


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(organisms.shipped()[NAME], tmp_path / "mine")
    assert organisms.load("~/mine").name == NAME


def test_a_card_wins_over_a_checkpoint_beside_it(tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(organisms.shipped()[NAME], folder)
    (folder / "cfg.json").write_text("{}")
    assert organisms.load(folder).name == NAME


@pytest.mark.parametrize("seed", [None, -1, 1.5, "a"])
def test_seeds_of_untrained_networks(seed):
    with pytest.raises(InputError, match="seed"):
        organisms.load(NAME).untrained(seed)


@pytest.mark.parametrize("name", organisms.shipped())
def test_shipped_checkpoints_load_and_differ(name):
    organism = organisms.load(name)
    found = {organisms.load(f"{name}@{steps}").weights_sha256() for steps in organism.checkpoints}
    assert len(found) == len(organism.checkpoints)
    if organism.checkpoints:
        assert organism.checkpoints[-1] == organism.card.training_steps
        assert organism.weights_sha256() in found


def test_released_organisms_have_no_checkpoints():
    with pytest.raises(UnknownNameError, match="checkpoint of"):
        organisms.load(f"{organisms.names()[-1]}@100")


def test_agents_of_a_population_are_found_by_name_and_misspelt_ones_named():
    populations = organisms.populations()
    for population, agents in populations.items():
        assert len(agents) == len(set(agents)) > 1
        assert all(
            name.startswith(f"{population}/") and name in organisms.names() for name in agents
        )
        with pytest.raises(UnknownNameError, match=agents[0]):
            organisms.load(agents[0] + "0")
    assert populations, "a population ships"


def test_every_agent_of_a_population_is_what_its_card_and_its_recipe_say():
    from organisms.training.population import population_recipes

    for population, agents in organisms.populations().items():
        recipes = population_recipes(population)
        assert set(agents) == set(recipes)
        for name in agents:
            organism, recipe = organisms.load(name), recipes[name]  # load checks the sha256
            assert organism.network.config == recipe.network
            assert organism.card.training_steps == recipe.total_steps
            assert organism[Objectives].paid == recipe.objective
            assert organism.options["correlation"] == recipe.correlation
            assert len(organism.card.results) >= 10


def test_a_misspelt_concept_names_the_nearest():
    organism = organisms.load("bandit-lstm-v1-s0")
    with pytest.raises(UnknownNameError, match="better_arm"):
        organism.concepts["beter_arm"]
    assert "beter_arm" not in organism.concepts and organism.concepts.get("beter_arm") is None
