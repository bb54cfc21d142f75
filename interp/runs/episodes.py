"""Closed-loop runs as data: which variables a run has, and a run as an in-memory Dataset."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.attributes import plain_attributes
from interp.contract import (
    Organism,
    Spaces,
    Tasks,
    action_json,
    contract_attrs,
    observation_spaces,
    outcome_of,
    spaces_of,
)
from interp.errors import InputError, UnknownNameError
from interp.interventions.applied import Intervention, applying, as_interventions
from interp.network.capture import Capture
from interp.network.site_names import select_sites
from interp.network.tensors import to_numpy
from interp.network.weights import weights_sha256
from interp.runs.heads import action_dims, action_dtype, action_shape, head_of
from interp.runs.observations import by_variable
from interp.runs.rollout import StepRecord, check_batch_size, check_options, rollout
from interp.runs.tasks import check_tasks
from interp.runs.variables import Variable, exactly, padding

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
    organism: Organism,
    tasks: Tasks,
    sites: Iterable[str] = (),
    dtype: str = "float32",
    observation_dtype: Any = None,
) -> dict[str, Variable]:
    """Return the per-step variables of a run of `organism` on `tasks`.

    The shapes of what the network puts out are found by running it on the first observation once.

    Parameters
    ----------
    sites
        Names or globs of the sites to keep. Sites that every run keeps anyway (those named as an output,
        ``logits``) are not kept twice.
    dtype
        ``"float16"`` or ``"float32"``, of the sites.
    observation_dtype
        To store observations in another dtype than the world's: one, or a mapping name → dtype of
        several. Values that it cannot hold to the bit are refused when they come.

    Raises
    ------
    UnknownSiteError
        If a site does not exist.
    InputError
        If there are no tasks, the dtype is another, a site's firings are not as it declares, or two
        sites disagree about the size of a dim.
    """
    check_tasks(tasks)
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in ("float16", "float32"):
        raise InputError(f"dtype must be 'float16' or 'float32', got {dtype!r}.")
    world = organism.world(tasks[0:1])
    spaces = spaces_of(organism, world, world.reset())
    organism_sites = select_sites(sites, organism.network.hook_dict)
    with Capture(organism.network, organism_sites) as capture:
        first = next(
            rollout(organism.network, world, spaces=spaces, head=head_of(organism, spaces.action))
        )
    variables = _seen_and_done(first, spaces, world, observation_dtype)
    firings = capture.take() if organism_sites else {}
    for site, tensor in firings.items():
        if variables.get(site, _SITE).role == "output":
            continue
        dims = organism.sites[site]
        if len(dims) != tensor.ndim - 1:
            raise InputError(
                f"The site {site!r} declares dims {dims} but fires (batch, …) {tuple(tensor.shape)}."
            )
        _add(variables, site, Variable.of(tuple(dims), tuple(tensor.shape[1:]), dtype))
    _check_sizes(variables)
    return variables


_SITE = Variable.of((), (), "float32")


def _seen_and_done(
    first: StepRecord, spaces: Spaces, world: Any, observation_dtype: Any
) -> dict[str, Variable]:
    """Return the variables that do not depend on the sites that are kept."""
    shown = observation_spaces(spaces)
    wanted = _observation_dtypes(shown, observation_dtype)
    variables: dict[str, Variable] = {}
    for name, space in shown.items():
        own = Variable.of(tuple(space.dims), tuple(space.shape), wanted[name], "observation")
        _add(variables, name, own)
    action = spaces.action
    own = Variable.of(action_dims(action), action_shape(action), action_dtype(action), "action")
    _add(variables, "action", own)
    _add(variables, "reward", Variable.of((), (), _reward_dtype(first.reward), "reward"))
    for name, array in first.outputs.items():
        own = Variable.of(first.output_dims[name], array.shape[1:], array.dtype, "output")
        _add(variables, name, own)
    _add(variables, "done", Variable.of((), (), "bool", "done"))
    dims_of_facts = getattr(world, "fact_dims", {})
    for name, array in first.facts.items():
        padding(array.dtype)  # refuses text
        dims = dims_of_facts.get(name, tuple(f"{name}_{i}" for i in range(array.ndim - 1)))
        _add(variables, name, Variable.of(tuple(dims), array.shape[1:], array.dtype, "fact"))
    return variables


RESERVED = ("step", "tick", "length", "solved", "outcome", "level_id", "level", "episode")
"""Names that the variables of a step cannot have."""


def _add(variables: dict[str, Variable], name: str, variable: Variable) -> None:
    if name in variables or name in RESERVED:
        raise InputError(
            f"The {variable.role} {name!r} has the name of another variable of a run "
            f"({', '.join([*variables, *RESERVED])}); give it another."
        )
    if len(variable.dims) != len(variable.shape) + 2:
        raise InputError(
            f"The {variable.role} {name!r} has the dims {variable.dims[2:]}, but the shape "
            f"{variable.shape}."
        )
    variables[name] = variable


def _check_sizes(variables: Mapping[str, Variable]) -> None:
    sizes: dict[str, tuple[int, str]] = {}
    for name, variable in variables.items():
        for dim, size in zip(variable.dims[2:], variable.shape, strict=True):
            known, first = sizes.setdefault(dim, (size, name))
            if known != size:
                raise InputError(
                    f"The dim {dim!r} is {known} long in {first!r} and {size} in {name!r}; "
                    "record these sites apart, or give the dim two names."
                )


def _observation_dtypes(shown: Mapping[str, Any], wanted: Any) -> dict[str, np.dtype]:
    if isinstance(wanted, Mapping):
        named = {name.removeprefix("observation."): name for name in shown}
        for name in wanted:
            if name.removeprefix("observation.") not in named:
                raise UnknownNameError("observation", name, named)
        each = {named[name.removeprefix("observation.")]: dtype for name, dtype in wanted.items()}
    else:
        each = {} if wanted is None else dict.fromkeys(shown, wanted)
    try:
        return {name: np.dtype(each.get(name, space.dtype)) for name, space in shown.items()}
    except TypeError as error:
        raise InputError(f"observation_dtype is no dtype of NumPy: {error}.") from None


def _reward_dtype(reward: np.ndarray) -> np.dtype:
    """Return the dtype of rewards: theirs; floats that hold them, if they are whole numbers."""
    if reward.dtype.kind == "f":
        return reward.dtype
    padding(reward.dtype)  # refuses text
    return np.result_type(reward.dtype, np.float32)


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
) -> Generator[BlockStep, None, None]:
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
        Filled, when the block is over, with ``length`` (episode,) int32, and what the outcome asks for:
        ``solved`` (episode,) bool, ``outcome`` (episode,) float64.

    Yields
    ------
    BlockStep
        Values keyed as in `run_variables`, with rows first.
    """
    world = organism.world(tasks)
    spaces = spaces_of(organism, world, world.reset())
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
            spaces=spaces,
            head=head_of(organism, spaces.action),
        )
        for record in records:
            values = {
                **by_variable(record.observation),
                "action": record.action.astype(action_dtype(spaces.action)),
                "reward": record.reward,
                **record.outputs,
                "done": record.done,
                **record.facts,
            }
            if sites:
                values |= {site: to_numpy(tensor) for site, tensor in capture.take().items()}
            if record.step >= 0:
                length[record.rows] += 1
            yield BlockStep(record.step, record.rows, values)
    if episode_results is not None:
        episode_results |= {"length": length, **_results(organism, world, len(tasks))}


