"""One episode, left alone and steered: the plan that is read from it, and the way it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.causes.plan_writing import Directions, given_directions, written_plan
from analyses.needs import PlaceDims
from analyses.question import answer_plot, question
from interp.errors import InputError, check_integer
from organisms.capabilities.pictures import Pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from organisms.capabilities.steering_tasks import SteeringTasks


@question("How does an episode go, left alone and steered?", needs=(PlaceDims(),))
def steered_episode(
    organism: Any,
    tasks: SteeringTasks,
    probes: xr.Dataset,
    site: str,
    *,
    alpha: float = 1.0,
    n_directional: int = 1,
    ticks: Any = None,
    task: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Run one steering task with nothing done and with the plan of the long way written.

    Parameters
    ----------
    organism, tasks, probes, site, alpha, n_directional, ticks
        As in `analyses.causes.plan_steering.plan_steering`.
    task
        Which of the tasks. None takes the first one that is solved by the long way with the plan
        written and by the short way without (an illustration, chosen for its outcome); the first of
        all if there is none.

    Returns
    -------
    xarray.Dataset
        Both runs along ``condition`` ("nothing", "plan written"): the variables of a run, the decoded
        plan ``plan`` (condition, *place dims) int16, what the probe reads at the last tick of step 0,
        ``success`` (condition) bool, ``classes`` (class), and ``written`` (*place dims) int8, what was
        written: 1 "never", 2 a class that leads along the long way, else 0. The probe reads the site
        as it is after the intervention: at the places that were written it reads what was written;
        what the organism makes of it shows at the others.
    """
    from interp.probes.decode import decode

    directions = given_directions(probes, tasks.concept, [site])
    if task is None:
        task = _illustration(organism, tasks, directions, site, alpha, n_directional, ticks, seed)
    check_integer("task", task, 0)
    if task >= len(tasks):
        raise InputError(f"There are {len(tasks)} tasks, no task {task}.")
    one = tasks[task : task + 1]
    plan = written_plan(organism, one, directions, site, alpha, n_directional, ticks)
    runs: list[xr.Dataset] = []
    for interventions in ([], plan):
        run = organism.run(one.tasks, seed=seed, interventions=interventions, sites=[site])
        state = run[site].sel(step=0)
        state = state.isel(tick=-1) if "tick" in state.dims else state
        [channel] = [dim for dim in state.dims if dim not in ("episode", *tasks.place_dims)]
        tick = directions.by_site[site].attrs["tick"]
        intercept = probes.intercept.sel(source="trained", site=site, tick=tick)
        state = state.rename({channel: "channel"})
        vectors = directions.by_site[site]
        read = decode(
            state.rename(dict(zip(tasks.place_dims, "yx", strict=True))), vectors, intercept
        )
        runs.append(
            run.drop_vars([site]).assign(
                plan=(("episode", *tasks.place_dims), read.values.astype(np.int16)),
                success=("episode", one.succeeded(run)),
            )
        )
    both = xr.concat(
        [run.isel(episode=0) for run in runs],
        xr.DataArray(["nothing", "plan written"], dims="condition"),
        join="outer",
        fill_value={"action": -1, "observation": 0, "done": False},
        combine_attrs="drop_conflicts",
    )
    written = np.zeros([both.sizes[dim] for dim in tasks.place_dims], np.int8)
    for place in one.short[0]:
        written[place] = 1
    for place, _ in one.long[0][:n_directional]:
        written[place] = 2
    both["written"] = (tasks.place_dims, written)
    both["classes"] = ("class", [str(name) for name in directions.by_site[site]["class"].values])
    both.attrs |= {
        "analysis": "steered_episode",
        "organism": organism.name,
        "kind": tasks.kind,
        "concept": tasks.concept,
        "site": site,
        "alpha": float(alpha),
        "n_directional": int(n_directional),
        "task": one.tasks.ids[0],
    }
    for name in ("interventions", "network", "world"):
        both.attrs.pop(name, None)
    return both


def _illustration(
    organism: Any,
    tasks: SteeringTasks,
    directions: Directions,
    site: str,
    alpha: float,
    n_directional: int,
    ticks: Any,
    seed: int,
) -> int:
    plan = written_plan(organism, tasks, directions, site, alpha, n_directional, ticks)
    alone = organism.run(tasks.tasks, seed=seed)
    steered = organism.run(tasks.tasks, seed=seed, interventions=plan)
    turned = tasks.succeeded(steered) & ~tasks.took_long_way(alone) & alone.solved.values
    return int(turned.argmax())


@answer_plot
def plot_steered_episode(dataset: xr.Dataset, organism: Any) -> Figure:
    """Draw the plan that is read before the first action and the way that is gone, without and with.

    Parameters
    ----------
    dataset
        From `steered_episode`.
    organism
        Whose family draws the state (``organism[Pictures].draw_plan``).
    """
    from interp.style import figure_style, subplots

    classes = tuple(str(name) for name in dataset.classes.values)
    with figure_style():
        figure, axes = subplots(1, 4, width="text", height=2.2)
        for column, condition in enumerate(dataset.condition.values):
            episode = dataset.sel(condition=condition)
            solved = "solved" if bool(episode.solved) else "not solved"
            plan, way = axes[2 * column], axes[2 * column + 1]
            marked = dataset.written.values if column else None
            organism[Pictures].draw_plan(
                episode,
                plan,
                labels=episode.plan.values,
                classes=classes,
                marked=marked,
                colour="#D55E00",
            )
            organism[Pictures].draw_plan(episode, way, way=True)
            plan.set_title(f"{'ac'[column]}   {condition}:\nplan read before move 1", loc="left")
            way.set_title(
                f"{'bd'[column]}   way gone:\n{solved} in {int(episode.length)} moves", loc="left"
            )
        attrs = dataset.attrs
        figure.suptitle(
            f"{attrs['organism']}, {attrs['kind']}; {attrs['concept'].replace('_', ' ')} at "
            f"{attrs['site']}, α = {attrs['alpha']:g}, p = {attrs['n_directional']}; shaded: written",
            fontsize=8,
        )
    return figure
