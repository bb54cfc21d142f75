"""Check that a store is whole: every checksum, every file that must be there, no NaN among data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.attributes import attribute
from interp.errors import StoreCorruptError, StoreError
from interp.store.location import Location, StorePath, open_group
from interp.store.read import damaged_chunks, file_name, file_shape

if TYPE_CHECKING:
    import zarr

RESULTS = ("length", "solved", "outcome")
"""What is written of a block of episodes when it is over."""


@dataclass
class VerifyReport:
    """What `verify` found.

    Attributes
    ----------
    path : str
    complete : bool
        Whether the recording was finished.
    n_episodes, n_recorded : int
        Episodes planned, and recorded.
    n_files : int
        Files of data that were read.
    n_bytes : int
        Bytes of values that were read, decoded.
    n_left_out : int
        In a copy that xarray or zarr made: files that are not there, which is how these leave out what is all
        fill value. They cannot be told from files that were lost.
    damaged : list of str
        Chunks whose bytes are not the ones written: file, and the chunk inside it.
    missing : list of str
        Files that should be there.
    not_finite : list of str
        Variables and files with NaN or infinity where something was recorded (a chunk was lost).
    """

    path: str
    complete: bool = False
    n_episodes: int = 0
    n_recorded: int = 0
    n_files: int = 0
    n_bytes: int = 0
    n_left_out: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the store is complete and nothing is wrong with it."""
        return self.complete and not (self.damaged or self.missing or self.not_finite)

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {'sound' if self.ok else 'NOT SOUND'}",
            f"  {'complete' if self.complete else 'incomplete'}, "
            f"{self.n_recorded} of {self.n_episodes} episodes; "
            f"{self.n_files} files, {self.n_bytes / 1e6:.1f} MB of values read",
        ]
        if self.n_left_out:
            lines.append(
                f"  a copy: {self.n_left_out} files left out, as is done with what is all fill value"
            )
        for title in ("damaged", "missing", "not_finite"):
            found = getattr(self, title)
            lines += [f"  {title.replace('_', ' ')}: {name}" for name in found]
        return "\n".join(lines)


def verify(
    path: StorePath, progress: bool = True, storage_options: dict[str, Any] | None = None
) -> VerifyReport:
    """Read all of a store and report what is damaged, missing or not finite.

    Memory: one file of one variable at a time.

    Parameters
    ----------
    path
        A folder, a ``.zip`` of one, or any fsspec URL.
    progress
        Show a progress bar.
    storage_options
        Passed to fsspec for URLs.

    Returns
    -------
    VerifyReport
        ``report.ok`` says whether everything is as it should be.

    Raises
    ------
    StoreError
        If there is no store to verify, its root metadata are damaged, or it has no episodes.
    """
    from tqdm import tqdm

    location = Location.of(path)
    group = open_group(location, storage_options)
    report = VerifyReport(location.name, complete=bool(group.attrs.get("complete")))
    attrs: dict[str, Any] = dict(group.attrs)
    arrays, first = _arrays(group, report), int(attrs.get("thinking_steps", 0))
    if "length" not in arrays:
        return report
    if not arrays["length"].ndim:
        raise StoreError(
            f"{report.path} holds a part of a recording that has no episodes any more (one of them, or "
            "their mean): there is nothing to verify it by. Verify the recording that it was taken from."
        )
    length = _lengths(arrays["length"], report)
    report.n_episodes, report.n_recorded = len(length), int((length >= 0).sum())
    valid = np.where(length >= 0, length + first, 0)
    files = [(name, file) for name, array in arrays.items() for file in _grid(array)]
    for name, file in tqdm(files, unit="file", disable=not progress, desc="verify"):
        _check_file(group, arrays[name], name, file, length, valid, report)
    return report


