"""Counterfactual pairs: one edit of a level after which another first move is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.boards.directions import ACTION_NAMES
from organisms.capabilities.counterfactual_pairs import CounterfactualPairs
from organisms.families.sokoban.edits import add_wall, move_box, move_target
from organisms.families.sokoban.generator import generate, room_split
from organisms.families.sokoban.levels import Level, Levels
from organisms.families.sokoban.oracle import solve

KINDS = ("move-box", "add-wall", "move-target")
"""The edits: a box is moved elsewhere, a wall is built, a target is moved elsewhere."""

_LEVELS_AT_A_TIME = 64
_LEVELS_TRIED = 400  # for each pair asked for


def level_pairs(
    kind: str,
    n: int,
    seed: int = 0,
    *,
    size: tuple[int, int] = (10, 10),
    n_boxes: int = 2,
    n_actions: int = 4,
) -> CounterfactualPairs:
    """Return `n` pairs of levels of the generator's ``test`` split that differ by one edit.

    Both levels can be solved, and no move that begins a shortest solution of one begins one of the
    other (by the exact oracle). Each clean level is in one pair. Of all edits of a level that do
    this, one is drawn.

    Parameters
    ----------
    kind
        ``"move-box"``, ``"add-wall"`` or ``"move-target"``.
    n, seed
        How many pairs, of which levels and edits. The first pairs of a larger set are those of a
        smaller one.
    size, n_boxes
        Of the levels: rows and columns with the outer wall, and boxes.
    n_actions
        4, or 5 with a no-op as action 0: decides the numbering of the right actions.

    Raises
    ------
    UnknownNameError
        For another kind.
    InputError
        If an argument is out of range, or there are too few pairs.

    Examples
    --------
    >>> pairs = level_pairs("add-wall", 2)
    >>> [int(a.walls.sum() - b.walls.sum()) for a, b in zip(pairs.corrupted, pairs.clean)]
    [1, 1]
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of counterfactual pairs", kind, KINDS)
    check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    noop = n_actions - len(ACTION_NAMES)
    if noop not in (0, 1):
        raise InputError(f"A network has 4 or 5 actions, not {n_actions}.")
    found: list[tuple[Level, Level, np.ndarray, np.ndarray]] = []
    for start in range(0, _LEVELS_TRIED * n, _LEVELS_AT_A_TIME):
        levels = generate(
            _LEVELS_AT_A_TIME, size=size, n_boxes=n_boxes, seed=seed, split="test", start=start
        )
        for i in range(len(levels)):
            pair = _pair(levels[i], kind, np.random.default_rng([seed, start + i]))
            if pair is not None:
                found.append(pair)
            if len(found) == n:
                clean, corrupted, *right = zip(*found, strict=True)
                clean_right, corrupted_right = (
                    np.pad(np.stack(actions), ((0, 0), (noop, 0))) for actions in right
                )
                return CounterfactualPairs(
                    kind, Levels.of(clean), Levels.of(corrupted), clean_right, corrupted_right
                )
    raise InputError(f"Only {len(found)} of {n} pairs of the kind {kind!r} were found.")


def _pair(
    clean: Level, kind: str, rng: np.random.Generator
) -> tuple[Level, Level, np.ndarray, np.ndarray] | None:
    right = _right_actions(clean)
    edits = _edits(clean, kind)
    for at in rng.permutation(len(edits)):
        corrupted = edits[at]()
        other = _right_actions(corrupted)
        if other.any() and not (other & right).any():
            return clean, corrupted, right, other
    return None


def _right_actions(level: Level) -> np.ndarray:
    """Return (4,) bool: the moves that begin a shortest solution; none if there is no solution."""
    return solve(level).optimal_actions(level.boxes, level.player)


def _edits(level: Level, kind: str) -> list[Callable[[], Level]]:
    """Return every edit of a kind, not made yet; none puts a box on a target."""
    targets = level.targets
    empty = ~level.walls & ~level.boxes & ~targets
    empty[level.player] = False
    squares = [(int(y), int(x)) for y, x in np.argwhere(empty)]
    if kind == "add-wall":
        # A wall makes another room: it must be none of training either.
        squares = [to for to in squares if room_split(_walled(level, to)) == "test"]
        return [partial(add_wall, level, to) for to in squares]
    moved, edit = (level.boxes, move_box) if kind == "move-box" else (targets, move_target)
    movable = [(int(y), int(x)) for y, x in np.argwhere(moved)]
    return [partial(edit, level, square, to) for square in movable for to in squares]


def _walled(level: Level, square: tuple[int, int]) -> np.ndarray:
    walls = level.walls
    walls[square] = True
    return walls
