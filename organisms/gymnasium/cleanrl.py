"""Agents in the style of CleanRL, one file with a module each, as organisms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from interp.contract import Outputs
from interp.errors import InputError
from interp.network.wrapping import Site
from organisms.gymnasium.organism import GymnasiumOrganism, organism_around


def from_cleanrl(
    module: torch.nn.Module,
    make_env: Any,
    *,
    sites: Mapping[str, Site | str] | None = None,
    **options: Any,
) -> GymnasiumOrganism:
    """Make an organism of a module in the style of CleanRL.

    Parameters
    ----------
    module
        An ``Agent`` with ``get_action_and_value`` and an ``actor`` (or ``actor_mean`` and
        ``actor_logstd``), with an ``lstm`` or without; a ``QNetwork`` that returns a value for each
        action; or an ``Actor`` of DDPG, TD3 or SAC, with ``action_scale`` and ``action_bias``. Its
        own code is called, on float32, as in its training.
    make_env
        The environment, as `organisms.from_gymnasium` takes it, with the wrappers of the training.
    sites
        Where to look, as `interp.wrap` takes them. Unless told: the activations of each of its
        parts, ``actor.0``, ``actor.1``, ``critic.0``, ``network.0``, …; ``h`` and ``c`` of an
        LSTM, (layer, hidden).
    **options
        As `organisms.from_gymnasium` takes them.

    Raises
    ------
    InputError
        If the module is none of these.

    Examples
    --------
    ::

        organism = organisms.from_cleanrl(agent, "CartPole-v1")
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"from_cleanrl takes a torch.nn.Module, not a {type(module).__name__}.")
    parts = {name for name, _ in module.named_children()}
    lstm = getattr(module, "lstm", None)
    if hasattr(module, "get_action_and_value"):
        if not parts & {"actor", "actor_mean"}:
            raise InputError(
                f"{type(module).__name__} has no part named actor or actor_mean; say with "
                "interp.agent(module, step=…) what it gives."
            )
        step: Any = _recurrent_step if isinstance(lstm, torch.nn.LSTM) else _agent_step
    elif hasattr(module, "action_scale"):
        step = _actor_step
    else:
        step = _values_step
    begin = _Empty(lstm) if isinstance(lstm, torch.nn.LSTM) else None
    return organism_around(
        module,
        make_env,
        sites=sites,
        step=step,
        initial_state=begin,
        roots={name: name for name in sorted(parts - {"lstm"})},
        memories={"": "lstm"} if begin else {},
        **options,
    )


class _Empty:
    """The state in which an LSTM begins, of as many rows as there are."""

    def __init__(self, lstm: torch.nn.LSTM):
        self._layers, self._hidden = lstm.num_layers, lstm.hidden_size

    def __call__(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        empty = torch.zeros(self._layers, n, self._hidden)
        return empty, empty


def _agent_step(module: Any, observation: torch.Tensor, state: Any) -> tuple[Any, Any]:
    given, (*_, value) = _asked(module, observation.float())
    return _parameters(module, given, value), state


def _recurrent_step(module: Any, observation: torch.Tensor, state: Any) -> tuple[Any, Any]:
    going_on = torch.zeros(len(observation), device=observation.device)
    given, (*_, value, state) = _asked(module, observation.float(), state, going_on)
    return _parameters(module, given, value), state


def _actor_step(module: Any, observation: torch.Tensor, state: Any) -> tuple[Any, Any]:
    given = module(observation.float())
    if isinstance(given, tuple):  # SAC: of what is squashed afterwards
        given = given[0].tanh() * module.action_scale + module.action_bias
    return Outputs({"mean": given}), state


def _values_step(module: Any, observation: torch.Tensor, state: Any) -> tuple[Any, Any]:
    values = module(observation.float())
    return (values, values.amax(-1)), state


def _asked(module: Any, *args: Any) -> tuple[torch.Tensor, Any]:
    """Call the agent's own code; return what its actor gave to it, and what it returned."""
    actor = module.actor_mean if hasattr(module, "actor_mean") else module.actor
    given: list[torch.Tensor] = []
    handle = actor.register_forward_hook(lambda m, inputs, output: given.append(output))
    device = args[0].device
    try:
        # It draws an action, which nobody asked for: from random numbers that are put back.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            returned = module.get_action_and_value(*args)
    finally:
        handle.remove()
    return given[-1], returned


def _parameters(module: Any, given: torch.Tensor, value: torch.Tensor) -> dict[str, torch.Tensor]:
    if hasattr(module, "actor_mean"):
        spread = module.actor_logstd.expand_as(given)
        return {"mean": given, "log_std": spread, "value": value.flatten()}
    return {"logits": given, "value": value.flatten()}
