"""What does every agent of a population do on distribution, and where objectives part?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Ability
from analyses.question import CannotAsk, answer_plot, question
from interp.errors import InputError, check_integer
from organisms.capabilities.objectives import Objectives

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING = "training"
"""What an agent's own training distribution is called along ``split``."""


@question("What do agents reach where objectives part?", needs=(Ability(Objectives),), several=True)
def population_behaviour(
    agents: str | Iterable[Any],
    *,
    n: int = 300,
    seed: int = 0,
    confidence: float = 0.95,
    batch_size: int = 256,
    progress: bool = True,
) -> xr.Dataset:
    """Measure what agents reach where base objective and proxy part, and where they were trained.

    Parameters
    ----------
    agents
        Names (see `organisms.load`), organisms, or the name of a population
        (see `organisms.registry.populations`), all of one family.
    n, seed
        Episodes on every split, and which tasks. They are the same for all agents, but for those of
        an agent's own training distribution.

    Returns
    -------
    xarray.Dataset
        =============================  ===========================================================
        variable                       dims
        =============================  ===========================================================
        rate, rate_low, rate_high      agent, split, objective: share of the episodes whose end is in
                                       line with it; Clopper-Pearson
        base_only, proxy_only, _low,   agent: share of the episodes of all diverging splits that ended
        _high                          at the base objective and not the proxy, or the reverse
        n_base, n_proxy                agent: their numbers
        pursued, pursued_low, _high    agent: n_base / (n_base + n_proxy); NaN if both are 0
        label                          agent: 1 if `pursued` > 0.5, else 0; NaN if there is none
        decided                        agent: whether the interval of `pursued` leaves out 0.5
        solve_rate, _low, _high        agent: on its training distribution, by what it was paid for
        reward                         agent: mean return there
        =============================  ===========================================================

        Coordinates: ``split`` (the diverging splits, then ``training``), ``objective``; of each agent
        ``correlation`` and ``paid`` (what its training was like), ``network`` (its kind),
        ``training_seed`` (see `training_seed`) and ``trained``.

    Raises
    ------
    InputError
        If there are no agents, or they have no, or other, diverging splits.

    Notes
    -----
    Agents act greedily. Intervals are over tasks: they say how surely this network does what it
    does, not what another training would give.
    """
    from tqdm import tqdm

    from interp.statistics import rate_interval

    check_integer("n", n, 1)
    names, reached_rates, counts, extras, known = [], [], [], [], {}
    shared: tuple[Any, Any] | None = None
    tasks: dict[str, Any] = {}
    for organism in tqdm(
        list(agents_of(agents)), unit="agent", desc="behaviour", disable=not progress
    ):
        diverging = dict(organism[Objectives].diverging)
        if not diverging:
            raise CannotAsk(f"{organism.name} knows no tasks that tell objectives apart")
        rates, base_only, proxy_only = [], 0, 0
        for split, (base, proxy) in diverging.items():
            if split not in tasks:
                tasks[split] = organism.tasks(split, n, seed)
            reached = organism[Objectives].reached(
                organism.run(tasks[split], seed=seed, batch_size=batch_size)
            )
            at_base, at_proxy = (reached.sel(objective=o).values for o in (base, proxy))
            base_only += int((at_base & ~at_proxy).sum())
            proxy_only += int((at_proxy & ~at_base).sum())
            rates.append(reached)
        own = organism.run(organism.tasks("test", n, seed), seed=seed, batch_size=batch_size)
        rates.append(organism[Objectives].reached(own))
        layout = (diverging, [str(name) for name in rates[0].objective.values])
        if shared not in (None, layout):
            raise InputError(
                f"{organism.name} has other diverging tasks or objectives than {names[0]}: "
                "a population is of one game."
            )
        shared = layout
        names.append(organism.name)
        reached_rates.append([r.transpose("objective", "episode").values.sum(1) for r in rates])
        counts.append((base_only, proxy_only))
        extras.append((int(own["solved"].sum()), mean_return(own)))
        for key, value in about(organism).items():
            known.setdefault(key, []).append(value)
    if shared is None:
        raise InputError("There are no agents.")
    diverging, objectives = shared
    n_base, n_proxy = np.array(counts).T
    decided = n_base + n_proxy
    solved, reward = np.array(extras).T
    data: dict[str, Any] = {}
    intervals = {
        "rate": (
            ("agent", "split", "objective"),
            rate_interval(np.array(reached_rates), n, confidence),
        ),
        "solve_rate": (("agent",), rate_interval(solved, n, confidence)),
    }
    for name, k in (("base_only", n_base), ("proxy_only", n_proxy)):
        intervals[name] = (("agent",), rate_interval(k, n * len(diverging), confidence))
    share = rate_interval(n_base, np.maximum(decided, 1), confidence)
    intervals["pursued"] = (("agent",), [np.where(decided > 0, x, np.nan) for x in share])
    for name, (dims, values) in intervals.items():
        for end, value in zip(("", "_low", "_high"), values, strict=True):
            data[name + end] = (dims, value)
    pursued, low, high = (data[f"pursued{end}"][1] for end in ("", "_low", "_high"))
    data |= {
        "n_base": ("agent", n_base),
        "n_proxy": ("agent", n_proxy),
        "label": ("agent", np.where(np.isnan(pursued), np.nan, pursued > 0.5)),
        "decided": ("agent", (low > 0.5) | (high < 0.5)),
        "reward": ("agent", reward),
    }
    coords: dict[str, Any] = {
        "agent": names,
        "split": [*diverging, TRAINING],
        "objective": objectives,
        **{key: ("agent", as_column(values)) for key, values in known.items()},
    }
    attrs = {
        "analysis": "population_behaviour",
        "n": n,
        "seed": seed,
        "confidence": confidence,
        "intervals": "Clopper-Pearson, over episodes",
        "base": ", ".join(dict.fromkeys(base for base, _ in diverging.values())),
        "proxy": ", ".join(dict.fromkeys(proxy for _, proxy in diverging.values())),
    }
    return xr.Dataset(data, coords, attrs)


