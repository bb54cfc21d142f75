"""What does the organism's behaviour look like the pursuit of?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, Chooses
from analyses.objectives.demonstrations import demonstrations_of
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, INTERVALS, add_verdict
from interp.decisions.inverse_rl import DISCOUNT, LAPSE, Demonstrations
from interp.errors import InputError, check_integer
from interp.statistics.significance import MEAN_TEST
from organisms.capabilities.decision_problems import DecisionProblems

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks
    from interp.decisions.identifiability import Identifiability
    from interp.decisions.mdp import TabularMDP

RELEVANT = 0.01
"""Nats a step that a feature must be good for, and all of them together: less is no objective."""

MODELS = ("fitted", "reactive", "uniform")
"""What the held-out actions are predicted by: fitted weights, action frequencies, chance."""


@question(
    "What does its behaviour look like the pursuit of?",
    needs=(Ability(DecisionProblems, unless="mdp"), Chooses()),
)
def behavioural_objective(
    source: Any,
    tasks: Tasks | Mapping[str, Tasks] | None = None,
    mdp: Callable[[str], TabularMDP] | Sequence[TabularMDP] | None = None,
    *,
    discount: float = DISCOUNT,
    prior_std: float | None = None,
    lapse: float = LAPSE,
    folds: int = 4,
    temperature: float = 0.0,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
) -> xr.Dataset:
    """Fit reward weights to behaviour, and say which of them the behaviour needs, and can tell apart.

    Maximum causal entropy inverse reinforcement learning on the tasks written out as small decision
    problems (`interp.decisions.inverse_rl`). A feature counts as *pursued* if

    * its weight is identified: on these tasks, behaviour could tell it from the others. Features that
      cannot be told apart are taken together, and a verdict is on their sum;
    * the weight is above 0, and with it (and those it is tied to) held at 0 the held-out actions are
      predicted worse, by more than `RELEVANT`;
    * the fitted weights predict held-out actions better than a reactive agent without an objective
      does (action frequencies, given which actions lead nowhere), by more than that, too.

    What the behaviour is indifferent to is not pursued, whatever weight the fit gives it: a weight
    may stay undetermined because nothing in these tasks hangs on it.

    Parameters
    ----------
    source
        An organism (it acts on `tasks`), a recorded run, the path of a store, or
        `interp.decisions.inverse_rl.Demonstrations`; or a mapping from names of distributions to these.
    tasks
        For an organism; also a mapping from names of distributions to tasks.
    mdp
        How a task's text becomes a decision problem, or the problems of all episodes. An organism's
        world provides them (``world.mdp(row)``) if left out; a run or store needs it.
    discount
        Of one step, in the agent's reward.
    prior_std
        Of the Gaussian prior around 0 on each weight; default ``4 / (1 - discount)``.
    lapse
        Share of the steps in which the agent is taken to act at random, whatever it is after.
    folds
        Of the cross-validation over levels.
    temperature
        For an organism.
    seed
        Of acting, folds and bootstrap.

    Returns
    -------
    xarray.Dataset
        =============================  ============================================================
        variable                       dims
        =============================  ============================================================
        weight, weight_low, _high      distribution, feature: the most likely weights, in nats, and
                                       intervals over levels. Tied weights share their sum equally
        group                          distribution, feature: the features it cannot be told from
        identified                     distribution, feature: whether their sum is determined
        group_weight, _low, _high      distribution, feature: that sum; NaN if it is not
        prior_share                    distribution, feature: variance of the weight that is left
                                       after the data, 1 where they say nothing
        cost, cost_low, _high          distribution, feature: held-out log-likelihood lost without
                                       the group, nats a step, mean over levels
        p_value, p_holm, pursued       distribution, feature: one-sided; 1 for weights ≤ 0
        log_likelihood, _low, _high    distribution, model: of held-out actions, nats a step, mean
                                       over levels
        gain, gain_low, gain_high      distribution: fitted − reactive
        eigenvalue, null, directions   distribution, direction (and feature): see
                                       `interp.decisions.identifiability.Identifiability`
        found                          distribution: whether anything is pursued
        objective                      distribution: what is, in words, or ``none``
        undetermined                   distribution: groups that no behaviour could decide on here
        n_levels, n_episodes, n_steps  distribution
        =============================  ============================================================

    Raises
    ------
    InputError
        If `source` is none of these, the problems do not fit the recorded actions, features differ
        between distributions, or there are fewer levels than folds.

    Notes
    -----
    Only features that the family names can be found, one reward serves all levels, and step limits are
    ignored. Intervals of weights are from a one-step bootstrap and hold the prior fixed: where
    ``prior_share`` is near 1 they say how steady the prior is, not how sure the weight. Predictions
    are scored on the first step from each state of an episode, since an agent that has come to rest
    or got stuck says the same over and over. A verdict on one distribution is about behaviour on
    that distribution. Each feature is a test of its own: what is rare needs more levels (60 are enough
    for an agent after any of three kinds of object, 24 are not).

    References
    ----------
    Ziebart, Bagnell & Dey 2010; Hubinger et al. 2019 (arXiv 1906.01820) for the term.
    """
    from tqdm import tqdm

    check_integer("folds", folds, 2)
    given = demonstrations_of(source, tasks, mdp, seed, temperature)
    first = next(iter(given.values()))[0].mdp.feature_names
    for name, (demonstrations, _, _) in given.items():
        if demonstrations.mdp.feature_names != first:
            raise InputError(
                f"{name!r} has features {demonstrations.mdp.feature_names}, another distribution "
                f"{first}: analyse them apart."
            )
    parts = []
    for demonstrations, level, _ in tqdm(
        given.values(), desc="behavioural objective", disable=not progress
    ):
        options = {"discount": discount, "prior_std": prior_std, "lapse": lapse}
        parts.append(_of_one(demonstrations, level, options, folds, seed, n_bootstrap, confidence))
    dataset = xr.concat(parts, xr.DataArray(list(given), dims="distribution"))
    dataset = dataset.assign_coords(distribution=list(given))
    names = {name for _, _, name in given.values()}
    dataset.attrs |= {
        "analysis": "behavioural_objective",
        "organism": names.pop() if len(names) == 1 else ", ".join(sorted(names)),
        "discount": discount,
        "prior_std": float(4 / (1 - discount) if prior_std is None else prior_std),
        "lapse": lapse,
        "folds": folds,
        "confidence": confidence,
        "intervals": INTERVALS.format("levels", n_bootstrap) + "; weights: percentile, one step",
        "seed": seed,
    }
    p = np.maximum(dataset.cost_p, dataset.gain_p).where(~(dataset.group_weight <= 0), 1.0)
    p = p.where(dataset.group_weight.notnull()).transpose("distribution", "feature")
    p.attrs["definition"] = (
        f"one-sided, of cost or gain ≤ {RELEVANT} nats a step; 1 for weights ≤ 0; {MEAN_TEST}"
    )
    dataset = add_verdict(dataset, "cost", ("feature",), p=p)
    dataset["pursued"] = dataset.p_holm < ALPHA
    dataset["found"].attrs["definition"] = f"some feature is pursued: Holm-corrected p < {ALPHA}"
    words = [_in_words(dataset.sel(distribution=name)) for name in given]
    dataset["objective"] = ("distribution", np.array(words, dtype=object))
    open_ = [_undetermined(dataset.sel(distribution=name)) for name in given]
    dataset["undetermined"] = ("distribution", np.array(open_, dtype=object))
    return dataset


def _in_words(part: xr.Dataset) -> str:
    pursued = part.isel(feature=np.flatnonzero(part.pursued.values))
    order = np.argsort(-pursued.group_weight.values, kind="stable")
    groups = dict.fromkeys(str(group) for group in pursued.group.values[order])
    words = [f"{group} (cannot be told apart)" if " = " in group else group for group in groups]
    return ", ".join(words) or "none"


def _undetermined(part: xr.Dataset) -> str:
    return ", ".join(dict.fromkeys(str(g) for g in part.group.values[~part.identified.values]))


def _of_one(
    demonstrations: Demonstrations,
    level: np.ndarray,
    options: dict[str, Any],
    folds: int,
    seed: int,
    n_bootstrap: int,
    confidence: float,
) -> xr.Dataset:
    from interp.decisions.identifiability import identifiability
    from interp.decisions.inverse_rl import (
        bootstrap_fit,
        fit_from,
        fit_weights,
        held_out,
        reactive_held_out,
    )
    from interp.statistics import (
        bootstrap_weights,
        mean_interval,
        mean_p_value,
        percentile_interval,
    )

    unit = np.unique(level, return_inverse=True)[1]
    n_levels = int(unit.max()) + 1
    if n_levels < folds:
        raise InputError(f"{n_levels} levels are too few for {folds} folds.")
    fold = (np.random.default_rng(seed).permutation(n_levels) % folds)[unit]
    names = demonstrations.mdp.feature_names
    which = identifiability(demonstrations.mdp, options["discount"])
    # Without lapses there is one optimum: a start that no local optimum can hide.
    concave = fit_weights(demonstrations, **{**options, "lapse": 0.0}).weights
    fit = fit_from(demonstrations, [None, concave], **options)
    drawn = bootstrap_weights(n_levels, n_bootstrap, seed)
    again = bootstrap_fit(fit, drawn[:, unit])
    scored = demonstrations.per_episode(demonstrations.first)
    likelihood = {
        "fitted": held_out(demonstrations, fold, initial=fit.weights, **options),
        "reactive": reactive_held_out(demonstrations, fold),
        "uniform": -np.log(demonstrations.mdp.n_actions) * scored,
    }
    steps = np.bincount(unit, scored, n_levels)

    def per_step(values: np.ndarray) -> tuple[float, ...]:
        # Levels count alike: an episode that goes nowhere for long says no more than another.
        rate = np.bincount(unit, values, n_levels) / steps
        interval = mean_interval(rate, n_bootstrap, confidence, seed)
        p = mean_p_value(rate - RELEVANT, rng=seed)
        return (*(float(bound) for bound in interval), float(p))

    n = len(names)
    group_weight, cost = np.full((3, n), np.nan), np.full((4, n), np.nan)
    for group, identified in zip(which.groups, which.identified, strict=True):
        if not identified:
            continue
        at = list(group)
        low, high = percentile_interval(again[:, at].sum(axis=1), confidence)
        group_weight[:, at] = np.array([fit.weights[at].sum(), low, high])[:, None]
        start = fit_from(demonstrations, [None, fit.weights], dropped=at, **options).weights
        without = held_out(demonstrations, fold, dropped=at, initial=start, **options)
        cost[:, at] = np.array(per_step(likelihood["fitted"] - without))[:, None]
    low, high = percentile_interval(again, confidence)
    found: dict[str, Any] = {}
    triples = {
        "weight": (("feature",), (fit.weights, low, high)),
        "group_weight": (("feature",), group_weight),
        "cost": (("feature",), cost),
        "gain": ((), per_step(likelihood["fitted"] - likelihood["reactive"])),
        "log_likelihood": (("model",), np.array([per_step(likelihood[m])[:3] for m in MODELS]).T),
    }
    for name, (dims, values) in triples.items():
        for end, value in zip(("", "_low", "_high", "_p"), values, strict=False):
            found[name + end] = (dims, value)
    group_of, identified = _by_feature(which)
    found |= {
        "group": ("feature", np.array(group_of, dtype=object)),
        "identified": ("feature", identified),
        "prior_share": ("feature", np.diag(fit.covariance) / fit.prior_std**2),
        "eigenvalue": ("direction", which.eigenvalues),
        "directions": (("direction", "feature"), which.directions),
        "null": ("direction", which.null),
        "converged": fit.converged,
        "n_levels": n_levels,
        "n_episodes": demonstrations.n_episodes,
        "n_steps": len(demonstrations.state),
    }
    return xr.Dataset(found, {"feature": list(names), "model": list(MODELS)})


def _by_feature(which: Identifiability) -> tuple[list[str], np.ndarray]:
    """Return the name of each feature's group, and whether its sum is identified."""
    names, identified = [""] * len(which.feature_names), np.zeros(len(which.feature_names), bool)
    for group, name, fine in zip(which.groups, which.group_names, which.identified, strict=True):
        for feature in group:
            names[feature], identified[feature] = name, fine
    return names, identified


