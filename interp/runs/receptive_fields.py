"""How far and how long back a network's sites see, found out by changing what it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.contract import is_observation
from interp.errors import InputError
from interp.network.hooks import sites_of
from interp.network.site_names import select_sites
from interp.network.weights import weights_sha256
from interp.runs.observations import from_variables
from interp.runs.replay import replay

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 1e-5
"""Of a site's spread: a smaller change is none (float32 sums in another order differ by as much)."""
_ROWS = 64
_MOST_SQUARES = 36
_KNOWN: dict[tuple, xr.Dataset] = {}


def receptive_fields(
    network: Any, run: xr.Dataset, sites: Iterable[str], last: int = 4, seed: int = 0
) -> xr.Dataset:
    """Find from how far away, and from how many steps back, an observation reaches a network's sites.

    Two episodes of a run are shown again, with the content of one square exchanged for another that
    occurs in them, at one step: this one, the one before, …. What changes at a site, and how far from
    that square, is its field. Whatever the network is made of (kernels, layers, ticks, memory, pooling)
    is thereby counted, and nothing has to be declared.

    Parameters
    ----------
    network
        See `interp.contract.Network`.
    run
        Of this network or another in the same world: its observations are used.
    sites
        Names or globs.
    last
        How many observations back to try, this one included, ≥ 1 (as far as the run's steps reach).
    seed
        Of the episodes and of what squares are exchanged for.

    Returns
    -------
    xarray.Dataset
        ===========  ====================  ==========================================================
        variable     dims                  meaning
        ===========  ====================  ==========================================================
        seen         back, site, tick      whether the observation so many steps back changes anything
        radius       back, site, tick      largest distance (in y or x) of a square that is changed
                                           from the one exchanged; −1 if none is
        field        site, tick            2 × the largest radius + 1: the side of the square that it
                                           sees; infinite where it sees the whole board
        memory       site, tick            how many observations it sees, at most `last`
        ===========  ====================  ==========================================================

        `tick` is −1 for sites without ticks, NaN (False) where a site has no such tick. `radius` and
        `field` are NaN where site or observation has no squares (y, x): all of the observation is then
        exchanged at once.

    Raises
    ------
    UnknownSiteError
        For a site that does not exist.
    InputError
        If `last` is none, or the run has no observations to show.

    Notes
    -----
    A lower bound: up to 36 squares are exchanged, the corners among them, in two episodes, and what
    changes by less than 1e-5 of the site's spread does not count. What was found is kept in memory by the
    network's weights.
    """
    if last < 1:
        raise InputError(f"last is at least 1, not {last}.")
    shown = {
        str(name): run[name].transpose("step", "episode", ...)
        for name in run.data_vars
        if is_observation(str(name))
    }
    if not shown:
        raise InputError("The run has no observations.")
    chosen = select_sites(sites, sites_of(network))
    sizes = tuple((name, tuple(array.sizes.items())[2:]) for name, array in shown.items())
    key = (weights_sha256(network), tuple(chosen), sizes, last, seed)
    if key not in _KNOWN:
        _KNOWN[key] = _found(network, run, shown, chosen, last, np.random.default_rng(seed))
    return _KNOWN[key].copy()


