from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses.plans.plan_validity import plan_validity, plot_plan_validity
from analyses.question import CannotBeAsked
from interp.concepts import Concept
from interp.errors import InputError
from interp.files import write_netcdf
from tests.analyses.plans.plan_toys import (
    N_POINTS,
    THINKING,
    WAY,
    WIDTH,
    RowPlans,
    replayed,
    way_run,
)

OPTIONS: dict[str, Any] = {"progress": False, "n_bootstrap": 200, "plans": RowPlans()}


def measured(written, control=lambda position: None, **options):
    run = way_run(written, **options)
    return plan_validity(run, concepts=[WAY], untrained=replayed(run, control), **OPTIONS)


def forming(position):
    """Written outward from the source, one square a tick."""
    return position


@pytest.fixture(scope="module")
def formed():
    return measured(forming)


def test_a_plan_that_forms_is_found(formed):
    cell = formed.quality.sel(concept="way", source="trained", site="h")
    solves = cell.sel(measure="solves").values
    assert solves[0] == 0 and solves[-1] > 0.8
    length = cell.sel(measure="length").values
    assert (np.diff(length) > 0.5).all() and length[-1] == pytest.approx(WIDTH - 2, abs=0.5)
    assert bool(formed.found.sel(concept="way")) and bool(formed.growth_found.sel(concept="way"))
    assert formed.ideal.sel(measure="solves").item() == 1
    assert formed.step.values.tolist() == [-2, -2, -1, -1, 0, 0] and THINKING == 2
    margin = formed.margin.sel(measure="solves", site="h").item()
    rest = formed.quality.sel(measure="solves", site="h").isel(deliberation=-1)
    assert margin == pytest.approx(float(rest[0, 0] - rest[0, 1:].max()))
    assert set(formed.source.values) == {"trained", "untrained", "shuffled", "observation"}


def test_a_concept_without_squares_cannot_be_asked_about():
    run = way_run(forming, n_episodes=20)
    step = Concept(
        "turn", lambda run: (run["way"].isel(y=0) > 0).any("x").astype(int), ("no", "yes")
    )
    level = Concept("depth", lambda run: run["way"].astype(float))
    for concept, words in ((step, "has the dims ('episode', 'step')"), (level, "has numbers")):
        answer = plan_validity(run, concepts=[concept], **OPTIONS)
        assert isinstance(answer, CannotBeAsked) and words in answer.reason, answer
        assert repr(concept.name) in answer.reason and "squares" in answer.reason


def test_the_observation_is_the_same_at_all_ticks(formed):
    seen = formed.quality.sel(source="observation")
    assert (seen == seen.isel(deliberation=0)).all()


def test_a_plan_that_is_there_from_the_start_does_not_form():
    result = measured(lambda position: 0)
    assert bool(result.found) and not bool(result.growth_found)


def test_no_plan_is_not_found():
    result = measured(lambda position: None)
    assert not result.found.any() and not result.growth_found.any()


def test_a_broken_plan_is_not_valid():
    result = measured(lambda position: None if position == 2 else 0)
    last = result.quality.sel(source="trained", site="h").isel(deliberation=-1, concept=0)
    assert float(last.sel(measure="solves")) == 0 and float(last.sel(measure="valid")) < 0.1
    assert 1.5 < float(last.sel(measure="length")) < 4


def test_what_the_untrained_network_reads_as_well_is_not_found():
    run = way_run(forming)
    result = plan_validity(run, concepts=[WAY], untrained=run, **OPTIONS)
    assert result.quality.sel(source="trained", measure="solves").isel(deliberation=-1).item() > 0.8
    assert not result.found.any() and not result.growth_found.any()


def test_bad_input():
    run = way_run(forming, n_episodes=10)
    with pytest.raises(InputError, match="no thinking steps"):
        plan_validity(run.sel(step=slice(0, None)), concepts=[WAY], untrained=None, **OPTIONS)
    answer = plan_validity(run, concepts=[WAY], untrained=None, progress=False)
    assert isinstance(answer, CannotBeAsked) and "has no Plans" in answer.reason


def test_the_figure_draws_the_dataset_and_it_can_be_kept(formed, tmp_path):
    figure = plot_plan_validity(formed)
    drawn = formed.quality.sel(concept="way", source="trained", site="h", measure="length").values
    assert figure.axes[0].get_lines()[0].get_ydata() == pytest.approx(drawn)
    assert len(drawn) == N_POINTS
    assert all("tick" in ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    write_netcdf(formed, tmp_path / "result.nc")
    assert xr.load_dataset(tmp_path / "result.nc").found.dtype == bool