def episode_variables(organism: Any) -> dict[str, np.dtype]:
    """Return name → dtype of what a run says of each episode, beside its length and its task."""
    outcome = outcome_of(organism)
    solved = {"solved": np.dtype(bool)} if outcome.can_succeed else {}
    return solved if outcome.name == "solved" else solved | {"outcome": np.dtype(np.float64)}


def _results(organism: Any, world: Any, n: int) -> dict[str, np.ndarray]:
    results = {}
    for name, dtype in episode_variables(organism).items():
        if not hasattr(world, name):
            raise InputError(
                f"The outcome of the organism is {outcome_of(organism).name!r}, so its world has a "
                f"`{name}` (batch,); {type(world).__name__} has none."
            )
        results[name] = np.array(getattr(world, name), dtype)
        if results[name].shape != (n,):
            raise InputError(f"The world's `{name}` is {results[name].shape}; it is ({n},).")
    return results


def run_attrs(organism: Any, spaces: Spaces, variables: Mapping[str, Variable]) -> dict[str, str]:
    """Return what a run says of itself beyond its identity: JSON texts.

    ``outcome``, ``deliberation``, ``place_dims``, ``action_space``; ``outputs`` and ``facts``, the names
    of the variables that are these; ``network_sites``, all that could have been kept.
    """
    named = {
        key: json.dumps([name for name, v in variables.items() if v.role == role])
        for key, role in (("outputs", "output"), ("facts", "fact"))
    }
    named["network_sites"] = json.dumps(list(organism.sites))
    return {**contract_attrs(organism), "action_space": action_json(spaces.action), **named}