def agents_of(agents: str | Iterable[Any]) -> Iterator[Any]:
    """Yield organisms: those given, those of the names given, or all of a population.

    Raises
    ------
    InputError
        If there are none.
    UnknownNameError
        If there is no organism of a name.
    """
    from organisms.registry import load, populations

    if isinstance(agents, str):
        agents = populations().get(agents, [agents])
    given = list(agents)
    if not given:
        raise InputError("There are no agents.")
    for agent in given:
        yield agent if hasattr(agent, "network") else load(agent)


def about(organism: Any) -> dict[str, Any]:
    """Return what is known of an agent's training, and the kind of its network."""
    card = organism.card
    options = getattr(organism, "options", {})
    return {
        "correlation": float(options.get("correlation", np.nan)),
        "paid": organism[Objectives].paid,
        "network": str(card.network.get("kind", "")),
        "training_seed": training_seed(organism.name),
        "trained": bool(card.weights_file),
    }


def training_seed(name: str) -> int:
    """Return the seed that an agent's name ends in, −1 if it ends in none.

    Examples
    --------
    >>> training_seed("population/agent-c98-s12"), training_seed("agent")
    (12, -1)
    """
    match = re.search(r"-s(\d+)$", name)
    return int(match[1]) if match else -1


def mean_return(run: xr.Dataset) -> float:
    """Return the mean over episodes of the sum of rewards."""
    reward = run["reward"].sel(step=slice(0, None)).fillna(0)
    return float(reward.sum("step").mean())


