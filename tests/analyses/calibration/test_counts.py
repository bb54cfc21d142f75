"""Analyses asked of what is known, few times; and what is made of the counts."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

from analyses.calibration import counts
from analyses.calibration.trials import Trial, trials
from interp.errors import InputError, UnknownNameError

RUNS = 24


def test_a_random_direction_is_hardly_ever_found_and_a_strong_one_often():
    result = counts.calibrate("plan_steering", RUNS, progress=False)
    assert result.effect.values[0] == 0 < result.effect.values[-1]
    null = result.effect.values == 0
    # More than this many of so many, at a rate of .06, happens once in ten thousand.
    assert (result.hits.values[null] <= binom.isf(1e-4, RUNS, 0.06)).all()
    assert result.hits.values[-1] > RUNS / 2


def test_the_same_seed_counts_the_same(monkeypatch):
    drawn = {"luck": (Trial("half", 0.0, lambda rng: bool(rng.random() < 0.5)),)}
    monkeypatch.setattr(counts, "trials", lambda: drawn)
    one, two = (counts.calibrate("luck", 50, seed, progress=False) for seed in (3, 3))
    other = counts.calibrate("luck", 50, 4, progress=False)
    assert int(one.hits[0]) == int(two.hits[0]) and 10 < int(one.hits[0]) < 40
    assert int(other.hits[0]) != int(one.hits[0])


@pytest.fixture
def result():
    return xr.Dataset(
        {
            "hits": ("trial", [2, 8, 180]),
            "effect": ("trial", [0.0, 0.0, 0.1]),
            "found_rate": ("trial", [0.01, 0.04, 0.9]),
        },
        {"trial": ["calm", "odd", "strong"]},
        {"of": "some", "runs": 200, "seed": 0},
    )


def test_the_line_tells_the_worst_null_and_the_powers(result):
    line = counts.line_of(result)
    assert "4.0 % of nulls [1.7, 7.7] (the worst of 2 kinds, 200 runs each)" in line
    assert "90 % of effects of 0.1" in line


def test_counts_are_kept_beside_others(tmp_path, result, monkeypatch):
    path = tmp_path / "counted.json"
    counts.keep(result, path)
    counts.keep(result.assign_attrs(of="another"), path)
    kept = json.loads(path.read_text())
    assert sorted(kept) == ["another", "some"]
    assert kept["some"]["trials"][1] == {"what": "odd", "effect": 0.0, "found": 8}
    monkeypatch.setattr(counts, "COMMITTED", path)
    counts._committed.cache_clear()
    assert counts.calibration_line("some") == counts.line_of(result)
    assert counts.calibration_line("unheard of") is None
    assert "| odd | 0 | 4.0 % [1.7, 7.7] |" in counts.markdown()
    counts._committed.cache_clear()


def test_trials_hold_nulls_first_and_effects_that_grow():
    for name, kinds in trials().items():
        effects = np.array([trial.effect for trial in kinds])
        assert effects[0] == 0 and (np.diff(effects) >= 0).all() and effects[-1] > 0, name


def test_bad_input():
    with pytest.raises(UnknownNameError, match="plan_steering"):
        counts.calibrate("plan_stering")
    with pytest.raises(InputError, match="runs"):
        counts.calibrate("plan_steering", 0)
