"""Time what a training on a device does beside its network, and the compiled loops in the same run.

Four tasks: stepping the world, looking labels up, solving levels and generating them, as tensor
operations on a device and as compiled loops on the host. Prints rows of a markdown table and a line
of JSON; a ratio above 1 means that the device is faster. On a CPU the compiled loops are.

    python benchmarks/on_device.py --device cuda --rows 4096 --levels 2048
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from organisms.families.sokoban.environment import SokobanWorld  # noqa: E402
from organisms.families.sokoban.generator import generate  # noqa: E402
from organisms.families.sokoban.on_device.oracle import TensorOracle  # noqa: E402
from organisms.families.sokoban.on_device.world import TensorWorld  # noqa: E402
from organisms.families.sokoban.oracle import OraclePool  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=256, help="episodes side by side")
    parser.add_argument("--levels", type=int, default=64, help="levels to make and to solve")
    parser.add_argument("--boxes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20, help="steps and look-ups")
    options = parser.parse_args()
    device, rows = options.device, options.rows
    make = {"n_boxes": options.boxes, "seed": 1, "split": "train"}

    def seconds(work: Callable[[], object], repeats: int = 1) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / repeats

    generate(2, **make)  # compiles
    OraclePool.build(generate(2, **make))
    levels = generate(options.levels, **make)
    found = {"generate, a level": (
        seconds(lambda: generate(options.levels, device=device, **make)) / options.levels,
        seconds(lambda: generate(options.levels, **make)) / options.levels,
    )}  # fmt: skip
    oracles = TensorOracle.build(levels, device), OraclePool.build(levels)
    found["solve, a level"] = (
        seconds(lambda: TensorOracle.build(levels, device)) / options.levels,
        seconds(lambda: OraclePool.build(levels)) / options.levels,
    )

    def host() -> SokobanWorld:
        return SokobanWorld(levels, autoreset=True, n_envs=rows)

    worlds = TensorWorld(host(), device), host()
    action = np.random.default_rng(0).integers(0, 4, rows)
    there = torch.tensor(action, device=device)
    for name, ours, peer in (
        ("step, a row", lambda: worlds[0].step(there), lambda: worlds[1].step(action)),
        (
            "look up, a row",
            *(
                lambda oracle=oracle, world=world: oracle.look_up(
                    world.level_index, world.tiles, world.player
                )
                for oracle, world in zip(oracles, worlds, strict=True)
            ),
        ),
    ):
        ours(), peer()
        found[name] = tuple(seconds(work, options.repeats) / rows for work in (ours, peer))
    for name, (ours, peer) in found.items():
        print(f"| {name} | {1e6 * ours:.1f} µs | {1e6 * peer:.2f} µs | {peer / ours:.2g}× |")
    print(json.dumps({"device": device, "rows": rows, "levels": options.levels, "seconds": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
