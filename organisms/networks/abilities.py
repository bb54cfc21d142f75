"""What organisms share whose network is one of `organisms.networks`, whatever they play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from interp.errors import InputError
from organisms.capabilities.kernels import Kernels


def observation_dims(network: Any) -> tuple[str, ...]:
    """Return the names of the dims of one observation."""
    return tuple(network.config.observation_dims)


def state_sites(organism: Any) -> list[str]:
    """Return the sites of the recurrent state, or the blocks' outputs."""
    return list(organism.network.state_sites)


def lasting_sites(organism: Any) -> list[str]:
    """Return the sites a plan is written to by default: the layers' cell states, if there are any."""
    sites = state_sites(organism)
    return [site for site in sites if site.endswith(".c")] or sites


def board_of(organism: Any) -> tuple[int, int]:
    """Return the rows and columns that an organism's network is made for."""
    height, width = organism.network.config.board
    return int(height), int(width)


def takes_any_board(organism: Any) -> bool:
    """Say whether the network's head pools over the board, so that it runs on boards of any size."""
    return getattr(organism.network.config, "head_pool", "flatten") != "flatten"


def check_board(organism: Any, shape: tuple[int, ...], tasks: Any) -> None:
    """Raise InputError unless the network takes boards of the shape that tasks are laid out on.

    Parameters
    ----------
    shape
        Rows and columns of the array that holds the boards.
    tasks
        With ``ids`` and ``shapes``, the boards' own rows and columns.
    """
    board = board_of(organism)
    if takes_any_board(organism) or tuple(shape) == board:
        return
    takes = f"{organism.name} takes boards of {board[0]}×{board[1]} (rows × columns) only"
    larger = np.flatnonzero((np.asarray(tasks.shapes) > np.array(board)).any(axis=1))
    if len(larger):
        rows, columns = tasks.shapes[larger[0]]
        raise InputError(
            f"{tasks.ids[larger[0]]!r} is {rows}×{columns} and {takes}"
            + (f"; so are {len(larger) - 1} others of {len(tasks)}." if len(larger) > 1 else ".")
            + " Choose the others by tasks.shapes."
        )
    rows, columns = np.max(tasks.shapes, axis=0)
    raise InputError(
        f"The boards are of up to {rows}×{columns} and {takes}. Put walls around them: organism, tasks = "
        "organism[organisms.Accommodation].accommodate(tasks)."
    )


class Convolutions(Kernels):
    """The convolutions of a `DRC`; see `organisms.networks.convolutions`."""

    def __init__(self, network: Any):
        self.network = network

    def all(self) -> Mapping[tuple[str, str], xr.DataArray]:
        """Return them by what they read and write."""
        from organisms.networks.convolutions import convolutions

        return convolutions(self.network)


def convolution_kernels(organism: Any) -> Convolutions | None:
    """Return the convolutions of an organism's network, None if it is no DRC."""
    from organisms.networks.drc import DRC

    return Convolutions(organism.network) if isinstance(organism.network, DRC) else None
