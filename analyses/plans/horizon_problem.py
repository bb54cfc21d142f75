"""What is to be foretold from which rows, and the scores that might: channels and probes, site by site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.plans.horizon_scores import Ahead

if TYPE_CHECKING:
    from interp.concepts import Concept
    from organisms.capabilities.plans import Plans


@dataclass(frozen=True)
class Problem:
    """What is to be foretold, and on which rows."""

    classes: tuple[str, ...]
    ahead: Ahead
    events: np.ndarray  # (episode, step, y, x)
    shown_to: np.ndarray
    weight: np.ndarray | None
    train_rows: np.ndarray
    test_rows: np.ndarray
    unit: np.ndarray  # (row,) number of the row's level among the held-out ones
    n_levels: int
    split: tuple[np.ndarray, np.ndarray]
    shifts: list[tuple[int, int]]
    bands: dict[str, np.ndarray]  # "short" and, if the horizon goes beyond, "long": (k,) bool
    seed: int


def problem_of(
    run: xr.Dataset,
    reader: Plans,
    concept: Concept,
    horizon: int,
    short: int,
    ahead: str,
    against: str,
    reach: int,
    test_fraction: float,
    seed: int,
) -> Problem:
    """Find the events and split the levels; arguments as of `analyses.plans.plan_horizon.plan_horizon`."""
    from interp.probes.splits import split_groups

    events = reader.events(run, concept.name).sel(step=slice(0, None))
    events = events.transpose("episode", "step", "y", "x").values
    length = run.length.values.astype(int)
    ids = np.array([str(name) for name in run.level_id.values])
    groups, level = np.unique(ids, return_inverse=True)
    train, test = split_groups(level, test_fraction, seed)
    found = Ahead.of(events, length, level, horizon, ahead == "events")
    weight = None
    if against == "path":
        labels = concept(run).sel(step=slice(0, None)).transpose("episode", "step", "y", "x")
        weight = (labels.values > 0)[found.rows >= 0].reshape(len(found.level), -1)
    # Another level's events: those of each held-out episode are shown to the next one.
    order = test[np.argsort(level[test], kind="stable")]
    largest = int(np.bincount(level[test]).max())
    other = np.full(len(length), -1)
    other[order] = np.roll(order, -largest)
    episode, step = np.nonzero(found.rows >= 0)  # in the order of the rows
    shown_to = np.where(other[episode] >= 0, found.rows[other[episode], step], -1)[found.row]
    of_test = np.unique(level[test])
    numbers = np.full(len(groups), -1)
    numbers[of_test] = np.arange(len(of_test))
    steps = np.arange(-reach, reach + 1)
    shifts = sorted(
        ((int(y), int(x)) for y in steps for x in steps), key=lambda s: s[0] ** 2 + s[1] ** 2
    )
    near = np.arange(1, horizon + 1) <= short
    return Problem(
        classes=tuple(concept.classes or ()),
        ahead=found,
        events=events,
        shown_to=shown_to,
        weight=weight,
        train_rows=np.flatnonzero(np.isin(found.level, np.unique(level[train]))),
        test_rows=np.flatnonzero(numbers[found.level] >= 0),
        unit=numbers[found.level],
        n_levels=len(of_test),
        split=(groups[np.unique(level[train])], groups[of_test]),
        shifts=shifts,
        bands={"short": near} | ({} if near.all() else {"long": ~near}),
        seed=seed,
    )


class Scores:
    """Scores of every channel and probe at the rows, read site by site."""

    def __init__(self, problem: Problem, players: dict[str, xr.Dataset], sites: Any):
        from interp.probes.features import choose_sites

        self.problem, self.players = problem, players
        self.sites = choose_sites(players["trained"], sites, ("y", "x"))
        self.probes: xr.Dataset | None = None
        self._kept: tuple[tuple[str, str], np.ndarray] | None = None

    def fit_probes(self, labels: xr.DataArray, options: dict[str, Any]) -> None:
        """Add linear probes of the labels, fitted on training levels at the last tick."""
        from analyses.plans.decoded_plans import at_last_tick
        from interp.probes import fit_probes

        control = self.players.get("untrained")
        self.probes = fit_probes(
            at_last_tick(self.players["trained"]),
            labels.assign_attrs(classes=list(self.problem.classes)),
            self.sites,
            classes=self.problem.classes,
            steps=slice(0, None),
            split=self.problem.split,
            controls=(),
            n_bootstrap=0,
            untrained=None if control is None else at_last_tick(control),
            **options,
        )

    def of(self, player: str, site: str) -> np.ndarray:
        """Return (channel, row, y, x) of one site: its channels, then its probe's classes but the first."""
        if self._kept is None or self._kept[0] != (player, site):
            self._kept = ((player, site), self._read(player, site))
        return self._kept[1]

    def _read(self, player: str, site: str) -> np.ndarray:
        array = self.players[player][site].sel(step=slice(0, None))
        if "tick" in array.dims:
            array = array.isel(tick=-1)
        [channel] = set(array.dims) - {"episode", "step", "y", "x"}
        array = array.transpose("episode", "step", channel, "y", "x")
        rows = self.problem.ahead.rows
        values = np.concatenate(
            [
                array.isel(episode=slice(i, i + 32)).values[rows[i : i + 32] >= 0]
                for i in range(0, len(rows), 32)
            ]
        ).astype(np.float32)
        if self.probes is not None:
            values = np.concatenate([values, self._logits(values, player, site)], axis=1)
        return np.ascontiguousarray(values.transpose(1, 0, 2, 3))

    def _logits(self, values: np.ndarray, player: str, site: str) -> np.ndarray:
        from scipy.special import logsumexp

        from interp.probes.features import apply_linear

        assert self.probes is not None
        mine = self.probes.sel(source=player, site=site)
        there = np.flatnonzero(mine.intercept.notnull().all("class"))
        mine = mine.isel(tick=there[0], channel=slice(values.shape[1]))
        coef = mine.coef.transpose("class", "channel", "ky", "kx").values
        logits = apply_linear(values, coef, mine.intercept.values).reshape(
            len(values), -1, *values.shape[2:]
        )
        out = np.empty_like(logits[:, 1:])
        for c in range(1, logits.shape[1]):
            rest = np.delete(logits, c, axis=1)
            out[:, c - 1] = logits[:, c] - logsumexp(rest, axis=1)
        return out
