"""``mesascope record``, ``study``, ``evaluate`` and ``train``: what makes a network run."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from analyses.commands.base import Command, keep_result, print_json, table

NameArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="INT")]
ENOUGH = 100
"""Tasks that a command takes from a generator, which has no end, if it is not told how many."""
OptionalStr = Annotated[str | None, tyro.conf.arg(metavar="STR")]


def chosen_tasks(organism: Any, split: str, n: int | None, seed: int) -> Any:
    """Return the tasks of a split: all there are, or of one without an end `ENOUGH`."""
    from interp.errors import EndlessError

    try:
        return organism.tasks(split, n, seed)
    except EndlessError:
        print(f"{ENOUGH} tasks of {split!r}; --n says how many.", file=sys.stderr)
        return organism.tasks(split, ENOUGH, seed)


@dataclass
class Record(Command):
    """Let an organism act on levels and stream the run to a store; the same again resumes it."""

    name: NameArgument
    """Name of an organism, or the folder of one."""
    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """Where the store goes: a folder, or any fsspec URL."""
    split: str = "test"
    """train or test (generated), a Boxoban set (boxoban-medium-valid), or a level file."""
    n: OptionalInt = None
    """How many levels; if left out all of a file or a published set, or 100 generated ones."""
    sites: tuple[str, ...] = ("layers.*.h",)
    """Sites to record, names or globs; what every store holds is recorded anyway."""
    seed: int = 0
    """Of generated levels, of the choice among published ones, and of actions that are drawn."""
    thinking_steps: int = 0
    """How often the first observation is fed before the first action."""
    dtype: Literal["float16", "float32"] = "float16"
    """Of the sites in the store."""
    temperature: float = 0.0
    """0 acts greedily; otherwise actions are drawn from softmax(logits / temperature)."""
    batch_size: OptionalInt = None
    """Levels side by side; chosen by the size of the variables if left out."""
    device: OptionalStr = None
    """Where the network runs: cpu, cuda."""
    progress: bool = True
    """Show a progress bar."""
    resume: bool = True
    """Take up a store that is there; otherwise anything at PATH is an error."""

    def run(self) -> int:
        """See `Command.run`."""
        import interp
        import organisms

        organism = organisms.load(self.name, self.device)
        interp.record(
            organism,
            chosen_tasks(organism, self.split, self.n, self.seed),
            self.path,
            sites=self.sites,
            seed=self.seed,
            thinking_steps=self.thinking_steps,
            dtype=self.dtype,
            temperature=self.temperature,
            batch_size=self.batch_size,
            progress=self.progress,
            resume=self.resume,
        )
        print(self.path)
        return 0


@dataclass
class Study(Command):
    """Ask whether an organism plans, where the plan is and when it forms; write report.html."""

    name: NameArgument
    """Name of an organism, or the folder of one."""
    out: Path
    """Folder for the report, figures (PNG, PDF), numbers (netCDF) and recordings."""
    concepts: tuple[str, ...] = ()
    """What is looked for, by name; the family's plans if left out."""
    split: str = "test"
    """train or test (generated), a Boxoban set (boxoban-medium-valid), or a level file."""
    n: OptionalInt = None
    """How many levels; the study's own choice if left out."""
    thinking_steps: OptionalInt = None
    """Of the recording in which plans form; the study's own choice if left out."""
    seed: int = 0
    """Of levels, splits and bootstrap."""
    device: OptionalStr = None
    """Where the network runs: cpu, cuda."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> int:
        """See `Command.run`."""
        import organisms
        from analyses.study.study import study

        chosen: dict[str, Any] = {"n_levels": self.n, "thinking_steps": self.thinking_steps}
        report = study(
            organisms.load(self.name, self.device),
            self.out,
            concepts=self.concepts or None,
            split=self.split,
            seed=self.seed,
            progress=self.progress,
            **{name: value for name, value in chosen.items() if value is not None},
        )
        said = json.loads((report.parent / "study.json").read_text(encoding="utf-8"))["verdicts"]
        for verdict in said.values():
            print(f"{verdict['answer']}: {verdict['text']}")
        print(report)
        return 0


@dataclass
class Evaluate(Command):
    """Measure solve rates, or the outcome that takes their place, with intervals and n.

    At several thinking times; beside the exact solution, where the family has one.
    """

    name: NameArgument
    """Name of an organism, or the folder of one."""
    split: str = "test"
    """train or test (generated), a Boxoban set (boxoban-unfiltered-test), or a level file."""
    n: OptionalInt = None
    """How many levels; if left out all of a file or a published set, or 100 generated ones."""
    thinking: tuple[int, ...] = (0,)
    """Numbers of thinking steps; gains are over 0, which is always run."""
    seed: int = 0
    """Of the levels and the bootstrap."""
    untrained: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also run the same network before training, the control."""
    device: OptionalStr = None
    """Where the network runs: cpu, cuda."""
    progress: bool = True
    """Show a progress bar."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON."""
    card: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also write the rates on the organism's card, with the command that made them."""

    def run(self) -> int:
        """See `Command.run`."""
        import organisms
        from analyses.thinking.thinking_time import thinking_time
        from interp.contract import outcome_of

        organism = organisms.load(self.name, self.device)
        # A checkpoint (NAME@STEPS) has no card of its own: reading one there says so.
        path = organisms.shipped().get(self.name, Path(self.name)) / "card.json"
        if self.card:
            organisms.Card.read(path)  # before hours of running, not after
        tasks = chosen_tasks(organism, self.split, self.n, self.seed)
        result = thinking_time(
            organism,
            tasks,
            self.thinking,
            controls=("untrained",) if self.untrained else (),
            seed=self.seed,
            progress=self.progress,
        )
        rows = outcome_rows(result)
        if organisms.ReferenceSolution in organism:
            exact = organism[organisms.ReferenceSolution].policy
            exact = thinking_time(exact, tasks, (0,), controls=(), seed=self.seed, progress=False)
            rows += [{**row, "source": "reference solution"} for row in outcome_rows(exact)]
        if self.card:
            organisms.Card.read(path).with_results(
                self._results(rows, outcome_of(organism).name)
            ).write(path)
        if self.json:
            keep = ("organism", "n_episodes", "confidence", "intervals", "seed", "max_steps")
            about = {name: result.attrs[name] for name in keep}
            print_json({**about, "split": self.split, "results": rows})
            return 0
        share = f"{100 * result.attrs['confidence']:.0f} % interval"
        print(f"{organism.name} on {self.split}, n = {result.attrs['n_episodes']}")
        what = outcome_of(organism)
        name, shown = measured_as(result), _percent if what.can_succeed else _number
        cells = [
            [row["source"], row["thinking_steps"], *map(shown, (row[name], row["gain"]))]
            for row in rows
        ]
        unit = "" if what.can_succeed else f" ({what.unit}; {what.better} is better)"
        header = [
            "network",
            "thinking steps",
            f"{what.name}{unit}, {share}",
            f"gain over 0, {share}",
        ]
        print(table(header, cells, right=[1, 2, 3]))
        return 0

    def _results(self, rows: list[dict[str, Any]], outcome: str) -> list[Any]:
        """Return the trained network's rates and gains as results, with the published ones."""
        from analyses.papers.solve_rates import published_solve_rates
        from organisms.card import Result

        trained = [row for row in rows if row["source"] == "trained"]
        main = "solve_rate" if "solve_rate" in rows[0] else "mean_outcome"
        said = "solve rate" if main == "solve_rate" else f"mean {outcome}"
        results = []
        for key, quantity in ((main, said), ("gain", "gain over 0 thinking steps, paired")):
            for row in rows if key == main else trained:
                if key == "gain" and not row["thinking_steps"] or row["source"] == "untrained":
                    continue
                source = "" if row["source"] == "trained" else f"{row['source']}, "
                command = f"mesascope evaluate {self.name} --split {self.split} --n {row['n']} "
                command += f"--seed {self.seed} --thinking {row['thinking_steps']}"
                where = f"{source}{self.split}, {row['thinking_steps']} thinking steps, greedy"
                results.append(Result(quantity, where, **row[key], n=row["n"], command=command))
        published = published_solve_rates(self.split, [row["thinking_steps"] for row in trained])
        return [*results, *published]