def outcome_attrs(organism: Any) -> dict[str, str]:
    """Return the attributes of the variable ``outcome``."""
    outcome = outcome_of(organism)
    return {"long_name": outcome.name, "units": outcome.unit, "better": outcome.better}


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
    observation_dtype: Any = None,
    progress: bool = False,
) -> xr.Dataset:
    """Run `organism` on `tasks` in closed loop and return the run, in memory.

    For more than fits in memory use `interp.record`, which says what the arguments are;
    `observation_dtype` as in `run_variables`.

    Returns
    -------
    xarray.Dataset
        The variables of a run (see ``docs/contract.md``), steps trimmed to the longest episode.
    """
    import xarray as xr
    from tqdm import tqdm

    check_options(thinking_steps, seed, temperature)
    check_batch_size(batch_size)
    interventions = as_interventions(interventions)
    variables = run_variables(organism, tasks, sites, dtype, observation_dtype)
    names = [name for name, v in variables.items() if v.role == "site"]
    world = organism.world(tasks[0:1])
    n_steps = thinking_steps + world.max_steps
    spaces = spaces_of(organism, world, world.reset())
    data = {
        name: np.full((len(tasks), n_steps, *v.shape), v.fill, v.dtype)
        for name, v in variables.items()
    }
    results: dict[str, list[np.ndarray]] = {"length": []}
    results |= {name: [] for name in episode_variables(organism)}
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
                    value = stored(value, variables, name)
                    data[name][start + step.rows, step.step + thinking_steps] = value
            for name, parts in results.items():
                parts.append(ended[name])
            bar.update(len(block))
    length = np.concatenate(results["length"])
    longest = thinking_steps + int(length.max())
    coords: dict[str, Any] = {"step": np.arange(-thinking_steps, longest - thinking_steps)}
    run = {name: (v.dims, data[name][:, :longest]) for name, v in variables.items()}
    run |= {
        **{name: ("episode", np.concatenate(parts)) for name, parts in results.items()},
        "level_id": ("episode", np.array(list(tasks.ids), dtype=object)),
        "level": ("episode", np.array(list(tasks.texts), dtype=object)),
    }
    attrs = {
        **organism.describe(),
        "weights_sha256": weights_sha256(organism.network),
        **run_attrs(organism, spaces, variables),
        "seed": seed,
        "thinking_steps": thinking_steps,
        "temperature": temperature,
        "interventions": [repr(item) for item in interventions],
    }
    dataset = xr.Dataset(run, coords=coords, attrs=plain_attributes(attrs))
    if "outcome" in dataset:
        dataset["outcome"].attrs |= outcome_attrs(organism)
    if "tick" in dataset.dims:
        dataset = dataset.assign_coords(tick=np.arange(dataset.sizes["tick"]))
    return dataset


def stored(value: np.ndarray, variables: Mapping[str, Variable], name: str) -> np.ndarray:
    """Return what a step gave of a variable in the dtype in which it is stored.

    Observations and facts are stored to the bit; sites and outputs in the dtype that was asked for.

    Raises
    ------
    UnknownNameError
        For a variable that the run did not begin with.
    InputError
        If its shape is another, or an observation or a fact would change.
    """
    if name not in variables:
        raise UnknownNameError("variable of the run", name, variables)
    variable = variables[name]
    if value.shape[1:] != tuple(variable.shape):
        raise InputError(
            f"{name!r} is {value.shape[1:]} now, and was {tuple(variable.shape)} at the first step."
        )
    return exactly(value, variable.dtype, name) if variable.role in EXACT else value


EXACT = ("observation", "fact", "reward")
"""Roles of the variables that are stored to the bit, or refused."""
