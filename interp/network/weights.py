"""What a network's weights are, in one number."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def weights_sha256(network: Any) -> str:
    """Return the sha256 over names, shapes, dtypes and bytes of all weights of a module, in hex.

    Of the tensors as they are now (`state_dict`, and parameters that it leaves out), so it
    tells a network that was edited or trained on from the one that was loaded. It is not the hash of a
    file.
    """
    tensors = {
        **dict(network.named_parameters()),
        **{k: v for k, v in network.state_dict().items() if isinstance(v, torch.Tensor)},
    }
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu().contiguous()
        if tensor.dtype == torch.bfloat16:  # NumPy has no such dtype; its bytes are what counts
            array, dtype = tensor.reshape(-1).view(torch.int16).numpy(), "bfloat16"
        else:
            array = tensor.numpy()
            dtype = array.dtype.str
        digest.update(f"{name} {dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
