"""How far does success reach beyond the tasks the organism was made for?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analyses.needs import Success
from analyses.question import answer_plot, question
from analyses.verdict import ALPHA, INTERVALS, add_verdict
from interp.errors import InputError, UnknownNameError, check_integer
from interp.runs.tasks import check_tasks
from organisms.capabilities.accommodation import Accommodation
from organisms.capabilities.capability import LikeOrganism

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.contract import Tasks


@question("How far does success reach beyond the tasks it was made for?", needs=(Success(),))
def generalisation(
    organism: Any,
    collections: Mapping[str, Tasks],
    reference: str | None = None,
    thinking_steps: int | Iterable[int] = 0,
    *,
    misfits: str = "raise",
    untrained: bool = True,
    seed: int = 0,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    batch_size: int = 128,
    progress: bool = True,
    **world_options: Any,
) -> xr.Dataset:
    r"""Measure success on several collections of tasks, against a reference collection.

    Parameters
    ----------
    organism
        With ``run`` and ``accommodate``, which puts tasks into a form that its network takes (a
        smaller board is padded) or says why it cannot.
    collections
        Name → tasks (what ``organism.tasks(…)`` gives for a split, a file or a text).
    reference
        The collection that the others are compared with: the distribution the organism was trained
        on. Default the first.
    thinking_steps
        Before the first action; one number or several.
    misfits
        What happens to tasks that the network cannot take: ``"raise"``, or ``"leave_out"``, which
        counts them in ``n_left_out`` (a collection of nothing else still raises).
    untrained
        Whether the untrained network is run on the same tasks, as the control.
    **world_options
        Passed to ``organism.world``, such as a step limit for larger tasks.

    Returns
    -------
    xarray.Dataset
        ===================================  ======================================================
        variable                             dims
        ===================================  ======================================================
        solved (1, 0), length                source, thinking, task
        collection_of, level_id,             task; whatever ``organism.task_features`` names
        feature_*
        solve_rate, _low, _high              source, thinking, collection
        gap, _low, _high                     source, thinking, collection: solve rate minus that on
                                             the reference (independent tasks)
        excess, _low, _high                  thinking, collection: trained minus untrained, paired
        stratum_rate, _low, _high,           source, thinking, stratum: tasks of a collection with
        stratum_n                            the same features; coordinates along it say which
        n_tasks, n_left_out                  collection
        p_value, p_holm                      thinking, collection; exact sign test of excess ≤ 0
        gap_p_value                          thinking, collection; two-sided permutation test of
                                             gap = 0, of the trained network (not corrected)
        found                                collection: excess > 0 at some thinking time
        ===================================  ======================================================

    Raises
    ------
    InputError
        If tasks do not fit the network (naming one and the reason), a collection is empty, or an
        option has a wrong value.
    UnknownNameError
        If the reference is not among the collections.

    Notes
    -----
    ``found`` says that some success reaches a collection, over what chance and the untrained
    network achieve; ``gap`` says how much is lost on the way. A step limit that fits the reference
    may be too short for larger tasks.

    References
    ----------
    Guez et al. 2019 (arXiv 1901.03559), Sec. 4 (other level sets, more boxes); Taufeeque et al.
    2025 (arXiv 2506.10138), App. M (larger boards, which need a head of any size).

    Examples
    --------
    >>> import organisms
    >>> organism = organisms.load("sokoban-drc-small-v2")
    >>> sets = {"own": organism.tasks("test", 4), "one": organism.tasks("#####\n#@$.#\n#####")}
    >>> result = generalisation(organism, sets, progress=False)
    >>> result.solve_rate.dims
    ('source', 'thinking', 'collection')
    """
    from tqdm import tqdm

    from interp.statistics import (
        DIFFERENCE,
        RATE,
        difference_interval,
        mean_interval,
        permutation_test,
        sign_test,
    )

    if not hasattr(organism, "run"):
        raise InputError(
            f"generalisation runs an organism: give organisms.load(…), not a "
            f"{type(organism).__name__}."
        )
    names = _names(collections, reference, misfits)
    reference = names[0] if reference is None else reference
    given: list[Any] = (
        list(thinking_steps) if isinstance(thinking_steps, Iterable) else [thinking_steps]
    )
    for t in given:
        check_integer("thinking_steps", t, 0)
    times = sorted(set(map(int, given)))
    fitted = {name: _fit(organism, name, collections[name], misfits) for name in names}
    sources = ["trained", "untrained"] if untrained else ["trained"]
    place = np.concatenate([[i] * len(fitted[name][1]) for i, name in enumerate(names)])
    shape = (len(sources), len(times), len(place))
    solved, length = np.full(shape, np.nan), np.full(shape, np.nan)
    grid = [(s, t, name) for s in range(len(sources)) for t in range(len(times)) for name in names]
    for s, t, name in tqdm(grid, unit="run", desc="generalisation", disable=not progress):
        player, tasks = fitted[name][:2]
        player = _with_options(player if not s else player.untrained(seed), world_options)
        run = player.run(tasks, seed=seed, thinking_steps=times[t], batch_size=batch_size)
        here = place == names.index(name)
        solved[s, t, here], length[s, t, here] = run.solved, run.length

    cells = (len(sources), len(times), len(names))
    rate, gap = np.full((3, *cells), np.nan), np.full((3, *cells), np.nan)
    excess = np.full((3, *cells[1:]), np.nan)
    p, gap_p = np.full(cells[1:], np.nan), np.full(cells[1:], np.nan)
    home = place == names.index(reference)
    for s, t, c in np.ndindex(cells):
        mine, there = solved[s, t, place == c], solved[s, t, home]
        rate[:, s, t, c] = mean_interval(mine, n_bootstrap, confidence, seed, bounds=RATE)
        if names[c] != reference:
            gap[:, s, t, c] = difference_interval(mine, there, confidence, bounds=RATE)
            if not s:
                gap_p[t, c] = permutation_test(mine, there, 2000, "two-sided", seed).p_value
        else:
            gap[0, s, t, c] = 0.0
        if not s:
            other = solved[1, t, place == c] if untrained else np.zeros_like(mine)
            excess[:, t, c] = mean_interval(
                mine - other, n_bootstrap, confidence, seed, bounds=DIFFERENCE
            )
            p[t, c] = float(sign_test((mine - other)[:, None])[0])
    features, strata = _strata(organism, fitted, names, place)
    data: dict[str, Any] = {
        "solved": (("source", "thinking", "task"), solved),
        "length": (("source", "thinking", "task"), length),
        "collection_of": ("task", np.array([names[i] for i in place], dtype=object)),
        "level_id": (
            "task",
            np.array([i for name in names for i in fitted[name][1].ids], dtype=object),
        ),
        **{f"feature_{name}": ("task", values) for name, values in features.items()},
        "n_tasks": ("collection", [len(fitted[name][1]) for name in names]),
        "n_left_out": ("collection", [fitted[name][2] for name in names]),
        "gap_p_value": (("thinking", "collection"), gap_p),
    }
    dims = ("source", "thinking", "collection")
    for i, end in enumerate(("", "_low", "_high")):
        data[f"solve_rate{end}"], data[f"gap{end}"] = (dims, rate[i]), (dims, gap[i])
        data[f"excess{end}"] = (dims[1:], excess[i])
    data |= _stratum_rates(solved, strata, n_bootstrap, confidence, seed)
    coords = {"source": sources, "thinking": times, "collection": names}
    attrs = {
        "analysis": "generalisation",
        "organism": organism.name,
        "reference": reference,
        "confidence": confidence,
        "intervals": INTERVALS.format("tasks", n_bootstrap),
        "seed": seed,
        "max_steps": int(
            _with_options(fitted[reference][0], world_options)
            .world(fitted[reference][1][0:1])
            .max_steps
        ),
    }
    definition = "one-sided, of excess ≤ 0; exact sign test over tasks"
    p_value = xr.DataArray(p, {k: coords[k] for k in dims[1:]}, dims[1:])
    dataset = xr.Dataset(data, coords, attrs)
    p_value = p_value.assign_attrs(definition=definition)
    dataset = add_verdict(dataset, "excess", ("thinking", "collection"), p=p_value)
    dataset["found"] = (
        (dataset.p_holm < ALPHA)
        .any("thinking")
        .assign_attrs(
            definition=f"excess > 0 at some thinking time: Holm-corrected p < {ALPHA}, over all "
            "collections and times"
        )
    )
    return dataset


def _names(collections: Any, reference: str | None, misfits: str) -> list[str]:
    if not isinstance(collections, Mapping) or not collections:
        raise InputError("collections are a mapping of names to tasks, with at least one.")
    names = [str(name) for name in collections]
    for name in names:
        if collections[name] is None or not len(collections[name]):
            raise InputError(f"The collection {name!r} has no tasks.")
        check_tasks(collections[name])
    if reference is not None and reference not in names:
        raise UnknownNameError("collection", reference, names)
    if misfits not in ("raise", "leave_out"):
        raise UnknownNameError("way to treat misfits", misfits, ("raise", "leave_out"))
    return names


def _fit(organism: Any, name: str, tasks: Any, misfits: str) -> tuple[Any, Any, int, Any]:
    """Return organism and collection as they fit, how many tasks do not, and those that do."""
    try:
        return (
            *Accommodation.of(organism).accommodate(tasks),
            0,
            tasks,
        )
    except InputError as error:
        if misfits == "raise":
            raise InputError(f"The collection {name!r}: {error}") from error
        reason = error
    kept = [at for at in range(len(tasks)) if _fits(organism, tasks[at : at + 1])]
    if not kept:
        raise InputError(f"Of the collection {name!r} no task fits: {reason}") from reason
    fitting = tasks[np.array(kept)]
    return (
        *Accommodation.of(organism).accommodate(fitting),
        len(tasks) - len(kept),
        fitting,
    )


def _fits(organism: Any, task: Any) -> bool:
    try:
        Accommodation.of(organism).accommodate(task)
    except InputError:
        return False
    return True


def _with_options(organism: Any, options: Mapping[str, Any]) -> Any:
    return _Host(organism, options) if options else organism


class _Host(LikeOrganism):
    """An organism whose worlds have other options."""

    def __init__(self, organism: Any, options: Mapping[str, Any]):
        super().__init__(organism)
        self._options = dict(options)

    def world(self, tasks: Any) -> Any:
        return self._organism.world(tasks, **self._options)

    def run(self, tasks: Any, **options: Any) -> xr.Dataset:
        from interp.runs.episodes import run_episodes

        this: Any = self
        return run_episodes(this, tasks, **options)


def _strata(
    organism: Any, fitted: Mapping[str, Any], names: list[str], place: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the features of every task, and which stratum it is of."""
    per = [dict(Accommodation.of(organism).task_features(fitted[name][3])) for name in names]
    shared = [key for key in per[0] if all(key in other for other in per)]
    features = {key: np.concatenate([np.asarray(other[key]) for other in per]) for key in shared}
    rows = np.stack([place, *features.values()], axis=1)
    unique, of = np.unique(rows, axis=0, return_inverse=True)
    return features, {
        "of": of.reshape(-1),
        "collection": [names[int(row[0])] for row in unique],
        **{key: unique[:, i + 1] for i, key in enumerate(shared)},
    }


