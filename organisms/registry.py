"""Find an organism by name or path and load it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.errors import AssetError, CheckpointError, InputError, UnknownNameError, check_integer
from interp.network.site_names import natural_key
from organisms.assets import data_folder, file_sha256
from organisms.card import Card, checkpoint_card

if TYPE_CHECKING:
    from interp.concepts import Concept
    from interp.decisions.mdp import TabularMDP
    from organisms.base import Organism

FAMILIES = {
    "sokoban": "organisms.families.sokoban.organism",
    "doors": "organisms.families.doors.organism",
}
"""Family → the module that has ``from_card(card, weights_path)``, ``family_concepts()`` and
``family_recipes()``; where tasks are written out as decision problems, ``family_mdp(text)``; and, where
agents of others were released, ``from_released(folder, name)``, ``released_names()`` and
``fetch_released(name)``."""


def names() -> list[str]:
    """Return the names of all organisms that `load` knows, shipped ones first.

    Examples
    --------
    >>> "sokoban-drc-small-v2" in names()
    True
    """
    return [*shipped(), *_released()]


def shipped() -> dict[str, Path]:
    """Return name → folder of the organisms that come with the library, those of populations last."""
    folder = data_folder() / "organisms"
    cards = [*sorted(folder.glob("*/card.json")), *sorted(folder.glob("*/*/card.json"))]
    return {path.parent.relative_to(folder).as_posix(): path.parent for path in cards}


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
        module = import_module(FAMILIES[_released()[name]])
        organism = module.from_released(module.fetch_released(name), name)
    elif folder.is_dir():
        organism = _from_folder(folder, steps)
    elif (population := name.partition("/")[0]) in populations():
        raise UnknownNameError(f"organism of {population!r}", name, populations()[population])
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
    if family not in FAMILIES:
        raise UnknownNameError("family", family, FAMILIES)
    return import_module(FAMILIES[family]).family_concepts()


def family_mdp(family: str) -> Callable[[str], TabularMDP]:
    """Return the function that writes tasks of a family out as decision problems, from their text.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    InputError
        If the family writes no tasks out.
    """
    if family not in FAMILIES:
        raise UnknownNameError("family", family, FAMILIES)
    module = import_module(FAMILIES[family])
    if not hasattr(module, "family_mdp"):
        raise InputError(
            f"The family {family!r} does not write its tasks out as decision problems."
        )
    return module.family_mdp


def families() -> list[Any]:
    """Return the modules of all families."""
    return [import_module(module) for module in FAMILIES.values()]


def split_checkpoint(name: str) -> tuple[str, int | None]:
    """Split ``NAME@STEPS``; a folder that is called so stays whole."""
    base, _, steps = name.rpartition("@")
    if not base or not (steps.isascii() and steps.isdecimal()) or Path(name).expanduser().is_dir():
        return name, None
    return base, int(steps)


def _from_folder(folder: Path, steps: int | None = None) -> Organism:
    if (folder / "card.json").is_file():
        card = Card.read(folder / "card.json")
        if card.family not in FAMILIES:
            raise UnknownNameError("family", card.family, FAMILIES)
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
        return import_module(FAMILIES[card.family]).from_card(card, weights)
    if steps is not None:
        raise UnknownNameError(f"checkpoint of {folder.name!r}", str(steps), ())
    if (folder / "cfg.json").is_file() or (folder / "model").is_file():
        return import_module(FAMILIES["sokoban"]).from_released(folder, folder.name)
    there = sorted(path.name for path in folder.iterdir())[:10]
    raise AssetError(
        f"{folder} holds no organism: neither card.json nor model and cfg.json, only {there}."
    )


def _released() -> dict[str, str]:
    return {
        name: family
        for family, module in FAMILIES.items()
        for name in getattr(import_module(module), "released_names", list)()
    }
