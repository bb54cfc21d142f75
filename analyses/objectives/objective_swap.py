"""Does the agent go where the goal is, once another place is written in for it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, Kind
from analyses.objectives.goal_writes import SOURCES, GoalWrites, writes_of
from analyses.objectives.path_probability import path_probability
from analyses.question import answer_plot, question
from analyses.verdict import (
    ALPHA,
    INTERVALS,
    Resampling,
    add_verdict,
    best_cell,
    mean_variables,
)
from interp.errors import InputError, check_integer
from interp.statistics.significance import MEAN_TEST
from organisms.capabilities.counterfactuals import Counterfactuals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from organisms.capabilities.goal_pairs import GoalPairs

MEASURES = ("retargeted", "path_probability")
CONTROLS = ("nothing", "random", "shuffled")
CELL = ("site", "write")


@question(
    "Does it go where the goal is, once another place is written in for it?",
    needs=(Ability(Counterfactuals, unless="kind"), Kind(Counterfactuals, "kind", "swap-objects")),
)
def objective_swap(
    organism: Any,
    kind: str | GoalPairs = "swap-objects",
    *,
    n_pairs: int = 50,
    sites: str | Iterable[str] | None = None,
    interchange: Sequence[str] = ("first", "all"),
    alphas: Sequence[float] = (0.5, 1.0, 2.0),
    n_random: int = 2,
    seed: int = 0,
    batch_size: int = 128,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
) -> xr.Dataset:
    """Write another place of the goal into an organism at work, and see where it goes.

    Pairs of tasks differ by where the goal is (`organisms.capabilities.goal_pairs.GoalPairs`).
    While the organism
    acts in the clean task, what the corrupted task would put into one site is written there:

    * *interchange*: the site is set to what it is on the corrupted task's way to its goal, at the first
      step or at all of them;
    * *steering*: ``alpha`` times the difference that the two tasks' first observations make to the
      site is added at all steps, as in the work on the cheese vector.

    The same is done with random directions that are as long at every place, with the difference of
    another pair, scaled to the same norm, and with nothing.

    Parameters
    ----------
    organism
        With ``counterfactuals`` that are goal pairs.
    kind
        Of goal pairs of the organism's family, or such pairs.
    n_pairs
        If `kind` is a name.
    sites
        Names or globs, written to one at a time; default ``organism.state_sites``.
    interchange
        Some of ``"first"`` and ``"all"``: the steps.
    alphas
        Factors of the difference.
    n_random
        Random directions for each pair and cell. Each is a control of its own.
    seed
        Of pairs, random directions, shuffling and bootstrap.

    Returns
    -------
    xarray.Dataset
        ============================  ==============================================================
        variable                      dims
        ============================  ==============================================================
        score, score_low, score_high  measure, source (goal, random, shuffled), site, write.
                                      ``retargeted``: share of episodes that came to the other place
                                      before the goal's own. ``path_probability``: geometric mean of
                                      the probability of each step of the shortest way there, along
                                      that way, mean over pairs. random: mean over draws
        nothing, _low, _high          measure: the clean task, nothing written
        corrupted, _low, _high        measure: the corrupted task, nothing written: what there is to
                                      be had
        margin, _low, _high           measure, control (nothing, random, shuffled), site, write: goal
                                      minus control, paired
        own_goal                      source, site, write: share that came to the goal's own place
                                      first; own_goal_nothing, own_goal_corrupted
        score_draw                    measure, draw, site, write: of each random direction
        pair_score, pair_nothing      … and pair: what is averaged
        p_value, p_holm               site, write; one-sided, of any margin ≤ 0
        found                         – : all margins > 0 in some cell, Holm-corrected
        found_write                   write: in some site, at that correction
        ============================  ==============================================================

    Raises
    ------
    InputError
        If the family has no goal pairs, or an argument is out of range.

    Notes
    -----
    An interchange of a site that everything passes through, at all steps, amounts to showing the
    network the corrupted task: its success says that the site was written, and how much success there
    is to be had. Interchange at the first step asks whether the goal is *kept* there; steering whether
    it is a vector that may be added. Intervals resample pairs; every pair has random directions of
    its own. It takes ``sites · writes · (2 + n_random)`` runs of all pairs.

    References
    ----------
    Turner, Mini et al. 2023 (arXiv 2310.08043): retargeting, the cheese vector, geometric-mean path
    probability. Geiger et al. 2021 (arXiv 2106.02997): interchange interventions. In
    theirs the median P(cheese) at the decision square fell from .81 to .03 with the vector
    subtracted, and adding it did little.
    """
    from tqdm import tqdm

    from interp.network.site_names import select_sites

    check_integer("n_random", n_random, 1)
    pairs = organism[Counterfactuals].pairs(kind, n_pairs, seed) if isinstance(kind, str) else kind
    if not hasattr(pairs, "went_to"):
        raise InputError(f"{pairs!r:.80} are no pairs of tasks that differ by where the goal is.")
    chosen = select_sites(organism.state_sites if sites is None else sites, organism.sites)
    writes = writes_of(interchange, alphas)
    goal = GoalWrites(organism, pairs, chosen, seed)
    players = [("goal", 0), *(("random", draw) for draw in range(n_random)), ("shuffled", 0)]

    def outcome(tasks: Any, interventions: Sequence[Any]) -> np.ndarray:
        """Return (retargeted, own goal) × pair."""
        run = organism.run(tasks, seed=seed, interventions=interventions, batch_size=batch_size)
        went = pairs.went_to(run)
        return np.stack([went == 1, went == 0]).astype(float)

    def likely(interventions: Sequence[Any]) -> np.ndarray:
        return path_probability(goal.ways.replay(organism, (), interventions), goal.ways)

    shape = (len(players), len(chosen), len(writes))
    table = np.zeros((3, *shape, len(pairs)))  # retargeted, path probability, own goal
    with tqdm(
        total=int(np.prod(shape)) + 2, unit="run", desc="objective swap", disable=not progress
    ) as bar:
        nothing = _row(outcome(pairs.clean, []), likely([]))
        bar.update()
        corrupted = _row(
            outcome(pairs.corrupted, []), path_probability(goal.corrupted, goal.corrupted_ways)
        )
        bar.update()
        for cell in np.ndindex(*shape):
            (source, draw), site, write = players[cell[0]], chosen[cell[1]], writes[cell[2]]
            change = goal.interventions(site, write, source, draw)
            table[(slice(None), *cell)] = _row(outcome(pairs.clean, change), likely(change))
            bar.update()
    dataset = _dataset(table, nothing, corrupted, n_bootstrap, confidence, seed)
    dataset = dataset.assign_coords(
        measure=list(MEASURES),
        source=list(SOURCES),
        control=list(CONTROLS),
        site=chosen,
        write=[write.name for write in writes],
        draw=np.arange(n_random),
        pair=[str(name) for name in pairs.clean.ids],
        operation=("write", [write.operation for write in writes]),
        alpha=("write", [write.alpha for write in writes]),
    )
    dataset.attrs |= {
        "analysis": "objective_swap",
        "organism": organism.name,
        "kind": pairs.kind,
        "n_pairs": len(pairs),
        "n_random": n_random,
        "confidence": confidence,
        "intervals": INTERVALS.format("pairs", n_bootstrap),
        "seed": seed,
    }
    return _verdict(dataset, table, nothing)


def _row(went: np.ndarray, likely: np.ndarray) -> np.ndarray:
    return np.stack([went[0], likely, went[1]])


def _dataset(
    table: np.ndarray,
    nothing: np.ndarray,
    corrupted: np.ndarray,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Turn (what, player, site, write, pair) into means with intervals, and paired margins."""
    from interp.statistics import DIFFERENCE, RATE

    how = Resampling(n_bootstrap, confidence, seed)
    draws = table[:, 1:-1]
    by_source = np.stack([table[:, 0], draws.mean(axis=1), table[:, -1]], axis=1)
    score, own = by_source[:2], by_source[2]
    data: dict[str, Any] = mean_variables(
        "score", ("measure", "source", *CELL), score, how, bounds=RATE
    )
    data |= mean_variables("nothing", ("measure",), nothing[:2], how, bounds=RATE)
    data |= mean_variables("corrupted", ("measure",), corrupted[:2], how, bounds=RATE)
    alone = np.broadcast_to(nothing[:2, None, None], score[:, 0].shape)
    controls = np.stack([alone, score[:, 1], score[:, 2]], axis=1)
    margin = score[:, :1] - controls
    dims = ("measure", "control", *CELL)
    data |= mean_variables("margin", dims, margin, how, bounds=DIFFERENCE, tested=True)
    data["own_goal"] = (("source", *CELL), own.mean(axis=-1))
    data["own_goal_nothing"] = ((), nothing[2].mean())
    data["own_goal_corrupted"] = ((), corrupted[2].mean())
    data["score_draw"] = (("measure", "draw", *CELL), draws[:2].mean(axis=-1))
    data["pair_score"] = (("measure", "source", *CELL, "pair"), score)
    data["pair_nothing"] = (("measure", "pair"), nothing[:2])
    return xr.Dataset(data)


