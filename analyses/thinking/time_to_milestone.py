"""When does the organism reach its sub-goals, if it may think first?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, Success
from analyses.question import answer_plot, question
from analyses.thinking.cycles import milestones_of
from analyses.verdict import INTERVALS, add_verdict
from interp.errors import InputError, check_integer
from interp.statistics.significance import MEAN_TEST
from organisms.capabilities.milestones import Milestones

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks

GROUPS = ("all", "newly_solved", "always_solved")


@question(
    "Does it reach its sub-goals later if it may think first?",
    needs=(Ability(Milestones), Success()),
)
def time_to_milestone(
    organism: Any,
    tasks: Tasks,
    thinking_steps: int | Iterable[int] = (0, 2, 4, 8),
    *,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
    progress: bool = True,
) -> xr.Dataset:
    """Measure the step at which each sub-goal is reached against thinking steps.

    If an organism that may think first goes for a better plan rather than for the nearest sub-goal,
    the first sub-goals are reached *later* and the last one not. Times are compared pairwise: over
    tasks in which the sub-goal is reached both with and without thinking.

    Parameters
    ----------
    organism
        With ``run`` and ``milestones``.
    tasks
        One episode each.
    thinking_steps
        Before the first action; 0 is added if missing. The steps until a milestone are those in
        which the organism acts: thinking steps do not count.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        reached_at (step; NaN: never)        thinking, episode, milestone
        solved                               thinking, episode
        group_of                             group, episode: whether the task is of the group
        mean_step, _low, _high, n            group, thinking, milestone: over the tasks that reach it
        delay, _low, _high, n_pairs          group, thinking, milestone: step with thinking minus
                                             step without, paired
        group_share, _low, _high             group: share of all tasks
        p_value, p_holm                      group, thinking, milestone; one-sided, of delay ≤ 0
        found                                group: some milestone comes later with thinking
        ===================================  ======================================================

        Groups are the same tasks at all thinking times: ``all``; ``newly_solved`` (not solved
        without thinking, solved at the best time, the attribute ``best_thinking``);
        ``always_solved`` (both). Milestones reached from the start are left out.

    Raises
    ------
    InputError
        If the organism's family has no milestones, there are no tasks, or a number is negative.

    Notes
    -----
    A later first sub-goal may also be due to harder tasks being solved at all: so the mean step (as
    published) can rise without any delay, and ``found`` is about the paired delay only.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421), Fig. 6 of its first version: "time to place box".
    Their "solved levels" are ``newly_solved``; theirs is the mean over whoever reaches a sub-goal.

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> result = time_to_milestone(organism, organism.tasks("test", 8), (0, 2), progress=False)
    >>> result.mean_step.dims
    ('group', 'thinking', 'milestone')
    """
    from tqdm import tqdm

    from interp.statistics import RATE, mean_interval, mean_p_value

    if not hasattr(organism, "run"):
        raise InputError(f"Give organisms.load(…), not a {type(organism).__name__}.")
    if tasks is None or not len(tasks):
        raise InputError("There are no tasks to run.")
    given: list[Any] = (
        list(thinking_steps) if isinstance(thinking_steps, Iterable) else [thinking_steps]
    )
    for t in given:
        check_integer("thinking_steps", t, 0)
    times = sorted({0, *map(int, given)})
    steps, solved = [], []
    for t in tqdm(times, unit="run", desc="time to milestones", disable=not progress):
        run = organism.run(tasks, seed=seed, thinking_steps=t, batch_size=batch_size)
        reached = milestones_of(organism, run)
        if reached is None:
            raise InputError(f"{organism.name} has no milestones: its family defines no sub-goals.")
        steps.append(np.where(reached >= 0, reached, np.nan))
        solved.append(run.solved.values.astype(bool))
    n_milestones = max(step.shape[1] for step in steps)
    at = np.full((len(times), len(tasks), n_milestones), np.nan)
    for t, step in enumerate(steps):
        at[t, :, : step.shape[1]] = step
    ok = np.stack(solved)
    # Of the times with thinking, even if none of them solves more than acting at once.
    best = int(ok[1:].sum(axis=1).argmax()) + 1 if len(times) > 1 else 0
    member = np.stack([np.ones_like(ok[0]), ok[best] & ~ok[0], ok[best] & ok[0]])
    shape = (len(GROUPS), len(times), n_milestones)
    mean, delay = np.full((3, *shape), np.nan), np.full((3, *shape), np.nan)
    p, n, pairs = np.full(shape, np.nan), np.zeros(shape, int), np.zeros(shape, int)
    max_steps = int(organism.world(tasks[0:1]).max_steps)
    within = (-max_steps, max_steps)
    share = np.array(
        mean_interval(member.T.astype(float), n_bootstrap, confidence, seed, bounds=RATE)
    )
    for g, t in np.ndindex(shape[:2]):
        for m in range(n_milestones):
            now = at[t, member[g], m]
            before = at[0, member[g], m]
            there = np.isfinite(now)
            both = there & np.isfinite(before)
            n[g, t, m], pairs[g, t, m] = there.sum(), both.sum()
            if there.any():
                mean[:, g, t, m] = mean_interval(now[there], n_bootstrap, confidence, seed)
            if both.any():
                difference = now[both] - before[both]
                delay[:, g, t, m] = mean_interval(
                    difference, n_bootstrap, confidence, seed, bounds=within
                )
                if t:
                    p[g, t, m] = mean_p_value(difference, rng=seed, bounds=within)
    dims = ("group", "thinking", "milestone")
    data: dict[str, Any] = {
        "reached_at": (("thinking", "episode", "milestone"), at),
        "solved": (("thinking", "episode"), ok),
        "group_of": (("group", "episode"), member),
        "n": (dims, n),
        "n_pairs": (dims, pairs),
        "level_id": ("episode", np.array(list(tasks.ids), dtype=object)),
    }
    for i, end in enumerate(("", "_low", "_high")):
        data[f"mean_step{end}"], data[f"delay{end}"] = (dims, mean[i]), (dims, delay[i])
        data[f"group_share{end}"] = ("group", share[i])
    coords = {
        "group": list(GROUPS),
        "thinking": times,
        "milestone": np.arange(1, n_milestones + 1),
    }
    attrs = {
        "analysis": "time_to_milestone",
        "organism": organism.name,
        "n_episodes": len(tasks),
        "confidence": confidence,
        "intervals": INTERVALS.format("episodes", n_bootstrap),
        "seed": seed,
        "max_steps": max_steps,
        "best_thinking": times[best],
    }
    definition = f"one-sided, of delay ≤ 0, over paired tasks; {MEAN_TEST}"
    p_value = xr.DataArray(p, coords, dims, attrs={"definition": definition})
    dataset = xr.Dataset(data, coords, attrs)
    return add_verdict(dataset, "delay", ("thinking", "milestone"), p=p_value)


time_to_box = time_to_milestone
"""The papers' name for it."""


