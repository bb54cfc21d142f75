"""What every way of patching is given, checked once and put into one form."""

from __future__ import annotations

from typing import Any, NamedTuple

from interp.errors import check_integer
from interp.patching.engine import resolve
from interp.patching.grid import pick
from interp.patching.metrics import Metric, MetricFunction, as_metric
from interp.patching.pairs import Pairs, as_pairs
from interp.patching.result import Statistics
from interp.patching.setters import Setter, as_setter


class Opening(NamedTuple):
    """Whose activations are patched, in which runs, and how the effect is read."""

    network: Any
    pairs: Pairs
    metric: Metric
    setter: Setter
    statistics: Statistics
    read_step: int


def opening(
    network_or_organism: Any,
    clean: Any,
    corrupted: Any,
    metric: str | MetricFunction,
    setter: str | Setter,
    *,
    first_step: int | None,
    read_step: int | None,
    batch_size: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> Opening:
    """Return the arguments that all ways of patching share, checked; see `interp.patching.patch_sweep`."""
    network = resolve(network_or_organism)
    pairs = as_pairs(clean, corrupted, first_step)
    how = as_metric(metric), as_setter(setter)
    check_integer("batch_size", batch_size, 1)
    statistics = Statistics(n_bootstrap, confidence, seed)
    read = pairs.steps[-1] if read_step is None else pick("read_step", read_step, pairs.steps)[0]
    return Opening(network, pairs, *how, statistics, read)
