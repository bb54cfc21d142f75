"""The Sokoban family put together: a network, the world it acts in, its levels and concepts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import CheckpointError, InputError, UnknownNameError
from interp.network.hooks import HookedNetwork
from organisms.card import Card
from organisms.families.sokoban import conditions as conditions  # registers them
from organisms.families.sokoban.environment import BUSH_REWARDS, RELEASED_REWARDS, SokobanWorld
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.task_sets import find_levels
from organisms.networks.build import load_network, network_record
from organisms.networks.organism import GridOrganism

if TYPE_CHECKING:
    import xarray as xr

    from interp.concepts import Concept
    from organisms.capabilities.counterfactual_pairs import CounterfactualPairs
    from organisms.capabilities.plans import Plans
    from organisms.capabilities.steering_tasks import ActionRewrites, SteeringTasks
    from organisms.training.recipe import Recipe

REWARDS = {"released": RELEASED_REWARDS, "bush": BUSH_REWARDS}


class SokobanOrganism(GridOrganism):
    """A network that plays Sokoban.

    Parameters
    ----------
    network
        A `DRC` or `ResNet`.
    card
        Its ``world`` holds ``rewards`` (``"released"`` or ``"bush"``), ``max_steps``, ``n_boxes`` (of
        generated levels) and ``noop``; all have defaults.
    """

    def __init__(self, network: HookedNetwork, card: Card):
        super().__init__(network, card)
        config = self.network.config
        options = dict(card.world)
        rewards = options.pop("rewards", "released")
        if rewards not in REWARDS:
            raise UnknownNameError("reward scheme", rewards, REWARDS)
        self.n_boxes = int(options.pop("n_boxes", 4))
        self._world_options = {
            "observation": config.observation,
            "rewards": REWARDS[rewards],
            "max_steps": int(options.pop("max_steps", 120)),
            "noop": bool(options.pop("noop", config.n_actions == 5)),
        }
        if options:
            raise UnknownNameError(
                "world option", next(iter(options)), ["rewards", "max_steps", "n_boxes", "noop"]
            )

    def tasks(
        self,
        split: str | os.PathLike | Levels | Iterable[str] = "test",
        n: int | None = None,
        seed: int = 0,
    ) -> Levels:
        """Return levels: ``"train"`` or ``"test"`` of our generator, a Boxoban set, a file, or text.

        Generated levels have the board of the network and the box count of the card. See
        `organisms.families.sokoban.task_sets.find_levels` for the parameters and errors.

        Examples
        --------
        >>> import organisms
        >>> organisms.load("sokoban-drc-small-v2").tasks("test", 3).ids[0]
        'generated-10x10-b2-s0-test/0'
        """
        board = self.board
        return find_levels(split, n, seed, size=board, n_boxes=self.n_boxes)

    def world(self, tasks: Levels, **options: Any) -> SokobanWorld:
        """Return a world with one row per level; `options` override the organism's own.

        Raises
        ------
        InputError
            If the network cannot take boards of this size.
        """
        levels = tasks if isinstance(tasks, Levels) else find_levels(tasks)
        config = self.network.config
        shape, board = tuple(levels.tiles.shape[1:]), tuple(config.board)
        if getattr(config, "head_pool", "flatten") == "flatten" and shape != board:
            raise InputError(
                f"The levels' board is {shape[0]}×{shape[1]} and {self.name} takes "
                f"{board[0]}×{board[1]} (rows × columns) only."
            )
        return SokobanWorld(levels, **{**self._world_options, **options})

    @property
    def concepts(self) -> Mapping[str, Concept]:
        """Labels that can be computed on a recorded run; see `organisms.families.sokoban.concepts`."""
        return family_concepts()

    @property
    def plans(self) -> Plans:
        """How direction maps are followed as plans; see `organisms.families.sokoban.plans`."""
        return family_plans()

    def states(self, run: xr.Dataset) -> xr.DataArray:
        """Return which state each step found; see `organisms.families.sokoban.cycles.states_visited`."""
        from organisms.families.sokoban.cycles import states_visited

        return states_visited(run)

    def milestones(self, run: xr.Dataset) -> xr.DataArray:
        """Return when boxes were placed; see `organisms.families.sokoban.cycles.boxes_placed`."""
        from organisms.families.sokoban.cycles import boxes_placed

        return boxes_placed(run)

    def task_features(self, tasks: Levels) -> Mapping[str, Any]:
        """Return of each level its rows, columns (before any padding) and boxes (``goals``)."""
        rows, columns = tasks.shapes.T
        return {"rows": rows, "columns": columns, "goals": tasks.n_boxes}

    def accommodate(self, tasks: Levels) -> tuple[SokobanOrganism, Levels]:
        """Return the organism and levels on a board that it takes.

        Smaller levels get walls around them, evenly on all sides. Larger ones need a head that
        pools over the board (``head_pool="mean"``): the same weights then run on the larger board.

        Raises
        ------
        InputError
            If levels are larger than the board and the head is for one board size.
        """
        from organisms.families.sokoban.boards import on_board, resized

        board = self.board
        height, width = (int(size) for size in tasks.shapes.max(axis=0))
        if height <= board[0] and width <= board[1]:
            return self, on_board(tasks, board)
        larger = (max(height, board[0]), max(width, board[1]))
        if getattr(self.network.config, "head_pool", "flatten") == "flatten":
            at = next(i for i, (h, w) in enumerate(tasks.shapes) if h > board[0] or w > board[1])
            raise InputError(
                f"{tasks.ids[at]!r} is {tasks.shapes[at][0]}×{tasks.shapes[at][1]} (rows × columns)"
                f" and {self.name} takes boards of up to {board[0]}×{board[1]}: its head reads every"
                " square with weights of its own (head_pool='flatten'). A head that pools over the"
                " board (head_pool='mean') takes any size."
            )
        return resized(self, larger), on_board(tasks, larger)

    @property
    def steering_kinds(self) -> tuple[str, ...]:
        """Return ``("agent-shortcut", "box-shortcut")``."""
        from organisms.families.sokoban.shortcuts import KINDS

        return KINDS

    def counterfactuals(self, kind: str, n: int, seed: int = 0) -> CounterfactualPairs:
        """Return pairs of levels; see `organisms.families.sokoban.counterfactuals.level_pairs`.

        Parameters
        ----------
        kind
            ``"move-box"``, ``"add-wall"`` or ``"move-target"``.
        """
        from organisms.families.sokoban.counterfactuals import level_pairs

        board = self.board
        n_actions = int(self.network.n_actions)
        return level_pairs(kind, n, seed, size=board, n_boxes=self.n_boxes, n_actions=n_actions)

    def steering_tasks(self, kind: str, n: int = 25, seed: int = 0) -> SteeringTasks:
        """Return `n` levels × 8 symmetries; see `organisms.families.sokoban.steering.shortcut_tasks`.

        Parameters
        ----------
        kind
            ``"agent-shortcut"`` or ``"box-shortcut"``.
        """
        from organisms.families.sokoban.steering import shortcut_tasks

        board = self.board
        return shortcut_tasks(kind, n, seed, size=board, n_boxes=min(self.n_boxes, 2))

    def action_rewrites(self, run: xr.Dataset, step: int) -> ActionRewrites:
        """Return where the plan says the next move; see
        `organisms.families.sokoban.steering.action_rewrites`.
        """
        from organisms.families.sokoban.steering import action_rewrites

        return action_rewrites(run, step, int(self.network.n_actions))

    def draw_plan(self, episode: xr.Dataset, ax: Any = None, **options: Any) -> Any:
        """Draw the first board of an episode; see `organisms.families.sokoban.plan_picture.draw_plan`."""
        from organisms.families.sokoban.plan_picture import draw_plan

        return draw_plan(episode, ax, **options)

    def render(self, tiles: Any, ax: Any = None, **options: Any) -> Any:
        """Draw a board; see `organisms.families.sokoban.render.draw_board`."""
        from organisms.families.sokoban.render import draw_board

        return draw_board(tiles, ax, **options)

    def draw_episode(self, episode: Any) -> Any:
        """Draw one episode of a run; see `organisms.families.sokoban.episodes.draw_episode`."""
        from organisms.families.sokoban.episodes import draw_episode

        return draw_episode(episode)


def from_card(card: Card, weights: Path) -> SokobanOrganism:
    """Build an organism from its card and safetensors weights.

    Raises
    ------
    CheckpointError
        If the weights are truncated, not finite, or do not fit the network.
    """
    network = load_network(card.network, weights, card.name)
    try:
        return SokobanOrganism(network, card)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{card.name}: malformed world options: {error}") from None


def family_concepts() -> Mapping[str, Concept]:
    """Return the family's concepts by name."""
    from organisms.families.sokoban.concepts import CONCEPTS

    return CONCEPTS


def family_recipes() -> Mapping[str, Recipe]:
    """Return the recipes that the family's organisms are trained by, by name."""
    from organisms.families.sokoban.recipes import RECIPES

    return RECIPES


def family_plans() -> Plans:
    """Return how the family's label maps are followed as plans."""
    from organisms.families.sokoban.plans import SokobanPlans

    return SokobanPlans()


def released_names() -> list[str]:
    """Return the names of the released agents."""
    from organisms.families.sokoban.released import RELEASED_RUNS

    return list(RELEASED_RUNS)


def fetch_released(name: str) -> Path:
    """Return the folder of a released agent's checkpoint, fetching it if need be."""
    from organisms.families.sokoban.released import fetch_released as fetch

    return Path(fetch(name))


def from_released(folder: str | os.PathLike, name: str) -> SokobanOrganism:
    """Build an organism from a released checkpoint folder (``model``, ``cfg.json``)."""
    from organisms.assets import file_sha256
    from organisms.families.sokoban.released import load_released

    network, _ = load_released(Path(folder))
    model = Path(folder) / "model"
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
    return SokobanOrganism(network, card)
