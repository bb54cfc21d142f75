"""Hook points for any ``torch.nn.Module``, without rewriting it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from interp.errors import InputError, UnknownNameError
from interp.network.hooks import HookedNetwork, SitePoint, has_hook_points, refuse_compiled


@dataclass(frozen=True)
class Site:
    """Where a site of a wrapped module is.

    Parameters
    ----------
    module
        Dotted name of the submodule whose output is the site (``"encoder.0"``).
    dims
        Names of the output's dims after the batch; may be left empty.
    output
        Position of the tensor in the submodule's output if that is a tuple or list (an LSTM's, say).
    ticks
        Whether the submodule is called repeatedly within one forward (a looped block).
    """

    module: str
    dims: tuple[str, ...] = ()
    output: int | None = None
    ticks: bool = False


class WrappedNetwork(HookedNetwork):
    """A module of the user's with hook points on the outputs of some submodules.

    A forward is one step; a submodule called several times within it ticks, counted per site.

    Attributes
    ----------
    module : torch.nn.Module
        The wrapped module itself; its parameters are shared, its code untouched.
    """

    def __init__(self, module: torch.nn.Module, sites: Mapping[str, Site]):
        super().__init__()
        self.module = module
        submodules = dict(module.named_modules())
        self._firings: dict[str, int] = {}
        for name, site in sites.items():
            if not isinstance(name, str) or not isinstance(site, Site):
                raise InputError(
                    f"The site {name!r} is given as {site!r}: a Site or a module's name."
                )
            if site.module not in submodules:
                raise UnknownNameError("submodule", site.module, submodules)
            point = SitePoint(*site.dims, ticks=site.ticks)
            self._add_point(name, point)
            submodules[site.module].register_forward_hook(self._forward_hook(name, site, point))
        self.setup()

    def _add_point(self, name: str, point: SitePoint) -> None:
        # A module's name cannot hold a dot, so "a.b" becomes the module b inside a container a.
        *parents, leaf = name.split(".")
        holder: torch.nn.Module = self
        for parent in parents:
            if parent == "module" and holder is self:
                raise InputError(f"The site name {name!r} may not begin with 'module.'.")
            if not hasattr(holder, parent):
                holder.add_module(parent, torch.nn.Module())
            holder = getattr(holder, parent)
            if not isinstance(holder, torch.nn.Module):
                raise InputError(f"The site name {name!r} is taken: {parent!r} is an attribute.")
        # `setup` makes the last two, after all sites are there.
        taken = hasattr(holder, leaf) or leaf in (*dir(type(holder)), "hook_dict", "mod_dict")
        if not leaf or taken:
            raise InputError(f"The site name {name!r} is taken or empty; choose another.")
        holder.add_module(leaf, point)

    def _forward_hook(self, name: str, site: Site, point: SitePoint):
        def fire(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
            if not self.clock.running:
                return None  # the user's own call of the bare module
            tick = self._firings.get(name, 0)
            if tick and not site.ticks:
                raise InputError(
                    f"The site {name!r} fired twice in one forward; declare it with ticks=True."
                )
            self._firings[name] = tick + 1
            tensor = output
            if site.output is not None:
                if not isinstance(output, tuple | list) or not -len(output) <= site.output < len(
                    output
                ):
                    raise InputError(
                        f"The output of {site.module!r} has no part {site.output}: it is a "
                        f"{type(output).__name__}; parts are those of a tuple or list."
                    )
                tensor = output[site.output]
            if not isinstance(tensor, torch.Tensor):
                raise InputError(
                    f"The output of {site.module!r} is a {type(tensor).__name__}, not a tensor; "
                    "say with Site(output=…) which part is the site."
                )
            self.clock.tick = tick if site.ticks else None
            try:
                changed = point(tensor)
            finally:
                self.clock.tick = None
            if site.output is None:
                return changed
            parts = list(output)
            parts[site.output] = changed
            if hasattr(output, "_fields"):
                return type(output)(*parts)
            return type(output)(parts)

        return fire

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapped module once, as one step."""
        with self.clock.run():
            self._firings.clear()
            for _ in self.clock.steps(1):
                output = self.module(*args, **kwargs)
            return output


def wrap(
    module: torch.nn.Module, sites: Mapping[str, Site | str] | Iterable[str]
) -> WrappedNetwork:
    """Give any module hook points, so that it can be captured, recorded and intervened on.

    Parameters
    ----------
    module
        The module; it is not changed beyond the forward hooks that fire the sites, and calling it
        directly behaves as before.
    sites
        Names of submodules (each becomes a site of that name), or site name → `Site` or
        submodule name.

    Returns
    -------
    WrappedNetwork
        Has ``sites``, ``clock``, ``hook_dict``, ``hooks()``, ``run_with_hooks``, ``run_with_cache``.

    Raises
    ------
    UnknownNameError
        If a submodule does not exist; names the nearest.
    InputError
        If the module is compiled or has hook points already; when it runs, if a site fires more
        often than declared, or is no tensor.

    Examples
    --------
    >>> import torch
    >>> network = wrap(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), ["0", "1"])
    >>> output, cache = network.run_with_cache(torch.ones(2, 3))
    >>> cache["1"].shape                         # (step, batch, unit)
    torch.Size([1, 2, 4])
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"wrap takes a torch.nn.Module, not a {type(module).__name__}.")
    refuse_compiled(module)
    # Wrapping would rename their hook points, and break whoever uses them under the old names.
    if has_hook_points(module):
        raise InputError(
            f"{type(module).__name__} has hook points already: use it as it is, without wrap."
        )
    if isinstance(sites, str):
        sites = [sites]
    if not isinstance(sites, Iterable):
        raise InputError(f"sites are names of submodules, or names and Sites; got {sites!r}.")
    named = sites if isinstance(sites, Mapping) else {name: name for name in sites}
    return WrappedNetwork(
        module, {name: Site(s) if isinstance(s, str) else s for name, s in named.items()}
    )
