from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

from analyses.thinking.cycles import common_path, cycles_of, walk_of
from analyses.thinking.pacing import pacing, plot_pacing
from analyses.thinking.pacing_plan import plan_around_cycles
from analyses.thinking.pausing import Pause, run_with_pauses
from interp.concepts import Concept
from interp.errors import InputError
from organisms.capabilities.states import States
from tests.analyses.thinking.pacing_toy import LineTasks, WalkerOrganism
from tests.toy_capabilities import Able

TASKS = LineTasks(tuple(range(6, 18)))
OPTIONS = {"progress": False, "n_bootstrap": 300}


# Cycles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "end", "cycles"),
    [
        ([1, 2, 3, 4], 4, []),
        ([1, 2, 1, 3], 4, [(0, 2)]),
        ([1, 1, 2, 3], 4, []),  # one step that changes nothing
        ([1, 1, 1, 3], 4, [(0, 2)]),  # two of them: the state is back after two steps
        ([1, 2, 1, 2, 1, 3], 6, [(0, 4)]),  # to the last return
        ([1, 2, 1, 3, 4, 3, 5], 7, [(0, 2), (3, 2)]),
        ([9, 1, 2, 3, 1, 4], 6, [(1, 3)]),
        ([1, 2, 1, 3], 2, []),  # it comes back after the end
    ],
)
def test_cycles_by_hand(states, end, cycles):
    assert cycles_of(np.array(states), end) == cycles


def test_common_path_by_hand():
    a, b = np.array([1, 2, 3, 4]), np.array([1, 2, 5, 4])
    assert common_path(a, b, 4) == 0.5 and common_path(a, b, 2) == 1
    assert common_path(a, a[:2], 10) == 1, "as far as both go"
    assert np.isnan(common_path(a, a[:0], 10))


def test_cycles_end_at_the_last_milestone_and_idle_ones_come_after():
    organism = WalkerOrganism("task")
    walk = walk_of(organism, organism.run(TASKS))
    assert walk.used.all() and {(c.start, c.length) for c in walk.cycles()} == {(0, 4)}
    assert not walk.idle_cycles()
    stuck = WalkerOrganism("never")
    walk = walk_of(stuck, stuck.run(TASKS))
    assert not walk.used.any() and not walk.cycles()
    assert len(walk.idle_cycles()) == len(TASKS)


# Pauses ----------------------------------------------------------------------------------------


def test_a_pause_of_no_steps_changes_nothing():
    organism = WalkerOrganism("all")
    plain = organism.run(TASKS)
    again = run_with_pauses(organism, TASKS, [Pause(0, 0)] * len(TASKS))
    for name in ("observation", "action", "length", "solved", "done", "logits"):
        np.testing.assert_array_equal(plain[name], again[name])


@pytest.mark.parametrize("start", [0, 2])
def test_a_pause_feeds_the_same_observation_and_is_taken_out(start):
    organism = WalkerOrganism("all", patience=6)
    pauses = [Pause(start, 2)] * len(TASKS)
    again = run_with_pauses(organism, TASKS, pauses, batch_size=5)
    plain = organism.run(TASKS)
    # Six counts of dithering, two of them spent standing still.
    assert (plain.length - again.length).values.tolist() == [2] * len(TASKS)
    assert again.solved.all()
    positions = again.observation.isel(episode=0, feature=0).values[: int(again.length[0])]
    assert (np.abs(np.diff(positions.astype(int))) == 1).all(), "no paused step is left in it"
    assert int(again.done.sum()) == len(TASKS)


def test_a_distraction_shows_another_task():
    organism = WalkerOrganism("task", patience=4)
    pauses = [Pause(0, 4)] * len(TASKS)
    plain, thinking = organism.run(TASKS), run_with_pauses(organism, TASKS, pauses)
    distracted = run_with_pauses(organism, TASKS, pauses, distracting=True, batch_size=5)
    assert (plain.length - thinking.length == 4).all()
    assert (plain.length == distracted.length).all(), "another task starts its count afresh"


def test_only_the_episodes_with_a_pause_are_changed():
    organism = WalkerOrganism("task")
    pauses = [Pause(0, 4 * (i % 2)) for i in range(len(TASKS))]
    shorter = organism.run(TASKS).length - run_with_pauses(organism, TASKS, pauses).length
    assert shorter.values.tolist() == [0, 4] * 6


# The analysis ----------------------------------------------------------------------------------


def test_pacing_that_buys_time_to_think_is_found():
    result = pacing(WalkerOrganism("task"), TASKS, (2, 4), **OPTIONS)
    trained = result.sel(source="trained")
    assert trained.early_cycle_rate.values.tolist() == [1, 1, 0]
    assert trained.reduction.values.tolist() == [0, 0, 1]
    assert float(trained.reduction_share.sel(thinking=4)) == 1
    assert trained.same_path_rate.values.tolist() == [
        pytest.approx(float(trained.same_path_rate[0])),
        1,
        pytest.approx(float(trained.same_path_rate[0])),
    ]
    assert trained.recurs_rate.values.tolist() == [1, 0, 1]
    assert float(trained.base_recurrence) == 0
    assert trained.found.values.all()
    assert not result.found.sel(source="untrained").any()
    assert result.idle_cycle_rate.sel(source="untrained", thinking=0) == 1


