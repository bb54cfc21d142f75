"""What a user means by the names of sites: names, globs, several of these, or a predicate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from interp.attributes import attribute
from interp.errors import InputError, UnknownSiteError

SiteNames: TypeAlias = str | Iterable[str] | Callable[[str], bool] | None


def select_sites(names: SiteNames, known: Iterable[str]) -> list[str]:
    """Return the sites that `names` means, in the order of `known`.

    Parameters
    ----------
    names
        None (all), a name, a glob (``"layers.*.h"``), several of these, or a predicate.
    known
        The sites that exist.

    Raises
    ------
    UnknownSiteError
        If a name, a glob or a predicate matches nothing.
    InputError
        If `names` is none of these.
    """
    known = list(known)
    if names is None:
        return known
    if callable(names):
        chosen = {name for name in known if names(name)}
        if not chosen:
            raise UnknownSiteError(getattr(names, "__name__", repr(names)), known)
    elif not isinstance(names, Iterable) or isinstance(names, bytes):
        raise InputError(
            f"sites are a name, a glob, several of these or a predicate, not {names!r}."
        )
    else:
        chosen = set()
        for name in [names] if isinstance(names, str) else names:
            matches = [site for site in known if site == name or fnmatchcase(site, str(name))]
            if not matches:
                raise UnknownSiteError(name, known)
            chosen.update(matches)
    return [name for name in known if name in chosen]


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that takes the numbers in a name for numbers: ``layers.2`` before ``layers.10``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def was_left_out(given: object, attrs: Mapping[str, Any]) -> bool:
    """Whether a network has a site (or one of a glob) that its run, of these attributes, lacks.

    Runs name all sites of their network in the attribute ``network_sites``.
    """
    every = attribute(attrs, "network_sites", ())
    return any(fnmatchcase(str(site), str(given)) for site in every)
