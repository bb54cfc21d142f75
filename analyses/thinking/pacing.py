"""Does the organism pace to and fro in order to think, and does thinking time replace it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Success
from analyses.question import answer_plot, question
from analyses.thinking.cycles import Walk, walk_of
from analyses.thinking.pacing_replaced import AFTER, CONDITIONS, replace_first_cycles
from analyses.verdict import INTERVALS, add_verdict
from interp.errors import InputError, check_integer
from interp.statistics.significance import MEAN_TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks

CLAIMS = ("fewer_cycles", "thinking_replaces")


@question("Does it pace to and fro in order to think?", needs=(Success(),))
def pacing(
    organism: Any,
    tasks: Tasks,
    thinking_steps: int | Iterable[int] = (0, 2, 4, 8),
    *,
    early: int = 5,
    after: int = AFTER,
    controls: str | Sequence[str] = ("untrained",),
    probes: xr.Dataset | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
    progress: bool = True,
) -> xr.Dataset:
    """Find the cycles of an organism's episodes and what they are good for.

    A cycle is a stretch of two or more steps after which the world is as it was; cycles are counted
    up to the last milestone reached (what comes after leads to nothing, and is counted as idle).
    If cycles are pacing — steps taken to win time to think — two things hold:

    ``fewer_cycles``
        With thinking steps before the first action there are fewer cycles at the start of the
        episode; paired over tasks in which a milestone was reached both with and without.
    ``thinking_replaces``
        Where the first cycle of an episode was, the organism is made to think for as many steps.
        It then goes on as it did *after* its cycle, more than it does at the start of the cycle, and
        more than after as many steps of looking at another task (which disturb as much).

    Parameters
    ----------
    organism
        With ``run``, ``world``, ``states`` and, if it has sub-goals, ``milestones``.
    tasks
        One episode each.
    thinking_steps
        Before the first action; 0 is added if missing.
    early
        Cycles that begin before this step are at the start.
    after
        States that are compared after a cycle or what replaced it.
    controls
        ``"untrained"``: the same network before training, whose cycles come to nothing. A
        feed-forward organism is a further control, analysed by itself: thinking changes nothing.
    probes
        What `analyses.plan_probes` returned (with its 1 × 1 probes): the plan is then also read at
        both ends of every first cycle, and of equally long stretches of other episodes without one.
    seed
        Of the bootstrap and of the untrained weights.

    Returns
    -------
    xarray.Dataset
        ============================================  ============================================
        variable                                      dims
        ============================================  ============================================
        early_cycles, cycles, idle_cycles, used       source, thinking, episode; counts, and
                                                      whether a milestone was reached
        cycle_rate, early_cycle_rate, idle_cycle_rate source, thinking: cycles per episode; over
        _low, _high                                   used episodes, idle ones over all
        solved                                        source, thinking, episode
        reduction, _low, _high, n_pairs               source, thinking: early cycles at 0 minus
                                                      those with thinking, per paired task
        reduction_share                               the same as a share of those at 0
        cycle_episode, _start, _length, _source       cycle: every cycle at 0 thinking steps
        first_start, first_length                     source, episode: the first one, NaN if none
        recurs, replaced_solved, same_path            source, condition, episode
        …_rate, _low, _high                           source, condition
        replaces, _low, _high                         source, control: same path after thinking
                                                      minus that in the control condition
        base_recurrence, _low, _high                  source: a cycle begins in as many steps after
                                                      the first one
        p_value, p_holm, found                        source, claim (p also over thinking for the
                                                      first): Holm-corrected
        plan_*                                        with `probes`; see
                                                      `analyses.thinking.pacing_plan.plan_around_cycles`
        ============================================  ============================================

    Raises
    ------
    InputError
        If the organism does not tell its states, there are no tasks, or numbers are negative.

    Notes
    -----
    *Recurs*: a cycle begins within as many steps as the first one had. In the condition
    ``cycle`` (nothing is done) it does by construction. *Solved* under ``cycle`` is the unchanged
    run. A pause costs no step of the limit, a cycle does.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421): histogram of starts, cycles against thinking steps
    (starts < 5), same trajectory after the cycle. Theirs are all cycles of an episode, here the
    first of each; the control of another task's observation is ours.

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> result = pacing(organism, organism.tasks("test", 8), (0, 4), progress=False)
    >>> result.found.dims
    ('source', 'claim')
    """
    from tqdm import tqdm

    _check(organism, tasks, early, after)
    given: list[Any] = (
        list(thinking_steps) if isinstance(thinking_steps, Iterable) else [thinking_steps]
    )
    for t in given:
        check_integer("thinking_steps", t, 0)
    times = sorted({0, *map(int, given)})
    players = _players(organism, controls, seed)
    tables: list[xr.Dataset] = []
    listed: list[list[tuple]] = []
    total = len(players) * (len(times) + 2)
    with tqdm(total=total, unit="run", desc="pacing", disable=not progress) as bar:
        for name, player in players.items():
            walks = []
            for t in times:
                run = player.run(tasks, seed=seed, thinking_steps=t, batch_size=batch_size)
                walks.append(walk_of(player, run))
                bar.update()
            table = _counts(walks, times, early, n_bootstrap, confidence, seed)
            replaced = replace_first_cycles(
                player,
                tasks,
                walks[0],
                after=after,
                seed=seed,
                n_bootstrap=n_bootstrap,
                confidence=confidence,
                batch_size=batch_size,
            )
            bar.update(2)
            tables.append(table.merge(replaced))
            listed.append([(name, c.episode, c.start, c.length) for c in walks[0].cycles()])
    dataset: xr.Dataset = xr.concat(
        tables, xr.DataArray(list(players), dims="source", name="source")
    )
    rows = [row for rows in listed for row in rows]
    for i, name in enumerate(("source", "episode", "start", "length")):
        values = np.array([row[i] for row in rows], dtype=object if not i else np.int64)
        dataset[f"cycle_{name}"] = ("cycle", values)
    dataset["level_id"] = ("episode", np.array(list(tasks.ids), dtype=object))
    dataset.attrs = {
        "analysis": "pacing",
        "organism": organism.name,
        "n_episodes": len(tasks),
        "early": early,
        "after": after,
        "confidence": confidence,
        "intervals": INTERVALS.format("episodes", n_bootstrap),
        "seed": seed,
        "max_steps": int(organism.world(tasks[0:1]).max_steps),
    }
    dataset = _verdicts(dataset)
    if probes is not None:
        from analyses.thinking.pacing_plan import plan_around_cycles

        plan = plan_around_cycles(
            organism,
            tasks,
            probes,
            seed=seed,
            n_bootstrap=n_bootstrap,
            confidence=confidence,
            batch_size=batch_size,
        )
        dataset = dataset.merge(plan, combine_attrs="drop_conflicts")
    return dataset


def _check(organism: Any, tasks: Any, early: int, after: int) -> None:
    for method in ("run", "world"):
        if not hasattr(organism, method):
            raise InputError(
                f"pacing runs an organism and asks it for its {method!r}: give organisms.load(…), "
                f"not a {type(organism).__name__}."
            )
    if tasks is None or not len(tasks):
        raise InputError("There are no tasks to run.")
    check_integer("early", early, 1)
    check_integer("after", after, 1)


def _players(organism: Any, controls: str | Sequence[str], seed: int) -> dict[str, Any]:
    controls = [controls] if isinstance(controls, str) else list(controls)
    unknown = set(controls) - {"untrained"}
    if unknown:
        raise InputError(f"Unknown controls {sorted(unknown)}; known: ['untrained'].")
    players = {"trained": organism}
    if controls:
        players["untrained"] = organism.untrained(seed)
    return players


def _counts(
    walks: list[Walk],
    times: list[int],
    early: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> xr.Dataset:
    """Count the cycles of one player at every thinking time, and compare with none."""
    from interp.statistics import mean_interval, mean_p_value

    n = len(walks[0].length)
    counts: dict[str, Any] = {
        name: np.zeros((len(times), n)) for name in ("early_cycles", "cycles", "idle_cycles")
    }
    for t, walk in enumerate(walks):
        for cycle in walk.cycles():
            counts["cycles"][t, cycle.episode] += 1
            counts["early_cycles"][t, cycle.episode] += cycle.start < early
        for cycle in walk.idle_cycles():
            counts["idle_cycles"][t, cycle.episode] += 1
    used = np.stack([walk.used for walk in walks])
    data: dict[str, Any] = {
        **{name: (("thinking", "episode"), values) for name, values in counts.items()},
        "used": (("thinking", "episode"), used),
        "solved": (("thinking", "episode"), np.stack([walk.solved for walk in walks])),
    }
    for name, count in (("cycle_rate", "cycles"), ("early_cycle_rate", "early_cycles")):
        data |= _rates(name, counts[count], used, n_bootstrap, confidence, seed)
    whole = np.ones_like(used)
    data |= _rates("idle_cycle_rate", counts["idle_cycles"], whole, n_bootstrap, confidence, seed)

    cells = np.full((5, len(times)), np.nan)  # reduction, low, high, share, p
    pairs = np.zeros(len(times), int)
    for t in range(len(times)):
        both = used[0] & used[t]
        pairs[t] = both.sum()
        if pairs[t]:
            before, now = counts["early_cycles"][0, both], counts["early_cycles"][t, both]
            cells[:3, t] = mean_interval(
                before - now, n_bootstrap, confidence, seed, bounds=(-early, early)
            )
            cells[3, t] = (before - now).sum() / before.sum() if before.sum() else np.nan
            if t:
                cells[4, t] = mean_p_value(before - now, rng=seed, bounds=(-early, early))
    for i, name in enumerate(("reduction", "reduction_low", "reduction_high", "reduction_share")):
        data[name] = ("thinking", cells[i])
    data["n_pairs"] = ("thinking", pairs)
    data["reduction_p"] = ("thinking", cells[4])
    return xr.Dataset(data, {"thinking": times})


def _rates(
    name: str, counts: np.ndarray, used: np.ndarray, n_bootstrap: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Return the mean count over used episodes, with its interval, at every thinking time."""
    from interp.statistics import mean_interval

    out = np.full((3, len(counts)), np.nan)
    for t in range(len(counts)):
        if used[t].any():
            out[:, t] = mean_interval(counts[t, used[t]], n_bootstrap, confidence, seed)
    return {name + end: ("thinking", out[i]) for i, end in enumerate(("", "_low", "_high"))}


