"""Numbers that papers printed, with where they were read and how well that is verified."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from interp.errors import CheckpointError
from organisms.assets import data_file

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = (
    "quantity",
    "where",
    "x",
    "relation",
    "value",
    "low",
    "high",
    "spread",
    "unit",
    "source",
)
RELATIONS = ("=", "≈", ">", "<", "≥", "≤")
VERIFICATION = {
    "full text": "read in the text of the paper itself",
    "data file": "in the data files that the authors' plots are made from",
    "computed": "computed from those files with the authors' formula",
    "digitised": "digitised from a vector figure of the paper",
    "quoted": "quoted by somebody else, or by the authors elsewhere",
    "read off a figure": "read off an image of a figure, approximate",
}
"""How a number was verified → what that means, best first."""
FIRM = ("full text", "data file", "computed")
"""Verification levels at which a number may be agreed or disagreed with."""


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    Attributes
    ----------
    quantity
        What it measures.
    where
        The cell: ``{"network": "DRC(3,3)", "thinking": "4"}``.
    x
        Position along the figure's x axis, None if it has none.
    relation
        ``"="``, ``"≈"``, or a bound: ``">"`` (the paper says "more than").
    value, low, high
        In `unit`; `low` and `high` are None where the paper gives no range.
    spread
        What `low` and `high` are, in words.
    unit
        As printed.
    source, verification
        Where the number was read, and how firm that is: a key of `VERIFICATION`.
    """

    quantity: str
    where: Mapping[str, str]
    x: float | None
    relation: str
    value: float
    low: float | None
    high: float | None
    spread: str
    unit: str
    source: str
    verification: str

    @property
    def cell(self) -> str:
        """The cell in words."""
        return ", ".join(f"{key} {value}" for key, value in self.where.items())

    def scaled(self, factor: float, unit: str) -> Published:
        """Return the number in another unit."""
        values = {name: getattr(self, name) for name in ("value", "low", "high")}
        scaled = {name: None if v is None else v * factor for name, v in values.items()}
        return Published(**{**self.__dict__, **scaled, "unit": unit})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)


def published(figure: str) -> list[Published]:
    """Return the published numbers of a figure, from ``data/papers/FIGURE.csv``.

    Raises
    ------
    AssetError
        If there is no such file.
    CheckpointError
        If it is malformed: a value without a source, an unknown relation, a number that is none.

    Examples
    --------
    >>> [row.value for row in published("guez2019-thinking-time")]
    [4.7]
    """
    path = data_file(f"papers/{figure}.csv")
    sources = _sources()
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise CheckpointError(f"{path}: the columns are {reader.fieldnames}, not {COLUMNS}.")
        return [_row(row, sources, f"{path}:{i}") for i, row in enumerate(reader, 2)]


def _sources() -> dict[str, tuple[str, str]]:
    path = data_file("papers/sources.csv")
    with open(path, encoding="utf-8", newline="") as file:
        return {row["source"]: (row["text"], row["verification"]) for row in csv.DictReader(file)}


def _row(row: dict[str, str], sources: dict[str, tuple[str, str]], at: str) -> Published:
    if row["source"] not in sources:
        raise CheckpointError(f"{at}: no source {row['source']!r} in sources.csv.")
    text, verification = sources[row["source"]]
    if verification not in VERIFICATION or row["relation"] not in RELATIONS:
        raise CheckpointError(f"{at}: unknown {verification!r} or {row['relation']!r}.")
    try:
        numbers = {
            name: float(row[name]) if row[name] else None for name in ("x", "value", "low", "high")
        }
        where = dict(part.split("=", 1) for part in row["where"].split("; ") if part)
    except ValueError as error:
        raise CheckpointError(f"{at}: {error}") from None
    value = numbers.pop("value")
    if value is None or not row["unit"]:
        raise CheckpointError(f"{at}: a value or a unit is missing.")
    return Published(
        quantity=row["quantity"],
        where=where,
        relation=row["relation"],
        value=value,
        spread=row["spread"],
        unit=row["unit"],
        source=text,
        verification=verification,
        **numbers,
    )


def choose(rows: Iterable[Published], **where: Any) -> list[Published]:
    """Return the rows whose cell has these values, in their order.

    Examples
    --------
    >>> rows = published("bush2025-table1")
    >>> [row.value for row in choose(rows, levels="Box-Shortcut", direction="trained")]
    [56.2, 72.7, 80.6]
    """
    wanted = {key: str(value) for key, value in where.items()}
    return [row for row in rows if wanted.items() <= row.where.items()]


def with_published(dataset: xr.Dataset, rows: Sequence[Published]) -> xr.Dataset:
    """Put published numbers into a Dataset, along a dim of their own, so that it draws alone."""
    import numpy as np

    def numbers(name: str) -> Any:
        return np.array([np.nan if (v := getattr(r, name)) is None else v for r in rows], float)

    def words(name: str) -> Any:
        return np.array([str(getattr(row, name)) for row in rows], dtype=object)

    dim = "published"
    cells = ["; ".join(f"{k}={v}" for k, v in row.where.items()) for row in rows]
    new: dict[str, Any] = {
        f"published_{n}": (dim, numbers(n)) for n in ("x", "value", "low", "high")
    }
    text = ("quantity", "relation", "spread", "unit", "source", "verification")
    new |= {f"published_{name}": (dim, words(name)) for name in text}
    new["published_where"] = (dim, np.array(cells, dtype=object))
    return dataset.assign(new) if rows else dataset


def published_in(dataset: xr.Dataset) -> list[Published]:
    """Return the published numbers that a Dataset carries."""
    import numpy as np

    if "published" not in dataset.dims:
        return []
    names = [name for name in Published.__dataclass_fields__ if name != "where"]
    columns = {name: dataset[f"published_{name}"].values.tolist() for name in names}
    rows = []
    for i, where in enumerate(dataset.published_where.values.tolist()):
        row = {name: column[i] for name, column in columns.items()}
        for name in ("x", "low", "high"):
            row[name] = None if np.isnan(row[name]) else row[name]
        cell = dict(part.split("=", 1) for part in where.split("; ") if part)
        rows.append(Published(where=cell, **row))
    return rows
