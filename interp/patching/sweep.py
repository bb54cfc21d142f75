"""Activation patching: one generic sweep over sites, steps, ticks, squares and channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from interp.patching.blocks import Block, run_blocks
from interp.patching.engine import Resumer, pad_rows, patching_hooks
from interp.patching.grid import Bundle, Grid
from interp.patching.metrics import Metric, MetricFunction, Pair
from interp.patching.opening import grid_for, opening
from interp.patching.pairs import Direction
from interp.patching.result import table
from interp.patching.setters import Firing, Setter, replacement_at, setter_name

if TYPE_CHECKING:
    import xarray as xr

    from interp.network.site_names import SiteNames
    from interp.network.view import NetworkView


def patch_sweep(
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
    progress: bool = False,
) -> xr.Dataset:
    """Patch every cell of a table, one at a time, and measure what that does to the answer.

    A cell is a part of the activations: a site at a step and a tick, a square of it, a channel. In
    each example of the base run (the corrupted one when denoising, the clean one when noising) the
    cell is replaced by what the donor run has there, the run goes on, and the metric is read.

    The steps before a patch are computed once. Within the patched step a network that can be taken
    up in its middle (`interp.contract.ResumableNetwork`) computes only what comes after the patch. A
    patch that writes what is there already is not run at all: its effect is zero.

    Parameters
    ----------
    network_or_organism
        A recurrent network with named sites, or an organism that has one. Gradients are off.
    clean, corrupted
        Observations ``(step, example, *observation dims)`` of both runs, as the world gives them; or
        DataArrays, whose step labels are kept. Both runs are teacher-forced.
    sites
        Names or globs: each site is a column of the table. A mapping name → names groups sites that
        are patched together.
    steps, ticks
        Labels to patch: one, several, a half-open slice, or None for all (up to `read_step`).
    over
        The axes that are swept: any of ``"step"``, ``"tick"``, the sites' feature dims
        (``"channel"``, ``"y"``, ``"x"``), ``"square"`` for y and x, and ``"layer"`` to patch the
        chosen sites of a layer together. Along an axis that is not swept, all that is chosen is
        patched together. Default: step and tick.
    metric
        Name of one of `interp.patching.metrics.METRICS`, or a function of (reading, pair).
    direction
        ``"denoise"``: clean activations into the corrupted run; ``"noise"``: the reverse.
    index
        Feature dim → position, positions or slice: which of them to sweep, or, for a dim that is not
        swept, which part of it to patch.
    setter
        What is written: ``"swap"`` (the donor's activation), ``"zero"``, or a function; see
        `interp.patching.setters`.
    donors
        ``"matched"``: the example's own pair. ``"random"``: an unrelated example's donor run, the
        control. Or positions (example,).
    answers
        (clean, corrupted) actions, each (example,), that the metric contrasts; each run's choice at
        the step that is read unless given.
    read_step
        Label of the step where the metric is read; the last one unless given.
    first_step
        Label of the first step, for arrays (−thinking_steps for runs that thought first).
    batch_size
        Rows (cells × examples) a forward; bounds memory, and does not change the result.
    n_bootstrap, confidence, seed
        Of the intervals, a bootstrap over examples. `seed` also draws random donors.
    progress
        Whether a bar is shown.

    Returns
    -------
    xarray.Dataset
        ``effect`` (example, site or layer, *swept axes) float32: metric of the patched run minus that
        of the base run; ``clean_metric``, ``corrupted_metric``, ``clean_answer``,
        ``corrupted_answer``, ``donor`` (example); and over the examples, (site, *swept axes):
        ``mean_effect``, ``normalised`` (0: as the base run, 1: as the donor run of the same pair; a
        ratio of means), both with ``_low`` and ``_high``, ``p_value``, ``p_holm`` and
        ``significant``. Definitions, n and seeds are in the attributes.

    Raises
    ------
    UnknownSiteError, UnknownNameError, AddressError
        For sites, axes, labels or positions that do not exist.
    InputError
        For observations, answers, donors or activations of the wrong shape or not finite; for
        observations in other units than the network's ``observation_space`` says; and when the metric
        contrasts two answers that are the same.

    Warns
    -----
    TrainingModeWarning
        If dropout or batch norm of the network is in training mode.

    References
    ----------
    Vig et al. 2020 (arXiv 2004.12265); Meng et al. 2022 (arXiv 2202.05262); Heimersheim & Nanda 2024,
    "How to use and interpret activation patching" (arXiv 2404.15255); Zhang & Nanda 2024, on metrics
    and corruptions (arXiv 2309.16042).

    Examples
    --------
    Which squares of the top layer, at which tick, carry what differs between two sets of runs::

        table = patch_sweep(organism, clean, corrupted, "layers.2.h", steps=3, over=("tick", "square"))
        table.normalised.where(table.significant).sel(tick=0).squeeze().plot()

    Notes
    -----
    An effect holds for the base run's inputs: a cell that matters only together with another shows no
    effect when denoised alone. The p-values are Student's t over examples, no smaller than
    ``2 ** (1 − n)``, the least that a sign-flip test of n examples can give.

    Interventions that are in force (`interp.applying`) hold in both runs and in every patched one.
    """
    from tqdm import tqdm

    start = opening(
        network_or_organism, clean, corrupted, metric, setter, direction, donors, answers,
        first_step=first_step, read_step=read_step, batch_size=batch_size,
        n_bootstrap=n_bootstrap, confidence=confidence, seed=seed,
    )  # fmt: skip
    grid = grid_for(start, sites, steps, ticks, over, index)
    firings, starts = grid.firings, {min(f.step for f in b.firings) for b in grid.bundles()}
    effect = np.zeros((start.pairs.n_examples, *grid.shape), np.float32)
    found = []
    with (
        torch.inference_mode(),
        tqdm(total=effect.size, unit="patch", desc="patching", disable=not progress) as bar,
    ):
        job = _Sweep(start.view, grid, start.setter, start.metric, batch_size, bar)
        for block in run_blocks(start, firings, firings, starts):
            resumer = start.resumer(block.base)
            job.block(block, resumer, effect)
            found.append(block.pair)
    pair = Pair.concatenate(found)
    name, words = setter_name(start.setter), (start.setter.__doc__ or "").strip()
    attrs = {
        **start.attrs("activation patching"),
        "setter": f"{name}: {words.splitlines()[0] if words else ''}",
        "n_runs": job.n_run,
        "n_unchanged": effect.size - job.n_run,
        **described(network_or_organism, grid),
    }
    return table(effect, grid, pair, start.metric, direction, start.donors, start.statistics, attrs)


def described(network_or_organism: Any, grid: Grid) -> dict[str, Any]:
    """Return the attributes that say whose table it is, and what its columns patch."""
    name = getattr(network_or_organism, "name", None)
    columns = "; ".join(f"{column}: {', '.join(s)}" for column, s in grid.columns.items())
    attrs = {
        "organism": name if isinstance(name, str) else type(network_or_organism).__name__,
        "sites": columns,
    }
    for axis, labels in (("steps", grid.steps), ("ticks", grid.ticks)):
        if axis[:-1] not in grid.swept and labels:
            attrs[axis] = f"{', '.join(map(str, labels))} (together)"
    for dim, positions in grid.features.items():
        if dim not in grid.swept:
            attrs[f"{dim}_patched"] = f"{', '.join(map(str, positions))} (together)"
    return attrs


class _Sweep:
    """One sweep: blocks of examples, within them bundles of firings, within them chunks of rows."""

    def __init__(
        self,
        view: NetworkView,
        grid: Grid,
        setter: Setter,
        metric: Metric,
        batch_size: int,
        bar: Any,
    ):
        self.view, self.grid = view, grid
        self.setter, self.metric = setter, metric
        self.batch_size, self.bar = batch_size, bar
        self.bundles = list(grid.bundles())
        self.first = {bundle: min(f.step for f in bundle.firings) for bundle in self.bundles}
        self.n_run = 0

    def block(self, block: Block, resumer: Resumer, effect: np.ndarray) -> None:
        """Fill in the effects (example, *grid.shape) of a block of examples."""
        n, prepared = len(block.rows), None
        for bundle in self.bundles:
            step = self.first[bundle]
            if step != prepared:
                alike = [b.firings for b in self.bundles if self.first[b] == step]
                resumer.prepare(step, alike)
                prepared = step
            replacements = {
                f: replacement_at(
                    self.setter, block.base.firings[f][:n], block.donor.firings[f][:n], f
                )
                for f in bundle.firings
            }
            where = (block.span, *bundle.position)
            part = self._bundle(bundle, block, replacements, resumer)
            effect[where] = part.reshape(effect[where].shape)

    def _bundle(
        self,
        bundle: Bundle,
        block: Block,
        replacements: Mapping[Firing, Tensor],
        resumer: Resumer,
    ) -> np.ndarray:
        """Return the effects of one bundle's cells, (example, cell)."""
        grid, before, n = self.grid, block.before, len(block.rows)
        changed = torch.zeros(n, len(grid.cells), dtype=torch.bool, device=before.device)
        for firing, new in replacements.items():
            changed |= grid.per_cell(new != block.base.firings[firing][:n], firing.site, "any")
        effect = torch.zeros(changed.shape, dtype=before.dtype, device=before.device)
        cell_of, example_of = changed.T.nonzero(as_tuple=True)
        self.bar.update(changed.numel() - len(cell_of))
        self.n_run += len(cell_of)
        cells, now = grid.cells, {}

        def write(firing: Firing, tensor: Tensor, new: Tensor) -> Tensor:
            written = new[now["examples"]].to(tensor.dtype)
            mask = grid.mask(firing.site, tensor.shape[1:], now["cells"], tensor.device)
            return written if mask is None else torch.where(mask, written, tensor)

        if not len(cell_of):
            return effect.cpu().numpy()
        with patching_hooks(self.view, replacements, write):
            for cell, example in zip(
                cell_of.split(self.batch_size), example_of.split(self.batch_size), strict=True
            ):
                rows = pad_rows(example)
                now["examples"], now["cells"] = rows, cells[pad_rows(cell).cpu().numpy()]
                reading = resumer.continue_from(bundle.firings, rows)
                after = self.metric(reading, block.pair.take(rows))[: len(example)]
                effect[example, cell] = after - before[example]
                self.bar.update(len(example))
        return effect.cpu().numpy()
