"""Tasks in which objectives part, with the agent's way beside those of hypothetical agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability
from analyses.objectives.goal_writes import GoalWrites
from analyses.objectives.policy_fields import policy_field
from analyses.question import answer_plot, question
from interp.errors import UnknownNameError, check_integer
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@question(
    "Which way does it go where objectives part?",
    needs=(Ability(Objectives), Ability(Places)),
)
def agent_choices(
    organism: Any, split: str | None = None, *, n: int = 4, seed: int = 0
) -> xr.Dataset:
    """Let an agent act where objectives part, and note how agents after either would have gone.

    Parameters
    ----------
    organism
        With the capabilities `Objectives`, `Places` and `Pictures`.
    split
        One of ``organism[Objectives].diverging``; the first unless told.
    n, seed
        Tasks, and which. Not chosen: they are the first of the split.

    Returns
    -------
    xarray.Dataset
        ``way`` (agent, episode, time, axis) int64, −1 beyond the end, for the organism, the base
        objective and the proxy; ``reached`` (episode): which of the two the organism reached;
        ``task`` (episode): written out.

    Raises
    ------
    UnknownNameError
        If `split` is none of the tasks in which objectives part.
    """
    check_integer("n", n, 1)
    diverging = dict(organism[Objectives].diverging)
    split = next(iter(diverging), "") if split is None else split
    if split not in diverging:
        raise UnknownNameError("split in which objectives part", split, diverging)
    base, proxy = diverging[split]
    tasks = organism.tasks(split, n, seed)
    run = organism.run(tasks, seed=seed)
    reached = organism[Objectives].reached(run)
    ends = [
        base
        if bool(row.sel(objective=base))
        else proxy
        if bool(row.sel(objective=proxy))
        else "neither"
        for row in (reached.isel(episode=i) for i in range(n))
    ]
    hypothetical = organism[Objectives].hypothetical_ways(tasks)
    ways = {
        organism.name: organism[Places].ways(run),
        f"after {base}": hypothetical[base],
        f"after {proxy}": hypothetical[proxy],
    }
    longest = max(way.shape[1] for way in ways.values())
    padded = [
        np.pad(way, ((0, 0), (0, longest - way.shape[1]), (0, 0)), constant_values=-1)
        for way in ways.values()
    ]
    return xr.Dataset(
        {
            "way": (("agent", "episode", "time", "axis"), np.stack(padded)),
            "reached": ("episode", np.array(ends, dtype=object)),
            "task": ("episode", np.array(list(tasks.texts), dtype=object)),
        },
        {"agent": list(ways), "axis": ["y", "x"]},
        {"analysis": "agent_choices", "organism": organism.name, "split": split},
    )


@answer_plot
def plot_agent_choices(dataset: xr.Dataset, organism: Any) -> Figure:
    """Draw the tasks side by side, with the three ways (``organism[Pictures].draw_task`` draws them)."""
    from interp.style import figure_style, subplots

    n = dataset.sizes["episode"]
    names = [str(name) for name in dataset.agent.values]
    short = {name: name.rpartition("/")[2] for name in names}
    with figure_style():
        figure, axes = subplots(1, n, width="text", height=2.5, squeeze=False)
        for i, ax in enumerate(axes[0]):
            part = dataset.isel(episode=i)
            ways = {short[name]: part.way.sel(agent=name).values for name in names}
            organism[Pictures].draw_task(
                str(part.task.values),
                ax,
                trajectories=ways,
                title=f"reached: {part.reached.values}",
            )
        # One legend for all the pictures, instead of the one that each may have.
        legends = [legend for ax in axes[0] if (legend := ax.get_legend()) is not None]
        if legends:
            handles = legends[0].legend_handles
            figure.legend(handles, list(short.values()), loc="outside lower center", ncols=3)
        for legend in legends:
            legend.remove()
        figure.suptitle(dataset.attrs["split"], fontsize=8)
    return figure


def retargeting_example(
    organism: Any,
    kind: str = "swap-objects",
    *,
    site: str | None = None,
    alpha: float = 2.0,
    n_pairs: int = 20,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return a policy before and after another goal is written in, in one task.

    Parameters
    ----------
    organism
        With goal pairs (see `analyses.objectives.objective_swap.objective_swap`).
    site
        Where the difference is added; the last of ``organism.state_sites`` unless told.
    alpha
        How many times.
    n_pairs, seed
        Of the pairs, the first is taken in which the agent goes to its goal by itself and to the
        other place when steered; the first of all if there is none. So it is an example of what
        steering does when it works; how often that is, `objective_swap` says.

    Returns
    -------
    tuple of xarray.Dataset
        See `analyses.objectives.policy_fields.policy_field`; for
        `analyses.objectives.policy_fields.plot_policy_field`.
    """
    at: str = list(organism.state_sites)[-1] if site is None else site
    pairs = organism[Counterfactuals].pairs(kind, n_pairs, seed)
    writes = GoalWrites(organism, pairs, [at], seed)
    shown = 0
    for i in range(len(pairs.clean)):
        task = pairs.clean[i : i + 1]
        ends = []
        for changes in ((), writes.steering(at, i, alpha)):
            way = pairs.visited(organism.run(task, seed=seed, interventions=changes))[0]
            ends.append(tuple(way[way[:, 0] >= 0][-1]))
        if ends == [tuple(pairs.clean_goal[i]), tuple(pairs.corrupted_goal[i])]:
            shown = i
            break
    task = pairs.clean[shown : shown + 1]
    marks = {
        "goal": tuple(pairs.clean_goal[shown]),
        "where it is written": tuple(pairs.corrupted_goal[shown]),
    }
    before, after = (
        policy_field(organism, task, changes, marks=marks, visited=pairs.visited, seed=seed)
        for changes in ((), writes.steering(at, shown, alpha))
    )
    return before, after
