"""A store that version 0.1 wrote opens, is sound, reads as it read then, and is replayed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import interp
import organisms
from interp.contract import (
    SOLVED,
    Discrete,
    action_space_of,
    deliberation_of,
    facts_of,
    outcome_of,
    outputs_of,
    place_dims_of,
)
from interp.runs.replay import replay_run

DATA = Path(__file__).parents[2] / "data"
STORE = DATA / "store-0.1.zip"
READ_THEN = json.loads((DATA / "store-0.1.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["zip", "folder"])
def path(request, tmp_path) -> Path:
    if request.param == "zip":
        return STORE
    with zipfile.ZipFile(STORE) as packed:
        packed.extractall(tmp_path / "run.zarr")
    return tmp_path / "run.zarr"


@pytest.fixture(scope="module")
def run():
    return interp.open_store(STORE).load()


@pytest.fixture(scope="module")
def agent():
    organism = organisms.load("doors-population-v1/door-c100-s0")
    world = {**organism.card.world, "max_steps": 8}
    return organism.replace(card=dataclasses.replace(organism.card, world=world))


def test_it_opens_and_gives_the_same_values(path):
    run = interp.open_store(path)
    assert set(run.variables) == {*READ_THEN["variables"], *READ_THEN["texts"]}
    for name, then in READ_THEN["variables"].items():
        values = np.ascontiguousarray(run[name].values)
        assert list(run[name].dims) == then["dims"], name
        assert (values.dtype.name, list(values.shape)) == (then["dtype"], then["shape"]), name
        assert hashlib.sha256(values.tobytes()).hexdigest() == then["sha256"], name
    for name, then in READ_THEN["values"].items():
        assert run[name].values.tolist() == then, name
    for name, then in READ_THEN["texts"].items():
        assert [str(text) for text in run[name].values] == then
    for name, then in READ_THEN["first"].items():
        first = run[name].isel(episode=0).sel(step=-1).values
        assert first.ravel()[:4].astype(float).tolist() == then


def test_it_is_sound(path):
    report = interp.verify(path, progress=False)
    assert report.ok and report.n_recorded == 2, str(report)


def test_it_says_by_default_what_stores_say_now(run):
    assert outcome_of(run) == SOLVED and action_space_of(run) == Discrete(4)
    assert deliberation_of(run).dim == "tick" and place_dims_of(run) == ("y", "x")
    assert outputs_of(run) == ("logits", "value") and facts_of(run) == ()


def test_a_replay_gives_what_was_recorded(run, agent):
    assert run.attrs["weights_sha256"] == agent.weights_sha256()
    again = replay_run(agent.network, run, sites=["layers.0.pooled", "mlp.0.post"])
    for name in again.data_vars:
        theirs = run[name].transpose("step", "episode", ...).values.astype(np.float32)
        exact = 1e-5 if name in ("logits", "value") else 2e-3  # sites are in half precision
        np.testing.assert_allclose(again[name], theirs, rtol=exact, atol=exact, err_msg=name)


def test_the_same_recording_today_holds_the_same(run, agent, tmp_path):
    tasks = agent.tasks("test", 2, seed=2)
    sites = ["layers.0.pooled", "mlp.0.post"]
    interp.record(agent, tasks, tmp_path / "a", sites, thinking_steps=1, progress=False)
    now = interp.open_store(tmp_path / "a").load()
    for name in ("observation", "action", "reward", "done", "length", "solved"):
        assert now[name].equals(run[name]), name
    assert now.level.values.tolist() == run.level.values.tolist()
    np.testing.assert_allclose(now.logits, run.logits, rtol=1e-4, atol=1e-4)


def test_its_control_is_recorded_from_it(run, agent, tmp_path):
    control = agent.untrained(0)
    interp.record_replay(control, STORE, tmp_path / "c", ["mlp.0.post"], progress=False)
    store = interp.open_store(tmp_path / "c").load()
    assert store.action.equals(run.action) and store.length.equals(run.length)
    assert not np.allclose(store["mlp.0.post"][0, 0], run["mlp.0.post"][0, 0])
