"""Makers of nulls and positives: data whose truth is known, given to an analysis as in earnest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

N_TASKS = 100
TIMES = (0, 2, 4, 8)
DRAWS = 19


@dataclass(frozen=True)
class Trial:
    """A kind of data with a known truth, and the analysis asked of it.

    Attributes
    ----------
    what
        The data, in words.
    effect
        0 for a null; else the size of the effect, in the analysis's own unit.
    found
        Generator → whether the analysis says "found".
    """

    what: str
    effect: float
    found: Callable[[np.random.Generator], bool]


@dataclass(frozen=True)
class _Tasks:
    """Nothing but names."""

    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: slice) -> _Tasks:
        return _Tasks(self.numbers[index])

    @property
    def ids(self) -> list[str]:
        return [f"task/{number}" for number in self.numbers]


class _Chancer:
    """Solves each task by luck, of its own difficulty; thinking adds `gain` to the rate at most.

    Success at one thinking time says much of success at another, as with one network on one level.
    """

    def __init__(self, name: str, rng: np.random.Generator, gain: float, rate: float, noise: float):
        n = N_TASKS
        self.name, self._gain = name, gain
        self._ease = rng.beta(2 * rate, 2 * (1 - rate), n)
        self._luck = rng.random(n)
        self._again = rng.random((max(TIMES) + 1, n))
        self._other = rng.random((max(TIMES) + 1, n)) < noise  # tasks that thinking shakes

    def world(self, tasks: Any) -> Any:
        return type("World", (), {"max_steps": 8})

    def run(self, tasks: Any, thinking_steps: int = 0, **options: Any) -> xr.Dataset:
        shaken = self._other[thinking_steps]
        luck = np.where(shaken, self._again[thinking_steps], self._luck)
        solved = luck < self._ease
        # Tasks that it fails become solvable at such a chance that the rate grows by the gain.
        failed = max(1.0 - float(self._ease.mean()), 1e-9)
        came = self._again[thinking_steps] < min(1.0, self._gain / failed)
        solved = solved | (came & (thinking_steps > 0) & ~solved)
        return xr.Dataset(
            {
                "solved": ("episode", solved),
                "length": ("episode", np.where(solved, 2, 8)),
                "reward": (("episode", "step"), np.where(solved, 1.0, 0.0)[:, None]),
            }
        )


def _thinks(rate: float, gain: float, noise: float) -> Callable[[np.random.Generator], bool]:
    def found(rng: np.random.Generator) -> bool:
        from analyses.thinking.thinking_time import thinking_time

        tasks: Any = _Tasks(tuple(range(N_TASKS)))
        result = thinking_time(
            _Chancer("chancer", rng, gain, rate, noise),
            tasks,
            TIMES,
            controls=(),
            n_bootstrap=200,
            progress=False,
        )
        return bool(result.found.values.any())

    return found


def _thinks_more(rate: float, gain: float) -> Callable[[np.random.Generator], bool]:
    def found(rng: np.random.Generator) -> bool:
        from analyses.thinking.thinking_comparison import compare_thinking

        tasks: Any = _Tasks(tuple(range(N_TASKS)))
        # Both gain from thinking; the claim is that the first gains more.
        both = [_Chancer(f"chancer-{i}", rng, 0.05 + gain * (i == 0), rate, 0.1) for i in (0, 1)]
        result = compare_thinking(both, tasks, TIMES, n_bootstrap=200, progress=False)
        return bool(result.found.sel(organism="chancer-1"))

    return found


def _steers(effect: float, cells: int, n_units: int) -> Callable[[np.random.Generator], bool]:
    """A random direction called the plan, or one that does `effect` more than those."""

    def found(rng: np.random.Generator) -> bool:
        from analyses.against_controls import against_controls

        base = 0.05
        # Most random directions do little and some do much, the same in neighbouring cells.
        own = rng.beta(0.5, 4, (1 + DRAWS, 1)) + rng.normal(0, 0.03, (1 + DRAWS, cells))
        own[0] += effect
        rate = np.clip(base + own, 0, 1)[..., None] * np.ones(n_units)
        success = (rng.random(rate.shape) < rate).astype(float)
        nothing = (rng.random(n_units) < base).astype(float)
        source = np.array(["trained"] + ["random"] * DRAWS)
        result = against_controls(
            success,
            source,
            {"alpha": list(range(cells))},
            nothing,
            n_bootstrap=200,
            confidence=0.95,
            rng=rng,
        )
        return bool(result.found)

    return found


def trials() -> Mapping[str, tuple[Trial, ...]]:
    """Return the trials of every analysis that has some: nulls first, then effects that grow."""
    thinking = [
        Trial(f"success {rate:g} that thinking {how}", 0.0, _thinks(rate, 0.0, noise))
        for rate in (0.5, 0.9)
        for how, noise in (("shakes", 0.3), ("leaves alone", 0.02))
    ]
    thinking += [
        Trial("success .5 that thinking raises", gain, _thinks(0.5, gain, 0.1))
        for gain in (0.02, 0.05, 0.1, 0.2)
    ]
    comparing = [Trial("two that gain alike", 0.0, _thinks_more(rate, 0.0)) for rate in (0.3, 0.7)]
    comparing += [
        Trial("one that gains more", gain, _thinks_more(0.3, gain))
        for gain in (0.05, 0.1, 0.2, 0.4)
    ]
    steering = [
        Trial(f"a random direction, {cells} cells, {n} levels", 0.0, _steers(0.0, cells, n))
        for cells, n in ((1, 25), (6, 25), (6, 100))
    ]
    steering += [
        Trial("a direction that does more, 6 cells, 25 levels", effect, _steers(effect, 6, 25))
        for effect in (0.1, 0.2, 0.4, 0.6)
    ]
    return {
        "thinking_time": tuple(thinking),
        "compare_thinking": tuple(comparing),
        "plan_steering": tuple(steering),
    }
