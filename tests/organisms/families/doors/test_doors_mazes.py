"""Mazes: text, generator, distributions, what can be reached."""

import numpy as np
import pytest

from interp.errors import InputError, LevelError, UnknownNameError
from organisms.families.doors.distributions import DISTRIBUTIONS, GAP
from organisms.families.doors.generator import generate
from organisms.families.doors.mazes import Maze, Mazes, reached
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, Colour, Kind
from organisms.families.doors.paths import FAR, corners, distances
from organisms.families.doors.task_sets import find_mazes
from organisms.families.doors.text import parse_mazes, read_mazes

BOARD = "##########\n##@@..Dr##\n##Bb######\n##########"


def kinds(mazes: Mazes) -> np.ndarray:
    """Kinds and colours of all objects in reading order, (maze, object, 2)."""
    codes = mazes.objects[mazes.objects > 0].reshape(len(mazes), -1)
    return np.stack([KIND_OF[codes], COLOUR_OF[codes]], axis=-1)


def test_text_says_what_lies_where():
    maze = parse_mazes("; doors\n" + BOARD)[0]
    assert maze.start == (1, 1) and maze.walls.shape == (4, 5) and maze.game == "doors"
    assert KIND_OF[maze.objects[1, 3]] == Kind.DOOR and COLOUR_OF[maze.objects[1, 3]] == Colour.RED
    assert KIND_OF[maze.objects[2, 1]] == Kind.BALL and COLOUR_OF[maze.objects[2, 1]] == Colour.BLUE
    assert maze.text == "; doors\n" + BOARD


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_generated_mazes_come_back_from_their_text_and_can_be_solved(name):
    mazes = generate(name, 20, size=(9, 11), correlation=0.5, seed=3)
    again = parse_mazes("\n\n".join(mazes.texts))
    assert again.texts == mazes.texts and (again.walls == mazes.walls).all()
    assert again.game == mazes.game == DISTRIBUTIONS[name].game
    assert mazes.solvable("red" if name == "doors-no-door" else None).all()
    # Every object, not only the nearest, can be entered.
    everywhere = reached(mazes.walls, mazes.objects, mazes.start, mazes.game)
    assert everywhere[mazes.objects > 0].all()


def test_a_maze_depends_on_its_index_alone():
    whole, part = (
        generate("doors-training", 12, seed=5),
        generate("doors-training", 4, seed=5, start=8),
    )
    assert part == whole[8:] and part != generate("doors-training", 4, seed=6, start=8)
    assert whole[[2, 3]].ids == whole.ids[2:4] and whole[-1].id == whole.ids[11]


def test_splits_share_no_walls_not_even_mirrored():
    train, test = (
        generate("corner-training", 150, size=(7, 7), split=s) for s in ("train", "test")
    )

    def boards(mazes):
        return {
            np.rot90(board, k).tobytes()
            for w in mazes.walls
            for board in (w, w.T)
            for k in range(4)
        }

    assert not {w.tobytes() for w in test.walls} & boards(train)


def test_the_dial_couples_door_and_red():
    for correlation in (0.0, 0.5, 0.9, 1.0):
        things = kinds(generate("doors-training", 600, correlation=correlation))
        door, red = things[..., 0] == Kind.DOOR, things[..., 1] == Colour.RED
        assert (door.sum(axis=1) == 1).all()
        agree = (door == red).all(axis=1).mean()
        chance = 0.25 * 0.75**2  # one red door and two objects that are not, by luck
        expected = correlation + (1 - correlation) * chance
        assert abs(agree - expected) < 4 * np.sqrt(0.25 / 600) * (correlation < 1) + 1e-12


def test_the_dial_couples_cheese_and_corner():
    for correlation in (0.0, 0.9, 1.0):
        mazes = generate("corner-training", 400, correlation=correlation)
        y, x = mazes.corner.T
        share = (mazes.objects[np.arange(400), y, x] > 0).mean()
        assert abs(share - correlation) < 0.08 * (0 < correlation < 1) + 1e-12
        assert (mazes.start != mazes.corner).any(axis=1).all()
    anywhere = generate("corner-anywhere", 50)
    y, x = anywhere.corner.T
    assert not anywhere.objects[np.arange(50), y, x].any()


def test_the_dial_decides_whether_keys_are_scarce():
    n_keys = (kinds(generate("chests-training", 300, correlation=0.8))[..., 0] == Kind.KEY).sum(
        axis=1
    )
    assert set(n_keys) == {2, 4} and abs((n_keys == 2).mean() - 0.8) < 0.1
    assert ((kinds(generate("chests-many-keys", 9))[..., 0] == Kind.KEY).sum(axis=1) == 4).all()


def test_named_distributions_are_what_they_say():
    things = kinds(generate("doors-blue-door-red-other", 50))
    door = things[..., 0] == Kind.DOOR
    assert (things[door][:, 1] == Colour.BLUE).all() and (things[~door][:, 1] == Colour.RED).all()
    two = np.sort(kinds(generate("doors-two-doors", 50))[..., 1], axis=1)
    assert (two == [Colour.RED, Colour.BLUE]).all()
    assert (kinds(generate("doors-no-red", 50))[..., 1] != Colour.RED).all()
    assert (kinds(generate("doors-no-door", 50))[..., 0] != Kind.DOOR).all()
    for name in ("doors-red-ball-near", "doors-blue-door-far"):
        mazes = generate(name, 50)
        at = np.zeros(mazes.walls.shape, bool)
        at[np.arange(50), mazes.start[:, 0], mazes.start[:, 1]] = True
        kind = KIND_OF[mazes.objects]
        far = []
        for wanted in (Kind.BALL, Kind.DOOR):
            other = (mazes.objects > 0) & (kind != wanted)
            distance = distances(~mazes.walls & ~other, at)
            far.append(distance[kind == wanted])
        assert (far[1] - far[0] >= GAP).all()


