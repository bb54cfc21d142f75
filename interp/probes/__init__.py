"""Linear probes over every (site, tick) at once, with their controls and intervals.

No torch: probes read recorded activations (`interp.open_store`, or a run in memory).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.probes._directions import (
        directions,
        load_directions,
        random_directions,
        save_directions,
    )
    from interp.probes.estimators import MultinomialProbe, RidgeProbe
    from interp.probes.features import one_hot_observation
    from interp.probes.fit import fit_probes
    from interp.probes.splits import split_groups

_WHERE = {
    "MultinomialProbe": "estimators",
    "RidgeProbe": "estimators",
    "directions": "_directions",
    "fit_probes": "fit",
    "load_directions": "_directions",
    "one_hot_observation": "features",
    "random_directions": "_directions",
    "save_directions": "_directions",
    "split_groups": "splits",
}

__all__ = [
    "MultinomialProbe",
    "RidgeProbe",
    "directions",
    "fit_probes",
    "load_directions",
    "one_hot_observation",
    "random_directions",
    "save_directions",
    "split_groups",
]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
