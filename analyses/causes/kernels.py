"""Do the recurrent convolutions extend a plan along its direction, the same way in all directions?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.causes.kernel_algebra import RELATIONS, aligned, axis_weight, compose, relation_pairs
from analyses.causes.kernel_means import (
    KernelMeans,
    KernelTable,
    check_labels,
    control_pool,
    draw_channels,
    resample_channels,
)
from analyses.needs import Ability, PlaceDims
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, add_verdict
from interp.errors import InputError, UnknownNameError
from organisms.capabilities.capability import has_capability
from organisms.capabilities.kernels import Kernels
from organisms.capabilities.places import Places

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Channels = Mapping[str, Iterable[tuple]]
"""Direction → its channels, each (site, channel) or (site, channel, sign)."""

CLAIMS = ("extension", "symmetry")


def combined_filters(
    organism: Any, source: str = "observation", targets: Iterable[str] | None = None
) -> dict[str, xr.DataArray]:
    """Compose the convolutions between a source and every target into one kernel each.

    As long as nothing non-linear comes between them, convolutions one after the other are one
    convolution: what a gate detects in the source. Biases and what the border does are left out.

    Parameters
    ----------
    organism
        With ``kernels``.
    source
        Where the composed filters read.
    targets
        Names of targets; default all that are reached.

    Returns
    -------
    dict
        Target → (target_channel, source_channel, ky, kx), offsets as in ``organism.kernels``.

    Raises
    ------
    UnknownNameError
        If the source or a target is none of the network's.
    InputError
        If a target cannot be reached without passing a non-linearity.

    References
    ----------
    Taufeeque et al. 2025 (arXiv 2506.10138), Fig. 4: encoder and gate kernels combined to 9 × 9.
    """
    edges = _kernels_of(organism)
    sources = sorted({read for read, _ in edges})
    if source not in sources:
        raise UnknownNameError("source of kernels", source, sources)
    frontier: list[str] = [source]
    filters: dict[str, xr.DataArray] = {}
    while frontier:
        at = frontier.pop()
        for (read, written), kernel in edges.items():
            if read != at or written in filters:
                continue
            if at != source and not kernel.attrs.get("linear", 0):
                continue
            filters[written] = kernel if at == source else compose(kernel, filters[at])
            filters[written] = filters[written].assign_attrs(kernel.attrs)
            frontier.append(written)
    if targets is None:
        return filters
    known = {written for _, written in edges}
    for target in targets:
        if target not in known:
            raise UnknownNameError("target of kernels", target, known)
        if target not in filters:
            raise InputError(
                f"Between {source!r} and {target!r} there is a non-linearity: their convolutions "
                "are not one convolution."
            )
    return {target: filters[target] for target in targets}


@question(
    "Do its recurrent convolutions extend a plan along its direction?",
    needs=(PlaceDims(), Ability(Kernels), Ability(Places)),
)
def kernels(
    organism: Any,
    channels: Channels,
    *,
    filters_from: str | None = "observation",
    n_random: int = 500,
    n_bootstrap: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Average the recurrent kernels between the channels of plans, and test them.

    Of all recurrent convolutions from a channel labelled with one direction to one labelled with
    the same (``straight``), the opposite (``reverse``) or a perpendicular one (``turn``), the mean
    kernel is taken, per pair of directions and per role of the target (candidate, gates).

    Two claims are tested, each against channels drawn at random from the same sites:

    ``extension``
        Straight kernels weigh the squares ahead and behind along their direction more than those
        beside it: a plan grows along its line.
    ``symmetry``
        Kernels of one relation are rotated (mirrored) copies of each other: their mean correlation
        after turning all to one direction.

    Parameters
    ----------
    organism
        With ``kernels`` and ``directions``.
    channels
        Direction → (site, channel) or (site, channel, sign) pairs. A channel of sign −1 is negative
        where the move is planned; what it sends is counted with that sign, and what reaches its
        candidate too. Labels must not come from the kernels themselves.
    filters_from
        Where `combined_filters` read; None leaves them out.
    n_random
        Draws of as many random channels from the same sites, shared between directions and signed
        as the labelled ones are.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        kernel                               role, from, to, ky, kx: mean over pairs of channels
        kernel_n                             role, from, to: pairs of channels
        turned                               role, relation, ky, kx: mean over pairs of directions,
                                             turned so that the first one points right (and the
                                             second, in a turn, down)
        symmetry, extension, _low, _high     role (extension: of straight kernels) and relation;
                                             bootstrap over channels within their direction
        symmetry_random, extension_random,   role, relation: mean and central interval over draws of
        _low, _high                          random channels
        p_value, p_holm                      claim, role, relation; one-sided, over random channels;
                                             corrected over all cells of both claims
        found                                claim
        filter_TARGET                        filter_channel, source_channel, fy, fx
        ===================================  ======================================================

        A relation that cannot be told of the labelled directions is NaN.

    Raises
    ------
    InputError
        If the network offers no kernels, fewer than two directions have channels, or no recurrent
        convolution joins any of them.
    UnknownNameError
        For a direction, or a site, that does not exist.

    Notes
    -----
    The draws leave out labelled channels where enough others are left. With one channel per
    direction the bootstrap has nothing to draw: low and high are NaN, the test stands. Channels may
    hold their plan shifted by a square or two (Taufeeque et al. 2025, Table 4), each in its own way:
    that is not undone here, and blurs what is averaged.

    References
    ----------
    Taufeeque et al. 2025 (arXiv 2506.10138), Figs. 1 and 5: linear and turning plan-extension
    kernels.
    """
    from interp.statistics import percentile_interval, rank_p_value

    edges = _kernels_of(organism)
    directions = {str(k): (int(v[0]), int(v[1])) for k, v in organism[Places].directions.items()}
    labelled = check_labels(channels, directions, edges)
    pool = control_pool(edges, labelled)
    table = KernelTable(edges)
    pairs = relation_pairs(directions)
    names = list(labelled)
    observed = table.means(labelled)
    if not observed.count.any():
        raise InputError("No recurrent convolution joins channels of the directions given.")
    statistics = _statistics(observed, names, directions, pairs)
    rng = np.random.default_rng(seed)
    random = np.stack(
        [
            _statistics(table.means(draw_channels(labelled, pool, rng)), names, directions, pairs)
            for _ in range(n_random)
        ]
    )
    enough = any(len(members) > 1 for members in labelled.values())
    again = np.full((1, *statistics.shape), np.nan)
    if enough:
        again = np.stack(
            [
                _statistics(table.means(resample_channels(labelled, rng)), names, directions, pairs)
                for _ in range(n_bootstrap)
            ]
        )
    low, high = percentile_interval(again, confidence)
    random_low, random_high = percentile_interval(random, confidence)
    dims = ("claim", "role", "relation")
    coords: dict[str, Any] = {
        "claim": list(CLAIMS),
        "role": table.roles,
        "relation": list(RELATIONS),
        "from": names,
        "to": names,
        "ky": table.offsets,
        "kx": table.offsets,
    }
    data: dict[str, Any] = {
        "kernel": (("role", "from", "to", "ky", "kx"), observed.mean),
        "kernel_n": (("role", "from", "to"), observed.count),
        "turned": (("role", "relation", "ky", "kx"), _turned(observed, names, directions, pairs)),
    }
    kinds = {"": statistics, "_low": low, "_high": high}
    kinds |= {"_random_low": random_low, "_random_high": random_high}
    with np.errstate(invalid="ignore"):
        kinds["_random"] = np.where(np.isnan(random).all(axis=0), np.nan, _nanmean(random))
    for c, claim in enumerate(CLAIMS):
        for end, values in kinds.items():
            data[claim + end] = (dims[1:], values[c])
    attrs = {
        "analysis": "kernels",
        "organism": str(getattr(organism, "name", "unknown")),
        "confidence": confidence,
        "n_random": n_random,
        "n_channels": sum(len(members) for members in labelled.values()),
        "intervals": f"bootstrap over channels, {n_bootstrap} resamples",
        "seed": seed,
    }
    dataset = xr.Dataset(data, coords, attrs)
    p = rank_p_value(statistics, random)
    definition = "one-sided; channels drawn at random from the same sites"
    p_value = xr.DataArray(
        p, {dim: coords[dim] for dim in dims}, dims, attrs={"definition": definition}
    )
    claims = xr.Dataset({"effect": (dims, statistics)}, {d: coords[d] for d in dims}, attrs)
    claims = add_verdict(claims, "effect", dims, p=p_value)
    dataset["p_value"], dataset["p_holm"] = claims.p_value, claims.p_holm
    dataset["found"] = (
        (claims.p_holm < ALPHA)
        .any(("role", "relation"))
        .assign_attrs(
            definition=f"p < {ALPHA} for some role and relation, Holm-corrected over both claims"
        )
    )
    if filters_from is not None:
        for target, kernel in combined_filters(organism, filters_from).items():
            new = {
                "target_channel": f"{target}_channel",
                "ky": f"{target}_ky",
                "kx": f"{target}_kx",
            }
            new["source_channel"] = f"{target}_source_channel"
            dataset[f"filter_{target}"] = kernel.rename(new)
    return dataset


