from importlib import import_module

import numpy as np
import pytest
import xarray as xr

from analyses.training.emergence import _checkpoints, correlate, emergence, plot_emergence
from interp.errors import InputError, TooFewClassesError

N = 200
STEPS = [10, 20, 30, 40, 50, 60, 70, 80]


def probes(f1: float, control: float = 0.2, site: str = "top") -> xr.Dataset:
    """What plan_probes gives of one site."""
    dims = ("concept", "receptive_field", "source", "site", "tick")
    shape = (1, 1, 1, 1, 2)
    data = {}
    for end, shift in (("", 0), ("_low", -0.02), ("_high", 0.02)):
        data[f"macro_f1{end}"] = (dims, np.full(shape, f1 + shift))
        margin = np.full((1, 1, 1, 1, 2), f1 - control + shift)
        data[f"margin{end}"] = (("concept", "receptive_field", "metric", "site", "tick"), margin)
    coords = {
        "concept": ["plan"],
        "receptive_field": [1],
        "source": ["trained"],
        "metric": ["macro_f1"],
        "site": [site],
        "tick": [0, 1],
    }
    return xr.Dataset({**data, "n_groups": (("concept", "receptive_field"), [[60]])}, coords)


def thinking(rate: float, gain: float, n: int = N) -> xr.Dataset:
    """What thinking_time gives: `gain` more of the tasks are solved with thinking."""
    place = np.arange(n) / n
    solved = np.stack([place < rate, place < rate + gain]).astype(float)[None]
    return xr.Dataset(
        {"solved": (("source", "thinking", "episode"), solved)},
        {"source": ["trained"], "thinking": [0, 5]},
        {"organism": "planted"},
    )


def together(f1s, gains, rates=None):
    rates = np.linspace(0.2, 0.5, len(f1s)) if rates is None else rates
    return correlate(
        {s: probes(f1) for s, f1 in zip(STEPS, f1s, strict=False)},
        {s: thinking(rate, gain) for s, rate, gain in zip(STEPS, rates, gains, strict=False)},
        n_bootstrap=300,
    )


GROWS = np.linspace(0.25, 0.8, 8)
GAINS = np.array([0, 0.01, 0.02, 0.04, 0.06, 0.07, 0.09, 0.1])


def test_a_plan_and_its_use_that_emerge_together_are_found():
    result = together(GROWS, GAINS)
    cell = result.sel(concept="plan", measure="macro_f1", statistic="spearman")
    assert float(cell.correlation) == 1 and float(cell.correlation_low) > 0.6
    assert result.gain.values == pytest.approx(GAINS)
    assert result.macro_f1.sel(concept="plan").values == pytest.approx(GROWS)
    assert result.found.values.all() and result.attrs["n_checkpoints"] == 8


def test_gains_in_another_order_are_not_found():
    shuffled = GAINS[[4, 1, 7, 2, 0, 6, 3, 5]]
    result = together(GROWS, shuffled)
    assert not result.found.any()
    assert float(result.p_value.min()) > 0.05


def test_no_gain_at_all_is_not_found():
    result = together(GROWS, np.zeros(8))
    assert not result.found.any() and (result.correlation == 0).all()


def test_gains_too_small_to_be_told_from_noise_are_not_found():
    # In perfect order, but at most two tasks in two hundred.
    result = together(GROWS, np.repeat([0, 0.005, 0.01], [3, 3, 2]))
    assert float(result.p_value.min()) < 0.05 and not result.found.any()


def test_probes_no_better_than_their_controls_are_not_found():
    result = correlate(
        {s: probes(f1, control=0.9) for s, f1 in zip(STEPS, GROWS, strict=True)},
        {s: thinking(0.3, gain) for s, gain in zip(STEPS, GAINS, strict=True)},
        n_bootstrap=300,
    )
    assert not result.found.any()


