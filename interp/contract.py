"""What an organism, a world and an analysis promise each other: structural protocols, no base classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
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
    value: Tensor
    """Predicted discounted return, (step, batch)."""
    state: Any
    """Recurrent state after the last step: a pytree of tensors, batch first."""


@runtime_checkable
class Network(Protocol):
    """A hooked, possibly recurrent, actor-critic network."""

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
        self, observations: Tensor, state: Any = None, episode_starts: Tensor | None = None
    ) -> NetworkOutput:
        """Unroll over observations (step, batch, *observation dims)."""
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

    def resume(self, moment: Any) -> NetworkOutput:
        """Run the rest of the step: logits (1, batch, action), value (1, batch), state after it."""
        ...


class Transition(NamedTuple):
    """What a world answers to the actions of a batch."""

    observation: np.ndarray
    """(batch, *observation dims) uint8, after the action."""
    reward: np.ndarray
    """(batch,) float32."""
    terminated: np.ndarray
    """(batch,) bool: the task is over (solved, or lost)."""
    truncated: np.ndarray
    """(batch,) bool: the step limit was reached."""


@runtime_checkable
class World(Protocol):
    """A batch of tasks running side by side. Rows that are over stay as they are."""

    max_steps: int
    n_actions: int

    @property
    def solved(self) -> np.ndarray:
        """(batch,) bool."""
        ...

    def reset(self) -> np.ndarray:
        """Start every task and return the observations (batch, *observation dims)."""
        ...

    def step(self, action: np.ndarray) -> Transition:
        """Take one action per row; −1 leaves a row as it is."""
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
    what the organism is (name, weights' sha256, configuration) that stores keep.
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
