"""Hook points that know their dims and their place in the run. The one file that touches TransformerLens."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import Any

import torch
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from interp.errors import InputError
from interp.network.capture import Capture, Firings
from interp.network.clock import Clock
from interp.network.site_names import SiteNames, select_sites
from interp.network.view import NetworkView as NetworkView
from interp.network.view import check_rank as check_rank
from interp.network.view import clock_of as clock_of
from interp.network.view import device_of as device_of
from interp.network.view import sites_of as sites_of


class SitePoint(HookPoint):
    """A TransformerLens hook point that carries the names of its dims and the network's clock.

    Calling it returns its input, changed by whatever hooks are attached.

    Parameters
    ----------
    *dims
        Names of the feature dims of one firing, after the batch: ``"channel", "y", "x"``.
    ticks
        Whether the site fires once per tick (True) or once per step (False).

    Attributes
    ----------
    dims : tuple of str
        All named dims of the site within a step: `dims`, with ``"tick"`` first if it ticks.
    clock : Clock
        The clock of the network the site belongs to (set by `HookedNetwork.setup`).
    batch_is_known : bool
        Whether the first axis of a firing is sure to be the batch.
    doubt : str or None
        In words, why the rows of the firing that happens now are not the examples.
    """

    def __init__(self, *dims: str, ticks: bool = False):
        super().__init__()
        self.dims = ("tick", *dims) if ticks else tuple(dims)
        self.clock = Clock()
        self.batch_is_known = True
        self.doubt: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What is attached to a network is attached to it and not to its copies: a copy made inside
        # a `with` block would otherwise be intervened on for ever.
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        return {
            **self.__dict__,
            **{name: OrderedDict() for name in hooks},
            "fwd_hooks": [],
            "bwd_hooks": [],
        }

    @property
    def ticks(self) -> bool:
        """Whether the site fires once per tick."""
        return self.dims[:1] == ("tick",)

    @property
    def is_idle(self) -> bool:
        """Whether no hook is attached, so that firing it cannot change anything."""
        return not self.fwd_hooks and not self.bwd_hooks


class HookedNetwork(HookedRootModule):
    """A network whose sites have names, dims and a clock.

    Subclasses create `SitePoint`s anywhere among their modules, call ``self.setup()`` as the last
    line of ``__init__``, and move ``self.clock`` in their forward. Everything a TransformerLens
    user expects (``hook_dict``, ``hooks()``, ``run_with_hooks``, ``run_with_cache``) works.

    Attributes
    ----------
    clock : Clock
    sites : dict of str to tuple of str
        Every site and the names of its dims within a step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()

    def setup(self) -> None:
        """Name the sites after their module paths and hand them the clock."""
        super().setup()
        for name, point in self.hook_dict.items():
            if not isinstance(point, SitePoint):
                raise InputError(f"{name!r} is a bare HookPoint; use SitePoint, which has dims.")
            point.clock = self.clock

    @property
    def sites(self) -> dict[str, tuple[str, ...]]:
        """Every site and the names of its dims within a step."""
        return {name: point.dims for name, point in self.hook_dict.items()}  # type: ignore[union-attr]

    @property
    def device(self) -> torch.device:
        """The device of the network's parameters."""
        return device_of(self)

    @contextmanager
    def hooks(self, fwd_hooks=(), bwd_hooks=(), reset_hooks_end=True, clear_contexts=False):  # type: ignore[override]
        """Attach hooks for the length of a ``with`` block, as in TransformerLens.

        Raises
        ------
        UnknownSiteError
            For a hook on a site that does not exist, or a filter that matches none.
        InputError
            If the network is compiled: hooks attached after ``torch.compile`` never fire.
        """
        refuse_compiled(self)
        forward: list[Any]
        backward: list[Any]
        forward, backward = (
            [(site, hook) for name, hook in hooks for site in select_sites(name, self.hook_dict)]
            for hooks in (fwd_hooks, bwd_hooks)
        )
        with super().hooks(forward, backward, reset_hooks_end, clear_contexts):
            yield self

    def add_hook(self, name, hook, *args, **kwargs) -> None:  # type: ignore[override]
        """Attach one hook until `reset_hooks`, as in TransformerLens; a misspelt name raises."""
        refuse_compiled(self)
        select_sites(name, self.hook_dict)
        super().add_hook(name, hook, *args, **kwargs)

    def run_with_cache(  # type: ignore[override]
        self,
        *args: Any,
        names_filter: SiteNames = None,
        device: torch.device | str | None = None,
        remove_batch_dim: bool = False,
        incl_bwd: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, Firings]:
        """Run the network and return its output with *every* firing of the sites asked for.

        TransformerLens keeps the last firing of a hook point; a recurrent network fires one site
        many times. Here each site's firings are stacked along named axes instead.

        Parameters
        ----------
        *args, **kwargs
            Passed to the network.
        names_filter
            A site, several, or a predicate on names. None means every site.
        device
            Where to keep the cache; default where the tensors are.
        remove_batch_dim, incl_bwd
            As in TransformerLens, and refused: a firing has a step and a tick to keep apart, and a
            backward pass has no clock. Use ``cache[site][:, 0]`` and ``tensor.register_hook``.

        Returns
        -------
        output
            What the network returned.
        cache : Firings
            A dict, site → tensor ``(step, batch, *dims)``, where dims are ``network.sites[site]``
            (``tick`` first if the site ticks). Copies: nothing the network does later changes them.
            Where steps have unequal numbers of ticks there is NaN, and ``cache.fired`` counts.

        Raises
        ------
        UnknownSiteError
            If `names_filter` names a site that does not exist.
        """
        if remove_batch_dim or incl_bwd:
            raise InputError(
                "run_with_cache keeps every firing as (step, batch, tick, …); remove_batch_dim and "
                "incl_bwd are not supported. Index the cache instead, or register tensor hooks."
            )
        kwargs.pop("return_cache_object", None)
        capture = Capture(self, select_sites(names_filter, self.hook_dict), device=device)
        with capture, self.clock.run():
            output = self(*args, **kwargs)
        return output, capture.stacked()


def refuse_compiled(module: torch.nn.Module) -> None:
    """Raise InputError if `module`, any part of it or the forward of one is compiled.

    Hooks that are attached after ``torch.compile`` are silently never called.
    """
    for name, part in module.named_modules():
        compiled = getattr(part, "_compiled_call_impl", None) is not None
        if compiled or type(part).__name__ == "OptimizedModule":
            what = f"The module {name or type(part).__name__!r}"
        elif is_compiled(part.forward):
            what = f"The forward of the module {name or type(part).__name__!r}"
        else:
            continue
        raise InputError(
            f"{what} is compiled with torch.compile; hooks attached now would never fire. Use the "
            "uncompiled module for analysis."
        )


def is_compiled(function: Any) -> bool:
    """Tell whether a function is what ``torch.compile`` returned."""
    return getattr(function, "_torchdynamo_orig_callable", None) is not None


def has_hook_points(module: torch.nn.Module) -> bool:
    """Tell whether a module, or any part of it, is a hook point."""
    return any(isinstance(part, HookPoint) for part in module.modules())
