"""What a patch writes: small functions of what is there and what the donor run has there.

A setter is any function ``setter(base, donor, firing) -> tensor`` of both runs' activations at one
firing, (example, *dims), that returns what a patch there writes, in the same shape. Only the patched
part of it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from interp.errors import InputError, UnknownNameError


class Firing(NamedTuple):
    """One firing of a site."""

    site: str
    step: int
    tick: int | None
    """None for a site that fires once a step."""


Setter = Callable[[Tensor, Tensor, Firing], Tensor]


def swap(base: Tensor, donor: Tensor, firing: Firing) -> Tensor:
    """The donor run's activation (activation patching, interchange)."""
    return donor


def zero(base: Tensor, donor: Tensor, firing: Firing) -> Tensor:
    """Zero (zero ablation)."""
    return torch.zeros_like(base)


def interpolate(fraction: float) -> Setter:
    """Return a setter that goes a fraction of the way from the base to the donor activation."""
    if not np.isfinite(fraction):
        raise InputError(f"fraction must be finite, not {fraction!r}.")

    def setter(base: Tensor, donor: Tensor, firing: Firing) -> Tensor:
        return base + fraction * (donor - base)

    setter.__name__ = f"interpolate({fraction:g})"
    setter.__doc__ = f"The base activation plus {fraction:g} of the difference to the donor's."
    return setter


def constant(values: Mapping[str, Any]) -> Setter:
    """Return a setter that writes given values: means over a store, say (mean ablation).

    Parameters
    ----------
    values
        Site → array that broadcasts against the site's dims within a step, ``tick`` first if it ticks.
    """
    given = {site: torch.as_tensor(np.asarray(value)) for site, value in values.items()}
    for site, tensor in given.items():
        if not tensor.isfinite().all():
            raise InputError(f"The values for {site!r} are not finite.")

    def setter(base: Tensor, donor: Tensor, firing: Firing) -> Tensor:
        if firing.site not in given:
            raise UnknownNameError("site among the given values", firing.site, given)
        value = given[firing.site].to(base)
        if firing.tick is not None and value.ndim == base.ndim:  # tick in the example's place
            value = value[firing.tick if len(value) > 1 else 0]
        try:
            return value.expand(base.shape)
        except RuntimeError:
            raise InputError(
                f"The values for {firing.site!r} {tuple(value.shape)} do not broadcast against "
                f"{tuple(base.shape[1:])}."
            ) from None

    setter.__name__ = "constant"
    setter.__doc__ = "Given values, the same for all examples."
    return setter


SETTERS: dict[str, Setter] = {"swap": swap, "zero": zero}


def as_setter(given: Any) -> Setter:
    """Return a setter by its name, or a function of the user's."""
    if isinstance(given, str):
        if given not in SETTERS:
            raise UnknownNameError("setter", given, SETTERS)
        return SETTERS[given]
    if not callable(given):
        raise InputError(
            f"A setter is a name or a function of (base, donor, firing), not {given!r}."
        )
    setter: Setter = given  # type: ignore[assignment]
    return setter


def setter_name(setter: Setter) -> str:
    """Return what results call a setter."""
    return getattr(setter, "__name__", type(setter).__name__)


def replacement_at(setter: Setter, base: Tensor, donor: Tensor, firing: Firing) -> Tensor:
    """Return what a setter writes at one firing, checked.

    Raises
    ------
    InputError
        If it has another shape, or is not finite.
    """
    new = setter(base, donor, firing)
    name = setter_name(setter)
    if not isinstance(new, Tensor) or new.shape != base.shape:
        shape = tuple(new.shape) if isinstance(new, Tensor) else type(new).__name__
        raise InputError(
            f"The setter {name!r} must give {tuple(base.shape)} at {firing}, not {shape}."
        )
    if not new.isfinite().all():
        raise InputError(f"What {name!r} writes at {firing} is not finite.")
    return new.to(base.dtype)
