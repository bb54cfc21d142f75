"""Where a store is: folders, zip files and fsspec URLs, turned into zarr stores and groups."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from interp.errors import InputError, StoreCorruptError, StoreError, nearest
from interp.store.layout import SCHEMA

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

StorePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Location:
    """A store's address: `name` for messages, `local` when it is a path on this machine."""

    name: str
    local: Path | None

    @classmethod
    def of(cls, path: StorePath) -> Location:
        """Parse a path or URL; ``file://`` URLs are local paths.

        Raises
        ------
        InputError
            If it is neither.
        """
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise InputError(f"A store is given by its path or URL, not {path!r:.80}.")
        text = os.fspath(path)
        if text.startswith("file://"):
            text = unquote(urlsplit(text).path)
        elif "://" in text or "::" in text:
            return cls(text.rstrip("/"), None)
        return cls(text, Path(text).expanduser().absolute())

    def zarr_store(self, read_only: bool, options: dict[str, Any] | None = None) -> Store:
        """Return the zarr store at this location."""
        from zarr.storage import FsspecStore, LocalStore, ZipStore

        if self.local is None:
            try:
                return FsspecStore.from_url(self.name, storage_options=options, read_only=read_only)
            except (ValueError, ImportError) as error:  # no such protocol, or no package for it
                raise StoreError(f"{self.name} cannot be reached: {error}") from error
        if read_only and self.local.is_file():
            inside = _store_inside(self.local)
            if not inside:
                return ZipStore(self.local, mode="r")
            from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
            from fsspec.implementations.zip import ZipFileSystem

            files = AsyncFileSystemWrapper(ZipFileSystem(str(self.local)), asynchronous=True)
            return FsspecStore(files, read_only=True, path=inside)
        return LocalStore(self.local, read_only=read_only)


def _store_inside(file: Path) -> str:
    """Return the folder of a zip file that holds the store; "" if it lies at the top.

    File managers and ``zip -r run.zip run.zarr`` pack the folder itself.

    Raises
    ------
    StoreError
        If there are several stores in it.
    """
    import zipfile

    with zipfile.ZipFile(file) as packed:
        roots = [name for name in packed.namelist() if name.rpartition("/")[2] == "zarr.json"]
    folders = {root.removesuffix("zarr.json").rstrip("/") for root in roots}
    # A store's arrays have metadata too: what lies inside another folder with metadata is no root.
    tops = sorted(
        folder
        for folder in folders
        if not any(folder.startswith(f"{other}/" if other else "") for other in folders - {folder})
    )
    if len(tops) > 1:
        raise StoreError(f"{file} holds several stores: {', '.join(tops[:5])}. Unpack it first.")
    return tops[0] if tops else ""


def open_group(location: Location, options: dict[str, Any] | None = None) -> zarr.Group:
    """Open a store's root group for reading, or say precisely why that is not possible.

    Raises
    ------
    StoreError
        If there is nothing, or something else than a mesascope store this version can read.
    StoreCorruptError
        If the root metadata is damaged.
    """
    import zipfile

    import zarr
    from zarr.errors import ContainsArrayError, GroupNotFoundError, NodeTypeValidationError

    name, local = location.name, location.local
    if local is not None:
        _check_local(local, name)
    try:
        store = location.zarr_store(read_only=True, options=options)
        group = zarr.open_group(store, mode="r", zarr_format=3)
    except (ContainsArrayError, NodeTypeValidationError):
        raise StoreError(f"{name} is a zarr array, not a mesascope store.") from None
    except StoreError:
        raise
    except GroupNotFoundError:
        what = "There is no store at" if local is None else "There is no zarr group in"
        raise StoreError(f"{what} {name}.") from None
    except zipfile.BadZipFile:
        raise StoreError(f"{name} is a file, but no zip file of a store.") from None
    except FileNotFoundError:
        raise StoreError(f"There is no store at {name}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreCorruptError(
            f"{name}: the root metadata, zarr.json, is damaged ({type(error).__name__}: {error}).",
            ["zarr.json"],
        ) from error
    check_schema(dict(group.attrs), name)
    return group


def check_schema(attrs: dict[str, Any], name: str) -> None:
    """Raise StoreError unless the root attributes are those of a store this version can read."""
    schema = attrs.get("mesascope_schema")
    if not isinstance(schema, int):
        raise StoreError(
            f"{name} is a zarr group, but not a mesascope store (no attribute mesascope_schema). "
            "xarray.open_zarr opens it."
        )
    if schema > SCHEMA:
        raise StoreError(
            f"{name} has schema {schema}; this version of mesascope reads up to {SCHEMA}. "
            "Upgrade mesascope."
        )


def _check_local(folder: Path, name: str) -> None:
    if folder.is_file():
        return
    if not folder.exists():
        parent = folder.parent
        if not parent.is_dir():
            raise StoreError(f"There is no store at {name}: the folder {parent} does not exist.")
        stores = [entry.name for entry in parent.iterdir() if (entry / "zarr.json").is_file()]
        close = nearest(folder.name, stores)
        hint = f" Nearest in {parent}: {', '.join(close)}." if close else ""
        raise StoreError(f"There is no store at {name}.{hint}")
    metadata = folder / "zarr.json"
    if not metadata.exists():
        if (folder / ".zgroup").exists():
            raise StoreError(f"{name} is a zarr version 2 group; mesascope stores are version 3.")
        raise StoreError(f"{name} is a folder, but not a zarr group (it has no zarr.json).")
    try:
        parsed = json.loads(metadata.read_bytes())
    except ValueError as error:
        raise StoreCorruptError(
            f"{name}: the root metadata, zarr.json, is no JSON ({error}).", ["zarr.json"]
        ) from None
    if not isinstance(parsed, dict) or "node_type" not in parsed:
        raise StoreCorruptError(f"{name}: zarr.json holds no zarr metadata.", ["zarr.json"])


@contextmanager
def reporting(location: Location, doing: str) -> Iterator[None]:
    """Turn what the file system says into StoreError; `doing` is what was being done."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(
                f"The disk is full: {doing} of {location.name} failed ({error.strerror}). "
                "The store is marked incomplete; free some space and record again to resume."
            ) from error
        raise StoreError(f"{location.name}: {doing} failed: {error}.") from error
