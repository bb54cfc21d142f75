"""Interventions as files."""

import json

import numpy as np
import pytest
import torch

import interp
from interp.errors import AssetError, InterventionError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.interventions.conditions import Condition
from interp.interventions.erasure import erasure_subspace
from interp.interventions.files import load_interventions, save_interventions
from interp.interventions.subspaces import Subspace

RNG = np.random.default_rng(0)
VALUE = RNG.normal(size=(3, 4, 2, 5)).astype(np.float32)
ERASED = erasure_subspace(RNG.normal(size=(50, 5)), np.arange(50) % 2, dim="channel")

ITEMS = [
    Intervention(Address("a"), "zero"),
    Intervention(Address("b", step=-1, tick=(0, 2), index={"y": 3, "x": slice(1, None)}), "add", 1),
    Intervention(
        Address("c", step=slice(-2, 6, 2), index={"y": (1, 2)}),
        "set",
        VALUE,
        ("example", "step", "tick"),
        labels={"step": (-2, 0, 2, 4)},
        examples=(4, 0, 9),
        missing="skip",
        present=RNG.random((3, 4, 2)) > 0.5,
        when=(
            Condition.until("world/on", each={"y": [1, 2, 3]}, kind="agent"),
            Condition("world/late", {"after": [1, {"a": None}]}, mode="unless"),
        ),
    ),
    Intervention(Address("d"), "project", subspace=ERASED),
    Intervention(Address("e"), "project", subspace=ERASED),
    Intervention(
        Address("f"), "rotate", VALUE[0], ("step",), subspace=Subspace.spanned(np.eye(5)[:2], "x")
    ),
    Intervention(Address("g"), "scale", torch.tensor(0.5, requires_grad=True)),
]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_save_load_save_gives_equal_records_and_the_same_bytes(tmp_path):
    folder = save_interventions(tmp_path / "plan", ITEMS)
    again = load_interventions(folder)
    assert again == ITEMS and [repr(a) for a in again] == [repr(b) for b in ITEMS]
    assert contents(save_interventions(tmp_path / "copy", again)) == contents(folder)
    assert len(contents(folder)) == 2
    assert interp.load_interventions(folder) == interp.load_interventions(str(folder))
    assert save_interventions(tmp_path / "one", ITEMS[0]) and load_interventions(tmp_path / "one")
    save_interventions(tmp_path / "none", [])
    assert load_interventions(tmp_path / "none") == []


def test_shared_tensors_are_written_once(tmp_path):
    def size(items):
        files = save_interventions(tmp_path / f"{len(items)}", items).glob("*.safetensors")
        return sum(path.stat().st_size for path in files)

    item = Intervention(Address("a"), "add", VALUE)
    assert size([item] * 4) == size([item])


def test_saving_again_replaces_the_list_and_leaves_no_old_tensors(tmp_path):
    folder = save_interventions(tmp_path / "plan", ITEMS)
    (folder / "notes.txt").write_text("mine")
    save_interventions(folder, ITEMS[1])
    assert load_interventions(folder) == [ITEMS[1]]
    assert len(contents(folder)) == 3 and (folder / "notes.txt").read_text() == "mine"


def test_a_save_that_is_stopped_leaves_the_old_list(tmp_path, monkeypatch):
    from interp.interventions import files as intervention_files

    folder = save_interventions(tmp_path / "plan", ITEMS)
    write = intervention_files.write_atomically

    def stopped(path, data):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        return write(path, data)

    monkeypatch.setattr(intervention_files, "write_atomically", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_interventions(folder, ITEMS[1])
    assert load_interventions(folder) == ITEMS


def test_a_file_in_the_way_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InterventionError, match="file"):
        save_interventions(tmp_path / "file", ITEMS)
    with pytest.raises(InterventionError, match="Not an Intervention"):
        save_interventions(tmp_path / "plan", ["zero"])
    assert not (tmp_path / "plan").exists()


def test_missing_files_are_named(tmp_path):
    with pytest.raises(AssetError, match="nowhere"):
        load_interventions(tmp_path / "nowhere")
    folder = save_interventions(tmp_path / "plan", ITEMS)
    tensors = next(folder.glob("*.safetensors"))
    tensors.unlink()
    with pytest.raises(AssetError, match=tensors.name):
        load_interventions(folder)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b + b"1"])
def test_damaged_tensors_are_named(tmp_path, damage):
    folder = save_interventions(tmp_path / "plan", ITEMS)
    tensors = next(folder.glob("*.safetensors"))
    tensors.write_bytes(damage(tensors.read_bytes()))
    with pytest.raises(InterventionError, match=tensors.name):
        load_interventions(folder)


def edited(folder, edit):
    path = folder / "interventions.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.update(version=99),
        lambda c: c.update(format="recipe"),
        lambda c: c.pop("tensors"),
        lambda c: c.update(tensors="../elsewhere.safetensors"),
        lambda c: c.update(interventions={}),
        lambda c: c["interventions"][0].pop("address"),
        lambda c: c["interventions"][0].update(operation="ad"),
        lambda c: c["interventions"][1]["tensors"].update(value="0000"),
        lambda c: c["interventions"][2]["labels"].update(step=[0]),
        lambda c: c["interventions"][2]["when"][0].update(mode="after"),
        lambda c: c["interventions"][1].update(address=[]),
    ],
)
def test_records_that_are_not_ours_raise_and_name_the_file(tmp_path, edit):
    folder = edited(save_interventions(tmp_path / "plan", ITEMS), edit)
    with pytest.raises(InterventionError, match=r"interventions\.json"):
        load_interventions(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_json_that_is_none_raises(tmp_path, text):
    folder = save_interventions(tmp_path / "plan", ITEMS)
    (folder / "interventions.json").write_text(text)
    with pytest.raises(InterventionError, match=r"interventions\.json"):
        load_interventions(folder)


def test_nan_in_a_file_raises_and_names_it(tmp_path):
    import hashlib

    from safetensors.torch import save

    folder = save_interventions(tmp_path / "plan", ITEMS[1])
    old = next(folder.glob("*.safetensors"))
    key = json.loads((folder / "interventions.json").read_text())["interventions"][0]["tensors"]
    data = save({key["value"]: torch.tensor(float("nan"))})
    name = f"tensors-{hashlib.sha256(data).hexdigest()}.safetensors"
    (folder / name).write_bytes(data)
    old.unlink()
    edited(folder, lambda c: c.update(tensors=name))
    with pytest.raises(InterventionError, match=f"(?s){name}.*not finite"):
        load_interventions(folder)


def test_loaded_interventions_do_the_same(tmp_path):
    item = Intervention(Address("s"), "set", VALUE[:, :, 0], ("example", "step"), missing="skip")
    [again] = load_interventions(save_interventions(tmp_path / "plan", item))
    tensor = torch.zeros(3, 5)
    where = {"step": 1, "examples": [2, 0, 1]}
    one, two = (i.apply(tensor, ("channel",), **where) for i in (item, again))
    assert torch.equal(one, two) and one.any()
