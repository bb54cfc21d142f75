from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

from analyses.thinking.generalisation import generalisation, plot_generalisation
from interp.errors import InputError, UnknownNameError
from organisms.capabilities.accommodation import Accommodation
from tests.toy_capabilities import Able

OPTIONS = {"progress": False, "n_bootstrap": 300}


class Sized:
    """Tasks that are numbers: their sizes."""

    def __init__(self, sizes, prefix="task"):
        self.sizes = np.asarray(sizes)
        self.prefix = prefix

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        return Sized(self.sizes[index], self.prefix)

    @property
    def ids(self):
        return [f"{self.prefix}/{i}" for i in range(len(self))]


class Solver(Able):
    """Solves a share of the tasks of each size, and takes sizes up to a limit."""

    parts: ClassVar = {
        Accommodation: {"accommodate": "accommodate", "task_features": "task_features"}
    }

    def __init__(self, shares, limit=100, name="solver"):
        self.shares, self.limit, self.name = shares, limit, name

    def world(self, tasks):
        return type("World", (), {"max_steps": 30})

    def untrained(self, seed):
        return Solver({}, self.limit, "untrained")

    def accommodate(self, tasks):
        if (tasks.sizes > self.limit).any():
            raise InputError(f"size {tasks.sizes.max()} is more than {self.limit}.")
        return self, tasks

    def task_features(self, tasks):
        return {"size": tasks.sizes}

    def run(self, tasks, seed=0, thinking_steps=0, batch_size=128):
        place = np.arange(len(tasks)) / len(tasks)
        share = np.array([self.shares.get(int(size), 0) for size in tasks.sizes])
        solved = place < share
        return xr.Dataset(
            {"solved": ("episode", solved), "length": ("episode", np.where(solved, 9, 30))}
        )


SETS = {"own": Sized([1] * 50), "large": Sized([2] * 40), "huge": Sized([3] * 30)}


def test_success_that_reaches_some_collections_and_not_others():
    result = generalisation(Solver({1: 0.8, 2: 0.4}), SETS, **OPTIONS)
    rate = result.solve_rate.isel(thinking=0).sel(source="trained")
    assert rate.values == pytest.approx([0.8, 0.4, 0])
    assert result.found.values.tolist() == [True, True, False]
    gap = result.isel(thinking=0).sel(source="trained")
    assert gap.gap.values == pytest.approx([0, -0.4, -0.8])
    assert (gap.gap_high.values[1:] < 0).all() and np.isnan(gap.gap_low.values[0])
    assert (result.gap_p_value.isel(thinking=0).values[1:] < 0.01).all()
    assert result.stratum_n.values.tolist() == [50, 40, 30]
    assert result.stratum_size.values.tolist() == [1, 2, 3]


def test_a_lucky_solve_is_not_found():
    result = generalisation(Solver({1: 0.8, 3: 0.05}), SETS, **OPTIONS)
    assert 0 < result.solve_rate.sel(collection="huge", source="trained").item() < 0.1
    assert not bool(result.found.sel(collection="huge"))


def test_what_the_untrained_network_solves_too_is_not_found():
    class Easy(Solver):
        def untrained(self, seed):
            return Solver(self.shares)

    result = generalisation(Easy({1: 0.8, 2: 0.8, 3: 0.8}), SETS, **OPTIONS)
    assert not result.found.any() and (result.excess == 0).all()


def test_the_same_distribution_has_no_gap():
    sets = {"own": Sized([1] * 50), "again": Sized([1] * 50, "again")}
    result = generalisation(Solver({1: 0.6}), sets, **OPTIONS)
    cell = result.isel(thinking=0).sel(source="trained", collection="again")
    assert float(cell.gap_low) < 0 < float(cell.gap_high) and float(cell.gap_p_value) > 0.5


def test_tasks_that_do_not_fit():
    sets = {"own": Sized([1] * 20), "mixed": Sized([1, 5, 1, 5])}
    with pytest.raises(InputError, match="'mixed': size 5 is more than 4"):
        generalisation(Solver({1: 1.0}, limit=4), sets, **OPTIONS)
    result = generalisation(Solver({1: 1.0}, limit=4), sets, misfits="leave_out", **OPTIONS)
    assert result.n_tasks.values.tolist() == [20, 2]
    assert result.n_left_out.values.tolist() == [0, 2]
    only = {"own": Sized([1] * 20), "giants": Sized([5, 5])}
    with pytest.raises(InputError, match="no task fits"):
        generalisation(Solver({1: 1.0}, limit=4), only, misfits="leave_out", **OPTIONS)


def test_the_figure_and_netcdf(tmp_path):
    result = generalisation(Solver({1: 0.8, 2: 0.4}), SETS, thinking_steps=(0, 2), **OPTIONS)
    result.to_netcdf(tmp_path / "generalisation.nc")
    success, gap = plot_generalisation(xr.load_dataset(tmp_path / "generalisation.nc")).axes
    assert [bar.get_height() for bar in success.patches][:3] == pytest.approx([80, 40, 0])
    assert "points" in gap.get_ylabel()
    assert "n = 40" in success.get_xticklabels()[1].get_text()


def test_bad_input():
    solver = Solver({1: 1.0})
    with pytest.raises(UnknownNameError, match="own"):
        generalisation(solver, SETS, "owns", **OPTIONS)
    with pytest.raises(UnknownNameError, match="leave_out"):
        generalisation(solver, SETS, misfits="skip", **OPTIONS)
    with pytest.raises(InputError, match="no tasks"):
        generalisation(solver, {"none": Sized([])}, **OPTIONS)
    with pytest.raises(InputError, match="mapping"):
        generalisation(solver, [], **OPTIONS)
    with pytest.raises(InputError, match="an organism"):
        generalisation(object(), SETS, **OPTIONS)
