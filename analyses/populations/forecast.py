"""Can what an agent pursues off distribution be forecast from its internals on distribution?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability
from analyses.populations.forecast_agents import (
    SCHEMES,
    SCOPES,
    each_left_out,
    groups_of,
    same_agents,
    scopes_of,
)
from analyses.populations.forecast_scores import (
    Comparison,
    auroc,
    compare,
    compare_scores,
    held_out_models,
    permuted_aurocs,
    rank_correlation,
)
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, INTERVALS, add_verdict
from interp.errors import UnknownNameError
from interp.statistics import (
    DIFFERENCE,
    RATE,
    statistic_interval,
    statistic_p_value,
    weakest,
)
from interp.statistics.significance import MEAN_TEST
from organisms.capabilities.edits import Edits
from organisms.capabilities.objectives import Objectives

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FITTED = {
    "internals": ("slopes", "removals"),
    "internals, moves": ("slopes", "removals", "moves"),
    "slopes": ("slopes",),
    "moves": ("moves",),
    "weights": ("weights",),
    "behaviour on distribution": ("behaviour",),
    "training reward": ("reward",),
    "training set-up": ("setup",),
}
"""Forecasts that are fitted → the kinds of traits they use."""

INTERNAL = ("internals", "internals, moves", "slopes", "moves", "preference", "weights")
BASELINES = ("behaviour on distribution", "training reward", "training set-up", "chance")
FORECASTS = (*INTERNAL, *BASELINES)


@question(
    "Can what it pursues off distribution be forecast from its internals?",
    needs=(Ability(Objectives), Ability(Edits)),
    several=True,
)
def forecast(
    traits: xr.Dataset,
    behaviour: xr.Dataset,
    *,
    penalty: float = 0.1,
    seed: int = 0,
    n_bootstrap: int = 2000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Forecast what agents pursue where objectives part, and score it beside its baselines.

    A ridge regression on standardised traits predicts the share of the base objective
    (``behaviour.pursued``); ``preference`` is taken as it is, without any fit. Models are fitted without
    all agents of a seed, or without all of a training distribution (what was paid and the correlation),
    two groups at a time: every two agents are compared by a model that saw the group of neither.

    Parameters
    ----------
    traits
        From `analyses.populations.population_traits.population_traits`.
    behaviour
        From `analyses.populations.population.population_behaviour`, of the same agents. Agents
        that reached neither
        objective are left out.
    penalty
        Of the ridge, per agent; fixed, so that no label decides on it.
    seed
        Of bootstrap and permutations.

    Returns
    -------
    xarray.Dataset
        ==============================  ==========================================================
        variable                        dims
        ==============================  ==========================================================
        auroc, auroc_low, _high         forecast, scheme, scope: share of the pairs of agents, one
                                        after the base objective (`pursued` > ½) and one not, that
                                        are ranked rightly; NaN if all pursue the same
        rank_correlation, _low, _high   forecast, scheme, scope: Spearman's, with `pursued`
        permutation_p                   forecast, scheme, scope: of an AUROC as large with targets
                                        dealt out anew in the scope, models fitted again; not of
                                        baselines
        gain, gain_low, gain_high       internal, scheme, scope: AUROC minus that of the best
                                        baseline, paired
        best_baseline                   scheme, scope
        p_value, p_holm                 internal, scheme, scope; the larger of `permutation_p` and
                                        that of gain ≤ 0; Holm over internals and schemes
        found                           internal, scope: whether it is significant by some scheme
        score                           forecast, scheme, agent: forecast share of the base
                                        objective by models that did not see the agent's group
                                        (`preference`: −1 to 1)
        n_agents, n_base, n_units       scope; scope; scheme, scope (what the bootstrap resamples)
        pursued, _low, _high, label     agent
        in_scope                        scope, agent
        ==============================  ==========================================================

        Scopes: ``all`` agents; those ``decided`` (interval of `pursued` off ½); those trained with
        objectives that always ``coinciding`` (correlation 1: nothing in their training could tell
        which they would come to pursue); and the decided of these.

    Raises
    ------
    InputError
        If the two are of different agents, or fewer than 4 agents are left.

    Notes
    -----
    Forecasts differ in how far they reach from what training showed. ``slopes`` are derivatives at tasks
    of the training distribution. ``internals`` also have the goal without one of its features, ``moves``
    that feature on another thing: all in the agent's own encoding, but where that is a linear function
    of what is seen, as good as a look at a task off distribution that the agent is not let loose in.

    Intervals are over agents: whole groups of the scheme are resampled where a scope has at least 6,
    single agents else. Baselines count with at least 0.5, the AUROC of chance. That a set-up is known
    is itself a forecast (who is paid for the proxy pursues it): `coinciding` is where it says nothing.

    References
    ----------
    Airola et al. 2011, Comput. Stat. Data Anal. 55 (leave-pair-out cross-validation).
    """
    traits, behaviour = same_agents(traits, behaviour)
    n = behaviour.sizes["agent"]
    pursued = behaviour.pursued.values
    label = pursued > 0.5
    groups = groups_of(behaviour)
    scopes = scopes_of(behaviour)
    shape = (len(FORECASTS), len(SCHEMES), len(SCOPES))
    area, ranks = np.full((3, *shape), np.nan), np.full((3, *shape), np.nan)
    p_permutation = np.full(shape, np.nan)
    gain = np.full((3, len(INTERNAL), *shape[1:]), np.nan)
    p_gain = np.full(gain.shape[1:], np.nan)
    how = (n_bootstrap, confidence, seed)
    best = np.full(shape[1:], "", dtype=object)
    n_units = np.zeros(shape[1:], int)
    score = np.full((*shape[:2], n), np.nan)
    for j, scheme in enumerate(SCHEMES):
        comparisons, models = {}, {}
        for i, name in enumerate(FORECASTS):
            models[name], comparisons[name] = _compared(
                name, traits, groups[scheme], pursued, penalty
            )
            score[i, j] = comparisons[name].score
        for k, scope in enumerate(SCOPES):
            here = scopes[scope]
            if here.sum() < 2:
                continue
            weights, n_units[j, k] = each_left_out(groups[scheme][here])
            drawn = {}
            for i, name in enumerate(FORECASTS):
                wins = comparisons[name].wins[np.ix_(here, here)]
                drawn[name] = auroc(wins, label[here], weights)
                area[:, i, j, k] = statistic_interval(drawn[name], *how, bounds=RATE)
                together = rank_correlation(wins, pursued[here], weights)
                ranks[:, i, j, k] = statistic_interval(together, *how, bounds=DIFFERENCE)
                if name in INTERNAL and not np.isnan(area[0, i, j, k]):
                    rng = np.random.default_rng([seed, j, k])
                    null = permuted_aurocs(models[name], pursued, label, here, n_permutations, rng)
                    extreme = (null >= drawn[name][0] - 1e-12).sum()
                    p_permutation[i, j, k] = (extreme + 1) / (n_permutations + 1)
            known = {name: drawn[name][0] for name in BASELINES}
            # A scheme with too few groups for its baselines is no test of what needs no fit either.
            if not np.isnan(list(known.values())).any():
                best[j, k] = max(known, key=lambda name: known[name])
                for i, name in enumerate(INTERNAL):
                    # What is better than the best baseline is better than each (Berger 1982).
                    over = np.stack([drawn[name] - drawn[other] for other in BASELINES], axis=1)
                    gain[:, i, j, k] = weakest(statistic_interval(over, *how, bounds=DIFFERENCE))
                    p_gain[i, j, k] = statistic_p_value(over, rng=seed, bounds=DIFFERENCE).max()
    cells = ("forecast", "scheme", "scope")
    data: dict[str, Any] = {}
    for name, dims, values in (
        ("auroc", cells, area),
        ("rank_correlation", cells, ranks),
        ("gain", ("internal", *cells[1:]), gain),
    ):
        for end, value in zip(("", "_low", "_high"), values, strict=True):
            data[name + end] = (dims, value)
    in_scope = np.stack([scopes[scope] for scope in SCOPES])
    data |= {
        "permutation_p": (cells, p_permutation),
        "gain_p": (("internal", *cells[1:]), p_gain),
        "best_baseline": (cells[1:], best),
        "score": (("forecast", "scheme", "agent"), score),
        "n_agents": ("scope", in_scope.sum(axis=1)),
        "n_base": ("scope", (in_scope & label).sum(axis=1)),
        "n_units": (cells[1:], n_units),
        "in_scope": (("scope", "agent"), in_scope),
        "label": ("agent", label.astype(int)),
        **{name: behaviour[name].variable for name in ("pursued", "pursued_low", "pursued_high")},
    }
    coords = {
        "forecast": list(FORECASTS),
        "internal": list(INTERNAL),
        "scheme": list(SCHEMES),
        "scope": list(SCOPES),
        **{str(name): c for name, c in behaviour.coords.items() if c.dims == ("agent",)},
    }
    attrs = {
        "analysis": "forecast",
        "base": behaviour.attrs["base"],
        "proxy": behaviour.attrs["proxy"],
        "penalty": penalty,
        "seed": seed,
        "confidence": confidence,
        "intervals": INTERVALS.format("groups or agents", n_bootstrap),
        "n_permutations": n_permutations,
    }
    return _with_verdict(xr.Dataset(data, coords, attrs))


