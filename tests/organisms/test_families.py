"""Families of other packages: registered, plugged in, broken, clashing, with organisms of their own."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys

import pytest

import organisms
import organisms.registry
from interp.errors import CapabilityError, InputError, OldSpellingError, UnknownNameError
from organisms import registry
from organisms.card import Card
from organisms.organism import OLD_SPELLINGS, Organism
from tests.organisms.test_check import CountNetwork, counter
from tests.organisms.tiny_mazes import tiny_maze_organism


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "_plugged_in", {})


def test_a_registered_family_is_loaded_from_files_with_its_options(tmp_path):
    base = counter(options={"speed": 1, "label": "a"})
    family = organisms.register(base.family)
    assert organisms.register(family) is family and family in organisms.registry.families()
    card = Card("fast", "counting", "Fast.", world={"speed": 3})
    folder = Organism(CountNetwork(2), card).save(tmp_path / "fast")
    loaded = organisms.load(folder)
    assert loaded.options == {"speed": 3, "label": "a"} and loaded.family is family
    assert organisms.check(loaded) == []
    for world, error in (({"sped": 3}, UnknownNameError), ({"speed": "3"}, InputError)):
        with pytest.raises(error, match="speed"):
            Organism(CountNetwork(), dataclasses.replace(card, world=world))
    with pytest.raises(InputError, match="of int"):
        Organism(CountNetwork(), dataclasses.replace(card, world={"speed": True}))


def test_organisms_that_come_with_a_family(tmp_path):
    home = tmp_path / "agents"
    family = dataclasses.replace(counter().family, assets=home)
    for name in ("their-counter", "their-herd/one", "their-herd/two"):
        Organism(CountNetwork(1), Card(name, "counting", "Theirs."), family).save(home / name)
    organisms.register(family)
    assert "their-counter" in organisms.names()
    assert organisms.populations()["their-herd"] == ["their-herd/one", "their-herd/two"]
    assert list(organisms.shipped())[-1] != "their-counter", "populations last"
    assert organisms.load("their-herd/two").name == "their-herd/two"
    rival = dataclasses.replace(family, name="rival")
    with pytest.raises(InputError, match="'counting' has an organism 'their-counter' already"):
        organisms.register(rival)


def test_names_do_not_clash():
    organisms.register(counter().family)
    with pytest.raises(InputError, match="family 'counting' already"):
        organisms.register(dataclasses.replace(counter().family, summary="Another."))
    with pytest.raises(InputError, match="family 'doors' already"):
        organisms.register(dataclasses.replace(counter().family, name="doors"))
    with pytest.raises(InputError, match="is registered"):
        organisms.register("sokoban")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Nearest: 'counting'"):
        registry.find_family("countin")


PLUGIN = """
from tests.organisms.test_check import counter
FAMILY = counter().family
def make():
    import dataclasses
    return dataclasses.replace(FAMILY, name="made")
def clash():
    import dataclasses
    return dataclasses.replace(FAMILY, name="sokoban")
"""

ENTRIES = """[mesascope.families]
counting = theirs:FAMILY
made = theirs:make
broken = theirs_too:FAMILY
clash = theirs:clash
"""


def test_entry_points_of_installed_packages(tmp_path):
    (tmp_path / "theirs.py").write_text(PLUGIN)
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    script = (
        "import sys, json, warnings; sys.path.insert(0, sys.argv[1])\n"
        "warnings.simplefilter('always')\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    import organisms.registry\n"
        "    known = [family.name for family in organisms.registry.families()]\n"
        "    organisms.registry.families()\n"
        "print(json.dumps([known, [str(w.message) for w in said if 'left out' in str(w.message)]]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    known, said = json.loads(out.stdout)
    assert known[:2] == ["sokoban", "doors"] and {"counting", "made"} <= set(known)
    assert len(said) == 2, "each is reported once"
    [broken] = [words for words in said if "'broken' of theirs" in words]
    assert "ModuleNotFoundError" in broken and "theirs_too" in broken
    assert any("'clash'" in words and "'sokoban' already" in words for words in said)


def test_records_that_are_no_families_are_refused():
    family = counter().family
    for part, wrong in (
        ("name", "two words"),
        ("tasks", None),
        ("options", 3),
        ("capabilities", {"Plans": print}),
        ("capabilities", {int: 3}),
    ):
        with pytest.raises(InputError):
            dataclasses.replace(family, **{part: wrong})


def test_old_spellings_say_the_new_one():
    organism = tiny_maze_organism()
    for name in OLD_SPELLINGS:
        assert not hasattr(organism, name)
    with pytest.raises(OldSpellingError, match=r"organism\[Counterfactuals\]\.pairs"):
        organism.counterfactuals("swap-objects", 2)
    with pytest.raises(AttributeError, match="no attribute 'counterfactual'"):
        organism.counterfactual  # noqa: B018


def test_a_capability_speaks_of_the_organism_it_was_got_from():
    organism = tiny_maze_organism()
    kernels = organism[organisms.Kernels]
    assert organism[organisms.Kernels] is kernels
    twin = copy.deepcopy(organism)
    assert twin[organisms.Kernels] is not kernels
    assert twin[organisms.Kernels].network is twin.network
    resnet = tiny_maze_organism("tiny-maze-resnet")
    with pytest.raises(CapabilityError, match="this one does not"):
        resnet[organisms.Kernels]


def test_a_family_answers_for_stores_without_their_organism(tmp_path):
    import interp
    from analyses.recordings import _concepts

    organism = tiny_maze_organism(max_steps=3)
    path = interp.record(organism, organism.tasks("test", 2), tmp_path / "run.zarr", progress=False)
    assert _concepts(None, interp.open_store(path)) == organism.concepts
