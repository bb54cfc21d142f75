"""The wheel holds everything: built, installed in a fresh environment, and used away from here."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--wheel-dir", folder, ROOT),
        cwd=folder,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh environment that borrows the dependencies (but no editable install) of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"),
        *("--quiet", wheel),
        cwd=folder,
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder


def shipped_files() -> set[str]:
    """Return the data that git knows (or, without git, that is there), relative to ``data``."""
    listed = subprocess.run(["git", "ls-files", "data"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        found = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        found = [path for path in (ROOT / "data").rglob("*") if path.is_file()]
    return {path.relative_to(ROOT / "data").as_posix() for path in found if path.exists()}


def test_wheel_holds_code_data_and_licence_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in ("interp", "organisms", "analyses")
        for path in (ROOT / package).rglob("*.*")
        if "__pycache__" not in path.parts
    }
    assert files <= names
    assert {f"organisms/data/{name}" for name in shipped_files()} <= names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"interp", "organisms", "analyses"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_installed_package_is_the_one_that_runs(environment, tmp_path):
    code = "import analyses, interp, organisms; print(interp.__file__, organisms.__file__)"
    where = run(environment / "bin" / "python", "-c", code, cwd=tmp_path)
    assert all(path.startswith(str(environment)) for path in where.split())
    version = run(environment / "bin" / "mesascope", "--version", cwd=tmp_path)
    assert version.split()[0] == "mesascope" and version.split()[1][0].isdigit()


def test_installed_package_loads_an_organism_from_its_own_data(environment, tmp_path):
    if not any(ROOT.glob("data/organisms/*/card.json")):
        pytest.skip("no organism ships yet: data/organisms is empty")
    code = """
import json, organisms
from organisms.assets import data_folder
name = organisms.names()[0]
organism = organisms.load(name)
print(json.dumps([name, str(data_folder()), list(organism.sites)]))
"""
    out = run(environment / "bin" / "python", "-c", code, cwd=tmp_path)
    name, data, sites = json.loads(out.splitlines()[-1])
    assert Path(data).is_relative_to(environment) and sites
    shown = json.loads(
        run(environment / "bin" / "mesascope", "organisms", "show", name, "--json", cwd=tmp_path)
    )
    assert shown["name"] == name and list(shown["sites"]) == sites
