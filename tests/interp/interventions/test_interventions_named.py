"""Interventions made from recorded runs: swap, rotate, and the ablations."""

import numpy as np
import pytest
import torch
import xarray as xr

import interp
from interp.errors import (
    AddressError,
    InputError,
    InterventionError,
    UnfiredInterventionError,
    UnknownSiteError,
)
from interp.interventions.address import Address
from interp.interventions.named import (
    ablate_mean,
    ablate_resample,
    ablate_zero,
    project_out,
    rotate,
    swap,
)
from interp.interventions.subspaces import Subspace
from interp.runs.episodes import run_episodes
from interp.runs.replay import replay
from tests.interp.toy_organism import ToyOrganism as Recurrent
from tests.toys import ToyNetwork, ToyOrganism, ToyTasks

LINE = Subspace.spanned([1.0, 1.0], "channel")
TASKS = ToyTasks((2, 5, 1, 4, 3))
SITES = ["*"]


def run(*interventions, tasks=TASKS, organism=None, **options):
    organism = organism or ToyOrganism()
    return run_episodes(organism, tasks, sites=SITES, interventions=interventions, **options)


@pytest.mark.parametrize("batch_size", [1, 2, 128])
@pytest.mark.parametrize("thinking_steps", [0, 2])
@pytest.mark.parametrize(
    "address",
    [
        Address("h"),
        Address("encoder"),
        Address("h", step=0, tick=1),
        Address("h", index={"channel": 1}),
        Address("h", step=slice(0, None), tick=slice(1, None), index={"channel": (1, 0)}),
    ],
)
def test_a_swap_of_a_run_with_itself_is_a_no_op(address, thinking_steps, batch_size):
    organism = Recurrent(seed=3)
    tasks = organism.tasks(7)
    options = {"organism": organism, "tasks": tasks, "thinking_steps": thinking_steps}
    plain = run(**options)
    subspace = Subspace.spanned(np.eye(5)[:2], "channel")
    items = [swap(plain, address)]
    if address.index.get("channel") is None:
        items.append(rotate(plain, address, subspace))
    for item in items:
        again = run(item, batch_size=batch_size, **options)
        xr.testing.assert_equal(again, plain)
    network = organism.network
    assert all(point.is_idle for point in network.hook_dict.values())


def test_a_swap_makes_the_rest_of_the_run_that_of_the_source():
    clean, other = run(), run(tasks=ToyTasks((5, 2, 3, 1, 4)))
    item = swap(other, Address("encoder", step=0))
    swapped = run(item)
    # h before step 0 is zero in all runs, so with its input interchanged all of step 0 is.
    np.testing.assert_array_equal(swapped.logits[:, 0], other.logits[:, 0])
    assert not np.array_equal(clean.logits[:, 0], other.logits[:, 0])


def test_mapped_episodes():
    clean = run()
    item = swap(clean, Address("encoder", step=0), {3: 1, 0: 1})
    assert item.examples == (3, 0)
    swapped = run(item)
    expected = clean.logits[[1, 1, 2, 1, 4], 0]
    np.testing.assert_array_equal(swapped.logits[:, 0], expected)
    listed = run(swap(clean, Address("encoder", step=0), [1, 1, 2, 1, 4]))
    xr.testing.assert_equal(listed, swapped)
    for bad in ({0: 5}, [0, 1, 9], {}, {0: -1}):
        with pytest.raises(InputError, match="mapping"):
            swap(clean, Address("encoder"), bad)


@pytest.mark.parametrize("steps", [1, {0: 1}])
def test_mapped_steps(steps):
    clean = run(tasks=ToyTasks((4, 5)))
    item = swap(clean, Address("encoder", step=0), steps=steps)
    assert item.labels["step"] == (0,)
    swapped = run(item, tasks=ToyTasks((4, 5)))
    np.testing.assert_array_equal(swapped["encoder"][:, 0], clean["encoder"][:, 1])
    every = swap(clean, Address("encoder", step=slice(1, 4)), steps=steps and -1)
    assert every.labels["step"] == (1, 2, 3)
    np.testing.assert_array_equal(every.value[1], clean["encoder"][1, :3])


