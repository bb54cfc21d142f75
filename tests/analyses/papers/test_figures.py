"""Papers' figures: every entry is whole, every published number has a source, and what
`reproduce` writes says what may be compared and what may not."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import organisms
from analyses.cli import main
from analyses.papers import Caution, TaskSet, figures, find_figure, published, reproduce
from analyses.papers.comparison import Row, comparison, differences, verdict
from analyses.papers.published import (
    RELATIONS,
    VERIFICATION,
    Published,
    choose,
    published_in,
    with_published,
)
from analyses.papers.reproduce import with_step_limit
from interp.errors import (
    AssetError,
    CheckpointError,
    InputError,
    UnknownNameError,
    UnknownSiteError,
)
from organisms.capabilities.objectives import Objectives
from tests.organisms.tiny import save_tiny

FIGURES = sorted(figures())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A tiny organism with random weights, saved, with the log of a training."""
    home = save_tiny(tmp_path_factory.mktemp("tiny"), n_boxes=1)
    records = [
        {"steps": 1000, "episodes": 10, "solved": 0.0},
        {"steps": 2000, "episodes": 30, "solved": 0.5},
    ]
    (home / "log.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    return str(home)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    return reproduce("taufeeque2024-thinking-steps", folder, out, n=3, progress=False)


# The entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_every_entry_is_whole(name):
    entry = find_figure(name)
    assert entry.id == name
    for text in (entry.paper, entry.reference, entry.figure, entry.shows, entry.agent):
        assert text.strip()
    assert entry.reference.startswith("arXiv ")
    assert set(entry.agents) <= set(organisms.names())
    for conditions in (entry.theirs, entry.ours):
        assert conditions.tasks and conditions.seeds and conditions.thinking_steps
    assert entry.theirs.max_steps, "a paper's step limit decides its numbers"
    from organisms.families.sokoban.task_sets import split_names

    assert {t.split for c in (entry.theirs, entry.ours) for t in c.tasks} <= set(split_names())
    assert all(t.n and t.n <= 400 for t in entry.ours.tasks), "ours is the quick run"
    json.dumps(entry.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", FIGURES)
def test_every_published_number_has_a_source(name):
    for row in published(name):
        assert row.source and row.verification in VERIFICATION and row.relation in RELATIONS
        assert np.isfinite(row.value) and row.unit
        assert (row.low is None) == (row.high is None) == (row.spread == "")
        if row.low is not None:
            assert row.low <= row.value <= row.high


def test_no_file_of_numbers_belongs_to_nothing():
    folder = Path(organisms.assets.data_folder()) / "papers"
    files = {path.stem for path in folder.glob("*.csv")} - {"sources"}
    assert files == set(FIGURES)
    with open(folder / "sources.csv", newline="") as file:
        sources = {row["source"] for row in csv.DictReader(file)}
    used = set()
    for name in FIGURES:
        with open(folder / f"{name}.csv", newline="") as file:
            used |= {row["source"] for row in csv.DictReader(file)}
    assert used == sources


def test_numbers_are_those_of_the_reference():
    """Every transcribed value occurs, for the same paper, in the table it was transcribed from."""
    reference = os.environ.get("MESASCOPE_REFERENCE")
    if not reference:
        pytest.skip("MESASCOPE_REFERENCE names no folder with paper_numbers.csv")
    known: dict[str, set[float]] = {}
    with open(Path(reference) / "paper_numbers.csv", newline="") as file:
        for row in csv.DictReader(file):
            text = row["value"].lstrip(">~").split("±")[0]
            for value in text.split("-") if row["value"].count("-") == 1 else [text]:
                try:
                    known.setdefault(row["paper"].split()[-1], set()).add(round(float(value), 6))
                except ValueError:
                    continue
    other = {"guez2019-learning-curve": "2407.15421"}  # draws the replication too
    for name in FIGURES:
        number = find_figure(name).reference.removeprefix("arXiv ")
        values = known[number] | known[other.get(name, number)]
        missing = {row.value for row in published(name) if round(row.value, 6) not in values}
        assert not missing, name


def test_the_list_is_printed_in_full_and_as_json(capsys):
    assert main(["figures"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in FIGURES)
    assert main(["figures", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["id"] for entry in listed] == list(figures())
    assert all({"needs", "conditions", "shows", "cautions"} <= set(entry) for entry in listed)


def test_a_wrong_id_names_the_nearest(folder, tmp_path, capsys):
    with pytest.raises(UnknownNameError, match="bush2025-fig4"):
        find_figure("bush2025-fig-4")
    arguments = ["reproduce", "bush-fig4", "--organism", folder, "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "bush2025-fig4" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# Numbers -----------------------------------------------------------------------------------------


def test_published_numbers_travel_in_a_dataset():
    rows = (
        published("bush2025-table1") if "bush2025-table1" in FIGURES else published("bush2025-fig4")
    )
    assert published_in(with_published(xr.Dataset(), rows)) == rows
    assert published_in(xr.Dataset()) == []


def test_damaged_numbers_are_refused(tmp_path, monkeypatch):
    module = import_module("analyses.papers.published")  # the package's attribute is the function
    header = "quantity,where,x,relation,value,low,high,spread,unit,source\n"
    (tmp_path / "sources.csv").write_text("source,verification,text\na,full text,somewhere\n")

    def numbers(text: str) -> list[Published]:
        (tmp_path / "it.csv").write_text(header + text)
        return published("it")

    monkeypatch.setattr(module, "data_file", lambda name: tmp_path / Path(name).name)
    assert numbers("q,network=A,1,=,2,,,,%,a\n")[0].where == {"network": "A"}
    for line in (
        "q,,1,=,2,,,,%,b\n",
        "q,,1,is,2,,,,%,a\n",
        "q,,1,=,,,,,%,a\n",
        "q,,1,=,x,,,,%,a\n",
    ):
        with pytest.raises(CheckpointError, match="it.csv:2"):
            numbers(line)


def row(value, low, high, relation="=", verification="full text", spread=(None, None), **where):
    theirs = Published(
        "q", where, None, relation, 50.0, *spread, "", "%", "somewhere", verification
    )
    return Row(theirs, "q", "here", value, low, high, n=100, unit="%")


@pytest.mark.parametrize(
    ("given", "agrees"),
    [
        (row(52, 48, 56), True),
        (row(60, 55, 65), False),
        (row(60, 55, 65, spread=(44, 56)), True),
        (row(60, 55, 65, relation=">"), True),
        (row(40, 35, 45, relation=">"), False),
        (row(51, 45, 57, relation=">"), None),
        (row(40, 35, 45, relation="<"), True),
        (row(50, np.nan, np.nan), None),
    ],
)
def test_agreement_by_hand(given, agrees):
    record = given.to_dict((), "95 %")
    assert record["comparable"] and record["agrees"] is agrees


def test_what_is_not_verified_or_not_alike_is_not_compared():
    seen = row(52, 48, 56, verification="read off a figure").to_dict((), "")
    assert (
        not seen["comparable"] and seen["agrees"] is None and "not verified" in seen["why_not"][0]
    )
    shared = (Caution("agent", "Another agent."), Caution("size", "Fewer levels.", blocking=False))
    other = row(52, 48, 56).to_dict(shared, "")
    assert not other["comparable"] and other["why_not"] == ["Another agent."]
    assert row(52, 48, 56).to_dict(shared[1:], "")["comparable"]
    missing = row(np.nan, np.nan, np.nan).to_dict((), "")
    assert not missing["comparable"] and missing["ours"]["value"] is None
    alone = dataclasses.replace(row(1, 1, 1), published=None).to_dict((), "")
    assert not alone["comparable"] and alone["published"] is None


# Conditions --------------------------------------------------------------------------------------


class Named:
    def __init__(self, name):
        self.name = name
        self.card = type("Card", (), {"summary": "An agent."})


def kinds(entry, name, used, limit):
    return [caution.kind for caution in differences(entry, Named(name), used, limit)]


def test_a_released_agent_under_the_papers_conditions_is_comparable():
    entry = find_figure("taufeeque2024-thinking-steps")
    shared = differences(entry, Named("far-drc33-bkynosqi"), entry.theirs, 120)
    assert [c.kind for c in shared] == ["seeds"] and not shared[0].blocking
    assert differences(entry, Named("else"), entry.theirs, 120)[0].kind == "agent"


def test_every_difference_is_named():
    entry = find_figure("taufeeque2024-thinking-steps")
    assert kinds(entry, "far-drc33-bkynosqi", entry.theirs, 240) == ["seeds", "step limit"]
    fewer = entry.theirs.changed(n=10)
    assert kinds(entry, "far-drc33-bkynosqi", fewer, 120) == ["seeds", "size", "size", "size"]
    other = entry.theirs.changed(splits=["test"], n=10)
    assert "level set" in kinds(entry, "far-drc33-bkynosqi", other, 120)
    short = dataclasses.replace(entry.theirs, thinking_steps=(0, 2))
    assert "thinking steps" in kinds(entry, "far-drc33-bkynosqi", short, 120)
    probing = find_figure("bush2025-fig4")
    one = probing.theirs.changed(seed=0)
    assert "seeds" in kinds(probing, "far-drc33-bkynosqi", one, 120)


def test_the_step_limit_is_set_and_the_network_kept(folder):
    organism = organisms.load(folder)
    tasks = organism.tasks("test", 2)
    other = with_step_limit(organism, 3)
    assert other.world(tasks).max_steps == 3 and organism.world(tasks).max_steps == 6
    assert other.network is organism.network
    assert int(other.run(tasks).length.max()) <= 3
    assert with_step_limit(organism, None) is organism is with_step_limit(organism, 6)


def test_released_agents_get_the_papers_conditions(monkeypatch, folder, tmp_path):
    said, organism = [], organisms.load(folder)

    def stop(text):
        said.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(organisms, "load", lambda name, device=None: organism)
    for name, whose in (("far-drc33-bkynosqi", "the paper's"), (folder, "our own")):
        with pytest.raises(KeyboardInterrupt):
            reproduce("taufeeque2024-thinking-steps", name, tmp_path, say=stop)
        assert whose in said[-1]
    theirs = said[0]
    assert "boxoban-hard (3332)" in theirs and "step limit 120" in theirs
    assert "boxoban" not in said[1]


def test_missing_levels_say_what_to_download(folder, tmp_path, monkeypatch):
    import organisms.families.sokoban.boxoban as boxoban

    def offline(*args):
        raise OSError("no network")

    monkeypatch.delenv("MESASCOPE_BOXOBAN", raising=False)
    monkeypatch.setenv("MESASCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(boxoban, "_download", offline)
    with pytest.raises(AssetError, match=r"Download https://.*MESASCOPE_BOXOBAN"):
        reproduce(
            "guez2019-thinking-time",
            folder,
            tmp_path / "out",
            conditions="paper",
            n=2,
            progress=False,
        )


def test_what_the_organism_lacks_is_named(folder):
    organism = organisms.load(folder)
    for name in FIGURES:
        needs = find_figure(name).needs
        if needs.checkpoints:
            with pytest.raises(InputError, match="checkpoints"):
                needs.check(organism)
        else:
            needs.check(organism)
    needs = find_figure("bush2025-fig4").needs
    with pytest.raises(UnknownSiteError, match="layers"):
        dataclasses.replace(needs, sites=("nowhere.*",)).check(organism)
    with pytest.raises(UnknownNameError, match="concept"):
        dataclasses.replace(needs, concepts=("mood",)).check(organism)
    with pytest.raises(InputError, match="Objectives"):
        dataclasses.replace(needs, capabilities=(Objectives,)).check(organism)
    with pytest.raises(InputError, match="ticks"):
        dataclasses.replace(needs, sites=("logits",)).check(organism)


def test_bad_arguments(folder, tmp_path):
    with pytest.raises(UnknownNameError, match="conditions"):
        reproduce("guez2019-thinking-time", folder, tmp_path, conditions="theirs")
    with pytest.raises(InputError, match="by name, folder or itself"):
        reproduce("guez2019-thinking-time", 3, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        reproduce("guez2019-thinking-time", folder, tmp_path / "file")


# What is written ---------------------------------------------------------------------------------


def test_three_outputs_and_a_valid_comparison(made):
    assert [path.suffix for path in made.figure] == [".png", ".pdf", ".svg"]
    assert all(path.stat().st_size > 1000 for path in made.figure)
    record = json.loads(made.comparison.read_text(), parse_constant=lambda text: 1 / 0)
    assert record["conditions"]["whose"] == "ours" and record["organism"]["organism"] == "tiny"
    assert not record["comparable"] and "No published number is comparable" in record["summary"]
    kinds = {difference["kind"] for difference in record["differences"] if difference["blocking"]}
    assert kinds == {"agent", "level set", "step limit"}
    rows = record["rows"]
    assert len(rows) == 9 and all(row["published"]["source"] for row in rows)
    for row in rows:
        assert row["ours"]["n"] == 3 and "bootstrap" in row["ours"]["interval"]
        assert row["agrees"] is None and any("Another agent" in why for why in row["why_not"])
        assert row["published"]["unit"] == row["ours"]["unit"] == "%"
    assert rows[0]["published"]["value"] == pytest.approx(98.86)


def test_a_null_result_is_reported_as_one(made):
    record = made.record["verdict"]
    assert set(record["found"].values()) == {False}
    assert record["words"].startswith("Not found") and record["claim"] in record["words"]


def test_the_dataset_draws_the_figure_again_with_the_published_numbers(made):
    dataset = xr.load_dataset(made.dataset)
    figure = find_figure("taufeeque2024-thinking-steps").draw(dataset)
    [ax] = figure.axes
    labels = ax.get_legend_handles_labels()[1]
    assert [label for label in labels if "ours" in label] == ["ours, trained", "ours, untrained"]
    assert sum(label.startswith("published: ") for label in labels) == 3
    lines = {line.get_label(): line for line in ax.get_lines()}
    drawn = lines["published: DRC(3,3), unfiltered-test"].get_ydata()
    rows = choose(
        published("taufeeque2024-thinking-steps"), network="DRC(3,3)", set="unfiltered-test"
    )
    assert drawn == pytest.approx([100 * row.value for row in rows])
    assert "NOT comparable" in figure.get_suptitle() and "level set" in figure.get_suptitle()
    assert dataset.attrs["verdict"].startswith("Not found")


def test_a_control_far_below_is_written_out_and_ours_never(made):
    entry = find_figure("taufeeque2024-thinking-steps")
    dataset = xr.load_dataset(made.dataset)
    for name in ("solve_rate", "solve_rate_low", "solve_rate_high"):
        dataset[name] = xr.where(dataset.source == "trained", 0.9, 0.1).broadcast_like(
            dataset[name]
        )
    [ax] = entry.draw(dataset).axes
    labels = ax.get_legend_handles_labels()[1]
    assert "ours, trained" in labels and "ours, untrained" not in labels
    assert "untrained (not drawn): at most 10 %" in ax.get_title(loc="left")
    assert 10 < ax.get_ylim()[0] < 90


def test_the_log_and_the_untrained_network_are_on_the_learning_curve(folder, tmp_path):
    made = reproduce("guez2019-learning-curve", folder, tmp_path, n=2, progress=False)
    dataset = xr.load_dataset(made.dataset)
    assert dataset.checkpoint.values.tolist() == [0, 2000], "the log says how long training was"
    assert dataset.log_rate.values.tolist() == [0.0, 0.5]
    assert dataset.log_low[1] == pytest.approx(0.3315, abs=1e-3), "Wilson's interval of 15 of 30"
    assert dataset.log_high[0] == pytest.approx(0.2775, abs=1e-3), "Wilson's interval of 0 of 10"
    assert made.record["verdict"]["found"] == {}
    figure = find_figure("guez2019-learning-curve").draw(dataset)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert any("log" in label for label in labels) and any("n = 2" in label for label in labels)


@pytest.mark.parametrize(("start_from", "first"), [("another", 8000), (None, 1000)])
def test_the_log_of_a_continued_training_counts_from_the_first_start(tmp_path, start_from, first):
    from analyses.papers.history import _since_the_start

    (tmp_path / "recipe.json").write_text(json.dumps({"start_from": start_from}))
    card = SimpleNamespace(training_steps=9000)  # the last 2000 of them are in the log
    setting: Any = SimpleNamespace(home=tmp_path, organism=SimpleNamespace(card=card))
    log = xr.Dataset({"log_rate": ("log_step", [0.1, 0.5])}, {"log_step": [1000, 2000]})
    counted = _since_the_start(setting, log)
    assert counted.log_step.values.tolist() == [first, first + 1000]
    assert counted.log_rate.values.tolist() == [0.1, 0.5]


def test_the_command_prints_conditions_and_files(folder, tmp_path, capsys):
    arguments = ["reproduce", "guez2019-thinking-time", "--organism", folder, "--n", "2"]
    assert main([*arguments, "--out", str(tmp_path), "--no-progress"]) == 0
    out = capsys.readouterr().out
    assert "tasks test (2)" in out and "our own conditions" in out and "level set" in out
    assert "Not found" in out and str(tmp_path / "guez2019-thinking-time.json") in out


# Entries by hand-made Datasets -------------------------------------------------------------------


def test_a_found_effect_is_reported_as_found():
    entry = find_figure("taufeeque2024-thinking-steps")
    found = xr.DataArray(
        [[True, False]], {"set": ["hard"], "source": ["trained", "untrained"]}, ("set", "source")
    )
    record = verdict(entry, xr.Dataset({"found": found}))
    assert record["found"] == {"hard": True} and record["words"].startswith("Found (hard)")
    noted = verdict(entry, xr.Dataset({"found": found}, attrs={"verdict_note": "Of few levels"}))
    assert noted["words"].endswith("Of few levels.")


def test_comparison_counts_agreement():
    entry = find_figure("guez2019-thinking-time")
    dataset = xr.Dataset({"found": ("source", [False])}, {"source": ["trained"]})
    rows = [row(52, 48, 56), row(60, 55, 65)]
    record = comparison(entry, dataset, rows, ())
    assert record["comparable"] and record["summary"].startswith(
        "1 of 2 comparable numbers agree, 1 do not"
    )
    assert not comparison(entry, dataset, rows, (Caution("agent", "Another."),))["comparable"]


def test_sets_other_than_the_papers_say_so():
    from analyses.papers.taufeeque2024 import compare_sets

    cells = ("source", "set", "thinking")
    data = {f"solve_rate{end}": (cells, np.full((1, 2, 2), 0.5)) for end in ("", "_low", "_high")}
    dataset = xr.Dataset(
        {**data, "n": ("set", [10, 10])},
        {"source": ["trained"], "set": ["hard", "mine"], "thinking": [0, 4]},
        {"organism": "far-drc11-eue6pax7"},
    )
    rows = compare_sets(dataset, published("taufeeque2024-thinking-steps"))
    assert [r.published.where["set"] for r in rows] == ["hard"] * 2 + ["unfiltered-test"] * 2
    assert {r.published.where["network"] for r in rows} == {"DRC(1,1)"}, "each beside its own kind"
    assert not rows[0].cautions and "mine" in rows[2].cautions[0].text


def test_probes_are_compared_layer_by_layer():
    from analyses.papers.bush2025 import compare_probes, draw_probes

    concepts = ["agent_approach_direction", "box_push_direction"]
    shape = (2, 2, 2, 2, 1)
    dims = ("concept", "receptive_field", "source", "site", "tick")
    values = np.arange(np.prod(shape)).reshape(shape) / 20
    data = {f"macro_f1{end}": (dims, values) for end in ("", "_low", "_high")}
    dataset = xr.Dataset(
        {**data, "n_groups": (("concept", "receptive_field"), [[5, 5], [5, 5]])},
        {
            "concept": concepts,
            "receptive_field": [1, 3],
            "source": ["trained", "observation"],
            "site": ["layers.0.c", "layers.1.c"],
            "tick": [0],
        },
        {"organism": "two layers", "confidence": 0.95},
    )
    theirs = published("bush2025-fig4")
    rows = compare_probes(dataset, theirs)
    assert len(rows) == len(theirs)
    by_cell = {tuple(r.published.where.items()): r for r in rows}
    second = by_cell[("concept", concepts[1]), ("receptive_field", "3"), ("layer", "2")]
    assert second.value == pytest.approx(values[1, 1, 0, 1, 0])
    third = by_cell[("concept", concepts[0]), ("receptive_field", "1"), ("layer", "3")]
    assert np.isnan(third.value) and "no layer 3" in third.cell
    seen = by_cell[("concept", concepts[0]), ("receptive_field", "3"), ("control", "observation")]
    assert seen.value == pytest.approx(values[0, 1, 1, 0, 0])
    figure = draw_probes(with_published(dataset, theirs))
    labels = [text for ax in figure.axes for text in ax.get_legend_handles_labels()[1]]
    assert any(label.startswith("published") for label in labels)


def test_task_sets_are_split_between_train_and_test(folder):
    from analyses.papers.bush2025 import joined
    from analyses.papers.entry import Setting

    organism, entry = organisms.load(folder), find_figure("bush2025-fig4")
    sets = (TaskSet("train", 2, "train"), TaskSet("test", 3, "test"))
    used = dataclasses.replace(entry.ours, tasks=sets)
    tasks, options = joined(Setting(organism, None, used, Path(".")))
    assert len(tasks) == 5 and [len(ids) for ids in options["split"]] == [2, 3]
    assert list(tasks.ids) == [*options["split"][0], *options["split"][1]]
    tasks, options = joined(Setting(organism, None, entry.ours.changed(n=4), Path(".")))
    assert len(tasks) == 4 and options == {}


def labels_of(figure) -> list[str]:
    return [text for ax in figure.axes for text in ax.get_legend_handles_labels()[1]]


def test_steering_is_compared_layer_by_layer():
    from analyses.papers.bush2025_steering import compare, draw

    cells = ("kind", "source", "site", "alpha", "n_directional")
    values = np.arange(8).reshape(2, 2, 2, 1, 1) / 10
    data = {f"success{end}": (cells, values) for end in ("", "_low", "_high")}
    data |= {f"nothing{end}": ("kind", [0.1, 0.2]) for end in ("", "_low", "_high")}
    dataset = xr.Dataset(
        {**data, "n_levels": ("kind", [25, 24])},
        {
            "kind": ["agent-shortcut", "box-shortcut"],
            "source": ["trained", "random"],
            "site": ["layers.0.c", "layers.1.c"],
            "alpha": [1.0],
            "n_directional": [1],
        },
        {"organism": "two layers", "confidence": 0.95},
    )
    theirs = published("bush2025-table1")
    rows = compare(dataset, theirs)
    by_cell = {tuple(r.published.where.values()): r for r in rows if r.published}
    assert len(by_cell) == 12
    assert by_cell["Box-Shortcut", "2", "random"].value == pytest.approx(70)
    assert by_cell["Box-Shortcut", "2", "random"].n == 24
    assert by_cell["Agent-Shortcut", "1", "trained"].published.value == 94.6
    assert np.isnan(by_cell["Agent-Shortcut", "3", "trained"].value)
    assert [r.value for r in rows if r.published is None] == pytest.approx([10, 20])
    labels = labels_of(draw(with_published(dataset, theirs)))
    assert any(label.startswith("published") for label in labels)
    assert any("nothing written" in label for label in labels)


def test_the_size_of_steering_is_that_of_its_own_tasks():
    entry = find_figure("bush2025-table1")
    used = entry.theirs.changed(n=3)
    assert used.options["n_tasks"] == 3 and used.tasks == entry.theirs.tasks
    assert "protocol" in kinds(entry, "anyone", used, 120)


def test_auc_is_the_least_over_the_steps_of_the_bound():
    from analyses.papers.taufeeque2025_horizon import compare

    k = np.arange(1, 21)
    auc = np.full((2, 1, 2, 20), 0.6)
    auc[1, 0, 1] = 1 - k / 100  # the short-term box channel that is best on training levels
    dims = ("concept", "source", "unit", "k")
    training = np.array([[0.5, 0.5], [0.6, 0.9]])[..., None] + np.zeros(20)
    dataset = xr.Dataset(
        {
            **{f"auc{end}": (dims, auc) for end in ("", "_low", "_high")},
            "train_auc": (("concept", "unit", "k"), training),
            "term": (("concept", "unit"), [["long", "long"], ["short", "short"]]),
            "n_levels": ("concept", [7, 7]),
        },
        {
            "concept": ["agent_approach_direction", "box_push_direction"],
            "source": ["trained"],
            "unit": ["a", "b"],
            "k": k,
            "kind": ("unit", ["channel", "channel"]),
        },
    )
    rows = compare(dataset, published("taufeeque2025-auc"))
    by_group = {r.published.where["channels"]: r for r in rows}
    short = by_group["short-term box channels"]
    assert short.value == pytest.approx(90) and "b, at 10" in short.cell and short.n == 7
    assert np.isnan(by_group["long-term channels"].value), "no long-term box channel"
    assert np.isnan(by_group["several short-term channels"].value)


def test_the_share_of_cycles_removed_is_compared_at_every_thinking_time():
    from analyses.papers.taufeeque2024_plans import compare_cycles

    dataset = xr.Dataset(
        {
            "removed": ("thinking", [np.nan, 0.5, 0.75]),
            "removed_low": ("thinking", [np.nan, 0.25, 0.5]),
            "removed_high": ("thinking", [np.nan, 0.75, 1.0]),
            "n_pairs": (("source", "thinking"), [[9, 8, 7]]),
        },
        {"source": ["trained"], "thinking": [0, 2, 4]},
        {"early": 5},
    )
    rows = compare_cycles(dataset, published("taufeeque2024-cycles"))
    assert [(r.value, r.n, r.published.value) for r in rows] == [(50, 8, 75), (75, 7, 75)]


def test_emergence_quotes_the_range_of_an_axis_as_no_result():
    from analyses.papers.bush2025_emergence import compare

    steps = ("checkpoint", [0.0, 0.05, 0.02])
    cell = ("concept", "measure", "statistic")
    dataset = xr.Dataset(
        {
            **{f"gain{end}": steps for end in ("", "_low", "_high")},
            **{f"correlation{end}": (cell, [[[0.4]]]) for end in ("", "_low", "_high")},
            "n_asked": ("concept", [2]),
        },
        {
            "checkpoint": [1, 2, 3],
            "concept": ["plan"],
            "measure": ["macro_f1"],
            "statistic": ["spearman"],
        },
        {"thinking_steps": 5, "n_tasks": 50, "n_checkpoints": 3},
    )
    rows = [r.to_dict((), "") for r in compare(dataset, published("bush2025-fig9"))]
    assert [row["ours"]["value"] for row in rows] == pytest.approx([0, 5, 2, 0.4])
    assert [row["published"] is not None for row in rows] == [False, True, False, False]
    assert not any(row["comparable"] for row in rows)
    assert "axis" in rows[1]["why_not"][0]
    assert [row["ours"]["n"] for row in rows] == [50, 50, 50, 2]


def test_the_papers_path_channels_are_as_many_as_its_table_says():
    from analyses.papers.taufeeque2025_causal import SETS, _table_7

    channels = _table_7()
    numbers = [(site, number) for site in channels for number in channels[site]]
    assert len(set(numbers)) == len(numbers) == 59 and all(0 <= n < 32 for _, n in numbers)
    assert {row.where["channels"] for row in published("taufeeque2025-table3")} == set(SETS)
    organism = organisms.load("sokoban-drc-small-v2")
    assert set(channels) <= set(organism.sites), "sites are called as in our networks"


def test_ablation_is_compared_set_by_set():
    from analyses.papers.taufeeque2025_causal import SETS, compare_ablation

    names = ["path", "non_path", "path_matched", "non_path_matched", "random_matched"]
    drops = [[0.5, 0.1, 0.4, 0.1, 0.2], [1.0] * 5]
    dataset = xr.Dataset(
        {
            **{f"solve_drop{end}": (("operation", "set"), drops) for end in ("", "_low", "_high")},
            "n_channels": ("set", [59, 37, 37, 37, 37]),
        },
        {"operation": ["single_step", "zero"], "set": names},
        {"n_episodes": 12, "chosen": "3 of 9"},
    )
    rows = compare_ablation(dataset, published("taufeeque2025-table3"))
    found = {SETS[r.published.where["channels"]]: r.value for r in rows}
    assert found == pytest.approx({"path": 50, "non_path": 10, "path_matched": 40})
    assert "3 of 9" in rows[0].cautions[0].text
    dataset.attrs["chosen"] = "the paper's Table 7"
    assert not compare_ablation(dataset, published("taufeeque2025-table3"))[0].cautions


def test_a_score_is_compared_with_the_probe_of_its_own_concept():
    from analyses.papers.taufeeque2025_causal import compare_rewriting, draw_rewriting

    cells = ("source", "site", "alpha")
    score = np.array([[[0.1, 0.3]], [[0.05, 0.1]]])
    dataset = xr.Dataset(
        {
            **{f"score{end}": (cells, score) for end in ("", "_low", "_high")},
            **{f"written{end}": 0.3 for end in ("", "_low", "_high")},
            "control_draw": ("draw", [0.05, 0.1, 0.15]),
            "chosen_site": ("fold", ["layers.0.c", "layers.0.c"]),
            "n_rewrites": 90,
            "n_episodes": 40,
        },
        {"source": ["trained", "random"], "site": ["layers.0.c"], "alpha": [1.0, 4.0]},
        {"concept": "agent_approach_direction", "organism": "it", "confidence": 0.95},
    )
    theirs = published("taufeeque2025-table2")
    rows = compare_rewriting(dataset, theirs)
    of = {r.published.where["what"]: r for r in rows if r.published}
    assert of["Probe: agent movement"].value == pytest.approx(30)
    assert "at layers.0.c, chosen on other episodes" in rows[-2].cell
    assert np.isnan(of["Probe: box movement"].value) and of["Agent-movement"].cautions
    assert rows[-1].published is None and rows[-1].value == pytest.approx(10)
    assert (rows[-1].low, rows[-1].high) == pytest.approx((5, 15))
    assert any(
        text.startswith("published")
        for text in labels_of(draw_rewriting(with_published(dataset, theirs)))
    )
