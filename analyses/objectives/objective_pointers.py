"""Where the probes of all goals and all controls point, at every moment of a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analyses.objectives import candidate_decoding as decoding
from analyses.objectives.candidate_decoding import Moments
from analyses.recordings import Recorded
from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError
from interp.probes.controls import ObservationProbe, ladder
from interp.probes.features import Features, choose_sites, last_observations, one_hot_observation
from interp.statistics import bootstrap_weights

FIRST, LAST = ("trained", "untrained"), ("position", "nearest", "shuffled")
"""Sources before and after those that are probes of the observation."""
LEAST = 10
"""Episodes on either side that a concept must mark a candidate in, to be probed for."""


def levels(run: xr.Dataset) -> np.ndarray:
    """Return (episode,) names of the levels of a run, its units of evidence."""
    if "level_id" not in run:
        raise InputError("The runs need 'level_id': no level may be in both.")
    return np.array([str(name) for name in run["level_id"].values])


@dataclass
class Decoded:
    """Where every probe points in the test.

    ``points`` is concept → (source, site) → (fit, tick, moment) squares, controls without sites under
    the site ``""``; ``marked`` is concept → (moment, square) bool.
    ``by_lot`` is (moment,) a candidate drawn by lot for each, steady in an episode: what probes of shuffled
    labels are scored on. ``agree`` is (set, concept, location): the share of a concept's moments, of the
    fit and of the test, at which the other concept marks the same candidates.
    """

    names: list[str]
    ticks: dict[str, np.ndarray]
    moments: Moments
    unit: np.ndarray
    marked: dict[str, np.ndarray]
    points: dict[str, dict[tuple[str, str], np.ndarray]]
    n_fit: dict[str, int]
    by_lot: np.ndarray
    agree: np.ndarray


def decode(
    fit: Recorded,
    tested: Recorded,
    concepts: list[Concept],
    candidates: Concept,
    nearest: Concept | None,
    sites: Any,
    receptive_field: int,
    fits: int,
    regularisation: float,
    seed: int,
    controls: Sequence[str],
) -> Decoded:
    """Fit the probes of all concepts and sources, and let them point."""
    runs = fit.run, tested.run
    names = choose_sites(fit.run, sites, ("y", "x"))
    choose_sites(tested.run, names, ("y", "x"))
    grid = fit.run[names[0]].sizes["y"], fit.run[names[0]].sizes["x"]
    before, moments = (
        decoding.Moments.of(run, candidates, [seed, 5 + i]) for i, run in enumerate(runs)
    )
    unit_fit, unit = (np.unique(levels(run), return_inverse=True)[1] for run in runs)
    of_concept = {c.name: [decoding.marked(run, c) for run in runs] for c in concepts}
    marked = {name: moments.at(there) for name, (_, there) in of_concept.items()}
    seen = {name: before.at(there) for name, (there, _) in of_concept.items()}
    n_fit = {name: _n_episodes(there, before) for name, there in seen.items()}
    points: dict[str, dict[tuple[str, str], np.ndarray]] = {c.name: {} for c in concepts}
    enough = [
        name for name in points if min(n_fit[name], _n_episodes(marked[name], moments)) >= LEAST
    ]
    agree = np.stack([_agreement([*its.values()]) for its in (seen, marked)])
    moment, square = before.cells
    rng = np.random.default_rng([seed, 7])
    drawn = bootstrap_weights(int(unit_fit.max()) + 1, fits, rng)[:, unit_fit]
    by_lot = np.zeros((fits, len(before), moments.lot.shape[1]), dtype=bool)
    for labels in by_lot:
        picked = decoding.pick(labels, before, rng.random(before.lot.shape))
        labels[np.arange(len(before)), picked] = True

    nothing = np.zeros((len(moments), moments.lot.shape[1]), dtype=bool)
    lots = decoding.pick(nothing, moments, rng.random(moments.lot.shape))

    held = np.random.default_rng([seed, 9]).permutation(int(unit_fit.max()) + 1)
    held = np.isin(unit_fit, held[: len(held) // 4])

    def add(source: str, site: str, x_fit: np.ndarray, x_test: np.ndarray, hidden: int = 0) -> None:
        for name in enough:
            used = np.asarray(seen[name].any(axis=1))[moment]
            x, cells = x_fit[:, :, used], (moment[used], square[used])
            counts = [*drawn[:, before.episode[cells[0]]]]
            labels = {source: [seen[name][cells]] * fits}
            if source == "trained":
                labels["shuffled"] = [lots[cells] for lots in by_lot]
            for kind, y in labels.items():
                if hidden:  # once, to all levels: it takes as long as all the linear fits
                    stop = held[before.episode[cells[0]]]
                    scores = decoding.network_scores(x, y[0], stop, x_test, hidden, seed)
                else:
                    weights = decoding.fit_linear(x, y, counts, regularisation)
                    scores = decoding.linear_scores(weights, x_test)
                points[name][kind, site] = decoding.point(scores, moments)

    ticks = {}
    for site in names:
        for source, data in (("trained", runs), ("untrained", (fit.untrained, tested.untrained))):
            if data[0] is None or data[1] is None:
                continue
            pair = [Features.of(run[site], site, grid) for run in data if run is not None]
            ticks[site] = np.array([-1]) if pair[0].ticks is None else np.asarray(pair[0].ticks)
            x_fit, x_test = (
                decoding.read(f, m, receptive_field)
                for f, m in zip(pair, (before, moments), strict=True)
            )
            add(source, site, x_fit, x_test)
    rungs = _rungs(controls, dict(zip(("y", "x"), grid, strict=True)), receptive_field)
    for source, x_fit, x_test, hidden in _observed(runs, (before, moments), grid, rungs):
        add(source, "", x_fit, x_test, hidden)
    if nearest is not None:
        guess = decoding.pick(
            moments.at(decoding.marked(tested.run, nearest)), moments, moments.lot
        )
        for name in enough:
            if name != nearest.name:
                points[name]["nearest", ""] = guess[None, None]
    return Decoded([*points], ticks, moments, unit, marked, points, n_fit, lots, agree)


def _rungs(
    controls: Sequence[str], places: dict[str, int], receptive_field: int
) -> dict[str, tuple[int, int, int]]:
    """Return the observation's probes: name → side, last, hidden, each once."""
    rungs: dict[tuple[int, int, int], str] = {}
    for name in controls:
        rung = ObservationProbe.named(name)
        if rung is None:
            raise UnknownNameError("probe of the observation", name, ladder(places))
        key = rung.side(receptive_field, places), rung.last, rung.hidden
        rungs.setdefault(key, name)
    return {name: key for key, name in rungs.items()}


