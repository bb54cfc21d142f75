"""The zarr store with synthetic values: layout, reading, resuming, and all that can go wrong."""

from __future__ import annotations

import errno
import json
import math
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from interp.attributes import plain_attributes
from interp.errors import (
    InputError,
    StoreCorruptError,
    StoreError,
    StoreIncompleteError,
    StoreLockedError,
    StoreMismatchError,
    UnknownNameError,
)
from interp.runs.variables import Variable
from interp.store.create import create_store
from interp.store.layout import StoreSpec, default_block, layout_of, step_bytes
from interp.store.read import open_store
from interp.store.verify import verify

THINKING = 2


def make_spec(n=7, block=3, steps=9, dtype="float16", seed=0, **about) -> StoreSpec:
    return StoreSpec(
        level_ids=tuple(f"level-{i}" for i in range(n)),
        levels=tuple(f"###\n#{i} é#\n###" for i in range(n)),
        first_step=-THINKING,
        n_steps=steps + THINKING,
        block=block,
        variables={
            "observation": Variable.of(("y", "x"), (2, 3), "uint8"),
            "action": Variable.of((), (), "int16"),
            "done": Variable.of((), (), "bool"),
            "value": Variable.of((), (), "float32"),
            "core.h": Variable.of(("tick", "channel"), (2, 4), dtype),
        },
        identity={"organism": "toy", "seed": seed, "thinking_steps": THINKING},
        about=about,
    )


def lengths(n=7, steps=9) -> np.ndarray:
    return (np.arange(n) * 5 + 3) % steps + 1


def values_at(spec: StoreSpec, step: int, episodes: np.ndarray) -> dict[str, np.ndarray]:
    """Values that only depend on where they are, so a test can recompute any of them."""
    base = episodes * 100.0 + step
    return {
        "observation": np.full((len(episodes), 2, 3), 255, np.uint8),  # looks like padding
        "action": np.full(len(episodes), max(step, -1), np.int16),
        "done": step + 1 == lengths(spec.n_episodes)[episodes],
        "value": base.astype(np.float32),
        "core.h": (base[:, None, None] + np.arange(8).reshape(2, 4) / 8).astype(np.float32),
    }


def fill_block(writer, k: int) -> None:
    spec = writer.spec
    block = writer.block(k)
    length = lengths(spec.n_episodes)[block.episodes]
    episodes = np.arange(block.episodes.start, block.episodes.stop)
    for step in range(-THINKING, length.max()):
        rows = np.flatnonzero(step < length)
        block.put(step, rows, values_at(spec, step, episodes[rows]))
    block.finish(length, length < 5)


def fill(path, spec=None, **kwargs) -> None:
    with create_store(path, spec or make_spec(), **kwargs) as writer:
        for k in np.flatnonzero(~writer.done):
            fill_block(writer, k)
        writer.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.zarr"


@pytest.fixture
def small_files(monkeypatch):
    """Cut finely, so that a toy store has several files and several chunks in each."""
    import interp.store.layout as layout

    monkeypatch.setattr(layout, "CHUNK_BYTES", 32)
    monkeypatch.setattr(layout, "COMPRESS_BELOW", 5)
    monkeypatch.setattr(layout, "WHOLE_RUN_BYTES", 0)
    monkeypatch.setattr(layout, "BUFFER_BYTES", 3 * 4 * 30)


def files_of(path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "zarr.json"
    }


def check_values(ds: xr.Dataset, spec: StoreSpec) -> None:
    n, n_steps = spec.n_episodes, spec.n_steps
    assert ds["step"].values.tolist() == list(range(-THINKING, n_steps - THINKING))
    assert ds["length"].values.tolist() == lengths(n).tolist()
    loaded = ds.load()
    for e in range(n):
        for position, step in enumerate(range(-THINKING, n_steps - THINKING)):
            if step < lengths(n)[e]:
                expected = {k: v[0] for k, v in values_at(spec, step, np.array([e])).items()}
            else:
                expected = {k: v.fill for k, v in spec.variables.items()}
            for name, value in expected.items():
                got = loaded[name].values[e, position]
                np.testing.assert_array_equal(
                    got, np.broadcast_to(value, got.shape).astype(got.dtype)
                )


