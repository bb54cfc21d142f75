"""What a written plan is compared with: random directions, directions that know the data, other plans."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.errors import InputError, check_integer
from interp.statistics import FEWEST_CONTROLS

if TYPE_CHECKING:
    from analyses.causes.plan_writing import Directions
    from organisms.capabilities.steering_tasks import SteeringTasks

RANDOM, SHUFFLED, OTHER_PLAN = "random", "shuffled", "other plan"
LABELS = {
    RANDOM: "random directions",
    SHUFFLED: "probes of shuffled labels",
    OTHER_PLAN: "another level's plan",
}
"""Kind of control → its name in figures and reports."""


@dataclass(frozen=True)
class Writer:
    """One of those that write: the plan itself, or one draw of a control.

    Attributes
    ----------
    source : str
        ``"trained"``, or a kind of control.
    directions : Directions
    ways : SteeringTasks
        Whose short and long ways are written.
    """

    source: str
    directions: Directions
    ways: SteeringTasks


def writers(
    directions: Directions,
    shuffled: Sequence[Directions],
    tasks: SteeringTasks,
    n_random: int,
    n_other_plans: int,
    seed: int,
) -> list[Writer]:
    """Return the plan's writer, and after it those of every draw of every control.

    Parameters
    ----------
    shuffled
        Directions of probes of shuffled labels; they are made as long as the plan's.
    n_random, n_other_plans
        How many draws: none, or so many that a rank among them can be significant.

    Raises
    ------
    InputError
        If there are fewer draws of a kind than a rank needs, none of any kind, or a single unit, which
        has no other's plan.
    """
    counts = {
        "n_random": n_random,
        "n_other_plans": n_other_plans,
        "probes of shuffled labels": len(shuffled),
    }
    for name, count in counts.items():
        check_integer(name, count, 0)
        if 0 < count < FEWEST_CONTROLS:
            raise InputError(
                f"{name} is 0 or at least {FEWEST_CONTROLS}, not {count}: a rank among fewer draws "
                "has no p-value of 0.05."
            )
    if not any(counts.values()):
        raise InputError(
            "A written plan is compared with draws of at least one control; none given."
        )
    rng = np.random.default_rng([seed, 5])
    return [
        Writer("trained", directions, tasks),
        *(Writer(RANDOM, drawn, tasks) for drawn in directions.random(seed + 1, n_random)),
        *(Writer(SHUFFLED, own.as_long_as(directions), tasks) for own in shuffled),
        *(
            Writer(OTHER_PLAN, directions, with_other_plans(tasks, rng))
            for _ in range(n_other_plans)
        ),
    ]


def with_other_plans(tasks: SteeringTasks, rng: np.random.Generator) -> SteeringTasks:
    """Give every task the two ways of a task of another unit, drawn at random.

    Only what is written changes: the tasks, and by which way they count as solved, stay.

    Raises
    ------
    InputError
        If all tasks are of one unit.
    """
    unit = np.asarray(tasks.unit)
    if len(np.unique(unit)) < 2:
        raise InputError("Another level's plan needs tasks of at least two units (levels).")
    of = [int(rng.choice(np.flatnonzero(unit != own))) for own in unit]
    return dataclasses.replace(
        tasks, short=tuple(tasks.short[i] for i in of), long=tuple(tasks.long[i] for i in of)
    )
