"""What all recipes share: the first network, the card, and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeVar

from interp.errors import InputError
from interp.hooks import HookedNetwork
from organisms.card import Card
from organisms.sokoban.network_config import DRCConfig, ResNetConfig
from organisms.sokoban.organism import NETWORKS, SokobanOrganism, network_record
from organisms.sokoban.recipes.curriculum import Curriculum, describe_curriculum

NetworkConfig = DRCConfig | ResNetConfig
R = TypeVar("R", bound="Recipe")


@dataclass(frozen=True)
class Recipe:
    """What every recipe says, whatever the method.

    Parameters
    ----------
    network
        Configuration of the network: a DRC's or a ResNet's.
    curriculum
        Stages in order; the last one ends with the run.
    summary, limits
        What the card says of the organism.
    n_boxes
        Of the generated levels the organism is tested on by default.
    start_from
        An organism of the same architecture (its name, or ``NAME@STEPS``) whose weights the run
        starts from; a fresh network if None.
    max_steps, min_steps
        Step limit of an episode, drawn between the two; the organism is tested with `max_steps`.
    """

    network: NetworkConfig
    curriculum: Curriculum
    summary: str
    limits: str
    n_boxes: int = 2
    start_from: str | None = None
    max_steps: int = 120
    min_steps: int = 30

    method: ClassVar[str]
    """Name of the field that holds the configuration of the training method."""

    @property
    def seed(self) -> int:
        """Of the first weights, the levels and the actions."""
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
        kind = next(k for k, (_, config) in NETWORKS.items() if isinstance(self.network, config))
        network = {"kind": kind, **self.network.to_dict()}
        return {"method": self.method, **asdict(self), "network": network}

    def new_network(self) -> HookedNetwork:
        """Return a network of this architecture with fresh weights."""
        network = next(n for n, config in NETWORKS.values() if isinstance(self.network, config))
        return network(self.network, seed=self.seed)

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

    def organism(self, network: HookedNetwork, name: str, steps: int) -> SokobanOrganism:
        """Return a trained network as an organism, with a card that says how it was made."""
        start = f"Started from the weights of {self.start_from}. " if self.start_from else ""
        training = (
            f"{self._describe_method()}; seed {self.seed}; {steps:,} environment steps. "
            f"Levels: {describe_curriculum(self.curriculum)}. {start}{self._describe_more()}"
            "The log ships as log.jsonl, the recipe as recipe.json."
        )
        card = Card(
            name=name,
            family="sokoban",
            summary=self.summary,
            paper="Architecture: Guez et al. 2019 (arXiv 1901.03559), as released by Taufeeque et al. "
            "2024 (arXiv 2407.15421); smaller.",
            task="Sokoban, tinyworld RGB observations, moves up, down, left, right; step limit "
            f"{self.max_steps}.",
            training=training,
            network=network_record(network),
            world={"rewards": "released", "max_steps": self.max_steps, "n_boxes": self.n_boxes},
            licence="Apache-2.0",
            limits=self.limits,
        )
        return SokobanOrganism(network, card)

    def build(self, device: Any = None) -> Any:
        """Return a fresh trainer (`organisms.training.trainer.Trainer`) on a device (the CPU)."""
        raise NotImplementedError

    def _describe_method(self) -> str:
        raise NotImplementedError

    def _describe_more(self) -> str:
        return ""
