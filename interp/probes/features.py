"""Recorded activations as probe features, read in blocks of episodes.

Everything is brought to one layout, (row, tick, channel, y, x): a row is one (episode, step). For
a target with one label per square, the channels of a square (and of its neighbours, zeros beyond
the border) are the features; other places (tokens, say) are laid out as the squares of a single row;
for one label per step all feature dims are flattened into channels on a board of a single square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from interp.contract import facts_of, outputs_of
from interp.errors import InputError, UnknownSiteError
from interp.network.site_names import natural_key, select_sites, was_left_out

NOT_SITES = frozenset(
    "observation action reward logits value done solved outcome length level_id level".split()
)
ObservationFeatures = Callable[[xr.DataArray], xr.DataArray]
OBSERVED = "observation."
"""Beginning of the names of the parts that an observation with several is recorded as."""
BLOCK_BYTES = 64 << 20


def site_names(data: xr.Dataset) -> list[str]:
    """Names of the variables of a run that are recorded sites, ``layers.2`` before ``layers.10``.

    Sorted: a store without consolidated metadata lists its arrays in any order.
    """
    said = {*outputs_of(data), *facts_of(data)}  # what the network puts out, what the world told
    names = [
        str(name)
        for name, variable in data.data_vars.items()
        if name not in NOT_SITES
        and name not in said
        and not str(name).startswith(OBSERVED)
        and variable.dims[:2] == ("episode", "step")
        and variable.ndim > 2
        and variable.dtype.kind == "f"
    ]
    return sorted(names, key=natural_key)


def choose_sites(
    data: xr.Dataset, sites: str | Iterable[str] | None, places: Sequence[str] = ()
) -> list[str]:
    """The sites to probe: those that names or globs mean, or all that have the dims of the places.

    Raises
    ------
    UnknownSiteError
        For a site that is not recorded; it says whether the network has it.
    InputError
        For a site without the places' dims.
    """
    known, needed = site_names(data), set(places)
    words = " and ".join(places)
    if sites is None:
        chosen = [s for s in known if needed <= set(data[s].dims)]
        if not chosen:
            raise InputError(
                f"There is no recorded site to probe{f' with dims {words}' if places else ''}; "
                f"recorded: {known or 'none'}."
            )
        return chosen
    given = [sites] if isinstance(sites, str) else list(sites)
    if len(set(given)) < len(given):
        raise InputError(f"A site is named twice: {given}.")
    chosen = recorded_sites(data, given, known)
    for site in chosen:
        if not needed <= set(data[site].dims):
            per = "square" if needed == {"y", "x"} else words
            raise InputError(
                f"The target has one label per {per}, but site {site!r} has dims "
                f"{data[site].dims}, without {words}."
            )
    return chosen


def recorded_sites(data: xr.Dataset, given: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return the recorded sites that names or globs mean.

    Raises
    ------
    UnknownSiteError
        For one that is not recorded; it says whether the network has it.
    """
    try:
        return select_sites(given, known)
    except UnknownSiteError as error:
        raise UnknownSiteError(
            error.given, known, unrecorded=was_left_out(error.given, data.attrs)
        ) from None


def one_hot_observation(observation: xr.DataArray, max_values: int = 64) -> xr.DataArray:
    """An observation of colours, or of a few whole numbers, as one channel per distinct one.

    A stricter control than the raw numbers: a linear probe on three colour channels cannot tell
    every tile from every other one, a probe on one-hot tiles can.

    Parameters
    ----------
    observation
        Integers. With a `colour` dim, whole colours are coded (uint8; padding 255), else single
        numbers. Floats are returned as they are.
    max_values
        Refuse observations with more distinct colours than this; single numbers of which there are
        more are returned as they are.

    Returns
    -------
    DataArray
        uint8, with `channel` in place of the `colour` dim, or beside the other dims. Held in memory.
    """
    if observation.dtype.kind not in "iub":
        return observation
    if "colour" not in observation.dims:
        return _one_hot_numbers(observation, max_values)
    values = observation.transpose(..., "colour")
    n = values.sizes["colour"]
    if n > 4:
        raise InputError(f"one_hot_observation packs up to 4 colour channels; there are {n}.")
    if observation.dtype != np.uint8 and not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise InputError("The observation's colours do not lie between 0 and 255.")
    values = values.astype(np.uint32)
    code = sum(values.isel(colour=i, drop=True) << (8 * i) for i in range(n))
    distinct = np.unique(code)
    distinct = distinct[distinct != (1 << 8 * n) - 1]
    if len(distinct) > max_values:
        raise InputError(f"The observation has {len(distinct)} distinct colours, not tiles.")
    planes = (code.values[..., None] == distinct).astype(np.uint8)
    return xr.DataArray(planes, dims=(*code.dims, "channel"), coords=code.coords)


