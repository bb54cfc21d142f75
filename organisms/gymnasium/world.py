"""A batch of gymnasium episodes as a world of the contract."""

from __future__ import annotations

import dataclasses
import inspect
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from interp.contract import ArraySpace, Discrete, Outcome, Spaces, Transition
from interp.errors import InputError, UnknownNameError, check_integer
from organisms.gymnasium.rows import Answer, EnvironmentMaker
from organisms.gymnasium.spaces import (
    Dims,
    action_space,
    as_taken,
    is_none,
    observation_arrays,
    observation_space,
)
from organisms.gymnasium.tasks import SeededTasks

RETURN = Outcome("return", can_succeed=False)
"""The outcome of an environment in which nobody said what success is."""


@dataclass(frozen=True)
class Fact:
    """Something that is recorded beside the observation: its shape and dtype, and what stands for none."""

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class WorldSettings:
    """What all worlds of one organism have in common, found on one environment of its kind.

    Made by `world_settings`.
    """

    maker: EnvironmentMaker
    name: str
    vector: bool
    spaces: Spaces
    gym_observation: gymnasium.Space
    gym_action: gymnasium.Space
    max_steps: int
    outcome: Outcome
    success: Callable[[Any, Mapping[str, Any]], Any] | str | None
    record_info: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | tuple[str, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def observations(self) -> dict[str, ArraySpace]:
        """What is shown, by name; ``""`` for one array alone."""
        shown = self.spaces.observation
        return {"": shown} if isinstance(shown, ArraySpace) else dict(shown)


def world_settings(
    make_env: Any,
    *,
    max_steps: int | None = None,
    success: Any = None,
    record_info: Any = (),
    observation_dims: Dims = None,
) -> WorldSettings:
    """Make one environment, see what it shows and takes, and return what its worlds need.

    Raises
    ------
    InputError
        For whatever cannot be a world; see `organisms.from_gymnasium`.
    """
    maker = EnvironmentMaker(make_env)
    if not (success is None or isinstance(success, str) or callable(success)):
        raise InputError(f"success is a key of info or a function of (env, info), not {success!r}.")
    check_function("success", success)
    check_function("record_info", record_info)
    if not callable(record_info):
        keys = [record_info] if isinstance(record_info, str) else record_info
        keys = list(keys) if isinstance(keys, Iterable) else [None]
        if not all(isinstance(key, str) for key in keys):
            raise InputError("record_info are keys of info, or a function of (env, info).")
        told: Any = tuple(keys)
    else:
        told = record_info
    environment = maker.one()
    try:
        vector = isinstance(environment, VectorEnv)
        seen = environment.single_observation_space if vector else environment.observation_space
        taken = environment.single_action_space if vector else environment.action_space
        limit = _step_limit(environment, max_steps)
        name = getattr(environment.spec, "id", None) or type(environment.unwrapped).__name__
    finally:
        environment.close()
    [first] = _first_answers(maker, vector, 1)
    shown = observation_space(seen, observation_arrays(first.observation, seen), observation_dims)
    settings = WorldSettings(
        maker,
        name,
        vector,
        Spaces(shown, action_space(taken)),
        seen,
        taken,
        limit,
        RETURN if success is None else Outcome(),
        success,
        told,
    )
    return _with_facts(settings)


class GymnasiumWorld:
    """One episode per task, side by side; see `interp.contract.World`.

    Attributes
    ----------
    max_steps : int
        After which an episode is truncated.
    spaces : Spaces
    facts : dict of str to ndarray
        What `record_info` tells of the world as it is shown now, (batch, …) each.
    """

    def __init__(self, settings: WorldSettings, tasks: SeededTasks):
        self._settings, self._n = settings, len(tasks)
        self.max_steps, self.spaces = settings.max_steps, settings.spaces
        self._rows = settings.maker.rows(tasks.seeds, tasks.options, settings.vector)
        self._tasks = tasks
        self._closing = weakref.finalize(self, self._rows.close)
        if isinstance(settings.spaces.action, Discrete):
            self.n_actions = settings.spaces.action.n

    @property
    def solved(self) -> np.ndarray:
        """(batch,) bool: whether each episode is a success as it stands; False if nobody told what is."""
        return self._solved.copy()

    @property
    def outcome(self) -> np.ndarray:
        """(batch,) float64: the rewards so far, added up."""
        return self._return.copy()

    def reset(self) -> Any:
        """Begin every episode from its seed and return what is shown."""
        n = self._n
        self._over, self._solved = np.zeros(n, bool), np.zeros(n, bool)
        self._return, self._steps = np.zeros(n), np.zeros(n, np.int64)
        self._shown = {
            name: np.zeros((n, *space.shape), space.dtype)
            for name, space in self._settings.observations.items()
        }
        self.facts = {
            name: np.zeros((n, *fact.shape), fact.dtype)
            for name, fact in self._settings.facts.items()
        }
        for row, answer in enumerate(self._rows.reset()):
            self._take_in(row, answer)
        return self._observation()

    def step(self, action: np.ndarray) -> Transition:
        """Take one action per row; rows with none (−1, NaN), and those that are over, stay as they are.

        Raises
        ------
        InputError
            If an action is none of the environment's, or the environment shows something that it
            did not declare or that is not finite.
        """
        space = self._settings.gym_action
        action = np.asarray(action)
        acting = np.flatnonzero(~is_none(action, space) & ~self._over)
        self._steps[acting] += 1
        answers = self._rows.step({int(row): as_taken(action[row], space) for row in acting})
        reward = np.zeros(self._n, np.float32)
        terminated, truncated = np.zeros(self._n, bool), np.zeros(self._n, bool)
        for row, answer in answers.items():
            late = self._steps[row] >= self.max_steps and not answer.terminated
            answer = answer._replace(truncated=answer.truncated or late)
            reward[row] = answer.reward
            terminated[row] = answer.terminated
            truncated[row] = answer.truncated and not answer.terminated
            self._return[row] += answer.reward
            self._over[row] = terminated[row] or truncated[row]
            self._take_in(row, answer)
        if self._over.all():
            self._rows.close()
        return Transition(self._observation(), reward, terminated, truncated)

    def _observation(self) -> Any:
        shown = {name: array.copy() for name, array in self._shown.items()}
        return shown[""] if set(shown) == {""} else shown

    def _take_in(self, row: int, answer: Answer) -> None:
        arrays = observation_arrays(answer.observation, self._settings.gym_observation)
        for name, space in self._settings.observations.items():
            self._shown[name][row] = self._checked(arrays[name], space, row)
        info = self._told(row, answer)
        environment = self._rows.environment(row)
        for name, value in facts_of(self._settings, environment, info).items():
            self.facts[name][row] = value
        self._solved[row] = self._succeeded(environment, info, bool(self._over[row]))

    def _checked(self, array: np.ndarray, space: ArraySpace, row: int) -> np.ndarray:
        where = (
            f"The environment of task {self._tasks.ids[row]!r} shows, at step {self._steps[row]},"
        )
        if array.shape != space.shape:
            raise InputError(f"{where} an observation {array.shape}; its first was {space.shape}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{where} an observation that is not finite: {array}.")
        cast = array.astype(space.dtype)
        if not np.array_equal(cast, array):
            raise InputError(
                f"{where} an observation of the dtype {array.dtype}, which {space.dtype}, that of "
                "its first, cannot hold to the bit."
            )
        return cast

    def _told(self, row: int, answer: Answer) -> dict[str, Any]:
        """Return the environment's info, with what it need not say itself."""
        return {
            "reward": answer.reward,
            "return": float(self._return[row]),
            "terminated": answer.terminated,
            "truncated": answer.truncated and not answer.terminated,
            "steps": int(self._steps[row]),
            **answer.info,
        }

    def _succeeded(self, environment: Any, info: Mapping[str, Any], over: bool) -> bool:
        success = self._settings.success
        if success is None:
            return False
        if callable(success):
            return bool(asked(success, environment, info))
        if success not in info and over:
            raise UnknownNameError("key of info, at the end of an episode,", success, info)
        return bool(info.get(success, False))


def check_function(name: str, function: Any) -> None:
    """Raise InputError if a function of the user's does not take (environment, info)."""
    if not callable(function):
        return
    try:
        inspect.signature(function).bind(None, {})
    except TypeError:
        raise InputError(
            f"{name} is called with (environment, info); {function!r} does not take these."
        ) from None
    except ValueError:
        pass  # a builtin without a signature


def asked(function: Callable[[Any, Any], Any], environment: Any, info: Mapping[str, Any]) -> Any:
    """Call a function of the user's on an environment and its info."""
    try:
        return function(environment, info)
    except AttributeError as error:
        if environment is not None:
            raise
        raise InputError(
            "This vector environment has no environment for each row that could be looked into "
            f"({error}); use info alone, or plain environments."
        ) from error


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # a ragged list
        return np.asarray(None)


def facts_of(
    settings: WorldSettings, environment: Any, info: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return what `record_info` tells: name → a number or an array of numbers."""
    told = settings.record_info
    if callable(told):
        values = asked(told, environment, info)
    else:
        values = {key: info[key] for key in told if key in info}
    if not isinstance(values, Mapping):
        raise InputError(f"record_info returned a {type(values).__name__}, not names and numbers.")
    arrays = {str(name): _array(value) for name, value in values.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "buif":
            raise InputError(f"record_info tells {name!r} as {values[name]!r}, which is no number.")
    expected = settings.facts
    if expected:
        for name, fact in expected.items():
            if name not in arrays and not callable(told):
                arrays[name] = np.full(fact.shape, np.nan)  # this answer's info does not tell
            if name not in arrays or arrays[name].shape != fact.shape:
                raise InputError(
                    f"record_info told {name!r} {fact.shape} at first, and now tells "
                    f"{ {k: v.shape for k, v in arrays.items()} }."
                )
    return arrays


def _with_facts(settings: WorldSettings) -> WorldSettings:
    """Find out the shapes and dtypes of what `record_info` tells, before and after an action."""
    if not settings.record_info:
        return settings
    told = [facts_of(settings, environment, info) for environment, info in _begin_and_act(settings)]
    names = list(dict.fromkeys(name for facts in told for name in facts))
    wanted = [] if callable(settings.record_info) else settings.record_info
    for name in wanted:
        if name not in names:
            keys = {key for _, info in _begin_and_act(settings) for key in info}
            raise UnknownNameError("key of info", name, keys)
    found = {}
    for name in names:
        if name.startswith("observation") or "/" in name or not name:
            raise InputError(f"record_info may not call a fact {name!r}.")
        arrays = [facts[name] for facts in told if name in facts]
        # Where an answer does not tell, NaN stands for it.
        missing = [np.float32] if len(arrays) < len(told) else []
        found[name] = Fact(arrays[0].shape, np.result_type(*arrays, *missing))
    return dataclasses.replace(settings, facts=found)


def _begin_and_act(settings: WorldSettings) -> Iterable[tuple[Any, Mapping[str, Any]]]:
    """Yield (environment, info) at the beginning of an episode and after an action."""
    rows = settings.maker.rows([0], [None], settings.vector)
    settings.gym_action.seed(0)
    try:
        begun = rows.reset()[0]
        told = {"reward": 0.0, "return": 0.0, "terminated": False, "truncated": False, "steps": 0}
        yield rows.environment(0), {**told, **begun.info}
        acted = rows.step({0: settings.gym_action.sample()})[0]
        yield rows.environment(0), {**told, **acted.info}
    finally:
        rows.close()


def _first_answers(maker: EnvironmentMaker, vector: bool, n: int) -> list[Answer]:
    rows = maker.rows(list(range(n)), [None] * n, vector)
    try:
        return rows.reset()[:n]
    finally:
        rows.close()


def _step_limit(environment: Any, max_steps: int | None) -> int:
    """Return after how many steps an episode ends at the latest.

    Raises
    ------
    InputError
        If nobody says.
    """
    if max_steps is not None:
        check_integer("max_steps", max_steps, 1)
    limits = [max_steps, getattr(environment.spec, "max_episode_steps", None)]
    inner = environment
    while inner is not None:
        limits.append(getattr(inner, "__dict__", {}).get("_max_episode_steps"))
        inner = getattr(inner, "__dict__", {}).get("env")
    known = [int(limit) for limit in limits if limit]
    if not known:
        raise InputError(
            "The environment does not say after how many steps an episode ends at the latest; "
            "say max_steps=…."
        )
    return min(known)
