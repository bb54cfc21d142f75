"""Attribution patching: the whole table from one gradient, to first order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import AddressError, InputError
from interp.network.gradients import gradients_on, ordinary
from interp.network.view import NetworkView
from interp.patching.engine import reading_of, run_unpatched
from interp.patching.grid import Grid
from interp.patching.metrics import (
    MetricFunction,
    Pair,
    Reading,
    check_contrast,
    make_pair,
)
from interp.patching.opening import Opening, grid_for, opening
from interp.patching.pairs import Direction
from interp.patching.result import table
from interp.patching.setters import Firing, Setter, replacement_at
from interp.patching.sweep import described

if TYPE_CHECKING:
    import xarray as xr

    from interp.network.site_names import SiteNames


def attribution_patch(
    network_or_organism: Any,
    clean: Any,
    corrupted: Any,
    sites: SiteNames | Mapping[str, SiteNames] = None,
    steps: Any = None,
    ticks: Any = None,
    over: Iterable[str] | None = None,
    metric: str | MetricFunction = "logit_difference",
    direction: Direction = "denoise",
    *,
    index: Mapping[str, Any] | None = None,
    setter: str | Setter = "swap",
    donors: Any = "matched",
    answers: Any = None,
    read_step: int | None = None,
    first_step: int | None = None,
    batch_size: int = 128,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Estimate every effect of `patch_sweep` by gradient × difference, in three passes.

    The effect of writing ``new`` where the base run has ``old`` is, to first order,
    ``(new − old) · ∂metric/∂old``, summed over what is patched together. One forward pass of the donor
    run, one forward and one backward pass of the base run give it for every cell of every site.

    Parameters
    ----------
    network_or_organism, clean, corrupted, sites, steps, ticks, over, metric, direction, index, setter, \
donors, answers, read_step, first_step, n_bootstrap, confidence, seed
        As in `interp.patching.patch_sweep`; the metric is made of differentiable operations.
    batch_size
        Examples a pass; bounds memory.

    Returns
    -------
    xarray.Dataset
        As `patch_sweep` gives, with estimates for effects. Compare them with exact ones with
        `interp.patching.agreement` before believing them.

    Raises
    ------
    UnknownSiteError, UnknownNameError, AddressError, InputError
        As `patch_sweep`; and if the network or the metric has no gradient. Whether the session has
        switched gradients off (``no_grad``, ``inference_mode``) does not matter.

    References
    ----------
    Nanda 2023, "Attribution patching: activation patching at industrial scale"; Syed et al. 2023
    (arXiv 2310.10348); Kramár et al. 2024 (arXiv 2403.00745), on where it fails.

    Notes
    -----
    A saturated gate has almost no gradient, however much it does when it is patched: first-order
    estimates miss such cells. Effects of parts that are patched together are sums, without their
    interaction.
    """
    start = opening(
        network_or_organism, clean, corrupted, metric, setter, direction, donors, answers,
        first_step=first_step, read_step=read_step, batch_size=batch_size,
        n_bootstrap=n_bootstrap, confidence=confidence, seed=seed,
    )  # fmt: skip
    with gradients_on(start.view.network):
        grid = grid_for(start, sites, steps, ticks, over, index)
        effect, pair = _estimated(start, grid)
    attrs = {
        **start.attrs("attribution patching: gradient × difference, first order"),
        **described(network_or_organism, grid),
    }
    return table(effect, grid, pair, start.metric, direction, start.donors, start.statistics, attrs)


