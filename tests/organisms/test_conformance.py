"""What every organism keeps to, checked on all that ship and on small ones made here."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file, save_file
from torch.utils._pytree import tree_leaves

import organisms
from interp import contract as protocols
from interp.errors import (
    AddressError,
    AssetError,
    CheckpointError,
    InputError,
    InterventionError,
    MesascopeError,
    UnfiredInterventionError,
    UnknownNameError,
    UnknownSiteError,
)
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from interp.runs.episodes import run_episodes
from interp.runs.replay import replay_run
from interp.runs.variables import padding
from organisms.assets import file_sha256
from organisms.capabilities.capability import LikeOrganism
from organisms.card import Card
from organisms.networks.build import network_record
from organisms.networks.drc import DRC, ConvConfig, DRCConfig
from organisms.networks.resnet import ResNet, ResNetConfig
from organisms.organism import Organism
from tests.organisms.tiny_mazes import TINY_MAZE_CONFIGS, tiny_maze_organism

MAX_STEPS = 10
N_EPISODES = 5
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

# Of runs that are computed in float64 and kept in float32. In float32 itself a convolution leaves
# roundings of the largest number of its board, which no fixed tolerance fits.
PRECISE = {"rtol": 1e-6, "atol": 1e-7}

TINY = {
    "tiny-drc": DRC(
        DRCConfig(
            n_layers=2,
            n_ticks=2,
            channels=4,
            encoder=(ConvConfig(4, (4, 4)), ConvConfig(4, (3, 3))),
            board=(7, 7),
            mlp_hiddens=(8,),
        ),
        seed=11,
    ),
    "tiny-drc-planes-noop": DRC(
        DRCConfig.bush(
            n_layers=1,
            n_ticks=3,
            channels=4,
            encoder=(ConvConfig(5, (3, 3)),),
            board=(6, 8),
            mlp_hiddens=(8, 6),
        ),
        seed=12,
    ),
    "tiny-drc-residual-mean": DRC(
        DRCConfig(
            n_layers=3,
            n_ticks=1,
            channels=4,
            encoder=(ConvConfig(4, (3, 3)),),
            encoder_relu=True,
            board=(7, 8),
            pool_and_inject="vertical",
            pool_projection="mean",
            residual=True,
            skip_final=False,
            head="h",
            head_pool="mean",
            mlp_hiddens=(8,),
        ),
        seed=13,
    ),
    "tiny-resnet": ResNet(
        ResNetConfig(channels=(4, 6), kernel_sizes=((4, 4), (3, 3)), n_blocks=1, board=(7, 7)),
        seed=14,
    ),
}


def shipped_names() -> list[str]:
    try:
        return sorted(organisms.shipped())
    except AssetError:  # a clone without data: the wheel's own test sees to that
        return []


def sample_names() -> list[str]:
    """Return the shipped organisms, but of each population only the first of either kind of network."""
    alone, of_kind = [], {}
    for name in shipped_names():
        population, _, agent = name.partition("/")
        if not agent:
            alone.append(name)
            continue
        kind = Card.read(organisms.shipped()[name] / "card.json").network.get("kind")
        of_kind.setdefault((population, kind), name)
    return [*alone, *of_kind.values()]


def small(organism: Organism) -> Organism:
    """Return the organism with a short step limit, so that its runs are short, where it has one."""
    if "max_steps" not in organism.options:
        return organism
    world = {**organism.card.world, "max_steps": MAX_STEPS}
    return organism.replace(card=dataclasses.replace(organism.card, world=world))


@pytest.fixture(scope="module", params=[*TINY, *TINY_MAZE_CONFIGS, *sample_names()])
def organism(request) -> Organism:
    if request.param in TINY_MAZE_CONFIGS:
        return tiny_maze_organism(request.param, max_steps=MAX_STEPS)
    if request.param not in TINY:
        return small(organisms.load(request.param))
    network = TINY[request.param]
    card = Card(
        name=request.param,
        family="sokoban",
        summary="Untrained; for tests.",
        network=network_record(network),
        world={"n_boxes": 1, "max_steps": MAX_STEPS},
    )
    return Organism(network, card)


@pytest.fixture(scope="module")
def precise(organism) -> Organism:
    """The organism in float64."""
    return type(organism)(copy.deepcopy(organism.network).double(), organism.card)


@pytest.fixture(scope="module")
def tasks(organism):
    return organism.tasks("test", N_EPISODES)


@pytest.fixture(scope="module")
def run(organism, tasks) -> xr.Dataset:
    return organism.run(tasks, sites=["*"], thinking_steps=2)


def within(run: xr.Dataset) -> np.ndarray:
    """(episode, step) bool: rows within the episodes."""
    return run.step.values < run.length.values[:, None]


class OneAfterTheOther(LikeOrganism):
    """An organism of whose tasks the first is over after one step, the second after two, …"""

    def __init__(self, organism, tasks):
        super().__init__(organism)
        self.limits = {name: k + 1 for k, name in enumerate(tasks.ids)}

    def world(self, tasks):
        return LimitedWorld(self._organism.world(tasks), [self.limits[name] for name in tasks.ids])


class LimitedWorld:
    """A world whose rows are cut off after as many steps as their limits say."""

    def __init__(self, world, limits):
        self._world, self._limits, self._taken = world, np.array(limits), 0

    def __getattr__(self, name):
        return getattr(self._world, name)

    def reset(self):
        self._taken = 0
        return self._world.reset()

    def step(self, action):
        self._taken += 1
        answer = protocols.Transition(*self._world.step(action)[:4])
        late = answer.truncated | ((self._taken >= self._limits) & ~answer.terminated)
        return answer._replace(truncated=late)


def limit_of(organism, tasks) -> int:
    """Return how many steps an episode takes at most."""
    return int(organism.world(tasks).max_steps)


def spaces_of(organism, tasks) -> protocols.Spaces:
    world = organism.world(tasks)
    return protocols.spaces_of(organism, world, world.reset())


def feature_dims(organism, site: str) -> tuple[str, ...]:
    """Return the dims of a site within one firing."""
    return tuple(dim for dim in organism.sites[site] if dim != "tick")


def a_part(run: xr.Dataset, organism) -> tuple[str, dict]:
    """Return the site with the most dims, and an index of some, not all, of its numbers."""
    inner = [site for site in organism.sites if site not in ("logits", "value")]
    site = max(inner, key=lambda name: len(feature_dims(organism, name)))
    *others, last = feature_dims(organism, site)
    return site, {**{dim: run.sizes[dim] // 2 for dim in others}, last: slice(1, 3)}


def always(organism, action: int) -> Intervention:
    return Intervention(Address("logits", index={"action_index": action}), "add", 1e4)


def inputs(organism, steps: int = 3, batch: int = 2) -> torch.Tensor:
    observation = organism.world(organism.tasks("test", batch)).reset()
    return torch.from_numpy(np.stack([observation] * steps))


# What an organism is ---------------------------------------------------------------------------


def test_it_keeps_every_promise(organism):
    assert organisms.check(organism) == []


def test_has_what_the_protocols_ask_for(organism, tasks):
    assert isinstance(organism, protocols.Organism)
    assert isinstance(organism.network, protocols.Network)
    assert isinstance(tasks, protocols.Tasks)
    world = organism.world(tasks)
    assert isinstance(world, protocols.World)
    assert "max_steps" not in organism.options or world.max_steps == MAX_STEPS
    assert len(tasks) == N_EPISODES
    assert organism.name in repr(organism)
    assert organism.card.summary in str(organism.card)
    assert not any(parameter.requires_grad for parameter in organism.network.parameters())


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_cards_are_complete(name):
    folder = organisms.shipped()[name]
    card = Card.read(folder / "card.json")
    assert card.name == name and folder.as_posix().endswith(f"/{name}")
    for field in ("summary", "paper", "task", "training", "licence", "limits", "results"):
        assert getattr(card, field), field
    assert file_sha256(folder / card.weights_file) == card.weights_sha256
    assert name in organisms.names()
    for result in card.results:
        assert result.low is None or result.low <= result.value <= result.high


# Runs ------------------------------------------------------------------------------------------


def test_variables_of_a_run(organism, tasks, run):
    spaces, outcome = spaces_of(organism, tasks), protocols.outcome_of(organism)
    limit, (shown,) = limit_of(organism, tasks), protocols.observation_spaces(spaces).values()
    per_step = ("episode", "step")
    expected = {
        "observation": ((*per_step, *shown.dims), shown.dtype),
        "action": (per_step, "int16"),
        "reward": (per_step, "float32"),
        "logits": ((*per_step, "action_index"), "float32"),
        "value": (per_step, "float32"),
        "done": (per_step, "bool"),
        "length": (("episode",), "int32"),
    }
    if outcome.can_succeed:
        expected["solved"] = (("episode",), "bool")
    if outcome.name != "solved":
        expected["outcome"] = (("episode",), "float64")
    for name, (dims, dtype) in expected.items():
        assert run[name].dims == dims, name
        assert run[name].dtype == dtype, name
    assert set(expected) >= {"solved", "outcome"} & set(run.data_vars)
    assert run.observation.shape[2:] == tuple(shown.shape)
    assert run.sizes["action_index"] == spaces.action.n
    assert run.level_id.values.tolist() == list(tasks.ids)
    assert run.level.values.tolist() == list(tasks.texts)
    length = run.length.values
    assert run.step.values.tolist() == list(range(-2, length.max()))
    assert (length >= 1).all()
    assert (length <= limit).all()
    if organism.card.family == "sokoban":  # in mazes an episode may end unsolved before the limit
        assert (run.solved.values | (length == limit)).all()

    inside = within(run)
    acting = inside & (run.step.values >= 0)
    assert (run.action.values[acting] >= 0).all()
    assert (run.action.values[~acting] == -1).all()
    assert (run.action.values < spaces.action.n).all()
    np.testing.assert_array_equal(
        run.action.values[acting], run.logits.values[acting].argmax(axis=-1)
    )
    last = run.step.values == length[:, None] - 1
    np.testing.assert_array_equal(run.done.values, last)
    for name in ("reward", "logits", "value", *set(organism.sites) - {"logits", "value"}):
        values = run[name].values
        assert np.isfinite(values[inside]).all(), name
        assert np.isnan(values[~inside]).all(), name
    beyond = run.observation.values[~inside]
    np.testing.assert_array_equal(beyond, np.full_like(beyond, padding(shown.dtype)))
    assert run.attrs["organism"] == organism.name


def test_declared_dims_are_those_of_the_tensors(organism, run):
    board = getattr(organism.network.config, "board", None)
    assert board is None or (run.sizes["y"], run.sizes["x"]) == tuple(board)
    output, cache = organism.network.run_with_cache(inputs(organism, steps=3, batch=2))
    assert list(cache) == list(organism.sites)
    for site, dims in organism.sites.items():
        assert len(set(dims)) == len(dims)
        assert cache[site].shape[:2] == (3, 2), site
        assert cache[site].ndim == 2 + len(dims), site
        if site in ("logits", "value"):
            torch.testing.assert_close(cache[site], getattr(output, site), rtol=0, atol=0)
            continue
        assert run[site].dims == ("episode", "step", *dims)
        sizes = dict(zip(dims, cache[site].shape[2:], strict=True))
        assert sizes == {dim: run.sizes[dim] for dim in dims}
    if "tick" in run.dims:
        assert run.tick.values.tolist() == list(range(organism.network.n_ticks))


def test_thinking_steps(organism, tasks, run):
    thinking = run.sel(step=[-2, -1])
    assert (thinking.action == -1).all()
    assert (thinking.reward == 0).all()
    assert not thinking.done.any()
    for step in (-2, -1):
        xr.testing.assert_equal(
            run.observation.sel(step=step, drop=True), run.observation.sel(step=0, drop=True)
        )
    # The first forward is the same whether it thinks or acts; only the label differs.
    plain = organism.run(tasks)
    assert plain.step.values[0] == 0
    np.testing.assert_allclose(
        run.logits.sel(step=-2).values, plain.logits.sel(step=0).values, **TOLERANCE
    )
    if not tree_leaves(organism.network.initial_state(1)):
        xr.testing.assert_equal(run.action.sel(step=slice(0, None)), plain.action)
    else:
        assert not np.allclose(run.logits.sel(step=-2), run.logits.sel(step=0), rtol=1e-6, atol=0)


def test_seeds_draw_other_actions(organism, tasks):
    hot = [organism.run(tasks, seed=seed, temperature=50.0).action.values for seed in (0, 1)]
    n = min(actions.shape[1] for actions in hot)
    assert (hot[0][:, :n] != hot[1][:, :n]).any()
    greedy = [organism.run(tasks, seed=seed) for seed in (0, 1)]
    xr.testing.assert_equal(*greedy)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"thinking_steps": -1},
        {"thinking_steps": 1.5},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"seed": -1},
        {"seed": 0.5},
    ],
    ids=str,
)
def test_impossible_options_are_refused(organism, tasks, options):
    with pytest.raises(InputError, match=next(iter(options))):
        organism.run(tasks, **options)


def test_no_tasks_are_refused(organism, tasks):
    with pytest.raises(InputError, match="no tasks"):
        organism.run(tasks[:0])


def test_one_site_may_be_named_without_a_list(organism, tasks):
    site = next(iter(organism.sites))
    xr.testing.assert_identical(organism.run(tasks, sites=site), organism.run(tasks, sites=[site]))
    replayed = organism.replay(inputs(organism), sites=site)
    assert set(replayed.data_vars) == {site, "logits", "value"}


def test_bfloat16(organism, tasks):
    """NumPy has no bfloat16; what comes out of a run is float32."""
    half = type(organism)(copy.deepcopy(organism.network).to(torch.bfloat16), organism.card)
    run = half.run(tasks, sites=["*"])
    assert all(run[name].dtype == np.float32 for name in ("logits", "value"))
    assert all(run[site].dtype == np.float32 for site in organism.sites)
    assert half.weights_sha256() != organism.weights_sha256()
    ours, theirs = run.logits.values[:, 0], organism.run(tasks).logits.values[:, 0]
    # Eight bits of precision: close for the size of the numbers, and surely not the same.
    assert 0 < np.abs(ours - theirs).max() < 0.1 * (1 + np.abs(theirs).max())


def test_global_generators_are_left_alone(organism, tasks):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    organism.run(tasks, temperature=1.0)
    organism.untrained(3)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_any_batch_size(organism, precise, tasks, temperature):
    options = {"temperature": temperature, "sites": ["*"]}
    whole = organism.run(tasks, batch_size=128, **options)
    precisely = precise.run(tasks, batch_size=128, **options)
    for batch_size in (1, 3):
        parts = organism.run(tasks, batch_size=batch_size, **options)
        xr.testing.assert_equal(parts.action, whole.action)
        xr.testing.assert_equal(parts.observation, whole.observation)
        answers = ["logits", "value", "reward"]
        xr.testing.assert_allclose(parts[answers], whole[answers], **TOLERANCE)
        parts = precise.run(tasks, batch_size=batch_size, **options)
        xr.testing.assert_allclose(parts, precisely, **PRECISE)
    alone = organism.run(tasks[1:2])
    if temperature == 0:
        mine = whole.isel(episode=slice(1, 2)).sel(step=alone.step)
        xr.testing.assert_equal(alone.action, mine.action)


def test_episodes_that_end_leave_the_batch(precise, tasks):
    """The rest go on with their own states, as if they had been alone."""
    organism = OneAfterTheOther(precise, tasks)
    together = run_episodes(organism, tasks, sites=["*"])
    undisturbed = precise.run(tasks)
    expected = np.minimum(undisturbed.length.values, np.arange(1, N_EPISODES + 1))
    assert together.length.values.tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1, "episodes that all end at once show nothing"
    for row in range(N_EPISODES):
        alone = run_episodes(organism, tasks[row : row + 1], sites=["*"])
        mine = together.isel(episode=slice(row, row + 1)).sel(step=alone.step)
        xr.testing.assert_allclose(alone, mine, **PRECISE)


def test_replay_of_a_run_gives_the_same(precise, tasks):
    run = precise.run(tasks, sites=["*"], thinking_steps=2)
    again = replay_run(precise.network, run, sites=["*"])
    assert again.logits.dims == ("step", "batch", "action")
    assert again.value.dims == ("step", "batch")
    inside = within(run)
    for name in again.data_vars:
        ours = run[name].values[inside]
        theirs = np.moveaxis(again[name].values, 1, 0)[inside]
        np.testing.assert_allclose(theirs, ours, err_msg=name, **PRECISE)


def test_replay_starts_episodes_where_told(organism):
    x = inputs(organism, steps=3, batch=2).numpy()
    starts = np.zeros((6, 2), bool)
    starts[3] = True
    twice = organism.replay(np.concatenate([x, x]), starts)
    once = organism.replay(x)
    for name in ("logits", "value"):
        np.testing.assert_allclose(twice[name].values[:3], once[name].values, **TOLERANCE)
        np.testing.assert_allclose(twice[name].values[3:], once[name].values, **TOLERANCE)


def test_replay_refuses_what_does_not_fit(organism):
    x = inputs(organism).numpy()
    for bad in (x[0, 0], x[:0], x[..., :-1], np.full(x.shape, np.nan)):
        with pytest.raises(InputError):
            organism.replay(bad)
    with pytest.raises(InputError, match="episode_starts"):
        organism.replay(x, np.zeros((1, 1), bool))


# Hooks and interventions -----------------------------------------------------------------------


def outputs(organism, x) -> list[torch.Tensor]:
    with torch.inference_mode():
        output = organism.network(x)
    return [output.logits, output.value, *tree_leaves(output.state)]


def assert_bitwise(first: list[torch.Tensor], second: list[torch.Tensor]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_idle_hooks_change_nothing(organism):
    x = inputs(organism)
    plain = outputs(organism, x)
    fired: set[str] = set()

    def look(tensor, hook):
        fired.add(hook.name)

    def pass_on(tensor, hook):
        return tensor

    for hook in (look, pass_on):
        with organism.network.hooks(fwd_hooks=[(lambda name: True, hook)]):
            assert_bitwise(outputs(organism, x), plain)
    assert fired == set(organism.sites)
    assert all(point.is_idle for point in organism.network.hook_dict.values())
    assert_bitwise(outputs(organism, x), plain)


@pytest.mark.parametrize(("operation", "value"), [("add", 0.0), ("scale", 1.0)])
def test_identity_interventions_change_nothing(organism, tasks, operation, value):
    everywhere = [Intervention(Address(site), operation, value) for site in organism.sites]
    plain = organism.run(tasks, sites=["*"])
    changed = organism.run(tasks, sites=["*"], interventions=everywhere)
    xr.testing.assert_equal(changed, plain)
    x = inputs(organism).numpy()
    xr.testing.assert_equal(
        organism.replay(x, sites=["*"], interventions=everywhere), organism.replay(x, sites=["*"])
    )


def test_writing_back_what_was_there_changes_nothing(organism):
    x = inputs(organism, steps=1)
    plain = organism.replay(x, sites=["*"])
    for site, dims in organism.sites.items():
        last = {"tick": organism.network.n_ticks - 1} if dims[:1] == ("tick",) else {}
        there = plain[site].isel(step=0, **last).values
        again = organism.replay(
            x,
            sites=["*"],
            interventions=[Intervention(Address(site, step=0, **last), "set", there)],
        )
        xr.testing.assert_equal(again, plain)


def test_every_site_matters(organism):
    """A site that can be set to anything without any effect is no part of the network."""
    x = inputs(organism, steps=2)
    plain = organism.replay(x)
    for site in organism.sites:
        changed = organism.replay(x, interventions=[Intervention(Address(site), "add", 3.0)])
        assert any(not changed[name].equals(plain[name]) for name in ("logits", "value")), site


def test_interventions_reach_what_they_address_and_no_more(organism, tasks, run):
    site, index = a_part(run, organism)
    address = Address(site, step=3, index=index)
    plain = organism.run(tasks, sites=["*"])
    changed = organism.run(
        tasks, sites=["*"], interventions=[Intervention(address, "set", 5.0), always(organism, 0)]
    )
    running = changed.length.values > 3
    assert running.any()
    there = changed[site].sel(step=3)
    assert (there.isel(index).values[running] == 5.0).all()
    assert (there.values[running] == 5.0).sum() == (there.isel(index).values[running] == 5.0).sum()
    assert not (changed[site].sel(step=2).isel(index) == 5.0).all()
    np.testing.assert_array_equal(
        changed[site].sel(step=0).values[running], plain[site].sel(step=0).values[running]
    )
    acting = within(changed) & (changed.step.values >= 0)
    assert (changed.action.values[acting] == 0).all()
    assert len(changed.attrs["interventions"]) == 2


def test_interventions_that_never_fire_raise(organism, tasks):
    site, beyond = next(iter(organism.sites)), limit_of(organism, tasks) + 5
    never = Intervention(Address(site, step=beyond), "zero")
    with pytest.raises(UnfiredInterventionError, match=str(beyond)):
        organism.run(tasks, interventions=[never])
    with pytest.raises(UnfiredInterventionError):
        organism.run(tasks, interventions=[Intervention(Address(site, step=-1), "zero")])
    with pytest.raises(UnfiredInterventionError):
        organism.replay(inputs(organism), interventions=[never])
    for ticking, dims in organism.sites.items():
        if dims[:1] == ("tick",):
            late = Intervention(Address(ticking, tick=99), "zero")
            with pytest.raises((UnfiredInterventionError, AddressError)):
                organism.run(tasks, interventions=[late])
            break
    assert all(point.is_idle for point in organism.network.hook_dict.values())
    organism.run(tasks, interventions=[Intervention(Address(site, step=0), "scale", 1.0)])


def test_impossible_addresses_raise(organism, tasks, run):
    site, index = a_part(run, organism)
    for bad in (
        Address(site, index={"nowhere": 0}),
        *(Address(site, index={dim: run.sizes[dim]}) for dim in index),
        Address("value", tick=0),
    ):
        with pytest.raises(AddressError):
            organism.run(tasks, interventions=[Intervention(bad, "zero")])
    with pytest.raises(InterventionError, match="broadcast"):
        organism.run(tasks, interventions=[Intervention(Address(site), "add", np.ones(997))])


def test_misspelt_names_raise_with_the_nearest(organism, tasks):
    site = max(organism.sites, key=len)
    typo = site + "zz"
    network, x = organism.network, inputs(organism)
    attempts = [
        lambda: organism.run(tasks, sites=[typo]),
        lambda: organism.replay(x, sites=[typo]),
        lambda: organism.run(tasks, interventions=[Intervention(Address(typo), "zero")]),
        lambda: network.run_with_cache(x, names_filter=typo),
        lambda: network.run_with_hooks(x, fwd_hooks=[(typo, lambda tensor, hook: None)]),
        lambda: network.add_hook(typo, lambda tensor, hook: None),
        lambda: network.hooks(fwd_hooks=[(typo, lambda tensor, hook: None)]).__enter__(),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownSiteError, match="Nearest: .*" + site.replace(".", r"\.")):
            attempt()
    with pytest.raises(UnknownNameError, match="'test'"):
        organism.tasks("tests", 3)


def test_transformer_lens_faces(organism):
    network, x = organism.network, inputs(organism)
    plain = outputs(organism, x)
    site = "value"

    def louder(tensor, hook):
        assert hook.clock.step is not None
        return tensor + 1

    changed = network.run_with_hooks(x, fwd_hooks=[(site, louder)])
    torch.testing.assert_close(changed.value, plain[1] + 1)
    assert torch.equal(changed.logits, plain[0])
    with network.hooks(fwd_hooks=[(site, louder)]):
        with network.hooks(fwd_hooks=[(site, louder)]):
            torch.testing.assert_close(outputs(organism, x)[1], plain[1] + 2)
        torch.testing.assert_close(outputs(organism, x)[1], plain[1] + 1)
    assert_bitwise(outputs(organism, x), plain)
    network.add_hook(site, louder)
    torch.testing.assert_close(outputs(organism, x)[1], plain[1] + 1)
    network.reset_hooks()
    assert_bitwise(outputs(organism, x), plain)
    for name in organism.sites:
        assert network.hook_dict[name].name == name


def test_the_cache_has_every_firing(organism):
    network, x = organism.network, inputs(organism, steps=4)
    counts = dict.fromkeys(organism.sites, 0)

    def count(tensor, hook):
        counts[hook.name] += 1

    network.run_with_hooks(x, fwd_hooks=[(lambda name: True, count)])
    output, cache = network.run_with_cache(x)
    replayed = organism.replay(x, sites=["*"])
    for site, dims in organism.sites.items():
        ticks = organism.network.n_ticks if dims[:1] == ("tick",) else 1
        assert counts[site] == 4 * ticks
        np.testing.assert_array_equal(cache[site].numpy(), replayed[site].values)
    before = {site: tensor.clone() for site, tensor in cache.items()}
    network(x.flip(1), output.state)
    assert all(torch.equal(cache[site], before[site]) for site in cache)
    only = network.run_with_cache(x, names_filter="value")[1]
    assert list(only) == ["value"]


def test_an_exception_in_a_hook_leaves_nothing_behind(organism, tasks):
    class BadHookError(Exception):
        pass

    def bad(tensor, hook):
        raise BadHookError

    plain = organism.run(tasks)
    with pytest.raises(BadHookError):
        organism.network.run_with_hooks(inputs(organism), fwd_hooks=[("value", bad)])
    clock = organism.network.clock
    assert (clock.step, clock.tick, clock.running) == (None, None, False)
    assert all(point.is_idle for point in organism.network.hook_dict.values())
    xr.testing.assert_identical(organism.run(tasks), plain)


# Weights ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(organism, tmp_path_factory):
    return organism.save(tmp_path_factory.mktemp("saved") / organism.name)


def test_save_and_load(organism, tasks, folder):
    loaded = organisms.load(folder)
    assert type(loaded) is type(organism)
    assert loaded.weights_sha256() == organism.weights_sha256()
    assert loaded.describe() == organism.describe()
    assert loaded.sites == organism.sites
    assert not loaded.checkpoints, "those along the training are not written"
    other = {"weights_file": "", "weights_sha256": "", "checkpoints": {}}
    assert dataclasses.replace(loaded.card, **other) == dataclasses.replace(organism.card, **other)
    assert not loaded.network.training
    xr.testing.assert_identical(
        loaded.run(tasks, sites=["*"], thinking_steps=1),
        organism.run(tasks, sites=["*"], thinking_steps=1),
    )
    with pytest.raises(FileExistsError):
        organism.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]


def damaged(folder, tmp_path, change, *, resign: bool):
    """Copy a saved organism, change its weights file, and put the new sha256 on the card or not."""
    target = tmp_path / "damaged"
    shutil.copytree(folder, target)
    weights = target / "weights.safetensors"
    change(weights)
    if resign:
        card = json.loads((target / "card.json").read_text(encoding="utf-8"))
        card["weights_sha256"] = file_sha256(weights)
        (target / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return target


def edit(function):
    def change(path):
        state = load_file(path)
        save_file(function(state), path)

    return change


def with_nan(state):
    name = sorted(state)[0]
    state[name].view(-1)[0] = float("nan")
    return state


def with_infinity(state):
    name = sorted(state)[-1]
    state[name].view(-1)[-1] = float("inf")
    return state


def wrong_shape(state):
    name = sorted(state)[0]
    return {**state, name: torch.cat([state[name], state[name]])}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def truncate_header(path):
    path.write_bytes(path.read_bytes()[:5])


DAMAGES = {
    "nan": edit(with_nan),
    "infinity": edit(with_infinity),
    "wrong shape": edit(wrong_shape),
    "missing tensor": edit(lambda state: dict(sorted(state.items())[1:])),
    "one tensor too many": edit(lambda state: {**state, "extra": torch.zeros(1)}),
    "truncated": truncate,
    "truncated header": truncate_header,
    "empty": lambda path: path.write_bytes(b""),
    "not safetensors": lambda path: path.write_bytes(b"\x80\x04K\x01." * 100),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused(folder, tmp_path, damage):
    with pytest.raises(CheckpointError):
        organisms.load(damaged(folder, tmp_path, DAMAGES[damage], resign=True))


def test_weights_that_are_not_the_cards_are_refused(folder, tmp_path):
    def one_bit(path):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))

    with pytest.raises(CheckpointError, match="sha256"):
        organisms.load(damaged(folder, tmp_path, one_bit, resign=False))


def test_missing_files_are_named(folder, tmp_path):
    with pytest.raises(AssetError, match="weights"):
        organisms.load(damaged(folder, tmp_path, lambda path: path.unlink(), resign=False))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match="card.json"):
        organisms.load(tmp_path / "empty")
    with pytest.raises(AssetError):
        organisms.load(tmp_path / "damaged" / "card.json")
    with pytest.raises(MesascopeError):
        organisms.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"kind": "drcc"}},
        {"network": {}},
        {"network": {"kind": "drc", "n_tick": 3}},
        {"network": {"kind": "drc", "n_ticks": 0}},
        {"network": {"kind": "resnet", "channels": []}},
        {"family": "sokobann"},
        {"world": {"max_step": 3}},
        {"world": {"rewards": "rich"}},
        {"world": {"max_steps": "many"}},
        {"world": 3},
        {"network": {"kind": "drc", "encoder": 5}},
        {"limits": None},
        {"results": [3]},
        {"results": [{"quantity": "solve rate"}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_malformed_cards_are_refused(folder, tmp_path, change):
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    card = json.loads((target / "card.json").read_text(encoding="utf-8"))
    (target / "card.json").write_text(json.dumps({**card, **change}), encoding="utf-8")
    with pytest.raises((CheckpointError, UnknownNameError)):
        organisms.load(target)


def test_cards_that_are_no_json_are_refused(folder, tmp_path):
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    for text in ("", "{", "[]", '{"name": 1}'):
        (target / "card.json").write_text(text, encoding="utf-8")
        with pytest.raises(CheckpointError):
            organisms.load(target)


def test_unknown_names_raise_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Nearest|Known"):
        organisms.load("sokoban-drc-smal-v0")


def test_the_untrained_control(organism, tasks):
    before = organism.weights_sha256()
    control, again, other = organism.untrained(0), organism.untrained(0), organism.untrained(1)
    assert control.weights_sha256() == again.weights_sha256()
    assert len({organism.weights_sha256(), control.weights_sha256(), other.weights_sha256()}) == 3
    assert organism.weights_sha256() == before
    assert control.name != organism.name
    assert control.card.name == control.name
    assert "untrained" in control.name
    assert control.sites == organism.sites
    assert control.network is not organism.network
    xr.testing.assert_identical(control.run(tasks), again.run(tasks))
    assert not np.allclose(control.run(tasks).logits.values[:, 0], organism.run(tasks).logits[:, 0])
