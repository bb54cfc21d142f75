"""The family put together: compiled networks in the mazes of the family ``doors``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from organisms.capabilities.capability import OfFamily
from organisms.capabilities.constructed import Constructed
from organisms.capabilities.counterfactuals import Counterfactuals
from organisms.capabilities.decision_problems import DecisionProblems
from organisms.capabilities.objectives import Objectives
from organisms.capabilities.pictures import Pictures
from organisms.capabilities.places import Places
from organisms.capabilities.plans import Plans
from organisms.capabilities.steering import Steering
from organisms.families.compiled.designs import cards, designs
from organisms.families.doors.family import FAMILY as DOORS
from organisms.family import ticks_if_any

if TYPE_CHECKING:
    from interp.concepts import Concept
    from interp.contract import Deliberation
    from organisms.card import Card
    from organisms.organism import Organism


def network(record: Mapping[str, Any], seed: int = 0) -> Any:
    """Return a network that plans nothing yet, with fresh weights."""
    from organisms.families.compiled.network import CompiledConfig, CompiledNetwork

    return CompiledNetwork(CompiledConfig.from_dict(record), seed)


def concepts() -> Mapping[str, Concept]:
    """Return the labels that can be computed on a recorded run."""
    from organisms.families.compiled.concepts import CONCEPTS

    return CONCEPTS


def deliberation(network: Any) -> Deliberation | None:
    """Return ticks, or layers where the network has these instead."""
    from interp.contract import Deliberation

    if network.config.unrolled:
        return Deliberation("layer", None, tuple(network.state_sites))
    return ticks_if_any(network)


def plans(organism: Any) -> Any:
    """Return how maps of directions are followed; see `organisms.families.compiled.plans`."""
    from organisms.families.compiled.plans import MazePlans

    return MazePlans()


def steering(organism: Any) -> Any:
    """Return mazes with two ways; see `organisms.families.compiled.steering`."""
    from organisms.families.compiled.steering import steering

    return steering(organism)


class Compiled(OfFamily, Constructed):
    """The organisms of `organisms.families.compiled.designs`."""

    of_family = True

    @property
    def cards(self) -> Mapping[str, Card]:
        """Return name → card."""
        return cards()

    def load(self, name: str) -> Organism:
        """Construct an organism, the same each time."""
        import torch

        from organisms.families.compiled.weights import construct
        from organisms.organism import Organism

        card = cards()[name]
        made = network(card.network)
        weights = construct(designs()[name])
        made.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
        return Organism(made, card, FAMILY)


FAMILY = replace(
    DOORS,
    name="compiled",
    summary="Networks in mazes whose weights are written, not trained: what is true of them is known.",
    network=network,
    concepts=concepts,
    recipes=dict,
    options={**DOORS.options, "distribution": "doors-mixed"},
    deliberation=deliberation,
    capabilities={
        Constructed: Compiled,
        Plans: plans,
        Steering: steering,
        **{
            capability: DOORS.capabilities[capability]
            for capability in (Counterfactuals, DecisionProblems, Objectives, Pictures, Places)
        },
    },
)
