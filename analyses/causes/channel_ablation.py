"""Does the organism need what some channels remember, more than what others do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Success
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, ENDS, add_verdict, interval_variables
from interp.errors import InputError, UnknownNameError, check_integer
from interp.statistics import Interval
from interp.statistics.draws import TWO_WAY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analyses.causes.memory import MemoryChannel
    from interp.contract import Tasks

SETS = ("path", "non_path", "path_matched", "non_path_matched", "random_matched")


@question("Does it need what some channels remember, more than what others do?", needs=(Success(),))
def channel_ablation(
    organism: Any,
    tasks: Tasks,
    channels: xr.Dataset | Mapping[str, Sequence[int]],
    *,
    concept: str | None = None,
    operations: str | Sequence[str] = ("single_step", "zero", "mean", "resample"),
    n_random: int = 4,
    thinking_steps: int = 0,
    batch_size: int = 128,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
) -> xr.Dataset:
    """Ablate the memory of path channels, of the others, and of as many random ones, in closed loop.

    A channel's *memory* is its part of the recurrent state that goes from one step to the next (of all
    tensors of its layer: c and h of an LSTM). It is replaced after every step; what the channel does
    within a step stays. The initial state is left alone. What counts is the drop of the share of solved
    tasks, paired by task, and whether it is larger than for as many other channels.

    Parameters
    ----------
    organism, tasks
        One episode each, acting greedily.
    channels
        The path channels: a result of `analyses.plans.plan_horizon.plan_horizon` (best one of other levels),
        or site → channels.
    concept
        With a result: only the channels of this concept.
    operations
        ``"single_step"``: the ablated channels remember what they would if the network had seen the
        last observation alone, from its initial state (the *single-step cache* of the paper: short-term
        computation stays, memory goes). ``"zero"``. ``"mean"``: the mean state of the clean runs.
        ``"resample"``: the state of another episode of the clean runs, drawn anew at every step.
    n_random
        Random sets of each kind, where there is more than one to be had.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        solved (1, 0; NaN: no such draw)     operation, set, draw, episode
        clean_solved                         episode
        solve_drop, _low, _high              operation, set: solve rate without ablation minus with
        surplus, surplus_low, surplus_high   operation: drop of path_matched minus non_path_matched
        over_random, _low, _high             operation: drop of path_matched minus random_matched
        p_value, p_holm                      operation: of surplus ≤ 0 or over_random ≤ 0
        found                                (scalar): both > 0 for some operation, Holm-corrected
        n_channels, n_draws                  set
        solve_rate, _low, _high              without ablation
        ===================================  ======================================================

        Sets: ``path`` and ``non_path`` (all that is not), whole; and three of equal size (that of
        the smaller of the two): random subsets of either, and of all channels (``random_matched``).
        Intervals resample tasks and, with them, draws.

    Raises
    ------
    InputError
        If the network keeps no state, or all or none of its channels are path channels.
    UnknownNameError
        For an unknown site or operation.

    References
    ----------
    Taufeeque et al. 2025 (arXiv 2506.10138), Table 3: 57.6 points for 59 path channels, 10.5 for 37
    others, 41.3 for 37 random path channels (single-step cache, 120 steps, medium levels).
    """
    from tqdm import tqdm

    from analyses.causes.memory import OPERATIONS, Memory, ablated_run, clean_run
    from interp.statistics import RATE, mean_interval

    operations = [operations] if isinstance(operations, str) else list(operations)
    for operation in operations:
        if operation not in OPERATIONS:
            raise UnknownNameError("ablation", operation, OPERATIONS)
    check_integer("n_random", n_random, 1)
    check_integer("thinking_steps", thinking_steps, 0)
    if tasks is None or not len(tasks):
        raise InputError("There are no tasks to run.")
    memory = Memory.of(organism, tasks)
    if isinstance(channels, xr.Dataset):
        from analyses.plans.plan_horizon import path_channels

        found = path_channels(channels, concept)
        parts = {site for _, site in memory.leaves}
        channels = {site: numbers for site, numbers in found.items() if site in parts}
    sets = _sets(memory.all(), memory.named(channels), n_random, seed)
    options = {"thinking_steps": thinking_steps, "batch_size": batch_size, "seed": seed}
    clean, reference = clean_run(organism, tasks, **options)
    n_draws = {name: len(draws) for name, draws in sets.items()}
    shape = (len(operations), len(SETS), max(n_draws.values()), len(tasks))
    solved = np.full(shape, np.nan)
    done: dict[tuple[str, tuple[MemoryChannel, ...]], np.ndarray] = {}
    grid = [
        (o, operation, s, d, chosen)
        for o, operation in enumerate(operations)
        for s, name in enumerate(SETS)
        for d, chosen in enumerate(sets[name])
    ]
    for o, operation, s, d, chosen in tqdm(
        grid, unit="run", desc="channel ablation", disable=not progress
    ):
        key = (operation, tuple(chosen))
        if key not in done:
            done[key] = ablated_run(
                organism, tasks, memory, chosen, operation, reference, **options
            )
        solved[o, s, d] = done[key]
    rate = mean_interval(clean, n_bootstrap, confidence, seed, bounds=RATE)
    data: dict[str, Any] = {
        "solved": (("operation", "set", "draw", "episode"), solved),
        "clean_solved": ("episode", clean),
        "level_id": ("episode", np.array(list(tasks.ids), dtype=object)),
        "n_channels": ("set", [len(sets[name][0]) for name in SETS]),
        "n_draws": ("set", [n_draws[name] for name in SETS]),
    }
    data |= interval_variables("solve_rate", (), rate)
    data |= _drops(solved, clean, confidence, seed)
    attrs = {
        "analysis": "channel_ablation",
        "organism": organism.name,
        "n_episodes": len(tasks),
        "thinking_steps": thinking_steps,
        "confidence": confidence,
        "intervals": f"over tasks and draws: {TWO_WAY}",
        "path_channels": "; ".join(f"{layer}/{channel}" for layer, channel in sets["path"][0]),
        "seed": seed,
        "max_steps": int(organism.world(tasks[0:1]).max_steps),
    }
    dataset = xr.Dataset(data, {"operation": operations, "set": list(SETS)}, attrs)
    return add_verdict(dataset, "surplus", ("operation",), and_also=("over_random",))


def _sets(
    everything: list[MemoryChannel], path: list[MemoryChannel], n_random: int, seed: int
) -> dict[str, list[list[MemoryChannel]]]:
    """Return the sets' draws: whole ones, and random ones of the size of the smaller whole one."""
    rest = [channel for channel in everything if channel not in set(path)]
    if not path or not rest:
        raise InputError(
            f"{len(path)} of {len(everything)} channels are path channels: there is nothing to "
            "compare. Label channels on more levels, or name some by site."
        )
    size = min(len(path), len(rest))
    rng = np.random.default_rng([seed, 17])

    def draws(channels: list[MemoryChannel]) -> list[list[MemoryChannel]]:
        if len(channels) == size:
            return [channels]
        return [
            [channels[i] for i in sorted(rng.choice(len(channels), size, replace=False))]
            for _ in range(n_random)
        ]

    return {
        "path": [path],
        "non_path": [rest],
        "path_matched": draws(path),
        "non_path_matched": draws(rest),
        "random_matched": draws(everything),
    }


