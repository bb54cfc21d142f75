"""Training on mazes: the episodes practised on, and the recipe from its first update to its organism."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

import organisms
from interp.errors import InputError
from organisms.capabilities.objectives import Objectives
from organisms.families.doors.generator import generate
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, Colour, Kind
from organisms.families.doors.practice import MazePractice, draw_mazes
from organisms.families.doors.recipes import RECIPES, MazeRecipe
from organisms.families.doors.text import parse_mazes
from organisms.training.policy_gradient import PolicyGradientConfig, PolicyGradientTrainer
from organisms.training.run import train_recipe
from tests.organisms.tiny_mazes import TINY_MAZE_CONFIGS

ROWS, UNROLL, UPDATES = 8, 4, 8
TINY = {
    name: MazeRecipe(
        network=config,
        ppo=PolicyGradientConfig(
            total_steps=ROWS * UNROLL * UPDATES,
            n_environments=ROWS,
            unroll=UNROLL,
            bfloat16=False,
        ),
        correlation=0.5,
        objective="red",
        max_steps=6,
        min_steps=2,
        pool_size=30,
        lessons=3,
        summary="tiny",
        limits="tiny",
    )
    for name, config in TINY_MAZE_CONFIGS.items()
}


def draw(n: int, rng: np.random.Generator, **options):
    settings = {"objective": "red", "size": (7, 7), "correlation": 0.0, **options}
    return draw_mazes("doors-training", n, rng, **settings)


# Practice --------------------------------------------------------------------------------------


def test_drawn_mazes_hold_what_is_paid_and_are_training_mazes():
    mazes = draw(40, np.random.default_rng(1))
    assert len(mazes) == len(set(mazes.ids)) == 40
    assert (COLOUR_OF[mazes.objects] == Colour.RED).any(axis=(1, 2)).all()
    assert all("-train/" in name for name in mazes.ids)
    again, other = (draw(40, np.random.default_rng(seed)) for seed in (1, 2))
    assert again == mazes and other != mazes
    coupled = draw(20, np.random.default_rng(1), objective="door", correlation=1.0)
    door, red = KIND_OF[coupled.objects] == Kind.DOOR, COLOUR_OF[coupled.objects] == Colour.RED
    assert (door == red).all()


def test_practice_pays_for_the_objective_alone():
    # Always a red ball on the left and a blue door on the right.
    hall = parse_mazes("; doors\n##########\n##Br@@Db##\n##########")
    paid = {}
    for objective in ("door", "red", "object"):
        practice = MazePractice(
            lambda n, rng: hall, objective=objective, rows=2, pool_size=1, lessons=9
        )
        reward, ended, solved = practice.step(np.array([2, 3]))
        assert ended.all() and (solved == (reward > 0)).all()
        paid[objective] = reward.tolist()
    assert paid == {"door": [0, 1], "red": [1, 0], "object": [1, 1]}


def test_rows_that_end_begin_the_next_maze():
    halls = ["@@Dr....", "@@..Dr..", "..@@Dr..", "Dr..@@.."]
    mazes = parse_mazes(
        "\n\n".join(f"; doors\n############\n##{hall}##\n############" for hall in halls)
    )
    practice = MazePractice(
        lambda n, rng: mazes,
        rows=2,
        pool_size=4,
        lessons=9,
        max_steps=5,
        min_steps=5,
    )
    assert practice.world.level_index.tolist() == [0, 1]
    for step in range(5):
        _, ended, _ = practice.step(np.zeros(2, int))  # into the wall above
        assert (ended == (step == 4)).all()
    assert practice.world.level_index.tolist() == [2, 3]
    assert (practice.observation == practice.world.observe()).all()
    np.testing.assert_array_equal(practice.world.position, mazes.start[2:])


def test_the_pool_is_renewed_when_it_is_time():
    practice = MazePractice(draw, rows=4, pool_size=10, lessons=3, objective="red")
    seen = [practice.world.mazes.texts]
    changed = []
    for _ in range(7):
        changed.append(practice.renew())
        seen.append(practice.world.mazes.texts)
    assert sum(changed) == 2 or sum(changed) == 3
    for before, after, new in zip(seen, seen[1:], changed, strict=False):
        assert (before != after) == new


@pytest.mark.parametrize("distribution", ["doors-training", "chests-training", "corner-training"])
def test_a_state_of_practice_is_all_of_it(distribution):
    """Another practice that takes the state goes on the same, over changes of pool, too."""

    def make(seed: int) -> MazePractice:
        return MazePractice(
            lambda n, rng: draw_mazes(
                distribution, n, rng, objective=None, size=(7, 7), correlation=0.5
            ),
            rows=5,
            pool_size=10,
            lessons=2,
            seed=seed,
            max_steps=9,
            min_steps=3,
        )

    def go_on(practice: MazePractice) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        found = []
        for step in range(20):
            if step % 4 == 0:
                practice.renew()
            found += [*practice.step(rng.integers(0, 4, 5)), practice.observation.copy()]
        return found

    mine, other = make(0), make(1)
    mine.renew()
    for _ in range(5):
        mine.step(np.arange(5) % 4)
    arrays, record = mine.get_state()
    other.set_state({k: v.copy() for k, v in arrays.items()}, json.loads(json.dumps(record)))
    assert other.world.mazes.game == distribution.split("-")[0]
    for ours, theirs in zip(go_on(mine), go_on(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_cannot_be_paid_is_not_practised_on():
    doorless = generate("doors-no-door", 5, size=(7, 7))
    with pytest.raises(InputError, match="no door can be reached"):
        MazePractice(lambda n, rng: doorless, rows=2, pool_size=5, lessons=1, objective="door")


# The recipe ------------------------------------------------------------------------------------


def weights_equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("name", TINY)
def test_a_recipe_trains(name):
    trainer = TINY[name].build()
    fresh = TINY[name].new_network()
    assert weights_equal(trainer.network, fresh)
    rows = [trainer.update() for _ in range(3)]
    assert trainer.steps == 3 * ROWS * UNROLL
    assert not weights_equal(trainer.network, fresh)
    assert all(np.isfinite(value) for row in rows for value in row.values())
    again = TINY[name].build()
    assert [again.update() for _ in range(3)] == rows, "the same seed trains the same"
    other = TINY[name].seeded(1).build()
    assert not weights_equal(other.network, fresh)


@pytest.mark.parametrize("name", TINY)
def test_a_stopped_training_ends_as_one_that_was_not(name, tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, name, TINY[name])
    whole = organisms.load(train_recipe(name, tmp_path / "whole", progress=False))
    update, done = PolicyGradientTrainer.update, []

    def stop_after_five(self):
        done.append(self)
        if len(done) > 5:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyGradientTrainer, "update", stop_after_five)
        with pytest.raises(KeyboardInterrupt):
            train_recipe(name, tmp_path / "parts", every=2, progress=False)
    assert not (tmp_path / "parts" / "organism").exists()
    resumed = organisms.load(train_recipe(name, tmp_path / "parts", every=2, progress=False))
    assert weights_equal(whole.network, resumed.network)
    assert resumed.card.training_steps == ROWS * UNROLL * UPDATES


def test_a_trained_organism_says_how_it_was_made(tmp_path, monkeypatch):
    recipe = dataclasses.replace(TINY["tiny-maze-drc"], objective="door", correlation=0.75)
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    organism = organisms.load(train_recipe("tiny", tmp_path, progress=False))
    assert organism.card.family == "doors" and organism.card.summary == "tiny"
    assert organism[Objectives].paid == "door"
    assert (organism.options["correlation"], organism.options["max_steps"]) == (0.75, 6)
    assert organism.tasks("train", 1).ids == ["doors-training-7x7-c0.75-s0-train/0"]
    run = organism.run(organism.tasks("test", 4))
    assert (
        run.attrs["family"] == "doors" and organism[Objectives].reached(run).sizes["episode"] == 4
    )
    record = json.loads((tmp_path / "organism" / "recipe.json").read_text())
    assert record["method"] == "ppo" and record["distribution"] == "doors-training"
    for word in ("0.75", "'door'", f"{ROWS} environments"):
        assert word in organism.card.training
