"""Weights of control networks: a trained network's own, shuffled, and untrained ones of its spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

FACTORS = 2.0 ** np.linspace(-3, 3, 13)
"""Common factors of all weights that are tried, to bring activations to another network's spread."""


def permute_weights(network: Any, like: Any, seed: int) -> None:
    """Give a network the weights of another, the entries of each tensor shuffled, in place.

    What is left of the other network is the distribution of its weights, tensor by tensor; what it
    learned is not.

    Parameters
    ----------
    network, like
        Modules with the same parameters by name; those that only one of them has are left alone.
    seed
        Of the shuffling.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, own, other in _shared(network, like):
            flat = other.detach().cpu().reshape(-1)
            order = torch.randperm(len(flat), generator=generator)
            own.copy_(flat[order].reshape(other.shape))


def match_spread(network: Any, like: Any, spreads: Any) -> float:
    """Scale a network's weights so that its activations have another's spread, in place.

    Each tensor is scaled to the standard deviation of the other's (one without any is left alone), then
    all by the one of `FACTORS` that brings the sites' spreads nearest to the other's.

    Parameters
    ----------
    network, like
        Modules with the same parameters by name.
    spreads
        Function of a network that returns its sites' standard deviations (site → float).

    Returns
    -------
    float
        Mean ratio of the spreads that is left (geometric, over sites); 1 where they agree, NaN where no
        site has any.
    """
    with torch.no_grad():
        start = {}
        for name, own, other in _shared(network, like):
            now, wanted = (float(tensor.std(correction=0)) for tensor in (own, other))
            if now > 0 and wanted > 0:
                own.mul_(wanted / now)
            start[name] = own.clone()
        aim = spreads(like)
        found = []
        for factor in FACTORS:
            _scale(network, start, factor)
            found.append(_log_ratio(spreads(network), aim))
        distance = np.abs(np.nan_to_num(found, nan=np.inf))
        best = int(distance.argmin()) if np.isfinite(distance).any() else len(FACTORS) // 2
        _scale(network, start, FACTORS[best])
    return float(np.exp(found[best]))


def _shared(network: Any, like: Any) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """Return (name, own, other) of the parameters that two networks share."""
    others = dict(like.named_parameters())
    return [
        (name, own, others[name])
        for name, own in network.named_parameters()
        if name in others and own.shape == others[name].shape
    ]


def _scale(network: Any, start: Mapping[str, torch.Tensor], factor: float) -> None:
    for name, own in network.named_parameters():
        if name in start:
            own.copy_(start[name] * factor)


def _log_ratio(spreads: Mapping[str, float], aim: Mapping[str, float]) -> float:
    logs = [np.log(spreads[s] / aim[s]) for s in aim if spreads.get(s, 0) > 0 and aim[s] > 0]
    return float(np.mean(logs)) if logs else float("nan")
