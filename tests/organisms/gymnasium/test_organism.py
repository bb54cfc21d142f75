"""Agents of one's own in gymnasium worlds: recorded, replayed, probed, patched and steered."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import interp
import organisms
from interp import Address, Concept, Intervention, Site
from interp.contract import outputs_of
from interp.errors import CapabilityError, InputError
from interp.runs.replay import replay_run
from tests.organisms.gymnasium.environments import Counting, Drawn

BOX = spaces.Box(-1, 1, (3,), np.float32)


class Remembering(torch.nn.Module):
    """A GRU policy without a forward."""

    def __init__(self, n_in, n_out, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.cell, self.head = torch.nn.GRUCell(n_in, 8), torch.nn.Linear(8, n_out)
        self.critic = torch.nn.Linear(8, 1)


def step(policy, seen, h):
    if isinstance(seen, dict):
        parts = [x.float().reshape(len(x), -1) for x in seen.values()]
        seen = torch.cat(parts, 1)
    h = policy.cell(seen.reshape(len(seen), -1).float(), h)
    return (policy.head(h), policy.critic(h)), h


def box_step(policy, seen, h):
    (mean, value), h = step(policy, seen, h)
    return {"mean": 2 * mean, "log_std": torch.full_like(mean, -1), "value": value}, h


def network(n_in, n_out, step=step, seed=5):
    return interp.agent(
        Remembering(n_in, n_out, seed),
        {"h": Site("cell", ("unit",))},
        step=step,
        initial_state=torch.zeros(8),
    )


def positions():
    """CartPole that hides its velocities."""
    seen = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    env = gymnasium.make("CartPole-v1", max_episode_steps=40)
    return gymnasium.wrappers.TransformObservation(env, lambda x: x[[0, 2]], seen)


def cartpole(**options):
    speeds = {"record_info": lambda env, info: {"speed": env.unwrapped.state[1]}}
    return organisms.from_gymnasium(network(2, 2), positions, **{**speeds, **options})


WORLDS = {
    "positions": lambda: cartpole(success="truncated"),
    "pendulum": lambda: organisms.from_gymnasium(
        network(3, 1, box_step), lambda: gymnasium.make("Pendulum-v1", max_episode_steps=12)
    ),
    "several observations": lambda: organisms.from_gymnasium(
        network(2, 2), Counting, max_steps=9, record_info=["left"], success="terminated"
    ),
    "several choices": lambda: organisms.from_gymnasium(
        network(3, 5), lambda: Drawn(BOX, spaces.MultiDiscrete([2, 3])), max_steps=9
    ),
    "frames": lambda: organisms.from_gymnasium(
        network(4 * 5 * 6 * 3, 2),
        lambda: Drawn(spaces.Box(0, 255, (4, 5, 6, 3), np.uint8), spaces.Discrete(2, start=1)),
        max_steps=9,
    ),
    "a number": lambda: organisms.from_gymnasium(
        network(1, 2), lambda: Drawn(spaces.Discrete(4), spaces.Discrete(2)), max_steps=9
    ),
    "ends at once": lambda: organisms.from_gymnasium(
        network(3, 2), lambda: Drawn(BOX, spaces.Discrete(2), lasts=1), max_steps=9
    ),
}


def greedy(organism, env, shown, state):
    """Return the action of the network by itself, in the library's numbers, and its state."""
    if isinstance(shown, dict):
        seen = {k: torch.as_tensor(np.asarray(v))[None, None] for k, v in shown.items()}
    else:
        seen = torch.as_tensor(np.asarray(shown))[None, None]
    with torch.inference_mode():
        output = organism.network(seen, state)
    space = env.action_space
    if isinstance(space, spaces.Box):
        return np.clip(output.named["mean"][0, 0].numpy(), space.low, space.high), output.state
    sizes = space.nvec.tolist() if isinstance(space, spaces.MultiDiscrete) else [int(space.n)]
    parts = output.logits[0, 0].split(sizes)
    return np.array([int(part.argmax()) for part in parts]), output.state


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_stored_is_what_gymnasium_showed_to_the_bit(name, tmp_path):
    organism = WORLDS[name]()
    tasks = organism.tasks("test", 5)
    interp.record(organism, tasks, tmp_path / "run.zarr", ["h"], dtype="float32", progress=False)
    run = interp.open_store(tmp_path / "run.zarr").load()
    variables = {str(v): str(v).partition(".")[2] for v in run if str(v).startswith("observation")}
    for i, seed in enumerate(tasks.seeds):
        env = organism.world(tasks)._settings.maker.one()
        shown, _ = env.reset(seed=seed)
        state, over = organism.network.initial_state(1), False
        for t in range(int(run.length[i])):
            assert not over
            for variable, key in variables.items():
                expected = np.asarray(shown[key] if key else shown)
                assert run[variable].dtype == expected.dtype
                assert np.array_equal(run[variable][i, t].values, expected)
            stored = run.action[i, t].values
            action, state = greedy(organism, env, shown, state)
            np.testing.assert_allclose(np.atleast_1d(stored), action, atol=1e-5)
            taken = stored + getattr(env.action_space, "start", 0)
            taken = taken if isinstance(env.action_space, spaces.Box) else taken.astype(np.int64)
            shown, _, terminated, truncated, _ = env.step(taken if taken.ndim else taken[()])
            over = terminated or truncated
        assert over or t + 1 == organism.options["max_steps"]