def _one_hot_numbers(observation: xr.DataArray, max_values: int) -> xr.DataArray:
    values = observation.values
    distinct = np.unique(values)
    if len(distinct) > max_values:
        return observation
    planes = (values[..., None] == distinct).astype(np.uint8)
    return xr.DataArray(planes, observation.coords, (*observation.dims, "one_hot"))


def tiles_or_numbers(observation: xr.DataArray) -> xr.DataArray:
    """Return `one_hot_observation` where there are tiles, and what else there is as it is."""
    try:
        return one_hot_observation(observation)
    except InputError:  # a picture of many colours
        return observation


def observed(
    data: xr.Dataset, places: Mapping[str, int], coding: ObservationFeatures | None
) -> xr.DataArray | None:
    """Return what a run says was observed, as features of every place; None if it says nothing.

    Parameters
    ----------
    data
        With `observation`, or with its parts ``observation.NAME``, which are put side by side.
    places
        Dim → size of the target's places. An observation without these dims is seen from everywhere.
    coding
        Function of each part.

    Raises
    ------
    InputError
        If an observation has some of the places' dims only.
    """
    names = [n for n in map(str, data.data_vars) if n.startswith(OBSERVED)]
    if "observation" in data:
        return _at_places(_coded(data["observation"], coding), places)
    if not names:
        return None
    parts = []
    for name in sorted(names):
        part = _at_places(_coded(data[name], coding), places)
        own = [d for d in part.dims if d not in ("episode", "step", *places)]
        flat = part.stack(part=own, create_index=False) if own else part.expand_dims("part")
        parts.append(flat.drop_vars(set(flat.coords) - {"step"}).astype(np.float32))
    return xr.concat(parts, "part").transpose("episode", "step", "part", *places)


def _coded(array: xr.DataArray, coding: ObservationFeatures | None) -> xr.DataArray:
    """Code a part of an observation; floats are standardised, each number of it by itself."""
    array = array if coding is None else coding(array)
    if array.dtype.kind != "f":
        return array
    values = array.transpose("episode", "step", ...).values.astype(np.float64)
    rows = values.reshape(-1, *values.shape[2:])
    there = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
    if not there.any():
        return array
    spread = rows[there].std(axis=0)
    values = (values - rows[there].mean(axis=0)) / np.where(spread > 0, spread, 1)
    return array.transpose("episode", "step", ...).copy(data=values.astype(np.float32))


def _at_places(array: xr.DataArray, places: Mapping[str, int]) -> xr.DataArray:
    missing = {dim: size for dim, size in places.items() if dim not in array.dims}
    if missing and len(missing) < len(places):
        raise InputError(f"The observation has dims {array.dims}, without {' and '.join(missing)}.")
    return array.expand_dims(missing) if missing else array


def last_observations(observation: xr.DataArray, n: int = 2) -> xr.DataArray:
    """An observation with those before it: what a memory of so many steps adds to a probe.

    Before the first step there is none: the first is taken again.

    Parameters
    ----------
    observation
        With dims ``episode`` and ``step``.
    n
        How many, this one included.

    Returns
    -------
    DataArray
        With a further dim ``back`` (0 … n − 1 steps). Held in memory.
    """
    at = np.arange(observation.sizes["step"])
    parts = []
    for back in range(n):
        part = observation.isel(step=np.maximum(at - back, 0))
        if "step" in observation.coords:
            part = part.assign_coords(step=observation["step"])
        parts.append(part)
    return xr.concat(parts, "back").transpose("episode", "step", ...)


MOST_SPARSE = 4
"""Episodes read for each one used, at most, where a block's episodes lie apart."""


