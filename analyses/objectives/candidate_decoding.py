"""Which of several candidate squares does a linear probe point at? For every source, site and tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from interp.concepts import Concept
from interp.errors import InputError
from interp.probes.features import Features, gather, last_observations
from interp.probes.hidden_layer import fit_network
from interp.probes.solver import fit_multinomial_many, scale_multiplier
from interp.probes.targets import find_target, valid_rows

TIE = 1e-5
"""Scores that differ by less are decided by lot: float32 sums of the same terms differ by as much."""


@dataclass(frozen=True)
class Moments:
    """The (episode, step)s of a run at which there is something to choose between.

    Attributes
    ----------
    candidates
        (episode, step, square) bool: the candidates, at those moments only.
    episode, row
        (moment,) positions.
    lot
        (episode, square) float64 in [0, 1): decides ties, the same way throughout an episode.
    """

    candidates: np.ndarray
    episode: np.ndarray
    row: np.ndarray
    lot: np.ndarray

    def __len__(self) -> int:
        return len(self.episode)

    def at(self, squares: np.ndarray) -> np.ndarray:
        """Return (moment, square) of what is (episode, step, square), at candidates only."""
        return squares[self.episode, self.row] & self.candidates[self.episode, self.row]

    @classmethod
    def of(cls, run: xr.Dataset, candidates: Concept, seed: int | list[int]) -> Moments:
        """Find the moments of a run that have two candidates or more.

        Raises
        ------
        InputError
            If there are none.
        """
        there = marked(run, candidates)
        there &= (there.sum(axis=2) > 1)[:, :, None]
        episode, row = np.nonzero(there.any(axis=2))
        if not len(episode):
            raise InputError(f"No step of the run has two squares or more of {candidates.name!r}.")
        lot = np.random.default_rng(seed).random((len(there), there.shape[2]))
        return cls(there, episode, row, lot)

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Moment (index) and square of every candidate, in order."""
        moment, square = np.nonzero(self.candidates[self.episode, self.row])
        return moment, square


def marked(run: xr.Dataset, concept: Concept) -> np.ndarray:
    """Return (episode, step, square) bool: the squares that a concept of two classes marks.

    Raises
    ------
    InputError
        If it has not two classes, or its labels are not one per square.
    """
    if concept.classes is None or len(concept.classes) != 2:
        raise InputError(
            f"Concept {concept.name!r} has classes {concept.classes}; places have two, such as no "
            "and yes."
        )
    target = find_target(run, concept, valid_rows(run, None))
    if target.grid is None:
        raise InputError(f"Concept {concept.name!r} has one label per step, none per square.")
    return target.labels == 1 - (target.negative or 0)


def read(array: Features, moments: Moments, receptive_field: int = 1) -> np.ndarray:
    """Return the features of all candidate squares: (tick, feature + 1, cell), the last one ones."""
    moment, square = moments.cells
    n_features = array.n_channels * receptive_field**2
    out = np.ones((array.n_ticks, n_features + 1, len(moment)), dtype=np.float32)
    used = np.asarray(moments.candidates.any(axis=2))
    episodes, first = np.unique(moments.episode), 0
    for _, rows in array.blocks(episodes, used[episodes]):
        a, b = np.searchsorted(moment, [first, first + len(rows)])
        gather(rows, moment[a:b] - first, square[a:b], receptive_field, out[:, :, a:b])
        first += len(rows)
    assert first == len(moments)
    return out


def positions(observation: xr.DataArray, moments: Moments, moving: np.ndarray) -> np.ndarray:
    """Return features of candidates: what lies there, and where from there the things that move are.

    The latter as whole boards centred on the candidate, of this observation and of the one before, so
    that a linear function of them may depend in any way on where the agent is and on its last move.

    Parameters
    ----------
    observation
        (episode, step, …, y, x), what moves among it.
    moving
        (channel,) bool, from `moving_channels`.

    Returns
    -------
    numpy.ndarray
        (1, feature + 1, cell) float32.
    """
    flat = _flat(observation)
    here = read(Features.of(flat, "observation", _grid(flat)), moments)
    if not moving.any():
        return here
    pair = last_observations(flat.isel(channel=np.flatnonzero(moving)))
    side = 2 * max(_grid(flat)) - 1
    around = read(Features.of(pair, "positions", _grid(flat)), moments, side)
    return np.concatenate([around[:, :-1], here], axis=1)


def moving_channels(observation: xr.DataArray, run: xr.Dataset) -> np.ndarray:
    """Return (channel,) bool: which channels of an observation change within episodes."""
    values = _flat(observation).values
    valid = valid_rows(run, None)
    both = valid[:, 1:] & valid[:, :-1]
    return (values[:, 1:][both] != values[:, :-1][both]).any(axis=(0, 2, 3))


