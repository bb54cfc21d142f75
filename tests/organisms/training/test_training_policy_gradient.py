"""PPO: its arithmetic by hand, what it learns, and what it must not learn."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import organisms
from analyses.cli import main
from interp.contract import NetworkOutput
from interp.errors import InputError
from organisms.families.sokoban.environment import RELEASED_REWARDS
from organisms.families.sokoban.levels import parse_levels
from organisms.families.sokoban.practice import SokobanPractice
from organisms.families.sokoban.recipes import RECIPES, PolicyGradientRecipe, Stage
from organisms.networks.config import ConvConfig
from organisms.networks.drc import DRCConfig
from organisms.training.policy_gradient import (
    PolicyGradientConfig,
    PolicyGradientTrainer,
    estimate_advantages,
)
from tests.organisms.tiny import tiny_recipe

TINY_RL = PolicyGradientRecipe(
    network=DRCConfig.released(
        1, 1, channels=4, encoder=(ConvConfig(4, 3),), board=(6, 6), mlp_hiddens=(8,)
    ),
    ppo=PolicyGradientConfig(total_steps=8 * 4 * 8, n_environments=8, unroll=4, bfloat16=False),
    curriculum=(Stage(8 * 4 * 8, ((1, 1.0),)),),
    summary="tiny",
    limits="tiny",
    n_boxes=1,
    pool_size=20,
    lessons=3,
)


class Cue:
    """See a cue (1 or 2), then a blank (0), on which the action that the cue names pays 1."""

    def __init__(self, rows=64, seed=0, noise=False):
        self.rng = np.random.default_rng(seed)
        self.noise = noise
        self.cue = self.rng.integers(1, 3, rows)
        self.waits = np.ones(rows, bool)

    @property
    def observation(self):
        return np.where(self.waits, self.cue, 0).astype(np.uint8)

    def renew(self):
        return False

    def step(self, action):
        ended = ~self.waits
        right = ended & (action + 1 == self.cue)
        reward = right if not self.noise else ended & (self.rng.random(len(right)) < 0.5)
        self.cue = np.where(ended, self.rng.integers(1, 3, len(right)), self.cue)
        self.waits = ended
        return reward.astype(np.float32), ended, right


class Memory(nn.Module):
    """A GRU; its value head is replaced by the number of steps since the episode began if asked."""

    def __init__(self, counts=False):
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head, self.counts = nn.GRUCell(3, 8), nn.Linear(8, 3), counts

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 8), torch.zeros(batch_size)

    def forward(self, observations, state, episode_starts):
        h, n = state
        logits, values = [], []
        for seen, start in zip(observations, episode_starts, strict=True):
            h, n = torch.where(start[:, None], 0.0, h), torch.where(start, 0.0, n) + 1
            h = self.cell(nn.functional.one_hot(seen.long(), 3).float(), h)
            out = self.head(h)
            logits.append(out[:, :2])
            values.append(n + 0 * out[:, 2] if self.counts else out[:, 2])
        return NetworkOutput(torch.stack(logits), torch.stack(values), (h, n))


def cue_trainer(noise=False, seed=0, counts=False, **changes):
    settings = {"n_environments": 64, "unroll": 5, "learning_rate": 1e-2, "bfloat16": False}
    settings |= {"total_steps": 64 * 5 * 40, "reward_scale": 1.0, "seed": seed, **changes}
    practice = Cue(noise=noise, seed=seed)
    return PolicyGradientTrainer(Memory(counts), practice, PolicyGradientConfig(**settings))


def solved_at_the_end(trainer):
    rows = []
    while not trainer.finished:
        rows.append(trainer.update())
    last = rows[-10:]
    return sum(row["solved"] for row in last) / sum(row["episodes"] for row in last)


def test_advantages_by_hand():
    reward = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    ended = torch.tensor([[False, False], [False, True], [False, False]])
    advantages = estimate_advantages(
        reward, torch.ones(3, 2), ended, torch.tensor([4.0, 4.0]), discount=0.5, gae_lambda=0.5
    )
    # Surprises: 3 + 4/2 − 1 = 4; 2 + 1/2 − 1 = 1.5, or 2 − 1 = 1 at an end; 1 + 1/2 − 1 = 0.5.
    assert advantages[:, 0].tolist() == [0.5 + 2.5 / 4, 1.5 + 4 / 4, 4.0]
    assert advantages[:, 1].tolist() == [0.5 + 1 / 4, 1.0, 4.0]


def test_with_lambda_one_they_are_returns_minus_values_and_with_zero_single_surprises():
    rng = torch.Generator().manual_seed(0)
    reward, value = torch.rand(6, 3, generator=rng), torch.rand(6, 3, generator=rng)
    ended, last = torch.rand(6, 3, generator=rng) < 0.3, torch.rand(3, generator=rng)
    returns, following = torch.zeros(6, 3), last
    for t in reversed(range(6)):
        following = reward[t] + 0.9 * torch.where(ended[t], 0.0, following)
        returns[t] = following
    whole = estimate_advantages(reward, value, ended, last, 0.9, 1.0)
    assert torch.allclose(whole, returns - value)
    after = torch.cat([value[1:], last[None]])
    single = estimate_advantages(reward, value, ended, last, 0.9, 0.0)
    assert torch.allclose(single, reward + 0.9 * torch.where(ended, 0.0, after) - value)


def test_it_learns_what_only_memory_can_solve():
    assert solved_at_the_end(cue_trainer()) > 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_it_does_not_learn_it_from_noise(seed):
    assert 0.25 < solved_at_the_end(cue_trainer(noise=True, seed=seed)) < 0.75


def test_the_state_is_reset_at_episode_starts_and_carried_between_unrolls():
    trainer = cue_trainer(counts=True)
    first, second = trainer.act()[0], trainer.act()[0]
    # Episodes are two steps long and an unroll five, so the second begins within an episode.
    assert first.value[:, 0].tolist() == [1, 2, 1, 2, 1]
    assert first.last_value[0] == 2
    assert second.value[:, 0].tolist() == [2, 1, 2, 1, 2]
    assert second.ended[:, 0].tolist() == [True, False, True, False, True]


def test_learning_sees_the_policy_that_acted():
    trainer = cue_trainer(learning_rate=0.0, final_learning_rate=0.0)
    trainer.update()
    unroll, _ = trainer.act()
    row = trainer.learn(unroll, torch.randn(5, 64), torch.arange(3, 40))
    assert abs(row["moved"]) < 1e-6 and row["clipped"] == 0


def test_ratios_beyond_the_clip_have_no_gradient():
    trainer = cue_trainer(entropy_coefficient=0.0, value_coefficient=0.0)
    unroll, _ = trainer.act()
    good = torch.ones(5, 64)
    good[:, 32:] = -1.0
    # Since the policy acted, good actions have become twice, bad ones half as likely: enough.
    unroll = unroll._replace(log_probability=unroll.log_probability - good * np.log(2))
    row = trainer.learn(unroll, good, torch.arange(64))
    assert row["clipped"] == 1 and row["gradient_norm"] == 0
    # The other way round it was a mistake, and is undone.
    assert trainer.learn(unroll, -good, torch.arange(64))["gradient_norm"] > 0


def test_the_practice_pays_the_released_rewards():
    practice = SokobanPractice(
        lambda n, rng: parse_levels("######\n#@$. #\n######"), rows=2, pool_size=1, lessons=9
    )
    reward, ended, solved = practice.step(np.array([3, 2]))
    assert RELEASED_REWARDS.step == pytest.approx(-0.1)
    assert reward.tolist() == pytest.approx([-0.1 + 1 + 10, -0.1])
    assert ended.tolist() == solved.tolist() == [True, False]


def test_resuming_equals_going_on(tmp_path):
    def updated(trainer, n):
        return [trainer.update() for _ in range(n)]

    whole = TINY_RL.build()
    rows = updated(whole, 8)
    stopped = TINY_RL.build()
    updated(stopped, 4)
    stopped.save(tmp_path / "state.safetensors")
    resumed = TINY_RL.build()
    resumed.load(tmp_path / "state.safetensors")
    assert updated(resumed, 4) == rows[4:], "lessons=3: over a change of levels, too"
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name])


def test_it_can_start_from_an_organism_and_be_stopped_and_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "tiny-rl", TINY_RL)
    command = ["train", "tiny-rl", "--out", str(tmp_path), "--resume", "--no-progress"]
    update, calls = PolicyGradientTrainer.update, []

    def stop_after_three(self):
        calls.append(self)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyGradientTrainer, "update", stop_after_three)
        patch.setattr("organisms.training.run.LOG_EVERY", 1)
        assert main(command) == 130
        calls[:] = []
        patch.setattr(PolicyGradientTrainer, "update", update)
        assert main(command) == 0
    log = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(log) == 8
    start = dataclasses.replace(TINY_RL, start_from=str(tmp_path / "organism")).build()
    trained = organisms.load(capsys.readouterr().out.strip()).network
    assert torch.equal(start.network.actor.weight, trained.actor.weight)


def test_minibatches_are_whole_environments():
    with pytest.raises(InputError, match="does not divide"):
        PolicyGradientConfig(total_steps=1, n_environments=10, n_minibatches=3)


@pytest.mark.parametrize("recipe", [tiny_recipe(512, "tiny"), TINY_RL], ids=["imitation", "ppo"])
@pytest.mark.parametrize("device", ["no such device", "cuda:99"])
def test_a_device_that_is_not_there_is_named_before_any_level_is_made(recipe, device, monkeypatch):
    def no_levels(*args, **options):
        raise AssertionError("levels were made first")

    monkeypatch.setattr("organisms.families.sokoban.recipes.curriculum.generate", no_levels)
    with pytest.raises(InputError, match=f"'{device}' cannot be used"):
        recipe.build(device)
