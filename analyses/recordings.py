"""From an organism, a store or a run to the recorded run an analysis reads, and its control's."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.control_networks import control_network
from analyses.needs import Asked, no_plan_concepts, plan_concepts_of
from analyses.question import CannotAsk
from interp.errors import InputError, MesascopeError, TooFewClassesError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr

    from interp.concepts import Concept
    from interp.contract import Tasks


@dataclass(frozen=True)
class Recorded:
    """A run to analyse.

    Attributes
    ----------
    run
        The recorded run, lazy if it comes from a store.
    untrained
        The same observations through the untrained network, or None if there is none to be had.
    concepts
        Labels that can be computed on the run, by name.
    name
        The organism's name.
    organism
        It itself; None if it is not to be had.
    networks
        The same observations through networks that learned nothing, by name; ``untrained`` among them.
    spreads
        How their activations' spread compares to the organism's (`analyses.control_networks`).
    """

    run: xr.Dataset
    untrained: xr.Dataset | None
    concepts: Mapping[str, Concept]
    name: str
    organism: Any = None
    networks: Mapping[str, xr.Dataset] = dataclasses.field(default_factory=dict)
    spreads: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def concept(self, name: str | Concept) -> Concept:
        """Return a concept by name; one that is given itself is returned as it is.

        Raises
        ------
        UnknownNameError
            If the family has none of that name.
        """
        if not isinstance(name, str):
            return name
        if name not in self.concepts:
            raise UnknownNameError("concept", name, self.concepts)
        return self.concepts[name]


def labels_of(concept: Concept, run: xr.Dataset) -> tuple[xr.DataArray, Concept]:
    """Return the labels of a run, without the classes that hardly occur, and the concept left.

    A class is kept if a tenth of the episodes, or ten of them, show it; squares of other classes are
    left out (−1), since no probe could learn them from one half of the episodes and be scored on
    the other.

    Labels that are numbers are returned as they are.

    Raises
    ------
    TooFewClassesError
        If fewer than two classes are left, or numbers do not differ.
    """
    labels = concept(run)
    if concept.classes is None:
        if labels.dtype.kind == "f":
            _check_numbers(concept, labels, run)
        return labels, concept
    values = labels.values.reshape(labels.sizes["episode"], -1)
    least = max(2, min(10, len(values) // 10))
    often = [(values == c).any(axis=1).sum() >= least for c in range(len(concept.classes))]
    if all(often):
        return labels, concept
    kept = [c for c, there in enumerate(often) if there]
    classes = tuple(concept.classes[c] for c in kept)
    if len(kept) < 2:
        raise TooFewClassesError(
            f"of {concept.name!r} only {classes} occurs in {least} or more of {len(values)} episodes."
        )
    new = np.full(len(concept.classes) + 1, -1, labels.dtype)
    new[kept] = np.arange(len(kept))  # the last entry, reached as −1, stays −1
    negative = concept.negative if concept.negative in classes else None
    return labels.copy(data=new[labels.values]), dataclasses.replace(
        concept, classes=classes, negative=negative
    )


def _check_numbers(concept: Concept, labels: xr.DataArray, run: xr.Dataset) -> None:
    """Raise unless labels that are numbers differ within a run's episodes."""
    values = labels.transpose("episode", "step", ...).values
    if "step" in run.coords and "length" in run:
        values = values[run["step"].values < run["length"].values[:, None]]
    values = values[np.isfinite(values)]
    if not len(values) or values.min() == values.max():
        said = f"always {values[0]:g}" if len(values) else "nowhere defined"
        raise TooFewClassesError(
            f"{concept.name!r} is {said} in the {run.sizes['episode']} episodes: there is nothing to "
            "predict."
        )


def left_out(concepts: Iterable[tuple[Concept, Concept]]) -> str:
    """Return in words which classes `labels_of` left out of which concepts; "" if none."""
    parts = []
    for whole, kept in concepts:
        missing = [name for name in whole.classes or () if name not in (kept.classes or ())]
        if missing:
            parts.append(f"{whole.name}: {', '.join(missing)}")
    return "; ".join(parts)


