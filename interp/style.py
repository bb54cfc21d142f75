"""How figures look: the one module that owns seaborn, colours, sizes and saving.

Figures are made here without pyplot's global state (no display, nothing to close), the style is
applied in a context and never left behind in ``rcParams``, and saved files hold no dates or
versions, so the same figure gives the same bytes. Colours are told apart by colour-blind readers;
sources differ in marker and dash as well, so that figures survive a grey printer.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend

WIDTHS = {"column": 3.3, "text": 6.8}
"""Widths of a paper's column and text block, in inches."""

# The palette of Okabe & Ito (2008), distinct under the common forms of colour blindness.
BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#7F7F7F",
)
SOURCE_COLOURS = {
    "trained": BLUE,
    "untrained": ORANGE,
    "untrained s1": "#B87800",
    "permuted": YELLOW,
    "observation": GREEN,
    "history": SKY,
    "majority": GREY,
    "shuffled": PINK,
}
SOURCE_MARKERS = {
    "trained": "o",
    "untrained": "s",
    "untrained s1": "s",
    "permuted": "P",
    "observation": "^",
    "history": "v",
    "majority": "",
    "shuffled": "D",
}
SOURCE_DASHES = {
    "trained": "-",
    "untrained": "--",
    "untrained s1": "--",
    "permuted": (0, (3, 1, 1, 1)),
    "observation": "-.",
    "history": (0, (1, 1)),
    "majority": ":",
    "shuffled": (0, (4, 1, 1, 1, 1, 1)),
}
_CYCLE = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, GREY)


@contextmanager
def figure_style(context: Literal["paper", "notebook", "talk"] = "paper") -> Iterator[None]:
    """Draw in the project's style; everything is as before when the block ends.

    Also works as a decorator, ``@figure_style()``.

    Examples
    --------
    >>> import matplotlib
    >>> before = matplotlib.rcParams["font.size"]
    >>> with figure_style():
    ...     figure, axes = subplots(width="column")
    >>> matplotlib.rcParams["font.size"] == before
    True
    """
    _forget_backend_that_is_missing()
    import matplotlib
    from matplotlib.rcsetup import cycler

    with warnings.catch_warnings():
        # seaborn 0.13 is its last version; newer pandas and matplotlib deprecate what it calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import seaborn

        settings: dict[Any, Any] = {
            **seaborn.axes_style("ticks"),
            **seaborn.plotting_context(context),
        }
    settings |= {
        "axes.prop_cycle": cycler(color=list(_CYCLE)),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 100,
        "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same on every machine
        "image.cmap": "viridis",
        "legend.frameon": False,
        "lines.markersize": 4,
        "pdf.fonttype": 42,  # text stays text in the PDF
        "savefig.dpi": 200,
        "svg.hashsalt": "mesascope",
    }
    if context == "paper":
        settings |= {
            "axes.labelsize": 8,
            "axes.titlesize": 9,
            "font.size": 8,
            "legend.fontsize": 7,
            "legend.title_fontsize": 7,
            "lines.linewidth": 1.3,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
        }
    with matplotlib.rc_context(settings):
        yield


use_style = figure_style


