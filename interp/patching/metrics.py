"""What is measured of a patched run: small functions of the answer and of the pair it belongs to.

A metric is any function ``metric(reading, pair) -> (row,) tensor`` of PyTorch operations, so that
attribution patching can take its gradient. Its name and the first line of its docstring go with the
results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from interp.errors import InputError, UnknownNameError


class Reading:
    """What the network answers at the step where the metric is read: its outputs, by name.

    Parameters
    ----------
    logits
        (row, action); None of a network that has none.
    value
        (row,); None of a network that predicts none.
    **others
        Further outputs, (row, *dims) each.

    Examples
    --------
    >>> reading = Reading(mean=torch.tensor([[0.5, -0.5]]))
    >>> list(reading.named), reading["mean"].shape[1]
    (['mean'], 2)
    """

    def __init__(self, logits: Tensor | None = None, value: Tensor | None = None, **others: Tensor):
        given = {"logits": logits, "value": value, **others}
        self.named: dict[str, Tensor] = {n: t for n, t in given.items() if t is not None}

    def __getitem__(self, name: str) -> Tensor:
        """Return one output; InputError names those that there are."""
        if name not in self.named:
            raise InputError(
                f"The network has no output {name!r}; it has {', '.join(self.named) or 'none'}: use "
                "a metric of these, or a function of (reading, pair)."
            )
        return self.named[name]

    @property
    def logits(self) -> Tensor:
        """(row, action)."""
        return self["logits"]

    @property
    def value(self) -> Tensor:
        """(row,)."""
        return self["value"]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.named.values())))

    def take(self, rows: Tensor | slice) -> Reading:
        """Return some rows."""
        return Reading(**{name: tensor[rows] for name, tensor in self.named.items()})

    def detach(self) -> Reading:
        """Return the same numbers without their graph."""
        return Reading(**{name: tensor.detach() for name, tensor in self.named.items()})

    @staticmethod
    def concatenate(parts: Sequence[Reading]) -> Reading:
        """Join readings along their rows."""
        names = parts[0].named
        return Reading(**{name: torch.cat([part.named[name] for part in parts]) for name in names})

    def choice(self) -> Tensor:
        """Return (row,) int64, the action with the largest logit; −1 without logits over actions."""
        logits = self.named.get("logits")
        if logits is None or logits.ndim != 2:
            return torch.full((len(self),), -1, device=next(iter(self.named.values())).device)
        return logits.argmax(dim=1)


class Pair(NamedTuple):
    """What the unpatched runs answer, and which answers are contrasted."""

    clean: Reading
    corrupted: Reading
    clean_answer: Tensor
    """(row,) int64: an action, by default the one with the largest logit in the clean run; −1 of a
    network without logits."""
    corrupted_answer: Tensor
    """(row,) int64."""

    def take(self, rows: Tensor) -> Pair:
        """Return some rows."""
        return Pair(
            self.clean.take(rows),
            self.corrupted.take(rows),
            self.clean_answer[rows],
            self.corrupted_answer[rows],
        )

    @staticmethod
    def concatenate(parts: Sequence[Pair]) -> Pair:
        """Join pairs along their rows."""
        return Pair(
            Reading.concatenate([part.clean for part in parts]),
            Reading.concatenate([part.corrupted for part in parts]),
            torch.cat([part.clean_answer for part in parts]),
            torch.cat([part.corrupted_answer for part in parts]),
        )


MetricFunction = Callable[[Reading, Pair], Tensor]


@dataclass(frozen=True)
class Metric:
    """A metric with the name and the definition that results carry."""

    name: str
    definition: str
    function: MetricFunction
    contrasts: bool = False
    """Whether it is meaningless for pairs whose two answers are the same."""

    def __call__(self, reading: Reading, pair: Pair) -> Tensor:
        """Return the metric of every row, checked."""
        values = self.function(reading, pair)
        expected = (len(reading),)
        if not isinstance(values, Tensor) or values.shape != expected:
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InputError(
                f"The metric {self.name!r} must give a {expected} tensor, not {shape}."
            )
        if not values.isfinite().all():
            raise InputError(f"The metric {self.name!r} is not finite.")
        return values


def logit_difference(reading: Reading, pair: Pair) -> Tensor:
    """Logit of the clean answer minus logit of the corrupted answer."""
    answers = torch.stack([pair.clean_answer, pair.corrupted_answer], dim=1)
    logits = reading.logits.gather(1, answers)
    return logits[:, 0] - logits[:, 1]


def log_odds(reading: Reading, pair: Pair) -> Tensor:
    """Log-odds of the clean answer: log p − log (1 − p), natural logarithms."""
    mine = torch.nn.functional.one_hot(pair.clean_answer, reading.logits.shape[1]).bool()
    others = reading.logits.masked_fill(mine, -torch.inf).logsumexp(dim=1)
    return reading.logits.gather(1, pair.clean_answer[:, None]).squeeze(1) - others


def log_probability(reading: Reading, pair: Pair) -> Tensor:
    """Natural logarithm of the clean answer's probability."""
    log_p = reading.logits.log_softmax(dim=1)
    return log_p.gather(1, pair.clean_answer[:, None]).squeeze(1)