def _flat(observation: xr.DataArray) -> xr.DataArray:
    own = [dim for dim in observation.dims if dim not in ("episode", "step", "y", "x")]
    if "y" not in observation.dims or "x" not in observation.dims:
        raise InputError(f"The observation has dims {observation.dims}, without y and x.")
    if not own:
        flat = observation.expand_dims("channel")
    elif len(own) == 1:
        flat = observation.rename({own[0]: "channel"})
    else:
        flat = observation.stack(channel=own, create_index=False)
    return flat.transpose("episode", "step", "channel", "y", "x")


def _grid(array: xr.DataArray) -> tuple[int, int]:
    return array.sizes["y"], array.sizes["x"]


def fit_linear(
    x: np.ndarray, labels: list[np.ndarray], weights: list[np.ndarray], regularisation: float
) -> np.ndarray:
    """Fit logistic probes, features penalised in units of their spread.

    Parameters
    ----------
    x
        (tick, feature + 1, cell) float32, the last feature ones.
    labels, weights
        For each fit, (cell,) bool and (cell,) float: how often each cell counts.

    Returns
    -------
    numpy.ndarray
        (fit, tick, feature + 1) float32: weights of the log-odds, the last one the intercept.
    """
    x = np.ascontiguousarray(x)
    spreads = [
        scale_multiplier(rows[:-1].mean(1, dtype=np.float64), rows[:-1].var(1, dtype=np.float64))
        for rows in x
    ]
    found = fit_multinomial_many(
        list(x),
        [y.astype(np.int32) for y in labels],
        2,
        weights=[w.astype(np.float32) for w in weights],
        regularisation=regularisation,
        multipliers=spreads,
    )
    coef = np.array([[fit.coef[1] - fit.coef[0] for fit in fits] for fits in found])
    intercept = np.array([[fit.intercept[1] - fit.intercept[0] for fit in fits] for fits in found])
    both = np.concatenate([coef, intercept[..., None]], axis=2)
    return both.transpose(1, 0, 2).astype(np.float32)


def linear_scores(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (fit, tick, cell) scores of weights (fit, tick, feature + 1) on x (tick, feature + 1, cell)."""
    return np.matmul(weights.transpose(1, 0, 2), x).transpose(1, 0, 2)


def network_scores(
    x: np.ndarray,
    labels: np.ndarray,
    validation: np.ndarray,
    x_test: np.ndarray,
    hidden: int,
    seed: int,
) -> np.ndarray:
    """Return (fit, tick, cell), one of each, of a network with a hidden layer.

    Parameters
    ----------
    x, x_test
        (tick, feature + 1, cell) of a single tick: what it is fitted to, and what it scores.
    labels
        (cell,) bool.
    validation
        (cell,) bool: cells by which the number of epochs is chosen.
    """
    network = fit_network(
        np.ascontiguousarray(x[0, :-1].T), labels.astype(np.int32), validation, hidden, 2, seed
    )
    return network.log_odds(x_test[0, :-1].T)[None, None]


def point(scores: np.ndarray, moments: Moments) -> np.ndarray:
    """Return (fit, tick, moment) int32: the candidate square with the highest score.

    Parameters
    ----------
    scores
        (fit, tick, cell), of the moments' cells.
    """
    moment, square = moments.cells
    tie = TIE * moments.lot[moments.episode[moment], square]
    all_scores = np.full((len(moments), moments.lot.shape[1]), -np.inf)
    out = np.empty((*scores.shape[:2], len(moments)), dtype=np.int32)
    for fit, tick in np.ndindex(*scores.shape[:2]):
        all_scores[moment, square] = scores[fit, tick] + tie
        out[fit, tick] = all_scores.argmax(axis=1)
    return out


def pick(there: np.ndarray, moments: Moments, lot: np.ndarray) -> np.ndarray:
    """Return (moment,) int64: one of the squares marked, by lot; of all candidates if there are none.

    An episode keeps its lots, so that what is picked is as steady as a goal.

    Parameters
    ----------
    there
        (moment, square) bool, candidates only.
    lot
        (episode, square) float64 in [0, 1).
    """
    some = there.any(axis=1, keepdims=True)
    among = np.where(some, there, moments.candidates[moments.episode, moments.row])
    return np.where(among, lot[moments.episode], -1).argmax(axis=1)


def unit_means(
    values: np.ndarray, moments: Moments, unit: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """Average values of moments within units.

    Parameters
    ----------
    values
        (…, moment) float.
    unit
        (episode,) resampling unit of each episode.
    used
        (moment,) bool.

    Returns
    -------
    numpy.ndarray
        (…, unit) float64, NaN for units without a used moment.
    """
    which = unit[moments.episode[used]]
    n_units = int(unit.max()) + 1
    count = np.bincount(which, minlength=n_units)
    into = np.zeros((len(which), n_units))
    into[np.arange(len(which)), which] = 1
    with np.errstate(invalid="ignore"):
        return (values[..., used] @ into) / np.where(count > 0, count, np.nan)
