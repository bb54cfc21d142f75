"""Any policy as an organism's network: a function says what one step of it is."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from interp.contract import NetworkOutput, Outputs
from interp.errors import InputError
from interp.network.wrapping import Site, WrappedNetwork, checked_sites

Step: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
"""``step(module, observations, state) -> (outputs, state)``: one step of a batch."""


class AgentState:
    """How a policy's state begins, and where the batch is in it.

    Inside `AgentNetwork` every tensor of a state has the batch first, as `interp.contract.Network`
    promises; the policy's own step sees it where the policy has it (an LSTM's second).

    Parameters
    ----------
    initial
        None (no state), a function of the batch size, or the state of one row without a batch dim;
        see `agent`.
    """

    def __init__(self, initial: Any):
        self._initial = initial
        two, self._structure = self._flat(2)
        three, other = self._flat(3)
        if other != self._structure:
            raise InputError("initial_state(2) and initial_state(3) are built differently.")
        self._axes = [_batch_axis(a, b) for a, b in zip(two, three, strict=True)]

    def __deepcopy__(self, memo: dict[int, Any]) -> AgentState:
        return AgentState(copy.deepcopy(self._initial, memo))

    def _flat(self, n: int) -> tuple[list[torch.Tensor], Any]:
        if self._initial is None:
            state: Any = ()
        elif callable(self._initial):
            state = self._initial(n)
        else:
            leaves, structure = tree_flatten(self._initial)
            rows = [leaf.expand(n, *leaf.shape).clone() for leaf in _tensors(leaves)]
            return rows, structure
        leaves, structure = tree_flatten(() if state is None else state)
        return _tensors(leaves), structure

    def initial(self, batch_size: int, device: Any = None) -> Any:
        """Return the state before the first step, batch first."""
        leaves, structure = self._flat(batch_size)
        first = [x.movedim(a, 0).to(device) for x, a in zip(leaves, self._axes, strict=True)]
        return tree_unflatten(first, structure)

    def to_policy(self, state: Any) -> Any:
        """Return a state, batch first, in the policy's own layout."""
        if self._initial is None:
            return None
        leaves, structure = tree_flatten(state)
        if structure != self._structure:
            raise InputError(
                f"The state is a {_kind(state)}, built otherwise than initial_state's."
            )
        # A recurrent layer of torch wants its state in one piece.
        moved = [x.movedim(0, a).contiguous() for x, a in zip(leaves, self._axes, strict=True)]
        return tree_unflatten(moved, structure)

    def from_policy(self, state: Any, batch_size: int) -> Any:
        """Return what a step returned as its state, batch first."""
        if self._initial is None:
            if state is not None and tree_flatten(state)[0]:
                raise InputError(
                    f"The step returned a {_kind(state)} as its state, and this agent has none: say "
                    "with initial_state how it begins, or return ((logits, value), state)."
                )
            return ()
        leaves, structure = tree_flatten(state)
        if structure != self._structure:
            raise InputError(
                f"The step returned a {_kind(state)} as its state, built otherwise than what "
                "initial_state gives: its structure has to stay the same."
            )
        for leaf, axis in zip(_tensors(leaves), self._axes, strict=True):
            if leaf.ndim <= axis or leaf.shape[axis] != batch_size:
                raise InputError(
                    f"The step returned a state of the shape {tuple(leaf.shape)}; dim {axis} is the "
                    f"batch in initial_state, and there are {batch_size} rows."
                )
        first = [x.movedim(a, 0) for x, a in zip(leaves, self._axes, strict=True)]
        return tree_unflatten(first, structure)


