"""Organisms at earlier points of their training: kept, found by step, and refused if changed."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import organisms
from interp.errors import AssetError, CheckpointError, InputError, UnknownNameError
from organisms.families.sokoban.recipes import RECIPES
from organisms.training.export import export_organism
from organisms.training.run import snapshot_marks, train_recipe
from tests.organisms.tiny import tiny_recipe

RECIPE = tiny_recipe(256, "first")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs, the second from the organism of the first: name → (run folder, organism folder)."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "first", RECIPE)
        first = train_recipe("first", folder / "first", snapshots=3, progress=False)
        second = dataclasses.replace(RECIPE, start_from=str(first), summary="second")
        patch.setitem(RECIPES, "second", second)
        second = train_recipe("second", folder / "second", snapshots=2, progress=False)
        yield {"first": (folder / "first", first), "second": (folder / "second", second)}


def test_checkpoints_are_the_weights_of_their_step(runs):
    run, folder = runs["first"]
    organism = organisms.load(folder)
    assert organism.checkpoints == [64, 128, 256]
    assert len(list((folder / "checkpoints").iterdir())) == 2, "the last is the organism itself"
    last = organisms.load(folder, checkpoint=256)
    assert last.weights_sha256() == organism.weights_sha256() and last.name == "first-local@256"
    assert last.checkpoints == organism.checkpoints
    assert organism.card.training_steps == 256
    early = organisms.load(folder, checkpoint=64)
    kept = load_file(run / "weights-64.safetensors")
    for name, tensor in early.network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, kept[name].half().float()), name
    assert early.weights_sha256() != organism.weights_sha256()
    assert early.name == "first-local@64" and early.describe()["organism"] == early.name
    assert early.card.training_steps == 64 and early.card.results == ()
    assert early.run(early.tasks("test", 2)).sizes["episode"] == 2


def test_a_name_may_say_the_checkpoint(runs):
    folder = runs["first"][1]
    one, other = organisms.load(f"{folder}@128"), organisms.load(folder, checkpoint=128)
    assert one.name == other.name and one.weights_sha256() == other.weights_sha256()
    assert organisms.load(f"{folder}@128", checkpoint=128).name == other.name
    with pytest.raises(InputError, match="two checkpoints"):
        organisms.load(f"{folder}@128", checkpoint=64)


@pytest.mark.parametrize("steps", [0, 65, 512])
def test_unknown_checkpoints_name_those_there_are(runs, steps):
    with pytest.raises(UnknownNameError, match="128, 256, 64"):
        organisms.load(runs["first"][1], checkpoint=steps)


@pytest.mark.parametrize("steps", [-1, 1.5, "64", True])
def test_a_checkpoint_is_a_number_of_steps(runs, steps):
    with pytest.raises(InputError, match="checkpoint"):
        organisms.load(runs["first"][1], checkpoint=steps)


def test_organisms_without_checkpoints(runs, tmp_path):
    organism = organisms.load(runs["first"][1])
    assert organism.untrained().checkpoints == []
    saved = organisms.load(organism.save(tmp_path / "saved"))
    assert saved.checkpoints == []
    with pytest.raises(UnknownNameError, match="Known \\(0\\)"):
        organisms.load(tmp_path / "saved", checkpoint=64)


def test_a_run_that_started_from_an_organism_counts_on(runs):
    folder = runs["second"][1]
    organism = organisms.load(folder)
    assert organism.card.training_steps == 512
    assert organism.checkpoints == [64, 128, 256, 256 + 128, 512]
    first = organisms.load(runs["first"][1])
    assert (
        organisms.load(folder, checkpoint=64).weights_sha256()
        == organisms.load(runs["first"][1], checkpoint=64).weights_sha256()
    )
    middle = organisms.load(folder, checkpoint=256).network.state_dict()
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(middle[name], tensor.half().float())


def test_some_checkpoints_evenly_on_a_logarithmic_scale(runs, tmp_path):
    run, _ = runs["first"]
    source = run / "weights-64.safetensors"
    weights = {steps: source for steps in range(10, 250, 10)}
    kept = export_organism("first", run, tmp_path / "a", "a", checkpoints=4, weights=weights)
    assert organisms.load(kept).checkpoints == [10, 30, 80, 240, 256]
    none = export_organism("first", run, tmp_path / "b", "b", checkpoints=0)
    assert organisms.load(none).checkpoints == [] and not (none / "checkpoints").exists()


def test_exporting_again_leaves_nothing_of_before(runs, tmp_path):
    run, _ = runs["first"]
    for n, expected in ((10, [64, 128, 256]), (1, [128, 256])):
        folder = export_organism("first", run, tmp_path / "x", "x", checkpoints=n)
        assert organisms.load(folder).checkpoints == expected
        assert len(list(folder.glob("checkpoints/*"))) == len(expected) - 1


def test_runs_of_another_recipe_are_refused(runs, tmp_path):
    with pytest.raises(InputError, match="run of 'first'"):
        export_organism("second", runs["first"][0], tmp_path / "x", "x")


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_checkpoints_are_refused(runs, tmp_path, damage):
    folder = export_organism("first", runs["first"][0], tmp_path / "x", "x")
    path = folder / "checkpoints" / "weights-64.safetensors"
    if damage == "missing":
        path.unlink()
    else:
        save_file({k: t + 1 for k, t in load_file(path).items()}, path)
    organisms.load(folder)
    with pytest.raises(AssetError if damage == "missing" else CheckpointError):
        organisms.load(folder, checkpoint=64)


def test_weights_that_float16_cannot_hold_are_refused(runs, tmp_path):
    run, _ = runs["first"]
    weights = load_file(run / "weights-64.safetensors")
    weights["actor.bias"] = weights["actor.bias"] + 1e6
    save_file(weights, tmp_path / "large.safetensors")
    with pytest.raises(CheckpointError, match="float16"):
        export_organism(
            "first", run, tmp_path / "x", "x", weights={7: tmp_path / "large.safetensors"}
        )


@pytest.mark.parametrize(
    "change", [{"checkpoints": {"early": "0" * 64}}, {"checkpoints": [64]}, {"training_steps": "9"}]
)
def test_cards_with_malformed_checkpoints_are_refused(runs, tmp_path, change):
    record = json.loads((runs["first"][1] / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(record | change))
    with pytest.raises(CheckpointError):
        organisms.load(tmp_path)


def test_snapshots_double_up_to_the_end():
    marks = snapshot_marks(1_000_000, 10)
    assert marks[-1] == 1_000_000 and len(marks) == 10
    assert np.allclose(np.diff(np.log2(marks)), 1, atol=1e-2)
