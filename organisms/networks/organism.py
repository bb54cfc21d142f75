"""What organisms share whose network is one of `organisms.networks`, whatever they play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interp.network.hooks import HookedNetwork
from organisms.base import Organism
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.card import Card

if TYPE_CHECKING:
    import xarray as xr


class GridOrganism(Organism):
    """An organism that looks at a board of squares through a DRC or a ResNet.

    Parameters
    ----------
    network
        A `DRC` or `ResNet`.
    card
        What it is.
    """

    network: Any

    def __init__(self, network: HookedNetwork, card: Card):
        super().__init__(network, card)
        self.observation_dims = tuple(self.network.config.observation_dims)

    @property
    def board(self) -> tuple[int, int]:
        """Rows and columns that the network is made for."""
        height, width = self.network.config.board
        return int(height), int(width)

    @property
    def state_sites(self) -> list[str]:
        """The sites an analysis looks at by default: the recurrent state, or the blocks' outputs."""
        return list(self.network.state_sites)

    @property
    def steering_sites(self) -> list[str]:
        """The sites a plan is written to by default: the layers' cell states, if there are any."""
        return [site for site in self.state_sites if site.endswith(".c")] or self.state_sites

    @property
    def directions(self) -> Mapping[str, tuple[int, int]]:
        """Return the four moves: name → (rows down, columns right)."""
        steps = zip(ACTION_NAMES, STEP_Y, STEP_X, strict=True)
        return {name: (int(y), int(x)) for name, y, x in steps}

    def kernels(self) -> Mapping[tuple[str, str], xr.DataArray]:
        """Return the network's convolutions; see `organisms.networks.convolutions`."""
        from organisms.networks.convolutions import convolutions

        return convolutions(self.network)

    def _build_network(self, seed: int) -> HookedNetwork:
        return type(self.network)(self.network.config, seed=seed)
