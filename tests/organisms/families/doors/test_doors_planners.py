"""Planners, outcomes of runs, mazes as decision problems, pictures."""

import numpy as np
import pytest

from interp.decisions.soft_values import solve
from interp.errors import InputError, UnknownNameError
from organisms.families.doors.distributions import DISTRIBUTIONS
from organisms.families.doors.environment import MazeWorld
from organisms.families.doors.generator import generate
from organisms.families.doors.mdp import maze_mdp, mdp_of_text
from organisms.families.doors.objects import GAMES
from organisms.families.doors.outcomes import outcome_rates, outcomes
from organisms.families.doors.paths import FAR
from organisms.families.doors.planners import PLANNERS, Planner, demonstrate, planner_names
from organisms.families.doors.render import draw_maze, picture, policy_field, start_everywhere
from organisms.families.doors.text import parse_mazes

FORK = "; doors\n##############\n##Br@@..Db..##\n##############"


def first(name: str, distribution: str, n: int = 40) -> set[tuple[str, str]]:
    result = outcomes(demonstrate(generate(distribution, n), name))
    return set(zip(result.first_kind.values, result.first_colour.values, strict=True))


@pytest.mark.parametrize("name", PLANNERS)
def test_planners_walk_shortest_ways(name):
    game = PLANNERS[name][0] or "doors"
    mazes = generate({"doors": "doors-independent"}.get(game, f"{game}-training"), 20)
    world = MazeWorld(mazes)
    planner = Planner(name, world)
    rng = np.random.default_rng(0)
    rows = np.arange(20)
    for _ in range(40):
        before = planner.distance()[rows, world.position[:, 0], world.position[:, 1]].copy()
        fresh = Planner(name, world).distance()
        assert (planner.distance() == fresh).all(), "what is remembered is what is there"
        likely = planner()
        assert likely.sum(axis=1) == pytest.approx(1)
        action = np.array([rng.choice(4, p=p) for p in likely])
        was, board = world.finished.copy(), world.objects.copy()
        world.step(np.where(was, -1, action))
        same = (world.objects == board).all(axis=(1, 2)) & ~was & (before < FAR)
        after = planner.distance()[rows, world.position[:, 0], world.position[:, 1]]
        assert (after[same] == np.maximum(before[same] - 1, 0)).all()


def test_planners_reach_what_they_are_after():
    assert first("reach-door", "doors-blue-door-red-other") == {("door", "blue")}
    assert {kind for kind, _ in first("reach-red", "doors-blue-door-red-other")} == {"ball", "gem"}
    assert first("reach-red", "doors-two-doors") == {("door", "red")}
    assert first("nearest-object", "doors-blue-door-far") == {("ball", "red")}
    assert first("reach-door", "doors-red-ball-near") == {("door", "red")}
    for planner in ("reach-door", "reach-red"):  # the two cannot be told apart in training
        assert first(planner, "doors-training") == {("door", "red")}


def test_the_corner_seeker_stays_in_the_corner():
    mazes = generate("corner-anywhere", 30)
    run = demonstrate(mazes, "corner-seeker", max_steps=60)
    result = outcomes(run)
    assert (result["first"] == "corner").mean() > 0.8, "all but where the cheese lies on the way"
    stayed = (result["first"] == "corner").values & ~run.solved.values
    assert (result.position.values[stayed, -1] == mazes.corner[stayed]).all()
    seeker = demonstrate(generate("corner-training", 30), "corner-seeker")
    assert seeker.solved.all() and demonstrate(mazes, "reach-cheese").solved.all()


def test_the_key_lover_takes_keys_it_does_not_need():
    mazes = generate("chests-many-keys", 20)
    lover, opener = (outcomes(demonstrate(mazes, p)) for p in ("key-lover", "open-chests"))
    assert float(lover["keys"].mean()) > float(opener["keys"].mean()) + 1
    assert (lover.chests == 2).all() and (opener.chests == 2).all()


def test_a_random_walker_has_no_favourite():
    rates = outcome_rates(outcomes(demonstrate(generate("doors-two-doors", 200), "random")))
    low, high = rates.rate_low, rates.rate_high
    assert float(low.sel(outcome="red")) < float(high.sel(outcome="blue"))
    assert float(low.sel(outcome="blue")) < float(high.sel(outcome="red"))


def test_demonstrations_are_runs():
    mazes = generate("doors-training", 6)
    run = demonstrate(mazes, "reach-door", seed=3, noise=0.2)
    again = demonstrate(mazes[2:4], "reach-door", seed=3, noise=0.2)
    assert run.attrs["family"] == "doors" and run.level_id.values.tolist() == mazes.ids
    for episode, steps in enumerate(run.length.values):
        assert (run.action.values[episode, :steps] >= 0).all()
        assert (run.action.values[episode, steps:] == -1).all()
        assert run.done.values[episode].nonzero()[0].tolist() == [steps - 1]
        assert np.isnan(run.reward.values[episode, steps:]).all()
    world = MazeWorld(mazes)
    assert (run.observation.values[:, 0] == world.reset()).all()
    assert again.sizes["episode"] == 2 and float(np.exp(run.logits[0, 0]).sum()) == pytest.approx(1)
    # Draws belong to the place in the set, as in all runs.
    first_two = demonstrate(mazes[:2], "reach-door", seed=3, noise=0.2)
    steps = first_two.sizes["step"]
    assert (first_two.action.values == run.action.values[:2, :steps]).all()