@pytest.mark.parametrize("name", WORLDS)
def test_a_replay_of_a_recording_gives_its_activations(name, tmp_path):
    """Float observations, several of them by name, boxes, frames: whatever a world shows and takes."""
    organism = WORLDS[name]()
    interp.record(
        organism, organism.tasks("test", 5), tmp_path / "a", "h", dtype="float32", progress=False
    )
    run = interp.open_store(tmp_path / "a").load()
    again = replay_run(organism.network, run, sites=["h"])
    within = (run.step < run.length).transpose("step", "episode").values
    for kept in ("h", *outputs_of(run)):
        ours = again[kept].values[within]
        theirs = run[kept].transpose("step", "episode", ...).values[within]
        assert np.isfinite(ours).all() and len(ours) == int(run.length.sum())
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=kept)
    assert len(np.unique(again.h.values[within], axis=0)) > 1, "nothing to tell apart"


@pytest.mark.parametrize("name", WORLDS)
def test_every_promise_of_the_contract_is_kept(name):
    assert organisms.check(WORLDS[name]()) == []


def test_an_organism_that_nobody_told_of_success_has_a_return():
    organism = WORLDS["pendulum"]()
    run = organism.run(organism.tasks("test", 3))
    assert "solved" not in run
    reward = run.reward.where(run.step < run.length).sum("step")
    np.testing.assert_allclose(run.outcome, reward, rtol=1e-5)
    assert run.action.dims[:2] == ("episode", "step") and run.action.dtype == np.float32
    assert (abs(run.action) <= 2).all()
    drawn = organism.run(organism.tasks("test", 3), temperature=1.0)
    assert not np.allclose(drawn.action, run.action)


def test_success_and_facts_that_the_network_does_not_see_are_in_the_run():
    organism = cartpole(success="truncated")
    run = organism.run(organism.tasks("test", 30))
    assert run.solved.dtype == bool
    assert np.array_equal(run.solved, (run.length == 40))
    first, later = run.speed.isel(step=0), run.speed.isel(step=1)
    push = np.where(run.action.isel(step=0) == 1, 1, -1)
    assert np.array_equal(np.sign(later - first), push)  # facts stand where they are true


def test_a_fact_is_probed_for():
    organism = cartpole()
    run = organism.run(organism.tasks("train", 30), sites=["h"])
    table = interp.fit_probes(
        run, "speed", ["h"], kind="ridge", n_bootstrap=0, progress=False, controls=("majority",)
    )
    assert float(table.r2.sel(source="trained").max()) > float(
        table.r2.sel(source="majority").max()
    )


