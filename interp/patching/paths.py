"""Path patching: the effect of one place on another, with everything else held fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from interp.errors import AddressError, InputError
from interp.interventions.address import Address
from interp.network.site_names import select_sites
from interp.network.view import NetworkView
from interp.patching.blocks import run_blocks
from interp.patching.engine import Resumer, Run, pad_rows, patching_hooks
from interp.patching.metrics import MetricFunction, Pair, Reading
from interp.patching.opening import Opening, measure_sizes, opening
from interp.patching.pairs import Direction
from interp.patching.result import add_pair, summarise
from interp.patching.setters import Firing, Setter, replacement_at

if TYPE_CHECKING:
    import xarray as xr

    from interp.network.site_names import SiteNames

OUTPUT = "output"
Receiver = Address | Literal["output"]


@dataclass(frozen=True)
class _Place:
    """An address spelt out: its firings in the run, and which part of each."""

    name: str
    firings: tuple[Firing, ...]
    mask: Tensor | None
    """(1, *dims) bool, None for everything."""

    def write(self, tensor: Tensor, new: Tensor) -> Tensor:
        """Return a firing with the place's part of it taken from `new`."""
        return new if self.mask is None else torch.where(self.mask.to(new.device), new, tensor)


def path_patch(
    network_or_organism: Any,
    clean: Any,
    corrupted: Any,
    senders: Address | Iterable[Address] | Mapping[str, Address],
    receivers: Receiver | Iterable[Receiver] | Mapping[str, Receiver],
    nodes: SiteNames,
    metric: str | MetricFunction = "logit_difference",
    direction: Direction = "denoise",
    *,
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
    """Measure what each sender does to the answer through each receiver alone.

    For every pair (sender, receiver): in the base run the sender is patched from the donor run while
    all other firings of the `nodes` are frozen at the base run's values; what then arrives at the
    receiver is the sender's direct effect on it. A second base run in which the receiver alone is
    given that value is measured.

    Parameters
    ----------
    network_or_organism, clean, corrupted, metric, direction, setter, donors, answers, read_step, \
first_step, batch_size, n_bootstrap, confidence, seed, progress
        As in `interp.patching.patch_sweep`.
    senders, receivers
        Addresses, or names for them; an address that covers several firings takes them together. The
        receiver ``"output"`` is the answer itself: the sender's direct effect, past all nodes.
    nodes
        Sites (names, globs) that make up the graph: the paths are what connects them. What is no node
        is not frozen: of a recurrent network whose nodes are hidden states alone, paths through the
        cells' memory count as direct. The senders and receivers themselves are nodes too.

    Returns
    -------
    xarray.Dataset
        ``effect`` (example, sender, receiver), its summary over examples and the pairs' metrics and
        answers, as in `patch_sweep`.

    Raises
    ------
    UnknownSiteError, AddressError
        For addresses that the network does not have or the run does not reach.
    InputError
        As in `patch_sweep`.

    References
    ----------
    Wang et al. 2022, "Interpretability in the wild" (arXiv 2211.00593); Goldowsky-Dill et al. 2023,
    "Localizing model behavior with path patching" (arXiv 2304.05969).

    Notes
    -----
    A receiver that covers several ticks gets at each what arrives there while the earlier ones are
    frozen. Nothing arrives at a receiver before its sender: the effect is zero there.
    """
    from tqdm import tqdm

    start = opening(
        network_or_organism, clean, corrupted, metric, setter, direction, donors, answers,
        first_step=first_step, read_step=read_step, batch_size=batch_size,
        n_bootstrap=n_bootstrap, confidence=confidence, seed=seed,
    )  # fmt: skip
    graph = _graph(start, _named(senders), _named(receivers), nodes)
    shape = (start.pairs.n_examples, len(graph.senders), len(graph.receivers))
    effect, found = np.zeros(shape, np.float32), []
    with (
        torch.inference_mode(),
        tqdm(total=effect.size, unit="path", desc="path patching", disable=not progress) as bar,
    ):
        wanted = [firing for place in graph.senders for firing in place.firings]
        for block in run_blocks(start, graph.nodes, wanted, start.steps):
            paths = _Paths(
                start.view, block.base, block.donor, start.resumer(block.base), start.setter
            )
            found.append(block.pair)
            n = len(block.rows)
            rows = pad_rows(torch.arange(n)).to(block.before.device)
            for i, sender in enumerate(graph.senders):
                arrived = paths.send(sender, graph.receivers, graph.nodes)
                for j, receiver in enumerate(graph.receivers):
                    reading = paths.receive(receiver, arrived)
                    if reading is not None:
                        after = start.metric(reading, block.pair.take(rows))[:n]
                        effect[block.span, i, j] = (after - block.before).cpu().numpy()
                    bar.update(n)
    return _dataset(effect, graph, Pair.concatenate(found), start)


@dataclass(frozen=True)
class _Graph:
    """Senders, receivers (None: the output), and the firings that are held fixed."""

    senders: list[_Place]
    receivers: list[_Place | None]
    receiver_names: list[str]
    nodes: list[Firing]
    sites: list[str]


def _graph(
    start: Opening, sent: Mapping[str, Any], received: Mapping[str, Any], nodes: SiteNames
) -> _Graph:
    """Spell out the addresses of path patching.

    Raises
    ------
    UnknownSiteError, AddressError, InputError
        See `path_patch`.
    """
    if any(isinstance(address, str) for address in sent.values()):
        raise InputError(f"{OUTPUT!r} is a receiver, not a sender.")
    addresses = [a for a in (*sent.values(), *received.values()) if isinstance(a, Address)]
    known = start.view.sites
    for address in addresses:
        address.check(known)
    frozen_sites = select_sites(nodes, known) if nodes else []
    named = dict.fromkeys([*frozen_sites, *(address.site for address in addresses)])
    sizes = measure_sizes(start.view, start.pairs, list(named))
    spell = partial(_place, known=known, sizes=sizes, steps=start.steps)
    senders = [spell(name, address) for name, address in sent.items()]
    receivers = [None if isinstance(a, str) else spell(n, a) for n, a in received.items()]
    firings = [f for site in frozen_sites for f in _firings(site, known, sizes, start.steps)]
    firings += [f for place in (*senders, *receivers) if place for f in place.firings]
    return _Graph(senders, receivers, list(received), list(dict.fromkeys(firings)), frozen_sites)


class _Paths:
    """The two runs of path patching, over one block of examples."""

    def __init__(self, view: NetworkView, base: Run, donor: Run, resumer: Resumer, setter: Any):
        self.view, self.base, self.donor = view, base, donor
        self.resumer, self.setter = resumer, setter
        self.rows = torch.arange(base.observations.shape[1], device=base.observations.device)

    def _continue(self, firings: Sequence[Firing]) -> Reading:
        self.resumer.prepare(min(f.step for f in firings), [firings])
        return self.resumer.continue_from(firings, self.rows)

    def send(
        self, sender: _Place, receivers: Sequence[_Place | None], nodes: Sequence[Firing]
    ) -> dict[Firing | str, Any]:
        """Return what arrives at the receivers, and at the output, from the sender alone."""
        old = self.base.firings
        new = {
            f: replacement_at(self.setter, old[f], self.donor.firings[f], f) for f in sender.firings
        }
        watched = {f for place in receivers if place is not None for f in place.firings}
        arrived: dict[Firing | str, Any] = {}

        def write(firing: Firing, tensor: Tensor, frozen: Tensor) -> Tensor:
            if firing in watched:
                arrived[firing] = tensor.clone()
            return sender.write(frozen, new[firing]) if firing in new else frozen

        start = min(f.step for f in sender.firings)
        first = min((f.tick or 0) for f in sender.firings if f.step == start)
        # Nodes before the sender in its step may not fire again, and cannot have changed.
        frozen = {f: old[f] for f in nodes if f.step >= start}
        must = {f for f in frozen if f in new or f.step > start or (f.tick or 0) > first}
        with patching_hooks(self.view, frozen, write, must_fire=must):
            arrived[OUTPUT] = self._continue(sender.firings)
        return arrived

    def receive(self, receiver: _Place | None, arrived: Mapping[Any, Any]) -> Reading | None:
        """Return the answer of the base run with what arrived at the receiver; None if nothing did."""
        if receiver is None:
            return arrived[OUTPUT]
        old = self.base.firings
        new = {f: receiver.write(old[f], arrived[f]) for f in receiver.firings if f in arrived}
        new = {f: value for f, value in new.items() if not torch.equal(value, old[f])}
        if not new:
            return None
        # Every firing of the receiver is held, changed or not: it gets what arrived, no more.
        held = {f: new.get(f, old[f]) for f in receiver.firings}
        first = min(new, key=lambda f: (f.step, -1 if f.tick is None else f.tick))
        held = {
            f: v for f, v in held.items() if (f.step, f.tick or 0) >= (first.step, first.tick or 0)
        }
        with patching_hooks(
            self.view, held, lambda f, tensor, value: receiver.write(tensor, value)
        ):
            return self._continue(list(held))


def _named(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        named = {str(name): address for name, address in given.items()}
    else:
        items = [given] if isinstance(given, Address | str) else list(given)
        named = {
            repr(item)[8:-1] if isinstance(item, Address) else str(item): item for item in items
        }
        if len(named) < len(items):
            raise InputError("Two senders or receivers are the same address.")
    for address in named.values():
        if not isinstance(address, Address) and address != OUTPUT:
            raise InputError(f"Give Addresses (or the receiver {OUTPUT!r}), not {address!r}.")
    if not named:
        raise InputError("Path patching needs at least one sender and one receiver.")
    return named


def _firings(
    site: str, known: Mapping[str, tuple[str, ...]], sizes: Mapping[str, Any], steps: Sequence[int]
) -> list[Firing]:
    ticks = range(sizes[site][0]) if known[site][:1] == ("tick",) else [None]
    return [Firing(site, step, tick) for step in steps for tick in ticks]


def _place(
    name: str,
    address: Address,
    known: Mapping[str, tuple[str, ...]],
    sizes: Mapping[str, tuple[int, ...]],
    steps: Sequence[int],
) -> _Place:
    firings = _firings(address.site, known, sizes, steps)
    covered = tuple(f for f in firings if address.covers(f.step, f.tick))
    if not covered:
        raise AddressError(
            f"{address!r} covers no firing of the run, which has the steps {steps[0]} to {steps[-1]}."
        )
    mask = None
    dims = known[address.site]
    for axis, dim in enumerate(d for d in dims if d != "tick"):
        if dim not in address.index:
            continue
        size = sizes[address.site][dims.index(dim)]
        index = address.index[dim]
        inside = torch.zeros(size, dtype=torch.bool)
        try:
            inside[list(index) if isinstance(index, tuple) else index] = True
        except IndexError:
            raise AddressError(f"{address!r}: {dim!r} has only {size} positions.") from None
        shape = [1] * (1 + len(dims) - (dims[:1] == ("tick",)))
        shape[1 + axis] = size
        part = inside.reshape(shape)
        mask = part if mask is None else mask & part
    if mask is not None and not mask.any():
        raise AddressError(f"{address!r} picks no position.")
    return _Place(name, covered, mask)


def _dataset(effect: np.ndarray, graph: _Graph, pair: Pair, start: Opening) -> xr.Dataset:
    import xarray as xr

    dataset = xr.Dataset(
        {"effect": (("example", "sender", "receiver"), effect)},
        {
            "example": np.arange(len(effect)),
            "sender": [place.name for place in graph.senders],
            "receiver": graph.receiver_names,
        },
        {**start.attrs("path patching"), "nodes": ", ".join(graph.sites)},
    )
    gap = add_pair(dataset, pair, start.metric, start.direction, start.donors, start.statistics)
    for name, values in summarise(effect, start.statistics, gap).items():
        dataset[name] = (("sender", "receiver"), values)
    return dataset
