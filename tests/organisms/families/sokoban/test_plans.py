from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from interp.errors import InputError, UnknownNameError
from organisms.capabilities.plans import MEASURES, Plans
from organisms.families.sokoban.concepts import CONCEPTS
from organisms.families.sokoban.edits import SYMMETRIES, transform, transform_actions
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Level, Levels, parse_levels
from organisms.families.sokoban.observations import OBSERVATION_DIMS, encode
from organisms.families.sokoban.oracle import solve
from organisms.families.sokoban.plans import SokobanPlans
from organisms.registry import find_family
from tests.organisms.families.sokoban.test_concepts import play

PLANS = SokobanPlans()
UP, DOWN, LEFT, RIGHT = 1, 2, 3, 4
ARROWS = {"^": UP, "v": DOWN, "<": LEFT, ">": RIGHT}


def seen(levels, encoding="rgb") -> xr.DataArray:
    boards = np.stack([level.tiles for level in levels])
    return xr.DataArray(encode(boards, encoding), dims=("episode", *OBSERVATION_DIMS[encoding]))


def read(text: str) -> np.ndarray:
    return np.array([[ARROWS.get(c, 0) for c in line] for line in text.splitlines()])


def assess(board: str, plan: str, concept: str = "box_push_direction") -> dict[str, float]:
    levels = parse_levels(board)
    found = PLANS.assess(seen(levels), concept, read(plan)[None])
    assert list(found) == list(MEASURES)
    return {name: float(value[0]) for name, value in found.items()}


ROOM = """\
#######
#@$ . #
#     #
#######"""


def test_a_box_that_is_pushed_home():
    found = assess(ROOM, "#######\n# >>  #\n#     #\n#######")
    assert found == {"length": 2, "connected": 1, "valid": 1, "reaches": 1, "solves": 1}


def test_a_way_that_stops_short_or_goes_too_far():
    short = assess(ROOM, "#######\n# >   #\n#     #\n#######")
    assert (short["valid"], short["reaches"], short["solves"]) == (1, 0, 0)
    # Pushed over the target: the level is over when the box is on it.
    far = assess(ROOM, "#######\n# >>> #\n#     #\n#######")
    assert (far["length"], far["reaches"], far["solves"]) == (3, 0, 1)


def test_squares_that_no_box_leads_to_are_not_connected():
    found = assess(ROOM, "#######\n# >>  #\n#  >> #\n#######")
    assert found["connected"] == pytest.approx(2 / 4) and found["solves"] == 1
    nothing = assess(ROOM, "#######\n#     #\n#     #\n#######")
    assert nothing["length"] == nothing["valid"] == nothing["solves"] == 0
    assert np.isnan(nothing["connected"])


def test_a_push_that_the_player_cannot_make_is_not_valid():
    # To push left it would have to stand right of the box; a wall is there.
    board = "######\n#. $##\n#  @ #\n######"
    found = assess(board, "######\n# <<  \n#    #\n######")
    assert found["length"] == 2 and found["valid"] == found["solves"] == 0
    assert found["reaches"] == 1, "the map leads to the target, but it cannot be carried out"


def test_the_order_of_pushes_is_found():
    # The right box must go first: it stands in the way of the left one, which needs to go round it
    # to push. The left one's way runs on under the right one's, so it cannot be gone to its end,
    # but both are on targets on the way there.
    board = "########\n#@$ $..#\n#      #\n########"
    found = assess(board, "########\n# >>>> #\n#      #\n########")
    assert found["length"] == 6 and found["connected"] == 1
    assert found["solves"] == 1 and found["valid"] == 0
    # Without a way round, the player never gets behind the right box.
    shut = assess("########\n#@$ $..#\n########", "########\n# >>>> #\n########")
    assert shut["solves"] == 0


def test_loops_end():
    found = assess(ROOM, "#######\n# >v  #\n# ^<  #\n#######")
    assert found["length"] == 4 and found["reaches"] == 0


def test_walks_by_hand():
    board = "######\n#@   #\n# $. #\n######"
    # Down, then right: the player walks to the box's left and pushes it home.
    arrive = "######\n#    #\n#v>  #\n######"
    found = assess(board, arrive, "agent_approach_direction")
    assert found["length"] == 2 and found["valid"] == found["solves"] == found["connected"] == 1
    assert np.isnan(found["reaches"])
    depart = "######\n#v   #\n#>   #\n######"
    assert assess(board, depart, "agent_future_direction")["solves"] == 1
    blocked = "######\n#^   #\n#    #\n######"
    found = assess(board, blocked, "agent_future_direction")
    assert found["length"] == 1 and found["valid"] == 0


def solved_runs(n=12, seed=3):
    levels = generate(n, size=(8, 7), n_boxes=2, seed=seed)
    texts = ["".join("udlr"[a] for a in solve(level).solution() or []) for level in levels]
    return levels, play(levels, texts)


