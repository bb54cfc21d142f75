"""Teacher-forced runs: the network over observations that are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp.errors import InputError, check_integer
from interp.interventions.applied import Intervention, applying
from interp.network.capture import Capture
from interp.network.hooks import clock_of, device_of, sites_of
from interp.network.site_names import select_sites
from interp.network.tensors import to_numpy

if TYPE_CHECKING:
    import xarray as xr


def replay(
    network: Any,
    observations: Any,
    episode_starts: Any = None,
    sites: Iterable[str] = (),
    interventions: Sequence[Intervention] = (),
    first_step: int = 0,
    examples: Sequence[int] | None = None,
) -> xr.Dataset:
    """Run `network` over given observations, whatever it would have done itself.

    Parameters
    ----------
    network
        See `interp.contract.Network`. Gradients are off.
    observations
        ``(step, batch, *observation dims)``, array, tensor or DataArray, in the units of the world
        (for RGB 0 to 255, whatever the dtype: the network scales them).
    episode_starts
        ``(step, batch)`` bool; the recurrent state of these rows is reset before the step. None
        means that only the first step starts an episode.
    sites
        Names or globs of the sites to return.
    interventions
        Applied in order, see `interp.interventions.applied.applying`. Steps count from `first_step`.
    first_step
        Label of the first step (``-thinking_steps`` for a run that thought first).
    examples
        For every row of the batch, the example that interventions know it by (when a set of
        examples is replayed in parts, say). None means 0, 1, ….

    Returns
    -------
    xarray.Dataset
        ``logits`` (step, batch, action), ``value`` (step, batch) and every site
        (step, batch, *its dims), float32.

    Raises
    ------
    UnknownSiteError, AddressError, InterventionError
        As `interp.network.capture.Capture` and `interp.interventions.applied.applying`.
    InputError
        If the observations are no numbers, empty, not finite or of the wrong rank, a DataArray's dims
        are in another order, or `episode_starts` or `examples` do not match them.
    """
    import xarray as xr

    if isinstance(observations, xr.DataArray) and "step" in observations.dims[1:]:
        raise InputError(
            f"observations have the dims {observations.dims}; step comes first: "
            "observations.transpose('step', 'episode', ...)."
        )
    observations = _as_tensor(observations, "observations")
    if observations.ndim < 3 or 0 in observations.shape:
        raise InputError(
            f"observations must be (step, batch, …) and not empty, got {tuple(observations.shape)}."
        )
    if observations.is_floating_point() and not observations.isfinite().all():
        raise InputError("observations are not finite.")
    if episode_starts is not None:
        episode_starts = _as_tensor(episode_starts, "episode_starts").bool()
        if episode_starts.shape != observations.shape[:2]:
            raise InputError(
                f"episode_starts {tuple(episode_starts.shape)} does not match the (step, batch) of "
                f"observations, {tuple(observations.shape[:2])}."
            )
    check_integer("first_step", first_step)
    rows = None if examples is None else np.asarray(examples)
    if rows is not None and (rows.shape != observations.shape[1:2] or rows.dtype.kind not in "iu"):
        raise InputError(
            f"examples must be {observations.shape[1]} integers, one for every row of the batch."
        )
    device = device_of(network)
    known = sites_of(network)
    chosen = select_sites(sites, known)
    with (
        torch.inference_mode(),
        applying(network, interventions),
        Capture(network, chosen) as capture,
        clock_of(network).run(first_step, rows),
    ):
        starts = None if episode_starts is None else episode_starts.to(device)
        output = network(observations.to(device), None, starts)
    data = {
        site: (("step", "batch", *known[site]), to_numpy(t))
        for site, t in capture.stacked().items()
    }
    data["logits"] = (("step", "batch", "action"), to_numpy(output.logits))
    data["value"] = (("step", "batch"), to_numpy(output.value))
    return xr.Dataset(data, coords={"step": first_step + np.arange(len(observations))})


def _as_tensor(values: Any, name: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are no array of numbers ({error}).") from None
    return torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
