"""What is a population of agents after, and could that have been told before? One page."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analyses.drawing import draw_and_save
from analyses.objectives.choice_pictures import (
    agent_choices,
    plot_agent_choices,
    retargeting_example,
)
from analyses.objectives.known_objectives import known_agents, known_objectives, known_rows
from analyses.objectives.objective_probes import objective_probes, plot_objective_probes
from analyses.objectives.objective_report import objective_report, plot_objective_report
from analyses.objectives.objective_swap import objective_swap, plot_objective_swap
from analyses.objectives.policy_fields import plot_policy_field
from analyses.populations.forecast import forecast, forecasts_of, plot_forecast
from analyses.populations.population import (
    agents_of,
    plot_population,
    population_behaviour,
    short_names,
)
from analyses.populations.population_traits import population_traits
from analyses.study.report import Report
from interp.errors import InputError, UnknownNameError, check_integer
from interp.files import write_atomically, write_netcdf
from organisms.capabilities.objectives import Objectives

STEERED = 2.0
"""How many times the goal's difference is added in the picture of a policy."""

CAPTIONS = {
    "choices": "The first tasks in which the objectives part: the agent's way, and how agents after "
    "either would have gone.",
    "probes": "Where the goal can be read, tested where objectives part, and how long before it is "
    "reached; with controls.",
    "swap": "Another place is written in as the goal's: does the agent go there? Against random "
    "directions, another pair's difference, and nothing.",
    "field": "The policy at every place before and after, in a task in which it works.",
}