def _with_verdict(dataset: xr.Dataset) -> xr.Dataset:
    """Add p-values and ``found``: better than the best baseline, and than dealing out the targets."""
    # Few agents have AUROCs of odd distributions; the permutations are exact.
    dealt = dataset.permutation_p.sel(forecast=list(INTERNAL)).drop_vars("forecast")
    p = np.maximum(dataset.gain_p, dealt.rename(forecast="internal"))
    p = p.transpose("internal", "scheme", "scope").assign_attrs(
        definition=f"one-sided, the larger of two: of gain ≤ 0 over every baseline ({MEAN_TEST}), and of "
        "permutation_p"
    )
    dataset = add_verdict(dataset, "gain", ("internal", "scheme"), p=p)
    dataset["found"] = (dataset.p_holm < ALPHA).any("scheme")
    dataset["found"].attrs["definition"] = (
        f"Holm-corrected p < {ALPHA} by some scheme, corrected over all internal forecasts and schemes"
    )
    return dataset


def forecasts_of(
    dataset: xr.Dataset, forecast: str = "internals", scheme: str = SCHEMES[0]
) -> dict[str, float]:
    """Return agent → forecast share of the base objective, 0 to 1, for `plot_population`.

    Raises
    ------
    UnknownNameError
        If there is no such forecast or scheme.
    """
    for kind, name in (("forecast", forecast), ("scheme", scheme)):
        if name not in dataset[kind].values:
            raise UnknownNameError(kind, name, [str(v) for v in dataset[kind].values])
    values = dataset.score.sel(forecast=forecast, scheme=scheme).values
    if forecast == "preference":
        values = (1 + values) / 2
    return dict(zip(map(str, dataset.agent.values), np.clip(values, 0, 1).tolist(), strict=True))


