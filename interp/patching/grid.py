"""The cells of a sweep: which firings are patched together, and which part of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from interp.errors import AddressError, InputError, nearest
from interp.network.site_names import natural_key, select_sites
from interp.patching.setters import Firing

_ALIASES = {"square": ("y", "x")}


@dataclass(frozen=True)
class Bundle:
    """Firings that are patched together, and where their cells stand in the table."""

    firings: tuple[Firing, ...]
    position: tuple[int, ...]
    """Along the axes column, step (if swept) and tick (if swept)."""


@dataclass(frozen=True)
class Grid:
    """A table of patches: columns × steps × ticks × feature positions.

    What is swept has an axis and is patched one position at a time; along what is not, everything
    chosen is patched together.
    """

    column_dim: str
    """``"site"`` or ``"layer"``."""
    columns: Mapping[str, tuple[str, ...]]
    """Name of a column → the sites that are patched together in it."""
    steps: tuple[int, ...]
    ticks: tuple[int, ...]
    """Ticks patched of sites that tick."""
    swept: tuple[str, ...]
    """Which of ``"step"``, ``"tick"`` and the feature dims have an axis."""
    features: Mapping[str, tuple[int, ...]]
    """Feature dim → positions, of the dims that are swept or restricted by an index."""
    sites: Mapping[str, tuple[str, ...]]
    """Site → feature dims of one firing."""
    ticking: frozenset[str]
    """The sites that tick."""

    @property
    def swept_features(self) -> tuple[str, ...]:
        """Return the feature dims that have an axis, in order."""
        return tuple(dim for dim in self.swept if dim not in ("step", "tick"))

    @property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Return axis → labels, in the order of the table's dims."""
        axes: dict[str, Sequence[Any]] = {self.column_dim: list(self.columns)}
        for name, labels in (("step", self.steps), ("tick", self.ticks)):
            if name in self.swept:
                axes[name] = labels
        axes.update({dim: self.features[dim] for dim in self.swept_features})
        return axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the table's shape."""
        return tuple(len(labels) for labels in self.axes.values())

    def bundles(self) -> Iterator[Bundle]:
        """Yield every set of firings that is patched together, ordered by step."""
        steps = [(s,) for s in self.steps] if "step" in self.swept else [self.steps]
        ticks = [(n,) for n in self.ticks] if "tick" in self.swept else [self.ticks]
        for (i_step, at_steps), (i_column, sites), (i_tick, at_ticks) in product(
            enumerate(steps), enumerate(self.columns.values()), enumerate(ticks)
        ):
            firings = tuple(
                Firing(site, step, tick)
                for site in sites
                for step in at_steps
                for tick in (at_ticks if site in self.ticking else (None,))
            )
            position = (i_column,)
            position += (i_step,) if "step" in self.swept else ()
            position += (i_tick,) if "tick" in self.swept else ()
            yield Bundle(firings, position)

    @property
    def firings(self) -> list[Firing]:
        """Return every firing that is patched somewhere, once."""
        return list(dict.fromkeys(f for bundle in self.bundles() for f in bundle.firings))

    @property
    def cells(self) -> np.ndarray:
        """Return the feature positions of a bundle's cells, (cell, swept feature dim) int64."""
        positions = [self.features[dim] for dim in self.swept_features]
        shape = [len(labels) for labels in positions]
        at = np.indices(shape).reshape(len(shape), -1 if shape else 1)
        labels = [np.array(p)[i] for p, i in zip(positions, at, strict=True)]
        return np.array(labels, np.int64).reshape(len(shape), -1 if shape else 1).T

    def per_cell(self, values: torch.Tensor, site: str, reduce: str) -> torch.Tensor:
        """Reduce a firing's values (example, *dims) over each cell's part: (example, cell).

        `reduce` is ``"sum"`` or ``"any"``.
        """
        dims = self.sites[site]
        for axis, dim in enumerate(dims, start=1):
            if dim in self.features:
                index = torch.tensor(self.features[dim], device=values.device)
                values = values.index_select(axis, index)
        rest = [axis for axis, dim in enumerate(dims, start=1) if dim not in self.swept]
        if rest:
            values = values.sum(dim=rest) if reduce == "sum" else values.any(dim=rest)  # type: ignore[call-overload]
        kept = [dim for dim in dims if dim in self.swept]
        order = [0, *(1 + kept.index(dim) for dim in self.swept_features)]
        return values.permute(order).flatten(1) if kept else values.reshape(len(values), 1)

    def mask(
        self, site: str, sizes: Sequence[int], cells: np.ndarray, device: torch.device
    ) -> torch.Tensor | None:
        """Return which part of a firing each row's cell patches, or None for all of it.

        Parameters
        ----------
        sizes
            Of the firing's feature dims.
        cells
            (row, swept feature dim), rows of `Grid.cells`.

        Returns
        -------
        Tensor or None
            (row, *sizes) bool, of size 1 along dims that the cell takes whole.
        """
        mask = None
        dims = self.sites[site]
        for axis, (dim, size) in enumerate(zip(dims, sizes, strict=True)):
            if dim not in self.features:
                continue
            inside = np.zeros((len(cells), size), bool)
            if dim in self.swept:
                column = cells[:, self.swept_features.index(dim)]
                inside[np.arange(len(cells)), column] = True
            else:
                inside[:, list(self.features[dim])] = True
            shape = [len(cells)] + [1] * len(dims)
            shape[1 + axis] = size
            part = torch.from_numpy(inside).to(device).reshape(shape)
            mask = part if mask is None else mask & part
        return mask