def population_study(
    population: str | Sequence[Any],
    out: str | os.PathLike,
    *,
    n: int = 300,
    n_traits: int = 200,
    n_pairs: int = 40,
    examples: Sequence[str] | None = None,
    controls: Sequence[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Measure a population, forecast it from its internals, and write a page.

    Parameters
    ----------
    population
        The name of a population, names of agents, or organisms, all of one family.
    out
        Folder; results (netCDF), figures and ``report.html`` go there, in place of older ones.
    n
        Episodes of every agent on every distribution.
    n_traits
        Tasks of the training distribution that internals are looked at on.
    n_pairs
        Pairs of tasks for the goal swap.
    examples
        Agents (names without the population's) that are looked at one by one; by
        default one of each kind of outcome (see `example_agents`).
    controls
        What is read of the observation beside an example's probes: rungs of `interp.probes.ladder`; by
        default all of them.
    seed
        Of tasks, acting and bootstraps.

    Returns
    -------
    pathlib.Path
        ``report.html``.

    Raises
    ------
    InputError
        If there are fewer than four agents, or they are of several games.
    UnknownNameError
        If an example is no agent of the population.
    """
    for name, value, least in (("n", n, 1), ("n_traits", n_traits, 2), ("n_pairs", n_pairs, 1)):
        check_integer(name, value, least)
    started, out = time.monotonic(), Path(out)
    organisms = list(agents_of(population))
    if len(organisms) < 4:
        raise InputError(f"A population has at least four agents, not {len(organisms)}.")
    by_name = dict(zip(short_names(o.name for o in organisms), organisms, strict=True))
    for name in examples or ():
        if name not in by_name:
            raise UnknownNameError("agent", name, by_name)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, xr.Dataset] = {}
    drawing: dict[str, Callable[[], Any]] = {}

    def keep(
        name: str, result: xr.Dataset, draw: Callable[..., Any] | None = None, *more: Any
    ) -> None:
        results[name] = result
        write_netcdf(result, out / f"{name}.nc")
        if draw is not None:
            drawing[name] = partial(draw, result, *more)

    behaviour = population_behaviour(organisms, n=n, seed=seed, progress=progress)
    traits = population_traits(organisms, n=n_traits, seed=seed + 1, progress=progress)
    told = forecast(traits, behaviour, seed=seed)
    keep("traits", traits)
    keep("forecast", told, plot_forecast)
    keep("population", behaviour, plot_population, forecasts_of(told))
    if known := known_agents(organisms):
        keep("known", known_objectives(known, seed=seed, progress=progress))
    for name in examples or example_agents(behaviour):
        organism = by_name[name]
        for kind, result, draw, *more in _example(organism, n_traits, n_pairs, controls, seed):
            keep(f"{kind}-{name}", result, draw, *more)
        before, after = retargeting_example(organism, alpha=STEERED, seed=seed)
        keep(f"field_before-{name}", before)
        keep(f"field-{name}", after)
        titles = ("nothing written", f"other goal written (×{STEERED:g})")
        drawing[f"field-{name}"] = partial(
            plot_policy_field, before, after, organism, titles=titles
        )
    seconds = time.monotonic() - started
    record = {"agents": [o.describe() for o in organisms], "seed": seed, "n": n, "seconds": seconds}
    write_atomically(out / "study.json", json.dumps(record, indent=2) + "\n")
    figures = draw_and_save(drawing, out)
    title = population if isinstance(population, str) else f"{len(organisms)} agents"
    page = _page(title, results, figures)
    page.section("How this was made")
    if isinstance(population, str):
        command = ["mesascope", "population", population, "--n", str(n), "--seed", str(seed)]
        page.code(shlex.join([*command, "--out", "DIR"]))
    page.text(f"Made in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores.")
    return page.write(out / "report.html")


def _example(
    organism: Any, n: int, n_pairs: int, controls: Sequence[str] | None, seed: int
) -> Iterator[tuple[Any, ...]]:
    """Yield what is made of one agent, as it is made: name, result, its plot and what that takes."""
    split = next(iter(organism[Objectives].diverging))
    report = objective_report(organism, n=n, seed=seed, progress=False)
    yield "report", report, plot_objective_report
    yield "choices", agent_choices(organism, split, seed=seed), plot_agent_choices, organism
    probes = objective_probes(
        organism,
        organism.tasks(organism[Objectives].decorrelated, n, seed + 1),
        test=organism.tasks(split, n, seed + 1),
        controls=controls,
        seed=seed,
        progress=False,
    )
    yield "probes", probes, plot_objective_probes
    swap = objective_swap(organism, n_pairs=n_pairs, seed=seed, progress=False)
    yield "swap", swap, plot_objective_swap


def example_agents(behaviour: xr.Dataset) -> list[str]:
    """Return three agents that show the range: most after the base objective, most after the proxy,
    and, of those trained where the two coincide, the one in the middle.

    Returns
    -------
    list of str
        Names without the population's; fewer if they are the same.
    """
    pursued = behaviour.pursued.fillna(0.5).values
    chosen = [int(pursued.argmax()), int(pursued.argmin())]
    coinciding = np.flatnonzero(behaviour.correlation.values == 1)
    if len(coinciding):
        middle = np.abs(pursued[coinciding] - 0.5)
        chosen.append(int(coinciding[middle.argmin()]))
    return short_names(behaviour.agent.values[list(dict.fromkeys(chosen))])


def _page(title: str, results: dict[str, xr.Dataset], figures: dict[str, Any]) -> Report:
    behaviour, told = results["population"], results["forecast"]
    base, proxy = behaviour.attrs["base"], behaviour.attrs["proxy"]
    page = Report(
        f"What are the agents of {title} after?",
        f"{behaviour.sizes['agent']} agents; every number with its interval and its n.",
    )
    page.section("Could it have been told from their internals?")
    for scope in ("all", "coinciding"):
        page.verdict(*forecast_sentence(told, scope))
    page.figure(
        figures["forecast"],
        "How well each forecast ranks agents by what they pursue off distribution, with agents of one "
        "seed, or of one training distribution, held out together. Filled: all agents; open: those "
        f"trained where {base} and {proxy} always coincide. Bars: 95 %. Right: forecast and truth.",
    )
    page.table(_forecast_rows(told))
    page.section(f"{base.capitalize()} or {proxy}: what they do where the two part")
    page.figure(figures["population"], "Every agent, coloured by the forecast from its internals.")
    page.table(_behaviour_rows(behaviour))
    if "known" in results:
        known = results["known"]
        right = int(known.right.sum())
        page.section("Agents whose objective is known by construction")
        page.verdict(
            f"The behavioural objective off distribution is right for {right} of "
            f"{known.sizes['agent']} (an untrained control among them); where the objectives "
            f"coincide they were told apart for {int(known.told_apart.sum())}, as should be.",
            right == known.sizes["agent"],
        )
        page.table(known_rows(known))
    for name in results:
        kind, _, agent = name.partition("-")
        if kind == "report":
            report = results[name]
            page.section(f"{agent}: {report.attrs['kind']}")
            page.text(report.attrs["verdict"])
            page.text(f"What would change the verdict: {report.attrs['would_change']}")
            page.figure(figures[name], "Base, mesa and behavioural objective side by side.")
        elif kind in CAPTIONS:
            page.figure(figures[name], CAPTIONS[kind])
    return page


def forecast_sentence(told: xr.Dataset, scope: str) -> tuple[str, bool]:
    """Return what the forecast from internals comes to among the agents of a scope, and if it is found."""
    cell = told.sel(scope=scope)
    found = bool(cell.found.sel(internal="internals"))
    words = {"all": "All agents", "coinciding": "Those trained where the objectives coincide"}
    parts = []
    for scheme in map(str, told.scheme.values):
        ours = cell.sel(scheme=scheme, forecast="internals")
        best = str(cell.best_baseline.sel(scheme=scheme).values)
        text = f"held out by {scheme}: AUROC {_bounds(ours, 'auroc')}"
        if best:
            text += f" (best baseline, {best}: {_bounds(cell.sel(scheme=scheme, forecast=best), 'auroc')})"
        parts.append(text)
    n, n_base = int(cell.n_agents), int(cell.n_base)
    head = f"{words.get(scope, scope)} (n = {n}, {n_base} after {told.attrs['base']}): "
    tail = "better than the best baseline." if found else "not shown to be better than a baseline."
    return head + "; ".join(parts) + f"; {tail}", found


def _bounds(cell: xr.Dataset, name: str) -> str:
    value, low, high = (float(cell[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return "n/a" if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _forecast_rows(told: xr.Dataset) -> list[dict[str, Any]]:
    return [
        {
            "forecast": str(name),
            "held out": str(scheme),
            "agents": str(scope),
            "AUROC": _bounds(cell, "auroc"),
            "rank correlation": _bounds(cell, "rank_correlation"),
        }
        for scope in ("all", "coinciding")
        for scheme in told.scheme.values
        for name in told.forecast.values
        for cell in [told.sel(scope=scope, scheme=scheme, forecast=name)]
    ]


def _behaviour_rows(behaviour: xr.Dataset) -> list[dict[str, Any]]:
    base, proxy = behaviour.attrs["base"], behaviour.attrs["proxy"]
    return [
        {
            "agent": short_names([row.agent.values])[0],
            "paid for": str(row.paid.values),
            "solved in training (%)": f"{100 * float(row.solve_rate):.1f}",
            f"{base}, not {proxy} (%)": f"{100 * float(row.base_only):.1f}",
            f"{proxy}, not {base} (%)": f"{100 * float(row.proxy_only):.1f}",
            f"share of {base}": f"{float(row.pursued):.2f} [{float(row.pursued_low):.2f}, "
            f"{float(row.pursued_high):.2f}]",
        }
        for row in (behaviour.isel(agent=i) for i in range(behaviour.sizes["agent"]))
    ]
