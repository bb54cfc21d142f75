"""Is a plan that is written into the organism carried out?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.causes.plan_controls import LABELS, writers
from analyses.causes.plan_writing import (
    Directions,
    fitted_directions,
    given_directions,
    written_plan,
)
from analyses.causes.steering_table import steering_table
from analyses.needs import Ability
from analyses.question import answer_plot, question
from interp.errors import InputError, check_integer
from interp.statistics import FEWEST_CONTROLS
from organisms.capabilities.steering import Steering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from interp.contract import Tasks
    from organisms.capabilities.steering_tasks import SteeringTasks

TRAIN_TASKS = 300
"""Tasks of the split ``"train"`` that probes are fitted on unless others are given."""


@question(
    "Is a plan that is written into it carried out?", needs=(Ability(Steering, unless="kind"),)
)
def plan_steering(
    organism: Any,
    kind: str | SteeringTasks,
    *,
    probes: Directions | xr.Dataset | None = None,
    train_tasks: Tasks | None = None,
    n_tasks: int = 25,
    sites: str | Iterable[str] | None = None,
    alphas: Sequence[float] = (0.5, 1.0, 2.0),
    n_directional: Sequence[int] = (1,),
    n_random: int = 19,
    n_shuffled: int | None = None,
    n_other_plans: int = 19,
    ticks: Any = None,
    seed: int = 0,
    batch_size: int = 128,
    folder: str | os.PathLike | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Write the plan of the long way into an organism that would take the short way, and run it.

    Tasks have a short and a long way (`organisms.capabilities.steering_tasks.SteeringTasks`).
    While the organism
    acts, ``alpha`` times the class direction of a 1 × 1 probe is added to one site: "never" at the
    places of the short way at every step, and at the first places of the long way the classes that
    lead along it, each until it has been carried out. It succeeds if the task is solved by the long
    way. The same is done with nothing, and by controls, each with a distribution of draws:

    * *random*: random directions of the same norms;
    * *shuffled*: directions of probes of shuffled labels, as long as the plan's: they know the
      activations, and not the plan;
    * *other plan*: the plan's own directions, at the ways of a task of another unit.

    Where there are several cells (site, α, number of places), the plan and every draw of a control each
    choose their best one on half of the units, and are scored on the other half, in turn. So the plan
    has no choice that its controls lack, and no unit is scored in a cell that it helped to choose.

    Parameters
    ----------
    organism
        With ``steering_tasks`` and ``concepts``, and a plan to be read (train it first).
    kind
        Kind of steering tasks of the organism's family, or such tasks.
    probes
        `analyses.causes.plan_writing.fitted_directions`, or probes of the tasks' concept, 1 × 1, from
        `interp.probes.fit_probes`; they must have been fitted on other tasks. None fits them here.
    train_tasks
        What probes are fitted on; default 300 of ``organism.tasks("train")``.
    n_tasks
        Units of steering tasks, if `kind` is a name: variants (mirror images) of one are one unit.
    sites
        Names or globs; default ``organism[Steering].sites``. A plan is written to one at a time.
    alphas, n_directional
        Factors of the directions, and how many places of the long way are written (0: only "never").
    n_random, n_shuffled, n_other_plans
        Draws of each control: none, or at least 19, with which the plan can rank at p = 0.05. Of shuffled
        labels by default 19 if probes are fitted here, else those that `probes` bring.
    ticks
        Ticks at which directions are added, as in `interp.Address`; None for all.
    seed
        Of tasks, recording, probes, controls, folds and bootstrap.
    folder
        Keeps the recording that probes are fitted on; default a temporary folder.
    **options
        Passed to `interp.probes.fit_probes`.

    Returns
    -------
    xarray.Dataset
        ======================================  ====================================================
        variable                                dims
        ======================================  ====================================================
        written, written_low, written_high      – : solved by the long way, in the cells chosen on
                                                other units
        control_mean, control_sd                control: mean and standard deviation of the draws'
        control_draw                            draw: of each, in its own best cell; coordinate
                                                ``draw_control``
        over_control, _low, _high               control: written minus the mean of the draws
        p_rank                                  control: of the plan's rank among the draws
        nothing, nothing_low, nothing_high      – : the same without intervention, the base rate
        over_nothing, _low, _high               – : written minus nothing, paired by unit
        p_value                                 – : the largest of p_rank and of the sign-flip test of
                                                over_nothing ≤ 0 (Berger 1982)
        found                                   – : p_value ≤ 0.05
        chosen_site, chosen_alpha,              fold: the plan's cell
        chosen_n_directional
        success, success_low, success_high      source (trained, and every control), site, alpha,
                                                n_directional: all units, each cell by itself; of a
                                                control the mean over draws. To look at: a best cell
                                                picked from it is not what was tested
        success_draw                            draw, site, alpha, n_directional
        solved, long_way                        source (and nothing: solved_nothing,
                                                long_way_nothing), site, …: either part of success
        level_success                           source, site, alpha, n_directional, level
        level_written, level_nothing            level
        macro_f1                                site: the probe's, on held-out levels
        ======================================  ====================================================

    Raises
    ------
    InputError
        If the family has no such tasks, an argument is out of range, a probe lacks a class that has to
        be written, or there are several cells and a single unit.

    Notes
    -----
    The rank is exact where the plan's directions are, under the null hypothesis, one more draw of the
    control. Intervals resample units (levels), and with them the draws. It takes
    ``1 + sites · alphas · n_directional · (1 + draws)`` runs of all tasks.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 6, Table 1, App. B.2. Theirs: 25 hand-made levels of each
    kind × 8 symmetries, five probes, 32 channels; the spread in their table is over probes.
    """
    from tqdm import tqdm

    from interp.network.site_names import select_sites

    alphas, n_directional = _checked(alphas, n_directional)
    tasks = organism[Steering].tasks(kind, n_tasks, seed) if isinstance(kind, str) else kind
    chosen = select_sites(organism[Steering].sites if sites is None else sites, organism.sites)
    if probes is None:
        directions = fitted_directions(
            organism,
            tasks.concept,
            organism.tasks("train", TRAIN_TASKS, seed=seed) if train_tasks is None else train_tasks,
            chosen,
            seed=seed,
            n_shuffled=FEWEST_CONTROLS if n_shuffled is None else n_shuffled,
            folder=folder,
            progress=progress,
            **options,
        )
    elif isinstance(probes, Directions):
        directions = probes
    else:
        directions = given_directions(probes, tasks.concept, chosen)
    shuffled = directions.shuffled[:n_shuffled]
    if len(shuffled) < (n_shuffled or 0):
        raise InputError(
            f"{n_shuffled} draws of shuffled labels were asked for, and the probes that are given bring "
            f"{len(shuffled)}: fit them with fitted_directions(…, n_shuffled={n_shuffled})."
        )
    players = writers(directions, shuffled, tasks, n_random, n_other_plans, seed)
    shape = (len(chosen), len(alphas), len(n_directional))
    units = np.unique(tasks.unit, return_inverse=True)[1]
    outcome = np.zeros((3, len(players), *shape, units.max() + 1))

    def outcomes(interventions: list[Any]) -> np.ndarray:
        """Return (success, solved, long way) × unit."""
        run = organism.run(
            tasks.tasks, seed=seed, interventions=interventions, batch_size=batch_size
        )
        long_way = np.asarray(tasks.took_long_way(run), bool)
        solved = np.asarray(run.solved.values, bool)
        per_task = np.stack([solved & long_way, solved, long_way]).astype(float)
        sums = np.stack([np.bincount(units, row) for row in per_task])
        return sums / np.bincount(units)

    grid = list(np.ndindex(len(players), *shape))
    with tqdm(total=len(grid) + 1, unit="run", desc="steering", disable=not progress) as bar:
        nothing = outcomes([])
        bar.update()
        for cell in grid:
            who, at, a, p = cell
            player = players[who]
            plan = written_plan(
                organism,
                player.ways,
                player.directions,
                chosen[at],
                alphas[a],
                n_directional[p],
                ticks,
            )
            outcome[(slice(None), *cell)] = outcomes(plan)
            bar.update()
    source_of = np.array([player.source for player in players])
    dataset = steering_table(
        outcome,
        nothing,
        source_of,
        {"site": chosen, "alpha": alphas, "n_directional": n_directional},
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        seed=seed,
    ).assign_coords(level=[str(tasks.tasks.ids[i]) for i in np.unique(units, return_index=True)[1]])
    dataset["macro_f1"] = ("site", [directions.macro_f1[site] for site in chosen])
    dataset.attrs |= {
        "analysis": "plan_steering",
        "organism": organism.name,
        "kind": tasks.kind,
        "concept": tasks.concept,
        "n_tasks": len(tasks),
        "n_levels": int(units.max() + 1),
        "ticks": "all" if ticks is None else str(ticks),
        "intervals": f"percentile bootstrap over levels and draws, {n_bootstrap} resamples",
        "success": "solved, and by the long way",
        "seed": seed,
    }
    return dataset


