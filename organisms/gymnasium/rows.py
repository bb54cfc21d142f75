"""The environments behind a batch of tasks: one for each, or vector environments that hold several."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from interp.errors import InputError


class Answer(NamedTuple):
    """What an environment said, to a reset or to an action."""

    observation: Any
    info: Mapping[str, Any]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


def number(reward: Any) -> float:
    """Return what a step paid; raise InputError if it is no number."""
    array = np.asarray(reward)
    if array.dtype.kind not in "buif" or array.size != 1:
        raise InputError(f"The environment paid {reward!r}; the reward of a step is one number.")
    return float(array.item())


class Rows(Protocol):
    """A batch of episodes, each by its row."""

    def reset(self) -> list[Answer]:
        """Begin all of them."""
        ...

    def step(self, actions: Mapping[int, Any]) -> dict[int, Answer]:
        """Take an action in some rows, and leave the others as they are."""
        ...

    def environment(self, row: int) -> Any:
        """Return the environment of a row; None if it is not one of its own."""
        ...

    def close(self) -> None:
        """Close all environments."""
        ...


class PlainRows:
    """One environment for each row."""

    def __init__(self, make: Callable[[], gymnasium.Env], seeds: Sequence[int], options: Any):
        self._make, self._seeds, self._options = make, seeds, options
        self._environments: list[gymnasium.Env] = []

    def reset(self) -> list[Answer]:
        """Begin all episodes, in new environments."""
        self.close()
        self._environments = [self._make() for _ in self._seeds]
        begun = zip(self._environments, self._seeds, self._options, strict=True)
        return [Answer(*env.reset(seed=seed, options=options)) for env, seed, options in begun]

    def step(self, actions: Mapping[int, Any]) -> dict[int, Answer]:
        """Take an action in some rows."""
        answers = {}
        for row, action in actions.items():
            observation, reward, terminated, truncated, info = self._environments[row].step(action)
            answers[row] = Answer(
                observation, info, number(reward), bool(terminated), bool(truncated)
            )
        return answers

    def environment(self, row: int) -> Any:
        """Return the environment of a row."""
        return self._environments[row]

    def close(self) -> None:
        """Close all environments."""
        for environment in self._environments:
            environment.close()
        self._environments = []


class VectorRows:
    """Vector environments, as many as it takes to hold all rows."""

    def __init__(self, make: Callable[[int], VectorEnv], seeds: Sequence[int], options: Any):
        if any(option is not None for option in options):
            raise InputError("A vector environment takes no options for each of its tasks.")
        self._make, self._seeds = make, list(seeds)
        self._environments: list[VectorEnv] = []
        self._over: list[np.ndarray] = []

    def reset(self) -> list[Answer]:
        """Begin all episodes, in new environments."""
        self.close()
        answers: list[Answer] = []
        while len(answers) < len(self._seeds):
            left = self._seeds[len(answers) :]
            environment = self._make(len(left))
            n = environment.num_envs
            # Seats that no task needs are filled with the last one's seed, and never looked at.
            seeds = (left + left[-1:] * n)[:n]
            try:
                observations, infos = environment.reset(seed=seeds)  # type: ignore[arg-type]
            except (gymnasium.error.Error, TypeError, ValueError) as error:
                raise InputError(
                    f"{type(environment.unwrapped).__name__} cannot begin each of its rows from a "
                    f"seed of its own ({error}); a SyncVectorEnv can."
                ) from error
            space = environment.single_observation_space
            answers += [
                Answer(_row_of(observations, i, space), _info_of(infos, i))
                for i in range(min(n, len(left)))
            ]
            self._environments.append(environment)
            self._over.append(np.zeros(n, bool))
        return answers

    def step(self, actions: Mapping[int, Any]) -> dict[int, Answer]:
        """Take an action in some rows; those of the others that are not over have to be there."""
        answers: dict[int, Answer] = {}
        first = 0
        for environment, over in zip(self._environments, self._over, strict=True):
            n = environment.num_envs
            rows = [row for row in range(first, first + n) if row in actions]
            if rows:
                answers |= self._step_one(environment, over, first, {r: actions[r] for r in rows})
            first += n
        return answers

    def _step_one(
        self, environment: VectorEnv, over: np.ndarray, first: int, actions: Mapping[int, Any]
    ) -> dict[int, Answer]:
        taken = {row - first: action for row, action in actions.items()}
        waiting = [i for i in range(min(len(over), len(self._seeds) - first)) if i not in taken]
        if any(not over[i] for i in waiting):
            raise InputError("A vector environment cannot let a row wait that is not over.")
        mode = _mode(environment)
        if mode == AutoresetMode.DISABLED and over.any():
            environment.reset(options={"reset_mask": over.copy()})
        filler = next(iter(taken.values()))
        batch = [taken.get(i, filler) for i in range(environment.num_envs)]
        observations, rewards, terminated, truncated, infos = environment.step(
            np.asarray(batch, environment.action_space.dtype)
        )
        answers = {}
        space = environment.single_observation_space
        for i in taken:
            observation, info = _row_of(observations, i, space), _info_of(infos, i)
            ended = bool(terminated[i] or truncated[i])
            if ended and mode == AutoresetMode.SAME_STEP:
                # What is there already belongs to the next episode.
                observation, info = info["final_obs"], info["final_info"]
            answers[first + i] = Answer(
                observation, info, number(rewards[i]), bool(terminated[i]), bool(truncated[i])
            )
        over |= np.asarray(terminated | truncated)
        return answers

    def environment(self, row: int) -> Any:
        """Return the environment of a row, None where the vector environment has none of its own."""
        for environment in self._environments:
            if row < environment.num_envs:
                inside = getattr(environment.unwrapped, "envs", None)
                # With this mode the one that has ended is in its next episode already.
                ahead = _mode(environment) == AutoresetMode.SAME_STEP
                return None if inside is None or ahead else inside[row]
            row -= environment.num_envs
        return None

    def close(self) -> None:
        """Close all environments."""
        for environment in self._environments:
            environment.close()
        self._environments, self._over = [], []


class EnvironmentMaker:
    """How the environments of an organism are made.

    Parameters
    ----------
    given
        The id of a registered environment; a function that makes one, or a vector environment, of
        a size of its own or of the size that it is given; or an environment that gymnasium can
        make again.

    Raises
    ------
    InputError
        If it is none of these.
    """

    def __init__(self, given: Any):
        self._takes_size = False
        if isinstance(given, str):
            self._make: Callable[..., Any] = lambda: gymnasium.make(given)
        elif isinstance(given, gymnasium.Env):
            spec = given.spec
            if spec is None:
                raise InputError(
                    "This environment does not say how it was made; give a function that makes one."
                )
            self._make = lambda: gymnasium.make(spec)
        elif isinstance(given, VectorEnv) or not callable(given):
            raise InputError(
                "make_env is the id of an environment, or a function that makes one (or a vector "
                f"environment), not a {type(given).__name__}: an organism needs new ones for every run."
            )
        else:
            self._make, self._takes_size = given, _needs_argument(given)

    def one(self) -> Any:
        """Return one environment, or vector environment."""
        environment = self._make(1) if self._takes_size else self._make()
        if not isinstance(environment, gymnasium.Env | VectorEnv):
            raise InputError(
                f"make_env made a {type(environment).__name__}, no environment of gymnasium."
            )
        return environment

    def rows(self, seeds: Sequence[int], options: Any, vector: bool) -> Rows:
        """Return environments for tasks."""
        if not vector:
            return PlainRows(self._make, seeds, options)
        sized = self._make if self._takes_size else lambda n: self._make()
        return VectorRows(sized, seeds, options)


def _needs_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:
        pass
    return False


def _mode(environment: VectorEnv) -> AutoresetMode:
    return environment.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)


def _row_of(observations: Any, i: int, space: gymnasium.Space) -> Any:
    if isinstance(space, gymnasium.spaces.Dict):
        return {k: _row_of(observations[k], i, inner) for k, inner in space.spaces.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return tuple(_row_of(observations[k], i, s) for k, s in enumerate(space.spaces))
    return np.array(observations[i])


def _info_of(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """Return what a vector environment's info tells of one row; ``_key`` says whom ``key`` is about."""
    found: dict[str, Any] = {}
    for key, value in infos.items():
        about = infos.get(f"_{key}")
        if key.startswith("_") and key[1:] in infos:
            continue
        if about is not None and not np.asarray(about)[i]:
            continue
        found[key] = _info_of(value, i) if isinstance(value, Mapping) else value[i]
    return found
