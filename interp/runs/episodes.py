"""Closed-loop runs as data: which variables a run has, and a run as an in-memory Dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.contract import Organism, Tasks
from interp.errors import InputError
from interp.interventions.applied import Intervention, applying, as_interventions
from interp.network.capture import Capture
from interp.network.site_names import select_sites
from interp.network.tensors import to_numpy
from interp.runs.rollout import check_batch_size, check_options, rollout
from interp.runs.variables import Variable

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_BATCH = 128


@dataclass(frozen=True)
class BlockStep:
    """What one step of a block of episodes adds. Row i of each value belongs to episode `rows[i]`."""

    step: int
    rows: np.ndarray
    values: dict[str, np.ndarray]


def run_variables(
    organism: Organism, tasks: Tasks, sites: Iterable[str] = (), dtype: str = "float32"
) -> dict[str, Variable]:
    """Return the per-step variables of a run of `organism` on `tasks`.

    The shapes of the sites are found by running the network on the first observation once.

    Parameters
    ----------
    sites
        Names or globs of the sites to keep. Sites that every run keeps anyway (``logits``,
        ``value``) are not kept twice.
    dtype
        ``"float16"`` or ``"float32"``, of the sites.

    Raises
    ------
    UnknownSiteError
        If a site does not exist.
    InputError
        If there are no tasks, the dtype is another, a site's firings are not as it declares, or two
        sites disagree about the size of a dim.
    """
    if not hasattr(tasks, "ids") or not hasattr(tasks, "texts"):
        raise InputError(
            f"A {type(tasks).__name__} is no set of tasks: give what the organism's tasks(…) returns."
        )
    if not len(tasks):
        raise InputError("There are no tasks to run.")
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in ("float16", "float32"):
        raise InputError(f"dtype must be 'float16' or 'float32', got {dtype!r}.")
    world = organism.world(tasks[0:1])
    observation = world.reset()
    rest = observation.shape[1:]
    variables = {
        "observation": Variable.of(tuple(organism.observation_dims), rest, "uint8"),
        "action": Variable.of((), (), "int16"),
        "reward": Variable.of((), (), "float32"),
        "logits": Variable.of(("action_index",), (world.n_actions,), "float32"),
        "value": Variable.of((), (), "float32"),
        "done": Variable.of((), (), "bool"),
    }
    names = [
        site for site in select_sites(sites, organism.network.hook_dict) if site not in variables
    ]
    with Capture(organism.network, names) as capture:
        for _ in rollout(organism.network, world):
            break
    sizes: dict[str, tuple[int, str]] = {}
    for site, tensor in capture.take().items() if names else ():
        dims = organism.sites[site]
        if len(dims) != tensor.ndim - 1:
            raise InputError(
                f"The site {site!r} declares dims {dims} but fires (batch, …) {tuple(tensor.shape)}."
            )
        for dim, size in zip(dims, tensor.shape[1:], strict=True):
            known, first = sizes.setdefault(dim, (size, site))
            if known != size:
                raise InputError(
                    f"The dim {dim!r} is {known} long in {first!r} and {size} in {site!r}; "
                    "record these sites apart, or give the dim two names."
                )
        variables[site] = Variable.of(tuple(dims), tuple(tensor.shape[1:]), dtype)
    return variables


def block_steps(
    organism: Organism,
    tasks: Tasks,
    *,
    sites: Sequence[str] = (),
    seed: int = 0,
    thinking_steps: int = 0,
    temperature: float = 0.0,
    first_episode: int = 0,
    episode_results: dict[str, np.ndarray] | None = None,
) -> Iterator[BlockStep]:
    """Run one block of episodes side by side and yield what each step adds.

    Interventions are the caller's: `applying` goes around all blocks of a run, since an address is
    unfired only if no block reached it.

    Parameters
    ----------
    sites
        Exact names of the sites to keep.
    first_episode
        Index of the block's first task within the whole run; seeds depend on it.
    episode_results
        Filled, when the block is over, with ``length`` (episode,) int32 and ``solved`` (episode,) bool.

    Yields
    ------
    BlockStep
        Values keyed as in `run_variables`, with rows first.
    """
    world = organism.world(tasks)
    length = np.zeros(len(tasks), np.int32)
    # Hooks run in the order they are added: what is kept is what the caller's interventions left.
    with Capture(organism.network, sites) as capture:
        records = rollout(
            organism.network,
            world,
            thinking_steps=thinking_steps,
            seed=seed,
            first_episode=first_episode,
            temperature=temperature,
        )
        for record in records:
            values = {
                "observation": record.observation,
                "action": record.action.astype(np.int16),
                "reward": record.reward,
                "logits": record.logits,
                "value": record.value,
                "done": record.done,
            }
            if sites:
                values |= {site: to_numpy(tensor) for site, tensor in capture.take().items()}
            if record.step >= 0:
                length[record.rows] += 1
            yield BlockStep(record.step, record.rows, values)
    if episode_results is not None:
        episode_results |= {"length": length, "solved": np.asarray(world.solved).copy()}


def run_episodes(
    organism: Organism,
    tasks: Tasks,
    *,
    sites: Iterable[str] = (),
    seed: int = 0,
    thinking_steps: int = 0,
    temperature: float = 0.0,
    interventions: Sequence[Intervention] = (),
    batch_size: int = DEFAULT_BATCH,
    dtype: str = "float32",
    progress: bool = False,
) -> xr.Dataset:
    """Run `organism` on `tasks` in closed loop and return the run, in memory.

    For more than fits in memory use `interp.record`.

    Returns
    -------
    xarray.Dataset
        The variables of a run (see ``docs/architecture.md``), steps trimmed to the longest episode.
    """
    import xarray as xr
    from tqdm import tqdm

    check_options(thinking_steps, seed, temperature)
    check_batch_size(batch_size)
    interventions = as_interventions(interventions)
    variables = run_variables(organism, tasks, sites, dtype)
    names = [name for name in variables if name in organism.sites]
    n_steps = thinking_steps + organism.world(tasks[0:1]).max_steps
    data = {
        name: np.full((len(tasks), n_steps, *v.shape), v.fill, v.dtype)
        for name, v in variables.items()
    }
    results: dict[str, list[np.ndarray]] = {"length": [], "solved": []}
    with (
        applying(organism.network, interventions),
        tqdm(total=len(tasks), unit="episode", disable=not progress) as bar,
    ):
        for start in range(0, len(tasks), batch_size):
            block = tasks[start : start + batch_size]
            ended: dict[str, np.ndarray] = {}
            steps = block_steps(
                organism,
                block,
                sites=names,
                seed=seed,
                thinking_steps=thinking_steps,
                temperature=temperature,
                first_episode=start,
                episode_results=ended,
            )
            for step in steps:
                for name, value in step.values.items():
                    data[name][start + step.rows, step.step + thinking_steps] = value
            for name, parts in results.items():
                parts.append(ended[name])
            bar.update(len(block))
    length = np.concatenate(results["length"])
    longest = thinking_steps + int(length.max())
    coords: dict[str, Any] = {"step": np.arange(-thinking_steps, longest - thinking_steps)}
    run = {name: (v.dims, data[name][:, :longest]) for name, v in variables.items()}
    run |= {
        "length": ("episode", length),
        "solved": ("episode", np.concatenate(results["solved"])),
        "level_id": ("episode", np.array(list(tasks.ids), dtype=object)),
        "level": ("episode", np.array(list(tasks.texts), dtype=object)),
    }
    attrs = {
        **organism.describe(),
        "seed": seed,
        "thinking_steps": thinking_steps,
        "temperature": temperature,
        "interventions": [repr(item) for item in interventions],
    }
    dataset = xr.Dataset(run, coords=coords, attrs=attrs)
    if "tick" in dataset.dims:
        dataset = dataset.assign_coords(tick=np.arange(dataset.sizes["tick"]))
    return dataset
