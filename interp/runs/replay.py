"""Teacher-forced runs: the network over observations that are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from interp.contract import is_observation, named_outputs, output_dims
from interp.errors import InputError, check_integer
from interp.interventions.applied import Intervention, applying
from interp.network.capture import Capture
from interp.network.site_names import select_sites
from interp.network.tensors import to_numpy
from interp.network.view import NetworkView
from interp.runs.observations import by_variable, check_units, from_variables, tensor_of

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
        (for RGB 0 to 255, whatever the dtype: the network scales them); or a mapping of several by name.
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
        The network's outputs by name, ``logits`` (step, batch, action) and ``value`` (step, batch) as a
        rule, and every site (step, batch, *its dims).

    Raises
    ------
    UnknownSiteError, AddressError, InterventionError
        As `interp.network.capture.Capture` and `interp.interventions.applied.applying`.
    InputError
        If the observations are no numbers, empty, not finite, of the wrong rank or in other units than
        the network's ``observation_space`` says, a DataArray's dims are in another order, or
        `episode_starts` or `examples` do not match them.
    """
    import xarray as xr

    given = by_variable(observations)
    tensors = {name: _checked(array, name) for name, array in given.items()}
    shapes = {tuple(tensor.shape[:2]) for tensor in tensors.values()}
    if len(shapes) != 1:
        raise InputError(f"The observations differ in their (step, batch): {sorted(shapes)}.")
    [(n_steps, n_rows)] = shapes
    shown = from_variables(tensors)
    check_units(shown, getattr(network, "observation_space", None))
    if episode_starts is not None:
        episode_starts = _as_tensor(episode_starts, "episode_starts").bool()
        if episode_starts.shape != (n_steps, n_rows):
            raise InputError(
                f"episode_starts {tuple(episode_starts.shape)} does not match the (step, batch) of "
                f"observations, {(n_steps, n_rows)}."
            )
    check_integer("first_step", first_step)
    rows = None if examples is None else np.asarray(examples)
    if rows is not None and (rows.shape != (n_rows,) or rows.dtype.kind not in "iu"):
        raise InputError(f"examples must be {n_rows} integers, one for every row of the batch.")
    view = NetworkView(network)
    chosen = select_sites(sites, view.sites)
    with (
        torch.inference_mode(),
        applying(network, interventions),
        Capture(network, chosen) as capture,
        view.clock.run(first_step, rows),
    ):
        starts = None if episode_starts is None else episode_starts.to(view.device)
        output = network(tree_map(lambda tensor: tensor.to(view.device), shown), None, starts)
    data = {
        site: (("step", "batch", *view.sites[site]), to_numpy(t))
        for site, t in capture.stacked().items()
    }
    dims = output_dims(output)
    for name, tensor in named_outputs(output).items():
        own = ("action",) if name == "logits" and dims[name] == ("action_index",) else dims[name]
        data[name] = (("step", "batch", *own), to_numpy(tensor))
    return xr.Dataset(data, coords={"step": first_step + np.arange(n_steps)})


def replay_run(
    network: Any,
    run: xr.Dataset,
    sites: Iterable[str] = (),
    interventions: Sequence[Intervention] = (),
) -> xr.Dataset:
    """Run `network` over the observations of a run, as it saw them, with the steps' own labels.

    Returns
    -------
    xarray.Dataset
        As `replay`. What stands beyond the end of an episode is NaN.
    """
    import xarray as xr

    shown = {str(name): run[name] for name in run.data_vars if is_observation(str(name))}
    step, length = run["step"].values, run["length"].values
    valid = step[:, None] < length
    if not valid.any(axis=0).all():
        raise InputError("The run has episodes that were not recorded; it cannot be replayed.")
    # Padding is nothing that a network could be shown: there an episode's last observation goes on.
    last = np.where(valid, np.arange(len(step))[:, None], -1).max(axis=0)
    taken = np.minimum(np.arange(len(step))[:, None], last)
    observations = from_variables(
        {
            name: _stepwise(array).copy(data=_stepwise(array).values[taken, np.arange(len(length))])
            for name, array in shown.items()
        }
    )
    again = replay(network, observations, None, sites, interventions, first_step=int(step[0]))
    return again.where(xr.DataArray(valid, dims=("step", "batch")))


def _stepwise(array: xr.DataArray) -> xr.DataArray:
    return array.transpose("step", "episode", ...)


def _checked(observations: Any, name: str) -> torch.Tensor:
    import xarray as xr

    if isinstance(observations, xr.DataArray) and "step" in observations.dims[1:]:
        raise InputError(
            f"{name} has the dims {observations.dims}; step comes first: "
            f"{name}.transpose('step', 'episode', ...)."
        )
    tensor = _as_tensor(observations, name)
    # Two dims are right where an observation is a number: of whole numbers, or with dims that have names.
    named = isinstance(observations, xr.DataArray) or not tensor.is_floating_point()
    if tensor.ndim < (2 if named else 3) or 0 in tensor.shape:
        raise InputError(
            f"{name} must be (step, batch, …) and not empty, got {tuple(tensor.shape)}."
        )
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise InputError(f"{name} is not finite.")
    return tensor


def _as_tensor(values: Any, name: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: no array of numbers ({error}).") from None
    return tensor_of(array)
