"""What every way of patching is given, checked once and put into one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import InputError, MesascopeError, check_integer
from interp.network.view import NetworkView
from interp.patching.engine import Resumer, Run, reading_of, resolve
from interp.patching.grid import Grid, make_grid, pick, sites_named
from interp.patching.metrics import Metric, MetricFunction, as_metric, check_answers
from interp.patching.pairs import Direction, Pairs, as_pairs, donor_examples
from interp.patching.result import Statistics
from interp.patching.setters import Setter, as_setter, setter_name
from interp.runs.observations import check_units


@dataclass(frozen=True)
class Opening:
    """Whose activations are patched, in which runs, and how the effect is read."""

    view: NetworkView
    """Of the network."""
    pairs: Pairs
    metric: Metric
    setter: Setter
    direction: Direction
    donors: np.ndarray
    """(example,) int64."""
    donors_said: str
    answers: tuple[Tensor, Tensor] | None
    statistics: Statistics
    read_step: int
    batch_size: int

    @property
    def steps(self) -> list[int]:
        """Return the labels of the steps up to the one that is read."""
        return [step for step in self.pairs.steps if step <= self.read_step]

    def resumer(self, run: Run) -> Resumer:
        """Return what runs rows of an unpatched run on."""
        return Resumer(self.view, run, self.pairs.first_step, self.read_step)

    def attrs(self, method: str) -> dict[str, Any]:
        """Return the attributes that the results of all ways of patching have."""
        return {
            "method": method,
            "setter": setter_name(self.setter),
            "donors": self.donors_said,
            "read_step": self.read_step,
        }


def opening(
    network_or_organism: Any,
    clean: Any,
    corrupted: Any,
    metric: str | MetricFunction,
    setter: str | Setter,
    direction: Direction,
    donors: Any,
    answers: Any,
    *,
    first_step: int | None,
    read_step: int | None,
    batch_size: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> Opening:
    """Return the arguments that all ways of patching share, checked; see `interp.patching.patch_sweep`."""
    view = resolve(network_or_organism)
    view.warn_in_training_mode()
    pairs = as_pairs(clean, corrupted, first_step)
    for shown in (pairs.clean, pairs.corrupted):
        check_units(shown, getattr(view.network, "observation_space", None))
    how = as_metric(metric), as_setter(setter)
    check_integer("batch_size", batch_size, 1)
    statistics = Statistics(n_bootstrap, confidence, seed)
    read = pairs.steps[-1] if read_step is None else pick("read_step", read_step, pairs.steps)[0]
    pairs.base_and_donor(direction)  # checks the direction
    return Opening(
        view,
        pairs,
        *how,
        direction,
        donor_examples(donors, pairs.n_examples, seed),
        donors if isinstance(donors, str) else "given",
        check_answers(answers, pairs.n_examples),
        statistics,
        read,
        batch_size,
    )


def grid_for(start: Opening, sites: Any, steps: Any, ticks: Any, over: Any, index: Any) -> Grid:
    """Return the table's cells."""
    known = start.view.sites
    sizes = measure_sizes(start.view, start.pairs, sites_named(known, sites))
    return make_grid(known, sizes, start.steps, sites, steps, ticks, over, index)


def measure_sizes(view: NetworkView, pairs: Pairs, sites: list[str]) -> dict[str, tuple[int, ...]]:
    """Return site → sizes of its dims within a step, seen in one step of one example.

    Raises
    ------
    InputError
        If the network cannot be run step by step.
    """
    from interp.network.capture import Capture

    network, observation = view.network, pairs.clean[:1, :1].to(view.device)
    try:
        with torch.no_grad(), view.clock.run(), Capture(network, sites) as capture:
            output = network(observation, None)
    except MesascopeError:
        raise
    except Exception as error:
        raise InputError(
            f"This {type(network).__name__} cannot be run on a step of observations "
            f"{tuple(observation.shape)}, (step, batch, …), and a state: {error}. Patching goes step by "
            "step; give the network a step with interp.agent or interp.wrap."
        ) from error
    reading_of(output)
    return {site: tuple(tensor.shape[2:]) for site, tensor in capture.stacked().items()}
