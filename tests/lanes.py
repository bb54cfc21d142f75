"""The fast lane: the tests of what a change touches. `make quick` runs what this prints.

The tests lie as the packages do, so a changed file leads to the folder of its room, and to a test
module that is called like it. What holds for the whole house (layers, names) is always among them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALWAYS = ("tests/test_layers.py", "tests/interp/test_lazy.py", "tests/interp/test_moved.py")
PACKAGES = ("interp", "organisms", "analyses")


def lane(changed: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return the tests for changed files, both as paths relative to the checkout.

    Examples
    --------
    >>> lane(["interp/style.py"])[0]
    'tests/interp/test_style.py'
    """
    found: list[str] = []
    for name in changed:
        path = Path(name)
        if path.parts[:1] == ("tests",) and path.name.startswith("test_"):
            found.append(name)
        elif path.parts[:1] and path.parts[0] in PACKAGES and path.suffix == ".py":
            found += _tests_of(path, root)
    there = [name for name in dict.fromkeys([*found, *ALWAYS]) if (root / name).exists()]
    whole = {name for name in there if not name.endswith(".py")}
    return [name for name in there if not any(name.startswith(f"{room}/") for room in whole)]


def _tests_of(path: Path, root: Path) -> list[str]:
    room = Path("tests", *path.parts[:-1])
    own = sorted((root / room).rglob(f"test_{path.stem.lstrip('_')}.py"))
    if own:
        return [str(test.relative_to(root)) for test in own]
    # A file of a package itself has tests of its own name or none: the whole package is no fast lane.
    return [str(room)] if len(path.parts) > 2 else []


def changed_files(base: str) -> list[str]:
    """Return the files that differ from a commit, those not committed yet included."""
    commands = (
        ["git", "diff", "--name-only", base],
        ["git", "ls-files", "--others", "--exclude-standard"],
    )
    listed = [
        subprocess.run(c, cwd=ROOT, capture_output=True, text=True, check=True) for c in commands
    ]
    return [line for done in listed for line in done.stdout.splitlines()]


if __name__ == "__main__":
    print(*lane(changed_files(sys.argv[1] if len(sys.argv) > 1 else "HEAD")))
