"""Sites for a policy that nobody named sites for: its activations, layer after layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from interp.network.agent import AgentNetwork
from interp.network.wrapping import Site

SKIPPED = (torch.nn.Flatten, torch.nn.Dropout, torch.nn.Identity)
DIMS = {1: ("unit",), 3: ("channel", "y", "x")}


def activation_sites(
    network: AgentNetwork, observation: Any, roots: Mapping[str, str]
) -> dict[str, Site]:
    """Return the activations inside some submodules as sites ``ROOT.0``, ``ROOT.1`` ….

    What a layer with weights gives is left to the activation that follows it; the last layer, which
    none follows, is an output of the policy. Dims that would be of two sizes are named after their
    site.

    Parameters
    ----------
    network
        The agent, without sites.
    observation
        One observation of it, or several by name: arrays (1, *dims), as its world shows them.
    roots
        Name → dotted name of the submodule whose activations are meant.
    """
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    fired: dict[str, tuple[int, ...]] = {}
    handles = [
        part.register_forward_hook(_keep_shape(path, fired))
        for path, part in network.module.named_modules()
        if not list(part.children())
    ]
    two = {"": observation} if not isinstance(observation, Mapping) else observation
    shown = {name: torch.as_tensor(x).repeat_interleave(2, 0)[None] for name, x in two.items()}
    try:
        with torch.no_grad():
            network(shown if isinstance(observation, Mapping) else shown[""])
    finally:
        for handle in handles:
            handle.remove()
    parts = dict(network.module.named_modules())
    for name, root in roots.items():
        inside = [path for path in fired if path == root or path.startswith(f"{root}.")]
        active = [
            path
            for path in inside
            if not isinstance(parts[path], SKIPPED)
            and not any(True for _ in parts[path].parameters())
            and fired[path][0] == 2
            and len(fired[path]) - 1 in DIMS
        ]
        found |= {f"{name}.{k}": (path, fired[path][1:]) for k, path in enumerate(active)}
    return _with_dims(found)


def _keep_shape(path: str, fired: dict[str, tuple[int, ...]]) -> Any:
    def hook(module: Any, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim:
            fired[path] = tuple(output.shape)

    return hook


def _with_dims(found: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, Site]:
    sizes: dict[str, set[int]] = {}
    for _, shape in found.values():
        for dim, size in zip(DIMS[len(shape)], shape, strict=True):
            sizes.setdefault(dim, set()).add(size)
    sites = {}
    for name, (path, shape) in found.items():
        dims = (dim if len(sizes[dim]) == 1 else f"{name}.{dim}" for dim in DIMS[len(shape)])
        sites[name] = Site(path, tuple(dims), batch=0)
    return sites
