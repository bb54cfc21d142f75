"""Collect the firings of named sites, copied, so that nothing the network does later changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from interp.errors import InputError
from interp.network.site_names import select_sites
from interp.network.view import NetworkView, check_rank


class Firing(NamedTuple):
    """One firing and where the clock said it was."""

    step: int | None
    tick: int | None
    first_step: int
    tensor: torch.Tensor


class Firings(dict[str, torch.Tensor]):
    """Site → its firings (step, batch, *dims), in the order of the clock's labels.

    Attributes
    ----------
    fired : dict of str to Tensor
        Site → (step,) or (step, tick) bool: False where the site did not fire and NaN stands instead.
        ``fired[site].sum(1)`` is the number of ticks of every step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fired: dict[str, torch.Tensor] = {}


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
        self.view = NetworkView(network)
        known = self.view.sites
        self.dims = {site: known[site] for site in select_sites(sites, known)}
        self.device = device
        self._stack = ExitStack()
        self._firings: dict[str, list[Firing]] = {}
        self._n_ticks: dict[str, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._firings = {site: [] for site in self.dims}

    def _keep(self, tensor: torch.Tensor, hook: Any) -> None:
        # Not `detach()` alone: the network may write into this memory at its next tick.
        kept = tensor.detach().to(self.device, copy=True)
        clock = self.view.clock
        self._firings[hook.name].append(Firing(clock.step, clock.tick, clock.first_step, kept))

    def __enter__(self) -> Capture:
        self._clear()
        self._n_ticks = {}
        self.view.warn_in_training_mode()
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
            If a site did not fire, fired in several steps, more than once in the step without declaring
            ticks, or in another number of ticks than at the steps taken before.
        """
        taken = {}
        for site in self.dims:
            cells = self._cells(site)
            step = self._firings[site][0].step or 0
            if any(other != step for other, _ in cells):
                raise InputError(f"The site {site!r} fired in more than the step {step}.")
            taken[site] = self._laid_out(site, cells, [step])[0]
        for site, tensor in taken.items():
            n = tensor.shape[1] if self.view.ticks(site) else 1
            if self._n_ticks.setdefault(site, n) != n:
                raise InputError(
                    f"The site {site!r} fired in {self._n_ticks[site]} ticks of one step and {n} of "
                    "another: steps taken one by one need as many ticks each."
                )
        self._clear()
        return taken

    def stacked(self) -> Firings:
        """Return all firings so far as ``(step, batch, *dims)``, ``tick`` first among the dims.

        A firing stands where the clock said it was. Steps count from the first of the run and ticks
        from 0; where others fired and this one did not (a step of fewer ticks), there is NaN, and
        False in ``fired``.

        Raises
        ------
        InputError
            If a site never fired, fired twice at one place, in several shapes, or not everywhere and is
            no float that could be NaN.
        """
        firings = Firings()
        for site in self.dims:
            cells = self._cells(site)
            steps, n_ticks = self._steps(site), _n_ticks(cells)
            firings[site] = self._laid_out(site, cells, steps)
            fired = [[(step, tick) in cells for tick in range(n_ticks)] for step in steps]
            there = torch.tensor(fired)
            firings.fired[site] = there if self.view.ticks(site) else there[:, 0]
        return firings

    def _cells(self, site: str) -> dict[tuple[int, int], torch.Tensor]:
        """Return (step, tick) → what fired there; one tick, 0, for a site without ticks."""
        firings, ticks = self._firings[site], self.view.ticks(site)
        if not firings:
            raise InputError(
                f"The site {site!r} never fired while it was captured. {self.view.why_silent(site)}"
            )
        shape = firings[0].tensor.shape
        check_rank(site, firings[0].tensor, self.view.feature_dims(site))
        cells: dict[tuple[int, int], torch.Tensor] = {}
        for firing in firings:
            if firing.tensor.shape != shape:
                raise InputError(
                    f"The site {site!r} fired {tuple(shape)} and {tuple(firing.tensor.shape)} (at "
                    f"step {firing.step}, tick {firing.tick}): one array cannot hold both."
                )
            at = (firing.step or 0, (firing.tick or 0) if ticks else 0)
            if at in cells:
                raise InputError(_twice(site, firing, len(firings), ticks))
            cells[at] = firing.tensor
        return cells

    def _steps(self, site: str) -> range:
        """Return the labels from the run's first step to the last at which the site fired."""
        firings = self._firings[site]
        steps = [firing.step or 0 for firing in firings]
        beginnings = [firing.first_step for firing in firings if firing.step is not None]
        return range(min([*steps, *beginnings]), max(steps) + 1)

    def _laid_out(
        self, site: str, cells: dict[tuple[int, int], torch.Tensor], steps: Sequence[int]
    ) -> torch.Tensor:
        n_ticks = _n_ticks(cells)
        rows = [[(step, tick) for tick in range(n_ticks)] for step in steps]
        if len(cells) < len(steps) * n_ticks:
            cells = self._padded(site, cells, rows)
        if self.view.ticks(site):
            by_step = [torch.stack([cells[at] for at in row], dim=1) for row in rows]
        else:
            by_step = [cells[row[0]] for row in rows]
        # A closed loop takes one step at a time: what is kept is a copy already.
        return torch.stack(by_step) if len(by_step) > 1 else by_step[0][None]

    @staticmethod
    def _padded(
        site: str, cells: dict[tuple[int, int], torch.Tensor], rows: list[list[tuple[int, int]]]
    ) -> dict[tuple[int, int], torch.Tensor]:
        """Return the cells with NaN where the site did not fire."""
        like = next(iter(cells.values()))
        holes = [at for row in rows for at in row if at not in cells]
        if not like.is_floating_point():
            step, tick = holes[0]
            raise InputError(
                f"The site {site!r} did not fire at step {step}, tick {tick}, where others did, and "
                f"{like.dtype} has no NaN to stand there."
            )
        return cells | dict.fromkeys(holes, torch.full_like(like, torch.nan))


def _n_ticks(cells: Iterable[tuple[int, int]]) -> int:
    return 1 + max(tick for _, tick in cells)


def _twice(site: str, firing: Firing, n: int, ticks: bool) -> str:
    at = f"step {firing.step}" + (f", tick {firing.tick}" if ticks else "")
    if not ticks:
        return (
            f"The site {site!r} fired more than once at {at} ({n} firings in all) but declares no tick "
            "dim; declare it with ticks=True so that no firing is dropped, or capture one forward "
            "at a time."
        )
    return (
        f"The site {site!r} fired more than once at {at} as the clock said: move the clock with "
        "clock.steps and clock.ticks, or capture one forward at a time."
    )
