import dataclasses
import json

import numpy as np
import pytest
import torch

import organisms
from interp.errors import CheckpointError, InputError, UnknownNameError
from organisms.families.sokoban.classroom import SokobanClassroom
from organisms.families.sokoban.levels import parse_levels
from organisms.families.sokoban.recipes import RECIPES, draw_levels, find_stage
from organisms.networks.config import ResNetConfig
from organisms.networks.drc import DRC
from organisms.training.checkpoints import find_weights, save_training_state
from organisms.training.imitation import ImitationTrainer
from organisms.training.run import train_recipe
from tests.organisms.tiny import tiny_recipe

TINY = tiny_recipe(512, "tiny", lessons=4)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", TINY)


class OneState:
    """A classroom with one state whose only optimal action is 2, five moves from the goal."""

    def __init__(self, rows=8):
        self.rows = rows
        self.observation = np.zeros((rows, 6, 6, 3), np.uint8)
        self.actions = []

    def renew(self):
        return False

    def get_state(self):
        return {}, {}

    def labels(self):
        optimal = np.zeros((self.rows, 4), bool)
        optimal[:, 2] = True
        return optimal, np.full(self.rows, 5, np.int32)

    def step(self, action):
        self.actions.append(action)
        ended = np.ones(self.rows, bool)
        return ended, ended


def one_state_trainer(**changes):
    config = dataclasses.replace(
        TINY.imitation, total_steps=8 * 4 * 60, n_environments=8, n_groups=1, **changes
    )
    room = OneState()
    return ImitationTrainer(DRC(TINY.network, seed=0), [room], config), room


def test_it_learns_the_experts_action_and_the_discounted_distance():
    trainer, _ = one_state_trainer(learning_rate=1e-2)
    first = trainer.update()
    while not trainer.finished:
        last = trainer.update()
    assert last["policy_loss"] < 0.1 < first["policy_loss"]
    assert last["agreement"] == 1
    output = trainer.network(torch.zeros(1, 1, 6, 6, 3, dtype=torch.uint8))
    assert output.value.item() == pytest.approx(0.97**5, abs=0.03)


def test_only_the_followers_follow():
    trainer, room = one_state_trainer(follow_fraction=0.5, follow_probability=1.0)
    for _ in range(10):
        trainer.update()
    actions = np.stack(room.actions)
    assert (actions[:, :4] == 2).all()
    assert len(set(actions[:10, 4:].ravel())) == 4, "the others act by their own, random, policy"


def test_dead_states_have_no_policy_target_and_no_value():
    trainer, room = one_state_trainer(learning_rate=1e-2)
    room.labels = lambda: (np.zeros((8, 4), bool), np.full(8, -1, np.int32))
    before = [p.clone() for p in trainer.network.actor.parameters()]
    row = trainer.update()
    assert row["policy_loss"] == 0 and row["dead"] == 1
    after = list(trainer.network.actor.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_training_is_seeded():
    def weights():
        trainer = TINY.build()
        for _ in range(3):
            trainer.update()
        return trainer.network.state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_ends_in_an_organism(tiny, tmp_path):
    folder = train_recipe("tiny", tmp_path, every=2, snapshots=4, progress=False)
    organism = organisms.load(folder)
    assert organism.run(organism.tasks("test", 3)).sizes["episode"] == 3
    assert "512 environment steps" in organism.card.training
    # An update is 32 steps: the first at or beyond 62, 125, 250 and 500.
    assert list(find_weights(tmp_path)) == [64, 128, 256, 512]
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["steps"] for row in log] == [64 * k for k in range(1, 9)]


