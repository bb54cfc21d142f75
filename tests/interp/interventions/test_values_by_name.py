"""Values with named dims act where their names say, or are refused."""

import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import InterventionError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.interventions.files import load_interventions, save_interventions
from interp.network.wrapping import Site, wrap

CHANNELS, ROWS, COLUMNS = 2, 3, 3  # square: names alone tell rows from columns
DIMS = ("channel", "y", "x")
VALUE = xr.DataArray(np.arange(18.0).reshape(CHANNELS, ROWS, COLUMNS), dims=DIMS)


def seen(value, index=None, n=2, dims=DIMS, **options):
    network = wrap(torch.nn.Sequential(torch.nn.Identity()), {"s": Site("0", dims)})
    item = Intervention(Address("s", index=index or {}), "set", value, **options)
    with applying(network, item):
        return network(torch.full((n, CHANNELS, ROWS, COLUMNS), -1.0)).numpy()


@pytest.mark.parametrize("order", [("x", "y", "channel"), ("y", "channel", "x"), DIMS])
def test_the_order_of_named_dims_does_not_matter(order):
    np.testing.assert_array_equal(seen(VALUE.transpose(*order))[1], VALUE.values)


@pytest.mark.parametrize("dim", DIMS)
def test_a_value_is_broadcast_along_the_dims_it_lacks(dim):
    part = VALUE.isel({dim: 1}, drop=True)
    np.testing.assert_array_equal(seen(part)[0], part.broadcast_like(VALUE).transpose(*DIMS).values)


def test_a_single_named_dim_is_not_the_last_one():
    rows = xr.DataArray([1.0, 2.0, 3.0], dims="y")
    np.testing.assert_array_equal(seen(rows)[0, 0], np.array([[1] * 3, [2] * 3, [3] * 3]))


def test_examples_and_features_in_any_order():
    each = xr.concat([VALUE, -VALUE], "episode").transpose("x", "episode", "channel", "y")
    np.testing.assert_array_equal(seen(each), np.stack([VALUE.values, -VALUE.values]))
    one_each = xr.DataArray([5.0, 6.0], dims="batch")
    assert seen(one_each)[:, 1, 2, 0].tolist() == [5.0, 6.0]


def test_dims_that_the_address_picks_from():
    changed = seen(
        VALUE.isel(channel=0, x=slice(0, 2)).transpose("x", "y"), {"channel": 1, "x": (2, 0)}
    )
    np.testing.assert_array_equal(changed[0, 1][:, [2, 0]], VALUE.values[0, :, :2])
    assert (changed[:, 0] == -1).all() and (changed[:, 1, :, 1] == -1).all()


@pytest.mark.parametrize(
    ("value", "index", "words"),
    [
        (VALUE.rename(x="column"), None, "'column'"),
        (VALUE, {"x": 1}, "picks one position"),
        (VALUE.isel(x=slice(0, 1)), None, "1 positions of 'x'"),
        (VALUE.isel(y=slice(0, 2)), None, "2 positions of 'y'"),
    ],
)
def test_names_and_sizes_that_the_site_does_not_have_are_refused(value, index, words):
    with pytest.raises(InterventionError, match=words):
        seen(value, index)


def test_names_mean_nothing_at_a_site_without_them():
    with pytest.raises(InterventionError, match="have no names"):
        seen(VALUE, dims=())


def test_names_can_be_given_for_arrays_and_are_checked():
    turned = VALUE.values.transpose(2, 1, 0)
    np.testing.assert_array_equal(seen(turned, feature_dims=("x", "y", "channel"))[0], VALUE.values)
    for names in (("x", "y"), ("x", "y", "y"), ("x", "y", "step")):
        with pytest.raises(InterventionError, match="feature_dims"):
            seen(turned, feature_dims=names)
    with pytest.raises(InterventionError, match="value_dims"):
        seen(VALUE, value_dims=("example",))


def test_names_are_saved(tmp_path):
    item = Intervention(Address("s"), "add", VALUE.transpose("x", "channel", "y"))
    [again] = load_interventions(save_interventions(tmp_path / "saved", item))
    assert again == item and again.feature_dims == ("x", "channel", "y")
    assert item != Intervention(Address("s"), "add", item.value), "what is named acts elsewhere"


def test_positions_that_their_labels_call_shuffled_are_refused():
    labelled = VALUE.assign_coords(y=[0, 1, 2])
    np.testing.assert_array_equal(seen(labelled)[0], VALUE.values)
    turned = labelled.isel(y=[2, 1, 0])
    with pytest.raises(InterventionError, match="sortby"):
        seen(turned)
    np.testing.assert_array_equal(seen(turned.sortby("y"))[0], VALUE.values)
    np.testing.assert_array_equal(seen(turned.drop_vars("y"))[0], turned.values)
    np.testing.assert_array_equal(seen(VALUE.assign_coords(y=list("abc")))[0], VALUE.values)
