import numpy as np
import pytest

from interp.errors import AddressError, UnknownSiteError
from interp.interventions.address import Address

SITES = {"layers.0.h": ("tick", "channel", "y", "x"), "encoder": ("channel", "y", "x")}


@pytest.mark.parametrize(
    ("labels", "covered"),
    [
        (None, [-2, -1, 0, 1, 2, 3]),
        (-1, [-1]),
        (slice(1, 3), [1, 2]),
        (slice(None, 0), [-2, -1]),
        (slice(0, None, 2), [0, 2]),
        ((3, -2), [-2, 3]),
    ],
)
def test_labels_cover_by_value_never_from_the_end(labels, covered):
    address = Address("encoder", step=labels)
    assert [step for step in range(-2, 4) if address.covers(step, None)] == covered


def test_ticks_cover_only_while_ticking():
    address = Address("layers.0.h", tick=0)
    assert address.covers(5, 0) and not address.covers(5, None) and not address.covers(5, 1)


@pytest.mark.parametrize("bad", ["3", 1.5, True, (), (1, "2"), slice("a", None)])
def test_impossible_labels_raise(bad):
    with pytest.raises(AddressError):
        Address("encoder", step=bad)
    with pytest.raises(AddressError):
        Address("encoder", index={"y": bad})


def test_check_names_what_exists():
    with pytest.raises(UnknownSiteError, match=r"layers\.0\.h"):
        Address("layer.0.h").check(SITES)
    with pytest.raises(AddressError, match="no ticks"):
        Address("encoder", tick=0).check(SITES)
    with pytest.raises(AddressError, match="Nearest: channel"):
        Address("encoder", index={"chanel": 0}).check(SITES)
    with pytest.raises(AddressError):
        Address("layers.0.h", index={"tick": 0}).check(SITES)
    Address("layers.0.h", step=0, tick=1, index={"x": slice(1, 2)}).check(SITES)


def test_labels_of_numpy_are_integers_too():
    plain = Address("encoder", step=(0, 2), index={"x": slice(1, 3), "y": 4})
    numpy = Address(
        "encoder",
        step=np.array([0, 2]),
        index={"x": slice(np.int64(1), np.int64(3)), "y": np.int32(4)},
    )
    assert numpy == plain and repr(numpy) == repr(plain)


@pytest.mark.parametrize("tick", [-1, slice(-2, None), (0, -1)])
def test_ticks_have_no_last(tick):
    with pytest.raises(AddressError, match="count from 0"):
        Address("layers.0.h", tick=tick)


@pytest.mark.parametrize("index", [None, [1], "y"])
def test_an_index_is_a_mapping(index):
    with pytest.raises(AddressError, match="give dims and positions"):
        Address("encoder", index=index)
