"""Maze agents so small that tests can make and train them, and runs written out by hand."""

from __future__ import annotations

import numpy as np
import xarray as xr

from organisms.boards.directions import ACTION_NAMES
from organisms.card import Card
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import OBSERVATION_DIMS, PLANES
from organisms.networks.build import network_record, new_network
from organisms.networks.config import ConvConfig, DRCConfig, ResNetConfig
from organisms.organism import Organism

BOARD = (7, 7)
PLANE_OPTIONS = {"board": BOARD, "observation": "planes", "n_planes": len(PLANES)}
TINY_MAZE_CONFIGS = {
    "tiny-maze-drc": DRCConfig.released(
        1, 2, channels=4, encoder=(ConvConfig(4, (3, 3)),), mlp_hiddens=(8,), **PLANE_OPTIONS
    ),
    "tiny-maze-resnet": ResNetConfig(
        channels=(4, 6), kernel_sizes=((3, 3),) * 2, n_blocks=1, mlp_hiddens=(8,), **PLANE_OPTIONS
    ),
}


def tiny_maze_organism(name: str = "tiny-maze-drc", seed: int = 3, **world) -> Organism:
    """Return an untrained maze agent."""
    network = new_network(TINY_MAZE_CONFIGS[name], seed)
    card = Card(
        name=name,
        family="doors",
        summary="Untrained; for tests.",
        network=network_record(network),
        world=world,
    )
    return Organism(network, card)


def walked(
    mazes: Mazes,
    plans: list[str],
    *,
    thinking: int = 0,
    objective: str | None = None,
    observation: str = "planes",
    padding: int = 1,
) -> xr.Dataset:
    """Walk mazes as written out ("udlr") and lay that out as a run; all but the last step go on."""
    world = MazeWorld(mazes, objective=objective, observation=observation, max_steps=99)
    n, rows = len(plans), max(map(len, plans)) + padding
    first = world.reset()
    seen = np.full((n, thinking + rows, *first.shape[1:]), 255, np.uint8)
    seen[:, :thinking] = first[:, None]
    action = np.full((n, thinking + rows), -1, np.int16)
    reward = np.full((n, thinking + rows), np.nan, np.float32)
    reward[:, :thinking] = 0
    done = np.zeros((n, thinking + rows), bool)
    for row in range(rows):
        now = np.array(
            ["udlr".index(plan[row]) if row < len(plan) else -1 for plan in plans], np.int16
        )
        on, column = now >= 0, thinking + row
        seen[on, column] = world.observe()[on]
        reward[on, column] = world.step(now).reward[on]
        action[:, column] = now
        done[:, column] = [row == len(plan) - 1 for plan in plans]
    dims = ("episode", "step")
    return xr.Dataset(
        {
            "observation": ((*dims, *OBSERVATION_DIMS[observation]), seen),
            "action": (dims, action),
            "reward": (dims, reward),
            "done": (dims, done),
            "logits": ((*dims, "action_index"), np.zeros((*action.shape, len(ACTION_NAMES)))),
            "length": ("episode", np.array([len(plan) for plan in plans], np.int32)),
            "solved": ("episode", world.solved),
            "level": ("episode", np.array(mazes.texts, object)),
            "level_id": ("episode", np.array(mazes.ids, object)),
        },
        {"step": np.arange(-thinking, rows)},
    )
