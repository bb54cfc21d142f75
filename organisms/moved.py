"""Modules by the names they had in version 0.1; see `interp.moved`."""

MOVED = {
    "organisms.base": "organisms.organism",
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
    "organisms.task_choice": "organisms.boards.task_choice",
    "organisms.task_files": "organisms.boards.task_files",
    "organisms.gym_face": "organisms.boards.gym_face",
    "organisms.world_state": "organisms.boards.world",
}
"""Old name → new name."""
