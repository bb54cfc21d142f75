"""The instruments: hook points, rollouts, recording, stores, probes, statistics.

Nothing here knows a game or an organism; importing this package loads neither torch nor
TransformerLens until a name that needs them is used.
"""

from interp.lazy import lazy_names

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