def _checked(
    alphas: Sequence[float], n_directional: Sequence[int]
) -> tuple[list[float], list[int]]:
    factors, counts = [float(alpha) for alpha in alphas], list(n_directional)
    if not factors or not np.isfinite(factors).all() or len(set(factors)) < len(factors):
        raise InputError(f"alphas are distinct finite numbers, at least one: {alphas!r:.80}.")
    if not counts or len(set(counts)) < len(counts):
        raise InputError(f"n_directional are distinct, at least one: {n_directional!r:.80}.")
    for count in counts:
        check_integer("n_directional", count, 0)
    return factors, [int(count) for count in counts]


@answer_plot
def plot_plan_steering(dataset: xr.Dataset) -> Figure:
    """Draw what was tested (the plan beside every draw of its controls) and, of several cells, each."""
    from interp.style import figure_style, legend_outside, subplots

    several = dataset.sizes["alpha"] * dataset.sizes["n_directional"] > 1
    with figure_style():
        figure, [axes] = subplots(
            1, 1 + several, width="text" if several else "column", height=3.0, squeeze=False
        )
        _draw_tested(axes[0], dataset)
        titles = ["a   against every draw"]
        if several:
            site = str(dataset.chosen_site.values[0])
            _draw_cells(axes[1], dataset.sel(site=site))
            titles.append(f"b   each α by itself: {site}")
        for ax, title in zip(axes, titles, strict=True):
            ax.axhline(100 * float(dataset.nothing), color="0.3", linestyle=":", label="nothing")
            bounds = (100 * float(dataset[f"nothing_{end}"]) for end in ("low", "high"))
            ax.axhspan(*bounds, color="0.3", alpha=0.12, linewidth=0)
            ax.set_ylim(-3, 103)
            if several:
                ax.set_title(title, loc="left")
        axes[0].set_ylabel("solved by the long way (%)")
        attrs = dataset.attrs
        figure.suptitle(
            f"{attrs['organism']}, {attrs['kind']}\nn = {attrs['n_levels']} levels ({attrs['n_tasks']} "
            f"tasks), {100 * attrs['confidence']:.0f} % intervals; p = {float(dataset.p_value):.2g}",
            fontsize=8,
        )
        legend_outside(figure, list(axes), loc="outside lower center", ncols=2 + 2 * several)
    return figure