def _verdicts(dataset: xr.Dataset) -> xr.Dataset:
    """Add p-values and verdicts of both claims."""
    fewer = dataset[["reduction", "reduction_low", "reduction_high"]].assign_attrs(dataset.attrs)
    p = dataset.reduction_p.assign_attrs(
        definition=f"one-sided, of reduction ≤ 0, over paired tasks; {MEAN_TEST}"
    )
    fewer = add_verdict(fewer, "reduction", ("thinking",), p=p)
    # Both comparisons must hold: the p-value of the conjunction is the larger one.
    replaced = xr.Dataset(
        {"replaces": dataset.replaces.min("control", skipna=False)}, attrs=dataset.attrs
    )
    p = dataset.replaces_p.max("control", skipna=False).expand_dims(test=1, axis=-1)
    replaced["replaces"] = replaced.replaces.expand_dims(test=1, axis=-1)
    replaced = add_verdict(replaced, "replaces", ("test",), p=p)
    found = xr.concat(
        [fewer.found, replaced.found], xr.DataArray(list(CLAIMS), dims="claim", name="claim")
    ).transpose("source", "claim")
    dataset = dataset.drop_vars(["reduction_p", "replaces_p"])
    dataset["reduction_p_value"], dataset["reduction_p_holm"] = fewer.p_value, fewer.p_holm
    dataset["replaces_p_value"] = replaced.p_value.isel(test=0).assign_attrs(
        definition=f"one-sided, larger of the two comparisons', over episodes; {MEAN_TEST}"
    )
    dataset["found"] = found.assign_attrs(
        definition="p < 0.05; fewer_cycles: at some thinking time, Holm-corrected; "
        "thinking_replaces: over both controls"
    )
    return dataset


