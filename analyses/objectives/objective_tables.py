"""From where probes point to a Dataset of how often it is right, with intervals and verdicts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.objectives.candidate_decoding import unit_means
from analyses.objectives.goal_lead import approaches, by_remaining, settled_steps
from analyses.objectives.objective_pointers import FIRST, LAST, LEAST, Decoded
from analyses.verdict import INTERVALS, add_verdict, one_sided_p
from interp import statistics
from interp.statistics.intervals import Bounds
from interp.statistics.significance import MEAN_TEST

_CELLS = ("source", "site", "tick")


class _Means:
    """Means over fits and units, of values that some units lack (NaN), with intervals over both."""

    def __init__(self, n_bootstrap: int, confidence: float, seed: int):
        self.how = (n_bootstrap, confidence, seed)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the mean (…) of values (fit, …, unit)."""
        there = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (np.where(there, values, 0.0).sum(-1) / there.sum(-1)).mean(axis=0)

    def ends(
        self, values: np.ndarray, bounds: Bounds | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return low, high and one-sided p (…) of the means of values (fit, …, unit).

        Over units alone where there is one fit; else the p-value is the larger of that over units, of the
        mean fit, and Student's t over units and fits.
        """
        shape = values.shape[1:-1]
        flat = values.reshape(len(values), -1, values.shape[-1])
        found = np.full((3, flat.shape[1]), np.nan)
        patterns, of = np.unique(np.isfinite(flat).all(axis=0), axis=0, return_inverse=True)
        for i, there in enumerate(patterns):  # cells that know the same units are one table
            if there.sum() > 1:
                cells = np.flatnonzero(of.ravel() == i)
                known = np.moveaxis(flat[:, cells][..., there], -1, 1)  # (fit, unit, cell)
                found[:, cells] = self._of_known(known, bounds)
        low, high, p = found.reshape(3, *shape)
        return low, high, p

    def _of_known(self, known: np.ndarray, bounds: Bounds | None) -> np.ndarray:
        middle = known.mean(axis=0)
        found = statistics.mean_interval(middle, *self.how, bounds=bounds)
        p = statistics.mean_p_value(middle, rng=self.how[-1], bounds=bounds)
        if len(known) == 1:
            return np.stack([found.low, found.high, p])
        nothing = np.zeros_like(middle)
        turned = None if bounds is None else (-bounds[1], -bounds[0])
        both = statistics.two_way_interval(nothing, known, self.how[1], bounds=turned)
        low, high = -both.high, -both.low
        t = one_sided_p(-both.estimate, low, high, len(middle), self.how[1])
        return np.stack(
            [np.minimum(found.low, low), np.maximum(found.high, high), np.maximum(p, t)]
        )

    def variables(
        self, name: str, dims: tuple[str, ...], values: np.ndarray, bounds: Bounds | None = None
    ) -> dict:
        """Return ``name``, ``name_low`` and ``name_high`` of values (fit, …, unit)."""
        low, high, _ = self.ends(values, bounds)
        return {
            name: (dims, self.of(values)),
            f"{name}_low": (dims, low),
            f"{name}_high": (dims, high),
        }


def summary(
    data: Decoded, horizon: int, n_bootstrap: int, confidence: float, seed: int
) -> xr.Dataset:
    """Return the Dataset of `objective_probes`, but for the attributes that name what was asked."""
    means = _Means(n_bootstrap, confidence, seed)
    there = dict.fromkeys(key[0] for points in data.points.values() for key in points)
    rungs = [source for source in there if source not in (*FIRST, *LAST)]
    sources = [source for source in (*FIRST, *rungs, *LAST) if source in there] or ["trained"]
    ticks = np.unique(np.concatenate([*data.ticks.values()]))
    coords = {"source": sources, "site": [*data.ticks], "tick": ticks}
    squares = {name: _table(data, name, coords) for name in data.names}
    dataset = _where(data, squares, coords, means)
    dataset.attrs |= {
        "analysis": "objective_probes",
        "too_few": ", ".join(name for name in data.names if not data.points[name]),
        "intervals": INTERVALS.format("the test's levels (and the fits)", n_bootstrap),
        "n_bootstrap": n_bootstrap,
        "confidence": confidence,
    }
    dataset = add_verdict(dataset, "margin", ("site", "tick")).drop_vars("margin_p")
    return dataset.merge(
        _when(data, squares[data.names[0]], coords, means, horizon), combine_attrs="override"
    )


def _table(data: Decoded, name: str, coords: dict) -> np.ndarray:
    """Return (fit, source, site, tick, moment) squares that a concept's probes point at, −1 for none."""
    ticks = list(coords["tick"])
    shape = (len(coords["source"]), len(coords["site"]), len(ticks), len(data.moments))
    points = data.points[name]
    fits = max((len(squares) for squares in points.values()), default=1)
    out = np.full((fits, *shape), -1, dtype=np.int32)
    for s, source in enumerate(coords["source"]):
        for i, site in enumerate(coords["site"]):
            at = [ticks.index(tick) for tick in data.ticks[site]]
            found = points.get((source, site), points.get((source, "")))
            if found is not None:
                out[:, s, i, at] = found
    return out


def _right(data: Decoded, squares: np.ndarray, there: np.ndarray, sources: list) -> np.ndarray:
    """Return (fit, source, …, moment) 1 where a square pointed at is marked; NaN for none.

    Probes of shuffled labels are scored on such labels: a probe of one strong channel that has no
    reason to prefer either sign would point right all the time or never.
    """
    right = there[np.arange(len(there)), squares]
    if "shuffled" in sources:
        at = sources.index("shuffled")
        right[:, at] = squares[:, at] == data.by_lot
    return np.where(squares >= 0, right, np.nan)


def _choice(data: Decoded, name: str) -> np.ndarray:
    """Return (moment,) bool: where a concept marks some candidates, but not all."""
    n = data.moments.at(data.moments.candidates).sum(axis=1)
    marked = data.marked[name].sum(axis=1)
    return (marked > 0) & (marked < n)


def _where(data: Decoded, squares: dict, coords: dict, means: _Means) -> xr.Dataset:
    names = data.names
    n_candidates = data.moments.at(data.moments.candidates).sum(axis=1)
    by_unit: dict[tuple[str, str], np.ndarray] = {}
    chance, counts = [], {"n_episodes": [], "n_groups": [], "n_fit_episodes": []}
    for at in names:
        used = _choice(data, at)
        share = data.marked[at].sum(axis=1) / n_candidates
        chance.append(float(means.of(unit_means(share, data.moments, data.unit, used)[None])))
        episodes = np.unique(data.moments.episode[used])
        counts["n_episodes"].append(len(episodes))
        counts["n_groups"].append(len(np.unique(data.unit[episodes])))
        counts["n_fit_episodes"].append(data.n_fit[at])
        for name in names:
            right = _right(data, squares[name], data.marked[at], coords["source"])
            by_unit[name, at] = unit_means(right, data.moments, data.unit, used)
    fits = max(len(values) for values in by_unit.values())
    every = {k: np.broadcast_to(v, (fits, *v.shape[1:])) for k, v in by_unit.items()}
    all_units = np.stack([np.stack([every[n, at] for at in names], 1) for n in names], 1)
    own = np.stack([every[n, n] for n in names], 1)
    dims = ("concept", "location", *_CELLS)
    variables = means.variables("points_at", dims, all_units, statistics.RATE)
    variables |= means.variables("accuracy", ("concept", *_CELLS), own, statistics.RATE)
    cells = ("concept", "site", "tick")
    margins, best = _margins(own, coords["source"], means)
    variables |= {
        name: (cells, values)
        for name, values in zip(
            ("margin", "margin_low", "margin_high", "margin_p"), margins, strict=True
        )
    }
    variables |= {
        "agree": (("set", "concept", "location"), data.agree),
        "best_control": (cells, best),
        "reads": (cells, _reads(all_units[:, :, :, 0], names, means)),
        "chance": ("concept", chance),
        **{name: ("concept", values) for name, values in counts.items()},
    }
    dataset = xr.Dataset(
        variables, {"set": ["fit", "test"], "concept": names, "location": names, **coords}
    )
    dataset["margin"].attrs["definition"] = (
        "trained minus the best control; the interval is the least over all controls"
    )
    dataset["n_fit_episodes"].attrs["least"] = LEAST
    return dataset


def _margins(own: np.ndarray, sources: list[str], means: _Means) -> tuple[list, np.ndarray]:
    """Return margin, low, high and p, and the best control, of values (fit, concept, source, …, unit).

    What holds over the best control holds over each: the p-value is the largest (Berger 1982).
    """
    mean = means.of(own)
    nothing = np.full((mean.shape[0], *mean.shape[2:]), np.nan)
    if len(sources) < 2:
        return [nothing] * 4, np.full(nothing.shape, "")
    controls = np.where(np.isnan(mean[:, 1:]), -np.inf, mean[:, 1:])
    best = np.array(sources[1:])[controls.argmax(axis=1)]
    known = np.isfinite(mean[:, 0]) & np.isfinite(controls.max(axis=1))
    margin = np.where(known, mean[:, 0] - controls.max(axis=1), np.nan)
    low, high, p = means.ends(own[:, :, :1] - own[:, :, 1:], statistics.DIFFERENCE)
    asked = np.isfinite(mean[:, 1:])  # a control that this concept does not have says nothing
    ends = [np.where(asked, end, np.inf).min(axis=1) for end in (low, high)]
    ends.append(np.where(asked, p, -np.inf).max(axis=1))
    return [margin, *(np.where(known, end, np.nan) for end in ends)], np.where(known, best, "")


def _reads(values: np.ndarray, names: list[str], means: _Means) -> np.ndarray:
    """Return (concept, site, tick) str: the locations pointed at most, of (fit, concept, location, …, unit).

    Those are named whose distance to the most frequent the interval does not tell from nothing.
    """
    mean = means.of(values)
    out = np.full((mean.shape[0], *mean.shape[2:]), "", dtype=object)
    for index in np.ndindex(out.shape):
        at = (index[0], slice(None), *index[1:])
        if np.isnan(mean[at]).any():
            continue
        here = values[(slice(None), *at)]  # (fit, location, unit)
        best = int(mean[at].argmax())
        low, _, _ = means.ends(here[:, best : best + 1] - here, statistics.DIFFERENCE)
        out[index] = ", ".join(name for i, name in enumerate(names) if i == best or not low[i] > 0)
    return out.astype(str)


def _when(
    data: Decoded, squares: np.ndarray, coords: dict, means: _Means, horizon: int
) -> xr.Dataset:
    moments, unit = data.moments, data.unit
    goal = data.marked[data.names[0]] & _choice(data, data.names[0])[:, None]
    approach = approaches(moments, goal)
    right = _right(data, squares, goal, coords["source"])
    chance = goal.sum(axis=1) / moments.at(moments.candidates).sum(axis=1)
    profile = by_remaining(right, moments, approach, unit, horizon)
    by_chance = by_remaining(chance, moments, approach, unit, horizon)
    settled = np.full((*right.shape[:-1], int(unit.max()) + 1), np.nan)
    steps = settled_steps(right == 1, moments, approach)
    of_approach = unit[approach.episodes]
    for u in np.unique(of_approach):
        settled[..., u] = steps[..., of_approach == u].mean(axis=-1)
    settled[(squares < 0).any(axis=-1)] = np.nan
    controls = coords["source"][1:]
    lead = settled[:, :1] - settled[:, 1:]
    variables = means.variables("goal_accuracy", (*_CELLS, "remaining"), profile, statistics.RATE)
    variables |= means.variables("settled", _CELLS, settled)
    variables |= means.variables("lead", ("control", "site", "tick"), lead)
    variables["goal_chance"] = ("remaining", means.of(by_chance[None]))
    variables["n_remaining"] = ("remaining", np.isfinite(by_chance).sum(axis=-1))
    variables["n_approaches"] = ((), len(approach.members))
    remaining = np.arange(1, horizon + 1)
    dataset = xr.Dataset(variables, {"control": controls, "remaining": remaining, **coords})
    # A claim of the verdict is that something is above zero: how many steps earlier.
    _, _, p = means.ends(-lead)
    asked = ~np.isnan(dataset.lead.values)  # a control that this concept does not have
    worst = np.where(asked.any(axis=0), np.where(asked, p, -np.inf).max(axis=0, initial=-1), np.nan)
    table = xr.Dataset({"earlier": -dataset.lead.max("control")}) if controls else None
    if table is None:
        return dataset.assign(lead_found=False)
    p_value = xr.DataArray(
        worst, table.earlier.coords, table.earlier.dims, attrs={"definition": _LEAD_P}
    )
    table = add_verdict(table, "earlier", ("site", "tick"), p=p_value)
    for name in ("p_value", "p_holm", "found"):
        dataset[f"lead_{name}"] = table[name]
    dataset["lead_found"].attrs["definition"] = "lead < 0 over every control in a cell: " + _HOLM
    return dataset


_LEAD_P = (
    "one-sided, of lead ≥ 0 over some control (the largest p over controls; Berger 1982); "
    + MEAN_TEST
)
_HOLM = "Holm-corrected over site, tick, p < 0.05"
