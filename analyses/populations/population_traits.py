"""What can be told of every agent of a population without leaving its training distribution?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr

from analyses.needs import Ability
from analyses.objectives.goal_sensitivity import goal_sensitivity
from analyses.populations.population import about, agents_of, as_column, mean_return
from analyses.question import question
from analyses.verdict import INTERVALS
from interp.errors import InputError, check_integer
from organisms.capabilities.edits import Edits
from organisms.capabilities.objectives import Objectives

TRAIT_SETS = ("slopes", "removals", "moves", "weights", "behaviour", "reward", "setup")
"""What traits are taken from; see `population_traits`."""


def coinciding_tasks(organism: Any, n: int, seed: int) -> Any:
    """Return tasks in which base objective and proxy coincide, whatever the agent was trained on."""
    return organism.tasks("test", n, seed, correlation=1.0)


@question(
    "What tells of its objective without leaving the training distribution?",
    needs=(Ability(Objectives), Ability(Edits)),
    several=True,
)
def population_traits(
    agents: str | Iterable[Any],
    *,
    n: int = 200,
    seed: int = 1,
    coinciding: Callable[[Any, int, int], Any] = coinciding_tasks,
    n_bootstrap: int = 200,
    batch_size: int = 256,
    progress: bool = True,
) -> xr.Dataset:
    """Measure what a forecast may use: every agent's internals, and what there is without them.

    Parameters
    ----------
    agents
        As in `analyses.populations.population.population_behaviour`.
    n, seed
        Tasks, and which: others than a behaviour is measured on, as long as the seeds differ.
    coinciding
        Which tasks internals are looked at on.

    Returns
    -------
    xarray.Dataset
        ``trait`` (agent, trait_name), NaN where an agent has none of the kind; ``preference`` with
        interval (agent): the forecast without any fit. The coordinate ``kind`` (trait_name) says
        where a trait is from:

        * ``slopes``, ``removals``, ``moves``: contrasts between the base objective's and the proxy's
          feature of the goal, from `analyses.objectives.goal_sensitivity.goal_sensitivity`, on
          coinciding tasks:
          for a small change of it, without it, and with it on another thing;
        * ``weights``: how strongly the encoding's weights hold either feature, and how much alike;
        * ``behaviour``: what the agent does on its own training distribution and on coinciding
          tasks: shares of each end, success, steps, entropy, and the value at the start;
        * ``reward``: mean return on its own training distribution;
        * ``setup``: what its training was like, and the kind of network: no look at the agent at all.

        Coordinates of each agent as in `population_behaviour`.

    Raises
    ------
    InputError
        As `goal_sensitivity`.
    """
    from tqdm import tqdm

    check_integer("n", n, 2)
    rows: list[dict[tuple[str, str], float]] = []
    names, known, preferences = [], {}, []
    for organism in tqdm(
        list(agents_of(agents)), unit="agent", desc="traits", disable=not progress
    ):
        tasks = coinciding(organism, n, seed)
        sensitivity = goal_sensitivity(
            organism, tasks, seed=seed, n_bootstrap=n_bootstrap, batch_size=batch_size
        )
        together = organism.run(tasks, seed=seed, batch_size=batch_size)
        own = organism.run(organism.tasks("test", n, seed), seed=seed, batch_size=batch_size)
        facts = about(organism)
        rows.append(
            {
                **internal_traits(sensitivity),
                **{("weights", k): v for k, v in weight_traits(sensitivity).items()},
                **{
                    ("behaviour", f"own_{k}"): v for k, v in behaviour_traits(organism, own).items()
                },
                **{
                    ("behaviour", f"coinciding_{k}"): v
                    for k, v in behaviour_traits(organism, together).items()
                },
                ("reward", "return"): mean_return(own),
                ("setup", "correlation"): facts["correlation"],
                ("setup", f"paid_{facts['paid']}"): 1.0,
                ("setup", f"network_{facts['network']}"): 1.0,
                ("setup", "trained"): float(facts["trained"]),
            }
        )
        names.append(organism.name)
        preferences.append([float(sensitivity[f"preference{e}"]) for e in ("", "_low", "_high")])
        for key, value in facts.items():
            known.setdefault(key, []).append(value)
    if len(set(names)) < len(names):
        raise InputError("An agent is given twice.")
    columns = sorted({column for row in rows for column in row}, key=_order)
    # A kind of reward or network that an agent has not is a 0; a measure that it lacks is unknown.
    values = np.array(
        [
            [row.get(column, 0.0 if column[0] == "setup" else np.nan) for column in columns]
            for row in rows
        ]
    )
    data: dict[str, Any] = {"trait": (("agent", "trait_name"), values)}
    for end, column in zip(("", "_low", "_high"), np.array(preferences).T, strict=True):
        data[f"preference{end}"] = ("agent", column)
    coords: dict[str, Any] = {
        "agent": names,
        "trait_name": np.array([name for _, name in columns], dtype=object),
        "kind": ("trait_name", np.array([kind for kind, _ in columns], dtype=object)),
        **{key: ("agent", as_column(column)) for key, column in known.items()},
    }
    attrs = {
        "analysis": "population_traits",
        "n": n,
        "seed": seed,
        "confidence": 0.95,
        "intervals": INTERVALS.format("tasks", n_bootstrap),
    }
    return xr.Dataset(data, coords, attrs)


def _order(column: tuple[str, str]) -> tuple[int, str]:
    return TRAIT_SETS.index(column[0]), column[1]


def internal_traits(sensitivity: xr.Dataset) -> dict[tuple[str, str], float]:
    """Return the contrasts of one agent, (kind, name) → number, by every measure and of its state."""
    traits = {
        ("slopes" if str(name).endswith("slope") else "removals", str(name)): float(value)
        for name, value in zip(sensitivity.measure.values, sensitivity.contrast.values, strict=True)
    }
    # Networks differ in their sites: the last one, and the mean over all.
    traits["removals", "last_state"] = float(sensitivity.registered_contrast.values[-1])
    traits["removals", "states"] = float(sensitivity.registered_contrast.mean())
    if "moved_contrast" in sensitivity:
        traits["moves", "moved"] = float(sensitivity.moved_contrast)
    return traits


def weight_traits(sensitivity: xr.Dataset) -> dict[str, float]:
    """Return how the weights of the encoding hold the two features."""
    base, proxy = (float(sensitivity.edit_norm.sel(edit=name)) for name in ("base", "proxy"))
    return {
        "norm_contrast": (base - proxy) / max(base + proxy, 1e-12),
        "norm": float(np.log(max(base + proxy, 1e-12))),
        "cosine": float(sensitivity.edit_cosine),
    }


def behaviour_traits(organism: Any, run: xr.Dataset) -> dict[str, float]:
    """Return what an agent does in a run, in numbers.

    Returns
    -------
    dict
        ``reached_*``: share of the episodes that end in line with each objective; ``solved``;
        ``steps``, mean; ``entropy`` of the policy, mean over steps (nats); ``value`` at the start.
    """
    from scipy.special import log_softmax

    reached = organism[Objectives].reached(run)
    logits = run["logits"].sel(step=slice(0, None)).transpose("episode", "step", ...).values
    within = np.arange(logits.shape[1]) < run["length"].values[:, None]
    log_p = log_softmax(np.where(within[..., None], logits, 0).astype(np.float64), axis=-1)
    entropy = -(np.exp(log_p) * log_p).sum(axis=-1)
    return {
        **{
            f"reached_{o}": float(reached.sel(objective=o).mean()) for o in reached.objective.values
        },
        "solved": float(run["solved"].mean()),
        "steps": float(run["length"].mean()),
        "entropy": float(entropy[within].mean()),
        "value": float(run["value"].sel(step=0).mean()),
    }
