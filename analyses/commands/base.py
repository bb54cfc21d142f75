"""What all commands share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro


@dataclass(kw_only=True)
class Command:
    """A command: the options, and `run`, which calls the library and prints what it returned."""

    debug: tyro.conf.FlagCreatePairsOff[bool] = False
    """On an error, show where in the code it came from."""

    def run(self) -> int:
        """Do it and return the exit code."""
        raise NotImplementedError


def print_json(record: Any) -> None:
    """Print a record as JSON (RFC 8259: what is not finite is null; what JSON lacks is text)."""
    print(json.dumps(_finite(record), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(record: Any) -> Any:
    if isinstance(record, Mapping):
        return {key: _finite(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [_finite(value) for value in record]
    return None if isinstance(record, float) and not math.isfinite(record) else record


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[int] = ()) -> str:
    """Lay out rows under a header, in columns; `right` are the columns set to the right.

    Examples
    --------
    >>> print(table(["site", "n"], [["h", 10], ["layers.0.c", 2]], right=[1]))
    site         n
    h           10
    layers.0.c   2
    """
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = set(right)
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def keep_result(dataset: Any, plot: Callable[[Any], Any], out: Path, name: str) -> None:
    """Write a result to a folder, its numbers (netCDF), then its figure, and print the figure's files."""
    from interp.files import write_netcdf
    from interp.style import save

    out.mkdir(parents=True, exist_ok=True)
    write_netcdf(dataset, out / f"{name}.nc")
    for path in save(plot(dataset), out / name):
        print(path)


def in_bytes(n: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> in_bytes(999), in_bytes(1_536_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} B" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
