"""The bandits by hand: what a pull pays and costs, what the exact learner knows and is worth."""

import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import InputError, UnknownNameError
from organisms.families.bandits.concepts import CONCEPTS
from organisms.families.bandits.recipes import RECIPES
from organisms.families.bandits.reference import BayesLearner, action_values
from organisms.families.bandits.world import HORIZON, Bandits, BanditWorld, counts, draw_bandits
from organisms.networks.lstm import LSTM, LSTMConfig

SURE = Bandits(np.array([[0.0, 1.0], [1.0, 0.25]]), np.array([3, 4]), ["right", "left"])


def played(network, tasks):
    """Return the pay and the regret of every task, played greedily."""
    world, state, paid = BanditWorld(tasks), None, 0
    seen = world.reset()
    for _ in range(HORIZON):
        with torch.inference_mode():
            output = network(torch.from_numpy(seen)[None], state)
        state = output.state
        after = world.step(output.logits[0].argmax(-1).numpy())
        seen, paid = after.observation, paid + after.reward
    return paid, world.outcome


def test_a_pull_pays_and_costs_what_the_arms_say():
    world = BanditWorld(SURE)
    assert world.reset().tolist() == [[0, 0, 0, 0]] * 2
    after = world.step(np.array([1, 1]))
    assert after.reward[0] == 1 and after.observation[0].tolist() == [0, 1, 1, np.float32(1 / 20)]
    assert world.outcome.tolist() == [0.0, 0.75]
    after = world.step(np.array([0, -1]))
    assert after.reward.tolist() == [0, 0] and world.outcome.tolist() == [1.0, 0.75]
    assert after.observation[1, 3] == np.float32(1 / 20)  # the row that was left as it is
    with pytest.raises(InputError, match="0 or 1"):
        world.step(np.array([2, 0]))


def test_episodes_end_after_their_pulls_and_stay_as_they_are():
    world = BanditWorld(SURE)
    for k in range(HORIZON):
        after = world.step(np.array([1, 0]))
        assert after.truncated.tolist() == [k == HORIZON - 1] * 2 and not after.terminated.any()
    again = world.step(np.array([0, 1]))
    assert (again.observation == after.observation).all() and world.outcome.tolist() == [0, 0]


def test_tasks_are_the_same_however_many_are_drawn_and_however_often_played():
    few, many = draw_bandits("test", 3), draw_bandits("test", 30)
    assert few.texts == many.texts[:3] and few.ids == many.ids[:3]
    assert (few.pays() == many[:3].pays()).all()
    assert not set(many.texts) & set(draw_bandits("train", 30).texts)
    assert set(np.unique(many.pays())) == {0, 1}
    with pytest.raises(UnknownNameError, match="test"):
        draw_bandits("tset")


def test_the_last_pull_is_worth_the_posterior_mean_and_the_one_before_its_consequences():
    values = action_values()
    # 19 pulls seen: left paid 3 of 10, right 4 of 9.
    assert values[3, 7, 4, 5].tolist() == pytest.approx([4 / 12, 5 / 11])
    # 18 seen: left paid 4 of 9, right 4 of 9; after a pull of left the better arm is pulled last.
    p = 5 / 11
    left = p * (1 + 6 / 12) + (1 - p) * p
    assert values[4, 5, 4, 5, 0] == pytest.approx(left)


def test_the_exact_learner_is_worth_what_it_says_and_beats_every_fixed_arm():
    tasks = draw_bandits("test", 4000, seed=5)
    paid, regret = played(BayesLearner(), tasks)
    promised = action_values()[0, 0, 0, 0].max()
    assert abs(paid.mean() - promised) < 4 * paid.std() / len(tasks) ** 0.5
    fixed = (tasks.means.max(1)[:, None] - tasks.means) * HORIZON
    assert regret.mean() < fixed.mean(0).min()


def test_the_exact_learner_forgets_at_the_start_of_an_episode():
    seen = torch.tensor([[[0, 1, 1, 0.5]], [[0, 0, 0, 0]]])  # paid on the right, then a new episode
    starts = torch.tensor([[True], [True]])
    logits = BayesLearner()(seen, None, starts).logits[:, 0]
    assert logits[0, 1] > logits[0, 0] and logits[1, 0] == logits[1, 1]


def test_concepts_follow_the_counts():
    #                         first        right paid   right paid not  left paid
    steps = [[[0, 0, 0, 0], [0, 1, 1, 0.05], [0, 1, 0, 0.1], [1, 0, 1, 0.15]]]
    run = xr.Dataset(
        {
            "observation": (("episode", "step", "feature"), np.array(steps, np.float32)),
            "length": ("episode", [4]),
        },
        coords={"step": np.arange(4)},
    )
    assert counts(run.observation)[0, -1].tolist() == [[1, 0], [1, 1]]
    assert CONCEPTS["better_arm"](run).values.tolist() == [[-1, 1, -1, 0]]
    difference = CONCEPTS["posterior_difference"](run)
    assert difference.values[0].tolist() == pytest.approx([0, 2 / 3 - 1 / 2, 0, 1 / 2 - 2 / 3])
    shorter = run.assign(length=("episode", [2]))
    assert CONCEPTS["better_arm"](shorter).values.tolist() == [[-1, 1, -1, -1]]
    assert np.isnan(CONCEPTS["posterior_difference"](shorter).values[0, 2:]).all()


def test_the_lstm_carries_its_state_and_resets_it():
    network = LSTM(LSTMConfig(4, 2, hidden=5), seed=1).eval()
    seen = torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(0))
    whole = network(seen)
    first = network(seen[:4])
    rest = network(seen[4:], first.state)
    assert torch.allclose(whole.logits[4:], rest.logits, atol=1e-6)
    starts = torch.zeros(6, 3, dtype=torch.bool)
    starts[4, 1] = True
    reset = network(seen, None, starts).logits
    assert torch.equal(reset[:4], whole.logits[:4]) and torch.equal(
        reset[4:, 0], whole.logits[4:, 0]
    )
    assert torch.allclose(reset[4:, 1], network(seen[4:]).logits[:, 1], atol=1e-6)
    with pytest.raises(InputError, match="4 features"):
        network(torch.zeros(2, 3, 5))


def test_training_improves_on_chance_and_resumes(tmp_path):
    recipe = RECIPES["bandit-lstm-v1-s0"]
    trainer = recipe.build()
    trainer.update()
    trainer.save(tmp_path / "state.safetensors")
    trainer.update()
    again = recipe.build()
    again.load(tmp_path / "state.safetensors")
    again.update()
    for a, b in zip(trainer.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