def test_a_memory_is_patched_and_what_is_written_steers():
    organism = cartpole()
    run = organism.run(organism.tasks("train", 16), sites=["h"])
    at = run.observation.isel(step=slice(0, 4))
    clean, corrupted = at.isel(episode=slice(0, 8)), at.isel(episode=slice(8, 16))
    table = interp.patch_sweep(
        organism, clean, corrupted, sites=["h"], metric="log_odds", n_bootstrap=5
    )
    # All of the memory at the last step decides what is done there.
    np.testing.assert_allclose(table.normalised.sel(step=3).values, 1, atol=1e-4)
    bias = organism.network.module.head.weight[1] - organism.network.module.head.weight[0]
    right = Intervention(Address("h"), "add", 50 * bias.detach().numpy())
    steered = organism.run(organism.tasks("test", 4), interventions=[right])
    action = steered.action.values
    assert (action[action >= 0] == 1).all() and (run.action == 0).any()


def test_controls_have_other_weights_and_the_module_stays_trainable():
    organism = cartpole()
    controls = [organism.untrained(seed) for seed in (0, 0, 1)]
    hashes = [control.weights_sha256() for control in controls]
    assert hashes[0] == hashes[1] != hashes[2] and organism.weights_sha256() not in hashes
    assert all(p.requires_grad for p in organism.network.module.parameters())
    assert controls[0].run(controls[0].tasks("test", 2)).sizes["episode"] == 2


def test_two_organisms_on_one_module():
    policy = Remembering(2, 2)
    made = [
        organisms.from_gymnasium(
            interp.agent(
                policy, {"h": Site("cell", ("unit",))}, step=step, initial_state=torch.zeros(8)
            ),
            positions,
        )
        for _ in range(2)
    ]
    runs = [organism.run(organism.tasks("test", 3), sites=["h"]) for organism in made]
    assert np.array_equal(runs[0].h, runs[1].h, equal_nan=True)


def test_weights_that_changed_are_not_served_their_old_recording(tmp_path):
    from interp.errors import StoreMismatchError

    organism = cartpole()
    tasks, path = organism.tasks("test", 3), tmp_path / "run.zarr"
    interp.record(organism, tasks, path, progress=False)
    with torch.no_grad():
        organism.network.module.head.weight.add_(1)
    with pytest.raises(StoreMismatchError):
        interp.record(organism, tasks, path, progress=False)


def test_its_own_concepts_and_no_capabilities():
    fast = Concept("fast", lambda run: (run.speed > 0).astype(int), ("no", "yes"))
    organism = cartpole(concepts=[fast])
    assert organism.concepts == {"fast": fast} and organism.state_sites == ["h"]
    assert organisms.Steering not in organism
    with pytest.raises(CapabilityError):
        organism[organisms.Steering]
    with pytest.raises(InputError, match="cannot be saved"):
        organism.save("somewhere")


def test_what_is_no_agent_is_refused_in_words():
    with pytest.raises(InputError, match=r"interp.agent"):
        organisms.from_gymnasium(lambda x: x, "CartPole-v1")
    with pytest.raises(InputError, match="no forward"):
        organisms.from_gymnasium(Remembering(4, 2), "CartPole-v1")
    organism = organisms.from_gymnasium(torch.nn.Linear(4, 3), "CartPole-v1")
    with pytest.raises(InputError, match="logits"):
        organism.run(organism.tasks("test", 1))
    with pytest.raises(InputError, match="its seeds"):
        organism.world([1, 2])


def test_questions_know_whether_they_can_be_asked_of_it():
    import analyses

    boxes = {each.name: each for each in analyses.ask(WORLDS["pendulum"]())}
    choices = {each.name: each for each in analyses.ask(WORLDS["positions"]())}
    assert "no logits" in boxes["causal_intervention_score"].reason
    assert "no logits" not in choices["causal_intervention_score"].reason
    assert boxes["thinking_time"].applies and choices["thinking_time"].applies
