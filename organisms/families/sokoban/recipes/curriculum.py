"""Which levels a training sees, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from interp.errors import InputError
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Levels
from organisms.families.sokoban.task_sets import find_levels

Mix = tuple[tuple[int | str, float], ...]
"""``(levels, share)`` pairs: a box count of generated levels, or the name of a Boxoban set."""


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
    mix: Mix


Curriculum = tuple[Stage, ...]
"""Stages in order; the last one ends with the run."""


def find_stage(curriculum: Curriculum, steps: int) -> Stage:
    """Return the stage that a step count lies in."""
    return next((stage for stage in curriculum if steps < stage.until), curriculum[-1])


def describe_curriculum(curriculum: Curriculum) -> str:
    """Return a curriculum in words."""
    parts = []
    for stage in curriculum:
        mix = ", ".join(f"{share:.0%} {_describe_kind(kind)}" for kind, share in stage.mix)
        parts.append(f"until step {stage.until:,}: {mix}")
    return "; ".join(parts)


def _describe_kind(kind: int | str) -> str:
    if isinstance(kind, str):
        return kind
    return f"generated, {kind} box{'es' if kind > 1 else ''}"


def draw_levels(mix: Mix, n: int, board: tuple[int, int], rng: np.random.Generator) -> Levels:
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


class LevelStream:
    """Draws levels of the stage that the training has come to; called with a count and a generator.

    Parameters
    ----------
    curriculum, board
        Of the recipe.

    Attributes
    ----------
    steps : callable
        Returns the training's step count; set once there is a trainer.
    """

    def __init__(self, curriculum: Curriculum, board: tuple[int, int]):
        self.curriculum, self.board = curriculum, board
        self.steps: Callable[[], int] = lambda: 0

    def __call__(self, n: int, rng: np.random.Generator) -> Levels:
        """Return `n` new levels, all of one board shape."""
        mix = find_stage(self.curriculum, self.steps()).mix
        return draw_levels(mix, n, self.board, rng)
