"""The maze family as an organism: what it refuses, what its episodes count as, edits of its goals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from interp.errors import CapabilityError, InputError, UnknownNameError
from interp.interventions.applied import Intervention
from organisms.boards.directions import ACTION_NAMES
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.edits import Edits
from organisms.capabilities.milestones import Milestones
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.card import Card
from organisms.families.doors.edits import EDITS, edited_objects
from organisms.families.doors.evaluation import evaluate_agent
from organisms.families.doors.generator import generate
from organisms.families.doors.hypotheses import DIVERGING, chests_opened, reached
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.mazes import reached as can_be_entered
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, PLANES, Colour, Kind
from organisms.families.doors.planners import demonstrate
from organisms.families.doors.text import parse_mazes
from organisms.networks.build import network_record, new_network
from organisms.networks.config import ConvConfig, DRCConfig
from organisms.organism import Organism
from organisms.registry import find_family
from tests.organisms.tiny_mazes import TINY_MAZE_CONFIGS, tiny_maze_organism, walked

HALL = "; doors\n################\n##Br..@@..Dr..##\n################"
BOTH = pytest.mark.parametrize("kind", TINY_MAZE_CONFIGS)


def in_line_with(run: xr.Dataset) -> list[set[str]]:
    """Return the objectives that hold, episode by episode."""
    found = reached(run)
    assert found.dims == ("episode", "objective") and found.dtype == bool
    names = found.objective.values
    return [{str(name) for name in names[row]} for row in found.values]


# What is refused -------------------------------------------------------------------------------


def test_unknown_options_and_names_are_refused():
    with pytest.raises(UnknownNameError, match="Nearest: max_steps|max_steps"):
        tiny_maze_organism(max_step=10)
    with pytest.raises(UnknownNameError, match="doors-training"):
        tiny_maze_organism(distribution="doors-trainin")
    with pytest.raises(UnknownNameError, match="objective of 'corner'"):
        tiny_maze_organism(distribution="corner-training", objective="door")
    with pytest.raises(UnknownNameError, match="doors-two-doors"):
        tiny_maze_organism().tasks("doors-two-door", 3)


def test_networks_for_other_planes_are_refused():
    config = DRCConfig.released(
        1, 1, channels=4, encoder=(ConvConfig(4, (3, 3)),), board=(7, 7), observation="planes"
    )
    network = new_network(config, 0)
    card = Card("x", "doors", "x", network=network_record(network))
    with pytest.raises(InputError, match=f"takes 7 planes; mazes have {len(PLANES)}"):
        Organism(network, card)


def test_mazes_of_another_game_or_board_are_refused():
    organism = tiny_maze_organism()
    with pytest.raises(InputError, match="of the game 'corner'"):
        organism.world(generate("corner-training", 2, size=(7, 7)))
    with pytest.raises(InputError, match="9×9"):
        organism.world(generate("doors-training", 2, size=(9, 9)))


def test_tasks_are_of_its_own_distribution_unless_told():
    organism = tiny_maze_organism(correlation=0.9)
    assert organism.tasks("test", 1).ids == ["doors-training-7x7-c0.9-s0-test/0"]
    assert organism.tasks("test", 1, correlation=0.5).ids[0].split("-")[3] == "c0.5"
    assert list(organism[Places].directions) == list(ACTION_NAMES)
    assert organism[Places].directions["down"] == (1, 0)
    assert organism[Accommodation].task_features(organism.tasks("test", 2))["objects"].tolist() == [
        3,
        3,
    ]


# What an episode counts as ---------------------------------------------------------------------


def test_the_first_object_decides_in_doors():
    mazes = parse_mazes(
        HALL + "\n\n" + HALL.replace("Dr", "Db") + "\n\n" + HALL.replace("Br", "Gg")
    )
    assert in_line_with(walked(mazes, ["rr", "rr", "rr"])) == [
        {"door", "red", "object"},
        {"door", "object"},
        {"door", "red", "object"},
    ]
    assert in_line_with(walked(mazes, ["ll", "rl", "ll"])) == [{"red", "object"}, set(), {"object"}]


def test_a_detour_to_the_corner_counts():
    text = """; corner
