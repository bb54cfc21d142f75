"""Mean kernels between labelled channels, and other channels to put in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from interp.errors import InputError, UnknownNameError


def check_labels(
    channels: Any, directions: Mapping[str, Any], edges: Mapping[tuple[str, str], Any]
) -> dict[str, list[tuple[str, int, float]]]:
    """Check the labels; return direction → (site, channel, sign)."""
    if not isinstance(channels, Mapping):
        raise InputError("channels are a mapping of directions to (site, channel[, sign]) pairs.")
    recurrent = {read for read, _ in edges}
    labelled = {}
    for direction, members in channels.items():
        if direction not in directions:
            raise UnknownNameError("direction", direction, directions)
        listed = []
        for member in members:
            site, channel, *rest = member
            sign = float(rest[0]) if rest else 1.0
            if site not in recurrent:
                raise UnknownNameError("site that convolutions read", site, recurrent)
            width = next(k.sizes["source_channel"] for (r, _), k in edges.items() if r == site)
            if not 0 <= int(channel) < width or sign not in (1.0, -1.0):
                raise InputError(
                    f"{member!r}: channels of {site!r} are 0 to {width - 1}, signs 1 or -1."
                )
            listed.append((str(site), int(channel), sign))
        if listed:
            labelled[str(direction)] = listed
    if len(labelled) < 2:
        raise InputError(f"At least two directions need channels; got {sorted(labelled)}.")
    return labelled


def control_pool(
    edges: Mapping[tuple[str, str], xr.DataArray], labelled: Mapping[str, list]
) -> dict[str, np.ndarray]:
    """Return, for each site, the channels that controls are drawn from."""
    mine: dict[str, set[int]] = {}
    for members in labelled.values():
        for site, channel, _ in members:
            mine.setdefault(site, set()).add(channel)
    pool = {}
    for site, taken in mine.items():
        width = next(k.sizes["source_channel"] for (r, _), k in edges.items() if r == site)
        others = np.setdiff1d(np.arange(width), sorted(taken))
        pool[site] = others if len(others) >= 2 * len(taken) else np.arange(width)
    return pool


def draw_channels(labelled: Any, pool: Any, rng: np.random.Generator) -> dict[str, list]:
    """Put another channel of its site in the place of every labelled one.

    A channel that is labelled with several directions is replaced by the same one in all of them,
    and signs stay: kernels that share a channel are alike whatever the channel.
    """
    left = {site: list(rng.permutation(channels)) for site, channels in pool.items()}
    instead: dict[tuple[str, int], int] = {}
    for members in labelled.values():
        for site, channel, _ in members:
            if (site, channel) not in instead:
                instead[site, channel] = int(left[site].pop())
    return {
        direction: [(site, instead[site, channel], sign) for site, channel, sign in members]
        for direction, members in labelled.items()
    }


def resample_channels(labelled: Any, rng: np.random.Generator) -> dict[str, list]:
    """Draw as many channels of every direction, with replacement."""
    return {
        direction: [members[i] for i in rng.integers(len(members), size=len(members))]
        for direction, members in labelled.items()
    }


class KernelMeans:
    """Mean kernels (role, from, to, ky, kx) and how many each is of (role, from, to)."""

    def __init__(self, mean: np.ndarray, count: np.ndarray):
        self.mean, self.count = mean, count


class KernelTable:
    """All recurrent kernels on one grid of offsets, for quick look-up."""

    def __init__(self, edges: Mapping[tuple[str, str], xr.DataArray]):
        # A site that a gate of its own layer reads holds that layer's output.
        self.owner = {written: written.rpartition(".")[0] for _, written in edges}
        recurrent = {
            edge: kernel for edge, kernel in edges.items() if not kernel.attrs.get("linear", 0)
        }
        reach = max(
            (int(np.abs(k[axis]).max()) for k in recurrent.values() for axis in ("ky", "kx")),
            default=1,
        )
        self.offsets = np.arange(-reach, reach + 1)
        self.roles = list(dict.fromkeys(str(k.attrs["role"]) for k in recurrent.values()))
        full = {"ky": self.offsets, "kx": self.offsets}
        self.kernels: dict[tuple[str, str], list[tuple[int, np.ndarray]]] = {}
        for (read, written), kernel in recurrent.items():
            grid = kernel.reindex(full).fillna(0.0)
            grid = grid.transpose("target_channel", "source_channel", "ky", "kx").values
            role = self.roles.index(str(kernel.attrs["role"]))
            key = (read, self.owner[written])
            self.kernels.setdefault(key, []).append((role, grid))

    def means(self, labelled: Mapping[str, list[tuple[str, int, float]]]) -> KernelMeans:
        """Average the kernels between labelled channels."""
        n, side = len(labelled), len(self.offsets)
        members = [(d, *member) for d, of in enumerate(labelled.values()) for member in of]
        total = np.zeros((len(self.roles), n, n, side, side))
        count = np.zeros((len(self.roles), n, n), int)
        for (read, layer), kernels in self.kernels.items():
            sources = [m for m in members if m[1] == read]
            targets = [m for m in members if m[1].rpartition(".")[0] == layer]
            if not sources or not targets:
                continue
            one = np.eye(n)
            from_one, to_one = one[[m[0] for m in sources]], one[[m[0] for m in targets]]
            signed_from = from_one * np.array([m[3] for m in sources])[:, None]
            signed_to = to_one * np.array([m[3] for m in targets])[:, None]
            pairs = (from_one.sum(0)[:, None] * to_one.sum(0)).astype(int)
            at = np.ix_([m[2] for m in targets], [m[2] for m in sources])
            for role, grid in kernels:
                # A gate lets through whatever the sign; the candidate is what the sign is of.
                to = signed_to if self.roles[role] == "candidate" else to_one
                total[role] += np.einsum(
                    "sa,tsyx,tb->abyx", signed_from, grid[at], to, optimize=True
                )
                count[role] += pairs
        filled = np.maximum(count, 1)[..., None, None]
        return KernelMeans(np.where(count[..., None, None] > 0, total / filled, np.nan), count)
