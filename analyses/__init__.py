"""The experiments: one file per question, Dataset in, Dataset out, a plot beside each."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.plan_formation import plan_formation as plan_formation
    from analyses.plan_formation import plot_plan_formation as plot_plan_formation
    from analyses.plan_probes import plan_probes as plan_probes
    from analyses.plan_probes import plot_plan_probes as plot_plan_probes
    from analyses.study import study as study
    from analyses.thinking_time import plot_thinking_time as plot_thinking_time
    from analyses.thinking_time import thinking_time as thinking_time


__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "plan_formation": "plan_formation",
        "plan_probes": "plan_probes",
        "plot_plan_formation": "plan_formation",
        "plot_plan_probes": "plan_probes",
        "plot_thinking_time": "thinking_time",
        "study": "study",
        "thinking_time": "thinking_time",
    },
)
