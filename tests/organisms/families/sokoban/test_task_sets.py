"""Levels by name, file, text, list of texts; and what is none of these."""

from pathlib import Path

import numpy as np
import pytest

from interp.errors import InputError, LevelError, UnknownNameError
from organisms.families.sokoban.task_sets import find_levels

TEXT = "#####\n#@$.#\n#####"


def test_a_list_of_texts():
    levels = find_levels([TEXT, "#####\n#.$@#\n#####"])
    assert levels.texts == [TEXT, "#####\n#.$@#\n#####"]
    assert find_levels(levels.texts, 1).texts == [TEXT]


def test_a_file_whose_name_looks_like_a_board(tmp_path):
    path = tmp_path / "room #1.xsb"
    path.write_text(TEXT)
    for given in (path, str(path)):
        assert find_levels(given).texts == [TEXT]


def test_a_path_is_never_a_text():
    with pytest.raises(UnknownNameError, match="level file"):
        find_levels(Path("no #such file"))


@pytest.mark.parametrize("split", [None, 3, b"test", [TEXT, 3], {TEXT: 1}])
def test_what_is_no_split_is_refused(split):
    with pytest.raises(InputError, match="Levels are given by"):
        find_levels(split, 2)


@pytest.mark.parametrize("split", ["", "tset", "boxoban-hrd"])
def test_unknown_names(split):
    with pytest.raises(UnknownNameError):
        find_levels(split, 2)


@pytest.mark.parametrize("split", [[], "\n", "#"])
def test_texts_without_a_level(split):
    with pytest.raises(LevelError):
        find_levels(split)


@pytest.mark.parametrize("option", [{"n": n} for n in (0, -1, 2.5, "3", True)])
def test_impossible_counts(option):
    with pytest.raises(InputError, match="n must be an integer"):
        find_levels("test", **option)


@pytest.mark.parametrize("seed", [None, -1, 1.5, "a"])
def test_impossible_seeds(seed):
    with pytest.raises(InputError, match="seed must be an integer"):
        find_levels("test", 2, seed)


def test_integers_of_numpy_are_integers():
    assert find_levels("test", np.int64(2), np.uint8(1)) == find_levels("test", 2, 1)
