"""Encode one file of an uncompressed variable: what zarr's codecs would write, in a single copy.

zarr compares every chunk with its padding and copies it several times on the way to the disk, which
costs more than running a small network. Here the writer knows which rows came, and each
value is copied once. The bytes follow the zarr v3 codecs ``bytes``, ``crc32c`` and
``sharding_indexed``; reading needs nothing but zarr.
"""

from __future__ import annotations

from collections.abc import Callable

import google_crc32c
import numpy as np

from interp.store.layout import Layout

_EMPTY = np.iinfo(np.uint64).max
"""Offset and length, in a shard's index, of a chunk that is all padding."""
_CRC_BYTES = 4


def encode_file(
    values: np.ndarray,
    came: np.ndarray,
    fill: float,
    layout: Layout,
    allocate: Callable[[int], np.ndarray] | None = None,
) -> np.ndarray | None:
    """Return the bytes of one file, None if there is nothing in it.

    Parameters
    ----------
    values
        (episode, step, *feature dims), at most a file's worth; shorter at the edges of the array.
    came
        (episode, step) bool: what was recorded. A chunk without any is left out.
    fill
        Padding beyond `values`.
    layout
        Of file and chunks.
    allocate
        Returns so many bytes of memory, uint8; new memory by default.

    Returns
    -------
    ndarray of uint8
    """
    features, dtype = values.shape[2:], values.dtype.newbyteorder("<")
    episodes, steps = layout.chunk
    counts = (layout.shard[0] // episodes, layout.shard[1] // steps)
    shape = (episodes, steps, *features)
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    spans = {
        (i, j): (
            slice(i * episodes, (i + 1) * episodes),
            slice(j * steps, (j + 1) * steps),
        )
        for i in range(counts[0])
        for j in range(counts[1])
    }
    present = {place: span for place, span in spans.items() if came[span].any()}
    if not present:
        return None
    index = np.full((*counts, 2), _EMPTY, "<u8")
    room = n_bytes + _CRC_BYTES
    size = len(present) * room + (index.nbytes + _CRC_BYTES if layout.sharded else 0)
    out = np.empty(size, np.uint8) if allocate is None else allocate(size)
    for n, (place, span) in enumerate(present.items()):
        chunk = out[n * room : n * room + n_bytes].view(dtype).reshape(shape)
        part = values[span]
        if part.shape != shape:
            chunk[...] = fill
        chunk[: part.shape[0], : part.shape[1]] = part
        _seal(out, n * room, n_bytes)
        index[place] = n * room, room
    if layout.sharded:
        start = len(present) * room
        out[start : start + index.nbytes] = index.reshape(-1).view(np.uint8)
        _seal(out, start, index.nbytes)
    return out


def _seal(out: np.ndarray, start: int, n_bytes: int) -> None:
    """Write the checksum of some bytes right after them."""
    stop = start + n_bytes
    checksum = google_crc32c.value(out[start:stop])
    out[stop : stop + _CRC_BYTES] = np.frombuffer(checksum.to_bytes(_CRC_BYTES, "little"), np.uint8)