def left_out_by_concept(words: str) -> dict[str, tuple[str, ...]]:
    """Return what `left_out` put into words: name of the concept → classes left out."""
    parts = (part.split(": ", 1) for part in words.split("; ") if part)
    return {concept: tuple(classes.split(", ")) for concept, classes in parts}


def concept_name(concept: str | Concept) -> str:
    """Return the name under which a concept's results are filed."""
    return concept if isinstance(concept, str) else concept.name


def concept_list(concepts: str | Concept | Iterable[str | Concept]) -> list[str | Concept]:
    """Return one or several concepts, names or the things themselves, as a list.

    Raises
    ------
    InputError
        If something else is among them.
    """
    if isinstance(concepts, str) or not isinstance(concepts, Iterable):
        chosen: list[Any] = [concepts]
    else:
        chosen = list(concepts)
    for concept in chosen:
        if not isinstance(concept, str) and not hasattr(concept, "classes"):
            raise InputError(
                f"A concept is given by its name or as a Concept, not {concept!r:.80}."
            )
    return chosen


@contextmanager
def recorded(
    source: Any,
    tasks: Tasks | None = None,
    sites: str | Iterable[str] | None = None,
    *,
    thinking_steps: int = 0,
    untrained: Any = "auto",
    control_networks: Sequence[str] = (),
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
) -> Iterator[Recorded]:
    """Give an analysis its run, recording it first if it gets an organism.

    Parameters
    ----------
    source
        An organism (it is recorded on `tasks`), the path of a store, or a run in memory.
    tasks
        Needed with an organism, refused otherwise.
    sites
        Sites to record, names or globs; default the organism's recurrent state.
    thinking_steps
        Of the recording.
    untrained
        The control: ``"auto"`` replays the run through the organism's untrained network (a store's
        organism is loaded by its name if its weights are the recorded ones; a warning says if there
        is none to be had, as for a run in memory), None does without, or a store or run of the same
        episodes.
    control_networks
        With ``"auto"``: names of `analyses.control_networks.control_network` to replay it through, in
        place of the untrained network as it comes.
    seed
        Of the recording and of the untrained weights.
    folder
        Where stores are kept (``run.zarr``, ``untrained.zarr``) and found again; default a
        temporary folder.

    Yields
    ------
    Recorded

    Raises
    ------
    InputError
        If `source` or `untrained` is none of these, or `tasks` are missing or too many.
    """
    from interp.runs.recording import record, record_replay
    from interp.store.read import open_store

    with tempfile.TemporaryDirectory(prefix="mesascope-") as scratch:
        where = Path(folder if folder is not None else scratch)
        where.mkdir(parents=True, exist_ok=True)
        organism = None
        # A Dataset has an attribute for each of its attrs, and every run notes its "network".
        if not _is_dataset(source) and hasattr(source, "network"):
            if tasks is None:
                raise InputError("An organism needs tasks to act on; a store has its own.")
            organism = source
            chosen = getattr(organism, "state_sites", "*") if sites is None else sites
            path = where / "run.zarr"
            record(
                organism,
                tasks,
                path,
                sites=chosen,
                seed=seed,
                thinking_steps=thinking_steps,
                progress=progress,
            )
            run: Any = open_store(path)
        elif not _is_dataset(source) and not isinstance(source, str | os.PathLike):
            raise _no_source(source)
        else:
            if tasks is not None:
                raise InputError("tasks are for an organism; a store or run brings its own.")
            path = source
            run = open_store(source) if isinstance(source, str | os.PathLike) else source
        name, concepts = str(run.attrs.get("organism", "unknown")), _concepts(organism, run)
        if organism is None:
            organism = _same_organism(run)
        networks: dict[str, xr.Dataset] = {}
        spreads: dict[str, float] = {}
        if isinstance(untrained, str) and untrained == "auto":
            control = None
            if hasattr(organism, "untrained") and isinstance(path, str | os.PathLike):
                assert organism is not None
                chosen = [site for site in organism.sites if site in run.data_vars]
                chosen = _beside(chosen, run)
                for kind in control_networks or ("untrained",):
                    store = where / "untrained.zarr"
                    if control_networks:
                        fresh, spreads[kind] = control_network(kind, organism, run, chosen, seed)
                        store = where / f"{kind.replace(' ', '-')}-matched.zarr"
                    else:
                        fresh = organism.untrained(seed)
                    record_replay(fresh, path, store, sites=chosen, progress=progress)
                    networks[kind] = open_store(store)
                control = next(iter(networks.values()))
            if control is None:
                warnings.warn(
                    "No untrained control: the run is not a store of an organism that can be loaded "
                    "by its name, or the organism has no untrained(seed). Record one with "
                    "interp.record_replay and pass it as `untrained`, or pass None to go without.",
                    stacklevel=4,
                )
        elif isinstance(untrained, str | os.PathLike):
            control = open_store(untrained)
        elif untrained is None or _is_dataset(untrained):
            control = untrained
        else:
            raise InputError(f"untrained is 'auto', None, a store or a run, not {untrained!r:.80}.")
        if control is not None and not networks:
            networks["untrained"] = control
        yield Recorded(run, control, concepts, name, organism, networks, spreads)


