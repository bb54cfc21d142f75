"""Small decision problems written out: every state, every action, and features of what happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.errors import InputError


@dataclass(frozen=True, eq=False)
class TabularMDP:
    """A deterministic decision problem whose rewards are weighted sums of features.

    Parameters
    ----------
    next_state
        Where each action leads, dims ``(state, action)``, integers.
    features
        What the step from a state by an action counts for, dims ``(state, action, feature)``, float.
        A reward is a weighted sum of them.
    terminal
        States in which nothing happens any more, dims ``(state,)``, bool. Their rows of the other
        arrays are not read.
    feature_names
        One name a feature.
    start
        The first state.
    horizon
        Steps after which an episode is broken off. For those who play it; values ignore it.

    Raises
    ------
    InputError
        If shapes do not agree, a state does not exist, or a feature is not finite.

    Examples
    --------
    Two squares; going right from the second reaches a goal.

    >>> mdp = TabularMDP(
    ...     next_state=[[0, 1], [0, 2], [2, 2]],
    ...     features=[[[0], [0]], [[0], [1]], [[0], [0]]],
    ...     terminal=[False, False, True],
    ...     feature_names=("goal",),
    ... )
    >>> mdp.states([1, 0, 1, 1]).tolist()
    [0, 1, 0, 1, 2]
    """

    next_state: np.ndarray
    features: np.ndarray
    terminal: np.ndarray
    feature_names: tuple[str, ...]
    start: int = 0
    horizon: int = 100

    def __post_init__(self) -> None:
        following = np.array(self.next_state)
        features = np.array(self.features, np.float64)
        terminal = np.array(self.terminal, bool)
        names = tuple(self.feature_names)
        if following.ndim != 2 or following.dtype.kind not in "iu" or 0 in following.shape:
            raise InputError(
                f"next_state has dims (state, action) and integers; got {following.dtype} of "
                f"{following.shape}."
            )
        n = len(following)
        if features.shape != (*following.shape, len(names)) or terminal.shape != (n,):
            raise InputError(
                f"{n} states, {following.shape[1]} actions and {len(names)} feature names do not go "
                f"with features of {features.shape} and terminal of {terminal.shape}."
            )
        if following.min() < 0 or following.max() >= n or not 0 <= self.start < n:
            raise InputError(f"States are 0 to {n - 1}; next_state or start names another.")
        if not np.isfinite(features).all():
            raise InputError("A feature is not finite.")
        for name, value in (
            ("next_state", following.astype(np.int64)),
            ("features", features),
            ("terminal", terminal),
        ):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "feature_names", names)

    @property
    def n_states(self) -> int:
        """How many states there are."""
        return len(self.next_state)

    @property
    def n_actions(self) -> int:
        """How many actions there are."""
        return self.next_state.shape[1]

    def states(self, actions: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the states that actions lead through, from the start: one more than actions.

        Raises
        ------
        InputError
            If an action does not exist, or one is taken after the end.
        """
        actions = np.asarray(actions, np.int64)
        if len(actions) and (actions.min() < 0 or actions.max() >= self.n_actions):
            raise InputError(f"Actions are 0 to {self.n_actions - 1}; got {actions[:12]}.")
        states = np.empty(len(actions) + 1, np.int64)
        states[0] = state = self.start
        for step, action in enumerate(actions):
            if self.terminal[state]:
                raise InputError(f"The task is over after {step} steps, and the run goes on.")
            states[step + 1] = state = self.next_state[state, action]
        return states


def join(mdps: Sequence[TabularMDP]) -> tuple[TabularMDP, np.ndarray]:
    """Put problems side by side as one, and return it with the first state of each part.

    The parts keep their states in order and never lead into each other. ``start`` is the first part's.

    Raises
    ------
    InputError
        If there are none, or they differ in their actions or features.
    """
    if not mdps:
        raise InputError("There are no decision problems.")
    for mdp in mdps:
        if mdp.feature_names != mdps[0].feature_names or mdp.n_actions != mdps[0].n_actions:
            raise InputError(
                f"Decision problems with features {mdps[0].feature_names} and {mdp.feature_names}, "
                f"{mdps[0].n_actions} and {mdp.n_actions} actions cannot be joined."
            )
    offset = np.cumsum([0, *(mdp.n_states for mdp in mdps[:-1])])
    joined = TabularMDP(
        np.concatenate([mdp.next_state + o for mdp, o in zip(mdps, offset, strict=True)]),
        np.concatenate([mdp.features for mdp in mdps]),
        np.concatenate([mdp.terminal for mdp in mdps]),
        mdps[0].feature_names,
        mdps[0].start,
        max(mdp.horizon for mdp in mdps),
    )
    return joined, offset
