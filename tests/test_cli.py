"""The command line: what it prints, what it exits with, and that it stays out of the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import interp
import organisms
from analyses.cli import main
from analyses.commands.base import in_bytes, table
from tests.organisms.tiny import save_tiny

ROOT = Path(__file__).parents[1]
LEVELS = """; 0
########
#@ $ . #
#      #
#      #
########

; 1
########
#@     #
# $  . #
#      #
########
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A tiny organism with random weights, saved: the command line takes folders as names."""
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def levels(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("levels") / "two.txt"
    path.write_text(LEVELS)
    return str(path)


@pytest.fixture(scope="module")
def store(folder, levels, tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp("store") / "run.zarr")
    options = ["--split", levels, "--sites", "layers.0.h", "--thinking-steps", "1"]
    assert main(["record", folder, path, *options, "--no-progress"]) == 0
    return path


def test_record_says_where_and_resumes(folder, levels, store, capsys):
    options = ["--split", levels, "--sites", "layers.0.h", "--thinking-steps", "1"]
    assert main(["record", folder, store, *options, "--no-progress"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{store}\n" and err == ""


def test_open_counts_what_is_there(store, capsys):
    from interp import open_store

    run = open_store(store)
    assert main(["open", store, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["organism"] == "tiny" and summary["complete"] is True
    assert summary["dims"]["episode"] == 2 and summary["dims"]["step"] == 7
    assert summary["steps_recorded"] == int(run.length.sum()) + 2  # one thinking step each
    assert summary["solved_share"] == float(run.solved.mean())
    variables = {v["name"]: v for v in summary["variables"]}
    assert variables["layers.0.h"]["dims"] == ["episode", "step", "tick", "channel", "y", "x"]
    assert variables["layers.0.h"]["bytes"] == 2 * 7 * 2 * 4 * 5 * 8 * 2  # float16
    assert main(["open", store]) == 0
    text = capsys.readouterr().out
    assert "layers.0.h" in text and summary["weights_sha256"] in text and "NO" not in text


def test_open_shows_an_incomplete_store(folder, levels, tmp_path, monkeypatch, capsys):
    import interp.runs.recording

    path = str(tmp_path / "half.zarr")
    record_block, n = interp.runs.recording._record_block, iter(range(2))

    def interrupted(*args, **kwargs):
        if next(n):
            raise KeyboardInterrupt
        record_block(*args, **kwargs)

    monkeypatch.setattr(interp.runs.recording, "_record_block", interrupted)
    arguments = ["record", folder, path, "--split", levels, "--batch-size", "1", "--no-progress"]
    assert main(arguments) == 130
    assert "interrupted" in capsys.readouterr().err
    assert main(["open", path, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["complete"] is False and summary["episodes_recorded"] == 1
    assert main(["verify", path, "--no-progress"]) == 1
    assert "incomplete" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(arguments) == 0 and main(["verify", path, "--no-progress"]) == 0


def test_verify_names_the_damaged_chunk(folder, levels, store, tmp_path, capsys):
    import shutil

    assert main(["verify", store, "--no-progress"]) == 0
    assert "NOT SOUND" not in capsys.readouterr().out
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    victim = next(p for p in sorted((copy / "layers.0.h").rglob("*")) if p.name != "zarr.json")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    assert main(["verify", str(copy), "--no-progress", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False and report["complete"] is True
    assert any(str(victim.relative_to(copy)) in chunk for chunk in report["damaged"])


def test_verify_of_damaged_metadata_is_a_finding(store, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    (copy / "zarr.json").write_text("{")
    assert main(["verify", str(copy), "--no-progress"]) == 1
    assert "zarr.json" in capsys.readouterr().out
    assert main(["verify", str(copy), "--no-progress", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["damaged"] == ["zarr.json"]


def test_show_lists_sites_with_dims(folder, capsys):
    assert main(["organisms", "show", folder, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "tiny"
    assert shown["sites"]["layers.0.h"] == ["tick", "channel", "y", "x"]
    assert main(["organisms", "show", folder]) == 0
    text = capsys.readouterr().out
    assert "Random weights" in text and "tick, channel, y, x" in text


def test_list_has_every_name(capsys):
    import organisms

    assert main(["organisms", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed] == organisms.names()
    assert {row["name"] for row in listed if row["shipped"]} == set(organisms.shipped())
    assert main(["organisms"]) == 0
    text = capsys.readouterr().out
    for name in organisms.names():
        population, _, agent = name.partition("/")
        assert name in text or (f"{population}/AGENT" in text and agent in text)


def test_evaluate_is_the_rate_of_the_run(folder, levels, capsys):
    import organisms

    arguments = ["evaluate", folder, "--split", levels, "--n", "2", "--thinking", "0", "2"]
    assert main([*arguments, "--untrained", "--no-progress", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(r["source"], r["thinking_steps"]) for r in found["results"]] == [
        ("trained", 0),
        ("trained", 2),
        ("untrained", 0),
        ("untrained", 2),
    ]
    organism = organisms.load(folder)
    run = organism.run(organism.tasks(levels, 2), thinking_steps=2)
    row = found["results"][1]
    assert row["n"] == 2 and row["solve_rate"]["value"] == float(run.solved.mean())
    assert row["solve_rate"]["low"] <= row["solve_rate"]["value"] <= row["solve_rate"]["high"]
    assert main([*arguments, "--no-progress"]) == 0
    text = capsys.readouterr().out
    assert "n = 2" in text and "95 % interval" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["open", "no-such.zarr"], "no store"),
        (["verify", "no-such.zarr"], "no store"),
        (["organisms", "show", "no-such-organism"], "no organism named 'no-such-organism'"),
        (["organisms", "show"], "show NAME"),
        (["organisms", "list", "far"], "organisms show far"),
        (["train", "no-such-recipe", "--out", "nowhere"], "no recipe named 'no-such-recipe'"),
        (["record"], "NAME"),
        (["opne", "x"], "opne"),
        (["record", "a", "b", "--dtype", "int8"], "int8"),
    ],
)
def test_wrong_usage_exits_with_2_and_no_traceback(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and out == ""


def test_train_and_study_hand_their_options_on(folder, tmp_path, monkeypatch, capsys):
    # By path: the package's attribute of the same name is the function.
    study = import_module("analyses.study.study")
    training = import_module("organisms.training.run")
    calls = []

    def called(*args, **kwargs):
        calls.append((args, kwargs))
        return tmp_path / "made"

    monkeypatch.setattr(training, "train_recipe", called)
    monkeypatch.setattr(study, "study", called)
    out = str(tmp_path)
    assert main(["train", "a", "--out", out, "--no-resume", "--no-progress"]) == 0
    assert calls.pop() == (("a", tmp_path), {"resume": False, "progress": False})
    said = {
        "a": {"found": True, "answer": "found", "text": "A plan."},
        "b": {"found": None, "answer": "cannot be asked", "text": "No ticks."},
    }
    (tmp_path / "study.json").write_text(json.dumps({"verdicts": said}))
    assert main(["study", folder, "--out", out, "--n", "20", "--seed", "3", "--no-progress"]) == 0
    (organism, where), options = calls.pop()
    assert organism.name == "tiny" and where == tmp_path
    assert options == {
        "split": "test",
        "n_levels": 20,
        "seed": 3,
        "concepts": None,
        "progress": False,
    }
    made = f"{tmp_path / 'made'}\n"
    assert capsys.readouterr().out == (f"{made}found: A plan.\ncannot be asked: No ticks.\n{made}")


def test_misspelt_site_names_the_nearest_and_leaves_nothing(folder, levels, tmp_path, capsys):
    path = tmp_path / "run.zarr"
    arguments = ["record", folder, str(path), "--split", levels, "--sites", "layer.0.h"]
    assert main([*arguments, "--no-progress"]) == 2
    assert "layers.0.h" in capsys.readouterr().err
    assert not path.exists()


def test_debug_shows_where_an_error_came_from():
    from interp.errors import StoreError

    with pytest.raises(StoreError):
        main(["open", "no-such.zarr", "--debug"])


def test_errors_not_meant_for_users_keep_their_traceback(monkeypatch, store, capsys):
    import analyses.commands.stores

    def broken(path):
        raise RuntimeError("a bug")

    monkeypatch.setattr(analyses.commands.stores, "summarise", broken)
    assert main(["open", store]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["--version"], []])
def test_help_needs_no_torch(arguments):
    code = f"""