def _verdict(dataset: xr.Dataset, table: np.ndarray, nothing: np.ndarray) -> xr.Dataset:
    """Add p-values and what follows from them; `table` and `nothing` as in `_dataset`."""
    from interp.statistics import sign_test

    # Few episodes change where they end: where they do, it is counted.
    came, alone = table[0], np.broadcast_to(nothing[0], table[0, :1].shape)
    against = np.concatenate([alone, came[1:]])  # nothing, each random draw, shuffled
    exact = sign_test(np.moveaxis(came[:1] - against, -1, 0)).max(axis=0)
    p = dataset.margin_p.sel(measure="path_probability").max("control", skipna=False)
    p = np.maximum(p.drop_vars("measure").transpose(*CELL), exact).assign_attrs(
        definition="one-sided, of any margin ≤ 0; the largest (Berger 1982) of McNemar's exact tests "
        "of retargeted against nothing, every random draw and shuffled, and of path_probability "
        f"against the three controls ({MEAN_TEST})"
    )
    dataset = add_verdict(dataset, "margin", CELL, p=p)
    dataset["found"].attrs["definition"] = (
        f"all margins > 0 in some cell of site and write: Holm-corrected p < {ALPHA}"
    )
    dataset["found_write"] = (
        (dataset.p_holm < ALPHA)
        .any("site")
        .assign_attrs(
            definition="all margins > 0 in some site, corrected over all sites and writes"
        )
    )
    return dataset


