"""Interventions along a run: values by example, step and tick; conditions on the world."""

import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import (
    InputError,
    InterventionError,
    UnfiredInterventionError,
    UnknownNameError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention, applying
from interp.interventions.conditions import Condition, condition
from interp.interventions.named import rotate, swap
from interp.interventions.subspaces import Subspace
from interp.network.clock import ClosedLoop
from interp.network.tensors import to_numpy
from interp.network.wrapping import Site, wrap
from interp.runs.episodes import run_episodes
from interp.runs.replay import replay
from tests.toys import ToyNetwork, ToyOrganism, ToyTasks

LOGIT = Address("h", tick=1, index={"channel": 0})
SITES = ["h"]
TASKS = ToyTasks((2, 5, 1, 4, 3))


@condition("toy/position")
def at_position(world, rows, step, least):
    return world.position[rows] >= least


@condition("toy/visits")
class Visits:
    """True once a row has been asked about more than `n` times at a position beyond 0."""

    def __init__(self):
        self.count = {}

    def __call__(self, world, rows, step, n):
        for row in rows[world.position[rows] > 0]:
            self.count[row] = self.count.get(row, 0) + 1
        return np.array([self.count.get(row, 0) for row in rows]) > n


def run(*interventions, tasks=TASKS, batch_size=128, **options):
    options = {"sites": SITES, "interventions": interventions, **options}
    return run_episodes(ToyOrganism(), tasks, batch_size=batch_size, **options)


def add(value, *dims, **options):
    """Push the action logit; kept small where nothing should stop moving."""
    address = options.pop("address", LOGIT)
    return Intervention(address, "add", value, dims, **options)


def changed(item, plain=None, **options):
    """(episode, step) float: how far channel 0 of h at the last tick is moved."""
    plain = run(**options) if plain is None else plain
    both = [r["h"].sel(tick=1).isel(channel=0) for r in (run(item, **options), plain)]
    return (both[0] - both[1]).values


def test_each_example_gets_its_own_value():
    item = add(10.0 * np.arange(5), "example", address=Address("h", 0, 1, {"channel": 0}))
    np.testing.assert_allclose(changed(item)[:, 0], 10.0 * np.arange(5), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_results_do_not_depend_on_batch_size(batch_size):
    rng = np.random.default_rng(0)
    items = [
        add(rng.random((5, 5)), "example", "step"),
        add(rng.random((2, 2)), "tick", "example", address=Address("h"), examples=(3, 1)),
        add(1.0, examples=4),
        add(0.5, when=Condition.until("toy/position", least=1)),
        add(0.3, when=Condition.since("toy/visits", each={"n": [0, 1, 0, 1, 1]}), missing="skip"),
        Intervention(Address("h"), "rotate", rng.random((5, 2)), ("example",), subspace=LINE),
    ]
    whole, parts = run(*items), run(*items, batch_size=batch_size)
    xr.testing.assert_equal(whole, parts)
    assert not whole["h"].equals(run()["h"])


LINE = Subspace.spanned([1.0, 1.0], "channel")


def test_values_by_step_and_tick_are_looked_up_by_label():
    # Thinking steps are negative: labels that are not given count from where the address begins.
    address = Address("h", step=slice(-2, None), index={"channel": 0})
    value = np.array([[1.0, 10.0], [100.0, 1000.0]])
    item = add(value, "step", "tick", address=address, missing="skip")
    assert item.labels == {"step": (-2, -1), "tick": (0, 1)}
    first = changed(item, thinking_steps=2)[:, 0]
    np.testing.assert_allclose(first, 10.0 + 1.0 / 2, rtol=1e-5)  # the first tick is halved once
    named = add(value, "step", "tick", address=address, labels={"step": (4, 0)}, missing="skip")
    moved = changed(named)
    np.testing.assert_allclose(moved[:, 0], 1000.0 + 100.0 / 2, rtol=1e-5)


def test_labels_come_from_a_dataarray():
    values = xr.DataArray(
        np.arange(6.0).reshape(2, 3), {"step": [1, 0], "episode": [4, 0, 2]}, ("step", "episode")
    )
    item = Intervention(LOGIT, "add", values, missing="skip")
    assert item.value_dims == ("example", "step")
    assert item.labels == {"example": (4, 0, 2), "step": (1, 0)}
    moved = changed(item)
    assert moved[0, 0] == pytest.approx(4.0) and moved[1, 0] == 0 and moved[2, 0] == 5.0


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (add(np.ones(4), "example"), r"examples \[4\]"),
        (add(np.ones(2), "step"), "step 2"),
        (add(np.ones((5, 2)), "example", "step", present=np.eye(5, 2) > 0), "step 0"),
    ],
)
def test_a_missing_label_raises_or_is_skipped(item, message):
    with pytest.raises(InterventionError, match=message):
        run(item)
    skipping = add(item.value, *item.value_dims, missing="skip", present=item.present)
    moved = changed(skipping)
    assert np.nansum(np.abs(moved)) > 0
    if item.value_dims == ("example",):
        assert np.nansum(np.abs(moved[4])) == 0


