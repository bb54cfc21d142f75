"""Train and test sets that share no level, and label shuffling that keeps label maps whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from interp.errors import InputError


def split_groups(
    groups: ArrayLike,
    test_fraction: float = 0.3,
    seed: int = 0,
    split: tuple[Iterable, Iterable] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split episodes into train and test such that no group is on both sides.

    Parameters
    ----------
    groups
        (episode,) the group (level) of each episode.
    test_fraction
        Fraction of the *groups* that goes to test, in (0, 1).
    seed
        Seed of the draw.
    split
        The groups of each side, named, instead of a draw. Groups in neither are left out.

    Returns
    -------
    tuple of ndarray
        Positions of the training and of the test episodes, ascending.

    Raises
    ------
    InputError
        With fewer than two groups, a group on both sides or not in the data, or an empty side.

    Examples
    --------
    >>> train, test = split_groups(["a", "a", "b", "c"], 0.4, seed=0)
    >>> sorted([*train, *test]) == [0, 1, 2, 3]
    True
    """
    groups = np.asarray(groups)
    names, of_episode = np.unique(groups, return_inverse=True)
    if split is not None:
        sides = [np.unique(np.asarray(list(side))) for side in split]
        for name, side in zip(("train", "test"), sides, strict=True):
            unknown = [g for g in side.tolist() if g not in set(names.tolist())]
            if unknown:
                raise InputError(f"The {name} side names groups not in the data: {unknown[:5]}.")
            if not len(side):
                raise InputError(f"The {name} side of the split is empty.")
        both = np.intersect1d(*sides)
        if len(both):
            raise InputError(f"Groups on both sides of the split: {both.tolist()[:5]}.")
        train, test = (np.flatnonzero(np.isin(groups, side)) for side in sides)
        return train, test
    if not 0 < test_fraction < 1:
        raise InputError(f"test_fraction must lie between 0 and 1, not {test_fraction!r}.")
    if len(names) < 2:
        raise InputError(
            f"Splitting needs at least 2 groups (levels); there are {len(names)} in "
            f"{len(groups)} episodes."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    n_test = int(np.clip(round(test_fraction * len(names)), 1, len(names) - 1))
    in_test = np.zeros(len(names), dtype=bool)
    in_test[order[:n_test]] = True
    return np.flatnonzero(~in_test[of_episode]), np.flatnonzero(in_test[of_episode])


def shuffle_label_maps(
    labels: np.ndarray, used: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Give every (episode, step) the whole label map of another group's episode.

    The (episode, step) maps are laid end to end, groups in a random order, and shifted round by a
    random amount of at least the largest group. So each map keeps its marginal statistics and its
    neighbours in time, and none stays with its own level (unless one group holds half of the maps).

    Parameters
    ----------
    labels
        (episode, step, square) labels.
    used
        (episode, step) bool: the rows that take part; the rest is returned as it is.
    groups
        (episode,) group of each episode.
    """
    _, of_episode = np.unique(groups, return_inverse=True)
    rank = rng.permutation(of_episode.max() + 1)[of_episode]
    episode, step = np.nonzero(used)
    order = np.lexsort((step, episode, rank[episode]))
    episode, step = episode[order], step[order]
    n = len(order)
    largest = int(np.bincount(of_episode[episode]).max())
    shift = int(rng.integers(largest, n - largest + 1)) if 2 * largest <= n else n // 2
    shuffled = labels.copy()
    shuffled[episode, step] = labels[np.roll(episode, -shift), np.roll(step, -shift)]
    return shuffled
