"""Where a network first holds what it sees, and how an edit of an observation looks there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from interp.errors import InputError
from organisms.networks.drc import DRC
from organisms.networks.resnet import ResNet

if TYPE_CHECKING:
    import numpy as np


def linear_site(network: Any) -> str:
    """Return the network's first site, if it is an affine function of the observation.

    Raises
    ------
    InputError
        If it is not: the encoder has a ReLU, or the network is neither a `DRC` nor a `ResNet`.
    """
    if isinstance(network, DRC):
        if network.config.encoder_relu:
            raise InputError(
                "The encoder has a ReLU: what it makes of an edit depends on the rest."
            )
        return "encoder"
    if isinstance(network, ResNet):
        return "sequences.0.entry"
    raise InputError(f"A {type(network).__name__} has no first convolution that is known of.")


def encoding_difference(network: Any, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by how much the network's first site changes with its observation.

    Since the site is affine, adding the difference to what the network makes of *any* observation is
    the same (but for rounding) as making the same change to that observation.

    Parameters
    ----------
    network
        A `DRC` without a ReLU in its encoder, or a `ResNet`.
    before, after
        Observations (example, *observation dims), as the world gives them.

    Returns
    -------
    numpy.ndarray
        (example, channel, y, x) float32.

    Raises
    ------
    InputError
        As `linear_site`, or if shapes do not fit.
    """
    site = linear_site(network)
    with torch.inference_mode():
        seen = (
            network.run_with_cache(torch.from_numpy(x[None]).to(network.device), names_filter=site)
            for x in (before, after)
        )
        first, second = (cache[site][0].float().cpu() for _, cache in seen)
    return (second - first).numpy()
