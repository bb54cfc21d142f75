"""What an interval is, and what is checked before one is given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError

FEW = 5
"""Units below which an interval is given with a warning only."""
SKEWED_BELOW = 100
"""Units below which skewed values are warned of."""


class _Ends(NamedTuple):
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Interval(_Ends):
    """An estimate with its confidence interval; arrays where the estimate is one.

    Attributes
    ----------
    estimate, low, high : ndarray
        The interval is a tuple of these three.
    method : str
        How the interval was had.
    warnings : tuple of str
        Why it may cover less than it says, in sentences.
    n : int
        Units behind it.
    """

    method: str
    warnings: tuple[str, ...]
    n: int

    def __new__(
        cls,
        estimate: Any,
        low: Any,
        high: Any,
        method: str = "",
        warnings: tuple[str, ...] = (),
        n: int = 0,
    ) -> Interval:
        """Make a triple that remembers where it comes from."""
        self = super().__new__(cls, *(np.asarray(end, float) for end in (estimate, low, high)))
        self.method, self.warnings, self.n = method, tuple(warnings), int(n)
        return self

    @property
    def attrs(self) -> dict[str, str]:
        """What a Dataset's variable keeps of it: ``interval`` and, if there are any, ``warnings``."""
        kept = {"interval": self.method}
        return kept | ({"warnings": " ".join(self.warnings)} if self.warnings else {})


def check_options(confidence: float, n_resamples: int = 1) -> None:
    """Raise `InputError` for a confidence outside (0, 1) or no resamples."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence!r}.")
    if n_resamples < 1:
        raise InputError(f"The number of resamples must be at least 1, not {n_resamples!r}.")


def finite_units(name: str, values: ArrayLike) -> np.ndarray:
    """Return values as float64, or raise `InputError` where there are none, or one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise InputError(f"{name} needs at least one unit along its first axis.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} has NaN or infinite values; leave those units out first.")
    return array


def check_bounds(
    values: np.ndarray, bounds: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return bounds as floats; raise `InputError` where a value lies outside."""
    if bounds is None:
        return None
    low, high = float(bounds[0]), float(bounds[1])
    if not low < high:
        raise InputError(f"bounds are (lowest, highest), not {bounds!r}.")
    slack = 1e-9 * (high - low)
    outside = (values < low - slack) | (values > high + slack)
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} values lie outside the bounds ({low:g}, {high:g}), such as "
            f"{float(values[outside][0]):g}."
        )
    return low, high


def warnings_of(values: np.ndarray, *, bounded: bool) -> tuple[str, ...]:
    """Return what is to be said of a mean of (unit, cell) values beside its interval."""
    n, n_cells = values.shape
    said = [few_units(n)] if n < FEW else []
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    there = spread > 1e-12 * np.abs(values).max(axis=0)
    if n >= FEW and n < SKEWED_BELOW:
        skewness = (centred**3).mean(axis=0)[there] / spread[there] ** 3
        # 2.5 standard errors of a normal sample's skewness.
        odd = int((np.abs(skewness) > max(1.0, 2.5 * np.sqrt(6 / n))).sum())
        if odd:
            said.append(
                f"Skewed values of {n} units{_cells(odd, n_cells)}: a 95 % interval may cover 85 to 93 %."
            )
    flat = int((~there).sum())
    if flat and not bounded:
        said.append(
            f"All {n} units are equal{_cells(flat, n_cells)}: an interval without width is no certainty."
        )
    return tuple(said)


def few_units(n: int) -> str:
    """Return the warning of an interval from fewer than five units."""
    return f"Only {n} unit{'s' if n != 1 else ''}: the interval is a rough guide."


def _cells(some: int, of: int) -> str:
    return "" if of == 1 else f" in {some} of {of} cells"
