"""What can be run on: tasks, and neither their name nor anything else."""

from __future__ import annotations

from typing import Any

from interp.errors import InputError


def check_tasks(tasks: Any) -> None:
    """Raise InputError unless these are tasks, one at least; a name of tasks is none yet."""
    if isinstance(tasks, str):
        raise InputError(
            f"{tasks!r:.80} is text, no set of tasks: give the tasks that it names, "
            f"organism.tasks({tasks!r:.80})."
        )
    if not hasattr(tasks, "ids"):
        raise InputError(
            f"A {type(tasks).__name__} is no set of tasks: give what the organism's tasks(…) returns."
        )
    if not len(tasks):
        raise InputError("There are no tasks to run.")
