"""Imports point one way: analyses → organisms → interp; and the packages stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "interp": {"interp"},
    "organisms": {"interp", "organisms"},
    "analyses": {"interp", "organisms", "analyses"},
}
GAME_WORDS = ("sokoban", "boxoban", "maze", "drc")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        wrong = (imported(path) & set(ALLOWED)) - ALLOWED[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_one_file_touches_transformer_lens():
    users = [
        str(path.relative_to(ROOT))
        for package in ALLOWED
        for path in (ROOT / package).rglob("*.py")
        if "transformer_lens" in imported(path)
    ]
    assert users == ["interp/network/hooks.py"]


def test_the_instruments_name_no_game():
    for path in (ROOT / "interp").rglob("*.py"):
        text = path.read_text().lower()
        assert not [word for word in GAME_WORDS if word in text], path.name


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import interp", {"torch", "transformer_lens", "xarray", "matplotlib", "sklearn"}),
        ("import organisms", {"torch", "transformer_lens"}),
        ("import analyses", {"torch", "transformer_lens", "matplotlib"}),
        ("import interp; interp.open_store", {"torch", "transformer_lens", "matplotlib"}),
        ("import interp; interp.verify", {"torch", "transformer_lens"}),
        ("import interp; interp.fit_probes", {"torch", "transformer_lens", "matplotlib"}),
        ("import interp; interp.statistics; interp.style", {"torch", "transformer_lens"}),
    ],
)
def test_imports_are_light(statement, absent):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not absent & set(loaded)


def test_misspelt_public_names_suggest():
    import interp

    with pytest.raises(AttributeError, match="open_store"):
        interp.open_stor  # noqa: B018
    assert set(interp.__all__) == set(dir(interp))
    for name in interp.__all__:
        assert getattr(interp, name) is not None


@pytest.mark.parametrize("package", ALLOWED)
def test_type_checkers_see_the_same_names(package):
    module = __import__(package)
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.asname or alias.name for node in block.body for alias in node.names}
    assert seen == set(module.__all__)


def _imported_when_loaded(path: Path) -> set[str]:
    """Return the modules that a file imports when it is loaded: not in functions, not for types."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_no_module_needs_itself_to_be_loaded():
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in ALLOWED
        for path in (ROOT / package).rglob("*.py")
    }
    needs = {
        name: _imported_when_loaded(path) & set(files) - {name} for name, path in files.items()
    }
    done: set[str] = set()
    while ready := {name for name, wanted in needs.items() if name not in done and wanted <= done}:
        done |= ready
    assert set(files) == done, f"imports go round in {sorted(set(files) - done)}"
