"""Agents of stable-baselines3 and sb3-contrib as organisms; neither package is needed to import this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.contract import Outputs
from interp.errors import InputError
from interp.network.wrapping import Site
from organisms.gymnasium.organism import GymnasiumOrganism, organism_around


def from_sb3(
    model: Any,
    make_env: Any,
    *,
    sites: Mapping[str, Site | str] | None = None,
    **options: Any,
) -> GymnasiumOrganism:
    """Make an organism of an agent that stable-baselines3 or sb3-contrib trained.

    It acts as ``model.predict(…, deterministic=True)`` does, the clipping of boxes included. Images
    are turned and scaled, and observations normalised with the statistics of the model's
    ``VecNormalize``, as in its training.

    Parameters
    ----------
    model
        A loaded model (``PPO.load(path)``): PPO, A2C, DQN, SAC, TD3, DDPG, and of sb3-contrib
        RecurrentPPO, TRPO, QR-DQN, TQC, CrossQ; or its policy. Not a file: reading one runs the
        code that it holds.
    make_env
        The environment, as `organisms.from_gymnasium` takes it, with the wrappers of the training.
    sites
        Where to look, as `interp.wrap` takes them, in ``model.policy``. Unless told: the activations
        of the actor ``pi.0``, ``pi.1``, …, the critic ``vf.…`` (or ``q.…``), the features that
        both begin with ``features.…``; and of a recurrent policy ``h`` and ``c``, and ``critic_h``
        and ``critic_c`` if its critic has a memory of its own, (layer, hidden).
    **options
        As `organisms.from_gymnasium` takes them.

    Raises
    ------
    InputError
        If the policy is of a kind that is not known here, or was trained on observations of
        another shape than the environment's.

    Examples
    --------
    ::

        organism = organisms.from_sb3(DQN.load("dqn_cartpole"), "CartPole-v1")
        run = organism.run(organism.tasks("test", 20), sites=["q.*"])
    """
    if isinstance(model, str | Path):
        raise InputError(
            f"from_sb3 takes a loaded model, not a file, because reading one runs the code in it: "
            f"PPO.load({str(model)!r}), if it is one of PPO's and you trust it."
        )
    policy = getattr(model, "policy", model)
    if not isinstance(policy, torch.nn.Module) or not hasattr(policy, "observation_space"):
        raise InputError(f"A {type(model).__name__} is no model of stable-baselines3.")
    kind = _kind_of(policy)
    step = kind(policy, _Preparation.of(model, policy))
    return organism_around(
        policy,
        make_env,
        sites=sites,
        step=step,
        initial_state=step.initial_state,
        roots=step.roots,
        memories=step.memories,
        untrained=_before_training(model, policy),
        **options,
    )


class _Preparation:
    """What is done to an observation before a policy of stable-baselines3 sees it."""

    def __init__(self, space: Any, statistics: Mapping[str, Any], limits: tuple[float, float]):
        self._space, self._statistics = space, statistics
        self._epsilon, self._clip = limits

    @classmethod
    def of(cls, model: Any, policy: Any) -> _Preparation:
        find = getattr(model, "get_vec_normalize_env", None)
        normalise = find() if find else None
        if normalise is None or not normalise.norm_obs:
            return cls(policy.observation_space, {}, (0.0, 0.0))
        rms = normalise.obs_rms
        statistics = (
            {k: rms[k] for k in normalise.norm_obs_keys} if isinstance(rms, dict) else {"": rms}
        )
        return cls(
            policy.observation_space, statistics, (normalise.epsilon, float(normalise.clip_obs))
        )

    def __call__(self, observation: Any) -> Any:
        if isinstance(observation, Mapping):
            spaces = self._space.spaces
            if set(spaces) != set(observation):
                raise InputError(
                    f"The policy was trained on {sorted(spaces)}; the world shows {sorted(observation)}."
                )
            return {name: self._one(x, spaces[name], name) for name, x in observation.items()}
        return self._one(observation, self._space, "")

    def _one(self, x: torch.Tensor, space: Any, name: str) -> torch.Tensor:
        shape = tuple(space.shape)
        if tuple(x.shape[1:]) != shape and x.ndim == 4 and (*x.shape[3:], *x.shape[1:3]) == shape:
            x = x.permute(0, 3, 1, 2)  # the channels first, as VecTransposeImage has them
        if tuple(x.shape[1:]) != shape:
            raise InputError(
                f"The policy was trained on observations {shape}; the world shows "
                f"{tuple(x.shape[1:])}. Give make_env the wrappers of the training (frame stacks)."
            )
        if name in self._statistics:
            rms = self._statistics[name]
            centre, width = (
                torch.as_tensor(np.asarray(a), device=x.device)
                for a in (rms.mean, np.sqrt(rms.var + self._epsilon))
            )
            x = ((x - centre) / width).clamp(-self._clip, self._clip).float()
        return x


class _Agent:
    """One step of a kind of policy."""

    roots: Mapping[str, str] = {}
    memories: Mapping[str, str] = {}
    initial_state: Any = None

    def __init__(self, policy: Any, prepare: _Preparation):
        self.prepare = prepare

    def __call__(self, policy: Any, observation: Any, state: Any) -> tuple[Any, Any]:
        raise NotImplementedError


class _ActorCritic(_Agent):
    """PPO, A2C, TRPO."""

    roots = {
        "features": "features_extractor",
        "critic_features": "vf_features_extractor",
        "pi": "mlp_extractor.policy_net",
        "vf": "mlp_extractor.value_net",
    }

    def __call__(self, policy: Any, observation: Any, state: Any) -> tuple[Any, Any]:
        features = policy.extract_features(self.prepare(observation))
        for_pi, for_vf = (features, features) if policy.share_features_extractor else features
        latent_pi = policy.mlp_extractor.forward_actor(for_pi)
        latent_vf = policy.mlp_extractor.forward_critic(for_vf)
        return _action_parameters(policy, latent_pi, policy.value_net(latent_vf)), state


class _Recurrent(_Agent):
    """RecurrentPPO: the memory of the actor, and that of the critic if it has one of its own."""

    roots = _ActorCritic.roots

    def __init__(self, policy: Any, prepare: _Preparation):
        super().__init__(policy, prepare)
        self.memories = {"": "lstm_actor"}
        if policy.lstm_critic is not None:
            self.memories |= {"critic_": "lstm_critic"}
        self._layers, _, self._hidden = policy.lstm_hidden_state_shape

    def initial_state(self, n: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        empty = torch.zeros(self._layers, n, self._hidden)
        return {name: (empty, empty) for name in self.memories}

    def __call__(self, policy: Any, observation: Any, state: Any) -> tuple[Any, Any]:
        features = policy.extract_features(self.prepare(observation))
        for_pi, for_vf = (features, features) if policy.share_features_extractor else features
        # The output is the last layer's h: taken from the state, what is written there is acted on.
        _, remembered = policy.lstm_actor(for_pi[None], state[""])
        after = {"": remembered}
        latent_pi, latent_vf = remembered[0][-1], remembered[0][-1]
        if policy.lstm_critic is not None:
            _, after["critic_"] = policy.lstm_critic(for_vf[None], state["critic_"])
            latent_vf = after["critic_"][0][-1]
        elif not policy.shared_lstm:
            latent_vf = policy.critic(for_vf)
        latent_pi = policy.mlp_extractor.forward_actor(latent_pi)
        latent_vf = policy.mlp_extractor.forward_critic(latent_vf)
        return _action_parameters(policy, latent_pi, policy.value_net(latent_vf)), after


class _ValuesOfActions(_Agent):
    """DQN and QR-DQN: the predicted return of every action, the largest of which is the value."""

    roots = {"features": "q_net.features_extractor", "q": "q_net.q_net"}

    def __init__(self, policy: Any, prepare: _Preparation):
        super().__init__(policy, prepare)
        if hasattr(policy, "quantile_net"):
            self.roots = {
                "features": "quantile_net.features_extractor",
                "q": "quantile_net.quantile_net",
            }

    def __call__(self, policy: Any, observation: Any, state: Any) -> tuple[Any, Any]:
        seen = self.prepare(observation)
        if hasattr(policy, "quantile_net"):
            values = policy.quantile_net(seen).mean(1)
        else:
            values = policy.q_net(seen)
        return (values, values.amax(-1)), state


class _Actor(_Agent):
    """SAC, TQC, CrossQ, TD3, DDPG: the action without noise, in the units of the box."""

    def __init__(self, policy: Any, prepare: _Preparation):
        super().__init__(policy, prepare)
        body = "latent_pi" if hasattr(policy.actor, "latent_pi") else "mu"
        self.roots = {"features": "actor.features_extractor", "pi": f"actor.{body}"}

    def __call__(self, policy: Any, observation: Any, state: Any) -> tuple[Any, Any]:
        seen, actor = self.prepare(observation), policy.actor
        if hasattr(actor, "get_action_dist_params"):
            mean = actor.get_action_dist_params(seen)[0].tanh()
        else:
            mean = actor(seen)
        return Outputs({"mean": _unscaled(policy, mean)}), state


def _kind_of(policy: Any) -> Callable[[Any, _Preparation], _Agent]:
    if getattr(policy, "lstm_actor", None) is not None:
        return _Recurrent
    if hasattr(policy, "mlp_extractor") and hasattr(policy, "action_net"):
        return _ActorCritic
    if hasattr(policy, "q_net") or hasattr(policy, "quantile_net"):
        return _ValuesOfActions
    if isinstance(getattr(policy, "actor", None), torch.nn.Module):
        return _Actor
    raise InputError(
        f"How a {type(policy).__name__} acts is not known here; say it with interp.agent(model.policy, "
        "step=…) and organisms.from_gymnasium."
    )


def _action_parameters(policy: Any, latent: torch.Tensor, value: torch.Tensor) -> dict[str, Any]:
    given = policy.action_net(latent)
    kind = type(policy.action_space).__name__
    if kind != "Box":
        if kind == "MultiBinary":
            given = torch.stack([torch.zeros_like(given), given], -1).flatten(1)
        return {"logits": given, "value": value}
    if policy.use_sde or policy.squash_output:  # its noise depends on the state: the mean alone
        mean = _unscaled(policy, given.tanh()) if policy.squash_output else given
        return {"mean": mean, "value": value}
    return {"mean": given, "log_std": policy.log_std.expand_as(given), "value": value}


def _unscaled(policy: Any, action: torch.Tensor) -> torch.Tensor:
    low, high = (
        torch.as_tensor(bound, device=action.device)
        for bound in (policy.action_space.low, policy.action_space.high)
    )
    return low + 0.5 * (action.view(-1, *low.shape) + 1) * (high - low)


def _before_training(model: Any, policy: Any) -> Callable[[int], torch.nn.Module] | None:
    if model is policy:
        return None

    def begin(seed: int) -> torch.nn.Module:
        options = dict(model.policy_kwargs)
        if "use_sde" not in options and hasattr(policy, "use_sde"):
            options["use_sde"] = model.use_sde
        return model.policy_class(
            model.observation_space, model.action_space, model.lr_schedule, **options
        )

    return begin
