"""The family put together: the record of its parts, which the registry finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from organisms.capabilities.capability import OfFamily
from organisms.capabilities.reference_solution import ReferenceSolution
from organisms.families.bandits.world import REGRET, BanditWorld, draw_bandits
from organisms.family import Family

if TYPE_CHECKING:
    from interp.concepts import Concept
    from interp.contract import Tasks, World
    from interp.network.hooks import HookedNetwork
    from organisms.organism import Organism
    from organisms.training.recipe import Recipe


def tasks(organism: Organism, split: str = "test", n: int | None = None, seed: int = 0) -> Tasks:
    """Return bandits; see `organisms.families.bandits.world.draw_bandits`."""
    return draw_bandits(split, n, seed)


def world(organism: Organism, tasks: Any) -> World:
    """Return a world with one row per bandit."""
    return BanditWorld(tasks)


def network(record: Mapping[str, Any], seed: int = 0) -> HookedNetwork:
    """Return an LSTM with fresh weights, or the exact learner (kind ``bayes``), which has none."""
    from organisms.families.bandits.reference import BayesLearner
    from organisms.networks.build import build_network

    return BayesLearner() if record.get("kind") == "bayes" else build_network(record, seed)


def concepts() -> Mapping[str, Concept]:
    """Return the labels that can be computed on a recorded run."""
    from organisms.families.bandits.concepts import CONCEPTS

    return CONCEPTS


def recipes() -> Mapping[str, Recipe]:
    """Return the recipes that the family's organisms are trained by."""
    from organisms.families.bandits.recipes import RECIPES

    return RECIPES


class BayesOptimal(OfFamily, ReferenceSolution):
    """The learner that no other beats on average."""

    of_family = True
    summary = "Bayes-optimal for uniform priors and 20 pulls, by dynamic programming."

    @property
    def policy(self) -> Organism:
        """Return it as an organism."""
        from organisms.card import Card
        from organisms.families.bandits.reference import BayesLearner
        from organisms.organism import Organism

        card = Card("bandit-bayes", "bandits", self.summary, network={"kind": "bayes"})
        return Organism(BayesLearner(), card)


FAMILY = Family(
    name="bandits",
    summary="Recurrent learners of two-armed bandits: what they learn, they learn while they act.",
    tasks=tasks,
    world=world,
    network=network,
    observation_dims=("feature",),
    state_sites=lambda organism: list(organism.network.state_sites),
    concepts=concepts,
    recipes=recipes,
    outcome=REGRET,
    deliberation=None,
    capabilities={ReferenceSolution: BayesOptimal},
)
