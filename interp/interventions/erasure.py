"""Concept erasure in closed form: the subspace without which no linear classifier reads a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, TooFewClassesError
from interp.interventions.subspaces import Subspace, as_matrix

if TYPE_CHECKING:
    import xarray as xr


def erasure_subspace(
    features: Any, labels: Any, dim: str = "channel", tolerance: float = 1e-10
) -> Subspace:
    """Return what to project out so that no linear classifier can read the labels: LEACE.

    Of all affine maps after which the features have no covariance with the labels, projecting out
    this subspace changes the features least, in the mean square (Belrose et al. 2023,
    arXiv 2306.03819). Zero covariance means that no linear classifier, fitted with any convex loss,
    has a lower loss than the best constant *on these features*: fit the subspace on training levels,
    and look with a probe how far it holds on others. A nonlinear classifier may still read the labels.

    Parameters
    ----------
    features
        ``(sample, size)`` array or tensor; or a DataArray with `dim`, whose other dims are samples.
    labels
        ``(sample,)`` integer classes (−1 leaves a sample out), or ``(sample, target)`` /
        ``(sample,)`` floats for regression targets (NaN leaves out). With a DataArray of features, a
        DataArray whose dims are among the features' sample dims (a concept of a run), repeated
        along the others.
    dim
        The feature dim the subspace lies along.
    tolerance
        Variances below this fraction of the largest count as zero, and their directions are left
        alone.

    Returns
    -------
    Subspace
        Oblique, through the mean of the features, of rank (classes − 1) at most.

    Raises
    ------
    InputError
        If shapes do not match, something is not finite, or the labels covary with nothing.
    TooFewClassesError
        If fewer than two classes occur.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(2, size=200)
    >>> features = rng.normal(size=(200, 3)) + labels[:, None] * np.array([2.0, 0.0, 0.0])
    >>> erasure_subspace(features, labels, dim="unit").rank
    1
    """
    x, z = _samples(features, labels, dim)
    x_mean, z_mean = x.mean(axis=0), z.mean(axis=0)
    centred, targets = x - x_mean, z - z_mean
    targets = targets[:, targets.std(axis=0) > 0]
    if not targets.size:
        raise InputError("The labels do not vary.")
    # The unit of a target changes nothing but what counts as rounding.
    covariance = centred.T @ centred / len(x)
    cross = centred.T @ (targets / targets.std(axis=0)) / len(x)
    return erasure_from_covariances(x_mean, covariance, cross, dim, tolerance)


def erasure_from_covariances(
    mean: Any, covariance: Any, cross_covariance: Any, dim: str, tolerance: float = 1e-10
) -> Subspace:
    """Return the subspace of `erasure_subspace` from sums that can be gathered in one pass.

    With ``W`` the whitening of the features and ``U`` an orthonormal basis of the columns of
    ``W @ cross_covariance``, the map is ``x - W⁺ U Uᵀ W (x - mean)`` (arXiv 2306.03819).

    Parameters
    ----------
    mean
        ``(size,)`` mean of the features.
    covariance
        ``(size, size)`` of the features.
    cross_covariance
        ``(size, target)`` of features and targets (one-hot labels, for classes), best of targets with a
        standard deviation of 1: a correlation with them below 1e-9 counts as none.
    dim, tolerance
        As in `erasure_subspace`.

    Raises
    ------
    InputError
        If shapes do not match, something is not finite, or the cross-covariance is zero.
    """
    mu = as_matrix("mean", mean, 1).numpy()
    sigma = as_matrix("covariance", covariance, 2).numpy()
    cross = as_matrix("cross_covariance", cross_covariance, 2).numpy()
    if sigma.shape != (len(mu), len(mu)) or len(cross) != len(mu):
        raise InputError(
            f"mean {mu.shape}, covariance {sigma.shape} and cross_covariance {cross.shape} disagree."
        )
    variances, axes = np.linalg.eigh((sigma + sigma.T) / 2)
    kept = variances > tolerance * max(variances.max(), 0.0)
    if not kept.any():
        raise InputError("The features do not vary.")
    scales, axes = np.sqrt(variances[kept]), axes[:, kept]
    # In the axes of the features' own covariance W and its pseudo-inverse are diagonal.
    whitened = (axes.T @ cross) / scales[:, None]
    left, singular, _ = np.linalg.svd(whitened, full_matrices=False)
    rank = int((singular > 1e-9 * max(1.0, singular.max())).sum())
    if not rank:
        raise InputError("The labels have no covariance with the features: nothing to erase.")
    left = left[:, :rank]
    return Subspace((left.T * scales) @ axes.T, dim, mu, (left.T / scales) @ axes.T)


def _samples(features: Any, labels: Any, dim: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features (sample, size) and targets (sample, target), float64, without what is left out."""
    if hasattr(features, "dims") and hasattr(labels, "dims"):
        x, z = _aligned(features, labels, dim)
    else:
        x, z = np.asarray(features, np.float64), np.asarray(labels)
    if x.ndim != 2 or z.ndim not in (1, 2) or len(x) != len(z):
        raise InputError(
            f"features must be (sample, size) and labels (sample, …), got {x.shape} and {z.shape}."
        )
    if z.dtype.kind in "iub" and z.ndim == 1:
        kept = z >= 0 if z.dtype.kind == "i" else np.ones(len(z), bool)
        classes, codes = np.unique(z[kept], return_inverse=True)
        if len(classes) < 2:
            raise TooFewClassesError(f"The labels have {len(classes)} class(es); two are needed.")
        targets = np.eye(len(classes))[codes]
    else:
        table = np.asarray(z.reshape(len(z), -1), np.float64)
        kept = ~np.isnan(table).any(axis=1)
        targets = table[kept]
    x = x[kept]
    if not len(x) or not (np.isfinite(x).all() and np.isfinite(targets).all()):
        raise InputError("There are no samples, or features or labels are not finite.")
    return x, targets


def _aligned(
    features: xr.DataArray, labels: xr.DataArray, dim: str
) -> tuple[np.ndarray, np.ndarray]:
    if dim not in features.dims:
        raise InputError(f"The features have the dims {features.dims}, without {dim!r}.")
    samples = [d for d in features.dims if d != dim]
    sizes: Mapping[Any, int] = features.sizes
    wrong = [d for d in labels.dims if d not in samples or labels.sizes[d] != sizes[d]]
    if wrong:
        raise InputError(f"The labels' dims {wrong} are not sample dims of the features {samples}.")
    x = features.transpose(*samples, dim).values.reshape(-1, sizes[dim]).astype(np.float64)
    shape = [labels.sizes.get(d, 1) for d in samples]
    ordered = labels.transpose(*(d for d in samples if d in labels.dims)).values.reshape(shape)
    return x, np.broadcast_to(ordered, [sizes[d] for d in samples]).reshape(-1)
