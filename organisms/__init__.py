"""The specimens: trained networks with their worlds, concepts and cards."""

from typing import TYPE_CHECKING

from interp.lazy import lazy_names
from interp.moved import forward_old_names
from organisms.moved import MOVED

if TYPE_CHECKING:  # for type checkers and editors; at run time names come when asked for
    from organisms.capabilities.accommodation import Accommodation as Accommodation
    from organisms.capabilities.capability import Capability as Capability
    from organisms.capabilities.constructed import Constructed as Constructed
    from organisms.capabilities.counterfactuals import Counterfactuals as Counterfactuals
    from organisms.capabilities.decision_problems import DecisionProblems as DecisionProblems
    from organisms.capabilities.edits import Edits as Edits
    from organisms.capabilities.kernels import Kernels as Kernels
    from organisms.capabilities.milestones import Milestones as Milestones
    from organisms.capabilities.objectives import Objectives as Objectives
    from organisms.capabilities.pictures import Pictures as Pictures
    from organisms.capabilities.places import Places as Places
    from organisms.capabilities.plans import Plans as Plans
    from organisms.capabilities.reference_solution import ReferenceSolution as ReferenceSolution
    from organisms.capabilities.released import Released as Released
    from organisms.capabilities.states import States as States
    from organisms.capabilities.steering import Steering as Steering
    from organisms.card import Card as Card
    from organisms.check import check as check
    from organisms.family import Family as Family
    from organisms.gymnasium.cleanrl import from_cleanrl as from_cleanrl
    from organisms.gymnasium.organism import from_gymnasium as from_gymnasium
    from organisms.gymnasium.sb3 import from_sb3 as from_sb3
    from organisms.gymnasium.tasks import SeededTasks as SeededTasks
    from organisms.organism import Organism as Organism
    from organisms.registry import constructed as constructed
    from organisms.registry import load as load
    from organisms.registry import names as names
    from organisms.registry import populations as populations
    from organisms.registry import register as register
    from organisms.registry import shipped as shipped
    from organisms.truth import Truth as Truth

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
forward_old_names(MOVED)