def test_what_was_written_is_read(path):
    fill(path)
    ds = open_store(path)
    check_values(ds, make_spec())
    assert ds["core.h"].dims == ("episode", "step", "tick", "channel")
    assert ds["core.h"].dtype == np.float16
    assert ds["tick"].values.tolist() == [0, 1]
    assert [str(s) for s in ds["level"].values] == list(make_spec().levels)
    assert ds["solved"].values.tolist() == (lengths() < 5).tolist()
    assert ds.attrs["mesascope_schema"] == 1 and ds.attrs["complete"] == 1
    assert ds.attrs["organism"] == "toy"


def test_fine_chunks_hold_the_same(path, small_files):
    fill(path)
    spec = make_spec()
    assert layout_of(spec.variables["core.h"], spec).sharded
    assert len([f for f in files_of(path) if f.startswith("core.h")]) > 3
    check_values(open_store(path), spec)
    assert verify(path, progress=False).ok


def test_xarray_opens_the_same_without_a_warning(path):
    fill(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, theirs = open_store(path), xr.open_zarr(path)
        theirs.attrs = plain_attributes(theirs.attrs)  # ours are such as netCDF can keep
        xr.testing.assert_identical(ours, theirs)
        xr.testing.assert_identical(ours.load(), theirs.load())


def test_opening_reads_no_values(path):
    fill(path)
    for file in path.rglob("c.*"):
        if file.parent.name not in ("step", "tick"):
            file.write_bytes(b"damaged")
    ds = open_store(path)
    with pytest.raises(StoreCorruptError):
        ds["value"].load()


@pytest.mark.parametrize(
    "index",
    [
        {"episode": 2},
        {"episode": slice(None, None, -1), "step": slice(1, 8, 3)},
        {"episode": [4, 0, 0], "tick": [1]},
        {"episode": xr.DataArray([1, 2], dims="p"), "step": xr.DataArray([3, 0], dims="p")},
        {"episode": np.arange(7) > 3},
    ],
)
def test_lazy_indexing_agrees_with_numpy(path, index, small_files):
    fill(path)
    lazy = open_store(path)["core.h"].isel(index)
    eager = open_store(path)["core.h"].load().isel(index)
    xr.testing.assert_identical(lazy.load(), eager)


def test_fsspec_urls(tmp_path):
    import fsspec

    url = "memory://stores/run.zarr"
    fill(url)
    check_values(open_store(url), make_spec())
    assert verify(url, progress=False).ok
    with pytest.raises(StoreError, match="exists"):
        create_store(url, make_spec(), resume=False)
    with pytest.raises(StoreError, match="no store"):
        open_store("memory://stores/other.zarr")
    fsspec.filesystem("memory").rm("/stores", recursive=True)
    local = f"file://{tmp_path}/with space.zarr"
    fill(local)
    assert (tmp_path / "with space.zarr").is_dir()
    assert open_store(local).sizes["episode"] == 7


def test_a_zipped_store_opens(path, tmp_path):
    fill(path)
    archive = shutil.make_archive(str(tmp_path / "run"), "zip", path)
    check_values(open_store(archive), make_spec())


def test_files_are_what_zarr_would_write(path, tmp_path, small_files, monkeypatch):
    """The store's own encoding of uncompressed variables against zarr's, byte for byte."""
    import interp.store.write as store_write

    fill(path)
    monkeypatch.setattr(store_write, "is_compressed", lambda variable: True)
    fill(tmp_path / "zarr.zarr")
    ours, theirs = files_of(path), files_of(tmp_path / "zarr.zarr")
    assert ours.keys() == theirs.keys()
    shards = [file for file in ours if file.startswith("core.h/")]
    assert len(shards) > 3 and len({len(ours[file]) for file in shards}) > 1
    for file in ours:
        assert len(ours[file]) == len(theirs[file])
        assert (ours[file] == theirs[file]) or file in shards  # the order within a shard is free
    xr.testing.assert_identical(open_store(path).load(), open_store(tmp_path / "zarr.zarr").load())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_one_chunk_files_without_compression(path, dtype, monkeypatch):
    import interp.store.layout as layout

    monkeypatch.setattr(layout, "COMPRESS_BELOW", 1)
    fill(path, make_spec(dtype=dtype))
    spec = make_spec(dtype=dtype)
    assert not layout_of(spec.variables["core.h"], spec).sharded
    check_values(open_store(path), spec)


def test_padding_is_not_written(path, small_files):
    fill(path)
    spec = make_spec()
    shard = layout_of(spec.variables["core.h"], spec).shard
    for file in files_of(path):
        if not file.startswith("core.h/c."):
            continue
        block, steps = (int(part) for part in file.split("/c.")[1].split(".")[:2])
        longest = lengths()[block * 3 : block * 3 + 3].max() + THINKING
        assert steps * shard[1] < longest


# --- resuming ------------------------------------------------------------------------------------


def test_resumed_is_byte_identical(path, tmp_path, small_files):
    fill(path)
    other = tmp_path / "other.zarr"
    with create_store(other, make_spec()) as writer:
        fill_block(writer, 1)
        half = writer.block(0)
        half.put(-2, np.arange(3), values_at(make_spec(), -2, np.arange(3)))
        for track in half._tracks.values():
            track.flush()
    (other / "core.h" / f"c.0.{'0' * 32}.partial").write_bytes(b"cut off")
    with pytest.raises(StoreIncompleteError):
        open_store(other)
    partly = open_store(other, allow_incomplete=True)
    assert partly["length"].values.tolist() == [-1] * 3 + lengths()[3:6].tolist() + [-1]
    with create_store(other, make_spec()) as writer:
        assert writer.done.tolist() == [False, True, False]
    fill(other)
    assert files_of(other) == files_of(path)
    assert open_store(other).attrs == open_store(path).attrs
    assert verify(other, progress=False).ok


KILLED = """
import sys, time
sys.path[:0] = [sys.argv[2], sys.argv[3]]
import test_store
test_store.fill_slowly(sys.argv[1])
"""


def fill_slowly(path) -> None:
    from zarr.storage import LocalStore

    real = LocalStore.set

    async def slow(self, key, value):
        time.sleep(0.004)
        await real(self, key, value)

    LocalStore.set = slow
    print("ready", flush=True)
    fill(path)


def test_killed_at_any_moment_gives_the_same_bytes(path, tmp_path):
    fill(tmp_path / "whole.zarr")
    here = Path(__file__)
    rng, recorded = np.random.default_rng(0), []
    for moment in (0.0, 0.05, *rng.uniform(0.1, 0.5, 4)):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(here.parents[3]), str(here.parent)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"ready\n"
        time.sleep(moment)
        process.kill()
        process.wait()
        process.stdout.close()
        try:
            recorded.append((open_store(path, allow_incomplete=True)["length"] >= 0).sum().item())
        except StoreError:
            recorded.append(0)
    assert recorded == sorted(recorded)
    fill(path)
    assert files_of(path) == files_of(tmp_path / "whole.zarr")
    assert verify(path, progress=False).ok


def test_a_complete_store_is_left_alone(path):
    fill(path)
    before = {f: f.stat().st_mtime_ns for f in path.rglob("*")}
    with create_store(path, make_spec()) as writer:
        assert writer.complete and writer.done.all()
        with pytest.raises(StoreError, match="complete"):
            writer.block(0)
        writer.close()
    assert before == {f: f.stat().st_mtime_ns for f in path.rglob("*")}


def test_killed_while_creating(path, monkeypatch):
    import interp.store.create as module

    calls = []

    def dying(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    real = module._add
    monkeypatch.setattr(module, "_add", dying)
    with pytest.raises(KeyboardInterrupt):
        create_store(path, make_spec())
    with pytest.raises(StoreIncompleteError):
        open_store(path, allow_incomplete=True)
    monkeypatch.setattr(module, "_add", real)
    fill(path, make_spec(n=5))
    assert open_store(path).sizes["episode"] == 5


def test_another_recording_is_refused(path):
    fill(path)
    before = files_of(path)
    with pytest.raises(StoreMismatchError, match="seed: 0 in the store, 1 asked"):
        create_store(path, make_spec(seed=1))
    with pytest.raises(StoreMismatchError, match="float32"):
        create_store(path, make_spec(dtype="float32"))
    with pytest.raises(StoreMismatchError, match="n_episodes: 7"):
        create_store(path, make_spec(n=6))
    with pytest.raises(StoreMismatchError, match="batch_size"):
        create_store(path, make_spec(block=4))
    with pytest.raises(StoreError, match="resume=False"):
        create_store(path, make_spec(), resume=False)
    create_store(path, make_spec(note="another call")).close()
    assert files_of(path) == before


def test_closing_early_does_not_look_complete(path):
    with create_store(path, make_spec()) as writer:
        fill_block(writer, 0)
        with pytest.raises(StoreError, match="2 of 3 blocks"):
            writer.close()
    assert json.loads((path / "zarr.json").read_text())["attributes"]["complete"] is False


def test_second_writer_is_refused(path):
    with create_store(path, make_spec()):
        with pytest.raises(StoreLockedError, match=r"process \d+ on "):
            create_store(path, make_spec())
        code = (
            "import sys; sys.path.insert(0, sys.argv[2])\n"
            "from interp.store.lock import StoreLock\n"
            "from pathlib import Path\n"
            "StoreLock('it', Path(sys.argv[1])).acquire()\n"
        )
        root = str(Path(__file__).parents[3])
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), root], capture_output=True, text=True
        )
        assert "StoreLockedError" in done.stderr
    fill(path)
    assert not path.with_name("run.zarr.lock").exists()


