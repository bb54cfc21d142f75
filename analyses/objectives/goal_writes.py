"""What is written into a site so that another goal is represented there, and its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.objectives.path_probability import WalkedWays, walk_ways
from interp.errors import InputError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.interventions.named import swap

if TYPE_CHECKING:
    from organisms.capabilities.goal_pairs import GoalPairs

SOURCES = ("goal", "random", "shuffled")
"""What is written: the other goal; a random direction as long at every place; another pair's goal."""


@dataclass(frozen=True)
class Write:
    """One way of writing.

    Attributes
    ----------
    operation : str
        ``"interchange"``: the site is set to what it is in the other task. ``"steer"``: `alpha` times
        the difference that the two tasks' first observations make is added at every step.
    all_steps : bool
        Of an interchange: at every step of the way to the other goal, or at the first only.
    alpha : float
    """

    operation: str
    all_steps: bool
    alpha: float = 1.0

    @property
    def name(self) -> str:
        """How the write is called in datasets."""
        if self.operation == "steer":
            return f"steer ×{self.alpha:g}"
        return "interchange, all steps" if self.all_steps else "interchange, first step"


def writes_of(interchange: Sequence[str], alphas: Sequence[float]) -> list[Write]:
    """Return the writes asked for.

    Raises
    ------
    InputError
        If there are none, one is asked for twice, or an argument is out of range.
    """
    unknown = set(interchange) - {"first", "all"}
    factors = [float(alpha) for alpha in alphas]
    if isinstance(interchange, str) or unknown or not np.isfinite(factors).all():
        raise InputError(
            f"interchange is some of 'first' and 'all', not {interchange!r:.80}; alphas are finite: "
            f"{alphas!r:.80}."
        )
    writes = [Write("interchange", steps == "all") for steps in interchange]
    writes += [Write("steer", True, alpha) for alpha in factors]
    if not writes or len({write.name for write in writes}) < len(writes):
        raise InputError(f"Writes are distinct, at least one: {[write.name for write in writes]}.")
    return writes


class GoalWrites:
    """Makes interventions that write the other goal of each pair, or a control for it.

    The network is run over the shortest way to the other goal's place twice: in the clean task, and
    in the corrupted one, where the goal is there. The two differ by what is seen of the goal alone.

    Parameters
    ----------
    organism
        Anything with ``world`` and ``replay``.
    pairs
        At least two.
    sites
        Names.
    seed
        Of the random directions, and of which pair gets whose difference.

    Attributes
    ----------
    ways : WalkedWays
        The way to the other goal's place in the clean tasks.
    corrupted_ways : WalkedWays
        The same in the corrupted tasks.
    corrupted : xarray.Dataset
        The run over the latter.
    """

    def __init__(self, organism: Any, pairs: GoalPairs, sites: Sequence[str], seed: int = 0):
        if len(pairs) < 2:
            raise InputError("Two pairs are needed: one is the control of the other.")
        self.ways: WalkedWays = walk_ways(organism, pairs.clean, pairs.corrupted_way)
        self.corrupted_ways = walk_ways(organism, pairs.corrupted, pairs.corrupted_way)
        self._clean = self.ways.replay(organism, sites)
        self.corrupted = self.corrupted_ways.replay(organism, sites)
        self._places, self._sites, self._seed = pairs.place_dims, list(sites), int(seed)
        order = np.random.default_rng([self._seed, 1]).permutation(len(pairs))
        self._other = np.empty(len(pairs), np.int64)
        self._other[order] = np.roll(order, 1)

    def difference(self, site: str, source: str = "goal", draw: int = 0) -> xr.DataArray:
        """Return what is written at a site, as a difference from the clean task.

        Parameters
        ----------
        source
            One of `SOURCES`.
        draw
            Which of the random directions.

        Returns
        -------
        xarray.DataArray
            (step, batch, *dims of the site), float32; 0 after the end of the way.
        """
        dims = self.corrupted[site].dims
        goal = (self.corrupted[site] - self._clean[site]).transpose("step", "batch", ...)
        on_way = goal.step < self.corrupted.length
        goal = goal.where(on_way, 0.0)
        if source == "goal":
            return goal
        if source == "shuffled":
            last = self.ways.length[self._other] - 1
            steps = np.minimum(np.arange(goal.sizes["step"])[:, None], last)
            values = goal.values[steps, self._other]
            other = goal.copy(data=values)
            over = [dim for dim in dims if dim not in ("step", "batch", "tick")]
        elif source == "random":
            rng = np.random.default_rng([self._seed, 2, self._sites.index(site), draw])
            shape = [1 if dim == "step" else goal.sizes[dim] for dim in goal.dims]
            values = np.broadcast_to(rng.normal(size=shape), goal.shape)
            other = goal.copy(data=values.astype(np.float32))
            run = ("step", "batch", "tick", *self._places)
            over = [dim for dim in dims if dim not in run]
        else:
            raise InputError(f"There is no source {source!r}; there are {', '.join(SOURCES)}.")
        wanted, norm = ((array**2).sum(over) ** 0.5 for array in (goal, other))
        other = other * (wanted / norm.where(norm > 0)).fillna(0.0)
        return other.where(on_way, 0.0).transpose(*goal.dims).astype(np.float32)

    def interventions(
        self, site: str, write: Write, source: str = "goal", draw: int = 0
    ) -> list[Intervention]:
        """Return what writes into all clean tasks, one example a pair."""
        if write.operation == "steer":
            difference = self.difference(site, source, draw).isel(step=0, drop=True)
            ticks = [dim for dim in difference.dims if dim == "tick"]
            value = write.alpha * difference.transpose("batch", *ticks, ...).values
            return [Intervention(Address(site), "add", value, ("example", *map(str, ticks)))]
        values = self.corrupted[site]  # not as a sum: an identity must stay one, bit for bit
        if source != "goal":
            values = self._clean[site] + self.difference(site, source, draw)
        run = xr.Dataset({site: values, "length": self.corrupted.length})
        step = None if write.all_steps else 0
        return [swap(run, Address(site, step=step), missing="skip")]

    def steering(self, site: str, pair: int, alpha: float = 1.0) -> list[Intervention]:
        """Return what steers any episode by the difference of one pair, as of its start."""
        difference = self.difference(site).isel(step=0, batch=pair, drop=True)
        ticks = [str(dim) for dim in difference.dims if dim == "tick"]
        value = alpha * difference.transpose(*ticks, ...).values
        return [Intervention(Address(site), "add", value, tuple(ticks))]
