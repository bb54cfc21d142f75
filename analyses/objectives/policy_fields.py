"""What a policy would do at every place, before and after an intervention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, Chooses
from analyses.question import answer_plot, question
from interp.errors import InputError
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks
    from interp.interventions.applied import Intervention

_ARROWS = ("#0072B2", "#D55E00", "#333333")
_RINGS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@question(
    "What would it do at every place?",
    needs=(Ability(Places), Chooses()),
)
def policy_field(
    organism: Any,
    task: Tasks,
    interventions: Intervention | Sequence[Intervention] = (),
    *,
    marks: Mapping[str, tuple[int, int]] | None = None,
    visited: Callable[[xr.Dataset], np.ndarray] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Return an organism's policy at every place of a task, as of the first step of an episode there.

    Parameters
    ----------
    organism
        With ``everywhere``, ``directions`` and ``replay``.
    task
        Tasks, of which there is one.
    interventions
        Applied to all places alike (`analyses.objectives.goal_writes.GoalWrites.steering`), or
        with a value for
        each place, in the order of ``organism[Places].everywhere(task)``.
    marks
        Name → place, kept for the plot (the goal, and where it was written).
    visited
        From a run, (episode, time, axis): the places the agent was at (`GoalPairs.visited`). With it
        an episode is run from the task's own start, for which `interventions` may have no value for
        each place.
    seed
        Of that run.

    Returns
    -------
    xarray.Dataset
        ``probability`` (y, x, action) float64 and ``vector`` (y, x, axis): the mean direction that the
        policy moves in, rows down and columns right, each from −1 to 1; NaN where no episode can
        begin. ``value`` (y, x). ``mark_place`` (mark, axis). ``way`` (time, axis) int64: where the
        agent goes from the task's own start, acting greedily; −1 beyond the end. The task written out
        is an attribute.

    Raises
    ------
    InputError
        If there is not one task, or the family cannot begin it elsewhere.

    References
    ----------
    Turner, Mini et al. 2023 (arXiv 2310.08043): net probability vectors.
    """
    from interp.interventions.applied import as_interventions

    changes = as_interventions(interventions)
    if len(task) != 1:
        raise InputError(f"A policy field is of one task, not of {len(task)}.")
    tasks, begun = organism[Places].everywhere(task)
    steps = np.array(list(organism[Places].directions.values()), float)
    first = organism.world(tasks).reset()
    run = organism.replay(first[None], interventions=changes)
    logits = run["logits"].isel(step=0).values.astype(np.float64)
    if logits.shape[1] != len(steps):
        raise InputError(
            f"{organism.name} has {logits.shape[1]} actions, and its family {len(steps)} directions."
        )
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely = odds / odds.sum(axis=1, keepdims=True)
    probability, value = np.full((*begun.shape, len(steps)), np.nan), np.full(begun.shape, np.nan)
    there = begun >= 0
    probability[there] = likely[begun[there]]
    value[there] = run["value"].isel(step=0).values[begun[there]]
    named = dict(marks or {})
    way = np.empty((0, 2), np.int64)
    if visited is not None:
        way = visited(organism.run(task, seed=seed, interventions=changes))[0]
    return xr.Dataset(
        {
            "probability": (("y", "x", "action"), probability),
            "vector": (("y", "x", "axis"), probability @ steps),
            "value": (("y", "x"), value),
            "way": (("time", "axis"), way),
            "mark_place": (
                ("mark", "axis"),
                np.array(list(named.values()), np.int64).reshape(-1, 2),
            ),
        },
        {"action": list(organism[Places].directions), "axis": ["y", "x"], "mark": list(named)},
        {
            "analysis": "policy_field",
            "organism": organism.name,
            "task": str(task.texts[0]),
            "task_id": str(task.ids[0]),
            "n_interventions": len(changes),
            "seed": seed,
        },
    )


@answer_plot
def plot_policy_field(
    before: xr.Dataset,
    after: xr.Dataset,
    organism: Any,
    *,
    titles: tuple[str, str] = ("before", "after"),
) -> Figure:
    """Draw a policy before and after an intervention, and how it changed, on the picture of its task.

    Arrows are mean directions, the longer the surer the policy is, and up to twice as long for the
    change. Rings are the marks of `before`.

    Parameters
    ----------
    before, after
        From `policy_field`, of one task.
    organism
        Whose family draws the task (``organism[Pictures].draw_task``).
    titles
        Of the first two panels.

    Raises
    ------
    InputError
        If the two are not of one task.
    """
    from matplotlib.lines import Line2D

    from interp.style import figure_style, subplots

    if before.attrs["task"] != after.attrs["task"]:
        raise InputError("The two policy fields are of different tasks.")
    fields = (before.vector, after.vector, after.vector - before.vector)
    panels = list(zip((*titles, "change"), fields, _ARROWS, strict=True))
    ways = dict(zip(titles, (before.way, after.way), strict=True))
    marks = [str(mark) for mark in before.mark.values]
    rings = dict(zip(marks, cycle(_RINGS), strict=False))
    with figure_style():
        figure, axes = subplots(1, 3, width="text", height=2.75)
        for letter, ax, (title, field, colour) in zip("abc", axes, panels, strict=True):
            organism[Pictures].draw_task(
                before.attrs["task"], ax, field=field.values, colour=colour
            )
            ax.set_title(f"{letter}   {title}", loc="left")
            if (way := ways.get(title)) is not None:
                y, x = way.values[(way.values >= 0).all(axis=1)].T
                ax.plot(x, y, color=colour, lw=7, alpha=0.25, solid_capstyle="round", zorder=2)
            for mark, (y, x) in zip(marks, before.mark_place.values, strict=True):
                ax.plot(x, y, "o", ms=19, mfc="none", mec=rings[mark], mew=1.8, zorder=7)
        handles = [
            Line2D([], [], color=colour, marker=r"$\rightarrow$", ls="", ms=10, label=title)
            for title, _, colour in panels
        ]
        handles += [
            Line2D([], [], color=rings[m], marker="o", mfc="none", mew=1.8, ms=9, ls="", label=m)
            for m in marks
        ]
        if before.sizes["time"]:
            look: dict[str, Any] = {"color": "0.3", "lw": 5, "alpha": 0.3}
            handles.append(Line2D([], [], label="way gone", **look))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        figure.suptitle(f"{before.attrs['organism']}, {before.attrs['task_id']}", fontsize=8)
    return figure
