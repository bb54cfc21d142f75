"""What an organism, a world and an analysis promise each other: structural protocols, no base classes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np

from interp.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interp.concepts import Concept


@dataclass(frozen=True)
class ArraySpace:
    """One array that a world shows, or takes as a continuous action (a box).

    Parameters
    ----------
    dims
        Names of the dims of one observation or action; ``()`` for a number.
    shape
        Sizes of these dims.
    dtype
        NumPy dtype, as text. What is stored has it, to the bit.
    low, high
        Bounds that hold for every entry, or one per entry (nested tuples of `shape`); None where there
        is none.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str = "float32"
    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class Discrete:
    """One of `n` actions, 0 … n − 1; −1 stands for none. `names` are theirs, if they have any."""

    n: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class MultiDiscrete:
    """Several choices at once: the k-th is one of ``sizes[k]``."""

    sizes: tuple[int, ...]
    dim: str = "component"


Action: TypeAlias = Discrete | MultiDiscrete | ArraySpace
"""What a world takes; an `ArraySpace` is a box, whose rows are NaN where a row is to stay as it is."""


@dataclass(frozen=True)
class Spaces:
    """What a world shows and what it takes.

    Parameters
    ----------
    observation
        One array, stored as ``observation``; or several by name, stored as ``observation.NAME``.
    action
        What a step takes, one per row.
    """

    observation: ArraySpace | Mapping[str, ArraySpace]
    action: Action


@dataclass(frozen=True)
class Outcome:
    """What an episode comes to.

    Parameters
    ----------
    name, unit
        ``"regret"``, ``"reward"``; the unit may be empty.
    better
        Which way is better.
    can_succeed
        Whether an episode can *succeed*, so that there is a rate of success (`World.solved`).
    """

    name: str = "solved"
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    can_succeed: bool = True


SOLVED = Outcome()
"""The outcome of worlds that are solved or not."""


@dataclass(frozen=True)
class Deliberation:
    """The axis along which an organism deliberates before it acts.

    Parameters
    ----------
    name
        What a position on it is, in words: ``"tick"``, ``"layer"``, ``"gradient step"``, ``"depth"``.
    dim
        The dim of the sites along which it lies; None if the positions are sites of their own.
    sites
        In that case: the sites, in the order in which they fire (layers of a transformer).
    """

    name: str = "tick"
    dim: str | None = "tick"
    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outputs:
    """What a network returns whose outputs are not logits and a value.

    Parameters
    ----------
    named
        Name → tensor (step, batch, *dims): ``logits``, ``mean``, ``log_std``, ``value``, ….
    state
        Recurrent state after the last step: a pytree of tensors, batch first; None if there is none.
    dims
        Name → names of the dims after step and batch, for outputs that are no single number.
    """

    named: Mapping[str, Tensor]
    state: Any = None
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class NetworkOutput(NamedTuple):
    """What a network returns for an unroll."""

    logits: Tensor
    """Unnormalised log-probabilities of the actions, (step, batch, action)."""
    value: Tensor | None
    """Predicted discounted return, (step, batch); None for a network that predicts none."""
    state: Any
    """Recurrent state after the last step: a pytree of tensors, batch first."""


@runtime_checkable
class Network(Protocol):
    """A hooked, possibly recurrent, network."""

    @property
    def hook_dict(self) -> Mapping[str, Any]:
        """Return site → hook point."""
        ...

    @property
    def sites(self) -> Mapping[str, tuple[str, ...]]:
        """Return site → names of its dims within a step."""
        ...

    def initial_state(self, batch_size: int) -> Any:
        """Return the state before the first step: a pytree of tensors, batch first."""
        ...

    def __call__(
        self, observations: Any, state: Any = None, episode_starts: Tensor | None = None
    ) -> NetworkOutput | Outputs:
        """Unroll over observations (step, batch, *observation dims): a tensor, or a dict of several."""
        ...


class Moment(Protocol):
    """What a network needs to go on from the middle of a step: tensors, batch first."""

    def take(self, rows: Tensor) -> Moment:
        """Return the moment of some rows, (row,) int64, each as often as it is named."""
        ...


