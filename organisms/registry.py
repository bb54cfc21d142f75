"""The families that are known, and their organisms by name or path."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import AssetError, CheckpointError, InputError, UnknownNameError, check_integer
from interp.network.site_names import natural_key
from organisms.assets import data_folder, file_sha256
from organisms.capabilities.constructed import Constructed
from organisms.capabilities.released import Released
from organisms.card import Card, checkpoint_card
from organisms.family import Family

if TYPE_CHECKING:
    from interp.concepts import Concept
    from organisms.organism import Organism

BUILT_IN = ("sokoban", "doors", "bandits", "compiled")
"""Families of the library: each lies in ``organisms.families.NAME.family`` as ``FAMILY``."""

GROUP = "mesascope.families"
"""Entry points of other packages: each a `Family`, or a function without arguments that returns one."""

_registered: dict[str, Family] = {}
_plugged_in: dict[EntryPoint, Family | str] = {}
"""What became of each entry point: its family, or what is wrong with it."""


def register(family: Family) -> Family:
    """Make a family known to `load`, `names`, the command line and stores.

    Packages that are installed do so by an entry point of the group ``mesascope.families``.

    Parameters
    ----------
    family
        Registering the same record again does nothing.

    Returns
    -------
    Family
        The same, so that a module may say ``FAMILY = organisms.register(Family(...))``.

    Raises
    ------
    InputError
        If it is no `Family`, or another family, or an organism of another, is called the same.
    """
    if not isinstance(family, Family):
        raise InputError(f"A Family is registered, not {family!r:.80}.")
    for known in families():
        if known is not family:
            _check_clash(family, known)
    _registered[family.name] = family
    return family


def families() -> list[Family]:
    """Return all families that are known: the library's, those registered, those of installed packages.

    A package whose family cannot be loaded is warned of by name, once, and left out.
    """
    found = {name: _built_in(name) for name in BUILT_IN} | _registered
    for entry in entry_points(group=GROUP):
        if entry not in _plugged_in:
            _plugged_in[entry] = _plug_in(entry, list(found.values()))
            if isinstance(_plugged_in[entry], str):
                warnings.warn(str(_plugged_in[entry]), stacklevel=2)
        family = _plugged_in[entry]
        if isinstance(family, Family):
            found.setdefault(family.name, family)
    return list(found.values())


def find_family(name: str) -> Family:
    """Return a family by name.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    """
    if name in BUILT_IN:
        return _built_in(name)
    known = {family.name: family for family in families()}
    if name not in known:
        raise UnknownNameError("family", name, known)
    return known[name]


def _built_in(name: str) -> Family:
    return import_module(f"organisms.families.{name}.family").FAMILY


def _plug_in(entry: EntryPoint, known: list[Family]) -> Family | str:
    """Return the family of an entry point, or what is wrong with it: one package must not stop others."""
    try:
        family = entry.load()
        if not isinstance(family, Family):
            family = family()
        if not isinstance(family, Family):
            raise InputError(f"it gives {family!r:.80}, no Family")
        for other in known:
            if other is not family:
                _check_clash(family, other)
    except Exception as error:
        package = entry.dist.name if entry.dist else "a package"
        return (
            f"The family {entry.name!r} of {package} ({entry.value}) is left out: "
            f"{type(error).__name__}: {error}"
        )
    return family


def _check_clash(family: Family, known: Family) -> None:
    if family.name == known.name:
        raise InputError(f"There is a family {family.name!r} already, another one: {known.summary}")
    taken = {*_assets(known), *_constructed(known)}
    names = [name for name in (*_assets(family), *_constructed(family)) if name in taken]
    if names:
        raise InputError(f"The family {known.name!r} has an organism {names[0]!r} already.")


def names() -> list[str]:
    """Return the names of all organisms that `load` knows: shipped, constructed, released ones.

    Examples
    --------
    >>> "sokoban-drc-small-v2" in names()
    True
    """
    return [*shipped(), *constructed(), *_released()]


def constructed() -> dict[str, Card]:
    """Return name → card of the organisms whose weights are written, not trained: they have no files.

    Examples
    --------
    >>> constructed()["compiled/used-7x7-s0"].truth.uses_plan
    True
    """
    cards = {}
    for family in families():
        cards |= _constructed(family)
    return cards


def shipped() -> dict[str, Path]:
    """Return name → folder of the organisms that come with families, those of populations last."""
    folders = {}
    for family in reversed(families()):
        folders |= _assets(family)
    return _in_order(_folders_of(data_folder() / "organisms") | folders)


def populations() -> dict[str, list[str]]:
    """Return the populations that come with the library: name → the names of its organisms.

    A population is many organisms that were trained alike but for what an analysis compares; each
    is loaded by its own name, ``POPULATION/AGENT``.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(shipped(), key=natural_key):
        population, _, agent = name.partition("/")
        if agent:
            found.setdefault(population, []).append(name)
    return found


