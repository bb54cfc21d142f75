"""Figures of results that are written already: one that fails to draw costs no numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def draw_and_save(drawing: Mapping[str, Callable[[], Any]], out: Path) -> dict[str, Any]:
    """Draw and save figures, one after the other, whichever of them fail.

    Parameters
    ----------
    drawing
        Name → a function that draws the figure; one that returns None has nothing to draw.
    out
        Folder for the files.

    Returns
    -------
    dict
        Name → figure; None for one that failed, which is warned of.
    """
    from interp.style import save

    figures: dict[str, Any] = {}
    for name, draw in drawing.items():
        try:
            figure = draw()
            if figure is not None:
                save(figure, out / name)
                figures[name] = figure
        except Exception as error:
            figures[name] = None
            warnings.warn(
                f"The figure {name!r} could not be drawn ({type(error).__name__}: {error}); the "
                f"numbers are in {out}.",
                stacklevel=3,
            )
    return figures