def test_a_tick_without_label_raises():
    with pytest.raises(InterventionError, match="tick 1"):
        run(add(np.ones(1), "tick", address=Address("h")))


def test_only_the_examples_named_are_changed():
    moved = changed(add(1.0, examples=[3, 0]))
    touched = np.nansum(np.abs(moved), axis=1) > 0
    assert touched.tolist() == [True, False, False, True, False]
    aligned = add([7.0, 5.0], "example", examples=[3, 0])
    assert changed(aligned)[[0, 3], 0].tolist() == pytest.approx([5.0, 7.0])


def test_examples_that_are_never_reached_raise():
    with pytest.raises(UnfiredInterventionError, match=r"examples \[7\]"):
        run(add(1.0, examples=(1, 7)))
    with pytest.raises(UnfiredInterventionError, match=r"examples \[5, 6\]"):
        run(add(np.ones(7), "example"))
    late = Address("h", step=3)
    with pytest.raises(UnfiredInterventionError, match=r"examples \[2\]"):
        run(Intervention(late, "scale", 1.0, examples=(1, 2)))  # episode 2 has one step
    run(Intervention(late, "scale", 1.0, examples=(1, 2), missing="skip"))


def test_replayed_rows_are_examples_and_may_be_named():
    observations = np.array([[[0, 4], [0, 2], [0, 3]]], np.uint8)
    item = add([1.0, 2.0, 3.0], "example")
    plain = replay(ToyNetwork(), observations)
    moved = replay(ToyNetwork(), observations, interventions=[item]) - plain
    assert moved.logits.values[0, :, 1].tolist() == pytest.approx([1.0, 2.0, 3.0])
    skip = add([1.0, 2.0, 3.0], "example", missing="skip")
    part = replay(ToyNetwork(), observations[:, 1:], interventions=[skip], examples=[1, 2])
    np.testing.assert_array_equal(part.logits, (plain + moved).logits[:, 1:])
    for bad in ([0], [0.0, 1.0, 2.0]):
        with pytest.raises(InputError, match="examples"):
            replay(ToyNetwork(), observations, examples=bad)


def test_rows_that_do_not_match_the_clock_raise():
    network, item = ToyNetwork(), add(np.ones(3), "example", missing="skip")
    observations = torch.zeros(1, 3, 2, dtype=torch.uint8)
    with pytest.raises(InterventionError, match="rows"):
        with applying(network, item), network.clock.run(examples=[0, 1]):
            network(observations)
    assert network.clock.examples is None


# Conditions ---------------------------------------------------------------------------------


def held(mode, least=2, **options):
    """(step,) bool: at which steps of the longest episode an intervention acted."""
    options = {"when": Condition("toy/position", {"least": least}, mode=mode), **options}
    item = add(0.125, address=Address("encoder", index={"channel": 0}), **options)
    runs = [run(*i, tasks=ToyTasks((5,)), sites=["encoder"])["encoder"] for i in ((), (item,))]
    return ((runs[1] - runs[0]).isel(episode=0, channel=0).values != 0).tolist()


def test_modes_by_hand():
    # One step to the right at a time, so the position is the step: 0, 1, 2, 3, 4.
    assert held("while") == [False, False, True, True, True]
    assert held("unless") == [True, True, False, False, False]
    assert held("until") == [True, True, False, False, False]
    assert held("since") == [False, False, True, True, True]


