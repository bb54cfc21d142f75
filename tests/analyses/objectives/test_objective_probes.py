import warnings

import numpy as np
import pytest
import xarray as xr

from analyses.objectives.candidate_decoding import Moments, pick
from analyses.objectives.goal_lead import approaches, by_remaining, settled_steps
from analyses.objectives.objective_probes import objective_probes, plot_objective_probes
from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError, UnknownSiteError
from organisms.card import Card
from organisms.families.doors.objects import PLANES
from organisms.networks.build import network_record
from organisms.networks.config import ConvConfig, DRCConfig
from organisms.networks.drc import DRC
from organisms.organism import Organism
from tests.analyses.objectives.goal_toy import (
    BASE,
    BINARY,
    GOAL,
    NEAREST,
    PROXY,
    THING,
    goal_run,
    without,
)


def probe(fit: xr.Dataset, test: xr.Dataset, concepts=(GOAL, BASE, PROXY), **options) -> xr.Dataset:
    given = {
        "candidates": THING,
        "nearest": NEAREST,
        "untrained": (without(fit), without(test)),
        "controls": ("observation", "history"),
        "n_bootstrap": 200,
        "fits": 4,
        "progress": False,
    }
    return objective_probes(fit, None, concepts, test=test, **{**given, **options})


def pair(since, part=True, seed=0, n=60):
    fit = goal_run(since, n, part=part, seed=seed)
    return fit, goal_run(since, n, seed=seed + 50, name="test")


@pytest.fixture(scope="module")
def leading():
    """The goal is held from the first step on; behaviour gives it away from the fourth on."""
    return probe(*pair(0))


@pytest.fixture(scope="module")
def coinciding():
    """The same, fitted where goal, base objective and proxy are one."""
    return probe(*pair(0, part=False))


def cell(dataset, name, **at):
    return float(dataset[name].sel(site="h", tick=0, **at))


def test_a_goal_that_is_held_is_found_and_leads(leading):
    assert bool(leading.found.sel(concept="goal")) and bool(leading.lead_found)
    assert not leading.found.sel(concept=["base", "proxy"]).any()  # seen by the observation's probe
    assert (leading.lead_high < 0).all()
    assert cell(leading, "settled", source="trained") < 0.5
    assert 2 < cell(leading, "settled", source="position") <= 3.5
    assert cell(leading, "goal_accuracy", source="trained", remaining=6) > 0.9
    early = cell(leading, "goal_accuracy", source="nearest", remaining=6)
    assert early < 0.6 < 0.8 < cell(leading, "goal_accuracy", source="nearest", remaining=1)


def test_a_probe_of_the_goal_is_told_from_one_of_what_went_with_it(coinciding):
    assert str(coinciding.reads.sel(concept="goal", site="h", tick=0).item()) == "goal"
    assert bool(coinciding.found.sel(concept="goal"))
    assert (coinciding.agree.sel(set="fit") == 1).all()
    in_test = coinciding.agree.sel(set="test", concept="goal")
    assert float(in_test.sel(location=["base", "proxy"]).sum()) == pytest.approx(1)
    # In the fit base and proxy are one for the observation: it cannot know which of them is meant.
    seen = coinciding.points_at.sel(concept="goal", source="observation", site="h", tick=0)
    assert float(seen.sel(location=["base", "proxy"]).sum()) == pytest.approx(1)
    interval = coinciding[["accuracy_low", "accuracy_high"]].sel(
        concept="goal", source="observation"
    )
    assert (interval.accuracy_low < 0.5).all() and (interval.accuracy_high > 0.5).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_goal_is_not_found(seed):
    result = probe(*pair(None, seed=seed), seed=seed)
    assert not result.found.any() and not result.lead_found
    assert abs(cell(result, "accuracy", concept="goal", source="trained") - 1 / 3) < 0.15


def test_what_the_untrained_network_holds_as_well_is_not_found():
    fit, test = pair(0)
    result = probe(fit, test, untrained=(fit, test))
    assert not result.found.any() and not result.lead_found
    assert str(result.best_control.sel(concept="goal", site="h", tick=0).item()) == "untrained"


def test_a_goal_that_is_held_when_behaviour_shows_it_does_not_lead():
    result = probe(*pair(4))
    assert not result.lead_found
    assert cell(result, "lead", control="position") > 0


