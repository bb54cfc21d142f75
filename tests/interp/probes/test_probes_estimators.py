"""Directions of probes that any scikit-learn estimator fitted."""

import numpy as np
import pytest
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from interp.errors import InputError
from interp.probes import RidgeProbe, directions, fit_probes

SCALE = np.array([1.0, 30.0, 0.2, 5.0, 1.0])
TRUE = np.array([2.0, -0.1, 0.0, 0.3, 0.0])
OFFSET = np.array([4.0, -50.0, 0.0, 9.0, -1.0])


def run_of(n_episodes: int = 30, n_steps: int = 8) -> xr.Dataset:
    """Features of unlike units and offsets, of which `TRUE` says what is to be read."""
    rng = np.random.default_rng(3)
    x = (OFFSET + SCALE * rng.normal(size=(n_episodes, n_steps, 5))).astype(np.float32)
    return xr.Dataset(
        {"h": (("episode", "step", "unit"), x), "length": ("episode", [n_steps] * n_episodes)},
        {"step": np.arange(n_steps)},
    )


def signal(run: xr.Dataset) -> np.ndarray:
    return (run["h"].values - OFFSET) @ TRUE


def fitted(labels: np.ndarray, estimator) -> xr.Dataset:
    target = xr.DataArray(labels, dims=("episode", "step"))
    return fit_probes(
        run_of(),
        target,
        groups=None,
        estimator=estimator,
        controls=(),
        n_bootstrap=0,
        progress=False,
    )


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(C=10, max_iter=5000),
        RidgeClassifier(),
        LinearSVC(max_iter=50_000),
        SVC(kernel="linear"),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(MinMaxScaler(), PCA(), LogisticRegression(C=1000)),
        OneVsRestClassifier(make_pipeline(StandardScaler(), RidgeClassifier())),
        GridSearchCV(make_pipeline(StandardScaler(), LinearSVC()), {"linearsvc__C": [0.1, 1]}),
    ],
    ids=lambda e: f"{type(e).__name__}",
)
def test_two_classes_have_a_direction_each_in_the_features_own_units(estimator):
    run = run_of()
    labels = (signal(run) > 0).astype(int)
    result = fitted(labels, estimator)
    found = directions(result, "h")
    assert found.dims == ("class", "unit")
    np.testing.assert_allclose(found[0], -found[1])
    # Weights times the spread of the features: where the classes part, in units of their spread.
    assert cosine(found.values[1] * SCALE, TRUE * SCALE) > 0.9
    probe = result.sel(source="trained", site="h").squeeze("tick")
    logits = run["h"].values @ probe.coef.values.T + probe.intercept.values
    right = (logits.argmax(axis=-1) == labels).mean()
    assert right == pytest.approx(float(probe.accuracy), abs=0.05) and right > 0.9


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=5000),
        make_pipeline(StandardScaler(), OneVsRestClassifier(LinearSVC())),
    ],
    ids=["coef_", "asked"],
)
def test_three_classes_are_read_by_their_own_direction(estimator):
    run = run_of()
    labels = np.digitize(signal(run), [-1.0, 1.0])
    found = directions(fitted(labels, estimator), "h")
    assert found.dims == ("class", "unit") and found.sizes["class"] == 3
    assert cosine(found.values[2] * SCALE, TRUE * SCALE) > 0.8
    assert cosine(found.values[0] * SCALE, -TRUE * SCALE) > 0.8


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), RidgeProbe(1e-3), make_pipeline(StandardScaler(), LinearRegression())],
    ids=lambda e: type(e).__name__,
)
def test_a_number_has_one_direction(estimator):
    found = directions(fitted(signal(run_of()), estimator), "h")
    assert found.dims == ("unit",)
    np.testing.assert_allclose(found, TRUE, atol=1e-3)


@pytest.mark.parametrize(
    ("classes", "estimator"),
    [
        (2, KNeighborsClassifier()),
        (2, SVC()),
        (3, SVC(kernel="linear")),  # its rows are pairs of classes, as many as classes
        (None, RandomForestRegressor(n_estimators=5)),
    ],
    ids=["neighbours", "kernel", "pairs", "trees"],
)
def test_what_is_not_linear_has_no_direction(classes, estimator):
    values = signal(run_of())
    labels = values if classes is None else np.digitize(values, [0.0] if classes == 2 else [-1, 1])
    with pytest.raises(InputError, match="no linear weights"):
        directions(fitted(labels, estimator), "h")


def test_a_classifier_of_numbers_and_a_regressor_of_classes_are_refused():
    values = signal(run_of())
    with pytest.raises(InputError, match="is a number, and LogisticRegression"):
        fitted(values, LogisticRegression())
    with pytest.raises(InputError, match="is a class, and LinearRegression"):
        fitted((values > 0).astype(int), LinearRegression())