def _nanmean(values: np.ndarray) -> np.ndarray:
    there = ~np.isnan(values)
    return np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)


def _kernels_of(organism: Any) -> Mapping[tuple[str, str], xr.DataArray]:
    if not has_capability(organism, Kernels):
        raise InputError(f"A {type(organism).__name__} offers no convolution kernels.")
    return organism[Kernels].all()


def _members(
    means: KernelMeans,
    role: int,
    names: list[str],
    directions: Mapping[str, tuple[int, int]],
    pairs: list[tuple[str, str]],
) -> list[np.ndarray]:
    """Return the kernels of a relation, all turned to one direction."""
    return [
        aligned(means.mean[role, names.index(a), names.index(b)], directions[a], directions[b])
        for a, b in pairs
        if a in names and b in names and means.count[role, names.index(a), names.index(b)]
    ]


def _statistics(
    means: KernelMeans, names: list[str], directions: Any, pairs: Mapping[str, list]
) -> np.ndarray:
    """Return extension and symmetry: (claim, role, relation)."""
    out = np.full((2, len(means.mean), len(RELATIONS)), np.nan)
    for role in range(len(means.mean)):
        for r, relation in enumerate(RELATIONS):
            members = _members(means, role, names, directions, pairs[relation])
            if relation == "straight" and members:
                out[0, role, r] = np.mean([axis_weight(kernel) for kernel in members])
            if len(members) > 1:
                flat = np.stack([kernel.ravel() for kernel in members])
                flat = flat - flat.mean(axis=1, keepdims=True)
                norm = np.linalg.norm(flat, axis=1, keepdims=True)
                unit = np.where(norm > 0, flat / np.where(norm > 0, norm, 1), 0)
                r_all = unit @ unit.T
                out[1, role, r] = r_all[np.triu_indices(len(members), 1)].mean()
    return out


