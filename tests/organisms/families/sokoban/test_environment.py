"""The vectorised environment against hand-worked play, its own invariants, and a peer."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.contract import World
from interp.errors import InputError, UnknownNameError
from organisms.families.sokoban.environment import (
    BUSH_REWARDS,
    RELEASED_REWARDS,
    Rewards,
    SokobanWorld,
)
from organisms.families.sokoban.generator import generate
from organisms.families.sokoban.levels import Level, Levels, parse_levels
from organisms.families.sokoban.observations import Tile, decode
from organisms.families.sokoban.render import text

UP, DOWN, LEFT, RIGHT = range(4)
TWO_BOXES = "#######\n#@$ . #\n#  $. #\n#######"


def play(world, *moves):
    return [world.step(np.array([move])) for move in moves]


def test_a_level_played_by_hand():
    world = SokobanWorld(parse_levels(TWO_BOXES))
    before = text(world.tiles[0])
    after = play(world, UP)[0]  # a wall: nothing moves, but the step is paid
    assert text(world.tiles[0]) == before and after.reward == np.float32(-0.1)
    onto = play(world, RIGHT, RIGHT)
    assert text(world.tiles[0]) == "#######\n#  @* #\n#  $. #\n#######"
    assert np.allclose([step.reward[0] for step in onto], [-0.1, 0.9])
    off = play(world, RIGHT)[0]
    assert text(world.tiles[0]) == "#######\n#   +$#\n#  $. #\n#######"
    assert np.allclose(off.reward, -1.1)
    blocked = play(world, RIGHT)[0]  # a box against the wall
    assert text(world.tiles[0]) == "#######\n#   +$#\n#  $. #\n#######"
    assert np.allclose(blocked.reward, -0.1)
    assert world.elapsed.tolist() == [5] and world.boxes_off_target.tolist() == [2]
    assert world.player.tolist() == [[1, 4]]


def test_the_last_box_ends_it():
    world = SokobanWorld(parse_levels(TWO_BOXES))
    steps = play(world, RIGHT, RIGHT, LEFT, LEFT, DOWN, RIGHT, RIGHT)
    assert [bool(step.terminated[0]) for step in steps] == [False] * 6 + [True]
    assert not any(step.truncated[0] for step in steps)
    assert np.allclose(steps[-1].reward, 10.9)
    assert world.solved.tolist() == [True]
    again = play(world, LEFT)[0]
    assert again.reward == 0 and again.terminated[0] and not again.truncated[0]
    assert np.array_equal(again.observation, steps[-1].observation)
    assert world.elapsed.tolist() == [7]


def test_two_boxes_in_a_row_do_not_move():
    world = SokobanWorld(parse_levels("#######\n#@$$..#\n#######"))
    before = world.observe()
    after = play(world, RIGHT)[0]
    assert np.array_equal(after.observation, before) and np.allclose(after.reward, -0.1)


def test_the_step_limit_truncates():
    world = SokobanWorld(parse_levels(TWO_BOXES), max_steps=3)
    steps = play(world, UP, UP, UP, RIGHT)
    assert [bool(step.truncated[0]) for step in steps] == [False, False, True, True]
    assert not any(step.terminated[0] for step in steps)
    assert steps[-1].reward == 0 and world.player.tolist() == [[1, 1]]


def test_solving_on_the_last_step_is_no_truncation():
    world = SokobanWorld(parse_levels("#####\n#@$.#\n#####"), max_steps=1)
    (step,) = play(world, RIGHT)
    assert step.terminated[0] and not step.truncated[0]


def test_bush_rewards_and_noop():
    world = SokobanWorld(parse_levels("#####\n#@$.#\n#####"), rewards=BUSH_REWARDS, noop=True)
    assert world.n_actions == 5
    assert world.action_names == ("noop", "up", "down", "left", "right")
    stay, push = play(world, 0, 4)
    assert np.allclose([stay.reward[0], push.reward[0]], [-0.01, 10.99])
    assert push.terminated[0] and world.elapsed.tolist() == [2]


def test_minus_one_leaves_a_row_as_it_is():
    levels = parse_levels(f"{TWO_BOXES}\n\n{TWO_BOXES}")
    world = SokobanWorld(levels)
    assert world.action_names == ("up", "down", "left", "right") and isinstance(world, World)
    after = world.step(np.array([-1, RIGHT]))
    assert after.reward[0] == 0 and np.allclose(after.reward[1], -0.1)
    assert world.elapsed.tolist() == [0, 1]
    assert world.player.tolist() == [[1, 1], [1, 2]]
    assert after.reward.dtype == np.float32 and after.terminated.dtype == bool


def test_a_solved_level_is_over_from_the_start():
    world = SokobanWorld(parse_levels("#####\n#@* #\n#####"))
    assert world.solved.all()
    after = play(world, RIGHT)[0]
    assert after.terminated[0] and after.reward == 0 and world.player.tolist() == [[1, 1]]


@pytest.mark.parametrize("noop", [False, True])
def test_impossible_actions_move_nothing(noop):
    world = SokobanWorld(generate(3, n_boxes=1), noop=noop)
    before = world.get_state()
    for action in (4 + noop, -2, 99):
        with pytest.raises(InputError, match=r"Row 2 was given action .*up"):
            world.step(np.array([0, 1, action]))
    for action in (np.zeros(3), np.zeros(2, int), np.zeros((3, 1), int), 1):
        with pytest.raises(InputError, match=r"integers of shape \(3,\)"):
            world.step(action)
    after = world.get_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_wrong_options_are_refused():
    levels = parse_levels(TWO_BOXES)
    with pytest.raises(UnknownNameError, match="'planes'"):
        SokobanWorld(levels, observation="plane")
    for limits in ({"max_steps": 0}, {"min_steps": 0}, {"min_steps": 121}):
        with pytest.raises(InputError, match="min_steps"):
            SokobanWorld(levels, **limits)
    with pytest.raises(InputError, match="at least one level"):
        SokobanWorld(levels[:0])
    with pytest.raises(InputError, match="autoreset"):
        SokobanWorld(levels, n_envs=4)


def test_observations_are_copies():
    world = SokobanWorld(parse_levels(TWO_BOXES))
    first = world.reset()
    kept = first.copy()
    second = play(world, RIGHT)[0].observation
    assert np.array_equal(first, kept) and not np.array_equal(first, second)
    second[:] = 0
    assert np.array_equal(decode(world.observe()), world.tiles)


@pytest.mark.parametrize("observation", ["rgb", "planes"])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_boxes=st.integers(1, 4),
    height=st.integers(6, 9),
    width=st.integers(6, 9),
    noop=st.booleans(),
)
def test_random_play_keeps_the_books(observation, seed, n_boxes, height, width, noop):
    levels = generate(5, size=(height, width), n_boxes=n_boxes, seed=seed)
    world = SokobanWorld(levels, observation=observation, noop=noop, max_steps=40)
    random = np.random.default_rng(seed)
    walls = world.tiles == Tile.WALL
    targets = np.array([level.targets for level in levels])
    on_target = (world.boxes & targets).sum(axis=(1, 2))
    for _ in range(45):
        player, over = world.player.copy(), world.finished.copy()
        action = random.integers(-1, world.n_actions, 5)
        seen, reward, terminated, truncated = world.step(action)
        assert np.array_equal(decode(seen, observation), world.tiles)
        assert seen.shape[1:] == (
            (height, width, 3) if observation == "rgb" else (7, height, width)
        )
        # Nothing appears, vanishes or is walked through.
        assert np.array_equal(world.tiles == Tile.WALL, walls)
        assert (world.boxes.sum(axis=(1, 2)) == n_boxes).all()
        players = np.argwhere(world.tiles >= Tile.PLAYER)
        assert np.array_equal(players, np.column_stack([np.arange(5), world.player]))
        assert (np.abs(world.player - player).sum(axis=1) <= 1).all()
        covered = np.isin(world.tiles, (Tile.TARGET, Tile.BOX_ON_TARGET, Tile.PLAYER_ON_TARGET))
        assert np.array_equal(covered, targets)
        # The reward is what the boxes say.
        now = (world.boxes & targets).sum(axis=(1, 2))
        acted = (action >= 0) & ~over
        paid = np.where(acted, -0.1 + (now - on_target) + 10 * (now == n_boxes), 0)
        assert np.allclose(reward, paid)
        assert np.array_equal(world.solved, now == n_boxes)
        assert np.array_equal(terminated, now == n_boxes)
        assert not (terminated & truncated).any()
        assert (world.elapsed <= 40).all() and np.array_equal(
            truncated, (world.elapsed == 40) & ~terminated
        )
        on_target = now


def test_rows_do_not_depend_on_their_neighbours():
    levels = generate(12, n_boxes=2)
    together = SokobanWorld(levels, min_steps=5, max_steps=30, seed=3)
    actions = np.random.default_rng(0).integers(0, 4, (30, 12))
    for _ in range(2):
        seen = [together.step(action) for action in actions]
        together.reset()
    half = SokobanWorld(levels[:6], min_steps=5, max_steps=30, seed=3)
    for _ in range(2):
        for step, action in zip(seen, actions, strict=True):
            alone = half.step(action[:6])
            if half._episodes[0] == 2:  # the second episode of each is what was kept
                for one, other in zip(step, alone, strict=True):
                    assert np.array_equal(one[:6], other)
        half.reset()


def test_drawn_limits_are_uniform_and_seeded():
    levels = Levels(np.repeat(generate(1, n_boxes=1).tiles, 4000, axis=0), map(str, range(4000)))
    limits = SokobanWorld(levels, min_steps=30, max_steps=39, seed=1).limit
    counts = np.bincount(limits, minlength=40)[30:]
    assert counts.sum() == 4000 and len(counts) == 10
    # Chi-squared of ten cells: 33.7 is exceeded by chance once in 10,000.
    assert ((counts - 400) ** 2 / 400).sum() < 33.7
    again = SokobanWorld(levels, min_steps=30, max_steps=39, seed=1)
    assert np.array_equal(again.limit, limits)
    again.reset()
    assert not np.array_equal(again.limit, limits)
    assert not np.array_equal(SokobanWorld(levels, min_steps=30, max_steps=39).limit, limits)
    assert (SokobanWorld(levels).limit == 120).all()


@pytest.mark.parametrize("observation", ["rgb", "planes"])
@pytest.mark.parametrize("autoreset", [False, True])
def test_state_round_trip(observation, autoreset):
    world = SokobanWorld(
        generate(8, n_boxes=2), observation=observation, autoreset=autoreset, max_steps=12
    )
    actions = np.random.default_rng(0).integers(0, 4, (30, 8))
    for action in actions[:10]:
        world.step(action)
    state, seen = world.get_state(), world.observe()
    kept = {name: array.copy() for name, array in state.items()}
    first = [world.step(action) for action in actions[10:]]
    assert all(np.array_equal(kept[name], state[name]) for name in state)  # no aliasing
    assert np.array_equal(world.set_state(state), seen)
    second = [world.step(action) for action in actions[10:]]
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)


def test_states_that_do_not_fit_are_refused():
    world = SokobanWorld(generate(3, n_boxes=2))
    state = world.get_state()
    with pytest.raises(InputError, match="shape"):
        SokobanWorld(generate(2, n_boxes=2)).set_state(state)
    with pytest.raises(InputError, match="A state has"):
        world.set_state({"tiles": state["tiles"]})
    with pytest.raises(InputError, match="one player"):
        world.set_state(state | {"player": state["player"] + 1})
    with pytest.raises(InputError, match="boxes_off_target"):
        world.set_state(state | {"boxes_off_target": state["boxes_off_target"] - 1})
    with pytest.raises(InputError, match="no tile"):
        world.set_state(state | {"tiles": state["tiles"] + np.uint8(7)})
    with pytest.raises(InputError, match="one player"):
        world.set_state(state | {"tiles": np.full_like(state["tiles"], Tile.PLAYER)})


def test_padding_changes_nothing():
    small = generate(4, size=(7, 6), n_boxes=2)
    padded = small + generate(1, size=(9, 10), n_boxes=2)
    alone, among = SokobanWorld(small), SokobanWorld(padded)
    for action in np.random.default_rng(0).integers(0, 4, (40, 5)):
        one, other = alone.step(action[:4]), among.step(action)
        assert np.array_equal(one.reward, other.reward[:4])
        assert np.array_equal(alone.tiles, among.tiles[:4, :7, :6])
    assert (among.tiles[:4, 7:] == Tile.WALL).all() and (among.tiles[:4, :, 6:] == Tile.WALL).all()


@pytest.mark.parametrize("observation", ["rgb", "planes"])
def test_autoreset_deals_the_levels_in_turn(observation):
    levels = generate(5, n_boxes=1)
    world = SokobanWorld(levels, autoreset=True, n_envs=3, max_steps=2, observation=observation)
    assert world.level_index.tolist() == [0, 1, 2]
    dealt = []
    for step in range(1, 9):
        seen, _, terminated, truncated = world.step(np.full(3, UP))
        assert truncated.tolist() == [step % 2 == 0] * 3
        assert np.array_equal(decode(seen, observation), world.tiles)
        if step % 2 == 0:
            dealt += world.level_index.tolist()
            assert np.array_equal(world.tiles, levels.tiles[world.level_index])
            assert world.elapsed.tolist() == [0, 0, 0]
    assert dealt == [3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_autoreset_takes_levels_from_a_source():
    given_out = []

    def source():
        given_out.append(generate(2, n_boxes=1, start=10 + 2 * len(given_out), size=(8, 10)))
        return given_out[-1]

    first = generate(3, n_boxes=1)
    world = SokobanWorld(first, autoreset=True, n_envs=3, max_steps=1, source=source)
    played = []
    for _ in range(6):
        world.step(np.full(3, UP))
        played += list(world.tiles.copy())
    expected = [level.text for levels in given_out for level in levels]
    assert [text(tiles[:8]) for tiles in played] == expected[: len(played)]
    large = SokobanWorld(
        first, autoreset=True, max_steps=1, source=lambda: generate(3, size=(10, 11), n_boxes=1)
    )
    with pytest.raises(InputError, match="larger"):
        large.step(np.full(3, UP))
    with pytest.raises(InputError, match="no levels"):
        SokobanWorld(first, autoreset=True, source=lambda: first[:0]).step(np.full(3, UP))


def test_a_single_level_and_rewards_of_ones_own():
    (level,) = parse_levels("#####\n#@$.#\n#####")
    assert isinstance(level, Level)
    world = SokobanWorld(level, rewards=Rewards(step=-1, box=2, solved=3))
    assert play(world, RIGHT)[0].reward == 4
    assert Rewards(step=-0.1) == RELEASED_REWARDS


# envpool's order is up, right, down, left.
TO_PEER = np.array([0, 2, 3, 1])


def _level_of_peer(variable, fixed):
    """A level from envpool's two grids: 1 wall, 2 target; 3 player, 4 box."""
    tiles = np.choose(fixed, [Tile.FLOOR, Tile.WALL, Tile.TARGET]).astype(np.uint8)
    on = tiles == Tile.TARGET
    tiles[(variable == 4) & ~on], tiles[(variable == 4) & on] = Tile.BOX, Tile.BOX_ON_TARGET
    tiles[(variable == 3) & ~on], tiles[(variable == 3) & on] = Tile.PLAYER, Tile.PLAYER_ON_TARGET
    return tiles


