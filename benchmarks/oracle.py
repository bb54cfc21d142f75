"""Time the oracle, and A* on the same levels in the same run.

Prints a row of a markdown table and a line of JSON. Levels come from the Boxoban unfiltered test
set (`organisms.families.sokoban.boxoban`). The oracle gives the distances of all states of a level, A* the
solution of one; the ratio is the time of one A* search over that of one whole oracle. What is
checked: both find the same optimal length for every level that A* finished. (The published A*
solutions are not compared with here.)

    python benchmarks/oracle.py --levels 1000 --astar-levels 200
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from interp.errors import MesascopeError  # noqa: E402
from organisms.families.sokoban.astar import astar  # noqa: E402
from organisms.families.sokoban.boxoban import load_boxoban  # noqa: E402
from organisms.families.sokoban.oracle import OraclePool, solve  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", default="boxoban-unfiltered-test")
    parser.add_argument("--levels", type=int, default=1000, help="levels for the oracle")
    parser.add_argument("--astar-levels", type=int, default=1000, help="of these, for A* too")
    parser.add_argument("--max-expanded", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=512, help="states per look-up")
    options = parser.parse_args()
    try:
        levels = list(load_boxoban(options.set, n=options.levels))
    except MesascopeError as error:
        print(error, file=sys.stderr)
        return 1
    n_astar = min(options.astar_levels, len(levels))
    solve(levels[0])  # compiles
    astar(levels[0])

    oracle_ms = np.empty(len(levels))
    lengths, states, deepest = [], [], []
    for i, level in enumerate(levels):
        start = time.perf_counter()
        oracle = solve(level)
        oracle_ms[i] = 1e3 * (time.perf_counter() - start)
        lengths.append(oracle.optimal_length)
        states.append(oracle.n_states)
        deepest.append(oracle.deepest)
    astar_ms = np.empty(n_astar)
    finished = agreed = 0
    for i, level in enumerate(levels[:n_astar]):
        start = time.perf_counter()
        result = astar(level, max_expanded=options.max_expanded)
        astar_ms[i] = 1e3 * (time.perf_counter() - start)
        finished += result.status == "solved"
        agreed += result.length == lengths[i]
    start = time.perf_counter()
    pool = OraclePool.build(levels)
    pool_s = time.perf_counter() - start
    which = np.arange(options.batch) % len(levels)
    boards = np.stack([level.tiles for level in levels])[which]
    pool.look_up(which, boards)
    start = time.perf_counter()
    for _ in range(50):
        pool.look_up(which, boards)
    look_up_us = 1e6 * (time.perf_counter() - start) / 50 / options.batch

    ratio = astar_ms.mean() / oracle_ms[:n_astar].mean() if n_astar else float("nan")
    found = {
        "levels": len(levels),
        "set": options.set,
        "oracle_ms_mean": oracle_ms.mean(),
        "oracle_ms_median": float(np.median(oracle_ms)),
        "oracle_ms_max": oracle_ms.max(),
        "live_states_median": float(np.median(states)),
        "optimal_length_mean": float(np.mean(lengths)),
        "optimal_length_max": float(np.max(lengths)),
        "deepest_state": max(deepest),
        "astar_levels": n_astar,
        "astar_finished": finished,
        "astar_same_length": agreed,
        "astar_ms_mean": astar_ms.mean() if n_astar else None,
        "astar_ms_median": float(np.median(astar_ms)) if n_astar else None,
        "astar_over_oracle": ratio,
        "pool_s": pool_s,
        "pool_MB": pool.nbytes / 1e6,
        "look_up_us_per_state": look_up_us,
    }
    print("| levels | oracle, mean (median) | A*, mean (median) | A* / oracle | same length |")
    print("|---|---|---|---|---|")
    print(
        f"| {len(levels)} {options.set} (A*: {n_astar}) "
        f"| {oracle_ms.mean():.2f} ({np.median(oracle_ms):.2f}) ms "
        f"| {astar_ms.mean():.1f} ({np.median(astar_ms):.1f}) ms "
        f"| {ratio:.1f} | {agreed} of {finished} finished |"
    )
    print(json.dumps({key: _plain(value) for key, value in found.items()}))
    return 0 if agreed == finished else 1


def _plain(value):
    return round(float(value), 4) if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
