from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

from analyses.thinking.time_to_milestone import plot_time_to_milestone, time_to_milestone
from interp.errors import InputError
from organisms.capabilities.milestones import Milestones
from tests.analyses.thinking.pacing_toy import LineTasks, WalkerOrganism
from tests.toy_capabilities import Able

TASKS = LineTasks((6, 8, 10, 12, 14, 16))
N = 24


class Scheduled(Able):
    """Reaches two sub-goals at given steps, with `delay` on the first one per thinking step."""

    name = "scheduled"
    parts: ClassVar = {Milestones: {"reached": "milestones"}}

    def __init__(self, delay: float, also_solves: int = 0):
        self.delay, self.also_solves = delay, also_solves

    def world(self, tasks):
        return type("World", (), {"max_steps": 60})

    def run(self, tasks, seed=0, thinking_steps=0, batch_size=128):
        first = 5 + np.arange(N) % 3 + self.delay * thinking_steps
        second = np.full(N, 20.0)
        solved = np.arange(N) < N // 2 + (self.also_solves if thinking_steps else 0)
        second[~solved] = np.nan
        return xr.Dataset(
            {
                "milestones": (("episode", "milestone"), np.stack([first, second], axis=1)),
                "solved": ("episode", solved),
            }
        )

    def milestones(self, run):
        return run.milestones


def measure(organism, tasks=None, thinking=(4,)):
    tasks = LineTasks(tuple(range(2, 2 + N))) if tasks is None else tasks
    return time_to_milestone(organism, tasks, thinking, n_bootstrap=300, progress=False)


def test_a_delay_is_found_and_worked_out_by_hand():
    result = measure(Scheduled(0.5, also_solves=4))
    everything = result.sel(group="all", thinking=4)
    assert everything.delay.values.tolist() == [2, 0]
    assert everything.mean_step.values.tolist() == [8, 20]
    assert everything.n.values.tolist() == [N, N // 2 + 4]
    assert everything.n_pairs.values.tolist() == [N, N // 2]
    assert bool(result.found.sel(group="all"))
    assert result.group_of.sum("episode").values.tolist() == [N, 4, N // 2]
    assert np.isnan(result.mean_step.sel(group="newly_solved", thinking=0, milestone=2))
    assert result.attrs["best_thinking"] == 4


@pytest.mark.parametrize("delay", [0, -0.5])
def test_no_delay_is_not_found(delay):
    assert not measure(Scheduled(delay)).found.any()


def test_harder_tasks_alone_are_no_delay():
    # More tasks are solved with thinking; those that were before take as long as they did.
    result = measure(Scheduled(0, also_solves=8))
    assert not result.found.any()


def test_dithering_is_a_negative_delay():
    organism = WalkerOrganism("task", half=True)
    result = measure(organism, TASKS)
    assert result.delay.sel(group="all", thinking=4).values.tolist() == [-4, -4]
    assert not result.found.any()


def test_the_figure_and_netcdf(tmp_path):
    result = measure(Scheduled(0.5))
    result.to_netcdf(tmp_path / "time.nc")
    figure = plot_time_to_milestone(xr.load_dataset(tmp_path / "time.nc"))
    assert len(figure.axes) == 3 and len(figure.axes[0].get_lines()) == 2
    assert "step" in figure.axes[0].get_ylabel()


def test_a_family_without_milestones_is_refused():
    organism = WalkerOrganism("task")
    organism.milestones = lambda run: None
    with pytest.raises(InputError, match="no milestones"):
        measure(organism, TASKS)
    with pytest.raises(InputError, match="no tasks"):
        measure(organism, LineTasks(()))
