"""Gradients, in a session that may have switched them off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from interp.errors import InputError


@contextmanager
def gradients_on(network: Any) -> Iterator[None]:
    """Switch gradients on, whatever the session says: ``no_grad``, ``inference_mode``, ….

    Raises
    ------
    InputError
        If the network's weights were made in inference mode, or a tensor that was takes part: PyTorch
        gives such tensors no gradient.
    """
    tensors = [*network.parameters(), *network.buffers()] if hasattr(network, "parameters") else []
    if any(tensor.is_inference() for tensor in tensors):
        raise InputError(
            f"The weights of this {type(network).__name__} were made under torch.inference_mode and "
            "have no gradient: make or load the network outside of it."
        )
    with torch.inference_mode(False), torch.enable_grad():
        try:
            yield
        except RuntimeError as error:
            if "nference tensor" not in str(error):
                raise
            raise InputError(
                "A tensor made under torch.inference_mode takes part in the run, and has no gradient: "
                f"make it outside of it, or clone it. ({error})"
            ) from error


def ordinary(tensor: Tensor) -> Tensor:
    """Return a tensor that may take part in a gradient: a copy, if it was made in inference mode."""
    return tensor.clone() if tensor.is_inference() else tensor
