"""Modules by the names they had in version 0.1, for scripts written then."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "analyses.alignment": "analyses.objectives.alignment",
    "analyses.behavioural_objective": "analyses.objectives.behavioural_objective",
    "analyses.candidate_decoding": "analyses.objectives.candidate_decoding",
    "analyses.causal_intervention": "analyses.causes.causal_intervention",
    "analyses.channel_ablation": "analyses.causes.channel_ablation",
    "analyses.choice_pictures": "analyses.objectives.choice_pictures",
    "analyses.cycles": "analyses.thinking.cycles",
    "analyses.decoded_plans": "analyses.plans.decoded_plans",
    "analyses.demonstrations": "analyses.objectives.demonstrations",
    "analyses.edited_runs": "analyses.objectives.edited_runs",
    "analyses.emergence": "analyses.training.emergence",
    "analyses.figures": "analyses.papers",
    "analyses.forecast": "analyses.populations.forecast",
    "analyses.forecast_agents": "analyses.populations.forecast_agents",
    "analyses.forecast_scores": "analyses.populations.forecast_scores",
    "analyses.generalisation": "analyses.thinking.generalisation",
    "analyses.goal_lead": "analyses.objectives.goal_lead",
    "analyses.goal_sensitivity": "analyses.objectives.goal_sensitivity",
    "analyses.goal_writes": "analyses.objectives.goal_writes",
    "analyses.horizon_labels": "analyses.plans.horizon_labels",
    "analyses.horizon_problem": "analyses.plans.horizon_problem",
    "analyses.horizon_scores": "analyses.plans.horizon_scores",
    "analyses.kernel_algebra": "analyses.causes.kernel_algebra",
    "analyses.kernel_means": "analyses.causes.kernel_means",
    "analyses.kernels": "analyses.causes.kernels",
    "analyses.known_objectives": "analyses.objectives.known_objectives",
    "analyses.memory": "analyses.causes.memory",
    "analyses.objective_pointers": "analyses.objectives.objective_pointers",
    "analyses.objective_probes": "analyses.objectives.objective_probes",
    "analyses.objective_report": "analyses.objectives.objective_report",
    "analyses.objective_swap": "analyses.objectives.objective_swap",
    "analyses.objective_tables": "analyses.objectives.objective_tables",
    "analyses.pacing": "analyses.thinking.pacing",
    "analyses.pacing_plan": "analyses.thinking.pacing_plan",
    "analyses.pacing_replaced": "analyses.thinking.pacing_replaced",
    "analyses.path_orders": "analyses.plans.path_orders",
    "analyses.path_probability": "analyses.objectives.path_probability",
    "analyses.pausing": "analyses.thinking.pausing",
    "analyses.plan_comparison": "analyses.plans.plan_comparison",
    "analyses.plan_formation": "analyses.plans.plan_formation",
    "analyses.plan_growth": "analyses.plans.plan_growth",
    "analyses.plan_horizon": "analyses.plans.plan_horizon",
    "analyses.plan_probes": "analyses.plans.plan_probes",
    "analyses.plan_steering": "analyses.causes.plan_steering",
    "analyses.plan_validity": "analyses.plans.plan_validity",
    "analyses.plan_writing": "analyses.causes.plan_writing",
    "analyses.policy_fields": "analyses.objectives.policy_fields",
    "analyses.population": "analyses.populations.population",
    "analyses.population_study": "analyses.populations.population_study",
    "analyses.population_traits": "analyses.populations.population_traits",
    "analyses.report": "analyses.study.report",
    "analyses.steered_episode": "analyses.causes.steered_episode",
    "analyses.study_page": "analyses.study.study_page",
    "analyses.study_steering": "analyses.study.study_steering",
    "analyses.thinking_comparison": "analyses.thinking.thinking_comparison",
    "analyses.thinking_time": "analyses.thinking.thinking_time",
    "analyses.time_to_milestone": "analyses.thinking.time_to_milestone",
    "analyses.training_curve": "analyses.training.training_curve",
    "interp.addresses": "interp.interventions.address",
    "interp.capture": "interp.network.capture",
    "interp.clock": "interp.network.clock",
    "interp.conditions": "interp.interventions.conditions",
    "interp.episodes": "interp.runs.episodes",
    "interp.erasure": "interp.interventions.erasure",
    "interp.firings": "interp.interventions.firings",
    "interp.hooks": "interp.network.hooks",
    "interp.identifiability": "interp.decisions.identifiability",
    "interp.intervention_files": "interp.interventions.files",
    "interp.intervention_record": "interp.interventions.record",
    "interp.intervention_values": "interp.interventions.values",
    "interp.inverse_rl": "interp.decisions.inverse_rl",
    "interp.mdp": "interp.decisions.mdp",
    "interp.named_interventions": "interp.interventions.named",
    "interp.operations": "interp.interventions.operations",
    "interp.organism": "interp.contract",
    "interp.recorded_values": "interp.interventions.recorded_values",
    "interp.recording": "interp.runs.recording",
    "interp.replay": "interp.runs.replay",
    "interp.rollout": "interp.runs.rollout",
    "interp.rotation_search": "interp.interventions.rotation",
    "interp.site_names": "interp.network.site_names",
    "interp.soft_values": "interp.decisions.soft_values",
    "interp.store_create": "interp.store.create",
    "interp.store_encode": "interp.store.encode",
    "interp.store_layout": "interp.store.layout",
    "interp.store_location": "interp.store.location",
    "interp.store_lock": "interp.store.lock",
    "interp.store_verify": "interp.store.verify",
    "interp.store_write": "interp.store.write",
    "interp.subspaces": "interp.interventions.subspaces",
    "interp.tape": "interp.runs.tape",
    "interp.tensors": "interp.network.tensors",
    "interp.variables": "interp.runs.variables",
    "interp.wrapping": "interp.network.wrapping",
    "organisms.counterfactual_pairs": "organisms.capabilities.counterfactual_pairs",
    "organisms.directions": "organisms.boards.directions",
    "organisms.doors": "organisms.families.doors",
    "organisms.goal_pairs": "organisms.capabilities.goal_pairs",
    "organisms.plans": "organisms.capabilities.plans",
    "organisms.random_rooms": "organisms.boards.random_rooms",
    "organisms.run_events": "organisms.boards.run_events",
    "organisms.sokoban": "organisms.families.sokoban",
    "organisms.square_events": "organisms.boards.square_events",
    "organisms.steering_tasks": "organisms.capabilities.steering_tasks",
    "organisms.world_state": "organisms.boards.world_state",
}
"""Old name → new name; whatever lay inside a package that moved lies there still."""


def new_name(name: str) -> str | None:
    """Return what a module of version 0.1 is called now, None if it did not move."""
    head, tail = name, ""
    while head:
        if head in MOVED:
            return MOVED[head] + tail
        head, _, last = head.rpartition(".")
        tail = f".{last}{tail}"
    return None


class _Forward(MetaPathFinder, Loader):
    """Import the module of today under its old name: one module object, two names."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return None if new_name(fullname) is None else ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        name = new_name(spec.name)
        assert name is not None
        warnings.warn(f"{spec.name} is now {name}.", DeprecationWarning, stacklevel=2)
        module = import_module(name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__  # the import machinery has put the old name's there
        assert spec is not None
        module.__spec__ = spec.loader_state


def forward_old_names() -> None:
    """Let the old names be imported; calling it again changes nothing."""
    if not any(isinstance(finder, _Forward) for finder in sys.meta_path):
        # First: the old name of a file in a folder that moved would otherwise be found there, and run again.
        sys.meta_path.insert(0, _Forward())