@pytest.mark.parametrize("expert", [0.0, 0.8])
def test_every_step_is_the_peers_step(expert):
    envpool = pytest.importorskip("envpool")
    n, seed = 64, 7
    # Without this path it plays one built-in level over and over.
    base_path = str(Path(envpool.__file__).parent)
    peer = envpool.make(
        "Sokoban-v0", env_type="gymnasium", num_envs=n, seed=seed, base_path=base_path
    )
    grid = _grid(peer.reset()[0])
    assert len(np.unique(grid, axis=0)) > n // 2
    boards = [_level_of_peer(*np.moveaxis(board, -1, 0)) for board in grid]
    levels = Levels.of(Level(board, str(i)) for i, board in enumerate(boards))
    world = SokobanWorld(levels)
    oracles = _oracles(levels) if expert else None
    random = np.random.default_rng(seed)
    running, compared, solved = np.ones(n, bool), 0, 0
    for _ in range(120):
        action = random.integers(0, 4, n)
        if oracles:
            for row in np.flatnonzero(running & (random.random(n) < expert)):
                boxes, player = world.boxes[row], world.player[row]
                best = np.flatnonzero(oracles[row].optimal_actions(boxes, player))
                action[row] = best[0] if len(best) else action[row]
        seen, reward, terminated, truncated, _ = peer.step(TO_PEER[action])
        ours = world.step(action)
        assert np.allclose(ours.reward[running], reward[running], atol=1e-6)
        ended = np.asarray(terminated, bool) | np.asarray(truncated, bool)
        assert np.array_equal((ours.terminated | ours.truncated)[running], ended[running])
        solved += int(ours.terminated[running].sum())
        compared += int(running.sum())
        running &= ~ended  # the peer deals the next level then
        grid = _grid(seen)
        for row in np.flatnonzero(running):
            variable, fixed = np.moveaxis(grid[row], -1, 0)
            assert np.array_equal(variable == 4, world.boxes[row])
            assert np.argwhere(variable == 3).tolist() == [world.player[row].tolist()]
            assert np.array_equal(fixed == 2, levels[row].targets)
    assert not running.any() and compared > 1000
    assert solved > 0 or not expert


def _grid(observation):
    return observation["grid"] if isinstance(observation, dict) else observation


def _oracles(levels):
    oracle = pytest.importorskip("organisms.families.sokoban.oracle")
    return [oracle.solve(level) for level in levels]
