"""The zarr store of a recording: open it, check it, and (from `interp.store.write`) fill it.

A store is a zarr v3 group that ``xarray.open_zarr`` opens as it is. Nothing here needs torch, the
network or the world that was recorded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from interp.attributes import attribute, plain_attributes
from interp.errors import StoreCorruptError, StoreError, StoreIncompleteError
from interp.runs.variables import Variable
from interp.store.layout import SCHEMA, StoreSpec
from interp.store.location import Location, StorePath, open_group

if TYPE_CHECKING:
    import zarr

__all__ = ["SCHEMA", "StoreSpec", "Variable", "open_store"]


def open_store(
    path: StorePath,
    allow_incomplete: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Open a recording.

    Parameters
    ----------
    path
        A folder, a ``.zip`` of one, or any fsspec URL.
    allow_incomplete
        Also open a store whose recording was not finished. Its unrecorded episodes have
        ``length`` −1.
    storage_options
        Passed to fsspec for URLs.

    Returns
    -------
    xarray.Dataset
        Lazy: values are read, and their checksums compared, when they are asked for. The variables
        are those of ``docs/contract.md``; `episode` e was recorded at the steps
        ``-thinking_steps <= step < length[e]``, everything else is padding. It is what
        ``xarray.open_zarr(path)`` gives, except that a damaged chunk is named and that nested attributes
        are JSON text (see `interp.attributes`), so that `to_netcdf` works. ``.chunk({})`` turns
        it into dask arrays along the chunks on disk.

    Raises
    ------
    StoreError
        If there is no store, or not one that this version reads; also from reading values later, if
        the store is gone by then.
    StoreIncompleteError
        If the recording was not finished.
    StoreCorruptError
        If metadata are damaged; also from reading values later, if their bytes are not the ones
        that were written. A file that is missing altogether reads as padding: `interp.verify`
        looks for those.

    Examples
    --------
    ::

        run = interp.open_store("run.zarr")
        run["layers.2.h"].sel(step=0, tick=2).isel(episode=0).values    # (channel, y, x)
    """
    location = Location.of(path)
    group = open_group(location, storage_options)
    complete = group.attrs.get("complete")
    if group.attrs.get("creating") or not (complete or allow_incomplete):
        raise StoreIncompleteError(
            f"The recording of {location.name} was not finished. Run the same recording again to "
            "finish it, or open what is there with allow_incomplete=True."
        )
    opened: Any = _Opened(group, location)
    return xr.open_dataset(opened, engine=StoreBackend, chunks=None, cache=False)


class _Opened:
    """A group with the name it was opened by."""

    def __init__(self, group: zarr.Group, location: Location):
        self.group, self.location = group, location


class StoreBackend(BackendEntrypoint):
    """The xarray backend behind `open_store`."""

    description = "Open mesascope stores, naming damaged chunks"
    open_dataset_parameters = ("filename_or_obj", "drop_variables")

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None) -> xr.Dataset:
        """Return the Dataset of an opened group."""
        group, location = filename_or_obj.group, filename_or_obj.location
        arrays = dict(_members(group, location))
        attrs: dict[str, Any] = dict(group.attrs)
        missing = [name for name in attribute(attrs, "variables", {}) if name not in arrays]
        if missing:
            raise StoreCorruptError(
                f"{location.name}: the metadata of {', '.join(missing)} are gone: lost, or left out when "
                "a part of a run was written (xarray.open_zarr opens what is there).",
                [f"{name}/zarr.json" for name in missing],
            )
        dropped = {drop_variables} if isinstance(drop_variables, str) else set(drop_variables or ())
        # In the order they were declared in: a folder lists its arrays in any order.
        names = dict.fromkeys([*attribute(attrs, "variables", {}), *sorted(arrays)])
        variables = {
            name: _lazy(arrays[name], name, location) for name in names if name not in dropped
        }
        # What xarray wrote says in attributes which of its variables are coordinates.
        said = [attrs, *(v.attrs for v in variables.values())]
        coordinates = {name for of in said for name in str(of.pop("coordinates", "")).split()}
        opened = xr.Dataset(variables, attrs=plain_attributes(attrs))
        return opened.set_coords([name for name in variables if name in coordinates])


def _members(group: zarr.Group, location: Location) -> Iterator[tuple[str, zarr.Array]]:
    try:
        yield from group.arrays()
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorruptError(
            f"{location.name}: the metadata of a variable are damaged ({error}).", ["zarr.json"]
        ) from error


