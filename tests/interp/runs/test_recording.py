"""Recording in closed loop and teacher-forced: what is kept, resuming, and refusals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from interp.attributes import attribute
from interp.errors import (
    InputError,
    StoreError,
    StoreLockedError,
    StoreMismatchError,
    UnfiredInterventionError,
    UnknownSiteError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.runs.episodes import run_episodes
from interp.runs.recording import record, record_replay
from interp.store.read import open_store
from interp.store.verify import verify

sys.path.insert(0, str(Path(__file__).parents[1]))
from toy_organism import ToyOrganism  # noqa: E402

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.zarr"


@pytest.fixture
def organism():
    return ToyOrganism()


def rec(organism, path, n=10, **kwargs):
    kwargs = {"sites": ["h", "encoder"], "batch_size": 4, "progress": False} | kwargs
    return record(organism, organism.tasks(n), path, **kwargs)


def files_of(path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(Path(path).rglob("*"))
        if file.is_file() and file.name != "zarr.json"
    }


@pytest.mark.parametrize("thinking_steps", [0, 2])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_store_is_the_run(organism, path, thinking_steps, temperature):
    how = {"thinking_steps": thinking_steps, "temperature": temperature, "seed": 3}
    assert rec(organism, path, dtype="float32", **how) == path
    run = run_episodes(organism, organism.tasks(10), sites=["h", "encoder"], batch_size=4, **how)
    ds = open_store(path).load()
    longest = run.sizes["step"]
    assert ds["length"].values.tolist() == run["length"].values.tolist()
    assert len(set(ds["length"].values)) > 1
    assert ds["step"].values[0] == -thinking_steps
    for name in run.data_vars:
        if run[name].dtype.kind in "OT":
            assert [str(a) for a in ds[name].values] == [str(b) for b in run[name].values]
        elif "step" in run[name].dims:
            np.testing.assert_array_equal(ds[name].values[:, :longest], run[name].values, name)
            assert ds[name].dims == run[name].dims and ds[name].dtype == run[name].dtype
        else:
            np.testing.assert_array_equal(ds[name].values, run[name].values)
    assert verify(path, progress=False).ok


def test_ticks_are_not_aliases_of_one_memory(organism, path):
    rec(organism, path)
    h = open_store(path)["h"].sel(step=0)
    assert not np.allclose(h.sel(tick=0), h.sel(tick=1))


def test_float16_is_the_cast_of_float32(organism, path, tmp_path):
    rec(organism, path, dtype="float16")
    rec(organism, tmp_path / "full.zarr", dtype="float32")
    half, full = open_store(path)["h"], open_store(tmp_path / "full.zarr")["h"]
    np.testing.assert_array_equal(half.values, full.values.astype(np.float16))


def test_only_what_is_named_is_recorded(organism, path, tmp_path):
    rec(organism, path, sites=())
    always = {"observation", "action", "reward", "logits", "value", "done"}
    ends = {"length", "solved", "level_id", "level"}
    assert set(open_store(path).data_vars) == always | ends
    rec(organism, tmp_path / "h.zarr", sites="h")
    assert set(open_store(tmp_path / "h.zarr").data_vars) == always | ends | {"h"}


def test_attributes_say_what_it_is(organism, path):
    rec(organism, path, seed=7, thinking_steps=1)
    attrs = open_store(path).attrs
    expected = {
        "mesascope_schema": 1,
        "complete": True,
        "organism": "toy-0",
        "family": "toy",
        "seed": 7,
        "thinking_steps": 1,
        "dtype": "float16",
        "batch_size": 4,
        "temperature": 0.0,
        "sites": {"encoder": ["channel"], "h": ["tick", "channel"]},
    }
    assert expected.items() <= {name: attribute(attrs, name) for name in attrs}.items()
    assert len(attrs["weights_sha256"]) == 64
    assert {"torch", "numpy", "zarr", "python", "mesascope"} <= set(attribute(attrs, "versions"))


def test_misspelt_sites_create_nothing(organism, path):
    with pytest.raises(UnknownSiteError, match="encoder"):
        rec(organism, path, sites=["encodr"])
    with pytest.raises(InputError):
        rec(organism, path, thinking_steps=-1)
    with pytest.raises(InputError):
        rec(organism, path, dtype="int8")
    with pytest.raises(InputError):
        rec(organism, path, batch_size=0)
    with pytest.raises(InputError):
        rec(organism, path, n=0)
    assert list(path.parent.iterdir()) == []


def test_resuming_after_an_error_gives_the_same_bytes(organism, path, tmp_path, monkeypatch):
    rec(organism, tmp_path / "whole.zarr")
    import interp.runs.recording as recording

    real, calls = recording.block_steps, []

    def failing(*args, **kwargs):
        calls.append(kwargs["first_episode"])
        for n, step in enumerate(real(*args, **kwargs)):
            if len(calls) == 2 and n == 3:
                raise RuntimeError("out of luck")
            yield step

    monkeypatch.setattr(recording, "block_steps", failing)
    with pytest.raises(RuntimeError):
        rec(organism, path)
    report = verify(path, progress=False)
    assert not report.ok and report.n_recorded == 4
    rec(organism, path)
    assert calls == [0, 4, 4, 8]
    assert files_of(path) == files_of(tmp_path / "whole.zarr")
    rec(organism, path)
    assert len(calls) == 4


KILLED = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[3]]
from toy_organism import ToyOrganism
from interp.runs.recording import record
print("ready", flush=True)
organism = ToyOrganism(delay=0.002)
record(organism, organism.tasks(60), sys.argv[1], ["h"], batch_size=4, progress=False)
"""


