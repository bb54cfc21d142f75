"""A population is trained by one command that can be called again."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

import organisms
from interp.errors import InputError, UnknownNameError
from organisms.families.doors import recipes
from organisms.training import population as training
from organisms.training.population import population_recipes, train_population


@pytest.fixture
def tiny(monkeypatch) -> list[str]:
    """Put a population of two agents, which train for two updates, among the recipes."""
    real = recipes.RECIPES["doors-population-v1/flat-door-c90-s1"]
    ppo = dataclasses.replace(real.ppo, total_steps=64, n_environments=8, unroll=4)
    small = {
        f"tiny-population/agent-s{seed}": dataclasses.replace(
            real, ppo=dataclasses.replace(ppo, seed=seed), pool_size=40
        )
        for seed in range(2)
    }
    monkeypatch.setattr(recipes, "RECIPES", {**recipes.RECIPES, **small})
    return list(small)


def test_all_agents_are_trained_and_not_again(tiny, tmp_path, monkeypatch):
    done = train_population("tiny-population", tmp_path, progress=False)
    assert list(done) == ["agent-s0", "agent-s1"]
    agent = organisms.load(done["agent-s1"])
    assert agent.name == "tiny-population/agent-s1"
    assert agent.card.training_steps == 64
    weights = load_file(done["agent-s1"] / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    written = (done["agent-s0"] / "weights.safetensors").stat().st_mtime_ns

    def trains_again(*args, **options):
        raise AssertionError("an agent that is done is trained again")

    monkeypatch.setattr("organisms.training.run.train_recipe", trains_again)
    assert train_population("tiny-population", tmp_path, progress=False) == done
    assert (done["agent-s0"] / "weights.safetensors").stat().st_mtime_ns == written


def test_one_agent_alone_is_what_it_is_among_all(tiny, tmp_path):
    alone = train_population("tiny-population", tmp_path / "a", agents=["agent-s1"], progress=False)
    assert list(alone) == ["agent-s1"]
    together = train_population("tiny-population", tmp_path / "b", progress=False)
    first, second = (organisms.load(folder["agent-s1"]) for folder in (alone, together))
    assert first.weights_sha256() == second.weights_sha256()


def test_agents_are_trained_on_the_device_that_is_asked_for(tiny, tmp_path):
    with pytest.raises(InputError, match="'no device' cannot be used"):
        train_population("tiny-population", tmp_path, device="no device", progress=False)


def test_wrong_names_are_named(tiny, tmp_path):
    with pytest.raises(UnknownNameError, match="tiny-population"):
        population_recipes("tiny-populatoin")
    with pytest.raises(UnknownNameError, match="agent-s0"):
        train_population("tiny-population", tmp_path, agents=["agent-0"])
    with pytest.raises(InputError, match="at least one"):
        train_population("tiny-population", tmp_path, agents=[])
    assert not list(tmp_path.iterdir())
    assert training.population_recipes("doors-population-v1")