def _found(
    network: Any,
    run: xr.Dataset,
    shown: dict[str, xr.DataArray],
    sites: Sequence[str],
    last: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    import xarray as xr

    length = run["length"].values
    begin = int(np.searchsorted(run["step"].values, 0))
    longest = np.argsort(-length, kind="stable")[: max(2, len(length) // 4)]
    episodes = np.sort(rng.choice(longest, min(2, len(longest)), replace=False))
    last = max(1, min(last, int(length[episodes].min())))
    window = {
        name: array.isel(episode=episodes, step=slice(begin, begin + last)).compute()
        for name, array in shown.items()
    }
    boards = {name: array for name, array in window.items() if {"y", "x"} <= set(array.dims)}
    squares = _squares(next(iter(boards.values()))) if boards else [None]
    changes = [
        (e, back, square)
        for e in range(len(episodes))
        for back in range(last)
        for square in squares
    ]
    dims = sites_of(network)
    seen: dict[tuple[int, str, int], bool] = {}
    radius: dict[tuple[int, str, int], float] = {}
    for start in range(0, len(changes), _ROWS):
        part = changes[start : start + _ROWS]
        given = {
            name: _exchanged(array, boards, name, part, last, rng) for name, array in window.items()
        }
        after = replay(network, from_variables(given), None, sites).isel(step=-1)
        for site in sites:
            values = after[site].transpose(
                "batch", *(d for d in dims[site] if d in after[site].dims)
            )
            n_ticks = values.sizes.get("tick", 0)
            for t in range(n_ticks) or [None]:
                cell = values if t is None else values.isel(tick=t)
                label = (
                    -1 if t is None else int(values["tick"][t]) if "tick" in values.coords else t
                )
                for (_, back, square), changed in zip(
                    part, _changed(cell, part, episodes), strict=True
                ):
                    at = (back, site, label)
                    seen[at] = seen.get(at, False) or bool(changed.any())
                    if square is not None and changed.ndim == 2:
                        far = _distance(changed, square)
                        radius[at] = max(radius.get(at, -1.0), far)
    ticks = sorted({label for _, _, label in seen})
    shape = (last, len(sites), len(ticks))
    cells = [(b, s, t) for b in range(last) for s in sites for t in ticks]
    dims3 = ("back", "site", "tick")
    dataset = xr.Dataset(
        {
            "seen": (dims3, np.reshape([seen.get(at, False) for at in cells], shape)),
            "radius": (dims3, np.reshape([radius.get(at, np.nan) for at in cells], shape)),
        },
        {"back": np.arange(last), "site": list(sites), "tick": ticks},
    )
    reach = dataset.radius.max("back")
    field = 2 * reach + 1
    if boards:
        board = next(iter(boards.values()))
        side = max(board.sizes["y"], board.sizes["x"])
        field = field.where(~(reach >= side - 1), np.inf)
    dataset["field"] = field
    dataset["memory"] = (dataset.seen * (dataset.back + 1)).max("back")
    return dataset


def _squares(board: xr.DataArray) -> list[tuple[int, int]]:
    """Return squares all over a board, its corners among them; all of a small one."""
    height, width = board.sizes["y"], board.sizes["x"]
    most = int(_MOST_SQUARES**0.5)
    rows, columns = (
        np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) for n in (height, width)
    )
    return [(int(y), int(x)) for y in rows for x in columns]


def _exchanged(
    array: xr.DataArray,
    boards: dict[str, xr.DataArray],
    name: str,
    part: list[tuple[int, int, Any]],
    last: int,
    rng: np.random.Generator,
) -> xr.DataArray:
    """Return (step, batch, …): the episodes as they were, then each of the changes."""
    if boards and name not in boards:
        rows = [*range(array.sizes["episode"]), *(e for e, _, _ in part)]
        return array.isel(episode=rows)
    order = ("step", "episode", *(("y", "x") if boards else ()))
    values = array.transpose(*order, ...)
    rows = [*range(values.sizes["episode"]), *(e for e, _, _ in part)]
    out = values.isel(episode=rows).copy(deep=True)
    raw = out.values
    lead = len(order)
    pool = values.values.reshape(-1, *raw.shape[lead:])
    for row, (_, back, square) in enumerate(part, start=values.sizes["episode"]):
        at = (last - 1 - back, row, *(square or ()))
        differs = (pool != raw[at]).reshape(len(pool), -1).any(axis=1)
        if differs.any():
            raw[at] = pool[rng.choice(np.flatnonzero(differs))]
    return out.transpose(*array.dims)


def _changed(
    cell: xr.DataArray, part: list[tuple[int, int, Any]], episodes: np.ndarray
) -> Iterable[np.ndarray]:
    """Yield, of every change, where a site is another: (y, x) bool, or whether it is at all."""
    squares = {"y", "x"} <= set(cell.dims)
    values = cell.transpose("batch", ..., *(("y", "x") if squares else ())).values.astype(
        np.float64
    )
    n = len(episodes)
    least = TOLERANCE * max(float(values[:n].std()), 1e-30)
    for row, (e, _, _) in enumerate(part, start=n):
        changed = np.abs(values[row] - values[e]) > least
        if squares:
            yield changed.reshape(-1, *changed.shape[-2:]).any(axis=0)
        else:
            yield np.asarray(changed.any())


def _distance(changed: np.ndarray, square: tuple[int, int]) -> float:
    """Return how far away, in y or x, the farthest changed square is; −1 if there is none."""
    y, x = np.nonzero(changed)
    if not len(y):
        return -1.0
    return float(max(np.abs(y - square[0]).max(), np.abs(x - square[1]).max()))
