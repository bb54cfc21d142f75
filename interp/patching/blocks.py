"""Both unpatched runs of a block of examples, and what they answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.patching.engine import Run, pad_rows, run_unpatched
from interp.patching.metrics import (
    Metric,
    Pair,
    Reading,
    check_answers,
    check_contrast,
    make_pair,
)
from interp.patching.pairs import Direction, Pairs
from interp.patching.setters import Firing


@dataclass(frozen=True)
class Block:
    """Examples that are run side by side."""

    rows: Tensor
    """(example,) int64, consecutive positions among all examples."""
    base: Run
    donor: Run
    pair: Pair
    """Of the examples; without the rows that `pad_rows` adds to the runs."""
    before: Tensor
    """(example,) the metric of the base run.

    Rows that are run in blocks agree to the last bit with rows that are run patched.
    """

    @property
    def span(self) -> slice:
        """Return the examples' positions as a slice."""
        return slice(int(self.rows[0]), int(self.rows[-1]) + 1)


def run_blocks(
    network: Any,
    pairs: Pairs,
    direction: Direction,
    donors: np.ndarray,
    answers: Any,
    metric: Metric,
    read_step: int,
    batch_size: int,
    base_firings: Collection[Firing],
    donor_firings: Collection[Firing],
    state_steps: Collection[int],
) -> Iterator[Block]:
    """Run both runs, `batch_size` examples at a time, keeping firings and the base run's states.

    Raises
    ------
    InputError
        If answers are wrong, or the metric contrasts two that are the same.
    """
    base, donor = pairs.base_and_donor(direction)
    chosen, given = torch.from_numpy(donors), check_answers(answers, pairs.n_examples)
    for rows in torch.arange(pairs.n_examples).split(batch_size):
        at = pad_rows(rows)
        matched = torch.equal(chosen[rows], rows)

        def run(observations: Tensor, rows: Tensor, firings: Any, states: Any = ()) -> Run:
            picked = observations[:, rows.to(observations.device)]
            return run_unpatched(
                network,
                picked,
                pairs.first_step,
                firings,
                read_step,
                state_steps=states,
                examples=rows,
            )

        base_run = run(base, at, base_firings, state_steps)
        own = run(donor, at, donor_firings if matched else ())
        donor_run = own if matched else run(donor, chosen[at], donor_firings)
        readings = [
            Reading(*(tensor[: len(rows)] for tensor in r.reading)) for r in (base_run, own)
        ]
        clean, corrupted = readings[::-1] if direction == "denoise" else readings
        pair = make_pair(clean, corrupted, given, rows)
        check_contrast(pair, metric, rows)
        yield Block(rows, base_run, donor_run, pair, metric(readings[0], pair))