def _lazy(array: zarr.Array, name: str, location: Location) -> xr.Variable:
    metadata: Any = array.metadata
    dims = metadata.dimension_names or ()  # a scalar coordinate has none
    encoding = {
        "chunks": array.chunks,
        "shards": array.shards,
        "preferred_chunks": dict(zip(dims, array.chunks, strict=True)),
    }
    if array.dtype == np.float16:
        encoding["dtype"] = np.dtype(
            np.float32
        )  # for `to_netcdf`: the format has no half precision
    data = indexing.LazilyIndexedArray(StoreArray(array, name, location))
    return xr.Variable(dims, data, plain_attributes(array.attrs), encoding)


class StoreArray(BackendArray):
    """A zarr array whose reading errors say which chunk is damaged."""

    def __init__(self, array: zarr.Array, name: str, location: Location):
        self._array, self._name, self._location = array, name, location
        self.shape = array.shape
        # NumPy's own text of any length cannot be promoted to other dtypes, which `where` needs.
        self._is_text = array.dtype.kind == "T"
        self.dtype = np.dtype(object) if self._is_text else array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            read = self._array.vindex.__getitem__
        elif isinstance(key, indexing.OuterIndexer):
            read = self._array.oindex.__getitem__
        else:
            read = self._array.__getitem__

        def checked(selection: tuple[Any, ...]) -> Any:
            local = self._location.local
            if local is not None and not local.exists():  # else all of it would read as padding
                raise StoreError(f"{self._location.name} is gone; it was there when it was opened.")
            try:
                return read(selection)
            except (IndexError, MemoryError):
                raise
            except Exception as error:
                raise self._diagnosis(selection, error) from error

        value = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.VECTORIZED, checked
        )
        is_text = self._is_text or isinstance(value, str)
        return np.asarray(value).astype(self.dtype) if is_text else value

    def _diagnosis(self, selection: tuple[Any, ...], error: Exception) -> Exception:
        """Find the damaged chunks among the files that a selection touches."""
        bad = [
            chunk
            for shard in _files_touched(self._array, selection)
            for chunk in damaged_chunks(self._array, self._name, shard)
        ]
        if not bad:
            return error
        return StoreCorruptError(
            f"{self._location.name}: the bytes of {self._name!r} are not the ones "
            f"that were written. Damaged: {', '.join(bad[:5])}{' …' if len(bad) > 5 else ''}.",
            bad,
        )


def file_shape(array: zarr.Array) -> tuple[int, ...]:
    """Return the shape of what one file of an array holds."""
    return array.shards or array.chunks


def file_name(array: zarr.Array, name: str, file: tuple[int, ...]) -> str:
    """Return the path, within the store, of an array's file at a position of its grid."""
    return f"{name}/{array.metadata.encode_chunk_key(file)}"


def damaged_chunks(array: zarr.Array, name: str, file: tuple[int, ...]) -> list[str]:
    """Return the chunks of one file that cannot be read: ``path`` or ``path (chunk i,j,…)``."""
    shape = file_shape(array)
    if _readable(array, file, shape):
        return []
    path = file_name(array, name, file)
    if array.shards is None:
        return [path]
    inside = [range(s // c) for s, c in zip(array.shards, array.chunks, strict=True)]
    bad = []
    for place in itertools.product(*inside):
        position = tuple(f * len(r) + p for f, r, p in zip(file, inside, place, strict=True))
        if not _readable(array, position, array.chunks):
            bad.append(f"{path} (chunk {','.join(map(str, place))})")
    whole = len(bad) > 1 and len(bad) == _count_inside(array, file)
    return [path] if whole or not bad else bad


def _count_inside(array: zarr.Array, file: tuple[int, ...]) -> int:
    counts = [
        -(-(min((f + 1) * s, n) - f * s) // c)
        for f, s, c, n in zip(file, file_shape(array), array.chunks, array.shape, strict=True)
    ]
    return int(np.prod(counts))


def _readable(array: zarr.Array, position: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    region = tuple(slice(p * s, (p + 1) * s) for p, s in zip(position, shape, strict=True))
    if any(r.start >= n for r, n in zip(region, array.shape, strict=True)):
        return True
    try:
        array[region]
    except Exception:
        return False
    return True


def _files_touched(array: zarr.Array, selection: tuple[Any, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the grid positions of the files in the box around a selection."""
    ranges = []
    for index, n, size in zip(selection, array.shape, file_shape(array), strict=True):
        picked = np.ravel(np.arange(n)[index])
        if not picked.size:
            return
        ranges.append(range(int(picked.min()) // size, int(picked.max()) // size + 1))
    yield from itertools.product(*ranges)
