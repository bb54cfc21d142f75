"""The experiments: one file per question, Dataset in, Dataset out, a plot beside each."""

from typing import TYPE_CHECKING

from analyses.moved import MOVED
from interp.lazy import lazy_names
from interp.moved import forward_old_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.causes.causal_intervention import (
        causal_intervention_score as causal_intervention_score,
    )
    from analyses.causes.causal_intervention import (
        plot_causal_intervention_score as plot_causal_intervention_score,
    )
    from analyses.causes.channel_ablation import channel_ablation as channel_ablation
    from analyses.causes.channel_ablation import plot_channel_ablation as plot_channel_ablation
    from analyses.causes.kernels import kernels as kernels
    from analyses.causes.kernels import plot_kernels as plot_kernels
    from analyses.causes.plan_steering import plan_steering as plan_steering
    from analyses.causes.plan_steering import plot_plan_steering as plot_plan_steering
    from analyses.causes.steered_episode import plot_steered_episode as plot_steered_episode
    from analyses.causes.steered_episode import steered_episode as steered_episode
    from analyses.objectives.behavioural_objective import (
        behavioural_objective as behavioural_objective,
    )
    from analyses.objectives.behavioural_objective import (
        plot_behavioural_objective as plot_behavioural_objective,
    )
    from analyses.objectives.choice_pictures import agent_choices as agent_choices
    from analyses.objectives.choice_pictures import plot_agent_choices as plot_agent_choices
    from analyses.objectives.choice_pictures import retargeting_example as retargeting_example
    from analyses.objectives.goal_sensitivity import goal_sensitivity as goal_sensitivity
    from analyses.objectives.goal_sensitivity import plot_goal_sensitivity as plot_goal_sensitivity
    from analyses.objectives.known_objectives import known_objectives as known_objectives
    from analyses.objectives.objective_probes import objective_probes as objective_probes
    from analyses.objectives.objective_probes import plot_objective_probes as plot_objective_probes
    from analyses.objectives.objective_report import objective_report as objective_report
    from analyses.objectives.objective_report import plot_objective_report as plot_objective_report
    from analyses.objectives.objective_swap import objective_swap as objective_swap
    from analyses.objectives.objective_swap import plot_objective_swap as plot_objective_swap
    from analyses.objectives.policy_fields import plot_policy_field as plot_policy_field
    from analyses.objectives.policy_fields import policy_field as policy_field
    from analyses.papers.reproduce import reproduce as reproduce
    from analyses.plans.plan_comparison import compare_plans as compare_plans
    from analyses.plans.plan_comparison import plot_compare_plans as plot_compare_plans
    from analyses.plans.plan_formation import plan_formation as plan_formation
    from analyses.plans.plan_formation import plot_plan_formation as plot_plan_formation
    from analyses.plans.plan_growth import plan_growth as plan_growth
    from analyses.plans.plan_growth import plot_plan_growth as plot_plan_growth
    from analyses.plans.plan_horizon import path_channels as path_channels
    from analyses.plans.plan_horizon import plan_horizon as plan_horizon
    from analyses.plans.plan_horizon import plot_plan_horizon as plot_plan_horizon
    from analyses.plans.plan_probes import plan_probes as plan_probes
    from analyses.plans.plan_probes import plot_plan_probes as plot_plan_probes
    from analyses.plans.plan_validity import plan_validity as plan_validity
    from analyses.plans.plan_validity import plot_plan_validity as plot_plan_validity
    from analyses.populations.forecast import forecast as forecast
    from analyses.populations.forecast import forecasts_of as forecasts_of
    from analyses.populations.forecast import plot_forecast as plot_forecast
    from analyses.populations.population import plot_population as plot_population
    from analyses.populations.population import population_behaviour as population_behaviour
    from analyses.populations.population_study import population_study as population_study
    from analyses.populations.population_traits import population_traits as population_traits
    from analyses.question import CannotAsk as CannotAsk
    from analyses.question import CannotBeAsked as CannotBeAsked
    from analyses.question import ask as ask
    from analyses.question import questions as questions
    from analyses.study.study import study as study
    from analyses.thinking.generalisation import generalisation as generalisation
    from analyses.thinking.generalisation import plot_generalisation as plot_generalisation
    from analyses.thinking.pacing import pacing as pacing
    from analyses.thinking.pacing import plot_pacing as plot_pacing
    from analyses.thinking.thinking_comparison import compare_thinking as compare_thinking
    from analyses.thinking.thinking_comparison import plot_compare_thinking as plot_compare_thinking
    from analyses.thinking.thinking_time import plot_thinking_time as plot_thinking_time
    from analyses.thinking.thinking_time import thinking_time as thinking_time
    from analyses.thinking.time_to_milestone import plot_time_to_milestone as plot_time_to_milestone
    from analyses.thinking.time_to_milestone import time_to_box as time_to_box
    from analyses.thinking.time_to_milestone import time_to_milestone as time_to_milestone
    from analyses.training.emergence import emergence as emergence
    from analyses.training.emergence import plot_emergence as plot_emergence
    from analyses.training.training_curve import plot_training_curve as plot_training_curve
    from analyses.training.training_curve import training_curve as training_curve

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
forward_old_names(MOVED)
