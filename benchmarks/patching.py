"""Time a patching sweep against one forward per patch, nnsight, and bare forwards; attribution patching.

A DRC(3,3) of 32 channels with random weights on a 10×10 board, 32 pairs of runs. Every (layer, tick,
square) of h is patched at the last step, one at a time, and the logits are read there. Compared:

* *ours*: `patch_sweep` over all cells, statistics included;
* *run_with_hooks*: for each cell one forward of the whole run, 32 examples side by side, and the same
  resumed by hand from the recurrent state before the patched step;
* *nnsight* doing the first (a trace a cell), where it is installed;
* *bare*: `resume` on batches of the moments after each (layer, tick), nothing patched: the forward
  passes that the sweep cannot avoid;
* *attribution*: `attribution_patch` of the same table, in forwards of the base run.

The slow peers patch a few squares of every (layer, tick) and are scaled by the number of cells. The
observations are noise, so that no patch is skipped for writing what is there already.

    python benchmarks/patching.py
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

LAYERS, TICKS, SIDE = 3, 3, 10
Cell = tuple[int, int, int, int]  # layer, tick, y, x


def clocks() -> np.ndarray:
    """Return wall and CPU seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(function: Callable[[], Any]) -> tuple[np.ndarray, Any]:
    begin = clocks()
    result = function()
    return clocks() - begin, result


