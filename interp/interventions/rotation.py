"""Distributed alignment search: learn the subspace whose interchange changes what a network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from interp.errors import InputError, check_integer
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.interventions.named import rotate, swap
from interp.interventions.subspaces import Subspace
from interp.network.capture import Capture
from interp.network.clock import Clock
from interp.network.gradients import gradients_on, ordinary
from interp.network.tensors import to_numpy
from interp.network.view import NetworkView
from interp.probes import split_groups
from interp.runs.observations import check_units
from interp.statistics import DIFFERENCE, RATE, Interval, mean_interval

Read = Callable[[Any], torch.Tensor]


@dataclass(frozen=True)
class RotationSearch:
    """What `learn_rotation` found, on pairs that it was not trained on.

    Attributes
    ----------
    subspace : Subspace
        The learned one, orthonormal.
    accuracy : Interval
        Interchange-intervention accuracy: fraction of held-out pairs for which the network, running on
        the base with the subspace's component of the source, puts the target first.
    random, nothing, whole : Interval
        The same with random subspaces of the same rank, without any intervention, and with all of the
        addressed part interchanged.
    over_random, over_nothing : Interval
        Paired differences of `accuracy` to these.
    n_test : int
        Number of held-out groups, which the intervals are over.
    losses : ndarray
        Training loss (cross-entropy, nats) by iteration, of the start that was kept.
    found : bool
        Whether the subspace does better than random ones and than nothing: both intervals above 0.
    """

    subspace: Subspace
    accuracy: Interval
    random: Interval
    nothing: Interval
    whole: Interval
    over_random: Interval
    over_nothing: Interval
    n_test: int
    losses: np.ndarray

    @property
    def found(self) -> bool:
        """Whether the subspace does better than random ones and than nothing."""
        return bool(self.over_random.low > 0 and self.over_nothing.low > 0)


def learn_rotation(
    network: Any,
    address: Address,
    base: Any,
    source: Any,
    targets: Any = None,
    *,
    dim: str,
    rank: int = 1,
    seed: int = 0,
    groups: Any = None,
    test_fraction: float = 0.3,
    iterations: int = 200,
    learning_rate: float = 0.03,
    batch_size: int = 64,
    restarts: int = 2,
    n_random: int = 10,
    read: Read | None = None,
    pair_axis: int | None = None,
    progress: bool = False,
) -> RotationSearch:
    """Learn a subspace such that interchanging it makes the network do what the source asks for.

    Distributed alignment search (Geiger et al. 2024, arXiv 2303.02536): an orthonormal ``R`` is trained
    by gradient descent, with the network frozen, to minimise the cross-entropy of the targets when the
    network runs on the base and ``x + (source - x) RᵀR`` replaces ``x`` at the address.

    Parameters
    ----------
    network
        A hooked network, `interp.wrap` of any module among them.
    address
        Where the subspace is sought. It may be at several firings and squares, which share it.
    base, source
        Inputs of the network, tensors or arrays of the same shape, one pair per row.
    targets
        (pair,) int: the class the network should put first on the base after the interchange. What the
        hypothesis says: for "this holds variable V", what the base would give if V were the source's.
        None for what the network itself does on the source.
    dim
        The feature dim the subspace lies along.
    rank
        Its dimension.
    seed
        Of the split, the starts, the mini-batches and the controls.
    groups
        (pair,) levels or episodes that must not be on both sides of the split; default each pair.
    test_fraction
        Fraction of the groups held out; all accuracies are on these.
    iterations, learning_rate, batch_size
        Of Adam.
    restarts
        Starts from different random subspaces; the one with the lowest training loss is kept.
    n_random
        Random subspaces in the control.
    read
        From the network's output to logits (pair, class). Default: ``output.logits[-1]``, the last step,
        or the output itself.
    pair_axis
        Axis of the pairs in `base`: by default 1 for a network with ``initial_state`` (``(step, batch,
        …)``), else 0.
    progress
        Show a progress bar.

    Returns
    -------
    RotationSearch

    Raises
    ------
    InputError
        If inputs and targets do not match, inputs are in other units than the network's
        ``observation_space`` says, the rank is larger than the dim, or there is no gradient.
        Whether the session has switched gradients off (``no_grad``, ``inference_mode``) does not
        matter.
    UnknownSiteError, AddressError, InterventionError
        As `interp.applying`.

    Notes
    -----
    A subspace can be found that the network itself does not use (a dormant direction that happens to
    reach the output; Makelov et al. 2024, arXiv 2311.17030). Compare with the same search in the
    untrained network, and with `whole`.
    """
    from tqdm import tqdm

    for name, value in (("rank", rank), ("iterations", iterations), ("batch_size", batch_size)):
        check_integer(name, value, 1)
    check_integer("restarts", restarts, 1)
    check_integer("n_random", n_random, 1)
    check_integer("seed", seed, 0)
    axis = int(hasattr(network, "initial_state")) if pair_axis is None else pair_axis
    with gradients_on(network):
        pairs = _Pairs(network, address, base, source, axis, read or _last_logits, batch_size)
        wanted = pairs.targets(targets)
        groups = np.arange(pairs.n) if groups is None else np.asarray(groups)
        if groups.shape != (pairs.n,):
            raise InputError(
                f"groups must be one for each of the {pairs.n} pairs, got {groups.shape}."
            )
        train, test = split_groups(groups, test_fraction, seed)
        size = pairs.size_along(dim)
        if rank > size:
            raise InputError(f"A subspace of rank {rank} does not fit into {dim!r} of size {size}.")
        starts = np.random.default_rng([seed, 1])
        best: tuple[float, Subspace, np.ndarray] | None = None
        total = restarts * iterations
        with tqdm(total=total, desc="rotation", unit="iteration", disable=not progress) as bar:
            for _ in range(restarts):
                start = torch.from_numpy(starts.normal(size=(size, rank)))
                found = _descended(
                    pairs, wanted, start, train, dim, iterations, learning_rate, starts, bar
                )
                if best is None or found[0] < best[0]:
                    best = found
        assert best is not None  # there is one start at least
        return _judged(pairs, wanted, best[1], best[2], groups, test, n_random, seed)


def _descended(
    pairs: _Pairs,
    wanted: torch.Tensor,
    start: torch.Tensor,
    train: np.ndarray,
    dim: str,
    iterations: int,
    learning_rate: float,
    rng: np.random.Generator,
    bar: Any,
) -> tuple[float, Subspace, np.ndarray]:
    """Return the loss on all training pairs, the subspace found from one start, and its losses."""
    raw = start.to(pairs.device if pairs.device.type != "mps" else "cpu").requires_grad_()
    optimiser = torch.optim.Adam([raw], learning_rate)
    losses = []
    for _ in range(iterations):
        rows = rng.permutation(train)[: pairs.batch_size]
        logits = pairs.logits(rows, pairs.rotated(_orthonormal(raw, dim)))
        if not logits.requires_grad:
            raise InputError(
                "What the network answers has no gradient with respect to the address: it is computed "
                "with gradients off or detached, or nothing of it comes after the address."
            )
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted[rows])
        optimiser.zero_grad()
        loss.backward(inputs=[raw])
        optimiser.step()
        losses.append(float(loss.detach()))
        bar.update()
    subspace = Subspace(_orthonormal(raw, dim).basis.detach().cpu(), dim)
    with torch.no_grad():
        logits = pairs.all_logits(train, pairs.rotated(subspace))
        final = float(torch.nn.functional.cross_entropy(logits, wanted[train]))
    return final, subspace, np.array(losses)


def _judged(
    pairs: _Pairs,
    wanted: torch.Tensor,
    subspace: Subspace,
    losses: np.ndarray,
    groups: np.ndarray,
    test: np.ndarray,
    n_random: int,
    seed: int,
) -> RotationSearch:
    """Compare a learned subspace with its controls on held-out pairs."""
    names, of_pair = np.unique(groups[test], return_inverse=True)

    def hits(item: Intervention | None) -> np.ndarray:
        """Return (group,) the mean over a group's pairs of whether the target came first."""
        with torch.no_grad():
            first = pairs.all_logits(test, item).argmax(dim=1)
        hit = (first == wanted[test]).cpu().numpy().astype(float)
        return np.bincount(of_pair, hit) / np.bincount(of_pair)

    learned, nothing, whole = hits(pairs.rotated(subspace)), hits(None), hits(pairs.swapped)
    controls = [Subspace.random(subspace, seed + i) for i in range(n_random)]
    random = np.mean([hits(pairs.rotated(control)) for control in controls], axis=0)
    return RotationSearch(
        subspace,
        mean_interval(learned, rng=seed, bounds=RATE),
        mean_interval(random, rng=seed, bounds=RATE),
        mean_interval(nothing, rng=seed, bounds=RATE),
        mean_interval(whole, rng=seed, bounds=RATE),
        mean_interval(learned - random, rng=seed, bounds=DIFFERENCE),
        mean_interval(learned - nothing, rng=seed, bounds=DIFFERENCE),
        len(names),
        losses,
    )


