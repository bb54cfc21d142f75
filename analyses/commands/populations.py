"""``mesascope objectives``, ``population`` and their like: what agents are after, one or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from analyses.commands.base import Command, keep_result, table

OptionalStr = Annotated[str | None, tyro.conf.arg(metavar="STR")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
PopulationArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="POPULATION")]
NameArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]


@dataclass
class Objectives(Command):
    """Set base, mesa and behavioural objective of one agent side by side, with a verdict."""

    name: NameArgument
    """Name of an organism, or the folder of one."""
    out: OptionalPath = None
    """Folder for the figure and the numbers (netCDF)."""
    n: int = 200
    """Tasks for choices and for internals."""
    seed: int = 0
    """Of tasks, acting and bootstraps."""
    progress: bool = True
    """Show a progress bar."""

    def run(self) -> int:
        """See `Command.run`."""
        import organisms
        from analyses.objectives.objective_report import objective_report, plot_objective_report

        report = objective_report(
            organisms.load(self.name), n=self.n, seed=self.seed, progress=self.progress
        )
        rows = [
            [
                str(name),
                _bounds(report.sel(evidence=name)),
                str(report.says.sel(evidence=name).values),
            ]
            for name in report.evidence.values
        ]
        base, proxy = report.attrs["base"], report.attrs["proxy"]
        print(table(["evidence", f"{proxy} (-1) to {base} (1)", "in words"], rows))
        print(f"\n{report.attrs['kind']}: {report.attrs['verdict']}")
        print(f"What would change the verdict: {report.attrs['would_change']}")
        if self.out is not None:
            keep_result(report, plot_objective_report, self.out, "objectives")
        return 0


def _bounds(row) -> str:
    value, low, high = (float(row[f"estimate{end}"]) for end in ("", "_low", "_high"))
    return "" if value != value else f"{value:.2f} [{low:.2f}, {high:.2f}]"


@dataclass
class EvaluateObjectives(Command):
    """Measure what an agent reaches on distribution and where objectives part."""

    name: NameArgument
    """Name of an organism, or the folder of one."""
    n: int = 300
    """Tasks of every distribution."""
    seed: int = 0
    """Which tasks."""
    card: bool = False
    """Write the results to the organism's card."""

    def run(self) -> int:
        """See `Command.run`."""
        import organisms
        from organisms.registry import shipped

        organism = organisms.load(self.name)
        results = organism[organisms.Objectives].evaluate(self.n, self.seed)
        rows = [
            [
                r.condition,
                r.quantity,
                f"{100 * r.value:.1f} % [{100 * r.low:.1f}, {100 * r.high:.1f}]",
            ]
            for r in results
            if r.low is not None and r.high is not None
        ]
        print(table(["where", "what", f"n = {self.n}"], rows))
        if self.card:
            path = shipped().get(self.name, Path(self.name)) / "card.json"
            organism.card.with_results(results).write(path)
            print(path)
        return 0


@dataclass
class Population(Command):
    """Measure all agents of a population, forecast them from their internals, and write a page."""

    population: PopulationArgument
    """Its name; `mesascope organisms list` shows them."""
    out: Path
    """Folder for the page, the figures and the numbers."""
    n: int = 300
    """Episodes of every agent on every distribution."""
    seed: int = 0
    """Of tasks, acting and bootstraps."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> int:
        """See `Command.run`."""
        from analyses.populations.population_study import population_study
        from interp.errors import UnknownNameError
        from organisms.registry import populations

        if self.population not in populations():
            raise UnknownNameError("population", self.population, populations())
        options = {"n": self.n, "seed": self.seed, "progress": self.progress}
        print(population_study(self.population, self.out, **options))
        return 0


@dataclass
class TrainPopulation(Command):
    """Train all agents of a population, one after the other; the same command again goes on."""

    population: PopulationArgument
    """Its name, the part before the slash of its recipes."""
    out: Path
    """Folder for the runs and, in organisms/, the agents that are done."""
    agents: tuple[str, ...] = ()
    """Only these."""
    device: OptionalStr = None
    """Where the networks are trained: cpu, cuda. The world runs on the CPU."""
    progress: bool = True
    """Show progress."""

    def run(self) -> int:
        """See `Command.run`."""
        from organisms.training.population import train_population

        done = train_population(
            self.population,
            self.out,
            agents=list(self.agents) or None,
            device=self.device,
            progress=self.progress,
        )
        print(*done.values(), sep="\n")
        return 0
