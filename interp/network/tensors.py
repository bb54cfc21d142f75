"""Tensors to NumPy and back."""

from __future__ import annotations

import numpy as np
import torch


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as an array on the host; bfloat16, which NumPy cannot hold, becomes float32."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().numpy()


def output_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a network's output as an array on the host; half precision becomes float32."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return to_numpy(tensor.float() if half else tensor)
