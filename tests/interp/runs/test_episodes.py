import numpy as np
import pytest

from interp.errors import InputError, UnknownSiteError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.runs.episodes import run_episodes, run_variables
from interp.runs.replay import replay
from tests.toys import ToyOrganism, ToyTasks

TASKS = ToyTasks((3, 1, 20, 2))


def test_variables_of_a_run():
    run = run_episodes(ToyOrganism(), TASKS, sites=["h"])
    assert run.length.values.tolist() == [3, 1, 8, 2]
    assert run.solved.values.tolist() == [True, True, False, True]
    assert run.level_id.values.tolist() == [f"line/{i}" for i in range(4)]
    assert run.action.dtype == np.int16 and run.observation.dtype == np.uint8
    assert run["h"].dims == ("episode", "step", "tick", "channel")
    assert run.step.values.tolist() == list(range(8))
    # Valid rows hold data, the rest padding.
    valid = (run.step < run.length).transpose("episode", "step")
    for there in (
        run.action >= 0,
        run.reward.notnull(),
        run["h"].notnull().all(("tick", "channel")),
        (run.observation != 255).any("feature"),
    ):
        assert np.array_equal(there, valid)
    done_at = run.done.argmax("step")
    assert done_at.values.tolist() == [2, 0, 7, 1] and run.done.sum() == 4
    assert run.observation.isel(episode=0).values[:3].tolist() == [[0, 3], [1, 3], [2, 3]]


def test_thinking_steps_are_negative_and_carry_the_state():
    plain = run_episodes(ToyOrganism(), TASKS, sites=["h"])
    thought = run_episodes(ToyOrganism(), TASKS, sites=["h"], thinking_steps=2)
    assert thought.step.values[:3].tolist() == [-2, -1, 0]
    early = thought.sel(step=slice(-2, -1))
    assert (early.action == -1).all() and (early.reward == 0).all() and not early.done.any()
    assert thought.length.equals(plain.length)
    first = thought.observation.sel(step=0)
    assert (thought.observation.sel(step=slice(-2, 0)) == first).all()
    # h → x/2 from below: 3/4, 9/8, … halving the distance at each tick.
    assert thought["h"].sel(episode=0, channel=0).values[:3].ravel() == pytest.approx(
        [1.5 * (1 - 0.5**k) for k in range(1, 7)]
    )


def test_the_batch_size_changes_nothing():
    runs = [
        run_episodes(ToyOrganism(), TASKS, sites=["h"], temperature=1.0, seed=3, batch_size=size)
        for size in (1, 3, 128)
    ]
    assert runs[0].identical(runs[1]) and runs[1].identical(runs[2])


def test_seeds_decide_what_is_drawn():
    def actions(seed):
        return run_episodes(
            ToyOrganism(bias=-0.5), ToyTasks((9,) * 20), temperature=1.0, seed=seed
        ).action

    assert actions(1).identical(actions(1))
    assert not actions(1).equals(actions(2))


def test_drawn_actions_follow_the_policy():
    organism = ToyOrganism(bias=0.0, max_steps=1)
    run = run_episodes(organism, ToyTasks((1,) * 4000), temperature=1.0)
    # h₀ = 1/4 + 1/8 after two ticks.
    expected = 1 / (1 + np.exp(-0.375))
    assert abs(run.solved.mean().item() - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def test_interventions_steer_the_closed_loop():
    stay = Intervention(Address("h", index={"channel": 0}), "set", -1.0)
    run = run_episodes(ToyOrganism(), TASKS, interventions=[stay], sites=["h"])
    assert not run.solved.any() and (run.action == 0).all()
    assert (run["h"].sel(channel=0) == -1).all(), "what is kept is what the intervention left"


def test_replay_of_a_run_gives_its_logits():
    organism = ToyOrganism()
    run = run_episodes(organism, ToyTasks((8, 8)), sites=["h"], thinking_steps=1)
    again = replay(
        organism.network,
        run.observation.transpose("step", "episode", "feature"),
        sites=["h"],
        first_step=-1,
    )
    assert again["logits"].dims == ("step", "batch", "action")
    assert np.array_equal(again["logits"].values, run.logits.transpose("step", ...).values)
    assert np.array_equal(again["h"].values, run["h"].transpose("step", ...).values)
    assert again.step.values[0] == -1


def test_replay_starts_episodes_where_told():
    observations = np.tile(np.array([0, 4], np.uint8), (4, 1, 1))
    starts = np.array([[True], [False], [True], [False]])
    value = replay(ToyOrganism().network, observations, starts)["value"].values[:, 0]
    assert value[0] == value[2] and value[1] == value[3] and value[0] != value[1]


def test_bad_input_is_refused():
    organism = ToyOrganism()
    with pytest.raises(UnknownSiteError):
        run_episodes(organism, TASKS, sites=["hh"])
    with pytest.raises(InputError, match="no tasks"):
        run_episodes(organism, TASKS[0:0])
    with pytest.raises(InputError, match="float64"):
        run_variables(organism, TASKS, ["h"], dtype="float64")
    with pytest.raises(InputError, match="thinking_steps"):
        run_episodes(organism, TASKS, thinking_steps=-1)
    for observations in (np.zeros((2, 3)), np.zeros((0, 1, 2)), np.full((1, 1, 2), np.nan)):
        with pytest.raises(InputError):
            replay(organism.network, observations)
    with pytest.raises(InputError, match="episode_starts"):
        replay(organism.network, np.zeros((2, 1, 2), np.uint8), np.zeros((1, 2), bool))


def test_a_network_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="not finite at step 0"):
        run_episodes(ToyOrganism(bias=float("nan")), TASKS)


def test_a_dataarray_in_another_order_is_refused():
    organism = ToyOrganism()
    seen = run_episodes(organism, TASKS).observation.isel(step=slice(0, 2))
    with pytest.raises(InputError, match="transpose"):
        replay(organism.network, seen)
    ordered = seen.transpose("step", "episode", ...)
    value = replay(organism.network, ordered)["value"]
    assert np.array_equal(value, replay(organism.network, ordered.values)["value"])


@pytest.mark.parametrize("observations", [None, "ab", [[1], [1, 2]], np.array([[[1j]]])])
def test_observations_that_are_no_numbers_are_refused(observations):
    with pytest.raises(InputError, match="no array of numbers"):
        replay(ToyOrganism().network, observations)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": None},
        {"batch_size": 1.5},
        {"batch_size": None},
        {"dtype": "foo"},
        {"sites": 3},
    ],
)
def test_options_of_a_wrong_kind_are_refused(options):
    with pytest.raises(InputError):
        run_episodes(ToyOrganism(), TASKS, **options)


@pytest.mark.parametrize("tasks", [None, "test", ["#####"]])
def test_what_is_no_set_of_tasks_is_refused(tasks):
    with pytest.raises(InputError, match="no set of tasks"):
        run_episodes(ToyOrganism(), tasks)