############
##....@@..##
##..##..####
##..Cy....##
############"""
    # The corner is (1,4); the cheese at (3,2), as near by either side of the wall.
    mazes = parse_mazes("\n\n".join([text] * 5))
    run = walked(mazes, ["ddl", "rlddl", "r", "lr", "rlllddr"], objective="cheese")
    assert in_line_with(run) == [{"cheese"}, {"corner"}, {"corner"}, set(), {"corner"}]
    on_the_way = parse_mazes(
        "; corner\n############\n##@@......##\n########..##\n##Cy......##\n############"
    )
    assert in_line_with(walked(on_the_way, ["rrrddlll"])) == [{"cheese"}]
    assert in_line_with(walked(on_the_way, ["rrr"])) == [{"corner"}]
    there = parse_mazes("; corner\n############\n##@@....Cy##\n############")
    assert in_line_with(walked(there, ["rrr"])) == [{"cheese", "corner"}]


def test_keys_that_open_nothing_count_as_keys():
    many = parse_mazes("; chests\n################\n##Ky@@KyTgKy..##\n################")
    few = parse_mazes("; chests\n##############\n##Tg@@KyTgTg##\n##############")
    assert in_line_with(walked(many, ["rr"])) == [{"chest"}], "one key for the one chest"
    assert in_line_with(walked(many, ["lrr"], objective="key")) == [{"key"}]
    assert in_line_with(walked(few, ["rr"])) == [{"chest", "key"}], "they coincide"
    assert in_line_with(walked(few, ["r"], objective="key")) == [{"key"}]
    assert in_line_with(walked(few, ["u"])) == [set()]
    opened = chests_opened(walked(few, ["rr"])).values[0]
    assert opened[0] == 1 and np.isnan(opened[1:]).all() and len(opened) == 3


PLANNERS_OF = {
    "door": "reach-door",
    "red": "reach-red",
    "cheese": "reach-cheese",
    "corner": "corner-seeker",
    "chest": "open-chests",
    "key": "key-lover",
}


@pytest.mark.parametrize("game", DIVERGING)
def test_diverging_mazes_tell_known_objectives_apart(game):
    # On the way to a chest lie keys, and on the way to a key chests: those are entered, too.
    least = 0.8 if game == "chests" else 0.98
    for distribution, (base, proxy) in DIVERGING[game].items():
        mazes = generate(distribution, 40, size=(9, 9), seed=2)
        if game == "corner":  # leave out those in which the cheese blocks the way to the corner
            rows, (y, x) = np.arange(len(mazes)), mazes.corner.T
            open_ = can_be_entered(mazes.walls, mazes.objects, mazes.start, game)[rows, y, x]
            mazes = mazes[np.flatnonzero(open_)]
        for name, other in ((base, proxy), (proxy, base)):
            found = reached(demonstrate(mazes, PLANNERS_OF[name], max_steps=60))
            assert found.sel(objective=name).mean() >= least, (distribution, name)
            assert found.sel(objective=other).mean() <= 1 - least, (distribution, name)


@pytest.mark.parametrize("game", DIVERGING)
def test_training_mazes_do_not(game):
    [(base, proxy)] = set(DIVERGING[game].values())
    mazes = generate(f"{game}-training", 30, size=(9, 9))
    for name in (base, proxy):
        found = reached(demonstrate(mazes, PLANNERS_OF[name], max_steps=60))
        assert found.sel(objective=[base, proxy]).values.mean() > 0.95, name


