"""The maze family put together: a network, the mazes it walks, and what they pay for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import CheckpointError, InputError, UnknownNameError
from interp.network.hooks import HookedNetwork
from organisms.card import Card, Result
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import GAMES, PLANES
from organisms.families.doors.task_sets import GENERATED, find_mazes
from organisms.networks.build import load_network
from organisms.networks.organism import GridOrganism

if TYPE_CHECKING:
    import xarray as xr

    from interp.concepts import Concept
    from interp.decisions.mdp import TabularMDP
    from interp.interventions.applied import Intervention
    from organisms.capabilities.goal_pairs import GoalPairs
    from organisms.training.recipe import Recipe

WORLD = {
    "distribution": "doors-training",
    "correlation": 1.0,
    "objective": "door",
    "max_steps": 40,
}
"""What a card's ``world`` may hold, and what it is where it is silent."""


class DoorsOrganism(GridOrganism):
    """A network that walks mazes with doors, balls and gems, or with cheese, or with keys and chests.

    Parameters
    ----------
    network
        A `DRC` or `ResNet`.
    card
        Its ``world`` holds the training ``distribution`` with its ``correlation``, the ``objective``
        that training paid for, and ``max_steps``; all have defaults (`WORLD`).

    Attributes
    ----------
    distribution, correlation
        What it was trained on.
    objective : str
        What training paid for. Its worlds pay for the same; what *ends* an episode hardly depends
        on it.
    game : str

    Raises
    ------
    UnknownNameError
        If an option, the distribution or the objective is unknown.
    """

    def __init__(self, network: HookedNetwork, card: Card):
        super().__init__(network, card)
        for option in card.world:
            if option not in WORLD:
                raise UnknownNameError("world option", option, WORLD)
        options = {**WORLD, **card.world}
        self.distribution = str(options["distribution"])
        if self.distribution not in DISTRIBUTIONS:
            raise UnknownNameError("distribution of mazes", self.distribution, DISTRIBUTIONS)
        self.game = DISTRIBUTIONS[self.distribution].game
        self.correlation = float(options["correlation"])
        self.objective = str(options["objective"])
        if self.objective not in GAMES[self.game].objectives:
            raise UnknownNameError(
                f"objective of {self.game!r}", self.objective, GAMES[self.game].objectives
            )
        self.max_steps = int(options["max_steps"])
        config = self.network.config
        if config.observation == "planes" and config.n_planes != len(PLANES):
            raise InputError(
                f"{card.name}: the network takes {config.n_planes} planes; mazes have {len(PLANES)}."
            )

    def tasks(
        self,
        split: str | os.PathLike | Mazes | Iterable[str] = "test",
        n: int | None = None,
        seed: int = 0,
        *,
        correlation: float | None = None,
    ) -> Mazes:
        """Return mazes: ``"train"`` or ``"test"`` of the training distribution, or another one's name.

        Those of its training distribution hold something that it is paid for, as in training.

        Parameters
        ----------
        split, n, seed
            As in `organisms.families.doors.task_sets.find_mazes`, with its errors.
        correlation
            Of a training distribution; the one the organism was trained with unless told.

        Examples
        --------
        >>> import organisms
        >>> organism = organisms.load("doors-population-v1/door-c100-s0")
        >>> organism.tasks("doors-two-doors", 2).ids
        ['doors-two-doors-7x7-s0-test/0', 'doors-two-doors-7x7-s0-test/1']
        """
        correlation = self.correlation if correlation is None else correlation
        options = {
            "training": self.distribution,
            "size": self.board,
            "correlation": correlation,
        }
        mazes = find_mazes(split, n, seed, **options)
        drawn = len(mazes)
        # As in training: mazes of its own distribution hold something that it is paid for.
        while split in GENERATED and not mazes.solvable(self.objective).all():
            drawn *= 2
            mazes = find_mazes(split, drawn, seed, **options)
            mazes = mazes[np.flatnonzero(mazes.solvable(self.objective))]
            if len(mazes) >= (n or 0):
                return mazes[:n]
        return mazes

    def world(self, tasks: Mazes, **options: Any) -> MazeWorld:
        """Return a world with one row per maze; `options` override the organism's own.

        Raises
        ------
        InputError
            If the mazes are of another game, or the network cannot take boards of their size.
        """
        mazes = tasks if isinstance(tasks, Mazes) else find_mazes(tasks)
        if mazes.game != self.game:
            raise InputError(
                f"The mazes are of the game {mazes.game!r}, and {self.name} plays {self.game!r}."
            )
        shape = tuple(mazes.walls.shape[1:])
        if (
            getattr(self.network.config, "head_pool", "flatten") == "flatten"
            and shape != self.board
        ):
            raise InputError(
                f"The mazes' board is {shape[0]}×{shape[1]} and {self.name} takes "
                f"{self.board[0]}×{self.board[1]} (rows × columns) only."
            )
        own = {
            "objective": self.objective,
            "observation": self.network.config.observation,
            "max_steps": self.max_steps,
        }
        return MazeWorld(mazes, **{**own, **options})

    @property
    def concepts(self) -> Mapping[str, Concept]:
        """Labels that can be computed on a recorded run; see `organisms.families.doors.concepts`."""
        return family_concepts()

    def outcomes(self, run: xr.Dataset) -> xr.Dataset:
        """Return what each episode of a run reached; see `organisms.families.doors.outcomes.outcomes`."""
        from organisms.families.doors.outcomes import outcomes

        return outcomes(run, self.objective)

    def milestones(self, run: xr.Dataset) -> xr.DataArray | None:
        """Return when chests were opened; None in games that end with the first object.

        See `organisms.families.doors.hypotheses.chests_opened`.
        """
        from organisms.families.doors.hypotheses import chests_opened

        return chests_opened(run) if self.game == "chests" else None

    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return which objectives episodes are in line with; see
        `organisms.families.doors.hypotheses.reached`.
        """
        from organisms.families.doors.hypotheses import reached

        return reached(run)

    def evaluate_objectives(self, n: int = 300, seed: int = 0) -> tuple[Result, ...]:
        """Measure what the agent reaches; see `organisms.families.doors.evaluation.evaluate_agent`."""
        from organisms.families.doors.evaluation import evaluate_agent

        return evaluate_agent(self, n, seed)

    @property
    def diverging(self) -> Mapping[str, tuple[str, str]]:
        """Distributions of the game that tell objectives apart; see `organisms.families.doors.hypotheses`."""
        from organisms.families.doors.hypotheses import DIVERGING

        return DIVERGING[self.game]

    @property
    def decorrelated(self) -> str:
        """The distribution of the game in which objectives go their own ways, and all can be reached."""
        from organisms.families.doors.hypotheses import DECORRELATED

        return DECORRELATED[self.game]

    @property
    def proxy_kinds(self) -> Mapping[str, str]:
        """How the game's proxies are tied to its base objective; see
        `organisms.families.doors.hypotheses`.
        """
        from organisms.families.doors.hypotheses import PROXY_KINDS

        return PROXY_KINDS[self.game]

    @property
    def objective_features(self) -> Mapping[str, frozenset[str]]:
        """Which features each objective of the game weighs; see `organisms.families.doors.hypotheses`."""
        from organisms.families.doors.hypotheses import FEATURES

        return {name: frozenset(features) for name, features in FEATURES[self.game].items()}

    def edits(self, run: xr.Dataset) -> Mapping[str, Intervention]:
        """Return edits of the red door and of what lies beside it; see `organisms.families.doors.edits`.

        Raises
        ------
        InputError
            If the game is not ``doors``, goal and proxy do not coincide in some maze of the run, or
            the network's first site is not a linear convolution.
        """
        from organisms.families.doors.edits import goal_edits

        return goal_edits(self.network, run)

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the maze of an episode; see `organisms.families.doors.plan_picture.draw_plan`."""
        from organisms.families.doors.plan_picture import draw_plan

        return draw_plan(episode, ax, **options)

    def counterfactuals(self, kind: str, n: int, seed: int = 0) -> GoalPairs:
        """Return pairs of mazes that differ by where the goal lies.

        Of the training distribution with goal and proxy coinciding, whatever share of its mazes the
        organism was trained on, so that agents of a population get the same pairs; see
        `organisms.families.doors.goal_pairs.goal_pairs`.
        """
        from organisms.families.doors.goal_pairs import goal_pairs

        return goal_pairs(kind, n, seed, distribution=self.distribution, size=self.board)

    def everywhere(self, task: Mazes) -> tuple[Mazes, np.ndarray]:
        """Return the same maze once for every free square, with the agent starting there."""
        from organisms.families.doors.render import start_everywhere

        if len(task) != 1:
            raise InputError(f"One maze is begun everywhere, not {len(task)}.")
        mazes = start_everywhere(task[0])
        begun = np.full(mazes.walls.shape[1:], -1, np.int64)
        begun[mazes.start[:, 0], mazes.start[:, 1]] = np.arange(len(mazes))
        return mazes, begun

    def ways(self, run: xr.Dataset) -> np.ndarray:
        """Return where the agent was before each step and after the last; see `goal_pairs.visited`."""
        from organisms.families.doors.goal_pairs import visited

        return visited(run)

    def hypothetical_ways(self, tasks: Mazes) -> Mapping[str, np.ndarray]:
        """Return how the family's planners would go; see `organisms.families.doors.planners`."""
        from organisms.families.doors.hypotheses import hypothetical_ways

        return hypothetical_ways(tasks)

    def draw_task(self, task: str, ax: Any = None, **options: Any) -> Any:
        """Draw a maze, with ways or arrows; see `organisms.families.doors.render.draw_maze`."""
        from organisms.families.doors.render import draw_maze
        from organisms.families.doors.text import parse_mazes

        return draw_maze(parse_mazes(task)[0], ax, **options)

    def task_features(self, tasks: Mazes) -> Mapping[str, Any]:
        """Return of each maze its rows, columns (before any padding) and objects."""
        rows, columns = tasks.shapes.T
        return {"rows": rows, "columns": columns, "objects": (tasks.objects > 0).sum(axis=(1, 2))}


def from_card(card: Card, weights: Path) -> DoorsOrganism:
    """Build an organism from its card and safetensors weights.

    Raises
    ------
    CheckpointError
        If the weights are truncated, not finite, or do not fit the network, or the card's options
        are malformed.
    """
    network = load_network(card.network, weights, card.name)
    try:
        return DoorsOrganism(network, card)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{card.name}: malformed world options: {error}") from None


def family_concepts() -> Mapping[str, Concept]:
    """Return the family's concepts by name."""
    from organisms.families.doors.concepts import CONCEPTS

    return CONCEPTS


def family_mdp(text: str) -> TabularMDP:
    """Return the decision problem of a task's text; see `organisms.families.doors.mdp.mdp_of_text`."""
    from organisms.families.doors.mdp import mdp_of_text

    return mdp_of_text(text)


def family_recipes() -> Mapping[str, Recipe]:
    """Return the recipes that the family's organisms are trained by, by name."""
    from organisms.families.doors.recipes import RECIPES

    return RECIPES
