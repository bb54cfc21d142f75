"""Figures and tables of papers, made again: theirs beside ours, and what keeps them apart."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.papers.entry import Caution as Caution
    from analyses.papers.entry import Conditions as Conditions
    from analyses.papers.entry import Needs as Needs
    from analyses.papers.entry import PaperFigure as PaperFigure
    from analyses.papers.entry import Setting as Setting
    from analyses.papers.entry import TaskSet as TaskSet
    from analyses.papers.published import Published as Published
    from analyses.papers.published import published as published
    from analyses.papers.registry import figures as figures
    from analyses.papers.registry import find_figure as find_figure
    from analyses.papers.reproduce import Reproduction as Reproduction
    from analyses.papers.reproduce import reproduce as reproduce

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
