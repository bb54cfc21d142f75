"""How often the organism succeeds, and what thinking buys it, over training."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Success
from analyses.question import answer_plot, question
from analyses.thinking.thinking_time import thinking_time
from analyses.verdict import add_verdict
from interp.errors import CheckpointError, InputError
from interp.runs.tasks import check_tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks


@question(
    "How does success, and the use of thinking time, come about over training?",
    needs=(Success(),),
    several=True,
)
def training_curve(
    checkpoints: Mapping[int, Any],
    tasks: Mapping[str, Tasks],
    thinking_steps: Iterable[int] = (0,),
    *,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    progress: bool = True,
) -> xr.Dataset:
    """Run every checkpoint on every set of tasks at every number of thinking steps.

    Parameters
    ----------
    checkpoints
        Environment steps of training → the organism as it was then (0: untrained, the control).
    tasks
        Name → tasks; every checkpoint gets the same.
    thinking_steps
        0 is added if missing.
    seed
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ===============================  =========================================================
        variable                         dims
        ===============================  =========================================================
        solve_rate, gain, _low, _high    set, checkpoint, thinking: as in `thinking_time`
        effect, effect_low, effect_high  set, checkpoint: largest minus smallest solve rate over the
                                         thinking times, as Taufeeque et al. plot it. Never negative,
                                         and above zero by chance alone
        p_value, p_holm                  set, checkpoint, thinking; exact sign test of gain ≤ 0
        found                            set: gain > 0 at some checkpoint and time, Holm-corrected
        n                                set: levels
        ===============================  =========================================================

        Coordinate ``checkpoint``: environment steps.

    Raises
    ------
    InputError
        If there are no checkpoints or no tasks.

    References
    ----------
    Taufeeque et al. 2024 (arXiv 2407.15421), Fig. 1; Guez et al. 2019 (arXiv 1901.03559).
    """
    from interp.statistics import bootstrap_weights, percentile_interval

    if not checkpoints or not tasks:
        raise InputError("training_curve needs at least one checkpoint and one set of tasks.")
    if not isinstance(tasks, Mapping):
        raise InputError(
            "tasks are a mapping of names to tasks, {'test': organism.tasks('test', 100)}."
        )
    for chosen in tasks.values():
        check_tasks(chosen)
    steps = sorted(checkpoints)
    by_set, n = [], []
    max_steps = 0
    for chosen in tasks.values():
        runs = []
        for step in steps:
            result = thinking_time(
                checkpoints[step],
                chosen,
                thinking_steps,
                controls=(),
                seed=seed,
                n_bootstrap=n_bootstrap,
                confidence=confidence,
                progress=progress,
            ).isel(source=0, drop=True)
            max_steps = result.attrs["max_steps"]
            solved = result.solved.transpose("episode", "thinking").values
            weights = bootstrap_weights(len(solved), n_bootstrap, seed) / len(solved)
            rates = weights @ solved
            low, high = percentile_interval(rates.max(1) - rates.min(1), confidence)
            rate = solved.mean(0)
            result = result.drop_dims("episode").drop_vars(["found", "p_holm"])
            runs.append(
                result.assign(effect=rate.max() - rate.min(), effect_low=low, effect_high=high)
            )
        by_set.append(xr.concat(runs, xr.DataArray(steps, dims="checkpoint", name="checkpoint")))
        n.append(len(chosen))
    dataset = xr.concat(by_set, xr.DataArray(list(tasks), dims="set", name="set"))
    p = dataset.p_value.copy()
    dataset = dataset.drop_vars("p_value").assign(n=("set", n))
    dataset.attrs = {
        "analysis": "training_curve",
        "organism": checkpoints[steps[-1]].name,
        "confidence": confidence,
        "intervals": f"percentile bootstrap over levels, {n_bootstrap} resamples",
        "seed": seed,
        "max_steps": max_steps,
    }
    if dataset.sizes["thinking"] == 1:  # nothing is compared with acting at once
        return dataset
    return add_verdict(dataset, "gain", ("checkpoint", "thinking"), p=p)


@answer_plot
def plot_training_curve(dataset: xr.Dataset) -> Figure:
    """Draw solve rate and paired gain of thinking over training, a row for each set of tasks."""
    from interp.style import colours, figure_style, legend_outside, subplots

    percent = 100.0
    palette = colours(list(dataset.thinking.values), "tick")
    panels = (("solve_rate", "levels solved (%)"), ("gain", "gain over 0 steps (points)"))
    with figure_style():
        figure, axes = subplots(
            dataset.sizes["set"],
            2,
            width="text",
            height=0.9 + 2 * dataset.sizes["set"],
            squeeze=False,
        )
        for row, name in enumerate(dataset.set.values):
            for ax, (variable, label) in zip(axes[row], panels, strict=True):
                for t, colour in palette.items():
                    cell = dataset.sel(set=name, thinking=t)
                    low, high = (percent * cell[f"{variable}{end}"] for end in ("_low", "_high"))
                    words = f"{t} thinking steps"
                    ax.plot(
                        cell.checkpoint, percent * cell[variable], "o-", color=colour, label=words
                    )
                    ax.vlines(cell.checkpoint, low, high, color=colour, linewidth=1)
                n = int(dataset.n.sel(set=name))
                ax.set(xlabel="environment steps of training", ylabel=label)
                ax.set_title(f"{name}, n = {n}", loc="left")
        share = 100 * dataset.attrs["confidence"]
        figure.suptitle(f"{dataset.attrs['organism']}: whiskers {share:.0f} %")
        legend_outside(figure, axes, loc="outside lower center", ncols=4)
    return figure


def training_log(path: str | os.PathLike, confidence: float = 0.95) -> xr.Dataset:
    """Read the solve rate during training from a log of one JSON record a line.

    Parameters
    ----------
    path
        With ``steps``, ``episodes`` and ``solved`` (a share) in every record.

    Returns
    -------
    xarray.Dataset
        ``log_rate``, ``log_low``, ``log_high`` (Wilson's interval) and ``log_n`` (episodes that
        ended since the last record) along ``log_step``, environment steps.

    Raises
    ------
    CheckpointError
        If the log is malformed.

    Notes
    -----
    Episodes of training: on the levels of the curriculum, while the network learns, and, where
    training had a teacher, partly in states that the teacher led to.
    """
    from scipy.stats import norm

    columns: dict[str, list[float]] = {"steps": [], "episodes": [], "solved": []}
    for i, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            values = [float(record[name]) for name in columns]
        except (ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path}:{i}: not a record of the log ({error!r}).") from None
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    n, rate = np.array(columns["episodes"]), np.array(columns["solved"])
    z = norm.ppf((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    data = {"rate": rate, "low": centre - half, "high": centre + half, "n": n}
    return xr.Dataset(
        {f"log_{name}": ("log_step", values) for name, values in data.items()},
        {"log_step": np.array(columns["steps"], dtype=np.int64)},
    )
