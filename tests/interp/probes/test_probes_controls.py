import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError
from interp.probes import ObservationProbe, fit_probes, ladder
from interp.probes.features import last_observations

QUIET = {"progress": False, "n_bootstrap": 50, "groups": None}


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        (ObservationProbe(), "observation"),
        (ObservationProbe(7), "observation 7x7"),
        (ObservationProbe("board", 3), "last 3 board"),
        (ObservationProbe(3, 4, 64), "MLP last 4 3x3"),
        (ObservationProbe(hidden=64), "MLP"),
    ],
)
def test_a_probe_has_one_name(probe, name):
    assert probe.name == name and ObservationProbe.named(name) == probe


@pytest.mark.parametrize(
    "name", ["", "3x3", "last", "last 1", "observation 3x5", "MLP observation"]
)
def test_what_is_no_name_is_none(name):
    assert ObservationProbe.named(name) is None


def test_what_is_as_wide_as_the_board_is_the_board():
    small = ladder({"y": 2, "x": 3}, memory=False)  # 5 × 5 about any square holds it all
    assert small == ("observation 1x1", "observation 3x3", "observation board", "MLP 3x3")
    wide = ladder({"y": 10, "x": 10}, more_fields=[9, 13, 99])
    assert [n for n in wide if n.startswith("observation")][-3:] == [
        *("observation 9x9", "observation 13x13", "observation board")
    ]
    assert "last 4 5x5" in wide and not any("last" in n for n in ladder({"y": 9, "x": 9}, False))


def test_before_the_first_observation_the_first_is_taken_again():
    shown = xr.DataArray([[1.0, 2.0, 3.0]], dims=("episode", "step"), coords={"step": [0, 1, 2]})
    assert last_observations(shown, 3).values[0].tolist() == [
        *([1.0, 1.0, 1.0], [2.0, 1.0, 1.0], [3.0, 2.0, 1.0])
    ]


def vectors(target, n=60, seed=0):
    """Return a run that shows two signs, a state of noise, and labels that follow from the signs."""
    rng = np.random.default_rng(seed)
    shown = rng.choice([-1.0, 1.0], size=(n, 6, 2)).astype(np.float32)
    run = xr.Dataset(
        {
            "h": (("episode", "step", "unit"), rng.normal(size=(n, 6, 3)).astype(np.float32)),
            "observation": (("episode", "step", "feature"), shown),
            "length": ("episode", np.full(n, 6)),
        },
        {"step": np.arange(6)},
    )
    return run, xr.DataArray(target(shown), dims=("episode", "step"))


def test_a_hidden_layer_finds_what_no_linear_probe_can():
    run, odd = vectors(lambda shown: (shown.prod(axis=2) > 0).astype(int))
    result = fit_probes(run, odd, controls=("observation", "MLP"), **QUIET)
    accuracy = result.accuracy.sel(site="h", tick=-1)
    assert accuracy.sel(source="observation") < 0.65 and accuracy.sel(source="MLP") == 1
    assert str(result.best_control.sel(metric="accuracy").item()) == "MLP"
    product = odd.astype(float) * 20 + 1e4
    numbers = fit_probes(run, product, controls=("observation", "MLP"), **QUIET)
    r2 = numbers.r2.sel(site="h", tick=-1)
    assert r2.sel(source="observation") < 0.1 and r2.sel(source="MLP") > 0.9


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_the_penalty_is_chosen_on_levels_that_are_not_scored(kind):
    run, label = vectors(lambda shown: (shown[..., 0] > 0).astype(int), n=40)
    wide = np.random.default_rng(3).normal(size=(40, 6, 150)).astype(np.float32)
    wide += 0.2 * label.values[..., None]  # a little in each
    run["h"] = (("episode", "step", "unit"), wide)  # as many features as rows: no penalty overfits
    options = {**QUIET, "kind": kind, "controls": (), "test_fraction": 0.3}
    several = fit_probes(run, label, regularisation=(1e-3, 300.0), **options)
    each = {p: fit_probes(run, label, regularisation=p, **options) for p in (1e-3, 300.0)}
    chosen = float(several.penalty.item())
    assert chosen == 300.0 and each[300.0].accuracy.item() > each[1e-3].accuracy.item()
    assert several.accuracy.item() == each[chosen].accuracy.item()
    if kind == "logistic":
        assert 0.4 < float(several.validation.item()) <= 1


def test_rungs_are_fitted_once_where_they_are_shared():
    run, label = vectors(lambda shown: (shown[..., 0] > 0).astype(int))
    shared: dict = {}
    first = fit_probes(run, label, controls=("observation", "last 2"), shared=shared, **QUIET)
    assert {*shared} == {("observation", 1), ("last 2", 1)}
    kept = shared["last 2", 1]
    again = fit_probes(run, label, controls=("observation", "last 2"), shared=shared, **QUIET)
    assert shared["last 2", 1] is kept
    xr.testing.assert_identical(first, again)


def test_squares_are_needed_to_see_around():
    run, label = vectors(lambda shown: (shown[..., 0] > 0).astype(int))
    with pytest.raises(InputError, match="squares"):
        fit_probes(run, label, controls=("observation 3x3",), **QUIET)