class _Pairs:
    """Bases and sources of a network, with what the sources' activations are at the address."""

    def __init__(
        self,
        network: Any,
        address: Address,
        base: Any,
        source: Any,
        axis: int,
        read: Read,
        batch_size: int,
    ):
        if not isinstance(getattr(network, "clock", None), Clock):
            raise InputError(
                f"A {type(network).__name__} has no clock; give it one with interp.wrap."
            )
        self.network, self.axis, self.read, self.batch_size = network, axis, read, batch_size
        self.view = NetworkView(network)
        self.device = self.view.device
        self.base = ordinary(torch.as_tensor(base).to(self.device))
        inputs = ordinary(torch.as_tensor(source).to(self.device))
        if inputs.shape != self.base.shape or self.base.ndim <= axis:
            raise InputError(
                f"base {tuple(self.base.shape)} and source {tuple(inputs.shape)} must be alike, with "
                f"the pairs along axis {axis}."
            )
        for shown in (self.base, inputs):
            check_units(shown, getattr(network, "observation_space", None))
        self.n = int(self.base.shape[axis])
        known = self.view.sites
        address.check(known)
        kept, logits = [], []
        for start in range(0, self.n, batch_size):
            rows = torch.arange(start, min(start + batch_size, self.n), device=self.device)
            with torch.no_grad(), Capture(network, [address.site]) as capture:
                logits.append(read(network(inputs.index_select(axis, rows))).float())
            kept.append(to_numpy(capture.stacked()[address.site]))
        self.on_source = torch.cat(logits)
        values = np.concatenate(kept, axis=1)
        dims = known[address.site] or tuple(f"dim{i}" for i in range(values.ndim - 2))
        run = xr.Dataset({address.site: (("step", "batch", *dims), values)})
        self.swapped = swap(run, address, missing="skip")
        self._sizes = dict(zip(dims, values.shape[2:], strict=True))
        self._rotation, self._run, self._address = None, run, address

    def size_along(self, dim: str) -> int:
        """Return how many positions of a dim the address picks."""
        if dim not in self._sizes or isinstance(self._address.index.get(dim), int):
            raise InputError(f"{self._address!r} has no {dim!r} to seek along: {self._sizes}.")
        index = self._address.index.get(dim, slice(None))
        if isinstance(index, tuple):
            return len(index)
        return len(range(self._sizes[dim])[index]) if isinstance(index, slice) else 1

    def rotated(self, subspace: Subspace) -> Intervention:
        """Return the interchange of a subspace with the sources."""
        if self._rotation is None:
            self._rotation = rotate(self._run, self._address, subspace, missing="skip")
        return replace(self._rotation, subspace=subspace)

    def targets(self, given: Any) -> torch.Tensor:
        """Return (pair,) int64 classes: those given, or what the network does on the sources."""
        n_classes = self.on_source.shape[1]
        if given is None:
            return self.on_source.argmax(dim=1)
        targets = torch.as_tensor(given)
        integers = not (targets.is_floating_point() or targets.is_complex())
        if (
            targets.shape != (self.n,)
            or not integers
            or not 0 <= targets.min() <= targets.max() < n_classes
        ):
            raise InputError(
                f"targets must be {self.n} classes from 0 to {n_classes - 1}, got "
                f"{targets.dtype} {tuple(targets.shape)}."
            )
        return ordinary(targets.to(self.device, torch.int64))

    def logits(self, rows: np.ndarray, item: Intervention | None) -> torch.Tensor:
        """Return (row, class) logits of the network on some bases, under an intervention."""
        picked = self.base.index_select(self.axis, torch.as_tensor(rows, device=self.device))
        # The clock says which pair each row is, so the value is looked up whatever the mini-batch.
        with (
            applying(self.network, [] if item is None else item),
            self.view.clock.run(examples=rows),
        ):
            return self.read(self.network(picked))

    def all_logits(self, rows: np.ndarray, item: Intervention | None) -> torch.Tensor:
        """Return `logits` of many bases, in mini-batches."""
        starts = range(0, len(rows), self.batch_size)
        return torch.cat([self.logits(rows[s : s + self.batch_size], item).float() for s in starts])


def _orthonormal(raw: torch.Tensor, dim: str) -> Subspace:
    """Return the subspace that the columns of a matrix span, differentiably."""
    return Subspace(torch.linalg.qr(raw).Q.T, dim)


def _last_logits(output: Any) -> torch.Tensor:
    logits = output.logits[-1] if hasattr(output, "logits") else output
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        raise InputError("The network's output is no (pair, class) logits; say how with read=….")
    return logits
