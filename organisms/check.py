"""Try every promise of the contract on an organism, and say in words which it breaks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from interp.contract import (
    ArraySpace,
    Deliberation,
    Discrete,
    Outcome,
    Transition,
    deliberation_of,
    observation_spaces,
    outcome_of,
    place_dims_of,
    spaces_of,
)
from interp.errors import ContractError, InputError, check_integer
from interp.runs.tasks import check_tasks
from organisms.capabilities.capability import LikeOrganism, capability_name

if TYPE_CHECKING:
    import xarray as xr

MEMBERS = ("name", "network", "observation_dims", "sites", "concepts", "world", "describe")
"""What an object needs in order to be an organism; see `interp.contract.Organism`."""

TOLERANCE = 1e-3
"""How far floats may be apart that ought to be the same, as a share of the largest of them."""


STEPS = 12
"""Of the episodes that are run."""


class Violation(NamedTuple):
    """A promise that an organism does not keep."""

    promise: str
    """Which: ``"batch"``, ``"replay"``, …; the keys of `PROMISES`."""
    words: str
    """What was found."""

    def __str__(self) -> str:
        return f"{self.promise}: {self.words}"


class _ShortWorld:
    """A world whose episodes are cut off early; all else is its own."""

    def __init__(self, world: Any):
        self._world, self._taken = world, 0
        self.max_steps = min(int(world.max_steps), STEPS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def reset(self) -> Any:
        self._taken = 0
        return self._world.reset()

    def step(self, action: Any) -> Transition:
        observation, reward, terminated, truncated = self._world.step(action)[:4]
        self._taken += 1
        late = np.asarray(truncated) | ((self._taken >= STEPS) & ~np.asarray(terminated))
        return Transition(observation, reward, terminated, late)


class _Short(LikeOrganism):
    """An organism whose episodes are cut off early, so that runs are quick."""

    def world(self, tasks: Any) -> _ShortWorld:
        return _ShortWorld(self._organism.world(tasks))


class _Subject:
    """An organism with tasks, and what several promises look at: computed once, when first needed."""

    def __init__(self, organism: Any, tasks: Any, n: int, seed: int):
        self.organism, self.n, self.seed = organism, n, seed
        self._tasks, self._first = tasks, None
        self._run: xr.Dataset | None = None

    @property
    def tasks(self) -> Any:
        if self._tasks is None:
            if not hasattr(self.organism, "tasks"):
                raise InputError("it has no tasks of its own: give some, check(organism, tasks)")
            self._tasks = self.organism.tasks("test", self.n, self.seed)
        check_tasks(self._tasks)
        return self._tasks[: self.n]

    @property
    def run(self) -> xr.Dataset:
        if self._run is None:
            self._run = self.acts()
        return self._run

    def acts(self, tasks: Any = None, **options: Any) -> xr.Dataset:
        from interp.runs.episodes import run_episodes

        tasks = self.tasks if tasks is None else tasks
        return run_episodes(
            cast("Any", _Short(self.organism)), tasks, seed=self.seed, **{"sites": ["*"], **options}
        )

    def spaces(self) -> Any:
        world = self.organism.world(self.tasks)
        return spaces_of(self.organism, world, world.reset())

    def within(self) -> np.ndarray:
        """(episode, step) bool: rows within the episodes of the run."""
        return self.run.step.values < self.run.length.values[:, None]


def check(
    organism: Any,
    tasks: Any = None,
    *,
    n: int = 3,
    seed: int = 0,
    raise_on_violation: bool = False,
) -> list[Violation]:
    """Try every promise of the contract on a few tasks.

    Parameters
    ----------
    organism
        An `Organism`, or any object that is meant to satisfy `interp.contract.Organism`.
    tasks
        What it is tried on; ``organism.tasks("test", n, seed)`` unless told.
    n
        How many tasks at most; 2 or more.
    seed
        Of tasks, worlds' actions, and runs.
    raise_on_violation
        Raise instead of returning violations.

    Returns
    -------
    list of Violation
        Empty if all is well. What cannot be tried because something else is broken is not listed again.

    Raises
    ------
    ContractError
        With `raise_on_violation`, if there are violations; lists them.
    InputError
        If `n` or `seed` is out of range.

    Examples
    --------
    >>> import organisms
    >>> organisms.check(organisms.load("doors-population-v1/door-c100-s0"))
    []
    """
    check_integer("n", n, 2)
    check_integer("seed", seed, 0)
    subject = _Subject(organism, tasks, n, seed)
    lacking = [member for member in MEMBERS if not _has(organism, member)]
    found = [Violation("members", f"it has no {member!r}") for member in lacking]
    said: set[str] = set()
    for promise, try_it in PROMISES.items() if not lacking else ():
        try:
            found += [Violation(promise, words) for words in try_it(subject)]
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            if words not in said:  # what several promises stumble over is said once
                found.append(Violation(promise, f"it could not be tried: {words}"))
            said.add(words)
    if found and raise_on_violation:
        raise ContractError(str(getattr(organism, "name", organism)), [str(v) for v in found])
    return found


def _has(thing: Any, name: str) -> bool:
    try:
        return hasattr(thing, name)
    except Exception:  # a property that fails is there; what is wrong shows when it is tried
        return True


# What an organism says of itself -----------------------------------------------------------------


def _names(subject: _Subject) -> Iterator[str]:
    name, card = subject.organism.name, getattr(subject.organism, "card", None)
    if not isinstance(name, str) or not name:
        yield f"the name is {name!r:.80}, no text"
    if card is not None and card.name != name:
        yield f"it is called {name!r}, and {card.name!r} on its card"
    for concept in subject.organism.concepts:
        if not isinstance(concept, str):
            yield f"a concept is called {concept!r:.80}, no text"


def _description(subject: _Subject) -> Iterator[str]:
    record = subject.organism.describe()
    try:
        again = json.loads(json.dumps(record, allow_nan=False))
    except (TypeError, ValueError) as error:
        yield f"describe() is not JSON-able: {error}"
        return
    if again != record:
        yield "describe() is another record when it comes back from JSON (tuples, keys that are no text?)"
    if record.get("organism") != subject.organism.name:
        yield f"describe()['organism'] is {record.get('organism')!r}, not its name"
    if not isinstance(record.get("weights_sha256"), str):
        yield "describe() has no text 'weights_sha256': stores could not tell its networks apart"


def _declarations(subject: _Subject) -> Iterator[str]:
    organism = subject.organism
    if not isinstance(outcome_of(organism), Outcome) or not isinstance(
        getattr(organism, "outcome", Outcome()), Outcome
    ):
        yield f"outcome is {organism.outcome!r:.80}, no interp.contract.Outcome"
    deliberation, sites = deliberation_of(organism), organism.sites
    if deliberation is not None and not isinstance(deliberation, Deliberation):
        yield f"deliberation is {deliberation!r:.80}, no interp.contract.Deliberation or None"
    elif deliberation is not None:
        missing = [site for site in deliberation.sites if site not in sites]
        if missing:
            yield f"it deliberates along sites that it has not: {missing}"
        along = deliberation.dim
        if along is not None and not any(along in dims for dims in sites.values()):
            yield f"it deliberates along {along!r}, a dim of no site"
        if along is None and not deliberation.sites:
            yield "it deliberates along neither a dim nor sites"
    known = {dim for s in observation_spaces(subject.spaces()).values() for dim in s.dims}
    lost = [dim for dim in place_dims_of(organism) if dim not in known]
    if lost:
        yield f"place dims {lost} are no dims of an observation ({sorted(known)})"
    strange = [site for site in getattr(organism, "state_sites", ()) if site not in sites]
    if strange:
        yield f"state_sites names sites that it has not: {strange}"


def _network(subject: _Subject) -> Iterator[str]:
    network, sites = subject.organism.network, subject.organism.sites
    if not sites:
        yield "it has no sites: nothing can be recorded"
    if set(network.hook_dict) != set(sites):
        odd = sorted(set(network.hook_dict) ^ set(sites))
        yield f"sites and hook points differ: {odd[:5]}"
    for site, dims in sites.items():
        if not all(isinstance(dim, str) for dim in dims) or len(set(dims)) != len(dims):
            yield f"the dims of {site!r} are {dims!r:.80}: they are texts, each once"
        if "tick" in dims[1:] or {"episode", "step", "batch"} & set(dims):
            yield f"the dims of {site!r} are {dims}: 'tick' comes first; steps and episodes are not named"
    acting = [name for name, module in network.named_modules() if _acts_in_training(module)]
    if acting:
        yield f"dropout or batch norm is in training mode (call eval()): {acting[:5]}"
    for batch in (1, 3):
        for leaf in tree_leaves(network.initial_state(batch)):
            if not isinstance(leaf, torch.Tensor) or leaf.ndim == 0 or leaf.shape[0] != batch:
                shape = tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else type(leaf).__name__
                yield f"initial_state({batch}) has a part of shape {shape}: the batch comes first"
    if any(not point.is_idle for point in network.hook_dict.values() if hasattr(point, "is_idle")):
        yield "hooks are left on the network"


def _acts_in_training(module: Any) -> bool:
    kinds = torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm
    dropout = getattr(module, "dropout", 0.0)
    drops = isinstance(dropout, float) and dropout > 0
    return module.training and (isinstance(module, kinds) or drops)


# Tasks and worlds --------------------------------------------------------------------------------


def _tasks(subject: _Subject) -> Iterator[str]:
    tasks = subject.tasks
    n, ids, texts = len(tasks), list(tasks.ids), list(tasks.texts)
    if n < 2:
        yield f"there are {n} tasks; two at least are needed to try how it takes several"
    if len(ids) != n or len(texts) != n:
        yield f"{n} tasks have {len(ids)} ids and {len(texts)} texts"
    if len(set(ids)) != len(ids):
        yield "ids of tasks are not unique"
    if not all(isinstance(text, str) for text in (*ids, *texts)):
        yield "ids and texts of tasks are not all text"
    if list(tasks[1:2].ids) != ids[1:2]:
        yield "tasks[1:2] is not the second task"
    if (
        subject._tasks is not None
        and hasattr(subject.organism, "tasks")
        and hasattr(subject.organism, "family")
    ):
        one, two = (subject.organism.tasks("test", subject.n, subject.seed) for _ in range(2))
        if list(one.texts) != list(two.texts) or list(one.ids) != list(two.ids):
            yield "tasks are not determined by the seed: asked for twice, they differ"


def _arrays(observation: Any) -> dict[str, np.ndarray]:
    if isinstance(observation, Mapping):
        return {f"observation.{name}": np.asarray(array) for name, array in observation.items()}
    return {"observation": np.asarray(observation)}


def _copied(observation: Any) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in _arrays(observation).items()}


def _no_action(space: Any, n: int) -> np.ndarray:
    if isinstance(space, Discrete):
        return np.full(n, -1, np.int64)
    if isinstance(space, ArraySpace):
        return np.full((n, *space.shape), np.nan, space.dtype)
    return np.full((n, len(space.sizes)), -1, np.int64)


def _some_action(space: Any, rng: np.random.Generator) -> np.ndarray:
    """One action of a row, drawn; a box without bounds is drawn from between −1 and 1."""
    if isinstance(space, Discrete):
        return np.asarray(rng.integers(space.n))
    if isinstance(space, ArraySpace):
        low, high = (
            np.broadcast_to(np.asarray(otherwise if bound is None else bound, float), space.shape)
            for bound, otherwise in ((space.low, -1.0), (space.high, 1.0))
        )
        low = np.where(np.isfinite(low), low, np.minimum(-1.0, high))
        high = np.where(np.isfinite(high), high, np.maximum(1.0, low))
        return np.asarray(rng.uniform(low, high)).astype(space.dtype)
    return rng.integers(np.array(space.sizes))


class _Walk(NamedTuple):
    """What a world showed and paid to drawn actions, step by step."""

    seen: list[dict[str, np.ndarray]]
    answers: list[Any]
    over: list[np.ndarray]


def _walked(subject: _Subject, rows: slice = slice(None), steps: int = STEPS) -> _Walk:
    """Take drawn actions in a fresh world; which ones depends on the row and the step alone."""
    tasks = subject.tasks
    world, space = subject.organism.world(tasks[rows]), subject.spaces().action
    numbers = range(len(tasks))[rows]
    generators = [np.random.default_rng([subject.seed, number]) for number in numbers]
    seen, answers, over = [_copied(world.reset())], [], [np.zeros(len(numbers), bool)]
    for _ in range(min(steps, int(world.max_steps))):
        if over[-1].all():
            break
        drawn = np.stack([_some_action(space, rng) for rng in generators])
        none = _no_action(space, len(numbers))
        stays = over[-1].reshape(-1, *(1,) * (drawn.ndim - 1))
        answer = world.step(np.where(stays, none, drawn))
        seen.append(_copied(answer[0]))
        answers.append(tuple(np.array(part, copy=True) for part in answer[1:4]))
        over.append(over[-1] | answers[-1][1].astype(bool) | answers[-1][2].astype(bool))
    return _Walk(seen, answers, over)


def _world(subject: _Subject) -> Iterator[str]:
    world, spaces, n = subject.organism.world(subject.tasks), subject.spaces(), len(subject.tasks)
    if not isinstance(world.max_steps, int | np.integer) or world.max_steps < 1:
        yield f"max_steps is {world.max_steps!r:.80}, no number of steps"
    declared, walk = observation_spaces(spaces), _walked(subject)
    for name in sorted({key for shown in walk.seen for key in shown} ^ set(declared)):
        yield f"{name!r} is either declared or shown, not both"
    for name, space in declared.items():
        for at, shown in enumerate(walk.seen):
            array, when = shown.get(name), "reset()" if at == 0 else f"step {at - 1}"
            if array is None:
                continue
            if array.shape != (n, *space.shape) or array.dtype != np.dtype(space.dtype):
                yield (
                    f"{when} shows {name} as {array.dtype} {array.shape}; declared is {space.dtype} "
                    f"{(n, *space.shape)}"
                )
                break
            if len(space.dims) != len(space.shape):
                yield f"{name} has the dims {space.dims} and the shape {space.shape}"
                break
            if array.dtype.kind == "f" and np.isnan(array).any():
                yield f"{when} shows {name} with NaN"
                break
    for at, (reward, terminated, truncated) in enumerate(walk.answers):
        if reward.shape != (n,) or reward.dtype.kind not in "fiu" or not np.isfinite(reward).all():
            yield f"step {at} pays {reward.dtype} {reward.shape}, not one finite number a row"
            break
        if {terminated.shape, truncated.shape} != {(n,)} or {
            terminated.dtype.kind,
            truncated.dtype.kind,
        } != {"b"}:
            yield f"step {at} does not say for each row, as bool, whether it is over"
            break
    yield from _results(subject, world, n)


def _results(subject: _Subject, world: Any, n: int) -> Iterator[str]:
    world.reset()
    outcome = outcome_of(subject.organism)
    if outcome.can_succeed:
        solved = np.asarray(world.solved)
        if solved.shape != (n,) or solved.dtype.kind != "b":
            yield f"solved is {solved.dtype} {solved.shape}, not bool {(n,)}"
    if outcome.name != "solved":
        values = np.asarray(world.outcome)
        if values.shape != (n,) or values.dtype.kind not in "fiub":
            yield f"outcome is {values.dtype} {values.shape}, not a number for each of {n} rows"


def _over(subject: _Subject) -> Iterator[str]:
    walk = _walked(subject, steps=10_000)
    if not walk.over[-1].all():
        yield "episodes are not over at max_steps: no row was terminated or truncated there"
    for at in range(1, len(walk.seen)):
        over = walk.over[at - 1]
        for name, array in walk.seen[at].items():
            if over.any() and not _same(array[over], walk.seen[at - 1][name][over]):
                yield f"a row that is over, and was given no action, changed at step {at - 1} ({name})"
                return


def _same(one: Any, two: Any) -> bool:
    return np.array_equal(one, two, equal_nan=np.asarray(one).dtype.kind == "f")


def _walks_differ(one: _Walk, two: _Walk, rows: slice = slice(None)) -> str:
    """Say where two walks part: `two` has the rows of `one` named; "" if nowhere."""
    for at, shown in enumerate(two.seen):
        for name, array in shown.items():
            if not _same(one.seen[at][name][rows], array):
                return f"{name} at step {at}"
    for at, answer in enumerate(two.answers):
        for name, mine, theirs in zip(
            ("reward", "terminated", "truncated"), one.answers[at], answer, strict=True
        ):
            if not _same(mine[rows], theirs):
                return f"{name} at step {at}"
    return ""


def _world_is_determined(subject: _Subject) -> Iterator[str]:
    one, two = _walked(subject), _walked(subject)
    where = _walks_differ(one, two)
    if where:
        yield f"two worlds of the same tasks answer the same actions differently: {where}"
    world = subject.organism.world(subject.tasks)
    first, again = _copied(world.reset()), _copied(world.reset())
    if any(not _same(first[name], again[name]) for name in first):
        yield "reset() twice shows two beginnings"


def _rows_are_apart(subject: _Subject) -> Iterator[str]:
    whole = _walked(subject)
    for row in range(len(subject.tasks)):
        where = _walks_differ(whole, _walked(subject, slice(row, row + 1)), slice(row, row + 1))
        if where:
            yield f"task {row} alone is another than among others: {where}"
            return


# Runs --------------------------------------------------------------------------------------------


def _far(ours: Any, theirs: Any) -> bool:
    """Whether values differ that ought to be the same but for the last bits of floats."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return True
    if ours.dtype.kind != "f":
        return not np.array_equal(ours, theirs)
    largest = np.nanmax(np.abs(theirs), initial=0.0)
    return not np.allclose(ours, theirs, rtol=0, atol=TOLERANCE * (largest + 1e-6), equal_nan=True)


