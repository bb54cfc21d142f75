"""Tile codes and what networks see of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interp.errors import InputError, UnknownNameError
from organisms.families.sokoban.observations import (
    PLANES,
    Tile,
    decode,
    decode_planes,
    decode_rgb,
    encode,
    encode_planes,
    encode_rgb,
)

ALL = np.arange(7, dtype=np.uint8)[None]


def test_colours_are_the_published_ones():
    named = {tile.name: tuple(encode_rgb(ALL)[0, tile].tolist()) for tile in Tile}
    assert named == {
        "WALL": (0, 0, 0),
        "FLOOR": (243, 248, 238),
        "TARGET": (254, 126, 125),
        "BOX": (142, 121, 56),
        "BOX_ON_TARGET": (254, 95, 56),
        "PLAYER": (160, 212, 56),
        "PLAYER_ON_TARGET": (219, 212, 56),
    }


def test_planes_are_in_the_published_order():
    order = "WALL FLOOR BOX BOX_ON_TARGET PLAYER PLAYER_ON_TARGET TARGET".split()
    assert [tile.name for tile in PLANES] == order
    planes = encode_planes(ALL)
    assert planes.shape == (7, 1, 7) and planes.dtype == np.uint8
    for index, name in enumerate(order):
        assert planes[index, 0].nonzero()[0].tolist() == [Tile[name]]


@pytest.mark.parametrize("encoding", ["rgb", "planes"])
@given(
    tiles=arrays(
        np.uint8,
        st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(1, 5)),
        elements=st.integers(0, 6),
    )
)
def test_encodings_round_trip(encoding, tiles):
    observation = encode(tiles, encoding)
    assert observation.dtype == np.uint8
    assert observation.flags.c_contiguous
    assert np.array_equal(decode(observation, encoding), tiles)
    # A board alone is encoded as it is in a batch.
    if len(tiles):
        assert np.array_equal(encode(tiles[-1], encoding), observation[-1])


@given(
    arrays(np.uint8, st.just((2, 3, 3)), elements=st.integers(0, 6)),
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 255),
)
def test_a_changed_pixel_is_another_tile_or_refused(tiles, where, value):
    rgb = encode_rgb(tiles)
    rgb[where] = value
    try:
        again = decode_rgb(rgb)
    except InputError as error:
        assert str(where[:3]) in str(error)
    else:
        assert np.array_equal(encode_rgb(again), rgb)


def test_what_is_no_observation_is_refused():
    rgb, planes = encode_rgb(ALL), encode_planes(ALL)
    with pytest.raises(InputError, match="no tile code|Tile codes"):
        encode_rgb(np.array([[7]]))
    with pytest.raises(InputError, match="Tile codes"):
        encode_planes(np.array([[-1]]))
    with pytest.raises(InputError, match="Tile codes"):
        encode_planes(np.array([[0.5]]))
    with pytest.raises(InputError, match="dims"):
        encode_rgb(np.array([1, 2]))
    with pytest.raises(InputError, match="uint8"):
        decode_rgb(rgb / 255)
    with pytest.raises(InputError, match="dims"):
        decode_rgb(np.moveaxis(rgb, -1, 0))
    with pytest.raises(InputError, match="dims"):
        decode_planes(np.moveaxis(planes, 0, -1)[..., :6])
    with pytest.raises(InputError, match="exactly one"):
        decode_planes(np.zeros_like(planes))
    with pytest.raises(InputError, match="exactly one"):
        decode_planes(np.ones_like(planes))
    with pytest.raises(InputError, match="0 or 1"):
        decode_planes(planes * 2)
    with pytest.raises(UnknownNameError, match="'planes'"):
        decode(rgb, "plane")
