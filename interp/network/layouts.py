"""Which axis of a module's output is the batch, as far as the kind of module tells."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from interp.errors import InputError
from interp.network.outputs import Path

_BATCH_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.Flatten,
    nn.RNNCellBase,
)
# Libraries whose modules all have the batch first.
_BATCH_FIRST_LIBRARIES = ("transformers", "torchvision", "timm")

_HIDDEN, _CELL = ("h", "h_n", "hn", "hidden"), ("c", "c_n", "cn", "cell")


def is_time_first(module: nn.Module) -> bool:
    """Tell whether a recurrent or attention module takes (step, batch, …)."""
    return isinstance(module, nn.RNNBase | nn.MultiheadAttention) and not module.batch_first


def told_batch_axis(module: nn.Module, path: Path, time_first_inside: bool) -> int | None:
    """Return the batch axis of a part of a module's output, None if its kind does not tell.

    Parameters
    ----------
    path
        The part; see `interp.network.outputs`.
    time_first_inside
        Whether the network has modules that take (step, batch, …): what other modules get is then
        told by nothing.
    """
    if isinstance(module, nn.RNNBase):
        return 1 if path[:1] == (1,) or not module.batch_first else 0
    if isinstance(module, nn.MultiheadAttention):
        return 0 if module.batch_first or path == (1,) else 1
    if type(module).__module__.startswith("torch.nn.modules.transformer"):
        attention = (m for m in module.modules() if isinstance(m, nn.MultiheadAttention))
        return 1 if any(map(is_time_first, attention)) else 0
    if isinstance(module, _BATCH_FIRST):
        return 0
    library = type(module).__module__.partition(".")[0]
    return 0 if library in _BATCH_FIRST_LIBRARIES and not time_first_inside else None


def told_path(module: nn.Module, path: Path, name: str) -> Path:
    """Return the path, with the part of an LSTM's pair of states that the site's name tells.

    ``output=1`` of an ``nn.LSTM`` is the pair (h_n, c_n). A site called ``c``, ``c_n`` or ``cell`` means
    the second, one called ``h``, ``h_n`` or ``hidden`` the first.

    Raises
    ------
    InputError
        If neither is told.
    """
    if not isinstance(module, nn.LSTM) or path != (1,):
        return path
    leaf = name.rpartition(".")[2].lower()
    if leaf in _HIDDEN:
        return (1, 0)
    if leaf in _CELL:
        return (1, 1)
    raise InputError(
        f"The site {name!r}: output 1 of an nn.LSTM is the pair (h_n, c_n). Say output=(1, 0) for "
        "the hidden and (1, 1) for the cell state."
    )


def check_batched(module: nn.Module, path: Path, tensor: torch.Tensor, site: str) -> None:
    """Raise InputError if a recurrent or attention module ran on one sequence without a batch."""
    weights = isinstance(module, nn.MultiheadAttention) and path == (1,)
    sequence = isinstance(module, nn.RNNBase | nn.MultiheadAttention)
    if sequence and tensor.ndim < 3 and not weights:
        raise InputError(
            f"The site {site!r} fired {tuple(tensor.shape)}: the {type(module).__name__} ran on one "
            "sequence without a batch. Give it a batch of one."
        )


def uncalled(ancestors: Iterable[tuple[str, nn.Module]], name: str) -> str | None:
    """Return in words why the forward of a submodule is never called in Python, or None.

    Parameters
    ----------
    ancestors
        The modules that the submodule lies in, by name.
    name
        The submodule's name.
    """
    for parent, module in ancestors:
        if isinstance(module, torch.jit.ScriptModule):
            return (
                f"{parent or type(module).__name__!r} is traced or scripted, and calls its parts "
                "outside of Python. Use the module that it was made of"
            )
        if isinstance(module, nn.MultiheadAttention):
            return (
                f"{parent or 'the network'!r} is an nn.MultiheadAttention, which uses the weights of "
                f"{name!r} without calling it. Take the attention itself: Site({parent!r}, output=0) "
                "is what comes after out_proj"
            )
    return None