def _runs_are_determined(subject: _Subject) -> Iterator[str]:
    state, numbers = torch.get_rng_state(), _numpy_state()
    for options in ({}, {"temperature": 1.0}):
        one = subject.run if not options else subject.acts(**options)
        two = subject.acts(**options)
        for name in one.data_vars:
            if one[name].shape != two[name].shape or not _identical(one[name], two[name]):
                yield f"two runs with one seed{' (drawn)' * bool(options)} differ in {name!r}"
                break
    if not torch.equal(state, torch.get_rng_state()) or (numbers != _numpy_state()).any():
        yield "a run changes the global random generators of torch or NumPy"


def _numpy_state() -> np.ndarray:
    state: Any = np.random.get_state()
    return state[1].copy()


def _identical(one: xr.DataArray, two: xr.DataArray) -> bool:
    return one.identical(two)


def _batches(subject: _Subject) -> Iterator[str]:
    whole = subject.run
    for row in range(len(subject.tasks)):
        alone = subject.acts(subject.tasks[row : row + 1])
        for name in ("length", *observation_names(alone), "action", *subject.organism.sites):
            if name not in alone:
                continue
            mine = whole[name].isel(episode=slice(row, row + 1))
            mine = mine.sel(step=alone.step) if "step" in mine.dims else mine
            if _far(mine.values, alone[name].values):
                yield f"task {row} alone gives another {name!r} than among others"
                return


