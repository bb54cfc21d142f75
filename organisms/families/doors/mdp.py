"""A maze as a decision problem, written out for inverse reinforcement learning.

======= =============== ==============================================================================
game    feature         1 for a step that …
======= =============== ==============================================================================
doors   door, ball, gem enters an object of that kind (which ends the episode)
        red, blue       enters an object of that colour; green and yellow are what is left
corner  cheese          enters the cheese (which ends the episode)
        corner          ends in the free square nearest to the top right, also by staying there
chests  key             takes a key
        chest           opens a chest
======= =============== ==============================================================================

Two colours of ``doors`` have no feature of their own: all kinds and all colours add up to the same (there
is an object), and with all of them no weight would be determined.
"""

from __future__ import annotations

import numpy as np

from interp.decisions.mdp import TabularMDP
from interp.errors import InputError, LevelError, UnknownNameError
from organisms.boards.directions import STEP_X, STEP_Y
from organisms.families.doors.mazes import Maze, pays
from organisms.families.doors.objects import GAMES, KIND_OF, Kind, check_game
from organisms.families.doors.paths import corners

MAX_OBJECTS = 12
"""Keys and chests of which more make a problem too large: states double with each."""


def maze_mdp(maze: Maze, *, objective: str | None = None, horizon: int = 100) -> TabularMDP:
    r"""Write a maze out.

    States are free squares; in ``chests``, squares together with which keys and chests are left. Only
    those that can be reached are kept; the start is state 0.

    Parameters
    ----------
    maze
        One maze.
    objective
        Of the world. It matters where it ends episodes earlier than the base objective does
        (``corner`` and ``key``).
    horizon
        The step limit.

    Raises
    ------
    UnknownNameError
        If the game has no such objective.
    InputError
        If there are more than `MAX_OBJECTS` keys and chests.

    Examples
    --------
    >>> from organisms.families.doors.text import parse_mazes
    >>> mdp = maze_mdp(parse_mazes("; doors\n########\n##@@Dr##\n########")[0])
    >>> dict(zip(mdp.feature_names, mdp.features[0, 3].tolist()))
    {'door': 1.0, 'ball': 0.0, 'gem': 0.0, 'red': 1.0, 'blue': 0.0}
    """
    rules = check_game(maze.game)
    objective = rules.objectives[0] if objective is None else objective
    if objective not in rules.objectives:
        raise UnknownNameError(f"objective of {maze.game!r}", objective, rules.objectives)
    squares = np.argwhere(~maze.walls)
    number = np.full(maze.walls.shape, -1)
    number[tuple(squares.T)] = np.arange(len(squares))
    to = np.stack([squares[:, :1] + STEP_Y, squares[:, 1:] + STEP_X], axis=-1)
    there = number[to[..., 0], to[..., 1]]
    target = np.where(there < 0, np.arange(len(squares))[:, None], there)  # (square, action)
    entered = there >= 0
    codes = maze.objects[tuple(squares.T)]
    corner = number[tuple(corners(maze.walls[None])[0])]
    if maze.game == "chests":
        following, features, terminal = _chests(target, entered, codes, objective)
    else:
        code = np.where(entered, codes[target], 0)
        columns = [
            target == corner if name == "corner" else pays(name)[code] for name in rules.features
        ]
        following, features = target, np.stack(columns, axis=-1).astype(float)
        terminal = codes > 0
        if objective == "corner":
            terminal[corner] = True
    start = number[maze.start]
    if maze.game == "chests":
        start += len(following) - len(squares)  # all are left
    order = _reachable(following, terminal, start)
    rank = np.zeros(len(following), np.int64)
    rank[order] = np.arange(len(order))
    return TabularMDP(
        np.where(terminal[order, None], np.arange(len(order))[:, None], rank[following[order]]),
        np.where(terminal[order, None, None], 0.0, features[order]),
        terminal[order],
        GAMES[maze.game].features,
        0,
        horizon,
    )


def mdp_of_text(text: str) -> TabularMDP:
    """Write out the maze of a text (`organisms.families.doors.text`), as `maze_mdp` does.

    For analyses of recorded runs, which keep the text of every task.

    Raises
    ------
    InputError
        If the text is no maze.
    """
    from organisms.families.doors.text import parse_mazes

    try:
        return maze_mdp(parse_mazes(text)[0])
    except LevelError as error:
        raise InputError(f"The task is no maze: {error}") from None


def _chests(
    target: np.ndarray, entered: np.ndarray, codes: np.ndarray, objective: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return next_state, features and terminal over (mask of what is left, square)."""
    things = np.flatnonzero(codes)
    if len(things) > MAX_OBJECTS:
        raise InputError(
            f"{len(things)} keys and chests are too many to write out; {MAX_OBJECTS} is the most."
        )
    n, n_actions = target.shape
    masks = np.arange(2 ** len(things))
    left = (masks[:, None] >> np.arange(len(things))) & 1  # (mask, thing)
    is_key = KIND_OF[codes[things]] == Kind.KEY
    held = ((1 - left) * np.where(is_key, 1, -1)).sum(axis=1)
    keys, chests = left[:, is_key].sum(axis=1), left[:, ~is_key].sum(axis=1)
    over = keys == 0 if objective == "key" else np.minimum(keys + held, chests) <= 0
    index = np.full(n, -1)
    index[things] = np.arange(len(things))
    thing = np.where(entered, index[target], -1)  # (square, action)
    still = (left[:, thing] == 1) & (thing >= 0)  # (mask, square, action)
    key = still & is_key[thing]
    chest = still & ~is_key[thing] & (held > 0)[:, None, None]
    mask = masks[:, None, None] - np.where(key | chest, 1 << np.maximum(thing, 0), 0)
    following = (mask * n + target).reshape(-1, n_actions)
    features = np.stack([key, chest], axis=-1).reshape(-1, n_actions, 2).astype(float)
    return following, features, np.repeat(over, n)


def _reachable(following: np.ndarray, terminal: np.ndarray, start: int) -> np.ndarray:
    """Return the states that can be reached, the start first."""
    seen = np.zeros(len(following), bool)
    seen[start] = True
    order, edge = [np.array([start])], np.array([start])
    while len(edge):
        edge = np.unique(following[edge[~terminal[edge]]])
        edge = edge[~seen[edge]]
        seen[edge] = True
        order.append(edge)
    return np.concatenate(order)
