"""A claim against a distribution of controls: the best cell of each, scored where it was not chosen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError
from interp.statistics.interval import finite_units

FEWEST_CONTROLS = 19
"""With fewer draws no rank gives a p-value of 0.05."""


class CrossFitted(NamedTuple):
    """What every player scores at the cell that was chosen for it on other units.

    Attributes
    ----------
    score : numpy.ndarray
        (player, unit) float64.
    cell : numpy.ndarray
        (player, fold) int64: which of the cells, counted as `numpy.ravel` does.
    fold : numpy.ndarray
        (unit,) int64: the fold in which a unit is scored.
    """

    score: np.ndarray
    cell: np.ndarray
    fold: np.ndarray


def cross_fitted(
    outcome: ArrayLike, n_folds: int = 2, rng: np.random.Generator | int = 0
) -> CrossFitted:
    """Choose the best cell of every player on some units, and score it on the others.

    Every player (what is claimed, and each control) has the same choice among the same cells, on the
    same folds, so that under the null hypothesis no rank among them is likelier than another, however
    many cells there are; and no score is of units that chose its cell.

    Parameters
    ----------
    outcome
        (player, *cell, unit) float; larger is better.
    n_folds
        Parts of the units; each is scored at the cell that is best, on average, in the others. With
        one cell there is nothing to be chosen.
    rng
        Draws the folds.

    Raises
    ------
    InputError
        If there are several cells and a single unit: nothing can be chosen that is not scored.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.zeros((1, 2, 4)); one[0, 1] = 1.0  # the second cell always succeeds
    >>> cross_fitted(one).score.tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    table = finite_units("outcome", outcome)
    flat = table.reshape(len(table), -1, table.shape[-1])
    n_players, n_cells, n_units = flat.shape
    if n_cells == 1:
        fold = np.zeros(n_units, np.int64)
        return CrossFitted(flat[:, 0], np.zeros((n_players, 1), np.int64), fold)
    if n_units < 2:
        raise InputError(
            f"{n_cells} cells and a single unit: the best cell is chosen on units that are not scored. "
            "Give more tasks, or one cell."
        )
    n_folds = min(n_folds, n_units)
    fold = np.random.default_rng(rng).permutation(np.arange(n_units) % n_folds)
    score = np.empty((n_players, n_units))
    cell = np.empty((n_players, n_folds), np.int64)
    for k in range(n_folds):
        cell[:, k] = flat[..., fold != k].mean(axis=-1).argmax(axis=1)
        here = fold == k
        score[:, here] = np.take_along_axis(flat, cell[:, k, None, None], axis=1)[:, 0][:, here]
    return CrossFitted(score, cell, fold)
