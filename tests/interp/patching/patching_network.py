"""A two-tick network on a line of squares, small enough to patch by hand, and its naive sweep."""

from __future__ import annotations

import numpy as np
import torch

from interp.contract import NetworkOutput
from interp.network.hooks import HookedNetwork, SitePoint


class LineNetwork(HookedNetwork):
    """Weights are whole numbers, so that every answer is exact.

    At each step x (batch, x) is the observation; at each of two ticks a ← a + x (channel 0 and
    1: plain and doubled), b ← b + sum over x of a[0]; logits are (2 b, a[1] at the last square, 0),
    the value is b.
    """

    def __init__(self, width: int = 3):
        super().__init__()
        self.width = width
        self.encoder = SitePoint("x")
        self.layers = torch.nn.ModuleList([torch.nn.Module(), torch.nn.Module()])
        self.layers[0].a = SitePoint("channel", "x", ticks=True)
        self.layers[1].b = SitePoint(ticks=True)
        self.setup()

    def forward(self, observations, state=None, episode_starts=None) -> NetworkOutput:
        rows = observations.shape[1]
        if state is None:
            state = torch.zeros(rows, 2, self.width), torch.zeros(rows)
        a, b = state
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                x = self.encoder(observations[t].float())
                for _ in self.clock.ticks(2):
                    a = self.layers[0].a(a + torch.stack([x, 2 * x], dim=1))
                    b = self.layers[1].b(b + a[:, 0].sum(dim=1))
                logits.append(torch.stack([2 * b, a[:, 1, -1], 0 * b], dim=1))
                values.append(b)
        return NetworkOutput(torch.stack(logits), torch.stack(values), (a, b))


def line_pairs(examples: int = 2, steps: int = 2, width: int = 3, seed: int = 0):
    """Return clean and corrupted observations (step, example, x) of small whole numbers."""
    rng = np.random.default_rng(seed)
    clean, corrupted = rng.integers(0, 5, (2, steps, examples, width)).astype(np.uint8)
    return clean, corrupted


def naive_effect(network, base, donor, firing, position, metric, read):
    """One forward of the whole run per patch, with run_with_hooks; return (example,) metric.

    `firing` is (site, step, tick); `position` maps an axis of (batch, *dims) to an index.
    """
    site, step, tick = firing
    base, donor = torch.as_tensor(base[: read + 1]), torch.as_tensor(donor[: read + 1])
    with torch.inference_mode():
        _, cache = network.run_with_cache(donor, names_filter=[site])
        given = cache[site][step] if tick is None else cache[site][step][:, tick]

        def hook(tensor, hook):
            if (network.clock.step, network.clock.tick) != (step, tick):
                return None
            where = tuple(position.get(axis, slice(None)) for axis in range(tensor.ndim))
            out = tensor.clone()
            out[where] = given[where]
            return out

        output = network.run_with_hooks(base, fwd_hooks=[(site, hook)])
    return metric(output.logits[read], output.value[read])
