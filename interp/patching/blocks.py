"""Both unpatched runs of a block of examples, and what they answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interp.patching.engine import Run, pad_rows, run_unpatched
from interp.patching.metrics import Pair, check_contrast, make_pair
from interp.patching.opening import Opening
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
    start: Opening,
    base_firings: Collection[Firing],
    donor_firings: Collection[Firing],
    state_steps: Collection[int],
) -> Iterator[Block]:
    """Run both runs, a batch of examples at a time, keeping firings and the base run's states.

    Raises
    ------
    InputError
        If answers are wrong, or the metric contrasts two that are the same.
    """
    pairs, direction = start.pairs, start.direction
    base, donor = pairs.base_and_donor(direction)
    chosen = torch.from_numpy(start.donors)
    for rows in torch.arange(pairs.n_examples).split(start.batch_size):
        at = pad_rows(rows)
        matched = torch.equal(chosen[rows], rows)

        def run(observations: Tensor, rows: Tensor, firings: Any, states: Any = ()) -> Run:
            picked = observations[:, rows.to(observations.device)]
            return run_unpatched(
                start.view,
                picked,
                pairs.first_step,
                firings,
                start.read_step,
                state_steps=states,
                examples=rows,
            )

        base_run = run(base, at, base_firings, state_steps)
        own = run(donor, at, donor_firings if matched else ())
        donor_run = own if matched else run(donor, chosen[at], donor_firings)
        readings = [r.reading.take(slice(len(rows))) for r in (base_run, own)]
        clean, corrupted = readings[::-1] if direction == "denoise" else readings
        pair = make_pair(clean, corrupted, start.answers, rows)
        check_contrast(pair, start.metric, rows)
        yield Block(rows, base_run, donor_run, pair, start.metric(readings[0], pair))