@condition("toy/exactly")
def exactly(world, rows, step, position):
    return world.position[rows] == position


def test_until_and_since_remember():
    def acted(mode, steps=None):
        address = Address("encoder", step=steps, index={"channel": 0})
        when = Condition("toy/exactly", {"position": 1}, mode=mode)
        item = Intervention(address, "add", 0.125, when=when)
        runs = [run(*i, tasks=ToyTasks((4,)), sites=["encoder"])["encoder"] for i in ((), (item,))]
        return ((runs[1] - runs[0]).isel(episode=0, channel=0).values != 0).tolist()

    assert acted("until") == [True, False, False, False]
    assert acted("since") == [False, True, True, True]
    assert acted("while") == [False, True, False, False]
    # What happened at steps that are not addressed counts too.
    assert acted("since", slice(2, None)) == [False, False, True, True]
    with pytest.raises(UnfiredInterventionError, match="condition never held"):
        acted("until", slice(2, None))


def test_every_run_begins_with_an_empty_memory():
    item = add(0.125, when=Condition.until("toy/position", least=1), address=Address("h"))
    organism = ToyOrganism()
    with applying(organism.network, item):
        one, two = (run_episodes(organism, TASKS, sites=SITES) for _ in range(2))
    xr.testing.assert_identical(one, two)


def test_conditions_take_one_parameter_per_example():
    when = Condition.until("toy/position", each={"least": np.array([1, 3])})
    item = add(0.125, when=when, examples=[4, 1], address=Address("encoder"))
    plain, steered = run(sites=["encoder"]), run(item, sites=["encoder"])
    moved = (steered["encoder"] - plain["encoder"]).isel(channel=0).values
    assert (moved[4, :3] != 0).tolist() == [True, False, False]  # least=1 is example 4's
    assert (moved[1] != 0).tolist() == [True, True, True, False, False]
    assert np.nansum(np.abs(moved[[0, 2, 3]])) == 0


def test_several_conditions_must_all_hold():
    both = (Condition.since("toy/position", least=1), Condition.until("toy/position", least=3))
    item = add(0.125, when=both, address=Address("encoder", index={"channel": 0}))
    tasks = ToyTasks((5,))
    plain, steered = run(tasks=tasks, sites=["encoder"]), run(item, tasks=tasks, sites=["encoder"])
    moved = (steered["encoder"] - plain["encoder"]).isel(episode=0, channel=0).values
    assert (moved != 0).tolist() == [False, True, True, False, False]


def test_thinking_steps_see_the_first_state_of_the_world():
    seen = []

    @condition("toy/watch")
    def watch(world, rows, step):
        seen.append((step, world.position[rows].tolist()))
        return np.ones(len(rows), bool)

    run(add(0.0, when=Condition("toy/watch")), tasks=ToyTasks((2, 1)), thinking_steps=2)
    assert seen == [(-2, [0, 0]), (-1, [0, 0]), (0, [0, 0]), (1, [1])]


def test_a_condition_without_a_world_raises():
    item = add(1.0, when=Condition("toy/position", {"least": 0}))
    with pytest.raises(InterventionError, match="teacher forcing"):
        replay(ToyNetwork(), np.zeros((1, 1, 2), np.uint8), interventions=[item])


def test_unknown_conditions_raise_before_anything_runs():
    with pytest.raises(UnknownNameError, match="toy/position"):
        run(add(1.0, when=Condition("toy/positoin")))


def test_conditions_that_fail_say_so():
    @condition("toy/bad")
    def bad(world, rows, step, answer):
        return {"floats": np.ones(len(rows)), "one": True}.get(answer) if answer else world.nothing

    for answer in ("floats", "one"):
        with pytest.raises(InterventionError, match="must return bool"):
            run(add(1.0, when=Condition("toy/bad", {"answer": answer})))
    with pytest.raises(InterventionError, match="toy/bad.*ToyWorld.*AttributeError"):
        run(add(1.0, when=Condition("toy/bad", {"answer": ""})))
    few = Condition.until("toy/position", each={"least": [1, 1]})
    with pytest.raises(InterventionError, match=r"none for the examples \[2, 3, 4\]"):
        run(add(1.0, when=few))


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "after"},
        {"parameters": {"least": object()}},
        {"parameters": {"least": float("nan")}},
        {"parameters": [1]},
        {"each": {"least": 3}},
        {"each": {"least": [3], "most": [1, 2]}},
        {"parameters": {"least": 1}, "each": {"least": [1]}},
    ],
)
def test_malformed_conditions_raise(arguments):
    with pytest.raises(InterventionError):
        Condition("toy/position", **arguments)


