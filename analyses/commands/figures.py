"""``mesascope figures`` and ``mesascope reproduce``: the papers' figures, made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from analyses.commands.base import Command, print_json, table
from analyses.commands.runs import OptionalInt, OptionalStr


@dataclass
class Figures(Command):
    """List the papers' figures that can be made again: what each needs, and what is drawn."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON: needs and conditions in full."""

    def run(self) -> int:
        """See `Command.run`."""
        from analyses.papers import figures

        entries = list(figures().values())
        if self.json:
            print_json([entry.to_dict() for entry in entries])
            return 0
        rows = [[entry.id, entry.paper, entry.figure] for entry in entries]
        print(table(["id", "paper", "figure"], rows))
        for entry in entries:
            print(f"\n{entry.id}")
            print(f"  shows   {entry.shows}")
            print(f"  needs   {_needs(entry.needs)}")
            print(f"  theirs  {entry.theirs}")
            print(f"  ours    {entry.ours}")
        return 0


def _needs(needs) -> str:
    parts = [f"axes {', '.join(needs.axes)}"]
    for name in ("sites", "concepts"):
        if getattr(needs, name):
            parts.append(f"{name} {', '.join(getattr(needs, name))}")
    if needs.capabilities:
        parts.append(f"capabilities {', '.join(kind.__name__ for kind in needs.capabilities)}")
    if needs.checkpoints:
        parts.append(f"{needs.checkpoints} or more checkpoints of the training")
    if needs.history:
        parts.append("log and checkpoints of training, where there are any")
    return "; ".join(parts)


@dataclass
class Reproduce(Command):
    """Make a paper's figure again on an organism: figure, numbers (netCDF) and comparison (JSON)."""

    figure: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FIGURE")]
    """Id of a figure: see `mesascope figures`."""
    organism: str
    """Name of an organism, or the folder of one."""
    out: Path
    """Folder for the results."""
    conditions: Literal["auto", "paper", "ours"] = "auto"
    """The paper's level sets, step limits and seeds, or those of a quick run; auto takes the paper's
    for a released agent."""
    n: OptionalInt = None
    """How many levels of each set; the conditions' own number if left out."""
    seed: OptionalInt = None
    """Of levels, splits, probes and bootstrap; the conditions' own if left out."""
    split: tuple[str, ...] = ()
    """Other sets of levels: train or test (generated), a Boxoban set, or a level file."""
    device: OptionalStr = None
    """Where the network runs: cpu, cuda."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> int:
        """See `Command.run`."""
        from analyses.papers import reproduce

        made = reproduce(
            self.figure,
            self.organism,
            self.out,
            conditions=self.conditions,
            n=self.n,
            seed=self.seed,
            splits=self.split or None,
            device=self.device,
            progress=self.progress,
            say=print,
        )
        for difference in made.record["differences"]:
            print(f"- {difference['kind']}: {difference['text']}")
        print(made.record["summary"])
        print(made.record["verdict"]["words"])
        for path in (*made.figure, made.dataset, made.comparison):
            print(path)
        return 0
