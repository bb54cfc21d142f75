"""Activation patching: by hand, against run_with_hooks, and what must hold of any table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import (
    AddressError,
    InputError,
    UnfiredInterventionError,
    UnknownNameError,
    UnknownSiteError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.interventions.named import swap
from interp.network.hooks import HookedNetwork, SitePoint
from interp.network.view import NetworkView
from interp.patching import against_control, patch_sweep, setters
from interp.patching.engine import patching_hooks
from interp.patching.setters import Firing
from interp.runs.replay import replay
from tests.interp.patching.patching_network import LineNetwork, line_pairs, naive_effect
from tests.interp.toy_organism import ToyNetwork

VALUE = "value"


def value_of(reading, pair):
    """The value."""
    return reading.value


@pytest.fixture
def line():
    return LineNetwork()


def toy_pairs(examples=5, steps=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (2, steps, examples, 2, 3)).astype(np.uint8)


# By hand ------------------------------------------------------------------------------------------


def test_every_cell_by_hand(line):
    # One step, one example: x = (1, 0, 0) corrupted, (1, 2, 0) clean, so a[0] = x and then 2x.
    corrupted, clean = np.zeros((2, 1, 1, 3))
    corrupted[..., 0] = clean[..., 0] = 1
    clean[..., 1] = 2
    table = patch_sweep(
        line, clean, corrupted, ["layers.0.a"], over=("tick", "channel", "x"), metric=VALUE
    )
    # a(tick 0) carries on into tick 1 and is counted in b twice; a(tick 1) once, with twice the x.
    assert table.effect.dims == ("example", "site", "tick", "channel", "x")
    assert table.effect.values[0, 0].tolist() == [
        [[0, 4, 0], [0, 0, 0]],
        [[0, 4, 0], [0, 0, 0]],
    ]
    assert table.clean_metric.item() == 9 and table.corrupted_metric.item() == 3
    both = patch_sweep(line, clean, corrupted, ["layers.0.a"], over=(), metric=VALUE)
    assert both.effect.values.tolist() == [[6]]  # not 8: tick 1 is overwritten
    np.testing.assert_allclose(both.normalised, [1])
    halfway = patch_sweep(
        line, clean, corrupted, "layers.0.a", over=(), metric=VALUE, setter=setters.interpolate(0.5)
    )
    assert halfway.effect.values.tolist() == [[3]]


def test_noising_is_denoising_with_the_roles_exchanged(line):
    clean, corrupted = line_pairs()
    kwargs = {"sites": ["layers.*"], "over": ("layer", "step", "tick"), "metric": "value"}
    noise = patch_sweep(line, clean, corrupted, direction="noise", **kwargs)
    denoise = patch_sweep(line, corrupted, clean, direction="denoise", **kwargs)
    assert noise.effect.identical(denoise.effect) and noise.normalised.identical(denoise.normalised)
    assert (noise.clean_metric == denoise.corrupted_metric).all()
    assert noise.layer.values.tolist() == [0, 1]


# What must hold -----------------------------------------------------------------------------------


def test_an_identity_patch_changes_nothing_bit_for_bit():
    network = ToyNetwork()
    clean, _ = toy_pairs()
    ran = []

    def nudge_and_back(base, donor, firing):
        ran.append(firing)
        return donor

    table = patch_sweep(
        network, clean, clean, over=("step",), metric="log_odds", setter=nudge_and_back
    )
    assert ran and not table.effect.values.any()
    assert table.attrs["n_runs"] == 0 and not table.significant.any()


def test_an_identity_patch_that_is_run_changes_nothing_either(monkeypatch):
    from interp.patching.grid import Grid

    network = ToyNetwork()
    clean, corrupted = toy_pairs()
    always = Grid.per_cell

    def changed_everywhere(self, values, site, reduce):
        found = always(self, values, site, reduce)
        return torch.ones_like(found) if reduce == "any" else found

    monkeypatch.setattr(Grid, "per_cell", changed_everywhere)
    table = patch_sweep(
        network, corrupted, clean, "h", over=("step", "tick", "channel"), metric="log_odds",
        setter=lambda base, donor, firing: base,
    )  # fmt: skip
    assert table.attrs["n_runs"] == table.effect.size
    assert not table.effect.values.any()


@pytest.mark.parametrize("step", [0, 1, 2])
def test_everything_patched_at_a_step_is_the_donor_run_from_there(step):
    network = ToyNetwork()
    clean, corrupted = toy_pairs()
    corrupted[step + 1 :] = clean[step + 1 :]  # the inputs after the step are the base run's own
    table = patch_sweep(
        network, clean, corrupted, {"all": ["encoder", "h"]}, steps=step, over=(),
        metric="log_probability",
    )  # fmt: skip
    gap = table.clean_metric - table.corrupted_metric
    assert (gap != 0).all()
    np.testing.assert_array_equal(table.effect.sel(site="all"), gap)
    np.testing.assert_array_equal(table.normalised, [1])


def test_results_do_not_depend_on_batch_size():
    network = ToyNetwork()
    clean, corrupted = toy_pairs(examples=20)
    kwargs = {"sites": "h", "over": ("step", "tick", "channel"), "metric": "log_odds"}
    whole = patch_sweep(network, clean, corrupted, batch_size=512, **kwargs)
    for batch_size in (1, 7, 16):
        part = patch_sweep(network, clean, corrupted, batch_size=batch_size, **kwargs)
        assert part.identical(whole)


@pytest.mark.parametrize("direction", ["denoise", "noise"])
def test_equals_the_naive_path(direction):
    network = ToyNetwork()
    clean, corrupted = toy_pairs()
    base, donor = (corrupted, clean) if direction == "denoise" else (clean, corrupted)
    table = patch_sweep(
        network, clean, corrupted, ["h"], over=("step", "tick", "channel"), metric=VALUE,
        direction=direction, read_step=1,
    )  # fmt: skip
    assert table.sizes["step"] == 2
    with torch.inference_mode():
        before = network(torch.as_tensor(base)).value[1]
    for step, tick, channel in np.ndindex(2, 2, 5):
        after = naive_effect(
            network, base, donor, ("h", step, tick), {1: channel}, lambda _, value: value, 1
        )
        cell = table.effect.sel(site="h", step=step, tick=tick, channel=channel)
        np.testing.assert_allclose(cell, after - before, atol=2e-6)


def test_a_patch_is_a_swap_intervention(line):
    clean, corrupted = line_pairs(examples=3, steps=3)
    table = patch_sweep(
        line, clean, corrupted, ["layers.0.a"], steps=1, over=("tick", "x"), metric=VALUE
    )
    donor = replay(line, clean, sites=["layers.0.a"])["layers.0.a"].sel(step=1)
    before = replay(line, corrupted).value[-1]
    for tick, x in np.ndindex(2, 3):
        patch = Intervention(
            Address("layers.0.a", step=1, tick=tick, index={"x": x}),
            "set",
            donor.isel(tick=tick, x=x).values,
        )
        after = replay(line, corrupted, interventions=[patch]).value[-1]
        cell = table.effect.sel(site="layers.0.a", tick=tick, x=x)
        np.testing.assert_array_equal(cell, after - before)


@pytest.mark.parametrize("donors", ["matched", "random"])
def test_a_patch_is_the_interchange_of_two_runs(donors):
    network = ToyNetwork()
    clean, corrupted = toy_pairs(examples=8)  # a batch that runs alike on both ways
    table = patch_sweep(
        network, clean, corrupted, "h", steps=1, over=("tick", "channel"), metric=VALUE,
        donors=donors,
    )  # fmt: skip
    donor_run = replay(network, clean, sites=["h"]).rename(batch="episode")
    before = replay(network, corrupted).value[-1]
    for tick, channel in np.ndindex(2, 5):
        address = Address("h", step=1, tick=tick, index={"channel": channel})
        patch = swap(donor_run, address, table.donor.values.tolist())
        after = replay(network, corrupted, interventions=[patch]).value[-1]
        np.testing.assert_array_equal(table.effect[:, 0, tick, channel], after - before)


def test_an_intervention_in_force_holds_for_its_example_in_every_run(line):
    clean, corrupted = line_pairs(examples=3)
    push = np.array([[0.0], [10.0], [20.0]])  # another value for every example
    item = Intervention(Address("encoder"), "add", push, ("example",))
    kwargs = {"sites": "layers.0.a", "over": ("step", "tick", "x"), "metric": "kl_from_clean"}
    donors = [1, 2, 0]
    with applying(line, item):
        table = patch_sweep(line, clean, corrupted, **kwargs, donors=donors)
    moved = [obs.astype(float) + push for obs in (clean, corrupted)]
    expected = patch_sweep(line, *moved, **kwargs, donors=donors)
    np.testing.assert_array_equal(table.effect, expected.effect)


def test_steps_keep_their_labels(line):
    clean, corrupted = (
        xr.DataArray(
            obs.transpose(1, 0, 2), dims=("episode", "step", "x"), coords={"step": [-2, -1, 0]}
        )
        for obs in line_pairs(steps=3)
    )
    table = patch_sweep(line, clean, corrupted, "encoder", metric=VALUE)
    plain = patch_sweep(line, *line_pairs(steps=3), "encoder", metric=VALUE)
    assert table.step.values.tolist() == [-2, -1, 0] and table.attrs["read_step"] == 0
    np.testing.assert_array_equal(table.effect, plain.effect)
    early = patch_sweep(line, clean, corrupted, "encoder", steps=slice(None, 0), metric=VALUE)
    assert early.step.values.tolist() == [-2, -1]


def test_swept_axes_and_those_patched_together_agree_where_effects_add_up(line):
    clean, corrupted = line_pairs()
    by_square = patch_sweep(line, clean, corrupted, "encoder", steps=1, over="x", metric=VALUE)
    together = patch_sweep(line, clean, corrupted, "encoder", steps=1, over=(), metric=VALUE)
    np.testing.assert_array_equal(by_square.effect.sum("x"), together.effect)
    some = patch_sweep(
        line, clean, corrupted, "encoder", steps=1, over=(), metric=VALUE, index={"x": [0, 2]}
    )
    np.testing.assert_array_equal(by_square.effect.isel(x=[0, 2]).sum("x"), some.effect)
    picked = patch_sweep(
        line, clean, corrupted, "encoder", steps=1, over="x", metric=VALUE, index={"x": [2, 0]}
    )
    assert picked.x.values.tolist() == [2, 0]
    np.testing.assert_array_equal(picked.effect, by_square.effect.isel(x=[2, 0]))
    swapped = patch_sweep(
        line, clean, corrupted, "layers.0.a", over=("x", "channel"), metric="log_odds"
    )
    plain = patch_sweep(
        line, clean, corrupted, "layers.0.a", over=("channel", "x"), metric="log_odds"
    )
    np.testing.assert_array_equal(swapped.effect.transpose(*plain.effect.dims), plain.effect)


# Evidence -----------------------------------------------------------------------------------------


class Noisy(HookedNetwork):
    """Channel 0 of `h` decides the answer; the others do nothing at all to it but for channel 1."""

    def __init__(self):
        super().__init__()
        self.h = SitePoint("channel")
        self.setup()

    def forward(self, observations, state=None, episode_starts=None):
        from interp.contract import NetworkOutput

        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                h = self.h(observations[t].float())
                answer = h[:, 0] + 0.01 * torch.sin(1e3 * h[:, 1])
                logits.append(torch.stack([answer, -answer], dim=1))
        logits = torch.stack(logits)
        return NetworkOutput(logits, logits[..., 0], ())


def noisy_pairs(n=40, seed=0):
    rng = np.random.default_rng(seed)
    clean, corrupted = rng.normal(size=(2, 1, n, 6)).astype(np.float32)
    clean[..., 0] = 1 + np.abs(clean[..., 0])
    corrupted[..., 0] = -1 - np.abs(corrupted[..., 0])
    return clean, corrupted


def test_a_planted_cause_is_found_and_noise_is_not():
    table = patch_sweep(Noisy(), *noisy_pairs(), over="channel")
    assert table.significant.sel(site="h").values.tolist() == [True] + 5 * [False]
    cause = table.sel(site="h", channel=0)
    assert cause.normalised_low < cause.normalised + 1e-6 and abs(cause.normalised - 1) < 0.05
    noise = table.sel(site="h", channel=1)
    assert noise.effect.values.any() and noise.mean_effect_low < 0 < noise.mean_effect_high


def test_no_effect_gives_no_significant_cell():
    for seed in range(5):
        clean, corrupted = noisy_pairs(seed=seed)
        clean[..., 0] = corrupted[..., 0]  # the pair differs in noise alone
        table = patch_sweep(Noisy(), clean, corrupted, over="channel", metric="value")
        assert not table.significant.any()


def test_one_example_is_no_evidence():
    table = patch_sweep(Noisy(), *noisy_pairs(1), over="channel")
    assert not table.significant.any() and np.isnan(table.mean_effect_low).all()
    assert (table.p_value == 1).all()


def test_random_donors_and_the_comparison_with_them():
    clean, corrupted = noisy_pairs()
    clean[..., 0] = np.abs(clean[..., 0]) * np.where(np.arange(40) % 2, 1, -1)
    corrupted[..., 0] = -clean[..., 0]
    matched = patch_sweep(Noisy(), clean, corrupted, over="channel")
    control = patch_sweep(Noisy(), clean, corrupted, over="channel", donors="random", seed=3)
    again = patch_sweep(Noisy(), clean, corrupted, over="channel", donors="random", seed=3)
    assert control.identical(again)
    assert (control.donor != control.example).all()
    assert sorted(control.donor.values) == list(range(40))
    difference = against_control(matched, control)
    assert difference.significant.sel(site="h").values.tolist() == [True] + 5 * [False]
    expected = (matched.effect - control.effect).mean("example")
    np.testing.assert_allclose(difference.mean_effect, expected, atol=1e-6)
    with pytest.raises(InputError, match="other cells"):
        against_control(matched, control.isel(channel=slice(2)))


def test_the_dataset_says_what_it_is_and_survives_a_file(line, tmp_path):
    clean, corrupted = line_pairs(examples=4)
    table = patch_sweep(
        line, clean, corrupted, "layers.0.a", ticks=1, over=("step", "x"), metric=value_of, seed=7
    )
    attrs = table.attrs
    assert attrs["n_examples"] == 4 and attrs["n_cells"] == 6 and attrs["seed"] == 7
    assert attrs["metric"] == "value_of" and attrs["metric_definition"] == "The value."
    assert attrs["ticks"] == "1 (together)" and attrs["organism"] == "LineNetwork"
    assert "0 as the corrupted run" in attrs["normalisation"]
    table.to_netcdf(tmp_path / "table.nc")
    with xr.open_dataset(tmp_path / "table.nc") as read:
        xr.testing.assert_equal(read.load(), table)


def test_metrics_by_hand():
    from interp.patching.metrics import METRICS, Pair, Reading

    reading = Reading(torch.tensor([[0.0, np.log(2), np.log(5)]]), torch.tensor([3.0]))
    clean = Reading(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([1.0]))
    pair = Pair(clean, reading, torch.tensor([1]), torch.tensor([2]))
    found = {name: metric(reading, pair).item() for name, metric in METRICS.items()}
    third = np.log(1 / 3)
    assert found == pytest.approx({
        "logit_difference": np.log(2) - np.log(5),
        "log_odds": np.log((2 / 8) / (6 / 8)),
        "log_probability": np.log(2 / 8),
        "kl_from_clean": third - np.log([1 / 8, 2 / 8, 5 / 8]).mean(),
        "value": 3.0,
    }, abs=1e-6)  # fmt: skip


def test_setters(line):
    clean, corrupted = line_pairs()
    zeroed = patch_sweep(
        line, clean, corrupted, "layers.1.b", steps=1, ticks=1, metric=VALUE, setter="zero"
    )
    np.testing.assert_array_equal(zeroed.effect.values[:, 0, 0, 0], -zeroed.corrupted_metric)
    given = setters.constant({"layers.1.b": np.array([0.0, 5.0])})  # by tick
    table = patch_sweep(
        line, clean, corrupted, "layers.1.b", steps=1, ticks=1, metric=VALUE, setter=given
    )
    np.testing.assert_array_equal(table.effect.values[:, 0, 0, 0], 5 - table.corrupted_metric)
    with pytest.raises(UnknownNameError, match="layers.1.b"):
        patch_sweep(line, clean, corrupted, "encoder", metric=VALUE, setter=given)
    with pytest.raises(InputError, match="must give"):
        patch_sweep(line, clean, corrupted, metric=VALUE, setter=lambda base, donor, at: base[:1])


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"sites": "layers.0.aa"}, UnknownSiteError, "layers.0.a"),
        ({"sites": "encoder", "over": ("y",)}, AddressError, "no dim 'y'"),
        ({"sites": "encoder", "over": ("tick",)}, AddressError, "no dim 'tick'"),
        ({"sites": "layers.0.a", "over": ("chanel",)}, AddressError, "Nearest: channel"),
        ({"sites": "encoder", "ticks": 0}, AddressError, "ticks"),
        ({"sites": "layers.0.a", "ticks": 2}, AddressError, "0 to 1"),
        ({"steps": 2}, AddressError, "0 to 1"),
        ({"steps": 1, "read_step": 0}, AddressError, "0 to 0"),
        ({"sites": "encoder", "over": "x", "index": {"x": [3]}}, AddressError, "0 to 2"),
        ({"sites": "encoder", "index": {"x": []}}, AddressError, "x"),
        ({"metric": "logits_difference"}, UnknownNameError, "logit_difference"),
        ({"metric": lambda reading, pair: reading.logits}, InputError, "must give"),
        ({"metric": lambda reading, pair: reading.value / 0}, InputError, "not finite"),
        ({"direction": "denoising"}, UnknownNameError, "denoise"),
        ({"donors": "others"}, UnknownNameError, "random"),
        ({"donors": [0, 2]}, InputError, "between 0 and 1"),
        ({"answers": ([0, 1], [1, 3])}, InputError, "from 0 to 2"),
        ({"answers": ([0, 1], [1, 1]), "metric": "logit_difference"}, InputError, "the same for 1"),
        ({"batch_size": 0}, InputError, "batch_size"),
        ({"setter": "swop"}, UnknownNameError, "swap"),
        ({"sites": "encoder", "over": "layer"}, AddressError, "no layer number"),
        ({"sites": ["encoder", "layers.1.b"], "over": "x"}, AddressError, "layers.1.b"),
    ],
)  # fmt: skip
def test_mistakes_raise_and_say_what_exists(line, kwargs, error, says):
    with pytest.raises(error, match=says):
        patch_sweep(line, *line_pairs(), **({"metric": VALUE} | kwargs))


def test_bad_observations_are_refused(line):
    clean, corrupted = line_pairs()
    with pytest.raises(InputError, match="one shape"):
        patch_sweep(line, clean, corrupted[:1], metric=VALUE)
    with pytest.raises(InputError, match="not finite"):
        patch_sweep(line, clean * np.nan, corrupted.astype(float), metric=VALUE)
    with pytest.raises(InputError, match="not empty"):
        patch_sweep(line, clean[:0], corrupted[:0], metric=VALUE)
    with pytest.raises(InputError, match="no hook points"):
        patch_sweep(HookedNetwork(), clean, corrupted)


def test_activations_that_are_not_finite_are_refused(line):
    clean, corrupted = line_pairs()
    with pytest.raises(InputError, match="not finite"):
        patch_sweep(
            line, clean, corrupted, "encoder", metric=VALUE, setter=lambda base, donor, at: base / 0
        )


def test_a_patch_that_never_fires_raises(line):
    clean, _ = line_pairs()
    with pytest.raises(UnfiredInterventionError, match="step=9"):
        with patching_hooks(
            NetworkView(line), {Firing("encoder", 9, None): torch.ones(1)}, lambda *_: None
        ):
            line(torch.as_tensor(clean))
    assert not line.encoder.fwd_hooks