def test_a_stale_lock_file_means_nothing(path):
    path.with_name("run.zarr.lock").write_text('{"pid": 1, "host": "gone", "since": "1970"}')
    fill(path)
    assert verify(path, progress=False).ok


# --- damage --------------------------------------------------------------------------------------


def test_any_flipped_byte_is_noticed(path, small_files):
    fill(path, make_spec(n=4, block=2))
    rng = np.random.default_rng(0)
    ds = open_store(path)
    for file in sorted(f for f in path.rglob("c.*") if f.is_file()):
        good, name = file.read_bytes(), str(file.relative_to(path))
        for at in rng.choice(len(good), min(12, len(good)), replace=False):
            bad = bytearray(good)
            bad[at] ^= 1 << int(rng.integers(8))
            file.write_bytes(bytes(bad))
            if file.parent.name in ("step", "tick"):  # read on opening
                with pytest.raises(StoreCorruptError, match=name):
                    open_store(path)
            else:
                with pytest.raises(StoreCorruptError, match=name):
                    ds[file.parent.name].compute()
        found = verify(path, progress=False).damaged
        assert found and all(chunk.split(" ")[0] == name for chunk in found)
        file.write_bytes(good)
    assert verify(path, progress=False).ok


def test_damage_names_the_inner_chunk(path, small_files):
    fill(path)
    file = next(f for f in sorted((path / "core.h").iterdir()) if f.name.startswith("c."))
    bad = bytearray(file.read_bytes())
    bad[0] ^= 1
    file.write_bytes(bytes(bad))
    report = verify(path, progress=False)
    assert report.damaged == [f"core.h/{file.name} (chunk 0,0,0,0)"]
    assert "NOT SOUND" in str(report)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_truncated_files_are_noticed(path, cut):
    fill(path)
    for file in [f for f in path.rglob("c.*") if f.is_file()]:
        good = file.read_bytes()
        file.write_bytes(good[:cut] if cut < len(good) else good[:-1])
        assert verify(path, progress=False).damaged == [str(file.relative_to(path))]
        file.write_bytes(good)


