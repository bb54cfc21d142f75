"""What every recipe says, whatever the family and the method: the record that decides a training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from interp.errors import InputError, UnknownNameError
from interp.network.hooks import HookedNetwork
from organisms.networks.build import NetworkConfig, config_record, new_network

if TYPE_CHECKING:
    from organisms.organism import Organism
    from organisms.training.trainer import Trainer

R = TypeVar("R", bound="Recipe")


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """What every recipe says.

    Parameters
    ----------
    network
        Configuration of the network: a DRC's or a ResNet's.
    summary, limits
        What the card says of the organism.
    start_from
        An organism of the same architecture (its name, or ``NAME@STEPS``) whose weights the run
        starts from; a fresh network if None.
    """

    network: NetworkConfig
    summary: str
    limits: str
    start_from: str | None = None

    method: ClassVar[str]
    """Name of the field that holds the configuration of the training method."""

    @property
    def seed(self) -> int:
        """Of the first weights, the tasks and the actions."""
        return getattr(self, self.method).seed

    @property
    def total_steps(self) -> int:
        """Environment steps of the whole run."""
        return getattr(self, self.method).total_steps

    def seeded(self: R, seed: int) -> R:
        """Return the same recipe with another seed."""
        return replace(self, **{self.method: replace(getattr(self, self.method), seed=seed)})

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data."""
        return {"method": self.method, **asdict(self), "network": config_record(self.network)}

    def new_network(self) -> HookedNetwork:
        """Return a network of this architecture with fresh weights."""
        return new_network(self.network, self.seed)

    def first_network(self, device: Any = None) -> HookedNetwork:
        """Return the network that the run starts with, on a device (the CPU unless told).

        Raises
        ------
        InputError
            If `start_from` has another architecture, or there is no such device.
        """
        from organisms.registry import load, to_device

        network = self.new_network()
        if self.start_from is not None:
            start = load(self.start_from).network
            if start.config != self.network:
                raise InputError(f"{self.start_from} has another architecture than the recipe.")
            network.load_state_dict(start.state_dict())
        return to_device(network, device)

    @abstractmethod
    def organism(self, network: HookedNetwork, name: str, steps: int) -> Organism:
        """Return a trained network as an organism, with a card that says how it was made."""

    @abstractmethod
    def build(self, device: Any = None) -> Trainer:
        """Return a fresh trainer on a device (the CPU unless told)."""


def all_recipes() -> dict[str, Recipe]:
    """Return every recipe of every family, by name."""
    from organisms.registry import families

    return {name: recipe for family in families() for name, recipe in family.recipes().items()}


def find_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    """
    recipes = all_recipes()
    if name not in recipes:
        raise UnknownNameError("recipe", name, recipes)
    return recipes[name]