def test_an_episode_that_was_over_has_nothing_to_swap_in():
    short, tasks = run(tasks=ToyTasks((1, 1))), ToyTasks((3, 1))
    with pytest.raises(InterventionError, match="skip"):
        run(swap(short, Address("encoder")), tasks=tasks)
    skipping = run(swap(short, Address("encoder"), missing="skip"), tasks=tasks)
    plain = run(tasks=tasks)
    np.testing.assert_array_equal(skipping["encoder"][0, 1:], plain["encoder"][0, 1:])
    np.testing.assert_array_equal(skipping["encoder"][0, 0], short["encoder"][0, 0])
    # Of runs of unlike lengths, the padding of the shorter episodes is not there either.
    ragged = swap(run(), Address("encoder"))
    assert ragged.present is not None
    assert ragged.present.sum(dim=1).tolist() == [2, 5, 1, 4, 3]


def test_a_replay_can_be_swapped_in_teacher_forced():
    a = np.array([[[0, 4], [0, 2]], [[1, 4], [1, 2]]], np.uint8)
    b = a[:, ::-1].copy()
    other = replay(ToyNetwork(), b, sites=["h"])
    everything = replay(ToyNetwork(), a, interventions=[swap(other, Address("h"))])
    np.testing.assert_array_equal(everything.logits, other.logits)
    crossed = replay(ToyNetwork(), a, interventions=[swap(other, Address("h"), [1, 0])])
    np.testing.assert_array_equal(crossed.logits, replay(ToyNetwork(), a).logits)
    one = rotate(other, Address("h", step=1), LINE)
    assert replay(ToyNetwork(), a, interventions=[one]).logits.shape == (2, 2, 2)


def test_stores_are_read_from_their_path(tmp_path):
    organism = ToyOrganism()
    path = tmp_path / "run.zarr"
    interp.record(organism, TASKS, path, sites=["h"], dtype="float32", progress=False)
    xr.testing.assert_equal(run(swap(path, Address("h"))), run())
    in_memory, stored = (ablate_mean(r, Address("h")) for r in (run(), path))
    assert in_memory == stored
    assert ablate_resample(path, Address("h"), 1) == ablate_resample(run(), Address("h"), 1)


