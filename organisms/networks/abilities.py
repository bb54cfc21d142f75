"""What organisms share whose network is one of `organisms.networks`, whatever they play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def check_board(organism: Any, shape: tuple[int, ...], things: str) -> None:
    """Raise InputError unless the network takes a board of this shape."""
    board = board_of(organism)
    if not takes_any_board(organism) and tuple(shape) != board:
        raise InputError(
            f"The {things}' board is {shape[0]}×{shape[1]} and {organism.name} takes "
            f"{board[0]}×{board[1]} (rows × columns) only."
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
