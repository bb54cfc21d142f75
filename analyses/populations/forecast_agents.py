"""Which agents a forecast is made of: the groups that are held out, and those that are compared."""

from __future__ import annotations

import numpy as np
import xarray as xr

from interp.errors import InputError

SCHEMES = ("seeds", "training distributions")
"""What is held out; see `groups_of`."""

SCOPES = ("all", "decided", "coinciding", "coinciding, decided")
"""Which agents are compared; see `scopes_of`."""

MIN_RESAMPLED_GROUPS = 6
"""Groups from which on a bootstrap draws them whole."""


def same_agents(traits: xr.Dataset, behaviour: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return both in one order, without the agents that reached neither objective.

    Raises
    ------
    InputError
        If a variable is missing, they are of different agents, or fewer than 4 are left.
    """
    for name, dataset, needed in (
        ("traits", traits, "trait"),
        ("behaviour", behaviour, "pursued"),
    ):
        if needed not in dataset:
            raise InputError(f"{name} has no variable {needed!r}.")
    mine, theirs = (set(map(str, dataset.agent.values)) for dataset in (traits, behaviour))
    if mine != theirs:
        raise InputError(
            f"traits and behaviour are of other agents: {sorted(mine ^ theirs)[:5]} are in one only."
        )
    behaviour = behaviour.isel(agent=np.flatnonzero(behaviour.pursued.notnull().values))
    if behaviour.sizes["agent"] < 4:
        raise InputError(
            f"{behaviour.sizes['agent']} agents reached either objective: too few for a forecast."
        )
    return traits.sel(agent=behaviour.agent.values), behaviour


def groups_of(behaviour: xr.Dataset) -> dict[str, np.ndarray]:
    """Return scheme → the group of each agent, (agent,) int.

    Agents of one ``seeds`` group share the seed of their training, whatever the rest of it; an agent
    whose seed is not known is alone. Those of a ``training distributions`` group share what was paid and
    the correlation.
    """
    seeds = [
        str(seed) if seed >= 0 else str(agent)
        for seed, agent in zip(behaviour.training_seed.values, behaviour.agent.values, strict=True)
    ]
    trainings = [
        f"{paid} {correlation:g}"
        for paid, correlation in zip(
            behaviour.paid.values, behaviour.correlation.values, strict=True
        )
    ]
    found = (np.unique(names, return_inverse=True)[1].reshape(-1) for names in (seeds, trainings))
    return dict(zip(SCHEMES, found, strict=True))


def scopes_of(behaviour: xr.Dataset) -> dict[str, np.ndarray]:
    """Return scope → which agents it has, (agent,) bool.

    ``decided`` are those whose interval leaves out ½, ``coinciding`` those that were trained for the base
    objective on tasks in which the proxy always coincides with it.
    """
    everyone = np.ones(behaviour.sizes["agent"], bool)
    decided = behaviour.decided.values.astype(bool)
    # The first objective is the base objective, which these were paid for.
    paid = behaviour.paid.values == str(behaviour.objective.values[0])
    coinciding = (behaviour.correlation.values == 1) & behaviour.trained.values.astype(bool) & paid
    return dict(zip(SCOPES, (everyone, decided, coinciding, coinciding & decided), strict=True))


def each_left_out(group: np.ndarray) -> tuple[np.ndarray, int]:
    """Return which agents count with each unit left out in turn, and how many units there are.

    Returns
    -------
    tuple
        (1 + unit, agent) float64, everyone in the first row; the number of groups, or of agents
        if there are fewer than `MIN_RESAMPLED_GROUPS` groups.
    """
    from interp.statistics import leave_one_out

    unit = np.unique(group, return_inverse=True)[1].reshape(-1)
    if unit.max() + 1 < MIN_RESAMPLED_GROUPS:
        unit = np.arange(len(group))
    n_units = int(unit.max()) + 1
    return leave_one_out(n_units)[:, unit], n_units