def _drops(solved: np.ndarray, clean: np.ndarray, confidence: float, seed: int) -> dict[str, Any]:
    """Return the drops and their differences, with intervals over tasks and draws.

    Parameters
    ----------
    solved
        (operation, set, draw, task), NaN for a draw that was not made.
    """
    from interp.statistics import DIFFERENCE, mean_p_value

    lost = np.moveaxis(clean - solved, 0, -1)  # (set, draw, task, operation)
    data: dict[str, Any] = {}
    alone = np.zeros((1, *lost.shape[2:]))
    drops = [_between(draws, alone, confidence, seed) for draws in lost]
    for i, end in enumerate(ENDS):
        data[f"solve_drop{end}"] = (("operation", "set"), np.stack([d[i] for d in drops], axis=1))
    path, rest, random = (SETS.index(f"{name}_matched") for name in ("path", "non_path", "random"))
    for name, control in (("surplus", rest), ("over_random", random)):
        found = _between(lost[path], lost[control], confidence, seed)
        difference = np.nanmean(lost[path], axis=0) - np.nanmean(lost[control], axis=0)
        p = mean_p_value(difference, rng=seed, bounds=DIFFERENCE)
        data |= interval_variables(name, ("operation",), found, p)
    return data


def _between(a: np.ndarray, b: np.ndarray, confidence: float, seed: int) -> Interval:
    """Return the interval of the mean of a minus that of b, (draw, task, operation) each.

    A set of one draw is no draw: it is all channels of its kind.
    """
    from interp.statistics import DIFFERENCE, mean_interval, two_way_interval

    a, b = (draws[np.isfinite(draws[:, 0, 0])] for draws in (a, b))
    if len(a) == len(b) == 1:
        return mean_interval(a[0] - b[0], confidence=confidence, rng=seed, bounds=DIFFERENCE)
    if len(b) == 1:
        low = two_way_interval(b[0], a, confidence, bounds=DIFFERENCE)
        return Interval(-low.estimate, -low.high, -low.low, low.method, low.warnings, low.n)
    return two_way_interval(a[0] if len(a) == 1 else a, b, confidence, bounds=DIFFERENCE)


