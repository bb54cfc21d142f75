"""The world: two arms that pay 0 or 1, each with a probability that the agent does not know."""

from __future__ import annotations

from typing import Any

import numpy as np

from interp.contract import ArraySpace, Discrete, Outcome, Spaces, Transition
from interp.errors import InputError, UnknownNameError, check_integer

HORIZON = 20
"""Pulls of an episode."""

ARMS = ("left", "right")
FEATURES = ("pulled left", "pulled right", "paid", "time")
"""One observation: the last pull (one-hot), what it paid, and the share of the pulls that are over."""

SPLITS = {"train": 0, "test": 1}
SPACES = Spaces(
    ArraySpace(("feature",), (len(FEATURES),), "float32", 0.0, 1.0), Discrete(len(ARMS), ARMS)
)
REGRET = Outcome("regret", "expected pay", "lower", can_succeed=False)


class Bandits:
    """Tasks: the arms' probabilities, and what each pull of each arm would pay.

    Parameters
    ----------
    means
        (task, arm) float64, the probabilities of pay.
    luck
        (task,) int, seeds of the pays: a task played twice pays the same.
    ids
        Unique names.
    """

    def __init__(self, means: np.ndarray, luck: np.ndarray, ids: list[str]):
        self.means, self.luck, self.ids = means, luck, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: slice) -> Bandits:
        return Bandits(self.means[index], self.luck[index], self.ids[index])

    @property
    def texts(self) -> list[str]:
        """The probabilities and the seed, written out."""
        arms = [
            " ".join(f"{name} {p:.6f}" for name, p in zip(ARMS, row, strict=True))
            for row in self.means
        ]
        return [f"{text} luck {seed}" for text, seed in zip(arms, self.luck, strict=True)]

    def pays(self) -> np.ndarray:
        """Return what each pull would pay, (task, time, arm) float32 of 0 and 1."""
        draws = [
            np.random.default_rng(int(seed)).random((HORIZON, len(ARMS))) for seed in self.luck
        ]
        return (np.stack(draws) < self.means[:, None]).astype(np.float32)


def draw_bandits(split: str = "test", n: int | None = None, seed: int = 0) -> Bandits:
    """Draw tasks whose probabilities are independent and uniform on [0, 1] (Wang et al. 2016, Exp. 1).

    Raises
    ------
    UnknownNameError
        If there is no such split: there are ``"train"`` and ``"test"``, which share no task.
    """
    if split not in SPLITS:
        raise UnknownNameError("split of bandits", str(split), SPLITS)
    n = 100 if n is None else n
    check_integer("n", n, 1)
    check_integer("seed", seed, 0)
    rng = np.random.default_rng([SPLITS[split], seed])
    # One task after the other, so that the first tasks are the same however many are drawn.
    drawn = [(rng.random(len(ARMS)), int(rng.integers(2**31))) for _ in range(n)]
    means, luck = np.stack([m for m, _ in drawn]), np.array([s for _, s in drawn])
    return Bandits(means, luck, [f"bandit-{split}-s{seed}/{k}" for k in range(n)])


class BanditWorld:
    """Bandits side by side; see `interp.contract.World`.

    =============  =====================================================
    observation    feature (`FEATURES`), float32, 0 to 1
    action         0 left, 1 right; −1 leaves a row as it is
    reward         0 or 1
    ends           after `HORIZON` pulls (truncated)
    outcome        regret: what the better arm would have paid more, expected
    =============  =====================================================
    """

    max_steps, n_actions, spaces = HORIZON, len(ARMS), SPACES

    def __init__(self, tasks: Bandits):
        self._means, self._pays = tasks.means, tasks.pays()
        self.reset()

    @property
    def outcome(self) -> np.ndarray:
        """(batch,) float64, the regret so far."""
        return self._regret.copy()

    def reset(self) -> np.ndarray:
        """Begin anew and return the first observations."""
        n = len(self._means)
        self._regret, self._time = np.zeros(n), np.zeros(n, np.int64)
        self._seen = np.zeros((n, len(FEATURES)), np.float32)
        return self._seen.copy()

    def step(self, action: np.ndarray) -> Transition:
        """Pull one arm per row.

        Raises
        ------
        InputError
            If an action is none of −1, 0 and 1.
        """
        action = np.asarray(action)
        if action.shape != self._time.shape or not np.isin(action, (-1, 0, 1)).all():
            raise InputError(f"A pull is 0 or 1 (−1 for none) for each of {len(self._time)} rows.")
        rows = np.flatnonzero((action >= 0) & (self._time < HORIZON))
        pulled, reward = action[rows], np.zeros(len(action), np.float32)
        reward[rows] = self._pays[rows, self._time[rows], pulled]
        self._regret[rows] += self._means[rows].max(1) - self._means[rows, pulled]
        self._time[rows] += 1
        self._seen[rows] = 0
        self._seen[rows, pulled], self._seen[rows, 2] = 1, reward[rows]
        self._seen[rows, 3] = self._time[rows] / HORIZON
        over = self._time >= HORIZON
        return Transition(self._seen.copy(), reward, np.zeros_like(over), over)


def counts(observation: Any) -> np.ndarray:
    """Return what has been seen so far: (episode, step, arm, 2) int64, pulls that paid and that did not.

    Parameters
    ----------
    observation
        (episode, step, feature), as the world shows them.
    """
    observation = np.nan_to_num(np.asarray(observation))
    pulled, paid = observation[..., :2, None], observation[..., 2, None, None]
    return np.cumsum(pulled * np.concatenate([paid, 1 - paid], -1), axis=1).round().astype(np.int64)