def test_a_name_means_one_condition():
    with pytest.raises(InputError, match="already"):
        condition("toy/position")(lambda world, rows, step: rows > 0)
    condition("toy/position")(at_position)  # the same again, as a notebook cell that is run twice
    with pytest.raises(InputError, match="string"):
        condition(3)


def test_the_clock_tells_hooks_of_the_world():
    organism, seen = ToyOrganism(), []

    def look(tensor, hook):
        loop = hook.clock.loop
        assert isinstance(loop, ClosedLoop)
        seen.append((hook.clock.examples.tolist(), loop.rows.tolist(), id(loop.memory)))

    with organism.network.hooks(fwd_hooks=[("encoder", look)]):
        run_episodes(organism, ToyTasks((1, 2, 2)), batch_size=2)
    steps = seen[-4:]  # before them, the run that finds the shapes
    assert [examples for examples, _, _ in steps] == [[0, 1], [1], [2], [2]]
    assert [rows for _, rows, _ in steps] == [[0, 1], [1], [0], [0]]
    assert steps[0][2] == steps[1][2] != steps[2][2] == steps[3][2]
    assert organism.network.clock.loop is None


# The record ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"value_dims": ("channel",)},
        {"value_dims": ("step", "step")},
        {"value_dims": ("step", "tick")},  # the value has one dim
        {"value_dims": ("step",), "labels": {"step": (1,)}},
        {"value_dims": ("step",), "labels": {"step": (1, 1)}},
        {"value_dims": ("step",), "labels": {"step": (1, 0.5)}},
        {"labels": {"step": (1, 2)}},
        {"value_dims": ("example",), "examples": (1, 2, 3)},
        {"value_dims": ("example",), "examples": (1, 2), "labels": {"example": (1, 3)}},
        {"examples": ()},
        {"examples": (1, 1)},
        {"examples": -1},
        {"examples": "all"},
        {"when": "until"},
        {"missing": "ignore"},
        {"present": [True, False]},
        {"value_dims": ("step",), "present": [1.0, 0.0]},
        {"subspace": LINE},
        {"value_dims": ("example",), "when": Condition.until("toy/position", each={"n": [1]})},
    ],
)
def test_malformed_records_raise(options):
    with pytest.raises(InterventionError):
        Intervention(Address("h"), "add", [1.0, 2.0], **options)


def test_subspaces_where_they_do_not_belong_raise():
    with pytest.raises(InterventionError, match="subspace"):
        Intervention(Address("h"), "project")
    with pytest.raises(InterventionError, match="value"):
        Intervention(Address("h"), "project", 1.0, subspace=LINE)
    with pytest.raises(InterventionError, match="needs them all"):
        Intervention(LOGIT, "project", subspace=LINE)
    with pytest.raises(InterventionError, match="'unit'"):
        run(Intervention(Address("h"), "project", subspace=Subspace.spanned([1, 1], "unit")))
    with pytest.raises(InterventionError, match="3 positions"):
        run(Intervention(Address("h"), "project", subspace=Subspace.spanned([1, 1, 1], "channel")))


def test_rotating_by_hand():
    # Along (1, 1) / √2: both get the mean of the source, and keep half their own difference.
    item = Intervention(Address("s"), "rotate", [4.0, 2.0], subspace=LINE)
    out = item.apply(torch.tensor([[1.0, 0.0], [3.0, 3.0]]), ("channel",))
    torch.testing.assert_close(out, torch.tensor([[3.5, 2.5], [3.0, 3.0]]))