def test_killed_at_any_moment_gives_the_same_bytes(path, tmp_path):
    organism = ToyOrganism()
    record(
        organism, organism.tasks(60), tmp_path / "whole.zarr", ["h"], batch_size=4, progress=False
    )
    rng = np.random.default_rng(0)
    recorded = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(ROOT), str(Path(__file__).parents[1])],
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"ready\n"
        while process.poll() is None and not (path / "zarr.json").exists():
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        recorded.append(verify(path, progress=False).n_recorded if path.exists() else 0)
    assert recorded == sorted(recorded), "what was finished stays finished"
    record(organism, organism.tasks(60), path, ["h"], batch_size=4, progress=False)
    assert files_of(path) == files_of(tmp_path / "whole.zarr")
    xr.testing.assert_equal(open_store(path).load(), open_store(tmp_path / "whole.zarr").load())
    assert verify(path, progress=False).ok


def test_two_processes_on_one_store(path):
    organism = ToyOrganism()
    slow = KILLED.replace("0.002", "0.05")
    process = subprocess.Popen(
        [sys.executable, "-c", slow, str(path), str(ROOT), str(Path(__file__).parents[1])],
        stdout=subprocess.PIPE,
    )
    try:
        while process.poll() is None and not (path / "zarr.json").exists():
            time.sleep(0.01)
        with pytest.raises(StoreLockedError, match=f"process {process.pid} on"):
            record(organism, organism.tasks(60), path, ["h"], batch_size=4, progress=False)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    record(organism, organism.tasks(60), path, ["h"], batch_size=4, progress=False)
    assert verify(path, progress=False).ok


def test_another_recording_is_refused(organism, path):
    rec(organism, path)
    with pytest.raises(StoreMismatchError, match="weights_sha256"):
        rec(ToyOrganism(seed=1), path)
    with pytest.raises(StoreMismatchError, match=r"sites\.encoder"):
        rec(organism, path, sites=["h"])
    with pytest.raises(StoreMismatchError, match="thinking_steps: 0 in the store, 1 asked"):
        rec(organism, path, thinking_steps=1)
    with pytest.raises(StoreMismatchError, match="tasks_sha256"):
        record(
            organism, organism.tasks(11)[1:11], path, ["h", "encoder"], batch_size=4, progress=False
        )


def test_values_too_large_for_float16(path):
    organism = ToyOrganism(scale=1e6)
    with pytest.raises(InputError, match=r"'encoder' is .* at step 0 of episode .*float32"):
        rec(organism, path)
    assert not open_store(path, allow_incomplete=True).attrs["complete"]
    rec(organism, path.with_name("full.zarr"), dtype="float32")


def test_a_site_that_is_not_finite(organism, path):
    organism.network.encoder.register_forward_hook(lambda m, i, o: o / o.ne(o[0, 0]))
    with pytest.raises(InputError, match="encoder.*finite|finite"):
        rec(organism, path, dtype="float32")


def test_interventions_are_recorded_as_they_left_the_site(organism, path, tmp_path):
    zero = Intervention(Address("h", step=slice(1, None), tick=1), "set", 0.25)
    rec(organism, path, interventions=[zero])
    h = open_store(path)["h"]
    changed = h.sel(tick=1, step=slice(1, None)).values
    assert (changed[~np.isnan(changed)] == 0.25).all()
    rec(organism, tmp_path / "plain.zarr")
    plain = open_store(tmp_path / "plain.zarr")["h"]
    xr.testing.assert_equal(plain.sel(step=0).load(), h.sel(step=0).load())
    other = Intervention(Address("h", step=slice(1, None), tick=1), "set", 0.5)
    with pytest.raises(StoreMismatchError, match="interventions"):
        rec(organism, path, interventions=[other])
    rec(organism, path, interventions=[zero])


def test_unfired_interventions(organism, path, monkeypatch):
    never = Intervention(Address("h", step=1000), "zero")
    for _ in range(2):
        with pytest.raises(UnfiredInterventionError):
            rec(organism, path, interventions=[never])
    assert not open_store(path, allow_incomplete=True).attrs["complete"]
    assert not organism.network.h.fwd_hooks


