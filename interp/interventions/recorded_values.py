"""The activations that a recorded run has at an address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import AddressError, InputError, UnknownSiteError
from interp.interventions.address import Address
from interp.network.site_names import was_left_out

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 64 * 2**20


class RecordedValues:
    """What a site of a run was at an address, for every episode.

    Parameters
    ----------
    run
        A run in memory, an open store, or the path of one; or what ``replay`` returned, whose
        ``batch`` counts as ``episode``.
    address
        Which site, steps, ticks and positions.
    steps
        Step labels to read, in this order, instead of those that the address covers.

    Attributes
    ----------
    n_episodes : int
    dims : tuple of str
        Dims after the episode: ``step``, ``tick`` if the site ticks, and the feature dims that the
        address does not index by an integer.
    labels : dict of str to tuple of int
        The labels along ``step`` (and ``tick``).

    Raises
    ------
    UnknownSiteError
        If the run did not keep the site.
    AddressError
        If it has none of the steps, ticks or positions.
    """

    def __init__(
        self,
        run: xr.Dataset | str | Path,
        address: Address,
        steps: Sequence[int] | None = None,
    ):
        if isinstance(run, str | Path):
            from interp.store.read import open_store

            run = open_store(run)
        if not hasattr(run, "data_vars"):
            raise InputError(f"A {type(run).__name__} is no run; give a Dataset or a store's path.")
        if address.site not in run.data_vars:
            raise UnknownSiteError(
                address.site,
                map(str, run.data_vars),
                unrecorded=was_left_out(address.site, run.attrs),
            )
        variable = run[address.site]
        self._episode = "batch" if "batch" in variable.dims else "episode"
        if not {self._episode, "step"} <= set(variable.dims):
            raise InputError(
                f"{address.site!r} has the dims {variable.dims}: no episodes and steps."
            )
        variable = variable.transpose(self._episode, "step", ...)
        self._length = run["length"].values if "length" in run else None
        if self._length is not None:  # a store goes on to the step limit, whoever got there
            reached = np.array(labels_along(variable, "step")) < self._length.max()
            variable = variable.isel(step=reached)
        address.check({address.site: tuple(str(dim) for dim in variable.dims[2:])})
        at, self.labels = {}, {}
        for dim in ("step", "tick"):
            if dim in variable.dims:
                at[dim], self.labels[dim] = _picked(variable, dim, address, steps)
        for dim, index in address.index.items():
            at[dim] = _position(dim, index, variable.sizes[dim], address)
        self.n_episodes = int(variable.sizes[self._episode])
        self.dims = tuple(str(dim) for dim in variable.dims[1:] if not isinstance(at.get(dim), int))
        self._variable, self._at = variable, at

    def valid(self, episodes: Any = slice(None)) -> np.ndarray:
        """Return (episode, step) bool: whether the episode was running at each of the steps."""
        steps = np.array(self.labels["step"])
        if self._length is None:
            return np.ones((len(np.arange(self.n_episodes)[episodes]), len(steps)), bool)
        length = self._length[episodes, None]
        return (steps < length) & (length >= 0)

    def read(self, episodes: Any = slice(None)) -> np.ndarray:
        """Return (episode, *dims) float32, 0 where the episode was not running.

        Parameters
        ----------
        episodes
            A slice, or positions in any order.

        Raises
        ------
        InputError
            If an activation is not finite where the episode was running.
        """
        if isinstance(episodes, slice):
            part, again = self._variable.isel({self._episode: episodes}), None
        else:  # each from disk once
            distinct, again = np.unique(np.asarray(episodes), return_inverse=True)
            part = self._variable.isel({self._episode: distinct})
        values = part.isel(self._at).values.astype(np.float32)
        values = values if again is None else values[again]
        valid = self.valid(episodes)
        values[~valid] = 0.0
        if not np.isfinite(values).all():
            raise InputError(f"The run's {self._variable.name!r} is not finite at running steps.")
        return values

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield `read` and `valid` of consecutive episodes, about 64 MiB at a time."""
        shape = self._variable.shape
        n = max(1, int(BLOCK_BYTES // max(1, 4 * np.prod(shape[1:], dtype=np.int64))))
        for start in range(0, self.n_episodes, n):
            episodes = slice(start, start + n)
            yield self.read(episodes), self.valid(episodes)


def labels_along(variable: Any, dim: str) -> list[int]:
    """Return the labels of a dim, counting from 0 if it has none."""
    if dim in variable.coords:
        return [int(label) for label in variable[dim].values]
    return list(range(variable.sizes[dim]))


def _picked(
    variable: xr.DataArray, dim: str, address: Address, steps: Sequence[int] | None
) -> tuple[list[int], tuple[int, ...]]:
    """Return positions and labels along step or tick."""
    known = labels_along(variable, dim)
    if dim == "step" and steps is not None:
        picked = list(steps)
    else:
        along = Address(address.site, step=getattr(address, dim))  # either axis, by the same rules
        picked = [label for label in known if along.covers(label, None)]
    wanted = getattr(address, dim) if steps is None or dim == "tick" else tuple(picked)
    listed = wanted if isinstance(wanted, tuple) else (wanted,) if isinstance(wanted, int) else ()
    absent = sorted(set(listed) - set(known))
    if not picked or absent:
        there = f"{known[0]} … {known[-1]}" if known else "none"
        raise AddressError(
            f"{address!r}: the run has no such {dim} {absent or ''}; it has {there}."
        )
    return [known.index(label) for label in picked], tuple(picked)


def _position(dim: str, index: Any, size: int, address: Address) -> Any:
    listed = index if isinstance(index, tuple) else () if isinstance(index, slice) else (index,)
    if any(not -size <= position < size for position in listed):
        raise AddressError(f"{address!r}: {dim!r} has only {size} positions.")
    if isinstance(index, slice) and not range(size)[index]:
        raise AddressError(f"{address!r} picks no position of {dim!r} (size {size}).")
    return list(index) if isinstance(index, tuple) else index
