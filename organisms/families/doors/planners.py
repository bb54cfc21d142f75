"""Exact planners: agents whose objective is known because it is written down.

They label behaviour, and they are the ground truth that analyses of objectives are tested against.

=========  =================  =====================================================================
game       planner            walks the shortest way to
=========  =================  =====================================================================
doors      reach-door         the nearest door
doors      reach-red          the nearest red object
doors      nearest-object     the nearest object
corner     reach-cheese       the cheese
corner     corner-seeker      the corner, and stays there
chests     open-chests        the nearest chest if it has a key in hand, else the nearest key
chests     key-lover          the nearest key as long as there is one, then the nearest chest
all        random             nothing: every action is as likely
=========  =================  =====================================================================

A way never leads over an object that is not its aim and would end the episode. Of several shortest
ways each first move is as likely. Where there is nothing to walk to, all four moves are as likely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer
from organisms.boards.directions import ACTION_NAMES
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes, pays
from organisms.families.doors.objects import KIND_OF, Kind
from organisms.families.doors.paths import FAR, distances, neighbour_values

if TYPE_CHECKING:
    import xarray as xr

Aim = Callable[[MazeWorld], np.ndarray]


def _kind(world: MazeWorld, kind: Kind) -> np.ndarray:
    return KIND_OF[world.objects] == kind


def _corner(world: MazeWorld) -> np.ndarray:
    aim = np.zeros(world.objects.shape, bool)
    aim[np.arange(len(world)), world.corner[:, 0], world.corner[:, 1]] = True
    return aim


def _chests(world: MazeWorld) -> np.ndarray:
    with_key = (world.held > 0)[:, None, None]
    return np.where(with_key, _kind(world, Kind.CHEST), _kind(world, Kind.KEY))


def _keys_first(world: MazeWorld) -> np.ndarray:
    keys = _kind(world, Kind.KEY)
    return np.where(keys.any(axis=(1, 2), keepdims=True), keys, _kind(world, Kind.CHEST))


PLANNERS: dict[str, tuple[str, Aim]] = {
    "reach-door": ("doors", lambda world: _kind(world, Kind.DOOR)),
    "reach-red": ("doors", lambda world: pays("red")[world.objects]),
    "nearest-object": ("doors", lambda world: world.objects > 0),
    "reach-cheese": ("corner", lambda world: _kind(world, Kind.CHEESE)),
    "corner-seeker": ("corner", _corner),
    "open-chests": ("chests", _chests),
    "key-lover": ("chests", _keys_first),
    "random": ("", lambda world: np.zeros(world.objects.shape, bool)),
}
"""The game and the aim of every planner, by name."""


def planner_names(game: str) -> list[str]:
    """Return the planners that play a game."""
    return [name for name, (of, _) in PLANNERS.items() if of in (game, "")]


class Planner:
    r"""One planner in one world.

    Parameters
    ----------
    name
        A key of `PLANNERS`.
    world
        It is looked at anew at every call, and never changed.

    Raises
    ------
    UnknownNameError
        If there is no such planner.
    InputError
        If it plays another game than the world's.

    Examples
    --------
    >>> from organisms.families.doors.text import parse_mazes
    >>> world = MazeWorld(parse_mazes("; doors\n##########\n##Br@@Db##\n##########"))
    >>> Planner("reach-door", world)().tolist(), Planner("reach-red", world)().tolist()
    ([[0.0, 0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0, 0.0]])
    """

    def __init__(self, name: str, world: MazeWorld):
        if name not in PLANNERS:
            raise UnknownNameError("planner", name, PLANNERS)
        game, self._aim = PLANNERS[name]
        if game not in (world.game, ""):
            raise InputError(
                f"{name!r} plays {game!r}, not {world.game!r}; those that do: "
                f"{', '.join(planner_names(world.game))}."
            )
        self.name, self.world = name, world
        self._known: tuple[np.ndarray, ...] | None = None
        self._distance = np.empty(0, np.int32)

    def __call__(self) -> np.ndarray:
        """Return how likely each action is where the agents stand, dims ``(batch, action)``."""
        distance = self.distance()
        near = neighbour_values(distance, self.world.position)
        here = distance[
            np.arange(len(distance)), self.world.position[:, 0], self.world.position[:, 1]
        ]
        good = (near == here[:, None] - 1) & (here < FAR)[:, None]
        walls = neighbour_values(self.world.walls, self.world.position)
        good = np.where((here == 0)[:, None], walls, good)  # there already: bump to stay
        good = np.where(good.any(axis=1, keepdims=True), good, True)
        return good / good.sum(axis=1, keepdims=True)

    def distance(self) -> np.ndarray:
        """Return how far every square is from the aim, dims ``(batch, y, x)``; `paths.FAR` if it is."""
        world = self.world
        now = (world.level_index, world._episodes, world.objects, world.held > 0)
        if self._known is None:
            changed = np.arange(len(world))
        else:
            differs = [
                (old != new).reshape(len(new), -1).any(axis=1)
                for old, new in zip(self._known, now, strict=True)
            ]
            changed = np.flatnonzero(np.logical_or.reduce(differs))
        if self._known is None:
            self._distance = np.full(world.objects.shape, FAR, np.int32)
        self._known = tuple(array.copy() for array in now)
        if len(changed):
            passable = ~world.walls & ((world.objects == 0) | (world.game == "chests"))
            aim = self._aim(world)
            self._distance[changed] = distances(passable[changed], aim[changed])
        return self._distance


def demonstrate(
    mazes: Mazes,
    planner: str,
    *,
    seed: int = 0,
    noise: float = 0.0,
    max_steps: int = 100,
    observation: str = "planes",
) -> xr.Dataset:
    """Let a planner walk through mazes and return what it did as a run.

    Parameters
    ----------
    planner
        A key of `PLANNERS`.
    seed
        Of the choices between moves that are as good; episode ``i`` draws the same in any set.
    noise
        Share of the moves that are drawn from all four instead.
    max_steps, observation
        Of the world.

    Returns
    -------
    xarray.Dataset
        The variables of a run (``docs/architecture.md``). ``logits`` are the log-probabilities of the
        actions (at least −30, so that they are finite), ``value`` is 0.

    Raises
    ------
    UnknownNameError, InputError
        As `Planner`, or if `noise` is no share.

    Examples
    --------
    >>> from organisms.families.doors.generator import generate
    >>> bool(demonstrate(generate("doors-training", 5), "reach-door").solved.all())
    True
    """
    import xarray as xr

    check_integer("seed", seed, 0)
    if not 0 <= noise <= 1:
        raise InputError(f"noise is a share from 0 to 1; got {noise!r}.")
    world = MazeWorld(mazes, max_steps=max_steps, observation=observation)
    act = Planner(planner, world)
    n = len(world)
    rngs = [np.random.default_rng([seed, episode]) for episode in range(n)]
    seen = world.reset()
    steps: dict[str, list[np.ndarray]] = {
        name: [] for name in ("observation", "action", "reward", "logits", "value", "done")
    }
    length = np.zeros(n, np.int32)
    running = np.ones(n, bool)
    while running.any():
        likely = (1 - noise) * act() + noise / world.n_actions
        u = np.array([rng.random() for rng in rngs])
        action = np.minimum((u[:, None] >= likely.cumsum(axis=1)).sum(axis=1), world.n_actions - 1)
        action = np.where(running, action, -1)
        before = seen
        seen, reward, terminated, truncated = world.step(action)
        done = running & (terminated | truncated)
        length += running
        row = {
            "observation": np.where(_like(running, before), before, 255).astype(np.uint8),
            "action": action.astype(np.int16),
            "reward": np.where(running, reward, np.nan).astype(np.float32),
            "logits": np.where(running[:, None], np.log(np.maximum(likely, 1e-13)), np.nan),
            "value": np.where(running, 0.0, np.nan).astype(np.float32),
            "done": done,
        }
        for name, values in row.items():
            steps[name].append(values)
        running &= ~done
    grid = ("episode", "step")
    dims = {"observation": world.observation_dims, "logits": ("action_index",)}
    data = {
        name: ((*grid, *dims.get(name, ())), np.stack(values, axis=1))
        for name, values in steps.items()
    }
    data["logits"] = (data["logits"][0], data["logits"][1].astype(np.float32))
    data |= {
        "solved": ("episode", world.solved),
        "length": ("episode", length),
        "level_id": ("episode", np.array(mazes.ids, dtype=object)),
        "level": ("episode", np.array(mazes.texts, dtype=object)),
    }
    attrs = {
        "organism": f"planner-{planner}",
        "family": "doors",
        "world": f"{mazes.game}, at most {max_steps} steps, actions {', '.join(ACTION_NAMES)}",
        "seed": seed,
        "noise": noise,
        "thinking_steps": 0,
    }
    return xr.Dataset(data, {"step": np.arange(len(steps["action"]))}, attrs)


def _like(rows: np.ndarray, array: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, *[1] * (array.ndim - 1))