def _arrays(group: zarr.Group, report: VerifyReport) -> dict[str, zarr.Array]:
    """Return the arrays, having compared the root's copy of their metadata with their own."""
    import zarr

    attrs: dict[str, Any] = dict(group.attrs)
    of_episodes = attrs.get("episode_variables", ["solved"])
    expected = [
        *attribute(attrs, "variables", {}),
        "length",
        *of_episodes,
        "level_id",
        "level",
        "step",
    ]
    try:
        arrays = dict(group.arrays())
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorruptError(f"{report.path}: zarr.json is damaged ({error}).") from error
    for name in dict.fromkeys([*expected, *arrays]):
        own = f"{name}/zarr.json"
        try:
            read = zarr.open_array(group.store, path=name, mode="r", zarr_format=3)
        except FileNotFoundError:
            report.missing.append(own)
        except Exception:
            report.damaged.append(own)
        else:
            # As text: a fill value of NaN is not equal to itself.
            if name not in arrays or repr(read.metadata) != repr(arrays[name].metadata):
                report.damaged.append(own)
    return arrays


def _lengths(array: zarr.Array, report: VerifyReport) -> np.ndarray:
    """Return the lengths; where they cannot be read, −1 (`_check_file` will name the file)."""
    length = np.full(array.shape, -1, np.int32)
    size = file_shape(array)[0]
    for start in range(0, len(length), size):
        try:
            length[start : start + size] = array[start : start + size]
        except Exception:
            continue
    return length


def _grid(array: zarr.Array) -> Iterator[tuple[int, ...]]:
    counts = [-(-n // s) for n, s in zip(array.shape, file_shape(array), strict=True)]
    return itertools.product(*(range(count) for count in counts))


def _check_file(
    group: zarr.Group,
    array: zarr.Array,
    name: str,
    file: tuple[int, ...],
    length: np.ndarray,
    valid: np.ndarray,
    report: VerifyReport,
) -> None:
    from zarr.core.sync import sync

    region = tuple(
        slice(f * s, min((f + 1) * s, n))
        for f, s, n in zip(file, file_shape(array), array.shape, strict=True)
    )
    metadata: Any = array.metadata
    dims = metadata.dimension_names or ()
    if report.complete and name in RESULTS:
        expected = np.ones(1, bool)
    else:
        expected = _expected(dims, name, region, length, valid)
    path = file_name(array, name, file)
    if not sync(group.store.exists(path)):
        if expected.any() and _may_be_fill_value(array):
            report.n_left_out += 1
        elif expected.any():
            report.missing.append(path)
        return
    report.n_files += 1
    try:
        values = np.asarray(array[region])
    except Exception:
        report.damaged += damaged_chunks(array, name, file) or [path]
        return
    report.n_bytes += values.nbytes
    checked = values.dtype.kind == "f" and not array.attrs.get("may_be_nan")
    if checked and dims[:2] == ("episode", "step"):
        finite = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=2)
        if (expected & ~finite).any():
            report.not_finite.append(path)


def _may_be_fill_value(array: zarr.Array) -> bool:
    """Whether a file of an array may be missing because all of it is the fill value.

    A recording writes every file that it recorded something in. A copy made by xarray or zarr leaves out
    those that hold nothing but the fill value, which can be data unless it is NaN. The names of its files
    tell a copy: a recording separates their numbers by dots.
    """
    metadata: Any = array.metadata
    is_nan = bool(array.fill_value != array.fill_value)
    return metadata.chunk_key_encoding.separator != "." and not is_nan


def _expected(
    dims: tuple[str, ...],
    name: str,
    region: tuple[slice, ...],
    length: np.ndarray,
    valid: np.ndarray,
) -> np.ndarray:
    """Return which (episode, step) of a region was recorded; else which entries must be."""
    if dims[:2] == ("episode", "step"):
        steps = np.arange(region[1].start, region[1].stop)
        return steps < valid[region[0], None]
    if name in RESULTS:
        return length[region[0]] >= 0
    return np.array([True])
