"""A network's convolutions, by what they read and write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from organisms.capabilities.capability import Capability

if TYPE_CHECKING:
    import xarray as xr


class Kernels(Capability, ABC):
    """The convolutions through which an organism's state is updated."""

    @abstractmethod
    def all(self) -> Mapping[tuple[str, str], xr.DataArray]:
        """Return the network's convolutions: (what it reads, what it writes) → kernel.

        Returns
        -------
        mapping
            Each (target_channel, source_channel, ky, kx) float32 with the offsets of the square
            that is read from the one that is written as coordinates of ``ky`` and ``kx``. The
            attribute ``linear`` (0 or 1) says whether the source is a linear function of what it
            reads itself, ``role`` what the target is for.

        Raises
        ------
        InputError
            If the network's convolutions cannot be told so.
        """
