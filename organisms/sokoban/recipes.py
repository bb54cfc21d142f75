"""How the shipped Sokoban organisms were trained: every number that decides the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from interp.errors import InputError, UnknownNameError
from organisms.card import Card
from organisms.sokoban.classroom import SokobanClassroom
from organisms.sokoban.drc import DRC, DRCConfig
from organisms.sokoban.generator import generate
from organisms.sokoban.levels import Levels
from organisms.sokoban.network_config import ConvConfig
from organisms.sokoban.organism import SokobanOrganism, network_record
from organisms.sokoban.task_sets import find_levels
from organisms.training.imitation import ImitationConfig, ImitationTrainer


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum.

    Parameters
    ----------
    until
        The stage ends at this many environment steps.
    mix
        ``(levels, share)`` pairs: a box count of generated levels, or the name of a Boxoban set.
    """

    until: int
    mix: tuple[tuple[int | str, float], ...]


@dataclass(frozen=True)
class ImitationRecipe:
    """An organism trained by imitation of the exact solver on its own states.

    Parameters
    ----------
    network, imitation
        Configurations.
    curriculum
        Stages in order; the last one ends with the run.
    summary, limits
        What the card says of the organism.
    n_boxes
        Of the generated levels the organism is tested on by default.
    start_from
        An organism of the same architecture whose weights the run starts from; a fresh network
        if None.
    give_up
        As in `SokobanClassroom`.
    pool_size, lessons
        Of each `SokobanClassroom`: levels solved at a time, and unrolls until they change.
    max_steps, min_steps
        Step limit of an episode, drawn between the two.
    """

    network: DRCConfig
    imitation: ImitationConfig
    curriculum: tuple[Stage, ...]
    summary: str
    limits: str
    n_boxes: int = 2
    start_from: str | None = None
    give_up: float = 0.0
    pool_size: int = 500
    lessons: int = 100
    max_steps: int = 120
    min_steps: int = 30

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data."""
        return {**asdict(self), "network": self.network.to_dict()}

    def build(self) -> ImitationTrainer:
        """Return a fresh trainer."""
        config = self.imitation
        network = self._first_network()
        trainer: ImitationTrainer | None = None
        rng = np.random.default_rng([config.seed, 2])

        def draw(n: int) -> Levels:
            steps = 0 if trainer is None else trainer.steps
            return draw_levels(self.stage(steps).mix, n, self.network.board, rng)

        rows = config.n_environments // config.n_groups
        rooms = [
            SokobanClassroom(
                draw,
                rows=rows,
                pool_size=self.pool_size,
                lessons=self.lessons,
                first_lesson=group * self.lessons // config.n_groups,
                give_up=self.give_up,
                observation=self.network.observation,
                max_steps=self.max_steps,
                min_steps=self.min_steps,
                seed=config.seed * config.n_groups + group,
            )
            for group in range(config.n_groups)
        ]
        trainer = ImitationTrainer(network, rooms, config)
        return trainer

    def _first_network(self) -> DRC:
        network = DRC(self.network, seed=self.imitation.seed)
        if self.start_from is not None:
            from organisms.registry import load

            start = load(self.start_from).network
            if start.config != self.network:
                raise InputError(f"{self.start_from} has another architecture than the recipe.")
            network.load_state_dict(start.state_dict())
        return network

    def organism(self, network: DRC, name: str, steps: int) -> SokobanOrganism:
        """Return a trained network as an organism, with a card that says how it was made."""
        config = self.imitation
        training = (
            "Imitation of the exact solver on the learner's own states (DAgger): cross-entropy to the "
            f"uniform mix of optimal actions, value target {config.discount}^distance; "
            f"{config.n_environments} environments, {config.follow_fraction:.0%} of them following the "
            f"solver with probability {config.follow_probability}; Adam, learning rate "
            f"{config.learning_rate} falling linearly; seed {config.seed}; {steps:,} environment steps. "
            f"Levels: {describe_curriculum(self.curriculum)}. "
            + (f"Started from the weights of {self.start_from}. " if self.start_from else "")
            + (
                f"Episodes out of reach of their goal ended with probability {self.give_up} a step. "
                if self.give_up
                else ""
            )
            + "The log ships as log.jsonl, the recipe as "
            "recipe.json."
        )
        card = Card(
            name=name,
            family="sokoban",
            summary=self.summary,
            paper="Architecture: Guez et al. 2019 (arXiv 1901.03559), as released by Taufeeque et al. "
            "2024 (arXiv 2407.15421); smaller.",
            task="Sokoban, tinyworld RGB observations, moves up, down, left, right; step limit 120.",
            training=training,
            network=network_record(network),
            world={"rewards": "released", "max_steps": self.max_steps, "n_boxes": self.n_boxes},
            licence="Apache-2.0",
            limits=self.limits,
        )
        return SokobanOrganism(network, card)

    def stage(self, steps: int) -> Stage:
        """Return the stage that a step count lies in."""
        return next((s for s in self.curriculum if steps < s.until), self.curriculum[-1])


def describe_curriculum(curriculum: tuple[Stage, ...]) -> str:
    """Return a curriculum in words."""
    parts = []
    for stage in curriculum:
        mix = ", ".join(
            f"{share:.0%} {f'generated, {kind} boxes' if isinstance(kind, int) else kind}"
            for kind, share in stage.mix
        )
        parts.append(f"until step {stage.until:,}: {mix}")
    return "; ".join(parts)


def draw_levels(
    mix: tuple[tuple[int | str, float], ...],
    n: int,
    board: tuple[int, int],
    rng: np.random.Generator,
) -> Levels:
    """Draw `n` training levels of a mix, in random order.

    Raises
    ------
    InputError
        If the shares do not add up to 1.
    """
    shares = np.array([share for _, share in mix])
    if len(mix) == 0 or abs(shares.sum() - 1) > 1e-9:
        raise InputError(f"The shares of a mix add up to 1; got {mix}.")
    counts = np.diff(np.round(np.concatenate([[0], np.cumsum(shares)]) * n).astype(int))
    parts: list[Levels] = []
    for (kind, _), count in zip(mix, counts, strict=True):
        if not count:
            continue
        seed = int(rng.integers(1, 2**31))
        if isinstance(kind, int):
            levels = generate(int(count), size=board, n_boxes=kind, seed=seed, split="train")
        else:
            levels = find_levels(kind, int(count), seed)
        parts.append(levels)
    return Levels.join(parts)[rng.permutation(n)]


_SMALL = DRCConfig.released(
    3, 3, channels=16, encoder=(ConvConfig(16, (3, 3)),), mlp_hiddens=(128,)
)
_REAL = "boxoban-unfiltered-train"
_SMALL_SUMMARY = (
    "A small DRC(3,3) that was trained by imitation of an exact solver: a first organism "
    "to look into, well short of the released agents."
)
_SMALL_LIMITS = (
    "Trained by imitation, not by reward: what it does on its own account may differ from "
    "what a model-free agent would have learned. Far fewer steps than the published agents. "
    "10×10 boards only."
)

RECIPES: dict[str, ImitationRecipe] = {
    "sokoban-drc-small": ImitationRecipe(
        network=_SMALL,
        imitation=ImitationConfig(total_steps=2_400_000),
        curriculum=(
            Stage(1_000_000, ((1, 0.2), (2, 0.5), (_REAL, 0.3))),
            Stage(2_400_000, ((2, 0.2), (_REAL, 0.8))),
        ),
        summary=_SMALL_SUMMARY,
        limits=_SMALL_LIMITS,
    ),
    "sokoban-drc-small-v1": ImitationRecipe(
        network=_SMALL,
        imitation=ImitationConfig(
            total_steps=6_000_000, learning_rate=1.5e-3, follow_fraction=0.25, seed=1
        ),
        curriculum=(Stage(6_000_000, ((2, 0.1), (_REAL, 0.9))),),
        start_from="sokoban-drc-small-v0",
        give_up=0.2,
        summary=_SMALL_SUMMARY,
        limits=_SMALL_LIMITS,
    ),
    "sokoban-drc-minute": ImitationRecipe(
        network=DRCConfig.released(
            2, 2, channels=8, encoder=(ConvConfig(8, (3, 3)),), board=(7, 7), mlp_hiddens=(32,)
        ),
        imitation=ImitationConfig(total_steps=60_000, n_environments=64, n_groups=2),
        curriculum=(Stage(60_000, ((1, 1.0),)),),
        summary="A few minutes of training, to show that it runs.",
        limits="Not meant to play well.",
        n_boxes=1,
        pool_size=100,
    ),
}
"""Recipe name → recipe. ``sokoban-drc-minute`` only shows that training runs."""


def recipe(name: str) -> ImitationRecipe:
    """Return a recipe by name.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
