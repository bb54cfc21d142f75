"""Hooks fire, or it is said in words why not: copies, wrapping again, methods, threads, compiled parts."""

import copy
import gc
import pickle
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from interp.errors import (
    InputError,
    TrainingModeWarning,
    UnfiredInterventionError,
    UnknownNameError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.network.capture import Capture
from interp.network.wrapping import Site, WrappedNetwork, wrap


class Policy(nn.Module):
    """Acts by a method of its own and unrolls by another."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(3, 3)
        self.unused = nn.Linear(3, 3)
        self.tied = nn.Linear(3, 3)

    def forward(self, x):
        return nn.functional.linear(self.trunk(x), self.tied.weight)

    def act(self, x):
        return self.trunk(x).argmax(-1)

    def unroll(self, x, n):
        for _ in range(n):
            x = self(x)
        return x


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(3, 3)

    def act(self, x):
        return self.trunk(x)


TRUNK = {"h": Site("trunk", ("unit",))}
X = torch.ones(2, 3)
ZERO = Intervention(Address("h"), "zero")


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))], ids=["deepcopy", "pickle"]
)
def test_copies_have_hook_points_of_their_own(copied):
    network = wrap(Policy(), TRUNK)
    other = copied(copied(network))
    with torch.no_grad():
        other.module.trunk.weight.zero_()
    assert not torch.equal(*(n.run_with_cache(X)[1]["h"] for n in (network, other)))
    base = network(X)
    with applying(other, [ZERO]):
        assert not other(X).any() and torch.equal(network(X), base)
    assert other.clock is not network.clock and other.hook_dict["h"].clock is other.clock
    assert len(other.module.trunk._forward_hooks) == 1


def test_a_copy_made_while_hooks_are_attached_has_none():
    network = wrap(Policy(), TRUNK)
    base = network(X)
    with applying(network, [ZERO]):
        other = copy.deepcopy(network)
        assert not network(X).any()
    assert torch.equal(other(X), base)


def test_a_copy_of_the_bare_module_is_bare():
    network = wrap(Policy(), TRUNK)
    bare = copy.deepcopy(network.module)
    with applying(network, [ZERO]):
        assert bare(X).any()
        network(X)
    assert wrap(bare, TRUNK).run_with_cache(X)[1]["h"].shape == (1, 2, 3)


def test_wrapping_again_piles_nothing_up():
    module = Policy()
    networks = [wrap(module, TRUNK) for _ in range(20)]
    assert len(module.trunk._forward_hooks) == 1
    first, last = networks[0], networks[-1]
    for network in (first, last):
        with applying(network, [ZERO]):
            assert not network(X).any()
    forgotten = weakref.ref(networks[5])
    del networks, network
    gc.collect()
    assert forgotten() is None
    assert first.run_with_cache(X)[1].keys() == {"h"}
    del first, last
    gc.collect()
    assert not module.trunk._forward_hooks


def test_unwrap_takes_the_hooks_off():
    module = Policy()
    network, other = wrap(module, TRUNK), wrap(module, TRUNK)
    assert network.unwrap() is module
    assert other.run_with_cache(X)[1].keys() == {"h"}
    for use in (
        lambda: network(X),
        lambda: network.run_with_cache(X),
        lambda: network.call("act", X),
    ):
        with pytest.raises(InputError, match="unwrapped"):
            use()
    other.unwrap()
    assert not module.trunk._forward_hooks


def test_a_wrapped_module_takes_part_in_somebody_elses_steps():
    network = wrap(Policy(), {"h": Site("trunk", ("unit",), ticks=True)})
    x = torch.randn(3, 2, 3)

    def agent():
        with network.clock.run(first_step=-1):
            for t in network.clock.steps(3):
                for _ in range(2):
                    network(x[t])

    with Capture(network, ["h"]) as capture:
        agent()
    stacked = capture.stacked()["h"]
    assert stacked.shape == (3, 2, 2, 3)
    torch.testing.assert_close(stacked[:, :, 1], network.module.trunk(x))
    with Capture(network, ["h"]) as capture:
        agent()
        agent()
    with pytest.raises(InputError, match="more than once at step -1, tick 0"):
        capture.stacked()


def test_a_method_other_than_forward_is_called_through_the_network():
    network = wrap(Policy(), TRUNK)
    with applying(
        network, [Intervention(Address("h", step=0), "set", torch.tensor([0.0, 9.0, 0.0]))]
    ):
        assert network.call("act", X).tolist() == [1, 1]
    network = wrap(NoForward(), TRUNK)
    with pytest.raises(InputError, match="no forward"):
        network(X)
    with applying(network, [ZERO]):
        assert not network.call("act", x=X).any()
    with pytest.raises(UnknownNameError, match="Nearest: 'act'"):
        network.call("actt", X)


def test_every_forward_of_a_method_is_a_step():
    network = wrap(Policy(), TRUNK)
    with Capture(network, ["h"]) as capture:
        out = network.call("unroll", X, 4)
    stacked = capture.stacked()["h"]
    assert stacked.shape == (4, 2, 3)
    torch.testing.assert_close(stacked[3], network.module.trunk(network.module.unroll(X, 3)))
    torch.testing.assert_close(out, network.module.unroll(X, 4))
    with applying(network, [Intervention(Address("h", step=3), "zero")]):
        assert not network.call("unroll", X, 4).any()
    assert network.clock.step is None and not network.module._forward_pre_hooks


@pytest.mark.parametrize("use", [lambda m: m.act(X), lambda m: m(X), lambda m: m.trunk(X)])
def test_a_direct_call_inside_a_with_block_says_that_nothing_fired(use):
    network = wrap(Policy(), TRUNK)
    with pytest.raises(InputError, match=r"network\.call\('method'"), applying(network, [ZERO]):
        use(network.module)
    assert torch.equal(use(network.module), use(network.module)), "outside of it nothing is said"


@pytest.mark.parametrize("site", ["unused", "tied"])
def test_a_part_that_was_never_called_is_named(site):
    network = wrap(Policy(), {"s": Site(site, ("unit",))})
    with pytest.raises(InputError, match=f"module '{site}' was never called"):
        network.run_with_cache(X)
    with pytest.raises(UnfiredInterventionError, match=f"module '{site}' was never called"):
        with applying(network, [Intervention(Address("s"), "zero")]):
            network(X)
    with pytest.raises(UnfiredInterventionError, match="did not run"):
        with applying(network, [Intervention(Address("s"), "zero")]):
            pass


def test_compiled_forwards_are_refused():
    module = Policy()
    module.trunk.forward = torch.compile(module.trunk.forward)
    with pytest.raises(InputError, match="forward of the module 'trunk' is compiled"):
        wrap(module, TRUNK)
    module = Policy()
    network = wrap(module, TRUNK)
    module.forward = torch.compile(module.forward)
    with pytest.raises(InputError, match="compiled"):
        network.run_with_cache(X)
    module = Policy()
    module.act = torch.compile(module.act)
    with pytest.raises(InputError, match="'act' is compiled"):
        wrap(module, TRUNK).call("act", X)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_parts_of_traced_and_scripted_modules_are_refused():
    traced = torch.jit.trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), X)
    with pytest.raises(InputError, match="traced or scripted"):
        wrap(nn.Sequential(traced), ["0.0"])
    with pytest.raises(InputError, match="traced or scripted"):
        wrap(torch.jit.script(nn.Sequential(nn.Linear(3, 3))), ["0"])
    network = wrap(nn.Sequential(traced), {"whole": Site("0", ("unit",))})
    with applying(network, [Intervention(Address("whole"), "zero")]):
        assert not network(X).any()


def test_two_threads_are_refused_and_one_after_the_other_is_not():
    network = wrap(Policy(), TRUNK)
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with network.clock.run():
            inside.set()
            leave.wait(10)

    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(stay)
        assert inside.wait(10)
        with pytest.raises(InputError, match="another thread"):
            network(X)
        with pytest.raises(InputError, match="another thread"), applying(network, [ZERO]):
            network.module(X)
        assert copy.deepcopy(network)(X).shape == (2, 3)
        leave.set()
        staying.result()
        assert pool.submit(network.run_with_cache, X).result()[1]["h"].shape == (1, 2, 3)
    assert network(X).shape == (2, 3)


@pytest.mark.parametrize(
    "part", [nn.Dropout(0.1), nn.BatchNorm1d(3), nn.LSTM(3, 3, 2, dropout=0.5, batch_first=True)]
)
def test_training_mode_is_warned_of(part):
    recurrent = isinstance(part, nn.LSTM)
    network = wrap(nn.Sequential(part), {"h": Site("0", output=0 if recurrent else None)})
    x = X[:, None] if recurrent else X
    network.train()
    with pytest.warns(TrainingModeWarning, match="eval"):
        network.run_with_cache(x)
    with pytest.warns(TrainingModeWarning), applying(network, [ZERO]):
        network(x)
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.run_with_cache(x)


def test_nothing_random_is_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrap(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0)), ["0"]).train().run_with_cache(X)


def test_an_exception_leaves_the_clock_and_the_module_as_they_were():
    network = wrap(Policy(), TRUNK)
    for use in (lambda: network.call("unroll", X[:, :2], 2), lambda: network(X[:, :2])):
        with pytest.raises(RuntimeError):
            use()
        assert network.clock.step is None and not network.clock.running
        assert not network.module._forward_pre_hooks
    assert isinstance(network, WrappedNetwork) and network(X).shape == (2, 3)


def test_huggingface_generation_has_a_step_for_every_token():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=13,
        n_positions=16,
        n_embd=8,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    model = transformers.GPT2Model(config).eval()
    network = wrap(model, {"last": Site("", ("token", "unit"), output="last_hidden_state")})
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    output, cache = network.run_with_cache(tokens)
    torch.testing.assert_close(cache["last"][0], output.last_hidden_state)

    model = transformers.GPT2LMHeadModel(config).eval()
    block = Site("transformer.h.1", ("step", "unit"))
    network = wrap(model, {"block": block})
    with torch.no_grad(), Capture(network, ["block"]) as capture:
        written = network.call(
            "generate", tokens, max_new_tokens=3, do_sample=False, pad_token_id=0
        )
    assert written.shape == (2, 6)
    along = capture.stacked()["block"]
    assert along.shape == (5, 2, 8), "three tokens read at once, then one after the other"
    with torch.no_grad():
        whole = network.run_with_cache(written[:, :5])[1]["block"]
    torch.testing.assert_close(along, whole, atol=1e-5, rtol=1e-4)
