"""Figures and tables of papers, made again: theirs beside ours, and what keeps them apart."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.figures.entry import Caution as Caution
    from analyses.figures.entry import Conditions as Conditions
    from analyses.figures.entry import Needs as Needs
    from analyses.figures.entry import PaperFigure as PaperFigure
    from analyses.figures.entry import Setting as Setting
    from analyses.figures.entry import TaskSet as TaskSet
    from analyses.figures.published import Published as Published
    from analyses.figures.published import published as published
    from analyses.figures.registry import figures as figures
    from analyses.figures.registry import find_figure as find_figure
    from analyses.figures.reproduce import Reproduction as Reproduction
    from analyses.figures.reproduce import reproduce as reproduce


__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Caution": "entry",
        "Conditions": "entry",
        "Needs": "entry",
        "PaperFigure": "entry",
        "Published": "published",
        "Reproduction": "reproduce",
        "Setting": "entry",
        "TaskSet": "entry",
        "figures": "registry",
        "find_figure": "registry",
        "published": "published",
        "reproduce": "reproduce",
    },
)