@runtime_checkable
class ResumableNetwork(Network, Protocol):
    """A network that can be taken up in the middle of a step (optional; patching is faster with it).

    A *stage* is a place in the order of a step's computation, a tuple that sorts in that order.
    """

    def stage_of(self, site: str, tick: int | None) -> tuple[int, ...] | None:
        """Return the last stage from which this firing still happens; None: the step's beginning."""
        ...

    def moments(
        self, observations: Tensor, state: Any, stages: Collection[tuple[int, ...]]
    ) -> Mapping[tuple[int, ...], Moment]:
        """Run one step, observations (1, batch, …), and return the moments at some stages."""
        ...

    def resume(self, moment: Any) -> NetworkOutput | Outputs:
        """Run the rest of the step: what a call returns for one step, and the state after it."""
        ...


class Transition(NamedTuple):
    """What a world answers to the actions of a batch."""

    observation: Any
    """(batch, *observation dims), after the action, in the dtype of the space; a dict of several."""
    reward: np.ndarray
    """(batch,) floats; what is stored has their dtype."""
    terminated: np.ndarray
    """(batch,) bool: the task is over (solved, or lost)."""
    truncated: np.ndarray
    """(batch,) bool: the step limit was reached."""


@runtime_checkable
class World(Protocol):
    """A batch of tasks running side by side. Rows that are over stay as they are.

    Beside what stands here a world has, where it applies:

    ``spaces`` : Spaces
        What it shows and takes. Without: what `spaces_of` infers.
    ``n_actions`` : int
        The number of its actions, if it says no spaces.
    ``solved`` : (batch,) bool
        Whether each episode is a success as it stands, if an episode can succeed at all.
    ``outcome`` : (batch,) float
        What each episode comes to as it stands, if that is not whether it is solved.
    ``facts`` : mapping of str to (batch, …) numbers
        What is so where the observation is shown, and not seen by the network: stored beside the
        observation under these names. ``fact_dims`` may name the dims after the batch.
    """

    max_steps: int

    def reset(self) -> Any:
        """Start every task and return the observations (batch, *observation dims)."""
        ...

    def step(self, action: np.ndarray) -> Transition:
        """Take one action per row; −1 (NaN in a box) leaves a row as it is."""
        ...


@runtime_checkable
class Tasks(Protocol):
    """A sequence of tasks, each with a unique id and a text that writes it out."""

    @property
    def ids(self) -> Sequence[str]:
        """Return a unique name for each task."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """Return each task written out."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice) -> Tasks: ...


@runtime_checkable
class Organism(Protocol):
    """A network in its world: what `interp.record` and every analysis take.

    `observation_dims` are the names of one observation's dims; `describe()` is a JSON-able record of
    what the organism is (name, configuration) that stores keep.

    Optional, resolved by the functions of this module: ``outcome``, ``deliberation``, ``place_dims``,
    ``spaces`` (where the world does not say its own) and ``head`` (see `interp.runs.heads`).
    """

    @property
    def name(self) -> str:
        """Return the organism's name."""
        ...

    @property
    def network(self) -> Network:
        """Return its network."""
        ...

    @property
    def observation_dims(self) -> tuple[str, ...]:
        """Return the names of the dims of one observation."""
        ...

    @property
    def sites(self) -> Mapping[str, tuple[str, ...]]:
        """Return site → names of its dims within a step."""
        ...

    @property
    def concepts(self) -> Mapping[str, Concept]:
        """Return name → label that can be computed on a run."""
        ...

    def world(self, tasks: Tasks) -> World:
        """Return a world with one row per task."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what stores keep of the organism."""
        ...


