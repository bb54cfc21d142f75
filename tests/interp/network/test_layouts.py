"""Where the batch and the steps are in what modules return."""

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from interp.errors import InputError, UnfiredInterventionError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.network.capture import Capture
from interp.network.wrapping import Site, wrap

STEPS, BATCH, FEATURES, UNITS = 6, 4, 3, 5


class Core(nn.Module):
    """A recurrent layer and a head, over whole sequences."""

    def __init__(self, kind=nn.LSTM, **options):
        super().__init__()
        torch.manual_seed(0)
        self.core = kind(FEATURES, UNITS, **options)
        self.head = nn.Linear(UNITS, 2)

    def forward(self, x):
        return self.head(self.core(x)[0])


def sequences(batch_first=False):
    torch.manual_seed(1)
    shape = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    return torch.randn(*shape, FEATURES)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_step_dim_is_the_axis_of_steps(kind, batch_first):
    module = Core(kind, batch_first=batch_first)
    x = sequences(batch_first)
    network = wrap(module, {"h": Site("core", ("step", "unit"), output=0)})
    cache = network.run_with_cache(x)[1]["h"]
    want = module.core(x)[0]
    assert network.sites == {"h": ("unit",)}
    torch.testing.assert_close(cache, want.transpose(0, 1) if batch_first else want)


@pytest.mark.parametrize("batch_first", [False, True])
def test_addresses_reach_a_step_inside_the_tensor(batch_first):
    module, x = Core(batch_first=batch_first), sequences(batch_first)
    network = wrap(module, {"h": Site("core", ("step", "unit"), output=0)})
    base = network(x)
    with applying(network, Intervention(Address("h", step=2), "add", 1.0, examples=[3])):
        changed = (network(x) != base).any(-1)
    if batch_first:
        changed = changed.T
    assert changed.nonzero().tolist() == [[2, 3]]
    assert torch.equal(network(x), base)


@pytest.mark.parametrize("batch_first", [False, True])
def test_states_have_the_batch_second_whatever_the_input(batch_first):
    module, x = Core(batch_first=batch_first, num_layers=2), sequences(batch_first)
    sites = {
        "hidden": Site("core", ("layer", "unit"), output=(1, 0)),
        "memory": Site("core", ("layer", "unit"), output=(1, 1)),
    }
    cache = wrap(module, sites).run_with_cache(x)[1]
    _, (h, c) = module.core(x)
    torch.testing.assert_close(cache["hidden"], h.transpose(0, 1)[None])
    torch.testing.assert_close(cache["memory"], c.transpose(0, 1)[None])


def test_the_pair_of_states_is_told_by_the_sites_name_or_refused():
    module, x = Core(), sequences()
    cache = wrap(module, {"lstm.h": Site("core", output=1)}).run_with_cache(x)[1]
    torch.testing.assert_close(cache["lstm.h"][0], module.core(x)[1][0].transpose(0, 1))
    with pytest.raises(InputError, match=r"\(1, 1\)"):
        wrap(module, {"state": Site("core", output=1)})


def test_a_dim_of_another_name_stays_a_dim():
    network = wrap(Core(), {"h": Site("core", ("time", "unit"), output=0)})
    assert network.run_with_cache(sequences())[1]["h"].shape == (1, BATCH, STEPS, UNITS)
    with applying(network, Intervention(Address("h", index={"time": 1}), "zero", examples=[2])):
        zeroed = (network(sequences()) == network.module.head.bias).all(-1)
    assert zeroed.nonzero().tolist() == [[1, 2]]


def test_what_lies_beside_time_first_layers_has_to_say_its_batch_axis():
    x = sequences()
    with pytest.raises(InputError, match="batch=1"):
        wrap(Core(), {"logits": Site("head", ("step", "action"))}).run_with_cache(x)
    network = wrap(Core(), {"logits": Site("head", ("step", "action"), batch=1)})
    output, cache = network.run_with_cache(x)
    torch.testing.assert_close(cache["logits"], output)
    with pytest.raises(InputError, match="axis 4"):
        wrap(Core(), {"logits": Site("head", batch=4)}).run_with_cache(x)


def test_without_names_single_examples_are_refused_where_nothing_tells():
    network = wrap(nn.Sequential(nn.Linear(3, 2)), ["0"])
    x = torch.ones(2, 7, 3)
    with applying(network, Intervention(Address("0"), "zero")):
        assert not network(x).any()
    with (
        pytest.raises(InputError, match="which axis is the batch"),
        applying(network, Intervention(Address("0"), "zero", examples=[0])),
    ):
        network(x)
    named = wrap(nn.Sequential(nn.Linear(3, 2)), {"0": Site("0", batch=1)})
    with applying(named, Intervention(Address("0"), "zero", examples=[0])):
        assert not named(x)[:, 0].any() and named(x)[:, 1:].any()


def test_one_sequence_without_a_batch_is_refused():
    network = wrap(Core(), {"h": Site("core", output=0)})
    with pytest.raises(InputError, match="batch of one"):
        network.run_with_cache(sequences()[:, 0])


def test_packed_sequences_are_refused():
    class Packed(Core):
        def forward(self, x):
            return self.core(nn.utils.rnn.pack_padded_sequence(x, [3, 3, 2, 1]))[0].data

    network = wrap(Packed(), {"h": Site("core", output=(0, 0))})
    with pytest.raises(InputError, match="PackedSequence"):
        network(sequences())


