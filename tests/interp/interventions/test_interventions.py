import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import (
    AddressError,
    InterventionError,
    UnfiredInterventionError,
    UnknownSiteError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.runs.episodes import run_episodes
from tests.toys import ToyNetwork, ToyOrganism, ToyTasks

OBSERVATIONS = torch.tensor([[[0, 4], [0, 2]], [[1, 4], [1, 2]]], dtype=torch.uint8)
DIMS = ("channel", "y", "x")
TENSOR = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)


def run(*interventions):
    network = ToyNetwork()
    with torch.no_grad(), applying(network, interventions):
        return network(OBSERVATIONS).logits[..., 1]


def test_by_hand():
    h = Address("h", step=1, tick=1, index={"channel": 0})
    before = run()
    assert torch.equal(run(Intervention(h, "zero"))[0], before[0])
    assert run(Intervention(h, "zero"))[1].tolist() == pytest.approx([0.1, 0.1])
    assert run(Intervention(h, "set", 2.0))[1].tolist() == pytest.approx([2.1, 2.1])
    assert run(Intervention(h, "set", [2.0, 3.0]))[1].tolist() == pytest.approx([2.1, 3.1])
    torch.testing.assert_close(run(Intervention(h, "add", 1.0))[1], before[1] + 1)
    torch.testing.assert_close(run(Intervention(h, "scale", 2.0))[1], 2 * before[1] - 0.1)


def test_a_change_at_one_tick_is_carried_on():
    # +1 at the first tick of step 0 is halved at each of the next three ticks.
    changed = run(Intervention(Address("h", step=0, tick=0, index={"channel": 0}), "add", 1.0))
    torch.testing.assert_close(changed - run(), torch.tensor([[0.5, 0.5], [0.125, 0.125]]))


def test_identity_changes_nothing_bit_for_bit():
    h = Address("h")
    for identity in (Intervention(h, "add", 0.0), Intervention(h, "scale", 1.0)):
        assert torch.equal(run(identity), run())


def test_later_interventions_see_what_earlier_ones_left():
    h = Address("h", step=1, tick=1, index={"channel": 0})
    both = run(Intervention(h, "set", 1.0), Intervention(h, "scale", 3.0))
    assert both[1].tolist() == pytest.approx([3.1, 3.1])


@pytest.mark.parametrize(
    ("index", "numpy_index"),
    [
        ({}, np.s_[:, :, :, :]),
        ({"y": 1, "x": 2}, np.s_[:, :, 1, 2]),
        ({"x": -1}, np.s_[:, :, :, -1]),
        ({"channel": slice(1, None), "y": 0}, np.s_[:, 1:, 0, :]),
        ({"y": slice(None, None, 2)}, np.s_[:, :, ::2, :]),
    ],
)
def test_indexing_is_numpys(index, numpy_index):
    changed = Intervention(Address("s", index=index), "zero").apply(TENSOR, DIMS)
    expected = TENSOR.numpy().copy()
    expected[numpy_index] = 0
    assert np.array_equal(changed.numpy(), expected)
    assert TENSOR[0, 0, 0, 1] == 1, "the firing itself is left as it was"


def test_several_positions_of_two_dims_cross():
    index = {"y": (0, 3), "x": (1, 2, 4)}
    changed = Intervention(Address("s", index=index), "zero").apply(TENSOR, DIMS)
    expected = TENSOR.numpy().copy()
    expected[np.ix_(range(2), range(3), (0, 3), (1, 2, 4))] = 0
    assert np.array_equal(changed.numpy(), expected)


def test_a_direction_is_added_at_one_square():
    direction = torch.tensor([1.0, 10.0, 100.0])
    item = Intervention(Address("s", index={"y": 3, "x": 4}), "add", direction)
    difference = item.apply(TENSOR, DIMS) - TENSOR
    assert torch.equal(difference[:, :, 3, 4], direction.expand(2, 3))
    assert difference.sum() == 2 * 111


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        ({"y": 4}, 1.0, AddressError),
        ({"y": slice(4, 9)}, 1.0, AddressError),
        ({"x": (0, 5)}, 1.0, AddressError),
        ({"y": 1}, torch.zeros(7), InterventionError),
    ],
)
def test_what_does_not_fit_raises(index, value, error):
    with pytest.raises(error):
        Intervention(Address("s", index=index), "set", value).apply(TENSOR, DIMS)


def test_malformed_interventions_raise():
    address = Address("h")
    for operation, value in [
        ("ad", 1.0),
        ("add", None),
        ("zero", 1.0),
        ("add", float("nan")),
        ("set", [1.0, float("inf")]),
    ]:
        with pytest.raises(InterventionError):
            Intervention(address, operation, value)
    with pytest.raises(InterventionError, match="Not an Intervention"):
        run("h")


def test_wrong_addresses_raise_before_anything_runs():
    with pytest.raises(UnknownSiteError):
        run(Intervention(Address("hh"), "zero"))
    with pytest.raises(AddressError, match="no ticks"):
        run(Intervention(Address("encoder", tick=0), "zero"))


@pytest.mark.parametrize("where", [{"step": 2}, {"tick": 2}, {"step": -1}])
def test_an_intervention_that_never_fires_raises(where):
    with pytest.raises(UnfiredInterventionError, match="Never fired"):
        run(Intervention(Address("h", **where), "zero"))


def test_the_runs_own_error_is_not_hidden_by_an_unfired_one():
    network = ToyNetwork()
    with pytest.raises(ZeroDivisionError):
        with applying(network, [Intervention(Address("h", step=9), "zero")]):
            1 / 0  # noqa: B018


def test_closed_loop_unfired_is_counted_over_all_blocks():
    organism, tasks = ToyOrganism(), ToyTasks((1, 1, 6))
    late = [Intervention(Address("h", step=4), "scale", 1.0)]
    run = run_episodes(organism, tasks, interventions=late, batch_size=2)
    assert run.length.values.tolist() == [1, 1, 6]
    with pytest.raises(UnfiredInterventionError):
        run_episodes(organism, tasks[0:2], interventions=late, batch_size=2)


@pytest.mark.parametrize(
    "value", ["a", [1, "a"], 1j, torch.tensor(1j), [[1], [1, 2]], object(), float("inf"), 1e300]
)
def test_values_that_are_no_numbers_raise(value):
    with pytest.raises(InterventionError):
        Intervention(Address("h"), "add", value)


def test_values_of_any_kind_of_array():
    array = np.array([3.0, 2.0, 1.0])
    for value in (array[::-1], array[::-1].astype(">f4"), xr.DataArray(array[::-1]), (1, 2, 3)):
        assert Intervention(Address("h"), "add", value).value.tolist() == [1, 2, 3]


@pytest.mark.parametrize("address", ["h", None])
def test_an_address_is_an_address(address):
    with pytest.raises(InterventionError, match="Address"):
        Intervention(address, "zero")


def test_one_intervention_needs_no_list_and_anything_else_raises():
    organism, tasks = ToyOrganism(), ToyTasks((2, 3))
    zero = Intervention(Address("h"), "zero")
    one, several = (run_episodes(organism, tasks, interventions=i) for i in (zero, [zero]))
    xr.testing.assert_identical(one, several)
    for bad in (None, 3, "zero", [zero, None]):
        with pytest.raises(InterventionError, match="Not an Intervention"):
            run_episodes(organism, tasks, interventions=bad)
