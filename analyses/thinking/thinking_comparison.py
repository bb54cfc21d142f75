"""Does one organism gain more from thinking time than others do on the same tasks?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Success
from analyses.question import answer_plot, question
from analyses.thinking.thinking_time import thinking_time
from analyses.verdict import add_verdict
from interp.errors import InputError
from interp.statistics.significance import MEAN_TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks


_ENDS = ("", "_low", "_high")


@question("Does it gain more from thinking time than others do?", needs=(Success(),), several=True)
def compare_thinking(
    organisms: Sequence[Any],
    tasks: Tasks,
    thinking_steps: int | Iterable[int] = (0, 2, 4, 8),
    *,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
    progress: bool = True,
) -> xr.Dataset:
    """Measure the thinking-time effect of several organisms on the same tasks, paired.

    A network that gains from thinking because it computes on is told from one that gains for some
    other reason by its controls: a feed-forward network gains exactly nothing, and what one layer
    and one tick gain is not planning over many.

    Parameters
    ----------
    organisms
        The first is the one in question, the others are its controls. All must take the tasks.
    tasks, thinking_steps, seed, n_bootstrap, confidence, batch_size
        As in `analyses.thinking.thinking_time.thinking_time`, which is run for each.

    Returns
    -------
    xarray.Dataset
        ========================================  ============================================
        variable                                  dims
        ========================================  ============================================
        solved (1, 0)                             organism, thinking, episode
        solve_rate, _low, _high                   organism, thinking; exact over episodes
        gain, _low, _high                         organism, thinking; over 0 steps, paired
        behind, _low, _high                       organism: how many more of the tasks the first
                                                  solves at 0 steps; paired (0 for itself)
        margin, _low, _high                       organism, thinking: gain of the first less that
                                                  of each other, paired (NaN for itself)
        p_value, p_holm                           organism, thinking: of margin ≤ 0, exact sign
                                                  test over tasks
        found (bool)                              organism: margin > 0 at some thinking time
        ========================================  ============================================

    Raises
    ------
    InputError
        For fewer than two organisms, two of one name, and as `thinking_time`.

    References
    ----------
    Guez et al. 2019 (arXiv 1901.03559), Sec. 4; Taufeeque et al. 2024 (arXiv 2407.15421), Fig. 1.

    Examples
    --------
    >>> import organisms
    >>> several = [organisms.load(f"sokoban-{kind}-tiny-v1") for kind in ("drc", "resnet")]
    >>> result = compare_thinking(several, several[0].tasks("test", 8), (0, 2), progress=False)
    >>> float(result.gain.sel(organism="sokoban-resnet-tiny-v1", thinking=2))
    0.0
    """
    from interp.statistics import DIFFERENCE, mean_interval, mean_p_value

    names = different_names(organisms)
    each = [
        thinking_time(
            organism,
            tasks,
            thinking_steps,
            controls=(),
            seed=seed,
            n_bootstrap=n_bootstrap,
            confidence=confidence,
            batch_size=batch_size,
            progress=progress,
        ).sel(source="trained", drop=True)
        for organism in organisms
    ]
    kept = ["solved", *(f"{name}{end}" for name in ("solve_rate", "gain") for end in _ENDS)]
    dataset: Any = xr.concat(
        [one[kept] for one in each],
        xr.DataArray(names, dims="organism", name="organism"),
        combine_attrs="drop_conflicts",
    ).assign(level_id=each[0].level_id)
    solved = dataset.solved.values
    gained = solved - solved[:, :1]
    shape = (len(names), len(dataset.thinking))
    data = {f"behind{end}": np.zeros(shape[0]) for end in _ENDS}
    data |= {f"margin{end}": np.full(shape, np.nan) for end in _ENDS}
    p = np.full(shape, np.nan)
    for k in range(1, len(names)):
        found = mean_interval(
            solved[0, 0] - solved[k, 0], n_bootstrap, confidence, seed, bounds=DIFFERENCE
        )
        for end, value in zip(_ENDS, found, strict=True):
            data[f"behind{end}"][k] = value
        for t in range(1, shape[1]):
            found = mean_interval(
                gained[0, t] - gained[k, t], n_bootstrap, confidence, seed, bounds=(-2, 2)
            )
            for end, value in zip(_ENDS, found, strict=True):
                data[f"margin{end}"][k, t] = value
            # A difference of differences: a sign test would count 2 as 1.
            p[k, t] = mean_p_value(gained[0, t] - gained[k, t], rng=seed, bounds=(-2, 2))
    dims = ("organism", "thinking")
    dataset = dataset.assign({k: (dims[: v.ndim], v) for k, v in data.items()})
    dataset.attrs |= {"analysis": "compare_thinking", "organism": names[0]}
    dataset.attrs["max_steps"] = [one.attrs["max_steps"] for one in each]
    definition = f"one-sided, of margin ≤ 0, over tasks; {MEAN_TEST}"
    p_value = xr.DataArray(p, {d: dataset[d] for d in dims}, dims, attrs={"definition": definition})
    return add_verdict(dataset, "margin", ("thinking",), p=p_value)


def different_names(organisms: Sequence[Any]) -> list[str]:
    """Return the names of several organisms.

    Raises
    ------
    InputError
        If there are fewer than two, or two have one name.
    """
    names = [str(getattr(organism, "name", organism)) for organism in organisms]
    if len(names) < 2:
        raise InputError(f"A comparison needs at least two organisms; got {names}.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Organisms are told apart by their names; {twice} came more than once.")
    return names


@answer_plot
def plot_compare_thinking(dataset: xr.Dataset) -> Figure:
    """Draw solve rate and paired gain of each organism against thinking steps, with intervals."""
    from interp.style import figure_style, legend_outside, line_with_interval, subplots

    names = [str(name) for name in dataset.organism.values]
    with figure_style():
        figure, axes = subplots(1, 2, width="text", height=2.9)
        panels = (("solve_rate", "levels solved (%)"), ("gain", "gain over 0 steps (points)"))
        for letter, ax, (variable, label) in zip("ab", axes, panels, strict=True):
            for name in names:
                cell = 100 * dataset[[variable, f"{variable}_low", f"{variable}_high"]].sel(
                    organism=name
                )
                low, high = cell[f"{variable}_low"], cell[f"{variable}_high"]
                line_with_interval(ax, cell.thinking, cell[variable], low, high, name)
            ax.set(xlabel="thinking steps before the first move", ylabel=label)
            ax.set_xticks(dataset.thinking.values)
            ax.set_title(letter, loc="left")
        axes[0].set_ylim(bottom=0)
        axes[1].axhline(0, color="0.6", linewidth=0.8, zorder=0)
        n, share = dataset.sizes["episode"], 100 * dataset.attrs["confidence"]
        figure.suptitle(f"n = {n} levels, the same for all; bands {share:.0f} % over levels")
        legend_outside(figure, axes, loc="outside lower center", ncols=2)
    return figure