@dataclass
class Compare(Command):
    """Set organisms side by side on the same levels: solve rates, thinking time, plan probes."""

    names: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME [NAME ...]")
    ]
    """Names of organisms, or folders of them; the others are the first one's controls."""
    out: Path
    """Folder for figures (PNG, PDF) and numbers (netCDF)."""
    split: str = "test"
    """train or test (generated, for the first one's board), a Boxoban set, or a level file."""
    n: OptionalInt = None
    """How many levels; if left out all of a file or a published set, or 100 generated ones."""
    thinking: tuple[int, ...] = (0, 2, 4, 8)
    """Numbers of thinking steps; gains are over 0, which is always run."""
    plans: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also probe each of them for its plans."""
    seed: int = 0
    """Of the levels, the splits and the bootstraps."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> int:
        """See `Command.run`."""
        import organisms
        from analyses.plans.plan_comparison import compare_plans, plot_compare_plans
        from analyses.thinking.thinking_comparison import (
            compare_thinking,
            different_names,
            plot_compare_thinking,
        )

        several = [organisms.load(name) for name in self.names]
        different_names(several)
        tasks = chosen_tasks(several[0], self.split, self.n, self.seed)
        options: dict[str, Any] = {"seed": self.seed, "progress": self.progress}
        result = compare_thinking(several, tasks, self.thinking, **options)
        print(f"{self.split}, n = {len(tasks)}; intervals {100 * result.attrs['confidence']:.0f} %")
        print(table(*_thinking_table(result), right=[1, 2, 3]))
        keep_result(result, plot_compare_thinking, self.out, "thinking")
        if self.plans:
            result = compare_plans(several, tasks, **options)
            print(table(*_plans_table(result), right=[2]))
            keep_result(result, plot_compare_plans, self.out, "plans")
        return 0


