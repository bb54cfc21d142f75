"""What a family of organisms provides, and what it may provide, under names that name no game."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.errors import InputError
from interp.network.hooks import HookedNetwork
from organisms.card import Card, Result

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from interp.concepts import Concept
    from interp.contract import Tasks, World
    from interp.interventions.applied import Intervention
    from organisms.base import Organism
    from organisms.capabilities.counterfactual_pairs import CounterfactualPairs
    from organisms.capabilities.plans import Plans
    from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks


class Family(ABC):
    """What experiments ask of an organism's family; see `organisms.base.Organism`.

    The first five members are needed. All others have a default: nothing, or an `InputError` that
    says what the family lacks.
    """

    card: Card
    name: str
    network: Any

    # What a family provides ------------------------------------------------------------------

    @abstractmethod
    def tasks(self, split: str, n: int | None = None, seed: int = 0) -> Tasks:
        """Return tasks by the name of their split, or from a file or text."""

    @abstractmethod
    def world(self, tasks: Tasks) -> World:
        """Return a world with one row per task."""

    @property
    @abstractmethod
    def concepts(self) -> Mapping[str, Concept]:
        """Labels that can be computed on a recorded run, by name."""

    @property
    @abstractmethod
    def state_sites(self) -> list[str]:
        """The sites an analysis looks at by default: where the organism keeps its state."""

    @abstractmethod
    def _build_network(self, seed: int) -> HookedNetwork:
        """Return the same network with fresh weights."""

    # What a family may provide: what experiments ask for under names that name no game ---------

    def states(self, run: xr.Dataset) -> xr.DataArray:
        """Return which state of the world every step of a run found.

        Parameters
        ----------
        run
            With ``observation`` and ``length``.

        Returns
        -------
        xarray.DataArray
            (episode, step) int64: equal where the states are, also between runs of one organism;
            −1 outside the episodes. Here by the observation: a family whose observation is not
            its whole state has its own.
        """
        from organisms.boards.run_events import observed_states

        return observed_states(run)

    def milestones(self, run: xr.Dataset) -> xr.DataArray | None:
        """Return when the sub-goals of each episode were reached, None if there are none.

        Returns
        -------
        xarray.DataArray or None
            (episode, milestone) float64: the step whose action first had 1, 2, … sub-goals reached
            at once; −1 if they were from the start, NaN if they never were.
        """
        return None

    @property
    def directions(self) -> Mapping[str, tuple[int, int]]:
        """Directions of movement: name → (rows down, columns right)."""
        raise InputError(f"The family {self.card.family!r} defines no directions.")

    def kernels(self) -> Mapping[tuple[str, str], xr.DataArray]:
        """Return the network's convolutions: (what it reads, what it writes) → kernel.

        Returns
        -------
        mapping
            Each (target_channel, source_channel, ky, kx) float32 with the offsets of the square
            that is read from the one that is written as coordinates of ``ky`` and ``kx``. The
            attribute ``linear`` (0 or 1) says whether the source is a linear function of what it
            reads itself, ``role`` what the target is for.

        Raises
        ------
        InputError
            If the network has no convolutions to offer.
        """
        raise InputError(f"{self.name} offers no convolution kernels.")

    def task_features(self, tasks: Tasks) -> Mapping[str, Any]:
        """Return what makes tasks larger or smaller: name → one number per task."""
        return {}

    def accommodate(self, tasks: Tasks) -> tuple[Organism, Tasks]:
        """Return the organism and the tasks in a form in which it can take them.

        Raises
        ------
        InputError
            If its network cannot take them; says why.
        """
        this: Any = self  # a family's member is an organism
        return this, tasks

    @property
    def plans(self) -> Plans:
        """How the label maps of concepts are followed as plans, and what became of them.

        Raises
        ------
        InputError
            If the family says nothing of plans.
        """
        raise InputError(f"The family {self.card.family!r} says nothing of plans.")

    @property
    def steering_kinds(self) -> tuple[str, ...]:
        """The kinds of `steering_tasks` that the family has."""
        return ()

    @property
    def steering_sites(self) -> list[str]:
        """The sites a plan is written to by default: of the state, where it lasts."""
        return self.state_sites

    def counterfactuals(self, kind: str, n: int, seed: int = 0) -> CounterfactualPairs:
        """Return pairs of tasks that differ by one edit of the world and ask for other actions.

        Parameters
        ----------
        kind
            Which edit; each family has kinds of its own.
        n, seed
            How many pairs, and which.

        Raises
        ------
        InputError
            If the family has none.
        """
        raise InputError(f"The family {self.card.family!r} has no counterfactual pairs.")

    def steering_tasks(self, kind: str, n: int = 25, seed: int = 0) -> SteeringTasks:
        """Return tasks with a short and a long way, and the plan to write for the long one.

        Parameters
        ----------
        kind
            What has the two ways; each family has kinds of its own.
        n, seed
            How many units (see `SteeringTasks.unit`), and which.

        Raises
        ------
        InputError
            If the family has none.
        """
        raise InputError(f"The family {self.card.family!r} has no steering tasks.")

    def action_rewrites(self, run: xr.Dataset, step: int) -> ActionRewrites:
        """Return where a plan would have to be rewritten, at a step of a run, for another action.

        Raises
        ------
        InputError
            If no concept of the family says what the next action is, place by place.
        """
        raise InputError(f"The family {self.card.family!r} has no plans of the next action.")

    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return which objectives the end of each episode is in line with.

        Parameters
        ----------
        run
            Of any agent in worlds of the family.

        Returns
        -------
        xarray.DataArray
            (episode, objective) bool, the objectives by name: those that training can pay for, the
            one it is meant to pay for first. Several where they coincide, none where nothing was
            reached.

        Raises
        ------
        InputError
            If agents of the family can have one objective only.
        """
        raise InputError(f"The family {self.card.family!r} knows of one objective only.")

    @property
    def diverging(self) -> Mapping[str, tuple[str, str]]:
        """Tasks that tell objectives apart: name for `tasks` → (the base objective, its proxy)."""
        return {}

    def evaluate_objectives(self, n: int = 300, seed: int = 0) -> tuple[Result, ...]:
        """Measure what the organism reaches, on distribution and where objectives part, for its card.

        Raises
        ------
        InputError
            If agents of the family can have one objective only.
        """
        raise InputError(f"The family {self.card.family!r} knows of one objective only.")

    @property
    def decorrelated(self) -> str:
        """Tasks, by name for `tasks`, in which what objectives are about goes its own ways.

        Raises
        ------
        InputError
            If agents of the family can have one objective only.
        """
        raise InputError(f"The family {self.card.family!r} knows of one objective only.")

    @property
    def proxy_kinds(self) -> Mapping[str, str]:
        """Proxy → how it is tied to the base objective in training: ``side-effect`` or ``instrumental``.

        After Hubinger et al. 2019 (arXiv 1906.01820), Sec. 4.2: going after a side-effect proxy has the
        base objective's end as its own; an instrumental one is a means to it.
        """
        return {}

    @property
    def objective_features(self) -> Mapping[str, frozenset[str]]:
        """Objective → the features of the family's decision problems that its pursuit weighs."""
        return {}

    def edits(self, run: xr.Dataset) -> Mapping[str, Intervention]:
        """Return counterfactual edits of the organism's own representation of what it sees.

        Parameters
        ----------
        run
            In which base objective and proxy coincide: what is edited is what the agent is after.

        Returns
        -------
        mapping
            Name → an intervention with one value per example, on what the network makes of its
            observation before anything else. ``"base"`` takes away what makes the goal the base
            objective's, ``"proxy"`` what makes it the proxy's, ``"both"`` both; ``"base_on_other"``
            and ``"proxy_on_other"``, where a family has them, give it to another thing. Edits of
            different places add up: one with the other moves a feature.

        Raises
        ------
        InputError
            If the family has none.
        """
        raise InputError(f"The family {self.card.family!r} has no edits of goals.")

    def everywhere(self, task: Tasks) -> tuple[Tasks, np.ndarray]:
        """Return the same task once for every place an episode of it could begin at.

        Parameters
        ----------
        task
            Tasks, of which there is one.

        Returns
        -------
        tuple
            The tasks; and (y, x) int64, which of them begins at each place, −1 for none.

        Raises
        ------
        InputError
            If there is not one task, or the family's cannot begin elsewhere.
        """
        raise InputError(f"A task of the family {self.card.family!r} begins where it does.")

    def ways(self, run: xr.Dataset) -> np.ndarray:
        """Return the places that the organism was at, (episode, time, axis) int64; −1 beyond the end.

        Raises
        ------
        InputError
            If the family knows no places.
        """
        raise InputError(f"The family {self.card.family!r} knows no places.")

    def hypothetical_ways(self, tasks: Tasks) -> Mapping[str, np.ndarray]:
        """Return how an agent after each of the objectives would go, as far as the family knows.

        Returns
        -------
        mapping
            Objective → (episode, time, axis) int64: rows and columns, −1 beyond the end.

        Raises
        ------
        InputError
            If the family knows no such ways.
        """
        raise InputError(f"The family {self.card.family!r} knows no ways of hypothetical agents.")

    def draw_task(self, task: str, ax: Any = None, **options: Any) -> Any:
        """Draw a task as it begins, with ways through it or an arrow at every place.

        Parameters
        ----------
        task
            Written out (``Tasks.texts``).
        ax
            Where to draw; a new figure if left out.
        **options
            ``trajectories``: name → places, dims ``(time, 2)``, −1 where there is none. ``field``:
            rows down and columns right at every place, dims ``(y, x, 2)``, NaN for none. ``colour``
            of its arrows; ``title``.

        Raises
        ------
        InputError
            If the family draws no tasks.
        """
        raise InputError(f"The family {self.card.family!r} draws no tasks.")

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the first state of one episode, with a plan or the way that was gone.

        Parameters
        ----------
        episode
            One episode of a run (no ``episode`` dim).
        ax
            Where to draw; a new figure if left out.
        **options
            ``labels``: a label map, class indices with the dims of a place. ``classes``: their
            names. ``way``: whether to draw the way that was gone. ``marked``: a map of integers,
            places above 0 are shaded. ``title``, ``colour``.

        Raises
        ------
        InputError
            If the family draws no plans.
        """
        raise InputError(f"The family {self.card.family!r} draws no plans.")
