"""Is a plan that is written into the organism carried out?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.causes.plan_writing import (
    fitted_directions,
    given_directions,
    written_plan,
)
from analyses.needs import Ability
from analyses.question import answer_plot, question
from analyses.verdict import add_verdict, best_cell
from interp.errors import InputError, check_integer
from organisms.capabilities.steering import Steering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks
    from organisms.capabilities.steering_tasks import SteeringTasks

TRAIN_TASKS = 300
"""Tasks of the split ``"train"`` that probes are fitted on unless others are given."""

CELL = ("site", "alpha", "n_directional")


@question(
    "Is a plan that is written into it carried out?", needs=(Ability(Steering, unless="kind"),)
)
def plan_steering(
    organism: Any,
    kind: str | SteeringTasks,
    *,
    probes: xr.Dataset | None = None,
    train_tasks: Tasks | None = None,
    n_tasks: int = 25,
    sites: str | Iterable[str] | None = None,
    alphas: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    n_directional: Sequence[int] = (0, 1, 2, 3),
    n_random: int = 5,
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
    way. The same is done with random directions of the same norms, and with nothing.

    Parameters
    ----------
    organism
        With ``steering_tasks`` and ``concepts``, and a plan to be read (train it first).
    kind
        Kind of steering tasks of the organism's family, or such tasks.
    probes
        Of the tasks' concept, 1 × 1, from `interp.probes.fit_probes`; they must have been fitted
        on other tasks. None fits them here.
    train_tasks
        What probes are fitted on; default 300 of ``organism.tasks("train")``.
    n_tasks
        Units of steering tasks, if `kind` is a name: variants (mirror images) of one are one unit.
    sites
        Names or globs; default ``organism[Steering].sites``. A plan is written to one at a time.
    alphas, n_directional
        Factors of the directions, and how many places of the long way are written (0: only "never").
    n_random
        Sets of random directions; each is run at every cell.
    ticks
        Ticks at which directions are added, as in `interp.Address`; None for all.
    seed
        Of tasks, recording, probes, random directions and bootstrap.
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
        success, success_low, success_high      source (trained, random), site, alpha, n_directional:
                                                solved by the long way; random: mean over draws
        nothing, nothing_low, nothing_high      – : the same without intervention, the base rate
        random_sd                               site, alpha, n_directional: standard deviation of the
                                                draws' success (NaN for one draw)
        success_draw                            draw, site, alpha, n_directional
        over_random, over_nothing, _low, _high  site, alpha, n_directional: success of the written
                                                plan minus the controls', paired by unit
        solved, long_way                        source (and nothing: solved_nothing,
                                                long_way_nothing), site, …: either part of success
        level_success                           source, site, alpha, n_directional, level
        level_nothing                           level
        macro_f1                                site: the probe's, on held-out levels
        p_value, p_holm                         site, alpha, n_directional; one-sided, of
                                                over_random ≤ 0 or over_nothing ≤ 0
        found                                   – : both > 0 in some cell, Holm-corrected
        ======================================  ====================================================

    Raises
    ------
    InputError
        If the family has no such tasks, `alphas`, `n_directional` or `n_random` are out of range, or
        a probe lacks a class that has to be written.

    Notes
    -----
    Intervals resample units (levels), and with them the random draws, so that they cover the spread
    between random directions; with few draws this is rough, which is why the draws are kept. It takes
    ``1 + sites · alphas · n_directional · (1 + n_random)`` runs of all tasks.

    References
    ----------
    Bush et al. 2025 (arXiv 2504.01871), Sec. 6, Table 1, App. B.2. Theirs: 25 hand-made levels of each
    kind × 8 symmetries, five probes, 32 channels; the spread in their table is over probes.
    """
    from tqdm import tqdm

    from interp.network.site_names import select_sites

    alphas, n_directional = _checked(alphas, n_directional, n_random)
    tasks = organism[Steering].tasks(kind, n_tasks, seed) if isinstance(kind, str) else kind
    chosen = select_sites(organism[Steering].sites if sites is None else sites, organism.sites)
    if probes is None:
        directions = fitted_directions(
            organism,
            tasks.concept,
            organism.tasks("train", TRAIN_TASKS, seed=seed) if train_tasks is None else train_tasks,
            chosen,
            seed=seed,
            folder=folder,
            progress=progress,
            **options,
        )
    else:
        directions = given_directions(probes, tasks.concept, chosen)
    players = [directions, *directions.random(seed + 1, n_random)]
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
            plan = written_plan(
                organism, tasks, players[who], chosen[at], alphas[a], n_directional[p], ticks
            )
            outcome[(slice(None), *cell)] = outcomes(plan)
            bar.update()
    dataset = _table(outcome, nothing, n_bootstrap, confidence, seed)
    dataset = dataset.assign_coords(
        source=["trained", "random"],
        site=chosen,
        alpha=alphas,
        n_directional=n_directional,
        draw=np.arange(n_random),
        level=[str(tasks.tasks.ids[i]) for i in np.unique(units, return_index=True)[1]],
    )
    dataset["macro_f1"] = ("site", [directions.macro_f1[site] for site in chosen])
    dataset.attrs |= {
        "analysis": "plan_steering",
        "organism": organism.name,
        "kind": tasks.kind,
        "concept": tasks.concept,
        "n_tasks": len(tasks),
        "n_levels": int(units.max() + 1),
        "n_random": n_random,
        "ticks": "all" if ticks is None else str(ticks),
        "confidence": confidence,
        "intervals": f"percentile bootstrap over levels and random draws, {n_bootstrap} resamples",
        "success": "solved, and by the long way",
        "seed": seed,
    }
    return add_verdict(
        dataset, "over_random", CELL, dataset.attrs["n_levels"], and_also=("over_nothing",)
    )