import sys
from analyses.cli import main
assert main({arguments!r}) == 0
loaded = {{"torch", "transformer_lens", "xarray", "numba", "sklearn"}} & set(sys.modules)
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mesascope" in done.stdout


def test_open_needs_no_torch(store):
    code = f"""
import sys
from analyses.cli import main
assert main(["open", {store!r}]) == 0
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", ["open STORE", "record --help", "--help", "--version"])
@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_a_reader_that_stops_early_is_no_error(store, arguments, reader):
    called = f"{sys.executable} -m analyses.cli {arguments.replace('STORE', store)}"
    command = f"{called} | {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_table_and_sizes():
    assert table(["a", "bb"], [["xyz", 1]], right=[1]) == "a    bb\nxyz   1"
    assert [in_bytes(n) for n in (0, 999, 1000, 2.5e9, 3e15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.5 GB",
        "3000.0 TB",
    ]


def test_evaluate_writes_the_card_once(folder, levels, capsys):
    arguments = ["evaluate", folder, "--split", levels, "--n", "2", "--card", "--no-progress"]
    for _ in range(2):
        assert main(arguments) == 0
    [result] = organisms.load(folder).card.results
    assert result.quantity == "solve rate" and result.n == 2
    assert result.command.startswith(f"mesascope evaluate {folder}")
    assert result.low <= result.value <= result.high


def test_the_card_has_gains_and_what_was_published(folder, levels, capsys, monkeypatch):
    from analyses.papers import solve_rates

    monkeypatch.setitem(solve_rates.SETS, levels, "hard")
    arguments = ["evaluate", folder, "--split", levels, "--n", "2", "--thinking", "0", "4"]
    assert main([*arguments, "--card", "--no-progress"]) == 0
    results = organisms.load(folder).card.results
    gains = [result for result in results if result.quantity.startswith("gain")]
    assert len(gains) == 1 and "4 thinking steps" in gains[0].condition
    published = {r.condition: r.value for r in results if "published" in r.quantity}
    assert published == {
        f"{levels}, {steps} thinking steps, greedy": rate
        for steps, rate in ((0, 0.4018), (4, 0.4633))  # Taufeeque et al. 2024, mean of five seeds
    }


def test_one_level_says_little_and_json_says_how_little(folder, levels, capsys):
    arguments = ["evaluate", folder, "--split", levels, "--n", "1", "--json", "--no-progress"]
    assert main(arguments) == 0
    [row] = json.loads(capsys.readouterr().out)["results"]
    rate = row["solve_rate"]
    assert rate["value"] in (0.0, 1.0)
    # Clopper and Pearson's interval of one success of one, or none of one: 2.5 % or 97.5 % is its end.
    assert sorted([rate["low"], rate["high"]]) in ([0, 0.975], [pytest.approx(0.025), 1])


def test_a_card_that_is_not_there_is_missed_before_the_run(levels, monkeypatch, capsys):
    monkeypatch.setattr(organisms, "load", lambda name, device: None)
    assert main(["evaluate", "far-drc33-bkynosqi", "--split", levels, "--card"]) == 2
    assert "no card" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "koi8-r", "shift_jis"])
def test_what_a_terminal_lacks_is_spelt(encoding):
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "analyses.cli"]
    for arguments in (["record", "--help"], ["organisms", "show", "no-sùch-λ"]):
        done = subprocess.run([*command, *arguments], env=environment, capture_output=True)
        assert done.returncode == (0 if "--help" in arguments else 2), done.stderr
    assert "There is no organism named" in done.stderr.decode(encoding)
    if encoding == "ascii":
        assert "no-such-lambda" in done.stderr.decode("ascii")


def test_a_generator_is_asked_for_enough(folder, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("analyses.commands.runs.ENOUGH", 3)
    assert main(["evaluate", folder, "--no-progress"]) == 0
    out, err = capsys.readouterr()
    assert "n = 3" in out and "--n says how many" in err
    assert main(["record", folder, str(tmp_path / "run.zarr"), "--no-progress"]) == 0
    assert interp.open_store(tmp_path / "run.zarr").sizes["episode"] == 3
