"""The experiments: one file per question, Dataset in, Dataset out, a plot beside each."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from analyses.behavioural_objective import behavioural_objective as behavioural_objective
    from analyses.behavioural_objective import (
        plot_behavioural_objective as plot_behavioural_objective,
    )
    from analyses.causal_intervention import (
        causal_intervention_score as causal_intervention_score,
    )
    from analyses.causal_intervention import (
        plot_causal_intervention_score as plot_causal_intervention_score,
    )
    from analyses.channel_ablation import channel_ablation as channel_ablation
    from analyses.channel_ablation import plot_channel_ablation as plot_channel_ablation
    from analyses.choice_pictures import agent_choices as agent_choices
    from analyses.choice_pictures import plot_agent_choices as plot_agent_choices
    from analyses.choice_pictures import retargeting_example as retargeting_example
    from analyses.emergence import emergence as emergence
    from analyses.emergence import plot_emergence as plot_emergence
    from analyses.figures.reproduce import reproduce as reproduce
    from analyses.forecast import forecast as forecast
    from analyses.forecast import forecasts_of as forecasts_of
    from analyses.forecast import plot_forecast as plot_forecast
    from analyses.generalisation import generalisation as generalisation
    from analyses.generalisation import plot_generalisation as plot_generalisation
    from analyses.goal_sensitivity import goal_sensitivity as goal_sensitivity
    from analyses.goal_sensitivity import plot_goal_sensitivity as plot_goal_sensitivity
    from analyses.kernels import kernels as kernels
    from analyses.kernels import plot_kernels as plot_kernels
    from analyses.known_objectives import known_objectives as known_objectives
    from analyses.objective_probes import objective_probes as objective_probes
    from analyses.objective_probes import plot_objective_probes as plot_objective_probes
    from analyses.objective_report import objective_report as objective_report
    from analyses.objective_report import plot_objective_report as plot_objective_report
    from analyses.objective_swap import objective_swap as objective_swap
    from analyses.objective_swap import plot_objective_swap as plot_objective_swap
    from analyses.pacing import pacing as pacing
    from analyses.pacing import plot_pacing as plot_pacing
    from analyses.plan_comparison import compare_plans as compare_plans
    from analyses.plan_comparison import plot_compare_plans as plot_compare_plans
    from analyses.plan_formation import plan_formation as plan_formation
    from analyses.plan_formation import plot_plan_formation as plot_plan_formation
    from analyses.plan_growth import plan_growth as plan_growth
    from analyses.plan_growth import plot_plan_growth as plot_plan_growth
    from analyses.plan_horizon import path_channels as path_channels
    from analyses.plan_horizon import plan_horizon as plan_horizon
    from analyses.plan_horizon import plot_plan_horizon as plot_plan_horizon
    from analyses.plan_probes import plan_probes as plan_probes
    from analyses.plan_probes import plot_plan_probes as plot_plan_probes
    from analyses.plan_steering import plan_steering as plan_steering
    from analyses.plan_steering import plot_plan_steering as plot_plan_steering
    from analyses.plan_validity import plan_validity as plan_validity
    from analyses.plan_validity import plot_plan_validity as plot_plan_validity
    from analyses.policy_fields import plot_policy_field as plot_policy_field
    from analyses.policy_fields import policy_field as policy_field
    from analyses.population import plot_population as plot_population
    from analyses.population import population_behaviour as population_behaviour
    from analyses.population_study import population_study as population_study
    from analyses.population_traits import population_traits as population_traits
    from analyses.steered_episode import plot_steered_episode as plot_steered_episode
    from analyses.steered_episode import steered_episode as steered_episode
    from analyses.study import study as study
    from analyses.thinking_comparison import compare_thinking as compare_thinking
    from analyses.thinking_comparison import plot_compare_thinking as plot_compare_thinking
    from analyses.thinking_time import plot_thinking_time as plot_thinking_time
    from analyses.thinking_time import thinking_time as thinking_time
    from analyses.time_to_milestone import plot_time_to_milestone as plot_time_to_milestone
    from analyses.time_to_milestone import time_to_box as time_to_box
    from analyses.time_to_milestone import time_to_milestone as time_to_milestone
    from analyses.training_curve import plot_training_curve as plot_training_curve
    from analyses.training_curve import training_curve as training_curve


__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "behavioural_objective": "behavioural_objective",
        "plot_behavioural_objective": "behavioural_objective",
        "causal_intervention_score": "causal_intervention",
        "compare_plans": "plan_comparison",
        "plot_compare_plans": "plan_comparison",
        "compare_thinking": "thinking_comparison",
        "plot_compare_thinking": "thinking_comparison",
        "emergence": "emergence",
        "forecast": "forecast",
        "plot_forecast": "forecast",
        "forecasts_of": "forecast",
        "goal_sensitivity": "goal_sensitivity",
        "plot_goal_sensitivity": "goal_sensitivity",
        "population_behaviour": "population",
        "plot_population": "population",
        "agent_choices": "choice_pictures",
        "plot_agent_choices": "choice_pictures",
        "retargeting_example": "choice_pictures",
        "population_study": "population_study",
        "population_traits": "population_traits",
        "known_objectives": "known_objectives",
        "objective_probes": "objective_probes",
        "plot_objective_probes": "objective_probes",
        "objective_report": "objective_report",
        "plot_objective_report": "objective_report",
        "generalisation": "generalisation",
        "kernels": "kernels",
        "objective_swap": "objective_swap",
        "plot_objective_swap": "objective_swap",
        "policy_field": "policy_fields",
        "plot_policy_field": "policy_fields",
        "pacing": "pacing",
        "plan_formation": "plan_formation",
        "channel_ablation": "channel_ablation",
        "plot_channel_ablation": "channel_ablation",
        "plan_growth": "plan_growth",
        "plot_plan_growth": "plan_growth",
        "plan_horizon": "plan_horizon",
        "plot_plan_horizon": "plan_horizon",
        "path_channels": "plan_horizon",
        "plan_validity": "plan_validity",
        "plot_plan_validity": "plan_validity",
        "plan_probes": "plan_probes",
        "plan_steering": "plan_steering",
        "plot_causal_intervention_score": "causal_intervention",
        "plot_emergence": "emergence",
        "plot_generalisation": "generalisation",
        "plot_kernels": "kernels",
        "plot_pacing": "pacing",
        "plot_plan_formation": "plan_formation",
        "plot_plan_probes": "plan_probes",
        "plot_plan_steering": "plan_steering",
        "plot_steered_episode": "steered_episode",
        "plot_thinking_time": "thinking_time",
        "plot_time_to_milestone": "time_to_milestone",
        "plot_training_curve": "training_curve",
        "reproduce": "figures.reproduce",
        "steered_episode": "steered_episode",
        "study": "study",
        "thinking_time": "thinking_time",
        "time_to_box": "time_to_milestone",
        "time_to_milestone": "time_to_milestone",
        "training_curve": "training_curve",
    },
)