SET_LABELS = {
    "path": "path",
    "non_path": "non-path",
    "path_matched": "path, same number",
    "non_path_matched": "non-path, same number",
    "random_matched": "random, same number",
}


@answer_plot
def plot_channel_ablation(dataset: xr.Dataset) -> Figure:
    """Draw the drop of the solve rate for every set and kind of ablation; dots are single draws."""
    from interp.style import bars_with_intervals, colours, figure_style, legend_outside, subplots

    operations = [str(o) for o in dataset.operation.values]
    names = [str(s) for s in dataset.set.values]
    labels = {
        name: f"{SET_LABELS.get(name, name)} ({int(dataset.n_channels.sel(set=name))})"
        for name in names
    }
    palette = colours([labels[name] for name in names])
    with figure_style():
        figure, ax = subplots(width="text", height=2.9)
        drops = [100 * dataset["solve_drop" + end].T for end in ("", "_low", "_high")]
        bars_with_intervals(
            ax,
            *drops,
            categories=[name.replace("_", " ") for name in operations],
            series=list(labels.values()),
            palette=palette,
        )
        width = 0.8 / len(names)
        for i, name in enumerate(names):
            lost = dataset.clean_solved.mean() - dataset.solved.sel(set=name).mean("episode")
            for o, operation in enumerate(operations):
                drawn = 100 * lost.sel(operation=operation).dropna("draw").values
                if len(drawn) > 1:
                    x = o + (i - (len(names) - 1) / 2) * width
                    ax.plot(np.full(len(drawn), x), drawn, "o", color="0.15", markersize=1.8)
        for o, p in enumerate(dataset.p_holm.values):
            if p < ALPHA:
                ax.annotate("*", (o, 1), xycoords=("data", "axes fraction"), ha="center", va="top")
        ax.set_ylabel("drop of tasks solved (points)")
        ax.set_xlabel("what the channels' memory is replaced by")
        rate, share = 100 * float(dataset.solve_rate), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: n = {dataset.attrs['n_episodes']} tasks, {rate:.0f} % "
            f"solved without ablation,\nwhiskers {share:.0f} %; * path drops more than others and random"
        )
        legend_outside(figure, ax, title="channels", loc="outside lower center", ncols=3)
    return figure