def _estimated(start: Opening, grid: Grid) -> tuple[np.ndarray, Pair]:
    """Return the estimates (example, *grid.shape), and what both runs answer."""
    view, pairs, metric, setter = start.view, start.pairs, start.metric, start.setter
    base, donor = (ordinary(o) for o in pairs.base_and_donor(start.direction))
    chosen, read = start.donors, start.read_step
    matched = np.array_equal(chosen, np.arange(pairs.n_examples))
    effect = np.zeros((pairs.n_examples, *grid.shape), np.float32)
    firings, found = grid.firings, []
    for rows in torch.arange(pairs.n_examples).split(start.batch_size):
        with torch.no_grad():
            first = pairs.first_step
            kept = firings if matched else ()
            own = run_unpatched(view, donor[:, rows], first, kept, read, examples=rows)
            given = own
            if not matched:
                others = torch.from_numpy(chosen)[rows]
                given = run_unpatched(view, donor[:, others], first, firings, read, examples=others)
        with torch.enable_grad():
            values, reading = _traced(view, base[:, rows], first, firings, read, rows)
            readings = (own.reading, reading.detach())
            both = readings if start.direction == "denoise" else readings[::-1]
            pair = make_pair(both[0], both[1], start.answers, rows)
            check_contrast(pair, metric, rows)
            gradients = _gradients(metric(reading, pair).sum(), list(values.values()))
        found.append(pair)
        slopes = dict(zip(values, gradients, strict=True))
        with torch.no_grad():
            products = {}
            for firing, old in values.items():
                new, slope = (
                    replacement_at(setter, old, given.firings[firing], firing),
                    slopes[firing],
                )
                change = torch.zeros_like(old) if slope is None else (new - old) * slope
                products[firing] = grid.per_cell(change, firing.site, "sum")
        for bundle in grid.bundles():
            part = sum(products[firing] for firing in bundle.firings)
            where = (slice(int(rows[0]), int(rows[-1]) + 1), *bundle.position)
            effect[where] = part.cpu().numpy().reshape(effect[where].shape)  # type: ignore[union-attr]
    return effect, Pair.concatenate(found)


def _gradients(total: Tensor, values: list[Tensor]) -> Sequence[Tensor | None]:
    if not total.requires_grad:
        raise InputError(
            "The metric has no gradient: nothing that is patched reaches it by differentiable "
            "operations (is it detached, or taken before the patches?)."
        )
    try:
        return torch.autograd.grad(total, values, allow_unused=True)
    except RuntimeError as error:
        raise InputError(
            f"The network's gradient cannot be taken; does it write into its own state? ({error})"
        ) from error


def _traced(
    view: NetworkView,
    observations: Tensor,
    first_step: int,
    firings: list[Firing],
    read_step: int,
    rows: Tensor,
) -> tuple[dict[Firing, Tensor], Reading]:
    """Run from the first firing's step with gradients; return the firings and the reading."""
    observations = observations.to(view.device)
    wanted, network, clock = set(firings), view.network, view.clock
    values: dict[Firing, Tensor] = {}

    def keep(tensor: Tensor, hook: Any) -> Tensor | None:
        at = Firing(hook.name, clock.step, clock.tick)  # type: ignore[arg-type]
        if at not in wanted:
            return None
        if not torch.is_grad_enabled():
            raise InputError(
                f"The network switches gradients off where it computes {hook.name!r} (torch.no_grad "
                "or inference_mode in its forward): there is nothing to estimate effects from."
            )
        if not tensor.requires_grad:
            tensor = tensor.detach().requires_grad_()
        values[at] = tensor
        return tensor.clone()  # the network may write into what it gets back

    start, state = min(firing.step for firing in firings), None
    examples = rows.numpy()
    if start > first_step:
        with torch.no_grad(), clock.run(first_step=first_step, examples=examples):
            state = network(observations[: start - first_step], None).state
    sites = dict.fromkeys(firing.site for firing in firings)
    with (
        network.hooks(fwd_hooks=[(site, keep) for site in sites]),
        clock.run(first_step=start, examples=examples),
    ):
        output = network(observations[start - first_step : read_step - first_step + 1], state)
    missing = wanted - set(values)
    if missing:
        raise AddressError(f"Never fired during the run: {min(missing)} ({len(missing)} in all).")
    return values, reading_of(output)
