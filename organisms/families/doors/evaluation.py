"""What an agent goes for, on the mazes it was trained on and where its objective shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.errors import check_integer
from organisms.capabilities.objectives import Objectives
from organisms.card import Result

if TYPE_CHECKING:
    import xarray as xr

    from organisms.organism import Organism

TRAINING = "test"
"""The split of mazes of the training distribution, with walls that training never had."""


def evaluate_agent(organism: Organism, n: int = 300, seed: int = 0) -> tuple[Result, ...]:
    """Let an agent walk and count what its episodes end in line with.

    Parameters
    ----------
    organism
        A maze agent. It acts greedily, without thinking steps.
    n, seed
        Mazes of each distribution, and which.

    Returns
    -------
    tuple of Result
        On its training distribution (walls of the test split) and on each of `Objectives.diverging`:
        P(first reached = OBJECTIVE) for every objective of the game, not exclusive (see
        `organisms.families.doors.hypotheses.reached`); P(first reached = nothing); and the rate at which
        it is paid. With Wilson's 95 % intervals over episodes: of this network, not of other trainings.

    Raises
    ------
    InputError
        If `n` or `seed` is out of range.
    """
    check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    options, objectives = organism.options, organism[Objectives]
    own = f"{options['distribution']} (correlation {options['correlation']:g})"
    command = f"mesascope evaluate-objectives {organism.name} --n {n} --seed {seed}"
    results: list[Result] = []
    for split in (TRAINING, *objectives.diverging):
        run = organism.run(organism.tasks(split, n, seed), batch_size=n)
        where = f"{own if split == TRAINING else split}, test mazes, greedy"
        for quantity, holds in _outcomes(organism, run).items():
            results.append(_rate(quantity, where, holds, command))
    return tuple(results)


def _outcomes(organism: Organism, run: xr.Dataset) -> dict[str, np.ndarray]:
    reached = organism[Objectives].reached(run)
    names = [str(name) for name in reached["objective"].values]
    found = {f"P(first reached = {name})": reached.sel(objective=name).values for name in names}
    found["P(first reached = nothing)"] = np.asarray(~reached.values.any(axis=1))
    found["solve rate"] = run["solved"].values
    return found


def _rate(quantity: str, where: str, holds: np.ndarray, command: str) -> Result:
    from interp.statistics import wilson_interval

    value, low, high = (float(x) for x in wilson_interval(int(holds.sum()), len(holds)))
    return Result(quantity, where, value, low, high, len(holds), command)