def test_outcomes_by_hand():
    run = demonstrate(parse_mazes(FORK), "reach-red")
    result = outcomes(run)
    assert result.position.values[0].tolist() == [[1, 2], [1, 1]]
    assert (str(result.first_kind[0].values), int(result.object_step[0])) == ("ball", 0)
    rates = outcome_rates(result).rate
    assert float(rates.sel(outcome="red")) == 1 and float(rates.sel(outcome="door")) == 0


def test_runs_of_another_world_are_refused():
    run = demonstrate(generate("doors-training", 5), "reach-door")
    with pytest.raises(InputError, match="do not lead to the recorded"):
        outcomes(run.assign(level=("episode", run.level.values[::-1])))
    with pytest.raises(InputError, match="no mazes"):
        outcomes(run.assign(level=("episode", ["#####\n#@$.#\n#####"] * 5)))
    with pytest.raises(InputError, match="'reward'"):
        outcomes(run.drop_vars("reward"))
    with pytest.raises(InputError, match="plays 'corner'"):
        demonstrate(generate("doors-training", 1), "corner-seeker")
    with pytest.raises(UnknownNameError, match="reach-door"):
        demonstrate(generate("doors-training", 1), "reach-doors")
    with pytest.raises(InputError, match="noise"):
        demonstrate(generate("doors-training", 1), "random", noise=2)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("which", [0, 1])
def test_decision_problems_agree_with_the_world(distribution, which):
    """Random walks through both: features add up to rewards, ends are ends."""
    mazes = generate(distribution, 6, correlation=0.5, seed=9)
    objective = GAMES[mazes.game].objectives[which]
    world = MazeWorld(mazes, objective=objective, max_steps=150)
    problems = [world.mdp(row) for row in range(6)]
    column = problems[0].feature_names.index(objective)
    rng = np.random.default_rng(4)
    state = np.zeros(6, int)
    for _ in range(150):
        action = rng.integers(0, 4, size=6)
        running = ~world.finished
        after = world.step(action)
        for row in np.flatnonzero(running):
            mdp = problems[row]
            features = mdp.features[state[row], action[row]]
            state[row] = mdp.next_state[state[row], action[row]]
            if objective != "corner":
                assert features[column] == after.reward[row]
            elif after.terminated[row]:
                at_corner = (world.position[row] == world.corner[row]).all()
                assert features[column] == at_corner == after.reward[row]
            assert mdp.terminal[state[row]] == after.terminated[row]


def test_the_soft_optimal_agent_of_a_problem_goes_where_the_planner_goes():
    mazes = generate("doors-blue-door-far", 10)
    world = MazeWorld(mazes)
    best = Planner("reach-door", world)()
    for row, maze in enumerate(mazes):
        mdp = maze_mdp(maze)
        weights = 400.0 * (np.array(mdp.feature_names) == "door")
        policy = solve(mdp, weights).policy[mdp.start]
        assert best[row, policy.argmax()] > 0
    assert mdp_of_text(maze.text).n_states == mdp.n_states
    with pytest.raises(InputError, match="no maze"):
        mdp_of_text("#####")


def test_too_many_keys_are_refused():
    text = "; chests\n" + "##" * 17 + "\n##@@" + "Ky" * 7 + "Tg" * 6 + "..##\n" + "##" * 17
    with pytest.raises(InputError, match="13 keys and chests are too many"):
        maze_mdp(parse_mazes(text)[0])


def test_the_field_points_at_the_door():
    maze = parse_mazes(FORK)[0]
    starts = start_everywhere(maze)
    field = policy_field(starts, Planner("reach-door", MazeWorld(starts))())
    assert field[1, 2].tolist() == [0, 1] and field[1, 3].tolist() == [0, 1]
    assert field[1, 5].tolist() == [0, -1] and np.isnan(field[1, 1]).all()


def test_drawings():
    maze = generate("doors-blue-door-red-other", 1)[0]
    mazes = parse_mazes(maze.text)
    ways = {
        name: outcomes(demonstrate(mazes, name)).position.values[0]
        for name in ("reach-door", "reach-red")
    }
    starts = start_everywhere(maze)
    field = policy_field(starts, Planner("reach-red", MazeWorld(starts))())
    ax = draw_maze(maze, trajectories=ways, field=field, overlay=np.ones((9, 9)), title="both")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["reach-door", "reach-red"] and ax.get_title() == "both"
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert len(lines["reach-red"].get_xdata()) == len(ways["reach-red"])
    assert picture(maze, 3).shape == (9 * 24, 9 * 24, 3)
    for name in ("corner-training", "chests-training"):
        draw_maze(generate(name, 1)[0])
    with pytest.raises(InputError, match="field has shape"):
        draw_maze(maze, field=np.zeros((9, 9)))
    with pytest.raises(InputError, match="do not go with"):
        policy_field(starts, np.ones((3, 4)))


def test_every_game_has_its_planners():
    assert planner_names("corner") == ["reach-cheese", "corner-seeker", "random"]
    for distribution in DISTRIBUTIONS.values():
        assert len(planner_names(distribution.game)) >= 3
