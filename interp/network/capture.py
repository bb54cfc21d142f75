"""Collect the firings of named sites, copied, so that nothing the network does later changes them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import torch

from interp.errors import InputError
from interp.network.hooks import check_rank, sites_of
from interp.network.site_names import select_sites


class Capture:
    """Keep what fires at some sites while a ``with`` block runs.

    Parameters
    ----------
    network
        Anything with ``hook_dict`` and ``hooks()``.
    sites
        Names or globs; see `interp.network.site_names.select_sites`.
    device
        Where the copies are kept; default where the tensors are.

    Raises
    ------
    UnknownSiteError
        If a site does not exist.
    InputError
        If the network has no hook points.

    Examples
    --------
    ::

        with Capture(network, ["layers.2.h"]) as capture:
            network(observations)
        capture.stacked()["layers.2.h"]        # (step, batch, tick, channel, y, x)
    """

    def __init__(self, network: Any, sites: Iterable[str], device: Any = None):
        self.network = network
        known = sites_of(network)
        self.dims = {site: known[site] for site in select_sites(sites, known)}
        self.device = device
        self._stack = ExitStack()
        self._firings: dict[str, list[torch.Tensor]] = {}
        self._steps: dict[str, list[int | None]] = {}
        self._clear()

    def _clear(self) -> None:
        self._firings = {site: [] for site in self.dims}
        self._steps = {site: [] for site in self.dims}

    def _keep(self, tensor: torch.Tensor, hook: Any) -> None:
        # Not `detach()` alone: the network may write into this memory at its next tick.
        self._firings[hook.name].append(tensor.detach().to(self.device, copy=True))
        clock = getattr(hook, "clock", None)
        self._steps[hook.name].append(None if clock is None else clock.step)

    def __enter__(self) -> Capture:
        self._clear()
        if self.dims:
            hooks = [(site, self._keep) for site in self.dims]
            self._stack.enter_context(self.network.hooks(fwd_hooks=hooks))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def take(self) -> dict[str, torch.Tensor]:
        """Return the firings of one step as ``(batch, *dims)`` and forget them.

        Raises
        ------
        InputError
            If a site did not fire, or fired more than once in the step without declaring ticks.
        """
        taken = {site: tensor[0] for site, tensor in self.stacked(expect_steps=1).items()}
        self._clear()
        return taken

    def stacked(self, expect_steps: int | None = None) -> dict[str, torch.Tensor]:
        """Return all firings so far as ``(step, batch, *dims)``, ``tick`` first among the dims."""
        return {site: self._stack_site(site, expect_steps) for site in self.dims}

    def _stack_site(self, site: str, expect_steps: int | None) -> torch.Tensor:
        firings, steps = self._firings[site], self._steps[site]
        n_steps = len(dict.fromkeys(steps)) if expect_steps is None else expect_steps
        if not firings or len(firings) % n_steps:
            raise InputError(
                f"The site {site!r} fired {len(firings)} times in {n_steps} steps: its firings "
                "cannot be laid out along step and tick. Hooks must not skip ticks."
            )
        per_step = len(firings) // n_steps
        ticks = self.dims[site][:1] == ("tick",)
        check_rank(site, firings[0], self.dims[site][ticks:])
        if per_step > 1 and not ticks:
            raise InputError(
                f"The site {site!r} fired {per_step} times a step but declares no tick dim; "
                "declare it with ticks=True so that no firing is dropped."
            )
        if not ticks:
            return torch.stack(firings)
        by_step = [
            torch.stack(firings[i : i + per_step], dim=1) for i in range(0, len(firings), per_step)
        ]
        return torch.stack(by_step)
