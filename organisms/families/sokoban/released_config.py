"""The released agents' ``cfg.json``: what it says, as our own configurations.

A setting that this library would not reproduce is refused by name, never ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from interp.errors import CheckpointError, MesascopeError, UnknownNameError
from organisms.networks.config import ConvConfig, DRCConfig, ResNetConfig, positive

_DRC, _RESNET = "cleanba.convlstm:ConvLSTMConfig", "cleanba.network:GuezResNetConfig"
_ABSENT = object()


def read_config(path: Path) -> dict[str, Any]:
    """Read cfg.json; return the configuration, with the update step beside it."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a JSON file ({error}).") from error
    inner = record.get("cfg", record) if isinstance(record, dict) else record
    if not isinstance(inner, dict) or "net" not in inner:
        raise CheckpointError(f"{path}: there is no network configuration ('cfg' → 'net') in it.")
    return {"update_step": record.get("update_step"), **inner}


def network_config(
    record: Mapping[str, Any], params: Mapping[str, Any], config_path: Path, model_path: Path
) -> DRCConfig | ResNetConfig:
    """Return the network's configuration.

    Parameters
    ----------
    record
        What `read_config` returned.
    params
        Path → array: shapes tell what ``cfg.json`` does not, the board's size and the number of
        actions.
    config_path, model_path
        For messages.

    Raises
    ------
    CheckpointError
        For a setting that is unknown, malformed or not supported.
    """
    source = str(config_path)
    net = _mapping(record["net"], "net", source)
    kind = _choice(net, "_type_", (_DRC, _RESNET), "net", source)
    make = _drc_config if kind == _DRC else _resnet_config
    try:
        return make(net, params, model_path, source)
    except CheckpointError:
        raise
    except MesascopeError as error:
        raise CheckpointError(f"{source}: {error}") from error


def _drc_config(
    net: Mapping[str, Any], params: Mapping[str, Any], path: Path, source: str
) -> DRCConfig:
    recurrent = _mapping(net.get("recurrent"), "net.recurrent", source)
    _known(
        net,
        "_type_ norm embed recurrent residual use_relu yang_init? head_scale? skip_final "
        "mlp_hiddens n_recurrent repeats_per_step normalize_input?",
        "net",
        source,
    )
    _known(
        recurrent,
        "conv fence_pad forget_bias? pool_and_inject pool_projection output_activation",
        "net.recurrent",
        source,
    )
    _common(net, source)
    conv = _conv_config(recurrent["conv"], "net.recurrent.conv", source)
    embed = net["embed"]
    if not isinstance(embed, list) or not embed:
        raise CheckpointError(f"{source}: net.embed must list convolutions; got {embed!r}.")
    skip_final = _flag(net, "skip_final", "net", source)
    n_actions = _columns(params, "actor_params/Output/kernel", path)
    forget_bias = recurrent.get("forget_bias", 0.0)
    if not isinstance(forget_bias, int | float) or not math.isfinite(forget_bias):
        raise CheckpointError(f"{source}: net.recurrent.forget_bias is {forget_bias!r}.")
    hiddens = _sizes(net, "mlp_hiddens", source)
    first = "dense_list_0/kernel" if hiddens else None
    encoder = tuple(_conv_config(r, f"net.embed[{n}]", source) for n, r in enumerate(embed))
    # Before anything of the size that cfg.json claims is built.
    n_layers = positive("n_layers", net["n_recurrent"])
    n_found = len({name.split("/")[1] for name in params if "/cell_list_" in name})
    if n_layers > n_found:
        raise CheckpointError(
            f"{path}: the parameters of network_params/cell_list_{n_found} are missing; cfg.json "
            f"asks for {n_layers} layers."
        )
    hh = (*conv.kernel_size, conv.features, 4 * conv.features)
    _expect(params, "network_params/cell_list_0/hh/kernel", hh, path)
    for n, layer in enumerate(encoder):
        kernel = (*layer.kernel_size, None, layer.features)
        _expect(params, f"network_params/conv_list_{n}/kernel", kernel, path)
    for n, size in enumerate(hiddens):
        _expect(params, f"network_params/dense_list_{n}/kernel", (None, size), path)
    return DRCConfig(
        n_layers=n_layers,
        n_ticks=net["repeats_per_step"],
        channels=conv.features,
        kernel_size=conv.kernel_size,
        bias=conv.bias,
        encoder=encoder,
        encoder_relu=_flag(net, "use_relu", "net", source),
        board=_board(params, first, conv.features, path),
        n_actions=n_actions,
        output_activation=recurrent["output_activation"],
        forget_bias=float(forget_bias),
        fence_pad=recurrent["fence_pad"],
        pool_and_inject=recurrent["pool_and_inject"],
        pool_projection=recurrent["pool_projection"],
        residual=_flag(net, "residual", "net", source),
        skip_final=skip_final,
        head="sum" if skip_final else "h",
        mlp_hiddens=hiddens,
    )


