"""Linear probes over every (site, tick) at once, with their controls and intervals.

No torch: probes read recorded activations (`interp.open_store`, or a run in memory).
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp.probes._directions import directions as directions
    from interp.probes._directions import load_directions as load_directions
    from interp.probes._directions import random_directions as random_directions
    from interp.probes._directions import save_directions as save_directions
    from interp.probes.controls import ObservationProbe as ObservationProbe
    from interp.probes.controls import ladder as ladder
    from interp.probes.estimators import MultinomialProbe as MultinomialProbe
    from interp.probes.estimators import RidgeProbe as RidgeProbe
    from interp.probes.features import one_hot_observation as one_hot_observation
    from interp.probes.fit import fit_probes as fit_probes
    from interp.probes.splits import split_groups as split_groups

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
