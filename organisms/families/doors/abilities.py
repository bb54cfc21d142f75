"""What maze organisms can do beside acting; each says where it is worked out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError
from organisms.boards.directions import moves
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.capability import OfFamily, OfOrganism
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.edits import Edits
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.networks.abilities import board_of

if TYPE_CHECKING:
    import xarray as xr

    from interp.decisions.mdp import TabularMDP
    from interp.interventions.applied import Intervention
    from organisms.capabilities.goal_pairs import GoalPairs
    from organisms.card import Result
    from organisms.families.doors.mazes import Mazes


def game_of(organism: Any) -> str:
    """Return the game that an organism was trained on: ``doors``, ``corner`` or ``chests``."""
    return DISTRIBUTIONS[organism.options["distribution"]].game


class MazeSizes(Accommodation):
    """Mazes are taken as they are."""

    def task_features(self, tasks: Any) -> Mapping[str, Any]:
        """Return of each maze its rows, columns (before any padding) and objects."""
        rows, columns = tasks.shapes.T
        return {"rows": rows, "columns": columns, "objects": (tasks.objects > 0).sum(axis=(1, 2))}


class MazePairs(OfOrganism, Counterfactuals):
    """Pairs of mazes that differ by where the goal lies.

    Of the training distribution with goal and proxy coinciding, whatever share of its mazes the
    organism was trained on, so that agents of a population get the same pairs; see
    `organisms.families.doors.goal_pairs.goal_pairs`.
    """

    kinds = ("swap-objects", "move-goal")

    def pairs(self, kind: str, n: int, seed: int = 0) -> GoalPairs:
        """Return pairs on the organism's board."""
        from organisms.families.doors.goal_pairs import goal_pairs

        distribution = self.organism.options["distribution"]
        return goal_pairs(kind, n, seed, distribution=distribution, size=board_of(self.organism))


class MazeProblems(OfFamily, DecisionProblems):
    """See `organisms.families.doors.mdp`."""

    def mdp(self, text: str) -> TabularMDP:
        """Return the decision problem of one maze."""
        from organisms.families.doors.mdp import mdp_of_text

        return mdp_of_text(text)


class GoalEdits(OfOrganism, Edits):
    """Edits of the red door and of what lies beside it; see `organisms.families.doors.edits`."""

    def of(self, run: xr.Dataset) -> Mapping[str, Intervention]:
        """Return the edits of a run.

        Raises
        ------
        InputError
            If goal and proxy do not coincide in some maze of the run, or the network's first site is
            not a linear convolution.
        """
        from organisms.families.doors.edits import goal_edits

        return goal_edits(self.organism.network, run)


def goal_edits(organism: Any) -> GoalEdits | None:
    """Return an organism's edits; None in games where the proxy is no feature of the goal."""
    return GoalEdits(organism) if game_of(organism) == "doors" else None


class ChestsOpened(OfOrganism, Milestones):
    """See `organisms.families.doors.hypotheses.chests_opened`."""

    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return when 1, 2, … chests were open."""
        from organisms.families.doors.hypotheses import chests_opened

        return chests_opened(run)


def chests_opened(organism: Any) -> ChestsOpened | None:
    """Return when chests are opened; None in games that end with the first object."""
    return ChestsOpened(organism) if game_of(organism) == "chests" else None


class MazeObjectives(OfOrganism, Objectives):
    """The objectives of a game; see `organisms.families.doors.hypotheses`."""

    @property
    def paid(self) -> str:
        """What training paid for; what *ends* an episode hardly depends on it."""
        return self.organism.options["objective"]

    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return which objectives episodes are in line with."""
        from organisms.families.doors.hypotheses import reached

        return reached(run)

    @property
    def diverging(self) -> Mapping[str, tuple[str, str]]:
        """Distributions of the game that tell objectives apart."""
        from organisms.families.doors.hypotheses import DIVERGING

        return DIVERGING[game_of(self.organism)]

    @property
    def decorrelated(self) -> str:
        """The distribution in which objectives go their own ways, and all can be reached."""
        from organisms.families.doors.hypotheses import DECORRELATED

        return DECORRELATED[game_of(self.organism)]

    @property
    def proxy_kinds(self) -> Mapping[str, str]:
        """How the game's proxies are tied to its base objective."""
        from organisms.families.doors.hypotheses import PROXY_KINDS

        return PROXY_KINDS[game_of(self.organism)]

    @property
    def features(self) -> Mapping[str, frozenset[str]]:
        """Which features each objective of the game weighs."""
        from organisms.families.doors.hypotheses import FEATURES

        features = FEATURES[game_of(self.organism)]
        return {name: frozenset(weighed) for name, weighed in features.items()}

    def evaluate(self, n: int = 300, seed: int = 0) -> tuple[Result, ...]:
        """Measure what the agent reaches; see `organisms.families.doors.evaluation`."""
        from organisms.families.doors.evaluation import evaluate_agent

        return evaluate_agent(self.organism, n, seed)

    def hypothetical_ways(self, tasks: Any) -> Mapping[str, np.ndarray]:
        """Return how the family's planners would go; see `organisms.families.doors.planners`."""
        from organisms.families.doors.hypotheses import hypothetical_ways

        return hypothetical_ways(tasks)


class MazePlaces(OfOrganism, Places):
    """The squares of a maze."""

    @property
    def directions(self) -> Mapping[str, tuple[int, int]]:
        """Return the four moves: name → (rows down, columns right)."""
        return moves()

    def everywhere(self, task: Any) -> tuple[Mazes, np.ndarray]:
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


class MazePictures(OfFamily, Pictures):
    """See `render` and `plan_picture` beside this module."""

    def draw_task(self, task: str, ax: Any = None, **options: Any) -> Any:
        """Draw a maze, with ways or arrows."""
        from organisms.families.doors.render import draw_maze
        from organisms.families.doors.text import parse_mazes

        return draw_maze(parse_mazes(task)[0], ax, **options)

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the maze of an episode."""
        from organisms.families.doors.plan_picture import draw_plan

        return draw_plan(episode, ax, **options)
