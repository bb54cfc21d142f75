"""Theirs beside ours: rows, what keeps them from being comparable, and the verdict, as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyses.papers.entry import Caution, Conditions, PaperFigure
from analyses.papers.published import FIRM, Published

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Row:
    """A published number and ours, in one unit.

    Attributes
    ----------
    published
        Theirs; None for a number of ours that the paper has no counterpart of.
    quantity, cell
        Of ours, in words.
    value, low, high
        Ours and its interval; NaN where there is none.
    n
        Units (levels, episodes) behind it.
    unit
        Of ours.
    cautions
        Of this row alone.
    """

    published: Published | None
    quantity: str
    cell: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    cautions: tuple[Caution, ...] = ()

    def to_dict(self, shared: Sequence[Caution], intervals: str) -> dict[str, Any]:
        """Return JSON-able data; what is not finite is None."""
        why = [c.text for c in (*shared, *self.cautions) if c.blocking]
        theirs = self.published
        if theirs is not None and theirs.verification not in FIRM:
            why.append(f"The published number was not verified: {theirs.verification}.")
        there = math.isfinite(self.value)
        if not there:
            why.append("Ours is missing: the condition was not run or could not be scored.")
        comparable = theirs is not None and not why
        ours = {"value": self.value, "low": self.low, "high": self.high}
        return {
            "quantity": self.quantity,
            "cell": self.cell,
            "published": None if theirs is None else theirs.to_dict(),
            "ours": {
                **{k: v if math.isfinite(v) else None for k, v in ours.items()},
                "unit": self.unit,
                "n": self.n,
                "interval": intervals,
            },
            "comparable": comparable,
            "why_not": why if theirs is not None else ["The paper gives no such number."],
            "agrees": self._agrees() if comparable else None,
        }

    def _agrees(self) -> bool | None:
        """Return whether the intervals allow both to be one number; None if they cannot tell."""
        theirs = self.published
        if theirs is None or not math.isfinite(self.low + self.high):
            return None
        if theirs.relation in (">", "≥", "<", "≤"):
            above, below = self.low > theirs.value, self.high < theirs.value
            if not (above or below):
                return None
            return above if theirs.relation in (">", "≥") else below
        low = theirs.value if theirs.low is None else theirs.low
        high = theirs.value if theirs.high is None else theirs.high
        return self.low <= high and low <= self.high


def differences(
    entry: PaperFigure, organism: Any, used: Conditions, max_steps: int
) -> list[Caution]:
    """Return in words how this run differs from the paper's.

    Parameters
    ----------
    used
        Conditions as used.
    max_steps
        Step limit as used.
    """
    found = []
    if organism.name not in entry.agents:
        found.append(
            Caution(
                "agent",
                f"Another agent: theirs is {entry.agent}; this is {organism.name} "
                f"({organism.card.summary.rstrip('.')}).",
            )
        )
    elif entry.training_seeds > 1:
        found.append(
            Caution(
                "seeds",
                f"One trained network ({organism.name}) where theirs is a mean over "
                f"{entry.training_seeds}: the spread over training runs is not in our interval.",
                blocking=False,
            )
        )
    theirs = entry.theirs
    ours_sets = {task_set.split for task_set in used.tasks}
    their_sets = {task_set.split for task_set in theirs.tasks}
    if ours_sets != their_sets:
        other = "Another level set" if not ours_sets <= their_sets else "Not all of their sets"
        found.append(
            Caution("level set", f"{other}: {_names(ours_sets)}, not {_names(their_sets)}.")
        )
    sizes = {task_set.split: task_set.n for task_set in theirs.tasks}
    for task_set in used.tasks:
        wanted = sizes.get(task_set.split, task_set.n)
        if wanted != task_set.n:
            text = f"{task_set.n} levels of {task_set.split} instead of {wanted or 'all'}."
            found.append(Caution("size", f"Fewer or other levels: {text}", blocking=False))
    if theirs.max_steps is not None and max_steps != theirs.max_steps:
        found.append(
            Caution(
                "step limit",
                f"Another step limit: {max_steps} instead of {theirs.max_steps} steps.",
            )
        )
    missing = sorted(set(theirs.thinking_steps) - set(used.thinking_steps))
    if missing:
        found.append(
            Caution("thinking steps", f"Not run: {missing} thinking steps.", blocking=False)
        )
    if len(used.seeds) < len(theirs.seeds):
        text = f"{len(used.seeds)} seed instead of {len(theirs.seeds)}: no spread over seeds."
        found.append(Caution("seeds", text, blocking=False))
    changed = [k for k, v in theirs.options.items() if used.options.get(k, v) != v]
    for name in changed:
        text = f"{name.replace('_', ' ')} {used.options[name]} instead of {theirs.options[name]}."
        found.append(Caution("protocol", f"Another setting: {text}", blocking=False))
    return [*found, *entry.cautions]


def _names(names: set[str]) -> str:
    return " and ".join(sorted(names))


def verdict(entry: PaperFigure, dataset: xr.Dataset) -> dict[str, Any]:
    """Return the verdict of the Dataset's own test, in words too; a null result is one.

    The attribute ``verdict_note`` of the Dataset, if it has one, is added to the words.

    Returns
    -------
    dict
        ``claim``, ``found`` (cell → bool; empty if nothing was tested) and ``words``.
    """
    if not entry.claim:
        words = "This figure describes; it makes no claim that is tested."
        return {"claim": "", "found": {}, "words": words}
    if "found" not in dataset:
        words = f"Not tested: {entry.claim}."
        return {"claim": entry.claim, "found": {}, "words": words}
    found = dataset.found
    if "source" in found.dims:
        found = found.sel(source="trained")
    cells = {"": bool(found)} if not found.ndim else {}
    for cell in found.stack(cell=[...]) if found.ndim else ():
        names = cell.cell.item()
        cells[" · ".join(str(n).replace("_", " ") for n in names)] = bool(cell)
    parts = []
    for answer, there in (("Found", True), ("Not found", False)):
        chosen = [name for name, value in cells.items() if value is there]
        if chosen:
            inside = f" ({'; '.join(chosen)})" if any(chosen) else ""
            parts.append(f"{answer}{inside}: {entry.claim}.")
    definition = str(dataset.found.attrs.get("definition", ""))
    words = " ".join(parts) + (f" Test: {definition}." if definition else "")
    if note := dataset.attrs.get("verdict_note"):
        words += f" {note}."
    return {"claim": entry.claim, "found": cells, "words": words}


def comparison(
    entry: PaperFigure,
    dataset: xr.Dataset,
    rows: Sequence[Row],
    shared: Sequence[Caution],
) -> dict[str, Any]:
    """Return the comparison as JSON-able data; `reproduce` adds organism, conditions and files."""
    intervals = str(dataset.attrs.get("intervals", "none"))
    confidence = dataset.attrs.get("confidence")
    if confidence is not None:
        intervals = f"{100 * float(confidence):g} %, {intervals}"
    table = [row.to_dict(shared, intervals) for row in rows]
    agreed = [row["agrees"] for row in table if row["comparable"]]
    n = len(agreed)
    words = (
        f"{sum(a is True for a in agreed)} of {n} comparable numbers agree, "
        f"{sum(a is False for a in agreed)} do not, {sum(a is None for a in agreed)} undecided."
        if n
        else "No published number is comparable with ours; see differences."
    )
    return {
        "comparable": bool(n),
        "summary": words,
        "differences": [dataclasses.asdict(caution) for caution in shared],
        "verdict": verdict(entry, dataset),
        "rows": table,
    }