def spaces_of(organism: Any, world: Any, observation: Any) -> Spaces:
    """Return what a world shows and takes: what it or the organism says, else what can be seen.

    Parameters
    ----------
    organism, world
        Whose ``spaces`` are asked for, the world's first.
    observation
        What ``world.reset()`` gave. Where nobody says, shape and dtype are its own, and the names of
        its dims ``organism.observation_dims`` (a tuple; for several arrays a mapping name → tuple).

    Raises
    ------
    InputError
        If nobody says the action space, or the number of dims is not that of the names.

    Examples
    --------
    >>> class Line:
    ...     n_actions = 2
    >>> spaces_of(None, Line(), np.zeros((5, 3))).observation
    ArraySpace(dims=('observation_0',), shape=(3,), dtype='float64', low=None, high=None)
    """
    for thing in (world, organism):
        if isinstance(getattr(thing, "spaces", None), Spaces):
            return thing.spaces
    if not hasattr(world, "n_actions"):
        raise InputError(
            f"A {type(world).__name__} says neither spaces (interp.contract.Spaces) nor n_actions, so "
            "it is unknown what it takes."
        )
    named = getattr(organism, "observation_dims", None)
    if isinstance(observation, Mapping):
        of_each = named if isinstance(named, Mapping) else {}
        shown: Any = {
            name: _space_of(name, array, of_each.get(name)) for name, array in observation.items()
        }
    else:
        shown = _space_of("observation", observation, named)
    names = tuple(getattr(world, "action_names", ()))
    return Spaces(shown, Discrete(int(world.n_actions), names))


def check_is_array(name: Any, array: Any) -> None:
    """Raise InputError if one observation, by its name, is itself several or has no name in words."""
    if not isinstance(name, str):
        raise InputError(f"The names of several observations are words, not {name!r}.")
    if isinstance(array, Mapping):
        inside = ", ".join(f"{name}.{key}" for key in list(array)[:3])
        raise InputError(
            f"The world shows {name!r} as a mapping within a mapping; give each array a name of its "
            f"own ({inside})."
        )
    if isinstance(array, tuple):
        raise InputError(
            f"The world shows {name!r} as a tuple of {len(array)}; an observation is one array "
            "(batch, …) or a mapping of several by name: {'first': …, 'second': …}."
        )


def _space_of(name: str, array: Any, dims: Sequence[str] | None) -> ArraySpace:
    check_is_array(name, array)
    array = np.asarray(array)
    if dims is None:
        dims = tuple(f"{name}_{i}" for i in range(array.ndim - 1))
    if len(dims) != array.ndim - 1:
        raise InputError(
            f"{name} has the dims {tuple(dims)}, but a batch of it the shape {array.shape}."
        )
    return ArraySpace(tuple(dims), array.shape[1:], array.dtype.name)


def observation_spaces(spaces: Spaces) -> dict[str, ArraySpace]:
    """Return the arrays that a world shows by the names of their variables in a run.

    Examples
    --------
    >>> shown = {"image": ArraySpace((), ()), "goal": ArraySpace((), ())}
    >>> observation_spaces(Spaces(shown, Discrete(2))).keys()
    dict_keys(['observation.image', 'observation.goal'])
    """
    shown = spaces.observation
    if isinstance(shown, ArraySpace):
        return {"observation": shown}
    return {f"observation.{name}": space for name, space in shown.items()}


def outcome_of(thing: Any) -> Outcome:
    """Return what the episodes of an organism, or of a run, come to; `SOLVED` where nothing is said."""
    said = _attribute(thing, "outcome")
    if said is not None:
        return Outcome(**said)
    declared = getattr(thing, "outcome", None)
    return declared if isinstance(declared, Outcome) else SOLVED


def deliberation_of(thing: Any) -> Deliberation | None:
    """Return the axis along which an organism, or that of a run, deliberates; None if along none.

    Where nothing is said: ticks, if any site ticks (of a run: if it has the dim ``tick``).
    """
    if _has_attribute(thing, "deliberation"):
        said = _attribute(thing, "deliberation")
        return None if said is None else Deliberation(**{**said, "sites": tuple(said["sites"])})
    if not _is_run(thing) and hasattr(thing, "deliberation"):
        return thing.deliberation
    if _is_run(thing):
        ticks = "tick" in thing.dims
    else:
        ticks = any("tick" in dims for dims in getattr(thing, "sites", {}).values())
    return Deliberation() if ticks else None