def test_what_an_organism_says_of_its_game():
    organism = tiny_maze_organism(distribution="chests-training", objective="chest")
    run = organism.run(organism.tasks("test", 3))
    assert organism[Objectives].reached(run).objective.values.tolist() == ["chest", "key"]
    assert organism[Milestones].reached(run).sizes["milestone"] == 4
    assert set(organism[Objectives].diverging) == {"chests-many-keys"}
    doors = tiny_maze_organism()
    assert Milestones not in doors and Milestones not in doors.capabilities
    with pytest.raises(CapabilityError, match="can have it: 'doors', 'sokoban'; this one does not"):
        doors[Milestones]
    for split in doors[Objectives].diverging:
        assert len(doors.tasks(split, 2)) == 2


# Edits of the goal -----------------------------------------------------------------------------


def really_edited(tasks: Mazes, edits: list[str]) -> np.ndarray:
    """Return what is seen of the objects after edits: (maze, plane, y, x), kinds and colours."""
    objects = tasks.objects.copy()
    for name in edits:
        edited = edited_objects(tasks)[name]
        objects = np.where(edited != tasks.objects, edited, objects)
    mazes = Mazes(tasks.walls, objects, tasks.start, tasks.game, tasks.ids)
    return tiny_maze_organism().world(mazes).reset()[:, 2:-1]


@BOTH
@pytest.mark.parametrize("names", [[name] for name in EDITS] + [["proxy", "proxy_on_other"]])
def test_an_edit_is_what_the_network_would_make_of_the_edited_maze(kind, names):
    organism = tiny_maze_organism(kind, max_steps=4)
    tasks = organism.tasks("test", 5)
    run = organism.run(tasks, thinking_steps=1)
    edits = organism[Edits].of(run)
    assert list(edits) == list(EDITS)
    seen = run.observation.transpose("step", "episode", ...).values
    edited = seen.copy()
    there = seen[:, :, 2:-1] != 255  # 255 after an episode's end
    edited[:, :, 2:-1] = np.where(there, really_edited(tasks, names), 255)
    asked = organism.replay(
        seen, sites=["*"], interventions=[edits[name] for name in names], first_step=-1
    )
    really = organism.replay(edited, sites=["*"], first_step=-1)
    plain = organism.replay(seen)
    within = (run.step.values < run.length.values[:, None]).T
    for name in really.data_vars:
        np.testing.assert_allclose(
            asked[name].values[within], really[name].values[within], rtol=1e-4, atol=1e-5
        )
    assert np.abs(plain.logits.values - really.logits.values)[within].max() > 1e-3


@BOTH
def test_an_edit_of_nothing_changes_nothing(kind):
    organism = tiny_maze_organism(kind, max_steps=4)
    tasks = organism.tasks("test", 4)
    run = organism.run(tasks)
    edit = organism[Edits].of(run)["proxy"]
    nothing = Intervention(edit.address, "add", torch.zeros_like(edit.value), ("example",))
    xr.testing.assert_equal(organism.run(tasks, interventions=[nothing]), run)
    there = Intervention(edit.address, "add", -edit.value, ("example",))
    back = organism.run(tasks, interventions=[edit, there])
    xr.testing.assert_equal(back.action, run.action)


def test_edits_reach_the_goal_or_the_other_alone():
    mazes = generate("doors-training", 20, size=(7, 7))
    for name, objects in edited_objects(mazes).items():
        changed = objects != mazes.objects
        assert (changed.sum(axis=(1, 2)) == 1).all(), name
        was, now = mazes.objects[changed], objects[changed]
        of_goal = KIND_OF[was] == Kind.DOOR
        assert of_goal.all() if "other" not in name else not of_goal.any()
        assert ((KIND_OF[was] == KIND_OF[now]) == (name in ("proxy", "proxy_on_other"))).all()
        assert ((COLOUR_OF[was] == COLOUR_OF[now]) == (name in ("base", "base_on_other"))).all()
        doors = (KIND_OF[objects] == Kind.DOOR).sum(axis=(1, 2))
        red = (COLOUR_OF[objects] == Colour.RED).sum(axis=(1, 2))
        assert (doors == {"base": 0, "both": 0, "base_on_other": 2}.get(name, 1)).all()
        assert (red == {"proxy": 0, "both": 0, "proxy_on_other": 2}.get(name, 1)).all()