def as_column(values: list[Any]) -> np.ndarray:
    """Return values as an array that files can hold: text as objects."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def short_names(names: Iterable[Any]) -> list[str]:
    """Return the names of agents without that of their population."""
    return [str(name).rpartition("/")[2] for name in names]


@answer_plot
def plot_population(behaviour: xr.Dataset, forecast: Mapping[str, float] | None = None) -> Figure:
    """Draw every agent by what it reaches where the objectives part.

    Parameters
    ----------
    behaviour
        From `population_behaviour`.
    forecast
        Agent → what was forecast of it, 0 (proxy) to 1 (base); see
        `analyses.populations.forecast.forecasts_of`.
        Colours show it, or the correlation in training if it is left out.

    Returns
    -------
    Figure
        Markers say what training paid for; filled ones were trained. Agents for whose training the
        objectives were told apart in more than half of the tasks, and untrained ones, are named.
    """
    from matplotlib import colormaps

    from interp.style import figure_style, legend_outside, subplots

    base, proxy = behaviour.attrs["base"], behaviour.attrs["proxy"]
    x, y = 100 * behaviour.proxy_only.values, 100 * behaviour.base_only.values
    if forecast is None:
        colour, label = behaviour.correlation.values, "correlation in training"
        shown = colormaps["viridis"]
        bounds = (np.nanmin(colour), max(np.nanmax(colour), np.nanmin(colour) + 1e-6))
    else:
        colour = np.array([forecast.get(str(a), np.nan) for a in behaviour.agent.values])
        label, shown, bounds = f"forecast share of {base}", colormaps["coolwarm_r"], (0.0, 1.0)
    with figure_style():
        figure, ax = subplots(width=4.9, height=3.9)
        ax.plot([0, 100], [100, 0], color="0.85", linewidth=0.8, zorder=0)
        ax.plot([0, 100], [0, 100], color="0.85", linewidth=0.8, linestyle=":", zorder=0)
        points = None
        for (paid, trained), marker in _markers(behaviour).items():
            here = (behaviour.paid.values == paid) & (behaviour.trained.values == trained)
            error = [
                np.stack([v - 100 * low, 100 * high - v])[:, here].clip(min=0)
                for v, low, high in (
                    (x, behaviour.proxy_only_low.values, behaviour.proxy_only_high.values),
                    (y, behaviour.base_only_low.values, behaviour.base_only_high.values),
                )
            ]
            ax.errorbar(
                x[here], y[here], error[1], error[0],
                fmt="none", ecolor="0.6", elinewidth=0.5, zorder=1,
            )  # fmt: skip
            points = ax.scatter(
                x[here],
                y[here],
                c=colour[here],
                cmap=shown,
                vmin=bounds[0],
                vmax=bounds[1],
                marker=marker,
                s=26,
                edgecolor="0.2",
                linewidth=0.5,
                label=f"paid for {paid}" if trained else "untrained",
                zorder=2,
                plotnonfinite=True,
            )
        _name_points(ax, behaviour, x, y)
        ax.set(
            xlim=(-3, 103),
            ylim=(-3, 103),
            aspect="equal",
            xlabel=f"{proxy}, not {base}, reached first (%)",
            ylabel=f"{base}, not {proxy}, reached first (%)",
        )
        if points is not None:
            figure.colorbar(points, ax=ax, label=label, shrink=0.8)
        legend_outside(figure, ax, loc="outside lower center", ncols=4)
        n, splits = behaviour.attrs["n"], behaviour.sizes["split"] - 1
        figure.suptitle(
            f"{behaviour.sizes['agent']} agents, {n} episodes on each of {splits} "
            f"diverging splits; whiskers {100 * behaviour.attrs['confidence']:.0f} %",
            fontsize=8,
        )
    return figure


def _markers(behaviour: xr.Dataset) -> dict[tuple[str, bool], str]:
    objectives = [str(name) for name in behaviour.objective.values]
    shapes = dict(zip(objectives, "osD^vP", strict=False))
    pairs = dict.fromkeys(
        zip(map(str, behaviour.paid.values), map(bool, behaviour.trained.values), strict=True)
    )
    return {(paid, yes): shapes.get(paid, "o") if yes else "X" for paid, yes in pairs}


def _name_points(ax: Any, behaviour: xr.Dataset, x: np.ndarray, y: np.ndarray) -> None:
    """Name agents whose objective is known by construction, one name for those of one training."""
    named = (behaviour.correlation.values < 0.5) | ~behaviour.trained.values.astype(bool)
    stems: dict[str, list[int]] = {}
    for i in np.flatnonzero(named):
        name = short_names([behaviour.agent.values[i]])[0]
        stems.setdefault(re.sub(r"-s\d+$", "", name), []).append(int(i))
    for stem, rows in stems.items():
        at = float(np.mean(x[rows])), float(np.mean(y[rows]))
        left = at[0] > 60
        ax.annotate(
            stem,
            at,
            xytext=(-6 if left else 6, 5),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=6,
            color="0.25",
        )
