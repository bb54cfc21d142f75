"""Environment steps per second beside envpool's ``Sokoban-v0``, in one run.

Both play random actions on the same number of environments, with resets, taking turns so that a
busy machine slows both. Ours runs on one thread. The peer, in its synchronous mode, is given every
number of threads asked for (``--peer-threads``; 0 is its own choice), and the best of them counts.

    python benchmarks/environment.py --envs 64 256
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from organisms.families.sokoban.environment import SokobanWorld  # noqa: E402
from organisms.families.sokoban.generator import generate  # noqa: E402


def rate(step, actions: np.ndarray, seconds: float) -> float:
    """Steps per second of `step` over the rows of `actions`, again and again for `seconds`."""
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for action in actions:
            step(action)
        done += actions.size
    return done / passed


def peer(n_envs: int, n_threads: int):
    import envpool

    made = envpool.make(
        "Sokoban-v0",
        env_type="gymnasium",
        num_envs=n_envs,
        num_threads=n_threads,
        seed=0,
        base_path=str(Path(envpool.__file__).parent),  # where its real levels are
    )
    made.reset()
    return made.step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--envs", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--observation", nargs="+", default=["rgb", "planes"])
    parser.add_argument("--peer-threads", type=int, nargs="+", default=[1, 0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    levels = generate(1000, n_boxes=4)
    random = np.random.default_rng(0)
    results = []
    for n_envs in options.envs:
        actions = random.integers(0, 4, (200, n_envs))
        steppers = {
            observation: SokobanWorld(
                levels, n_envs=n_envs, autoreset=True, observation=observation
            ).step
            for observation in options.observation
        }
        try:
            for threads in options.peer_threads:
                steppers[f"envpool, {threads or 'own choice of'} thread(s)"] = peer(n_envs, threads)
        except ImportError:
            print("envpool is not installed: no peer (extra `peers`)", file=sys.stderr)
        for step in steppers.values():  # compile, warm up
            rate(step, actions, 0.1)
        rates = {name: [] for name in steppers}
        for _ in range(options.repeats):
            for name, step in steppers.items():
                rates[name].append(rate(step, actions, options.seconds))
        medians = {name: float(np.median(values)) for name, values in rates.items()}
        best_peer = max((v for name, v in medians.items() if name.startswith("envpool")), default=0)
        results.append(
            {
                "envs": n_envs,
                "steps_per_second": medians,
                "all": rates,
                "ratio": {
                    name: medians[name] / best_peer if best_peer else None
                    for name in options.observation
                },
            }
        )

    names = list(results[0]["steps_per_second"])
    ratios = [f"{name} ÷ best envpool" for name in options.observation]
    print("| environments | " + " | ".join([f"{name} (steps/s)" for name in names] + ratios) + " |")
    print("|" + " ---: |" * (1 + len(names) + len(ratios)))
    for result in results:
        cells = [f"{result['steps_per_second'][name]:,.0f}" for name in names]
        cells += ["–" if r is None else f"{r:.0f}×" for r in result["ratio"].values()]
        print(f"| {result['envs']} | " + " | ".join(cells) + " |")
    print(json.dumps({"benchmark": "environment", "cpus": os.cpu_count(), "results": results}))


if __name__ == "__main__":
    main()