@pytest.mark.parametrize("distribution", ["doors-independent", "doors-two-doors", "doors-no-red"])
def test_mazes_in_which_goal_and_proxy_part_have_no_edits(distribution):
    organism = tiny_maze_organism(max_steps=3)
    run = organism.run(organism.tasks(distribution, 12))
    with pytest.raises(InputError, match=rf"{distribution}.*edits need one door"):
        organism[Edits].of(run)


def test_what_else_has_no_edits():
    other = tiny_maze_organism(distribution="corner-training", objective="cheese", max_steps=3)
    with pytest.raises(InputError, match="tiny-maze-drc.*no capability 'Edits'"):
        other[Edits]
    config = DRCConfig.released(
        1,
        1,
        channels=4,
        encoder=(ConvConfig(4, (3, 3)),),
        encoder_relu=True,
        board=(7, 7),
        observation="planes",
        n_planes=len(PLANES),
    )
    network = new_network(config, 0)
    curved = Organism(network, Card("x", "doors", "x", network=network_record(network)))
    with pytest.raises(InputError, match="ReLU"):
        curved[Edits].of(walked(curved.tasks("test", 1), ["u"]))


# The card's numbers, decision problems, pictures -----------------------------------------------


def test_evaluation_counts_what_a_run_shows():
    organism = tiny_maze_organism(max_steps=12)
    results = evaluate_agent(organism, n=20, seed=1)
    assert results == evaluate_agent(organism, n=20, seed=1)
    splits = 1 + len(organism[Objectives].diverging)
    assert len(results) == 5 * splits and len({(r.quantity, r.condition) for r in results}) == 15
    by_name = {(r.quantity, r.condition.split(",")[0]): r for r in results}
    run = organism.run(organism.tasks("test", 20, 1))
    own = "doors-training (correlation 1)"
    assert by_name["solve rate", own].value == run.solved.values.mean()
    for split in (own, *organism[Objectives].diverging):
        one = by_name["P(first reached = object)", split].value
        assert one + by_name["P(first reached = nothing)", split].value == pytest.approx(1)
        assert by_name["P(first reached = door)", split].value <= one
    for result in results:
        assert result.n == 20 and result.low <= result.value <= result.high
        assert result.command.endswith(f"{organism.name} --n 20 --seed 1")
    with pytest.raises(InputError, match="n must"):
        evaluate_agent(organism, n=0)


def test_a_task_is_a_decision_problem_by_its_text():
    mazes = parse_mazes(HALL)
    mdp = find_family("doors")[DecisionProblems].mdp(mazes.texts[0])
    assert mdp.feature_names[0] == "door" and mdp.start == 0
    with pytest.raises(UnknownNameError, match="doors"):
        find_family("door")
    with pytest.raises(
        CapabilityError, match="family 'sokoban' has no.*have it: 'compiled', 'doors'"
    ):
        find_family("sokoban")[DecisionProblems]
    with pytest.raises(CapabilityError, match="each organism's own"):
        find_family("doors")[Edits]


def test_pictures_of_plans():
    organism = tiny_maze_organism(max_steps=5)
    run = organism.run(organism.tasks("test", 2))
    concept = organism.concepts["agent_approach_direction"]
    labels = concept(run).sel(step=0).isel(episode=1).values
    episode = run.isel(episode=1)
    ax = organism[Pictures].draw_plan(
        episode, labels=labels, classes=concept.classes, way=True, marked=labels > 0, title="a plan"
    )
    assert ax.get_title() == "a plan" and len(ax.lines) > 0
    # Staying out of walls: as many arrows as squares with a direction.
    [quiver] = [c for c in ax.collections if hasattr(c, "U")]
    assert len(quiver.U) == (labels > 0).sum()
