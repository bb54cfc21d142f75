"""How well one number per square tells where an event happens k steps on: areas under the ROC curve.

Scores are put into bins once, counted level by level, and every area, on any resample of levels, is
read off the counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ahead:
    """Which square, seen from which row, has its event how far ahead.

    A row is one (episode, step) of the recording within its episode.

    Attributes
    ----------
    rows : numpy.ndarray
        (episode, step) int: number of the row, −1 outside the episodes.
    level : numpy.ndarray
        (row,) number of its level.
    left : numpy.ndarray
        (row,) how far ahead the episode goes on, at most `horizon`.
    row, square, kind, k : numpy.ndarray
        (pair,) the row, the event's flat square, its class and how far ahead it is (from 1).
    horizon : int
    board : tuple of int
    """

    rows: np.ndarray
    level: np.ndarray
    left: np.ndarray
    row: np.ndarray
    square: np.ndarray
    kind: np.ndarray
    k: np.ndarray
    horizon: int
    board: tuple[int, int]

    @classmethod
    def of(
        cls,
        events: np.ndarray,
        length: np.ndarray,
        level: np.ndarray,
        horizon: int,
        by_events: bool,
    ) -> Ahead:
        """Find all pairs.

        Parameters
        ----------
        events
            (episode, step, y, x) classes from step 0 on; 0 = nothing.
        by_events
            Whether `k` counts the steps at which there is an event, instead of all steps.
        """
        n, n_steps, height, width = events.shape
        inside = np.arange(n_steps) < length[:, None]
        rows = np.where(inside, np.cumsum(inside.ravel()).reshape(inside.shape) - 1, -1)
        counts = (events > 0).any(axis=(2, 3)) & inside if by_events else inside
        done = np.cumsum(counts, axis=1)
        before = done - counts  # what the clock shows at a step, itself not included
        left = np.minimum(done[:, -1:] - before, horizon)
        found = []
        for episode in range(n):
            t, y, x = np.nonzero(events[episode, : length[episode]] > 0)
            kind = events[episode, t, y, x]
            k = before[episode, t][:, None] - before[episode, : length[episode]][None] + 1
            earlier = np.arange(length[episode])[None] <= t[:, None]
            event, step = np.nonzero(earlier & (k <= horizon))
            found.append(
                np.stack(
                    [
                        rows[episode, step],
                        y[event] * width + x[event],
                        kind[event],
                        k[event, step],
                    ]
                )
            )
        row, square, kinds, k = np.concatenate(found, axis=1).astype(np.int64)
        of_row = np.repeat(level, inside.sum(axis=1))
        return cls(rows, of_row, left[inside], row, square, kinds, k, horizon, (height, width))

    def of_levels(self, chosen: np.ndarray) -> np.ndarray:
        """(pair,) bool: whether a pair's row belongs to one of the levels."""
        return np.isin(self.level[self.row], chosen)

    def shifted(self, shift: tuple[int, int], pairs: np.ndarray) -> np.ndarray:
        """Return flat squares beside the events', −1 beyond the board, for some pairs."""
        y, x = np.divmod(self.square[pairs], self.board[1])
        y, x = y + shift[0], x + shift[1]
        there = (0 <= y) & (y < self.board[0]) & (0 <= x) & (x < self.board[1])
        return np.where(there, y * self.board[1] + x, -1)


def since_last(events: np.ndarray, rows: np.ndarray, kind: int, n_bins: int) -> np.ndarray:
    """Return (row, square) how recently each square had its last event of a class, before each row.

    What a score has to beat: an agent that goes to and fro has its future written in its past. 0 where
    there was none; the step before gives the most, ``n_bins - 1``.

    Parameters
    ----------
    events
        (episode, step, y, x) classes.
    rows
        (episode, step) number of each row, −1 outside.
    """
    n_episodes, n_steps, height, width = events.shape
    out = np.zeros((int(rows.max()) + 1, height * width), np.int64)
    last = np.full((n_episodes, height, width), -n_bins)
    for step in range(n_steps):
        there = rows[:, step] >= 0
        code = np.maximum(n_bins - (step - last), 0)
        out[rows[there, step]] = code[there].reshape(there.sum(), -1)
        last[events[:, step] == kind] = step
    return out


def shift_map(values: np.ndarray, shift: tuple[int, int], fill: int) -> np.ndarray:
    """Return (row, y, x) maps in which each square has the value of the one `shift` away, or `fill`."""
    out = np.full_like(values, fill)
    height, width = values.shape[1:]
    dy, dx = shift
    to = (slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx)))
    source = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
    out[:, to[0], to[1]] = values[:, source[0], source[1]]
    return out