@answer_plot
def plot_objective_swap(dataset: xr.Dataset) -> Figure:
    """Draw both measures for every site and write, beside the controls.

    Dotted: nothing written; dashed: the corrupted task itself. A star marks cells in which all
    margins are above 0, Holm-corrected.
    """
    from interp.style import (
        bars_with_intervals,
        colours,
        figure_style,
        legend_outside,
        subplots,
    )

    sites = [str(site) for site in dataset.site.values]
    names = {"goal": "the other goal", "random": "random directions", "shuffled": "another pair's"}
    labels = {"retargeted": "came to the other\nplace first (%)"}
    labels["path_probability"] = "probability a step of the\nway there (geometric mean)"
    writes = [str(write) for write in dataset.write.values]
    short = {"interchange, first step": "swap\n1st", "interchange, all steps": "swap\nall"}
    ticks = [short.get(write, write.replace("steer ", "steer\n")) for write in writes]
    palette = colours(list(names.values()))
    with figure_style():
        figure, axes = subplots(
            len(MEASURES), len(sites), width="text", height=4.2, squeeze=False, sharey="row"
        )
        for (row, column), ax in np.ndenumerate(axes):
            cell = dataset.isel(measure=row, site=column)
            scale = 100 if MEASURES[row] == "retargeted" else 1
            bars_with_intervals(
                ax,
                scale * cell.score,
                scale * cell.score_low,
                scale * cell.score_high,
                categories=ticks,
                series=list(names.values()),
                palette=palette,
            )
            for name, line, label in (
                ("nothing", ":", "nothing written"),
                ("corrupted", "--", "the goal itself moved"),
            ):
                ax.axhline(scale * float(cell[name]), color="0.3", linestyle=line, label=label)
                bounds = (scale * float(cell[f"{name}_{end}"]) for end in ("low", "high"))
                ax.axhspan(*bounds, color="0.3", alpha=0.1, linewidth=0)
            for at in np.flatnonzero(cell.p_holm.values < ALPHA):
                ax.annotate("*", (at - 0.27, scale * 1.02), ha="center", va="center", fontsize=9)
            ax.set_ylim(0, 1.08 * scale)
            ax.tick_params(axis="x", labelsize=6)
            if not column:
                ax.set_ylabel(labels[MEASURES[row]])
            if not row:
                ax.set_title(f"{'abcdefgh'[column % 8]}   {sites[column]}", loc="left")
        attrs = dataset.attrs
        best = best_cell(dataset.margin.min(["measure", "control"]), dataset.p_holm)
        where = ""
        if best is not None and bool(dataset.found):
            where = f" ({sites[best['site']]}, {writes[best['write']]})"
        figure.suptitle(
            f"{attrs['organism']}, {attrs['kind']}: n = {attrs['n_pairs']} pairs\nretargeting "
            f"{'found' if bool(dataset.found) else 'not found'}{where}. "
            "*: above all controls (Holm)",
            fontsize=8,
        )
        legend_outside(figure, axes[0, 0], loc="outside lower center", ncols=5)
    return figure