@dataclass
class Features:
    """One variable of a run, ready to be read in blocks.

    Attributes
    ----------
    name
        Its name, for messages.
    ticks
        (tick,) labels; None for a variable without ticks.
    channel_dims, channel_shape
        The dims flattened into channels, and their sizes.
    grid
        (y, x) sizes of the board that the places are laid out on.
    """

    name: str
    array: xr.DataArray
    steps: np.ndarray
    ticks: np.ndarray | None
    channel_dims: tuple[str, ...]
    channel_shape: tuple[int, ...]
    grid: tuple[int, int]
    scale: float | None = None

    @classmethod
    def of(
        cls,
        array: xr.DataArray,
        name: str,
        places: Mapping[str, int] | tuple[int, int] | None,
    ) -> Features:
        """Describe `array`; `places` are the target's (dim → size), or (y, x) sizes of squares."""
        places = {} if places is None else places
        if isinstance(places, tuple):
            places = dict(zip(("y", "x"), places, strict=True))
        dims = [str(d) for d in array.dims]
        if dims[:2] != ["episode", "step"]:
            array = array.transpose("episode", "step", ...)
            dims = [str(d) for d in array.dims]
        if not set(places) <= set(dims):
            raise InputError(f"{name!r} has dims {dims}, without {' and '.join(places)}.")
        found = {dim: array.sizes[dim] for dim in places}
        if found != dict(places):
            words = "squares" if tuple(places) == ("y", "x") else "places"
            raise InputError(f"{name!r} has the {words} {found}, the target {dict(places)}.")
        channels = tuple(d for d in dims[2:] if d != "tick" and d not in places)
        has_ticks = "tick" in dims
        order = ["episode", "step", *(["tick"] if has_ticks else []), *channels, *places]
        if order != dims:
            array = array.transpose(*order)
        if has_ticks:
            n_ticks = array.sizes["tick"]
            ticks = array["tick"].values if "tick" in array.coords else np.arange(n_ticks)
        else:
            ticks = None
        return cls(
            name=name,
            array=array,
            steps=np.asarray(array["step"].values),
            ticks=ticks,
            channel_dims=channels,
            channel_shape=tuple(array.sizes[d] for d in channels),
            grid=board_of(places),
        )

    @property
    def n_ticks(self) -> int:
        """Number of ticks, 1 where there is no tick axis."""
        return 1 if self.ticks is None else len(self.ticks)

    @property
    def n_channels(self) -> int:
        """Number of features of one square."""
        return math.prod(self.channel_shape)

    def read(self, episodes: np.ndarray, used: np.ndarray, single: bool = True) -> np.ndarray:
        """Read the used rows of some episodes.

        Parameters
        ----------
        episodes
            (episode,) positions, ascending.
        used
            (episode of `episodes`, step) bool.
        single
            Whether to turn halves into float32; not worth it where few of them are picked.

        Returns
        -------
        ndarray
            (row, tick, channel, y, x) float32, rows in order of (episode, step).

        Raises
        ------
        InputError
            If a used row holds a NaN or infinity.
        """
        columns = np.flatnonzero(used.any(axis=0))
        if not len(columns):
            return np.empty((0, self.n_ticks, self.n_channels, *self.grid), dtype=np.float32)
        first, last = columns[0], columns[-1] + 1
        # A slice is read many times faster from a store than a list of episodes, chunk for chunk.
        origin, span = episodes[0], episodes[-1] - episodes[0] + 1
        if span <= MOST_SPARSE * len(episodes):
            which: slice | np.ndarray = slice(origin, origin + span)
            picked = np.zeros((span, last - first), dtype=bool)
            picked[episodes - origin] = used[:, first:last]
        else:
            which, picked = episodes, used[:, first:last]
        rows = self.array.isel(episode=which, step=slice(first, last)).values[picked]
        rows = rows.reshape(len(rows), self.n_ticks, self.n_channels, *self.grid)
        if rows.dtype.kind in "iub":
            if self.scale is None:  # bytes as fractions; planes of 0 and 1 stay as they are
                self.scale = 1 / 255 if rows.max(initial=0) > 1 else 1.0
            return rows.astype(np.float32) * np.float32(self.scale)
        if not all_finite(rows):
            bad = ~np.isfinite(rows).all(axis=(1, 2, 3, 4))
            e, s = (index[np.argmax(bad)] for index in np.nonzero(used))
            raise InputError(
                f"Site {self.name!r} holds a NaN or infinity at episode {int(episodes[e])}, "
                f"step {self.steps[s]}, which the episode's length says is a valid row "
                f"({int(bad.sum())} such rows in this block)."
            )
        return rows.astype(np.float32) if single else rows

    def blocks(
        self,
        episodes: np.ndarray,
        used: np.ndarray,
        block_bytes: int = BLOCK_BYTES,
        single: bool = True,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (positions in `episodes`, rows), each block of about `block_bytes` of float32."""
        per_row = 4 * self.n_ticks * self.n_channels * math.prod(self.grid)
        n_steps = int(used.any(axis=0).sum())
        size = max(1, int(block_bytes // max(1, per_row * n_steps)))
        for start in range(0, len(episodes), size):
            at = np.arange(start, min(start + size, len(episodes)))
            yield at, self.read(episodes[at], used[at], single)


def board_of(places: Mapping[str, int]) -> tuple[int, int]:
    """(y, x) sizes of the board on which places are laid out: their own, or a single row."""
    if tuple(places) == ("y", "x"):
        return places["y"], places["x"]
    return 1, math.prod(places.values())


def all_finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite; for halves and singles by their bits, which is fast."""
    width = {2: (np.int16, 0x7FFF, 0x7C00), 4: (np.int32, 0x7FFFFFFF, 0x7F800000)}
    if values.dtype.itemsize not in width:
        return bool(np.isfinite(values).all())
    integer, magnitude, infinity = width[values.dtype.itemsize]
    bits = np.ascontiguousarray(values).view(integer)
    return bool(np.bitwise_and(bits, integer(magnitude)).max(initial=0) < infinity)


def padded(rows: np.ndarray, receptive_field: int) -> np.ndarray:
    """Surround the last two axes with the zeros that a receptive field reaches over."""
    reach = receptive_field // 2
    if reach == 0:
        return rows
    return np.pad(rows, [(0, 0)] * (rows.ndim - 2) + [(reach, reach)] * 2)


def gather(
    rows: np.ndarray, row: np.ndarray, square: np.ndarray, receptive_field: int, out: np.ndarray
) -> None:
    """Write the features of chosen squares to `out` (tick, feature, sample).

    Features are ordered (channel, ky, kx); further rows of `out` are left alone. `rows` is as read
    ((row, tick, channel, y, x)), `row` and `square` say which.
    """
    k = receptive_field
    width = rows.shape[-1]
    y, x = np.divmod(square, width)
    source = padded(rows, k)
    n_features = rows.shape[2] * k * k
    for ky in range(k):
        for kx in range(k):
            chosen = source[row, :, :, y + ky, x + kx]  # (sample, tick, channel)
            out[:, ky * k + kx : n_features : k * k] = chosen.transpose(1, 2, 0)


def apply_linear(rows: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Outputs of shared-weight linear maps at every square.

    Parameters
    ----------
    rows
        (row, channel, y, x) float32.
    coef
        (output, channel, ky, kx).
    intercept
        (output,).

    Returns
    -------
    ndarray
        (row, output, y * x) float32.
    """
    n_outputs, n_channels, k, _ = coef.shape
    n, _, height, width = rows.shape
    flat = rows.reshape(n, n_channels, height * width)
    kernel = coef.transpose(2, 3, 0, 1).reshape(k * k * n_outputs, n_channels).astype(np.float32)
    parts = np.matmul(kernel, flat)
    if k == 1:
        out = parts
    else:
        # One product for all offsets, then shift and add: no copies of the neighbourhoods.
        parts = parts.reshape(n, k, k, n_outputs, height, width)
        out = np.zeros((n, n_outputs, height, width), dtype=np.float32)
        reach = k // 2
        for ky in range(k):
            for kx in range(k):
                to_y, from_y = _overlap(ky - reach, height)
                to_x, from_x = _overlap(kx - reach, width)
                out[:, :, to_y, to_x] += parts[:, ky, kx, :, from_y, from_x]
        out = out.reshape(n, n_outputs, height * width)
    out += intercept.astype(np.float32)[:, None]
    return out


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Where squares and their neighbours at `offset` both lie on the board."""
    to = slice(max(0, -offset), size - max(0, offset))
    return to, slice(to.start + offset, to.stop + offset)