def kl_from_clean(reading: Reading, pair: Pair) -> Tensor:
    """KL divergence in nats of the run's action probabilities from those of the clean run."""
    clean = pair.clean.logits.log_softmax(dim=1)
    return (clean.exp() * (clean - reading.logits.log_softmax(dim=1))).sum(dim=1)


def value(reading: Reading, pair: Pair) -> Tensor:
    """The critic's value."""
    return reading.value


def _output(name: str, reading: Reading, pair: Pair) -> Tensor:
    """Return an output that is one number a row."""
    if name not in reading.named:
        raise UnknownNameError("metric or output", name, {*METRICS, *reading.named})
    output = reading[name]
    if output.ndim == 2 and output.shape[1] == 1:
        output = output[:, 0]
    if output.ndim != 1:
        raise InputError(
            f"The output {name!r} has {tuple(output.shape[1:])} numbers a row and a metric is one: "
            f"give a function, such as lambda reading, pair: reading[{name!r}][:, 0]."
        )
    return output


METRICS: dict[str, MetricFunction] = {
    function.__name__: function
    for function in (logit_difference, log_odds, log_probability, kl_from_clean, value)
}


def as_metric(given: Any) -> Metric:
    """Return a metric by its name, or a function of the user's.

    Raises
    ------
    UnknownNameError
        For a name that is none of `METRICS`, nor (when the metric is read) of the network's outputs.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        if given not in METRICS:
            return Metric(given, f"the network's output {given!r}", partial(_output, given))
        given = METRICS[given]
    if not callable(given):
        raise InputError(f"A metric is a name or a function of (reading, pair), not {given!r}.")
    function: MetricFunction = given  # type: ignore[assignment]
    name = getattr(function, "__name__", type(function).__name__)
    first_line = (function.__doc__ or "").strip().split("\n")[0]
    return Metric(name, first_line or name, function, contrasts=function is logit_difference)


def check_answers(answers: Any, n_examples: int) -> tuple[Tensor, Tensor] | None:
    """Return (clean, corrupted) answers as tensors (example,) int64, or None if none are given.

    Raises
    ------
    InputError
        If they are not two integers for every example, or negative.
    """
    if answers is None:
        return None
    try:
        given = [torch.as_tensor(np.asarray(a)) for a in answers]
    except (TypeError, ValueError):
        given = []
    fits = len(given) == 2 and all(
        a.shape == (n_examples,) and not a.is_floating_point() and a.dtype != torch.bool
        for a in given
    )
    if not fits or any(bool((a < 0).any()) for a in given):
        raise InputError(f"answers must be (clean, corrupted), each {n_examples} actions from 0.")
    return given[0].long(), given[1].long()


def make_pair(
    clean: Reading, corrupted: Reading, answers: tuple[Tensor, Tensor] | None, rows: Tensor
) -> Pair:
    """Return the pairs of a block of examples.

    Parameters
    ----------
    clean, corrupted
        What both runs answer.
    answers
        As `check_answers` gives, of all examples; None for each run's own choice.
    rows
        (row,) int64: which examples these are.

    Raises
    ------
    InputError
        If a run's answers are not finite, or an answer is no action.
    """
    for name, reading in (("clean", clean), ("corrupted", corrupted)):
        broken = [output for output, t in reading.named.items() if not t.isfinite().all()]
        if broken:
            raise InputError(f"The {name} run's {' and '.join(broken)} are not finite.")
    if answers is None:
        return Pair(clean, corrupted, clean.choice(), corrupted.choice())
    n_actions, device = clean.logits.shape[1], clean.logits.device
    first, second = (a[rows].to(device) for a in answers)
    if bool((torch.cat([first, second]) >= n_actions).any()):
        raise InputError(f"answers are actions from 0 to {n_actions - 1}.")
    return Pair(clean, corrupted, first, second)


def check_contrast(pair: Pair, metric: Metric, rows: Tensor) -> None:
    """Raise InputError if the metric contrasts two answers that are the same in some of the `rows`."""
    if not metric.contrasts:
        return
    _ = pair.clean.logits  # of a network without: an error that names what there is
    same = rows[(pair.clean_answer == pair.corrupted_answer).cpu()].tolist()
    if same:
        raise InputError(
            f"{metric.name!r} contrasts two answers, which are the same for {len(same)} of "
            f"{len(rows)} examples ({same[:10]}{' …' if len(same) > 10 else ''}). Leave "
            "these pairs out, say with answers=… which actions to contrast, or use another metric "
            "(log_odds)."
        )
