"""Does the organism do better when it may think before it acts?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.question import answer_plot, question
from analyses.recordings import run_of
from analyses.verdict import INTERVALS, add_verdict
from interp.contract import outcome_of
from interp.errors import InputError, check_integer
from interp.statistics.significance import MEAN_TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks


@question("Does thinking time help?")
def thinking_time(
    organism: Any,
    tasks: Tasks,
    thinking_steps: int | Iterable[int] = (0, 1, 2, 4, 8),
    *,
    controls: str | Sequence[str] = ("untrained",),
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
    progress: bool = True,
) -> xr.Dataset:
    """Measure what episodes come to against thinking steps, on the same tasks each time.

    At reset the first observation is fed ``t`` times with the recurrent state carried on and
    nothing done; then the organism acts greedily until the task is solved or the step limit is
    reached. The effect of thinking is the *paired* difference to acting at once. Where no episode can
    succeed, the outcome that the organism names (a regret, a loss) is measured in the rate's place.

    Parameters
    ----------
    organism
        Any; with ``untrained`` for that control, which is left out without.
    tasks
        One episode each.
    thinking_steps
        Numbers of thinking steps; 0 is added if missing.
    controls
        ``"untrained"``: the same network before training, run at 0 and at the longest time. A
        feed-forward network is a further control, run by itself: its curve must be flat.
    seed
        Of the bootstrap and of the untrained weights.

    Returns
    -------
    xarray.Dataset
        ========================================  ============================================
        variable                                  dims
        ========================================  ============================================
        solved (1, 0; NaN: not run)               source, thinking, episode
        length (steps taken), episode_return      source, thinking, episode
        solve_rate, _low, _high                   source, thinking; exact of rates
        outcome; mean_outcome, _low, _high        in place of solved and solve_rate where no episode
                                                  can succeed; a gain is then towards the better side
        gain, _low, _high                         source, thinking; solve rate minus that at 0,
                                                  paired
        p_value, p_holm                           source, thinking; of gain ≤ 0 (McNemar's
                                                  exact test where it is of success), NaN at 0
                                                  thinking steps
        found (bool)                              source: gain > 0 at some thinking time
        ========================================  ============================================

    Raises
    ------
    InputError
        For thinking steps that are negative or no integers, no organism, no tasks, or an unknown
        control.

    References
    ----------
    Guez et al. 2019 (arXiv 1901.03559), Sec. 4; Taufeeque et al. 2024 (arXiv 2407.15421), Fig. 1.
    Step limits decide the numbers: theirs are 120 for the full sets and 240 during training.

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> result = thinking_time(organism, organism.tasks("test", 8), (0, 2), progress=False)
    >>> result.solve_rate.dims
    ('source', 'thinking')
    """
    from tqdm import tqdm

    from interp.statistics import DIFFERENCE, RATE, mean_interval, mean_p_value

    if not hasattr(organism, "run") and not hasattr(organism, "network"):
        raise InputError(
            f"thinking_time runs an organism; give organisms.load(…), not a {type(organism).__name__}."
        )
    if isinstance(thinking_steps, Iterable):
        given: list[Any] = list(thinking_steps)
    else:
        given = [thinking_steps]
    for t in given:
        check_integer("thinking_steps", t, 0)
    times = sorted({0, *map(int, given)})
    if tasks is None or not len(tasks):
        raise InputError("There are no tasks to run.")
    controls = [controls] if isinstance(controls, str) else list(controls)
    unknown = set(controls) - {"untrained"}
    if unknown:
        raise InputError(f"Unknown controls {sorted(unknown)}; known: ['untrained'].")
    players = {"trained": organism}
    if "untrained" in controls and hasattr(organism, "untrained"):
        players["untrained"] = organism.untrained(seed)
    outcome = outcome_of(organism)
    each, mean = ("solved", "solve_rate") if outcome.can_succeed else ("outcome", "mean_outcome")
    better = 1.0 if outcome.better == "higher" else -1.0
    shape = (len(players), len(times), len(tasks))
    came_to, length = np.full(shape, np.nan), np.full(shape, np.nan)
    returns = np.full(shape, np.nan)
    # A control that never solves anything takes every step there is: its ends are enough.
    grid = [(0, t) for t in range(len(times))]
    grid += [(s, t) for s in range(1, len(players)) for t in sorted({0, len(times) - 1})]
    for s, t in tqdm(grid, unit="run", desc="thinking time", disable=not progress):
        player = list(players.values())[s]
        run = run_of(player, tasks, seed=seed, thinking_steps=times[t], batch_size=batch_size)
        came_to[s, t], length[s, t] = run[each], run.length
        returns[s, t] = run.reward.sum("step")
    dims = ("source", "thinking")
    data: dict[str, Any] = {
        each: ((*dims, "episode"), came_to),
        "length": ((*dims, "episode"), length),
        "episode_return": ((*dims, "episode"), returns),
        "level_id": ("episode", np.array(list(tasks.ids), dtype=object)),
    }
    for name in (mean, "gain"):
        for end in ("", "_low", "_high"):
            data[name + end] = (dims, np.full(shape[:2], np.nan))
    p = np.full(shape[:2], np.nan)
    for s, t in grid:
        now, at_once = better * came_to[s, t], better * came_to[s, 0]
        how: tuple[Any, ...] = (n_bootstrap, confidence, seed)
        level = mean_interval(came_to[s, t], *how, bounds=RATE if outcome.can_succeed else None)
        within = DIFFERENCE if outcome.can_succeed else None
        # Acting at once is not compared with itself.
        gain = mean_interval(now - at_once, *how, bounds=within) if t else (0.0, 0.0, 0.0)
        for name, interval in ((mean, level), ("gain", gain)):
            for end, value in zip(("", "_low", "_high"), interval, strict=True):
                data[name + end][1][s, t] = value
        if t:
            p[s, t] = mean_p_value(now - at_once, rng=seed, bounds=within)
    attrs = {
        "analysis": "thinking_time",
        "organism": organism.name,
        "outcome": outcome.name,
        "unit": outcome.unit,
        "better": outcome.better,
        "n_episodes": len(tasks),
        "confidence": confidence,
        "intervals": INTERVALS.format("episodes", n_bootstrap),
        "seed": seed,
        "max_steps": int(organism.world(tasks[0:1]).max_steps),
    }
    coords = {"source": list(players), "thinking": times}
    definition = f"one-sided, of gain ≤ 0; {MEAN_TEST}"
    p_value = xr.DataArray(p, coords, dims, attrs={"definition": definition})
    return add_verdict(xr.Dataset(data, coords, attrs), "gain", ("thinking",), p=p_value)


def scale_and_words(dataset: xr.Dataset) -> tuple[float, tuple[tuple[str, str], tuple[str, str]]]:
    """Return what to multiply by, and the variables of mean and gain, each with its words."""
    if "solve_rate" in dataset:
        return 100.0, (
            ("solve_rate", "levels solved (%)"),
            ("gain", "gain over 0 steps (points)"),
        )
    unit = f" ({dataset.attrs['unit']})" if dataset.attrs["unit"] else ""
    name = f"{dataset.attrs['outcome']}{unit}"
    return 1.0, (
        ("mean_outcome", f"mean {name}"),
        ("gain", f"{name}: better than at 0 steps by"),
    )


@answer_plot
def plot_thinking_time(dataset: xr.Dataset) -> Figure:
    """Draw solve rate (or mean outcome) and paired gain against thinking steps, with intervals."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    percent, panels = scale_and_words(dataset)
    with figure_style():
        figure, axes = subplots(1, 2, width="text", height=2.7)
        for ax, (name, label) in zip(axes, panels, strict=True):
            for source in dataset.source.values:
                cell = dataset.sel(source=source).dropna("thinking", subset=[panels[0][0]])
                line_with_interval(
                    ax,
                    cell.thinking,
                    percent * cell[name],
                    percent * cell[f"{name}_low"],
                    percent * cell[f"{name}_high"],
                    str(source),
                    source=str(source),
                )
            ax.set(xlabel="thinking steps before the first move", ylabel=label)
            ax.set_xticks(dataset.thinking.values)
        axes[1].axhline(0, color="0.6", linewidth=0.8, zorder=0)
        n, share = dataset.attrs["n_episodes"], 100 * dataset.attrs["confidence"]
        figure.suptitle(f"{dataset.attrs['organism']}: n = {n} levels, bands {share:.0f} %")
        legend_outside(figure, axes, loc="outside lower center", ncols=2)
    return figure
