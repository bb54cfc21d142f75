"""The page of the documentation that says what intervals cover and how often tests err."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from interp.files import write_atomically
from interp.statistics import rate_interval
from interp.statistics.calibration import LEAST_COVERAGE, MOST_ERRORS, Row, rows

_HEAD = """# Calibration of intervals and tests

How often the intervals of `interp.statistics` cover, and its tests err, on simulated units whose truth is
known: {runs:,} runs a line ({few:,} where a run is a whole table of cells). Written by `make calibration`;
seed {seed}. The tests repeat it small (`tests/interp/test_statistics_calibration.py`).

* **kept, missed**: coverage of at least {coverage} for a nominal .95, type I and family-wise error of at most
  {errors} for a nominal .05, or more than luck away from it.
* **best to be had**: where no method keeps that (few units of a distribution whose tail most samples lack),
  an interval comes with a warning, kept as the attribute `warnings` of its variable.
* **before**: the percentile bootstrap, and Student's t from the width of its interval, which these methods
  replaced.
* In brackets: what the luck of so many runs leaves open (Clopper-Pearson, 95 %).
"""

_TITLES = {
    "coverage": "Coverage of 95 % intervals",
    "type I": "Type I error of tests at .05, one-sided",
    "family-wise": "Family-wise error after Holm's correction, at .05",
}


def markdown(table: Sequence[Row], seed: int = 0) -> str:
    """Return the table as a page of the documentation."""
    runs, few = (pick(row.runs for row in table) for pick in (max, min))
    parts = [
        _HEAD.format(
            runs=runs,
            few=few,
            seed=seed,
            coverage=_short(LEAST_COVERAGE, 2),
            errors=_short(MOST_ERRORS, 2),
        )
    ]
    for kind, title in _TITLES.items():
        parts += [
            f"\n## {title}\n",
            f"| units | n | by | {kind} | before | |",
            "|---|---|---|---|---|---|",
        ]
        parts += [_line(row) for row in table if row.kind == kind]
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    _, low, high = (float(end) for end in rate_interval(row.hits, row.runs))
    found = f"{_short(row.share)} [{_short(low)}, {_short(high)}]"
    before = "" if np.isnan(row.before) else _short(row.before)
    word = ("**missed**" if row.broken() else "kept") if row.held else "best to be had"
    return f"| {row.data} | {row.n} | {row.method} | {found} | {before} | {word} |"


def _short(share: float, digits: int = 3) -> str:
    return re.sub(r"^0(?=\.)", "", f"{share:.{digits}f}")


def main(arguments: Sequence[str]) -> int:
    """Write the page: ``python -m interp.statistics.calibration_page PATH [RUNS]``.

    Returns
    -------
    int
        1 where a promise is not kept, else 0.
    """
    path, runs = Path(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 10_000
    table = rows(runs)
    write_atomically(path, markdown(table))
    missed = [row for row in table if row.held and row.broken()]
    for row in missed:
        print(f"missed: {row}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
