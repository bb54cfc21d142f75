"""What the instruments need to know of a network: its sites, its clock, its device."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from interp.errors import InputError, TrainingModeWarning
from interp.network.clock import Clock

_STOCHASTIC = (
    torch.nn.modules.dropout._DropoutNd,
    torch.nn.modules.batchnorm._BatchNorm,
    torch.nn.RReLU,
)


class NetworkView:
    """A network's sites, clock and device, resolved once.

    Parameters
    ----------
    network
        Anything with hook points: a `HookedNetwork`, what `interp.wrap` returns, or a TransformerLens
        model, whose dims have no names and whose clock stands still.

    Attributes
    ----------
    sites : dict of str to tuple of str
        Site → names of its dims within a step (``tick`` first if it ticks), empty if they have none.
    points : Mapping of str to HookPoint
    clock : Clock

    Raises
    ------
    InputError
        If the network has no hook points.
    """

    def __init__(self, network: Any):
        points = getattr(network, "hook_dict", None)
        if not isinstance(points, Mapping):
            kind, inside = type(network).__name__, getattr(network, "network", None)
            hint = "use its .network" if inside is not None else "give it some with interp.wrap"
            raise InputError(f"A {kind} has no hook points; {hint}.")
        self.network = network
        self.points: Mapping[str, Any] = points
        self.sites: dict[str, tuple[str, ...]] = {
            name: tuple(getattr(point, "dims", ())) for name, point in points.items()
        }
        self.clock = clock_of(network)

    @cached_property
    def device(self) -> torch.device:
        """The device of the network's parameters; the CPU if it has none."""
        return device_of(self.network)

    def ticks(self, site: str) -> bool:
        """Whether a site fires once per tick."""
        return self.sites[site][:1] == ("tick",)

    def feature_dims(self, site: str) -> tuple[str, ...]:
        """Names of the dims of one firing after the batch; empty if they have none."""
        return self.sites[site][self.ticks(site) :]

    def check_examples(self, site: str, tensor: torch.Tensor) -> None:
        """Raise InputError if it is not known along which axis of a firing the examples lie."""
        doubt = getattr(self.points[site], "doubt", None)
        if doubt is not None:
            raise InputError(doubt)
        if tensor.ndim < 3 or getattr(self.points[site], "batch_is_known", True):
            return
        examples = self.clock.examples
        n = None if examples is None else len(examples)
        if n != tensor.shape[0] or n in tensor.shape[1:]:  # otherwise it is the only axis so long
            raise InputError(
                f"The site {site!r} fires {tuple(tensor.shape)} and nothing tells which axis is the "
                "batch, so single examples cannot be addressed. Say Site(…, batch=0) or batch=1, "
                "or name the dims after the batch."
            )

    def why_silent(self, site: str) -> str:
        """Return in words why a site did not fire."""
        explain: Any = getattr(self.network, "why_silent", None)
        return "The network did not run, or not past it." if explain is None else explain(site)

    def warn_in_training_mode(self) -> None:
        """Warn if the network has dropout or batch norm in training mode."""
        modules: Any = getattr(self.network, "named_modules", None)
        for name, part in () if modules is None else modules():
            if part.training and _depends_on_training(part):
                warnings.warn(
                    f"The network is in training mode, and its {type(part).__name__} {name!r} then "
                    "gives other numbers at every forward (or for every batch): call .eval() before "
                    "you examine it.",
                    TrainingModeWarning,
                    stacklevel=3,
                )
                return


def _depends_on_training(part: torch.nn.Module) -> bool:
    if isinstance(part, torch.nn.modules.dropout._DropoutNd):
        return part.p > 0
    if isinstance(part, torch.nn.RNNBase | torch.nn.MultiheadAttention):
        return part.dropout > 0
    return isinstance(part, _STOCHASTIC)


def device_of(network: Any) -> torch.device:
    """Return the device of a network's parameters; the CPU if it has none."""
    first = next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def clock_of(network: Any) -> Clock:
    """Return the network's clock, or a still one if it has none (a TransformerBridge, say)."""
    clock = getattr(network, "clock", None)
    return clock if isinstance(clock, Clock) else Clock()


def sites_of(network: Any) -> dict[str, tuple[str, ...]]:
    """Return site → dims for any network with hook points; dims are unnamed (empty) without SitePoints.

    Raises
    ------
    InputError
        If it has no hook points.
    """
    return NetworkView(network).sites


def check_rank(site: str, tensor: torch.Tensor, dims: Sequence[str]) -> None:
    """Raise InputError unless a firing is ``(batch, *dims)``; unnamed (empty) dims fit anything."""
    if dims and tensor.ndim != 1 + len(dims):
        raise InputError(
            f"The site {site!r} declares dims {tuple(dims)} but fires (batch, …) "
            f"{tuple(tensor.shape)}."
        )
