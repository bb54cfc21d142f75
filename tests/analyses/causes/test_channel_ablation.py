from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from analyses.causes.channel_ablation import SETS, channel_ablation, plot_channel_ablation
from analyses.causes.memory import Memory, _Between, _donors, ablated_run, clean_run
from interp.contract import NetworkOutput, Transition
from interp.errors import InputError, UnknownNameError
from interp.files import write_netcdf
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.networks.drc import DRC, ConvConfig, DRCConfig

STEPS = 5


@dataclass(frozen=True)
class CueTasks:
    """Remember the cue (0 or 1) of the first observation, and answer it at the last step."""

    cues: tuple[int, ...]
    first: int = 0

    def __len__(self):
        return len(self.cues)

    def __getitem__(self, index):
        start = index.indices(len(self))[0]
        return CueTasks(self.cues[index], self.first + start)

    @property
    def ids(self):
        return [f"cue/{self.first + i}" for i in range(len(self))]

    @property
    def texts(self):
        return [str(cue) for cue in self.cues]


class CueWorld:
    n_actions, max_steps = 2, STEPS

    def __init__(self, tasks):
        self.cues = np.array(tasks.cues)
        self.reset()

    def reset(self):
        self.t = np.zeros(len(self.cues), int)
        self.solved = np.zeros(len(self.cues), bool)
        return self._observe()

    def _observe(self):
        cue = np.where(self.t == 0, 2 * self.cues - 1, 0)  # −1 or 1, then 0
        return np.stack([cue + 1, self.t], axis=1).astype(np.uint8)

    def step(self, action):
        acts = action >= 0
        self.t += acts
        self.solved |= acts & (self.t == STEPS) & (action == self.cues)
        over = self.t >= STEPS
        return Transition(
            self._observe(),
            np.zeros(len(action), np.float32),
            over & self.solved,
            over & ~self.solved,
        )