def test_what_better_play_explains_is_not_partial():
    rates = 0.2 + 0.5 * (GROWS - GROWS.min())  # better play, in step with the probe
    result = together(GROWS, GAINS, rates)
    cell = result.sel(measure="macro_f1", statistic="pearson", concept="plan")
    assert float(cell.correlation) > 0.95 and abs(float(cell.partial)) < 0.5


def test_an_exact_permutation_p_by_hand():
    # Four checkpoints in order: one of 24 orders is as good.
    result = together(GROWS[:4], [0, 0.05, 0.1, 0.2])
    assert result.p_value.values == pytest.approx(1 / 24)


def test_kept_by_netcdf_and_drawn(tmp_path):
    result = together(GROWS, GAINS)
    result.to_netcdf(tmp_path / "emergence.nc")
    course, scatter = plot_emergence(xr.load_dataset(tmp_path / "emergence.nc")).axes
    dots = [line for line in scatter.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx(GROWS)
    assert "points" in scatter.get_ylabel() and "training" in course.get_xlabel()


def of_fewer_classes(f1s, gains, fewer: dict[int, str]):
    """As `together`, with classes left out at some checkpoints."""
    read = {s: probes(f1) for s, f1 in zip(STEPS, f1s, strict=True)}
    for step, words in fewer.items():
        read[step].attrs["classes_left_out"] = words
    thought = {s: thinking(0.3, gain) for s, gain in zip(STEPS, gains, strict=True)}
    return correlate(read, thought, n_bootstrap=300)


def test_scores_over_other_classes_are_not_asked():
    # With two classes left of five, an early probe scores 0.9 for nothing.
    f1s = np.r_[0.9, 0.9, GROWS[2:]]
    result = of_fewer_classes(f1s, GAINS, dict.fromkeys(STEPS[:2], "plan: up, down, left"))
    alone = together(GROWS[2:], GAINS[2:], np.full(6, 0.3))
    for name in ("macro_f1", "margin"):
        for end in ("", "_low", "_high"):
            values = result[name + end].sel(concept="plan").values
            assert np.isnan(values[:2]).all() and np.isfinite(values[2:]).all()
    assert result.n_asked.values.tolist() == [6] and result.found.values.all()
    xr.testing.assert_allclose(
        result[["correlation", "p_value"]].drop_attrs(),
        alone[["correlation", "p_value"]].drop_attrs(),
    )
    assert result.attrs["not_asked"] == "plan: 10, 20" and not alone.attrs["not_asked"]
    figure = plot_emergence(result)
    assert "not asked" in figure.get_suptitle() and "10, 20" in figure.get_suptitle()
    dots = [line for line in figure.axes[1].get_lines() if line.get_marker() == "o"]
    assert len(dots) == 6 and figure.axes[1].get_xlim()[1] < 0.9


def test_classes_left_out_alike_or_of_another_concept_compare():
    alike = of_fewer_classes(GROWS, GAINS, dict.fromkeys(STEPS, "plan: up"))
    other = of_fewer_classes(GROWS, GAINS, {STEPS[0]: "another: up, down"})
    for result in (alike, other):
        assert result.n_asked.values.tolist() == [8] and not result.attrs["not_asked"]


def test_too_few_comparable_checkpoints_have_no_correlation(tmp_path):
    # The last checkpoint's classes set the standard, here those of three checkpoints.
    result = of_fewer_classes(GROWS, GAINS, dict.fromkeys(STEPS[5:], "plan: up"))
    assert result.n_asked.values.tolist() == [3] and not result.found.any()
    assert np.isnan(result.correlation).all() and np.isnan(result.p_value).all()
    assert result.attrs["not_asked"] == "plan: 10, 20, 30, 40, 50"
    result.to_netcdf(tmp_path / "emergence.nc")
    scatter = plot_emergence(xr.load_dataset(tmp_path / "emergence.nc")).axes[1]
    assert "too few" in scatter.get_title(loc="left")


class Checkpoint:
    state_sites = ["bottom", "top"]

    def __init__(self, steps):
        self.steps, self.name = steps, f"checkpoint-{steps}"


def test_every_checkpoint_is_probed_at_the_same_site(monkeypatch):
    asked = []

    def plan_probes(organism, tasks, concepts, *, sites, receptive_fields, **options):
        asked.append((organism.steps, tasks, sites, receptive_fields, options["max_train_samples"]))
        return probes(0.2 + organism.steps / 100, site=sites[0])

    def thinking_time(organism, tasks, times, **options):
        assert times == (0, 3)
        return thinking(0.3, organism.steps / 1000)

    # By import_module: the package's attributes of these names are the functions themselves.
    for room, function in (("plans", plan_probes), ("thinking", thinking_time)):
        where = import_module(f"analyses.{room}.{function.__name__}")
        monkeypatch.setattr(where, function.__name__, function)
    given = {steps: Checkpoint(steps) for steps in (40, 10, 30, 20)}
    options = {"progress": False, "n_bootstrap": 200, "max_train_samples": 9}
    result = emergence(given, "tasks", "others", thinking_steps=3, **options)
    assert [call[0] for call in asked] == [10, 20, 30, 40]
    assert {call[1:3] for call in [(a, t, tuple(s)) for a, t, s, *_ in asked]} == {
        ("others", ("top",))
    }
    assert asked[0][3:] == (1, 9)
    assert result.attrs["site"] == "top" and result.attrs["organism"] == "checkpoint-40"


def test_checkpoints_that_do_next_to_nothing_are_left_out(monkeypatch):
    def plan_probes(organism, *args, **options):
        if organism.steps < 30:
            raise TooFewClassesError("of 'plan' only ('never',) occurs")
        return probes(organism.steps / 100)

    where = import_module("analyses.plans.plan_probes")
    monkeypatch.setattr(where, "plan_probes", plan_probes)
    where = import_module("analyses.thinking.thinking_time")
    monkeypatch.setattr(
        where, "thinking_time", lambda organism, *a, **o: thinking(0.3, organism.steps / 1000)
    )
    options = {"progress": False, "n_bootstrap": 200}
    result = emergence({steps: Checkpoint(steps) for steps in STEPS}, "tasks", **options)
    assert result.checkpoint.values.tolist() == STEPS[2:]
    assert result.attrs["checkpoints_left_out"] == "10, 20"
    with pytest.raises(InputError, match=r"At \[10, 20\] .* \[30, 40, 50\] are left"):
        emergence({steps: Checkpoint(steps) for steps in STEPS[:5]}, "tasks", **options)


def test_checkpoints_are_loaded_by_name_one_at_a_time(monkeypatch):
    import organisms.registry

    loaded = []
    monkeypatch.setattr(
        organisms.registry,
        "load",
        lambda name, checkpoint: loaded.append((name, checkpoint)) or Checkpoint(checkpoint),
    )
    source = type("Source", (), {"name": "mine", "checkpoints": [1, 2, 3, 4, 5]})()
    found, name = _checkpoints(source, [5, 1, 2, 3])
    assert name == "mine" and sorted(found) == [1, 2, 3, 5] and not loaded
    assert found[5]().steps == 5 and loaded == [("mine", 5)]
    with pytest.raises(InputError, match="no checkpoints at steps"):
        _checkpoints(source, [1, 2, 3, 9])


def test_bad_input():
    with pytest.raises(InputError, match="at least 4"):
        together(GROWS[:3], GAINS[:3])
    with pytest.raises(InputError, match="at least 4"):
        emergence({1: Checkpoint(1)}, "tasks", progress=False)
    with pytest.raises(InputError, match="has no checkpoints"):
        emergence(Checkpoint(1), "tasks", progress=False)
    with pytest.raises(InputError, match="thinking times of"):
        correlate({1: probes(0.5)}, {2: thinking(0.5, 0)})
    wide = xr.concat([probes(0.5, site="a"), probes(0.5, site="b")], "site", data_vars="minimal")
    with pytest.raises(InputError, match="one site"):
        correlate(dict.fromkeys(STEPS, wide), dict.fromkeys(STEPS, thinking(0.5, 0)))