def test_all_controls_are_there_and_shuffled_labels_are_worth_a_guess(leading):
    assert leading.source.values.tolist() == [
        "trained",
        "untrained",
        "observation",
        "history",
        "position",
        "nearest",
        "shuffled",
    ]
    assert leading.control.values.tolist() == leading.source.values.tolist()[1:]
    assert leading.chance.values == pytest.approx([1 / 3] * 3)
    shuffled = leading.accuracy.sel(source="shuffled")
    assert (abs(shuffled - 1 / 3) < 0.12).all()
    own = [leading.points_at.sel(concept=c, location=c) for c in leading.concept.values]
    assert np.array_equal([values.values for values in own], leading.accuracy.values)


def test_the_whole_ladder_stands_beside_a_goal():
    result = probe(*pair(0, n=40), [GOAL], controls=None, fits=2)
    assert result.source.values.tolist()[2:6] == [
        *("observation", "history", "observation 3x3", "observation 5x5")
    ]
    assert {"observation board", "last 4 5x5", "MLP 5x5"} <= {*result.control.values.tolist()}
    assert result.accuracy.sel(concept="goal", source="MLP 5x5").notnull().any()
    assert bool(result.found.sel(concept="goal"))
    assert plot_objective_probes(result).axes


def test_a_misspelt_rung_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="observation 3x3"):
        probe(*pair(0, n=30), [GOAL], controls=("observation 3x4",))


def test_a_control_is_no_control_of_itself():
    result = probe(*pair(0, n=30), concepts=[GOAL, NEAREST])
    assert np.isnan(cell(result, "accuracy", concept="nearest", source="nearest"))
    assert np.isfinite(cell(result, "accuracy", concept="goal", source="nearest"))
    assert np.isfinite(cell(result, "margin", concept="nearest"))


def test_the_same_seed_gives_the_same_result_and_files_keep_it(leading, tmp_path):
    again = probe(*pair(0))
    xr.testing.assert_identical(again, leading)
    leading.to_netcdf(tmp_path / "result.nc")
    with xr.open_dataset(tmp_path / "result.nc") as loaded:
        xr.testing.assert_allclose(loaded.load(), leading)


def test_a_wider_field_a_site_without_ticks_and_no_untrained_network():
    fit, test = (run.isel(tick=0, drop=True) for run in pair(0, n=30))
    result = probe(fit, test, [GOAL], untrained=None, nearest=None, receptive_field=3, sites="h")
    assert result.tick.values.tolist() == [-1]
    assert result.source.values.tolist() == [
        "trained",
        "observation",
        "history",
        "position",
        "shuffled",
    ]
    assert float(result.accuracy.sel(source="trained", concept="goal").item()) > 0.9


def test_goals_that_are_hardly_ever_there_are_left_out():
    fit, test = pair(0, n=30)
    test["is_goal"] = test["is_goal"].where(test.episode < 5, 0)
    result = probe(fit, test)
    assert result.too_few == "goal" and not result.found.sel(concept="goal")
    assert not result.lead_found and result.margin.sel(concept="goal").isnull().all()
    assert result.accuracy.sel(concept="base", source="trained").notnull().all()
    assert plot_objective_probes(result) is not None


def test_no_concept_at_all_is_an_answer_too():
    fit, test = pair(0, n=8)
    result = probe(fit, test)
    assert result.too_few == "goal, base, proxy"
    assert not result.found.any() and not result.lead_found
    assert "no goals" in plot_objective_probes(result).axes[-1].get_title(loc="left")


def test_approaches_end_where_the_goal_is_reached_or_changes():
    candidates = np.ones((3, 5, 2), bool)
    candidates[0, 3:] = False  # over after three steps
    candidates[1, :2] = False  # no choice before the third
    episode, row = np.nonzero(candidates.any(axis=2))
    moments = Moments(candidates, episode, row, np.zeros((3, 2)))
    goal = np.zeros((len(moments), 2), bool)
    goal[episode == 0, 0] = True
    goal[episode == 1, [1, 0, 1]] = True  # the first of its goals lasts one step
    found = approaches(moments, goal)
    assert found.episodes.tolist() == [0, 1]  # the third never has a goal
    assert [mine.tolist() for mine in found.members] == [[0, 1, 2], [3]]
    assert found.remaining[:4].tolist() == [3, 2, 1, 1]
    right = np.zeros(len(moments), bool)
    right[[1, 2]] = True
    assert settled_steps(right, moments, found).tolist() == [
        1,
        1,
    ]  # the second: never, after 1 step
    unit = np.arange(3)
    course = by_remaining(right.astype(float), moments, found, unit, 4)
    assert course[:, 0].tolist()[:3] == [1, 1, 0] and np.isnan(course[3]).all()
    assert course[0, 1] == 0 and np.isnan(course[:, 2]).all()


