"""Interventions by the names the field gives them, made from recorded runs: swap, rotate, ablate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from interp.errors import AddressError, InputError, check_integer
from interp.interventions.address import Address
from interp.interventions.record import Intervention, Missing
from interp.interventions.recorded_values import RecordedValues

if TYPE_CHECKING:
    import xarray as xr

    from interp.interventions.subspaces import Subspace

Sources: TypeAlias = Mapping[int, int] | Sequence[int]


def swap(
    run: xr.Dataset | str | Path,
    address: Address,
    mapping: Sources | None = None,
    *,
    steps: Mapping[int, int] | int = 0,
    when: Any = (),
    missing: Missing = "raise",
) -> Intervention:
    """Set activations to those of another run: the interchange intervention.

    Parameters
    ----------
    run
        A run that kept the site: from ``organism.run`` or ``organism.replay``, or a store or its path.
        A run is swapped with itself bit for bit if the site was kept in float32.
    address
        What to swap. Ticks and positions are those of the same names in `run`.
    mapping
        Which episode of `run` each example gets: example → episode (other examples are left alone), or
        one episode per example. None for the same.
    steps
        Which step of `run` each step gets: step → step of `run` (other steps are left alone), or the
        shift from one to the other (1 swaps step 3 with step 4 of `run`).
    when, missing
        See `Intervention`. ``missing="skip"`` leaves an example alone where its episode of `run` was over.

    Raises
    ------
    UnknownSiteError
        If `run` did not keep the site.
    AddressError
        If `run` has none of the addressed steps, ticks or positions.
    InputError
        If `mapping` names an episode that `run` does not have.

    References
    ----------
    Geiger et al. 2021, arXiv 2106.02997.
    """
    return _exchange("set", run, address, mapping, steps, when=when, missing=missing)


def rotate(
    run: xr.Dataset | str | Path,
    address: Address,
    subspace: Subspace,
    mapping: Sources | None = None,
    *,
    steps: Mapping[int, int] | int = 0,
    when: Any = (),
    missing: Missing = "raise",
) -> Intervention:
    """Interchange one subspace of the activations with that of another run.

    ``x + (source - x) RᵀR``: the distributed interchange intervention of Geiger et al. 2024,
    arXiv 2303.02536, with the subspace that `interp.learn_rotation` finds, or any other.

    Parameters
    ----------
    subspace
        Along one feature dim of the site.
    run, address, mapping, steps, when, missing
        As in `swap`.
    """
    options = {"when": when, "missing": missing, "subspace": subspace}
    return _exchange("rotate", run, address, mapping, steps, **options)


def ablate_zero(address: Address, **options: Any) -> Intervention:
    """Set activations to zero. `options` are those of `Intervention` (``examples``, ``when``)."""
    return Intervention(address, "zero", **options)


def ablate_mean(
    run: xr.Dataset | str | Path,
    address: Address,
    over: Sequence[str] = ("episode", "step"),
    **options: Any,
) -> Intervention:
    """Set activations to their mean over a recorded run: mean ablation.

    Parameters
    ----------
    run
        As in `swap`; of a store, one block of episodes at a time is in memory. Padding is left out, and
        so are steps that the address does not cover.
    address
        What to ablate.
    over
        Dims to average over: ``episode``, and any of ``step`` (else every step gets the mean of its own),
        ``tick`` and the feature dims that the address does not index by an integer.
    options
        As in `Intervention` (``examples``, ``when``, ``missing``).

    Raises
    ------
    UnknownSiteError, AddressError, InputError
        As `swap`; and if `over` names a dim that is not there, or leaves out ``episode``.
    """
    data = RecordedValues(run, address)
    unknown = set(over) - {"episode", *data.dims}
    if unknown or "episode" not in over:
        raise InputError(f"over={tuple(over)}: of {('episode', *data.dims)}, episode among them.")
    axes = tuple(i for i, dim in enumerate(("episode", *data.dims)) if dim in over)
    total: Any = 0.0
    count: Any = 0.0
    for block, valid in data.blocks():
        weight = valid.reshape(valid.shape + (1,) * (block.ndim - 2))
        total = total + np.where(weight, block, 0.0).sum(axes, np.float64, keepdims=True)
        count = count + np.broadcast_to(weight, block.shape).sum(axes, keepdims=True)
    if not np.all(count):
        raise AddressError(f"{address!r}: the run has no episode at some of the addressed steps.")
    labels = {dim: ls for dim, ls in data.labels.items() if dim not in over}
    # A run dim that is averaged over goes; a feature dim stays, of length 1, to be broadcast.
    gone = [
        i for i, dim in enumerate(("episode", *data.dims)) if dim in ("episode", "step", "tick")
    ]
    gone = tuple(i for i in gone if i in axes)
    mean = (total / count).squeeze(gone)
    return Intervention(address, "set", mean, tuple(labels), labels=labels, **options)


def ablate_resample(
    run: xr.Dataset | str | Path,
    address: Address,
    seed: int,
    *,
    n_examples: int | None = None,
    last_step: int | None = None,
    **options: Any,
) -> Intervention:
    """Set activations to those of other episodes, drawn at random: resample ablation.

    Every example gets, at every step, the activations (of all addressed ticks and positions) of one
    episode other than its own that was still running at that step, drawn uniformly; where no other was,
    those of a random step of a random other episode. Keeps what activations look like, and removes what
    they say about this episode (Chan et al. 2022, "Causal scrubbing").

    Parameters
    ----------
    run, address
        As in `swap`.
    seed
        Of the draws; example e draws from a generator of its own.
    n_examples
        How many examples to draw for; default as many as `run` has episodes.
    last_step
        Label of the last step to draw for; default the last of `run`. An ablated agent may need longer
        than the recorded one did. The values of all examples and steps are held in memory.
    options
        As in `Intervention` (``examples``, ``when``, ``missing``).

    Raises
    ------
    UnknownSiteError, AddressError, InputError
        As `swap`; and if `run` has a single episode.
    """
    check_integer("seed", seed, 0)
    data = RecordedValues(run, address)
    n = data.n_episodes if n_examples is None else n_examples
    check_integer("n_examples", n, 1)
    valid = data.valid()
    if len(valid) < 2:
        raise InputError("Resampling draws from other episodes; the run has only one.")
    recorded = np.array(data.labels["step"])
    wanted = recorded if last_step is None else _steps_until(address, recorded, last_step)
    episodes, steps = np.nonzero(valid)
    donors = np.empty((n, len(wanted), 2), np.int64)
    column = {int(label): i for i, label in enumerate(recorded)}
    for example in range(n):
        rng = np.random.default_rng([seed, example])
        anywhere = np.flatnonzero(episodes != example)
        for i, label in enumerate(wanted):
            at = column.get(int(label), -1)
            running = np.flatnonzero(valid[:, at]) if at >= 0 else np.empty(0, np.int64)
            others = running[running != example]
            if len(others):
                donors[example, i] = rng.choice(others), at
            else:
                pick = rng.choice(anywhere)
                donors[example, i] = episodes[pick], steps[pick]
    value = data.read()[donors[..., 0], donors[..., 1]]
    labels = {"example": tuple(range(n)), **data.labels, "step": tuple(int(s) for s in wanted)}
    return Intervention(address, "set", value, tuple(labels), labels=labels, **options)


def project_out(address: Address, subspace: Subspace, **options: Any) -> Intervention:
    """Project a subspace out of the activations: ``x - (x - mean) @ P``.

    Parameters
    ----------
    address
        Where; may not index the subspace's dim by an integer.
    subspace
        Probe directions (`Subspace.spanned`), or what erases a concept (`interp.erasure_subspace`).
    options
        As in `Intervention` (``examples``, ``when``).
    """
    return Intervention(address, "project", subspace=subspace, **options)


def _exchange(
    operation: Any,
    run: xr.Dataset | str | Path,
    address: Address,
    mapping: Sources | None,
    steps: Mapping[int, int] | int,
    **options: Any,
) -> Intervention:
    """Return an intervention whose value is what another run had at an address."""
    sources, targets = None, None
    if isinstance(steps, Mapping):
        targets = tuple(
            step for step in steps if Address(address.site, address.step).covers(step, None)
        )
        if not targets:
            raise AddressError(f"{address!r}: covers none of the steps {tuple(steps)!r:.80}.")
        sources = [steps[step] for step in targets]
        address = replace(address, step=targets)
    elif steps:
        check_integer("steps", steps)
        shifted = RecordedValues(run, replace(address, step=None)).labels["step"]
        along = Address(address.site, address.step)
        targets = tuple(s - steps for s in shifted if along.covers(s - steps, None))
        if not targets:
            raise AddressError(f"{address!r}: the run has no such steps, shifted by {steps}.")
        sources = [step + steps for step in targets]
    data = RecordedValues(run, address, sources)
    examples = None
    if mapping is None:
        labels, episodes = tuple(range(data.n_episodes)), None
    elif isinstance(mapping, Mapping):
        labels, episodes = tuple(mapping), list(mapping.values())
        examples = labels
    else:
        labels, episodes = tuple(range(len(mapping))), list(mapping)
    for episode in episodes or ():
        check_integer("mapping", episode, 0)
    if episodes is not None and (not episodes or max(episodes) >= data.n_episodes):
        raise InputError(
            f"mapping names episodes of a run that has {data.n_episodes}: {mapping!r:.80}."
        )
    picked: Any = slice(None) if episodes is None else np.array(episodes)
    present = data.valid(picked)
    n_ticks = len(data.labels.get("tick", ()))
    if n_ticks:
        present = np.repeat(present[:, :, None], n_ticks, axis=2)
    run_labels = {**data.labels, "step": targets or data.labels["step"]}
    return Intervention(
        address,
        operation,
        data.read(picked),
        ("example", *data.labels),
        labels={"example": labels, **run_labels},
        examples=examples,
        present=present,
        **options,
    )


def _steps_until(address: Address, recorded: np.ndarray, last_step: int) -> np.ndarray:
    """Return the addressed step labels from the first recorded one to `last_step`."""
    check_integer("last_step", last_step)
    along = Address(address.site, address.step)
    labels = range(int(recorded[0]), last_step + 1)
    return np.array([label for label in labels if along.covers(label, None)])