def test_interventions_are_equal_if_all_they_are_made_of_is():
    items = [
        add(1.0),
        add(2.0),
        add(1.0, examples=1),
        add(1.0, when=Condition("toy/position", {"least": 1})),
        add(1.0, when=Condition("toy/position", {"least": 2})),
        add([1.0], "example"),
        add([1.0], "example", labels={"example": (1,)}),
        add(1.0, missing="skip"),
        Intervention(Address("h"), "project", subspace=LINE),
        Intervention(Address("h"), "project", subspace=Subspace.spanned([1, -1], "channel")),
    ]
    assert len(set(items)) == len(items)
    assert len({repr(item) for item in items[1:]}) == len(items) - 1, "but for what a value is"
    assert add([1.0], "example", labels={"example": (0,)}) == add([1.0], "example")
    assert add(1.0) != 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes(dtype):
    tensor = torch.randn(2, 2, 3, dtype=torch.float32, generator=torch.manual_seed(0)).to(dtype)
    dims = ("channel", "y")
    for item in (
        Intervention(Address("s"), "add", 0.0),
        Intervention(Address("s"), "scale", 1.0),
        Intervention(Address("s"), "set", tensor),
        Intervention(Address("s"), "rotate", tensor, ("example",), subspace=LINE),
    ):
        out = item.apply(tensor, dims)
        assert out.dtype == dtype and (dtype == torch.float64 or torch.equal(out, tensor))
    # The projection is computed in float32 at least and rounded once.
    item = Intervention(Address("s"), "project", subspace=LINE)
    exact = item.apply(tensor.double(), dims)
    assert torch.equal(item.apply(tensor, dims), exact.to(dtype))
    if dtype == torch.float16:
        with pytest.raises(InterventionError, match="float16"):
            Intervention(Address("s"), "set", 1e5).apply(tensor, dims)


def test_a_bfloat16_network_swapped_with_itself_is_the_same_bit_for_bit():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    network = wrap(module.bfloat16(), {"hidden": Site("1", ("channel",))})
    x = torch.randn(5, 3).bfloat16()
    out, cache = network.run_with_cache(x)
    kept = xr.Dataset({"hidden": (("step", "batch", "channel"), to_numpy(cache["hidden"]))})
    plane = Subspace.spanned(np.eye(4)[:2], "channel")
    for item in (swap(kept, Address("hidden")), rotate(kept, Address("hidden"), plane)):
        with applying(network, item):
            assert torch.equal(network(x), out)
    with applying(network, swap(kept, Address("hidden"), [1, 0, 2, 3, 4])):
        assert torch.equal(network(x), out[[1, 0, 2, 3, 4]])


def test_equal_conditions_hash_alike():
    one, two = (Condition.until("toy/position", each={"least": [1, 2]}) for _ in range(2))
    assert one == two and hash(one) == hash(two) and one != Condition.since("toy/position")


@pytest.mark.parametrize("index", [{}, {"channel": 0}, {"channel": (1, 0)}])
def test_gradients_flow_through_and_into_the_value(index):
    x = torch.ones(3, 2, 2, requires_grad=True)
    value = torch.full((2, 1), 2.0, requires_grad=True)
    item = Intervention(
        Address("s", index=index), "scale", value, ("example",), examples=(0, 2), missing="skip"
    )
    item.apply(x, ("channel", "y")).sum().backward()
    picked = 1 if index == {"channel": 0} else 2
    assert x.grad is not None and value.grad is not None
    assert x.grad[1].tolist() == [[1, 1], [1, 1]] and x.grad[0, :picked].unique().tolist() == [2]
    assert value.grad.flatten().tolist() == [2 * picked, 2 * picked]


def test_what_the_network_does_in_place_does_not_reach_the_value():
    value = torch.ones(2, 2)
    item = Intervention(Address("s"), "set", value, ("example",))
    item.apply(torch.zeros(2, 2), ("channel",)).mul_(5)
    assert item.value.eq(1).all()
    value.mul_(5)
    assert item.value.eq(1).all()


@pytest.mark.parametrize("operation", ["set", "rotate"])
def test_the_memory_layout_is_kept(operation):
    """Convolutions differ in their last bits between layouts, so a no-op would not be one."""
    tensor = torch.randn(2, 2, 3, 4).to(memory_format=torch.channels_last)
    subspace = LINE if operation == "rotate" else None
    item = Intervention(
        Address("s"), operation, tensor.contiguous(), ("example",), subspace=subspace
    )
    out = item.apply(tensor, ("channel", "y", "x"))
    assert torch.equal(out, tensor) and out.stride() == tensor.stride()
