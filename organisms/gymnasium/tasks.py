"""Tasks of a gymnasium world: the seeds that its episodes begin from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.errors import InputError, UnknownNameError, check_integer

SPLITS = ("train", "validation", "test")
DEFAULT_N = 100


@dataclass(frozen=True)
class SeededTasks:
    """Episodes of a gymnasium environment, each by the seed that it is reset with.

    Parameters
    ----------
    seeds
        One per task.
    ids, texts
        Their names, each once, and what each is in words; by the seed unless told.
    options
        One per task, given to ``reset(options=…)``; empty for none.

    Raises
    ------
    InputError
        If the numbers differ, a seed is no integer ≥ 0, or an id is there twice.

    Examples
    --------
    >>> tasks = SeededTasks((3, 4), options=({"wind": 0.0}, {"wind": 5.0}))
    >>> tasks.ids, tasks[1:].texts
    (('seed-3', 'seed-4'), ("seed 4, {'wind': 5.0}",))
    """

    seeds: tuple[int, ...]
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    options: tuple[Mapping[str, Any] | None, ...] = ()

    def __post_init__(self) -> None:
        for seed in self.seeds:
            check_integer("a seed", seed, 0)
        seeds = tuple(int(seed) for seed in self.seeds)
        options = tuple(self.options) or (None,) * len(seeds)
        said = [f"seed {s}" if o is None else f"seed {s}, {o}" for s, o in zip(seeds, options)]  # noqa: B905
        filled = {
            "seeds": seeds,
            "ids": tuple(map(str, self.ids)) or tuple(f"seed-{seed}" for seed in seeds),
            "texts": tuple(map(str, self.texts)) or tuple(said),
            "options": options,
        }
        for name, values in filled.items():
            if len(values) != len(seeds):
                raise InputError(f"There are {len(seeds)} seeds and {len(values)} {name}.")
            object.__setattr__(self, name, values)
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise InputError(
                f"The task {twice!r} is there twice; every task needs an id of its own."
            )

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: slice) -> SeededTasks:
        return SeededTasks(
            self.seeds[index], self.ids[index], self.texts[index], self.options[index]
        )


def seeded_tasks(world: str, split: str | Iterable[int], n: int | None, seed: int) -> SeededTasks:
    """Return tasks of a split, or of the seeds that are given.

    Parameters
    ----------
    world
        The name of the environment, for ids and texts.
    split
        ``"train"``, ``"validation"`` or ``"test"``, which have no seed in common; or seeds.
    n
        How many; of a split 100 unless told, and fewer of them are the first of more.
    seed
        Which of a split.
    """
    if n is not None:
        check_integer("n", n, 1)
    if isinstance(split, str):
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        check_integer("seed", seed, 0)
        seeds = _of_split(SPLITS.index(split), DEFAULT_N if n is None else n, seed)
    elif isinstance(split, Iterable):
        seeds = list(split)[:n]
    else:
        raise InputError(f"Tasks are the name of a split or seeds, not {split!r}.")
    return SeededTasks(
        tuple(seeds),
        tuple(f"{world}/seed-{number}" for number in seeds),
        tuple(f"{world}, seed {number}" for number in seeds),
    )


def _of_split(split: int, n: int, seed: int) -> list[int]:
    draws, rng = {}, np.random.default_rng([split, seed])
    while len(draws) < n:
        draws |= dict.fromkeys(rng.integers(2**28, size=n).tolist())
    return [len(SPLITS) * draw + split for draw in list(draws)[:n]]