def test_what_really_happened_is_a_plan_mostly():
    levels, run = solved_runs()
    labels = CONCEPTS["box_push_direction"](run).sel(step=0).values
    first = run.observation.sel(step=0)
    found = PLANS.assess(first, "box_push_direction", labels)
    assert (found["length"] > 0).all() and (found["connected"] > 0.5).all()
    assert found["solves"].mean() > 0.6, "all but those that come by a square twice"
    scrambled = np.random.default_rng(0).permuted(labels.reshape(len(labels), -1), axis=1)
    wrong = PLANS.assess(first, "box_push_direction", scrambled.reshape(labels.shape))
    assert wrong["solves"].mean() < 0.2


def test_both_encodings_and_several_maps_at_once():
    levels, run = solved_runs(6)
    labels = CONCEPTS["box_push_direction"](run).sel(step=0).values
    several = np.stack([labels, np.zeros_like(labels)], axis=1)
    rgb = PLANS.assess(seen(levels), "box_push_direction", several)
    planes = PLANS.assess(seen(levels, "planes"), "box_push_direction", several)
    for name in MEASURES:
        assert rgb[name].shape == (6, 2)
        np.testing.assert_array_equal(rgb[name], planes[name])
    alone = PLANS.assess(seen(levels), "box_push_direction", labels)
    np.testing.assert_array_equal(rgb["solves"][:, 0], alone["solves"])
    assert not rgb["solves"][:, 1].any()


@pytest.mark.parametrize("concept", ["box_push_direction", "agent_future_direction"])
def test_symmetries(concept):
    levels, run = solved_runs(6)
    labels = CONCEPTS[concept](run).sel(step=0).values
    before = PLANS.assess(seen(levels), concept, labels)
    for symmetry in SYMMETRIES:
        boards = np.stack([transform(level.tiles, symmetry) for level in levels])
        turned_levels = Levels.of([Level(board, f"turned/{i}") for i, board in enumerate(boards)])
        action = transform_actions(symmetry)
        texts = [
            "".join("udlr"[action[a]] for a in moves[: int(n)])
            for moves, n in zip(run.action.values, run.length.values, strict=True)
        ]
        turned = CONCEPTS[concept](play(turned_levels, texts)).sel(step=0).values
        after = PLANS.assess(seen(turned_levels), concept, turned)
        for name in MEASURES:
            np.testing.assert_array_equal(before[name], after[name])


CORRIDOR = """\
#######
#. $  #
# ##@ #
#######"""


def test_paths_by_hand():
    run = play(parse_levels(CORRIDOR), ["ulrll"])
    [box] = PLANS.paths(run, "box_push_direction")
    assert box.squares.tolist() == [[1, 3], [1, 2]] and box.ends_on_goal and box.episode == 0
    [walk] = PLANS.paths(run, "agent_approach_direction")
    assert walk.squares.tolist() == [[1, 4], [1, 3], [1, 2]], "each square where it first comes by"
    [later] = PLANS.paths(run, "agent_approach_direction", step=2)
    assert later.squares.tolist() == [[1, 4], [1, 3], [1, 2]]
    unsolved = play(parse_levels(CORRIDOR), ["ul"])
    assert not PLANS.paths(unsolved, "box_push_direction")[0].ends_on_goal
    assert not PLANS.paths(unsolved, "agent_approach_direction")[0].ends_on_goal


@pytest.mark.parametrize("concept", ["agent_approach_direction", "box_push_direction"])
def test_events_are_what_the_next_event_labels_foretell(concept):
    _, run = solved_runs(5)
    events = PLANS.events(run, concept)
    labels = CONCEPTS[concept](run)
    assert events.dims == labels.dims
    # Going backwards, the latest event on a square is its label.
    expected = np.zeros_like(labels.values[:, 0])
    for t in range(run.sizes["step"] - 1, -1, -1):
        now = events.values[:, t]
        expected = np.where(now > 0, now, expected)
        inside = (t < run.length.values)[:, None, None]
        np.testing.assert_array_equal(
            np.where(inside, labels.values[:, t], 0), np.where(inside, expected, 0)
        )
        assert (now[~inside[:, 0, 0]] == -1).all()
    thinking = play(parse_levels(CORRIDOR), ["ulrll"], thinking=2)
    assert (PLANS.events(thinking, concept).sel(step=[-2, -1]) == -1).all()


def test_bad_input():
    levels = parse_levels(ROOM)
    plan = np.zeros((1, 4, 7), int)
    with pytest.raises(UnknownNameError, match="box_push_direction"):
        PLANS.assess(seen(levels), "box_push_directio", plan)
    for wrong in (plan[:, :3], plan[0], plan.astype(float), plan + 5, np.concatenate([plan, plan])):
        with pytest.raises(InputError):
            PLANS.assess(seen(levels), "box_push_direction", wrong)
    with pytest.raises(InputError, match="dims"):
        PLANS.assess(seen(levels).rename(colour="tint"), "box_push_direction", plan)


def test_the_family_offers_its_plans():
    assert isinstance(find_family("sokoban")[Plans], Plans)
    assert set(PLANS.concepts) <= set(CONCEPTS)