def _draw_tested(ax: Axes, dataset: xr.Dataset) -> None:
    """Draw the written plan with its interval, and the draws of every control in a column."""
    from interp.style import colours

    controls = [str(control) for control in dataset.control.values]
    shades = colours(["trained", *controls])
    value = 100 * float(dataset.written)
    spread = [abs(100 * float(dataset[f"written_{end}"]) - value) for end in ("low", "high")]
    ax.errorbar(
        0, value, np.array(spread)[:, None], fmt="o", color=shades["trained"], label="written plan"
    )
    for column, control in enumerate(controls, start=1):
        draws = 100 * np.sort(dataset.control_draw.values[dataset.draw_control.values == control])
        aside = 0.3 * (((np.arange(len(draws)) * 7) % 11) / 5 - 1)  # so that equal ones are seen
        ax.plot(
            column + aside, draws, "x", color=shades[control], markersize=3, label=LABELS[control]
        )
        ax.plot([column - 0.3, column + 0.3], [draws.mean()] * 2, color=shades[control])
    ax.set_xticks(
        range(len(controls) + 1),
        ["plan", *(f"{c}\n({(dataset.draw_control == c).sum().item()})" for c in controls)],
    )
    ax.set_xlim(-0.5, len(controls) + 0.5)


def _draw_cells(ax: Axes, dataset: xr.Dataset) -> None:
    """Draw one site's success over α: the plan with intervals, the controls' means dashed."""
    from interp.style import colours, line_with_interval

    shades = colours([str(source) for source in dataset.source.values])
    markers = dict(zip(dataset.n_directional.values, "osD^v<>P*", strict=False))
    for n, source in product(dataset.n_directional.values, dataset.source.values):
        line = dataset.sel(n_directional=n, source=source)
        plan = source == "trained"
        line_with_interval(
            ax,
            line.alpha,
            100 * line.success,
            100 * line.success_low if plan else None,
            100 * line.success_high if plan else None,
            f"places written: {int(n)}" if plan else None,
            color=shades[str(source)],
            linestyle="-" if plan else "--",
            marker=markers.get(n, "o"),
        )
    if (dataset.alpha.values > 0).all():
        ax.set_xscale("log", base=2)
    ax.set_xticks(dataset.alpha.values, [f"{a:g}" for a in dataset.alpha.values])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("strength α")
