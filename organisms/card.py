"""The card: what an organism is, how it was made, what is known of it, and where that ends."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interp.errors import AssetError, CheckpointError, UnknownNameError, nearest
from interp.files import write_atomically
from organisms.truth import Truth


@dataclass(frozen=True)
class Result:
    """One measured number.

    Parameters
    ----------
    quantity, condition
        What was measured and where (``"solve rate"``, ``"boxoban-unfiltered-test, greedy"``).
    value, low, high
        The number and its interval; None where no interval is known.
    n
        Over how many episodes.
    command
        The command that reproduces it, or the source of a published number.
    """

    quantity: str
    condition: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    command: str = ""


_FIELD_TYPES = {
    "network": dict,
    "world": dict,
    "checkpoints": dict,
    "training_steps": int,
    "results": (list, tuple),
    "truth": (dict, Truth, type(None)),
}
"""Of the fields that are not text, as JSON has them."""


@dataclass(frozen=True)
class Card:
    """The description that ships with an organism.

    Parameters
    ----------
    name
        Versioned id.
    family
        Which family builds it (``"sokoban"``).
    summary
        One honest sentence.
    paper
        Whose design or result it follows.
    task
        The world it was trained in, and for what reward.
    training
        How, on what, for how long, by which command.
    network
        ``{"kind": ..., **configuration}``, JSON-able: enough to rebuild it.
    world
        Options of the world it acts in, JSON-able.
    weights_file, weights_sha256
        File beside the card, and the sha256 of the file's bytes. Stores say another one, that of the
        tensors as they were run, whatever file they came from (`organisms.Organism.weights_sha256`).
    training_steps
        Environment steps that the weights are the result of, with those of the organism they
        started from; 0 if it is not known.
    checkpoints
        Training step (as text) → sha256 of ``checkpoints/weights-STEP.safetensors``: the weights at
        points of the training. The last may be of `weights_file` itself, which is not repeated.
    licence
        Of the weights.
    results
        What was measured.
    limits
        What it cannot do and what is not known.
    truth
        What is true of it, as data, where that is known: what an analysis would have to find.
    """

    name: str
    family: str
    summary: str
    paper: str = ""
    task: str = ""
    training: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    world: dict[str, Any] = field(default_factory=dict)
    weights_file: str = ""
    weights_sha256: str = ""
    training_steps: int = 0
    checkpoints: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    results: tuple[Result, ...] = ()
    limits: str = ""
    truth: Truth | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON-able data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any], source: str = "card") -> Card:
        """Build a card from JSON data.

        Raises
        ------
        CheckpointError
            If a field is unknown or a required one is missing.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = set(record) - known
        missing = {"name", "family", "summary"} - set(record)
        if unknown or missing:
            hints = {name: nearest(name, known) for name in unknown}
            raise CheckpointError(
                f"{source}: unknown fields {hints or 'none'}, missing fields {sorted(missing) or 'none'}."
            )
        for name, value in record.items():
            if not isinstance(value, _FIELD_TYPES.get(name, str)):
                raise CheckpointError(f"{source}: {name} has a malformed value, {value!r:.80}.")
        try:
            results = tuple(Result(**result) for result in record.get("results", ()))
        except TypeError as error:
            raise CheckpointError(f"{source}: a result is malformed ({error}).") from None
        for steps in record.get("checkpoints", ()):
            if not steps.isdecimal():
                raise CheckpointError(
                    f"{source}: a checkpoint has a number of steps, not {steps!r}."
                )
        truth = record.get("truth")
        if isinstance(truth, dict):
            try:
                truth = Truth.from_dict(truth)
            except CheckpointError as error:
                raise CheckpointError(f"{source}: {error}") from None
        return cls(**{**record, "results": results, "truth": truth})

    @classmethod
    def read(cls, path: str | Path) -> Card:
        """Read ``card.json``.

        Raises
        ------
        AssetError
            If there is no such file.
        CheckpointError
            If it is not a card.
        """
        path = Path(path)
        if not path.is_file():
            raise AssetError(f"There is no card at {path}.")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise CheckpointError(f"{path}: not JSON ({error}).") from None
        if not isinstance(record, dict):
            raise CheckpointError(f"{path}: a card is a JSON object.")
        return cls.from_dict(record, str(path))

    def with_results(self, results: Iterable[Result]) -> Card:
        """Return the card with results added; one of the same quantity and condition is replaced."""
        kept = {(r.quantity, r.condition): r for r in (*self.results, *results)}
        return dataclasses.replace(self, results=tuple(kept.values()))

    def write(self, path: str | Path) -> None:
        """Write ``card.json``."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        write_atomically(path, text)

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.family})", self.summary]
        for title in ("paper", "task", "training", "licence", "limits"):
            if getattr(self, title):
                lines.append(f"{title}: {getattr(self, title)}")
        if self.truth is not None:
            lines.append(f"truth, known {self.truth}")
        for result in self.results:
            interval = "" if result.low is None else f" [{result.low:.3g}, {result.high:.3g}]"
            n = "" if result.n is None else f", n = {result.n}"
            lines.append(f"{result.quantity} ({result.condition}): {result.value:.4g}{interval}{n}")
        return "\n".join(lines)


def checkpoint_file(steps: int) -> str:
    """Return where the weights after so many training steps lie, relative to the card."""
    return f"checkpoints/weights-{steps}.safetensors"


def checkpoint_card(card: Card, steps: int) -> Card:
    """Return the card of an organism at a point of its training.

    Raises
    ------
    UnknownNameError
        If no weights of that point were kept; names those that were.
    """
    if str(steps) not in card.checkpoints:
        raise UnknownNameError(f"checkpoint of {card.name!r}", str(steps), card.checkpoints)
    sha256 = card.checkpoints[str(steps)]
    last = sha256 == card.weights_sha256
    return dataclasses.replace(
        card,
        name=f"{card.name}@{steps}",
        summary=f"{card.name} after {steps:,} of the {card.training_steps:,} steps of its training.",
        weights_file=card.weights_file if last else checkpoint_file(steps),
        weights_sha256=sha256,
        training_steps=steps,
        results=card.results if last else (),
    )
