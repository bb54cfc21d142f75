"""Interventions: frozen records of what to change where, applied as hooks while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from interp.errors import InterventionError, UnfiredInterventionError
from interp.interventions.firings import change, labels_of
from interp.interventions.operations import Operation, check_dim
from interp.interventions.record import Intervention, as_interventions
from interp.interventions.values import Positions
from interp.network.clock import Clock
from interp.network.view import NetworkView, check_rank

__all__ = ["Intervention", "Operation", "applying", "as_interventions"]


@contextmanager
def applying(network: Any, interventions: Intervention | Iterable[Intervention]) -> Iterator[Any]:
    """Apply interventions, in order, to everything the network does inside the ``with`` block.

    Parameters
    ----------
    network
        Anything with ``hook_dict`` and ``hooks()``. A network without a clock takes addresses
        without step and tick only, and examples are the rows of its batch.
    interventions
        Applied in the order given; a later one sees what an earlier one left.

    Raises
    ------
    UnknownSiteError, AddressError, UnknownNameError
        On entry, for an address that the network does not have, or an unknown condition.
    InterventionError
        On entry, for a subspace or a value along other dims than the site's. While the network runs,
        if a value does not fit, has no label for a firing, or a condition finds no closed loop.
    InputError
        If the network has no hook points; while it runs, if single examples are named and it is not
        known which axis of the site's tensor is the batch.
    UnfiredInterventionError
        On leaving without an exception, if an intervention never fired, or never reached one of the
        examples it names (unless it says ``missing="skip"``).
    """
    interventions = as_interventions(interventions)
    view = NetworkView(network)
    for item in interventions:
        item.address.check(view.sites)
        dims = view.feature_dims(item.address.site)
        if item.subspace is not None:
            check_dim(item.address, item.subspace.dim, dims)
        item.check_dims(dims)
    running = [_Applied(item, view) for item in interventions]
    if not running:
        yield network
        return
    view.warn_in_training_mode()
    with ExitStack() as stack:
        for one in running:
            if one.item.when:
                stack.enter_context(view.clock.listening(one.look_at_the_world))
        hooks = [(one.item.address.site, one.hook) for one in running]
        stack.enter_context(network.hooks(fwd_hooks=hooks))
        yield network
    unfired = [complaint for one in running for complaint in one.complaints()]
    if unfired:
        raise UnfiredInterventionError(
            "Never fired during the run: " + "; ".join(unfired) + ". Steps are labelled from "
            "-thinking_steps, ticks from 0; was the run shorter than the address?"
        )


class _Applied:
    """One intervention while it is applied: its hook, its conditions, and whether it fired."""

    def __init__(self, item: Intervention, view: NetworkView):
        self.item, self.view, self.clock = item, view, view.clock
        self.dims = view.feature_dims(item.address.site)
        self.fired = False
        labels = item.example_labels
        self.named = None if labels is None else Positions(labels)
        self.reached = np.zeros(0 if labels is None else len(labels), bool)
        self.conditional: np.ndarray | None = None
        for condition in item.when:
            condition.start()  # an unknown name is found before anything runs

    def look_at_the_world(self, clock: Clock) -> None:
        """Find the rows on which all conditions act, once a step, also at steps that are not addressed."""
        loop = clock.loop
        if loop is None:
            self.conditional = None
            return
        conditions = loop.memory.get(self)
        if conditions is None:
            conditions = loop.memory[self] = [condition.start() for condition in self.item.when]
        examples = labels_of(len(loop.rows), clock.examples)
        rows = self.item.rows(len(loop.rows), clock.examples)
        positions = examples[rows] if self.named is None else self.named.of(examples[rows])
        acts = np.ones(len(rows), bool)
        for condition in conditions:
            n = condition.of.n_each
            beyond = (
                examples[rows][(positions < 0) | (positions >= n)] if n is not None else rows[:0]
            )
            if len(beyond):
                raise InterventionError(
                    f"{self.item!r}: the condition has {n} entries and none for the examples "
                    f"{beyond[:5].tolist()}."
                )
            # No short cut: each has to see every step in order to remember it.
            acts &= condition.acts(loop.world, loop.rows[rows], clock.first_step, positions)
        self.conditional = rows[acts]

    def hook(self, tensor: torch.Tensor, hook: Any) -> torch.Tensor | None:
        """Change a firing that the address covers."""
        item, clock = self.item, self.clock
        if not item.address.covers(clock.step, clock.tick):
            return None
        check_rank(item.address.site, tensor, self.dims)
        n, examples = tensor.shape[0], clock.examples
        if item.example_labels is not None or item.when or "example" in item.value_dims:
            self.view.check_examples(item.address.site, tensor)
        rows = item.rows(n, examples)
        if self.named is not None:
            positions = self.named.of(labels_of(n, examples)[rows])
            self.reached[positions[positions >= 0]] = True
        if item.when:
            if self.conditional is None:
                raise InterventionError(
                    f"{item!r} has a condition on the world, and there is none: observations are "
                    "given (teacher forcing). Use it in closed loop."
                )
            rows = self.conditional
        if not len(rows):
            return None
        dims = self.dims or tuple(f"dim{i}" for i in range(tensor.ndim - 1))
        changed, rows = change(item, tensor, dims, clock.step, clock.tick, examples, rows)
        self.fired |= len(rows) > 0
        return changed if len(rows) else None

    def complaints(self) -> list[str]:
        """Return what should have happened and did not, in words."""
        item = self.item
        if not self.fired:
            if self.conditional is not None:
                return [f"{item!r} (its address was reached, but its condition never held)"]
            return [f"{item!r} ({self.view.why_silent(item.address.site)})"]
        if item.missing == "skip" or self.named is None or self.reached.all():
            return []
        never = self.named.labels[~self.reached]
        return [f"{item!r} at the examples {never[:5].tolist()}{'…' if len(never) > 5 else ''}"]