class CueNetwork(HookedNetwork):
    """Channel 0 of the memory keeps the cue; 1 to 3 keep how many steps there were, for nothing."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.c = SitePoint("channel", ticks=True)
        self.h = SitePoint("channel", ticks=True)
        self.setup()

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 4), torch.zeros(batch_size, 4))

    def forward(self, observations, state=None, episode_starts=None):
        c, h = self.initial_state(observations.shape[1]) if state is None else state
        logits = []
        with self.clock.run():
            for t in self.clock.steps(len(observations)):
                seen = observations[t].float()[:, :1] - 1
                for tick in self.clock.ticks(2):
                    now = torch.cat([seen, torch.ones(len(seen), 3)], dim=1)
                    c = self.c(c + now * (tick == 0))
                    h = self.h(torch.tanh(c))
                logits.append(torch.stack([-c[:, 0], c[:, 0]], dim=1))
        stacked = torch.stack(logits)
        return NetworkOutput(stacked, stacked.sum(-1), (c, h))


class CueOrganism:
    name, observation_dims, concepts = "cue", ("feature",), {}
    state_sites = ["c", "h"]

    def __init__(self):
        self.network = CueNetwork()

    @property
    def sites(self):
        return self.network.sites

    def world(self, tasks) -> Any:
        return CueWorld(tasks)


TASKS = CueTasks(tuple(int(c) for c in np.random.default_rng(0).integers(0, 2, 40)))
OPTIONS: dict[str, Any] = {"progress": False, "n_bootstrap": 300}


@pytest.fixture(scope="module")
def result():
    return channel_ablation(CueOrganism(), TASKS, {"c": [0]}, n_random=3, **OPTIONS)


def test_the_channel_that_remembers_is_found(result):
    assert float(result.solve_rate) == 1 and bool(result.found)
    drop = result["solve_drop"]
    # Without the cue both actions look alike, and action 0 is taken: the tasks with cue 1 are lost.
    lost = np.mean(TASKS.cues)
    for operation in ("single_step", "zero"):
        assert drop.sel(operation=operation, set="path").item() == pytest.approx(lost)
    assert drop.sel(operation="resample", set="path").item() > 0.2
    assert (drop.sel(set=["non_path", "non_path_matched"]) == 0).all()
    assert result.n_channels.values.tolist() == [1, 3, 1, 1, 1]
    assert result.n_draws.values.tolist() == [1, 1, 1, 3, 3]
    assert (result.surplus == drop.sel(set="path")).all()
    assert result.solved.sel(set="path").isel(draw=slice(1, None)).isnull().all()


def test_a_channel_that_nobody_needs_is_not_found():
    result = channel_ablation(CueOrganism(), TASKS, {"h": [1]}, n_random=3, **OPTIONS)
    assert not bool(result.found) and (result["solve_drop"].sel(set="path") == 0).all()
    # The whole rest holds the one that is needed: no reason to say that the chosen one matters.
    assert (result["solve_drop"].sel(set="non_path") > 0).all() and (result.surplus <= 0).all()


def test_a_network_that_cannot_do_the_task_shows_nothing():
    class Hopeless(CueOrganism):
        def world(self, tasks):
            return Unsolvable(super().world(tasks))

    result = channel_ablation(Hopeless(), TASKS, {"c": [0]}, n_random=2, **OPTIONS)
    assert float(result.solve_rate) == 0 and not bool(result.found)


class Unsolvable:
    n_actions, max_steps = 2, STEPS

    def __init__(self, world):
        self.world, self.solved = world, np.zeros(len(world.cues), bool)

    def reset(self):
        return self.world.reset()

    def step(self, action):
        observation, reward, terminated, truncated = self.world.step(action)
        return Transition(observation, reward, np.zeros_like(truncated), truncated | terminated)


def test_memory_is_found_by_value():
    memory = Memory.of(CueOrganism(), TASKS)
    assert memory.leaves == (("", "c"), ("", "h")) and memory.n_channels == {"": 4}
    assert memory.named({"c": [2], "h": [2, 0]}) == [("", 0), ("", 2)]
    with pytest.raises(UnknownNameError, match="site of the state"):
        memory.named({"o": [0]})
    with pytest.raises(InputError, match="channels 0 to 3"):
        memory.named({"c": [4]})


class Drc:
    """A tiny DRC with what `Memory.of` asks for."""

    name = "tiny"

    def __init__(self):
        encoder = (ConvConfig(3, (3, 3)),)
        config = DRCConfig(n_layers=2, n_ticks=2, channels=3, encoder=encoder, board=(5, 5))
        self.network = DRC(config, seed=1).eval().requires_grad_(False)
        self.state_sites = self.network.state_sites
        self.sites = self.network.sites
        rng = np.random.default_rng(0)
        self.seen = rng.integers(0, 256, (4, 2, 5, 5, 3)).astype(np.uint8)

    def world(self, tasks):
        seen = self.seen[0]
        return type("World", (), {"reset": lambda self: seen, "max_steps": 4})()


def steps_of(network, change, seen):
    between = _Between(network, change, 0)
    state, logits = between.initial_state(2), []
    with torch.inference_mode():
        for observation in torch.from_numpy(seen):
            output = between(observation[None], state)
            state = output.state
            logits.append(output.logits[0])
    return torch.stack(logits)


def captured(operation, channels, organism, monkeypatch):
    """Return the change that `ablated_run` makes to the state between steps."""
    found = []
    monkeypatch.setattr(
        "analyses.causes.memory._solved", lambda o, t, change, *rest: found.append(change)
    )
    unused: Any = None
    ablated_run(organism, [0, 1], Memory.of(organism, [0, 1]), channels, operation, unused)
    return found[0]


def test_a_drc_without_any_memory_sees_two_observations(monkeypatch):
    organism = Drc()
    memory = Memory.of(organism, [0, 1])
    assert [site for _, site in memory.leaves] == organism.state_sites
    assert memory.n_channels == {"layers.0": 3, "layers.1": 3}
    change = captured("single_step", memory.all(), organism, monkeypatch)
    ablated = steps_of(organism.network, change, organism.seen)
    network = organism.network
    with torch.inference_mode():
        for t, seen in enumerate(torch.from_numpy(organism.seen)):
            before = None if t == 0 else torch.from_numpy(organism.seen[t - 1])[None]
            state = None if before is None else network(before, None).state
            expected = network(seen[None], state).logits[0]
            torch.testing.assert_close(ablated[t], expected)


def test_nothing_ablated_changes_nothing(monkeypatch):
    organism = Drc()
    clean = steps_of(organism.network, lambda leaves, *rest: leaves, organism.seen)
    for operation in ("single_step", "zero"):
        change = captured(operation, [], organism, monkeypatch)
        assert torch.equal(steps_of(organism.network, change, organism.seen), clean)
    change = captured("zero", [("layers.1", 2)], organism, monkeypatch)
    some = steps_of(organism.network, change, organism.seen)
    assert torch.equal(some[0], clean[0]), "the first step comes before any memory"
    assert not torch.allclose(some[1:], clean[1:])


def test_clean_runs_and_batches():
    organism = CueOrganism()
    solved, reference = clean_run(organism, TASKS)
    assert solved.all()
    # At steps 1 … 5 the counters stand at 1 … 5 of c: the mean is 3.
    assert reference.mean[0][1:].tolist() == pytest.approx([3.0, 3.0, 3.0])
    memory = Memory.of(organism, TASKS)
    whole = ablated_run(organism, TASKS, memory, [("", 0)], "resample", reference)
    parts = ablated_run(organism, TASKS, memory, [("", 0)], "resample", reference, batch_size=7)
    np.testing.assert_array_equal(whole, parts)


def test_donors_are_other_episodes():
    pool = np.array([0, 0, 1, 2])
    for taken in range(20):
        donors = _donors(pool, np.array([0, 2]), 3, taken, 0)
        assert (pool[donors] != [0, 2]).all()


def test_bad_input():
    organism = CueOrganism()
    for channels in ({}, {"c": [0, 1, 2, 3]}):
        with pytest.raises(InputError, match="nothing to compare"):
            channel_ablation(organism, TASKS, channels, **OPTIONS)
    with pytest.raises(UnknownNameError, match="single_step"):
        channel_ablation(organism, TASKS, {"c": [0]}, operations="single_stp", **OPTIONS)
    with pytest.raises(InputError, match="no tasks"):
        channel_ablation(organism, TASKS[0:0], {"c": [0]}, **OPTIONS)

    class Forgetful(CueNetwork):
        def forward(self, observations, state=None, episode_starts=None):
            return super().forward(observations)._replace(state=())

    organism.network = Forgetful()
    with pytest.raises(InputError, match="keeps no state"):
        channel_ablation(organism, TASKS, {"c": [0]}, **OPTIONS)


def test_the_figure_draws_the_dataset_and_it_can_be_kept(result, tmp_path):
    [ax] = plot_channel_ablation(result).axes
    bars: list[Any] = list(ax.patches)
    heights = np.array([bar.get_height() for bar in bars])
    drawn = 100 * result["solve_drop"].transpose("set", "operation").values.ravel()
    assert heights == pytest.approx(drawn) and len(heights) == len(SETS) * 4
    assert "points" in ax.get_ylabel()
    write_netcdf(result, tmp_path / "result.nc")
    assert xr.load_dataset(tmp_path / "result.nc").found.dtype == bool