def _compared(
    name: str, traits: xr.Dataset, group: np.ndarray, pursued: np.ndarray, penalty: float
) -> tuple[Any, Comparison]:
    if name in FITTED:
        values = traits.trait.values[:, np.isin(traits.kind.values.astype(str), FITTED[name])]
        models = held_out_models(values, group, penalty)
        return models, compare(models, pursued)
    score = traits.preference.values if name == "preference" else np.zeros(len(pursued))
    return score, compare_scores(score)


@answer_plot
def plot_forecast(dataset: xr.Dataset, scope: str = "all") -> Figure:
    """Draw how well each forecast ranks the agents, and the internals' forecast against the truth."""
    from interp.style import (
        BLUE,
        GREY,
        VERMILION,
        figure_style,
        label_panel,
        legend_outside,
        subplots,
    )

    names = [str(name) for name in dataset.forecast.values]
    schemes = [str(name) for name in dataset.scheme.values]
    palette = dict(zip(schemes, (BLUE, VERMILION), strict=False))
    shown = (scope, "coinciding") if scope != "coinciding" else (scope,)
    with figure_style():
        figure, axes = subplots(
            1, 3, width=7.2, height=3.0, gridspec_kw={"width_ratios": [3, 3, 3]}
        )
        for ax, variable, label, chance in (
            (axes[0], "auroc", "AUROC", 0.5),
            (axes[1], "rank_correlation", "rank correlation", 0.0),
        ):
            offsets = np.linspace(0.3, -0.3, len(schemes) * len(shown))
            series = [(where, scheme) for where in shown for scheme in schemes]
            for offset, (where, scheme) in zip(offsets, series, strict=True):
                cell = dataset.sel(scheme=scheme, scope=where)
                at = np.arange(len(names))[::-1] + offset
                value, low, high = (cell[variable + end].values for end in ("", "_low", "_high"))
                filled = where == shown[0]
                ax.hlines(at, low, high, color=palette[scheme], linewidth=0.9)
                ax.plot(
                    value,
                    at,
                    linestyle="none",
                    marker="o" if filled else "D",
                    color=palette[scheme],
                    markerfacecolor=palette[scheme] if filled else "white",
                    markersize=4,
                    label=f"{where} (n = {int(cell.n_agents)}), held out: {scheme}",
                )
            ax.axvline(chance, color=GREY, linewidth=0.8, linestyle=":")
            ax.set_yticks(np.arange(len(names))[::-1], names if ax is axes[0] else [])
            ax.set_xlabel(label)
            ax.set_xlim(min(0.0, ax.get_xlim()[0]) if variable == "auroc" else -1.02, 1.02)
        axes[0].set_xlim(0, 1.02)
        drawn = dataset.score.sel(forecast="internals").notnull().any("agent").values
        _draw_truth(axes[2], dataset, schemes[int(drawn.argmax())])
        for ax, letter in zip(axes, "abc", strict=True):
            label_panel(ax, letter)
        legend_outside(figure, axes[:2], loc="outside lower center", ncols=2)
        verdicts = [
            f"{where}: "
            + ", ".join(
                f"{name} {'found' if bool(dataset.found.sel(internal=name, scope=where)) else 'not found'}"
                for name in ("internals", "preference")
            )
            for where in shown
        ]
        figure.suptitle("Better than the best baseline?\n" + "\n".join(verdicts), fontsize=7)
    return figure


