"""Policies of all builds as an organism's network."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

import interp
from interp import Address, Intervention, Site
from interp.contract import Outputs
from interp.errors import InputError, UnknownNameError


class Recurrent(torch.nn.Module):
    """A policy without a forward, whose LSTM has its batch second."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.memory = torch.nn.LSTM(3, 6, num_layers=2)
        self.actor, self.critic = torch.nn.Linear(6, 4), torch.nn.Linear(6, 1)


def recurrent_step(policy, observations, state):
    features, state = policy.memory(observations.float()[None], state)
    return (policy.actor(features[0]), policy.critic(features[0])), state


def lstm_state(n):
    return torch.zeros(2, n, 6), torch.zeros(2, n, 6)


def recurrent():
    return interp.agent(
        Recurrent(),
        {"action": Site("actor", ("action_index",))},
        step=recurrent_step,
        initial_state=lstm_state,
    )


def test_an_unroll_is_what_the_policy_does_by_itself_step_after_step():
    network = recurrent()
    observations = torch.randn(5, 3, 3, dtype=torch.float64)
    output, state = network(observations), lstm_state(3)
    for t in range(5):
        (logits, value), state = recurrent_step(network.module, observations[t], state)
        assert torch.equal(output.logits[t], logits)
        assert torch.equal(output.value[t], value[:, 0])
    assert all(torch.equal(a.movedim(0, 1), b) for a, b in zip(output.state, state, strict=True))
    assert [tuple(x.shape) for x in network.initial_state(7)] == [(7, 2, 6), (7, 2, 6)]


def test_a_long_unroll_and_its_parts_agree_and_rows_start_anew_where_told():
    network = recurrent()
    observations = torch.randn(6, 2, 3)
    whole = network(observations)
    first = network(observations[:2])
    rest = network(observations[2:], first.state)
    assert torch.equal(whole.logits, torch.cat([first.logits, rest.logits]))
    starts = torch.zeros(6, 2, dtype=torch.bool)
    starts[3, 1] = True
    restarted = network(observations, None, starts)
    alone = network(observations[3:])
    assert torch.equal(restarted.logits[:, 0], whole.logits[:, 0])
    torch.testing.assert_close(restarted.logits[3:, 1], alone.logits[:, 1])
    assert not torch.allclose(restarted.logits[3:, 1], whole.logits[3:, 1])


def test_sites_fire_at_their_own_step_and_interventions_reach_one_alone():
    network = recurrent()
    observations = torch.randn(4, 2, 3)
    output, cache = network.run_with_cache(observations)
    assert torch.equal(cache["action"], output.logits)
    push = Intervention(Address("action", step=2), "zero")
    with interp.applying(network, [push]):
        changed = network(observations)
    assert (changed.logits != output.logits).flatten(1).any(1).tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_a_state_for_one_row_is_given_without_the_batch_and_keeps_its_parameters():
    class Policy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.begin = torch.nn.Parameter(torch.arange(4.0))
            self.cell = torch.nn.GRUCell(3, 4)

    policy = Policy()

    def step(module, observations, state):
        h = module.cell(observations, state["h"])
        return h, {"h": h}

    network = interp.agent(policy, step=step, initial_state={"h": policy.begin})
    assert torch.equal(network.initial_state(3)["h"], policy.begin.expand(3, 4))
    network(torch.zeros(2, 3, 3)).logits.sum().backward()
    assert policy.begin.grad is not None and policy.begin.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x,
        lambda x: (x, x[:, :1]),
        lambda x: (x, x[:, 0]),
        lambda x: [x],
        lambda x: {"logits": x},
        lambda x: {"logits": x, "value": x[:, 0]},
        lambda x: torch.distributions.Categorical(logits=x),
        lambda x: SimpleNamespace(logits=x, past_key_values=object()),
        lambda x: interp.NetworkOutput(x, x[:, 0], None),
    ],
    ids=lambda f: "",
)
def test_outputs_that_policies_give(given):
    observations = torch.randn(2, 5, 3)
    network = interp.agent(torch.nn.Identity(), step=lambda m, x, s: (given(m(x)), s))
    output = network(observations)
    torch.testing.assert_close(output.logits.softmax(-1), observations.softmax(-1))
    assert output.value is None or torch.equal(output.value, observations[..., 0])


def test_outputs_that_are_no_logits_keep_their_names_and_dims():
    module = torch.nn.Linear(3, 2)
    spread = torch.distributions.Independent(torch.distributions.Normal(torch.ones(5, 2), 0.5), 1)
    normal = interp.agent(module, step=lambda m, x, s: (spread, s))(torch.ones(3, 5, 3))
    assert set(normal.named) == {"mean", "log_std"} and normal.named["mean"].shape == (3, 5, 2)
    own = interp.agent(
        module, step=lambda m, x, s: (Outputs({"mean": m(x)}, dims={"mean": ("motor",)}), s)
    )(torch.ones(3, 5, 3))
    assert own.dims == {"mean": ("motor",)} and own.named["mean"].shape == (3, 5, 2)