def test_what_a_run_does_not_have_raises():
    plain = run()
    for make in (swap, ablate_mean, lambda r, a: ablate_resample(r, a, 0)):
        with pytest.raises(UnknownSiteError, match="encoder"):
            make(plain, Address("encodr"))
        for bad in (
            Address("h", step=17),
            Address("h", step=slice(-2, 0)),
            Address("h", tick=2),
            Address("encoder", tick=0),
            Address("h", index={"channel": 2}),
            Address("h", index={"chanel": 0}),
        ):
            with pytest.raises(AddressError):
                make(plain, bad)
        with pytest.raises(InputError, match="run"):
            make({"h": 3}, Address("h"))
    broken = plain.copy(deep=True)
    broken["h"].values[1, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        swap(broken, Address("h"))


# Ablations ----------------------------------------------------------------------------------


def test_zero():
    assert (run(ablate_zero(Address("h")))["h"].isel(step=0) == 0).all()
    some = run(ablate_zero(Address("h"), examples=(1,)))
    assert (some["h"].isel(episode=1, step=0) == 0).all() and (some["h"].isel(episode=0) != 0).any()


def test_means_leave_padding_out():
    plain = run()
    valid = plain.step.values < plain.length.values[:, None]
    site = plain["encoder"].values
    item = ablate_mean(plain, Address("encoder"))
    np.testing.assert_allclose(item.value, site[valid].mean(axis=0), rtol=1e-6)
    by_step = ablate_mean(plain, Address("encoder", step=slice(1, 4)), over=("episode",))
    assert by_step.labels == {"step": (1, 2, 3)}
    expected = [site[valid[:, s], s].mean(axis=0) for s in (1, 2, 3)]
    np.testing.assert_allclose(by_step.value, expected, rtol=1e-6)


def test_means_by_tick_and_over_features():
    plain = run()
    valid = plain.step.values < plain.length.values[:, None]
    h = plain["h"].values[valid]  # (sample, tick, channel)
    by_tick = ablate_mean(plain, Address("h"))
    assert by_tick.value_dims == ("tick",)
    np.testing.assert_allclose(by_tick.value, h.mean(axis=0), rtol=1e-6)
    pooled = ablate_mean(plain, Address("h"), over=("episode", "step", "tick", "channel"))
    assert pooled.value.shape == (1,) and pooled.value.item() == pytest.approx(h.mean(), rel=1e-6)
    one = ablate_mean(plain, Address("h", tick=1, index={"channel": 0}))
    np.testing.assert_allclose(one.value, [h[:, 1, 0].mean()], rtol=1e-6)
    changed = run(by_tick, tasks=ToyTasks((3,)))["h"]
    np.testing.assert_allclose(changed[0, 0], h.mean(axis=0), rtol=1e-6)
    for bad in (("step",), ("episode", "chanel")):
        with pytest.raises(InputError, match="over"):
            ablate_mean(plain, Address("h"), over=bad)


def test_resampling_draws_from_other_running_episodes():
    plain = run()
    item = ablate_resample(plain, Address("encoder"), seed=0)
    assert item.value_dims == ("example", "step")
    value, site = item.value.numpy(), plain["encoder"].values
    length = plain.length.values
    for example in range(5):
        for step in range(5):
            running = [e for e in range(5) if e != example and length[e] > step]
            drawn = value[example, step]
            if running:
                assert any(np.array_equal(drawn, site[e, step]) for e in running)
            else:  # episode 1 alone goes on to step 4
                others = [site[e, s] for e in range(5) if e != example for s in range(length[e])]
                assert any(np.array_equal(drawn, other) for other in others)
    assert item == ablate_resample(plain, Address("encoder"), seed=0)
    assert item != ablate_resample(plain, Address("encoder"), seed=1)
    # An example's draws are its own: they do not depend on how many others there are.
    more = ablate_resample(plain, Address("encoder"), seed=0, n_examples=8)
    assert torch.equal(more.value[:5], item.value)


def test_resampled_agents_may_take_longer_than_the_recorded_ones():
    plain = run()
    item = ablate_resample(plain, Address("h", tick=1), seed=0)
    longer = ablate_resample(plain, Address("h", tick=1), seed=0, last_step=7, missing="skip")
    assert item.labels["step"] == tuple(range(5)) and longer.labels["step"] == tuple(range(8))
    assert torch.equal(longer.value[:, :5], item.value)
    a, b = run(longer), run(longer, batch_size=2)
    xr.testing.assert_equal(a, b)
    with pytest.raises(InputError, match="only one"):
        ablate_resample(run(tasks=ToyTasks((3,))), Address("h"), 0)
    with pytest.raises(InputError):
        ablate_resample(plain, Address("h"), -1)


def test_projecting_out_takes_a_component_away_in_closed_loop():
    changed = run(project_out(Address("h"), LINE))["h"].isel(step=0)
    np.testing.assert_allclose(changed.sum("channel"), 0, atol=1e-6)


def test_options_reach_the_intervention():
    item = ablate_mean(run(), Address("h", step=4), missing="skip", examples=(1, 2))
    assert item.missing == "skip" and item.examples == (1, 2)
    run(item)
    with pytest.raises(UnfiredInterventionError):
        run(ablate_mean(run(), Address("h", step=4), examples=(1, 2)))
