"""How published numbers look in a figure: grey, open, and called published."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analyses.papers.published import Published

INK = "0.35"
DASHES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("s", "^", "D", "v")


def published_line(
    ax: Axes, rows: Sequence[Published], label: str, order: int = 0, **options: Any
) -> None:
    """Draw published numbers against their x, in grey, with a band where they have a range.

    Parameters
    ----------
    label
        Goes into the legend behind "published: ".
    order
        Of the series: chooses dash and marker.
    **options
        Passed to `Axes.plot`.
    """
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row.x or 0.0)
    x = [row.x or 0.0 for row in rows]
    many = len(rows) > 12
    style = {
        "color": INK,
        "linestyle": DASHES[order % len(DASHES)] if len(rows) > 1 else "none",
        "marker": "" if many else MARKERS[order % len(MARKERS)],
        "markerfacecolor": "white",
        "linewidth": 1.0,
        "zorder": 1.5,
    } | options
    ax.plot(x, [row.value for row in rows], label=f"published: {label}", **style)
    low = [row.low for row in rows if row.low is not None]
    high = [row.high for row in rows if row.high is not None]
    if len(low) == len(high) == len(rows):
        ax.fill_between(x, low, high, color=style["color"], alpha=0.12, linewidth=0, zorder=1)


def published_marks(
    ax: Axes, rows: Sequence[Published], at: Sequence[float], label: str, width: float = 0.8
) -> None:
    """Draw published numbers as short horizontal strokes over bars, with their ranges."""
    for i, (row, x) in enumerate(zip(rows, at, strict=True)):
        bound = {">": "^", "≥": "^", "<": "v", "≤": "v"}.get(row.relation)
        name = f"published: {label}" if not i else None
        half = width / 2
        ax.plot([x - half, x + half], [row.value] * 2, color="0.1", linewidth=1.6, label=name)
        if bound:
            ax.plot([x], [row.value], marker=bound, color="0.1", markersize=4)
        if row.low is not None and row.high is not None:
            ax.fill_between([x - half, x + half], row.low, row.high, color="0.1", alpha=0.18, lw=0)


def caption(figure: Figure, dataset: xr.Dataset, about: str) -> None:
    """Write organism, n, intervals and whether the figures may be compared above a figure."""
    share = dataset.attrs.get("confidence")
    bands = "" if share is None else f", intervals {100 * float(share):g} %"
    words = str(dataset.attrs.get("comparable", ""))
    if words and "published" not in dataset.dims:
        words = "no published number could be read"
    second = f"\n{words}" if words else ""
    first = textwrap.fill(f"{dataset.attrs['organism']}: {about}{bands}", 118)
    figure.suptitle(first + second, fontsize=8)


def percent(values: Any) -> np.ndarray:
    """Return shares as percentages."""
    return 100 * np.asarray(values, dtype=float)


def with_ends(
    cell: xr.Dataset, name: str, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a variable and the ends of its interval, times a factor (100: per cent)."""
    value, low, high = (
        factor * np.asarray(cell[name + end], dtype=float) for end in ("", "_low", "_high")
    )
    return value, low, high


def over_training(
    ax: Axes, x: Any, y: Any, low: Any, high: Any, label: str, color: str | None = None
) -> None:
    """Draw ours at some checkpoints: points with whiskers, and a thin line if there are many.

    A band between two checkpoints far apart would claim to know what lies between them.
    """
    x, y, low, high = (np.asarray(values, dtype=float) for values in (x, y, low, high))
    line = "-" if len(x) > 3 else "none"
    [drawn] = ax.plot(x, y, marker="o", linestyle=line, linewidth=0.8, label=label, color=color)
    ax.vlines(x, low, high, color=drawn.get_color(), linewidth=1.2)


def beside(x: Any, place: int) -> np.ndarray:
    """Return environment steps shifted to the right by so many places, to be told apart."""
    x = np.asarray(x, dtype=float)
    return np.where(x > 0, x * 1.05**place, 4e3 * place)


def steps_axis(ax: Axes) -> None:
    """Write an axis of environment steps as powers of ten, with 0 at its left end."""
    ax.set_xscale("symlog", linthresh=1e5)
    ax.set_xlim(-2e4, 3e9)
    ax.set_xticks([0, 1e6, 1e7, 1e8, 1e9])
    ax.minorticks_off()
    ax.set_xlabel("environment steps of training")