def test_a_module_that_has_a_forward_needs_no_step():
    network = interp.agent(torch.nn.Linear(3, 2), {"out": Site("", ("action_index",))})
    observations = torch.randn(2, 4, 3, dtype=torch.float64)  # the world's own dtype
    output, cache = network.run_with_cache(observations)
    torch.testing.assert_close(output.logits, network.module(observations.float()))
    assert torch.equal(cache["out"], output.logits) and network.initial_state(4) == ()


def test_observations_by_name_come_as_a_dict_or_as_arguments():
    class Two(torch.nn.Module):
        def forward(self, near, far):
            return near + far

    class Whole(torch.nn.Module):
        def forward(self, seen):
            return seen["near"] + seen["far"]

    seen = {"near": torch.randn(2, 3, 4), "far": torch.randn(2, 3, 4)}
    for module in (Two(), Whole()):
        assert torch.equal(interp.agent(module)(seen).logits, seen["near"] + seen["far"])


def test_observations_are_passed_as_they_are():
    seen = []
    network = interp.agent(
        torch.nn.Linear(1, 1), step=lambda m, x, s: (seen.append(x) or x.float().flatten(1), s)
    )
    shown = torch.randint(0, 256, (1, 2, 4, 4), dtype=torch.uint8)
    network(shown)
    assert seen[0].dtype == torch.uint8 and torch.equal(seen[0], shown[0])


def test_two_agents_on_one_module_keep_apart():
    policy = Recurrent()
    here = {"action": Site("actor", ("action_index",))}
    one, two = (
        interp.agent(policy, here, step=recurrent_step, initial_state=lstm_state) for _ in range(2)
    )
    observations = torch.randn(3, 2, 3)
    with interp.applying(one, [Intervention(Address("action"), "zero")]):
        assert not one(observations).logits.any()
    output, cache = two.run_with_cache(observations)
    assert output.logits.all() and torch.equal(cache["action"], output.logits)
    assert torch.equal(one(observations).logits, output.logits)


def test_another_module_in_the_same_agent():
    network = recurrent()
    other = Recurrent()
    with torch.no_grad():
        other.actor.bias += 1
    observations = torch.randn(3, 2, 3)
    control = network.around(other)
    torch.testing.assert_close(control(observations).logits, network(observations).logits + 1)
    assert control.sites == network.sites


def test_a_deep_copy_acts_alike_and_fires_for_itself():
    network = recurrent()
    copied = copy.deepcopy(network)
    observations = torch.randn(3, 2, 3)
    with interp.applying(copied, [Intervention(Address("action"), "zero")]):
        assert not copied(observations).logits.any()
        assert network(observations).logits.all()


def refused(words, *args, error=InputError, **kwargs):
    with pytest.raises(error, match=words):
        network = interp.agent(*args, **kwargs)
        network(torch.randn(2, 3, 4))


def test_what_cannot_be_an_agent_is_refused_in_words():
    linear = torch.nn.Linear(4, 2)
    refused("agent takes a torch.nn.Module", lambda x: x)
    refused("has no forward", Recurrent())
    refused("submodule", linear, ["nothing"], error=UnknownNameError)
    refused("needs step=", linear, initial_state=torch.zeros(2))
    refused("does not take these", linear, step=lambda module, x: (x, None))
    refused("function of", linear, step=3)
    keep = dict(step=lambda m, x, s: (m(x), s))
    refused("which dim of the state", linear, initial_state=lambda n: torch.zeros(4), **keep)
    refused("which dim of the state", linear, initial_state=lambda n: torch.zeros(n, n), **keep)
    refused("there is a float in it", linear, initial_state=lambda n: (torch.zeros(n), 1.0), **keep)


def test_what_a_step_may_not_return_is_refused_in_words():
    linear = torch.nn.Linear(4, 2)
    refused("pair", linear, step=lambda m, x, s: m(x))
    refused("this agent has none", linear, step=lambda m, x, s: (m(x), m(x)[:, 0]))
    refused("not a str", linear, step=lambda m, x, s: ("left", s))
    refused("3 rows", linear, step=lambda m, x, s: (m(x)[:1], s))
    refused("one position", linear, step=lambda m, x, s: (m(x)[:, None], s))
    refused("one number a row", linear, step=lambda m, x, s: ((m(x), m(x)), s))
    state = dict(initial_state=lambda n: (torch.zeros(1, n, 2), torch.zeros(1, n, 2)))
    refused("structure", linear, step=lambda m, x, s: (m(x), s[0]), **state)
    refused("structure", linear, step=lambda m, x, s: (m(x), None), **state)
    turned = dict(step=lambda m, x, s: (m(x), tuple(h.swapaxes(0, 1) for h in s)), **state)
    refused("is the batch in initial_state", linear, **turned)
    alternating = iter([{"logits": torch.zeros(3, 2)}, {"other": torch.zeros(3, 2)}])
    refused("differ", linear, step=lambda m, x, s: (next(alternating), s))
