"""What was an agent trained for, what does it look after, and what does it represent as its goal?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from analyses.needs import Ability, OnePair
from analyses.objectives.alignment import Reading, Verdict, judge
from analyses.question import answer_plot, question
from interp.errors import InputError, check_integer
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.objectives import Objectives

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVIDENCE = ("inferred, training", "inferred, off", "choice", "preference", "moved")
"""Where evidence is from; see `objective_report`."""

ENDS = ("", "_low", "_high")


class _Row(NamedTuple):
    estimate: float
    low: float
    high: float
    n: int
    says: str


@question(
    "What was it trained for, what is it after, and what does it represent as its goal?",
    needs=(Ability(Objectives), OnePair(), Ability(DecisionProblems)),
)
def objective_report(
    organism: Any,
    *,
    n: int = 200,
    n_inferred: int = 60,
    seed: int = 0,
    n_bootstrap: int = 1000,
    progress: bool = True,
) -> xr.Dataset:
    """Set base, mesa and behavioural objective of one agent side by side, with a verdict.

    Parameters
    ----------
    organism
        Of a family that tells objectives apart (``diverging``, ``decorrelated``, ``reached``).
    n
        Tasks for choices and for the internal evidence.
    n_inferred
        Tasks on which reward weights are fitted, on distribution and off it.
    seed
        Of tasks, acting and bootstraps.

    Returns
    -------
    xarray.Dataset
        ============================  ============================================================
        variable                      dims
        ============================  ============================================================
        estimate, _low, _high         evidence: from −1 (the proxy alone) to 1 (the base objective
                                      alone); NaN where evidence is in words only
        says                          evidence: in words
        n                             evidence: tasks
        solve_rate, _low, _high       what training paid for, on the training distribution
        ============================  ============================================================

        ``evidence``:

        * ``inferred, training``, ``inferred, off`` — the behavioural objective by inverse
          reinforcement learning (`analyses.behavioural_objective`), on tasks of the training
          distribution in which base objective and proxy coincide, and on decorrelated ones;
        * ``choice`` — what was reached first where the two part
          (`analyses.populations.population.population_behaviour`): base − proxy over base + proxy;
        * ``preference``, ``moved`` — the internal evidence for a mesa-objective: what the loss of
          either feature in the agent's own encoding of its goal does, and what moving it to another
          thing does (`analyses.goal_sensitivity`), in mazes of the training distribution whose
          encoding is edited.

        Attributes: ``base``, ``proxy``, ``paid`` (what training paid for), ``kind`` (see
        `analyses.objectives.alignment.judge`), ``verdict`` and ``would_change``, sentences.

    Raises
    ------
    InputError
        If a count is too small.

    Notes
    -----
    Three tests with an interval each, of which every one is at its own 95 %: they are not corrected
    for each other. The kind of pseudo-alignment names what the evidence is in line with; that an agent
    has an objective in the sense of search over actions is not claimed. Networks without an encoding
    that can be edited get no internal evidence, and the report says so.

    References
    ----------
    Hubinger et al. 2019, "Risks from Learned Optimization" (arXiv 1906.01820), Sec. 1.2, 3 and 4.2.

    Examples
    --------
    >>> import organisms
    >>> agent = organisms.load("doors-population-v1/red-c90-s0")
    >>> report = objective_report(agent, n=20, n_inferred=8, progress=False)
    >>> report.attrs["paid"]
    'red'
    """
    from analyses.objectives.behavioural_objective import behavioural_objective
    from analyses.populations.population import population_behaviour
    from analyses.populations.population_traits import coinciding_tasks

    check_integer("n", n, 2)
    check_integer("n_inferred", n_inferred, 4)
    [(base, proxy)] = dict.fromkeys(organism[Objectives].diverging.values())
    behaviour = population_behaviour([organism], n=n, seed=seed, progress=False).isel(agent=0)
    inferred = behavioural_objective(
        organism,
        {
            "training": coinciding_tasks(organism, n_inferred, seed),
            "off": organism.tasks(organism[Objectives].decorrelated, n_inferred, seed),
        },
        seed=seed,
        progress=progress,
    )
    rows = {
        f"inferred, {where}": _nothing(_inferred(inferred, where))._replace(n=n_inferred)
        for where in ("training", "off")
    }
    rows["choice"] = _choice(behaviour, base, proxy)
    rows |= _internal(organism, coinciding_tasks(organism, n, seed + 1), seed, n_bootstrap)
    reading = Reading(
        base=base,
        proxy=proxy,
        paid=organism[Objectives].paid,
        proxy_kind=dict(organism[Objectives].proxy_kinds).get(proxy, ""),
        competence=tuple(float(behaviour[f"solve_rate{end}"]) for end in ("", "_low", "_high")),
        inferred_off=str(inferred.objective.sel(distribution="off").values),
        choice=rows["choice"][:3],
        preference=rows["preference"][:3],
    )
    verdict: Verdict = judge(reading)
    order = [rows[name] for name in EVIDENCE]
    data: dict[str, Any] = {
        "estimate": ("evidence", [row.estimate for row in order]),
        "estimate_low": ("evidence", [row.low for row in order]),
        "estimate_high": ("evidence", [row.high for row in order]),
        "n": ("evidence", [row.n for row in order]),
        "says": ("evidence", np.array([row.says for row in order], dtype=object)),
        **{
            f"solve_rate{end}": behaviour[f"solve_rate{end}"].item()
            for end in ("", "_low", "_high")
        },
    }
    attrs = {
        "analysis": "objective_report",
        "organism": organism.name,
        "base": base,
        "proxy": proxy,
        "paid": reading.paid,
        "kind": verdict.kind,
        "verdict": verdict.says,
        "would_change": verdict.would_change,
        "confidence": 0.95,
        "seed": seed,
    }
    return xr.Dataset(data, {"evidence": list(EVIDENCE)}, attrs)


def _nothing(why: str) -> _Row:
    return _Row(np.nan, np.nan, np.nan, 0, why)


def _inferred(inferred: xr.Dataset, where: str) -> str:
    part = inferred.sel(distribution=where)
    found, undetermined = str(part.objective.values), str(part.undetermined.values)
    return found + (f"; cannot be determined here: {undetermined}" if undetermined else "")


def _choice(behaviour: xr.Dataset, base: str, proxy: str) -> _Row:
    n_base, n_proxy = int(behaviour.n_base), int(behaviour.n_proxy)
    value, low, high = (2 * float(behaviour[f"pursued{end}"]) - 1 for end in ENDS)
    says = (
        f"{base} {n_base} times, {proxy} {n_proxy} times, of {behaviour.attrs['n']} tasks a split"
    )
    return _Row(value, low, high, n_base + n_proxy, says)


def _internal(organism: Any, tasks: Any, seed: int, n_bootstrap: int) -> dict[str, _Row]:
    from analyses.objectives.goal_sensitivity import goal_sensitivity

    try:
        found = goal_sensitivity(organism, tasks, seed=seed, n_bootstrap=n_bootstrap)
    except InputError as error:
        nothing = _nothing(f"not to be had: {error}")
        return {"preference": nothing, "moved": nothing}
    noticed = [str(f) for f in found.feature.values if bool(found.found.sel(feature=f))]
    rows = {}
    for name, variable in (("preference", "preference"), ("moved", "moved_contrast")):
        if variable not in found:
            rows[name] = _nothing("the family has no such edits")
            continue
        value, low, high = (float(found[variable + end]) for end in ENDS)
        rows[name] = _Row(value, low, high, int(found.n_tasks), "")
    words = " and ".join(noticed) or "neither"
    rows["preference"] = rows["preference"]._replace(
        says=f"loss noticed more than a random direction: {words}"
    )
    return rows


@answer_plot
def plot_objective_report(report: xr.Dataset) -> Figure:
    """Draw the evidence between proxy and base objective, the words beside it, and the verdict."""
    import textwrap

    from interp.style import BLUE, GREY, VERMILION, figure_style, subplots

    names = [str(name) for name in report.evidence.values]
    titles = {
        "inferred, training": "behaviour, training distribution\n(inverse RL)",
        "inferred, off": "behaviour, decorrelated\n(inverse RL)",
        "choice": "behaviour, where they part\n(reached first)",
        "preference": "internals, training distribution\n(feature of the goal lost)",
        "moved": "internals, training distribution\n(feature moved elsewhere)",
    }
    with figure_style():
        figure, axes = subplots(
            1, 2, width="text", height=3.1, gridspec_kw={"width_ratios": [3, 2.6]}
        )
        ax, words = axes
        at = np.arange(len(names))[::-1]
        for y, name in zip(at, names, strict=True):
            row = report.sel(evidence=name)
            value, low, high = (float(row[f"estimate{end}"]) for end in ("", "_low", "_high"))
            if np.isfinite(value):
                colour = BLUE if low > 0 else VERMILION if high < 0 else GREY
                ax.hlines(y, low, high, color=colour, linewidth=1.4)
                ax.plot(value, y, marker="o", color=colour, markersize=5)
            n = int(row.n)
            text = f"{row.says.values} (n = {n})".strip() if n else str(row.says.values)
            words.text(0, y, textwrap.fill(text, 46), fontsize=6.5, va="center")
        ax.axvline(0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set(xlim=(-1.08, 1.08), ylim=(-0.6, len(names) - 0.4))
        ax.set_yticks(at, [titles[name] for name in names])
        base, proxy = report.attrs["base"], report.attrs["proxy"]
        ax.set_xticks([-1, 0, 1], [f"{proxy}\nalone", "both alike", f"{base}\nalone"])
        words.set(ylim=ax.get_ylim(), xlim=(0, 1))
        words.axis("off")
        share = 100 * report.attrs["confidence"]
        title = (
            f"{report.attrs['organism']}, paid for {report.attrs['paid']}: {report.attrs['kind']}"
        )
        figure.suptitle(
            title + "\n" + textwrap.fill(report.attrs["verdict"], 110) + f" Bars: {share:.0f} %.",
            fontsize=7.5,
        )
    return figure