def _thinking_table(result: Any) -> tuple[list[str], list[list[str]]]:
    steps = int(result.thinking.values[-1])
    rows = []
    for name in result.organism.values:
        cell = result.sel(organism=name, thinking=steps)
        at_once = _cell(result.sel(organism=name, thinking=0), "solve_rate")
        shown = (at_once, _cell(cell, "gain"), _cell(cell, "margin"))
        rows.append([str(name), *map(_percent, shown)])
    return ["organism", "solved at once", f"gain, {steps} steps", "the first's gain above it"], rows


def _plans_table(result: Any) -> tuple[list[str], list[list[str]]]:
    rows = []
    for concept in result.concept.values:
        for name in result.organism.values:
            cell = result.sel(organism=name, concept=concept)
            margin = _cell(cell, "margin")
            words = "{value:.2f} [{low:.2f}, {high:.2f}]".format(**margin)
            found = "found" if bool(cell.found) else "not found"
            tick = int(cell.tick)  # −1: the site fires once a step
            where = f"{cell.site.item()}, tick {tick}" if tick >= 0 else str(cell.site.item())
            rows.append([str(concept), str(name), f"{float(cell.score):.2f}", words, found, where])
    return ["concept", "organism", "macro-F1", "above the best control", "verdict", "where"], rows


def _cell(cell: Any, name: str) -> dict[str, float]:
    ends = (("value", ""), ("low", "_low"), ("high", "_high"))
    return {key: float(cell[name + end]) for key, end in ends}


def measured_as(result: Any) -> str:
    """Return the variable of a `thinking_time` Dataset that says what episodes came to."""
    return "solve_rate" if "solve_rate" in result else "mean_outcome"


def outcome_rows(result: Any) -> list[dict[str, Any]]:
    """Return what a `thinking_time` Dataset measured as records, JSON-able.

    Each has ``source``, ``thinking_steps``, ``n``, and ``solve_rate`` (or ``mean_outcome``, in the
    outcome's unit, where no episode can succeed) and ``gain`` (over no thinking, paired) as
    ``{"value", "low", "high"}``, shares between 0 and 1 (gain: −1 and 1).
    """
    return [
        {
            "source": str(source),
            "thinking_steps": int(steps),
            "n": int(result.sizes["episode"]),
            **{
                name: _cell(result.sel(source=source, thinking=steps), name)
                for name in (measured_as(result), "gain")
            },
        }
        for source in result.source.values
        for steps in result.thinking.values
    ]


def _number(interval: dict[str, float]) -> str:
    if interval["value"] != interval["value"]:
        return ""
    return "{value:.3g} [{low:.3g}, {high:.3g}]".format(**interval)


def _percent(interval: dict[str, float]) -> str:
    if interval["value"] != interval["value"]:
        return ""
    value, low, high = (100 * interval[key] for key in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


@dataclass
class Train(Command):
    """Train an organism by a recipe; weights, log and state to resume from go to a folder."""

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """Name of a recipe (see the module `recipes` of a family)."""
    out: Path
    """Folder for weights, log and the state to resume from."""
    seed: OptionalInt = None
    """Of weights, levels and actions; the recipe's own if left out."""
    resume: bool = True
    """Go on where a training in that folder stopped; otherwise such a folder is an error."""
    device: OptionalStr = None
    """Where it is trained: cpu, cuda."""
    progress: bool = True
    """Show a progress bar."""

    def run(self) -> int:
        """See `Command.run`."""
        from organisms.training.run import train_recipe

        chosen = {"seed": self.seed, "device": self.device}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        options: dict[str, Any] = {**chosen, "resume": self.resume, "progress": self.progress}
        print(train_recipe(self.recipe, self.out, **options))
        return 0
