"""The released Sokoban agents of Taufeeque et al. (2024, 2025): find, download and load them.

A released checkpoint is a folder with ``model`` (Flax msgpack) and ``cfg.json``, in the Hub
repository AlignmentResearch/learned-planner (Apache-2.0). It is read without JAX. Everything in it
is checked: a weight that is missing, superfluous, of another shape or not finite is an error that
names it, and so is any setting of the configuration that this code would not reproduce.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from interp.errors import CheckpointError
from organisms.families.sokoban.flax_msgpack import read_flax_msgpack
from organisms.families.sokoban.released_config import network_config, read_config
from organisms.families.sokoban.released_files import RELEASED_RUNS, ReleasedRun, fetch_released
from organisms.networks.config import DRCConfig, ResNetConfig

if TYPE_CHECKING:
    from organisms.networks.drc import DRC
    from organisms.networks.resnet import ResNet

__all__ = ["RELEASED_RUNS", "ReleasedRun", "fetch_released", "is_released", "load_released"]


class _Weight(NamedTuple):
    """Where a parameter comes from and what it becomes."""

    name: str
    """Path in the file, below ``params``: ``network_params/conv_list_0/kernel``."""
    target: str
    """Name in the network's state dict."""
    kind: str
    """conv (HWIO → OIHW), dense, flat_dense (rows in board order HWC → CHW) or as_is."""


def is_released(folder: str | Path) -> bool:
    """Return whether `folder` holds ``model`` and ``cfg.json``, as a released checkpoint does."""
    return (Path(folder) / "model").is_file() and (Path(folder) / "cfg.json").is_file()


def load_released(folder: str | Path) -> tuple[DRC | ResNet, dict[str, Any]]:
    """Load a released checkpoint from a local folder.

    Parameters
    ----------
    folder
        Holds ``model`` and ``cfg.json``.

    Returns
    -------
    network
        A `DRC` or `ResNet` in evaluation mode, on the CPU, in float32.
    metadata : dict
        JSON-able: ``architecture`` ("DRC(3,3)", "ResNet"), ``n_parameters``, ``sha256`` of the
        weights' file, ``update_step``, ``total_timesteps``, ``config`` (the network's) and
        ``training`` (the released configuration without its network part).

    Raises
    ------
    CheckpointError
        If a file is missing, truncated, or not what it should be. Names the file and the weight or
        setting.

    Notes
    -----
    Parity: from the same state, every c and h after a step differs from the original JAX code's by
    less than 1e-5, and so do logits and values over a 12-step run. Over that run c, which grows to
    18, drifts apart by up to 3e-5: float32 rounding of both; in float64 it is 2e-5 from JAX's.
    """
    from organisms.networks.drc import DRC
    from organisms.networks.resnet import ResNet

    folder = Path(folder)
    model_path, config_path = folder / "model", folder / "cfg.json"
    for path in (model_path, config_path):
        if not path.is_file():
            raise CheckpointError(
                f"{folder} is not a released checkpoint: it has no file {path.name!r}."
            )
    record = read_config(config_path)
    params = _parameters(read_flax_msgpack(model_path), model_path)
    config = network_config(record, params, config_path, model_path)
    if isinstance(config, DRCConfig):
        network, weights = DRC(config), _drc_weights(config)
        architecture = f"DRC({config.n_layers},{config.n_ticks})"
    else:
        network, weights = ResNet(config), _resnet_weights(config)
        architecture = "ResNet"
    _fill(network, weights, params, config, model_path)
    network.eval()
    training = {key: value for key, value in record.items() if key != "net"}
    return network, {
        "architecture": architecture,
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "sha256": hashlib.sha256(model_path.read_bytes()).hexdigest(),
        "update_step": record.get("update_step"),
        "total_timesteps": training.get("total_timesteps"),
        "config": config.to_dict(),
        "training": training,
    }


