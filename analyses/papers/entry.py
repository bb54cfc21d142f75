"""What an entry of the registry is: a paper's figure, what it needs, and under which conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from analyses.papers.comparison import Row
    from analyses.papers.published import Published


@dataclass(frozen=True)
class TaskSet:
    """Tasks: a name that ``organism.tasks`` takes, and how many.

    Attributes
    ----------
    split
        Name, file or text.
    n
        None for all of them.
    label
        What the figure calls the set.
    """

    split: str
    n: int | None = None
    label: str = ""

    def __str__(self) -> str:
        return f"{self.split} ({'all' if self.n is None else self.n})"


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a figure is made.

    Attributes
    ----------
    tasks
        Sets of tasks.
    max_steps
        Step limit of an episode; None for the organism's own.
    thinking_steps
        Numbers of thinking steps.
    seeds
        Of recordings, splits, probes and bootstrap: one result for each where there are several.
    options
        Further arguments of the analysis, JSON-able.
    note
        What else belongs to them.
    """

    tasks: tuple[TaskSet, ...]
    max_steps: int | None = None
    thinking_steps: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def changed(
        self, n: int | None = None, seed: int | None = None, splits: Sequence[str] | None = None
    ) -> Conditions:
        """Return the conditions with another size, seed, or other sets of tasks.

        The size is that of every set of tasks, or, where an analysis makes its own, the option
        ``n_tasks``.
        """
        tasks, options = self.tasks, dict(self.options)
        if splits:
            sizes = [task_set.n for task_set in tasks]
            some = next((size for size in sizes if size is not None), None)
            tasks = tuple(TaskSet(split, some, split) for split in splits)
        if n is not None and "n_tasks" in options:
            options["n_tasks"] = n
        elif n is not None:
            tasks = tuple(dataclasses.replace(task_set, n=n) for task_set in tasks)
        seeds = self.seeds if seed is None else (seed,)
        return dataclasses.replace(self, tasks=tasks, seeds=seeds, options=options)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        def several(values: Sequence[Any]) -> str:
            return ", ".join(map(str, values))

        limit = "the organism's own" if self.max_steps is None else str(self.max_steps)
        parts = [
            f"tasks {several(self.tasks)}",
            f"step limit {limit}",
            f"thinking steps {several(self.thinking_steps)}",
            f"seeds {several(self.seeds)}",
            *(f"{name.replace('_', ' ')} {value}" for name, value in self.options.items()),
        ]
        return "; ".join(parts) + (f". {self.note}" if self.note else "")


@dataclass(frozen=True)
class Needs:
    """What an organism must have for a figure to be made from it.

    Attributes
    ----------
    axes
        Of the run: ``"tick"`` for figures along internal deliberation.
    sites
        Globs of sites that are recorded; empty if none are.
    concepts
        Names among ``organism.concepts``.
    capabilities
        What the organism must be able to do (`organisms.Steering`).
    history
        Whether a training log or checkpoints are drawn where there are any.
    checkpoints
        How many checkpoints of the training must ship at least, besides the organism itself.
    """

    axes: tuple[str, ...] = ("episode", "step")
    sites: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    capabilities: tuple[type, ...] = ()
    history: bool = False
    checkpoints: int = 0

    def check(self, organism: Any) -> None:
        """Raise if the organism lacks any of it, naming what.

        Raises
        ------
        UnknownSiteError, UnknownNameError
            For a site or concept that is missing.
        InputError
            For anything else.
        """
        from interp.network.site_names import select_sites

        if self.sites:
            chosen = select_sites(self.sites, organism.sites)
            if "tick" in self.axes and not any("tick" in organism.sites[s] for s in chosen):
                raise InputError(f"The figure runs along ticks, and {organism.name} has none.")
        for concept in self.concepts:
            if concept not in organism.concepts:
                raise UnknownNameError("concept", concept, organism.concepts)
        for capability in self.capabilities:
            organism[capability]  # raises, and says who has it
        if self.checkpoints:
            there = [c for c in organism.checkpoints if c != organism.card.training_steps]
            if len(there) < self.checkpoints:
                raise InputError(
                    f"The figure needs {self.checkpoints} or more checkpoints of the training; "
                    f"{organism.name} ships {len(there)}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        names = [capability.__name__ for capability in self.capabilities]
        return {**dataclasses.asdict(self), "capabilities": names}


@dataclass(frozen=True)
class Caution:
    """Why a number of theirs and one of ours may not be compared.

    Attributes
    ----------
    kind
        ``"agent"``, ``"level set"``, ``"step limit"``, ``"metric"``, ``"protocol"``, ``"size"``, …
    text
        In words.
    blocking
        Whether the numbers are not comparable because of it; otherwise they are, with care.
    """

    kind: str
    text: str
    blocking: bool = True


@dataclass(frozen=True)
class Setting:
    """What the computation of an entry gets.

    Attributes
    ----------
    organism
        With the step limit of the conditions.
    home
        Folder of the organism with its log, None if it has none.
    conditions
        As used.
    folder
        Where recordings are kept.
    released
        Whether it is an agent that a paper released.
    progress
        Whether to show progress bars.
    """

    organism: Any
    home: Path | None
    conditions: Conditions
    folder: Path
    released: bool = False
    progress: bool = True

    @property
    def seed(self) -> int:
        """The first seed."""
        return self.conditions.seeds[0]

    def tasks(self, task_set: TaskSet | None = None) -> Any:
        """Return a set of tasks; the first one by default."""
        chosen = self.conditions.tasks[0] if task_set is None else task_set
        return self.organism.tasks(chosen.split, chosen.n, self.seed)


@dataclass(frozen=True)
class PaperFigure:
    """One figure or table of a paper that can be made again.

    Attributes
    ----------
    id
        Its name here; the published numbers are ``data/papers/ID.csv``.
    paper, reference, figure
        Authors and year; arXiv number; figure or table.
    shows
        What is drawn.
    claim
        What the paper claims with it and a verdict is given on; empty if nothing is tested.
    agent
        The paper's agent, in words.
    agents, training_seeds
        Names under which this library loads the paper's own agents; empty if they were not
        released. Over how many training runs their numbers are means.
    needs
        What the organism must have.
    theirs, ours
        The paper's conditions, and those of a quick run on an organism of our own.
    cautions
        What makes theirs and ours hard to compare whatever the organism and the conditions.
    compute
        Setting → Dataset.
    compare
        Dataset and published numbers → rows.
    draw
        Dataset (with the published numbers in it) → figure.
    """

    id: str
    paper: str
    reference: str
    figure: str
    shows: str
    agent: str
    needs: Needs
    theirs: Conditions
    ours: Conditions
    compute: Callable[[Setting], xr.Dataset]
    compare: Callable[[xr.Dataset, list[Published]], list[Row]]
    draw: Callable[[xr.Dataset], Figure]
    claim: str = ""
    agents: tuple[str, ...] = ()
    training_seeds: int = 1
    cautions: tuple[Caution, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data: what `mesascope figures --json` prints."""
        about = ("id", "paper", "reference", "figure", "shows", "claim", "agent")
        return {
            **{name: getattr(self, name) for name in about},
            "agents": list(self.agents),
            "needs": self.needs.to_dict(),
            "conditions": {"paper": self.theirs.to_dict(), "ours": self.ours.to_dict()},
            "cautions": [dataclasses.asdict(caution) for caution in self.cautions],
        }
