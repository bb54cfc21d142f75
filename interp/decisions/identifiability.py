"""Which reward weights behaviour in given problems could ever determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.decisions.mdp import TabularMDP, join
from interp.decisions.soft_values import DISCOUNT, solve

_NULL = 1e-6  # of the largest eigenvalue: rounding in the linear solves is far below
_MIXED = 1e-4  # of a unit vector: how much of it may lie in the null space


@dataclass(frozen=True)
class Identifiability:
    """Which weights behaviour in given problems can determine at all, whoever acts.

    Two rewards lead to the same behaviour, in every state and for every agent of this kind, exactly if
    they differ by one under which no action is ever better than another (a potential; Ng, Harada &
    Russell 1999). Those differences are the null space of ``E[A Aᵀ]``, where A are the features'
    advantages under random actions.

    Attributes
    ----------
    feature_names : tuple of str
    eigenvalues : numpy.ndarray
        Of ``E[A Aᵀ]`` with features scaled to unit variance, descending, dims ``(direction,)``.
    directions : numpy.ndarray
        The eigenvectors, as changes of the weights of unit length, dims ``(direction, feature)``.
    null : numpy.ndarray
        Which directions change nothing, dims ``(direction,)``, bool.
    groups : tuple of tuple of int
        Features that cannot be told apart from each other, every feature in one group.
    identified : numpy.ndarray
        Whether the sum of a group's weights is determined, dims ``(group,)``, bool.
    """

    feature_names: tuple[str, ...]
    eigenvalues: np.ndarray
    directions: np.ndarray
    null: np.ndarray
    groups: tuple[tuple[int, ...], ...]
    identified: np.ndarray

    @property
    def group_names(self) -> list[str]:
        """The groups in words: ``"a"``, or ``"a = b"`` for two that cannot be told apart."""
        return [" = ".join(self.feature_names[i] for i in group) for group in self.groups]

    def told_apart(self, one: str, other: str) -> bool:
        """Say whether behaviour could ever tell the weights of two features apart."""
        difference = np.zeros(len(self.feature_names))
        difference[self.feature_names.index(one)] = 1
        difference[self.feature_names.index(other)] -= 1
        return bool(_determined(difference, self.directions[self.null]))


def identifiability(
    mdps: TabularMDP | Sequence[TabularMDP], discount: float = DISCOUNT
) -> Identifiability:
    """Say which weights behaviour in these problems can determine; see `Identifiability`.

    Only the problems matter, not what anybody did in them: a weight that is identified may still be
    poorly determined by a given recording, which is for intervals to say.

    Examples
    --------
    >>> both = [[[0, 0], [1, 1]], [[0, 0], [0, 0]]]
    >>> tied = identifiability(TabularMDP([[0, 1], [1, 1]], both, [False, True], ("a", "b")))
    >>> tied.group_names, tied.told_apart("a", "b"), tied.identified.tolist()
    (['a = b'], False, [True])
    """
    mdp = mdps if isinstance(mdps, TabularMDP) else join(mdps)[0]
    names = mdp.feature_names
    point = solve(mdp, np.zeros(len(names)), discount)
    advantage = point.action_counts - point.counts[:, None]
    advantage = advantage[~mdp.terminal].reshape(-1, len(names))
    second = advantage.T @ advantage / max(1, len(advantage))
    scale = np.sqrt(np.diag(second))
    absent = scale <= _NULL * scale.max(initial=0)
    scale = np.where(absent, 1.0, scale)
    scaled = np.where(absent[:, None] | absent, 0.0, second / np.outer(scale, scale))
    values, vectors = np.linalg.eigh(scaled)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1].T
    null = values <= _NULL * max(values.max(initial=0), 1e-300)
    directions = vectors / scale
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    groups = _groups(directions[null], len(names))
    sums = np.zeros((len(groups), len(names)))
    for row, group in enumerate(groups):
        sums[row, list(group)] = 1
    identified = np.array([_determined(row, directions[null]) for row in sums])
    return Identifiability(names, values, directions, null, groups, identified)


def _determined(combination: np.ndarray, null: np.ndarray) -> bool:
    """Say whether a combination of weights stays the same along all null directions."""
    norm = np.linalg.norm(combination)
    return norm == 0 or bool((np.abs(null @ combination) <= _MIXED * norm).all())


def _groups(null: np.ndarray, n: int) -> tuple[tuple[int, ...], ...]:
    """Return the connected components of features that null directions mix."""
    if not len(null):
        return tuple((i,) for i in range(n))
    basis = np.linalg.qr(null.T)[0]
    mixed = np.abs(basis @ basis.T) > _MIXED  # the projector on the null space
    label = np.arange(n)
    for i, j in np.argwhere(mixed):
        label[label == label[j]] = label[i]
    members = (tuple(np.flatnonzero(label == value).tolist()) for value in np.unique(label))
    return tuple(sorted(members))
