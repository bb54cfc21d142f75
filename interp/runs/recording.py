"""Record runs to a store: block after block of episodes, streamed while they run, resumable."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from interp.attributes import attribute
from interp.contract import Organism, Tasks, spaces_of
from interp.errors import InputError, UnfiredInterventionError
from interp.interventions.applied import Intervention, applying, as_interventions
from interp.network.view import NetworkView, device_of
from interp.network.weights import weights_sha256
from interp.runs.episodes import (
    DEFAULT_BATCH,
    block_steps,
    episode_variables,
    outcome_attrs,
    run_attrs,
    run_variables,
    stored,
)
from interp.runs.rollout import check_batch_size, check_options
from interp.runs.same_recording import check_same_start
from interp.runs.tape import Tape, TapeOrganism
from interp.store.create import create_store
from interp.store.layout import StoreSpec, default_block, step_bytes
from interp.store.location import StorePath
from interp.store.read import open_store
from interp.store.write import BlockWriter, StoreWriter


def record(
    organism: Organism,
    tasks: Tasks,
    path: StorePath,
    sites: str | Iterable[str] = (),
    seed: int = 0,
    thinking_steps: int = 0,
    dtype: str = "float16",
    *,
    temperature: float = 0.0,
    interventions: Sequence[Intervention] = (),
    batch_size: int | None = None,
    observation_dtype: Any = None,
    progress: bool = True,
    resume: bool = True,
    storage_options: dict[str, Any] | None = None,
) -> StorePath:
    """Let an organism act on tasks in closed loop and stream the run to a zarr store.

    A recording that was stopped, however it was, is taken up where it stopped by the same call,
    and ends in the same bytes as one that was not; one that is complete already returns at once.

    Memory does not grow with the number of episodes (except for the tasks' own ids and texts):
    the buffers of one block of episodes take about 64 MiB, the firings of one step of a block
    three times their float32 size, and files on their way to the disk three times a file.

    Parameters
    ----------
    organism
        See `interp.contract.Organism`.
    tasks
        What it acts on, one episode each.
    path
        A folder, or any fsspec URL.
    sites
        Sites to record beside what every store holds: names or globs (``"layers.*.h"``).
    seed
        Of the actions drawn at ``temperature > 0``.
    thinking_steps
        How often the first observation is fed before the first action; these steps are labelled
        ``-thinking_steps … -1``.
    dtype
        ``"float16"`` or ``"float32"``, of the sites. float16 keeps 11 bits of precision
        up to 65504; a value beyond that raises.
    temperature
        0 acts greedily, otherwise actions are drawn from ``softmax(logits / temperature)``.
    interventions
        Applied at every step their addresses cover; what is recorded is what they left.
    batch_size
        Episodes side by side. By default a power of two up to 128 such that 8 steps of the
        variables fit in 64 MiB, so it depends on the sites and the dtype alone.
    observation_dtype
        To store observations in another dtype than the world's: one, or a mapping name → dtype. Values
        that it cannot hold to the bit are refused when they come.
    progress
        Show a progress bar.
    resume
        Continue a store that is there. If False, anything at `path` is an error.
    storage_options
        Passed to fsspec for URLs.

    Returns
    -------
    str or Path
        `path`, so that ``open_store(record(...))`` reads well.

    Raises
    ------
    UnknownSiteError
        If a site does not exist; before anything is created.
    InputError
        For impossible arguments, and, naming site, step and episode, when a value that should be
        recorded is not finite or does not fit in `dtype`.
    AddressError, UnfiredInterventionError
        For an intervention that cannot fire, or never did.
    StoreLockedError
        If another process is recording to `path`.
    StoreMismatchError
        If the store there is of another recording: of other weights, tasks or options, or of a world
        or a network whose first step comes out otherwise now.
    StoreError
        If something else is there, or it cannot be written (disk full). Whatever raises, a store
        that is not finished is marked incomplete.

    Examples
    --------
    ::

        organism = organisms.load(name)
        interp.record(organism, organism.tasks("test", 500), "run.zarr", sites=["layers.*.h"])
        run = interp.open_store("run.zarr")
    """
    check_options(thinking_steps, seed, temperature)
    if not hasattr(organism, "describe"):
        raise InputError(
            f"A {type(organism).__name__} is no organism; see interp.contract.Organism, or organisms.load."
        )
    interventions = as_interventions(interventions)
    identity = {
        **organism.describe(),
        "weights_sha256": weights_sha256(organism.network),
        "kind": "closed loop",
        "seed": int(seed),
        "temperature": float(temperature),
        "interventions": [_fingerprint(item) for item in interventions],
    }
    spec = _spec(
        organism, tasks, sites, dtype, thinking_steps, batch_size, identity, observation_dtype
    )
    with create_store(path, spec, resume, storage_options) as writer:
        options: dict[str, Any] = {
            "seed": seed,
            "thinking_steps": thinking_steps,
            "temperature": temperature,
        }
        known = {"outputs": not interventions, "storage_options": storage_options}
        check_same_start(writer, path, organism, tasks, **known, **options)
        _note_versions(writer)
        with _checked_interventions(organism, interventions, writer) as note_fired:
            for block in _blocks(writer, progress):
                _record_block(
                    block,
                    organism,
                    tasks[block.episodes],
                    before_finish=note_fired,
                    **options,
                )
        writer.close()
    return path


def record_replay(
    organism: Organism,
    source: StorePath,
    path: StorePath,
    sites: str | Iterable[str] = (),
    dtype: str = "float16",
    *,
    batch_size: int | None = None,
    progress: bool = True,
    resume: bool = True,
    storage_options: dict[str, Any] | None = None,
) -> StorePath:
    """Run a network over the observations of a recorded run and store it in the same layout.

    The network is teacher-forced: it sees what the recorded organism saw, and the recorded actions,
    rewards and lengths are copied, so that labels computed from either store are the same. Made
    for controls (``record_replay(organism.untrained(), ...)``). `logits`, `value` and sites are the
    replaying network's own.

    Parameters
    ----------
    organism
        Whose network is run.
    source
        A complete store.
    path, sites, dtype, batch_size, progress, resume
        As in `record`.
    storage_options
        Passed to fsspec for URLs, of `source` and `path`.

    Returns
    -------
    str or Path
        `path`.

    Raises
    ------
    StoreError, StoreIncompleteError
        If `source` cannot be replayed.
    UnknownSiteError, InputError, StoreLockedError, StoreMismatchError
        As `record`.
    """
    run = open_store(source, storage_options=storage_options)
    tape = Tape.of(run)
    player = TapeOrganism(organism, tape)
    wanted = ("organism", "weights_sha256", "kind", "seed", "temperature", "interventions")
    identity = {
        **organism.describe(),
        "weights_sha256": weights_sha256(organism.network),
        "kind": "replay",
        "replay_of": {key: attribute(run.attrs, key) for key in (*wanted, "tasks_sha256", "sites")},
    }
    thinking_steps = int(run.attrs["thinking_steps"])
    spec = _spec(player, tape, sites, dtype, thinking_steps, batch_size, identity)
    with create_store(path, spec, resume, storage_options) as writer:
        _note_versions(writer)
        for block in _blocks(writer, progress):
            part = tape[block.episodes]
            _record_block(
                block, player, part, thinking_steps=thinking_steps, actions=part.actions()
            )
        writer.close()
    return path


def _spec(
    organism: Any,
    tasks: Any,
    sites: str | Iterable[str],
    dtype: str,
    thinking_steps: int,
    batch_size: int | None,
    identity: dict[str, Any],
    observation_dtype: Any = None,
) -> StoreSpec:
    sites = () if sites is None else sites
    variables = run_variables(organism, tasks, sites, dtype, observation_dtype)
    if batch_size is None:
        total = sum(step_bytes(v) for v in variables.values())
        batch_size = default_block(total, len(tasks), DEFAULT_BATCH)
    check_batch_size(batch_size)
    kept = {name: list(v.dims[2:]) for name, v in variables.items() if v.role == "site"}
    world = organism.world(tasks[0:1])
    return StoreSpec(
        level_ids=tuple(str(name) for name in tasks.ids),
        levels=tuple(str(text) for text in tasks.texts),
        first_step=-thinking_steps,
        n_steps=thinking_steps + world.max_steps,
        block=min(int(batch_size), len(tasks)),
        variables=variables,
        episode_variables=episode_variables(organism),
        attrs_of={"outcome": outcome_attrs(organism)},
        identity={**identity, "dtype": np.dtype(dtype).name, "sites": kept},
        about={
            **run_attrs(organism, spaces_of(organism, world, world.reset()), variables),
            "versions": _versions(),
            "device": str(device_of(organism.network)),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def _blocks(writer: StoreWriter, progress: bool) -> Iterator[BlockWriter]:
    """Yield the blocks that are not finished, moving a progress bar as they are."""
    from tqdm import tqdm

    spec, todo = writer.spec, np.flatnonzero(~writer.done)
    sizes = [s.stop - s.start for s in map(writer.episodes, range(spec.n_blocks))]
    before = int(np.dot(writer.done, sizes))
    with tqdm(
        total=spec.n_episodes, initial=before, unit="episode", desc="record", disable=not progress
    ) as bar:
        for k in todo:
            yield writer.block(int(k))
            bar.update(sizes[k])


def _record_block(
    block: BlockWriter,
    organism: Any,
    tasks: Any,
    *,
    thinking_steps: int,
    seed: int = 0,
    temperature: float = 0.0,
    actions: np.ndarray | None = None,
    before_finish: Callable[[], None] | None = None,
) -> None:
    """Run one block; `actions` (episode, step), if given, are recorded instead of the network's."""
    ended: dict[str, np.ndarray] = {}
    steps = block_steps(
        organism,
        tasks,
        sites=[name for name, v in block.variables.items() if v.role == "site"],
        seed=seed,
        thinking_steps=thinking_steps,
        temperature=temperature,
        first_episode=block.episodes.start,
        episode_results=ended,
    )
    for step in steps:
        if actions is not None:
            step.values["action"] = actions[step.rows, step.step + thinking_steps]
        values = {name: stored(value, block.variables, name) for name, value in step.values.items()}
        block.put(step.step, step.rows, values)
    if before_finish is not None:
        before_finish()
    block.finish(**ended)


@contextmanager
def _checked_interventions(
    organism: Organism, interventions: Sequence[Intervention], writer: StoreWriter
) -> Iterator[Callable[[], None]]:
    """Apply interventions around all blocks; one that fired before a restart counts as fired.

    Yields a function that notes, in the store, which have fired so far.
    """
    network: Any = organism.network
    clock = NetworkView(network).clock
    noted = list(writer.attributes.get("interventions_fired", [False] * len(interventions)))
    fired = list(noted)
    resumed = any(noted)

    def watch(number: int, item: Intervention) -> Callable[..., None]:
        def hook(tensor: Any, hook: Any) -> None:
            fired[number] |= item.address.covers(clock.step, clock.tick)

        return hook

    def note() -> None:
        if fired != noted:
            writer.annotate(interventions_fired=fired)
            noted[:] = fired

    if writer.complete or not interventions:
        yield note
        return
    try:
        with applying(network, interventions):
            hooks = [(item.address.site, watch(i, item)) for i, item in enumerate(interventions)]
            with network.hooks(fwd_hooks=hooks):
                yield note
    except UnfiredInterventionError:
        # What was left to record may be too little for a condition or an example to come up again.
        if not (resumed and all(fired)):
            raise


def _fingerprint(item: Intervention) -> str:
    """Return an intervention in words, with the sha256 of everything that it is."""
    return f"{item!r} sha256:{item.fingerprint}"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("mesascope", "torch", "transformer-lens", "numpy", "zarr", "xarray"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _note_versions(writer: StoreWriter) -> None:
    """Say so, here and in the store, when a recording goes on with other versions."""
    versions = _versions()
    before = writer.attributes.get("versions")
    if writer.complete or before == versions:
        return
    warnings.warn(
        f"{writer.location.name} was begun with other versions ({before}); numbers may differ in "
        "the last bits from here on. The store notes both.",
        stacklevel=3,
    )
    writer.annotate(versions_resumed=versions)
