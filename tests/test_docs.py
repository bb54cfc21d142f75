"""Every code block of the how-to pages runs, in the order of its page."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from analyses.cli import main
from organisms.card import Card

ROOT = Path(__file__).parents[1]
PAGES = (
    "../README",
    "index",
    "recording",
    "interventions",
    "patching",
    "steering",
    "paper-figures",
    "doors",
    "own-model",
    "command-line",
    "planners",
    "compiled",
)
EXTRAS = {"own-model": ("stable_baselines3", "sb3_contrib", "foundation_policy", "transformers")}
"""Page → packages of the extra ``agents`` that it uses."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, int]]:
    """Return (language, code, line) of every block."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in BLOCK.finditer(text)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_run(page, tmp_path, monkeypatch):
    for package in EXTRAS.get(page, ()):
        pytest.importorskip(package, reason=f"needs {package}: install mesascope[agents]")
    found = blocks(page)
    shipped = {path.parent.name for path in ROOT.glob("data/organisms/*/card.json")}
    named = {name for _, code, _ in found for name in re.findall(r"sokoban-drc-small-v\d", code)}
    if named - shipped:
        pytest.skip(f"not shipped yet: {', '.join(sorted(named - shipped))}")
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"docs_{Path(page).name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look it up there
    for language, code, line in found:
        if language == "python":
            # Blank lines make the line numbers of a traceback those of the page.
            source = "\n" * line + code
            exec(compile(source, f"docs/{page}.md", "exec", dont_inherit=True), module.__dict__)
        for command in code.splitlines() if language == "bash" else ():
            words = shlex.split(command, comments=True)
            if words[:1] == ["mesascope"] and words[1] != "study":  # make demo is its test
                assert main(words[1:]) == 0, command


def test_every_page_is_in_the_table_of_contents_and_every_link_leads_somewhere():
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert f" {path.name}" in contents, path.name
        prose = BLOCK.sub("", path.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_solve_rates_in_the_docs_are_those_on_the_cards():
    text = (ROOT / "docs" / "planners.md").read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if line.startswith("| organism "))
    splits = re.findall(r"`([\w-]+)`", header)
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, re.MULTILINE)
    assert len(rows) >= 8 and len(splits) == 4
    for name, cells in rows:
        card = Card.read(ROOT / "data" / "organisms" / name / "card.json")
        rates = {
            result.condition.split(",")[0]: f"{100 * result.value:.1f} % "
            f"[{100 * result.low:.1f}, {100 * result.high:.1f}]"
            for result in card.results
            if result.quantity == "solve rate" and ", 0 thinking steps" in result.condition
        }
        shown = [cell.strip() for cell in cells.split("|")][-len(splits) :]
        assert shown == [rates.get(split, "–") for split in splits], name