class Setting:
    """The network, both runs and their activations."""

    def __init__(self, steps: int, examples: int):
        import torch

        from organisms.networks.drc import DRC

        self.network = DRC(seed=0).requires_grad_(False)
        rng = np.random.default_rng(0)
        shape = (2, steps, examples, SIDE, SIDE, 3)
        self.clean, self.corrupted = torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
        self.steps, self.examples = steps, examples
        self.sites = [f"layers.{layer}.h" for layer in range(LAYERS)]
        with torch.inference_mode():
            _, self.donor = self.network.run_with_cache(self.clean, names_filter=self.sites)
            self.before = self.network(self.corrupted).value[-1]

    def sweep_options(self, squares: int) -> dict[str, Any]:
        """Return what ours patches: as many squares of every layer and tick."""
        return {
            "sites": self.sites,
            "steps": self.steps - 1,
            "over": ("tick", "y", "x"),
            "metric": "value",
            "index": {"y": slice(0, max(1, squares // SIDE)), "x": slice(0, min(SIDE, squares))},
        }

    def given(self, cell: Cell) -> Any:
        """Return what the donor run has at a cell, (example, channel)."""
        layer, tick, y, x = cell
        return self.donor[self.sites[layer]][-1][:, tick, :, y, x]


def with_hooks(setting: Setting, cells: list[Cell], resumed: bool) -> np.ndarray:
    """One forward per cell through run_with_hooks; return the effects (cell, example)."""
    import torch

    network, effects = setting.network, []
    with torch.inference_mode():
        observations, state, last = setting.corrupted, None, setting.steps - 1
        if resumed and last:
            state = network(observations[:-1]).state
        if resumed:
            observations, last = observations[-1:], 0
        for cell in cells:
            layer, tick, y, x = cell
            given = setting.given(cell)

            def hook(tensor: Any, hook: Any, tick=tick, y=y, x=x, given=given) -> Any:
                if (network.clock.step, network.clock.tick) != (last, tick):
                    return None
                tensor = tensor.clone()
                tensor[:, :, y, x] = given
                return tensor

            output = network.run_with_hooks(
                observations, state, fwd_hooks=[(setting.sites[layer], hook)]
            )
            effects.append((output.value[-1] - setting.before).numpy())
    return np.stack(effects)


def with_nnsight(setting: Setting, cells: list[Cell]) -> np.ndarray | None:
    """One nnsight trace per cell; None if it is not installed."""
    try:
        from nnsight import NNsight
    except ImportError:
        return None
    import torch

    model, effects = NNsight(setting.network), []
    with torch.inference_mode():
        for cell in cells:
            layer, tick, y, x = cell
            given, firing = setting.given(cell), (setting.steps - 1) * TICKS + tick
            with model.trace(setting.corrupted) as tracer:
                for _ in tracer.iter[firing]:
                    model.layers[layer].h.output[:, :, y, x] = given
                output = model.output.save()
            effects.append((output.value[-1] - setting.before).numpy())
    return np.stack(effects)


def bare(setting: Setting, batch: int, repeats: int) -> np.ndarray:
    """Seconds (wall, CPU) a row, mean over (layer, tick), of resumed forwards with nothing patched."""
    import torch

    network = setting.network
    with torch.inference_mode():
        state = network(setting.corrupted[:-1]).state if setting.steps > 1 else None
        last = setting.corrupted[-1:]
        stages = [
            (tick, layer + 1, 0) if layer + 1 < LAYERS else (tick + 1, 0, 0)
            for tick in range(TICKS)
            for layer in range(LAYERS)
        ]
        moments = network.moments(last, state, stages)
        rows = torch.arange(batch) % setting.examples
        spent = np.zeros(2)
        for stage in stages:
            moment = moments[stage].take(rows)
            spent += timed(lambda moment=moment: [network.resume(moment) for _ in range(repeats)])[
                0
            ]
    return spent / (repeats * batch * len(stages))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=4, help="of the runs; the last is patched")
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--squares", type=int, default=100, help="that ours patches")
    parser.add_argument("--peer-squares", type=int, default=1, help="that the slow peers patch")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its default")
    options = parser.parse_args()

    import torch

    from interp.patching import agreement, attribution_patch, patch_sweep

    if options.threads:
        torch.set_num_threads(options.threads)
    setting = Setting(options.steps, options.examples)
    sweep = setting.sweep_options(options.squares)
    cells = [
        (layer, tick, 0, x)
        for x in range(options.peer_squares)
        for tick in range(TICKS)
        for layer in range(LAYERS)
    ]
    runs = (setting.clean, setting.corrupted)
    patch_sweep(setting.network, *runs, **{**sweep, "index": {"y": [0], "x": [0]}})  # warm up
    spent: dict[str, list[np.ndarray]] = {}
    for _ in range(options.repeats):
        seconds, table = timed(
            lambda: patch_sweep(setting.network, *runs, batch_size=options.batch, **sweep)
        )
        n_cells = table.attrs["n_cells"]
        spent.setdefault("ours", []).append(seconds / n_cells)
        found = {}
        for name, peer in (
            ("run_with_hooks", lambda: with_hooks(setting, cells, resumed=False)),
            ("run_with_hooks, resumed", lambda: with_hooks(setting, cells, resumed=True)),
            ("nnsight", lambda: with_nnsight(setting, cells)),
        ):
            seconds, found[name] = timed(peer)
            if found[name] is not None:
                spent.setdefault(name, []).append(seconds / len(cells))
        per_row = bare(setting, options.batch, 2)
        spent.setdefault("bare", []).append(per_row * options.examples)
        with torch.inference_mode():
            forward = timed(lambda: [setting.network(setting.corrupted) for _ in range(3)])[0] / 3
        seconds, estimate = timed(lambda: attribution_patch(setting.network, *runs, **sweep))
        spent.setdefault("attribution", []).append(seconds / forward)
        passes = timed(lambda: attribution_patch(setting.network, *runs, **sweep, n_bootstrap=1))[0]
        spent.setdefault("attribution, passes alone", []).append(passes / forward)
    ours = np.stack([table.effect.values[:, layer, tick, y, x] for layer, tick, y, x in cells])
    for name, effects in found.items():
        if effects is not None:  # what is compared must be the same thing
            np.testing.assert_allclose(effects, ours, atol=1e-4, err_msg=name)
    rank = agreement(table, estimate)

    def ratio(name: str) -> list[float]:
        return np.median(np.array(spent[name]) / np.array(spent["ours"]), axis=0).tolist()

    result: dict[str, Any] = {
        "steps": options.steps,
        "examples": options.examples,
        "cells": n_cells,
        "peer_cells": len(cells),
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "n_unchanged": table.attrs["n_unchanged"],
        "ours_ms_per_cell": (1e3 * np.min(spent["ours"], axis=0)).tolist(),  # wall, CPU
        "over_ours": {name: ratio(name) for name in spent if not name.startswith(("ours", "attr"))},
        "attribution_forwards": {
            name: np.median(spent[name], axis=0).tolist()
            for name in spent
            if name.startswith("attribution")
        },
        "agreement": [float(rank[name]) for name in ("spearman", "spearman_low", "spearman_high")],
    }
    print("| what | wall | CPU | target |")
    print("|---|---|---|---|")
    targets = {"run_with_hooks": "≥ 5", "nnsight": "≥ 3"}
    for name, (wall, cpu) in result["over_ours"].items():
        if name == "bare":
            print(f"| ours / bare forwards | {1 / wall:.2f} | {1 / cpu:.2f} | ≤ 1.5 |")
        else:
            print(f"| {name} / ours | {wall:.1f} | {cpu:.1f} | {targets.get(name, '')} |")
    for name, (wall, cpu) in result["attribution_forwards"].items():
        print(f"| {name}, in forwards of the run | {wall:.1f} | {cpu:.1f} | ≤ 5 |")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