def observation_names(run: xr.Dataset) -> list[str]:
    """Return the names of a run's observations."""
    return [str(name) for name in run.data_vars if str(name).split(".")[0] == "observation"]


def _sites_are_declared(subject: _Subject) -> Iterator[str]:
    run, inside = subject.run, subject.within()
    for site, dims in subject.organism.sites.items():
        if site not in run:
            yield f"{site!r} was asked for and is not in the run"
            continue
        if site not in ("logits", "value") and run[site].dims[2:] != tuple(dims):
            yield f"{site!r} has the dims {run[site].dims[2:]}; declared are {tuple(dims)}"
        if not np.isfinite(np.asarray(run[site].values)[inside]).all():
            yield f"{site!r} has values that are not finite"


def _replay(subject: _Subject) -> Iterator[str]:
    from interp.runs.replay import replay_run

    run, inside = subject.run, subject.within()
    again = replay_run(subject.organism.network, run, ["*"])
    for name in again.data_vars:
        ours = again[name].transpose("batch", "step", ...).values
        if name in run and _far(ours[inside], run[name].values[inside]):
            yield f"a replay of the run on its own recording gives another {str(name)!r}"
            return


def _episodes_start_afresh(subject: _Subject) -> Iterator[str]:
    """Observations fed twice, with a start in between, give the same twice."""
    from interp.runs.observations import from_variables
    from interp.runs.replay import replay

    run, inside = subject.run, subject.within()
    n = min(3, int(inside[0].sum()))
    seen = {name: run[name].values[0][inside[0]][:n, None] for name in observation_names(run)}
    starts = np.zeros((2 * n, 1), bool)
    starts[n] = True
    shown = from_variables({name: np.concatenate([part, part]) for name, part in seen.items()})
    twice = replay(subject.organism.network, shown, starts)
    for name in twice.data_vars:
        if _far(twice[name].values[n:], twice[name].values[:n]):
            yield f"where episode_starts says so the state is not begun anew: {name!r} differs"
            return


