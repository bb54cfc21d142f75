"""What Sokoban organisms can do beside acting; each says where it is worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import InputError
from organisms.boards.directions import moves
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.capability import OfFamily, OfOrganism
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.capabilities.released import Released
from organisms.capabilities.states import States
from organisms.capabilities.steering import Steering
from organisms.networks.abilities import board_of, lasting_sites, takes_any_board

if TYPE_CHECKING:
    import xarray as xr

    from organisms.capabilities.counterfactual_pairs import CounterfactualPairs
    from organisms.capabilities.plans import Plans
    from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks
    from organisms.families.sokoban.levels import Levels
    from organisms.organism import Organism


class BoardSizes(Accommodation):
    """Smaller levels get walls around them; see `organisms.families.sokoban.boards`."""

    def accommodate(self, tasks: Any) -> tuple[Organism, Levels]:
        """Return the organism and levels on a board that it takes.

        Smaller levels get walls around them, evenly on all sides. Larger ones need a head that
        pools over the board (``head_pool="mean"``): the same weights then run on the larger board.

        Raises
        ------
        InputError
            If levels are larger than the board and the head is for one board size.
        """
        from organisms.families.sokoban.boards import on_board, resized

        board = board_of(self.organism)
        height, width = (int(size) for size in tasks.shapes.max(axis=0))
        if height <= board[0] and width <= board[1]:
            return self.organism, on_board(tasks, board)
        larger = (max(height, board[0]), max(width, board[1]))
        if not takes_any_board(self.organism):
            at = next(i for i, (h, w) in enumerate(tasks.shapes) if h > board[0] or w > board[1])
            raise InputError(
                f"{tasks.ids[at]!r} is {tasks.shapes[at][0]}×{tasks.shapes[at][1]} (rows × columns)"
                f" and {self.organism.name} takes boards of up to {board[0]}×{board[1]}: its head reads"
                " every square with weights of its own (head_pool='flatten'). A head that pools over the"
                " board (head_pool='mean') takes any size."
            )
        return resized(self.organism, larger), on_board(tasks, larger)

    def task_features(self, tasks: Any) -> Mapping[str, Any]:
        """Return of each level its rows, columns (before any padding) and boxes (``goals``)."""
        rows, columns = tasks.shapes.T
        return {"rows": rows, "columns": columns, "goals": tasks.n_boxes}


class LevelPairs(OfOrganism, Counterfactuals):
    """Pairs of levels; see `organisms.families.sokoban.counterfactuals.level_pairs`."""

    kinds = ("move-box", "add-wall", "move-target")

    def pairs(self, kind: str, n: int, seed: int = 0) -> CounterfactualPairs:
        """Return pairs on the organism's board."""
        from organisms.families.sokoban.counterfactuals import level_pairs

        return level_pairs(
            kind,
            n,
            seed,
            size=board_of(self.organism),
            n_boxes=self.organism.options["n_boxes"],
            n_actions=int(self.organism.network.n_actions),
        )


class Shortcuts(OfOrganism, Steering):
    """`n` levels × 8 symmetries; see `organisms.families.sokoban.steering`."""

    kinds = ("agent-shortcut", "box-shortcut")

    @property
    def sites(self) -> list[str]:
        """Return the layers' cell states, if there are any."""
        return lasting_sites(self.organism)

    def tasks(self, kind: str, n: int = 25, seed: int = 0) -> SteeringTasks:
        """Return levels on the organism's board; see `shortcut_tasks`."""
        from organisms.families.sokoban.steering import shortcut_tasks

        n_boxes = min(self.organism.options["n_boxes"], 2)
        return shortcut_tasks(kind, n, seed, size=board_of(self.organism), n_boxes=n_boxes)

    def action_rewrites(self, run: xr.Dataset, step: int) -> ActionRewrites:
        """Return where the plan says the next move."""
        from organisms.families.sokoban.steering import action_rewrites

        return action_rewrites(run, step, int(self.organism.network.n_actions))


class BoxesPlaced(OfOrganism, Milestones):
    """When boxes were placed; see `organisms.families.sokoban.cycles.boxes_placed`."""

    def reached(self, run: xr.Dataset) -> xr.DataArray:
        """Return when 1, 2, … boxes were first on targets at once."""
        from organisms.families.sokoban.cycles import boxes_placed

        return boxes_placed(run)


class BoardStates(OfFamily, States):
    """See `organisms.families.sokoban.cycles.states_visited`."""

    def visited(self, run: xr.Dataset) -> xr.DataArray:
        """Return which board each step found."""
        from organisms.families.sokoban.cycles import states_visited

        return states_visited(run)


class SokobanPlaces(OfOrganism, Places):
    """The four moves."""

    @property
    def directions(self) -> Mapping[str, tuple[int, int]]:
        """Return name → (rows down, columns right)."""
        return moves()


class SokobanPictures(OfFamily, Pictures):
    """See `render`, `plan_picture` and `episodes` beside this module."""

    def render(self, state: Any, ax: Any = None, **options: Any) -> Any:
        """Draw a board."""
        from organisms.families.sokoban.render import draw_board

        return draw_board(state, ax, **options)

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the first board of an episode."""
        from organisms.families.sokoban.plan_picture import draw_plan

        return draw_plan(episode, ax, **options)

    def draw_episode(self, episode: Any) -> Any:
        """Draw one episode of a run."""
        from organisms.families.sokoban.episodes import draw_episode

        return draw_episode(episode)


def plans(organism: Any) -> Plans:
    """Return how direction maps are followed as plans."""
    from organisms.families.sokoban.plans import SokobanPlans

    return SokobanPlans()


class ReleasedAgents(OfFamily, Released):
    """The agents of Taufeeque et al.; see `organisms.families.sokoban.released`."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the released agents."""
        from organisms.families.sokoban.released import RELEASED_RUNS

        return list(RELEASED_RUNS)

    def fetch(self, name: str) -> Path:
        """Return the folder of a released agent's checkpoint, fetching it if need be."""
        from organisms.families.sokoban.released import fetch_released

        return Path(fetch_released(name))

    def recognises(self, folder: Path) -> bool:
        """Say whether a folder holds ``model`` or ``cfg.json``."""
        return (folder / "cfg.json").is_file() or (folder / "model").is_file()

    def load(self, folder: Path, name: str) -> Organism:
        """Build an organism from a released checkpoint folder (``model``, ``cfg.json``)."""
        from organisms.assets import file_sha256
        from organisms.card import Card
        from organisms.families.sokoban.released import load_released
        from organisms.networks.build import network_record
        from organisms.organism import Organism

        network, _ = load_released(folder)
        model = folder / "model"
        card = Card(
            name=name,
            family="sokoban",
            summary="A checkpoint in the format of the released agents of Taufeeque et al.",
            paper="Taufeeque et al. 2024, arXiv 2407.15421; after Guez et al. 2019, arXiv 1901.03559",
            task="Boxoban unfiltered-train; −0.1 a step, ±1 a box on/off a target, +10 solved; ≤ 120 steps",
            training="IMPALA with V-trace, about 2·10⁹ steps for the released agents; not retrained here.",
            network=network_record(network),
            world={"rewards": "released", "max_steps": 120, "n_boxes": 4},
            weights_file=model.name,
            weights_sha256=file_sha256(model),
            licence="As released at AlignmentResearch/learned-planner.",
            limits="Numbers printed in the papers are theirs; run `mesascope evaluate` for your own.",
        )
        return Organism(network, card)