def _observed(
    runs: tuple[xr.Dataset, xr.Dataset],
    moments: tuple[Moments, Moments],
    grid: tuple[int, int],
    rungs: dict[str, tuple[int, int, int]],
) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    """Yield the features of the controls that read the observation: source, fit, test, hidden units."""
    # Coded together: colours are numbered as they occur.
    steps = [run["step"].values for run in runs]
    joined = xr.concat(
        [
            run["observation"].assign_coords(step=s).load()
            for run, s in zip(runs, steps, strict=True)
        ],
        "episode",
        join="outer",
        fill_value=255,
        coords="minimal",
        compat="override",
    )
    coded = one_hot_observation(joined).astype(np.float16)
    n = runs[0].sizes["episode"]
    parts = [coded[:n].sel(step=steps[0]), coded[n:].sel(step=steps[1])]
    for source, (side, last, hidden) in rungs.items():
        pair = parts if last == 1 else [last_observations(part, last) for part in parts]
        x, y = (
            decoding.read(Features.of(part, source, grid), its, side)
            for part, its in zip(pair, moments, strict=True)
        )
        yield source, x, y, hidden
    moving = decoding.moving_channels(parts[0], runs[0])
    x, y = (decoding.positions(o, its, moving) for o, its in zip(parts, moments, strict=True))
    yield "position", x, y, 0


def _n_episodes(there: np.ndarray, moments: Moments) -> int:
    return len(np.unique(moments.episode[there.any(axis=1)]))


def _agreement(marks: list[np.ndarray]) -> np.ndarray:
    """Return how often others mark the same, of (moment, square) marks: (concept, location)."""
    out = np.full((len(marks), len(marks)), np.nan)
    for i, mine in enumerate(marks):
        mine, of = mine[mine.any(axis=1)], mine.any(axis=1)
        for j, other in enumerate(marks):
            if len(mine):
                out[i, j] = (mine == other[of]).all(axis=1).mean()
    return out