def bin_edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Return edges between about equally full bins, from a sample: the same for the same values."""
    rng = np.random.default_rng(0)
    sample = rng.choice(values.ravel(), min(values.size, 20_000), replace=False)
    return np.unique(np.quantile(sample, np.linspace(0, 1, n_bins + 1)[1:-1]))


def area(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of counts (…, bin); NaN where either side is empty.

    Examples
    --------
    >>> float(area(np.array([0, 1, 1]), np.array([2, 0, 1])))
    0.75
    """
    below = np.cumsum(negative, axis=-1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (positive * below).sum(axis=-1) / (positive.sum(axis=-1) * negative.sum(axis=-1))


def beyond(codes: np.ndarray) -> int:
    """Return the bin that squares beyond the board count as: the median one."""
    return int(np.median(codes))


def scan(
    codes: np.ndarray,
    ahead: Ahead,
    pairs: np.ndarray,
    rows: np.ndarray,
    classes: int,
    shifts: list[tuple[int, int]],
    n_bins: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Return areas (shift, class, k) of one score for every class and shift, over some pairs.

    The others are all squares of all rows as they lie, whatever the shift: good enough to choose by.

    Parameters
    ----------
    codes
        (row, square) bins.
    pairs, rows
        Positions of the pairs and rows to use.
    weight
        (row, square) bool: which squares are among the others.
    """
    others = others_by_k(
        codes, ahead, rows, np.zeros(len(ahead.level), np.int64), 1, n_bins, weight
    )
    out = np.full((len(shifts), classes, ahead.horizon), np.nan)
    kind, k = ahead.kind[pairs], ahead.k[pairs] - 1
    for i, shift in enumerate(shifts):
        square = ahead.shifted(shift, pairs)
        code = np.where(square >= 0, codes[ahead.row[pairs], square], beyond(codes))
        flat = (kind * ahead.horizon + k) * n_bins + code
        counts = np.bincount(flat, minlength=classes * ahead.horizon * n_bins)
        out[i] = area(counts.reshape(classes, ahead.horizon, n_bins), others[0])
    return out


def others_by_k(
    codes: np.ndarray,
    ahead: Ahead,
    rows: np.ndarray,
    unit: np.ndarray,
    n_units: int,
    n_bins: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Count (unit, k, bin) over the squares of rows that go on for at least k.

    Parameters
    ----------
    unit
        (row,) which unit each row counts for.
    """
    left = ahead.left[rows] - 1
    going = left >= 0
    rows, left = rows[going], left[going]
    base = (unit[rows] * ahead.horizon + left) * n_bins
    flat = base[:, None] + codes[rows]
    if weight is not None:
        flat = flat[weight[rows]]
    counts = np.bincount(flat.ravel(), minlength=n_units * ahead.horizon * n_bins)
    counts = counts.reshape(n_units, ahead.horizon, n_bins)
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]  # going on for k is going on for less, too


def counts_by_level(
    codes: np.ndarray,
    ahead: Ahead,
    pairs: np.ndarray,
    rows: np.ndarray,
    kind: int,
    unit: np.ndarray,
    n_units: int,
    n_bins: int,
    weight: np.ndarray | None = None,
    shown_to: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (unit, k, bin) of squares with the event k ahead, and of those without.

    Parameters
    ----------
    shown_to
        (pair,) other rows to read the squares from (−1: none), for events that are not theirs.
    """
    of_kind = pairs[ahead.kind[pairs] == kind]
    row = ahead.row[of_kind] if shown_to is None else shown_to[of_kind]
    of_kind, row = of_kind[row >= 0], row[row >= 0]
    k = ahead.k[of_kind] - 1
    if shown_to is not None:
        going = ahead.left[row] > k
        of_kind, row, k = of_kind[going], row[going], k[going]
    square = ahead.square[of_kind]
    if weight is not None:
        among = weight[row, square]
        of_kind, row, k, square = of_kind[among], row[among], k[among], square[among]
    flat = (unit[row] * ahead.horizon + k) * n_bins + codes[row, square]
    positive = np.bincount(flat, minlength=n_units * ahead.horizon * n_bins)
    positive = positive.reshape(n_units, ahead.horizon, n_bins)
    others = others_by_k(codes, ahead, rows, unit, n_units, n_bins, weight)
    return positive, others - positive