def _stratum_rates(
    solved: np.ndarray, strata: dict[str, Any], n_bootstrap: int, confidence: float, seed: int
) -> dict[str, Any]:
    from interp.statistics import RATE, mean_interval

    n = len(strata["collection"])
    rates = np.full((3, *solved.shape[:2], n), np.nan)
    for stratum in range(n):
        mine = np.moveaxis(solved[..., strata["of"] == stratum], -1, 0)
        rates[..., stratum] = mean_interval(mine, n_bootstrap, confidence, seed, bounds=RATE)
    dims = ("source", "thinking", "stratum")
    data: dict[str, Any] = {
        f"stratum_rate{end}": (dims, rates[i]) for i, end in enumerate(("", "_low", "_high"))
    }
    data["stratum_n"] = ("stratum", np.bincount(strata["of"], minlength=n))
    for key, values in strata.items():
        if key != "of":
            kind = object if key == "collection" else None
            data[f"stratum_{key}"] = ("stratum", np.array(values, dtype=kind))
    return data


@answer_plot
def plot_generalisation(dataset: xr.Dataset) -> Figure:
    """Draw the solve rate on every collection, trained and untrained, and the gap to the reference."""
    from interp.style import bars_with_intervals, figure_style, legend_outside, subplots

    last = dataset.isel(thinking=0)
    names = [str(name) for name in dataset.collection.values]
    labels = [f"{name}\n(n = {int(n)})" for name, n in zip(names, dataset.n_tasks, strict=True)]
    sources = [str(source) for source in dataset.source.values]
    with figure_style():
        figure, axes = subplots(1, 2, width="text", height=2.9)
        panels = (
            ("solve_rate", sources, "a   success", "tasks solved (%)"),
            ("gap", ["trained"], "b   against the reference", "difference in solve rate (points)"),
        )
        for ax, (name, series, title, label) in zip(axes, panels, strict=True):
            cell = last.sel(source=series)
            values = [
                100 * cell[name + end].transpose("source", "collection")
                for end in ("", "_low", "_high")
            ]
            bars_with_intervals(ax, *values, categories=labels, series=series)
            ax.set_title(title, loc="left")
            ax.set_ylabel(label)
            ax.tick_params(axis="x", rotation=30)
        axes[0].set_ylim(0, 100)
        think, share = int(last.thinking), 100 * dataset.attrs["confidence"]
        figure.suptitle(
            f"{dataset.attrs['organism']}: {think} thinking steps, at most "
            f"{dataset.attrs['max_steps']} steps, reference {dataset.attrs['reference']!r}; "
            f"whiskers {share:.0f} %"
        )
        legend_outside(figure, axes, loc="outside lower center", ncols=2)
    return figure
