"""Networks from what a card says of them, with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.errors import CheckpointError, InputError, UnknownNameError
from interp.network.hooks import HookedNetwork
from organisms.networks.drc import DRC, DRCConfig
from organisms.networks.lstm import LSTM, LSTMConfig
from organisms.networks.resnet import ResNet, ResNetConfig

BoardConfig = DRCConfig | ResNetConfig
NetworkConfig = BoardConfig | LSTMConfig

NETWORKS: dict[str, tuple[type, type]] = {
    "drc": (DRC, DRCConfig),
    "resnet": (ResNet, ResNetConfig),
    "lstm": (LSTM, LSTMConfig),
}
"""Kind → the network and its configuration."""


def new_network(config: NetworkConfig, seed: int = 0) -> HookedNetwork:
    """Return a network of a configuration, with fresh weights."""
    return next(network for network, of in NETWORKS.values() if isinstance(config, of))(
        config, seed=seed
    )


def config_record(config: NetworkConfig) -> dict[str, Any]:
    """Return ``{"kind": KIND, **configuration}``, JSON-able."""
    kind = next(kind for kind, (_, of) in NETWORKS.items() if isinstance(config, of))
    return {"kind": kind, **config.to_dict()}


def network_record(network: Any) -> dict[str, Any]:
    """Return what `build_network` builds the network from."""
    return config_record(network.config)


def build_network(record: Mapping[str, Any], seed: int = 0, source: str = "card") -> HookedNetwork:
    """Build a network from ``{"kind": KIND, **configuration}``.

    Raises
    ------
    CheckpointError
        If the kind or the configuration is malformed.
    """
    options = dict(record)
    kind = options.pop("kind", None)
    if kind not in NETWORKS:
        raise CheckpointError(f"{source}: network kind {kind!r}; known: {sorted(NETWORKS)}.")
    network, config = NETWORKS[kind]
    try:
        configuration = config.from_dict(options)
    except (InputError, UnknownNameError, TypeError) as error:
        raise CheckpointError(f"{source}: malformed configuration of a {kind}: {error}") from None
    return network(configuration, seed=seed)


def read_weights(network: Any, weights: Path) -> None:
    """Put weights (safetensors) into a network, in float32 whatever the file has.

    Raises
    ------
    CheckpointError
        If the weights are truncated, not finite, or do not fit the network.
    """
    from safetensors.torch import load_file

    try:
        state = load_file(weights)
    except Exception as error:
        raise CheckpointError(f"{weights}: not a readable safetensors file ({error}).") from error
    for name, tensor in state.items():
        if not tensor.float().isfinite().all():
            raise CheckpointError(f"{weights}: {name!r} has values that are not finite.")
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{weights} does not fit the card's network: {error}") from None