def test_a_sequence_inside_somebody_elses_step_is_refused():
    network = wrap(Core(), {"h": Site("core", ("step", "unit"), output=0)})
    with pytest.raises(InputError, match="6 steps within step 0"):
        with network.clock.run():
            for _ in network.clock.steps(1):
                network(sequences())
    with Capture(network, ["h"]) as capture, network.clock.run():  # step by step it takes part
        for t in network.clock.steps(3):
            network(sequences()[t : t + 1])
    assert capture.stacked()["h"].shape == (3, BATCH, UNITS)


@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_knows_its_batch_axis(batch_first):
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=batch_first)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    sites = {
        "out": Site("attention", ("step", "unit"), output=0),
        "weights": Site("attention", ("to", "from"), output=1),
    }
    x = torch.randn((2, 5, 4) if batch_first else (5, 2, 4))
    out, cache = wrap(Attends(), sites).run_with_cache(x)
    torch.testing.assert_close(cache["out"], out.transpose(0, 1) if batch_first else out)
    assert cache["weights"].shape == (1, 2, 5, 5)


def test_a_part_that_is_used_without_being_called_is_refused():
    layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=8)
    with pytest.raises(InputError, match="without calling it"):
        wrap(layer, ["self_attn.out_proj"])


@dataclass
class Parts:
    hidden: torch.Tensor
    extra: dict


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda x: {"a": {"b": x}, "c": x}, ("a", "b")),
        (lambda x: Parts(x, {}), "hidden"),
        (lambda x: Parts(x, {"k": [x, x]}), ("extra", "k", -1)),
        (lambda x: Pair(x, x), "second"),
        (lambda x: Pair(x, (x, x)), (1, 0)),
    ],
)
def test_nested_outputs_are_read_and_replaced_in_a_copy(make, path):
    class Makes(nn.Module):
        def forward(self, x):
            self.kept = make(x)
            return self.kept

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Makes()

        def forward(self, x):
            part = self.inner(x)
            self.given = part
            for key in path if isinstance(path, tuple) else (path,):
                named = isinstance(key, str) and not isinstance(part, dict)
                part = getattr(part, key) if named else part[key]
            return part

    network = wrap(Reads(), {"s": Site("inner", ("unit",), output=path)})
    x = torch.ones(2, 3)
    with applying(network, Intervention(Address("s"), "zero")):
        assert not network(x).any()
    module = network.module
    assert type(module.given) is type(module.inner.kept)
    assert torch.equal(x, torch.ones(2, 3)), "the module's own output is as it was"
    network(x)
    assert module.given is module.inner.kept


def test_a_misspelt_part_names_the_nearest():
    class Makes(nn.Module):
        def forward(self, x):
            return Parts(x, {})

    network = wrap(Makes(), {"s": Site("", ("unit",), output="hiden")})
    with pytest.raises(InputError, match="Nearest: hidden"):
        network(torch.ones(2, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"dims": "unit"},
        {"dims": ("batch", "unit")},
        {"dims": ("tick",)},
        {"dims": ("unit", "unit")},
        {"output": 1.5},
        {"output": (0, None)},
        {"batch": -1},
        {"batch": True},
    ],
)
def test_sites_are_checked_when_they_are_made(options):
    with pytest.raises(InputError):
        Site("core", **options)


def test_an_unfired_step_of_a_sequence_is_complained_about():
    network = wrap(Core(), {"h": Site("core", ("step", "unit"), output=0)})
    with pytest.raises(UnfiredInterventionError):
        with applying(network, Intervention(Address("h", step=STEPS), "zero")):
            network(sequences())


class Flattening(nn.Module):
    """Encodes all steps of all examples as one batch, as recurrent policies are often written."""

    def __init__(self):
        super().__init__()
        self.encoder, self.core = nn.Linear(FEATURES, UNITS), nn.GRU(UNITS, UNITS)

    def forward(self, x):
        flat = self.encoder(x.flatten(0, 1))
        return self.core(flat.unflatten(0, x.shape[:2]))[0]


def test_rows_of_steps_and_examples_mixed_are_not_taken_for_examples():
    network = wrap(
        Flattening(),
        {"e": Site("encoder", ("unit",)), "h": Site("core", ("step", "unit"), output=0)},
    )
    x = sequences()
    one = Intervention(Address("e"), "zero", examples=[1])
    with pytest.raises(InputError, match="fires 24 rows"), applying(network, one):
        network(x)
    with applying(network, Intervention(Address("e"), "zero")):
        network(x)
    one_by_one = wrap(Flattening(), {"e": Site("encoder", ("unit",))})
    before = one_by_one(x[:1])
    with applying(one_by_one, one):
        changed = one_by_one(x[:1]) != before
    assert changed.any(-1).tolist() == [[False, True, False, False]]


def test_sites_that_disagree_on_the_batch_are_refused_for_single_examples():
    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRUCell(FEATURES, UNITS), nn.Linear(UNITS, 2)

        def forward(self, x):
            h, states = None, []
            for now in x:
                h = self.cell(now, h)
                states.append(h)
            return self.head(torch.stack(states))

    def network(**head):
        sites = {"h": Site("cell", ("unit",), ticks=True), "y": Site("head", ("time", "a"), **head)}
        return wrap(Unrolled(), sites)

    first = [Intervention(Address(site), "zero", examples=[0]) for site in ("h", "y")]
    untold = network()
    with pytest.raises(InputError, match="not sure"), applying(untold, first):
        untold(sequences())
    told = network(batch=1)
    with applying(told, first):
        assert (told(sequences())[:, 0] == 0).all()
