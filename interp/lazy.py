"""Packages that import their modules only when a name is asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package whose public names win over its modules of the same spelling.

    Importing a module binds it in its package: without this, ``analyses.plan_probes`` would be the
    function at first and the module ever after.
    """

    _public_names: Mapping[str, str]

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and self._public_names.get(name)):
            super().__setattr__(name, value)


def lazy_names(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package's ``__init__``.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    names
        Public name → the module that defines it, relative to the package (``"store"``). A module is
        exported itself under its own name with the value ``""``. A name may be spelt like its
        module: ``package.name`` is then what the module defines, never the module.
    """
    module = sys.modules[package]
    module.__dict__["_public_names"] = names
    module.__class__ = _LazyPackage

    def __getattr__(name: str) -> Any:
        if name not in names:
            from interp.errors import nearest

            close = nearest(name, names)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}.{hint}")
        module = import_module(f"{package}.{names[name] or name}")
        return getattr(module, name) if names[name] else module

    def __dir__() -> list[str]:
        return sorted(names)

    return __getattr__, __dir__, sorted(names)