def _forget_backend_that_is_missing() -> None:
    """Drop an MPLBACKEND whose module is not here: matplotlib could not even be imported.

    Programs that a notebook starts inherit the notebook's, which is of another environment.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.get("MPLBACKEND", "")
    module = backend.removeprefix("module://")
    if module != backend and importlib.util.find_spec(module.partition(".")[0]) is None:
        del os.environ["MPLBACKEND"]


def subplots(
    nrows: int = 1,
    ncols: int = 1,
    *,
    width: float | str = "text",
    height: float | None = None,
    **options: Any,
) -> tuple[Figure, Any]:
    """A figure with axes, with constrained layout and without pyplot.

    Parameters
    ----------
    width
        In inches, or ``"column"`` (3.3) or ``"text"`` (6.8).
    height
        In inches; None for panels of 4:3.
    **options
        Passed to `Figure.subplots` (``sharex``, ``squeeze``, …).

    Returns
    -------
    tuple
        The figure, and what `Figure.subplots` gives.
    """
    _forget_backend_that_is_missing()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if isinstance(width, str):
        if width not in WIDTHS:
            raise UnknownNameError("figure width", width, WIDTHS)
        width = WIDTHS[width]
    if height is None:
        height = 0.75 * width / ncols * nrows
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    # What notebooks ask for. One that knows Figures itself (%matplotlib inline) does not ask, and pyplot,
    # which shows what it has made at a cell's end, knows nothing of this figure: it appears once.
    figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
    return figure, figure.subplots(nrows, ncols, **options)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, metadata=_NO_METADATA["png"])
    return buffer.getvalue()


def colours(
    labels: Sequence[Any], kind: Literal["source", "layer", "tick"] = "layer"
) -> dict[Any, Any]:
    """One colour for each label.

    Parameters
    ----------
    labels
        Names of sources, or layers or ticks in their order.
    kind
        ``"source"``: fixed by name (`SOURCE_COLOURS`). ``"layer"``: distinct colours, or a
        sequence if there are more than seven. ``"tick"``: a sequence, dark to light, since ticks
        are ordered.

    Examples
    --------
    >>> colours(["trained", "majority"], "source")["trained"]
    '#0072B2'
    """
    labels = list(labels)
    if kind == "source":
        others = [label for label in labels if label not in SOURCE_COLOURS]
        spare = [c for c in _CYCLE if c not in SOURCE_COLOURS.values()]
        if len(others) > len(spare):  # rungs of a ladder: one hue, dark to light
            from matplotlib import colormaps

            spare = [colormaps["copper"](x) for x in np.linspace(0.2, 1.0, len(others))]
        given = dict(zip(others, spare, strict=False))
        return {label: SOURCE_COLOURS.get(label) or given[label] for label in labels}
    if kind == "layer" and len(labels) <= len(_CYCLE):
        return dict(zip(labels, _CYCLE, strict=False))
    if kind not in ("layer", "tick"):
        raise UnknownNameError("palette", kind, ("source", "layer", "tick"))
    from matplotlib import colormaps

    # The lightest tenth of viridis is too pale for a line on white.
    at = np.linspace(0.0, 0.85, max(len(labels), 2))
    return {label: colormaps["viridis"](x) for label, x in zip(labels, at, strict=False)}


def _bounds(y: np.ndarray, low: ArrayLike | None, high: ArrayLike | None) -> tuple | None:
    if low is None or high is None:
        return None
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    if low.shape != y.shape or high.shape != y.shape:
        raise InputError(f"Intervals of shape {low.shape}, {high.shape} for values {y.shape}.")
    return None if np.isnan(low).all() else (low, high)


def line_with_interval(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    label: str | None = None,
    *,
    source: str | None = None,
    **options: Any,
) -> None:
    """A line through the values with a band for their intervals.

    Parameters
    ----------
    x, y, low, high
        (point,); NaNs leave gaps, and without `low` and `high` there is no band.
    label
        Legend entry.
    source
        A probe source: gives colour, marker and dash unless `options` do.
    **options
        Passed to `Axes.plot`.
    """
    x, y = np.asarray(x), np.asarray(y, dtype=float)
    if source is not None:
        options.setdefault("color", colours([source], "source")[source])
        options.setdefault("linestyle", SOURCE_DASHES.get(source, "-"))
        options.setdefault("marker", SOURCE_MARKERS.get(source, "o"))
    options.setdefault("marker", "o")
    [line] = ax.plot(x, y, label=label, **options)
    if (bounds := _bounds(y, low, high)) is not None:
        ax.fill_between(x, *bounds, color=line.get_color(), alpha=0.2, linewidth=0)


def bars_with_intervals(
    ax: Axes,
    values: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    categories: Sequence[str],
    series: Sequence[str] = ("",),
    palette: Mapping[str, Any] | None = None,
) -> None:
    """Grouped bars with interval whiskers.

    Parameters
    ----------
    values, low, high
        (series, category), or (category,) for a single series. Bars of NaN are not drawn.
    categories
        Names along the axis.
    series
        Names in the legend, one bar of each category for each.
    palette
        Series → colour; None for `colours` (by source where the names are sources).
    """
    values = np.atleast_2d(np.asarray(values, dtype=float))
    if values.shape != (len(series), len(categories)):
        raise InputError(
            f"{len(series)} series of {len(categories)} categories, but values {values.shape}."
        )
    bounds = None
    if low is not None and high is not None:
        bounds = _bounds(values, np.atleast_2d(low), np.atleast_2d(high))  # type: ignore
    if palette is None:
        kind = (
            "source" if {"trained"} & set(series) or set(series) <= set(SOURCE_COLOURS) else "layer"
        )
        palette = colours(series, kind)
    width = 0.8 / len(series)
    at = np.arange(len(categories), dtype=float)
    for i, name in enumerate(series):
        x = at + (i - (len(series) - 1) / 2) * width
        label = name or None
        ax.bar(x, values[i], width * 0.92, color=palette[name], label=label, linewidth=0)
        if bounds is not None:
            # An interval may lie beside its estimate (a margin's does): a whisker cannot.
            for xi, lo, hi in zip(x, bounds[0][i], bounds[1][i], strict=True):
                if np.isfinite([lo, hi]).all():
                    ax.plot([xi, xi], [lo, hi], color="0.15", linewidth=0.9, marker="")
    ax.set_xticks(at, list(categories))
    ax.tick_params(axis="x", length=0)
    if np.nanmin(values, initial=0) < 0:
        ax.axhline(0, color="0.15", linewidth=0.8)


def label_panel(ax: Axes, letter: str) -> None:
    """A bold panel letter at the upper left, outside the axes."""
    ax.annotate(
        letter,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-4, 6),
        textcoords="offset points",
        ha="right",
        va="bottom",
        weight="bold",
        annotation_clip=False,
    )


def legend_outside(
    figure: Figure | SubFigure, axes: Axes | Sequence[Axes], title: str | None = None, **options
) -> Legend | None:
    """One legend for all axes, right of them, each label once; None if nothing has a label."""
    found: dict[str, Any] = {}
    for ax in np.atleast_1d(np.asarray(axes, dtype=object)).ravel():
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return None
    options = {"loc": "outside right upper", "title": title} | options
    return figure.legend(list(found.values()), list(found), **options)


_NO_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def save(figure: Figure, stem: str | Path, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Save a figure as PNG and PDF; the same figure gives the same bytes.

    Parameters
    ----------
    figure
        The figure.
    stem
        Path without suffix; folders are made.
    formats
        Any of ``"png"``, ``"pdf"``, ``"svg"``.

    Returns
    -------
    list of Path
        The files written, in the order of `formats`.
    """
    stem = Path(stem)
    for name in formats:
        if name not in _NO_METADATA:
            raise UnknownNameError("figure format", name, _NO_METADATA)
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    with figure_style():
        for name in formats:
            path = stem.with_name(f"{stem.name}.{name}")  # a stem may have dots: "layers.2.h"
            figure.savefig(path, format=name, metadata=_NO_METADATA[name])
            paths.append(path)
    return paths
