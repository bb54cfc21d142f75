from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses.plans.decoded_plans import DecodedPlans
from analyses.plans.path_orders import ORDERS, decoded_since, pairs_in_order
from analyses.plans.plan_growth import plan_growth, plot_plan_growth
from interp.files import write_netcdf
from tests.analyses.plans.plan_toys import WAY, WIDTH, RowPlans, replayed, way_run

OPTIONS: dict[str, Any] = {
    "progress": False,
    "n_bootstrap": 200,
    "n_permutations": 200,
    "plans": RowPlans(),
}
N = WIDTH - 2


def growth(written, control=lambda position: None, **options):
    run = way_run(written, **options)
    return plan_growth(run, concepts=[WAY], untrained=replayed(run, control), **OPTIONS)


def found(result) -> dict[str, bool]:
    return {d: bool(result.found.sel(concept="way", direction=d)) for d in ORDERS}


def test_pairs_by_hand():
    # Squares decoded at ticks 0, 1, 1, 3, 2: 8 pairs in order, 1 against, 1 tie.
    times = np.array([0, 1, 1, 3, 2])
    assert pairs_in_order(times, "net", 9) == (8 - 1, 10)
    # The three nearest the source: (0, 1), (0, 1) in order, (1, 1) a tie.
    assert pairs_in_order(times, "forward", 9) == (2, 3)
    # The three nearest the goal, from the goal: 2, 3, 1: one in order, two against.
    assert pairs_in_order(times, "backward", 9) == (-1, 3)
    assert pairs_in_order(np.array([4]), "net", 9) == (0, 0)
    # Never decoded (3 ticks in all): of its pairs nothing can be said.
    assert pairs_in_order(times, "net", 3) == (5 - 0, 6)


def test_decoded_since_by_hand():
    # One square, class 2, read at ticks 0 … 4; right for good from tick 3 on.
    maps = np.array([2, 0, 1, 2, 2]).reshape(1, 1, 1, 5, 1, 1)
    fields: dict[str, Any] = {name: None for name in DecodedPlans.__dataclass_fields__}
    decoded = DecodedPlans(**{**fields, "maps": maps, "labels": np.full((1, 1, 1), 2)})
    assert decoded_since(decoded).item() == 3
    never = DecodedPlans(**{**fields, "maps": maps, "labels": np.full((1, 1, 1), 1)})
    assert decoded_since(never).item() == 5


def test_growth_from_the_source():
    result = growth(lambda position: position)
    assert found(result) == {"forward": True, "backward": False, "net": True}
    order = result.order.sel(concept="way", source="trained", site="h")
    assert float(order.sel(direction="net")) > 0.7
    assert float(order.sel(direction="backward")) < -0.5
    shares = result.share_decoded.sel(concept="way", source="trained", site="h")
    assert float(shares.sel(place=0).isel(deliberation=1)) > 0.8
    assert float(shares.sel(place=1).isel(deliberation=1)) < 0.2


def test_growth_from_the_goal():
    result = growth(lambda position: N - 1 - position)
    assert found(result) == {"forward": False, "backward": True, "net": False}


def test_growth_from_both_ends():
    result = growth(lambda position: 2 * min(position, N - 1 - position))
    assert found(result) == {"forward": True, "backward": True, "net": False}


@pytest.mark.parametrize("written", [lambda position: None, lambda position: 0, lambda position: 3])
def test_no_order_is_not_found(written):
    result = growth(written)
    assert not result.found.any()
    low, high = result.null_low, result.null_high
    assert (low.fillna(0) <= 0).all() and (high.fillna(0) >= 0).all()


def test_growth_that_the_untrained_network_shows_as_well_is_not_found():
    result = growth(lambda position: position, lambda position: position)
    assert result.order.sel(source="trained", direction="net").item() > 0.7
    assert not result.found.any()


def test_the_figure_draws_the_dataset_and_it_can_be_kept(tmp_path):
    result = growth(lambda position: position)
    figure = plot_plan_growth(result)
    line = figure.axes[0].get_lines()[-1].get_ydata()
    drawn = 100 * result.share_decoded.sel(source="trained", site="h").isel(deliberation=-1)
    assert line == pytest.approx(drawn.values.ravel())
    assert "tau" in figure.axes[1].get_ylabel()
    write_netcdf(result, tmp_path / "result.nc")
    assert xr.load_dataset(tmp_path / "result.nc").found.dtype == bool
