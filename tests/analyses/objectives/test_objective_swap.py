"""A goal that is written in is walked to by an agent that keeps its goal there, and by no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses.objectives.goal_writes import GoalWrites, Write, writes_of
from analyses.objectives.objective_swap import objective_swap, plot_objective_swap
from analyses.objectives.path_probability import WalkedWays, path_probability
from analyses.objectives.policy_fields import plot_policy_field, policy_field
from interp.errors import InputError
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.places import Places
from organisms.card import Card
from organisms.networks.config import ResNetConfig
from organisms.networks.resnet import ResNet
from organisms.organism import Organism
from tests.analyses.objectives.goal_ring import GoalRing
from tests.organisms.tiny_mazes import tiny_maze_organism

QUICK = {"n_bootstrap": 300, "progress": False}
WRITES = writes_of(("first", "all"), (1.0,))


@pytest.fixture(scope="module")
def swapped() -> xr.Dataset:
    return objective_swap(GoalRing(True), "move-goal", n_pairs=20, alphas=(0.0, 1.0), **QUICK)


@pytest.fixture(scope="module")
def untrained() -> Organism:
    return tiny_maze_organism(seed=0, max_steps=12).untrained(1)


def test_who_keeps_the_goal_there_is_retargeted(swapped):
    assert bool(swapped.found)
    assert swapped.nothing.sel(measure="retargeted") == 0
    assert swapped.corrupted.sel(measure="retargeted") == 1
    for write in ("interchange, first step", "interchange, all steps", "steer ×1"):
        cell = swapped.sel(site="state", write=write)
        assert (cell.score.sel(source="goal") > 0.99).all()
        assert bool(cell.found_write)
        assert cell.own_goal.sel(source="goal") == 0


def test_margins_are_over_each_control(swapped):
    goal = swapped.score.sel(source="goal", drop=True)
    for control in ("random", "shuffled"):
        other = swapped.score.sel(source=control, drop=True)
        np.testing.assert_allclose(swapped.margin.sel(control=control), goal - other, atol=1e-12)
    margin = swapped.margin.sel(control="nothing")
    np.testing.assert_allclose(margin, goal - swapped.nothing, atol=1e-12)
    draws = swapped.score_draw.mean("draw")
    np.testing.assert_allclose(draws, swapped.score.sel(source="random"))
    np.testing.assert_allclose(swapped.pair_score.mean("pair"), swapped.score)


def test_steering_by_nothing_does_nothing(swapped):
    nought = swapped.sel(write="steer ×0")
    assert (nought.score == nought.nothing).all()
    assert (nought.p_value == 1).all() and not nought.found_write


def test_who_acts_on_what_it_sees_is_not_retargeted():
    result = objective_swap(GoalRing(False), "move-goal", n_pairs=20, **QUICK)
    assert not bool(result.found)
    assert (result.score.sel(measure="retargeted") == 0).all()
    assert result.corrupted.sel(measure="retargeted") == 1  # it does have the goal


def test_few_pairs_are_no_evidence():
    result = objective_swap(GoalRing(True), "move-goal", n_pairs=3, **QUICK)
    assert (result.score.sel(measure="retargeted", source="goal") == 1).all()
    assert not bool(result.found)


def test_an_untrained_network_is_not_retargeted(untrained):
    result = objective_swap(
        untrained,
        "swap-objects",
        n_pairs=12,
        interchange=("all",),
        alphas=(4.0,),
        n_random=1,
        **QUICK,
    )
    assert list(result.site.values) == ["layers.0.c", "layers.0.h"]
    assert not bool(result.found) and not result.found_write.any()


def test_a_feed_forward_network_can_be_asked():
    """Its sites have no ticks."""
    config = ResNetConfig(
        channels=(4,),
        kernel_sizes=(3,),
        n_blocks=1,
        board=(7, 7),
        observation="planes",
        n_planes=13,
        mlp_hiddens=(8,),
    )
    card = Card("flat", "doors", "a test", network={}, world={"max_steps": 8})
    flat = Organism(ResNet(config, seed=0), card)
    result = objective_swap(flat, "move-goal", n_pairs=8, alphas=(1.0,), n_random=1, **QUICK)
    assert result.sizes["site"] == 1 and not bool(result.found)


def test_the_same_seed_gives_the_same_numbers(swapped):
    again = objective_swap(GoalRing(True), "move-goal", n_pairs=20, alphas=(0.0, 1.0), **QUICK)
    xr.testing.assert_identical(swapped, again)


def test_it_is_kept_and_drawn(swapped, tmp_path):
    swapped.to_netcdf(tmp_path / "swap.nc")
    kept = xr.open_dataset(tmp_path / "swap.nc").load()
    figure = plot_objective_swap(kept)
    assert len(figure.axes) == 2 * swapped.sizes["site"]
    assert "retargeting found" in figure.get_suptitle()
    [legend] = figure.legends
    shown = {text.get_text() for text in legend.get_texts()}
    assert {"the other goal", "random directions", "another pair's", "nothing written"} <= shown


def test_what_cannot_be_asked_for():
    ring = GoalRing(True)
    with pytest.raises(InputError, match="where the goal is"):
        objective_swap(ring, ring.tasks(), **QUICK)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="interchange"):
        objective_swap(ring, "move-goal", interchange=("second",), **QUICK)
    with pytest.raises(InputError, match="distinct"):
        objective_swap(ring, "move-goal", interchange=(), alphas=(), **QUICK)
    with pytest.raises(InputError, match="n_random"):
        objective_swap(ring, "move-goal", n_random=0, **QUICK)
    with pytest.raises(InputError, match="Two pairs"):
        objective_swap(ring, "move-goal", n_pairs=1, **QUICK)


# What is written ---------------------------------------------------------------------------


class _WithThemselves(SimpleNamespace):
    """Pairs of each task with itself, which real pairs may not be."""

    def __len__(self) -> int:
        return len(self.clean)


@pytest.mark.parametrize("source", ["goal", "random", "shuffled"])
def test_a_swap_with_itself_changes_nothing(untrained, source):
    pairs = untrained[Counterfactuals].pairs("swap-objects", 6)
    same: Any = _WithThemselves(
        clean=pairs.clean,
        corrupted=pairs.clean,
        corrupted_way=pairs.clean_way,
        place_dims=pairs.place_dims,
    )
    goal = GoalWrites(untrained, same, ["layers.0.c", "layers.0.h"])
    alone = untrained.run(pairs.clean)
    walked = goal.ways.replay(untrained)
    for site in ("layers.0.c", "layers.0.h"):
        for write in WRITES:
            change = goal.interventions(site, write, source)
            again = goal.ways.replay(untrained, (), change)
            for name in ("logits", "value"):
                np.testing.assert_array_equal(
                    _on_way(again[name], goal.ways), _on_way(walked[name], goal.ways)
                )
            if not write.all_steps or write.operation == "steer":  # wherever it goes
                run = untrained.run(pairs.clean, interventions=change)
                for name in ("logits", "action", "length"):
                    np.testing.assert_array_equal(run[name].values, alone[name].values)


def _on_way(values: xr.DataArray, ways: WalkedWays) -> np.ndarray:
    return values.transpose("step", "batch", ...).values[ways.actions >= 0]


def test_an_interchange_at_all_steps_leads_along_the_other_tasks_run():
    """Where everything passes through the site, the clean run becomes the corrupted one."""
    ring = GoalRing(True)
    pairs = ring[Counterfactuals].pairs("move-goal", 10)
    goal = GoalWrites(ring, pairs, ["state"])
    change = goal.interventions("state", Write("interchange", True))
    run, other = ring.run(pairs.clean, interventions=change), ring.run(pairs.corrupted)
    np.testing.assert_array_equal(run.action.values[:, :2], other.action.values[:, :2])


def test_controls_are_as_large_as_what_they_control_for(untrained):
    pairs = untrained[Counterfactuals].pairs("swap-objects", 5)
    goal = GoalWrites(untrained, pairs, ["layers.0.h"], seed=4)
    difference = goal.difference("layers.0.h")
    for draw in (0, 1):
        random = goal.difference("layers.0.h", "random", draw)
        at_each_place = ((array**2).sum("channel") ** 0.5 for array in (difference, random))
        np.testing.assert_allclose(*at_each_place, rtol=1e-4, atol=1e-6)
        assert not np.allclose(random, goal.difference("layers.0.h", "random", 1 - draw))
    shuffled = goal.difference("layers.0.h", "shuffled")
    whole = ((array**2).sum(["channel", "y", "x"]) ** 0.5 for array in (difference, shuffled))
    np.testing.assert_allclose(*whole, rtol=1e-4, atol=1e-6)
    for i in range(5):  # its direction at the first step is that of one other pair
        mine = shuffled.isel(step=0, tick=0, batch=i).values.ravel()
        others = difference.isel(step=0, tick=0).transpose("batch", ...).values.reshape(5, -1)
        cosine = others @ mine / np.linalg.norm(others, axis=1) / np.linalg.norm(mine)
        assert np.argmax(cosine) != i and np.isclose(cosine.max(), 1, atol=1e-5)
    for array in (difference, random, shuffled):
        beyond = array.transpose("step", "batch", ...).values[goal.ways.actions < 0]
        assert (beyond == 0).all()


def test_writes_by_name():
    names = [write.name for write in WRITES]
    assert names == ["interchange, first step", "interchange, all steps", "steer ×1"]


# How likely a way is -----------------------------------------------------------------------


def test_path_probability_by_hand():
    actions = np.array([[0, 1], [1, -1]])
    ways = WalkedWays(np.zeros((2, 2, 1)), actions, np.array([2, 1]))
    p = np.array([[[0.9, 0.1], [0.25, 0.75]], [[0.6, 0.4], [0.5, 0.5]]])  # step, task, action
    run = xr.Dataset({"logits": (("step", "batch", "action"), np.log(p) + 3.0)})
    np.testing.assert_allclose(path_probability(run, ways), [np.sqrt(0.9 * 0.4), 0.75])


def test_an_even_policy_makes_every_way_as_likely():
    actions = np.array([[0, 1, 3], [1, -1, 2], [2, -1, -1]])
    ways = WalkedWays(np.zeros((3, 3, 1)), actions, np.array([3, 1, 2]))
    run = xr.Dataset({"logits": (("step", "batch", "action"), np.zeros((3, 3, 4)))})
    np.testing.assert_allclose(path_probability(run, ways), 0.25)


# Policy fields -----------------------------------------------------------------------------


def test_a_policy_field_is_what_the_agent_would_do_first(untrained):
    task = untrained.tasks("test", 1)
    field = policy_field(untrained, task)
    tasks, begun = untrained[Places].everywhere(task)
    assert (field.probability.notnull().all("action") == (begun >= 0)).all()
    np.testing.assert_allclose(field.probability.sum("action").values[begun >= 0], 1)
    logits = untrained.run(tasks).logits.sel(step=0).values
    odds = np.exp(logits.astype(float))
    for y, x in np.argwhere(begun >= 0):
        p = odds[begun[y, x]] / odds[begun[y, x]].sum()
        np.testing.assert_allclose(field.probability[y, x], p, rtol=1e-4)
        np.testing.assert_allclose(field.vector[y, x], [p[1] - p[0], p[3] - p[2]], atol=1e-5)


def test_a_policy_field_before_and_after(untrained, tmp_path):
    pairs = untrained[Counterfactuals].pairs("swap-objects", 2)
    task = pairs.clean[:1]
    goal = GoalWrites(untrained, pairs, ["layers.0.h"])
    marks = {"goal": tuple(pairs.clean_goal[0]), "other place": tuple(pairs.corrupted_goal[0])}
    before = policy_field(untrained, task, marks=marks, visited=pairs.visited)
    assert tuple(before.way[0].values) == pairs.clean[:1][0].start
    same = policy_field(untrained, task, goal.steering("layers.0.h", 0, 0.0))
    np.testing.assert_array_equal(before.probability, same.probability)
    after = policy_field(
        untrained, task, goal.steering("layers.0.h", 0, 5.0), visited=pairs.visited
    )
    assert not np.allclose(before.vector, after.vector, equal_nan=True)
    after.to_netcdf(tmp_path / "field.nc")
    figure = plot_policy_field(before, xr.open_dataset(tmp_path / "field.nc").load(), untrained)
    assert len(figure.axes) == 3
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()][-3:] == [
        "goal",
        "other place",
        "way gone",
    ]
    other = policy_field(untrained, pairs.clean[1:2])
    with pytest.raises(InputError, match="different tasks"):
        plot_policy_field(before, other, untrained)
    with pytest.raises(InputError, match="one task"):
        policy_field(untrained, pairs.clean)