def _turned(
    means: KernelMeans, names: list[str], directions: Any, pairs: Mapping[str, list]
) -> np.ndarray:
    side = means.mean.shape[-1]
    out = np.full((len(means.mean), len(RELATIONS), side, side), np.nan)
    for role in range(len(means.mean)):
        for r, relation in enumerate(RELATIONS):
            members = _members(means, role, names, directions, pairs[relation])
            if members:
                out[role, r] = np.mean(members, axis=0)
    return out


@answer_plot
def plot_kernels(dataset: xr.Dataset) -> Figure:
    """Draw the turned kernels per role and relation, and both statistics beside random channels."""
    from interp.style import figure_style, subplots

    roles = [str(role) for role in dataset.role.values]
    relations = [str(r) for r in dataset.relation.values]
    with figure_style():
        columns = len(relations) + len(CLAIMS)
        figure, axes = subplots(
            len(roles), columns, width="text", height=0.7 + 1.25 * len(roles), squeeze=False
        )
        for i, role in enumerate(roles):
            cell = dataset.sel(role=role)
            limit = float(np.abs(cell.turned).max()) or 1.0
            for j, relation in enumerate(relations):
                ax = axes[i, j]
                kernel = cell.turned.sel(relation=relation).values
                image = ax.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
                ax.set_xticks([])
                ax.set_yticks([])
                if not i:
                    ax.set_title(relation)
                if not j:
                    ax.set_ylabel(role)
            figure.colorbar(image, ax=axes[i, len(relations) - 1], shrink=0.8)
            for j, claim in enumerate(CLAIMS):
                _intervals(axes[i, len(relations) + j], cell, claim, relations, i == 0)
        n, share = dataset.attrs["n_channels"], 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: mean recurrent kernels between {n} path channels,\n"
            f"turned so that the plan runs right; intervals {share:.0f} %, grey: random channels"
        )
    return figure


def _intervals(ax: Any, cell: xr.Dataset, claim: str, relations: list[str], first: bool) -> None:
    """Draw a statistic with its interval beside the random channels'."""
    shown = relations[:1] if claim == "extension" else relations
    for x, relation in enumerate(shown):
        at = cell.sel(relation=relation)
        low, high = (float(at[f"{claim}_random{end}"]) for end in ("_low", "_high"))
        ax.plot([x, x], [low, high], color="0.75", linewidth=6, solid_capstyle="butt")
        ends = [float(at[claim + end]) for end in ("_low", "_high")]
        if np.isfinite(ends).all():
            ax.plot([x, x], ends, color="#0072B2", linewidth=1.2)
        ax.plot([x], [float(at[claim])], "o", color="#0072B2")
    ax.set_xticks(range(len(shown)), shown, rotation=30)
    ax.set_xlim(-0.6, len(shown) - 0.4)
    ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    if first:
        ax.set_title(
            "along − beside\n(weight)" if claim == "extension" else "symmetry\n(correlation)"
        )