def place_dims_of(thing: Any) -> tuple[str, ...]:
    """Return the dims along which the observation of an organism, or of a run, has places.

    Where nothing is said: ``("y", "x")`` if an observation has both, else none.
    """
    if _has_attribute(thing, "place_dims"):
        return tuple(_attribute(thing, "place_dims"))
    if _is_run(thing):
        shown = [v.dims for name, v in thing.variables.items() if is_observation(str(name))]
    else:
        if hasattr(thing, "place_dims"):
            return tuple(thing.place_dims)
        named = getattr(thing, "observation_dims", None) or ()
        shown = list(named.values()) if isinstance(named, Mapping) else [named]
    return ("y", "x") if any({"y", "x"} <= set(dims) for dims in shown) else ()


def is_observation(name: str) -> bool:
    """Tell whether a variable of a run, by its name, is an observation."""
    return name == "observation" or name.startswith("observation.")


def contract_attrs(thing: Any) -> dict[str, str]:
    """Return outcome, deliberation and place dims as the attributes of a run, JSON text each.

    `outcome_of`, `deliberation_of` and `place_dims_of` read them, so that an analysis of a store needs
    no organism.
    """
    deliberation = deliberation_of(thing)
    said: dict[str, Any] = {
        "outcome": asdict(outcome_of(thing)),
        "deliberation": None if deliberation is None else asdict(deliberation),
        "place_dims": list(place_dims_of(thing)),
    }
    return {name: json.dumps(value) for name, value in said.items()}


_KINDS = {"Discrete": Discrete, "MultiDiscrete": MultiDiscrete, "ArraySpace": ArraySpace}


def action_json(action: Action) -> str:
    """Return an action space as JSON text; `action_space_of` reads it."""
    return json.dumps({"kind": type(action).__name__, **asdict(action)})


def action_space_of(run: Any) -> Action:
    """Return the action space of a recorded run; of one that does not say, as many as it has logits."""
    said = _attribute(run, "action_space")
    if said is None:
        return Discrete(int(run.sizes["action_index"]))
    kind = _KINDS[said.pop("kind")]
    return kind(**{name: _tuples(value) for name, value in said.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def outputs_of(run: Any) -> tuple[str, ...]:
    """Return the names of the variables of a run that are outputs of its network."""
    said = _attribute(run, "outputs")
    return ("logits", "value") if said is None else tuple(said)


def facts_of(run: Any) -> tuple[str, ...]:
    """Return the names of the variables of a run that are facts which its world told."""
    return tuple(_attribute(run, "facts") or ())


def named_outputs(output: NetworkOutput | Outputs) -> dict[str, Tensor]:
    """Return what a network gave as tensors by name, (step, batch, …); no ``value`` if there is none."""
    if hasattr(output, "named"):
        return dict(output.named)  # type: ignore[union-attr]
    value = getattr(output, "value", None)
    named = {"logits": output.logits}  # type: ignore[union-attr]
    return named if value is None else {**named, "value": value}


def output_dims(output: NetworkOutput | Outputs, action: Action | None = None) -> dict[str, tuple]:
    """Return name → the names of an output's dims after step and batch.

    Where the network does not name them: ``action_index`` for one dim of logits, the dims of a box
    for outputs of its shape (`action`), and else the name of the output and a number.
    """
    said = getattr(output, "dims", {})
    return {
        name: tuple(said[name]) if name in said else _dims_of_output(name, tensor, action)
        for name, tensor in named_outputs(output).items()
    }


def _dims_of_output(name: str, tensor: Tensor, action: Action | None) -> tuple[str, ...]:
    shape = tuple(tensor.shape[2:])
    if name == "logits" and len(shape) == 1:
        return ("action_index",)
    if isinstance(action, ArraySpace) and shape and shape == tuple(action.shape):
        return tuple(action.dims)
    return tuple(f"{name}_{i}" for i in range(len(shape)))


def _is_run(thing: Any) -> bool:
    return hasattr(thing, "data_vars")


def _has_attribute(thing: Any, name: str) -> bool:
    return _is_run(thing) and name in thing.attrs


def _attribute(thing: Any, name: str) -> Any:
    return json.loads(thing.attrs[name]) if _has_attribute(thing, name) else None
