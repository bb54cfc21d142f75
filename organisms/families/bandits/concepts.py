"""What a learner of bandits may know: labels on recorded runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.concepts import Concept
from organisms.families.bandits.world import ARMS, counts

if TYPE_CHECKING:
    import xarray as xr


def posterior_means(run: xr.Dataset) -> np.ndarray:
    """Return the expected probability of pay, given what was seen, (episode, step, arm) float64."""
    observation = run["observation"].transpose("episode", "step", "feature")
    paid, not_paid = np.moveaxis(counts(observation.values), -1, 0)
    return (paid + 1) / (paid + not_paid + 2)


def _labels(run: xr.Dataset, values: np.ndarray, outside: float) -> xr.DataArray:
    step = run["step"]
    return (
        step.copy(data=step.values)
        .expand_dims(episode=run.sizes["episode"])
        .copy(data=values)
        .where((step < run["length"]).transpose("episode", "step"), outside)
        .astype(values.dtype)
    )


def _better_arm(run: xr.Dataset) -> xr.DataArray:
    left, right = np.moveaxis(posterior_means(run), -1, 0)
    return _labels(run, np.where(left == right, -1, left < right).astype(np.int64), -1)


def _difference(run: xr.Dataset) -> xr.DataArray:
    left, right = np.moveaxis(posterior_means(run), -1, 0)
    return _labels(run, right - left, np.nan)


CONCEPTS = {
    "better_arm": Concept(
        "better_arm",
        _better_arm,
        ARMS,
        "Wang et al. 2016, arXiv 1611.05763",
        "The arm with the larger posterior mean, given the pulls so far; left out where they are equal.",
    ),
    "posterior_difference": Concept(
        "posterior_difference",
        _difference,
        None,
        "Wang et al. 2016, arXiv 1611.05763",
        "Posterior mean of the right arm's probability of pay minus that of the left one's.",
    ),
}
