"""A probe's weight vectors as directions in activation space, to look along or to steer with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from interp.errors import InputError, UnknownNameError, UnknownSiteError


def directions(
    result: xr.Dataset, site: str, tick: int | None = None, source: str = "trained"
) -> xr.DataArray:
    """The weight vectors of one probe.

    Parameters
    ----------
    result
        What `fit_probes` returned.
    site, tick, source
        Which probe; `tick` may be None if the result has a single tick.

    Returns
    -------
    DataArray
        ``(class, channel)`` for a 1 × 1 probe, ``(class, channel, ky, kx)`` for a larger receptive
        field, ``(class, *site dims)`` for a target without places; without ``class`` for a
        regression. float64, in the units of logits (of a regression: of the label) per unit of
        activation. Of two classes each has a direction, one the other's negative, whose difference
        is that of their logits.

    Raises
    ------
    UnknownSiteError, UnknownNameError, InputError
        If there is no such probe, or it has no linear weights.
    """
    if "coef" not in result:
        raise InputError("This Dataset holds no probe coefficients ('coef').")
    sites = [str(s) for s in result.site.values]
    if site not in sites:
        raise UnknownSiteError(site, sites)
    sources = [str(s) for s in result.source.values]
    if source not in sources:
        raise UnknownNameError("source", source, sources)
    if tick is None:
        if result.sizes["tick"] != 1:
            raise InputError(f"Name a tick, one of {result.tick.values.tolist()}.")
        tick = int(result.tick.values[0])
    if tick not in result.tick.values:
        raise InputError(f"There is no tick {tick}; ticks are {result.tick.values.tolist()}.")
    coef = result.coef.sel(source=source, site=site, tick=tick)
    own = json.loads(result.coef.attrs["site_features"])[site]
    width = int(np.prod(own["shape"]))
    flat = "channel" if "channel" in coef.dims else "feature"
    coef = coef.isel({flat: slice(width)})
    if bool(coef.isnull().any()):
        raise InputError(
            f"The {source!r} probe at {site!r}, tick {tick}, has no linear weights: "
            f"{result.attrs['kind']} is no linear function of the site's activations."
        )
    if flat == "feature":
        at = coef.dims.index("feature")
        shape = (*coef.shape[:at], *own["shape"])
        coords = {"class": coef["class"].values} if at else {}
        coef = xr.DataArray(coef.values.reshape(shape), coords, [*coef.dims[:at], *own["dims"]])
    elif "ky" in coef.dims and result.attrs["receptive_field"] == 1:
        coef = coef.isel(ky=0, kx=0, drop=True)
    coef = coef.drop_vars(["source", "site", "tick"], errors="ignore").rename("direction")
    coef.attrs = {
        "site": site,
        "tick": tick,
        "source": source,
        "target": result.attrs["target"],
        "kind": result.attrs["kind"],
        "receptive_field": result.attrs["receptive_field"],
    }
    return coef


def random_directions(like: xr.DataArray, seed: int = 0, n: int | None = None) -> xr.DataArray:
    """Random directions of the same norms: what a direction's effect is reported beside.

    Parameters
    ----------
    like
        Directions, as from `directions`; each vector's norm over all dims but ``class`` is kept.
    seed
        Seed of the Gaussian draw (so every direction is equally likely).
    n
        How many sets to draw; adds a leading dim ``draw``. None for one set, without it.

    Examples
    --------
    >>> like = xr.DataArray([[3.0, 4.0]], dims=("class", "channel"))
    >>> drawn = random_directions(like, seed=1)
    >>> round(float(np.linalg.norm(drawn)), 6)
    5.0
    """
    rng = np.random.default_rng(seed)
    over = [d for d in like.dims if d != "class"]
    draws = like.expand_dims(draw=1 if n is None else n)
    drawn = draws.copy(data=rng.normal(size=draws.shape))
    drawn = drawn * (np.sqrt((like**2).sum(over)) / np.sqrt((drawn**2).sum(over)))
    drawn = drawn.transpose("draw", *like.dims).rename(like.name)
    drawn.attrs = {**like.attrs, "source": "random", "seed": seed}
    return drawn.isel(draw=0) if n is None else drawn


def save_directions(directions: xr.DataArray, path: str | Path) -> Path:
    """Save directions as netCDF (``.nc``) or safetensors (``.safetensors``); neither runs code.

    Returns
    -------
    Path
        Where they were saved.
    """
    path = Path(path)
    if path.suffix == ".nc":
        directions.rename(directions.name or "direction").to_netcdf(path)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        header = {
            "name": directions.name or "direction",
            "dims": list(directions.dims),
            "coords": {str(d): directions[d].values.tolist() for d in directions.coords},
            "attrs": directions.attrs,
        }
        array = np.ascontiguousarray(directions.values)
        save_file({"direction": array}, path, {"mesascope": json.dumps(header)})
    else:
        raise InputError(f"Directions are saved as .nc or .safetensors, not {path.suffix!r}.")
    return path


def load_directions(path: str | Path) -> xr.DataArray:
    """Load what `save_directions` saved."""
    path = Path(path)
    if path.suffix == ".nc":
        return xr.load_dataarray(path)
    if path.suffix != ".safetensors":
        raise InputError(f"Directions are loaded from .nc or .safetensors, not {path.suffix!r}.")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})["mesascope"])
            array = file.get_tensor("direction")
        coords = {d: v for d, v in header["coords"].items() if d in header["dims"]}
        return xr.DataArray(array, coords, header["dims"], header["name"], header["attrs"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} holds no saved directions: {error}") from error
