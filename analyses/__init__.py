"""The experiments: one file per question, Dataset in, Dataset out, a plot beside each."""

from interp.lazy import lazy_names

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