def test_examples_that_were_never_reached(organism, path):
    beyond = Intervention(Address("h"), "zero", examples=(0, 1000))
    with pytest.raises(UnfiredInterventionError, match="1000"):
        rec(organism, path, interventions=[beyond])
    assert not open_store(path, allow_incomplete=True).attrs["complete"]


def test_an_intervention_that_fired_before_the_restart(organism, path, monkeypatch):
    import interp.runs.recording as recording

    # Only the first block runs long enough to reach the address.
    lengths = run_episodes(organism, organism.tasks(10), batch_size=4)["length"].values
    order = np.argsort(-lengths, kind="stable")
    tasks = type(organism.tasks(1))(tuple(int(i) for i in order))
    assert lengths[order[0]] > lengths[order[-1]]
    late = Intervention(Address("h", step=int(lengths[order[0]]) - 1), "scale", 1.0)
    kwargs = {"sites": ["h"], "interventions": [late], "batch_size": 1, "progress": False}
    real = recording.block_steps

    def failing(*args, **kw):
        if kw["first_episode"] == len(tasks) - 1:
            raise RuntimeError
        return real(*args, **kw)

    monkeypatch.setattr(recording, "block_steps", failing)
    with pytest.raises(RuntimeError):
        record(organism, tasks, path, **kwargs)
    monkeypatch.undo()
    record(organism, tasks, path, **kwargs)
    assert open_store(path).attrs["complete"]


def test_replaying_its_own_run_gives_it_again(organism, path, tmp_path):
    rec(organism, path, thinking_steps=2, dtype="float32")
    again = record_replay(
        organism, path, tmp_path / "again.zarr", ["h", "encoder"], "float32", progress=False
    )
    first, second = open_store(path).load(), open_store(again).load()
    # Same observations, same block, same arithmetic.
    xr.testing.assert_equal(
        first.drop_vars(["level", "level_id"]), second.drop_vars(["level", "level_id"])
    )
    assert list(map(str, first["level"].values)) == list(map(str, second["level"].values))
    assert second.attrs["kind"] == "replay" and second.attrs["thinking_steps"] == 2
    assert attribute(second.attrs, "replay_of")["organism"] == "toy-0"


def test_a_control_sees_what_the_organism_saw(organism, path, tmp_path, monkeypatch):
    import interp.runs.tape as tape

    monkeypatch.setattr(tape, "WINDOW_BYTES", 4 * 6 * 3)  # several windows
    rec(organism, path)
    control = ToyOrganism(seed=5)
    target = tmp_path / "control.zarr"
    record_replay(control, path, target, ["h"], progress=False)
    theirs, ours = open_store(path).load(), open_store(target).load()
    for name in ("observation", "action", "reward", "done", "length", "solved"):
        xr.testing.assert_equal(theirs[name], ours[name])
    assert not np.allclose(theirs["h"].sel(step=0), ours["h"].sel(step=0))
    e = int(np.argmax(ours["length"].values))
    n = int(ours["length"][e])
    from interp.runs.replay import replay

    observed = ours["observation"].values[e, :n][:, None]
    expected = replay(control.network, observed, sites=["h"])["h"].values[:, 0]
    np.testing.assert_array_equal(ours["h"].values[e, :n], expected.astype(np.float16))
    with pytest.raises(StoreMismatchError, match="weights_sha256"):
        record_replay(ToyOrganism(seed=6), path, target, ["h"], progress=False)


def test_recording_to_memory(organism):
    url = "memory://recordings/run.zarr"
    rec(organism, url)
    assert open_store(url).sizes["episode"] == 10
    import fsspec

    fsspec.filesystem("memory").rm("/recordings", recursive=True)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": None},
        {"seed": 1.5},
        {"thinking_steps": 1.5},
        {"temperature": float("nan")},
        {"temperature": None},
        {"batch_size": 1.5},
        {"dtype": "foo"},
        {"sites": 3},
    ],
)
def test_impossible_options_leave_nothing(organism, path, options):
    with pytest.raises(InputError):
        rec(organism, path, **options)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("place", [None, 3, "", ["run.zarr"]])
def test_a_place_is_a_path(organism, place):
    for call in (lambda: rec(organism, place), lambda: open_store(place)):
        with pytest.raises(InputError, match="path or URL"):
            call()


def test_places_that_cannot_be_written(organism, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "run.zarr", "nosuch://bucket/run.zarr"):
        with pytest.raises(StoreError, match="cannot be"):
            rec(organism, place)


def test_a_store_that_is_gone_does_not_read_as_padding(organism, path):
    run = open_store(rec(organism, path))
    shutil.rmtree(path)
    with pytest.raises(StoreError, match="gone"):
        run["h"].load()


@pytest.mark.parametrize("stranger", [None, "toy"])
def test_what_is_no_organism_is_refused(organism, stranger, path):
    with pytest.raises(InputError, match="no organism"):
        record(stranger, organism.tasks(2), path)