class AgentNetwork(WrappedNetwork):
    """A policy of the user's as an `interp.contract.Network`; made by `agent`.

    Attributes
    ----------
    module : torch.nn.Module
        The policy itself; its parameters are shared, its code untouched.
    """

    def __init__(
        self, module: torch.nn.Module, sites: Mapping[str, Site], step: Step, initial_state: Any
    ):
        super().__init__(module, sites)
        self._sites_of_module, self._step, self._initial = sites, step, initial_state
        self._state = AgentState(initial_state)

    def around(self, module: torch.nn.Module) -> AgentNetwork:
        """Return the same agent around another module of the same build: other weights, a control."""
        return AgentNetwork(module, self._sites_of_module, self._step, self._initial)

    def initial_state(self, batch_size: int) -> Any:
        """Return the state before the first step, a pytree of tensors, batch first; () for none."""
        return self._state.initial(batch_size, self.device)

    def forward(self, observations: Any, state: Any = None, episode_starts: Any = None) -> Any:
        """Unroll over observations (step, batch, *observation dims), one array or several by name.

        Returns
        -------
        NetworkOutput or Outputs
            The former if the policy gives logits, or logits and a value.

        Raises
        ------
        InputError
            If a step returns something else than `agent` asks for.
        """
        self._check_attached()
        shown, n_steps, batch_size = self._as_tensors(observations)
        self._progress.forwards += 1
        self._progress.given = ((batch_size,),)
        starts = None if episode_starts is None else torch.as_tensor(episode_starts).bool()
        if state is None:
            state = self.initial_state(batch_size)
        outputs = []
        with self.clock.run():
            for t in self.clock.steps(n_steps):
                if starts is not None and bool(starts[t].any()):
                    state = _restarted(state, self.initial_state(batch_size), starts[t])
                now = {name: x[t] for name, x in shown.items()}
                now = now if _named(observations) else now[""]
                output, state = self._one_step(now, state, batch_size)
                outputs.append(output)
        return _stacked(outputs, state)

    def _as_tensors(self, observations: Any) -> tuple[dict[str, torch.Tensor], int, int]:
        arrays: dict[str, Any] = dict(observations) if _named(observations) else {"": observations}
        shown = {name: torch.as_tensor(x, device=self.device) for name, x in arrays.items()}
        if not shown or any(x.ndim < 2 for x in shown.values()):
            raise InputError("An agent takes observations (step, batch, …).")
        sizes = {tuple(x.shape[:2]) for x in shown.values()}
        if len(sizes) > 1:
            raise InputError(f"The observations differ in their (step, batch): {sorted(sizes)}.")
        [(n_steps, batch_size)] = sizes
        return shown, n_steps, batch_size

    def _one_step(self, observation: Any, state: Any, batch_size: int) -> tuple[Outputs, Any]:
        returned = self._step(self.module, observation, self._state.to_policy(state))
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise InputError(
                f"The step returned a {_kind(returned)}; it returns the pair (outputs, state), the "
                "state None for a policy without one."
            )
        output, state = returned
        return named_output(output, batch_size), self._state.from_policy(state, batch_size)


def agent(
    module: torch.nn.Module,
    sites: Mapping[str, Site | str] | Iterable[str] = (),
    *,
    step: Step | None = None,
    initial_state: Any = None,
) -> AgentNetwork:
    """Make any policy an organism's network: recorded, probed, patched and steered like any other.

    Parameters
    ----------
    module
        The policy. It is not changed beyond the forward hooks that fire the sites; it needs no
        ``forward`` if `step` does without.
    sites
        Where to look, as `interp.wrap` takes them.
    step
        ``step(module, observations, state) -> (outputs, state)``, called once per step with the
        observations of a batch, (batch, *observation dims), as the world gives them: in its dtype
        and units, on the module's device; a dict of them if the world shows several. The outputs
        are the logits (batch, action); or (logits, value); or a mapping name → (batch, …) with
        names such as ``logits``, ``mean``, ``log_std``, ``value``; or an `interp.contract.Outputs`;
        or a `torch.distributions` ``Categorical`` or ``Normal``; or any object with ``logits``.
        None calls ``module(observations)``, floats in the dtype of the module's weights, for a
        policy that has no state.
    initial_state
        The state before the first step: a function of the batch size that returns a tensor, or
        tuples and dicts of tensors, the batch anywhere (an LSTM's ``(h, c)`` as it is); or these
        for one row, without the batch. None for a policy that has no state.

    Returns
    -------
    AgentNetwork
        An `interp.contract.Network`. Rows are reset where an episode starts.

    Raises
    ------
    UnknownNameError
        If a submodule does not exist; names the nearest.
    InputError
        If the module has no ``forward`` and no `step` is given, `step` does not take three
        arguments, it cannot be told which dim of the state is the batch, or as `interp.wrap`;
        when it runs, if a step returns something else.

    Examples
    --------
    A GRU policy that keeps its hidden state itself:

    >>> import torch
    >>> class Policy(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.cell, self.head = torch.nn.GRUCell(3, 8), torch.nn.Linear(8, 2)
    >>> def step(policy, observations, h):
    ...     h = policy.cell(observations.float(), h)
    ...     return policy.head(h), h
    >>> network = agent(
    ...     Policy(), {"h": Site("cell", ("unit",))}, step=step, initial_state=torch.zeros(8)
    ... )
    >>> network(torch.ones(5, 4, 3)).logits.shape              # (step, batch, action)
    torch.Size([5, 4, 2])
    """
    named = checked_sites(module, sites, "agent")
    if step is None:
        if initial_state is not None:
            raise InputError("A policy with a state needs step=, which says how it is carried on.")
        if not hasattr(module, "forward") or getattr(module.forward, "__name__", "") == (
            "_forward_unimplemented"
        ):
            raise InputError(
                f"{type(module).__name__} has no forward: say with step=… what a step of it is."
            )
        step = _forward_step
    if not callable(step):
        raise InputError(f"step is a function of (module, observations, state), not {step!r}.")
    try:
        inspect.signature(step).bind(module, None, None)
    except TypeError:
        raise InputError(
            f"step is called with (module, observations, state); {step!r} does not take these."
        ) from None
    except ValueError:
        pass  # a builtin without a signature
    return AgentNetwork(module, named, step, initial_state)


