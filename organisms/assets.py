"""Find the files that ship with the library, from a clone and from an installed wheel."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path

from interp.errors import AssetError, nearest


def data_folder() -> Path:
    """Return the folder of shipped data: ``data/`` of the clone, ``organisms/data`` of a wheel.

    Raises
    ------
    AssetError
        If neither is there.
    """
    package = Path(str(files("organisms")))
    for folder in (package / "data", package.parent / "data"):
        if (folder / "organisms").is_dir():
            return folder
    raise AssetError(
        f"The shipped data is missing: neither {package / 'data'} nor {package.parent / 'data'} "
        "has an 'organisms' folder. Reinstall mesascope, or run from a complete clone."
    )


def data_file(relative: str) -> Path:
    """Return the path of one shipped file.

    Raises
    ------
    AssetError
        If it is not there; names the nearest that is.
    """
    path = data_folder() / relative
    if path.is_file():
        return path
    folder = path.parent
    there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    close = nearest(path.name, there)
    hint = f" Nearest there: {', '.join(close)}." if close else ""
    raise AssetError(f"No shipped file {relative!r} in {data_folder()}.{hint}")


def cache_folder() -> Path:
    """Return where downloads are kept: ``$MESASCOPE_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("MESASCOPE_CACHE") or user_cache_dir("mesascope"))


def file_sha256(path: str | Path) -> str:
    """Return the sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
