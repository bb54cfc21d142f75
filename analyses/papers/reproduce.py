"""Make a paper's figure again: figure, Dataset and comparison."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analyses.papers.comparison import comparison, differences
from analyses.papers.entry import Conditions, PaperFigure, Setting
from analyses.papers.published import published, with_published
from analyses.papers.registry import find_figure
from interp.errors import InputError, UnknownNameError

CONDITIONS = ("auto", "paper", "ours")
FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` made.

    Attributes
    ----------
    figure
        The files of the figure: PNG, PDF, SVG.
    dataset
        netCDF: every number that the figure shows, the published ones included.
    comparison
        JSON: see `reproduce`.
    record
        The content of that JSON.
    """

    figure: tuple[Path, ...]
    dataset: Path
    comparison: Path
    record: Mapping[str, Any]


def reproduce(
    figure: str,
    organism: Any,
    out: str | os.PathLike,
    *,
    conditions: Literal["auto", "paper", "ours"] = "auto",
    n: int | None = None,
    seed: int | None = None,
    splits: Sequence[str] | None = None,
    device: Any = None,
    progress: bool = True,
    say: Callable[[str], Any] | None = None,
) -> Reproduction:
    """Make a figure of a paper again, on any organism that has what it needs.

    Parameters
    ----------
    figure
        Id of an entry; see `figures`.
    organism
        A name, a folder, or an organism.
    out
        Folder for the results; recordings are kept in it and found again.
    conditions
        The paper's (level sets, step limit, thinking steps, seeds), or those of a quick run;
        ``"auto"`` takes the paper's for a released agent.
    n, seed, splits
        Instead of the conditions' sizes, seeds and sets.
    device
        Where the network runs.
    say
        Gets the conditions in words before anything runs, e.g. ``print``.

    Returns
    -------
    Reproduction
        The JSON holds ``figure`` (the entry), ``organism``, ``conditions`` (used, and the paper's),
        ``differences`` (in words, what keeps theirs and ours from being comparable), ``comparable``,
        ``summary``, ``verdict`` (of our own test: a null result is one), and ``rows``: each with
        ``published``, ``ours`` (value, low, high, n), ``comparable``, ``why_not`` and ``agrees``.

    Raises
    ------
    UnknownNameError
        If there is no such figure or organism.
    AssetError
        If levels or weights are missing: says what to download and where to put it.
    UnknownSiteError, InputError
        If the organism lacks what the figure needs.
    """
    entry = find_figure(figure)
    if conditions not in CONDITIONS:
        raise UnknownNameError("choice of conditions", conditions, CONDITIONS)
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; a figure needs a folder.")
    loaded, home, released = _organism(organism, device)
    entry.needs.check(loaded)
    chosen = conditions if conditions != "auto" else ("paper" if released else "ours")
    used = (entry.theirs if chosen == "paper" else entry.ours).changed(n, seed, splits)
    loaded = with_step_limit(loaded, used.max_steps)
    if say is not None:
        say(f"{entry.id} on {loaded.name}, under {_whose(chosen)} conditions: {used}.")
    theirs = published(entry.id)
    out.mkdir(parents=True, exist_ok=True)
    setting = Setting(loaded, home, used, _recordings(out, entry, loaded, used), released, progress)
    limit = int(loaded.world(setting.tasks()[0:1]).max_steps)
    dataset = entry.compute(setting)
    shared = differences(entry, loaded, used, limit)
    compared = comparison(entry, dataset, entry.compare(dataset, theirs), shared)
    dataset = with_published(dataset, theirs)
    dataset.attrs |= {
        "figure": entry.id,
        "conditions": str(used),
        "verdict": compared["verdict"]["words"],
        "comparable": _caption(compared["comparable"], shared),
    }
    return _write(entry, dataset, compared, used, chosen, loaded, out)


def with_step_limit(organism: Any, max_steps: int | None) -> Any:
    """Return the organism in a world with another step limit; the same one if that is its own."""
    if max_steps is None or organism.card.world.get("max_steps") == max_steps:
        return organism
    world = {**organism.card.world, "max_steps": max_steps}
    card = dataclasses.replace(organism.card, world=world)
    return organism.replace(card=card)


def _organism(given: Any, device: Any) -> tuple[Any, Path | None, bool]:
    """Return an organism, its folder if it has one, and whether it is a released agent."""
    import organisms

    shipped = organisms.shipped()
    organism = given
    name = getattr(given, "name", None)
    if isinstance(given, str | os.PathLike):
        organism, name = organisms.load(given, device), os.fspath(given)
    elif not hasattr(given, "network") or not hasattr(given, "tasks"):
        raise InputError(f"An organism is given by name, folder or itself, not {given!r:.80}.")
    if name in shipped:
        return organism, shipped[name], False
    if name in organisms.names():
        return organism, None, True
    home = Path(name) if name is not None and Path(name).is_dir() else None
    return organism, home, home is not None and not (home / "card.json").is_file()


def _recordings(out: Path, entry: PaperFigure, organism: Any, used: Conditions) -> Path:
    """Return a folder of its own for every organism and conditions: a stopped run is taken up."""
    key = f"{organism.name} {organism.weights_sha256()} {used}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return out / "recordings" / f"{entry.id}-{digest}"


def _whose(chosen: str) -> str:
    return "the paper's" if chosen == "paper" else "our own"


def _caption(comparable: bool, shared: Sequence[Any]) -> str:
    """Return what the figure says about comparability, short."""
    if comparable:
        return "published and ours are comparable"
    kinds = list(dict.fromkeys(c.kind for c in shared if c.blocking))
    why = ", ".join(kinds) if kinds else "not verified"
    return f"published and ours are NOT comparable ({why})"


def _write(
    entry: PaperFigure,
    dataset: Any,
    compared: dict[str, Any],
    used: Conditions,
    chosen: str,
    organism: Any,
    out: Path,
) -> Reproduction:
    from interp.files import write_atomically, write_netcdf
    from interp.style import save

    data = out / f"{entry.id}.nc"
    write_netcdf(dataset, data)
    record = {
        "figure": entry.to_dict(),
        "organism": {**organism.describe(), "summary": organism.card.summary},
        "conditions": {
            "whose": chosen,
            "used": used.to_dict(),
            "used_in_words": str(used),
            "paper": entry.theirs.to_dict(),
            "paper_in_words": str(entry.theirs),
        },
        **compared,
        "files": {"figure": [f"{entry.id}.{kind}" for kind in FORMATS], "dataset": data.name},
    }
    path = out / f"{entry.id}.json"
    text = json.dumps(finite(record), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")
    pictures = save(entry.draw(dataset), out / entry.id, formats=FORMATS)
    return Reproduction(tuple(pictures), data, path, record)


def finite(record: Any) -> Any:
    """Return the record with None for what is not finite, lists for tuples: JSON has neither."""
    if isinstance(record, Mapping):
        return {str(key): finite(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [finite(value) for value in record]
    if isinstance(record, Path):
        return str(record)
    return None if isinstance(record, float) and not math.isfinite(record) else record