def _checked(
    alphas: Sequence[float], n_directional: Sequence[int], n_random: int
) -> tuple[list[float], list[int]]:
    factors, counts = [float(alpha) for alpha in alphas], list(n_directional)
    if not factors or not np.isfinite(factors).all() or len(set(factors)) < len(factors):
        raise InputError(f"alphas are distinct finite numbers, at least one: {alphas!r:.80}.")
    if not counts or len(set(counts)) < len(counts):
        raise InputError(f"n_directional are distinct, at least one: {n_directional!r:.80}.")
    for count in counts:
        check_integer("n_directional", count, 0)
    check_integer("n_random", n_random, 1)
    return factors, [int(count) for count in counts]


def _table(
    outcome: np.ndarray, nothing: np.ndarray, n_bootstrap: int, confidence: float, seed: int
) -> xr.Dataset:
    """Turn outcomes (measure, player, *cell, unit) into rates and paired differences.

    Player 0 is the trained probe, the others are random draws; `nothing` is (measure, unit).
    """
    from interp.statistics import bootstrap_weights, percentile_interval

    trained, draws, none = outcome[0, 0], outcome[0, 1:], nothing[0]
    n_units, n_draws = none.shape[-1], len(draws)
    rng = np.random.default_rng([seed, 7])
    by_unit = bootstrap_weights(n_units, n_bootstrap, rng) / n_units
    by_draw = bootstrap_weights(n_draws, n_bootstrap, rng) / n_draws
    data: dict[str, Any] = {}

    def add(name: str, dims: tuple[str, ...], value: np.ndarray, replicates: np.ndarray) -> None:
        low, high = percentile_interval(replicates, confidence)
        data[name], data[f"{name}_low"], data[f"{name}_high"] = (
            (dims, value),
            (dims, low),
            (dims, high),
        )

    again = np.moveaxis(trained @ by_unit.T, -1, 0)
    none_again = none @ by_unit.T
    random_again = np.einsum("d...u,bd,bu->b...", draws, by_draw, by_unit, optimize=True)
    rates, random_rates = trained.mean(-1), draws.mean((0, -1))
    add(
        "success",
        ("source", *CELL),
        np.stack([rates, random_rates]),
        np.stack([again, random_again], axis=1),
    )
    add("nothing", (), none.mean(), none_again)
    add("over_random", CELL, rates - random_rates, again - random_again)
    add(
        "over_nothing",
        CELL,
        rates - none.mean(),
        again - none_again.reshape(-1, *(1,) * rates.ndim),
    )
    per_draw = draws.mean(-1)
    data["success_draw"] = (("draw", *CELL), per_draw)
    data["random_sd"] = (
        CELL,
        per_draw.std(0, ddof=1) if n_draws > 1 else np.full(rates.shape, np.nan),
    )
    for number, name in ((1, "solved"), (2, "long_way")):
        both = np.stack([outcome[number, 0], outcome[number, 1:].mean(0)]).mean(-1)
        data[name] = (("source", *CELL), both)
        data[f"{name}_nothing"] = ((), nothing[number].mean())
    data["level_success"] = (("source", *CELL, "level"), np.stack([trained, draws.mean(0)]))
    data["level_nothing"] = ("level", none)
    return xr.Dataset(data, attrs={"confidence": confidence})