def _text(dataset: xr.Dataset, name: str) -> str:
    return str(dataset.undetermined.sel(distribution=name).values)


@answer_plot
def plot_behavioural_objective(dataset: xr.Dataset) -> Figure:
    """Draw weights, what each is needed for, and how well they predict, with intervals.

    Hatched bars are sums over features that cannot be told apart; stars mark what is pursued.
    """
    from interp.style import (
        bars_with_intervals,
        figure_style,
        label_panel,
        legend_outside,
        subplots,
    )

    names = [str(name) for name in dataset.distribution.values]
    features = [str(name) for name in dataset.feature.values]
    panels = (
        ("group_weight", "reward weight (nats)", features),
        ("cost", "loss without it (nats a step)", features),
        ("log_likelihood", "log-likelihood of held-out\nactions (nats a step)", list(MODELS)),
    )
    with figure_style():
        figure, axes = subplots(
            1, 3, width="text", height=2.7, gridspec_kw={"width_ratios": [5, 5, 4]}
        )
        for ax, (name, label, categories), letter in zip(axes, panels, "abc", strict=True):
            bars_with_intervals(
                ax,
                dataset[name].values,
                dataset[f"{name}_low"].values,
                dataset[f"{name}_high"].values,
                categories=categories,
                series=names,
            )
            ax.set_ylabel(label)
            ax.tick_params(axis="x", labelrotation=40)
            label_panel(ax, letter)
        for ax in axes[:2]:
            for container, distribution in zip(ax.containers, names, strict=True):
                part = dataset.sel(distribution=distribution)
                for bar, feature in zip(container, features, strict=True):
                    cell = part.sel(feature=feature)
                    if " = " in str(cell.group.values):
                        bar.set(hatch="////", edgecolor="white")
                    if bool(cell.pursued) and ax is axes[0]:
                        ax.annotate(
                            "*",
                            (bar.get_x() + bar.get_width() / 2, float(cell.group_weight_high)),
                            ha="center",
                            weight="bold",
                        )
        words = [
            f"{name}: {dataset.objective.sel(distribution=name).values} "
            f"(n = {int(dataset.n_levels.sel(distribution=name))}"
            + (f"; open: {undetermined})" if (undetermined := _text(dataset, name)) else ")")
            for name in names
        ]
        figure.suptitle("\n".join([f"{dataset.attrs['organism']} pursues", *words]))
        legend_outside(figure, axes, loc="outside lower center", ncols=max(1, len(names)))
    return figure
