"""What happened in a recorded run, told without knowing its world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

_BLOCK = 64
"""Episodes whose observations are held at once."""


def observed_states(run: xr.Dataset) -> xr.DataArray:
    """Return one number per state seen: equal where the observations are.

    Parameters
    ----------
    run
        ``observation`` (episode, step, …) uint8, ``length`` (episode,), coordinate ``step``.

    Returns
    -------
    xarray.DataArray
        (episode, step) int64, not negative; −1 outside the episodes. Numbers of different runs
        compare. Two states share a number with a chance of about 2⁻⁶³.

    Raises
    ------
    InputError
        If the run has no observations.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> run = xr.Dataset(
    ...     {
    ...         "observation": (("episode", "step", "x"), np.uint8([[[0], [1], [0], [9]]])),
    ...         "length": ("episode", [3]),
    ...     },
    ...     coords={"step": [0, 1, 2, 3]},
    ... )
    >>> states = observed_states(run).values[0]
    >>> bool(states[0] == states[2] != states[1]), int(states[3])
    (True, -1)
    """
    import xarray as xr

    for name in ("observation", "length"):
        if name not in run:
            raise InputError(f"The run has no variable {name!r}, which tells its states.")
    observation = run["observation"].transpose("episode", "step", ...)
    # A linear hash with fixed random coefficients, modulo 2⁶⁴.
    size = int(np.prod(observation.shape[2:]))
    rng = np.random.default_rng(20240715)
    coefficients = rng.integers(0, 2**64, size=size, dtype=np.uint64) | np.uint64(1)
    out = np.empty(observation.shape[:2], np.int64)
    for start in range(0, len(out), _BLOCK):
        seen = observation[start : start + _BLOCK].values
        flat = seen.reshape(*seen.shape[:2], size)
        number = np.zeros(flat.shape[:2], np.uint64)
        for feature in range(size):
            number += flat[..., feature].astype(np.uint64) * coefficients[feature]
        number = (number ^ (number >> np.uint64(31))) >> np.uint64(1)
        out[start : start + _BLOCK] = number.astype(np.int64)
    inside = run["step"].values < run["length"].values[:, None]
    out[~inside] = -1
    coords = {"step": run["step"].values}
    return xr.DataArray(out, coords, ("episode", "step"), "state")
