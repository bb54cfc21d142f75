"""The published sets: local folders, the cache, downloads and their checksums."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from interp.errors import AssetError, InputError, LevelError, UnknownNameError
from organisms.families.sokoban import boxoban
from organisms.families.sokoban.boxoban import FOLDERS, find_file, load_boxoban, names
from organisms.families.sokoban.generator import generate

LEVELS = generate(30, n_boxes=4)


def file_of(levels):
    return "\n\n".join(f"; {n}\n{text}" for n, text in enumerate(levels.texts)) + "\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MESASCOPE_BOXOBAN", raising=False)
    monkeypatch.setenv("MESASCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "boxoban"


@pytest.fixture
def folder(cache, tmp_path, monkeypatch):
    """A local folder with two files of a set, of ten and twenty levels."""
    root = tmp_path / "levels"
    (root / "medium/train").mkdir(parents=True)
    (root / "medium/train/003.txt").write_text(file_of(LEVELS[:10]))
    (root / "medium/train/007.txt").write_text(file_of(LEVELS[10:]))
    monkeypatch.setenv("MESASCOPE_BOXOBAN", str(root))
    return root


class Server:
    """Stands in for the network: answers with what it was given, and counts."""

    def __init__(self, monkeypatch, content=None):
        self.content, self.asked = content, []
        monkeypatch.setattr(boxoban, "_download", self)

    def __call__(self, address, path):
        self.asked.append(address)
        if self.content is None:
            raise ConnectionError("no network")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.content)


def test_local_files_are_used_in_order(folder):
    levels = load_boxoban("boxoban-medium-train")
    assert levels.texts == LEVELS.texts
    assert levels.ids[0] == "boxoban-medium-train/003/0"
    assert levels.ids[10] == "boxoban-medium-train/007/0"
    assert load_boxoban("boxoban-medium-train", n=3, start=9) == levels[9:12]
    assert load_boxoban("boxoban-medium-train", n=5) == levels[:5]


def test_a_seed_draws_without_repeats(folder):
    everything = load_boxoban("boxoban-medium-train")
    drawn = load_boxoban("boxoban-medium-train", n=12, seed=1)
    assert drawn == load_boxoban("boxoban-medium-train", n=12, seed=1)
    assert drawn.ids != everything.ids[:12] and set(drawn.ids) < set(everything.ids)
    texts = dict(zip(everything.ids, everything.texts, strict=True))
    assert [texts[name] for name in drawn.ids] == drawn.texts
    assert load_boxoban("boxoban-medium-train", n=6, start=6, seed=1) == drawn[6:]
    assert load_boxoban("boxoban-medium-train", n=12, seed=2).ids != drawn.ids


def test_asking_for_more_than_there_is(folder):
    with pytest.raises(InputError, match="there are 30 in its files"):
        load_boxoban("boxoban-medium-train", n=31)
    with pytest.raises(InputError, match="there are 30"):
        load_boxoban("boxoban-medium-train", start=30)
    with pytest.raises(InputError, match="at least"):
        load_boxoban("boxoban-medium-train", n=0)
    with pytest.raises(InputError, match="there are 3,332 in the set"):
        load_boxoban("boxoban-hard", n=2, start=3331)


def test_a_damaged_local_file(folder):
    path = folder / "medium/train/003.txt"
    path.write_text(path.read_text().replace("@", " ", 1))
    with pytest.raises(LevelError, match=r"003\.txt:2: the level has no player"):
        load_boxoban("boxoban-medium-train", n=1)
    path.write_text("; 0\n" + file_of(LEVELS[:10]))
    with pytest.raises(LevelError, match="11 headers"):
        load_boxoban("boxoban-medium-train", n=1)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="'boxoban-medium-valid'"):
        load_boxoban("boxoban-medium-vald")
    assert names() == list(FOLDERS)


def test_without_a_network_the_error_says_what_to_do(cache, monkeypatch):
    server = Server(monkeypatch)
    with pytest.raises(AssetError) as caught:
        load_boxoban("boxoban-unfiltered-train", n=5, start=2500)
    message = str(caught.value)
    address = boxoban.ADDRESS.format(revision=boxoban.REVISION, file="unfiltered/train/002.txt")
    assert server.asked == [address]
    for part in (address, str(cache / "unfiltered/train/002.txt"), "MESASCOPE_BOXOBAN"):
        assert part in message
    assert not list(cache.rglob("*.txt"))


def test_a_download_is_kept_and_its_checksum_remembered(cache, monkeypatch):
    monkeypatch.setitem(FOLDERS, "boxoban-medium-train", ("medium/train", 30))
    server = Server(monkeypatch, file_of(LEVELS))
    first = load_boxoban("boxoban-medium-train", n=20)
    assert load_boxoban("boxoban-medium-train")[:20] == first
    assert len(server.asked) == 1
    path = cache / "medium/train/000.txt"
    recorded = json.loads((cache / "checksums.json").read_text())
    assert recorded == {"medium/train/000.txt": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.write_text(file_of(LEVELS[::-1]))
    with pytest.raises(AssetError, match="not the published file"):
        load_boxoban("boxoban-medium-train")


def test_a_download_that_is_not_the_published_file_is_not_kept(cache, monkeypatch):
    Server(monkeypatch, file_of(LEVELS))
    with pytest.raises(AssetError, match="sha256"):
        load_boxoban("boxoban-unfiltered-test")
    assert not list(cache.rglob("*.txt"))


def test_the_downloader_leaves_nothing_behind(cache, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def broken(self, url, output_file, pooch):
        Path(output_file).write_text("half a fi")
        raise ConnectionError("cut off")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", broken)
    with pytest.raises(AssetError, match="ConnectionError"):
        find_file("hard/000.txt")
    assert not [path for path in cache.rglob("*") if path.is_file()]

    def whole(self, url, output_file, pooch):
        assert url.startswith("https://") and boxoban.REVISION in url
        Path(output_file).write_text(file_of(LEVELS))

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", whole)
    assert find_file("hard/003.txt").read_text() == file_of(LEVELS)


def test_real_sets(cache, tmp_path, monkeypatch, request):
    root = _real_root
    if not root:
        pytest.skip("MESASCOPE_BOXOBAN is not set")
    monkeypatch.setenv("MESASCOPE_BOXOBAN", root)
    for name in ("boxoban-unfiltered-test", "boxoban-medium-valid", "boxoban-hard"):
        levels = load_boxoban(name, n=1000)
        assert len(levels) == 1000 and (levels.n_boxes == 4).all()
        assert np.array_equal(levels.shapes, np.full((1000, 2), 10))
        assert levels.ids[17] == f"{name}/000/17"
    # The checksums that ship are those of the real files.
    monkeypatch.delenv("MESASCOPE_BOXOBAN")
    shutil.copytree(root, cache)
    assert len(load_boxoban("boxoban-unfiltered-test")) == 1000
    for file in boxoban._published_checksums():
        assert find_file(file) == cache / file


_real_root = os.environ.get("MESASCOPE_BOXOBAN")
