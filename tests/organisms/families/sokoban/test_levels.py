"""Levels and the text they are written in."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.errors import InputError, LevelError
from organisms.families.sokoban.levels import Level, Levels, parse_levels, read_levels
from organisms.families.sokoban.observations import Tile

SMALL = "#####\n#@$.#\n#####"


def test_a_level_says_what_is_where():
    level = parse_levels("######\n#+ $*#\n######", "made-up.txt")[0]
    assert level.shape == (3, 6)
    assert level.player == (1, 1)
    assert np.argwhere(level.boxes).tolist() == [[1, 3], [1, 4]]
    assert np.argwhere(level.targets).tolist() == [[1, 1], [1, 4]]
    assert level.walls.sum() == 14
    assert level.n_boxes == 2 and not level.solved
    assert level.id == "made-up/0"
    assert level.text == "######\n#+ $*#\n######"


def test_the_board_of_a_level_cannot_be_written_to():
    given_tiles = parse_levels(SMALL)[0].tiles.copy()
    level = Level(given_tiles)
    given_tiles[:] = 0
    assert level.text == SMALL
    with pytest.raises(ValueError, match="read-only"):
        level.tiles[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        parse_levels(SMALL).tiles[0, 0, 0] = 1


def test_levels_are_equal_by_content_not_by_name():
    one, other = parse_levels(SMALL, prefix="a")[0], parse_levels(SMALL, prefix="b")[0]
    moved = parse_levels("#####\n#$@.#\n#####")[0]
    assert one == other and hash(one) == hash(other)
    assert one != moved
    assert len({one, other, moved}) == 2
    wide, tall = (
        Level(np.pad(np.array(core, np.uint8), 1)) for core in ([[5, 3, 2]], [[5], [3], [2]])
    )
    assert wide != tall


def test_boxoban_headers_number_the_levels():
    levels = parse_levels(f"; 4\n{SMALL}\n\n; 9\n{SMALL}\n", "folder/007.txt")
    assert levels.ids == ["007/4", "007/9"]
    assert levels.titles == ["", ""]


@pytest.mark.parametrize(
    "text",
    [f"; 4\n{SMALL}\n\n{SMALL}", f"; 4\n{SMALL}\n\n; 4\n{SMALL}"],
    ids=["a header missing", "a header twice"],
)
def test_levels_without_numbers_of_their_own_count_from_zero(text):
    assert parse_levels(text).ids == ["level/0", "level/1"]


def test_titles_before_and_after_a_board():
    second = f"{SMALL}\nTitle: Second\nAuthor: A"
    text = f"A collection\n\n; First\n{SMALL}\n\n{second}\n\n{SMALL}\n\nFourth\n\n{SMALL}"
    levels = parse_levels(text)
    assert levels.titles == ["First", "Second", "", "Fourth"]
    assert [level.title for level in levels] == levels.titles


def test_xsb_variants_give_the_same_board():
    plain = parse_levels("  ####\n###  #\n#@$. #\n######")[0]
    assert parse_levels("--####\n###__#\n#@$.-#\n######")[0] == plain
    assert parse_levels("--4#\n3#--#\n#@$.-#\n6#")[0] == plain
    assert parse_levels("--4#|3#2-#|#@$.-#|6#")[0] == plain
    assert parse_levels("\ufeff  ####  \r\n###  #\r\n#@$. #\r\n######\r\n")[0] == plain


def test_outside_is_filled_with_wall():
    level = parse_levels("  #####\n###   #\n#@$ . #\n# ####\n####")[0]
    assert level.shape == (5, 7)
    assert level.text == "#######\n###   #\n#@$ . #\n# #####\n#######"


def test_a_closed_pocket_inside_stays_floor():
    text = "#######\n#@$.# #\n#######"
    assert parse_levels(text)[0].text == text


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("\n#####\n#@$x#\n#####", "unknown character 'x' in column 4", 3),
        ("#####\n#@$.é\n#####", "unknown character 'é'", 2),
        ("#####\n#@$.☃\n#####", "unknown character '☃'", 2),
        ("x####\n#@$.#\n#####", "unknown character 'x' in column 1", 1),
        ("\n\n#####\n# $.#\n#####", "no player", 3),
        ("#####\n#@$.#\n#  @#\n#####", "2 players", 3),
        ("######\n#@$$.#\n######", "2 boxes and 1 targets", 1),
        ("#####\n#@  #\n#####", "no box", 1),
        ("#####\n#@$. \n#####", "boundary is open", 1),
        ("#####\n#@$.#\n## ##", "boundary is open", 1),
        ("#####\n#@$.#\n#####\n\n; 2\n#####\n#@$.", "boundary is open", 6),
        ("#####\n#@$.#\n#####\n  $ #.", "outside the walls", 1),
        ("##99999@#", "run length 99999", 1),
    ],
)
def test_malformed_levels_name_file_and_line(text, message, line):
    with pytest.raises(LevelError, match=message) as caught:
        parse_levels(text, "some.txt")
    assert caught.value.source == "some.txt"
    assert caught.value.line == line
    assert str(caught.value).startswith(f"some.txt:{line}: ")


@pytest.mark.parametrize("text", ["", "\n\n", "; a comment\n\nand no level"])
def test_text_without_a_level(text):
    with pytest.raises(LevelError, match=r"some\.txt: there is no level"):
        parse_levels(text, "some.txt")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(LevelError, match="cannot be read"):
        read_levels(tmp_path / "missing.txt")
    with pytest.raises(LevelError, match="cannot be read"):
        read_levels(tmp_path)
    (tmp_path / "bytes.txt").write_bytes(b"#####\n#@$.\xff\n#####")
    with pytest.raises(LevelError, match=r"bytes\.txt: not UTF-8 text \(byte 10\)"):
        read_levels(tmp_path / "bytes.txt")
    (tmp_path / "good.txt").write_text(SMALL, encoding="utf-8")
    assert read_levels(tmp_path / "good.txt").ids == ["good/0"]


def test_levels_of_different_sizes_share_one_array():
    big = "#######\n#@ $ .#\n#     #\n#######"
    levels = parse_levels(f"{SMALL}\n\n{big}")
    assert levels.tiles.shape == (2, 4, 7)
    assert levels.texts == [SMALL, big]
    assert (levels.tiles[0, 3:] == Tile.WALL).all() and (levels.tiles[0, :, 5:] == Tile.WALL).all()
    assert levels[0] == parse_levels(SMALL)[0]


def test_levels_behave_as_a_sequence():
    levels = parse_levels("\n\n".join([SMALL] * 5), prefix="x")
    assert len(levels) == 5
    assert levels[1:4].ids == ["x/1", "x/2", "x/3"] == [level.id for level in levels[1:4]]
    assert levels[-1].id == "x/4"
    assert levels[[3, 0]].ids == ["x/3", "x/0"]
    assert levels[np.arange(5) > 2].ids == ["x/3", "x/4"]
    assert levels[:2] + levels[2:] == levels
    assert Levels.of(levels) == levels
    assert len(levels[5:]) == 0
    with pytest.raises(IndexError):
        levels[5]


def test_ids_must_be_unique():
    levels = parse_levels(SMALL)
    with pytest.raises(InputError, match=r"'level/0' occurs more than once"):
        levels + levels


def test_from_arrays_refuses_things_that_overlap():
    walls = np.pad(np.zeros((1, 3), bool), 1, constant_values=True)
    box, target = np.zeros_like(walls), np.zeros_like(walls)
    box[1, 2], target[1, 3] = True, True
    assert Level.from_arrays(walls, target, box, (1, 1)).text == SMALL
    with pytest.raises(LevelError, match="share"):
        Level.from_arrays(walls, target, box, (1, 2))
    with pytest.raises(LevelError, match="wall"):
        Level.from_arrays(walls, target, box, (0, 0))
    with pytest.raises(LevelError, match="not on the board"):
        Level.from_arrays(walls, target, box, (3, 1))
    with pytest.raises(LevelError, match="not on the board"):
        Level.from_arrays(walls, target, box, (-2, 1))


@st.composite
def boards(draw):
    """Closed boards of any size with one player and as many boxes as targets."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(3, 7))
    core = draw(
        st.lists(
            st.sampled_from([Tile.WALL, Tile.FLOOR, Tile.FLOOR, Tile.BOX_ON_TARGET]),
            min_size=height * width,
            max_size=height * width,
        )
    )
    squares = draw(st.permutations(range(height * width)))
    core[squares[0]] = draw(st.sampled_from([Tile.PLAYER, Tile.PLAYER_ON_TARGET]))
    core[squares[1]] = Tile.BOX
    core[squares[2]] = Tile.TARGET if core[squares[0]] == Tile.PLAYER else Tile.FLOOR
    return np.pad(np.array(core, np.uint8).reshape(height, width), 1)


