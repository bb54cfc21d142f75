"""Time recording against the same run without it, and against pickles; memory; opening.

One DRC(3,3) with random weights (it seldom solves a level, so nearly all episodes have the same
length), all h and c of all layers at all ticks, levels of our own generator. What is compared:

* *recorded* against *not recorded*: the same closed loop, the same batch, alternating, in one run;
* *recorded* against *pickled*: a closed loop of ``run_with_cache`` at every step, the h and c of each
  level collected, cast to the same dtype and written with ``pickle.dump``; once level by level, and
  once in the same batches as the recording (which holds all levels of a batch in memory);
* peak resident memory of fresh processes that record N and 4 N episodes;
* opening stores, after the imports, in a fresh process.

    python benchmarks/recording.py
"""

from __future__ import annotations

import argparse
import json
import pickle  # written only: the peer's format; nothing here or in the library loads one
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

SITES = ["layers.*.h", "layers.*.c"]
OPEN = """
import sys, time
sys.path.insert(0, sys.argv[2])
import xarray as xr, zarr, fsspec
from interp.store.read import open_store
# What xarray and zarr import lazily, at the first store of a process, belongs to the imports.
open_store(sys.argv[3])
start = time.perf_counter()
open_store(sys.argv[1], allow_incomplete=True)
print(time.perf_counter() - start)
"""


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
        world={"max_steps": max_steps},
    )
    return Organism(network, card)


def run_only(organism: Any, tasks: Any, batch: int) -> int:
    """Run the closed loop and keep nothing; return the number of episode-steps."""
    from interp.runs.rollout import rollout

    return sum(
        len(record.rows)
        for start in range(0, len(tasks), batch)
        for record in rollout(organism.network, organism.world(tasks[start : start + batch]))
    )


def pickle_levels(organism: Any, tasks: Any, folder: Path, dtype: str, batch: int) -> int:
    """Write one pickle per level from ``run_with_cache``; return the number of episode-steps."""
    import torch

    names = [n for n in organism.sites if n.startswith("layers.") and n[-2:] in (".h", ".c")]
    n = 0
    for first in range(0, len(tasks), batch):
        part = tasks[first : first + batch]
        world = organism.world(part)
        observation, state = world.reset(), organism.network.initial_state(len(part))
        kept: list[list[dict[str, np.ndarray]]] = [[] for _ in range(len(part))]
        done = np.zeros(len(part), bool)
        while not done.all():
            with torch.inference_mode():
                output, cache = organism.network.run_with_cache(
                    torch.from_numpy(observation)[None], state, names_filter=names
                )
            state = output.state
            values = {name: value[0].numpy().astype(dtype) for name, value in cache.items()}
            for row in np.flatnonzero(~done):
                kept[row].append({name: value[row] for name, value in values.items()})
                n += 1
            transition = world.step(np.where(done, -1, output.logits[0].argmax(-1).numpy()))
            observation = transition.observation
            done |= transition.terminated | transition.truncated
        for row, steps in enumerate(kept):
            acts = {name: np.stack([step[name] for step in steps]) for name in names}
            with open(folder / f"{first + row}.pkl", "wb") as file:
                pickle.dump(acts, file, protocol=pickle.HIGHEST_PROTOCOL)
    return n