def _concepts(subject: _Subject) -> Iterator[str]:
    run, inside = subject.run, subject.within()
    for name, concept in subject.organism.concepts.items():
        labels = concept(run)
        if labels.dims[:2] != ("episode", "step") or labels.shape[:2] != inside.shape:
            yield f"{name!r} has the dims {labels.dims}, not one label for every episode and step"
            continue
        values = labels.values
        if values.dtype.kind not in "fiub":
            yield f"{name!r} is of dtype {values.dtype}: labels are numbers"
        elif values.dtype.kind == "f" and not np.isnan(values[~inside]).all():
            yield f"{name!r} has numbers outside the episodes, where NaN stands for none"
        elif values.dtype.kind in "iu" and (values[~inside] != -1).any():
            yield f"{name!r} has labels outside the episodes, where −1 stands for none"
        n_classes = len(getattr(concept, "classes", ()) or ())
        if n_classes and values.dtype.kind in "iu" and (values >= n_classes).any():
            yield f"{name!r} has labels up to {values.max()}, and {n_classes} classes"


# Controls, files, abilities ----------------------------------------------------------------------


def _untrained(subject: _Subject) -> Iterator[str]:
    organism = subject.organism
    if not hasattr(organism, "untrained") or not hasattr(organism, "weights_sha256"):
        return
    before = organism.weights_sha256()
    control, again, other = (organism.untrained(seed) for seed in (0, 0, 1))
    if dict(control.sites) != dict(organism.sites):
        yield "the untrained control has other sites"
    if control.name == organism.name:
        yield "the untrained control has the same name"
    if control.weights_sha256() != again.weights_sha256():
        yield "the untrained control is not determined by its seed"
    if organism.weights_sha256() != before:
        yield "making the untrained control changed the organism's own weights"
    if list(organism.network.parameters()) and (
        len({before, control.weights_sha256(), other.weights_sha256()}) < 3
    ):
        yield "untrained controls of two seeds, and the organism, do not have three sets of weights"