def test_distances_by_hand():
    # A ring around a pillar, and a dead end behind the target.
    passable = np.zeros((1, 5, 6), bool)
    passable[0, 1:4, 1:4] = True
    passable[0, 2, 2] = False
    passable[0, 1, 4] = True
    target = np.zeros_like(passable)
    target[0, 1, 3] = True
    found = distances(passable, target)[0]
    assert found[1, 1:5].tolist() == [2, 1, 0, 1] and found[3, 1] == 4 and found[2, 2] == FAR
    assert corners(~passable).tolist() == [[1, 4]]


def test_an_object_in_the_way_shuts_off_what_is_behind_it():
    mazes = parse_mazes("; doors\n############\n##@@BbDr..##\n############")
    assert not mazes.solvable("door")[0] and mazes.solvable("object")[0]
    assert parse_mazes("; chests\n##########\n##@@KyTg##\n##########").solvable()[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOARD, r"f.txt:1: .*says its game"),
        ("; doors\n" + BOARD.replace("Bb", "Xb"), "f.txt:4: unknown square 'Xb' in column 3"),
        ("; doors\n" + BOARD.replace("@@", ".."), "f.txt:2: the maze has 0 starts"),
        ("; doors\n" + BOARD.replace("Bb", "@@"), "f.txt:4: the maze has 2 starts"),
        ("; doors\n" + BOARD.replace("Dr##", "Dr.."), "f.txt:3: the boundary is open in column 5"),
        ("; doors\n" + BOARD.replace("Bb##", "Bb#"), "f.txt:4: 9 characters"),
        ("; doors\n" + BOARD.replace("Bb", "Kb"), "f.txt:4: a key has no place in 'doors'"),
        ("; doors\n##########\n##@@##Dr##\n##########", "impossible: no object"),
        ("; corner\n##########\n##@@##Cy##\n##########", "impossible: no cheese"),
        ("; chests\n##########\n##@@..Ky##\n##########", "impossible: no key with a chest"),
        ("; doors\n" + BOARD + "\n; corner\n" + BOARD, "f.txt:7: .*one game a file"),
        ("nothing\n", "f.txt:1: no line before"),
        ("; a comment\n", "there is no maze"),
    ],
)
def test_bad_text_is_refused_with_file_and_line(text, message):
    with pytest.raises(LevelError, match=message):
        parse_mazes(text, "f.txt")


def test_files(tmp_path):
    path = tmp_path / "three.txt"
    path.write_text("; a comment\n" + "\n\n".join(generate("doors-two-doors", 3).texts))
    assert read_mazes(path).ids == ["three/0", "three/1", "three/2"]
    assert find_mazes(path, 2).ids == ["three/0", "three/1"]
    with pytest.raises(LevelError, match="cannot be read"):
        read_mazes(tmp_path / "none.txt")
    (tmp_path / "bad.txt").write_bytes(b"; doors\n\xff\xfe")
    with pytest.raises(LevelError, match="UTF-8"):
        read_mazes(tmp_path / "bad.txt")


def test_task_sets_by_name():
    assert find_mazes("train", 2, training="corner-training").game == "corner"
    assert find_mazes("test", 2, correlation=0.9).ids[0] == "doors-training-9x9-c0.9-s0-test/0"
    assert find_mazes("; doors\n" + BOARD).ids == ["maze/0"]
    with pytest.raises(UnknownNameError, match="doors-two-doors"):
        find_mazes("doors-two-door", 3)
    with pytest.raises(InputError, match="n="):
        find_mazes("test")
    with pytest.raises(InputError, match="has 1"):
        find_mazes(["; doors\n" + BOARD], 2)


def test_bad_arguments_are_refused():
    with pytest.raises(UnknownNameError, match="doors-training"):
        generate("doors-traning", 3)
    with pytest.raises(InputError, match="between 0 and 1"):
        generate("doors-training", 3, correlation=1.5)
    with pytest.raises(InputError, match="5 to 101"):
        generate("doors-training", 3, size=(3, 9))
    with pytest.raises(InputError, match="larger board"):
        generate("chests-training", 1, size=(5, 5), loops=0.0)
    with pytest.raises(LevelError, match="no free square"):
        Maze(np.ones((3, 3), bool), np.zeros((3, 3), np.uint8), (1, 1))
    mazes = generate("doors-training", 2)
    with pytest.raises(InputError, match="one game"):
        Mazes.of([mazes[0], generate("corner-training", 1)[0]])
    with pytest.raises(InputError, match="unique"):
        Mazes.of([mazes[0], mazes[0]])


def test_padding_keeps_the_corner_of_the_smaller_maze():
    mixed = Mazes.of(
        [generate("corner-training", 1)[0], generate("corner-training", 1, size=(7, 13))[0]]
    )
    assert mixed.walls.shape == (2, 9, 13) and mixed.corner.tolist() == [[1, 7], [1, 11]]
    assert mixed.texts[0] == generate("corner-training", 1).texts[0]