@answer_plot
def plot_plan_steering(dataset: xr.Dataset) -> Figure:
    """Draw success per site beside the controls, and over α and the number of places written."""
    from interp.style import (
        bars_with_intervals,
        colours,
        figure_style,
        legend_outside,
        line_with_interval,
        subplots,
    )

    best = best_cell(dataset.over_random, dataset.p_holm) or {dim: 0 for dim in CELL}
    cell = dataset.isel(alpha=best["alpha"], n_directional=best["n_directional"])
    sites = [str(site) for site in dataset.site.values]
    series = ["written plan", "random directions"]
    with figure_style():
        figure, axes = subplots(1, 2, width="text", height=3.0)
        bars_with_intervals(
            axes[0],
            100 * cell.success,
            100 * cell.success_low,
            100 * cell.success_high,
            categories=sites,
            series=series,
            palette=colours(series),
        )
        for at in range(len(sites)):  # every random draw: their spread is part of the control
            x = at + 0.2
            draws = 100 * cell.success_draw.isel(site=at)
            label = "one random draw" if not at else None
            axes[0].plot(
                np.full(len(draws), x), draws, "x", color="0.35", markersize=3, label=label
            )
        for ax in axes:
            ax.axhline(100 * float(dataset.nothing), color="0.3", linestyle=":", label="nothing")
            ax.axhspan(
                100 * float(dataset.nothing_low),
                100 * float(dataset.nothing_high),
                color="0.3",
                alpha=0.12,
                linewidth=0,
            )
            ax.set_ylim(-3, 103)
        axes[0].set_ylabel("solved by the long way (%)")
        axes[0].set_title(
            f"a   α = {float(cell.alpha):g}, p = {int(cell.n_directional)}", loc="left"
        )
        site = sites[best["site"]]
        sweep = dataset.isel(site=best["site"])
        shades = colours([int(p) for p in dataset.n_directional.values], "tick")
        for p, colour in shades.items():
            for source in ("trained", "random"):
                line = sweep.sel(n_directional=p, source=source)
                shown = source == "trained"
                line_with_interval(
                    axes[1],
                    line.alpha,
                    100 * line.success,
                    100 * line.success_low if shown else None,
                    100 * line.success_high if shown else None,
                    f"p = {p}" + ("" if shown else ", random"),
                    color=colour,
                    linestyle="-" if shown else "--",
                    marker="o" if shown else "x",
                )
        if (dataset.alpha.values > 0).all():
            axes[1].set_xscale("log", base=2)
        axes[1].set_xticks(dataset.alpha.values, [f"{a:g}" for a in dataset.alpha.values])
        axes[1].set_xticks([], minor=True)
        axes[1].set_xlabel("strength α")
        axes[1].set_title(f"b   {site}", loc="left")
        attrs = dataset.attrs
        figure.suptitle(
            f"{attrs['organism']}, {attrs['kind']}: n = {attrs['n_levels']} levels "
            f"({attrs['n_tasks']} tasks), {100 * attrs['confidence']:.0f} % intervals"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=5)
    return figure
