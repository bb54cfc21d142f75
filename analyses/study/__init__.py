"""The main job and its page."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.study.study import study as study
    from analyses.study.study import write_netcdf as write_netcdf

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