def _resnet_config(
    net: Mapping[str, Any], params: Mapping[str, Any], path: Path, source: str
) -> ResNetConfig:
    _known(
        net,
        "_type_ norm channels strides kernel_sizes mlp_hiddens yang_init? head_scale? "
        "normalize_input?",
        "net",
        source,
    )
    _common(net, source)
    channels = _sizes(net, "channels", source)
    strides = _sizes(net, "strides", source)
    if set(strides) != {1} or len(strides) != len(channels):
        raise CheckpointError(f"{source}: net.strides must all be 1; got {strides}.")
    hiddens = _sizes(net, "mlp_hiddens", source)
    first = "Dense_0/kernel" if hiddens else None
    kernel_sizes = _sizes(net, "kernel_sizes", source)
    for n, (kernel, size) in enumerate(zip(kernel_sizes, channels, strict=False)):
        name = f"network_params/GuezConvSequence_{n}/GuezResidualBlock_0/Conv_0/kernel"
        _expect(params, name, (kernel, kernel, size, size), path)
    for n, size in enumerate(hiddens):
        _expect(params, f"network_params/Dense_{n}/kernel", (None, size), path)
    return ResNetConfig(
        channels=channels,
        kernel_sizes=tuple((k, k) for k in kernel_sizes),
        board=_board(params, first, channels[-1], path),
        n_actions=_columns(params, "actor_params/Output/kernel", path),
        mlp_hiddens=hiddens,
    )


def _common(net: Mapping[str, Any], source: str) -> None:
    """Refuse the settings of any network that would change what it computes."""
    norm = _mapping(net.get("norm"), "net.norm", source)
    _choice(norm, "_type_", ("cleanba.network:IdentityNorm",), "net.norm", source)
    for name in ("yang_init", "normalize_input"):
        if _flag(net, name, "net", source, default=False):
            raise CheckpointError(f"{source}: net.{name}=true is not supported; only false is.")
    if net.get("head_scale", 1) != 1:
        raise CheckpointError(
            f"{source}: net.head_scale={net['head_scale']!r} is not supported; only 1 is."
        )


def _conv_config(record: Any, name: str, source: str) -> ConvConfig:
    record = _mapping(record, name, source)
    _known(record, "padding strides features use_bias kernel_size initialization?", name, source)
    if record.get("padding") != "SAME" or record.get("strides") != [1, 1]:
        raise CheckpointError(
            f"{source}: {name} must have padding 'SAME' and strides [1, 1]; got "
            f"{record.get('padding')!r} and {record.get('strides')!r}."
        )
    bias = _flag(record, "use_bias", name, source)
    return ConvConfig(record.get("features"), record.get("kernel_size"), bias)


def _mapping(value: Any, name: str, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckpointError(f"{source}: {name} must be a mapping; got {value!r}.")
    return value


def _known(record: Mapping[str, Any], names: str, where: str, source: str) -> None:
    """Refuse settings that are not among `names`, and their absence unless marked by a "?"."""
    required = {name for name in names.split() if not name.endswith("?")}
    options = [name.rstrip("?") for name in names.split()]
    for key in record:
        if key not in options:
            raise CheckpointError(f"{source}: {UnknownNameError(f'{where} setting', key, options)}")
    missing = sorted(required - set(record))
    if missing:
        raise CheckpointError(f"{source}: {where} lacks {', '.join(missing)}.")


def _choice(
    record: Mapping[str, Any], key: str, options: Iterable[str], where: str, source: str
) -> str:
    value = record.get(key)
    if value not in tuple(options):
        error = UnknownNameError(f"{where}.{key}", value, options)
        raise CheckpointError(f"{source}: {error}")
    return value


def _flag(
    record: Mapping[str, Any], key: str, where: str, source: str, default: Any = _ABSENT
) -> bool:
    value = record.get(key, default)
    if not isinstance(value, bool):
        shown = "missing" if value is _ABSENT else repr(value)
        raise CheckpointError(f"{source}: {where}.{key} must be true or false; it is {shown}.")
    return value


def _sizes(net: Mapping[str, Any], key: str, source: str) -> tuple[int, ...]:
    value = net.get(key)
    if not isinstance(value, list) or not all(type(n) is int and n > 0 for n in value):
        raise CheckpointError(f"{source}: net.{key} must be a list of sizes; got {value!r}.")
    return tuple(value)


def _columns(params: Mapping[str, Any], name: str, path: Path) -> int:
    return _shape(params, name, 2, path)[1]


def _board(
    params: Mapping[str, Any], first: str | None, channels: int, path: Path
) -> tuple[int, int]:
    """Return the board that the head was made for: a square, since cfg.json does not say."""
    name = f"network_params/{first}" if first else "actor_params/Output/kernel"
    rows = _shape(params, name, 2, path)[0]
    side = math.isqrt(rows // channels)
    if side < 1 or side * side * channels != rows:
        raise CheckpointError(
            f"{path}: {name} has {rows} rows, which is no square board of {channels} channels."
        )
    return side, side


def _shape(params: Mapping[str, Any], name: str, ndim: int, path: Path) -> tuple[int, ...]:
    array = params.get(name)
    if not isinstance(array, np.ndarray):
        raise CheckpointError(f"{path}: the parameter {name} is missing.")
    if array.ndim != ndim or 0 in array.shape:
        raise CheckpointError(f"{path}: the parameter {name} has shape {array.shape}.")
    return array.shape


def _expect(
    params: Mapping[str, Any], name: str, shape: tuple[int | None, ...], path: Path
) -> None:
    found = _shape(params, name, len(shape), path)
    if any(n not in (m, None) for n, m in zip(shape, found, strict=True)):
        asked = ", ".join("any" if n is None else str(n) for n in shape)
        raise CheckpointError(
            f"{path}: the parameter {name} has shape {found}; cfg.json asks for ({asked})."
        )