def test_every_deleted_file_is_missed(path, small_files):
    fill(path)
    for file in [f for f in path.rglob("*") if f.is_file() and f != path / "zarr.json"]:
        kept = file.read_bytes()
        file.unlink()
        report = verify(path, progress=False)
        assert not report.ok and report.missing == [str(file.relative_to(path))]
        file.write_bytes(kept)


def test_damaged_metadata(path):
    fill(path)
    root, own = path / "zarr.json", path / "core.h" / "zarr.json"
    good = root.read_bytes()
    for bad in (b"", good[: len(good) // 2], b"[]", b"{}", b"\xff\xfe"):
        root.write_bytes(bad)
        with pytest.raises(StoreCorruptError, match="zarr.json"):
            open_store(path)
    root.write_bytes(good)
    own.write_bytes(own.read_bytes()[:-5])
    assert verify(path, progress=False).damaged == ["core.h/zarr.json"]


# --- what is not a store -------------------------------------------------------------------------


def test_what_is_not_a_store(path, tmp_path):
    import zarr

    fill(path)
    with pytest.raises(StoreError, match="Nearest.*run.zarr"):
        open_store(tmp_path / "runs.zarr")
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "nowhere" / "run.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="not a zarr group"):
        open_store(tmp_path / "empty")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(StoreError, match="no zip"):
        open_store(tmp_path / "file")
    with pytest.raises(StoreError, match="is a file"):
        create_store(tmp_path / "file", make_spec())
    zarr.create_group(tmp_path / "foreign.zarr")
    for use in (open_store, lambda p: create_store(p, make_spec())):
        with pytest.raises(StoreError, match="not a mesascope store"):
            use(tmp_path / "foreign.zarr")
    zarr.create_group(tmp_path / "newer.zarr", attributes={"mesascope_schema": 99})
    with pytest.raises(StoreError, match="schema 99"):
        open_store(tmp_path / "newer.zarr")
    zarr.create_array(tmp_path / "array.zarr", shape=(1,), dtype="int8")
    with pytest.raises(StoreError, match="zarr array"):
        open_store(tmp_path / "array.zarr")
    zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    with pytest.raises(StoreError, match="version 2"):
        open_store(tmp_path / "old.zarr")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="not a zarr group"):
        create_store(tmp_path / "mine", make_spec())
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"


# --- values that must not be written -------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "dtype", "says"),
    [
        (np.nan, "float16", "not finite"),
        (-np.inf, "float32", "not finite"),
        (65520.0, "float16", "float32"),
        (-1e9, "float16", "float32"),
    ],
)
def test_values_that_do_not_fit(path, bad, dtype, says):
    spec = make_spec(dtype=dtype)
    with create_store(path, spec) as writer:
        block = writer.block(1)
        values = values_at(spec, -2, np.array([3, 5]))
        values["core.h"][1, 1, 2] = bad
        with pytest.raises(InputError, match=rf"'core\.h'.*{says}|{says}") as caught:
            block.put(-2, [0, 2], values)
        assert "core.h" in str(caught.value) and "step -2 of episode 5" in str(caught.value)
    assert not json.loads((path / "zarr.json").read_text())["attributes"]["complete"]