def _parameters(tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the parameters of the file, flat: ``network_params/conv_list_0/kernel`` → array."""
    inner: Any = tree
    for _ in range(2):
        inner = inner.get("params") if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        raise CheckpointError(f"{path}: there are no parameters ('params' → 'params') in it.")
    flat: dict[str, Any] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                # Older files have Flax's collection "params" at each part's top.
                walk(part, name if key == "params" else f"{name}/{key}" if name else key)
        else:
            flat[name] = value

    walk(inner, "")
    return flat


def _layer(name: str, target: str, kind: str, bias: bool = True) -> list[_Weight]:
    weights = [_Weight(f"{name}/kernel", f"{target}.weight", kind)]
    if bias:
        weights.append(_Weight(f"{name}/bias", f"{target}.bias", "as_is"))
    return weights


def _drc_weights(config: DRCConfig) -> list[_Weight]:
    weights: list[_Weight] = []
    for n, conv in enumerate(config.encoder):
        weights += _layer(f"network_params/conv_list_{n}", f"embed.{n}", "conv", conv.bias)
    for d in range(config.n_layers):
        cell, layer = f"network_params/cell_list_{d}", f"layers.{d}"
        weights += _layer(f"{cell}/ih", f"{layer}.ih", "conv", config.bias)
        weights += _layer(f"{cell}/hh", f"{layer}.hh", "conv", bias=False)
        if config.fence_pad != "no":
            weights += _layer(f"{cell}/fence", f"{layer}.fence", "conv", bias=False)
        if config.pool_and_inject != "no" and config.pool_projection == "per-channel":
            weights.append(_Weight(f"{cell}/project", f"{layer}.project", "as_is"))
        if config.pool_and_inject != "no" and config.pool_projection == "full":
            weights.append(_Weight(f"{cell}/Dense_0/kernel", f"{layer}.project", "as_is"))
    return weights + _head_weights("dense_list", config.mlp_hiddens)


def _resnet_weights(config: ResNetConfig) -> list[_Weight]:
    weights: list[_Weight] = []
    for n in range(len(config.channels)):
        name, target = f"network_params/GuezConvSequence_{n}", f"sequences.{n}"
        first = "xXx_Input_xXx" if n == 0 else "Conv_0"
        weights += _layer(f"{name}/{first}", f"{target}.conv", "conv")
        for b in range(config.n_blocks):
            block = f"{name}/GuezResidualBlock_{b}/Conv_0"
            weights += _layer(block, f"{target}.blocks.{b}.conv", "conv")
    return weights + _head_weights("Dense", config.mlp_hiddens)


def _head_weights(prefix: str, hiddens: tuple[int, ...]) -> list[_Weight]:
    weights: list[_Weight] = []
    for n in range(len(hiddens)):
        kind = "dense" if n else "flat_dense"
        weights += _layer(f"network_params/{prefix}_{n}", f"mlp.{n}.linear", kind)
    kind = "dense" if hiddens else "flat_dense"
    weights += _layer("actor_params/Output", "actor", kind)
    return weights + _layer("critic_params/Output", "critic", kind)


def _fill(
    network: DRC | ResNet,
    weights: list[_Weight],
    params: Mapping[str, Any],
    config: DRCConfig | ResNetConfig,
    path: Path,
) -> None:
    """Copy the file's parameters into the network, checking each."""
    import torch

    missing = [weight.name for weight in weights if weight.name not in params]
    extra = sorted(set(params) - {weight.name for weight in weights})
    if missing or extra:
        parts = [
            f"{word} {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"
            for word, names in (("missing:", missing), ("not expected:", extra))
            if names
        ]
        raise CheckpointError(f"{path}: the parameters do not fit cfg.json; {'; '.join(parts)}.")
    state = network.state_dict()
    with torch.no_grad():
        for weight in weights:
            target = state[weight.target]
            array = _checked(weight, params[weight.name], tuple(target.shape), path)
            if weight.kind == "conv":
                array = array.transpose(3, 2, 0, 1)
            elif weight.kind == "dense":
                array = array.T
            elif weight.kind == "flat_dense":
                by_square = array.reshape(*config.board, -1, array.shape[1])
                array = by_square.transpose(3, 2, 0, 1).reshape(array.shape[1], -1)
            # A copy in native byte order: the file's bytes are read-only.
            target.copy_(torch.from_numpy(np.array(array, dtype=np.float32, order="C")))


def _checked(weight: _Weight, value: Any, target: tuple[int, ...], path: Path) -> np.ndarray:
    expected = {
        "conv": lambda: (target[2], target[3], target[1], target[0]),
        "dense": lambda: target[::-1],
        "flat_dense": lambda: target[::-1],
        "as_is": lambda: target,
    }[weight.kind]()
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
        raise CheckpointError(f"{path}: the parameter {weight.name} is a {found}, not floats.")
    if value.shape != expected:
        raise CheckpointError(
            f"{path}: the parameter {weight.name} has shape {value.shape}; cfg.json asks for "
            f"{expected}."
        )
    if not np.isfinite(value).all():
        bad = int(value.size - np.isfinite(value).sum())
        raise CheckpointError(
            f"{path}: the parameter {weight.name} has {bad} values that are NaN or infinite."
        )
    return value
