"""From an organism, a store or a run to the recorded run an analysis reads, and its control's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import InputError, MesascopeError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr

    from interp.concepts import Concept
    from interp.organism import Tasks


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
    """

    run: xr.Dataset
    untrained: xr.Dataset | None
    concepts: Mapping[str, Concept]
    name: str

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


def concept_name(concept: str | Concept) -> str:
    """Return the name under which a concept's results are filed."""
    return concept if isinstance(concept, str) else concept.name


@contextmanager
def recorded(
    source: Any,
    tasks: Tasks | None = None,
    sites: Iterable[str] | None = None,
    *,
    thinking_steps: int = 0,
    untrained: Any = "auto",
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
        Sites to record; default the organism's recurrent state.
    thinking_steps
        Of the recording.
    untrained
        The control: ``"auto"`` replays the run through the organism's untrained network (a store's
        organism is loaded by its name if its weights are the recorded ones), None does without, or
        a store or run of the same episodes.
    seed
        Of the recording and of the untrained weights.
    folder
        Where stores are kept (``run.zarr``, ``untrained.zarr``) and found again; default a
        temporary folder.

    Yields
    ------
    Recorded
    """
    from interp.recording import record, record_replay
    from interp.store import open_store

    with tempfile.TemporaryDirectory(prefix="mesascope-") as scratch:
        where = Path(folder if folder is not None else scratch)
        where.mkdir(parents=True, exist_ok=True)
        organism = None
        # A Dataset has an attribute for each of its attrs, and every run notes its "network".
        if not _is_dataset(source) and hasattr(source, "network"):
            if tasks is None:
                raise InputError("An organism needs tasks to act on; a store has its own.")
            organism = source
            chosen = list(organism.state_sites if sites is None else sites)
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
        else:
            if tasks is not None:
                raise InputError("tasks are for an organism; a store or run brings its own.")
            path = source
            run = open_store(source) if isinstance(source, str | os.PathLike) else source
        name, concepts = str(run.attrs.get("organism", "unknown")), _concepts(organism, run)
        if isinstance(untrained, str) and untrained == "auto":
            control = None
            if organism is None:
                organism = _same_organism(run)
            if organism is not None and isinstance(path, str | os.PathLike):
                control = where / "untrained.zarr"
                recorded_sites = [site for site in organism.sites if site in run.data_vars]
                fresh = organism.untrained(seed)
                record_replay(
                    fresh, path, control, sites=_beside(recorded_sites, run), progress=progress
                )
                control = open_store(control)
        elif isinstance(untrained, str | os.PathLike):
            control = open_store(untrained)
        else:
            control = untrained
        yield Recorded(run, control, concepts, name)


def _is_dataset(source: Any) -> bool:
    import xarray as xr

    return isinstance(source, xr.Dataset)


def _beside(sites: list[str], run: xr.Dataset) -> list[str]:
    """Leave out what every run keeps anyway (``logits``, ``value``)."""
    return [site for site in sites if run[site].dims[2:] and site != "logits"]


def _concepts(organism: Any, run: xr.Dataset) -> Mapping[str, Concept]:
    if organism is not None:
        return organism.concepts
    family = run.attrs.get("family")
    if family is None:
        return {}
    from organisms.registry import family_concepts

    return family_concepts(family)


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
