"""Read a recorded run with probes that were fitted before."""

from __future__ import annotations

import numpy as np
import xarray as xr

from interp.errors import InputError
from interp.probes.features import apply_linear


def decode(
    activations: xr.DataArray, direction: xr.DataArray, intercept: xr.DataArray
) -> xr.DataArray:
    """Return the class that a spatial probe reads at every square.

    Parameters
    ----------
    activations
        ``(…, channel, y, x)``, in any order of dims, float.
    direction
        Probe weights ``(class, channel)``, or ``(class, channel, ky, kx)`` with odd, equal ky, kx.
    intercept
        ``(class,)``.

    Returns
    -------
    xarray.DataArray
        ``(…, y, x)`` int16: index into ``direction["class"]``.

    Raises
    ------
    InputError
        If dims are missing or the numbers of channels differ.

    Examples
    --------
    >>> h = xr.DataArray(np.eye(2).reshape(1, 2, 1, 2), dims=("step", "channel", "y", "x"))
    >>> weights = xr.DataArray(np.eye(2), dims=("class", "channel"))
    >>> decode(h, weights, xr.DataArray(np.zeros(2), dims="class")).values.tolist()
    [[[0, 1]]]
    """
    for array, dims in ((activations, ("channel", "y", "x")), (direction, ("class", "channel"))):
        if not set(dims) <= set(array.dims):
            raise InputError(f"Dims {dims} are needed, got {array.dims}.")
    if activations.sizes["channel"] != direction.sizes["channel"]:
        raise InputError(
            f"The activations have {activations.sizes['channel']} channels and the probe "
            f"{direction.sizes['channel']}."
        )
    rows = activations.transpose(..., "channel", "y", "x")
    if "ky" not in direction.dims:
        direction = direction.expand_dims(ky=1, kx=1)
    weights = direction.transpose("class", "channel", "ky", "kx").values
    values = np.asarray(rows.values, dtype=np.float32)
    flat = values.reshape(-1, *values.shape[-3:])
    read = apply_linear(flat, weights, np.asarray(intercept.values)).argmax(axis=1)
    shape = (*values.shape[:-3], *values.shape[-2:])
    dims = (*rows.dims[:-3], "y", "x")
    coords = {name: coord for name, coord in rows.coords.items() if set(coord.dims) <= set(dims)}
    return xr.DataArray(read.reshape(shape).astype(np.int16), coords, dims, "decoded")
