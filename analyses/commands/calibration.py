"""``mesascope calibrate``: how often an analysis finds what is not there, and what it finds of what is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from analyses.commands.base import Command, table

AnalysisArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ANALYSIS")]


@dataclass
class Calibrate(Command):
    """Ask an analysis of nulls and of effects of known size, and count what it finds."""

    analysis: AnalysisArgument
    """Name of an analysis that has trials, such as thinking_time."""
    runs: int = 200
    """Of each kind of data."""
    seed: int = 0
    """Of the data."""
    keep: bool = False
    """Keep the counts with the package (a source checkout): the line that verdicts print."""
    progress: bool = True
    """Show a progress bar."""

    def run(self) -> int:
        """See `Command.run`."""
        from analyses.calibration import counts
        from analyses.verdict import ENDS

        result = counts.calibrate(self.analysis, self.runs, self.seed, self.progress)
        rows = [
            [
                str(what),
                f"{float(result.effect[i]):g}",
                "{:.1f} % [{:.1f}, {:.1f}]".format(
                    *(100 * float(result[f"found_rate{end}"][i]) for end in ENDS)
                ),
            ]
            for i, what in enumerate(result.trial.values)
        ]
        print(table(["data", "effect", "found"], rows, right=[1]))
        print(f"\n{counts.line_of(result)}")
        if self.keep:
            counts.keep(result)
        return 0
