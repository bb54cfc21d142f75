import pytest
import torch
from torch import nn

from interp.errors import InputError, UnknownNameError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.network.wrapping import Site, wrap


class Looped(nn.Module):
    """One block, applied three times; then an LSTM."""

    def __init__(self):
        super().__init__()
        self.block = nn.Linear(2, 2)
        self.rnn = nn.LSTM(2, 3, batch_first=True)

    def forward(self, x):
        for _ in range(3):
            x = self.block(x)
        return self.rnn(x[:, None])[0][:, 0]


def network():
    torch.manual_seed(0)
    return Looped()


X = torch.ones(4, 2)


def test_a_looped_block_ticks():
    module = network()
    wrapped = wrap(module, {"loop": Site("block", ("unit",), ticks=True)})
    out, cache = wrapped.run_with_cache(X)
    assert cache["loop"].shape == (1, 4, 3, 2) and wrapped.sites["loop"] == ("tick", "unit")
    once = module.block(X)
    torch.testing.assert_close(cache["loop"][0, :, 1], module.block(once))
    torch.testing.assert_close(out, network()(X))


def test_undeclared_ticks_raise():
    with pytest.raises(InputError, match="ticks=True"):
        wrap(network(), {"loop": "block"})(X)


def test_the_part_of_a_tuple_is_named():
    with pytest.raises(InputError, match="output="):
        wrap(network(), ["rnn"])(X)
    wrapped = wrap(network(), {"hidden": Site("rnn", ("time", "unit"), output=0)})
    assert wrapped.run_with_cache(X)[1]["hidden"].shape == (1, 4, 1, 3)
    zero = Intervention(Address("hidden"), "zero")
    with applying(wrapped, [zero]):
        assert not wrapped(X).any()


def test_interventions_address_one_tick():
    wrapped = wrap(network(), {"loop": Site("block", ("unit",), ticks=True)})
    reset = Intervention(Address("loop", tick=1), "set", X[0])
    with applying(wrapped, [reset]):
        changed = wrapped.run_with_cache(X)[1]["loop"]
    torch.testing.assert_close(changed[0, :, 2], wrapped.module.block(X))


def test_the_bare_module_still_works():
    module = network()
    wrap(module, {"loop": "block"})
    torch.testing.assert_close(module(X), network()(X))


def test_dotted_site_names_nest():
    wrapped = wrap(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), {"a.b": "0", "a.c": "1"})
    assert list(wrapped.run_with_cache(X)[1]) == ["a.b", "a.c"]


def test_what_cannot_be_wrapped_is_refused():
    with pytest.raises(UnknownNameError, match="'block'"):
        wrap(network(), ["blok"])
    with pytest.raises(InputError, match="taken or empty"):
        wrap(network(), {"clock": "block"})
    with pytest.raises(InputError, match="compile"):
        wrap(torch.compile(network()), ["block"])


@pytest.mark.parametrize(
    "sites", [None, [1], {"a": None}, {"hook_dict": "block"}, {"forward.a": "block"}]
)
def test_sites_that_are_none_are_refused(sites):
    with pytest.raises(InputError):
        wrap(network(), sites)


@pytest.mark.parametrize("module", [None, 3, "block"])
def test_only_modules_are_wrapped(module):
    with pytest.raises(InputError, match="torch.nn.Module"):
        wrap(module, ["block"])


def test_a_network_with_hook_points_keeps_its_names():
    inner = wrap(network(), {"loop": Site("block", ("unit",), ticks=True)})
    with pytest.raises(InputError, match="has hook points already"):
        wrap(inner, ["module.rnn"])
    assert list(inner.run_with_cache(X)[1]) == ["loop"]


def test_dims_that_do_not_fit_the_output_raise():
    wrapped = wrap(network(), {"hidden": Site("rnn", ("unit",), output=0)})
    with pytest.raises(InputError, match="declares dims"):
        wrapped.run_with_cache(X)
    with (
        pytest.raises(InputError, match="declares dims"),
        applying(wrapped, Intervention(Address("hidden", index={"unit": 0}), "zero")),
    ):
        wrapped(X)


def test_a_part_that_the_output_lacks_raises():
    with pytest.raises(InputError, match="no part 7"):
        wrap(network(), {"hidden": Site("rnn", output=7)})(X)
    with pytest.raises(InputError, match="tuple or list"):
        wrap(network(), {"loop": Site("block", output=0, ticks=True)})(X)


def test_what_has_no_hook_points_is_refused():
    from interp.network.capture import Capture

    with pytest.raises(InputError, match="interp.wrap"):
        Capture(network(), ["block"])
    with pytest.raises(InputError, match="interp.wrap"), applying(network(), []):
        pass
