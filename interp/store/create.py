"""Create a store, or reopen the unfinished one of the same recording. Nothing is ever deleted."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, StoreError, StoreMismatchError
from interp.runs.variables import padding
from interp.store.layout import (
    SCHEMA,
    Layout,
    StoreSpec,
    is_compressed,
    layout_of,
)
from interp.store.location import Location, StorePath, check_schema, open_group, reporting
from interp.store.lock import StoreLock
from interp.store.write import StoreWriter, jsonable

if TYPE_CHECKING:
    import zarr

STRINGS_PER_CHUNK = 4096
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.partial$")


def create_store(
    path: StorePath,
    spec: StoreSpec,
    resume: bool = True,
    storage_options: dict[str, Any] | None = None,
) -> StoreWriter:
    """Create a store, or reopen the unfinished one that the same recording left.

    Parameters
    ----------
    path
        A folder, or any fsspec URL.
    spec
        What will be recorded.
    resume
        Continue a store that is there. If False, anything there is an error: nothing that was
        recorded is ever deleted.
    storage_options
        Passed to fsspec for URLs.

    Returns
    -------
    StoreWriter
        Holding the store's lock; close it, or use it in a ``with`` statement.

    Raises
    ------
    InputError
        If names cannot be variables, or the same dim has two sizes.
    StoreLockedError
        If another process is writing to it.
    StoreMismatchError
        If the store there is of another recording; names the differences.
    StoreError
        If something else is there, or it cannot be written.
    """
    _check_spec(spec)
    location = Location.of(path)
    lock = StoreLock(location.name, location.local)
    lock.acquire()
    try:
        with reporting(location, "creating the store"):
            group = _existing(location, spec, resume, storage_options)
            if group is None:
                group = _create(location, spec, storage_options)
        return StoreWriter(location, spec, group, lock)
    except BaseException:
        lock.release()
        raise


def _existing(
    location: Location, spec: StoreSpec, resume: bool, options: dict[str, Any] | None
) -> zarr.Group | None:
    """Return the group of a store that this recording may continue, None if there is nothing."""
    import zarr

    folder = location.local
    if folder is not None:
        if folder.is_file():
            raise StoreError(f"{location.name} is a file; a store is a folder.")
        if not folder.exists():
            return None
        # What a killed writer was in the middle of; nobody else writes, since we hold the lock.
        for leftover in folder.rglob("*.partial"):
            if _LEFTOVER.search(leftover.name):
                leftover.unlink()
        if not any(entry.is_file() for entry in folder.rglob("*")):
            return None
    elif not _anything(location, options):
        return None
    attrs = dict(open_group(location, options).attrs)
    if attrs.get("creating"):
        return None  # killed before anything was recorded
    if not resume:
        raise StoreError(
            f"{location.name} exists and resume=False. Nothing was changed: delete it yourself, "
            "or record to another path."
        )
    check_schema(attrs, location.name)
    _check_identity(location, attrs, spec)
    return zarr.open_group(location.zarr_store(read_only=False, options=options), mode="r+")


def _anything(location: Location, options: dict[str, Any] | None) -> bool:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(location.name, **(options or {}))
    except (ValueError, ImportError) as error:  # no such protocol, or its package is missing
        raise StoreError(f"{location.name} cannot be reached: {error}") from error
    return fs.exists(f"{path}/zarr.json")


def _check_identity(location: Location, attrs: dict[str, Any], spec: StoreSpec) -> None:
    wanted = _identity(spec)
    known = attrs.get("identity", list(wanted))
    differences = [
        line
        for key in dict.fromkeys([*known, *wanted])
        for line in _differences(key, attrs.get(key), wanted.get(key))
    ]
    if differences:
        raise StoreMismatchError(
            f"{location.name} was made by another recording; nothing was changed. "
            "Differences: " + "; ".join(differences) + ". Record to another path."
        )


def _differences(key: str, there: Any, wanted: Any) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(wanted, dict):
        for part in dict.fromkeys([*there, *wanted]):
            yield from _differences(f"{key}.{part}", there.get(part), wanted.get(part))
    elif there != wanted:
        yield f"{key}: {_short(there)} in the store, {_short(wanted)} asked for"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"


def _identity(spec: StoreSpec) -> dict[str, Any]:
    tasks = hashlib.sha256()
    for part in (*spec.level_ids, *spec.levels):
        tasks.update(part.encode() + b"\0")
    return jsonable(
        {
            **spec.identity,
            "n_episodes": spec.n_episodes,
            "tasks_sha256": tasks.hexdigest(),
            "thinking_steps": -spec.first_step,
            "n_steps": spec.n_steps,
            "batch_size": spec.block,
            "variables": {
                name: f"{np.dtype(v.dtype).name} ({', '.join(v.dims)}) {list(v.shape)}"
                for name, v in spec.variables.items()
            },
        }
    )


def _check_spec(spec: StoreSpec) -> None:
    if not spec.n_episodes or spec.n_steps < 1 or spec.block < 1 or spec.first_step > 0:
        raise InputError(
            f"A store needs episodes, steps and a block size, got {spec.n_episodes} episodes, "
            f"{spec.n_steps} steps from {spec.first_step}, blocks of {spec.block}."
        )
    if len(spec.levels) != spec.n_episodes or len(set(spec.level_ids)) != spec.n_episodes:
        raise InputError("Every episode needs a level, and a level id of its own.")
    sizes: dict[str, tuple[int, str]] = {}
    reserved = {"step", "tick", "length", "solved", "outcome", "level_id", "level"}
    for name, variable in spec.variables.items():
        if not name or "/" in name or name.startswith(("__", ".")) or name in reserved:
            raise InputError(f"{name!r} cannot be the name of a variable in a store.")
        if (
            tuple(variable.dims[:2]) != ("episode", "step")
            or len(set(variable.dims)) != len(variable.shape) + 2
        ):
            raise InputError(
                f"{name!r} has dims {variable.dims} for (episode, step, {variable.shape})."
            )
        for dim, size in zip(variable.dims[2:], variable.shape, strict=True):
            known, first = sizes.setdefault(dim, (size, name))
            if known != size or dim in spec.variables:
                raise InputError(
                    f"The dim {dim!r} of {name!r} is also {known} long in {first!r}, or the name "
                    "of a variable; in a store a dim has one size and a name of its own."
                )


def _create(location: Location, spec: StoreSpec, options: dict[str, Any] | None) -> zarr.Group:
    """Write all metadata, names and coordinates; only the last write makes it a store."""
    import zarr

    store = location.zarr_store(read_only=False, options=options)
    identity = _identity(spec)
    attrs = {"mesascope_schema": SCHEMA, **jsonable(spec.about), **identity}
    attrs |= {"episode_variables": list(spec.episode_variables)}
    attrs |= {"identity": list(identity), "complete": False}
    # overwrite=True only ever meets what a creation that was killed left.
    group = zarr.create_group(
        store, overwrite=True, attributes={"mesascope_schema": SCHEMA, "creating": True}
    )
    n = spec.n_episodes
    for name, variable in spec.variables.items():
        _add(
            group,
            name,
            variable.dims,
            (n, spec.n_steps, *variable.shape),
            variable.dtype,
            layout=layout_of(variable, spec),
            compress=is_compressed(variable),
        )
    for name, dtype in {"length": "int32", **spec.episode_variables}.items():
        _add(group, name, ("episode",), (n,), dtype, chunk=spec.block)
    members: Any = group
    for name, attributes in spec.attrs_of.items():
        if name in members:
            members[name].attrs.put(jsonable(attributes))
    for name, variable in spec.variables.items():
        if variable.may_be_nan:
            members[name].attrs.put({"may_be_nan": True})
    coords = {"step": spec.first_step + np.arange(spec.n_steps)}
    sizes = {
        d: s for v in spec.variables.values() for d, s in zip(v.dims[2:], v.shape, strict=True)
    }
    if "tick" in sizes:
        coords["tick"] = np.arange(sizes["tick"])
    for name, values in coords.items():
        _add(group, name, (name,), values.shape, "int64", chunk=len(values))
        members[name][:] = values
    for name, texts in {"level_id": spec.level_ids, "level": spec.levels}.items():
        _add(group, name, ("episode",), (n,), str, chunk=min(n, STRINGS_PER_CHUNK))
        members[name][:] = np.array(texts, dtype=np.dtypes.StringDType())
    with warnings.catch_warnings():
        # zarr warns that consolidated metadata is young in v3; without it xarray.open_zarr warns.
        warnings.simplefilter("ignore")
        group = zarr.consolidate_metadata(store)
    group.attrs.put(attrs)
    return zarr.open_group(store, mode="r+")


def _add(
    group: zarr.Group,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: Any,
    layout: Layout | None = None,
    chunk: int = 0,
    compress: bool = True,
) -> None:
    from zarr.codecs import Crc32cCodec, ZstdCodec

    text = dtype is str
    kwargs: dict[str, Any] = {}
    if layout is None:
        chunks: tuple[int, ...] = (chunk,)
    else:
        chunks = (*layout.chunk, *shape[2:])
        if layout.sharded:
            kwargs["shards"] = (*layout.shard, *shape[2:])
    group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        # The checksum is of the bytes on disk, so it comes last.
        compressors=[*([ZstdCodec(level=1)] if compress else []), Crc32cCodec()],
        fill_value="" if text else padding(dtype),
        dimension_names=dims,
        chunk_key_encoding={"name": "default", "separator": "."},
        overwrite=True,
        **kwargs,
    )