def _files(subject: _Subject) -> Iterator[str]:
    from organisms.registry import families, load

    organism = subject.organism
    family = getattr(organism, "family", None)
    if not hasattr(organism, "save") or all(known is not family for known in families()):
        return  # what is of no registered family cannot be loaded by anybody
    with tempfile.TemporaryDirectory() as folder:
        loaded: Any = load(organism.save(Path(folder) / "organism"))
    if loaded.weights_sha256() != organism.weights_sha256():
        yield "saved and loaded, it has other weights (its card's network does not rebuild it?)"
    if loaded.describe() != organism.describe():
        yield "saved and loaded, it describes itself differently"
    elif dict(loaded.sites) != dict(organism.sites):
        yield "saved and loaded, it has other sites"


def _capabilities(subject: _Subject) -> Iterator[str]:
    organism = subject.organism
    makers: Mapping[type, Callable[[Any], object]] = getattr(
        getattr(organism, "family", None), "capabilities", {}
    )
    for capability in makers:
        name = capability_name(capability)
        try:
            has = capability in organism
        except Exception as error:
            yield f"{name} cannot be made: {type(error).__name__}: {error}"
            continue
        if has and not isinstance(organism[capability], capability):
            yield f"organism[{name}] is a {type(organism[capability]).__name__}, no {name}"
        if has and organism[capability] is not organism[capability]:
            yield f"organism[{name}] is another object each time"


PROMISES: dict[str, Callable[[_Subject], Iterator[str]]] = {
    "names": _names,
    "description": _description,
    "network": _network,
    "tasks": _tasks,
    "world": _world,
    "declarations": _declarations,
    "rows that are over": _over,
    "a world is determined by its tasks": _world_is_determined,
    "rows of a world do not meet": _rows_are_apart,
    "sites": _sites_are_declared,
    "seed": _runs_are_determined,
    "batch": _batches,
    "replay": _replay,
    "episode starts": _episodes_start_afresh,
    "concepts": _concepts,
    "untrained": _untrained,
    "files": _files,
    "capabilities": _capabilities,
}
"""What is tried, in this order."""