def named_output(output: Any, batch_size: int) -> Outputs:
    """Return what one step of a policy gave as named tensors, (batch, …).

    Raises
    ------
    InputError
        If it is none of what `agent` takes.
    """
    if isinstance(output, Outputs):
        named, dims = dict(output.named), output.dims
    else:
        named, dims = _named_tensors(output), {}
    for name, tensor in named.items():
        if not isinstance(tensor, torch.Tensor) or tensor.shape[:1] != (batch_size,):
            shape = f" {tuple(tensor.shape)}" if isinstance(tensor, torch.Tensor) else ""
            raise InputError(
                f"The output {name!r} of a step is a {_kind(tensor)}{shape}; it is a tensor "
                f"({batch_size} rows, …)."
            )
    if "value" in named and named["value"].shape == (batch_size, 1):
        named["value"] = named["value"][:, 0]
    if "value" in named and named["value"].ndim != 1:
        raise InputError(
            f"The value of a step has the shape {tuple(named['value'].shape)}; it is one number a "
            "row. Give values of several actions another name."
        )
    if "logits" in named and named["logits"].ndim != 2:
        raise InputError(
            f"The logits of a step have the shape {tuple(named['logits'].shape)}; they are "
            "(batch, action). A sequence model's are those of one position: logits[:, -1], say."
        )
    return Outputs(named, None, dims)


def _named_tensors(output: Any) -> dict[str, Any]:
    if isinstance(output, torch.distributions.Independent):
        output = output.base_dist
    if isinstance(output, torch.distributions.Categorical):
        return {"logits": output.logits}
    if isinstance(output, torch.distributions.Normal):
        return {"mean": output.loc, "log_std": output.scale.log()}
    if isinstance(output, torch.Tensor):
        return {"logits": output}
    if isinstance(output, Mapping):
        tensors = {str(k): v for k, v in output.items() if isinstance(v, torch.Tensor)}
        # A transformer's output is a mapping too, with much beside the logits (its cache, say).
        return {"logits": tensors["logits"]} if hasattr(output, "logits") else tensors
    if isinstance(output, NetworkOutput):
        output = output[:2]
    if isinstance(output, tuple | list) and len(output) in (1, 2):
        return dict(zip(("logits", "value"), output, strict=False))
    logits = getattr(output, "logits", None)
    if logits is not None:
        return {"logits": logits}
    raise InputError(
        f"The outputs of a step are logits, (logits, value), a mapping of tensors by name or "
        f"interp.contract.Outputs, not a {_kind(output)}."
    )


def _forward_step(module: Any, observations: Any, state: Any) -> tuple[Any, Any]:
    """Call the module on the observations: the step of a policy that has no state."""
    weights = next((p for p in module.parameters() if p.is_floating_point()), None)

    def cast(x: torch.Tensor) -> torch.Tensor:
        return x if weights is None or not x.is_floating_point() else x.to(weights.dtype)

    if not isinstance(observations, Mapping):
        return module(cast(observations)), state
    shown = {name: cast(x) for name, x in observations.items()}
    takes = inspect.signature(module.forward).parameters
    return (module(**shown) if set(shown) <= set(takes) else module(shown)), state


def _stacked(outputs: list[Outputs], state: Any) -> NetworkOutput | Outputs:
    names = list(outputs[0].named)
    for output in outputs:
        if list(output.named) != names:
            raise InputError(f"The outputs of steps differ: {names}, then {list(output.named)}.")
    named = {name: torch.stack([output.named[name] for output in outputs]) for name in names}
    if "logits" in named and set(named) <= {"logits", "value"}:
        value: Any = named.get("value")
        return NetworkOutput(named["logits"], value, state)
    return Outputs(named, state, outputs[0].dims)


def _restarted(state: Any, initial: Any, starts: torch.Tensor) -> Any:
    leaves, structure = tree_flatten(state)
    begins, _ = tree_flatten(initial)
    mixed = [
        torch.where(starts.to(x.device).view(-1, *[1] * (x.ndim - 1)), begin.to(x), x)
        for x, begin in zip(leaves, begins, strict=True)
    ]
    return tree_unflatten(mixed, structure)


def _batch_axis(two: torch.Tensor, three: torch.Tensor) -> int:
    shapes = (tuple(two.shape), tuple(three.shape))
    differ = [i for i, sizes in enumerate(zip(*shapes, strict=False)) if sizes == (2, 3)]
    if len(differ) != 1 or two.ndim != three.ndim:
        raise InputError(
            "It cannot be told which dim of the state is the batch: for 2 and for 3 rows "
            f"initial_state gives the shapes {shapes[0]} and {shapes[1]}."
        )
    return differ[0]


def _tensors(leaves: list[Any]) -> list[torch.Tensor]:
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            raise InputError(
                f"A state is tensors, in tuples, lists and dicts; there is a {_kind(leaf)} in it."
            )
    return leaves


def _named(observations: Any) -> bool:
    return isinstance(observations, Mapping)


def _kind(thing: Any) -> str:
    if isinstance(thing, tuple) and not hasattr(thing, "_fields"):
        return f"tuple of {len(thing)}"
    return type(thing).__name__
