"""A DRC's convolutions by name: what each gate reads from where, as kernels over squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from interp.errors import InputError
from organisms.networks.drc import DRC, DRCLayer
from organisms.networks.parts import SameConv2d, same_padding

if TYPE_CHECKING:
    import torch
    import xarray as xr

GATES = {"i": "candidate", "j": "input gate", "f": "forget gate", "o": "output gate"}
"""The released code's names: i is the candidate, j the input gate."""


def convolutions(network: Any) -> dict[tuple[str, str], xr.DataArray]:
    """Return the convolutions of a DRC: (what it reads, what it writes) → kernel.

    Sources are ``observation``, the encoder's convolutions (``embed.0``, … , the last one
    ``encoder``) and the layers' ``layers.D.h``; targets are those and the gates before their
    activation (``layers.D.i``, ``.j``, ``.f``, ``.o``). The lowest layer reads the topmost one as
    it was a tick before, every layer itself as it was a tick before, and all others the layer
    below at the same tick. What the gates read from the pooled summary and the fence is the same
    whatever the square holds, and left out; so is the bias.

    Parameters
    ----------
    network
        A `DRC`.

    Returns
    -------
    dict
        Each (target_channel, source_channel, ky, kx) float32. Coordinates ``ky``, ``kx``: the
        square that is read, counted from the one that is written, so that
        ``out[y, x] = Σ kernel[ky, kx] · in[y + ky, x + kx]``. Attributes ``linear`` (0 or 1: the
        source is a linear function of what it reads) and ``role`` (of the target).

    Raises
    ------
    InputError
        If the network is no DRC, or has residual layers (a layer then reads sums of others).
    """
    if not isinstance(network, DRC):
        raise InputError(
            f"A {type(network).__name__} has no recurrent convolutions; a DRC has them."
        )
    config = network.config
    if config.residual:
        raise InputError("With residual layers a gate reads sums of layers, not a single one.")
    found: dict[tuple[str, str], xr.DataArray] = {}
    names = ["observation", *(f"embed.{n}" for n in range(len(network.embed) - 1)), "encoder"]
    embed = cast("list[SameConv2d]", list(network.embed))
    for n, conv in enumerate(embed):
        linear = n == 0 or not config.encoder_relu
        found[names[n], names[n + 1]] = _kernel(conv.weight, linear, "encoder")
    channels, top = config.channels, config.n_layers - 1
    for d, layer in enumerate(cast("list[DRCLayer]", list(network.layers))):
        n_encoded = layer.n_encoded
        gates = layer.ih.weight.chunk(4), layer.hh.weight.chunk(4)
        below = f"layers.{d - 1 if d else top}.h"
        for (gate, role), ih, hh in zip(GATES.items(), *gates, strict=True):
            target = f"layers.{d}.{gate}"
            found["encoder", target] = _kernel(ih[:, :n_encoded], True, role)
            reads_below = _kernel(ih[:, n_encoded : n_encoded + channels], False, role)
            reads_itself = _kernel(hh, False, role)
            if below == f"layers.{d}.h":  # a single layer is its own layer below
                reads_itself = (reads_itself + reads_below).assign_attrs(reads_itself.attrs)
            else:
                found[below, target] = reads_below
            found[f"layers.{d}.h", target] = reads_itself
    return found


def _kernel(weight: torch.Tensor, linear: bool, role: str) -> xr.DataArray:
    import xarray as xr

    height, width = int(weight.shape[2]), int(weight.shape[3])
    left, _, top, _ = same_padding((height, width))
    return xr.DataArray(
        weight.detach().cpu().float().numpy().copy(),
        {"ky": np.arange(height) - top, "kx": np.arange(width) - left},
        ("target_channel", "source_channel", "ky", "kx"),
        attrs={"linear": int(linear), "role": role},
    )
