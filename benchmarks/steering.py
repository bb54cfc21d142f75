"""Time the closed loop with a plan written into it against the same closed loop without.

One DRC(3,3) with random weights and 32 channels (it seldom solves a level, so that episodes with and
without the plan are equally long), 25 generated shortcut levels in their eight symmetries, and random
directions in place of a probe's: their arithmetic is the same. *Steered* is ``organism.run`` with the
interventions of `analyses.causes.plan_writing.written_plan` (one for the short way at every step, one for
each of three places of the long way until the agent has been there), made anew for every run;
*unsteered* is ``organism.run``; both alternate in one process.

    python benchmarks/steering.py
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from organisms.capabilities.steering import Steering

sys.path.insert(0, str(Path(__file__).parents[1]))

SITE = "layers.1.c"
LIMIT = 1.3


def make_organism(max_steps: int) -> Any:
    from organisms.card import Card
    from organisms.networks.build import network_record
    from organisms.networks.drc import DRC
    from organisms.organism import Organism

    network = DRC()
    card = Card(
        name="drc33-random",
        family="sokoban",
        summary="random weights",
        network=network_record(network),
        world={"max_steps": max_steps, "n_boxes": 2},
    )
    return Organism(network, card)


def random_directions(organism: Any, concept: str) -> Any:
    import xarray as xr

    from analyses.causes.plan_writing import Directions

    classes = organism.concepts[concept].classes
    vectors = 0.1 * np.random.default_rng(0).normal(size=(len(classes), 32))
    array = xr.DataArray(vectors, {"class": list(classes)}, ("class", "channel"))
    return Directions(concept, {SITE: array}, {SITE: np.nan}, xr.Dataset())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--levels", type=int, default=25, help="base levels, × 8 symmetries")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--places", type=int, default=3)
    parser.add_argument("--kind", default="agent-shortcut")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    from analyses.causes.plan_writing import written_plan

    organism = make_organism(options.steps)
    tasks = organism[Steering].tasks(options.kind, options.levels)
    directions = random_directions(organism, tasks.concept)
    organism.run(tasks.tasks[:16])  # compiles and warms up
    names = ("unsteered", "steered")
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    steps = {}
    for number in range(options.rounds):
        for name in names if number % 2 else names[::-1]:
            start, busy = time.perf_counter(), time.process_time()
            plan = []
            if name == "steered":
                plan = written_plan(organism, tasks, directions, SITE, 1.0, options.places)
            run = organism.run(tasks.tasks, interventions=plan)
            # Per step of an episode: a few episodes end early, and not the same ones.
            steps[name] = int(run.length.sum())
            wall[name].append((time.perf_counter() - start) / steps[name])
            cpu[name].append((time.process_time() - busy) / steps[name])

    def ratio(times: dict[str, list[float]]) -> float:
        return round(float(np.median(np.divide(times["steered"], times["unsteered"]))), 3)

    result = {
        "tasks": len(tasks),
        "interventions": 1 + options.places,
        "episode_steps": steps,
        "ms_per_step": {n: round(1e3 * float(np.median(wall[n])), 3) for n in names},
        "ratio": ratio(wall),
        "ratio_cpu": ratio(cpu),
        "limit": LIMIT,
    }
    print("| what | steered | unsteered | ratio | target |")
    print("|---|---|---|---|---|")
    print(
        f"| closed-loop steering of {len(tasks)} levels, {1 + options.places} interventions | "
        f"{result['ms_per_step']['steered']} ms a step | {result['ms_per_step']['unsteered']} ms | "
        f"{result['ratio']:.2f}× (CPU time: {result['ratio_cpu']:.2f}×) | ≤ {LIMIT}× |"
    )
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
