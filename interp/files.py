"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from interp.attributes import plain_attributes

if TYPE_CHECKING:
    import xarray as xr


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give the name of a new file beside `path`, which takes its place when the block ends well.

    Folders are made as needed. If the block raises, `path` is as it was and nothing is left beside it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "new" / "note.txt") as partial:
    ...     _ = partial.write_text("all of it")
    >>> [file.name for file in (folder / "new").iterdir()]
    ['note.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with open(partial, "rb+") as file:  # on the disk before its name is
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)  # mkstemp's files are for their owner alone
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: str | Path, data: bytes | str) -> Path:
    """Write a file such that it is there whole or not at all; text as UTF-8. Returns its path."""
    with replacing(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
    return Path(path)


def write_netcdf(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a result so that ``xarray.load_dataset`` gives it back, whole or not at all.

    netCDF has no booleans and no nested attributes: booleans are stored as bytes that xarray turns
    back, attributes that are neither text nor numbers as JSON.
    """
    tidy = dataset.copy()
    for item in [tidy, *tidy.variables.values()]:
        item.attrs = plain_attributes(item.attrs)
    with replacing(path) as partial:
        tidy.to_netcdf(partial, engine="netcdf4")
