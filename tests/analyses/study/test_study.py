import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from analyses.recordings import labels_of
from analyses.study.study import study
from interp.concepts import Concept
from interp.errors import InputError, StoreMismatchError, TooFewClassesError
from organisms.capabilities.capability import LikeOrganism
from organisms.capabilities.steering import Steering
from organisms.card import Card
from organisms.networks.build import network_record
from organisms.networks.config import ConvConfig
from organisms.networks.drc import DRC, DRCConfig
from organisms.organism import Organism

CONFIG = DRCConfig.released(
    1, 2, channels=4, encoder=(ConvConfig(4, (3, 3)),), board=(6, 6), mlp_hiddens=(8,)
)
OPTIONS = {"n_levels": 40, "thinking_steps": 1, "progress": False}


def untrained(seed=0):
    network = DRC(CONFIG, seed=seed)
    card = Card(
        name="untrained",
        family="sokoban",
        summary="Never trained.",
        network=network_record(network),
        world={"n_boxes": 1, "max_steps": 12},
    )
    return Organism(network, card)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return study(untrained(), out, **OPTIONS)


def test_an_untrained_network_is_found_to_do_nothing(studied):
    record = json.loads((studied.parent / "study.json").read_text())
    found = {name: verdict["found"] for name, verdict in record["verdicts"].items()}
    assert not any(found.values()), record["verdicts"]
    page = studied.read_text()
    assert 'class="verdict null"' in page and 'class="verdict">' not in page


def test_everything_is_beside_the_report(studied):
    record = json.loads((studied.parent / "study.json").read_text())
    assert record["n_levels"] == 40 and "torch" in record["versions"]
    for path in studied.parent.glob("*.nc"):
        dataset = xr.load_dataset(path)
        assert dataset.attrs["analysis"] == path.stem.partition("-")[0]
        assert dataset.found.dtype == bool
        for suffix in (".png", ".pdf"):
            assert path.with_suffix(suffix).stat().st_size > 1000
    assert (studied.parent / "thinking_time.nc").exists()
    assert "mesascope study untrained --split test --n 40 --seed 0 --out DIR" in studied.read_text()


def test_a_second_study_takes_up_the_recordings_and_says_the_same(studied):
    before = json.loads((studied.parent / "study.json").read_text())
    store = studied.parent / "acting" / "run.zarr" / "zarr.json"
    written = store.stat().st_mtime_ns
    study(untrained(), studied.parent, **OPTIONS)
    assert store.stat().st_mtime_ns == written
    assert json.loads((studied.parent / "study.json").read_text()) == before


def test_results_of_each_kind_of_steering_are_there_before_the_next(monkeypatch, tmp_path):
    """What is interrupted in its second kind has the first on the disk."""
    module = importlib.import_module("analyses.study.study_steering")

    class Steered(LikeOrganism):
        def __contains__(self, capability):
            return capability is Steering

        def __getitem__(self, capability):
            tasks = SimpleNamespace(concept="way")
            return SimpleNamespace(kinds=("a", "b"), sites=["h"], tasks=lambda *given: tasks)

        def tasks(self, *given, **options):
            return None

    asked = []

    def one(organism, tasks, **options):
        asked.append(tasks)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return xr.Dataset({"found": False}, {"alpha": [0.5], "n_directional": [1]})

    directions = SimpleNamespace(probes={}, macro_f1={"h": 0.5})
    monkeypatch.setattr(module, "plan_steering", one)
    monkeypatch.setattr(module, "fitted_directions", lambda *a, **k: directions)
    monkeypatch.setattr(module, "steered_episode", lambda *a, **k: None)
    with pytest.raises(KeyboardInterrupt):
        module.study_steering(Steered(untrained()), tmp_path, seed=0, progress=False)
    assert [path.stem for path in tmp_path.glob("*.nc")] == ["plan_steering-a"]


def test_another_organism_in_the_same_folder_is_refused(studied):
    with pytest.raises(StoreMismatchError):
        study(untrained(seed=1), studied.parent, **OPTIONS)


def test_too_few_levels_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 40"):
        study(untrained(), tmp_path / "out", n_levels=20)
    assert not (tmp_path / "out").exists()


def run_of(labels):
    return xr.Dataset({"map": (("episode", "step"), np.asarray(labels))})


CONCEPT = Concept("c", lambda run: run["map"], ("never", "up", "down"), negative="never")


def test_classes_that_hardly_occur_are_left_out():
    labels = np.zeros((40, 2), np.int8)
    labels[:20, 0] = 2
    labels[0, 1] = 1  # one episode of forty
    labels[1, 1] = -1
    kept, concept = labels_of(CONCEPT, run_of(labels))
    assert concept.classes == ("never", "down") and concept.negative == "never"
    assert kept.values[0].tolist() == [1, -1] and kept.values[1].tolist() == [1, -1]
    assert kept.values[30].tolist() == [0, 0]


def test_labels_are_left_alone_where_every_class_occurs():
    labels = np.tile(np.array([[0, 1, 2]], np.int8), (40, 1))
    kept, concept = labels_of(CONCEPT, run_of(labels))
    assert concept is CONCEPT and np.array_equal(kept.values, labels)


def test_one_class_cannot_be_told_from_itself():
    with pytest.raises(TooFewClassesError, match="only"):
        labels_of(CONCEPT, run_of(np.zeros((40, 2), np.int8)))
