"""The instruments: hook points, rollouts, recording, stores, probes, statistics.

Nothing here knows a game or an organism; importing this package loads neither torch nor
TransformerLens until a name that needs them is used.
"""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names
from interp.moved import MOVED, forward_old_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from interp import errors as errors
    from interp import patching as patching
    from interp import probes as probes
    from interp import statistics as statistics
    from interp import style as style
    from interp.concepts import Concept as Concept
    from interp.contract import NetworkOutput as NetworkOutput
    from interp.decisions.inverse_rl import Demonstrations as Demonstrations
    from interp.decisions.inverse_rl import fit_weights as fit_weights
    from interp.decisions.mdp import TabularMDP as TabularMDP
    from interp.interventions.address import Address as Address
    from interp.interventions.applied import Intervention as Intervention
    from interp.interventions.applied import applying as applying
    from interp.interventions.conditions import Condition as Condition
    from interp.interventions.conditions import condition as condition
    from interp.interventions.erasure import erasure_subspace as erasure_subspace
    from interp.interventions.files import load_interventions as load_interventions
    from interp.interventions.files import save_interventions as save_interventions
    from interp.interventions.named import ablate_mean as ablate_mean
    from interp.interventions.named import ablate_resample as ablate_resample
    from interp.interventions.named import ablate_zero as ablate_zero
    from interp.interventions.named import project_out as project_out
    from interp.interventions.named import rotate as rotate
    from interp.interventions.named import swap as swap
    from interp.interventions.rotation import learn_rotation as learn_rotation
    from interp.interventions.subspaces import Subspace as Subspace
    from interp.network.agent import AgentNetwork as AgentNetwork
    from interp.network.agent import agent as agent
    from interp.network.capture import Capture as Capture
    from interp.network.clock import Clock as Clock
    from interp.network.hooks import HookedNetwork as HookedNetwork
    from interp.network.hooks import SitePoint as SitePoint
    from interp.network.wrapping import Site as Site
    from interp.network.wrapping import wrap as wrap
    from interp.patching import attribution_patch as attribution_patch
    from interp.patching import patch_sweep as patch_sweep
    from interp.patching import path_patch as path_patch
    from interp.probes import fit_probes as fit_probes
    from interp.runs.episodes import run_episodes as run_episodes
    from interp.runs.recording import record as record
    from interp.runs.recording import record_replay as record_replay
    from interp.runs.replay import replay as replay
    from interp.store.read import open_store as open_store
    from interp.store.verify import verify as verify

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
forward_old_names(MOVED)
