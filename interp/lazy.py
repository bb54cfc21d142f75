"""Packages that import their modules only when a name is asked for (PEP 562)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package whose public names win over its modules of the same spelling.

    Importing a module binds it in its package: without this, ``analyses.study`` would be the
    function at first and the package ever after.
    """

    _public_names: Mapping[str, str]

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and self._public_names.get(name)):
            super().__setattr__(name, value)


def lazy_names(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package's ``__init__``.

    The public names are those that ``if TYPE_CHECKING:`` imports there: type checkers and editors
    read the same list that is used at run time.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of the package.
    """
    names = _imported_for_type_checkers(package, file)
    module = sys.modules[package]
    module.__dict__["_public_names"] = names
    module.__class__ = _LazyPackage

    def __getattr__(name: str) -> Any:
        if name not in names:
            from interp.errors import nearest
            from interp.moved import new_name

            if new_name(f"{package}.{name}"):  # `interp.wrapping` as an attribute, as it once was
                return import_module(f"{package}.{name}")
            close = nearest(name, names)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}.{hint}")
        module = import_module(f"{package}.{names[name] or name}")
        return getattr(module, name) if names[name] else module

    def __dir__() -> list[str]:
        return sorted(names)

    return __getattr__, __dir__, sorted(names)


def _imported_for_type_checkers(package: str, file: str) -> dict[str, str]:
    """Return public name → the module that defines it, relative to the package; "" for a module itself."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    names: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.module, "only `from … import name as name`"
        where = node.module.removeprefix(package).removeprefix(".")
        for alias in node.names:
            names[alias.name] = where
    return names
