"""Compiled organisms against a solver: what they compute, when it is complete, and what they do."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import organisms
from interp.errors import CheckpointError, UnknownNameError
from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.card import Card
from organisms.families.compiled.concepts import WANTED
from organisms.families.compiled.designs import SUMMARIES, designs
from organisms.families.compiled.features import DESCENT, PAST, PLAN
from organisms.families.compiled.solver import descents, ways
from organisms.families.doors.paths import FAR, distances
from organisms.families.doors.trajectories import trajectories

PLANNERS = [
    "used-7x7-s0",
    "used-9x9-s2",
    "shown-7x7-s1",
    "rotated-7x7-s3",
    "rotated-9x9-s2",
    "switch-7x7-s0",
    "layers-7x7-s1",
    "horizon-9x9-s3",
]
ONE_OF_EACH = [f"compiled/{variant}-7x7-s{k % 4}" for k, variant in enumerate(SUMMARIES)]


def load(name):
    return organisms.load(f"compiled/{name}")


def of_gates(run, names, design):
    """Return gates by name, (episode, step, tick, gate, y, x)."""
    if design.unrolled:
        layers = [run[f"layers.{k}.gates"].values for k in range(design.n_ticks)]
        gates = np.stack(layers, 2)
    else:
        gates = run["cell.gates"].values
    return gates[:, :, :, [design.gates.index(name) for name in names]]


def solved(run, aim):
    """Return distances and moves of descent to an aim, (episode, y, x)."""
    path = trajectories(run)
    there = path.mazes.objects
    passable, wanted = ~path.mazes.walls & (there == 0), WANTED[aim][there]
    return distances(passable, wanted), descents(passable, wanted), passable


def aims_of(run, design):
    """Return what the organism is after in each episode."""
    if not design.cue:
        return np.full(run.sizes["episode"], design.aim)
    planes = run.observation.isel(step=0).values
    from organisms.families.doors.objects import PLANES

    cued = planes[:, PLANES.index(design.cue)].any((1, 2))
    other = "red" if design.aim == "door" else "door"
    return np.where(cued, other, design.aim)


@pytest.fixture(scope="module")
def runs():
    made = {}

    def run_of(name):
        if name not in made:
            organism = load(name)
            sites = ["*gates", *organism.state_sites]
            made[name] = organism.run(organism.tasks("test", 25, seed=3), sites=sites)
        return made[name]

    return run_of


@pytest.mark.parametrize("name", PLANNERS)
def test_at_every_tick_the_search_has_reached_the_exact_ball_and_says_the_exact_move(name, runs):
    run, design = runs(name), designs()[f"compiled/{name}"]
    descent = of_gates(run, DESCENT, design)
    aims = aims_of(run, design)
    assert not design.cue or len(set(aims)) == 2
    for aim in set(aims):
        distance, move, passable = solved(run, aim)
        for episode in np.flatnonzero(aims == aim):
            for step in range(int(run.length[episode])):
                for tick in range(design.n_ticks):
                    n = (tick + 1) * design.updates
                    if design.keeps_plan:
                        n += step * design.n_ticks * design.updates
                    ball = passable[episode] & (distance[episode] <= n)
                    expected = np.where(ball, move[episode], -1)
                    found = descent[episode, step, tick]
                    assert set(np.unique(found)) <= {0, 1}
                    np.testing.assert_array_equal(
                        np.where(found.any(0), found.argmax(0), -1), expected
                    )


@pytest.mark.parametrize("name", PLANNERS)
def test_the_plan_is_the_shortest_way_and_complete_at_the_tick_of_the_card(name, runs):
    run, design = runs(name), designs()[f"compiled/{name}"]
    truth, path = load(name).card.truth, trajectories(runs(name))
    plan, aims = of_gates(run, PLAN, design), aims_of(runs(name), design)
    checked = 0
    for aim in set(aims):
        distance, move, _ = solved(run, aim)
        for episode in np.flatnonzero(aims == aim):
            y, x = path.player[episode, 0]
            moves = int(distance[episode, y, x])
            if moves > truth.longest_plan:  # its first moves alone, as far as there was time
                there = design.n_ticks * design.updates - moves
                assert plan[episode, 0, -1].sum() == max(there, 0) < moves
                continue
            expected = ways(move[episode][None], np.array([[y, x]]))[0]
            complete = truth.position(moves)
            assert complete <= truth.complete_at
            for tick in range(design.n_ticks):
                marks = plan[episode, 0, tick]
                shown = np.where(marks.any(0), marks.argmax(0) + 1, 0)
                assert np.array_equal(shown, expected) == (tick >= complete)
                assert ((shown == expected) | (shown == 0)).all()  # never anything wrong
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("name", PLANNERS)
def test_the_plan_is_read_along_the_directions_of_the_card(name, runs):
    run, design, truth = runs(name), designs()[f"compiled/{name}"], load(name).card.truth
    state = run[truth.site].values[:, 0]
    state = state if design.unrolled else state[:, truth.complete_at]
    gates = of_gates(run, PLAN, design)[:, 0, truth.complete_at]
    directions = np.array([truth.subspace[move] for move in ACTION_NAMES])
    np.testing.assert_allclose(np.einsum("mc,ecyx->emyx", directions, state), gates, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in PLANNERS if not n.startswith("shown")])
def test_where_the_plan_is_used_every_action_within_the_horizon_is_optimal(name, runs):
    run, design = runs(name), designs()[f"compiled/{name}"]
    path, aims, counts = trajectories(run), aims_of(runs(name), design), [0, 0]
    for aim in set(aims):
        distance, move, _ = solved(run, aim)
        for episode in np.flatnonzero(aims == aim):
            for step in range(int(path.n_rows[episode])):
                y, x = path.player[episode, step]
                inside = distance[episode, y, x] <= design.horizon
                counts[int(inside)] += 1
                if inside:
                    assert path.action[episode, step] == move[episode, y, x]
                assert (run.value[episode, step] > 0.5) == inside
    assert counts[1] > 20
    assert (counts[0] > 0) == (design.variant == "horizon")


def test_beyond_the_plan_the_organism_keeps_its_hand_on_the_wall(runs):
    """A follower of the wall by hand: turn to the hand, straight on, away from it, back."""
    for name in ("shown-7x7-s1", "shown-7x7-s2", "past-9x9-s0", "reactive-9x9-s2"):
        organism, design = load(name), designs()[f"compiled/{name}"]
        run = organism.run(organism.tasks("test", 12, seed=8))
        path = trajectories(run)
        ring = [0, 3, 1, 2]
        turn = {"left": [-1, 0, 1, 2], "right": [1, 0, -1, 2]}[design.hand]
        for episode in range(12):
            walls, objects = path.mazes.walls[episode], path.mazes.objects[episode]
            is_open = ~walls & ((objects == 0) | WANTED[design.aim][objects])
            heading = None
            for step in range(int(path.n_rows[episode])):
                y, x = path.player[episode, step]
                tried = range(4)
                if heading is not None:
                    tried = [ring[(ring.index(heading) + by) % 4] for by in turn]
                move = next(m for m in tried if is_open[y + STEP_Y[m], x + STEP_X[m]])
                assert path.action[episode, step] == move
                heading = move


def test_a_trace_of_the_past_marks_where_the_agent_was_and_nothing_to_come(runs):
    name = "past-7x7-s0"
    run, design = runs(name), designs()[f"compiled/{name}"]
    path, past = trajectories(run), of_gates(runs(name), PAST, design)[:, :, -1]
    for episode in range(run.sizes["episode"]):
        expected = np.zeros(past.shape[2:])
        for step in range(int(path.n_rows[episode])):
            np.testing.assert_array_equal(past[episode, step], expected)
            y, x = path.player[episode, step + 1]
            expected[path.action[episode, step], y, x] = 1


def test_an_edit_of_the_aims_gives_a_planner_the_other_goal():
    from interp.interventions.address import Address
    from interp.interventions.applied import Intervention

    organism = load("switch-9x9-s0")
    tasks = organism.tasks(
        "doors-blue-door-red-other", 20
    )  # nothing green is a cue here, as a rule
    other = [
        Intervention(Address("aims", index={"aim": k}), "set", value)
        for k, value in enumerate((0.0, 1.0))
    ]
    plain, edited = (
        trajectories(organism.run(tasks)),
        trajectories(organism.run(tasks, 0, 0, other)),
    )
    last = plain.n_rows - 1, edited.n_rows - 1
    assert (plain.entered[np.arange(20), last[0]] != edited.entered[np.arange(20), last[1]]).all()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_it_keeps_every_promise(name):
    assert organisms.check(organisms.load(name)) == []


def test_there_are_at_least_sixty_and_names_and_weights_are_the_same_each_time():
    cards = organisms.constructed()
    assert len(cards) == len(set(cards)) >= 60
    assert {card.name for card in cards.values()} == set(cards) <= set(organisms.names())
    assert not set(cards) & set(organisms.shipped())
    one, two, other = (load(f"rotated-7x7-s{seed}") for seed in (0, 0, 1))
    assert one.weights_sha256() == two.weights_sha256() != other.weights_sha256()
    with pytest.raises(UnknownNameError, match="Nearest: 'compiled/used-7x7-s"):
        organisms.load("compiled/used-7x7-s")
    with pytest.raises(UnknownNameError, match="checkpoint"):
        organisms.load("compiled/used-7x7-s0@100")


@pytest.mark.parametrize("name", sorted(organisms.constructed()))
def test_every_card_fits_its_network_and_says_what_its_design_is(name):
    organism, design = organisms.load(name), designs()[name]
    assert organism.network.config.to_dict() == organism.card.network
    truth = organism.card.truth
    assert truth.known_by == "by construction"
    assert truth.plans == design.plan and truth.uses_plan == design.uses_plan
    if not truth.plans:
        assert not truth.subspace and truth.horizon is None
        return
    assert truth.site in organism.sites and truth.concept in organism.concepts
    assert {len(d) for d in truth.subspace.values()} == {organism.network.config.channels}
    assert truth.along == organism.deliberation.name
    n_updates = organism.network.n_ticks * organism.network.config.updates
    assert (truth.horizon, truth.longest_plan) == (n_updates - 1, n_updates // 2)
    assert organism.network.n_ticks - 1 - truth.complete_at in (0, 1)


def test_plans_of_ordinary_mazes_are_within_the_horizon():
    for name, few in (("used-7x7-s0", False), ("used-9x9-s0", False), ("horizon-9x9-s0", True)):
        organism = load(name)
        mazes = organism.tasks("test", 300)
        passable = ~mazes.walls & (mazes.objects == 0)
        distance = distances(passable, WANTED["door"][mazes.objects])
        far = distance[np.arange(300), mazes.start[:, 0], mazes.start[:, 1]]
        assert (far[far < FAR] > organism.card.truth.longest_plan).any() == few


def test_the_untrained_control_is_no_planner():
    organism = load("used-7x7-s0")
    run = organism.untrained(0).run(organism.tasks("test", 20))
    assert run.solved.mean() < 0.5


def test_cards_with_a_truth_are_written_and_read_back_and_printed(tmp_path):
    organism = load("rotated-7x7-s0")
    organism.save(tmp_path / "mine")
    read = Card.read(tmp_path / "mine" / "card.json")
    assert read.truth == organism.card.truth
    assert "uses the plan yes" in str(read) and "complete at tick 15" in str(read)
    with torch.inference_mode():
        seen = torch.from_numpy(organism.world(organism.tasks("test", 3)).reset())[None]
        again = organisms.load(tmp_path / "mine").network(seen)
        assert torch.equal(again.logits, organism.network(seen).logits)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"known_by": "by hearsay"}, "by construction"),
        ({"plans": "yes"}, "plans"),
        ({"horizon": True}, "horizon"),
        ({"horizon": -1}, "horizon"),
        ({"longest_plan": 2.5}, "longest_plan"),
        ({"plans": False, "uses_plan": True, "complete_at": None}, "no plan"),
        ({"subspace": {"up": [1.0], "down": [1.0, 2.0]}}, "length"),
        ({"subspace": {"up": [math.nan]}}, "up"),
        ({"site": ""}, "site"),
        ({"moves_per_position": 0}, "positive"),
        ({"complet_at": 3}, "complete_at"),
    ],
)
def test_a_malformed_truth_is_refused(wrong, match):
    card = load("used-7x7-s0").card.to_dict()
    record = {**card, "truth": {**card["truth"], **wrong}}
    with pytest.raises(CheckpointError, match=match):
        Card.from_dict(record, "a card")


def test_a_card_without_a_truth_says_none():
    card = dataclasses.replace(load("used-7x7-s0").card, truth=None)
    assert Card.from_dict(card.to_dict()) == card and "truth" not in str(card)