def test_the_largest_float16_fits(path):
    with create_store(path, make_spec()) as writer:
        block = writer.block(0)
        values = values_at(make_spec(), -2, np.arange(3))
        values["core.h"][:] = 65519.0
        block.put(-2, [0, 1, 2], values)
        assert (block._tracks["core.h"].buffer[:, 0] == 65504).all()


def test_both_ways_to_float16_give_the_same_bits():
    pytest.importorskip("torch")
    from interp.store.write import _cast

    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    near = (rng.normal(size=200_000) * 10.0 ** rng.uniform(-9, 4, 200_000)).astype(np.float32)
    values = np.concatenate([bits[np.abs(bits) < 65519], near[np.abs(near) < 65519]])
    expected = values.astype(np.float16)
    np.testing.assert_array_equal(
        _cast(values, np.dtype(np.float16)).view(np.uint16), expected.view(np.uint16)
    )


def test_missing_and_doubled_steps(path):
    spec = make_spec()
    with create_store(path, spec) as writer:
        block = writer.block(0)
        block.put(-2, [0, 1, 2], values_at(spec, -2, np.arange(3)))
        with pytest.raises(InputError, match="twice"):
            block.put(-2, [1], values_at(spec, -2, np.array([1])))
        with pytest.raises(InputError, match="is missing"):
            block.finish(np.array([1, 1, 1]), np.zeros(3, bool))
        with pytest.raises(InputError, match="must be"):
            block.put(-1, [0], {"core.h": np.zeros((1, 4, 2))})
        with pytest.raises(UnknownNameError, match=r"core\.h"):
            block.put(-1, [0], {"core.hh": np.zeros((1, 2, 4))})
        with pytest.raises(InputError, match="beyond"):
            block.put(9, [0], values_at(spec, 9, np.array([0])))
    assert not open_store(path, allow_incomplete=True)["length"].values.max() >= 0


