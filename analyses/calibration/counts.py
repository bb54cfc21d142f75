"""Ask an analysis many times of what is known, and count what it finds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr

from analyses.calibration.trials import trials
from analyses.verdict import ALPHA, interval_variables
from interp.errors import UnknownNameError, check_integer
from interp.statistics import rate_interval

COMMITTED = Path(__file__).with_name("counted.json")
"""What was counted, by analysis: what `calibration_line` reads."""


def calibrate(analysis: str, runs: int = 200, seed: int = 0, progress: bool = True) -> xr.Dataset:
    """Count how often an analysis says "found" of nulls and of effects of known size.

    Parameters
    ----------
    analysis
        Name of one that has trials (`analyses.calibration.trials.trials`).
    runs
        Of each trial.
    seed
        Of the data.

    Returns
    -------
    xarray.Dataset
        ``found_rate`` with ``_low`` and ``_high`` (trial), exact over runs; ``effect`` (trial), 0 of nulls;
        ``hits``. The coordinate ``trial`` says what the data are.

    Raises
    ------
    UnknownNameError
        For an analysis without trials.
    InputError
        If `runs` is below 1.

    Examples
    --------
    >>> result = calibrate("plan_steering", runs=2, progress=False)
    >>> result.found_rate.dims, float(result.effect[0])
    (('trial',), 0.0)
    """
    from tqdm import tqdm

    known = trials()
    if analysis not in known:
        raise UnknownNameError("calibrated analysis", analysis, known)
    check_integer("runs", runs, 1)
    hits = np.zeros(len(known[analysis]), int)
    with tqdm(total=len(hits) * runs, desc=analysis, disable=not progress) as bar:
        for i, trial in enumerate(known[analysis]):
            for run in range(runs):
                hits[i] += trial.found(np.random.default_rng([seed, i, run]))
                bar.update()
    return xr.Dataset(
        {
            **interval_variables("found_rate", ("trial",), rate_interval(hits, runs)),
            "hits": ("trial", hits),
            "effect": ("trial", [trial.effect for trial in known[analysis]]),
        },
        {"trial": [trial.what for trial in known[analysis]]},
        {"analysis": "calibration", "of": analysis, "runs": runs, "seed": seed, "alpha": ALPHA},
    )


def line_of(result: xr.Dataset) -> str:
    """Return what a calibration comes to, in one line for every verdict."""
    null = result.effect.values == 0
    runs = int(result.attrs["runs"])
    worst = int(result.hits.values[null].max())
    _, low, high = (100 * float(end) for end in rate_interval(worst, runs))
    effects, rates = result.effect.values[~null], result.found_rate.values[~null]
    powers = ", ".join(
        f"{100 * rate:.0f} % of effects of {effect:g}"
        for effect, rate in zip(effects, rates, strict=True)
    )
    return (
        f"This test finds {100 * worst / runs:.1f} % of nulls [{low:.1f}, {high:.1f}] "
        f"(the worst of {null.sum()} kinds, {runs} runs each) and {powers}."
    )


@cache
def _committed() -> dict[str, dict]:
    return json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}


def calibration_line(analysis: str) -> str | None:
    """Return the line of an analysis from what was counted and committed; None where nothing was."""
    return _committed().get(analysis, {}).get("line")


def keep(result: xr.Dataset, path: Path = COMMITTED) -> None:
    """Put a calibration among those that are committed, in the place of an older one."""
    from interp.files import write_atomically

    known = json.loads(path.read_text()) if path.exists() else {}
    known[result.attrs["of"]] = {
        "line": line_of(result),
        "runs": result.attrs["runs"],
        "seed": result.attrs["seed"],
        "trials": [
            {"what": str(what), "effect": float(effect), "found": int(hits)}
            for what, effect, hits in zip(
                result.trial.values, result.effect.values, result.hits.values, strict=True
            )
        ],
    }
    write_atomically(
        path, json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n"
    )
    _committed.cache_clear()


def markdown() -> str:
    """Return the committed calibrations as a section of docs/calibration.md."""
    parts = ["## Analyses asked of what is known\n"]
    parts.append(
        "Counted by `mesascope calibrate ANALYSIS --keep`; in brackets Clopper-Pearson, 95 %.\n"
    )
    for name, counted in _committed().items():
        parts += [f"### {name}\n", counted["line"] + "\n"]
        parts += ["| data | effect | found |", "|---|---|---|"]
        for trial in counted["trials"]:
            rate, low, high = (
                100 * float(x) for x in rate_interval(trial["found"], counted["runs"])
            )
            found = f"{rate:.1f} % [{low:.1f}, {high:.1f}]"
            parts.append(f"| {trial['what']} | {trial['effect']:g} | {found} |")
        parts.append("")
    return "\n".join(parts)