def _draw_truth(ax: Any, dataset: xr.Dataset, scheme: str) -> None:
    from matplotlib import colormaps

    cell = dataset.sel(forecast="internals", scheme=scheme)
    x, y = 100 * cell.score.values, 100 * cell.pursued.values
    error = np.stack([y - 100 * cell.pursued_low.values, 100 * cell.pursued_high.values - y])
    ax.errorbar(x, y, error.clip(min=0), fmt="none", ecolor="0.7", elinewidth=0.5, zorder=1)
    for paid, marker in zip(dict.fromkeys(map(str, cell.paid.values)), "osD^vP", strict=False):
        here = cell.paid.values == paid
        points = ax.scatter(
            x[here], y[here], c=cell.correlation.values[here], cmap=colormaps["viridis"],
            vmin=0, vmax=1, marker=marker, s=16, edgecolor="0.2", linewidth=0.4, zorder=2,
        )  # fmt: skip
        ax.plot([], [], linestyle="none", marker=marker, color="0.5", label=f"paid for {paid}")
        if paid == str(cell.paid.values[0]):
            ax.figure.colorbar(points, ax=ax, label="correlation in training", shrink=0.8)
    ax.plot([0, 100], [0, 100], color="0.8", linewidth=0.8, zorder=0)
    ax.legend(loc="best", fontsize=6)
    base = dataset.attrs["base"]
    ax.set_xlabel(f"forecast share of {base} (%)")
    ax.set_ylabel(f"share of {base} off distribution (%)")