@answer_plot
def plot_pacing(dataset: xr.Dataset) -> Figure:
    """Draw where cycles begin, how many thinking leaves, and what follows a replaced one."""
    from interp.style import (
        bars_with_intervals,
        figure_style,
        label_panel,
        legend_outside,
        line_with_interval,
        subplots,
    )

    sources = [str(source) for source in dataset.source.values]
    with figure_style():
        figure, axes = subplots(1, 3, width="text", height=2.6)
        begins, count, path = axes
        longest = max(int(dataset.cycle_start.max()) if dataset.sizes["cycle"] else 1, 10)
        bins = np.arange(0, min(longest, 40) + 2) - 0.5
        mine = dataset.cycle_start.values[dataset.cycle_source.values == "trained"]
        begins.hist(mine, bins=bins, color="#0072B2")
        begins.axvline(dataset.attrs["early"] - 0.5, color="0.5", linewidth=0.8, linestyle=":")
        begins.set(
            xlabel="step at which a cycle begins", ylabel="cycles (trained,\n0 thinking steps)"
        )
        begins.yaxis.get_major_locator().set_params(integer=True)
        for source in sources:
            cell = dataset.sel(source=source)
            line_with_interval(
                count,
                cell.thinking,
                cell.early_cycle_rate,
                cell.early_cycle_rate_low,
                cell.early_cycle_rate_high,
                source,
                source=source,
            )
        early = dataset.attrs["early"]
        count.set(
            xlabel="thinking steps before the first move",
            ylabel=f"cycles in steps 0–{early - 1}\n(per episode)",
        )
        count.set_xticks(dataset.thinking.values)
        n_cycles = [int(dataset.first_start.sel(source=s).notnull().sum()) for s in sources]
        percent = 100
        bars_with_intervals(
            path,
            percent * dataset.same_path_rate.transpose("source", "condition"),
            percent * dataset.same_path_rate_low.transpose("source", "condition"),
            percent * dataset.same_path_rate_high.transpose("source", "condition"),
            categories=[f"{name}" for name in CONDITIONS],
            series=sources,
        )
        path.set(
            xlabel=f"in place of the first cycle (n = {sum(n_cycles)})",
            ylabel=f"same {dataset.attrs['after']} states\nas after the cycle (%)",
            ylim=(0, 100),
        )
        for ax, letter in zip(axes, "abc", strict=True):
            label_panel(ax, letter)
        n, share = dataset.attrs["n_episodes"], 100 * dataset.attrs["confidence"]
        with_cycle = ", ".join(f"{c} ({s})" for c, s in zip(n_cycles, sources, strict=True))
        figure.suptitle(
            f"{dataset.attrs['organism']}: n = {n} episodes, with a cycle {with_cycle}; "
            f"intervals {share:.0f} %"
        )
        legend_outside(figure, axes[1:], loc="outside lower center", ncols=len(sources))
    return figure