def load(
    name_or_path: str | os.PathLike, device: Any = None, *, checkpoint: int | None = None
) -> Organism:
    """Load an organism.

    Parameters
    ----------
    name_or_path
        A name (see `names`), or a folder: one that `Organism.save` wrote (``card.json`` and
        weights), or a released checkpoint (``model`` and ``cfg.json``). A name wins over a folder
        that is called the same (write ``"./NAME"``), a card over a checkpoint beside it. Either may
        end in ``@STEPS``, which is the same as ``checkpoint=STEPS``.
    device
        Where its weights go, as in torch (``"cuda"``); default the CPU.
    checkpoint
        Training steps: the same network at that point of its training, one of
        `Organism.checkpoints`. It is called ``NAME@STEPS``.

    Returns
    -------
    Organism
        In evaluation mode, gradients off.

    Raises
    ------
    UnknownNameError
        If there is no such organism, or no such checkpoint of it; names the nearest.
    AssetError
        If its files have to be fetched and cannot be: says what to fetch and where to put it.
    CheckpointError
        If its files are truncated, of the wrong shape, not finite, or not the ones on the card.
    InputError
        If `name_or_path` is neither, `checkpoint` is no integer, or there is no such device here.

    Notes
    -----
    Checkpoints (but the last, which is the organism itself) are stored in float16; all are computed
    with in float32.

    Examples
    --------
    >>> load("sokoban-drc-small-v2").sites["layers.2.h"]
    ('tick', 'channel', 'y', 'x')
    """
    name = os.fspath(name_or_path) if isinstance(name_or_path, str | os.PathLike) else ""
    if not isinstance(name, str) or not name:
        raise InputError(f"An organism is loaded by its name or folder, not {name_or_path!r:.80}.")
    name, steps = split_checkpoint(name)
    if checkpoint is not None:
        check_integer("checkpoint", checkpoint, 0)
        if steps is not None and steps != checkpoint:
            raise InputError(f"{name_or_path!r} and checkpoint={checkpoint} name two checkpoints.")
        steps = checkpoint
    folder = Path(name).expanduser()
    if name in shipped():
        organism = _from_folder(shipped()[name], steps)
    elif name in _released():
        if steps is not None:
            raise UnknownNameError(f"checkpoint of {name!r}", str(steps), ())
        released = _released()[name]
        organism = released.load(released.fetch(name), name)
    elif name in (written := constructed()):
        if steps is not None:
            raise UnknownNameError(f"checkpoint of {name!r}", str(steps), ())
        organism = find_family(written[name].family)[Constructed].load(name)
    elif folder.is_dir():
        organism = _from_folder(folder, steps)
    elif among := [known for known in names() if _shelf(known) == _shelf(name) != ""]:
        raise UnknownNameError(f"organism of {_shelf(name)!r}", name, among)
    elif os.sep in name or folder.exists():
        raise AssetError(
            f"{name!r} is not a folder. Give the folder of a saved organism (card.json) or of a "
            "released checkpoint (model, cfg.json)."
        )
    else:
        raise UnknownNameError("organism", name, names())
    return to_device(organism, device)


def to_device(thing: Any, device: Any = None) -> Any:
    """Move an organism or a network to a device and return it; None leaves it where it is.

    Raises
    ------
    InputError
        If there is no such device here.
    """
    if device is None:
        return thing
    try:
        return thing.to(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(f"The device {device!r} cannot be used: {error}") from error


def family_concepts(family: str) -> Mapping[str, Concept]:
    """Return the concepts of a family, for stores whose organism is not at hand.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    """
    return find_family(family).concepts()


def split_checkpoint(name: str) -> tuple[str, int | None]:
    """Split ``NAME@STEPS``; a folder that is called so stays whole."""
    base, _, steps = name.rpartition("@")
    if not base or not (steps.isascii() and steps.isdecimal()) or Path(name).expanduser().is_dir():
        return name, None
    return base, int(steps)


def _from_folder(folder: Path, steps: int | None = None) -> Organism:
    if (folder / "card.json").is_file():
        card = Card.read(folder / "card.json")
        family = find_family(card.family)
        if steps is not None:
            card = checkpoint_card(card, steps)
        weights = folder / card.weights_file
        if not card.weights_file or not weights.is_file():
            raise AssetError(f"{folder}: the card's weights file {card.weights_file!r} is missing.")
        found = file_sha256(weights)
        if found != card.weights_sha256:
            raise CheckpointError(
                f"{weights}: sha256 {found} is not the card's {card.weights_sha256}; the file is "
                "damaged or was replaced."
            )
        return _from_card(card, weights, family)
    if steps is not None:
        raise UnknownNameError(f"checkpoint of {folder.name!r}", str(steps), ())
    for released in _all_released():
        if released.recognises(folder):
            return released.load(folder, folder.name)
    there = sorted(path.name for path in folder.iterdir())[:10]
    raise AssetError(
        f"{folder} holds no organism: neither card.json nor model and cfg.json, only {there}."
    )


def _from_card(card: Card, weights: Path, family: Family) -> Organism:
    from organisms.organism import Organism

    network = family.network(card.network, 0)
    family.read_weights(network, weights)
    try:
        return Organism(network, card, family)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{card.name}: malformed world options: {error}") from None


def _shelf(name: str) -> str:
    """Return what stands before the slash of ``POPULATION/AGENT``, "" if there is none."""
    return name.rpartition("/")[0]


def _constructed(family: Family) -> Mapping[str, Card]:
    """Return name → card of the organisms that a family writes."""
    return family[Constructed].cards if Constructed in family else {}


def _all_released() -> Iterator[Released]:
    return (family[Released] for family in families() if Released in family)


def _released() -> dict[str, Released]:
    return {name: released for released in _all_released() for name in released.names}


def _assets(family: Family) -> dict[str, Path]:
    """Return name → folder of the organisms that come with a family, beside those of the library."""
    return {} if family.assets is None else _folders_of(Path(family.assets))


def _folders_of(folder: Path) -> dict[str, Path]:
    cards = [*sorted(folder.glob("*/card.json")), *sorted(folder.glob("*/*/card.json"))]
    return {path.parent.relative_to(folder).as_posix(): path.parent for path in cards}


def _in_order(folders: dict[str, Path]) -> dict[str, Path]:
    return dict(sorted(folders.items(), key=lambda item: "/" in item[0]))
