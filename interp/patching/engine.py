"""Run the unpatched runs once, and patched rows from the last moment before the patch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from interp.contract import named_outputs
from interp.errors import AddressError, InputError, UnfiredInterventionError
from interp.network.view import NetworkView, check_rank
from interp.patching.metrics import Reading
from interp.patching.setters import Firing

ROWS = 8
"""Rows of a forward come in multiples of this. For small and odd batches oneDNN and BLAS choose other
kernels for some rows, whose last bits differ; in multiples of 8 a row's result does not depend on how
many others there are, or on its place among them."""


@dataclass
class Run:
    """What is kept of one unpatched run over a block of examples."""

    observations: Tensor
    """(step, row, *observation dims); rows beyond the examples repeat them."""
    states: dict[int, Any]
    """Step → recurrent state before it; None where the network starts by itself."""
    firings: dict[Firing, Tensor]
    """(row, *dims)."""
    reading: Reading
    """At the step where the metric is read."""
    examples: Tensor
    """(row,) int64: which example each row is, for interventions that ask the clock."""


def resolve(network_or_organism: Any) -> NetworkView:
    """Return what is to be known of the network of an organism, or of the network itself.

    Raises
    ------
    InputError
        If it has no hook points, or its sites no named dims.
    """
    network = network_or_organism
    if not hasattr(network, "hook_dict"):
        network = getattr(network, "network", network)
    view = NetworkView(network)
    if not callable(network) or not any(view.sites.values()):
        raise InputError(
            f"Patching goes step by step and needs a network whose sites have named dims; the "
            f"{len(view.sites)} sites of this {type(network).__name__} have none. Give the module itself "
            "(a TransformerBridge's original_model) steps and sites with interp.agent."
        )
    return view


def pad_rows(rows: Tensor) -> Tensor:
    """Repeat the last row until their number is a multiple of `ROWS`."""
    short = -len(rows) % ROWS
    return torch.cat([rows, rows[-1:].expand(short)]) if short else rows


def take_rows(state: Any, rows: Tensor) -> Any:
    """Return some rows of a pytree of tensors, batch first."""
    return tree_map(lambda t: t[rows] if isinstance(t, Tensor) else t, state)


def run_unpatched(
    view: NetworkView,
    observations: Tensor,
    first_step: int,
    firings: Collection[Firing],
    read_step: int,
    *,
    state_steps: Collection[int] = (),
    examples: Tensor | None = None,
) -> Run:
    """Run step by step to the step that is read, keeping firings and the states before some steps.

    `examples` says which example each row is; they are the rows themselves unless told.

    Raises
    ------
    AddressError
        If a firing did not happen.
    InputError
        If the network's output is not a `NetworkOutput`.
    """
    observations = observations.to(view.device)
    if examples is None:
        examples = torch.arange(observations.shape[1])
    kept: dict[Firing, Tensor] = {}
    wanted, network, clock = set(firings), view.network, view.clock

    def keep(tensor: Tensor, hook: Any) -> None:
        at = Firing(hook.name, clock.step, clock.tick)  # type: ignore[arg-type]
        if at in wanted:
            kept[at] = tensor.detach().clone()

    sites = dict.fromkeys(firing.site for firing in firings)
    states: dict[int, Any] = {}
    state, output = None, None
    with network.hooks(fwd_hooks=[(site, keep) for site in sites]):
        for at in range(read_step - first_step + 1):
            if first_step + at in state_steps:
                states[first_step + at] = state
            with clock.run(first_step=first_step + at, examples=examples.numpy()):
                output = network(observations[at : at + 1], state)
            state = output.state
    missing = [firing for firing in firings if firing not in kept]
    if missing:
        raise AddressError(f"Never fired during the run: {missing[0]} ({len(missing)} in all).")
    for firing, tensor in kept.items():
        check_rank(firing.site, tensor, view.feature_dims(firing.site))
    return Run(observations, states, kept, reading_of(output), examples)


def reading_of(output: Any) -> Reading:
    """Return the last step's outputs (row, *dims) of a network's output, by name."""
    try:
        named = named_outputs(output)
        output.state  # noqa: B018 — what the next step starts from
        return Reading(**{name: tensor[-1] for name, tensor in named.items()})
    except (AttributeError, TypeError, IndexError):
        raise InputError(
            "Patching needs a network that is run step by step, (step, batch, …) observations and a "
            "state, and returns a NetworkOutput (logits, value, state) or Outputs, not a "
            f"{type(output).__name__}: give it a step with interp.agent or interp.wrap."
        ) from None


class Resumer:
    """Run rows of an unpatched run on from the last moment before some firings.

    Where the network can be taken up in the middle of a step (`interp.contract.ResumableNetwork`),
    what comes before the patch within the step is not computed again; the steps before it never are.

    Parameters
    ----------
    view
        As `resolve` gives.
    run
        With the states before the steps that are patched.
    first_step, read_step
        Labels of the run's first step and of the step that is read.
    """

    def __init__(self, view: NetworkView, run: Run, first_step: int, read_step: int):
        self.network, self.clock, self.run = view.network, view.clock, run
        self.first_step, self.read_step = first_step, read_step
        self.resumable = callable(getattr(self.network, "stage_of", None))
        self._moments: dict[tuple[int, ...], Any] = {}
        self._moments_step: int | None = None

    def _stage(self, firings: Iterable[Firing]) -> tuple[int, ...] | None:
        """Return the earliest stage of the firings, None for the step's beginning."""
        stages = [self.network.stage_of(f.site, f.tick) for f in firings]
        return None if None in stages else min(stages)

    def prepare(self, step: int, bundles: Iterable[Sequence[Firing]]) -> None:
        """Keep the moments within a step from which the bundles' rows will go on."""
        self._moments, self._moments_step = {}, step
        if not self.resumable:
            return
        stages = {self._stage([f for f in firings if f.step == step]) for firings in bundles}
        stages.discard(None)
        if stages:
            at = step - self.first_step
            with self.clock.run(first_step=step, examples=self.run.examples.numpy()):
                self._moments = self.network.moments(
                    self.run.observations[at : at + 1],
                    self.run.states[step],
                    sorted(stages),  # type: ignore[type-var]
                )

    def continue_from(self, firings: Sequence[Firing], rows: Tensor) -> Reading:
        """Run rows on from before the earliest of `firings` to the step that is read.

        Patches are up to the hooks that are attached. `rows` are examples of the run, one for each
        row of the forward.
        """
        step = min(firing.step for firing in firings)
        at, until = step - self.first_step, self.read_step - self.first_step
        stage = None
        if self.resumable and step == self._moments_step:
            stage = self._stage([f for f in firings if f.step == step])
        observations = self.run.observations
        examples = self.run.examples[rows.cpu()].numpy()
        if stage in self._moments:
            with self.clock.run(first_step=step, examples=examples):
                output = self.network.resume(self._moments[stage].take(rows))  # type: ignore[index]
            if at == until:
                return reading_of(output)
            at, step, state = at + 1, step + 1, output.state
        else:
            state = take_rows(self.run.states[step], rows)
        with self.clock.run(first_step=step, examples=examples):
            return reading_of(self.network(observations[at : until + 1, rows], state))


@contextmanager
def patching_hooks(
    view: NetworkView,
    replacements: Mapping[Firing, Tensor],
    write: Callable[[Firing, Tensor, Tensor], Tensor],
    must_fire: Collection[Firing] | None = None,
) -> Iterator[None]:
    """Attach hooks that hand each firing in `replacements` to ``write(firing, tensor, replacement)``.

    `must_fire` are those that have to happen; all of them unless told.

    Raises
    ------
    UnfiredInterventionError
        On leaving without an exception, if a firing never happened.
    """
    clock = view.clock
    fired: set[Firing] = set()

    def hook(tensor: Tensor, hook: Any) -> Tensor | None:
        at = Firing(hook.name, clock.step, clock.tick)  # type: ignore[arg-type]
        if at not in replacements:
            return None
        fired.add(at)
        return write(at, tensor, replacements[at])

    sites = dict.fromkeys(firing.site for firing in replacements)
    with view.network.hooks(fwd_hooks=[(site, hook) for site in sites]):
        yield
    unfired = set(replacements if must_fire is None else must_fire) - fired
    if unfired:
        raise UnfiredInterventionError(f"Never fired: {', '.join(map(repr, unfired))}.")
