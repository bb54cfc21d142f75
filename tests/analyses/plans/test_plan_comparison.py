from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from analyses.plans import plan_comparison
from analyses.plans.plan_comparison import compare_plans, plot_compare_plans
from analyses.plans.plan_probes import best_cells, plan_probes
from interp.errors import InputError
from tests.analyses.plans.planted import PLAN, planted_run
from tests.toys import ToyTasks

OPTIONS = {"progress": False, "n_bootstrap": 300}


@dataclass
class Planted:
    """Has been run already; holds a plan at tick 1 of so much strength."""

    name: str
    strength: float

    def probed(self, **options) -> xr.Dataset:
        runs = [
            planted_run(np.tile([0, strength], (6, 1)), seed=k)
            for k, strength in enumerate((self.strength, 0))
        ]
        runs[1]["level_id"] = runs[0]["level_id"]
        return plan_probes(runs[0], concepts=[PLAN], untrained=runs[1], **options)


@pytest.fixture(autouse=True)
def already_run(monkeypatch):
    monkeypatch.setattr(
        plan_comparison, "plan_probes", lambda planted, tasks, concepts, **o: planted.probed(**o)
    )


@pytest.fixture(scope="module")
def organisms():
    return [Planted("planner", 3), Planted("reactive", 0)]


def compare(organisms):
    return compare_plans(organisms, ToyTasks((1,) * 6), [PLAN], sites=["h"], **OPTIONS)


def test_a_plan_is_found_where_it_was_planted_and_not_where_it_was_not(organisms):
    result = compare(organisms)
    assert result.organism.values.tolist() == ["planner", "reactive"]
    assert result.found.sel(concept="plan").values.tolist() == [True, False]
    planner = result.sel(organism="planner", concept="plan")
    assert planner.site.item() == "h" and planner.tick.item() == 1
    [row] = best_cells(organisms[0].probed(receptive_fields=(1,), sites=["h"], **OPTIONS))
    assert planner.margin.item() == row["margin"] and planner.margin_low.item() == row["low"] > 0
    assert planner.p_holm.item() < 0.05 <= result.p_holm.sel(organism="reactive").item()


def test_organisms_need_names_of_their_own(organisms):
    with pytest.raises(InputError, match="more than once"):
        compare([organisms[0], organisms[0]])
    with pytest.raises(InputError, match="at least two"):
        compare(organisms[:1])


def test_the_plot_fills_what_was_found(organisms):
    result = compare(organisms)
    [ax] = plot_compare_plans(result).axes
    drawn = {c.get_label(): c.lines[0] for c in ax.containers}
    assert drawn["found"].get_xdata() == pytest.approx(result.margin.values[:1, 0])
    assert drawn["not found"].get_xdata() == pytest.approx(result.margin.values[1:, 0])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["planner", "reactive"]