def test_a_stopped_run_goes_on_exactly_where_it_was(tiny, tmp_path, monkeypatch):
    calls = []

    def stop_after_three(self):
        calls.append(self.steps)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return original(self)

    original = ImitationTrainer.update
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    monkeypatch.setattr(ImitationTrainer, "update", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        train_recipe("tiny", stopped, every=1, progress=False)
    monkeypatch.setattr(ImitationTrainer, "update", original)
    with pytest.raises(InputError, match="holds a run"):
        train_recipe("tiny", stopped, resume=False, progress=False)
    with open(stopped / "log.jsonl", "a") as file:  # logged, but stopped before it was saved
        file.write('{"steps": 128}\n')
    train_recipe("tiny", stopped, every=1, progress=False)
    log = [json.loads(line) for line in (stopped / "log.jsonl").read_text().splitlines()]
    steps = [row["steps"] for row in log]
    assert steps == sorted(set(steps)) and steps[-1] == 512
    train_recipe("tiny", whole, every=1, progress=False)
    ours, theirs = (organisms.load(folder / "organism") for folder in (stopped, whole))
    assert ours.weights_sha256() == theirs.weights_sha256()


def test_saved_state_is_restored_exactly(tmp_path):
    trainer = TINY.build()
    trainer.update()
    trainer.save(tmp_path / "state.safetensors")
    other = TINY.build()
    other.load(tmp_path / "state.safetensors")
    assert (other.steps, other.updates) == (trainer.steps, trainer.updates)
    assert other.rng.random() == trainer.rng.random()
    ours, theirs = trainer.optimizer.state_dict()["state"], other.optimizer.state_dict()["state"]
    for number, state in ours.items():
        for name, tensor in state.items():
            assert torch.equal(torch.as_tensor(tensor), torch.as_tensor(theirs[number][name]))


@pytest.mark.parametrize("damage", ["truncate", "other network", "missing"])
def test_damaged_states_are_refused(tmp_path, damage):
    path = tmp_path / "state.safetensors"
    trainer = TINY.build()
    if damage != "missing":
        trainer.save(path)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "other network":
        config = dataclasses.replace(TINY.network, mlp_hiddens=(9,))
        trainer = ImitationTrainer(DRC(config), trainer.groups, TINY.imitation)
    with pytest.raises(CheckpointError):
        trainer.load(path)


def test_states_without_episodes_begin_them_anew(tmp_path):
    trainer, path = TINY.build(), tmp_path / "state.safetensors"
    trainer.update()
    counters = {"steps": 32, "updates": 1, "rng": trainer.rng.bit_generator.state}
    save_training_state(path, trainer.network, trainer.optimizer, counters)
    other = TINY.build()
    other.load(path)
    assert other.steps == 32 and all(starts.all() for starts in other.starts)
    other.update()


def test_seeds_give_other_networks_and_levels(tiny, tmp_path):
    one, two = TINY.seeded(1).build(), TINY.seeded(2).build()
    assert not torch.equal(one.network.actor.weight, two.network.actor.weight)
    assert not np.array_equal(one.groups[0].observation, two.groups[0].observation)
    folder = train_recipe("tiny", tmp_path, seed=3, progress=False)
    assert "seed 3;" in organisms.load(folder).card.training
    with pytest.raises(InputError, match="another recipe"):
        train_recipe("tiny", tmp_path, seed=4, progress=False)


def test_feed_forward_networks_train_by_the_same_recipe(monkeypatch, tmp_path):
    config = ResNetConfig((4,), (3,), 1, (6, 6), mlp_hiddens=(8,))
    monkeypatch.setitem(RECIPES, "flat", dataclasses.replace(TINY, network=config))
    organism = organisms.load(train_recipe("flat", tmp_path, progress=False))
    tasks = organism.tasks("test", 6)
    at_once, after_thinking = (organism.run(tasks, thinking_steps=k) for k in (0, 3))
    acted = after_thinking.sel(step=at_once.step)
    assert (acted.action == at_once.action).all(), "it has no use for thinking time"


def test_another_recipe_in_the_folder_is_refused(tiny, tmp_path, monkeypatch):
    train_recipe("tiny", tmp_path, progress=False)
    monkeypatch.setitem(RECIPES, "tiny", dataclasses.replace(TINY, lessons=5))
    with pytest.raises(InputError, match="another recipe"):
        train_recipe("tiny", tmp_path, progress=False)
    with pytest.raises(UnknownNameError, match="tiny"):
        train_recipe("tyny", tmp_path)


def test_hopeless_episodes_are_given_up():
    def dead_steps(give_up):
        room = SokobanClassroom(
            lambda n, rng: parse_levels("######\n#    #\n#  $ #\n# .  #\n#  @ #\n######"),
            rows=4, pool_size=1, lessons=1000, give_up=give_up, max_steps=50,
        )  # fmt: skip
        dead, ends = 0, 0
        for _ in range(100):
            _, distance = room.labels()
            ended, solved = room.step(np.zeros(4, np.int64))  # up: the box goes into the top wall
            assert not solved.any()
            dead, ends = dead + int((distance < 0).sum()), ends + int(ended.sum())
        return dead, ends

    assert dead_steps(0.0) == (4 * (100 - 2 * 2), 4 * 2), "two moves in, until the limit"
    assert dead_steps(1.0) == (4 * 33, 4 * 33), "one dead state, and the next episode"


def test_a_run_can_start_from_an_organism(tiny, tmp_path, monkeypatch):
    folder = train_recipe("tiny", tmp_path / "first", progress=False)
    trainer = dataclasses.replace(TINY, start_from=str(folder)).build()
    first = organisms.load(folder).network.state_dict()
    assert all(torch.equal(t, first[name]) for name, t in trainer.network.state_dict().items())
    other = dataclasses.replace(TINY.network, mlp_hiddens=(9,))
    with pytest.raises(InputError, match="another architecture"):
        dataclasses.replace(TINY, network=other, start_from=str(folder)).build()


def test_a_device_that_is_not_there_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="device"):
        train_recipe("tiny", tmp_path, device="gpu", progress=False)


def test_mixes_are_drawn_to_their_shares():
    rng = np.random.default_rng(0)
    levels = draw_levels(((1, 0.25), (2, 0.75)), 40, (7, 7), rng)
    assert sorted(levels.n_boxes.tolist()) == [1] * 10 + [2] * 30
    with pytest.raises(InputError, match="add up to 1"):
        draw_levels(((1, 0.5),), 4, (7, 7), rng)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_whole(name):
    recipe = RECIPES[name]
    assert json.loads(json.dumps(recipe.to_dict()))
    assert recipe.curriculum[-1].until == recipe.total_steps
    for stage in recipe.curriculum:
        assert sum(share for _, share in stage.mix) == pytest.approx(1)
    assert find_stage(recipe.curriculum, 0) == recipe.curriculum[0]
    assert find_stage(recipe.curriculum, 10**12) == recipe.curriculum[-1]
    assert recipe.seeded(7).seed == 7
    assert recipe.new_network().config == recipe.network
    if recipe.start_from is not None:
        first = organisms.load(recipe.start_from).network.state_dict()
        assert torch.equal(recipe.first_network().actor.weight, first["actor.weight"])
