"""The figures that can be made again, by id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from analyses.papers.entry import PaperFigure
from interp.errors import UnknownNameError

MODULES = (
    "guez2019",
    "taufeeque2024",
    "taufeeque2024_plans",
    "bush2025",
    "bush2025_steering",
    "bush2025_emergence",
    "taufeeque2025",
    "taufeeque2025_causal",
    "taufeeque2025_horizon",
)
"""Modules of this package that have ``FIGURES``, in the order of the list."""


@cache
def figures() -> Mapping[str, PaperFigure]:
    """Return id → entry, paper by paper.

    Examples
    --------
    >>> figures()["bush2025-fig4"].figure
    'Figure 4'
    """
    entries = [e for name in MODULES for e in import_module(f"analyses.papers.{name}").FIGURES]
    return MappingProxyType({entry.id: entry for entry in entries})


def find_figure(name: str) -> PaperFigure:
    """Return an entry.

    Raises
    ------
    UnknownNameError
        If there is none of that id; names the nearest.
    """
    known = figures()
    if name not in known:
        raise UnknownNameError("paper figure", name, known)
    return known[name]