@given(boards())
def test_text_and_board_round_trip(tiles):
    level = Level(tiles)
    assert np.array_equal(level.tiles, tiles)
    assert parse_levels(level.text)[0] == level
    again = Level.from_arrays(level.walls, level.targets, level.boxes, level.player)
    assert again == level


BOARD_TEXT = st.text(alphabet="#@$.*+ -_\n|;12x", max_size=80)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=60), BOARD_TEXT))
def test_no_text_makes_the_parser_fail_in_any_other_way(text):
    try:
        levels = parse_levels(text)
    except LevelError:
        return
    for level, written in zip(levels, levels.texts, strict=True):
        assert parse_levels(written)[0] == level


@given(boards(), st.integers(0, 80), st.sampled_from("#@$.*+ x\n"))
def test_one_changed_character_is_read_or_refused(tiles, place, character):
    text = Level(tiles).text
    place = min(place, len(text) - 1)
    try:
        levels = parse_levels(text[:place] + character + text[place + 1 :])
    except LevelError as error:
        assert error.line is not None or "no level" in str(error)
        return
    assert all(level.n_boxes == level.targets.sum() > 0 for level in levels)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_fail_in_any_other_way(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "level.txt"
    path.write_bytes(content)
    try:
        read_levels(path)
    except LevelError as error:
        assert error.source == str(path)


def test_real_files_print_back_byte_for_byte():
    root = os.environ.get("MESASCOPE_BOXOBAN")
    if not root:
        pytest.skip("MESASCOPE_BOXOBAN is not set")
    path = next(Path(root).rglob("000.txt"))
    levels = read_levels(path)
    written = "\n\n".join(f"; {n}\n{text}" for n, text in enumerate(levels.texts))
    assert written.strip() == path.read_text().strip()
    assert set(levels.n_boxes) == {4}
    assert len({level.text for level in levels[:100]}) == 100


@pytest.mark.parametrize("rule", ["---", "--------", "___", "=====", "-- --", "—————"])
@pytest.mark.parametrize("around", ["\n", "\n\n"])
def test_rules_part_boards(rule, around):
    board = "#######\n#@ $ .#\n#######"
    text = f"; first{around}{board}{around}{rule}{around}; 2{around}{board}\n"
    levels = parse_levels(text)
    assert len(levels) == 2 and levels.shapes.tolist() == [[3, 7]] * 2


def test_a_ruled_title_is_the_boards_title_and_floor_by_other_names_stays_floor():
    text = "=====\nMy set\n=====\n\n#####\n#@$.#\n#####\n\n######\n#@-$.#\n#-__-#\n######\n"
    levels = parse_levels(text)
    assert levels.titles[0] == "My set" and levels[1].text.split("\n")[2] == "#    #"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_any_line_end(end):
    text = end.join(["; 4", "#####", "#@$.#", "#####", "", "; 7", "#####", "#.$@#", "#####"])
    assert parse_levels(text).ids == ["level/4", "level/7"]