def test_lots_are_kept_through_an_episode_and_decide_among_what_is_marked():
    candidates = np.ones((4, 3, 5), bool)
    episode, row = np.nonzero(candidates.any(axis=2))
    moments = Moments(candidates, episode, row, np.zeros((4, 5)))
    lot = np.random.default_rng(0).random((4, 5))
    there = np.zeros((12, 5), bool)
    assert pick(there, moments, lot).reshape(4, 3).tolist() == [[i] * 3 for i in lot.argmax(axis=1)]
    there[:, [1, 3]] = True
    assert set(pick(there, moments, lot)) <= {1, 3}


def test_bad_input():
    fit, test = pair(0, n=12)
    three = Concept("three", lambda run: run["is_goal"], ("a", "b", "c"))
    whole = Concept("whole", lambda run: run["is_goal"].max(["y", "x"]), BINARY)
    nothing = Concept("nothing", lambda run: run["is_goal"] * 0, BINARY)
    with pytest.raises(InputError, match="both the fit and the test"):
        probe(fit, fit)
    with pytest.raises(InputError, match="two"):
        probe(fit, test, [three])
    with pytest.raises(InputError, match="per square"):
        probe(fit, test, [whole])
    with pytest.raises(InputError, match="two squares"):
        probe(fit, test, candidates=nothing)
    with pytest.raises(InputError, match="each once"):
        probe(fit, test, [GOAL, GOAL])
    with pytest.raises(InputError, match="fits"):
        probe(fit, test, fits=0)
    with pytest.raises(InputError, match="pair"):
        probe(fit, test, untrained=(fit, test, test))
    with pytest.raises(UnknownNameError, match="concept"):
        probe(fit, test, candidates="thimg")
    with pytest.raises(UnknownSiteError):
        probe(fit, test, sites=["hh"])


def test_the_figure_shows_every_concept_and_the_time_course(leading):
    figure = plot_objective_probes(leading)
    *panels, pointing, course = figure.axes
    assert len(panels) == 3 and all(len(ax.patches) == 6 for ax in panels)
    assert len(pointing.patches) == 3 * 6
    heights = [patch.get_height() for patch in panels[0].patches]  # type: ignore[attr-defined]
    drawn = leading.accuracy.sel(concept="goal", site="h", tick=0).copy()
    shown = ["trained", "untrained", "observation", "position", "nearest", "shuffled"]
    drawn.loc["observation"] = drawn.sel(source=["observation", "history"]).max()  # the strongest
    assert heights == pytest.approx(drawn.sel(source=shown).values.tolist())
    labels = [line.get_label() for line in course.get_lines()]
    assert labels == [*shown, "chance"]
    assert "lead found" in course.get_title(loc="left")


def test_an_untrained_organism_has_no_goal():
    config = DRCConfig.released(
        1,
        1,
        channels=4,
        encoder=(ConvConfig(4, (3, 3)),),
        board=(7, 7),
        observation="planes",
        n_planes=len(PLANES),
        mlp_hiddens=(8,),
    )
    network = DRC(config, seed=0)
    card = Card(
        name="tiny",
        family="doors",
        summary="Random weights.",
        network=network_record(network),
        world={"max_steps": 6},
    )
    organism = Organism(network, card)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = objective_probes(
            organism,
            organism.tasks("train", 24),
            test=organism.tasks("doors-blue-door-red-other", 24),
            controls=("observation 1x1", "observation 3x3"),
            n_bootstrap=100,
            fits=3,
            progress=False,
        )
    assert result.concept.values[0] == "goal" and "nearest_object" in result.concept.values
    assert set(result.site.values) == set(organism.state_sites)
    assert not result.found.any() and not result.lead_found
    # What lies where can be read from the observation by itself.
    assert not (result.margin > 0).sel(concept="nearest_object").all()
