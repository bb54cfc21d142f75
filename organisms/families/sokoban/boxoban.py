"""The published Boxoban level sets, by name and split.

Levels of Guez et al. (2018, Apache-2.0), ``github.com/google-deepmind/boxoban-levels``: files of
1,000 levels each. Files are looked for in the folder that the environment variable
``MESASCOPE_BOXOBAN`` names, laid out as the repository is (``unfiltered/test/000.txt``,
``hard/000.txt``, …), then in the cache, and are downloaded into the cache otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from interp.errors import AssetError, InputError, LevelError, UnknownNameError
from organisms.families.sokoban.levels import Levels, read_levels

FOLDERS = {
    "boxoban-unfiltered-train": ("unfiltered/train", 900_000),
    "boxoban-unfiltered-valid": ("unfiltered/valid", 100_000),
    "boxoban-unfiltered-test": ("unfiltered/test", 1_000),
    "boxoban-medium-train": ("medium/train", 450_000),
    "boxoban-medium-valid": ("medium/valid", 50_000),
    "boxoban-hard": ("hard", 3_332),
}
"""Set and split → folder in the repository, and how many levels were published."""

REVISION = "d5ca5614a803b604740ed9095ded127e8e3d5255"
"""The commit that files are downloaded from."""

ADDRESS = "https://raw.githubusercontent.com/google-deepmind/boxoban-levels/{revision}/{file}"

_PER_FILE = 1000


def names() -> list[str]:
    """List the names that `load_boxoban` takes."""
    return list(FOLDERS)


def load_boxoban(name: str, n: int | None = None, seed: int = 0, start: int = 0) -> Levels:
    """Load levels of a published set.

    Parameters
    ----------
    name
        ``boxoban-unfiltered-{train,valid,test}``, ``boxoban-medium-{train,valid}`` or
        ``boxoban-hard``.
    n
        How many levels; all from `start` on if left out.
    seed
        0 keeps the order of the files, which is how results are published. Any other seed draws
        `n` levels at random, none of them twice.
    start
        The first level, in the order of the files or of the draw.

    Returns
    -------
    Levels
        With ids like ``boxoban-unfiltered-test/000/17``.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    InputError
        If the set has too few levels. Where ``MESASCOPE_BOXOBAN`` holds some files of a set, these
        are all there is of it.
    AssetError
        If a file is neither there nor can be downloaded, or is not the published one.
    LevelError
        If a file is malformed.
    """
    if name not in FOLDERS:
        raise UnknownNameError("Boxoban set", name, FOLDERS)
    if start < 0 or (n is not None and n < 1):
        raise InputError(f"n is at least 1 and start at least 0; got {n} and {start}.")
    folder, published = FOLDERS[name]
    local = _local_files(folder)
    if local:
        files = [path.name for path in local]
        counts = [path.read_bytes().count(b";") for path in local]
    else:
        files = [f"{index:03d}.txt" for index in range(-(-published // _PER_FILE))]
        counts = [min(_PER_FILE, published - index * _PER_FILE) for index in range(len(files))]
    available = sum(counts)
    stop = available if n is None else start + n
    if start >= available or stop > available:
        where = "its files in MESASCOPE_BOXOBAN" if local else "the set"
        raise InputError(
            f"{name}: {'all' if n is None else n} levels from number {start} on were asked for, "
            f"and there are {available:,} in {where}."
        )
    order = np.arange(start, stop)
    if seed:
        order = np.random.default_rng(seed).permutation(available)[start:stop]
    return _gather(name, folder, files, counts, order)


def _gather(
    name: str, folder: str, files: list[str], counts: list[int], order: np.ndarray
) -> Levels:
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, order, side="right")
    within = order - (ends - counts)[which]
    parts, places = [], np.empty(len(order), np.int64)
    offset = 0
    for index in np.unique(which):
        path = find_file(f"{folder}/{files[index]}")
        levels = read_levels(path, prefix=f"{name}/{path.stem}")
        if len(levels) != counts[index]:
            raise LevelError(f"{counts[index]} headers (;), but {len(levels)} levels", str(path))
        (rows,) = np.nonzero(which == index)
        parts.append(levels[within[rows]])
        places[rows] = offset + np.arange(len(rows))
        offset += len(rows)
    return Levels.join(parts)[places]


def cache_folder() -> Path:
    """Give the folder that downloads are kept in: ``MESASCOPE_CACHE``, or the user's cache."""
    if given := os.environ.get("MESASCOPE_CACHE"):
        return Path(given) / "boxoban"
    import platformdirs

    return Path(platformdirs.user_cache_dir("mesascope", appauthor=False)) / "boxoban"


def find_file(file: str) -> Path:
    """Give the path of one file of the repository, downloading it if need be.

    Files of the user's own folder are taken as they are. Downloaded files are checked against
    ``boxoban_checksums.json``; one that is not listed there is trusted on first download, and its
    checksum is kept in the cache and checked from then on.

    Raises
    ------
    AssetError
        If it cannot be had, or is not the file it should be.
    """
    root = os.environ.get("MESASCOPE_BOXOBAN")
    known = _published_checksums().get(file)
    if root and (local := Path(root) / file).is_file():
        return local
    cache = cache_folder()
    path = cache / file
    record = cache / "checksums.json"
    seen = _read_json(record)
    if path.is_file():
        _check(path, known or seen.get(file))
        return path
    address = ADDRESS.format(revision=REVISION, file=file)
    try:
        _download(address, path)
        _check(path, known)
    except AssetError:
        path.unlink(missing_ok=True)
        raise
    except Exception as error:  # whatever the network, or its absence, comes up with
        path.unlink(missing_ok=True)
        raise AssetError(
            f"The levels of {file} are not on this computer and could not be downloaded "
            f"({type(error).__name__}). Download {address} and put it at {path}, or at {file} in "
            "the folder that the environment variable MESASCOPE_BOXOBAN names."
        ) from error
    if known is None:
        _write_json(record, _read_json(record) | {file: _sha256(path)})
    return path


def _download(address: str, path: Path) -> None:
    import pooch

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = f"{path.name}.{os.getpid()}.partial"
    fetched = pooch.HTTPDownloader(progressbar=False, timeout=30)
    try:
        fetched(address, str(path.parent / partial), None)
        os.replace(path.parent / partial, path)
    finally:
        (path.parent / partial).unlink(missing_ok=True)


def _local_files(folder: str) -> list[Path]:
    root = os.environ.get("MESASCOPE_BOXOBAN")
    if not root:
        return []
    return sorted((Path(root) / folder).glob("[0-9][0-9][0-9].txt"))


def _published_checksums() -> dict[str, str]:
    return _read_json(Path(__file__).with_name("boxoban_checksums.json"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    found = _sha256(path)
    if found != expected:
        raise AssetError(
            f"{path} is not the published file: its sha256 is {found}, not {expected}. "
            "Delete it and try again."
        )


def _read_json(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: dict[str, str]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(partial, path)