def make_grid(
    known: Mapping[str, tuple[str, ...]],
    sizes: Mapping[str, tuple[int, ...]],
    steps_known: Sequence[int],
    sites: Any,
    steps: Any,
    ticks: Any,
    over: Iterable[str] | None,
    index: Mapping[str, Any] | None,
) -> Grid:
    """Turn what the user asked for into a `Grid`.

    Parameters
    ----------
    known
        Site → dims within a step, ``tick`` first if it ticks.
    sizes
        Chosen site → sizes of these dims.
    steps_known
        Labels of the steps that can be patched.

    Raises
    ------
    UnknownSiteError, AddressError
        For sites, axes, labels or positions that do not exist.
    """
    groups, column_dim, swept = _columns_and_axes(known, sites, over)
    chosen = sorted({site for group in groups.values() for site in group}, key=natural_key)
    dims = {site: tuple(dim for dim in known[site] if dim != "tick") for site in chosen}
    ticking = frozenset(site for site in chosen if known[site][:1] == ("tick",))
    if swept is None:
        swept = ("step", "tick") if len(ticking) == len(chosen) else ("step",)
    index = dict(index or {})
    for axis in dict.fromkeys((*swept, *index)):
        if axis == "step":
            continue
        if axis == "tick" and axis in index:
            raise AddressError("Ticks are chosen by ticks=…, not by index.")
        missing = [site for site in chosen if axis not in known[site]]
        if missing:
            other = known[missing[0]]
            close = nearest(axis, other)
            hint = f" Nearest: {', '.join(close)}." if close else ""
            raise AddressError(
                f"The site {missing[0]!r} has no dim {axis!r}; it has {other}.{hint}"
            )
    n_ticks = {sizes[site][0] for site in ticking}
    if "tick" in swept and len(n_ticks) > 1:
        raise AddressError(
            f"The sites tick differently often ({sorted(n_ticks)}); sweep them apart."
        )
    tick_labels: tuple[int, ...] = ()
    if ticking:
        tick_labels = pick("tick", ticks, range(min(n_ticks)))
    elif ticks is not None:
        raise AddressError(f"ticks={ticks!r}, but none of the sites {chosen} ticks.")
    features = {}
    for dim in dict.fromkeys((*(d for d in swept if d not in ("step", "tick")), *index)):
        lengths = {sizes[site][known[site].index(dim)] for site in chosen}
        if len(lengths) > 1:
            raise AddressError(
                f"The dim {dim!r} has different lengths at the sites ({sorted(lengths)}); sweep "
                "them apart."
            )
        features[dim] = pick(dim, index.get(dim), range(min(lengths)))
    return Grid(
        column_dim,
        groups,
        pick("step", steps, steps_known),
        tick_labels,
        tuple(swept),
        features,
        dims,
        ticking,
    )


def sites_named(known: Mapping[str, tuple[str, ...]], sites: Any) -> list[str]:
    """Return every site that `sites` (names, globs, or a mapping of groups) means."""
    groups = sites.values() if isinstance(sites, Mapping) else [sites]
    return list(dict.fromkeys(site for names in groups for site in select_sites(names, known)))


def _columns_and_axes(
    known: Mapping[str, tuple[str, ...]], sites: Any, over: Iterable[str] | None
) -> tuple[dict[str, tuple[str, ...]], str, tuple[str, ...] | None]:
    axes: list[str] | None = None
    if over is not None:
        over = [over] if isinstance(over, str) else list(over)
        axes = list(dict.fromkeys(a for name in over for a in _ALIASES.get(name, (name,))))
    if isinstance(sites, Mapping):
        groups = {str(name): tuple(select_sites(given, known)) for name, given in sites.items()}
    else:
        groups = {site: (site,) for site in select_sites(sites, known)}
    if not groups:
        raise InputError("No sites to patch.")
    by_layer = axes is not None and "layer" in axes and "site" not in axes
    if by_layer:
        if isinstance(sites, Mapping):
            raise InputError("Sites grouped by a mapping cannot be grouped by layer too.")
        layers: dict[str, tuple[str, ...]] = {}
        for site in groups:
            layer = layer_of(site)
            if layer is None:
                raise AddressError(f"The site {site!r} has no layer number in its name.")
            layers[str(layer)] = (*layers.get(str(layer), ()), site)
        groups = layers
    if axes is None:
        return groups, "site", None
    order = ["step", "tick"]
    rest = [axis for axis in axes if axis not in ("site", "layer", "step", "tick")]
    swept = (*(axis for axis in order if axis in axes), *rest)
    return groups, "layer" if by_layer else "site", swept


def layer_of(site: str) -> int | None:
    """Return the first number among the dotted parts of a site's name, None without one."""
    found = re.search(r"(?:^|\.)(\d+)(?=\.|$)", site)
    return None if found is None else int(found[1])


def pick(name: str, given: Any, known: Sequence[int]) -> tuple[int, ...]:
    """Return the labels that `given` means: None (all), a label, several, or a half-open slice.

    Raises
    ------
    AddressError
        For labels that are not known, or none at all.
    """
    known = list(known)
    if given is None:
        chosen = known
    elif isinstance(given, slice):
        chosen = [
            label
            for label in known
            if (given.start is None or label >= given.start)
            and (given.stop is None or label < given.stop)
        ][:: given.step]
    else:
        labels = np.atleast_1d(np.asarray(given))
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise AddressError(f"{name}: give integers or a slice of them, not {given!r}.")
        chosen = list(dict.fromkeys(int(label) for label in labels))
    unknown = [label for label in chosen if label not in known]
    if unknown or not chosen:
        reach = f"{known[0]} to {known[-1]}" if known else "none"
        raise AddressError(f"{name}: no {unknown or given!r}; there are {reach}.")
    return tuple(chosen)