def test_not_found_where_thinking_does_nothing():
    result = pacing(WalkerOrganism("moves"), TASKS, (4, 8), **OPTIONS)
    assert (result.cycle_rate.sel(source="trained") == 1).all(), "it does pace"
    assert not result.found.any()
    assert (result.replaces.sel(source="trained") <= 0).all()


def test_not_replaced_where_any_disturbance_does_as_well():
    result = pacing(WalkerOrganism("all"), TASKS, (4,), **OPTIONS)
    trained = result.sel(source="trained")
    assert bool(trained.found.sel(claim="fewer_cycles"))
    assert not bool(trained.found.sel(claim="thinking_replaces"))
    assert float(trained.replaces.sel(control="distraction")) == 0
    assert float(trained.replaces.sel(control="cycle")) > 0


def test_no_cycles_at_all():
    result = pacing(WalkerOrganism("task", patience=0), TASKS, (4,), **OPTIONS)
    assert not result.found.any() and result.same_path.isnull().all()
    plot_pacing(result)


def test_it_is_kept_by_netcdf_and_drawn(tmp_path):
    result = pacing(WalkerOrganism("task"), TASKS, (4,), **OPTIONS)
    result.to_netcdf(tmp_path / "pacing.nc")
    again = xr.load_dataset(tmp_path / "pacing.nc")
    np.testing.assert_array_equal(again.reduction, result.reduction)
    begins, count, path = plot_pacing(again).axes
    assert sum(patch.get_height() for patch in begins.patches) == len(TASKS)
    assert count.get_lines()[0].get_ydata() == pytest.approx([1, 0])
    assert "%" in path.get_ylabel()


def test_batches_do_not_matter():
    whole, split = (
        pacing(WalkerOrganism("task"), TASKS, (4,), batch_size=size, **OPTIONS) for size in (128, 5)
    )
    xr.testing.assert_identical(whole, split)


def test_bad_input():
    with pytest.raises(InputError, match="'run'"):
        pacing(object(), TASKS, **OPTIONS)
    with pytest.raises(InputError, match="no tasks"):
        pacing(WalkerOrganism("task"), LineTasks(()), **OPTIONS)
    with pytest.raises(InputError, match="≥ 0"):
        pacing(WalkerOrganism("task"), TASKS, (-1,), **OPTIONS)
    with pytest.raises(InputError, match="controls"):
        pacing(WalkerOrganism("task"), TASKS, controls=("lucky",), **OPTIONS)


# The plan around a cycle -----------------------------------------------------------------------

CLASSES = ("never", "up", "down")


class Planner(Able):
    """Half of its episodes go to and fro once; `grows` says whether the plan comes in by that."""

    concepts = {"plan": Concept("plan", lambda run: run["plan"], CLASSES, negative="never")}

    parts: ClassVar = {States: {"visited": "states"}}

    def __init__(self, grows: bool):
        self.grows = grows

    def run(self, tasks, seed=0, sites=(), batch_size=0):
        rng = np.random.default_rng(1)
        n, steps = 40, 8
        one_map = rng.choice(3, size=(n, 1, 4, 4))
        plan = np.repeat(one_map, steps, axis=1).astype(np.int16)
        cycles = np.arange(n) % 2 == 0
        strength = np.full((n, steps), 1.0)
        if self.grows:
            strength[cycles, :2] = 0
        h = rng.normal(size=(n, steps, 3, 4, 4)) * 0.5
        h += strength[..., None, None, None] * np.moveaxis(np.eye(3)[plan], -1, 2)
        states = np.where(cycles[:, None], [0, 1, 0, 2, 3, 4, 5, 6], np.arange(steps))
        return xr.Dataset(
            {
                "h": (("episode", "step", "channel", "y", "x"), h),
                "plan": (("episode", "step", "y", "x"), plan),
                "states": (("episode", "step"), states),
                "length": ("episode", np.full(n, steps)),
                "solved": ("episode", np.ones(n, bool)),
            },
            {"step": np.arange(steps)},
        )

    def states(self, run):
        return run.states


def fitted(site: str = "h") -> xr.Dataset:
    dims = ("concept", "source", "site", "tick")
    shape = (1, 1, 1, 1)
    return xr.Dataset(
        {
            "direction": ((*dims, "class", "channel"), np.eye(3).reshape(*shape, 3, 3)),
            "intercept": ((*dims, "class"), np.zeros((*shape, 3))),
            "macro_f1": ((*dims, "receptive_field"), np.ones((*shape, 1))),
        },
        {
            "concept": ["plan"],
            "source": ["trained"],
            "site": [site],
            "tick": [0],
            "class": list(CLASSES),
            "receptive_field": [1],
        },
    )


def test_a_plan_that_comes_in_over_the_cycle():
    result = plan_around_cycles(Planner(True), None, fitted())
    assert result.plan_n.values.tolist() == [20, 20]
    assert result.plan_excess_low.item() > 0.2
    assert abs(result.plan_gain.sel(stretch="no_cycle").item()) < 0.2
    before, after = result.plan_f1.sel(concept="plan", stretch="cycle").values
    assert before < 0.5 < after


def test_a_plan_that_was_there_before_the_cycle():
    result = plan_around_cycles(Planner(False), None, fitted())
    assert result.plan_excess_low.item() < 0 < result.plan_excess_high.item()


def test_probes_without_weights_are_refused():
    with pytest.raises(InputError, match="receptive_fields"):
        plan_around_cycles(Planner(True), None, fitted().drop_vars("direction"))
