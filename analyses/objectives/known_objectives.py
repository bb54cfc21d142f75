"""Does the behaviour of agents whose objective is known by construction give that objective away?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from analyses.needs import Ability, OnePair
from analyses.objectives.behavioural_objective import behavioural_objective
from analyses.populations.population import about, agents_of, as_column, short_names
from analyses.populations.population_traits import coinciding_tasks
from analyses.question import question
from interp.errors import InputError, check_integer
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.objectives import Objectives

UNTRAINED = "none"
"""The objective that an untrained agent is known to have."""


def known_agents(agents: str | Iterable[Any]) -> list[Any]:
    """Return those of the agents that were paid where nothing coincides, so that they could tell.

    They are the ones trained with correlation 0.
    """
    return [organism for organism in agents_of(agents) if about(organism)["correlation"] == 0]


@question(
    "Does the behaviour of agents whose objective is known give it away?",
    needs=(Ability(Objectives), OnePair(), Ability(DecisionProblems)),
    several=True,
)
def known_objectives(
    agents: Iterable[Any], *, n: int = 60, seed: int = 0, progress: bool = True
) -> xr.Dataset:
    """Recover the objectives of agents that were trained outright for them, and of an untrained one.

    Parameters
    ----------
    agents
        From `known_agents`; the untrained network of the first is the control.
    n
        Tasks of each kind for every agent.
    seed
        Of tasks, acting, folds and bootstrap.

    Returns
    -------
    xarray.Dataset
        ``expected`` (agent): the objective it was paid for, `UNTRAINED` for the control.
        ``objective``, ``undetermined`` (agent, distribution): what `behavioural_objective` says, in
        words, on ``coinciding`` tasks (of the training distribution with correlation 1) and on
        ``decorrelated`` ones. ``right`` (agent): off distribution the features of the expected
        objective are pursued, and no others. ``told_apart`` (agent): whether, on coinciding tasks, a
        feature of the base objective was told from the proxy's: there nothing could.

    Raises
    ------
    InputError
        If there are no agents, or their family does not say what objectives weigh.
    """
    from tqdm import tqdm

    check_integer("n", n, 4)
    given = list(agents)
    if not given:
        raise InputError("There are no agents whose objective is known.")
    rows: list[dict[str, Any]] = []
    subjects = [*((agent, None) for agent in given), (given[0].untrained(seed), UNTRAINED)]
    for organism, said in tqdm(subjects, unit="agent", desc="known", disable=not progress):
        expected = organism[Objectives].paid if said is None else said
        features = dict(organism[Objectives].features)
        if said is None and expected not in features:
            raise InputError(f"{organism.name}: what {expected!r} weighs is not known.")
        result = behavioural_objective(
            organism,
            {
                "coinciding": coinciding_tasks(organism, n, seed),
                "decorrelated": organism.tasks(organism[Objectives].decorrelated, n, seed),
            },
            seed=seed,
            progress=False,
        )
        off = result.sel(distribution="decorrelated")
        pursued = set(map(str, off.feature.values[off.pursued.values]))
        wanted = set(features[expected]) if said is None else set()
        [(base, proxy)] = dict.fromkeys(organism[Objectives].diverging.values())
        rows.append(
            {
                "agent": organism.name,
                "expected": expected,
                "objective": [str(x) for x in result.objective.values],
                "undetermined": [str(x) for x in result.undetermined.values],
                "right": pursued == wanted,
                "told_apart": _told_apart(result.sel(distribution="coinciding"), base, proxy),
            }
        )
    names = [str(row["agent"]) for row in rows]
    text = {
        name: (("agent", "distribution"), np.array([row[name] for row in rows], dtype=object))
        for name in ("objective", "undetermined")
    }
    return xr.Dataset(
        {
            **text,
            "expected": ("agent", as_column([row["expected"] for row in rows])),
            "right": ("agent", [row["right"] for row in rows]),
            "told_apart": ("agent", [row["told_apart"] for row in rows]),
        },
        {"agent": names, "distribution": ["coinciding", "decorrelated"]},
        {"analysis": "known_objectives", "n": n, "seed": seed, "confidence": 0.95},
    )


def _told_apart(part: xr.Dataset, base: str, proxy: str) -> bool:
    """Return whether either feature was pursued alone, without the other in its group."""
    for mine, other in ((base, proxy), (proxy, base)):
        if mine not in part.feature.values:
            continue
        cell = part.sel(feature=mine)
        if bool(cell.pursued) and other not in str(cell.group.values).split(" = "):
            return True
    return False


def known_rows(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Return the dataset as rows of a table."""
    return [
        {
            "agent": short_names([row.agent.values])[0] or str(row.agent.values),
            "known to be after": str(row.expected.values),
            "off distribution": str(row.objective.sel(distribution="decorrelated").values),
            "right": "yes" if bool(row.right) else "no",
            "where they coincide": str(row.objective.sel(distribution="coinciding").values),
        }
        for row in (dataset.isel(agent=i) for i in range(dataset.sizes["agent"]))
    ]
