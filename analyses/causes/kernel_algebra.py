"""Kernels over squares: composed, turned to one direction, weighed along it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from interp.errors import InputError

RELATIONS = ("straight", "reverse", "turn")
"""How the direction that is written lies to the one that is read."""

Direction = tuple[int, int]
"""Rows down and columns right."""


def compose(outer: xr.DataArray, inner: xr.DataArray) -> xr.DataArray:
    """Return the kernel of one convolution after another: the offsets read add up.

    Parameters
    ----------
    outer
        Of the second convolution, (target_channel, source_channel, ky, kx) with offsets as
        coordinates.
    inner
        Of the first; its target channels are the source channels of `outer`.

    Raises
    ------
    InputError
        If the channels between them differ in number, or offsets have gaps.

    Examples
    --------
    >>> one_left = xr.DataArray(np.ones((1, 1, 1, 1)), {"ky": [0], "kx": [-1]},
    ...                         ("target_channel", "source_channel", "ky", "kx"))
    >>> compose(one_left, one_left).kx.values.tolist()
    [-2]
    """
    if outer.sizes["source_channel"] != inner.sizes["target_channel"]:
        raise InputError(
            f"A kernel of {inner.sizes['target_channel']} target channels cannot be read by one of "
            f"{outer.sizes['source_channel']} source channels."
        )
    dims = ("target_channel", "source_channel", "ky", "kx")
    a, b = (kernel.transpose(*dims) for kernel in (outer, inner))
    for kernel in (a, b):
        for axis in ("ky", "kx"):
            if (np.diff(kernel[axis].values) != 1).any():
                raise InputError(f"Offsets {axis} must be consecutive.")
    height, width = (a.sizes[k] + b.sizes[k] - 1 for k in ("ky", "kx"))
    first = np.asarray(b.values, np.float64)
    out = np.zeros((a.sizes["target_channel"], b.sizes["source_channel"], height, width))
    for y in range(a.sizes["ky"]):
        for x in range(a.sizes["kx"]):
            part = np.einsum("tm,msyx->tsyx", a.values[:, :, y, x].astype(np.float64), first)
            out[:, :, y : y + first.shape[2], x : x + first.shape[3]] += part
    coords = {
        axis: np.arange(size) + int(a[axis][0]) + int(b[axis][0])
        for axis, size in (("ky", height), ("kx", width))
    }
    return xr.DataArray(out.astype(np.float32), coords, dims)


def relation_pairs(directions: Mapping[str, Direction]) -> dict[str, list[tuple[str, str]]]:
    """Return the pairs of directions (read, written) of each relation."""
    pairs: dict[str, list[tuple[str, str]]] = {relation: [] for relation in RELATIONS}
    for a, (ay, ax) in directions.items():
        for b, (by, bx) in directions.items():
            dot = ay * by + ax * bx
            relation = "straight" if dot > 0 else "reverse" if dot < 0 else "turn"
            pairs[relation].append((a, b))
    return pairs


def aligned(kernel: np.ndarray, read: Direction, written: Direction) -> np.ndarray:
    """Turn a kernel so that the direction it reads points right.

    In a turn it is then mirrored, if need be, so that the direction it writes points down.
    Otherwise a mirror image along the axis would do as well; none is taken.

    Parameters
    ----------
    kernel
        (ky, kx), square, of odd size, offset 0 in the middle; offsets point from the square that is
        written to the one that is read.
    read, written
        Directions of the channels, each a unit step along one axis.

    Examples
    --------
    >>> up = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0]])  # reads the square below: grows upwards
    >>> aligned(up, (-1, 0), (-1, 0)).tolist()  # reads the square on the left: grows to the right
    [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    """
    # np.rot90 turns counter-clockwise as shown, rows downwards: down → right → up → left.
    turns = {(0, 1): 0, (1, 0): 1, (0, -1): 2, (-1, 0): 3}
    if read not in turns or written not in turns:
        raise InputError(f"Directions are unit steps along one axis, not {read} and {written}.")
    n = turns[read]
    turned = np.rot90(kernel, n)
    y, x = written
    for _ in range(n):
        y, x = -x, y
    return turned[::-1] if y == -1 and x == 0 else turned


def axis_weight(kernel: np.ndarray) -> float:
    """Return the mean weight on the axis ahead and behind minus that beside, one square away.

    Parameters
    ----------
    kernel
        (ky, kx), `aligned`: the axis runs from left to right.
    """
    y, x = (size // 2 for size in kernel.shape)
    along = (kernel[y, x - 1] + kernel[y, x + 1]) / 2
    beside = (kernel[y - 1, x] + kernel[y + 1, x]) / 2
    return float(along - beside)
