"""Networks that learned nothing, to see what an organism saw: its controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import UnknownNameError

if TYPE_CHECKING:
    import xarray as xr

CONTROL_NETWORKS = ("untrained", "untrained s1", "permuted")
"""Two seeds of untrained weights, and the trained network's own, shuffled."""
_EPISODES, _STEPS = 4, 8


def control_network(
    name: str, organism: Any, run: xr.Dataset, sites: Sequence[str], seed: int
) -> tuple[Any, float]:
    """Return an organism with control weights, and how its activations' spread compares.

    Parameters
    ----------
    name
        ``untrained`` (of `seed`) or ``untrained s1`` (of the seed after it, and so on): scaled by
        `interp.network.control_weights.match_spread`, so that small activations do not make a
        weak control. ``permuted``: the trained weights, shuffled within each tensor, as they are.
    run
        Of the organism: what it saw.
    sites
        Those whose spread is compared.

    Returns
    -------
    tuple
        The organism, and the mean ratio (geometric, over sites) of its activations' standard deviations
        to the trained network's.

    Raises
    ------
    UnknownNameError
        For another name.
    """
    from interp.network.control_weights import match_spread, permute_weights

    def spreads(network: Any) -> dict[str, float]:
        return spreads_of(network, run, sites)

    if name == "permuted":
        other = organism.untrained(seed)
        permute_weights(other.network, organism.network, seed)
        ratio = _ratio(spreads(other.network), spreads(organism.network))
        return other, ratio
    kind, _, number = name.partition(" s")
    if kind != "untrained" or (number and not number.isdigit()):
        raise UnknownNameError("control network", name, CONTROL_NETWORKS)
    other = organism.untrained(seed + int(number or 0))
    return other, match_spread(other.network, organism.network, spreads)


def spreads_of(network: Any, run: xr.Dataset, sites: Sequence[str]) -> dict[str, float]:
    """Return site → standard deviation of a network's activations over some episodes of a run."""
    from interp.contract import is_observation
    from interp.runs.replay import replay_run

    shown = [str(name) for name in run.data_vars if is_observation(str(name))]
    longest = np.sort(np.argsort(-run["length"].values, kind="stable")[:_EPISODES])
    part = run[[*shown, "length"]].isel(episode=longest, step=slice(None, _STEPS)).compute()
    again = replay_run(network, part, sites)
    return {site: float(np.nanstd(again[site].values.astype(np.float64))) for site in sites}


def _ratio(spreads: dict[str, float], aim: dict[str, float]) -> float:
    logs = [np.log(spreads[s] / aim[s]) for s in aim if spreads[s] > 0 and aim[s] > 0]
    return float(np.exp(np.mean(logs))) if logs else float("nan")
