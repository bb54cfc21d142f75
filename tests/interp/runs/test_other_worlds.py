"""Worlds that are no boards: floats, several observations, boxes, outcomes that are not success."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from interp.contract import (
    ArraySpace,
    Discrete,
    MultiDiscrete,
    Outcome,
    Outputs,
    Spaces,
    Transition,
    action_space_of,
    outcome_of,
)
from interp.errors import InputError, StoreMismatchError
from interp.network.hooks import HookedNetwork, SitePoint
from interp.runs.episodes import run_episodes
from interp.runs.recording import record, record_replay
from interp.runs.replay import replay_run
from interp.store.read import open_store
from interp.store.verify import verify
from tests.toys import ToyTasks

ERROR = Outcome("position error", "m", "lower", can_succeed=False)
BOX = ArraySpace(("axis",), (2,), "float32", -0.5, 0.5)
SHOWN = {
    "place": ArraySpace(("axis",), (2,), "float64"),
    "phase": ArraySpace((), (), "int64"),
}


class DriftWorld:
    """Rows drift in the plane by their action; the k-th ends after as many steps as its task says."""

    max_steps = 6

    def __init__(self, tasks, action):
        self.ends, self.spaces = np.array(tasks.distances), Spaces(SHOWN, action)
        self.reset()

    @property
    def outcome(self):
        return np.abs(self.place).sum(1)

    @property
    def facts(self):
        return {"wind": np.stack([self.place[:, 0] * 3, np.full(len(self.place), np.nan)], 1)}

    def _observe(self):
        return {"place": self.place.copy(), "phase": self.t - 10**12}

    def reset(self):
        self.t = np.zeros(len(self.ends), np.int64)
        self.place = 1e-9 + np.arange(2) - 7.25 * self.ends[:, None]
        return self._observe()

    def step(self, action):
        acts = (self.t < self.ends) & ~np.isnan(action.astype(float)).any(1) & (action != -1).all(1)
        self.place[acts] += action[acts]
        self.t += acts
        reward = np.where(acts, self.place[:, 0] / 3, 0.0)
        over = self.t >= self.ends
        return Transition(self._observe(), reward, np.zeros_like(over), over)


class DriftNetwork(HookedNetwork):
    """No value; what it says of the action has the names of the head."""

    def __init__(self, named, scale=1.0):
        super().__init__()
        self.h, self.named = SitePoint("unit"), named
        self.weight = torch.nn.Parameter(torch.tensor(scale, dtype=torch.float64))
        self.setup()

    def initial_state(self, n):
        return torch.zeros(n, 2, dtype=torch.float64)

    def forward(self, observations, state=None, episode_starts=None):
        place, phase = observations["place"], observations["phase"]
        assert (place.dtype, phase.dtype) == (torch.float64, torch.int64)
        h, said = self.initial_state(place.shape[1]) if state is None else state, []
        with self.clock.run():
            for t in self.clock.steps(len(place)):
                h = self.h(h / 2 + self.weight * place[t] + (phase[t, :, None] + 10**12))
                said.append(h)
        out = torch.stack(said)
        if self.named == "logits":
            return Outputs({"logits": torch.cat([out, -out, out[..., :1]], -1)}, h)
        return Outputs({"mean": out, "log_std": torch.zeros_like(out)}, h)


class Drifter:
    name, observation_dims, concepts, outcome = "drifter", (), {}, ERROR

    def __init__(self, action=BOX, scale=1.0):
        self.network = DriftNetwork("mean" if action is BOX else "logits", scale)
        self.action = action

    @property
    def sites(self):
        return self.network.sites

    def world(self, tasks):
        return DriftWorld(tasks, self.action)

    def describe(self):
        return {"organism": self.name, "weights_sha256": "unknown"}


TASKS = ToyTasks((2, 5, 1))
PAIR = MultiDiscrete((2, 3), "choice")


@pytest.mark.parametrize("action", [BOX, PAIR])
def test_a_run_holds_what_was_seen_and_a_replay_gives_the_run(action):
    run = run_episodes(Drifter(action), TASKS, sites=["h"], thinking_steps=1, batch_size=2)
    assert run.length.values.tolist() == [2, 5, 1]
    place = run["observation.place"]
    assert place.dtype == np.float64 and place.dims == ("episode", "step", "axis")
    first = 1e-9 + np.arange(2) - 7.25 * np.array([2, 5, 1])[:, None]
    assert np.array_equal(place.sel(step=0), first)
    assert run["observation.phase"].sel(step=[0, 1]).values[1].tolist() == [-(10**12), 1 - 10**12]
    assert place.isel(episode=2).sel(step=slice(1, None)).isnull().all()
    assert "value" not in run and "solved" not in run
    assert run.outcome.attrs == {"long_name": "position error", "units": "m", "better": "lower"}
    assert run.reward.dtype == np.float64 and run.wind.dims[:2] == ("episode", "step")
    assert np.array_equal(run.wind.sel(step=0)[:, 0], first[:, 0] * 3)
    assert outcome_of(run) == ERROR and action_space_of(run) == action
    assert json.loads(run.attrs["facts"]) == ["wind"]
    again = replay_run(Drifter(action).network, run, sites=["h"])
    for name in ("h", *json.loads(run.attrs["outputs"])):
        expected = run[name].transpose("step", "episode", ...).values
        if name == "h":
            assert np.array_equal(again[name].values.astype(np.float32), expected, equal_nan=True)
        else:
            assert np.array_equal(again[name].values, expected, equal_nan=True)


def test_actions_of_a_box_stay_in_it_and_draws_do_not_depend_on_the_batch():
    runs = [run_episodes(Drifter(), TASKS, temperature=0.3, seed=4, batch_size=n) for n in (1, 3)]
    assert runs[0].equals(runs[1])
    assert runs[0].action.dtype == np.float32 and abs(runs[0].action).max() <= 0.5
    valid = runs[0].step < runs[0].length
    assert np.array_equal(runs[0].action.notnull().all("axis"), valid.transpose("episode", "step"))


def test_several_choices_at_once():
    run = run_episodes(Drifter(PAIR), TASKS)
    logits = run.logits.values
    assert run.action.dims == ("episode", "step", "choice") and run.action.dtype == np.int16
    assert run.action[0, 0].values.tolist() == [
        logits[0, 0, :2].argmax(),
        logits[0, 0, 2:].argmax(),
    ]


@pytest.mark.parametrize("action", [BOX, PAIR])
def test_a_store_holds_it_too(tmp_path, action):
    organism = Drifter(action)
    record(organism, TASKS, tmp_path / "a", ["h"], dtype="float32", progress=False, batch_size=2)
    store = open_store(tmp_path / "a")
    run = run_episodes(organism, TASKS, sites=["h"])
    for name in run.data_vars:
        if name not in ("level", "level_id"):
            held = store[name].isel(step=slice(0, 5)) if "step" in store[name].dims else store[name]
            assert held.dtype == run[name].dtype and held.dims == run[name].dims, name
            assert np.array_equal(held, run[name], equal_nan=held.dtype.kind == "f"), name
    assert verify(tmp_path / "a", progress=False).ok
    assert outcome_of(store) == ERROR and store.outcome.attrs["units"] == "m"
    record_replay(organism, tmp_path / "a", tmp_path / "b", ["h"], "float32", progress=False)
    copy = open_store(tmp_path / "b")
    for name in store.data_vars:
        assert store[name].equals(copy[name]), name
    with pytest.raises(StoreMismatchError, match="weights_sha256"):
        record(Drifter(action, 2.0), TASKS, tmp_path / "a", ["h"], dtype="float32", progress=False)


def test_a_smaller_dtype_is_checked():
    with pytest.raises(InputError, match=r"observation.place holds .* float32 cannot hold"):
        run_episodes(Drifter(), TASKS, observation_dtype={"place": "float32"})
    with pytest.raises(InputError, match="int16 cannot hold"):
        run_episodes(Drifter(), TASKS, observation_dtype={"phase": "int16"})


class Lettered(Drifter):
    def world(self, tasks):
        world = super().world(tasks)
        world._observe = lambda: {"place": world.place, "phase": np.array(["a"] * len(world.place))}
        return world


def test_text_is_refused_in_words():
    with pytest.raises(InputError, match="are numbers"):
        run_episodes(Lettered(), TASKS)


def test_logits_that_are_not_the_worlds_actions():
    with pytest.raises(InputError, match="one of 4"):
        run_episodes(Drifter(Discrete(4)), TASKS)


@pytest.mark.parametrize("told", [3.0, np.arange(9), np.zeros((9, 2))])
def test_a_fact_has_a_row_for_every_row(told):
    class Telling(DriftWorld):
        facts = {"wind": told}

    class Teller(Drifter):
        def world(self, tasks):
            return Telling(tasks, self.action)

    with pytest.raises(InputError, match="fact 'wind'"):
        run_episodes(Teller(), ToyTasks((2, 3)))


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ((np.zeros((2, 1)), np.zeros((2, 1))), "as a tuple of 2"),
        ({"a": {"b": np.zeros((2, 1))}}, "a.b"),
        ({0: np.zeros((2, 1))}, "not 0"),
    ],
)
def test_observations_within_observations_are_refused(shown, words):
    class Nested(DriftWorld):
        def __init__(self, tasks, action):
            super().__init__(tasks, action)
            del self.spaces
            self.n_actions = 2

        def _observe(self):
            return shown

    class Shower(Drifter):
        def world(self, tasks):
            return Nested(tasks, self.action)

    with pytest.raises(InputError, match=words):
        run_episodes(Shower(), ToyTasks((2, 3)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: setattr(o.network, "sign", -1.0), "network says something else: logits"),
        (lambda o: setattr(o, "shift", 0.5), "world shows something else: observation"),
    ],
)
def test_a_recording_is_not_served_to_what_no_hash_of_weights_tells(tmp_path, change, words):
    class Turned(DriftNetwork):
        sign = 1.0

        def forward(self, observations, state=None, episode_starts=None):
            outputs = super().forward(observations, state, episode_starts)
            return Outputs({"logits": self.sign * outputs.named["logits"]}, outputs.state)

    class Shifted(DriftWorld):
        shift = 0.0

        def _observe(self):
            shown = super()._observe()
            return shown | {"place": shown["place"] + self.shift}

    class Changing(Drifter):
        shift = 0.0

        def __init__(self):
            super().__init__(MultiDiscrete((3, 2)))
            self.network = Turned("logits")

        def world(self, tasks):
            made = Shifted(tasks, self.action)
            made.shift = self.shift
            return made

    organism, path = Changing(), tmp_path / "run.zarr"
    record(organism, ToyTasks((2, 3)), path, ["h"], progress=False)
    record(organism, ToyTasks((2, 3)), path, ["h"], progress=False)
    before = open_store(path).load()
    change(organism)
    with pytest.raises(StoreMismatchError, match=words):
        record(organism, ToyTasks((2, 3)), path, ["h"], progress=False)
    assert open_store(path).load().identical(before)
