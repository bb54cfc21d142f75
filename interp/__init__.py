"""The instruments: hook points, rollouts, recording, stores, probes, statistics.

Nothing here knows a game or an organism; importing this package loads neither torch nor
TransformerLens until a name that needs them is used.
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp import errors as errors
    from interp import patching as patching
    from interp import probes as probes
    from interp import statistics as statistics
    from interp import style as style
    from interp.addresses import Address as Address
    from interp.capture import Capture as Capture
    from interp.clock import Clock as Clock
    from interp.concepts import Concept as Concept
    from interp.conditions import Condition as Condition
    from interp.conditions import condition as condition
    from interp.episodes import run_episodes as run_episodes
    from interp.erasure import erasure_subspace as erasure_subspace
    from interp.hooks import HookedNetwork as HookedNetwork
    from interp.hooks import SitePoint as SitePoint
    from interp.intervention_files import load_interventions as load_interventions
    from interp.intervention_files import save_interventions as save_interventions
    from interp.interventions import Intervention as Intervention
    from interp.interventions import applying as applying
    from interp.inverse_rl import Demonstrations as Demonstrations
    from interp.inverse_rl import fit_weights as fit_weights
    from interp.mdp import TabularMDP as TabularMDP
    from interp.named_interventions import ablate_mean as ablate_mean
    from interp.named_interventions import ablate_resample as ablate_resample
    from interp.named_interventions import ablate_zero as ablate_zero
    from interp.named_interventions import project_out as project_out
    from interp.named_interventions import rotate as rotate
    from interp.named_interventions import swap as swap
    from interp.organism import NetworkOutput as NetworkOutput
    from interp.patching import attribution_patch as attribution_patch
    from interp.patching import patch_sweep as patch_sweep
    from interp.patching import path_patch as path_patch
    from interp.probes import fit_probes as fit_probes
    from interp.recording import record as record
    from interp.recording import record_replay as record_replay
    from interp.replay import replay as replay
    from interp.rotation_search import learn_rotation as learn_rotation
    from interp.store import open_store as open_store
    from interp.store_verify import verify as verify
    from interp.subspaces import Subspace as Subspace
    from interp.wrapping import Site as Site
    from interp.wrapping import wrap as wrap


__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Address": "addresses",
        "Capture": "capture",
        "Clock": "clock",
        "Concept": "concepts",
        "Condition": "conditions",
        "Demonstrations": "inverse_rl",
        "HookedNetwork": "hooks",
        "Intervention": "interventions",
        "NetworkOutput": "organism",
        "Site": "wrapping",
        "SitePoint": "hooks",
        "Subspace": "subspaces",
        "TabularMDP": "mdp",
        "ablate_mean": "named_interventions",
        "ablate_resample": "named_interventions",
        "ablate_zero": "named_interventions",
        "applying": "interventions",
        "condition": "conditions",
        "erasure_subspace": "erasure",
        "errors": "",
        "fit_probes": "probes",
        "fit_weights": "inverse_rl",
        "learn_rotation": "rotation_search",
        "load_interventions": "intervention_files",
        "open_store": "store",
        "attribution_patch": "patching",
        "patch_sweep": "patching",
        "patching": "",
        "path_patch": "patching",
        "probes": "",
        "project_out": "named_interventions",
        "record": "recording",
        "record_replay": "recording",
        "replay": "replay",
        "rotate": "named_interventions",
        "run_episodes": "episodes",
        "save_interventions": "intervention_files",
        "statistics": "",
        "style": "",
        "swap": "named_interventions",
        "verify": "store_verify",
        "wrap": "wrapping",
    },
)