def test_names_and_sizes_that_cannot_be(path):
    base = make_spec()

    def with_variable(name, variable):
        return StoreSpec(base.level_ids, base.levels, 0, 4, 2, {**base.variables, name: variable})

    number = Variable.of((), (), "float32")
    for spec in (
        with_variable("a/b", number),
        with_variable("length", number),
        with_variable("x", number),
        with_variable("other", Variable.of(("channel",), (5,), "float32")),
        StoreSpec((), (), 0, 4, 2, base.variables),
        StoreSpec(("a", "a"), ("", ""), 0, 4, 2, base.variables),
    ):
        with pytest.raises(InputError):
            create_store(path, spec)
    assert not path.exists() and not path.with_name("run.zarr.lock").exists()


def test_attributes_must_be_json(path):
    for bad in (float("nan"), object()):
        with pytest.raises(InputError, match="JSON"):
            create_store(path, make_spec(note=bad))
    fill(path)


def test_disk_full(path, monkeypatch, small_files):
    from zarr.storage import LocalStore

    real, budget = LocalStore.set, [5]

    async def small_disk(self, key, value):
        if "/c." in key:
            budget[0] -= 1
            if budget[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        await real(self, key, value)

    with create_store(path, make_spec()) as writer:
        monkeypatch.setattr(LocalStore, "set", small_disk)
        with pytest.raises(StoreError, match="disk is full.*incomplete"):
            fill_block(writer, 0)
    with pytest.raises(StoreIncompleteError):
        open_store(path)
    monkeypatch.undo()


def test_a_read_only_folder(path, monkeypatch):
    from zarr.storage import LocalStore

    async def refused(self, key, value):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(LocalStore, "set", refused)
    with pytest.raises(StoreError, match="Permission denied"):
        create_store(path, make_spec())


# --- sizes ---------------------------------------------------------------------------------------


def test_chunks_are_about_a_mebibyte():
    for shape, block, steps in [
        ((3, 32, 10, 10), 64, 122),
        ((64,), 128, 500),
        ((4, 84, 84, 64), 8, 1000),
        ((3, 32, 10, 10), 50, 7),
        ((), 1, 1),
    ]:
        site = Variable.of(tuple(f"d{i}" for i in range(len(shape))), shape, "float16")
        ids = tuple(map(str, range(1000)))
        spec = StoreSpec(ids, ids, 0, steps, block, {"a": site, "b": site})
        layout = layout_of(site, spec)
        assert layout.shard[0] == block and block % layout.chunk[0] == 0
        assert layout.shard[1] % layout.chunk[1] == 0
        one = step_bytes(site)
        size = math.prod(layout.chunk) * one
        assert size <= max(4 / 3 * 2**20, one)
        assert size >= 2**18 or layout.chunk == layout.shard or one > 2**18
        assert block * layout.shard[1] * one * 2 <= max(64 * 2**20, 2 * block * one, 2**21)


def test_default_block_depends_on_bytes_alone():
    assert default_block(115_200, 10_000, 128) == 64
    assert default_block(115_200, 5, 128) == 5
    assert default_block(10, 10_000, 128) == 128
    assert default_block(10**9, 10_000, 128) == 1


def test_opening_needs_no_torch(path):
    fill(path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from interp.store import open_store\n"
        "from interp.store.verify import verify\n"
        "open_store(sys.argv[1]).load(); assert verify(sys.argv[1], progress=False).ok\n"
        "assert not {'torch', 'transformer_lens', 'organisms', 'pickle5'} & set(sys.modules)\n"
    )
    root = str(Path(__file__).parents[3])
    subprocess.run([sys.executable, "-c", code, str(path), root], check=True)