def _is_dataset(source: Any) -> bool:
    import xarray as xr

    return isinstance(source, xr.Dataset)


def _beside(sites: list[str], run: xr.Dataset) -> list[str]:
    """Leave out what every run keeps anyway (``logits``, ``value``)."""
    return [site for site in sites if run[site].dims[2:] and site != "logits"]


def _concepts(organism: Any, run: xr.Dataset) -> Mapping[str, Concept]:
    if organism is not None:
        return getattr(organism, "concepts", {})
    return concepts_of_family(run.attrs.get("family"))


def concepts_of_family(family: str | None) -> Mapping[str, Concept]:
    """Return the concepts that a run's family names; none if it is one that nobody here knows."""
    from organisms.registry import family_concepts

    try:
        return {} if family is None else family_concepts(family)
    except UnknownNameError:
        return {}


def run_of(organism: Any, tasks: Tasks, **options: Any) -> xr.Dataset:
    """Let an organism act on tasks and return the run, also one that has no ``run`` of its own.

    `options` are those of `interp.runs.episodes.run_episodes`.
    """
    if hasattr(organism, "run"):
        return organism.run(tasks, **options)
    from interp.runs.episodes import run_episodes

    return run_episodes(organism, tasks, **options)


def concepts_asked(
    source: Any, given: str | Concept | Iterable[str | Concept] | None
) -> list[str | Concept]:
    """Return the concepts that are asked for, by default those that a source's family says are plans.

    Parameters
    ----------
    source
        As in `recorded`.

    Raises
    ------
    CannotAsk
        If there are none.
    InputError
        If `source` is nothing that could be asked.
    """
    if given is not None:
        return concept_list(given)
    asked = Asked.of(source)
    if asked is None:
        raise _no_source(source)
    named = plan_concepts_of(asked.concepts())
    if not named:
        raise CannotAsk(no_plan_concepts(asked.name, asked.concepts()))
    return list(named)


def _no_source(source: Any) -> MesascopeError:
    from interp.store.read import open_store

    if isinstance(source, str | os.PathLike):
        open_store(source)  # says what is wrong with it
    return InputError(
        f"A {type(source).__name__} is no organism, store or run: give organisms.load(…), the "
        "path of a store, or what organism.run returned."
    )


def _same_organism(run: xr.Dataset) -> Any:
    """Load the organism that a run names, if it is here and has the recorded weights."""
    from organisms.registry import load, shipped

    name = run.attrs.get("organism")
    if name not in shipped():
        return None
    try:
        organism = load(name)
    except MesascopeError:
        return None
    same = organism.weights_sha256() == run.attrs.get("weights_sha256")
    return organism if same else None