def peak_memory(episodes: int, steps: int, batch: int) -> float:
    """Record in a fresh process and return its peak resident memory in MB."""
    command = [sys.executable, __file__, "--one", str(episodes), "--steps", str(steps)]
    done = subprocess.run(
        [*command, "--batch", str(batch)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def record_one(episodes: int, steps: int, batch: int) -> None:
    from interp.runs.recording import record

    organism = make_organism(steps)
    tasks = organism.tasks("test", episodes)
    with tempfile.TemporaryDirectory() as folder:
        record(organism, tasks, f"{folder}/run.zarr", SITES, batch_size=batch, progress=False)
    print(peak_here())


def peak_here() -> float:
    """Return this process's peak resident memory in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its figure starts from the parent's.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def opening_seconds(folder: Path, recorded: Path) -> dict[str, float]:
    """Open an ordinary store, and one of 100,000 episodes and 60 sites, in fresh processes."""
    from interp.store.create import create_store
    from interp.store.layout import StoreSpec, Variable

    n = 100_000
    site = Variable.of(("tick", "channel", "y", "x"), (3, 32, 10, 10), "float16")
    ids = tuple(f"level/{i}" for i in range(n))
    variables = {f"layers.{i}.h": site for i in range(60)}
    create_store(folder / "large.zarr", StoreSpec(ids, ids, 0, 128, 64, variables)).close(False)
    root = str(Path(__file__).parents[1])
    return {
        name: float(
            subprocess.run(
                [sys.executable, "-c", OPEN, str(path), root, str(recorded)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for name, path in {"recorded": recorded, "large": folder / "large.zarr"}.items()
    }


def clocks() -> np.ndarray:
    """Return wall and CPU seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def ratios(first: list[np.ndarray], second: list[np.ndarray]) -> list[float]:
    """Return the median over repeats of wall and CPU time, one over the other."""
    return np.median(np.array(first) / np.array(second), axis=0).tolist()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--steps", type=int, default=32, help="step limit of an episode")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pickled", type=int, default=4, help="levels that are pickled")
    parser.add_argument("--memory", type=int, default=64, help="N, of N and 4 N episodes")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its default")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        record_one(options.one, options.steps, options.batch)
        return 0

    import torch

    from interp.runs.recording import record

    if options.threads:
        torch.set_num_threads(options.threads)
    organism = make_organism(options.steps)
    tasks = organism.tasks("test", options.episodes)
    plain, recorded, pickled, batched = [], [], [], []  # of (wall, CPU) seconds per episode-step
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        how = {"dtype": options.dtype, "batch_size": options.batch, "progress": False}
        warm = record(organism, tasks[:8], folder / "warm.zarr", SITES, **how)
        shutil.rmtree(record(organism, tasks, folder / "warmer.zarr", SITES, **how))
        for repeat in range(options.repeats):
            begin = clocks()
            n_steps = run_only(organism, tasks, options.batch)
            plain.append((clocks() - begin) / n_steps)
            begin = clocks()
            last = record(organism, tasks, folder / f"{repeat}.zarr", SITES, **how)
            recorded.append((clocks() - begin) / n_steps)
            (pickles := folder / f"pickles-{repeat}").mkdir()
            begin = clocks()
            n_pickled = pickle_levels(organism, tasks[: options.pickled], pickles, options.dtype, 1)
            pickled.append((clocks() - begin) / n_pickled)
            begin = clocks()
            n_pickled = pickle_levels(organism, tasks, pickles, options.dtype, options.batch)
            batched.append((clocks() - begin) / n_pickled)
            # At once: what the system gives for new files costs more than for freed ones.
            size = sum(file.stat().st_size for file in Path(last).rglob("c.*") if file.is_file())
            shutil.rmtree(last)
            shutil.rmtree(pickles)
        opening = opening_seconds(folder, Path(warm))
    few = peak_memory(options.memory, 8, 32)
    many = peak_memory(4 * options.memory, 8, 32)

    found = {
        "episodes": options.episodes,
        "steps": n_steps,
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "dtype": options.dtype,
        "run_ms_per_step": 1e3 * float(np.min(plain, axis=0)[0]),
        "recorded_ms_per_step": 1e3 * float(np.min(recorded, axis=0)[0]),
        "pickled_ms_per_step": 1e3 * float(np.min(pickled, axis=0)[0]),
        "recorded_over_run": ratios(recorded, plain)[0],
        "recorded_over_run_cpu": ratios(recorded, plain)[1],
        "pickled_over_recorded": ratios(pickled, recorded)[0],
        "pickled_over_recorded_cpu": ratios(pickled, recorded)[1],
        "batched_pickles_over_recorded": ratios(batched, recorded)[0],
        "batched_pickles_over_recorded_cpu": ratios(batched, recorded)[1],
        "bytes_per_step": size / n_steps,
        "peak_mb_n": few,
        "peak_mb_4n": many,
        "peak_episodes": [options.memory, 4 * options.memory],
        "open_recorded_s": opening["recorded"],
        "open_large_s": opening["large"],
    }
    print("| what | measured | target |")
    print("|---|---|---|")
    print(
        f"| recorded / the same run not recorded | {found['recorded_over_run']:.2f} "
        f"(CPU time: {found['recorded_over_run_cpu']:.2f}) | ≤ 1.5 |"
    )
    print(
        f"| pickle per level / recorded | {found['pickled_over_recorded']:.1f} "
        f"(CPU time: {found['pickled_over_recorded_cpu']:.1f}) | ≥ 5 |"
    )
    print(
        f"| the same, levels batched / recorded | {found['batched_pickles_over_recorded']:.1f} "
        f"(CPU time: {found['batched_pickles_over_recorded_cpu']:.1f}) | |"
    )
    n, n4 = found["peak_episodes"]
    print(f"| peak memory, {n} → {n4} episodes | {few:.0f} → {many:.0f} MB | the same |")
    print(f"| opening 100,000 episodes, 60 sites | {1e3 * opening['large']:.0f} ms | ≤ 100 ms |")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