@answer_plot
def plot_time_to_milestone(dataset: xr.Dataset) -> Figure:
    """Draw the mean step of each milestone against thinking steps, one panel per group of tasks."""
    from interp.style import colours, figure_style, legend_outside, line_with_interval, subplots

    titles = {
        "all": "a   all tasks",
        "newly_solved": "b   solved only with thinking",
        "always_solved": "c   solved with and without",
    }
    palette = colours(list(dataset.milestone.values), "tick")
    with figure_style():
        figure, axes = subplots(1, len(titles), width="text", height=2.6, sharex=True, sharey=True)
        for ax, (group, title) in zip(axes, titles.items(), strict=True):
            for milestone in dataset.milestone.values:
                cell = dataset.sel(group=group, milestone=milestone)
                line_with_interval(
                    ax,
                    cell.thinking,
                    cell.mean_step,
                    cell.mean_step_low,
                    cell.mean_step_high,
                    f"sub-goal {milestone}",
                    color=palette[milestone],
                )
            of_group = int(dataset.group_of.sel(group=group).sum())
            ax.set_title(f"{title}\n({of_group} tasks)", loc="left")
            ax.set_xlabel("thinking steps")
        axes[0].set_ylabel("step at which it is reached")
        axes[0].set_xticks(dataset.thinking.values)
        n, share = dataset.attrs["n_episodes"], 100 * dataset.attrs["confidence"]
        figure.suptitle(f"{dataset.attrs['organism']}: n = {n} tasks, bands {share:.0f} %")
        legend_outside(figure, axes, loc="outside lower center", ncols=4)
    return figure
