"""The instruments: hook points, rollouts, recording, stores, probes, statistics.

Nothing here knows a game or an organism; importing this package loads neither torch nor
TransformerLens until a name that needs them is used.
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp import errors as errors
    from interp import probes as probes
    from interp import statistics as statistics
    from interp import style as style
    from interp.addresses import Address as Address
    from interp.capture import Capture as Capture
    from interp.clock import Clock as Clock
    from interp.concepts import Concept as Concept
    from interp.episodes import run_episodes as run_episodes
    from interp.hooks import HookedNetwork as HookedNetwork
    from interp.hooks import SitePoint as SitePoint
    from interp.interventions import Intervention as Intervention
    from interp.interventions import applying as applying
    from interp.organism import NetworkOutput as NetworkOutput
    from interp.probes import fit_probes as fit_probes
    from interp.recording import record as record
    from interp.recording import record_replay as record_replay
    from interp.replay import replay as replay
    from interp.store import open_store as open_store
    from interp.store_verify import verify as verify
    from interp.wrapping import Site as Site
    from interp.wrapping import wrap as wrap


__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Address": "addresses",
        "Capture": "capture",
        "Clock": "clock",
        "Concept": "concepts",
        "HookedNetwork": "hooks",
        "Intervention": "interventions",
        "NetworkOutput": "organism",
        "SitePoint": "hooks",
        "Site": "wrapping",
        "applying": "interventions",
        "errors": "",
        "fit_probes": "probes",
        "open_store": "store",
        "probes": "",
        "record": "recording",
        "record_replay": "recording",
        "replay": "replay",
        "run_episodes": "episodes",
        "statistics": "",
        "style": "",
        "verify": "store_verify",
        "wrap": "wrapping",
    },
)
